#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-wait: exit codes, texts, what is waited for.
. "$(dirname "$0")/lib.sh"
wait=$BUILD/bin/disagg-wait
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-cli.XXXXXX") || exit 5
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 5
for name in ${!DISAGG_@}; do
	unset "$name"
done

run() { # COMMAND...
	local begin=${EPOCHREALTIME/./}
	"$@" >out 2>err </dev/null
	rc=$?
	took=$(((${EPOCHREALTIME/./} - begin) / 1000))
}

sooner() { report "$([ "$took" -lt "$1" ] && echo 1)" "$2" "took $took ms, at most $1 expected"; }

# serve NAME PATH STATUS BODY ...: port in $port
serve() {
	"$BUILD/t/test_ready" serve "${@:2}" >"port.$1" &
	pids+=($!)
	until [ -s "port.$1" ]; do
		sleep 0.02
	done
	port=$(<"port.$1")
}

models='{"object":"list","data":[{"id":"m1"}]}'
workers='{"workers":[{"worker_type":"prefill","is_healthy":true},{"worker_type":"decode","is_healthy":false}]}'
tokens='{"choices":[{"text":"1"}],"usage":{"completion_tokens":4}}'
serve good '/health ' 200 '{"status":"ok"}' '/v1/models ' 200 "$models" \
	'/workers ' 200 "$workers" '/v1/completions ' 200 "$tokens" '/bad ' 503 ''
good=127.0.0.1:$port
# nobody listens at port 1 of this address
closed=127.77.77.77:1

# ---- ready ----
run "$wait" "http://$good/health" "tcp://$good"
status 0 'two endpoints that are up'
has out '2 endpoints' 'says how many on stdout'
empty err 'nothing on stderr'
sooner 2000 'at once'
run "$wait" --json=status=ok "http://$good/health"
status 0 'a JSON condition that holds'
run "$wait" --json data.0.id=m1 "models=http://$good/v1/models"
status 0 'a path into a list'
run env DISAGG_DECODE_ENDPOINTS="$good,$good" "$wait" --role=decode
status 0 'the workers of a role'
has out '2 endpoints' 'every one of them'
run env DISAGG_DECODE_ENDPOINTS="$good" DISAGG_PREFILL_ENDPOINTS="$good" \
	DISAGG_INFRA_ENDPOINTS= DISAGG_FRONTEND_URL="http://$good" "$wait" --all --canary=2
status 0 'the workers of all roles, the model list and the canary'
has out "2 endpoints, http://$good" 'says what it looked at'
run "$wait" --frontend="http://$good" --model=m1 --polls=3 --interval=50ms
status 0 'the frontend alone, three polls'
run "$wait" --kind=sglang-router --prefill=1 "http://$good"
status 0 'a frontend that counts its workers'
run "$wait" --format=json "a=http://$good/health"
status 0 'as JSON'
has out '{"schema":"disagg.wait/1","ready":true,"seconds":' 'says that it is ready'
has out "\"targets\":[{\"name\":\"a\",\"url\":\"http://$good/health\",\"ready\":true,\"why\":null}]}" \
	'and how each stands'
run env http_proxy=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 "$wait" --timeout=2 "http://$good/health"
status 0 'no proxy is used'
run "$wait" --pid=$$ "http://$good/health"
status 0 'a process that lives on'

# ---- not ready ----
refuses 6 'not ready after 1 s: 2 of 3 missing: d1 (connection refused), d2 (answers 503)' 'a timeout' \
	"$wait" --timeout=1 "d0=http://$good/health" "d1=tcp://$closed" "d2=http://$good/bad"
refuses 6 'after 1 s 1 of 1 not ready: d1 (connection refused)' 'a report every second' \
	"$wait" --timeout=2 --report=1 "d1=http://$closed/health"
refuses 6 'data.0.id is m1, not m2' 'a JSON condition that does not hold' \
	"$wait" --timeout=1 --json=data.0.id=m2 "http://$good/v1/models"
refuses 6 'has 1 of 1 prefill and 0 of 1 decode workers' 'too few healthy workers' \
	"$wait" --timeout=1 --kind=sglang-router --prefill=1 --decode=1 "http://$good"
