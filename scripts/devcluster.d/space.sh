# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# SPDX-License-Identifier: Apache-2.0
# Namespaces.  The login node and every compute node is a sleeping process that
# keeps a network, UTS and mount namespace; nothing has a name outside of them, so
# the host's interfaces and mounts stay as they are, every cluster can use
# the same addresses and ports, and all is gone with the last process inside.
# The bridge lives in the login node's namespace.

net=10.77.0

node_name() { # INDEX
	echo "$id-n$1"
}

login_name() {
	if [ "$mode" = plain ]; then
		uname -n | cut -d. -f1
	else
		echo "$id-login"
	fi
}

# start time of a process in ticks since boot: with the pid it names one process
start_time() { # PID
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	stat=${stat##*) }
	[ "${stat%% *}" != Z ] || return 1
	# shellcheck disable=SC2086
	set -- $stat
	echo "${20}"
}

record() { # NAME PID
	local start
	start=$(start_time "$2") || return 1
	echo "$1 $2 $start" >>"$state/pids"
}

# "NAME PID" of every recorded process that is still the one recorded
recorded() {
	local name pid start
	[ -e "$state/pids" ] || return 0
	while read -r name pid start; do
		[ "$(start_time "$pid")" != "$start" ] || echo "$name $pid"
	done <"$state/pids"
}

recorded_pid() { # NAME
	recorded | awk -v name="$1" '$1 == name { pid = $2 } END { print pid; exit !pid }'
}

# Runs a command on `login` or on a node; the caller's process becomes it.
enter() { # PLACE COMMAND...
	local pid
	if [ "$mode" = plain ]; then
		shift
		exec "$@"
	fi
	pid=$(recorded_pid "keep-$1") || die "the namespaces of '$1' are gone"
	shift
	exec nsenter --target "$pid" --mount --net --uts --root --wd -- ${slurm_root:+chroot "$slurm_root"} "$@"
}

# the same without the change of root, for setting a namespace up
inside() { # PID COMMAND...
	local pid=$1
	shift
	nsenter --target "$pid" --mount --net --uts --root --wd -- "$@"
}

# A keeper: starts in the namespaces of process $2 (0: ours) and makes its own.
keeper_start() { # NAME FROM
	local from=()
	[ "$2" -eq 0 ] || from=(nsenter --target "$2" --mount --net --uts --root --wd --)
	(
		close_files
		exec ${from[@]+"${from[@]}"} setsid unshare --mount --net --uts sleep infinity
	) </dev/null >/dev/null 2>>"$state/log/keepers.log" &
	disown
	record "keep-$1" $! || die "cannot start a namespace for '$1'"
}

# the namespaces are there when the keeper has become its sleep
keepers_wait() {
	local name pid tries
	while read -r name pid; do
		tries=0
		until [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sleep ]; do
			tries=$((tries + 1))
			if [ $tries -gt 500 ] || [ ! -e "/proc/$pid" ]; then
				die "cannot make namespaces for '${name#keep-}' (where they are not allowed, use --mode plain): $(tail -n 1 "$state/log/keepers.log")" 4
			fi
			sleep 0.01
		done
	done < <(recorded | grep '^keep-')
}

write_hosts() {
	local i
	echo "127.0.0.1 localhost"
	echo "$net.1 $id-login"
	for ((i = 0; i < nodes; i++)); do
		echo "$net.$((10 + i)) $(node_name $i)"
	done
}

# On the login node, before the nodes copy its mounts.
login_setup() { # PID
	local root=$slurm_root
	inside "$1" sh -euc '
		root=$1 state=$2 src=$3
		echo "$4" >/proc/sys/kernel/hostname
		if [ -n "$root" ]; then
			for dir in /proc /sys /dev /tmp "$src" "$state"; do
				mkdir -p "$root$dir"
				mount --rbind "$dir" "$root$dir"
			done
		fi
		# a file to mount on; none and an empty one mean the same
		[ -e "$root/etc/hosts" ] || : >"$root/etc/hosts"
		mount --bind "$state/etc/hosts" "$root/etc/hosts"
	' sh "$root" "$state" "$(dirname "$here")" "$id-login"
}

node_setup() { # INDEX PID
	local name
	name=$(node_name "$1")
	inside "$2" sh -euc '
		echo "$1" >/proc/sys/kernel/hostname
		mount --bind "$2/nodes/$1/dev" "$3$2/dev"
		ip -batch -
	' sh "$name" "$state" "$slurm_root" <<-BATCH
		link set lo up
		address add $net.$((10 + $1))/24 dev eth0
		link set eth0 up
	BATCH
}

space_up() {
	local i login pids=()
	keeper_start login 0
	keepers_wait
	login=$(recorded_pid keep-login)
	login_setup "$login" || die "cannot set the login node up"
	for ((i = 0; i < nodes; i++)); do
		keeper_start "$(node_name $i)" "$login"
		pids+=($!)
	done
	keepers_wait
	{
		printf '%s\n' "link set lo up" "link add br0 type bridge" \
			"address add $net.1/24 dev br0" "link set br0 up"
		for ((i = 0; i < nodes; i++)); do
			echo "link add veth$i type veth peer name eth0 netns ${pids[i]}"
			echo "link set veth$i master br0 up"
		done
	} | inside "$login" ip -batch - || die "cannot lay the cluster's network"
	for ((i = 0; i < nodes; i++)); do
		node_setup $i "${pids[i]}" || die "cannot set node $i up"
	done
}
