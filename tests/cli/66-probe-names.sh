#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which probes --probe and --skip take, and what they say of other words.
set -u
: "${BUILD:?}"
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT
export LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=1
count=0 failed=0

check() { # WHAT STATUS TEXT: of the last run
	count=$((count + 1))
	if [ "$rc" -eq "$2" ] && grep -qF -e "$3" "$dir/said"; then
		echo "ok $count - $1"
		return
	fi
	failed=1
	echo "not ok $count - $1"
	echo "#   status $rc, expected $2 and '$3'"
	sed 's/^/#   /' "$dir/said"
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
echo "1..$count"
exit "$failed"
