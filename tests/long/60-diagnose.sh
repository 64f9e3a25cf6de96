#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every planted failure: see tests/diagnose/run.sh.
exec "${SRC:?}/tests/diagnose/run.sh"
