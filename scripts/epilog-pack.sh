#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# For slurm.conf: Epilog=, where disagg_epilog.so is not loaded.  Packs what a job
# of slurm-disagg has left (disagg-pack --hook); of other jobs it does nothing.  Its
# status is 0 whatever happens, for any other drains the node.
#
#   DISAGG_PACK=PATH            the program (default: disagg-pack of PATH)
#   DISAGG_PACK_DEADLINE=SECS   its time (30); Slurm's EpilogTimeout must be longer
#
# Arguments go to disagg-pack: scripts/epilog-pack.sh --keep-days=30
set -u
[ -n "${SPANK_DISAGG_RUN_DIR:-}" ] || exit 0
PATH=${PATH:-/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin}
export PATH
pack=${DISAGG_PACK:-disagg-pack}
seconds=${DISAGG_PACK_DEADLINE:-30}
case $seconds in
'' | *[!0-9]*) seconds=30 ;;
esac
# ten seconds over the program's own: it must never hold slurmd up
timeout -s KILL $((seconds + 10)) "$pack" --hook --deadline="$seconds" "$@" \
	</dev/null >/dev/null 2>&1
exit 0
