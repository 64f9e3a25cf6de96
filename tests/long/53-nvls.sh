#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NVLS that is off, at the least size that tells it: in one process, and on one node of 16
# of 8 GPUs, as many as there is memory for.
. "$(dirname "$0")/../cluster/lib.sh"
export CALL_LIMIT=400

unit=$(timeout 300 "$BUILD/t/test_nccl_intra" nvls)
is $? 0 "nccl.intra warns where NVLS is off" || note unit "$unit"

# 16 buffers of 64 MiB a node, and what a collective takes
nodes=$(awk '/^MemAvailable/ {n = int($2 / 1048576 / 1.36); print (n > 16 ? 16 : n)}' /proc/meminfo)
if [ "$nodes" -lt 4 ]; then
	ok 0 "NVLS on a cluster # SKIP memory for $nodes nodes of 1.4 GiB"
	done_testing
	exit
fi
cluster_up --nodes "$nodes" --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin" "$WORK/stubs"
install -m 755 "$BUILD/bin/disagg-probe" "$WORK/bin"
cp "$BUILD"/stubs/*.so* "$WORK/stubs"

probe() { # DIR FAULTS
	as_user env LD_LIBRARY_PATH="$WORK/stubs" STUB_GPUS=8 STUB_NOISE=2 STUB_FAULTS="$2" \
		srun -N"$nodes" --ntasks-per-node=1 --gpus-per-node=8 --exclusive --no-kill \
		"$WORK/bin/disagg-probe" --out="$1" --suite=quick --probe=nccl.intra \
		--nccl-min=64M --nccl-max=64M --nccl-iterations=2 </dev/null >"$WORK/$1.out" 2>&1
}

records() { # DIR JQ-FILTER
	jq -r ".records[] | $2" "$WORK/$1/report.json"
}

probe healthy ''
is $? 0 "$nodes healthy nodes pass"
is "$(records healthy '.status' | sort -u)" pass "with no warning"
slow=${NODES[2]}
probe off "nvls-off node=$slow"
is $? 0 "a node without NVLS works, and warns"
is "$(records off 'select(.status != "pass") | .node' | sort -u)" "$slow" "the node is named, and no other"
is "$(records off 'select(.status != "pass") | .value < 0.9 * .fleet_median' | sort -u)" true \
	"with its value and the fleet's"
has "$(records off 'select(.status != "pass").reason')" "NVLS inactive: the largest all_reduce has" "and why"
has "$(records off 'select(.status != "pass").reason')" "GB/s is below" "and below what"
has "$(sed -n '/^Abnormal/,/^Probes/p' "$WORK/off.out")" "NCCL_NVLS_ENABLE" "and what to look at"
done_testing
