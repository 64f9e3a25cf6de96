#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-probe's NCCL probes as a user sees them, four agents here with the stubs.
. "$(dirname "$0")/lib.sh"
: "${BUILD:?}"
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
export LD_LIBRARY_PATH=$BUILD/stubs NCCL_SOCKET_IFNAME=lo STUB_GPUS=2

told() { tail -n 15 "$dir/out"; }

probe() { # FAULTS: the status is in rc, the records in $dir/o
	STUB_FAULTS=$1 timeout 60 "$BUILD/bin/disagg-probe" --local-agents=4 --out="$dir/o" \
		--probe=nccl.interop --nccl-min=64K --nccl-max=1M >"$dir/out" 2>&1
	rc=$?
}

recorded() { # WHAT TEXT...: one record with all of them
	local what=$1 found
	shift
	found=$(cat "$dir/o/records.jsonl")
	for text in "$@"; do
		found=$(grep -F -e "$text" <<<"$found")
	done
	[ -n "$found" ]
	ok $? "$what" "$(told)"
}

probe ""
ok "$rc" "four nodes pass" "$(told)"
recorded "the world's size is told" '"param":"world size"' '"value":8' '"on 4 nodes"'
recorded "and the bandwidth of 1 MiB" '"param":"all_reduce 1M"' '"node":"n4"' '"unit":"GB/s"'
recorded "and the time of 8 bytes" '"param":"all_reduce 8 time"' '"unit":"us"'

probe "wrong-sum node=n3 gpu=1"
[ "$rc" -eq 1 ]
ok $? "a wrong sum fails: status 1" "$(told)"
recorded "its node and its GPU are named" '"node":"n3"' '"gpu":1' '"status":"fail"' \
	"what GPU 1 received are wrong"
! grep -F '"status":"fail"' "$dir/o/records.jsonl" | grep -vqF '"node":"n3"'
ok $? "no other node fails" "$(told)"

probe "nccl-dead node=n2 after=3"
[ "$rc" -eq 8 ]
ok $? "a node that dies: status 8, unknown" "$(told)"
recorded "it is named" '"node":"n2"' '"status":"unknown"' "the others waited for it"
recorded "the rest is measured" '"param":"all_reduce 1M"' '"node":"n4"' '"status":"pass"' "6 ranks"
done_testing
