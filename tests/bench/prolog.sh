#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a call of the check before a job costs, on the stub of NVML with 8 GPUs:
# medians of RUNS (51); asserts nothing.
set -u
runs=${RUNS:-51}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
export LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=8

median() { # NAME: the median of the times in microseconds
	sort -n "$dir/times" | awk -v name="$1" '{ v[NR] = $1 } END {
		printf "  %-44s %7.1f ms (%.1f to %.1f, %d runs)\n", name, v[int((NR + 1) / 2)] / 1e3,
			v[1] / 1e3, v[NR] / 1e3, NR }'
}
calls() { # NAME FORGET
	: >"$dir/times"
	for ((i = 0; i < runs; i++)); do
		[ "$2" = no ] || rm -rf "$dir/run"
		start=${EPOCHREALTIME/./}
		"$BUILD/bin/disagg-probe" --prolog --out="$dir/run" >/dev/null 2>&1
		echo $((${EPOCHREALTIME/./} - start)) >>"$dir/times"
	done
	median "$1"
}
echo "disagg-probe --prolog:"
calls "kernel log since boot, NVML of 8 GPUs" yes
calls "kernel log since the last call, NVML's verdict kept" no
