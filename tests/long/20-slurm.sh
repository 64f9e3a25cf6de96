#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The plugin built against another Debian release's Slurm, and every cluster test
# on that Slurm.  OTHER_ROOT names a folder made by scripts/chroot-slurm
# (default: one is made), OTHER_RELEASE what to put there (trixie: 24.11).
set -u
cd "${SRC:?}" || exit 5
root=${OTHER_ROOT:-}
if [ -z "$root" ]; then
	root=$(mktemp -d) && trap 'rm -rf "$root"' EXIT
	scripts/chroot-slurm "${OTHER_RELEASE:-trixie}" "$root" >&2 || exit 5
fi
count=0 failed=0
say() { # STATUS WHAT
	count=$((count + 1))
	[ "$1" -eq 0 ] && echo "ok $count - $2" && return
	echo "not ok $count - $2"
	failed=1
}
make -j2 B=build/other SLURM_INCLUDE="$root/include" all >&2
say $? "the plugin builds against $(make -s config SLURM_INCLUDE="$root/include" | awk '$1 == "slurm" { print $2 }')"
for test in tests/cluster/[0-9]*.sh; do
	SLURM_ROOT=$root BUILD=$PWD/build/other tests/run -t 600 "$test" >&2
	say $? "$test"
done
echo "1..$count"
exit $failed
