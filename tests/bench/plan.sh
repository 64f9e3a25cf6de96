#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Time and memory of whole disagg-plan processes beside `true`, started and
# reaped the same way: one file, all recipes of CORPUS where it is given, and a
# generated 10,000-GPU file.  Medians of RUNS (21), interleaved; asserts nothing.
set -u
runs=${RUNS:-21}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
cat >"$dir/large.yaml" <<'YAML'
disagg: 1
name: large
gpus_per_node: 4
roles:
  prefill: {engine: sglang, workers: 500, gpus: 4}
  decode: {engine: sglang, workers: 500, gpus: 16}
YAML
plan=$BUILD/bin/disagg-plan

once() { # COMMAND...: milliseconds
	local begin=$EPOCHREALTIME
	"$@" >/dev/null 2>&1
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f\n", (b - a) * 1000 }'
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
peak() { # COMMAND...: KiB, the kernel's own count
	/usr/bin/time -f '%M' -o "$dir/peak" "$@" >/dev/null 2>&1
	tail -n 1 "$dir/peak"
}
pair() { # NAME COMMAND...
	local name=$1 i
	shift
	: >"$dir/true" && : >"$dir/plan"
	for ((i = 0; i < runs; i++)); do
		once true-by-exec >>"$dir/true"
		once "$@" >>"$dir/plan"
	done
	awk -v name="$name" -v a="$(median "$dir/true")" -v b="$(median "$dir/plan")" -v m="$(peak "$@")" \
		'BEGIN { printf "%-34s %8.2f ms %8.2f ms %9.1f MiB\n", name, a, b, m / 1024 }'
}
true-by-exec() { /bin/true; }

printf '%-34s %11s %11s %13s\n' "medians of $runs interleaved runs" true disagg-plan 'peak memory'
pair 'one file' "$plan" --check "$SRC/configs/native-2p2d.yaml"
pair 'a 10,000-GPU file' "$plan" --check "$dir/large.yaml"
pair 'a 10,000-GPU file, as JSON' "$plan" --format=json "$dir/large.yaml"
if [ -d "${CORPUS:-}/srtctl/recipes" ]; then
	mapfile -t recipes < <(find "$CORPUS/srtctl/recipes" -name '*.yaml' | sed 's/$/:*/')
	pair "one recipe" "$plan" --check "${recipes[0]}"
	pair "${#recipes[@]} recipes, every variant" "$plan" --check "${recipes[@]}"
fi
