#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What one task of a step sees, on one line of key=value.  With DEVICES=DIR
# (the node's nvidiaN files) it opens each device: `open` are those that the
# device cgroup lets it have, `share` those of them that its
# CUDA_VISIBLE_DEVICES picks by position, as CUDA does, `denied` the others.
answer() {
	# a node without a driver behind it answers ENXIO once access is granted
	local error
	error=$( { : <"$1"; } 2>&1) && return 0
	case $error in
	*'No such device or address'* | *'No such device'*) return 0 ;;
	esac
	return 1
}

open='' denied='' share=''
if [ -n "${DEVICES:-}" ]; then
	list=()
	for dev in $(printf '%s\n' "$DEVICES"/nvidia[0-9]* | sort -V); do
		n=${dev##*nvidia}
		if answer "$dev"; then
			list+=("$n")
		else
			denied+=${denied:+,}$n
		fi
	done
	open=$(IFS=,; echo "${list[*]}")
	IFS=, read -r -a tokens <<<"${CUDA_VISIBLE_DEVICES:-}"
	for token in "${tokens[@]}"; do
		share+=${share:+,}${list[$token]:-missing}
	done
fi
echo "task=${SLURM_PROCID:-?} host=$(hostname) step=${SLURM_STEP_ID:-?}" \
	"role=${DISAGG_ROLE:-} worker=${DISAGG_WORKER:-} index=${DISAGG_WORKER_INDEX:-}" \
	"of=${DISAGG_WORKERS:-} rank=${DISAGG_RANK:-} size=${DISAGG_SIZE:-}" \
	"node_rank=${DISAGG_NODE_RANK:-} nodes=${DISAGG_NODES:-} leader=${DISAGG_LEADER:-}" \
	"http=${DISAGG_PORT_HTTP:-} bootstrap=${DISAGG_PORT_BOOTSTRAP:-}" \
	"prefill=${DISAGG_PREFILL_ENDPOINTS:-} decode=${DISAGG_DECODE_ENDPOINTS:-}" \
	"url=${DISAGG_FRONTEND_URL:-} cuda=${CUDA_VISIBLE_DEVICES:-}" \
	"open=$open share=$share denied=$denied"
