#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg run in a job: a rehearsed deployment comes up, serves and ends in
# order; what goes wrong is named, with the documented exit status; nothing is
# left behind.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 7 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
sed '/^benchmark:/,$d' "$SRC/configs/native-2p2d.yaml" >"$WORK/serve.yaml"
{
	cat "$WORK/serve.yaml"
	printf 'benchmark:\n  type: manual\n'
} >"$WORK/manual.yaml"
# shellcheck disable=SC2016 # for the job's shell to expand
{
	cat "$WORK/serve.yaml"
	printf 'benchmark:\n  type: custom\n  command: "echo it ends with ${STATUS:-0}; exit ${STATUS:-0}"\n'
} >"$WORK/custom.yaml"
cp "$SRC/configs/native-uneven.yaml" "$WORK/uneven.yaml"

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" DISAGG_SIM_FAULT="${FAULT:-}" STATUS="${STATUS:-}" \
		sbatch --parsable --output=%j.out \
		--disagg-rehearse --disagg-config="$config" "$@" "${SCRIPT:-$SRC/scripts/disagg-job.sh}"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$WORK/disagg-$1/state.json" 2>/dev/null
}

# until the run is in a phase, 30 s
in_phase() { # JOB PHASE
	local end=$((SECONDS + 30))
	until [ "$(of "$1" .phase)" = "$2" ]; do
		if [ $SECONDS -ge $end ]; then
			note "phase of job $1" "$(of "$1" .phase)"
			sed 's/^/#   /' "$WORK/$1.out"
			return 1
		fi
		sleep 0.05
	done
}

left() {
	pgrep -f "^(/bin/bash )?$WORK/bin/disagg-(exec|sim|run)|srun .*$WORK/" | wc -l
}

none_left() { # WHAT
	local end=$((SECONDS + 8))
	until [ "$(left)" -eq 0 ] || [ $SECONDS -ge $end ]; do
		sleep 0.1
	done
	is "$(left)" 0 "$1: no process is left" ||
		note left "$(pgrep -af "$WORK/")"
}

exit_code() { # JOB
	as_root scontrol -o show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p'
}

# a job that is to fail by itself
fails() { # WHAT CODE JOB
	is "$(wait_job "$3")" FAILED "$1: the job fails" || sed 's/^/#   /' "$WORK/$3.out"
	is "$(exit_code "$3")" "$2:0" "$1: with exit status $2"
	is "$(of "$3" .verdict.code)" "$2" "$1: state.json has the status"
	is "$(of "$3" .phase)" "done" "$1: it was ended in order"
}

# the job that meets its own deadline, while the others run
limit=$(run_job serve.yaml --exclusive --time=1)

# ---- up and down ----
job=$(run_job serve.yaml --exclusive)
in_phase "$job" serving
ok $? "a rehearsed deployment comes up"
is "$(of "$job" '[.workers[] | .name + " " + .state] | sort | join(", ")')" \
	"decode_0 ready, decode_1 ready, prefill_0 ready, prefill_1 ready, router_0 ready" \
	"every worker and the router is ready"
is "$(of "$job" '[.workers[] | select(.started >= .up or .up > .ready)] | length')" 0 \
	"each was started, then up, then ready"
is "$(of "$job" '([.workers[] | select(.role == "router") | .started] | min) >=
	([.workers[] | select(.role != "router") | .ready] | max)')" true \
	"the router was started when the workers were ready"
url=$(of "$job" .frontend)
has "$(as_user curl -s -m 5 -d '{"prompt":"a b c","max_tokens":4}' "$url/v1/completions")" \
	'"choices"' "the frontend answers a completion"
for file in config.yaml plan.json state.json prefill_0.log prefill_1.log decode_0.log decode_1.log \
	router_0.log results; do
	[ -e "$WORK/disagg-$job/$file" ]
	ok $? "the run directory has $file"
