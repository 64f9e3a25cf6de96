#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demo's job: one step a worker, which prints what the plugin gave each task.
# sbatch --disagg-config=native-2p2d.yaml demo-job.sh
# shellcheck disable=SC2016 # for the task's shell to expand
show='printf "%-10s rank %s of %s  %-9s GPUs %-8s port %s\n" "$DISAGG_WORKER" \
	"$DISAGG_RANK" "$DISAGG_SIZE" "$(uname -n)" "${CUDA_VISIBLE_DEVICES:--}" "${DISAGG_PORT_HTTP:--}"'
# shellcheck disable=SC2016
ends='echo "$DISAGG_WORKER sees prefill at $DISAGG_PREFILL_ENDPOINTS and decode at" \
	"$DISAGG_DECODE_ENDPOINTS"'

for worker in prefill:0 prefill:1 decode:0 decode:1; do
	srun --overlap -K --disagg-role="$worker" bash -c "$show" &
done
wait
srun --overlap -K --disagg-role=router bash -c "$show; $ends"
