#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-bench against disagg-sim and against canned answers, on the loopback:
# what is measured, what the files hold, what makes a result invalid, the end.
. "$(dirname "$0")/lib.sh"
bench=$BUILD/bin/disagg-bench sim=$BUILD/bin/disagg-sim
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-bench.XXXXXX") || exit 5
finish() {
	# shellcheck disable=SC2046 # one word a job
	kill -KILL $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 5
unset DISAGG_SIM_FAULT DISAGG_WORKER DISAGG_RANK DISAGG_ATTEMPT

# within LOW VALUE HIGH NAME
within() {
	report "$(awk -v l="$1" -v v="${2:-nan}" -v h="$3" 'BEGIN { print v + 0 == v && l <= v && v <= h }')" \
		"$4" "expected $1 to $3, got '${2:-}'"
}

# serve NAME OPTION...: a sim; sets url
serve() {
	local log=$1.log
	shift
	"$sim" "$@" >/dev/null 2>"$log" </dev/null &
	for _ in $(seq 500); do
		grep -q 'listens on' "$log" && break
		sleep 0.02
	done
	url=http://127.0.0.1:$(sed -n 's/.*listens on .*://p' "$log")
}

# canned FILE: answers each connection with that file's bytes; sets url
canned() {
	perl -MIO::Socket::INET -e '
		my $s = IO::Socket::INET->new(Listen => 64, LocalAddr => "127.0.0.1") or die;
		local $/; open my $f, "<", shift or die; my $text = <$f>;
		$| = 1; print $s->sockport, "\n";
		$SIG{PIPE} = "IGNORE";
		while (my $c = $s->accept) { sysread $c, my $in, 65536; print $c $text; close $c }
	' "$1" >"$1.port" 2>/dev/null &
	for _ in $(seq 500); do
		[ -s "$1.port" ] && break
		sleep 0.02
	done
	url=http://127.0.0.1:$(cat "$1.port")
}

run() { # OPTION...
	timeout 60 "$bench" --url="$url" "$@" >out 2>err </dev/null
	rc=$?
	cat err >>all-errs
}
small=(--isl=50 --osl=10 --warmup=0)
value() { grep -oE "\"$1\":[^,}]*" "${2:-out}" | head -n 1 | cut -d : -f 2- | tr -d '"'; }

# ---- usage ----
refuses() { # TEXT NAME OPTION...
	local text=$1 name=$2
	shift 2
	timeout 10 "$bench" "$@" >out 2>err </dev/null
	rc=$?
	is "$rc" 2 "$name: status 2"
	has err "$text" "$name: says why"
	report "$([ ! -s out ] && echo 1)" "$name: nothing on stdout"
}
ok=--url=http://127.0.0.1:1
refuses "--url=URL is missing" "no URL"
refuses "--url: expected http://host:port, got 'https://x'" "another scheme" --url=https://x
refuses "--url: expected http://host:port, got 'http://'" "no host" --url=http://
refuses "--concurrency: expected a number from 1 to 65536, got '0'" "no concurrency" $ok --concurrency=0
refuses "--concurrency: expected a number from 1 to 65536, got ''" "a hole in the list" $ok --concurrency=1,,2
refuses "--concurrency: expected a number from 1 to 65536, got '4x8'" "another list" $ok --concurrency=4x8
refuses "--concurrency: at most 64 numbers" "a list too long" $ok \
	--concurrency="$(seq -s, 65)"
refuses "--rate: expected 'inf' or a number from 0.001 to 1000000, got '0'" "no rate" $ok --rate=0
refuses "--rate: expected 'inf'" "a rate that is no number" $ok --rate=nan
refuses "--rate without --concurrency needs --prompts=N" "a rate alone" $ok --rate=5
refuses "--isl: expected a number from 1" "no input" $ok --isl=0
refuses "--osl: expected a number from 1" "a negative output" $ok --osl=-1
refuses "--range-ratio: expected a number from 0 to 1, got '1.1'" "a ratio above 1" $ok --range-ratio=1.1
refuses "--seed: expected a number" "a seed that is none" $ok --seed=x
refuses "--prompts: expected a number from 1" "no prompts" $ok --prompts=0
refuses "--warmup: expected a number from 0" "a negative warm-up" $ok --warmup=-1
refuses "--prompts: expected a number of times from 1x to 10000x, got '0x'" "no times" $ok --prompts=0x
refuses "--warmup: expected a number of times from 0x" "times that are none" $ok --warmup=-1x
refuses "--prompts: expected a number of times" "an x too many" $ok --prompts=5xx
refuses "--max-errors: expected a number from 0 to 100, got '101'" "too many errors" $ok --max-errors=101
refuses "--timeout: expected a time" "no time" $ok --timeout=0
refuses "--request-timeout: expected a time" "a time of words" $ok --request-timeout=soon
refuses "--output-dir: expected a folder, got ''" "no folder" $ok --output-dir=
refuses "--gpus: expected a number from 1" "no GPUs" $ok --gpus=0
refuses "--format: 'xml' is none of text, json" "another format" $ok --format=xml
refuses "unexpected argument 'x'" "an operand" $ok x
refuses "did you mean '--concurrency'" "a slip" $ok --concurency=1

# ---- what is measured ----
serve good --as=vllm --model=m --ttft-us-per-token=200 --tpot-ms=4
run --isl=50 --osl=10 --range-ratio=1 --concurrency=1,4 --warmup=2 --output-dir=res/x \
	--gpus=8 --prefill-gpus=6 --decode-gpus=2
is "$rc" 0 "closed loop: status 0"
has out "============ Serving Benchmark Result ============" "closed loop: the block's head"
has out "Successful requests:                     10        " "closed loop: ten times the concurrency"
has out "Successful requests:                     40        " "closed loop: and for the second"
has out "---------------Time to First Token----------------" "closed loop: the block's parts"
has out "Total failed requests: 0" "closed loop: nothing failed"
has out "Benchmark with concurrency 4 done" "closed loop: the block's end"
one=res/x/sa-bench_isl_50_osl_10/results_concurrency_1_gpus_8_ctx_6_gen_2.json
four=res/x/sa-bench_isl_50_osl_10/results_concurrency_4_gpus_8_ctx_6_gen_2.json
is "$(find res -type f | sort | tr '\n' ' ')" "$one $four " "the files' names, and no others"
report "$([ -s $one ] && [ -s $four ] && echo 1)" "and they are not empty"
measures=$(for m in ttft tpot itl e2el; do
	for p in mean median std p90 p99; do printf '%s_%s_ms ' $p $m; done
done)
# shellcheck disable=SC2086 # a list of words
is "$(grep -oE '"[a-z0-9_]+":' $one | tr -d '":' | sort | tr '\n' ' ')" "$(
	printf '%s\n' date backend model_id tokenizer_id best_of num_prompts request_rate burstiness \
		max_concurrency reuse_http_connections duration completed total_input_tokens \
		total_output_tokens request_throughput request_goodput output_throughput \
		peak_output_tokens_per_s total_token_throughput failed valid invalid_reason simulation \
		input_lens output_lens ttfts itls generated_texts errors $measures | sort | tr '\n' ' '
)" "the keys of the file are exactly these"
is "$(value simulation $one)" true "the file says that a stand-in answered"
has out "SIMULATION: answers of disagg-sim, no engine was measured" "and so does the block"
is "$(value model_id $one)" m "the model is that of /v1/models"
is "$(value completed $one)" 10 "completed"
is "$(value total_input_tokens $one)" 500 "a word is a token to the server too"
is "$(value total_output_tokens $one)" 100 "the tokens of the answers"
is "$(value max_concurrency $four)" 4 "the concurrency"
is "$(value request_rate $one)" inf "the rate"
is "$(value valid $one)" true "valid"
within 10 "$(value median_ttft_ms $one)" 200 "TTFT is not below what is modelled"
within 3.5 "$(value median_tpot_ms $one)" 100 "nor TPOT"
within 3 "$(value mean_itl_ms $one)" 100 "nor ITL"
within 45 "$(value median_e2el_ms $one)" 1000 "nor E2EL"
within 0 "$(awk -v t="$(value mean_ttft_ms $one)" -v p="$(value mean_tpot_ms $one)" \
	-v e="$(value mean_e2el_ms $one)" 'BEGIN { d = t + 9 * p - e; print d < 0 ? -d : d }')" 0.1 \
	"E2EL is TTFT and nine TPOT"
