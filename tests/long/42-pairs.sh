#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fifty pairs of jobs that start together on the same nodes.
PAIRS=50 exec "$(dirname "$0")/../cluster/83-ports.sh"
