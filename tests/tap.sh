# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# TAP for the tests in bash, by tests/cli/lib.sh and tests/cluster/lib.sh.
tests=0 tests_failed=0

ok() { # STATUS WHAT [WHY-NOT]
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
		return
	fi
	echo "not ok $tests - $2"
	tests_failed=$((tests_failed + 1))
	[ -z "${3:-}" ] || printf '%s\n' "$3" | head -n 30 | cut -c 1-600 | sed 's/^/#   /'
	return "$1"
}

# the lines of a value as TAP comments
note() { # LABEL VALUE
	printf '%s\n' "$2" | sed "s/^/#   $1 /" | head -n 30
}

is() { # GOT WANT WHAT
	[ "$1" = "$2" ]
	ok $? "$3" && return
	note got "$1"
	note expected "$2"
	return 1
}

isnt() { # GOT UNWANTED WHAT
	[ "$1" != "$2" ]
	ok $? "$3" && return
	note "got, unwanted" "$1"
	return 1
}

skip() { # WHAT REASON
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

skip_all() { # REASON
	echo "ok 1 - not run # SKIP $1"
	echo "1..1"
	exit 0
}

done_testing() {
	echo "1..$tests"
	[ "$tests_failed" -eq 0 ]
	exit
}
