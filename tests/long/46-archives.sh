#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole fault matrix with the epilog's plugin: the archive of each fault names
# it on its first page.  The table at the end shows what each page says.
ARCHIVES=yes FAULTS=all exec "${SRC:?}/tests/cluster/87-faults.sh"
