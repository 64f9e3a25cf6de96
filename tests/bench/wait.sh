#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ENDPOINTS (1000) waited for by one disagg-wait beside a loop of curl in bash:
# CPU and memory while all refuse and while all answer 503, and the time from
# "ready" to noticed.  TIME_S (20) a state, RUNS (5) of noticing; asserts nothing.
set -u
endpoints=${ENDPOINTS:-1000} time_s=${TIME_S:-20} runs=${RUNS:-5}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
wait=$BUILD/bin/disagg-wait

# A process of endpoints that refuse; their URLs in "${urls[@]}".
start() {
	coproc SERVER { exec "$BUILD/t/wait_bench" "$endpoints"; }
	# a copy: the coprocess's name is unset when it ends
	to=${SERVER[1]} from=${SERVER[0]} server=$SERVER_PID
	read -r -a urls <&"$from"
	urls=("${urls[@]/#/http:\/\/127.0.0.1:}")
	urls=("${urls[@]/%//health}")
}
stop() {
	kill "$server"
	wait "$server" 2>/dev/null
}
tell() { # busy|ready: the time in microseconds
	echo "$1" >&"$to"
	read -r told <&"$from"
}

# curl after curl over what is not ready, a second of pause between two rounds
curl_loop() { # SECONDS URL...
	local end=$((SECONDS + $1)) left url
	shift
	while [ $# -gt 0 ]; do
		left=()
		for url in "$@"; do
			[ "$SECONDS" -lt "$end" ] || return 6
			curl -sf -o /dev/null --max-time 5 "$url" || left+=("$url")
		done
		set -- "${left[@]}"
		[ $# -eq 0 ] || sleep 1
	done
}
export -f curl_loop
with_wait() { "$wait" --timeout="$1" "${@:2}"; }
with_curl() { bash -c 'curl_loop "$@"' curl_loop "$@"; }

# CPU of a core and peak memory over TIME_S
load() { # NAME WITH COMMAND...
	/usr/bin/time -f '%U %S %e %M' -o "$dir/load" "${@:2}" >/dev/null 2>&1
	awk -v name="$1" 'END { printf "  %-14s %7.2f %% of a core %8.1f MiB at most in a process\n",
		name, ($1 + $2) / $3 * 100, $4 / 1024 }' "$dir/load"
}
loads() {
	load disagg-wait "$wait" --timeout="$time_s" "${urls[@]}"
	load 'curl in bash' bash -c 'curl_loop "$@"' curl_loop "$time_s" "${urls[@]}"
}

# Seconds from "ready" to the end of the wait.
notice() { # with_wait|with_curl
	start
	"$1" 300 "${urls[@]}" >/dev/null 2>&1 &
	local waiter=$!
	sleep "$((3 + RANDOM % 5)).$((RANDOM % 10))"
	tell ready
	wait "$waiter"
	awk -v a="$told" -v b="${EPOCHREALTIME/./}" 'BEGIN { printf "%.2f\n", (b - a) / 1e6 }'
	stop
}
notices() { # NAME WITH
	for ((i = 0; i < runs; i++)); do
		notice "$2"
	done | sort -n >"$dir/times"
	awk -v name="$1" '{ v[NR] = $1 } END { printf "  %-14s %7.2f s (%.2f to %.2f, %d runs)\n",
		name, v[int((NR + 1) / 2)], v[1], v[NR], NR }' "$dir/times"
}

start
echo "$endpoints endpoints that refuse, for $time_s s:"
loads
tell busy
echo "$endpoints endpoints that answer 503, for $time_s s:"
loads
stop
echo "from ready to noticed, median:"
notices disagg-wait with_wait
notices 'curl in bash' with_curl
