# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion for disagg, disagg-plan and disagg-shell; for bash-completion's folder
# (/usr/share/bash-completion/completions) or to be sourced.

# Options are read from --help, so that there is no second list of them.
_disagg_options() {
	"$1" --help 2>/dev/null | sed -n 's/^  .*\(--[a-z][a-z-]*=\{0,1\}\).*/\1/p'
}

_disagg_reply() { # WORDLIST WORD
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_disagg_files() {
	mapfile -t COMPREPLY < <(
		compgen -d -S / -- "$1"
		compgen -f -X '!*.yaml' -- "$1"
		compgen -f -X '!*.yml' -- "$1"
	)
}

# readline splits a word at '=' and ':', which stand alone then
_disagg_plan() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option=

	case $word in
	= | :)
		before=$word
		word=
		[ "$COMP_CWORD" -gt 1 ] && option=${COMP_WORDS[COMP_CWORD - 1]}
		;;
	*)
		[ "$COMP_CWORD" -gt 2 ] && option=${COMP_WORDS[COMP_CWORD - 2]}
		;;
	esac
	[ "$before" = = ] || [ "$before" = : ] || option=$before
	if [ "$before" = : ]; then
		_disagg_reply "$(disagg-plan --variants "$option" 2>/dev/null |
			cut -d ' ' -f 1)" "$word"
		return
	fi
	case $option in
	--format)
		_disagg_reply "table json sbatch env svg" "$word"
		return
		;;
	--cluster-file)
		_disagg_files "$word"
		return
		;;
	--set | --cluster) return ;;
	esac
	case $word in
	-*) _disagg_reply "$(_disagg_options disagg-plan)" "$word" ;;
	*) _disagg_files "$word" ;;
	esac
}

# "decode:0" and so on, of a run as its state.json has it
_disagg_workers() { # JOBID|RUN_DIR
	disagg-status --format=json "$1" 2>/dev/null | tr ',{' '\n' |
		sed -n 's/^ *"name": *"\(.*\)_\([0-9]*\)".*/\1:\2/p'
}

# Behind a ':' readline completes what follows as a word of its own.
_disagg_shell() { # FIRST: which word names the job
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} workers

	[ "$word" = : ] && before=: word=
	if [ "${word:0:1}" = - ]; then
		_disagg_reply "$(_disagg_options disagg-shell)" "$word"
	elif [ "$COMP_CWORD" -eq "$1" ]; then
		_disagg_reply "$(squeue --me --noheader --states=running --format=%A 2>/dev/null)" "$word"
	elif [ "$COMP_CWORD" -le $(($1 + 3)) ]; then
		workers=$(_disagg_workers "${COMP_WORDS[$1]}")
		[ "$before" = : ] && workers=$(sed -n "s/^${COMP_WORDS[$1 + 1]}://p" <<<"$workers")
		_disagg_reply "$workers" "$word"
	fi
}

_disagg_disagg() {
	local word=${COMP_WORDS[COMP_CWORD]}

	if [ "$COMP_CWORD" -eq 1 ]; then
		_disagg_reply "help $(disagg help 2>/dev/null | sed -n 's/^  \([a-z]*\)$/\1/p')" "$word"
	elif [ "${COMP_WORDS[1]}" = plan ]; then
		_disagg_plan
	elif [ "${COMP_WORDS[1]}" = shell ]; then
		_disagg_shell 2
	fi
}

_disagg_shell_alone() {
	_disagg_shell 1
}

complete -o nospace -F _disagg_plan disagg-plan
complete -F _disagg_shell_alone disagg-shell
complete -F _disagg_disagg disagg
