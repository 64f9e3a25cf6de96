#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The epilog leaves one archive a job: of a failure, of a success, after scancel, of a
# job whose script never came to disagg-run; and costs a job of others nothing.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 3 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so" \
	--epilog "$BUILD/lib/slurm/disagg_epilog.so" --epilog-args "pack=$BUILD/bin/disagg-pack deadline=20"
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"

config() { # NAME COMMAND
	cat >"$WORK/$1.yaml" <<YAML
disagg: 1
name: $1
gpus_per_node: 4
roles:
  decode:
    engine: command
    workers: 2
    gpus: 4
    command: [sh, -c, "$2"]
benchmark: {type: manual}
YAML
}
# shellcheck disable=SC2016
config dies 'echo HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyz012345; sleep 1; [ $DISAGG_WORKER_INDEX = 0 ] || exit 3; sleep 60'
config lives 'sleep 60'

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --output=%j.out --exclusive \
		--disagg-config="$config" "$@"
}

archive() { # JOB [SECONDS]: its path, when it is there
	local end=$((SECONDS + ${2:-20}))
	until compgen -G "$WORK/job_$1_*.tar.gz"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

over() { # JOB: its epilogs too
	wait_job "$1" >/dev/null
	local end=$((SECONDS + 30))
	while as_root squeue -h -t all -j "$1" -o %t 2>/dev/null | grep -q CG && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
}

# ---- a worker dies
job=$(run_job dies.yaml "$SRC/scripts/disagg-job.sh")
over "$job"
made=$(archive "$job")
is "${made##*/}" "job_${job}_failure_$(date -u +%Y%m%d).tar.gz" "a job that failed leaves an archive"
is "$(stat -c %U "$made")" "$TEST_USER" "which is the user's"
is "$(tar tzf "$made" | head -n 1)" "job_$job/summary.txt" "its first member is the summary"
has "$(tar xzOf "$made" --wildcards "job_$job/exits/*.jsonl" | grep '"worker":"decode_1"')" '"status":768' \
	"how the worker ended is in it"
summary=$(tar xzOf "$made" "job_$job/summary.txt")
has "$summary" "decode_1" "which names the worker that died"
has "$summary" "exit status 3" "and how"
what() { # PAGE: what it says happened, and to whom
	echo "$1" | sed -n 's/^  what *//p; s/^  who *//p' | paste -sd'|'
}
has "$(what "$summary")" "decode_1 ended with exit status 3, and its log does not say why|decode_1, rank 0, node " \
	"as the cause, not a consequence"
[ "$(echo "$summary" | wc -l)" -le 60 ] && [ -z "$(echo "$summary" | awk 'length($0) > 80')" ]
ok $? "on one page"
has "$(tar xzOf "$made" "job_$job/processes.txt")" "==== ${NODES[1]}, after the job" "each node has left its part"
has "$(tar xzOf "$made" "job_$job/processes.txt")" "==== ${NODES[0]}, while the job ran" "one before the end too"
has "$(tar tzf "$made")" "job_$job/decode_1.log" "the logs are in it"
has "$(tar xzOf "$made" "job_$job/output.log")" "disagg-run: " "and the job script's own output"
has "$(tar xzOf "$made" "job_$job/kernel.txt")" "==== ${NODES[0]}" "the kernel's lines too"
tar xzOf "$made" >"$WORK/all"
hasnt "$(grep -a hf_abcdefghijklmnopqrstuvwxyz "$WORK/all")" hf_ "a secret that a log had is masked"
is "$(cat "$WORK/disagg-$job"/exits/*.jsonl |
	jq -rs 'map(select(.status != 0)) | min_by(.at) | "\(.worker) \(.node) \(.status)"')" \
	"decode_1 ${NODES[1]} 768" "who died first, and where, is on the disk"

# ---- the user ends it
job=$(run_job lives.yaml "$SRC/scripts/disagg-job.sh")
end=$((SECONDS + 30))
until [ "$(jq -r .phase "$WORK/disagg-$job/state.json" 2>/dev/null)" = serving ] || [ $SECONDS -ge $end ]; do
	sleep 0.1
done
as_user scancel --batch --signal=TERM "$job"
over "$job"
made=$(archive "$job")
has "$(tar xzOf "$made" "job_$job/summary.txt")" "job $job: " "one that was told to end leaves one too"
job=$(run_job lives.yaml "$SRC/scripts/disagg-job.sh")
end=$((SECONDS + 30))
until [ -s "$WORK/disagg-$job/state.json" ] || [ $SECONDS -ge $end ]; do
	sleep 0.1
done
as_user scancel "$job"
over "$job"
summary=$(tar xzOf "$(archive "$job")" "job_$job/summary.txt")
case $summary in
*"failure: cancelled"* | *": success"*) ok 0 "and one that was cancelled says so, or that it had served" ;;
*) ok 1 "and one that was cancelled says so, or that it had served" || note got "$summary" ;;
esac

# ---- no disagg-run
cat >"$WORK/plain.sh" <<'SH'
#!/bin/sh
srun --disagg-role=decode:0 true
SH
job=$(run_job lives.yaml "$WORK/plain.sh")
over "$job"
made=$(archive "$job")
has "$(tar xzOf "$made" "job_$job/summary.txt")" "success" "a script of the user's own that went well is a success"

# ---- others
job=$(submit --output=/dev/null --wrap=true)
over "$job"
is "$(compgen -G "$WORK/*job_${job}_*")" "" "a job without the option leaves nothing"
is "$(nm -D "$BUILD/lib/slurm/disagg.so" | grep -c 'slurm_spank_job_')" 0 "the main plugin has no hook in its epilog"
# of this cluster: another one may be up on this machine
for pid in $(pgrep -f 'disagg-pack --[h]ook'); do
	! grep -qs "$WORK" "/proc/$pid/environ" || echo "$pid"
done >"$WORK/left"
is "$(cat "$WORK/left")" "" "no packer is left"
no_node_drained
done_testing
