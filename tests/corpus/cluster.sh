#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Files of the corpus, as they are, submitted as an ordinary user on a dev
# cluster: what tests/cluster/20-roles.sh asks of the project's own files.
export FILES="
	$CORPUS/trtllm/ps_gb200_gptoss120b_1k1k_con2048_ctx1tp1_gen1dep2_nixl.yaml
	$CORPUS/trtllm/ps_gb200_r1_1k1k_con2048_ctx2dep4_gen1dep16_eplb288_mtp3_nixl.yaml
	$CORPUS/srtctl/recipes/trtllm/gb200-fp4/1k1k/stp/ctx1_gen1_dep8_batch512_eplb0_mtp0.yaml
	$CORPUS/srtctl/recipes/gb300-fp4/glm5-mtp.yaml:mtp_8k1k_lowlat_3"
export CLUSTER_NODES=8
exec "$SRC/tests/cluster/20-roles.sh"
