# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For 50-failures.sh: cases that run inside a job and are judged outside, and
# what must hold after each of them.
MARK=$((86400 + $$))

# The shell of a job, with failure and works: each runs its command under a time
# limit and leaves what came of it in cases/N/.
case_functions() {
	cat <<'SHELL'
mapfile -t HOSTS < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
count=0
try() { # WHAT STATUS PART COMMAND...
	local dir
	count=$((count + 1))
	dir=cases/$(printf %03d $count)
	mkdir -p "$dir"
	printf '%s' "$1" >"$dir/what"
	printf '%s' "$2" >"$dir/want"
	printf '%s' "$3" >"$dir/part"
	shift 3
	timeout -k 1 30 "$@" >"$dir/out" 2>&1
	printf '%s' $? >"$dir/status"
	sinfo -h -N -o '%N %T' | grep -E ' (drain|down|fail|err|unk)' >"$dir/nodes"
}
failure() {
	try "$@"
}
works() {
	local what=$1
	shift
	try "$what" 0 "" "$@"
}
SHELL
}

# One allocation that runs every case of SCRIPT (in WORK).
run_cases() { # SCRIPT SALLOC-ARGUMENT...
	local script=$1 dir what out
	shift
	rm -rf "$WORK/cases"
	{ case_functions && cat "$WORK/$script" && echo 'exit 0'; } >"$WORK/cases.sh"
	CALL_LIMIT=240 as_user salloc "$@" bash ./cases.sh >"$WORK/salloc.out" 2>&1
	ok $? "salloc runs the cases of $script" || note got "$(cat "$WORK/salloc.out")"
	for dir in "$WORK"/cases/*/; do
		what=$(cat "$dir/what")
		out=$(tr -d '\0' <"$dir/out")
		is "$(cat "$dir/status")" "$(cat "$dir/want")" "step, $what: exit status" || note output "$out"
		has "$out" "$(cat "$dir/part")" "step, $what: message"
		is "$(cat "$dir/nodes")" "" "step, $what: no node is drained"
	done
	is "$(find "$WORK/cases" -name status | wc -l)" "$(grep -cE '^(failure|works) ' "$WORK/$script")" \
		"every case of $script has run"
}

# "name pid" of each daemon that is still the process that the cluster started
daemons_alive() {
	local name pid start
	while read -r name pid start; do
		case $name in
		slurmctld | slurmd-* | munged) ;;
		*) continue ;;
		esac
		[ "$(awk '{ print $22 }' "/proc/$pid/stat" 2>/dev/null)" != "$start" ] || echo "$name $pid"
	done <"$STATE/pids"
}

all_is_well() { # WHAT
	# shellcheck disable=SC2154
	is "$(daemons_alive)" "$daemons" "$1: every daemon lives"
	no_node_drained
}

# the tasks that start_steps started
task_pids() {
	pgrep -x -f "(/[^ ]*/)?sleep $MARK"
}

# A job with two long role steps, into $job, once both run.
start_steps() {
	local tries
	cat >"$WORK/long.sh" <<-JOB
		#!/bin/bash
		for role in decode:0 prefill:1; do
			{ srun --overlap --disagg-role=\$role sleep $MARK; echo "step ended with \$?"; } &
		done
		sleep 1
		while [ "\$(jobs -r | wc -l)" -gt 1 ]; do sleep 0.1; done
		scancel --signal=TERM "\$SLURM_JOB_ID"
		wait
	JOB
	# shellcheck disable=SC2034
	job=$(submit --output="$WORK/%j.out" --disagg-config=native-2p2d.yaml long.sh)
	for ((tries = 0; tries < 200; tries++)); do
		[ "$(task_pids | wc -l)" -lt 2 ] || break
		sleep 0.05
	done
	is "$(task_pids | wc -l)" 2 "two role steps run"
}

no_tasks_left() { # WHAT
	local tries
	for ((tries = 0; tries < 100; tries++)); do
		[ -n "$(task_pids)" ] || break
		sleep 0.05
	done
	is "$(task_pids)" "" "$1: no task is left"
}
