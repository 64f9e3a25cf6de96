# shellcheck shell=bash disable=SC2034,SC2004,SC2154
# SPDX-License-Identifier: Apache-2.0
# For 87-faults.sh: the kinds of rows of the matrix.  Each starts a job, says how
# it is to end, and what else must be true of it then.
DEADLINE=4 LOST=3
declare -A victim names

# a deadline for every role
ready_in() { # SECONDS; into "${set_ready[@]}"
	local role
	set_ready=()
	for role in prefill decode router; do
		set_ready+=("--disagg-set=roles.$role.ready.timeout=$1")
	done
}

# ---- processes ----

process_judge() { # JOB WHAT
	is "$(of "$1" .verdict.worker)" "${victim[$1]}" "$2: the verdict names ${victim[$1]}"
	takes "$(latency "$1")" 0 5 "$2: it is noticed in time"
}

process() { # WHAT FAULT [CONFIG VICTIM RANK]
	local job worker=${4:-decode_1} rank=${5:-0}
	job=$(FAULT=$2 TRACE=$worker.$rank run_job "${3:-small}")
	victim[$job]=$worker
	extra[$job]=process_judge
	# srun stops reading the output of a step that a SIGKILL ends: slurm_step_launch_wait_finish()
	[ "${2##*:}" != KILL ] || killed[$job]=$worker
	row "$1" 7 FAILED "$job"
}

# ---- deadlines ----

# from the first question: when those that are asked were up
deadline_judge() { # JOB WHAT
	local from
	from=$(of "$1" '[.workers[] | select(.up != null) | .up] | max')
	echo "$from" >"$WORK/event/$1"
	takes "$(latency "$1")" "$DEADLINE" "$((DEADLINE + 5))" "$2: at the deadline"
	has "$(of "$1" .verdict.text)" "${names[$1]}" "$2: the verdict says what is missing"
}

deadline() { # WHAT FAULT NAMED
	local job
	ready_in "$DEADLINE"
	job=$(FAULT=$2 run_job small "${set_ready[@]}")
	names[$job]=$3
	extra[$job]=deadline_judge
	row "$1" 6 FAILED "$job"
}

# ---- a worker that hangs when it was ready ----

freeze() { # JOB [PHASE]
	local pid
	in_phase "$1" "${2:-serving}" || return
	pid=$(pid_of "$1" decode_1)
	happens "$1"
	kill -STOP "$pid"
	echo "$pid"
}

lost_judge() { # JOB WHAT
	is "$(of "$1" .verdict.worker)" decode_1 "$2: the verdict names it"
	has "$(of "$1" .verdict.text)" "no good answer for $LOST s: timed out" "$2: and says why"
	takes "$(latency "$1")" "$LOST" "$((LOST + 5))" "$2: at the deadline"
}

thaws() { # JOB
	local pid
	pid=$(freeze "$1")
	until_is "$1" '.workers[] | select(.name == "decode_1") | .silent != null' true
	as_user "$WORK/bin/disagg-status" "$1" >"$WORK/event/$1.status"
	kill -CONT "$pid"
	until_is "$1" '.workers[] | select(.name == "decode_1") | .silent' null
	as_user scancel --batch --signal=TERM "$1"
}

thaws_judge() { # JOB WHAT
	has "$(grep '^decode_1' "$WORK/event/$1.status")" "no good answer for" \
		"$2: disagg-status shows it meanwhile"
	hasnt "$(of "$1" '.warnings | join(" ")')" "lost:" "$2: it does not count as lost"
}

spare() { # JOB
	local pid
	pid=$(freeze "$1")
	until_is "$1" '.warnings | map(test("not critical")) | any' true
	of "$1" .phase >"$WORK/event/$1.phase"
	kill -CONT "$pid"
	as_user scancel --batch --signal=TERM "$1"
}

spare_judge() { # JOB WHAT
	has "$(of "$1" '.warnings | join(" ")')" "'decode_1' has given no good answer for $LOST s" \
		"$2: it is a warning"
	is "$(cat "$WORK/event/$1.phase")" serving "$2: the deployment serves on"
}

# ---- one that is started again ----

