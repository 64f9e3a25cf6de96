#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole fault matrix; a short form of it is part of make check.
FAULTS=all exec "${SRC:?}/tests/cluster/87-faults.sh"
