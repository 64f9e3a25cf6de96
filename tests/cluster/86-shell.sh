#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg shell opens a shell, or runs a command, on a worker's node with the
# environment that the worker itself has; who asks for what is not there is told.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 7 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
shell=$WORK/bin/disagg-shell
{
	sed '/^benchmark:/,$d' "$SRC/configs/native-2p2d.yaml"
	printf 'benchmark:\n  type: manual\n'
} >"$WORK/serve.yaml"
cat >"$WORK/gpus.yaml" <<'YAML'
disagg: 1
name: gpus
gpus_per_node: 4
env: {EVERYWHERE: "1", HF_TOKEN: "${env:HF_TOKEN}"}
roles:
  decode:
    engine: command
    workers: 2
    gpus: 2
    command: [sleep, "600"]
    env: {WORDS: "two words", LINES_OF: "one\ntwo"}
  wide:
    engine: command
    gpus: 8
    command: [sleep, "600"]
  once:
    engine: command
    command: ["true"]
    port: 7100
    critical: false
YAML

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" HF_TOKEN=hf_only_at_submit OF_THE_JOB=yes \
		sbatch --parsable --output=%j.out --exclusive --disagg-config="$config" "$@" \
		"${SCRIPT:-$SRC/scripts/disagg-job.sh}"
}

serves() { # JOB
	local end=$((SECONDS + 40))
	until [ "$(jq -r .phase "$WORK/disagg-$1/state.json" 2>/dev/null)" = serving ]; do
		if [ $SECONDS -ge $end ]; then
			sed 's/^/#   /' "$WORK/$1.out"
			return 1
		fi
		sleep 0.1
	done
}

# A worker's variables, one a NUL, but for what Slurm says of the step itself.
of_the_worker() {
	grep -zvE '^(SLURM_|SLURMD_|SRUN_|SHLVL=|_=)|^$' | sort -z
	return 0
}

carried() {
	grep -zE '^SLURM_(DISAGG_|JOB_ID|JOB_NODELIST|SUBMIT_DIR)' | sort -z
}

task_environ() { # JOB WORKER RANK: the file in /proc
	local file
	for file in /proc/[0-9]*/environ; do
		if { tr '\0' '\n' <"$file"; } 2>/dev/null | grep -cxE \
			"SLURM_CONF=$STATE/etc/slurm.conf|SLURM_JOB_ID=$1|DISAGG_WORKER=$2|DISAGG_RANK=$3|SLURM_TASK_PID=$(echo "$file" | tr -dc 0-9)" |
			grep -qx 5; then
			echo "$file"
			return
		fi
	done
}

same() { # WHAT JOB ROLE INDEX RANK
	local file want got
	file=$(task_environ "$2" "$3_$4" "$5")
	isnt "$file" "" "$1: the worker's task runs"
	as_user "$shell" --rank="$5" "$2" "$3:$4" -- env -0 >"$STATE/got" 2>"$STATE/errors"
	want=$(of_the_worker <"${file:-/dev/null}" | tr '\0' '\n')
	got=$(of_the_worker <"$STATE/got" | tr '\0' '\n')
	is "$got" "$want" "$1: the same variables"
	is "$(carried <"$STATE/got" | tr '\0' '\n')" "$(carried <"${file:-/dev/null}" | tr '\0' '\n')" \
		"$1: the same of the job"
	is "$(cat "$STATE/errors")" "" "$1: without a word"
}

# the batch script has the whole job's sizes in its environment
cat >"$WORK/inside.sh" <<'JOB'
#!/bin/bash
{
	until grep -q '"phase":"serving"' "$DISAGG_RUN_DIR/state.json"; do sleep 0.1; done
	disagg shell decode:1 -- env -0 >inside.env
	mv inside.env inside
} 2>/dev/null &
exec disagg run
JOB
# a name that looks like what Slurm says of a job
job=$(run_job gpus.yaml --job-name='x JobState=FAILED UserId=daemon(1)')
rehearsed=$(SCRIPT=inside.sh run_job serve.yaml --disagg-rehearse)
serves "$job"
ok $? "a deployment with GPUs runs"
serves "$rehearsed"
ok $? "a rehearsed deployment runs"

# ---- the environment ----
same "half of a node" "$job" decode 1 0
has "$(tr '\0' '\n' <"$STATE/got")" "CUDA_VISIBLE_DEVICES=2,3" "half of a node: its own GPUs"
has "$(tr '\0' '\n' <"$STATE/got")" "HF_TOKEN=hf_only_at_submit" \
	"half of a node: a secret that only the worker has"
