# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# For 87-faults.sh: jobs that run side by side, each with a fault of its own, and
# what must be true of each when it is over.
#
#	row WHAT CODE STATE JOB      a job that is to end so; judged by judge_rows
#	extra[$JOB]=FUNCTION         called with the job's number then
#
# A fault that needs a hand is done by a function beside, in the background:
# `by_hand FUNCTION JOB [ARGUMENT...]`.  Times of events are left in $WORK/event/JOB.

mkdir_all() {
	mkdir "$WORK"/{bin,traced,trace,event,refuse}
	chmod 1777 "$WORK/trace"
	install -m 755 "$BUILD"/bin/* "$WORK/bin"
	install -m 755 "$BUILD"/bin/* "$WORK/traced"
	# a parent of the worker that $TRACE names, which tells when it ends
	cat >"$WORK/traced/disagg-sim" <<-SH
		#!/bin/bash
		[ "\$DISAGG_WORKER.\$DISAGG_RANK" = "\$TRACE" ] || exec "$WORK/bin/disagg-sim" "\$@"
		"$WORK/bin/disagg-sim" "\$@"
		status=\$?
		echo "\$EPOCHREALTIME" >"$WORK/trace/\$SLURM_JOB_ID"
		[ \$status -lt 128 ] || kill -\$((status - 128)) \$\$
		exit \$status
	SH
	chmod 755 "$WORK/traced/disagg-sim"
	cc -shared -fPIC -O1 ${SLURM_ROOT:+-isystem "$SLURM_ROOT/include"} -o "$STATE/lib/refuse.so" \
		"$SRC/tests/cluster/refuse.c" || return
	echo "required $STATE/lib/refuse.so" >"$STATE/plugstack.conf.d/zzz-refuse.conf"
}

# small: a node.  pair: two, decode when prefill is ready.  world: ranks of MPI.
configs() {
	cat >"$WORK/small.yaml" <<-'YAML'
		disagg: 1
		name: small
		gpus_per_node: 4
		model: {path: /models/m, served_name: m}
		slurm: {time: "00:20:00"}
		health: {timeout: 60}
		roles:
		  prefill: {engine: sglang, gpus: 1}
		  decode: {engine: sglang, workers: 2, gpus: 1}
		  router: {engine: sglang_router, after: [prefill, decode]}
		benchmark: {type: manual}
	YAML
	cat >"$WORK/pair.yaml" <<-'YAML'
		disagg: 1
		name: pair
		gpus_per_node: 4
		model: {path: /models/m, served_name: m}
		slurm: {time: "00:20:00"}
		health: {timeout: 60}
		roles:
		  prefill: {engine: sglang, gpus: 4}
		  decode: {engine: sglang, gpus: 4, after: [prefill]}
		  router: {engine: sglang_router, after: [prefill, decode]}
		benchmark: {type: manual}
	YAML
	cat >"$WORK/world.yaml" <<-'YAML'
		disagg: 1
		name: world
		gpus_per_node: 4
		model: {path: /models/m, served_name: m}
		slurm: {time: "00:20:00"}
		roles:
		  prefill: {engine: trtllm, gpus: 2, args: {tensor_parallel_size: 2}}
		  decode: {engine: trtllm, gpus: 2, args: {tensor_parallel_size: 2}}
		  server: {engine: trtllm_server, after: [prefill, decode]}
		benchmark: {type: manual}
	YAML
	sed 's/^benchmark:.*/benchmark: {type: custom, command: "sleep 300"}/' "$WORK/small.yaml" \
		>"$WORK/bench.yaml"
	sed 's/^  decode: {engine: sglang, workers: 2/  decode: {critical: false, engine: sglang, workers: 2/' \
		"$WORK/small.yaml" >"$WORK/spare.yaml"
	printf '#!/bin/bash\nexec disagg run --node-check=1s\n' >"$WORK/watch.sh"
}

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1 path=$WORK/bin
	shift
	[ -z "${TRACE:-}" ] || path=$WORK/traced
	as_user env PATH="$path:$PATH" DISAGG_SIM_FAULT="${FAULT:-}" TRACE="${TRACE:-}" REFUSE="$WORK/refuse/${REFUSE:-none}" \
		sbatch --parsable --output=%j.out --exclusive --no-requeue --disagg-rehearse \
		--disagg-config="$config.yaml" "$@" "${SCRIPT:-$SRC/scripts/disagg-job.sh}"
}

dir_of() { # JOB
	echo "${run_dir[$1]:-$WORK/disagg-$1}"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$(dir_of "$1")/state.json" 2>/dev/null
}

