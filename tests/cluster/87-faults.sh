#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The fault matrix: whatever fails, disagg run notices in time, says what it was
# with the documented exit status, ends the rest in order, and leaves nothing.
# FAULTS=all runs all of it; else a short form of it runs.  Jobs run side by side.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/cluster/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/cluster/faults.sh
. "$here/faults.sh"
# shellcheck source=tests/cluster/fault-rows.sh
. "$here/fault-rows.sh"
with_epilog=()
# shellcheck source=tests/cluster/archives.sh
[ -z "${ARCHIVES:-}" ] || . "$here/archives.sh"
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
# full disks are small file systems, which this process and the cluster alone see
[ -n "${FAULTS_SPACE:-}" ] || exec env FAULTS_SPACE=yes unshare --mount "$0" "$@"

# shellcheck disable=SC2317 # called by name
leave() {
	local rc=$?
	[ -z "${FAULTS_KEEP:-}" ] || cp -r "$WORK" "$FAULTS_KEEP"
	umount "$DISK"/* 2>/dev/null
	rm -rf --one-file-system "$DISK"
	(exit "$rc")
	cluster_down
}

DISK=$(mktemp -d) || exit 5
mkdir "$DISK"/{before,later}
chmod 755 "$DISK"
for disk in before later; do
	mount -t tmpfs -o size=256k,mode=1777 faults "$DISK/$disk" || exit 5
done
dd if=/dev/zero of="$DISK/before/fill" bs=4k 2>/dev/null
cluster_up --nodes 10 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so" --conf SlurmdTimeout=60 \
	--conf PreemptType=preempt/partition_prio --conf PreemptMode=REQUEUE \
	--conf 'PartitionName=high Nodes=ALL PriorityTier=10 State=UP' ${with_epilog[@]+"${with_epilog[@]}"}
trap leave EXIT
mkdir_all || exit 5
configs
[ -z "${ARCHIVES:-}" ] || limit_memory

# ---- what takes long ----
job=$(SCRIPT=watch.sh run_job pair)
extra[$job]=slurmd_judge
row "slurmd dies" 0 COMPLETED "$job"
by_hand slurmd_dies "$job"
if [ "${FAULTS:-}" = all ]; then
	ended "the time limit" 6 TIMEOUT "time limit has come" limit_it
	job=$(FAULT='prefill_0=503:3' run_job pair)
	extra[$job]=launch_judge
	row "a drained node without slurmd" 5 FAILED "$job"
	by_hand slurmd_drained "$job"
	run_all=yes
fi

# ---- processes: 7 ----
process "a rank exits 0" decode_0.1=exit0:1 world decode_0 1
process "a worker exits 0" decode_1=exit0:1
process "a worker is killed" decode_1=die:1:KILL
process "a worker dies when it was ready" decode_1=die-after-ready:0.5:3
if [ -n "${run_all:-}" ]; then
	process "a worker exits 1" decode_1=die:1
	process "a worker exits 0 at once" decode_1=exit0:0
	process "a worker exits 0 when it was ready" decode_1=die-after-ready:2:0
	process "a worker dies by a fault of memory" decode_1=die:1:SEGV
	process "the router dies" router_0=die-after-ready:1 small router_0
fi

# ---- deadlines: 6 ----
deadline "it hangs before it is ready" decode_1=hang-before-ready "decode_1 ("
deadline "the counts stay short" router_0=short-counts "has 1 of 1 prefill and 1 of 2 decode"
deadline "the router answers 503" router_0=503 "router_0 (answers 503)"
deadline "the canary fails" "decode_0=fail-requests;decode_1=fail-requests" "a test request through the frontend (answers 500: "
job=$(run_job small --disagg-set=roles.decode.ready.lost_after="$LOST")
killed[$job]=decode_1
extra[$job]=lost_judge
row "it hangs when it was ready" 6 FAILED "$job"
by_hand freeze "$job"
job=$(run_job small --disagg-set=roles.decode.ready.lost_after=12)
extra[$job]=thaws_judge
row "it hangs for a while" 0 COMPLETED "$job"
by_hand thaws "$job"
job=$(run_job spare --disagg-set=roles.decode.ready.lost_after="$LOST")
extra[$job]=spare_judge
row "one that is not critical hangs" 0 COMPLETED "$job"
by_hand spare "$job"
if [ -n "${run_all:-}" ]; then
	deadline "it is never ready" decode_1=never-ready decode_1
	deadline "the canary has no tokens" "decode_0=zero-tokens;decode_1=zero-tokens" "a test request through the frontend (a generation"
	job=$(FAULT=router_0=hang-after-ready:1 run_job small --disagg-set=roles.router.ready.lost_after="$LOST")
	row "the router hangs when it was ready" 6 FAILED "$job"
	job=$(run_job bench --disagg-set=roles.decode.ready.lost_after="$LOST")
	killed[$job]=decode_1
	extra[$job]=lost_judge
	row "it hangs beside the benchmark" 6 FAILED "$job"
	by_hand freeze "$job" benchmark
fi

# ---- others ----
row "another model" 8 FAILED "$(FAULT='*=wrong-model' run_job small)"
job=$(run_job small --disagg-set=roles.decode.restart=1)
extra[$job]=again_judge
killed[$job]=decode_1
row "one that is started again" 0 COMPLETED "$job"
by_hand again "$job"
refused "a step that Slurm refuses" task 5 FAILED
refused "a step that srun refuses once" srun 0 COMPLETED

job=$(run_job small --disagg-set=log_dir="$DISK/before")
extra[$job]=before_judge
row "a full disk" - FAILED "$job"
job=$(run_job spare --disagg-set=log_dir="$DISK/later")
extra[$job]=full_judge
run_dir[$job]=$DISK/later/$job
row "a disk that is full later" - FAILED "$job"
by_hand fills "$job"

job=$(run_job pair)
killed[$job]=decode_0
extra[$job]=down_judge
row "a node is set down" 7 NODE_FAIL "$job"
by_hand set_down "$job" serving
job=$(FAULT='prefill_0=503:3' run_job pair --no-kill)
extra[$job]=launch_judge
row "a node is down before a launch" 5 FAILED "$job"
by_hand set_down "$job" waiting
if [ -n "${run_all:-}" ]; then
	job=$(run_job pair --no-kill)
	killed[$job]=decode_0
	extra[$job]=down_judge
	row "a node is set down and the job stays" 7 FAILED "$job"
	by_hand set_down "$job" serving
fi

# ---- ends ----
mkdir "$WORK/refuse/slow"
: >"$WORK/refuse/slow/decode_1.slow"
canceled starting 1 small ''
canceled benchmark 1 bench ''
canceled ending 0 small decode_1=ignore-term
if [ -n "${run_all:-}" ]; then
	canceled waiting 1 small decode_1=never-ready
	canceled serving 0 small ''
	requeued "preempted and requeued" "the job is preempted" preempt_it
	ended "preempted" 1 PREEMPTED "the job is preempted" preempt_it
fi
requeued "requeued" "the job is requeued" requeue_it
job=$(FAULT=decode_1=ignore-term run_job small)
extra[$job]=twice_judge
row "SIGTERM twice" 0 COMPLETED "$job"
by_hand twice "$job"

[ -z "${ARCHIVES:-}" ] || archive_rows
judge_rows

# ---- Slurm itself, when no other job needs it ----
if [ -n "${run_all:-}" ]; then
	job=$(run_job small)
	killed[$job]=$'router_0\nprefill_0\ndecode_0\ndecode_1'
	extra[$job]=silent_judge
	row "a controller that is silent at the end" 0 COMPLETED "$job"
	by_hand silent_end "$job"
	judge_rows
fi
all_gone
[ -z "${ARCHIVES:-}" ] || show_table
done_testing
