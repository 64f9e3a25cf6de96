# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests of a command line: what a command said is in files of the working folder.
#
#	. "$(dirname "$0")/lib.sh"
#	run "$BUILD/bin/disagg-plan" --format=pdf plan.yaml
#	status 2 "no such format"
#	has err "'pdf'" "is named"
#	done_testing
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
rc=0

run() { # COMMAND...
	"$@" >out 2>err </dev/null
	rc=$?
}

# told of what is not ok; a test may have its own
evidence() {
	local file

	echo "#   status $rc"
	for file in out err; do
		[ ! -s "$file" ] || head -n 8 "$file" | cut -c 1-400 | sed "s/^/#   $file: /"
	done
}

report() { # GOOD WHAT [WHY-NOT]: 1 where it is good
	[ "$1" = 1 ]
	ok $? "$2" "${3:-}" && return
	evidence
	return 1
}

status() { report "$([ "$rc" -eq "$1" ] && echo 1)" "$2" "expected status $1"; }
has() { report "$(grep -qF -e "$2" "$1" && echo 1)" "$3" "expected in $1: $2"; }
hasnt() { report "$(grep -qF -e "$2" "$1" || echo 1)" "$3" "not expected in $1: $2"; }
line() { report "$(grep -qxF -e "$2" "$1" && echo 1)" "$3" "expected line in $1: $2"; }
lines() { report "$([ "$(wc -l <"$1")" -eq "$2" ] && echo 1)" "$3" "expected $2 lines in $1"; }
empty() { report "$([ ! -s "$1" ] && echo 1)" "$2" "expected nothing in $1"; }
is() { report "$([ "$1" = "$2" ] && echo 1)" "$3" "expected '$2', got '$1'"; }

# refuses STATUS TEXT NAME COMMAND...: stdout stays empty
refuses() {
	local code=$1 text=$2 name=$3
	shift 3
	run "$@"
	status "$code" "$name: status $code"
	has err "$text" "$name: says why"
	empty out "$name: nothing on stdout"
}