same "a second rank" "$job" wide 0 1
has "$(tr '\0' '\n' <"$STATE/got")" "DISAGG_NODE_RANK=1" "a second rank: of the second node"
same "a stand-in" "$rehearsed" prefill 1 0
same "a service" "$rehearsed" router 0 0
hasnt "$(cat "$WORK/disagg-$job/environment.json")" hf_only_at_submit "no secret is in a file"
# the like of it on a node of another cluster
as_user sh -c 'exec env SLURM_TASK_PID=$$ SLURM_JOB_ID="$0" SLURM_JOB_NAME=once_0 \
	SLURMD_NODENAME=elsewhere DISAGG_WORKER=once_0 DISAGG_RANK=0 sleep 20' "$job" &
stranger=$!
out=$(as_user env -u HF_TOKEN "$shell" "$job" once -- env 2>&1)
kill $stranger
has "$out" "'once_0' does not run" "of a worker that has ended it says so"
has "$out" "HF_TOKEN, which 'once_0' takes from the job, is not known here" "and what it cannot know"
has "$out" "DISAGG_WORKER=once_0" "and makes the rest from the plan"
has "$out" "DISAGG_PORT_HTTP=7100" "with its port"
is "$(as_user "$shell" "$job" decode:1 -- sh -c 'echo "$PWD $SLURM_JOB_NODELIST $(hostname)"')" \
	"$WORK $(as_root squeue -h -j "$job" -o %N) $(jq -r '.workers[] | select(.name == "decode_1") | .host' \
		"$WORK/disagg-$job/state.json")" "it is in the job's folder, on the worker's node"

# ---- ways to say it ----
is "$(as_user "$shell" "disagg-$job" decode:0 printenv DISAGG_WORKER)" decode_0 "a run directory"
is "$(cd / && as_user env -C / "$shell" "$job" decode:0 printenv DISAGG_WORKER)" decode_0 \
	"from another folder"
is "$(as_user "$WORK/bin/disagg" shell "$job" wide printenv DISAGG_WORKER)" wide_0 \
	"an only worker without its index, by way of disagg"
is "$(as_user srun --jobid="$job" --overlap -N1 -n1 "$shell" decode:1 printenv DISAGG_WORKER)" \
	decode_1 "inside a job without its number"
end=$((SECONDS + 20))
until [ -e "$WORK/inside" ] || [ $SECONDS -ge $end ]; do sleep 0.1; done
is "$(of_the_worker <"$WORK/inside" | tr '\0' '\n')" \
	"$(of_the_worker <"$(task_environ "$rehearsed" decode_1 0)" | tr '\0' '\n')" \
	"in the job's own script: the same variables"
as_user "$shell" "$job" decode:1 -- sh -c 'exit 7' 2>/dev/null
is $? 7 "the command's exit status"
is "$(echo 'echo $DISAGG_WORKER; tty' | as_user "$shell" "$job" decode:1)" $'decode_1\nnot a tty' \
	"a shell that reads no terminal"

# ---- completion ----
# shellcheck disable=SC2016 # for that bash to expand
complete() { # WORD...; prints the replies for the last one
	as_user env PATH="$WORK/bin:$PATH" bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		if [ "$1" = disagg ]; then _disagg_disagg; else _disagg_program; fi
		echo "${COMPREPLY[@]}"' "$SRC/scripts/completion/disagg.bash" "$@"
}
has " $(complete disagg-shell '') " " $job " "completion: a job that runs"
is "$(complete disagg-shell "$job" dec)" "decode:0 decode:1" "completion: a worker"
is "$(complete disagg shell "$job" decode :)" "0 1" "completion: an index"
is "$(complete disagg shell "$job" decode : 1)" 1 "completion: an index that is begun"
has "$(complete disagg-shell --no)" "--no-container" "completion: an option"

# ---- a terminal ----
terminal() { # ARGUMENT...
	as_user script -qec "$shell $*" /dev/null | tr -d '\r'
}
out=$(printf 'tty\necho "at $DISAGG_WORKER"\nexit 9\n' | SHELL=/bin/sh terminal "$job" decode:1
	exit "${PIPESTATUS[1]}")
has "$out" /dev/pts/ "a shell has a terminal"
has "$out" "at decode_1" "and the worker's environment"
has "$out" "'decode_1' rank 0 on" "and says where it is"
printf 'exit 9\n' | as_user script -qec "$shell $job decode:1" /dev/null >/dev/null
is $? 9 "the shell's exit status"
has "$(terminal --tty "$job" decode:1 -- tty </dev/null)" /dev/pts/ "a command has one where it is asked for"
has "$(terminal "$job" decode:1 -- tty </dev/null)" "not a tty" "and else none"

