#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The dev cluster itself: two at once, names, hosts, confined GPUs, a clean end.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"

# everything of the machine that a cluster could leave behind
machine() {
	ip -o link | awk '{ print "link", $2 }'
	awk '{ print "mount", $5 }' /proc/self/mountinfo
	find /run/netns -mindepth 1 2>/dev/null | sed 's/^/netns /'
}

traces() { # STATE ID
	grep -lzF "DEVCLUSTER_DAEMON=$1" /proc/[0-9]*/environ 2>/dev/null
	grep -lzF "$1" /proc/[0-9]*/cmdline 2>/dev/null
	find /sys/fs/cgroup -name "*$2-n*"
	find /proc/[0-9]*/ns/net -maxdepth 0 -printf '%l\n' 2>/dev/null | sort -u |
		grep -Fxf "$spaces"
	[ ! -e "$1" ] || echo "$1 is still there"
}

# opens the devices; prints the kernel's word for each
# shellcheck disable=SC2016 # for the task's shell to expand
cat_gpus='for i in 0 1 2 3 4 5 6 7; do
	echo "$(cat "$0/dev/nvidia$i" 2>&1 >/dev/null | sed "s/.*: //")"
done | uniq -c | sed "s/^ *//"'

before=$(machine)
cluster_up --nodes 4
first=$STATE
spaces=$(mktemp)
second=''
trap 'rc=$?; rm -f "$spaces"; [ -z "$second" ] || devcluster down --state "$second"
	(exit $rc); cluster_down' EXIT
second=$(new_cluster --nodes 2 --gpus 4)
ok $? "a second cluster comes up beside the first"
other=$(sed -n 's/^id=//p' "$second/settings")
id=$(sed -n 's/^id=//p' "$first/settings")
isnt "$other" "$id" "with other names"

out=$(as_user srun -N4 uname -n | sort)
is "$out" "$(printf '%s\n' "${NODES[@]}")" "each node has its own host name"
is "$(as_user srun -N4 readlink /proc/self/ns/net | sort -u | wc -l)" 4 "its own network"
is "$(as_user srun -N4 readlink /proc/self/ns/mnt | sort -u | wc -l)" 4 "and its own mounts"
for node in "${NODES[@]}"; do
	runs 0 "$node resolves on every node and on the login node" \
		as_user sh -c "getent hosts $node && srun -N4 getent hosts $node"
done
# shellcheck disable=SC2016
is "$(as_user srun -N4 sh -c 'ip -4 -o address show dev eth0 | cut -d" " -f7' | sort -u | wc -l)" 4 \
	"each has an address of its own"
runs 0 "two nodes reach each other by name" as_user srun -N2 sh -c "
	[ \$SLURM_PROCID = 0 ] && exec python3 -c \"
import socket
s = socket.create_server(('${NODES[0]}', 8123)); s.settimeout(10); s.accept()\"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		bash -c 'exec 3<>/dev/tcp/${NODES[0]}/8123' 2>/dev/null && exit 0
		sleep 0.2
	done; exit 1"
is "$(as_user srun id -un)" "$TEST_USER" "a step runs as the user who asked"

out=$(as_user srun --gpus-per-node=3 sh -c "$cat_gpus" "$STATE")
is "$out" "$(printf '3 No such device or address\n5 Operation not permitted')" \
	"the step opens its GPUs and no other"
out=$(as_user srun sh -c "$cat_gpus" "$STATE")
is "$out" "8 Operation not permitted" "a step without GPUs opens none"
# shellcheck disable=SC2016
out=$(as_user sh -c 'for i in 1 2; do srun -w "$1" --gpus-per-node=4 sh -c "$2" "$3" & done; wait' \
	sh "${NODES[1]}" "$cat_gpus; sleep 1" "$STATE" | sort | uniq -c | sed 's/^ *//')
is "$out" "$(printf '2 4 No such device or address\n2 4 Operation not permitted')" \
	"two jobs on a node have four each, and not the other's"

