#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which probes --probe and --skip take, and what they say of other words.
. "$(dirname "$0")/lib.sh"
: "${BUILD:?}"
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
export LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=1

check() { # WHAT STATUS TEXT: of the last run
	[ "$rc" -eq "$2" ] && { [ -z "$3" ] || grep -qF -e "$3" "$dir/said"; }
	ok $? "$1" "status $rc, expected $2 and '$3'
$(cat "$dir/said")"
}

probe() {
	timeout 60 "$BUILD/bin/disagg-probe" --local-agents=1 --no-report --copy-size=256K \
		--kernel-log=/dev/null "$@" >"$dir/said" 2>&1
	rc=$?
}

probe --probe=pcie.h2d
check "a record's name stands for its probe" 0 "[1/1] pcie.alone"
check "which emits it" 0 "pcie.h2d 256K GB/s"
probe '--probe=pcie.h*'
check "so does the beginning of one" 0 "[1/1] pcie.alone"
probe --probe=clock.skew,pcie.d2h --skip=pcie.alone
check "the probe can be left out" 0 "[1/1] clock.skew"
probe --suite=quick --skip=pcie.d2h
check "half of it cannot, and it is named" 2 "a record of the probe 'pcie.alone'"
probe --probe=pcie.h3d
check "a record that is none: the nearest" 2 "did you mean 'pcie.h2d'?"
probe --probe=nothing.like.it
check "nothing like it: the list" 2 "see --list"
# what is given for the report is read before anything is measured
probe --probe=kmsg.xid --reference="$dir/none"
check "a reference that is not there" 3 "cannot open '$dir/none'"
unmeasured() {
	rc=0
	! grep -q '\[1/1\]' "$dir/said" || rc=1
	check "costs no measurement" 0 ""
}
unmeasured
echo 'no record' >"$dir/before.json"
probe --probe=kmsg.xid --baseline="$dir/before.json"
check "nor does a baseline that is none" 8 "no record in '$dir/before.json'"
unmeasured
"$BUILD/bin/disagg-probe" --list >"$dir/said"
rc=$?
check "the list has each probe with its suites" 0 "kmsg.xid          qst   node  "
! awk 'length > 80' "$dir/said" | grep . >"$dir/long"
rc=$?
cp "$dir/long" "$dir/said"
check "in 80 columns" 0 ""
done_testing
