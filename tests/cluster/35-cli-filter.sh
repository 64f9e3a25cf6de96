#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The alternative to the plugin's own sizing: Slurm's cli_filter calls the same
# function, and the job is the same.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles.sh"
root=${SLURM_ROOT:-}
for dir in "$root"/usr/lib/*/slurm-wlm "$root"/usr/lib/slurm "$root"/usr/lib64/slurm; do
	[ -d "$dir" ] && plugins=${dir#"$root"} && break
done
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so" \
	--plugin-args sizing=cli_filter --conf "CliFilterPlugins=cli_filter/disagg" \
	--conf "PluginDir=$BUILD/lib/slurm:$plugins"
cp "$SRC/tests/cluster/task.sh" "$SRC"/configs/*.yaml "$WORK"
plan=$SRC/configs/native-2p2d.yaml
role_job "$WORK/job.sh" "$plan"

id=$(submit --output="$WORK/job.out" --disagg-config=native-2p2d.yaml job.sh)
is "$(wait_job "$id")" COMPLETED "the job completes"
isnt "$(seen_tasks "$WORK/job.out" "$plan")" "" "tasks of workers ran"
is "$(seen_tasks "$WORK/job.out" "$plan")" "$(expected_tasks "$(job_hosts "$id")" "$plan")" \
	"every task is the plan's"
out=$(submit --disagg-config=native-2p2d.yaml -N 9 job.sh 2>&1)
is $? 1 "a contradiction is refused"
has "$out" "native-2p2d.yaml" "and names the file"
out=$(submit --disagg-config=native-2p2d.yaml --disagg-set=roles.decode.gpus=x job.sh 2>&1)
is $? 1 "a bad configuration is refused"
has "$out" "expected" "and says what was expected"
out=$(as_user sbatch --disagg-dry-run --disagg-config=native-2p2d.yaml --time=5 job.sh 2>&1)
is $? 0 "a dry run ends with 0"
has "$out" --time=00:05:00 "and shows the user's own words"
out=$(as_user sbatch --disagg-dry-run --disagg-config=native-2p2d.yaml -N 9 job.sh 2>&1)
is $? 1 "a dry run of a contradiction is refused"
has "$out" "3 nodes of 4 GPUs" "with the plan"
has "$out" "--nodes=9 contradicts" "and the reason"
runs 0 "a job without the option is not touched" as_user srun -N2 true
is "$(as_user squeue -h)" "" "nothing is queued"
no_node_drained
done_testing