again() { # JOB
	in_phase "$1" serving
	kill -KILL "$(pid_of "$1" decode_1)"
	until_is "$1" '.workers[] | select(.name == "decode_1") | "\(.restarts) \(.state)"' "1 ready"
	as_user scancel --batch --signal=TERM "$1"
}

again_judge() { # JOB WHAT
	is "$(of "$1" '.workers[] | select(.name == "decode_1") | .ready > .started and .restarts == 1')" \
		true "$2: it was ready a second time"
}

# ---- launches ----

refused() { # WHAT KIND CODE STATE; once where the CODE is 0
	local job once=''
	mkdir "$WORK/refuse/$2"
	chmod 777 "$WORK/refuse/$2"
	[ "$3" -ne 0 ] || once=.once
	: >"$WORK/refuse/$2/decode_1.$2$once"
	job=$(REFUSE=$2 run_job small)
	row "$1" "$3" "$4" "$job"
	extra[$job]=refused_judge
	[ "$3" -eq 0 ] || return 0
	extra[$job]=once_judge
	by_hand serves_then_ends "$job"
}

refused_judge() { # JOB WHAT
	is "$(of "$1" .verdict.worker)" decode_1 "$2: the verdict names the step"
	has "$(of "$1" .verdict.text)" "does not start" "$2: and says so"
	is "$(of "$1" '.warnings | map(select(test("follows"))) | length')" 2 "$2: after three tries"
}

once_judge() { # JOB WHAT
	is "$(of "$1" '.warnings | map(capture("step of .(?<name>[a-z_0-9]+).").name) | join(" ")')" \
		decode_1 "$2: it alone was tried again"
	is "$(of "$1" '[.workers[] | .how] | unique | join(" ")')" "exit status 0" "$2: all ran"
}

serves_then_ends() { # JOB
	in_phase "$1" serving
	as_user scancel --batch --signal=TERM "$1"
}

# ---- nodes ----

second_node() { # JOB
	of "$1" '.workers[] | select(.name == "decode_0") | .host'
}

set_down() { # JOB PHASE
	local node
	in_phase "$1" "$2"
	node=$(second_node "$1")
	happens "$1"
	as_root scontrol update nodename="$node" state=down reason=test
	wait_job "$1" 60 >/dev/null
	as_root scontrol update nodename="$node" state=resume 2>/dev/null
}

down_judge() { # JOB WHAT
	is "$(of "$1" .verdict.worker)" decode_0 "$2: the verdict names who ran there"
	has "$(of "$1" .verdict.text)" "Node failure on $(second_node "$1")" "$2: and the node"
	takes "$(latency "$1")" 0 5 "$2: in time"
}

launch_judge() { # JOB WHAT
	is "$(of "$1" .verdict.worker)" decode_0 "$2: the verdict names the step"
	has "$(of "$1" .verdict.text)" "does not start" "$2: and says so"
	hasnt "$(cat "$WORK/$1.out")" "could not be told" "$2: the others are told to end"
}

kill_slurmd() { # NODE
	kill -KILL "$(cat "$STATE/run/slurmd-$1.pid")"
}

slurmd_dies() { # JOB
	local node url
	in_phase "$1" serving
	node=$(second_node "$1")
	url=$(of "$1" .frontend)
	happens "$1"
	kill_slurmd "$node"
	until_is "$1" '.warnings | map(test("slurmd on")) | any' true
	date +%s.%N >"$WORK/event/$1.warned"
	as_user curl -s -m 5 -d '{"prompt":"a b c","max_tokens":4}' "$url/v1/completions" \
		>"$WORK/event/$1.answer"
	of "$1" .phase >"$WORK/event/$1.phase"
	devcluster restart --state "$STATE" "$node"
	as_user scancel --batch --signal=TERM "$1"
}

slurmd_judge() { # JOB WHAT
	has "$(of "$1" '.warnings | join(" ")')" "slurmd on '$(second_node "$1")' does not answer" \
		"$2: a warning names the node"
	takes "$(awk '{ print $1 - from }' from="$(event "$1")" "$WORK/event/$1.warned")" 0 50 \
		"$2: as soon as Slurm knows it"
	is "$(cat "$WORK/event/$1.phase")" serving "$2: the deployment goes on"
	has "$(cat "$WORK/event/$1.answer")" '"choices"' "$2: and answers"
}

