#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packing a run's logs beside tar: time, CPU, size and the most memory held.  PACK_MIB
# says how much (2048).  Interleaved, PACK_ROUNDS rounds (3); the median of each.  The last
# columns say how many times as fast as tar czf, by the clock and by CPU time, which other
# work on the machine disturbs less.
set -u
bin=${BUILD:?}/bin
mib=${PACK_MIB:-2048} rounds=${PACK_ROUNDS:-3}
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-bench.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5
mkdir disagg-7

# lines as engines write them: a batch every line, a request every few, a traceback seldom
perl -e 'srand 7; my $n = 0; my $end = shift; while ($n < $end) {
	my $t = 1764194000 + $n / 2e5;
	my $l = sprintf "[2026-11-26 %02d:%02d:%02d TP%d] Decode batch. #running-req: %d, #token: %d, token usage: %.2f, gen throughput (token/s): %.2f, #queue-req: %d\n",
		$t / 3600 % 24, $t / 60 % 60, $t % 60, rand 8, rand 256, rand 5e5, rand, rand 9000, rand 20;
	$l .= sprintf "INFO:     10.%d.%d.%d:%d - \"POST /v1/chat/completions HTTP/1.1\" 200 OK\n",
		rand 255, rand 255, rand 255, rand 65535 if rand > 0.7;
	$l .= "Traceback (most recent call last):\n  File \"/opt/engine/scheduler.py\", line 71, in step\nRuntimeError: slot taken\n"
		if rand > 0.9995;
	print $l; $n += length $l }' $((mib * 1048576 / 8)) >disagg-7/worker_0.log
for i in 1 2 3 4 5 6 7; do
	cp disagg-7/worker_0.log "disagg-7/worker_$i.log"
done

measure() { # NAME OUTPUT COMMAND...
	local name=$1 output=$2
	shift 2
	rm -f "$output"
	/usr/bin/time -o time.txt -f "%e %U %S %M" "$@" >/dev/null 2>&1 || echo "$name failed" >&2
	printf '%s %s %s\n' "$name" "$(cat time.txt)" "$(stat -c %s "$output")" >>results
}

cat disagg-7/* >/dev/null
for ((round = 0; round < rounds; round++)); do
	measure tar-czf tar.tgz tar czf tar.tgz disagg-7
	command -v pigz >/dev/null && measure tar-pigz pigz.tgz tar -I pigz -cf pigz.tgz disagg-7
	command -v zstd >/dev/null && measure tar-zstd tar.tzst tar -I zstd -cf tar.tzst disagg-7
	for format in tar.gz tar.zst; do
		measure "disagg-pack-$format" job_7_failure_"$(date -u +%Y%m%d)".$format \
			"$bin/disagg-pack" --job=7 --format=$format --max-file=4G --max-total=8G disagg-7
	done
done
echo "pack: $mib MiB of logs in 8 files"
median=$((rounds / 2 + 1))
printf '%-20s %8s %8s %10s %10s %8s %8s\n' "" "wall s" "cpu s" "size MiB" "peak MiB" "wall" "cpu"
# wall, CPU, size and peak, each by its own median
medians() { # NAME
	for field in 1 2 3 4; do
		awk -v name="$1" -v field=$field '$1 == name {
			split($2 " " $3 + $4 " " $6 " " $5, value, " ")
			print value[field]
		}' results | sort -n | sed -n ${median}p
	done | tr '\n' ' '
}
base=$(medians tar-czf)
for name in $(awk '!seen[$1]++ { print $1 }' results); do
	echo "$name $(medians "$name") $base" | awk '{ printf "%-20s %8.1f %8.1f %10.1f %10.1f %7.1fx %7.1fx\n",
		$1, $2, $3, $4 / 1048576, $5 / 1024, $6 / $2, $7 / $3 }'
done
