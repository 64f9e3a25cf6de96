#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# For slurm.conf: Prolog=, or HealthCheckProgram=.  As a prolog it refuses a
# node whose hardware is bad: Slurm drains the node and puts the job back.  As a
# health check, whose status Slurm does not look at, it drains the node itself,
# beside slurmd, which must not wait for slurmctld.
#
#   DISAGG_PROBE=PATH   the program (default: disagg-probe of PATH)
#   DISAGG_DRAIN=no     as a health check, only log
set -u
set --
PATH=${PATH:-/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin}
export PATH
probe=${DISAGG_PROBE:-disagg-probe}
command -v "$probe" >/dev/null 2>&1 || exit 0
[ "${SLURM_JOB_ID:+job}" = job ] || [ -n "${SLURMD_NODENAME:-}" ] || {
	echo "usage: scripts/prolog-probe.sh, by slurmd (Prolog= or HealthCheckProgram=)" >&2
	exit 2
}

# who only logs must not take from the prolog what the kernel has said since its last look
[ -n "${SLURM_JOB_ID:-}" ] || [ "${DISAGG_DRAIN:-yes}" = yes ] || set -- --out=/run/disagg-log
# five seconds over the program's own two: it must never hold slurmd up
said=$(timeout -s KILL 7 "$probe" --prolog "$@" 2>&1)
rc=$?
[ -z "$said" ] || logger -t disagg-prolog -- "$said" 2>/dev/null
[ "$rc" -eq 1 ] || exit 0 # a crash, a hang, a usage: no reason to refuse a job
if [ -n "${SLURM_JOB_ID:-}" ]; then
	echo "$said" >&2
	exit 1
fi
[ "${DISAGG_DRAIN:-yes}" = yes ] || exit 0
reason="disagg-prolog: $(printf '%.200s' "$said" | tr '\n' ' ')"
export SLURMD_NODENAME reason
# Only a node that nobody has drained: another's reason stays as it is.  slurmd kills the
# script's process group when the script has ended, so this part is in another.
# shellcheck disable=SC2016
setsid sh -c '(
	state=$(timeout 5 sinfo -h -n "$SLURMD_NODENAME" -o %T)
	case $state in
	*drain* | *down* | *fail* | "") exit 0 ;;
	esac
	timeout 5 scontrol update nodename="$SLURMD_NODENAME" state=drain reason="$reason"
) &' </dev/null >/dev/null 2>&1
exit 0
