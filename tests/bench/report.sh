#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-report on the made-up records of NODES (10000) nodes of 8 GPUs, 72 records a
# node, as a quick suite has: the median of RUNS (5), as text, and with all files
# (--out).  Asserts nothing.
set -u
nodes=${NODES:-10000} runs=${RUNS:-5}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
awk -v nodes="$nodes" -v faults=slow,sdc,env,lost,pcie,xid -f "$SRC/tests/cli/records.awk" \
	</dev/null >"$dir/records.jsonl"

measure() { # NAME OPTION...
	local name=$1 i
	shift
	for ((i = 0; i < runs; i++)); do
		/usr/bin/time -a -f '%e %U %S %M' -o "$dir/$name" "$BUILD/bin/disagg-report" "$@" \
			"$dir/records.jsonl" >"$dir/out"
	done
	sort -n "$dir/$name" | awk -v name="$name" '/^[0-9.]+ [0-9.]+ [0-9.]+ [0-9]+$/ {
			wall[++n] = $1; cpu[n] = $2 + $3; memory = $4 }
		END { at = int((n + 1) / 2)
			printf "  %-8s %6.2f s (%.2f to %.2f, %d runs), %.2f s of CPU, %.0f MiB\n",
				name, wall[at], wall[1], wall[n], n, cpu[at], memory / 1024 }'
}
echo "$nodes nodes, $(wc -l <"$dir/records.jsonl") records, $(($(stat -c %s "$dir/records.jsonl") >> 20)) MiB:"
measure text
measure --out --out="$dir/report"
head -n 1 "$dir/out"
