#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A recipe of each kind of the corpus, at its full number of nodes and workers,
# rehearsed as an ordinary user on a dev cluster; and what the largest costs.
. "$(dirname "$0")/../cluster/recipes.sh"

cluster_up --nodes 18 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
rehearse_here
corpus_variants >"$WORK/variants"
corpus_kinds <"$WORK/variants" >"$WORK/kinds"
for mode in e2e gen_only; do
	file=$(grep -lE "^ *mode: *\"?$mode" "$CORPUS"/trtllm/*.yaml | head -n 1)
	printf 'TensorRT-LLM %s\t0\t0\t%s\n' "$mode" "$file"
done >>"$WORK/kinds"
[ "$(wc -l <"$WORK/kinds")" -ge 20 ]
ok $? "the corpus has many kinds" || note kinds "$(cat "$WORK/kinds")"

rehearse_all <"$WORK/kinds"

# ---- the one with the most steps ----
IFS=$'\t' read -r _ nodes steps largest < <(sort -t$'\t' -k3,3n -k2,2n -k4,4 "$WORK/variants" | tail -n 1)
[ "$nodes" -ge 16 ] && [ "$steps" -ge 31 ]
ok $? "the largest has at least 16 nodes and 31 steps" || note got "$nodes nodes, $steps steps"
job=$(rehearse "$largest" --disagg-set=benchmark.type=manual)
in_phase "$job" serving 120
ok $? "${largest#"$CORPUS/"}: it serves"

# CPU ticks and most resident KB of each stand-in, a line each
costs() { # JOB
	local pid stat
	for pid in $(pgrep -x disagg-sim); do
		belongs "$pid" "$1" || continue
		read -r stat <"/proc/$pid/stat" || continue
		# shellcheck disable=SC2086
		set -- "$1" ${stat##*) }
		echo "$((${13} + ${14})) $(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")"
	done
}
stand_ins=$(of "$job" '[.workers[] | select(.engine | IN("etcd", "nats", "nginx") | not)] | length')
costs "$job" >"$WORK/before"
is "$(wc -l <"$WORK/before")" "$stand_ins" "each worker and frontend has its stand-in"
sleep 5
costs "$job" >"$WORK/after"
as_user "$WORK/bin/disagg-bench" --url="$(of "$job" .frontend)" --isl=256 --osl=32 --concurrency=16 \
	--prompts=320 --warmup=0 --format=json >"$WORK/bench.json"
is "$(jq -c '[.runs[0].completed, .runs[0].failed]' "$WORK/bench.json")" '[320,0]' \
	"320 requests are answered" || note got "$(cat "$WORK/bench.json")"
costs "$job" >"$WORK/loaded"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "it completes"
hz=$(getconf CLK_TCK)
sum() { awk -v hz="$hz" '{ ticks += $1; kb += $2; if ($2 > most) most = $2 }
	END { printf "%d stand-ins, %.2f s of CPU, %.1f MB in all, %.1f MB the largest", NR, ticks / hz, kb / 1024, most / 1024 }' "$1"; }
note "$steps steps on $nodes nodes" "ready after $(of "$job" '.phases.serving - .phases.starting | . * 100 | round / 100') s
when it serves: $(sum "$WORK/before")
5 s later, idle: $(sum "$WORK/after")
after 320 requests: $(sum "$WORK/loaded")"
# two cores, of which the stand-ins leave most to others
idle=$(paste "$WORK/before" "$WORK/after" | awk -v hz="$hz" '{ t += $3 - $1 } END { print t / hz / 5 }')
is "$(jq -n "$idle < 0.5")" true "the idle stand-ins take less than half a core together" ||
	note "cores" "$idle"
is "$(awk '$2 > 65536' "$WORK/loaded")" "" "each stays below 64 MB"

no_node_drained
done_testing
