# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# SPDX-License-Identifier: Apache-2.0
# The end of a cluster: only what it started, found by recorded pid and
# start time, by its private network namespaces, by the mark of its daemons and by
# its cgroups; then the cgroups and the state directory.

cgroups_of() { # ID
	local dir
	for dir in /sys/fs/cgroup/*"$1"-n[0-9]* /sys/fs/cgroup/*/*"$1"-n[0-9]* \
		/sys/fs/cgroup/*/*/*"$1"-n[0-9]*; do
		[ ! -d "$dir" ] || echo "$dir"
	done
}

cgroup_pids() {
	local dir
	while read -r dir; do
		find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null
	done < <(cgroups_of "$id")
}

# processes in a namespace that a recorded process keeps alive, ours and init's excepted
namespace_pids() {
	local name pid spaces=""
	[ "$mode" = namespaces ] || return 0
	while read -r name pid; do
		spaces="$spaces $(readlink "/proc/$pid/ns/net")"
	done < <(recorded)
	find /proc/[0-9]*/ns/net -maxdepth 0 -printf '%h %l\n' 2>/dev/null |
		awk -v spaces="$spaces" -v not="$(readlink /proc/self/ns/net /proc/1/ns/net)" '
			BEGIN {
				n = split(spaces, list); for (i = 1; i <= n; i++) ours[list[i]] = 1
				n = split(not, list); for (i = 1; i <= n; i++) delete ours[list[i]]
			}
			$2 in ours { split($1, part, "/"); print part[3] }'
}

marked_pids() {
	grep -lzFx "DEVCLUSTER_DAEMON=$state" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}

# All that runs of the cluster, with descendants, without the keepers.
members() {
	local keepers
	keepers=$(recorded | awk '/^keep-/ { print $2 }')
	{
		recorded | awk '!/^keep-/ { print $2 }'
		namespace_pids
		marked_pids
		cgroup_pids
		echo processes
		cat /proc/[0-9]*/stat 2>/dev/null | sed 's/ (.*) / - /'
	} | awk -v spare="$$ $keepers" '
		BEGIN { n = split(spare, list, /[ \n]/); for (i = 1; i <= n; i++) spared[list[i]] = 1 }
		$1 == "processes" { listing = 1; next }
		!listing { ours[$1] = 1; next }
		$3 != "Z" { parent[$1] = $4 }
		END {
			do {
				grown = 0
				for (p in parent)
					if (!(p in ours) && parent[p] in ours) {
						ours[p] = 1
						grown = 1
					}
			} while (grown)
			for (p in ours)
				if (p in parent && !(p in spared))
					print p
		}'
}

# tasks of a plain cluster without cgroups have no other mark than their job
cancel_jobs() {
	local tries jobs
	[ "$mode" = plain ] && recorded_pid slurmctld >/dev/null || return 0
	for ((tries = 0; tries < 40; tries++)); do
		jobs=$(client squeue -h -o %A) || return 0
		[ -n "$jobs" ] || return 0
		# shellcheck disable=SC2086
		[ $tries -gt 0 ] || client scancel $jobs
		sleep 0.1
	done
}

signal_all() { # SIGNAL PID...
	local signal=$1
	shift
	[ $# -eq 0 ] || kill "-$signal" "$@" 2>/dev/null
}

# up to 10 s: kills what the command prints until it prints nothing
kill_until_gone() { # COMMAND
	local tries pids
	for ((tries = 0; tries < 200; tries++)); do
		pids=$("$1")
		[ -n "$pids" ] || return 0
		# shellcheck disable=SC2086
		signal_all KILL $pids
		sleep 0.05
	done
	echo "devcluster: still there after SIGKILL: $pids" >&2
	return 1
}

daemon_pids() {
	recorded | awk '!/^keep-/ { print $2 }'
}

keeper_pids() {
	recorded | awk '/^keep-/ { print $2 }'
}

end_processes() {
	local tries
	cancel_jobs
	# shellcheck disable=SC2046
	signal_all TERM $(daemon_pids)
	for ((tries = 0; tries < 60; tries++)); do
		[ -n "$(daemon_pids)" ] || break
		sleep 0.05
	done
	kill_until_gone members && kill_until_gone keeper_pids
}

# the kernel lets a cgroup go a moment after its last process
remove_cgroups() {
	local tries dirs
	for ((tries = 0; tries < 100; tries++)); do
		dirs=$(cgroups_of "$id")
		[ -n "$dirs" ] || return 0
		echo "$dirs" | while read -r dir; do
			find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null
		done
		sleep 0.02
	done
	echo "devcluster: cannot remove the cgroups $dirs" >&2
	return 1
}

cluster_down() {
	exec 9<"$state" && flock 9
	if [ -e "$state/settings" ]; then
		end_processes && remove_cgroups || return 1
	elif [ "$owned" = no ]; then
		return 0
	fi
	rm -f "$state/settings" "$state/pids"
	[ -z "$keep" ] || return 0
	if [ "$made" = yes ]; then
		rm -rf --one-file-system "$state"
	else
		find "$state" -mindepth 1 -xdev -delete
	fi
}
