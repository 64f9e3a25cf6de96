#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same plan by every way into Slurm: salloc, direct srun, job arrays,
# --export=NONE, requeue, rehearsal, a file that is edited or deleted after
# submit, and 48 role steps at once.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles.sh"
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
cp "$SRC/tests/cluster/task.sh" "$SRC"/configs/*.yaml "$WORK"
plan=$SRC/configs/native-2p2d.yaml
export DEVICES=$STATE/dev
role_job "$WORK/job.sh" "$plan"

# the tasks in FILE are those of the plan on the hosts of JOB
tasks_fit() { # FILE JOB WHAT
	isnt "$(seen_tasks "$1" "$plan")" "" "$3: tasks of workers ran"
	is "$(seen_tasks "$1" "$plan")" "$(expected_tasks "$(job_hosts "$2")" "$plan")" "$3"
}

batch() { # WHAT SBATCH-ARGUMENT...
	local what=$1 id
	shift
	id=$(submit --output="$WORK/%j.out" "$@" job.sh)
	is "$(wait_job "$id")" COMPLETED "$what: the job completes"
	tasks_fit "$WORK/$id.out" "$id" "$what: every task is right"
}

batch "--export=NONE" --export=NONE --disagg-config=native-2p2d.yaml
batch "--export=ALL,X=1" --export=ALL,X=1 --disagg-config=native-2p2d.yaml
batch "an absolute path" --disagg-config="$WORK/native-2p2d.yaml"

# an array: each of its jobs is a deployment of its own
id=$(submit --array=0-1 --output="$WORK/array-%a.out" --disagg-config=native-2p2d.yaml job.sh)
for i in 0 1; do
	is "$(wait_job "${id}_$i")" COMPLETED "array: job $i completes"
	tasks_fit "$WORK/array-$i.out" "${id}_$i" "array: tasks of job $i are right"
done

# what was submitted is what runs
cp "$plan" "$WORK/later.yaml"
id=$(submit --hold --output="$WORK/edited.out" --disagg-config=later.yaml job.sh)
sed -i 's/workers: 2/workers: 1/' "$WORK/later.yaml"
as_root scontrol release "$id"
is "$(wait_job "$id")" COMPLETED "edited after submit: the job completes"
tasks_fit "$WORK/edited.out" "$id" "edited after submit: what was submitted runs"
cp "$plan" "$WORK/later.yaml"
id=$(submit --hold --output="$WORK/gone.out" --disagg-config=later.yaml job.sh)
rm "$WORK/later.yaml"
as_root scontrol release "$id"
is "$(wait_job "$id")" COMPLETED "deleted after submit: the job completes"
tasks_fit "$WORK/gone.out" "$id" "deleted after submit: what was submitted runs"

# requeue: the second run gets a plan of the same shape and a directory of its own
cat >"$WORK/again.sh" <<'JOB'
#!/bin/bash
echo "run ${SLURM_RESTART_COUNT:-0} dir $DISAGG_RUN_DIR"
[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || { scontrol requeue "$SLURM_JOB_ID"; sleep 30; }
exec ./job.sh
JOB
chmod 755 "$WORK/again.sh"
id=$(submit --requeue --open-mode=append --output="$WORK/again.out" \
	--disagg-config=native-2p2d.yaml again.sh)
for _ in $(seq 200); do
	! grep -q 'run 0' "$WORK/again.out" 2>/dev/null || break
	sleep 0.2
done
release "$id"
is "$(wait_job "$id" 120)" COMPLETED "requeue: the job completes"
tasks_fit "$WORK/again.out" "$id" "requeue: tasks of the second run are right"
has "$(cat "$WORK/again.out")" "run 0 dir $WORK/disagg-$id" "requeue: the first run's directory"
has "$(cat "$WORK/again.out")" "run 1 dir $WORK/disagg-$id.1" "requeue: the second run has its own"

# salloc, and steps of its shell
as_user salloc --disagg-config=native-2p2d.yaml bash -c 'echo "job=$SLURM_JOB_ID"; ./job.sh' \
	>"$WORK/salloc.out" 2>"$WORK/salloc.err"
is $? 0 "salloc: exit status"
tasks_fit "$WORK/salloc.out" "$(sed -n 's/^job=//p' "$WORK/salloc.out")" "salloc: every task is right"

# srun outside a job: one task for each of the plan's
as_user srun --disagg-config=native-2p2d.yaml bash -c \
	'[ "$SLURM_PROCID" -gt 0 ] || echo "job=$SLURM_JOB_ID"; ./task.sh' >"$WORK/srun.out" 2>"$WORK/srun.err"
is $? 0 "srun: exit status"
tasks_fit "$WORK/srun.out" "$(sed -n 's/^job=//p' "$WORK/srun.out")" "srun: every task is right"

# a rehearsal takes no GPUs
id=$(submit --output="$WORK/rehearse.out" --disagg-rehearse --disagg-config=native-2p2d.yaml job.sh)
is "$(wait_job "$id")" COMPLETED "rehearsal: the job completes"
hasnt "$(as_root scontrol show job "$id")" "gres/gpu" "rehearsal: no GPU is asked for"
is "$(grep -c 'role=decode' "$WORK/rehearse.out")" 2 "rehearsal: both decode workers ran"

# roles that run side by side need no --overlap; who says --exclusive means it
cat >"$WORK/side.sh" <<'JOB'
#!/bin/bash
srun -K --disagg-role=prefill:0 bash -c 'for i in $(seq 100); do [ ! -e met ] || exit 0; sleep 0.1; done; exit 1' &
sleep 0.5
timeout -k 2 20 srun -K --disagg-role=prefill:1 touch met
second=$?
wait %1
echo "second=$second first=$?"
timeout -k 2 20 srun --disagg-role=decode:0 --exclusive bash -c '[ "$SLURM_PROCID" != 0 ] || echo alone'
timeout -k 2 20 srun --exclusive --disagg-role=decode:0 bash -c '[ "$SLURM_PROCID" != 0 ] || echo again'
JOB
chmod 755 "$WORK/side.sh"
rm -f "$WORK/met"
id=$(submit --output="$WORK/side.out" --disagg-config=native-2p2d.yaml side.sh)
is "$(wait_job "$id")" COMPLETED "side by side: the job completes"
has "$(cat "$WORK/side.out")" "second=0 first=0" "side by side: two roles run at once without --overlap"
has "$(cat "$WORK/side.out")" alone "side by side: --exclusive behind the role is taken"
has "$(cat "$WORK/side.out")" again "side by side: --exclusive before the role is taken"

# many steps at once
cat >"$WORK/many.yaml" <<'YAML'
disagg: 1
name: many
gpus_per_node: 8
roles:
  prefill: {engine: sglang, workers: 16, gpus: 1}
  decode: {engine: sglang, workers: 16, gpus: 1}
  router: {engine: sglang_router, workers: 16, port: 9000, node: spread}
YAML
role_job "$WORK/many.sh" "$WORK/many.yaml"
id=$(submit --output="$WORK/many.out" --disagg-config=many.yaml many.sh)
is "$(wait_job "$id")" COMPLETED "48 steps at once: the job completes"
is "$(grep -c '^task=' "$WORK/many.out")" 48 "48 steps at once: each ran its task"
hasnt "$(cat "$WORK/many.out")" "failed=" "48 steps at once: none failed"
hasnt "$(cat "$WORK/many.out")" "etrying" "48 steps at once: none was retried"

no_node_drained
done_testing
