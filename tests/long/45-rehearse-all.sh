#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every variant of every recipe of the corpus (CORPUS), at its full number of
# nodes and workers: about a quarter of an hour on two cores.
. "$(dirname "$0")/../cluster/recipes.sh"
[ -n "${CORPUS:-}" ] || skip_all "say CORPUS=DIR"
MOST_NODES=18

cluster_up --nodes $MOST_NODES --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
rehearse_here
corpus_variants >"$WORK/variants"
is "$(awk -F'\t' -v most=$MOST_NODES '$2 > most' "$WORK/variants")" "" \
	"the cluster has nodes enough for each"
awk -F'\t' -v OFS='\t' '{ $1 = $4; sub(/.*\/(recipes|trtllm)\//, "", $1); print }' "$WORK/variants" |
	sort -t$'\t' -k2,2n >"$WORK/all"
rehearse_all <"$WORK/all"
no_node_drained
done_testing
