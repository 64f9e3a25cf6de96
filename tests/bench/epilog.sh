#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the epilog's plugin costs: from the end of a job's processes to the end of its
# epilog, by slurmd's log.  Interleaved, medians: a node whose slurmd knows no such
# plugin, a node that has it and a job without the option, and a job with the option
# and no logs.  Prints times, asserts nothing.  RUNS (15).
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
		index($0, "JobId=" job ": sent epilog complete msg") { printf "%.0f\n", (at($0) - begin) * 1000; exit }' "$log"
}

measure() { # NAME NODE SBATCH-ARGUMENT...
	local name=$1 node=$2
	shift 2
	milliseconds "$node" "$(submit --nodelist="$node" --output=/dev/null "$@" true.sh)" >>"$WORK/$name"
}

for ((i = 0; i < runs; i++)); do
	measure without "${NODES[1]}"
	measure unasked "${NODES[0]}"
	measure asked "${NODES[0]}" --disagg-config=one.yaml
done

show() { # NAME WHAT
	sort -n "$WORK/$1" | awk -v what="$2" '{ v[NR] = $1 } END {
		printf "  %-44s %6d ms (%d to %d, %d runs)\n", what, v[int((NR + 1) / 2)], v[1], v[NR], NR }'
}
echo "from a job's end to its epilog's end:"
show without "no plugin"
show unasked "the plugin, a job without the option"
show asked "the plugin, a job with it and without logs"