# ---- what is not there ----
refused() { # WHAT CODE TEXT COMMAND...
	local what=$1 code=$2 text=$3 out
	shift 3
	out=$("$@" 2>&1)
	is $? "$code" "$what: exit status $code"
	has "$out" "$text" "$what: it says why"
}
refused "an unknown job" 4 "Slurm knows no job 999999" as_user "$shell" 999999 decode:1 true
refused "an unknown role" 2 "unknown role 'decod': the plan has decode, wide, once" \
	as_user "$shell" "$job" decod true
refused "an unknown worker" 2 "role 'decode' has no worker 2: it has 2" as_user "$shell" "$job" decode:2 true
refused "no index" 2 "say which one, 'decode:0' to 'decode:1'" as_user "$shell" "$job" decode true
refused "an unknown rank" 2 "'wide_0' has no rank 2: it has 2" as_user "$shell" --rank=2 "$job" wide true
refused "a service's second rank" 2 "'router_0' has no rank 1: it has 1" \
	as_user "$shell" --rank=1 "$rehearsed" router true
refused "no rank" 2 "--rank: 'x' is no number" as_user "$shell" --rank=x "$job" wide true
refused "no role" 2 "expected ROLE:INDEX behind $job" as_user "$shell" "$job"
refused "nothing" 2 "expected a JOBID and ROLE:INDEX" as_user "$shell"
refused "no job" 2 "expected a JOBID before 'decode:1'" as_user "$shell" decode:1
refused "a folder that is no run" 4 "has no environment.json" as_user "$shell" ./bin decode:1
refused "a program that is not there" 4 "cannot run 'nosuch'" as_user "$shell" "$job" decode:1 nosuch
refused "root, in a user's job" 4 "is of user '$TEST_USER'" as_root "$shell" "$job" decode:1 true
chmod 700 "$WORK/disagg-$job"
refused "another user" 4 "is of user '$TEST_USER'" \
	devcluster exec --state "$STATE" --user daemon --cd "$WORK" -- "$shell" "$job" decode:1 true
# a run directory that another user has laid where a job's number leads to
mkdir "$STATE/trap" "$STATE/trap/disagg-$job"
printf '#!/bin/sh\ntouch "%s"\n' "$STATE/trap/sprung" >"$STATE/trap/program"
chmod 755 "$STATE/trap/program"
chmod 1777 "$STATE/trap"
cp "$WORK/disagg-$job/state.json" "$STATE/trap/disagg-$job"
sed 's|"exec":"[^"]*"|"exec":"'"$STATE/trap/program"'"|' "$WORK/disagg-$job/environment.json" \
	>"$STATE/trap/disagg-$job/environment.json"
chmod 755 "$STATE/trap/disagg-$job"
chmod 644 "$STATE/trap/disagg-$job"/*
has "$(cat "$STATE/trap/disagg-$job/environment.json")" "$STATE/trap/program" "a trap is laid"
chown -R daemon "$STATE/trap/disagg-$job"
refused "another user's run directory" 3 "is of user 'daemon'" \
	as_user env -C "$STATE/trap" "$shell" "$job" decode:1 true
refused "another user's run directory, by name" 3 "is of user 'daemon'" \
	as_user "$shell" "$STATE/trap/disagg-$job" decode:1 true
refused "another user's run directory, in a step" 3 "is of user 'daemon'" \
	as_user srun --jobid="$job" --overlap -N1 -n1 "$WORK/bin/disagg-exec" --shell \
	--role=decode:1 --run-dir="$STATE/trap/disagg-$job" true
chown "$TEST_USER" "$STATE/trap/disagg-$job/environment.json"
chmod 666 "$STATE/trap/disagg-$job/environment.json"
refused "a file that others may write" 3 "others may write" \
	as_user env -C "$STATE/trap" "$shell" "$job" decode:1 true
[ ! -e "$STATE/trap/sprung" ]
ok $? "nothing of it is run"
plain=$(submit --output=/dev/null --wrap 'sleep 60')
until [ "$(job_state "$plain")" = RUNNING ]; do sleep 0.1; done
refused "a job without a deployment" 4 "no run directory of job $plain" as_user "$shell" "$plain" decode:1
as_user mkdir "disagg-$plain"
as_user cp "disagg-$job/state.json" "disagg-$job/environment.json" "disagg-$plain"
refused "another job's files" 3 "is of job $job, not of job $plain" as_user "$shell" "$plain" decode:1
echo '{"schema":"disagg.environment/2"}' >"$WORK/disagg-$plain/environment.json"
refused "files of another version" 3 "expected the schema disagg.environment/1" \
	as_user "$shell" "$plain" decode:1
as_user scancel "$plain" "$rehearsed" "$job"
wait_job "$job" >/dev/null
refused "a job that has ended" 4 "job $job is CANCELLED" as_user "$shell" "$job" decode:1 true
refused "its run directory" 4 "job $job is CANCELLED" as_user "$shell" "disagg-$job" decode:1 true

no_node_drained
done_testing
