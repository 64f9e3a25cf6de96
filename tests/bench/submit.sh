#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the plugin costs sbatch and srun: medians of interleaved pairs on a dev
# cluster, the plugstack line taken out for one half of each pair.  Prints times
# and ratios, asserts nothing.  PAIRS (21).
. "$(dirname "$0")/../cluster/lib.sh"

measure() { # on the login node, in WORK
	pairs=$1 line=$2/plugstack.conf.d/zz-disagg.conf off=$2/zz-disagg.off
	milliseconds() {
		local begin=$EPOCHREALTIME
		"$@" >/dev/null 2>bench.err || cat bench.err >&2
		awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", (b - a) * 1000 }'
	}
	median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
	pair() { # NAME WITHOUT WITH: two commands
		local i
		: >without && : >with
		for ((i = 0; i < pairs; i++)); do
			mv "$line" "$off"
			# shellcheck disable=SC2086
			milliseconds $2 >>without
			mv "$off" "$line"
			# shellcheck disable=SC2086
			milliseconds $3 >>with
		done
		scancel --user=root
		awk -v name="$1" -v a="$(median without)" -v b="$(median with)" 'BEGIN {
			printf "%-38s %8.1f ms %8.1f ms  x%.3f %+7.1f ms\n", name, a, b, b / a, b - a }'
	}
	size='-N4 --ntasks-per-node=8 --gpus-per-node=8'
	printf '%-38s %11s %11s\n' "medians of $pairs interleaved pairs" without with
	pair 'sbatch, no option' "sbatch --hold $size true.sh" "sbatch --hold $size true.sh"
	pair 'sbatch --disagg-config' "sbatch --hold $size true.sh" \
		'sbatch --hold --disagg-config=wide.yaml true.sh'
	pair 'srun -n1, no option' 'srun -n1 true' 'srun -n1 true'
	pair 'srun of 64 tasks, no option' 'srun -N4 -n64 true' 'srun -N4 -n64 true'
	pair 'srun of 64 tasks, --disagg-config' 'srun -N4 --ntasks-per-node=16 --gpus-per-node=16 true' \
		'srun --disagg-config=wide16.yaml true'
	pair 'srun of 32 tasks, --disagg-config' "srun $size true" 'srun --disagg-config=wide.yaml true'
}

cluster_up --nodes 4 --gpus 16 --plugin "$BUILD/lib/slurm/disagg.so"
for gpus in 8 16; do
	cat >"$WORK/wide$gpus.yaml" <<YAML
disagg: 1
name: wide
gpus_per_node: $gpus
roles:
  prefill: {engine: trtllm, workers: 2, gpus: $gpus}
  decode: {engine: trtllm, workers: 1, gpus: $((2 * gpus))}
YAML
done
mv "$WORK/wide8.yaml" "$WORK/wide.yaml"
printf '#!/bin/sh\n' >"$WORK/true.sh"
CALL_LIMIT=600 as_root bash -c "$(declare -f measure); measure ${PAIRS:-21} '$STATE'"