# until a filter says WANT, 150 s: jobs wait for nodes
until_is() { # JOB JQ-FILTER WANT
	local end=$((SECONDS + 150))
	until [ "$(of "$1" "$2")" = "$3" ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# the same for the phase, without a process a look
in_phase() { # JOB PHASE
	local end=$((SECONDS + 150)) head=''
	until [[ $head == *"\"phase\":\"$2\""* ]]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
		{ read -r head <"$(dir_of "$1")/state.json"; } 2>/dev/null
	done
}

show() { # JOB
	note "job $1" "$(cat "$WORK/$1.out")"
	note state "$(of "$1" '[.phase, .verdict, .warnings] | tojson')"
}

exit_code() { # JOB
	as_root scontrol -o show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p'
}

# processes of jobs of this cluster, or of one job; others run on this machine too
job_pids() { # [JOB]
	local file
	while read -r file; do
		! grep -qzx "SLURM_JOB_ID=${1:-.*}" "$file" 2>/dev/null || echo "$file" | cut -d/ -f3
	done < <(grep -lzFx "DEVCLUSTER_STATE=$STATE" /proc/[0-9]*/environ 2>/dev/null)
}

# "PID NAME" of a job's processes
pids_of() { # JOB
	local pid
	while read -r pid; do
		echo "$pid $(cat "/proc/$pid/comm" 2>/dev/null)"
	done < <(job_pids "$1")
}

pid_of() { # JOB WORKER: its stand-in
	local pid name
	while read -r pid name; do
		[ "$name" != disagg-sim ] || ! grep -qzFx "DISAGG_WORKER=$2" "/proc/$pid/environ" ||
			echo "$pid"
	done < <(pids_of "$1") 2>/dev/null | head -n 1
}

run_pid() { # JOB: disagg-run, not its child
	local pid name parent
	while read -r pid name; do
		[ "$name" = disagg-run ] || continue
		parent=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status")
		[ "$(cat "/proc/$parent/comm" 2>/dev/null)" = disagg-run ] || echo "$pid"
	done < <(pids_of "$1") 2>/dev/null | head -n 1
}

happens() { # JOB: now
	echo "$EPOCHREALTIME" >"$WORK/event/$1"
}

event() { # JOB: when it happened, by the end of the child or by hand
	cat "$WORK/trace/$1" "$WORK/event/$1" 2>/dev/null
}

# seconds from the event to the verdict, or to what a filter says
latency() { # JOB [JQ-FILTER]
	local at
	at=$(of "$1" "${2:-.verdict.at}")
	awk -v from="$(event "$1")" -v to="$at" 'BEGIN { if (from == "" || to == "") exit
		printf "%.2f", to - from }'
}

takes() { # SECONDS LEAST MOST WHAT
	[ -n "$1" ] && awk -v s="$1" -v a="$2" -v b="$3" 'BEGIN { exit !(s >= a && s <= b) }'
	ok $? "$4 ($1 s)" || note "expected" "$2 to $3 s, got '$1'"
}

# ---- rows ----

declare -A extra run_dir hand killed
row_what=() row_code=() row_state=() row_job=()

row() { # WHAT CODE STATE JOB
	row_what+=("$1") row_code+=("$2") row_state+=("$3") row_job+=("$4")
}

by_hand() { # FUNCTION JOB
	"$@" &
	hand[$2]=$!
}

# Who has no last line in its log, but for those that were killed.
logs_cut() { # JOB
	local name log
	while read -r name log; do
		# one that was ended as it started has not begun to speak
		grep -q 'SIMULATION' "$log" || continue
		grep -qE 'SIMULATION: (signal 15: ends|fault: )' "$log" || echo "$name"
	done < <(of "$1" '.workers[] | select(.up != null and .role != "benchmark") | "\(.name) \(.log)"') |
		grep -Fvx "${killed[$1]:-none}" | paste -sd' '
}

judge() { # WHAT CODE STATE JOB; CODE -: there is none in state.json
	local job=$4
	[ -z "${hand[$job]:-}" ] || wait "${hand[$job]}" 2>/dev/null
	is "$(wait_job "$job" 150)" "$3" "$1: the job is $3" || show "$job"
	if [ "$2" != - ]; then
		[ "$3" != FAILED ] || is "$(exit_code "$job")" "$2:0" "$1: with exit status $2"
		is "$(of "$job" .verdict.code)" "$2" "$1: the verdict is $2" || show "$job"
		is "$(logs_cut "$job")" "" "$1: no log has lost its last line" || show "$job"
	fi
	is "$(gone "$job")" "" "$1: no process is left"
	[ -z "${extra[$job]:-}" ] || "${extra[$job]}" "$job" "$1"
	[ -z "${ARCHIVES:-}" ] || archive_judge "$job" "$1"
}

# prints what is left of a job, or of all, after 8 s
gone() { # [JOB]
	local end=$((SECONDS + 8))
	until [ -z "$(job_pids "$@")" ] || [ $SECONDS -ge $end ]; do
		sleep 0.2
	done
	job_pids "$@" | xargs -r ps -o pid=,args= -p
}

judge_rows() {
	local i
	for i in "${!row_job[@]}"; do
		judge "${row_what[i]}" "${row_code[i]}" "${row_state[i]}" "${row_job[i]}"
	done
	row_what=() row_code=() row_state=() row_job=()
}

all_gone() {
	is "$(gone)" "" "afterwards no process is left"
	no_node_drained
}