refuses 6 'decode_1 (connection refused)' 'one worker of a role' \
	env DISAGG_DECODE_ENDPOINTS="$good,$closed" "$wait" --timeout=1 --role=decode
run "$wait" --timeout=1 --format=json "a=http://$closed/"
status 6 'JSON of a timeout'
has out '"ready":false' 'says so'
has out '"why":"connection refused"' 'and why'
refuses 8 "model id: serves 'm1', expected 'm2'" 'another model' \
	"$wait" --interval=50ms --frontend="http://$good" --model=m2
sleep 0.3 &
refuses 7 "process $! has ended" 'a process that ends with 0' \
	"$wait" --pid=$! "http://$closed/"
sooner 2000 'it is noticed at once'
sh -c 'sleep 0.2; exit 3' &
refuses 7 "process $! has ended" 'one of two processes' "$wait" --pid=$$ --pid=$! "http://$closed/"
true &
gone=$!
wait "$gone"
refuses 7 "process $gone has ended" 'a process that is gone already' \
	"$wait" --pid=$gone "http://$closed/"

# ---- usage ----
while IFS='|' read -r text arguments; do
	# shellcheck disable=SC2086
	refuses 2 "$text" "disagg-wait $arguments" "$wait" $arguments
done <<'EOF'
expected at least one URL, --role, --all or --frontend|
'https://a:1/': expected http://host:port/path, tcp://host:port or NAME=URL|https://a:1/
'a:80': expected http://host:port/path|a:80
'tcp://a': expected a port from 1 to 65535|tcp://a
'http://a:0/': expected a port from 1 to 65535|http://a:0/
'http://a:65536/': expected a port from 1 to 65535|http://a:65536/
'http://a:1x/': expected a port from 1 to 65535|x=http://a:1x/
'http:///health': it has no host|http:///health
'http://:80/': it has no host|http://:80/
--timeout: expected a time from 1s to 365d, got '0'|--timeout=0 tcp://a:1
--timeout: expected a time from 1s to 365d, got 'soon'|--timeout=soon tcp://a:1
--interval: expected a time from 1ms to 1d, got '0ms'|--interval=0ms tcp://a:1
--attempt: expected a time from 1ms to 1d, got '-1'|--attempt=-1 tcp://a:1
--report: expected a time from 1s to 365d, got ''|--report= tcp://a:1
--polls: expected a number from 1 to 100000, got '0'|--polls=0 tcp://a:1
--canary: expected a number from 1 to 100000, got 'x'|--canary=x tcp://a:1
--json: expected PATH=VALUE, got 'ready'|--json=ready http://a/
--json: expected PATH=VALUE, got '=ready'|--json==ready http://a/
--json: can be given once|--json=a=b --json=c=d http://a/
--json: 'tcp://a:1' is not plain HTTP|--json=a=b tcp://a:1
--kind: 'sglang' is none of http, tcp, etcd, nats, dynamo, sglang-router|--kind=sglang http://a/
'tcp://a:1': --kind=http wants http://|--kind=http tcp://a:1
--prefill and --decode need --kind=dynamo, sglang-router or trtllm-server|--decode=1 http://a/
--pid: expected a process id, got 'x'|--pid=x tcp://a:1
--pid: expected a process id, got '0'|--pid=0 tcp://a:1
--role: nothing is known of 'decode': 'DISAGG_DECODE_ENDPOINTS' is not set|--role=decode
--all: no DISAGG_*_ENDPOINTS is set|--all
--model and --canary need --frontend=URL|--model=m tcp://a:1
--model and --canary need --frontend=URL|--canary=1 tcp://a:1
--frontend: expected http://host:port, got 'n0:8000'|--frontend=n0:8000
--format: 'xml' is none of text, json|--format=xml tcp://a:1
unknown option '--timout', did you mean '--timeout'?|--timout=1 tcp://a:1
option '--timeout' needs a value|tcp://a:1 --timeout
EOF
run "$wait" --help
status 0 'help'
for option in timeout interval attempt report polls json kind prefill decode role all frontend model canary pid format; do
	has out "--$option" "help shows --$option"
done
run "$wait" --version
status 0 'version'
has out 'disagg-wait ' 'names itself'
done_testing
