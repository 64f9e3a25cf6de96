#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the epilog's plugin costs: jobs of one srun after another that each take the
# whole node, so that each waits for the epilog of the one before, on a node whose
# slurmd knows no such plugin and on one that does; and, by slurmd's log, from the end of
# a job's processes to the end of its epilog, without the option, and with it and no
# logs.  Interleaved, medians; prints times, asserts nothing.  RUNS (15).
. "$(dirname "$0")/../cluster/lib.sh"
runs=${RUNS:-15}

cluster_up --nodes 2 --gpus 1 --plugin "$BUILD/lib/slurm/disagg.so" \
	--epilog "$BUILD/lib/slurm/disagg_epilog.so" --epilog-args "pack=$BUILD/bin/disagg-pack"
# slurmd decides at its start whether there is an epilog
line=$STATE/plugstack.conf.d/zz-disagg-epilog.conf
mv "$line" "$STATE/line"
devcluster restart --state "$STATE" "${NODES[1]}"
mv "$STATE/line" "$line"
cat >"$WORK/one.yaml" <<'YAML'
disagg: 1
name: one
gpus_per_node: 1
roles:
  decode: {engine: command, workers: 1, gpus: 1, command: ["true"]}
YAML
printf '#!/bin/sh\n' >"$WORK/true.sh"

milliseconds() { # NODE JOB: of its epilog
	local end=$((SECONDS + 40)) log=$STATE/log/slurmd-$1.log
	until grep -q "JobId=$2: sent epilog complete msg" "$log" || [ $SECONDS -ge $end ]; do
		sleep 0.05
	done
	awk -v job="$2" '
		function at(text) { split(substr(text, 13, 12), p, ":"); return (p[1] * 60 + p[2]) * 60 + p[3] }
		$0 ~ "credential for job " job " revoked$" { begin = at($0) }
		index($0, "JobId=" job ": sent epilog complete msg") { if (begin) printf "%.0f\n", (at($0) - begin) * 1000; exit }' "$log"
}

measure() { # NAME NODE SBATCH-ARGUMENT...
	local name=$1 node=$2
	shift 2
	milliseconds "$node" "$(submit --nodelist="$node" --output=/dev/null "$@" true.sh)" >>"$WORK/$name"
}

in_a_row() { # NAME NODE: three jobs, each when the one before has left the node
	local begin=$EPOCHREALTIME i
	for i in 1 2 3; do
		as_user srun --nodelist="$2" --exclusive true >/dev/null 2>&1
	done
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f\n", (b - a) * 1000 / 3 }' >>"$WORK/$1"
}

for ((i = 0; i < runs; i++)); do
	in_a_row without "${NODES[1]}"
	in_a_row with "${NODES[0]}"
	measure unasked "${NODES[0]}"
	measure asked "${NODES[0]}" --disagg-config=one.yaml
done

show() { # NAME WHAT
	sort -n "$WORK/$1" | awk -v what="$2" '{ v[NR] = $1 } END {
		printf "  %-44s %6d ms (%d to %d, %d runs)\n", what, v[int((NR + 1) / 2)], v[1], v[NR], NR }'
}
echo "one srun after another on a whole node, without the option:"
show without "no plugin"
show with "the plugin"
echo "from a job's end to its epilog's end:"
show unasked "without the option"
show asked "with it, and no logs"