within 1 "$(awk -v a="$(value output_throughput $one)" -v b="$(value output_throughput $four)" \
	'BEGIN { print b / a }')" 40 "four at once are faster than one"
is "$(sed 's/.*"itls"://; s/,"generated_texts".*//' $one | tr -cd ']' | wc -c)" 11 "itls: a list a request"
is "$(sed 's/.*"ttfts":\[//; s/\].*//' $one | tr ',' '\n' | wc -l)" 10 "ttfts: one a request"

run "${small[@]}" --prompts=30 --concurrency=3 --seed=5 --output-dir=a
run "${small[@]}" --prompts=30 --concurrency=3 --seed=5 --output-dir=b
run "${small[@]}" --prompts=30 --concurrency=3 --seed=6 --output-dir=c
lens() { sed 's/.*"input_lens":\[\([0-9,]*\)\],"output_lens":\[\([0-9,]*\)\].*/\1 \2/' \
	"$1/sa-bench_isl_50_osl_10/results_concurrency_3.json"; }
is "$(lens a)" "$(lens b)" "one seed gives one set of lengths"
report "$([ "$(lens a)" != "$(lens c)" ] && echo 1)" "another seed gives another" "$(lens c)"
report "$(lens a | cut -d ' ' -f 1 | tr ',' '\n' | awk '$1 < 40 || $1 > 50 { bad = 1 } { seen[$1] = 1 }
	END { for (i in seen) n++; print (!bad && n > 3 && NR == 30) }')" "prompts lie between 40 and 50" "$(lens a)"