done
is "$(jq -r .schema "$WORK/disagg-$job/plan.json")" disagg.plan/1 "plan.json is the plan"
is "$(jq -r .schema "$WORK/disagg-$job/config.yaml")" disagg.config/1 \
	"config.yaml is what travelled with the job"
is "$(of "$job" '[.workers[].step] | map(startswith("'"$job"'.")) | all')" true \
	"each step's number is known"
out=$(as_user "$WORK/bin/disagg-status" "$job")
has "$out" "serving" "disagg-status shows the phase"
hasnt "$out" "(not started)" "disagg-status shows that the frontend runs"
has "$out" "decode_1   ready" "disagg-status shows the workers"
has "$(as_user "$WORK/bin/disagg-status" "disagg-$job")" "$url" "and takes the run directory"
is "$(as_user "$WORK/bin/disagg-status" --format=json "$job" | jq -r .phase)" serving \
	"disagg-status --format=json is state.json"
runs 4 "disagg-status knows no other job" as_user "$WORK/bin/disagg-status" 999999
held=$(run_job serve.yaml --exclusive --hold)
runs 0 "a job that has not begun is no failure" as_user "$WORK/bin/disagg-status" "$held"
is "$(as_user "$WORK/bin/disagg-status" "$held")" \
	"job $held is PENDING (JobHeldUser): nothing to show yet" "disagg-status says what it waits for"
is "$(as_user "$WORK/bin/disagg-status" --format=json "$held" 2>/dev/null)" "" "which is no JSON"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "told to end, the job completes"
is "$(exit_code "$job")" 0:0 "with exit status 0"
is "$(of "$job" '[.workers[] | .state] | unique | join(" ")')" ended "everything was ended"
is "$(of "$job" '([.workers[] | select(.role == "router") | .ended] | max) <=
	([.workers[] | select(.role != "router") | .ended] | min)')" true \
	"the router before the workers"
is "$(of "$job" '[.workers[] | .how] | unique | join(" ")')" "exit status 0" \
	"each had the time to end by itself"
hasnt "$(cat "$WORK/$job.out")" warning "without a warning"

as_user timeout 60 "$WORK/bin/disagg-status" --watch "$held" >"$WORK/watched" 2>&1 &
watcher=$!
sleep 0.5
as_user scontrol release "$held"
in_phase "$held" serving
as_user scancel --batch --signal=TERM "$held"
wait "$watcher"
is $? 0 "disagg-status --watch waits for it"
has "$(head -n 1 "$WORK/watched")" "is PENDING" "from the first look"
has "$(cat "$WORK/watched")" "verdict 0" "to the end"

job=$(run_job manual.yaml --exclusive)
in_phase "$job" serving
ok $? "benchmark.type manual serves"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "until it is told to end"

# ---- benchmarks ----
job=$(run_job custom.yaml --exclusive)
is "$(wait_job "$job")" COMPLETED "a benchmark's end is the job's end" ||
	sed 's/^/#   /' "$WORK/$job.out"
is "$(of "$job" '.phases | keys_unsorted | join(" ")')" "starting waiting benchmark ending done" \
	"in all its phases"
job=$(STATUS=8 run_job custom.yaml --exclusive)
fails "a benchmark that says its result is invalid" 8 "$job"
has "$(of "$job" .verdict.text)" "the benchmark failed: exit status 8: it ends with 8 (see " \
	"the verdict has its last words"

# ---- faults ----
for fault in exit0:0.2 die:0.2 die:0.2:KILL die-after-ready:0.3:3; do
	job=$(FAULT="decode_1=$fault" run_job serve.yaml --exclusive)
	fails "decode_1 $fault" 7 "$job"
	is "$(of "$job" .verdict.worker)" decode_1 "decode_1 $fault: state.json names it"
	[ "$fault" != die:0.2:KILL ] || has "$(of "$job" .verdict.text)" \
		"'decode_1' has ended: killed by signal 9 (Killed); its log ends with: " "with the signal"
	is "$(of "$job" '(.verdict.at - (.workers[] | select(.name == "decode_1") | .ended)) < 1')" true \
		"decode_1 $fault: at once"
