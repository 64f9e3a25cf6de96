#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a cluster file says of the nodes: `gpus: unmanaged` where Slurm has no
# GPU gres, nodes of exactly the plan's GPUs, which a job takes whole, nodes
# with more, which it shares, and one of several clusters by name.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles.sh"
plan=$SRC/configs/native-2p2d.yaml
site=$(mktemp) || exit 5

# the value of NAME=VALUE in what scontrol says of the job
job_value() { # JOB NAME
	as_root scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

# the tasks in FILE are those of the plan on the hosts of JOB
tasks_fit() { # FILE JOB WHAT
	isnt "$(seen_tasks "$1" "$plan")" "" "$3: tasks of workers ran"
	is "$(seen_tasks "$1" "$plan")" "$(expected_tasks "$(job_hosts "$2")" "$plan")" "$3"
}

end_cluster() {
	devcluster down --state "$STATE"
	ok $? "the cluster ends"
	STATE=''
}

prepare() {
	cp "$SRC/tests/cluster/task.sh" "$SRC"/configs/*.yaml "$WORK"
	role_job "$WORK/job.sh" "$plan"
	{
		cat "$WORK/job.sh"
		echo 'env | grep -E "^(GREETING|SITE)=" | sort'
	} >"$WORK/told.sh"
	printf '#!/bin/sh\nsleep 600\n' >"$WORK/long.sh"
}

# A small job of another user, asked for on the first node of JOB.
beside() { # JOB
	local host
	host=$(job_hosts "$1" | cut -d' ' -f1)
	as_root sbatch --parsable --chdir=/ --output=/dev/null -w "$host" -n1 --mem=1 long.sh
}

running() { # JOB
	local tries
	for ((tries = 0; tries < 200; tries++)); do
		[ "$(job_state "$1")" != RUNNING ] || return 0
		sleep 0.05
	done
	return 1
}

# ---- Slurm knows of no GPU ----

cat >"$site" <<'YAML'
clusters:
  bare:
    partition: main
    gpus: unmanaged
YAML
trap 'rm -f "$site"; cluster_down' EXIT
cluster_up --nodes 4 --gpus 8 --gres no --plugin "$BUILD/lib/slurm/disagg.so" --cluster-file "$site"
trap 'rm -f "$site"; cluster_down' EXIT
prepare
id=$(submit --output="$WORK/%j.out" --disagg-config=native-2p2d.yaml job.sh)
is "$(wait_job "$id")" COMPLETED "unmanaged: the job completes"
tasks_fit "$WORK/$id.out" "$id" "unmanaged: every task has its worker, host and GPUs from 0"
hasnt "$(as_root scontrol show job "$id")" "gres/gpu" "unmanaged: no GPU is asked for"
is "$(job_value "$id" OverSubscribe)" NO "unmanaged: the nodes are the job's alone"
is "$(job_value "$id" MinMemoryNode)" 0 "unmanaged: with all their memory"
as_user salloc --disagg-config=native-2p2d.yaml \
	bash -c 'echo "job=$SLURM_JOB_ID"; ./job.sh' >"$WORK/salloc.out" 2>"$WORK/salloc.err"
is $? 0 "unmanaged, salloc: exit status"
tasks_fit "$WORK/salloc.out" "$(sed -n 's/^job=//p' "$WORK/salloc.out")" "unmanaged, salloc: every task is right"
as_user srun --disagg-config=native-2p2d.yaml \
	bash -c '[ "$SLURM_PROCID" -gt 0 ] || echo "job=$SLURM_JOB_ID"; ./task.sh' >"$WORK/srun.out" 2>"$WORK/srun.err"
is $? 0 "unmanaged, srun: exit status"
tasks_fit "$WORK/srun.out" "$(sed -n 's/^job=//p' "$WORK/srun.out")" "unmanaged, srun: every task is right"
# where a user says which GPUs he may have, they are the share's
as_user salloc --disagg-config=native-2p2d.yaml env CUDA_VISIBLE_DEVICES=7,6,5,4 \
	srun --disagg-role=prefill:1 ./task.sh >"$WORK/own.out" 2>/dev/null
has "$(cat "$WORK/own.out")" "cuda=5,4 " "unmanaged: a list that is there already is taken by position"
no_node_drained
end_cluster

# ---- clusters by name ----

cat >"$site" <<'YAML'
default: exact
clusters:
  exact:
    partition: main
    gpus_per_node: 4
    env: {SITE: exact}
  larger:
    partition: main
    gpus_per_node: 8
    cpus_per_gpu: 2
    env: {SITE: larger}
  nowhere:
    partition: no-such-partition
env:
  - match: "l*"
    set: {GREETING: from-l}
YAML
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so" --cluster-file "$site"
trap 'rm -f "$site"; cluster_down' EXIT
prepare

hold() { # DISAGG_CLUSTER-WORD
	as_user env "$1" sbatch --parsable --output="$WORK/%j.out" --disagg-config=native-2p2d.yaml long.sh
}

check_whole() { # WORD WHAT
	local id other
	id=$(hold "$1")
	running "$id"
	ok $? "$2: the job runs"
	is "$(job_value "$id" OverSubscribe)" NO "$2: a job of all GPUs of its nodes has them alone"
	is "$(job_value "$id" MinMemoryNode)" 0 "$2: and all their memory"
	other=$(beside "$id")
	sleep 0.5
	is "$(job_state "$other")" PENDING "$2: another job does not run beside it"
	as_root scancel "$other" "$id"
	wait_job "$id" >/dev/null
}

check_shared() { # WORD WHAT
	local id other
	id=$(hold "$1")
	running "$id"
	ok $? "$2: the job runs"
	isnt "$(job_value "$id" OverSubscribe)" NO "$2: a job of some GPUs leaves the rest"
	is "$(job_value "$id" NumCPUs)" 24 "$2: it has the cluster's CPUs a GPU"
	other=$(beside "$id")
	running "$other"
	ok $? "$2: another job runs beside it"
	is "$(job_hosts "$other")" "$(job_hosts "$id" | cut -d' ' -f1)" "$2: on the same node"
	as_root scancel "$other" "$id"
	wait_job "$id" >/dev/null
}

check_whole A= "the default cluster"
check_whole DISAGG_CLUSTER=exact "a cluster by name"
check_shared DISAGG_CLUSTER=larger "a larger cluster by name"

for name in exact larger; do
	cat >"$WORK/site.sh" <<-'JOB'
		#!/bin/bash
		srun --overlap --disagg-role=decode:1 bash -c 'echo "site=$SITE greeting=$GREETING gpus=$CUDA_VISIBLE_DEVICES"'
	JOB
	id=$(as_user env DISAGG_CLUSTER=$name sbatch --parsable --output="$WORK/%j.out" \
		--disagg-config=native-2p2d.yaml site.sh)
	is "$(wait_job "$id")" COMPLETED "$name: the job completes"
	is "$(cat "$WORK/$id.out")" "site=$name greeting=$([ $name = exact ] || echo from-l) gpus=0,1,2,3" \
		"$name: a task has the cluster's environment"
done

refused() { # DISAGG_CLUSTER-WORD WHAT PART...
	local out rc what=$2
	out=$(as_user env "$1" sbatch --disagg-config=native-2p2d.yaml long.sh 2>&1)
	rc=$?
	is $rc 1 "$what: exit status" || note got "$out"
	shift 2
	for part; do
		has "$out" "$part" "$what: message"
	done
}
refused DISAGG_CLUSTER=nosuch "an unknown cluster" nosuch exact larger
refused DISAGG_CLUSTER=nowhere "a cluster's partition" "nvalid partition"
is "$(as_root squeue -h -t PD,R)" "" "nothing is left in the queue"
no_node_drained
rm -f "$site"
done_testing