run "${small[@]}" --prompts=4 --texts --output-dir=t
has t/sa-bench_isl_50_osl_10/results_concurrency_1.json '"generated_texts":[" sim sim' "--texts keeps answers"

run "${small[@]}" --no-stream --concurrency=4 --format=json
is "$rc" 0 "without streaming: status 0"
is "$(value schema)" disagg.bench/1 "json: the schema"
is "$(value valid)" true "json: valid"
is "$(value mean_ttft_ms)" null "without streaming there is no TTFT"
within 20 "$(value median_e2el_ms)" 1000 "but E2EL"
within 300 "$(value total_output_tokens)" 400 "and tokens"
is "$(value file)" null "no --output-dir, no file"

run "${small[@]}" --rate=100 --prompts=60 --output-dir=o --format=json
is "$rc" 0 "open loop: status 0"
is "$(value max_concurrency)" null "open loop: no bound"
is "$(value request_rate)" 100 "open loop: the rate"
within 0.25 "$(value duration)" 5 "open loop: about a Poisson process of that rate"
report "$([ -s o/sa-bench_isl_50_osl_10/results_rate_100.json ] && echo 1)" "open loop: the file's name"
run --isl=50 --osl=10 --prompts=3x --warmup=1x --concurrency=2,4 --format=json
is "$(jq -r '[.runs[].num_prompts] | join(" ")' out)" "6 12" "--prompts=3x: three times each concurrency"
run "${small[@]}" --request-rate=inf --concurrency=2 --prompts=6 --format=json
is "$(value completed)" 6 "--request-rate=inf is a closed loop"
run "${small[@]}" --rate=500 --concurrency=2 --prompts=20 --format=json
is "$(value completed)" 20 "a rate with a bound"
within 0.3 "$(value duration)" 10 "where the bound is what holds it back"

# ---- what makes a result invalid ----
run "${small[@]}" --model=m --url=http://127.0.0.1:1 --output-dir=dead --format=json
is "$rc" 8 "nobody listens: status 8"
has err "no request completed: connection refused" "nobody listens: says so"
is "$(value valid)" false "nobody listens: the summary says so"
is "$(value valid dead/*/results_concurrency_1.json)" false "nobody listens: and the file"
run "${small[@]}" --url=http://127.0.0.1:1
is "$rc" 4 "no model to be had: status 4"
has err "cannot learn the model from 'http://127.0.0.1:1/v1/models': connection refused" "no model: why"

serve s503 --as=vllm --fault=503
run "${small[@]}" --model=sim
is "$rc" 8 "503: status 8"
has err "the result of concurrency 1 is invalid: no request completed: HTTP status 503" "503: says so"
serve eighth --as=vllm --tpot-ms=50 --fault=fail-requests:8
run "${small[@]}" --osl=100 --concurrency=8 --prompts=8 --format=json
is "$rc" 8 "one error, and the rest given up: status 8"
has err "no request completed: HTTP status 500" "one error, and the rest given up: names the error"
serve zero --as=vllm --fault=zero-tokens
run "${small[@]}"
is "$rc" 8 "no tokens: status 8"
has err "no request completed: the answer has no token" "no tokens: says so"
run "${small[@]}" --no-stream
is "$rc" 8 "no tokens, whole answers: status 8"
serve some --as=vllm --tpot-ms=0 --fault=fail-requests:10
run "${small[@]}" --prompts=100 --concurrency=2
is "$rc" 8 "a tenth fails: status 8"
has err "requests failed, at most 1 % may: HTTP status 500" "a tenth fails: says so"
run "${small[@]}" --prompts=100 --concurrency=2 --max-errors=20 --format=json
is "$rc" 0 "a tenth fails and may: status 0"
is "$(value failed)" 10 "a tenth fails and may: counted"
serve dies --as=vllm --fault=die-after-ready:0.4
curl -s -o health "$url/health"
run "${small[@]}" --model=sim --prompts=100000 --concurrency=4 --output-dir=dies
is "$rc" 8 "the server dies under way: status 8"
has err "requests failed, at most 1 % may" "the server dies: says so"
within 1 "$(value completed dies/*/results_concurrency_4.json)" 90000 "the server dies: what came is kept"

