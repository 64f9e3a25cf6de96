#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Servers and clients that mean no good: huge, slow, endless and broken answers
# to every helper that asks, and such requests to the one that serves.  Each
# ends in its time, with the right status, and keeps its memory small.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-hostile.XXXXXX") || exit 5
pids=()
finish() {
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 5
for name in ${!DISAGG_*}; do
	unset "$name"
done
bin=$BUILD/bin hostile=$SRC/tests/cli/hostile.pl
# of resident memory; a sanitizer takes much more
most_kb=100000
case $BUILD in
*asan*) most_kb=800000 ;;
esac

# each file that is told of has a name of its own
evidence() { :; }
one_of() { # VALUE WORD... -- NAME
	local value=$1 words=''
	shift
	while [ "$1" != -- ]; do
		words+=" $1"
		shift
	done
	report "$([[ " $words " == *" $value "* ]] && echo 1)" "$2" "expected one of$words, got '$value'"
}
has() { report "$(grep -qF -e "$2" "$1" && echo 1)" "$3" "expected in $1: $2
$(cat "$1")"; }

# ---- what runs at the same time, and how much memory it takes ----
declare -A name_of peak begin took rc_of
start() { # NAME COMMAND...: output in NAME.out and NAME.err
	local name=$1
	shift
	timeout -k 1 40 "$@" >"$name.out" 2>"$name.err" </dev/null &
	pids+=($!)
	name_of[$!]=$name begin[$name]=${EPOCHREALTIME/./} peak[$name]=0
}

# the program that `timeout` runs: its most resident memory so far
look() { # PID
	local child key value
	read -r child _ 2>/dev/null <"/proc/$1/task/$1/children" || return
	while read -r key value _; do
		[ "$key" = VmHWM: ] || continue
		[ "$value" -le "${peak[${name_of[$1]}]}" ] || peak[${name_of[$1]}]=$value
	done 2>/dev/null <"/proc/${child:-0}/status"
}

# until all that was started has ended
collect() {
	local pid left=1
	while [ $left = 1 ]; do
		left=0
		for pid in "${!name_of[@]}"; do
			if kill -0 "$pid" 2>/dev/null; then
				look "$pid"
				left=1
				continue
			fi
			wait "$pid"
			rc_of[${name_of[$pid]}]=$?
			took[${name_of[$pid]}]=$(((${EPOCHREALTIME/./} - begin[${name_of[$pid]}]) / 1000))
			unset "name_of[$pid]"
		done
		sleep 0.05
	done
}

bounded() { # NAME MILLISECONDS
	report "$([ "${took[$1]}" -lt "$2" ] && [ "${peak[$1]}" -lt $most_kb ] && echo 1)" \
		"$1: ends in time and stays small" "${took[$1]} ms, ${peak[$1]} KB"
}

# ---- the servers ----
declare -A url
modes=$(perl "$hostile" '?')
serve() { # NAME ARGUMENT...; sets url[NAME]
	local name=$1
	shift
	perl "$hostile" "$@" >"port.$name" 2>>perl.err &
	pids+=($!)
	until [ -s "port.$name" ]; do
		sleep 0.02
	done
	url[$name]=http://127.0.0.1:$(<"port.$name")
}
targets=()
for mode in $modes; do
	serve "$mode" "$mode"
	targets+=("$mode=${url[$mode]}/")
done

# ---- disagg-wait: all of them at once, as each kind ----
kinds='http dynamo sglang-router trtllm-server vllm etcd'
few=(--timeout=3 --attempt=1500ms --interval=100ms --report=1 --format=json)
for kind in $kinds; do
	start "wait-$kind" "$bin/disagg-wait" "${few[@]}" --kind="$kind" "${targets[@]}"
done
start wait-nats "$bin/disagg-wait" "${few[@]}" --kind=nats "${targets[@]/http:/tcp:}"
start wait-json "$bin/disagg-wait" "${few[@]}" --json=data.0.id=x "${targets[@]}"
for mode in $modes; do
	start "model-$mode" "$bin/disagg-wait" "${few[@]}" --frontend="${url[$mode]}" --canary=2
done
collect
for kind in $kinds nats json; do
	bounded "wait-$kind" 15000
	is "${rc_of[wait-$kind]}" 6 "disagg-wait, kind $kind: status 6"
	good=$(jq -r '[.targets[] | select(.ready) | .name] | join(" ")' "wait-$kind.out")
	case $kind in
	# a status in the 200s is all that is asked
	http) want='deep deeper gzip json nul numbers types' ;;
	# lists something as a model
	vllm) want='numbers' ;;
	*) want='' ;;
	esac
	is "$(tr ' ' '\n' <<<"$good" | sort | tr '\n' ' ')" "$want " \
		"disagg-wait, kind $kind: who is ready"
	is "$(jq '[.targets[] | select(.ready | not) | select(.why == null or .why == "")] | length' \
		"wait-$kind.out")" 0 "disagg-wait, kind $kind: says why of each other"
	report "$([ "$(wc -c <"wait-$kind.err")" -lt 40000 ] && echo 1)" \
		"disagg-wait, kind $kind: in few words" "$(wc -c <"wait-$kind.err") bytes"
