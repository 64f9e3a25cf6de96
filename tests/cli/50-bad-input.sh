#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What every helper says to a wrong command line.  The programs and their
# options are taken from build/bin and from --help, so that a new one is covered
# at once.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-bad.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5
for name in ${!DISAGG_*} ${!SLURM_*}; do
	unset "$name"
done

run() { # COMMAND...
	timeout -k 1 20 "$@" >out 2>err </dev/null
	rc=$?
}

# one call, one line: status 2, the text on stderr, nothing on stdout, and not much of it
refuses() { # TEXT NAME COMMAND...
	local text=$1 name=$2
	shift 2
	run "$@"
	report "$([ $rc -eq 2 ] && grep -qF -e "$text" err && [ ! -s out ] &&
		[ "$(wc -c <err)" -lt 2000 ] && echo 1)" "$name" "expected status 2 and '$text' on stderr"
}

# What a call needs to come as far as its operands.
needed() { # PROGRAM
	case $1 in
	disagg-bench) echo --url=http://127.0.0.1:1 ;;
	disagg-sim) echo --as=vllm ;;
	esac
}

# Placeholders of --help that stand for a number or a time, with what is no such.
# -1 and 0 are for each option's own tests: some allow them.
is_number() { # PLACEHOLDER
	case $1 in
	N | N,... | TIME | PORT | X | Y | R | PERCENT | PID | JOBID | COUNT | SECONDS) return 0 ;;
	esac
	return 1
}
wrong_numbers=('' x 1x ' 1' 0x10 -5 nan 1e999 99999999999999999999 $'1\e[31m')
long=$(head -c 100000 /dev/zero | tr '\0' 7)

one_option() { # PROGRAM OPTION PLACEHOLDER; no placeholder: a flag
	local program=$1 option=$2 holder=$3 value need
	need=$(needed "$1")
	[ "$need" != "${need#"$option="}" ] && need=''
	if [ -z "$holder" ]; then
		refuses "option '$option' takes no value" "$program $option=x" "$bin/$program" "$option=x"
		return
	fi
	# shellcheck disable=SC2086
	refuses "option '$option' needs a value" "$program $option" "$bin/$program" $need "$option"
	# shellcheck disable=SC2086
	run "$bin/$program" $need "$option=$long" surplus
	report "$([ $rc -ge 2 ] && [ $rc -le 8 ] && [ "$(wc -c <err)" -lt 8192 ] && echo 1)" \
		"$program $option: 100,000 characters" "a status from 2 to 8 and few words"
	is_number "$holder" || return
	for value in "${wrong_numbers[@]}" "$long"; do
		# shellcheck disable=SC2086
		refuses "$option: " "$program $option='$(printf '%.12q' "$value")'" \
			"$bin/$program" $need "$option=$value"
	done
}

# "--NAME PLACEHOLDER" of each option
options_of() { # PROGRAM
	"$bin/$1" --help | sed -n '/^options:/,/^$/s/^ *\(-[a-z], \)\?\(--[a-z-]*\)\(=\([^ ]*\)\)\? .*/\2 \4/p'
}

one_program() { # PROGRAM
	local program=$1 need option holder
	need=$(needed "$1")
	run "$bin/$program" --help
	report "$([ $rc -eq 0 ] && [ ! -s err ] && grep -q '^usage: ' out && echo 1)" "$program --help"
	for part in options examples 'exit status'; do
		report "$(grep -qxF "$part:" out && echo 1)" "$program --help has $part"
	done
	run "$bin/$program" --version
	report "$([ $rc -eq 0 ] && grep -q "^$program $(<"$SRC/VERSION")\$" out && echo 1)" "$program --version"
	for option in --help --version; do
		"$bin/$program" $option >&- 2>err </dev/null
		rc=$?
		report "$([ $rc -eq 5 ] && grep -qF 'cannot write' err && echo 1)" \
			"$program $option: stdout is closed"
		"$bin/$program" $option >/dev/full 2>err </dev/null
		rc=$?
		report "$([ $rc -eq 5 ] && grep -qF 'cannot write' err && echo 1)" \
			"$program $option: stdout is full"
	done
	refuses "'--no-such-option'" "$program --no-such-option" "$bin/$program" --no-such-option=1
	refuses "'-Z'" "$program -Z" "$bin/$program" -Z
	refuses "'--no?[31msuch'" "$program: an option with control characters" \
		"$bin/$program" $'--no\e[31msuch'
	"$bin/$program" --no-such-option >out 2>&- </dev/null
	rc=$?
	report "$([ $rc -eq 2 ] && [ ! -s out ] && echo 1)" "$program: stderr is closed"
	run env -i "$bin/$program" --help
	report "$([ $rc -eq 0 ] && echo 1)" "$program --help with an empty environment"
	# alone it looks at this node
	if [ "$program" != disagg-probe ]; then
		run env -i "$bin/$program"
		report "$([ $rc -eq 2 ] && [ -s err ] && [ ! -s out ] && echo 1)" \
			"$program alone with an empty environment"
	fi
	while read -r option holder; do
		one_option "$program" "$option" "$holder"
	done < <(options_of "$program")
	case $("$bin/$program" --help | sed -n 's/^usage: //p') in
	"$program "*'[OPTION]...')
		# shellcheck disable=SC2086
		refuses "unexpected argument 'surplus'" "$program: a surplus argument" \
			"$bin/$program" $need surplus
		# shellcheck disable=SC2086
		refuses "unexpected argument ''" "$program: an empty argument" "$bin/$program" $need ''
		;;
	esac
}

bin=$BUILD/bin
programs=$(cd "$bin" && echo disagg*)
report "$([ "$(echo "$programs" | wc -w)" -ge 8 ] && echo 1)" "there are helpers" "$programs"
for program in $programs; do
	one_program "$program"
done

# the same flag by two names: the one that was typed is named
refuses "--request-rate: expected" "an option by its other name" \
	"$bin/disagg-bench" --url=http://127.0.0.1:1 --request-rate=x
refuses "unknown verb 'no-such-verb'" "disagg: an unknown verb" "$bin/disagg" no-such-verb
refuses "'../disagg-plan'" "disagg: a path is no verb" "$bin/disagg" ../disagg-plan
refuses "unexpected argument '2'" "disagg-status: two jobs" "$bin/disagg-status" 1 2
run "$bin/disagg-plan" --check "$long"
report "$([ $rc -eq 3 ] && [ "$(wc -c <err)" -lt 4096 ] && echo 1)" "disagg-plan: a name of 100,000 characters"
done_testing
