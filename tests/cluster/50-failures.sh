#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every failure that a user or a fault can cause on a compute node: the task or
# the step fails with a reason, and nothing else does.  No node is drained, no
# daemon dies, jobs of others run on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/failures.sh"

# Slurm drains a node where these fail or crash, whatever a plugin returns
symbols=$(nm -D --defined-only "$BUILD/lib/slurm/disagg.so" | awk '$3 ~ /^slurm_spank_/ { print $3 }')
is "$(echo "$symbols" | sort | paste -sd' ')" \
	"slurm_spank_exit slurm_spank_init slurm_spank_init_post_opt slurm_spank_task_exit slurm_spank_task_init slurm_spank_user_init" \
	"the plugin has no hook for slurmd, prolog or epilog"

cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
cp "$SRC"/configs/*.yaml "$WORK"
cat >"$WORK/one.yaml" <<'YAML'
disagg: 1
name: one
gpus_per_node: 4
roles:
  decode: {engine: sglang, gpus: 4, env: {HF_TOKEN: "${env:MISSING_TOKEN}"}}
YAML
daemons=$(daemons_alive)
isnt "$daemons" "" "the daemons are known"

# ---- steps, each failing in its own way, in one job ----

cat >"$WORK/steps.sh" <<'JOB'
plan=$SLURM_DISAGG_PLAN
damaged='plan is damaged'
one='srun -N1 -n1'

failure "another variable's text" 1 "$damaged" env SLURM_DISAGG_PLAN=garbage $one true
failure "text in place of the plan, all tasks" 1 "$damaged" env SLURM_DISAGG_PLAN=garbage srun true
failure "an empty plan" 1 "$damaged" env SLURM_DISAGG_PLAN= $one true
failure "a plan without its end" 1 "$damaged: it has" \
	env "SLURM_DISAGG_PLAN=${plan%??????????}" $one true
failure "one byte changed" 1 "$damaged: its checksum" \
	env "SLURM_DISAGG_PLAN=${plan/gpus_per_node=4/gpus_per_node=8}" $one true
failure "a plan of another version" 1 "plan version 9 is newer than this plugin" \
	env "SLURM_DISAGG_PLAN=${plan/PLAN=2;/PLAN=9;}" $one true
failure "40 KiB in place of the plan" 1 "plan is longer than 32768 bytes" \
	env "SLURM_DISAGG_PLAN=$(head -c 40960 /dev/zero | tr '\0' x)" $one true
failure "control characters in place of the plan" 1 "$damaged" \
	env "SLURM_DISAGG_PLAN=$(printf 'DISAGG_PLAN=2;\001\377\n;')" $one true
failure "the plan of another job" 1 "the job's plan is for 1 nodes, but the job has 3" \
	env "SLURM_DISAGG_PLAN=$(cat one.plan)" srun --disagg-role=decode true
works "the plan of another job, no role" env "SLURM_DISAGG_PLAN=$(cat one.plan)" $one true
failure "a port offset that is none" 1 "SLURM_DISAGG_PORT_OFFSET is '-7'" \
	env SLURM_DISAGG_PORT_OFFSET=-7 srun --disagg-role=decode:0 true
failure "a port offset that leaves no port" 1 "is outside 1 to 65535 with the port offset 65000" \
	env SLURM_DISAGG_PORT_OFFSET=65000 srun --disagg-role=decode:0 true

failure "a role, the plan damaged" 1 "--disagg-role=decode:0: $damaged" \
	env SLURM_DISAGG_PLAN=garbage srun --disagg-role=decode:0 true
failure "a role without a plan" 1 "this job carries no plan (no SLURM_DISAGG_PLAN)" \
	env -u SLURM_DISAGG_PLAN srun --disagg-role=decode:0 true
failure "an unknown role" 1 "unknown role 'nosuch': the plan has prefill, decode, router" \
	srun --disagg-role=nosuch true
failure "an index too high" 1 "role 'decode' has no worker 2: it has 2, counted from 0" \
	srun --disagg-role=decode:2 true
failure "no index" 1 "role 'decode' has 2 workers: say which one" srun --disagg-role=decode true
failure "an index that is no number" 1 "invalid index 'x'" srun --disagg-role=decode:x true
failure "a negative index" 1 "invalid index '-1'" srun --disagg-role=decode:-1 true
failure "no role name" 1 "invalid role ':1'" srun --disagg-role=:1 true
failure "an empty role" 1 "invalid role ''" srun --disagg-role= true
failure "a role of 300 bytes" 1 "is longer than 127 bytes" \
	srun "--disagg-role=$(head -c 300 /dev/zero | tr '\0' x)" true
failure "a damaged list of hosts" 1 "cannot read the host list 'a['" \
	env SLURM_JOB_NODELIST=a[ srun --disagg-role=decode:0 true

failure "fewer GPUs than the share" 1 "needs GPUs 0-3 of its node but the job has 1 ('0')" \
	srun --gpus-per-node=1 --disagg-role=decode:0 true
failure "fewer GPUs by --gres" 1 "needs GPUs 0-3 of its node but the job has 1 ('0')" \
	srun --gres=gpu:1 --disagg-role=decode:0 true
failure "more tasks than the worker has" 1 "--ntasks=3 contradicts the configuration, which gives 1" \
	srun -n3 --disagg-role=decode:0 true
failure "tasks per node" 1 "--ntasks-per-node=3 has no place here: decode:0 is 1 task" \
	srun --ntasks-per-node=3 --disagg-role=decode:0 true
failure "another node" 1 "contradicts the configuration, which gives ${HOSTS[1]}" \
	srun -w "${HOSTS[2]}" --disagg-role=decode:0 true
failure "a role that srun was not told of" 1 "start it with --disagg-role and no layout options" \
	env _SLURM_SPANK_OPTION_disagg_disagg_role=decode:0 srun -N1 -n1 -w "${HOSTS[0]}" true
failure "a program that is missing" 2 "No such file or directory" \
	srun --disagg-role=decode:0 /no/such/program
failure "a program that fails" 7 "Exited with exit code 7" \
	srun --disagg-role=decode:0 sh -c 'exit 7'
works "after all of these a step works" srun --disagg-role=decode:0 true
works "after all of these a step without a role works" srun true
JOB

as_user env MISSING_TOKEN=x srun --disagg-config=one.yaml sh -c 'echo "$SLURM_DISAGG_PLAN"' >"$WORK/one.plan" 2>/dev/null
has "$(cat "$WORK/one.plan")" "DISAGG_PLAN=" "a job tells its plan"
run_cases steps.sh --disagg-config=native-2p2d.yaml
all_is_well "after failing steps"

cat >"$WORK/token.sh" <<'JOB'
failure "an unset \${env:...}" 1 \
	"variable 'HF_TOKEN' of role 'decode' is \${env:MISSING_TOKEN}, and 'MISSING_TOKEN' is not set in the job" \
	srun --disagg-role=decode:0 true
works "the same, set" env MISSING_TOKEN=x srun --disagg-role=decode:0 \
	sh -c '[ "$HF_TOKEN" = x ] && [ "$MISSING_TOKEN" = x ]'
JOB
run_cases token.sh --disagg-config=one.yaml
all_is_well "after an unset variable"

# ---- batch scripts ----

printf '#!/bin/sh\necho "the script ran, plan ${SLURM_DISAGG_PLAN%%%%=*}"\n' >"$WORK/batch.sh"

batch() { # WHAT STATE PART ENVIRONMENT-WORD SBATCH-ARGUMENT...
	local what=$1 state=$2 part=$3 word=$4 id
	shift 4
	id=$(as_user env "$word" sbatch --parsable --output="$WORK/%j.out" "$@" batch.sh 2>"$WORK/batch.err")
	if ! is "$(wait_job "${id:-0}")" "$state" "batch, $what: the job is $state"; then
		note stderr "$(cat "$WORK/batch.err")"
		return
	fi
	has "$(cat "$WORK/$id.out")" "$part" "batch, $what: the output says so"
}

ran="the script ran, plan"
config=--disagg-config=native-2p2d.yaml
batch "a port offset that is none" FAILED "SLURM_DISAGG_PORT_OFFSET is 'x'" A= \
	--export=ALL,SLURM_DISAGG_PORT_OFFSET=x $config
batch "a foreign plan in the shell" COMPLETED "$ran DISAGG_PLAN" SLURM_DISAGG_PLAN=garbage $config
batch "a foreign plan by --export" COMPLETED "$ran DISAGG_PLAN" A= \
	--export=ALL,SLURM_DISAGG_PLAN=garbage $config
batch "a foreign plan by --export alone" COMPLETED "$ran DISAGG_PLAN" A= \
	--export=SLURM_DISAGG_PLAN=garbage $config
batch "--export=NONE" COMPLETED "$ran DISAGG_PLAN" A= --export=NONE $config
batch "a foreign plan, no option of ours" COMPLETED "$ran" SLURM_DISAGG_PLAN=garbage -N1
all_is_well "after failing batch scripts"

# ---- killed ----

job=''
start_steps # into $job, each task `sleep $MARK`
as_root scancel "$job"
is "$(wait_job "$job")" CANCELLED "scancel during role steps: the job is cancelled"
no_tasks_left "scancel during role steps"
all_is_well "after scancel"

start_steps
as_root scancel --signal=KILL --full "$job"
wait_job "$job" >/dev/null
no_tasks_left "scancel --signal=KILL"
all_is_well "after scancel --signal=KILL"

start_steps
victim=$(task_pids | head -n 1)
kill -KILL "$victim"
is "$(wait_job "$job")" COMPLETED "a task is killed: the script ends"
has "$(cat "$WORK/$job.out")" "Killed" "a task is killed: its step says so"
is "$(grep -c 'step ended with 137' "$WORK/$job.out")" 1 "a task is killed: its step fails, no other"
no_tasks_left "a task is killed"
all_is_well "after a killed task"

done_testing
