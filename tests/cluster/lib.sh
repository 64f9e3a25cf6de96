# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests of a real cluster: TAP, and one dev cluster a test file.
#
#	. "$(dirname "$0")/lib.sh"
#	cluster_up --nodes 4 --plugin "$BUILD/lib/slurm/disagg.so"
#	out=$(as_user srun -N4 hostname)
#	is "$(echo "$out" | wc -l)" 4 "every node answers"
#	no_node_drained
#	done_testing
#
# STATE is the cluster's directory, WORK the place for job files, NODES its
# node names.  The cluster ends with the script, however that ends.
set -u
SRC=${SRC:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
BUILD=${BUILD:-$SRC/build}
TEST_USER=${TEST_USER:-nobody}
CALL_LIMIT=${CALL_LIMIT:-60}
# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"

has() { # TEXT PART WHAT
	case $1 in
	*"$2"*) ok 0 "$3" && return ;;
	esac
	ok 1 "$3"
	note got "$1"
	note "expected in it" "$2"
	return 1
}

hasnt() { # TEXT PART WHAT
	case $1 in
	*"$2"*) ;;
	*) ok 0 "$3" && return ;;
	esac
	ok 1 "$3"
	note got "$1"
	note "unwanted in it" "$2"
	return 1
}

# A command under a time limit: status 0, or the one expected.
runs() { # WANT-STATUS WHAT COMMAND...
	local want=$1 what=$2 out rc
	shift 2
	out=$("$@" 2>&1)
	rc=$?
	[ $rc -eq "$want" ]
	ok $? "$what" && return
	note got "status $rc: $out"
	return 1
}

devcluster() {
	"$SRC/scripts/devcluster" "$@"
}

# SLURM_ROOT=DIR runs the tests on the Slurm of scripts/chroot-slurm.
new_cluster() { # OPTION...; prints the state directory
	devcluster up ${SLURM_ROOT:+--slurm-root "$SLURM_ROOT"} "$@"
}

cluster_up() { # OPTION...
	[ "$(id -u)" -eq 0 ] || skip_all "needs root"
	trap cluster_down EXIT
	trap 'exit 5' INT TERM
	if ! STATE=$(new_cluster "$@"); then
		echo "Bail out! the cluster does not come up"
		exit 5
	fi
	WORK=$STATE/work
	# shellcheck disable=SC2034
	read -ra NODES < <(sed -n 's/^node_names=//p' "$STATE/settings" | tr -d "\\\\")
}

cluster_down() {
	local rc=$?
	[ -z "${STATE:-}" ] || devcluster down --state "$STATE" || rc=5
	STATE=''
	exit $rc
}

# Commands on the login node, in WORK, killed after CALL_LIMIT seconds.
as_user() { # COMMAND...
	devcluster exec --state "$STATE" --user "$TEST_USER" --cd "$WORK" -- \
		timeout -k 5 "$CALL_LIMIT" "$@"
}

as_root() { # COMMAND...
	devcluster exec --state "$STATE" --cd "$WORK" -- timeout -k 5 "$CALL_LIMIT" "$@"
}

job_state() { # ID
	as_root scontrol -o show job "$1" 2>/dev/null | sed -n 's/.*JobState=\([A-Z_]*\).*/\1/p' | head -n 1
}

# Slurm holds a requeued job back for two minutes: releases it once it is pending, in a later
# second, for slurmd takes no credential of the one in which it revoked the first run's
# (slurm_cred_revoked()), and the job fails.
release() { # ID
	local end=$((SECONDS + 60)) revoked
	until [ "$(job_state "$1")" = PENDING ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
	revoked=$(date +%s)
	until [ "$(date +%s)" -gt "$revoked" ]; do
		sleep 0.1
	done
	as_root scontrol update jobid="$1" StartTime=now
}

# Waits until the job has ended and prints its state; status 1 after SECONDS (60).
wait_job() { # ID [SECONDS]
	local end=$((SECONDS + ${2:-60})) now
	while :; do
		now=$(job_state "$1")
		case $now in
		'' | PENDING | RUNNING | COMPLETING | CONFIGURING | SUSPENDED | REQUEUED) ;;
		*) break ;;
		esac
		if [ $SECONDS -ge $end ]; then
			echo "${now:-unknown}"
			return 1
		fi
		sleep 0.1
	done
	echo "$now"
}

# Submits and prints the job's id alone.
submit() { # SBATCH-ARGUMENT...
	as_user sbatch --parsable "$@"
}

# No node is drained or down, and a job without our options runs on all of them.
no_node_drained() {
	local bad
	bad=$(as_root sinfo -h -N -o '%N %T %E' | grep -E ' (drain|down|fail|err|unk)')
	is "$bad" "" "no node is drained"
	runs 0 "an ordinary job runs on every node afterwards" \
		as_user srun -N"${#NODES[@]}" --overcommit true
}