done
for mode in $modes; do
	bounded "model-$mode" 15000
	is "${rc_of[model-$mode]}" 6 "disagg-wait, the model list '$mode': status 6"
done

# ---- disagg-bench ----
load=(--isl=8 --osl=8 --concurrency=2 --warmup=0 --prompts=4 --timeout=3 --request-timeout=1)
for mode in $modes; do
	start "bench-$mode" "$bin/disagg-bench" --url="${url[$mode]}" --model=m "${load[@]}"
	start "whole-$mode" "$bin/disagg-bench" --url="${url[$mode]}" --model=m --no-stream "${load[@]}"
	start "ask-$mode" "$bin/disagg-bench" --url="${url[$mode]}" "${load[@]}"
done
collect
for mode in $modes; do
	for call in bench whole ask; do
		bounded "$call-$mode" 25000
		hasnt "$call-$mode.out" 'done' "$call-$mode: no result counts as one"
	done
	one_of "${rc_of[bench-$mode]}" 6 8 -- "disagg-bench, '$mode' streamed: no success"
	one_of "${rc_of[whole-$mode]}" 6 8 -- "disagg-bench, '$mode' whole: no success"
	one_of "${rc_of[ask-$mode]}" 4 6 8 -- "disagg-bench, '$mode' asked for its model: no success"
done

# ---- disagg-sim as a router: its workers are hostile ----
sim() { # NAME OPTION...; sets url[NAME] pid
	local name=$1
	shift
	"$bin/disagg-sim" "$@" >"$name.out" 2>"$name.log" </dev/null &
	pid=$!
	pids+=("$pid")
	until grep -qs 'listens on' "$name.log"; do
		sleep 0.02
	done
	url[$name]=http://127.0.0.1:$(sed -n 's/.*listens on .*://p' "$name.log")
}
memory() { # PID
	sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
}
ends_well() { # PID NAME
	report "$([ "$(memory "$1")" -lt $most_kb ] && echo 1)" "$2: stays small" "$(memory "$1") KB"
	kill -TERM "$1"
	wait "$1"
	is $? 0 "$2: ends with 0"
}
post() { # URL BODY [CURL-OPTION]...: the status
	curl -s -o body -m 10 -w '%{http_code}' --data-binary "$2" "${@:3}" "$1/v1/completions"
}
workers=()
for mode in $modes; do
	workers+=(--prefill="${url[$mode]}" --decode="${url[$mode]}")
done
sim crowd --as=sglang-router "${workers[@]}"
crowd=$pid
sleep 1.5
is "$(curl -s -m 3 "${url[crowd]}/liveness")" OK "a router with hostile workers answers"
one_of "$(post "${url[crowd]}" '{"prompt":"x"}')" 500 503 -- "and fails a completion"
ends_well "$crowd" "a router with hostile workers"

# workers that look well and are not
for mode in $modes; do
	serve "well-$mode" --good-health=m "$mode"
done
routers=()
sim prefill --as=sglang --role=prefill --model=m
prefill=$pid
for mode in $modes; do
	sim "decode-$mode" --as=sglang-router --prefill="${url[prefill]}" --decode="${url[well-$mode]}"
	routers+=("$pid")
	sim "prefill-$mode" --as=sglang-router --prefill="${url[well-$mode]}" --decode="${url[well-$mode]}"
	routers+=("$pid")
done
for mode in $modes; do
	for side in decode prefill; do
		until [ "$(curl -s -o body -m 3 -w '%{http_code}' "${url[$side-$mode]}/readiness")" = 200 ]; do
			sleep 0.05
		done
		for stream in true false; do
			curl -s -o "$side-$mode-$stream.body" -m 2 -w '%{http_code}' \
				-d "{\"prompt\":\"x\",\"stream\":$stream}" "${url[$side-$mode]}/v1/completions" \
				>"$side-$mode-$stream.code" &
			curls+=($!)
		done
	done