slurmd_drained() { # JOB
	local node
	in_phase "$1" waiting
	node=$(second_node "$1")
	as_root scontrol update nodename="$node" state=drain reason=test
	kill_slurmd "$node"
	until_is "$1" '.verdict != null' true
	wait_job "$1" 60 >/dev/null
	as_root scontrol update nodename="$node" state=resume
	devcluster restart --state "$STATE" "$node"
}

# ---- the run directory ----

fills() { # JOB
	in_phase "$1" serving
	dd if=/dev/zero of="$DISK/later/fill" bs=4k 2>/dev/null
	cp "$DISK/later/$1/state.json" "$WORK/event/$1.state"
	kill -KILL "$(pid_of "$1" decode_1)"
}

full_judge() { # JOB WHAT
	local out
	out=$(cat "$WORK/$1.out")
	is "$(exit_code "$1")" 5:0 "$2: with exit status 5"
	has "$out" "verdict: cannot write '$(dir_of "$1")/state.json': No space left" "$2: it is said"
	has "$out" "all has ended, exit status 5" "$2: all is ended in order"
	is "$(cat "$DISK/later/$1/state.json")" "$(cat "$WORK/event/$1.state")" \
		"$2: state.json is as it was before"
	is "$(find "$DISK/later/$1" -name '*.new')" "" "$2: nothing is left half written"
}

before_judge() { # JOB WHAT
	is "$(exit_code "$1")" 5:0 "$2: with exit status 5"
	has "$(cat "$WORK/$1.out")" "No space left" "$2: it is said"
}

# ---- ends ----

# The signal by strace, for Slurm chooses the time: 15 in what disagg-run reads.
under_strace() { # JOB FUNCTION [PHASE]: the function is called with the job
	local pid tracer tries
	[ "${3:-}" != starting ] ||
		until_is "$1" '[.workers[] | select(.state == "running")] | length > 1' true
	in_phase "$1" "${3:-serving}"
	pid=$(run_pid "$1")
	strace -q -ttt -e trace=read -o "$WORK/trace/$1.run" -p "$pid" 2>/dev/null &
	tracer=$!
	for ((tries = 0; tries < 100; tries++)); do
		! grep -q '^TracerPid:[^0]*[1-9]' "/proc/$pid/status" || break
		sleep 0.05
	done
	"$2" "$1" >/dev/null
	wait "$tracer"
	told_at "$1" >"$WORK/event/$1"
}

# when the signal was read, as under_strace saw it; nothing: it was not yet
told_at() { # JOB
	sed -n 's/^\([0-9.]*\) read([0-9]*, "\\17\\0.*/\1/p' "$WORK/trace/$1.run" | head -n 1
}

cancel_it() { # JOB
	local end=$((SECONDS + 30))
	as_user scancel "$1"
	# the start goes on from here, and would be over before the signal is there
	until [ -n "$(told_at "$1")" ] || [ $SECONDS -ge $end ]; do
		sleep 0.05
	done
	rm -f "$WORK/refuse/slow/decode_1.slow"
}

cancel_at_the_end() { # JOB
	in_phase "$1" serving
	as_user scancel --batch --signal=TERM "$1"
	in_phase "$1" ending
	as_user scancel "$1"
}

cancel_judge() { # JOB WHAT
	takes "$(latency "$1")" 0 2 "$2: the verdict comes in time"
	has "$(of "$1" .verdict.text)" "signal 15" "$2: it names the signal"
}

canceled() { # PHASE CODE CONFIG FAULT
	local job
	job=$(FAULT=$4 REFUSE=$([ "$1" != starting ] || echo slow) run_job "$3")
	row "scancel while $1" "$2" CANCELLED "$job"
	if [ "$1" = ending ]; then
		# it ignores the signal, and Slurm kills it before we would
		killed[$job]=decode_1
		by_hand cancel_at_the_end "$job"
	else
		extra[$job]=cancel_judge
		by_hand under_strace "$job" cancel_it "$1"
	fi
}

