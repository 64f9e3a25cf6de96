#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job that is requeued: the epilog of each run leaves an archive of its own.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 2 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so" \
	--epilog "$BUILD/lib/slurm/disagg_epilog.so" --epilog-args "pack=$BUILD/bin/disagg-pack deadline=20"
cat >"$WORK/again.yaml" <<'YAML'
disagg: 1
name: again
gpus_per_node: 4
roles:
  decode:
    engine: command
    workers: 2
    gpus: 4
    command: [sleep, 60]
benchmark: {type: manual}
YAML
cat >"$WORK/again.sh" <<'SH'
#!/bin/bash
srun --disagg-role=decode:1 sh -c 'exit $((3 + ${SLURM_RESTART_COUNT:-0}))'
[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || { scontrol requeue "$SLURM_JOB_ID"; sleep 60; }
exit 1
SH

until_there() { # PATTERN [SECONDS]
	local end=$((SECONDS + ${2:-30}))
	until compgen -G "$1" >/dev/null || [ $SECONDS -ge $end ]; do
		sleep 0.1
	done
}

job=$(as_user sbatch --parsable --requeue --output=%j.out --open-mode=append --exclusive \
	--disagg-config=again.yaml again.sh)
until_there "$WORK/job_${job}_*"
sum=$(sha256sum "$WORK"/job_"${job}"_*)
release "$job"
is "$(wait_job "$job")" FAILED "the second run comes to its end"
until_there "$WORK/job_$job.1_*"
date=$(date -u +%Y%m%d)
is "$(cd "$WORK" && echo job_*)" "job_$job.1_failure_$date.tar.gz job_${job}_failure_$date.tar.gz" \
	"each run has an archive"
is "$(sha256sum "$WORK"/job_"${job}"_*)" "$sum" "the first run's stays as it was"
page=$(tar xzOf "$WORK"/job_"${job}"_* "job_$job/summary.txt")
is "$(echo "$page" | head -n 1)" "job $job: failure: user_app (low confidence)" "the first one's page is of the first run"
has "$(echo "$page" | tr -s ' \n' ' ')" "run disagg-$job, 2 nodes;" "and names its directory"
has "$page" "exit status 3" "with how its task ended"
has "$page" "the job was requeued" "and that the job was requeued"
page=$(tar xzOf "$WORK"/job_"$job".1_* "job_$job.1/summary.txt")
is "$(echo "$page" | head -n 1)" "job $job, restart 1: failure: user_app (low confidence)" "the second one's page says which run"
has "$page" "exit status 4" "with how its task ended"
hasnt "$page" "the job was requeued" "it was not requeued"
no_node_drained
done_testing
