#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nccl.pairs for real: 64 agents, two processes with NCCL's stub a pair.
set -u
: "${BUILD:?}"
exec "$BUILD/t/test_pairs" 64
