#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-sim as real processes on the loopback: what each kind answers,
# streams, a router over two prefill and two decode workers, faults, the end.
. "$(dirname "$0")/lib.sh"
sim=$BUILD/bin/disagg-sim
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-sim.XXXXXX") || exit 5
pids=()
finish() {
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 5
unset DISAGG_SIM_FAULT DISAGG_WORKER DISAGG_RANK DISAGG_ATTEMPT
code=0

evidence() {
	echo "#   status $rc, HTTP $code"
	cut -c 1-300 out | head -n 8 | sed 's/^/#   out: /'
	echo
	tail -n 5 "${log:-/dev/null}" | sed 's/^/#   log: /'
}

below() { report "$([ "$1" -lt "$2" ] && echo 1)" "$3" "expected less than $2, got $1"; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# start NAME OPTION...: in the background; sets pid, log
start() {
	log=$1.log
	shift
	: >"$log" # here, not only in the child: what an earlier one said must not be read
	"$sim" "$@" >stdout 2>"$log" </dev/null &
	pid=$!
	pids+=("$pid")
}

# until_log TEXT: at most 10 s
until_log() {
	for _ in $(seq 500); do
		grep -qF -e "$1" "$log" && return
		sleep 0.02
	done
	echo "# not in $log after 10 s: $1"
}

# serve NAME OPTION...: start, and wait for its port; sets url
serve() {
	start "$@"
	until_log "listens on"
	port=$(sed -n 's/.*listens on .*://p' "$log")
	url=http://127.0.0.1:$port
}

# ended: waits for $pid and sets rc
ended() {
	wait "$pid" 2>/dev/null
	rc=$?
}

stop() {
	kill -TERM "$pid"
	ended
}

# get PATH [CURL-OPTION]...: sets code; the body in out, the headers in head
get() {
	local path=$1
	shift
	code=$(curl -sS -m 8 -o out -D head -w '%{http_code}' "$@" "$url$path" 2>curl-err)
	[ -e out ] || : >out
}

post() { # PATH BODY [CURL-OPTION]...
	local path=$1 body=$2
	shift 2
	get "$path" --data-binary "$body" "$@"
}

# answers PATH STATUS TEXT NAME
answers() {
	get "$1"
	is "$code" "$2" "$4: $1 answers $2"
	[ -z "$3" ] || has out "$3" "$4: $1 says $3"
}

# ---- usage ----
refuses() { # TEXT NAME OPTION...
	local text=$1 name=$2
	shift 2
	log=usage.log
	timeout 10 "$sim" "$@" >out 2>usage.log </dev/null
	rc=$?
	is "$rc" 2 "$name: status 2"
	has usage.log "$text" "$name: says why"
	report "$([ ! -s out ] && echo 1)" "$name: nothing on stdout"
}
refuses "--as=KIND is missing" "no kind"
refuses "--as: 'sglan' is none of sglang" "an unknown kind" --as=sglan
refuses "did you mean 'sglang'?" "a slip in the kind" --as=sglan
refuses "--role: 'prefil' is none of agg, prefill, decode" "an unknown role" --as=vllm --role=prefil
refuses "--port: expected a number from 0 to 65535, got '65536'" "a port too high" \
	--as=vllm --port=65536
refuses "--kv-port: expected a number" "a KV port that is none" --as=vllm --kv-port=x
refuses "--tpot-ms: expected a number from 0, got '-1'" "a negative time" --as=vllm --tpot-ms=-1
refuses "--start-delay: expected a time such as 500ms or 2s, got '2h'" "a delay in hours" \
	--as=vllm --start-delay=2h
refuses "--max-concurrency: expected a number from 1" "no concurrency" \
	--as=vllm --max-concurrency=0
refuses "unexpected argument 'x'" "an operand" --as=vllm x
refuses "--prefill and --decode are for frontends, not for 'vllm'" "a worker with workers" \
	--as=vllm --decode=http://127.0.0.1:1
refuses "fault 'dye:3' is none of never-ready" "an unknown fault" --as=vllm --fault=dye:3
refuses "fault 'die': expected die:SECONDS[:STATUS]" "a fault without its time" \
	--as=vllm --fault=die
refuses "fault 'die:1:256': expected die:SECONDS[:STATUS]" "a status too high" \
	--as=vllm --fault=die:1:256
refuses "fault 'never-ready:1': expected never-ready" "an argument too many" \
	--as=vllm --fault=never-ready:1
refuses "fault 'slow:0': expected slow:FACTOR" "a factor of 0" --as=vllm --fault=slow:0
DISAGG_SIM_FAULT='vllm' refuses "DISAGG_SIM_FAULT: expected NAME=FAULT, got 'vllm'" \
	"an entry without a fault" --as=vllm
DISAGG_SIM_FAULT='a=die:1;*=x' refuses "DISAGG_SIM_FAULT: fault 'x' is none of" \
	"an unknown fault of the environment" --as=vllm
for bad in ftp://h:1 http:// http://host http://127.0.0.1:1/; do
	log=bad.log
	timeout 10 "$sim" --as=sglang-router --decode="$bad" >out 2>bad.log
	is "$?" 2 "--decode=$bad: status 2"
	has bad.log "expected http://host:port, got '$bad'" "--decode=$bad: says why"
done
"$sim" --name=x --help >out 2>err
is "$?" 0 "--help: status 0"
for word in --as=KIND --port=PORT --kv-port=PORT --fault=FAULT DISAGG_SIM_FAULT "exit status:"; do
	has out "$word" "--help: $word"
done
page=$SRC/docs/man/disagg-sim.1.scd
is "$(sed -n '/^# OPTIONS/,/^# FAULTS/p' "$page" | grep '^\*' | grep -oE -- '--[a-z-]+' | sort | tr '\n' ' ')" \
	"$(sed -n '/^options:/,/^$/p' out | grep -oE -- ' --[a-z-]+' | tr -d ' ' | sort | tr '\n' ' ')" \
	"disagg-sim(1) has the options of --help"
is "$(sed -n '/^# ENVIRONMENT/,/^# FILES/p' "$page" | grep -oE '^\*[A-Z_]+' | tr -d '*' | tr '\n' ' ')" \
	"$(sed -n '/^environment:/,/^$/p' out | grep -oE '^  [A-Z_]+' | tr -d ' ' | tr '\n' ' ')" \
	"disagg-sim(1) has its environment"
"$sim" --as=vllm --fault=x >out 2>err
is "$(sed -n '/^# FAULTS/,/^# EXIT/p' "$page" | grep -oE '^[a-z0-9][a-z0-9-]*' | tr '\n' ' ')" \
	"$(sed -n 's/.*is none of //p' err | tr -d ,) " "disagg-sim(1) has every fault"

# ---- every kind ----
health='/health 200 '
kind() { # KIND NAME: starts it, stops what was there
	serve "$1" --as="$1" --model=m1
	has "$log" "disagg-sim: SIMULATION: $1 agg" "$1: says that it is a simulation"
	report "$([ ! -s stdout ] && echo 1)" "$1: nothing on stdout"
	get /health
	has head "X-Disagg-Simulation: 1" "$1: answers carry the mark"
	post /v1/completions '{"prompt":"12345678","max_tokens":4}'
	is "$code" 200 "$1: completion answers 200"
	has out '"usage":{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6}' "$1: usage"
	has out '"model":"m1"' "$1: model of the answer"
	has out '"text":" sim sim sim sim"' "$1: text"
	has out '"finish_reason":"length"' "$1: why it ended"
	answers /v1/models 200 '"data":[{"id":"m1","object":"model"' "$1"
	answers /nothing 404 "no such path '/nothing'" "$1"
	post /health '{}'
	is "$code" 405 "$1: a method that is not for the path"
}
kind sglang
for path in "$health" '/health_generate 200 ' '/get_model_info 200 "model_path":"m1"' \
	'/model_info 200 "is_generation":true' \
	'/get_server_info 200 "disaggregation_mode":"null"' '/server_info 200 "internal_states":[' \
	'/metrics 200 sglang:num_running_reqs 0' '/version 404 '; do
	read -r one two three <<<"$path"
	answers "$one" "$two" "$three" sglang
done
stop
is "$rc" 0 "sglang: TERM ends it with 0"
kind trtllm
for path in "$health" '/version 200 "version":' '/server_info 200 {' '/metrics 200 []' \
	'/health_generate 404 '; do
	read -r one two three <<<"$path"
	answers "$one" "$two" "$three" trtllm
done
stop
kind vllm
for path in "$health" '/ping 200 ' '/version 200 "version":' \
	'/metrics 200 vllm:num_requests_running 0' '/get_server_info 404 '; do
	read -r one two three <<<"$path"
	answers "$one" "$two" "$three" vllm
done
post /v1/completions '{"model":"other","prompt":"x"}'
is "$code" 404 "vllm: a model that it does not serve"
# shellcheck disable=SC2016 # these are not commands
has out 'The model `other` does not exist.' "vllm: says which"
stop
kind dynamo
for path in '/health 200 "status":"ready"' '/live 200 "status":"live"' '/ping 404 '; do
	read -r one two three <<<"$path"
	answers "$one" "$two" "$three" dynamo
done
stop
serve alone --as=vllm-server --model=m1
answers /health 200 "" "vllm-server without workers"
post /v1/completions '{"model":"m1","prompt":"x","max_tokens":2}'
is "$code" 200 "vllm-server without workers serves by itself"
stop
start rank --as=mpi-rank
until_log "mpi-rank"
sleep 0.3
report "$(kill -0 "$pid" 2>/dev/null && echo 1)" "mpi-rank: lives"
hasnt rank.log "listens" "mpi-rank: listens nowhere"
stop
is "$rc" 0 "mpi-rank: TERM ends it with 0"

# ---- completions ----
serve one --as=sglang --model=m1 --tpot-ms=20 --ttft-us-per-token=1000
post /v1/chat/completions '{"messages":[{"role":"user","content":"x"}],"max_tokens":3}'
has out '"message":{"role":"assistant","content":" sim sim sim"}' "chat: the message"
has out '"object":"chat.completion"' "chat: the object"
post /v1/completions '{"prompt":"x","max_tokens":3,"stream":true}'
is "$(grep -c '^data: {' out)" 3 "stream: one event a token"
is "$(tail -n 2 out | head -n 1)" "data: [DONE]" "stream: ends with [DONE]"
is "$(grep -c '"finish_reason":null' out)" 2 "stream: only the last has a reason"
hasnt out '"usage"' "stream: no usage unless asked for"
has head 'text/event-stream' "stream: content type"
post /v1/chat/completions \
	'{"messages":[{}],"max_tokens":2,"stream":true,"stream_options":{"include_usage":true}}'
is "$(grep -c '"delta":{"role":"assistant","content":" sim"}' out)" 2 "chat stream: the deltas"
has out '"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2' "chat stream: usage"
post /generate '{"input_ids":[1,2,3],"sampling_params":{"max_new_tokens":2},"stream":true}'
has out '"text":" sim sim","meta_info"' "/generate: the text so far in each event"
has out '"prompt_tokens":3,"completion_tokens":2' "/generate: counts"
post /v1/completions '{"prompt":"x","max_tokens":100}'
has out '"completion_tokens":64,' "an answer ends by itself"
has out '"finish_reason":"stop"' "and says so"
post /v1/completions '{"prompt":"x","max_tokens":100,"ignore_eos":true}'
has out '"completion_tokens":100,' "ignore_eos: it does not"
ids=$(printf '%d,' $(seq 199))
before=$(now_ms)
post /v1/completions "{\"prompt\":[${ids}7],\"max_tokens\":11}"
took=$(($(now_ms) - before))
has out '"prompt_tokens":200,' "token ids are counted"
report "$([ "$took" -ge 390 ] && [ "$took" -lt 3000 ] && echo 1)" \
	"200 ms of prefill and 10 steps of 20 ms" "took $took ms"

bad() { # STATUS TEXT BODY
	post /v1/completions "$3"
	is "$code" "$1" "bad request: $3"
	has out "$2" "bad request: $3: says why"
}
bad 400 "the body is not a JSON object" ''
bad 400 "the body is not a JSON object" '{'
bad 400 "the body is not a JSON object" '[]'
bad 400 "the body is not a JSON object" '{"prompt":"x"} x'
bad 400 "the body is not a JSON object" '{"prompt":"\q"}'
bad 400 "the body is not a JSON object" '{"prompt":[1,]}'
bad 400 "the body is not a JSON object" '{"prompt":01}'
bad 400 "the body is not a JSON object" \
	"{\"prompt\":$(printf '[%.0s' $(seq 100))$(printf ']%.0s' $(seq 100))}"
bad 400 "'prompt' is missing" '{}'
bad 400 "'prompt': expected text or a list" '{"prompt":1}'
bad 400 "'prompt' is empty" '{"prompt":[]}'
bad 400 "'prompt': expected one prompt, got 2" '{"prompt":["a","b"]}'
bad 400 "'max_tokens': expected a number from 1" '{"prompt":"x","max_tokens":0}'
bad 400 "'max_tokens': expected a number from 1" '{"prompt":"x","max_tokens":"5"}'
bad 400 "'max_tokens': expected a number from 1" '{"prompt":"x","max_tokens":1e30}'
bad 400 "'stream': expected true or false" '{"prompt":"x","stream":1}'
bad 400 "'disagg_kv': expected a phase and a request" '{"prompt":"x","disagg_kv":1}'
bad 400 "'disagg_kv': expected host, port and tokens" \
	'{"prompt":"x","disagg_kv":{"phase":"decode","request":"1"}}'
bad 400 "this worker has no prefill role" \
	'{"prompt":"x","disagg_kv":{"phase":"prefill","request":"1"}}'
post /v1/chat/completions '{}'
has out "'messages' is missing" "chat without messages"
head -c 17000000 /dev/zero >large
post /v1/completions @large
is "$code" 413 "a body too large"
post /v1/completions @large -H 'Expect:' -H 'Transfer-Encoding: chunked'
is "$code" 413 "a body too large that does not say so"
bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$port"'
	printf "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf" >&3
	sleep 1' &
cut=$!
get /health
is "$code" 200 "one that sends half a request stops nobody"
kill "$cut" 2>/dev/null
wait "$cut" 2>/dev/null
stop
is "$rc" 0 "it ends with half a request open"

serve queue --as=sglang --tpot-ms=20 --ttft-us-per-token=0 --max-concurrency=1
body='{"prompt":"x","max_tokens":11,"ignore_eos":true}'
before=$(now_ms)
for i in 1 2 3; do
	curl -sS -m 8 -o "queue$i" -d "$body" "$url/v1/completions" &
	curls[i]=$!
done
wait "${curls[@]}"
took=$(($(now_ms) - before))
report "$([ "$took" -ge 590 ] && echo 1)" "--max-concurrency=1: one after the other" "$took ms"
stop

# ---- a router over two prefill and two decode workers ----
fleet() { # KIND OPTION-OF-PREFILL OPTION-OF-DECODE
	local i
	workers=() prefill=() decode=() urls=()
	for i in 0 1; do
		serve "prefill_$i" --as="$1" --role=prefill --name="prefill_$i" --model=m1 ${2:+"$2"}
		prefill+=("--prefill=$url") workers+=("$pid") urls+=("$url")
		serve "decode_$i" --as="$1" --role=decode --name="decode_$i" --model=m1 ${3:+"$3"}
		decode+=("--decode=$url") workers+=("$pid") urls+=("$url")
	done
}
dismiss() {
	kill -TERM "${workers[@]}" "$pid"
	wait "${workers[@]}" "$pid"
	rc=$?
}
until_answer() { # PATH TEXT: at most 10 s
	for _ in $(seq 200); do
		get "$1"
		grep -qF -e "$2" out && return
		sleep 0.05
	done
}

fleet sglang "" ""
post /v1/completions '{"prompt":"x"}'
is "$code" 400 "a worker of a pair asked alone"
has out "without bootstrap room id" "a worker of a pair asked alone: says why"
get /get_server_info
has out '"disaggregation_mode":"decode"' "a worker knows its role"
serve router --as=sglang-router "${prefill[@]}" "${decode[@]}"
until_answer /readiness '"healthy_workers":4'
is "$(cat out)" '{"status":"ready","healthy_workers":4,"total_workers":4}' "router: /readiness"
answers /health 200 OK "router"
answers /liveness 200 OK "router"
answers /workers 200 '"total":4,"stats":{"prefill_count":2,"decode_count":2,"regular_count":0}' router
is "$(grep -o '"worker_type":"decode","is_healthy":true' out | wc -l)" 2 "router: healthy decode workers"
until_answer /v1/models '"id":"m1"'
has out '"id":"m1"' "router: the model is that of its workers"
answers /get_model_info 200 '"model_path":"m1"' "router"
good=0
for i in $(seq 8); do
	post /v1/completions '{"prompt":"0123456789abcdef","max_tokens":5}'
	[ "$code" = 200 ] && grep -q '"completion_tokens":5' out && good=$((good + 1))
done
is "$good" 8 "router: 8 completions"
post /v1/chat/completions '{"messages":[{"role":"user","content":"hi"}],"max_tokens":4,"stream":true}'
is "$(grep -c '^data: {' out)" 4 "router: a stream passes through"
is "$(grep -c '^data: \[DONE\]' out)" 1 "router: to its end"
has head "X-Disagg-Simulation: 1" "router: answers carry the mark"
post /generate '{"text":"x","sampling_params":{"max_new_tokens":2}}'
has out '"completion_tokens":2' "router: /generate"
head -c 400000 /dev/zero | tr '\0' x >text
printf '{"prompt":"%s","max_tokens":2}' "$(cat text)" >body
post /v1/completions @body
is "$code" 200 "router: 100,000 tokens, 6.4 MB of KV bytes"
has out '"prompt_tokens":100000,' "router: all counted"
post /v1/completions '{"prompt":'
is "$code" 400 "router: bad JSON goes no further"
post /v1/completions '{}'
has out "'prompt' is missing" "router: a request without a prompt goes no further"
router=$url
for url in "${urls[@]}"; do
	get /get_server_info
	bytes=$(sed -n 's/.*"kv_bytes":\([0-9]*\).*/\1/p' out)
	report "$([ "${bytes:-0}" -ge 1024 ] && echo 1)" "each worker moved KV bytes" "$bytes at $url"
done
url=$router
kill -KILL "${workers[1]}"
wait "${workers[1]}" 2>/dev/null
until_answer /readiness '"healthy_workers":3'
has out '"healthy_workers":3' "router: notices a worker that died"
post /v1/completions '{"prompt":"x","max_tokens":2}'
is "$code" 200 "router: the other decode worker goes on"
kill -KILL "${workers[3]}"
wait "${workers[3]}" 2>/dev/null
until_answer /readiness 'not ready'
is "$code" 503 "router: not ready without decode workers"
is "$(cat out)" '{"status":"not ready","reason":"insufficient healthy workers"}' "router: says so"
post /v1/completions '{"prompt":"x","max_tokens":2}'
is "$code" 503 "router: no decode worker is left"
has out "No available decode workers" "router: says which"
workers=("${workers[0]}" "${workers[2]}")
dismiss
is "$rc" 0 "router: TERM ends it with 0"
has router.log "handed on 13 requests" "router: tells how many requests there were"

# the KV port, asked by others
serve one --as=sglang --role=prefill
get /get_server_info
kv=$(sed -n 's/.*"disaggregation_bootstrap_port":\([0-9]*\).*/\1/p' out)
# shellcheck disable=SC2016 # the inner bash expands it
ask_kv() { # FILE: what the KV port answers to it
	timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1"; cat "$2" >&3; cat <&3' - "$kv" "$1" \
		2>/dev/null | tr -d '\0'
}
printf 'KV1 0000000000000000005 0000000003\n' >request
is "$(ask_kv request)" "NO1 0000000000000000005 0000000003" "KV port: a request it does not know"
printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n' >request
is "$(ask_kv request)" "" "KV port: something else"
printf 'KV1 00000000000000000-5 000000000x\n' >request
is "$(ask_kv request)" "" "KV port: numbers that are none"
get /health
is "$code" 200 "KV port: the worker goes on"
stop
is "$rc" 0 "KV port: and ends well"
has "$log" "did 0 requests, 0 tokens; sent 0 KV bytes" "a worker tells what it did"

fleet trtllm "" ""
start front --as=trtllm-server --port=0 --decode=http://127.0.0.1:9 --expect-decode=1
sleep 0.5
hasnt front.log "listens on" "trtllm-server: does not listen while a worker is missing"
stop
is "$rc" 0 "trtllm-server: TERM ends it before it listens"
serve front --as=trtllm-server "${prefill[@]}" "${decode[@]}"
answers /health 200 "" trtllm-server
answers /cluster_info 200 '{"is_ready":true}' trtllm-server
answers /version 200 '"version"' trtllm-server
answers /v1/models 404 "" trtllm-server
post /v1/completions '{"model":"m1","prompt":"x","max_tokens":2}'
is "$code" 200 "trtllm-server: a completion"
dismiss

fleet dynamo "" ""
serve front --as=dynamo-frontend "${prefill[@]}" "${decode[@]}"
until_answer /v1/models '"id":"m1"'
answers /live 200 '"status":"live"' dynamo-frontend
answers /health 200 '"status":"healthy"' dynamo-frontend
is "$(grep -o '"component":"prefill","endpoint":"generate"' out | wc -l)" 2 "dynamo-frontend: prefill"
is "$(grep -o '"component":"backend","endpoint":"generate"' out | wc -l)" 2 "dynamo-frontend: decode"
post /v1/completions '{"model":"m1","prompt":"x","max_tokens":2}'
is "$code" 200 "dynamo-frontend: a completion"
dismiss
serve front --as=dynamo-frontend --decode=http://127.0.0.1:9
answers /v1/models 200 '"data":[]' "dynamo-frontend without workers"
answers /v1/completions 405 "" "dynamo-frontend"
stop

fleet vllm "" ""
serve front --as=vllm-server "${decode[@]}" --expect-decode=3
sleep 0.5
answers /health 503 "" "vllm-server that waits for a third"
stop
serve front --as=vllm-server "${prefill[@]}" "${decode[@]}"
until_answer /v1/models '"id":"m1"'
answers /health 200 "" "vllm-server"
post /v1/completions '{"model":"m1","prompt":"x","max_tokens":2}'
is "$code" 200 "vllm-server: a completion"
post /v1/completions '{"model":"m2","prompt":"x","max_tokens":2}'
is "$code" 404 "vllm-server: what a worker refuses is passed on"
# shellcheck disable=SC2016 # these are not commands
has out 'The model `m2` does not exist.' "vllm-server: with its reason"
dismiss

# ---- faults ----
start f --as=vllm --port=0 --start-delay=700ms
before=$(now_ms)
until_log "listens on"
took=$(($(now_ms) - before))
report "$([ "$took" -ge 600 ] && echo 1)" "--start-delay: not before" "$took ms"
stop
start f --as=vllm --start-delay=30s
until_log SIMULATION
stop
is "$rc" 0 "TERM while it loads"

serve one --as=vllm
taken=$port
keep=$pid
log=taken.log
timeout 10 "$sim" --as=vllm --port="$taken" >out 2>taken.log
is "$?" 5 "a port that is taken: status 5"
has taken.log "cannot listen on '127.0.0.1:$taken': Address already in use" "and which"
pid=$keep
stop

start f --as=vllm --port="$taken" --fault=never-ready
sleep 0.3
url=http://127.0.0.1:$taken
get /health
is "$code" 000 "never-ready: nobody listens"
has curl-err "Couldn't connect" "never-ready: refused"
stop
serve f --as=vllm --fault=hang-before-ready
get /health -m 1
is "$code" 000 "hang-before-ready: no answer"
has curl-err "timed out" "hang-before-ready: though it listens"
stop
is "$rc" 0 "hang-before-ready: TERM ends it"
serve f --as=vllm --fault=503
for path in /health /v1/completions; do
	if [ "$path" = /health ]; then get $path; else post $path '{"prompt":"x"}'; fi
	is "$code" 503 "503: $path"
done
answers /v1/models 200 "" "503"
stop
serve f --as=vllm --fault=503:2
answers /health 503 "" "503:2 at first"
sleep 2.1
answers /health 200 "" "503:2 later"
stop
serve f --as=vllm --model=m1 --fault=wrong-model
answers /v1/models 200 '"id":"not-m1"' wrong-model
stop
serve f --as=vllm --model=m1 --fault=wrong-model:m2
answers /v1/models 200 '"id":"m2"' wrong-model:m2
stop

dies() { # STATUS LOW-MS HIGH-MS OPTION...
	local want=$1 low=$2 high=$3
	shift 3
	before=$(now_ms)
	start f "$@"
	ended
	took=$(($(now_ms) - before))
	is "$rc" "$want" "${*: -1}: status $want"
	report "$([ "$took" -ge "$low" ] && [ "$took" -lt "$high" ] && echo 1)" \
		"${*: -1}: in time" "$took ms"
}
dies 1 450 5000 --as=vllm --fault=die:0.5
dies 7 150 5000 --as=vllm --fault=die:0.2:7
dies 137 150 5000 --as=vllm --fault=die:0.2:KILL
dies 0 150 5000 --as=vllm --fault=exit0:0.2
dies 0 150 5000 --as=mpi-rank --fault=exit0:0.2
dies 3 150 5000 --as=sglang-router --fault=die:0.2:3
dies 3 150 5000 --as=vllm --fault=hang-before-ready --fault=die:0.2:3
serve f --as=vllm --fault=die-after-ready:0.3:9
sleep 0.5
report "$(kill -0 "$pid" 2>/dev/null && echo 1)" "die-after-ready: not before it was asked"
get /health
ended
is "$rc" 9 "die-after-ready: then it does"
serve f --as=vllm --fault=hang:2
answers /health 200 "" "hang:2 at first"
sleep 2
get /health -m 1
is "$code" 000 "hang:2 later"
stop
serve f --as=vllm --fault=hang-after-ready:0.2
sleep 0.4
answers /health 200 "" "hang-after-ready: the first time"
sleep 0.3
get /health -m 1
is "$code" 000 "hang-after-ready: then no more"
stop
serve f --as=vllm --fault=slow:20
before=$(now_ms)
post /v1/completions '{"prompt":"x","max_tokens":11}'
took=$(($(now_ms) - before))
report "$([ "$took" -ge 390 ] && echo 1)" "slow:20" "$took ms"
stop
serve f --as=vllm --fault=fail-requests:2
codes=
for i in 1 2 3 4; do
	post /v1/completions '{"prompt":"x","max_tokens":2}'
	codes+="$code "
done
is "$codes" "200 500 200 500 " "fail-requests:2"
stop
serve f --as=vllm --fault=zero-tokens
post /v1/completions '{"prompt":"x","max_tokens":2}'
has out '"completion_tokens":0' "zero-tokens"
post /v1/completions '{"prompt":"x","max_tokens":2,"stream":true}'
has out 'data: [DONE]' "zero-tokens: a stream still ends"
hasnt out ' sim' "zero-tokens: without a word"
stop
start f --as=mpi-rank --fault=ignore-term
until_log SIMULATION
kill -TERM "$pid"
sleep 0.3
report "$(kill -0 "$pid" 2>/dev/null && echo 1)" "ignore-term: lives on"
kill -KILL "$pid"
ended

broken() { # NAME OPTION-OF-PREFILL OPTION-OF-DECODE TEXT
	fleet sglang "$2" "$3"
	serve router --as=sglang-router "${prefill[@]}" "${decode[@]}"
	until_answer /readiness '"healthy_workers":4'
	post /v1/completions '{"prompt":"0123456789abcdef","max_tokens":2}'
	is "$code" 500 "$1: 500"
	has out "KV transfer failed: $4" "$1: the client is told"
	has router.log "KV transfer failed: $4" "$1: the router's log"
	cat decode_*.log >decodes.log
	has decodes.log "failed: $4" "$1: the decode worker's log"
	post /v1/completions '{"prompt":"x","max_tokens":2,"stream":true}'
	is "$code" 500 "$1: 500 where a stream was asked for"
	dismiss
}
broken "drop-transfers of prefill" --fault=drop-transfers "" "the connection was closed"
broken "drop-transfers of decode" "" --fault=drop-transfers "the transfer was dropped"
broken "corrupt-transfers of prefill" --fault=corrupt-transfers "" "a byte is wrong"
broken "corrupt-transfers of decode" "" --fault=corrupt-transfers "a byte is wrong"
broken "corrupt-transfers of both" --fault=corrupt-transfers --fault=corrupt-transfers "a byte is wrong"
fleet sglang "" ""
serve router --as=sglang-router "${prefill[@]}" "${decode[@]}" --fault=short-counts
until_answer /readiness '"healthy_workers":3'
answers /workers 200 '"total":4' "short-counts"
is "$(grep -o '"worker_type":"decode","is_healthy":true' out | wc -l)" 1 "short-counts: one is hidden"
dismiss

# the environment
env_fault() { # WANT-STATUS FAULTS [NAME=VALUE]...
	local want=$1 faults=$2
	shift 2
	log=env.log
	env DISAGG_SIM_FAULT="$faults" "$@" timeout 0.5 "$sim" --as=mpi-rank >out 2>env.log
	rc=$?
	is "$rc" "$want" "DISAGG_SIM_FAULT='$faults' $*"
}
env_fault 7 'decode_1=die:0:7' DISAGG_WORKER=decode_1
env_fault 124 'decode_1=die:0:7' DISAGG_WORKER=decode_0
env_fault 7 'a=die:0:3;decode_1=die:0:7;' DISAGG_WORKER=decode_1
env_fault 7 'decode:1=die:0:7' DISAGG_WORKER=decode_1
env_fault 7 'decode[1]=die:0:7' DISAGG_WORKER=decode_1
env_fault 7 '*=die:0:7' DISAGG_WORKER=prefill_0
env_fault 7 'decode_0.1=die:0:7' DISAGG_WORKER=decode_0 DISAGG_RANK=1
env_fault 124 'decode_0.1=die:0:7' DISAGG_WORKER=decode_0 DISAGG_RANK=0
env_fault 7 'decode_0@0=die:0:7' DISAGG_WORKER=decode_0
env_fault 124 'decode_0@0=die:0:7' DISAGG_WORKER=decode_0 DISAGG_ATTEMPT=1

# ---- the end ----
serve f --as=vllm --tpot-ms=20
curl -sS -m 8 -N -o part -d '{"prompt":"x","max_tokens":20,"stream":true}' \
	"$url/v1/completions" &
client=$!
sleep 0.2
before=$(now_ms)
stop
took=$(($(now_ms) - before))
is "$rc" 0 "TERM during a stream: status 0"
wait "$client"
is "$?" 0 "TERM during a short stream: the client gets all of it"
has part "[DONE]" "TERM during a short stream: to its end"
below "$took" 2000 "TERM during a short stream: soon"
serve f --as=vllm --tpot-ms=1000
curl -sS -m 20 -N -o part -d '{"prompt":"x","max_tokens":60,"stream":true}' \
	"$url/v1/completions" 2>/dev/null &
client=$!
sleep 0.2
before=$(now_ms)
stop
took=$(($(now_ms) - before))
is "$rc" 0 "TERM during a long stream: status 0"
below "$took" 2500 "TERM during a long stream: it is cut"
: >out
if wait "$client"; then echo "it ended well" >out; fi
report "$([ ! -s out ] && echo 1)" "TERM during a long stream: the client notices"
serve f --as=vllm
kill -INT "$pid"
ended
is "$rc" 0 "INT ends it as well"

# ---- thirty-one at once ----
workers=() decode=()
before=$(now_ms)
for i in $(seq 31); do
	start "many_$i" --as=sglang --model=m1
	workers+=("$pid")
done
for i in $(seq 31); do
	log=many_$i.log
	until_log "listens on"
	decode+=("--decode=http://127.0.0.1:$(sed -n 's/.*listens on .*://p' "$log")")
done
serve router --as=sglang-router "${decode[@]}"
until_answer /readiness '"healthy_workers":31'
has out '"healthy_workers":31' "31 workers are ready"
below $(($(now_ms) - before)) 15000 "31 workers are ready soon"
answers /workers 200 '"regular_count":31' "31 workers"
if nm "$sim" 2>/dev/null | grep -q __asan_init; then
	echo "# memory is not looked at with ASan"
else
	anon=$(awk '/^RssAnon:/ { print $2 }' "/proc/${workers[0]}/status")
	below "$anon" 10240 "a worker takes less than 10 MiB of its own"
fi
is "$(awk '/^Threads:/ { print $2 }' "/proc/${workers[0]}/status")" 1 "and one thread"
dismiss
cat ./*.log >all-logs
hasnt all-logs "ERROR: AddressSanitizer" "no sanitizer has spoken"
hasnt all-logs "runtime error" "no undefined behaviour was met"
hasnt all-logs "LeakSanitizer" "no leak"
done_testing
