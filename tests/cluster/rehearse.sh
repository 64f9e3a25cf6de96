# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests that rehearse configurations with disagg run: what a job left behind,
# and whether requests went the whole way.
#
#	. "$(dirname "$0")/rehearse.sh"
#	cluster_up --nodes 8 --plugin "$BUILD/lib/slurm/disagg.so"
#	rehearse_here
#	job=$(rehearse x.yaml)
#	rehearsed "x.yaml" x.yaml "$job"
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rehearse_here() {
	mkdir "$WORK/bin"
	install -m 755 "$BUILD"/bin/* "$WORK/bin"
	install -m 755 "$SRC/scripts/disagg-job.sh" "$WORK/job.sh"
}

rehearse() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="${FIRST:+$FIRST:}$WORK/bin:$PATH" sbatch --parsable --output=%j.out \
		--disagg-rehearse --disagg-config="$config" --exclusive --account=dev \
		--partition=main "$@" job.sh
}

# a job's run directory: disagg-ID, or log_dir/ID
run_dir() { # JOB
	local at
	for at in "$WORK/disagg-$1" "$WORK"/*/"$1"; do
		[ -e "$at/state.json" ] && echo "$at" && return
	done
	echo "$WORK/disagg-$1"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$(run_dir "$1")/state.json" 2>/dev/null
}

in_phase() { # JOB PHASE [SECONDS]
	local end=$((SECONDS + ${3:-60}))
	until [ "$(of "$1" .phase)" = "$2" ]; do
		if [ $SECONDS -ge $end ]; then
			note "phase of job $1" "$(of "$1" .phase)"
			sed 's/^/#   /' "$WORK/$1.out"
			return 1
		fi
		sleep 0.1
	done
}

# whether a process is of a step of the job
belongs() { # PID JOB
	{ tr '\0' '\n' <"/proc/$1/environ" | grep -qxF "DISAGG_RUN_DIR=$WORK/disagg-$2"; } 2>/dev/null
}

exit_code() { # JOB
	as_root scontrol -o show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p'
}

# the numbers in front of WORDS in the last words of the stand-ins of a kind
sum_said() { # JOB JQ-SELECTION WORDS
	local logs
	mapfile -t logs < <(of "$1" ".workers[] | select($2) | .log")
	[ ${#logs[@]} -gt 0 ] || { echo 0 && return; }
	sed -n "s/.*SIMULATION: .*[ a-z]\([0-9]*\) $3.*/\1/p" "${logs[@]}" |
		awk '{ sum += $1 } END { print sum + 0 }'
}

roles_of() { # KIND...; a jq condition
	printf '(.role | IN("x"'
	printf ',"%s"' "$@"
	printf '))'
}

# Whether a benchmark's requests, and the one that readiness sends, went through
# prefill and decode, and each KV byte was sent and fetched once.
went_through() { # WHAT JOB
	local prefill decode asked=33
	prefill=$(sum_said "$2" "$(roles_of prefill)" requests,)
	decode=$(sum_said "$2" "$(roles_of decode agg)" requests,)
	[ "$decode" -ge $asked ]
	ok $? "$1: all requests came to decode" || note got "$decode, expected $asked"
	[ "$(of "$2" "[.workers[] | select($(roles_of prefill))] | length")" -gt 0 ] || return 0
	is "$prefill" "$decode" "$1: and were prefilled before"
	is "$(sum_said "$2" "$(roles_of prefill)" 'KV bytes')" \
		"$(sum_said "$2" "$(roles_of decode)" 'KV bytes')" \
		"$1: the KV bytes that were sent are those that were fetched"
	isnt "$(sum_said "$2" "$(roles_of decode)" 'KV bytes')" 0 "$1: and there were some"
}

measured() { # WHAT JOB
	local files
	mapfile -t files < <(find "$(run_dir "$2")/results" -name '*.json')
	is "${#files[@]}" 1 "$1: the benchmark left one result" || return
	is "$(jq -c '[.valid, .completed, .failed, .simulation, .total_output_tokens > 0]' "${files[0]}")" \
		'[true,32,0,true,true]' "$1: it is valid, and says that it is a simulation"
}

# what each log of a stand-in and the job's output say
is_marked() { # WHAT JOB
	local log silent=''
	while read -r log; do
		grep -q 'SIMULATION' "$log" || silent+="$log "
	done < <(of "$2" '.workers[] | select(.engine | IN("etcd","nats","nginx","command","benchmark") | not) | .log')
	is "$silent" "" "$1: each stand-in's log says SIMULATION"
	has "$(cat "$WORK/$2.out")" REHEARSAL "$1: the job's output says REHEARSAL"
	is "$(of "$2" .rehearse)" true "$1: state.json says it"
}

# A job that has ended: all were ready, all ended, nothing is missing of the plan.
came_up() { # WHAT CONFIG JOB
	local plan
	is "$(job_state "$3") $(exit_code "$3")" "COMPLETED 0:0" "$1: the rehearsal completes" || {
		sed 's/^/#   /' "$WORK/$3.out"
		return 1
	}
	# the only worker of an engine that serves by itself has the frontend's port
	plan=$(jq -r 'def alone: ([.workers[].role] | unique) == ["agg"] and
			([.workers[].engine] | unique | . == ["vllm"] or . == ["trtllm"]) and
			([.services[].role] | index("etcd") | not);
		alone as $alone | [(.workers[], .services[]) | "\(.role)_\(.index)" |
			select($alone and . == "frontend_0" | not)] | sort | join(" ")' \
		"$(run_dir "$3")/plan.json")
	is "$(of "$3" '[.workers[].name] | sort | join(" ")')" "$plan" "$1: it had all that is planned"
	is "$(of "$3" '[.workers[] | select(.engine != "benchmark" and .critical and .ready == null) |
		.name] | join(" ")')" "" "$1: each was ready"
	is "$(of "$3" '[.workers[] | select(.ready and (.started > .up or .up > .ready or
		.ready > .ended)) | .name] | join(" ")')" "" \
		"$1: started, up, ready and ended, in this order"
}

rehearsed() { # WHAT CONFIG JOB
	came_up "$@" || return
	is "$(of "$3" '.warnings | join("; ")')" "" "$1: no warning"
	is_marked "$1" "$3"
	measured "$1" "$3"
	went_through "$1" "$3"
}
