#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything that needs no cluster, again under ASan and UBSan, under valgrind,
# and built by clang; each compiler without a warning.  What asks over HTTP, whose
# names libcurl looks up in threads, under TSan.
set -u
cd "${SRC:?}" || exit 5
count=0 failed=0
part() { # WHAT COMMAND...
	local what=$1 log
	shift
	log=$(mktemp)
	count=$((count + 1))
	if "$@" >"$log" 2>&1; then
		echo "ok $count - $what"
	else
		echo "not ok $count - $what"
		failed=1
		tail -n 30 "$log" | sed 's/^/#   /'
	fi
	rm -f "$log"
}
# shellcheck disable=SC2317 # called by name
under_valgrind() {
	local test
	for test in "$BUILD"/t/test_*; do
		case $test in *.d) continue ;; esac
		valgrind -q --error-exitcode=9 --leak-check=full "$test" >/dev/null || return
	done
	valgrind -q --error-exitcode=9 --leak-check=full "$BUILD/bin/disagg-plan" --format=json \
		configs/native-*.yaml configs/srtctl-1p2d.yaml configs/trtllm-1p1d.yaml >/dev/null || return
	valgrind -q --error-exitcode=9 --leak-check=full --child-silent-after-fork=yes "$BUILD/t/host"
}
part "gcc: no warning" make -j2 B=build/long-gcc DEVELOPER=1 tests-built
part "clang: no warning" make -j2 B=build/long-clang CC=clang DEVELOPER=1 tests-built
part "the tests under ASan and UBSan" make -j2 V=asan check-fast
part "a build with TSan" make -j2 V=tsan build/tsan/t/test_http build/tsan/t/test_ready all
part "HTTP under TSan" build/tsan/t/test_http
part "readiness under TSan" build/tsan/t/test_ready
part "disagg-wait and disagg-sim under TSan" env BUILD="$PWD/build/tsan" tests/run tests/cli/20-wait.sh
part "unit tests, disagg-plan and the fake host under valgrind" under_valgrind
echo "1..$count"
exit $failed
