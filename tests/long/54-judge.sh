#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The judge's rule over many healthy fleets, of seeds that nothing was fitted to.
set -u
: "${BUILD:?}"
failed=0 count=0
for seed in ${SEEDS:-11 12 13 14 15}; do
	count=$((count + 1)) not=
	out=$("$BUILD/t/test_judge_fleets" 2000 "$seed") || failed=1 not='not '
	echo "$out" | sed 's/^[^#]/# &/'
	echo "${not}ok $count - 2000 fleets of seed $seed"
done
echo "1..$count"
exit "$failed"