done
wait "${curls[@]}"
for mode in $modes; do
	for side in decode prefill; do
		# 000: the client gave up on a worker that says nothing
		case $side-$mode in
		*-silent | *-slow | *-slow-headers) codes='000 500' ;;
		# what is no stream and no error passes as a whole answer
		decode-json | decode-deep | decode-deeper | decode-nul | decode-numbers | \
			decode-types | decode-gzip) codes='200 500' ;;
		decode-stream | decode-line | decode-endless | decode-huge | decode-headers | decode-header | \
			decode-continue) codes='000 200 500' ;;
		*-endless | *-huge | *-stream | *-line | *-headers | *-header | *-continue) codes='000 500' ;;
		decode-redirect) codes='302 500' ;;
		prefill-redirect) codes='500' ;;
		*) codes='500' ;;
		esac
		for stream in true false; do
			# shellcheck disable=SC2086
			one_of "$(<"$side-$mode-$stream.code")" $codes -- \
				"router, $side is '$mode', stream $stream: ${codes// / or }"
		done
		is "$(curl -s -m 3 "${url[$side-$mode]}/liveness")" OK "router, $side is '$mode': answers"
	done
done
for pid in "${routers[@]}"; do
	[ "$(memory "$pid")" -lt $most_kb ] || note+="$(memory "$pid") KB: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
done
is "${note:-}" "" "each of these routers stays small"
kill -TERM "${routers[@]}"
bad=0
for pid in "${routers[@]}"; do
	wait "$pid" || bad=$((bad + 1))
done
is $bad 0 "and ends with 0"

# ---- disagg-sim as a server ----
sim server --as=vllm --model=m
server=$pid port=${url[server]##*:}
# clients that send half a request, a request without end, headers without end
perl -MIO::Socket::INET -e '
	my ($port, $count, $head, $part) = @ARGV;
	$SIG{PIPE} = "IGNORE"; $SIG{ALRM} = sub { exit };
	my @all;
	for (1 .. $count) {
		my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or last;
		$c->autoflush(1); $c->blocking(0);
		syswrite $c, $head; push @all, $c;
	}
	alarm 3;
	print scalar(@all), "\n"; close STDOUT;
	while (1) {
		select undef, undef, undef, 0.01;
		length $part and syswrite($_, $part) for @all;
	}
' "$port" 400 $'POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf' '' >half &
half=$!
perl_pour() { # COUNT HEAD PART
	perl -MIO::Socket::INET -e '
		my ($port, $count, $head, $part) = @ARGV;
		$SIG{PIPE} = "IGNORE"; $SIG{ALRM} = sub { exit };
		my @all = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) } 1 .. $count;
		$_->blocking(0), syswrite($_, $head) for @all;
		alarm 3;
		while (1) { syswrite($_, $part) for @all; select undef, undef, undef, 0.001 }
	' "$port" "$1" "$2" "$3" &
	poured+=($!)
}
poured=("$half")
pids+=("$half")
block=$(head -c 16384 /dev/zero | tr '\0' x)
perl_pour 4 $'POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n' $'4000\r\n'"$block"$'\r\n'
perl_pour 4 $'GET /health HTTP/1.1\r\nHost: x\r\n' $'A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n'
perl_pour 4 $'GET /' "$block"
perl_pour 4 '' $'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'
perl_pour 4 '' $'\x16\x03\x01 no HTTP \r\n\r\n'
pids+=("${poured[@]}")
sleep 1
good=0
for _ in 1 2 3 4 5; do
	[ "$(curl -s -o body -m 5 -w '%{http_code}' "${url[server]}/health")" = 200 ] && good=$((good + 1))
	[ "$(post "${url[server]}" '{"prompt":"x","max_tokens":2}')" = 200 ] && good=$((good + 1))
done
is "$(cat half)" 400 "400 clients that send half a request have a connection"
is $good 10 "among them and others that never end, ten requests are answered"
wait "${poured[@]}"
one_of "$(curl -s -o body -m 10 -w '%{http_code}' -X POST -T - "${url[server]}/v1/completions" </dev/zero)" \
	413 000 100 -- "a body without end"
printf '{"prompt":%s' "$(head -c 1000000 /dev/zero | tr '\0' '[')" >deep
is "$(post "${url[server]}" @deep)" 400 "a body of a million brackets"
printf '{"prompt":"x","max_tokens":2,"x":"%s"}' "$(head -c 1000000 /dev/urandom | tr -d '\000\042\134')" >random
one_of "$(post "${url[server]}" @random)" 200 400 -- "a body of random bytes"
is "$(post "${url[server]}" '{"prompt":"x","max_tokens":2}')" 200 "afterwards it serves"
ends_well "$server" "a server after all that"
kill "$prefill"

cat -- *.err *.log >all
hasnt all "Sanitizer" "no sanitizer has spoken"
hasnt all "runtime error" "no undefined behaviour was met"
is "$(cat perl.err)" "" "the servers had no trouble of their own"
done_testing
