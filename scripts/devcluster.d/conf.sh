# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# SPDX-License-Identifier: Apache-2.0
# The state directory and the configuration files in it.

# Four letters from the directory's name: node names, and so the names of the
# cgroups that Slurm makes, differ between the clusters of a machine.
choose_id() {
	local salt=0 sum
	while :; do
		sum=$(printf '%s %d' "$state" $salt | cksum | cut -d' ' -f1)
		id=$(printf '%07d' $((sum % 10000000)) | cut -c 1-4 | tr 0-9 bcdfghjkmp)
		[ -n "$(cgroups_of "$id")" ] || return 0
		salt=$((salt + 1))
	done
}

# First free block of 64 TCP ports; only the plain mode listens on the host.
choose_ports() {
	local used=" " line
	port=0
	[ "$mode" = plain ] || return 0
	while read -r line; do
		used="$used$((16#${line##*:})) "
	done < <(awk '$4 == "0A" { print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
	for ((port = 20000; port < 32000; port += 64)); do
		ports_free "$used" && return 0
	done
	die "no free block of 64 TCP ports between 20000 and 32000"
}

ports_free() { # USED
	local p
	for ((p = port; p < port + 64; p++)); do
		case $1 in
		*" $p "*) return 1 ;;
		esac
	done
}

make_state() {
	[ -d "${state:-/}" ] && [ -n "$state" ] || made=yes
	if [ -z "$state" ]; then
		state=$(mktemp -d "${TMPDIR:-/tmp}/devcluster.XXXXXX") || die "cannot make a state directory"
	fi
	mkdir -p "$state" || die "cannot make '$state'"
	[ -z "$(ls -A "$state")" ] || die "'$state' is not empty: a cluster's state needs a fresh directory"
	owned=yes
	choose_id
	choose_ports
	umask 022
	chmod 755 "$state"
	mkdir "$state"/{etc,plugstack.conf.d,munge,run,spool,ctld,log,lib,dev,nodes,work}
	chmod 1777 "$state/work"
	: >"$state/pids"
	{
		printf '%s=%q\n' id "$id" nodes "$nodes" gpus "$gpus" cpus "$cpus" mode "$mode" \
			gres "$gres" proctrack "$proctrack" slurm_root "$slurm_root" port "$port" made "$made"
		printf 'node_names=%q\n' "$(for ((i = 0; i < nodes; i++)); do node_name $i; done | tr '\n' ' ')"
	} >"$state/settings"
}

# Device nodes without a driver: opening one gives ENXIO, or EPERM where the
# device cgroup forbids it.
make_gpus() { # DIRECTORY FIRST-MINOR
	local i
	for ((i = 0; i < gpus; i++)); do
		mknod -m 666 "$1/nvidia$i" c 195 $(($2 + i)) || die "cannot make the device '$1/nvidia$i'"
	done
}

make_devices() {
	local i dir
	if [ "$mode" = plain ]; then
		make_gpus "$state/dev" 0
		return
	fi
	for ((i = 0; i < nodes; i++)); do
		dir=$state/nodes/$(node_name $i)/dev
		mkdir -p "$dir"
		make_gpus "$dir" $((i * gpus))
	done
}

cgroup_version() {
	if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
		echo v2
	else
		echo v1
	fi
}

node_lines() {
	local sockets=2 hosts address="" res="" names="$id-n[0-$((nodes - 1))]"
	[ $((cpus % 2)) -eq 0 ] || sockets=1
	if [ "$gres" = yes ] && [ "$gpus" -gt 0 ]; then
		res="Gres=gpu:h100:$gpus"
	fi
	hosts=$names
	if [ "$mode" = plain ]; then
		hosts=$(login_name)
		address="NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))]"
	fi
	echo "NodeName=$names NodeHostname=$hosts $address CPUs=$cpus Boards=1" \
		"SocketsPerBoard=$sockets CoresPerSocket=$((cpus / sockets)) ThreadsPerCore=1" \
		"RealMemory=100000 $res State=UNKNOWN"
	echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
}