done
has "$(as_user "$WORK/bin/disagg-status" "$job")" "fault: exits 3" \
	"disagg-status shows the end of its log"

job=$(FAULT="decode_1=none-such" run_job serve.yaml --exclusive)
fails "a worker that refuses to start" 7 "$job"
has "$(of "$job" .verdict.text)" "fault 'none-such' is none of" "the verdict says why, and gives no hint"

multi=$("$BUILD/bin/disagg-plan" --format=json "$WORK/uneven.yaml" 2>/dev/null |
	jq -r '[.workers[] | select(.tasks > 1)][0] | "\(.role)_\(.index)"')
job=$(FAULT="$multi=exit0:1" run_job uneven.yaml --exclusive)
fails "a worker of several ranks that ends with 0" 7 "$job"
is "$(of "$job" .verdict.worker)" "$multi" "its ranks' end is not overlooked"
has "$(cat "$WORK/disagg-$job/$multi.log")" "though nobody told it to" "and its log says why"

job=$(FAULT='decode_7=die:1;*=slow:1;decode:1=slow:1;decode[0].0@1=slow:1' run_job custom.yaml --exclusive)
is "$(wait_job "$job")" COMPLETED "a fault that is asked of nobody"
is "$(of "$job" '.warnings | join(" ")')" "DISAGG_SIM_FAULT names 'decode_7', which is no worker" \
	"is warned of, and no other"
job=$(FAULT='*=wrong-model' run_job serve.yaml --exclusive)
fails "another model" 8 "$job"
job=$(FAULT='decode_0=never-ready' run_job serve.yaml --exclusive --disagg-set=roles.decode.ready.timeout=2 \
	--disagg-set=roles.prefill.ready.timeout=2)
fails "a worker that is never ready" 6 "$job"
has "$(of "$job" .verdict.text)" decode_0 "the verdict names what is missing"
has "$(as_user "$WORK/bin/disagg-status" "$job")" "$(of "$job" .frontend) (not started)" \
	"disagg-status says that the frontend was not started"
job=$(FAULT='prefill_0=never-ready' run_job serve.yaml --exclusive --disagg-set=roles.prefill.ready.timeout=2 \
	--disagg-set=roles.decode.ready.timeout=20m)
fails "a role that has less time than another" 6 "$job"
has "$(of "$job" .verdict.text)" "not ready after 2 s: 1 of " "its own time counts"
has "$(of "$job" .verdict.text)" "prefill_0 (" "the verdict names it"

