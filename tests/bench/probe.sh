#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016 # columns for awk
# What a run of disagg-probe costs a node beside what its probes measure: the whole
# quick suite on a node of 8 GPUs with small sizes, on the stub libraries, and each of
# its probes alone; and what the lead has of a fleet, whose only probe is clock.skew.
# RUNS (5), NODES ("1 64 512"); asserts nothing.
set -u
runs=${RUNS:-5} nodes=${NODES:-1 64 512}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
: >"$dir/kernel.log"

# elapsed, CPU and the largest process of a run, in dir/times
timed() { # OPTION...
	/usr/bin/time -a -o "$dir/times" -f '%e %U %S %M' "$BUILD/bin/disagg-probe" --no-report \
		"$@" >/dev/null 2>&1
}

median() { # COLUMNS as awk adds them
	awk "{ print $1 }" "$dir/times" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "medians of $runs runs, $(nproc) CPUs for all nodes"
printf '%-28s %10s %12s %10s\n' '' elapsed 'CPU a node' 'MiB, most'
# on the stubs
quick() { # NAME OPTION...: a row
	: >"$dir/times"
	for ((i = 0; i < runs; i++)); do
		LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=8 timed --suite=quick "${@:2}" \
			--kernel-log="$dir/kernel.log" --gemm-size=256 --gemm-time=50 \
			--copy-size=1M --nccl-min=256K --nccl-max=512K
	done
	printf '%-28s %8.2f s %10.3f s %10.1f\n' "$1, 8 GPUs" "$(median '$1')" "$(median '$2 + $3')" \
		"$(median '$4 / 1024')"
}
quick "quick suite"
for name in env.fingerprint hw.inventory gpu.health kmsg.xid gemm.bf16 pcie.alone nccl.intra \
	clock.skew host.state; do
	quick "$name" --probe=$name
done
for count in $nodes; do
	: >"$dir/times"
	for ((i = 0; i < runs; i++)); do
		timed --probe=clock.skew --local-agents="$count"
	done
	printf '%-28s %8.2f s %10.4f s %10.1f\n' "clock.skew, $count nodes here" "$(median '$1')" \
		"$(median "(\$2 + \$3) / $count")" "$(median '$4 / 1024')"
done