slurm_conf() {
	cat <<-CONF
		ClusterName=$id
		SlurmctldHost=$(login_name)$([ "$mode" = plain ] && echo '(127.0.0.1)')
		$([ "$port" -eq 0 ] || echo "SlurmctldPort=$port")
		SlurmUser=root
		SlurmdUser=root
		AuthType=auth/munge
		AuthInfo=socket=$state/munge/sock
		CredType=cred/munge
		StateSaveLocation=$state/ctld
		SlurmdSpoolDir=$state/spool/%n
		SlurmctldPidFile=$state/run/slurmctld.pid
		SlurmdPidFile=$state/run/slurmd-%n.pid
		SlurmctldLogFile=$state/log/slurmctld.log
		SlurmdLogFile=$state/log/slurmd-%n.log
		SlurmctldDebug=verbose
		SlurmdDebug=debug
		ProctrackType=proctrack/$proctrack
		TaskPlugin=$([ "$proctrack" = cgroup ] && echo task/cgroup || echo task/none)
		JobAcctGatherType=jobacct_gather/none
		JobCompType=jobcomp/filetxt
		JobCompLoc=$state/log/jobcomp.txt
		PlugStackConfig=$state/etc/plugstack.conf
		SlurmdParameters=config_overrides
		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core
		$([ "$gres" = no ] || echo GresTypes=gpu)
		ReturnToService=2
		KillWait=2
		SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=2
	CONF
	node_lines
}

# A --conf line takes the place of the line of the same key.
with_overrides() {
	local line
	awk -v lines="$(printf '%s\n' ${conf_lines[@]+"${conf_lines[@]}"})" '
		function key(s) { sub(/=.*/, "", s); return tolower(s) }
		BEGIN { n = split(lines, list, "\n"); for (i = 1; i <= n; i++) drop[key(list[i])] = 1 }
		/^(NodeName|PartitionName)=/ || !(key($0) in drop)'
	for line in ${conf_lines[@]+"${conf_lines[@]}"}; do
		echo "$line"
	done
}

write_plugstack() {
	local args=$plugin_args
	echo "include $state/plugstack.conf.d/*.conf" >"$state/etc/plugstack.conf"
	echo "# filled by devcluster --plugin" >"$state/plugstack.conf.d/00-empty.conf"
	if [ -n "$cluster_file" ]; then
		install -m 644 "$cluster_file" "$state/etc/cluster.yaml"
		args="$args cluster_file=$state/etc/cluster.yaml"
	fi
	if [ -n "$epilog" ]; then
		install -m 755 "$epilog" "$state/lib/disagg_epilog.so"
		echo "optional $state/lib/disagg_epilog.so $epilog_args" \
			>"$state/plugstack.conf.d/zz-disagg-epilog.conf"
	fi
	[ -n "$plugin" ] || return 0
	install -m 755 "$plugin" "$state/lib/disagg.so"
	echo "required $state/lib/disagg.so $args" >"$state/plugstack.conf.d/zz-disagg.conf"
}

write_conf() {
	slurm_conf | with_overrides >"$state/etc/slurm.conf"
	: >"$state/etc/gres.conf"
	if [ "$gres" = yes ] && [ "$gpus" -gt 0 ]; then
		echo "Name=gpu Type=h100 File=$state/dev/nvidia[0-$((gpus - 1))]" >"$state/etc/gres.conf"
	fi
	echo "CgroupPlugin=cgroup/$(cgroup_version)" >"$state/etc/cgroup.conf"
	if [ "$proctrack" = cgroup ]; then
		echo ConstrainDevices=yes >>"$state/etc/cgroup.conf"
	fi
	if [ "$(cgroup_version)" = v2 ]; then
		echo IgnoreSystemd=yes >>"$state/etc/cgroup.conf"
	fi
	write_hosts >"$state/etc/hosts"
	write_plugstack
}