second_user() {
	STATE=$second WORK=$second/work as_user "$@"
}
is "$(second_user srun -N2 uname -n | sort | tr '\n' ' ')" "$other-n0 $other-n1 " \
	"the second cluster runs its own jobs"
is "$(second_user sinfo -h -o %G)" "gpu:h100:4" "with its own GPUs"

cat >"$WORK/batch.sh" <<-'JOB'
	#!/bin/bash
	srun -N2 -n2 uname -n
JOB
job=$(submit -N2 --output=batch.out batch.sh)
is "$(wait_job "$job")" COMPLETED "a batch job completes"
is "$(sort "$WORK/batch.out")" "$(printf '%s\n' "${NODES[@]:0:2}")" "and its steps ran"
no_node_drained

out=$(devcluster status --state "$first")
has "$out" "slurmd-${NODES[3]}" "status names the daemons"
has "$out" "idle" "and shows the nodes"
kill -9 "$(cat "$first/run/slurmd-${NODES[2]}.pid")"
runs 0 "a killed slurmd is started again" devcluster restart --state "$first" "${NODES[2]}"
runs 0 "and its node works" as_user srun -w "${NODES[2]}" true

out=$(devcluster up --state "$first" 2>&1)
is $? 1 "a state directory in use is refused"
has "$out" "is not empty" "with the reason"
runs 0 "and the cluster there runs on" as_user srun -N4 true
out=$(devcluster up --nodes 33 2>&1)
is $? 2 "33 nodes are refused"
has "$out" "--nodes: 33 is out of range, expected 1 to 32" "with the range"
out=$(devcluster up --nodez 3 2>&1)
is $? 2 "an unknown option is refused"
has "$out" "unknown option '--nodez'" "by its name"
out=$(devcluster up --nodes 2>&1)
is $? 2 "an option without its value is refused"
has "$out" "--nodes: a value is missing" "in other words"
out=$(new_cluster --conf 'SelectType=select/none_such' 2>&1)
is $? 1 "a cluster that cannot start fails"
has "$out" "select/none_such" "and shows the line of the log that tells why"

# running and orphaned processes of jobs go too
as_user srun -N4 sleep 600 2>/dev/null &
as_user sbatch -N2 --wrap 'setsid sleep 601 & sleep 602' >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ "$(as_root squeue -h -t R | wc -l)" -lt 2 ] || break
	sleep 0.2
done
while read -r name pid _; do
	case $name in
	keep-*) readlink "/proc/$pid/ns/net" ;;
	esac
done <"$first/pids" >"$spaces"
is "$(sort -u "$spaces" | wc -l)" 5 "a login node and four nodes are there before the end"
runs 0 "down with jobs running" devcluster down --state "$first"
wait
is "$(traces "$first" "$id")" "" "nothing is left: process, namespace, cgroup, directory"
runs 0 "down twice is no error" devcluster down --state "$first"
has "$(devcluster down --state "$first" 2>&1)" "no cluster is up in '$first'" "and says what it did"
is "$(second_user srun uname -n)" "$other-n0" "the second cluster lives on"
runs 0 "down of the second" devcluster down --state "$second"
is "$(traces "$second" "$other")" "" "nothing is left of it either"
second=''
is "$(machine)" "$before" "the machine has the interfaces and mounts it had"

plain=$(devcluster up --mode plain --nodes 3 --proctrack linuxproc)
ok $? "a plain cluster comes up"
STATE=$plain WORK=$plain/work
is "$(as_user srun -N3 printenv SLURMD_NODENAME | wc -l)" 3 "and runs a step on its nodes"
as_user srun -N3 sh -c 'setsid sleep 600' 2>/dev/null &
sleep 1
runs 0 "down with a job running" devcluster down --state "$plain"
wait
is "$(traces "$plain" "$(basename "$plain")")" "" "nothing is left of the plain one"
STATE=''
done_testing
