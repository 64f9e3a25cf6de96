# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# SPDX-License-Identifier: Apache-2.0
# The daemons: start, wait until they answer, show, run commands beside them.

declare -A log_start

# What stays must not hold the caller's pipes and locks open.
close_files() {
	local fd
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		if [ "$fd" -gt 2 ] && [ "$fd" -ne 255 ]; then
			eval "exec $fd>&-"
		fi
	done
}

# Runs a daemon's start command on a place.  The mark in its environment, which
# slurmstepd inherits, tells `down` whose it is when its pid file is lost.
launch() { # PLACE COMMAND...
	local place=$1
	shift
	(
		close_files
		enter "$place" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			SLURM_CONF="$state/etc/slurm.conf" DEVCLUSTER_DAEMON="$state" "$@"
	) </dev/null >>"$state/log/start.log" 2>&1
}

client() { # COMMAND...
	(enter login env SLURM_CONF="$state/etc/slurm.conf" timeout 5 "$@") 2>>"$state/log/start.log"
}

start_munged() {
	head -c 1024 /dev/urandom >"$state/munge/key"
	chmod 400 "$state/munge/key"
	launch login munged --force --num-threads=10 --key-file="$state/munge/key" \
		--socket="$state/munge/sock" --pid-file="$state/run/munged.pid" \
		--log-file="$state/log/munged.log" --seed-file="$state/munge/seed" ||
		die "munged does not start"
	wait_pid munged
}

start_slurmctld() {
	launch login slurmctld -i || die "slurmctld does not start"
	wait_pid slurmctld
}

start_slurmds() { # NODE...
	local node starts=()
	for node in "$@"; do
		launch "$node" slurmd -N "$node" &
		starts+=($!)
	done
	wait "${starts[@]}"
	for node in "$@"; do
		wait_pid "slurmd-$node"
	done
}

# until the pid file names a live process, 10 s, or the log tells of a fatal error
wait_pid() { # NAME
	local pid tries=0 log=$state/log/$1.log
	until read -r pid 2>/dev/null <"$state/run/$1.pid" && [ -n "$pid" ] && record "$1" "$pid"; do
		tries=$((tries + 1))
		if [ $tries -gt 500 ]; then
			die "$1 does not start"
		fi
		if [ -e "$log" ] && tail -c "+$((${log_start[$1]:-0} + 1))" "$log" | grep -q fatal; then
			die "$1 does not start"
		fi
		sleep 0.02
	done
}

# these nodes can take work, or do some, within 30 s
wait_usable() { # NODE...
	local end=$((SECONDS + 30)) usable
	until usable=$(client sinfo -h -N -n "$(echo "$*" | tr ' ' ,)" -o '%N %T' | sort -u |
		grep -cE ' (idle|mixed|allocated|completing)$') && [ "$usable" -eq $# ]; do
		if [ $SECONDS -gt $end ]; then
			client sinfo -N -l >&2
			die "${usable:-0} of $# nodes are usable after 30 s"
		fi
		sleep 0.05
	done
}

show_logs() {
	local log
	for log in "$state"/log/*.log; do
		if grep -qE 'fatal|error|Error|cannot|failed' "$log" 2>/dev/null; then
			echo "--- ${log##*/}"
			grep -E 'fatal|error|Error|cannot|failed' "$log" | tail -n 12
		fi
	done >&2
}

up_failed() { # STATUS
	trap - EXIT
	trap '' INT TERM
	if [ "$owned" = yes ]; then
		show_logs
		keep=''
		cluster_down
	fi
	exit "$1"
}

cluster_up() {
	local place=${slurm_root:-}/usr/sbin
	[ ${#rest[@]} -eq 0 ] || die "up: unexpected argument '${rest[0]}'" 2
	for tool in munged slurmctld slurmd; do
		[ -x "$place/$tool" ] || die "'$place/$tool' is missing; scripts/packages.sh installs it" 4
	done
	if [ "$mode" = plain ] && [ -n "$slurm_root" ]; then
		die "--slurm-root needs --mode namespaces" 2
	fi
	# one at a time while names and ports are chosen, held until they are in use
	exec 8<"$([ -d /run/lock ] && echo /run/lock || echo /tmp)"
	flock 8
	trap 'exit 1' INT TERM
	trap 'up_failed $?' EXIT
	make_state
	make_devices
	write_conf
	if [ "$mode" = namespaces ]; then
		exec 8<&-
		space_up
	fi
	start_munged
	start_slurmctld
	# shellcheck disable=SC2046
	start_slurmds $(all_nodes)
	# shellcheck disable=SC2046
	wait_usable $(all_nodes)
	trap - EXIT INT TERM
	echo "$state"
	[ ! -t 2 ] || up_hint >&2
}

up_hint() {
	local tool=$here/devcluster
	[ "$(command -v devcluster)" != "$tool" ] || tool=devcluster
	cat <<-HINT
		a command on it:  $tool exec --state $state -- sinfo
		as a user:        $tool exec --state $state --user nobody -- srun id
		its end:          $tool down --state $state
	HINT
}

all_nodes() {
	local i
	for ((i = 0; i < nodes; i++)); do
		node_name $i
	done
}

cluster_status() {
	echo "state $state, $mode, $nodes nodes of $gpus GPUs, login node $(login_name)"
	recorded | grep -v '^keep-' | awk '{ printf "  %-24s pid %d\n", $1, $2 }'
	client sinfo -N -l || die "slurmctld does not answer"
}

cluster_restart() { # [NODE|ctld]...
	local name pid restarted=()
	# shellcheck disable=SC2046
	[ $# -gt 0 ] || set -- $(all_nodes)
	for name in "$@"; do
		[ "$name" = ctld ] && name=slurmctld || name=slurmd-$name
		while pid=$(recorded_pid "$name"); do
			kill "$pid" 2>/dev/null
			sleep 0.05
		done
		rm -f "$state/run/$name.pid"
		log_start[$name]=$(stat -c %s "$state/log/$name.log")
		case $name in
		slurmctld)
			start_slurmctld
			# shellcheck disable=SC2046
			wait_usable $(all_nodes)
			;;
		*)
			start_slurmds "${name#slurmd-}"
			restarted+=("${name#slurmd-}")
			;;
		esac
	done
	[ ${#restarted[@]} -eq 0 ] || wait_usable "${restarted[@]}"
}

cluster_exec() { # COMMAND...
	local who=() place=login
	[ $# -gt 0 ] || die "exec: no command" 2
	if [ -n "$on_node" ]; then
		place=$(all_nodes | grep -Fx -e "$on_node" -e "$id-n$on_node") || die "no node '$on_node'"
	fi
	if [ -n "$run_as" ]; then
		id "$run_as" >/dev/null 2>&1 || die "no user '$run_as'" 2
		who=(setpriv --reuid "$run_as" --regid "$(id -gn "$run_as")" --init-groups
			env USER="$run_as" LOGNAME="$run_as" HOME="$state/work" SHELL=/bin/sh)
	fi
	# shellcheck disable=SC2016
	enter "$place" ${who[@]+"${who[@]}"} env SLURM_CONF="$state/etc/slurm.conf" \
		DEVCLUSTER_STATE="$state" sh -c '
			cd "$1" 2>/dev/null || cd "$2" || exit 1
			shift 2
			exec "$@"' sh "${work_dir:-$PWD}" "$state/work" "$@"
}
