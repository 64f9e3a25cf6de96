#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node that hangs in a collective of all nodes costs a deadline: what is told of it.
set -u
: "${BUILD:?}"
exec "$BUILD/t/test_nccl_interop" hang
