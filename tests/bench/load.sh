#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-bench beside wrk and ab: requests a second against the same nginx, whose
# answer is ready, then streaming alone against disagg-sim.  Each row is a median
# of REPEAT (3) interleaved runs.  Prints, asserts nothing.  BUILD is the build
# folder; LEVELS ("1 64 1024"), SECONDS_EACH (3), TOKENS (32).
set -u
: "${BUILD:?}"
bench=$BUILD/bin/disagg-bench
levels=${LEVELS:-1 64 1024} each=${SECONDS_EACH:-3} repeat=${REPEAT:-3} tokens=${TOKENS:-32}
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-load.XXXXXX") || exit 5
pids=()
finish() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
	wait
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 5
ulimit -n "$(ulimit -Hn)"
for tool in nginx wrk ab; do
	type -P "$tool" >/dev/null || {
		echo "load.sh: '$tool' is not installed" >&2
		exit 77
	}
done

# start NAME COMMAND...: in the background
start() {
	"${@:2}" >"$1.log" 2>&1 </dev/null &
	pids+=($!)
}

until_true() { # COMMAND...: at most 10 s
	for _ in $(seq 200); do
		"$@" && return
		sleep 0.05
	done
	echo "load.sh: no success after 10 s: $*" >&2
	exit 5
}

answer='{"id":"x","object":"text_completion","model":"m","choices":[{"index":0,"text":" sim","finish_reason":"length"}],"usage":{"prompt_tokens":16,"completion_tokens":1,"total_tokens":17}}'
answers() { curl -sf -m 2 -o /dev/null "http://127.0.0.1:$port/v1/completions"; }
# nginx takes no port 0: one below those that the kernel hands out, and another
# where that is taken
serve_nginx() {
	local low try
	read -r low _ </proc/sys/net/ipv4/ip_local_port_range
	for try in 1 2 3 4 5; do
		port=$((1024 + (RANDOM * 32768 + RANDOM) % (low - 1024)))
		cat >nginx.conf <<-CONF
			daemon off; worker_processes 1; pid $dir/nginx.pid; error_log $dir/error.log;
			events { worker_connections 4096; }
			http { access_log off; keepalive_requests 100000000;
			client_body_temp_path $dir/a; proxy_temp_path $dir/b;
			fastcgi_temp_path $dir/c; uwsgi_temp_path $dir/d; scgi_temp_path $dir/e;
			server { listen 127.0.0.1:$port backlog=4096; location / {
			default_type application/json; return 200 '$answer'; } } }
		CONF
		nginx -t -q -c "$dir/nginx.conf" -p "$dir" 2>nginx-test.log && break
		[ "$try" -lt 5 ] || cat nginx-test.log >&2
	done
	start nginx nginx -c "$dir/nginx.conf" -p "$dir"
	until_true answers
}

printf '{"model":"m","prompt":"the and for are but not you all any can had her was one our out",' >body
printf '"max_tokens":1,"temperature":0,"ignore_eos":true,"stream":false}' >>body
printf 'wrk.method="POST"\nwrk.body=[[%s]]\nwrk.headers["Content-Type"]="application/json"\n' \
	"$(cat body)" >post.lua

# each prints requests a second
by_wrk() { # CONCURRENCY REQUESTS
	wrk -t1 -c"$1" -d"${each}s" -s post.lua "http://127.0.0.1:$port/v1/completions" |
		awk '/^Requests\/sec/ { print $2 }'
}
by_ab() {
	ab -q -k -c"$1" -n"$2" -p body -T application/json \
		"http://127.0.0.1:$port/v1/completions" 2>/dev/null |
		awk '/^Requests per second/ { print $4 }'
}
by_bench() {
	"$bench" --url="http://127.0.0.1:$port" --model=m --no-stream --isl=16 --range-ratio=1 \
		--osl=1 --concurrency="$1" --prompts="$2" --format=json 2>bench.err >bench.json ||
		cat bench.err >&2
	field request_throughput
}
field() { sed -n "s/.*\"runs\":.*\"$1\":\([0-9.e+]*\).*/\1/p" bench.json; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

serve_nginx
echo "nginx $(nginx -v 2>&1 | sed 's/.*nginx\///'), POST /v1/completions, requests/s, $(nproc) CPUs"
printf '%12s %12s %12s %14s %9s\n' concurrency wrk ab disagg-bench of-wrk
for level in $levels; do
	: >wrk.txt && : >ab.txt && : >own.txt
	rate=$(by_bench "$level" $((level * 20 + 1000)))
	count=$(awk -v r="$rate" -v s="$each" 'BEGIN { printf "%d", r * s + 1 }')
	[ "$count" -ge "$level" ] || count=$level
	for _ in $(seq "$repeat"); do
		by_wrk "$level" >>wrk.txt
		by_ab "$level" "$count" >>ab.txt
		by_bench "$level" "$count" >>own.txt
	done
	awk -v c="$level" -v w="$(median <wrk.txt)" -v a="$(median <ab.txt)" \
		-v o="$(median <own.txt)" \
		'BEGIN { printf "%12d %12.0f %12.0f %14.0f %8.2fx\n", c, w, a, o, w ? o / w : 0 }'
done

listens() { grep -q 'listens on' sim.log; }
start sim "$BUILD/bin/disagg-sim" --as=vllm --tpot-ms=0 --ttft-us-per-token=0 --max-concurrency=2048
until_true listens
port=$(sed -n 's/.*listens on .*://p' sim.log)
echo "disagg-sim without modelled times, streaming, $tokens tokens an answer"
printf '%12s %12s %12s %14s\n' concurrency requests/s tokens/s 'CPU us/token'
for level in $levels; do
	requests=$((level * 4 + 1000))
	TIMEFORMAT='%U %S'
	{ time "$bench" --url="http://127.0.0.1:$port" --isl=16 --osl="$tokens" --range-ratio=1 \
		--concurrency="$level" --prompts="$requests" --warmup=0 --format=json \
		>bench.json 2>bench.err; } 2>cpu.txt || cat bench.err >&2
	awk -v c="$level" -v r="$(field request_throughput)" -v t="$(field output_throughput)" \
		-v n="$((requests * tokens))" \
		'{ printf "%12d %12.0f %12.0f %14.2f\n", c, r, t, ($1 + $2) * 1e6 / n }' cpu.txt
done
