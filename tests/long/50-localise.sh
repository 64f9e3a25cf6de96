#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The pair search over 500 simulated fleets of each kind: it names exactly the slow
# nodes in every one.
set -u
: "${BUILD:?}"
exec "$BUILD/t/test_localise" 500