answer() { # NAME STATUS-LINE BODY
	printf 'HTTP/1.1 %s\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n%s' "$2" "$3" >"$1"
	canned "$1"
	run "${small[@]}" --model=m --prompts=3
	is "$rc" 8 "$1: status 8"
}
event='data: {"choices":[{"text":"a"}]}'
answer html "200 OK" "<html>
<p>no"
has err "the answer is no event stream: '<html>" "html: says so"
answer not-json "200 OK" $'data: {"choices\n\n'
has err "the answer is no JSON: '{\"choices'" "not-json: says so"
answer cut "200 OK" "$event"$'\n\n'
has err "the stream ended without [DONE]" "cut: says so"
answer no-choices "200 OK" $'data: {"a":1}\n\n'
has err "the answer has no 'choices'" "no-choices: says so"
answer told "200 OK" $'data: {"error":{"message":"KV transfer\tfailed"}}\n\n'
has err "the server reports an error: 'KV transfer" "told: says so"
answer long "200 OK" "data: $(head -c 1100000 /dev/zero | tr '\0' x)"
has err "a line of the stream is longer than 1 MiB" "long: says so"
answer teapot "418 I'm a teapot" $'short\e[31m\n'
has err "HTTP status 418: 'short?[31m" "teapot: says so, and obeys nothing"
printf 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n: ping\r\nevent: x\r\n%s\r\n\r\n%s\r\n\r\ndata: [DONE]\r\n\r\n' \
	"$event" "data:{\"choices\":[{\"text\":\"b\"}],\"usage\":{\"completion_tokens\":5}}" >fine
canned fine
run "${small[@]}" --model=m --prompts=3 --format=json
is "$rc" 0 "comments, CRLF and events are fine"
is "$(value total_output_tokens)" 15 "usage counts more than chunks"

# ---- the end ----
serve slow --as=vllm --tpot-ms=100
run "${small[@]}" --osl=100 --timeout=1 --output-dir=late
is "$rc" 6 "--timeout: status 6"
has err "not done after 1 s" "--timeout: says so"
has late/*/results_concurrency_1.json '"valid":false' "--timeout: the file says so"
run "${small[@]}" --osl=100 --request-timeout=1 --prompts=1
is "$rc" 8 "--request-timeout: status 8"
has err "no request completed: timed out" "--request-timeout: says so"
serve hangs --as=vllm --fault=hang-before-ready
run "${small[@]}" --model=m --timeout=1
is "$rc" 6 "a server that never answers: status 6"

serve steady --as=vllm --tpot-ms=1
"$bench" --url="$url" "${small[@]}" --prompts=1000000 --concurrency=2 --output-dir=term >out 2>err </dev/null &
pid=$!
sleep 1
kill -TERM "$pid"
wait "$pid"
rc=$?
is "$rc" 1 "TERM: status 1"
has err "interrupted after" "TERM: says so"
file=term/sa-bench_isl_50_osl_10/results_concurrency_2.json
within 1 "$(value completed $file)" 999999 "TERM: what came is in the file"
is "$(value valid $file)" false "TERM: which is not valid"
is "$(find term -type f | wc -l)" 1 "TERM: and nothing else is left"

# script gives it a terminal
timeout 60 script -qec "$bench --url=$url ${small[*]} --warmup=4 --prompts=4" /dev/null >term.out 2>&1 </dev/null
has term.out "concurrency 1: warming up: 0 of 4 requests" "a terminal sees the warm-up from its start"

: >taken
run "${small[@]}" --prompts=1 --output-dir=taken
is "$rc" 5 "a folder that is a file: status 5"
has err "cannot make the folder 'taken/sa-bench_isl_50_osl_10'" "a folder that is a file: says so"

hasnt all-errs "AddressSanitizer" "no sanitizer has spoken"
hasnt all-errs "runtime error" "no undefined behaviour was met"
hasnt all-errs "LeakSanitizer" "no leak"
done_testing
