#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# NVLS that is off, at the least size that tells it.
set -u
: "${BUILD:?}"
exec "$BUILD/t/test_nccl_intra" nvls