twice() { # JOB
	local pid
	in_phase "$1" serving
	pid=$(run_pid "$1")
	happens "$1"
	kill -TERM "$pid"
	kill -TERM "$pid"
	in_phase "$1" ending
	kill -TERM "$pid"
	kill -INT "$pid"
}

twice_judge() { # JOB WHAT
	takes "$(latency "$1")" 0 2 "$2: the verdict comes in time"
	has "$(cat "$WORK/$1.out")" "already ending" "$2: the second is told"
	is "$(of "$1" .phase)" "done" "$2: the end is in order"
	is "$(of "$1" '[.workers[] | select(.name != "decode_1") | .how] | unique | join(" ")')" \
		"exit status 0" "$2: each had the time to end by itself"
	is "$(of "$1" '.workers[] | select(.name == "decode_1") | .how')" "killed by signal 9 (Killed)" \
		"$2: but for one that would not"
}

# The controller is there and does not answer; the job is over when it does again.
silent_end() { # JOB
	local pid end=$((SECONDS + 60)) controller
	in_phase "$1" serving
	controller=$(cat "$STATE/run/slurmctld.pid")
	pid=$(of "$1" .pid)
	kill -STOP "$controller"
	happens "$1"
	kill -TERM "$pid"
	while [ -d "/proc/$pid" ] && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
	kill -CONT "$controller"
}

silent_judge() { # JOB WHAT
	takes "$(latency "$1" .phases.done)" 0 30 "$2: it does not wait for long"
	has "$(of "$1" '.warnings | join(" ")')" "4 steps are left running, and Slurm's to end" \
		"$2: a warning says what is left"
	has "$(cat "$WORK/$1.out")" "4 steps are left to Slurm, exit status 0" "$2: and so does the last word"
	hasnt "$(cat "$WORK/$1.out")" "all has ended" "$2: which is not that all has ended"
	is "$(of "$1" '[.workers[] | "\(.state), \(.how)"] | unique | join(" ")')" \
		"ending, left to Slurm" "$2: state.json has it of each"
}

reason_judge() { # JOB WHAT
	takes "$(latency "$1")" 0 2 "$2: the verdict comes in time"
	has "$(of "$1" .verdict.text)" "${names[$1]}" "$2: it says why"
}

requeues() { # JOB FUNCTION
	local first=$WORK/disagg-$1
	(
		run_dir[$1]=$first
		under_strace "$1" "$2"
		latency "$1" >"$WORK/event/$1.first"
	)
	release "$1"
	in_phase "$1" serving
	as_user "$WORK/bin/disagg-status" "$1" >"$WORK/event/$1.status"
	as_user scancel --batch --signal=TERM "$1"
}

requeue_judge() { # JOB WHAT
	local first=$WORK/disagg-$1
	takes "$(cat "$WORK/event/$1.first")" 0 2 "$2: the verdict comes in time"
	is "$(jq -r '.verdict.code' "$first/state.json")" 1 "$2: the first run keeps its verdict"
	has "$(jq -r '.verdict.text' "$first/state.json")" "${names[$1]}" "$2: which says why"
	run_dir[$1]=$first
	is "$(logs_cut "$1")" "" "$2: and its logs"
	has "$(cat "$WORK/event/$1.status")" "$first.1" "$2: disagg-status shows the second"
}

requeued() { # WHAT REASON FUNCTION
	local job
	job=$(run_job small --requeue)
	run_dir[$job]=$WORK/disagg-$job.1
	names[$job]=$2
	extra[$job]=requeue_judge
	row "$1" 0 COMPLETED "$job"
	by_hand requeues "$job" "$3"
}

# one that Slurm ends for a reason of its own
ended() { # WHAT CODE STATE REASON FUNCTION
	local job
	job=$(run_job small)
	names[$job]=$4
	extra[$job]=reason_judge
	row "$1" "$2" "$3" "$job"
	by_hand under_strace "$job" "$5"
}

requeue_it() { # JOB
	as_user scontrol requeue "$1"
}

# a job of a partition that goes before takes the node
preempt_it() { # JOB
	submit --partition=high --nodelist="$(of "$1" '.workers[0].host')" --exclusive \
		--output=/dev/null --wrap 'sleep 2'
}

limit_it() { # JOB
	as_user scontrol update jobid="$1" TimeLimit=1
}