job=$(FAULT='decode_1=die-after-ready:0.3' run_job serve.yaml --exclusive --disagg-set=roles.decode.restart=1)
fails "a worker that dies twice with restart: 1" 7 "$job"
is "$(of "$job" '.workers[] | select(.name == "decode_1") | .restarts')" 1 "it was started again once"
has "$(of "$job" '.warnings | join(" ")')" "it is started again: restart 1 of 1" "as it says"
job=$(run_job serve.yaml --exclusive --disagg-set=roles.decode.restart=1)
in_phase "$job" serving
step=$(of "$job" '.workers[] | select(.name == "decode_1") | .step')
as_user scancel --signal=KILL "$step"
again=''
end=$((SECONDS + 30))
until [ "$again" = "$job.x" ] || [ $SECONDS -ge $end ]; do
	again=$(of "$job" '.workers[] | select(.name == "decode_1" and .restarts == 1 and .state == "ready") |
		.step // "" | sub("[.].*"; ".x")')
	sleep 0.1
done
again=$(of "$job" '.workers[] | select(.name == "decode_1") | .step')
isnt "$again" "$step" "a worker that was started again has another step"
is "$again" "$(as_user squeue -h -s -j "$job" -o '%i %j' | sed -n 's/ decode_1$//p')" "the one that runs"
is "$(of "$job" '[.workers[].step] | unique | length')" 5 "and all others have their own"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "and the job completes"
job=$(FAULT='decode_1=die-after-ready:0.3' run_job serve.yaml --exclusive --disagg-set=roles.decode.critical=false)
in_phase "$job" serving
sleep 1.5
is "$(of "$job" .phase)" serving "the end of a worker that is not critical ends nothing"
has "$(of "$job" '.warnings | join(" ")')" "'decode_1' has ended" "it is a warning"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "and the job completes"

# ---- the run directory, the script ----
as_user mkdir -m 555 "$WORK/closed"
job=$(run_job serve.yaml --exclusive --disagg-set=log_dir="$WORK/closed")
is "$(wait_job "$job")" FAILED "a run directory that cannot be made"
is "$(exit_code "$job")" 5:0 "exit status 5"
has "$(cat "$WORK/$job.out")" "cannot make the run directory" "and the job's output says so"
printf '#!/bin/bash\ndisagg run\n:\n' >"$WORK/plain.sh"
job=$(SCRIPT=plain.sh run_job serve.yaml --exclusive)
in_phase "$job" serving
has "$(cat "$WORK/$job.out")" "should end in 'exec disagg run': the shell 'bash' stands between" "a shell in between is warned of"
as_user scancel "$job"
wait_job "$job" >/dev/null
is "$(as_user "$WORK/bin/disagg" run --script 2>&1 | sed 's/:.*//')" disagg-run \
	"--script tells where it is not installed"
install -D -m 755 "$SRC/scripts/disagg-job.sh" "$WORK/share/disagg/disagg-job.sh"
is "$(as_user "$WORK/bin/disagg" run --script)" "$WORK/share/disagg/disagg-job.sh" \
	"--script prints a path"

# ---- scancel ----
for phase in waiting serving; do
	fault=''
	[ "$phase" = serving ] || fault='*=never-ready'
	job=$(FAULT=$fault run_job serve.yaml --exclusive)
	in_phase "$job" "$phase"
	before=$(date +%s.%N)
	as_user scancel "$job"
	is "$(wait_job "$job")" CANCELLED "scancel while $phase"
	none=$(of "$job" .verdict)
	isnt "$none" null "scancel while $phase: there is a verdict"
	is "$(of "$job" ".verdict.at - $before < 2")" true "scancel while $phase: within 2 s"
	has "$(of "$job" .verdict.text)" "signal 15" "scancel while $phase: it names the signal"
	is "$(of "$job" '[.workers[] | select(.started != null) | .state] | unique | join(" ")')" ended \
		"scancel while $phase: no worker has failed"
done

# Ctrl-C in a terminal reaches the whole group
job=$(FAULT='*=never-ready' run_job serve.yaml --exclusive)
in_phase "$job" waiting
pid=$(of "$job" .pid)
end=$((SECONDS + 10))
until pgrep -P "$pid" -x disagg-run >/dev/null || [ $SECONDS -ge $end ]; do
	sleep 0.05
done
kill -INT -- "-$(ps -o pgid= -p "$pid" | tr -d ' ')"
fails "INT to the group while waiting" 1 "$job"
has "$(of "$job" .verdict.text)" "ended by signal 2" "INT to the group: the verdict names the signal"

# ---- the time limit ----
is "$(wait_job "$limit" 90)" FAILED "a job ends in order before its limit" ||
	sed 's/^/#   /' "$WORK/$limit.out"
is "$(exit_code "$limit")" 6:0 "with exit status 6"
has "$(of "$limit" .verdict.text)" "time limit" "state.json says why"
is "$(of "$limit" '[.workers[] | .how] | unique | join(" ")')" "exit status 0" \
	"everything was ended in order"

none_left "after all"
no_node_drained
done_testing
