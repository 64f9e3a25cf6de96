# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion for disagg and each disagg-VERB; for bash-completion's folder
# (/usr/share/bash-completion/completions) or to be sourced.

# Options are read from --help, so that there is no second list of them.
_disagg_options() {
	"$1" --help 2>/dev/null | sed -n 's/^  .*\(--[a-z][a-z-]*=\{0,1\}\).*/\1/p' | sort -u
}

_disagg_verbs() {
	disagg help 2>/dev/null | sed -n '/^verbs:/,/^$/s/^  \([a-z][a-z0-9-]*\).*/\1/p'
}

# What is only part of a word is not to have a blank behind it.
_disagg_no_space() {
	compopt -o nospace 2>/dev/null || :
}

_disagg_reply() { # WORDLIST WORD
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
	case ${#COMPREPLY[@]}${COMPREPLY[0]-} in
	1*=) _disagg_no_space ;;
	esac
}

# A variant may follow the one file that is left.
_disagg_files() {
	mapfile -t COMPREPLY < <(
		compgen -d -S / -- "$1"
		compgen -f -X '!*.yaml' -- "$1"
		compgen -f -X '!*.yml' -- "$1"
	)
	[ "${#COMPREPLY[@]}" -eq 1 ] || return 0
	case ${COMPREPLY[0]} in
	*/) _disagg_no_space ;;
	*) [ -z "$(disagg-plan --variants "${COMPREPLY[0]}" 2>/dev/null)" ] || _disagg_no_space ;;
	esac
}

_disagg_jobs() {
	squeue --me --noheader --states=running --format=%A 2>/dev/null
}

# readline splits a word at '=' and ':', which stand alone then.  Sets the word
# to complete, what stands before it, and the option that it is the value of.
_disagg_look() {
	word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option=
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
}

_disagg_plan() {
	local word before option

	_disagg_look
	if [ "$before" = : ]; then
		_disagg_reply "$(disagg-plan --variants "$option" 2>/dev/null |
			cut -d ' ' -f 1)" "$word"
		return
	fi
	case $option in
	--format)
		_disagg_reply "table json sbatch env svg commands" "$word"
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
		_disagg_reply "$(_disagg_jobs)" "$word"
	elif [ "$COMP_CWORD" -le $(($1 + 3)) ]; then
		workers=$(_disagg_workers "${COMP_WORDS[$1]}")
		[ "$before" = : ] && workers=$(sed -n "s/^${COMP_WORDS[$1 + 1]}://p" <<<"$workers")
		_disagg_reply "$workers" "$word"
	fi
}

# Run directories: those of this folder by their name, any behind a '/'.
_disagg_status() { # WORD
	local pattern='!disagg-*'

	case $1 in
	*/*) pattern= ;;
	esac
	mapfile -t COMPREPLY < <(
		compgen -d -X "$pattern" -- "$1"
		compgen -W "$(_disagg_jobs)" -- "$1"
	)
}

# The last name of a list of probes is completed, with those before it.
_disagg_probes() { # WORD
	local done=

	case $1 in
	*,*) done=${1%,*}, ;;
	esac
	_disagg_reply "$(disagg-probe --list 2>/dev/null |
		sed "1d; s/ .*//; s/^/$done/")" "$1"
}

# Files of records, reports, and folders of them.
_disagg_records() { # WORD
	mapfile -t COMPREPLY < <(
		compgen -d -S / -- "$1"
		compgen -f -X '!*.json*' -- "$1"
	)
	case ${COMPREPLY[*]} in
	*/) _disagg_no_space ;;
	esac
}

# a run, an archive, or any file
_disagg_diagnose() { # WORD
	_disagg_status "$1"
	mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
		compgen -f -X '!*.log' -- "$1"
		compgen -f -X '!*.out' -- "$1"
		compgen -f -X '!*.tar.gz' -- "$1"
		compgen -f -X '!*.tar.zst' -- "$1"
	)
}

_disagg_other() { # VERB
	local word before option

	_disagg_look
	case $1$option in
	probe--suite) _disagg_reply "quick standard thorough" "$word" ;;
	probe--probe | probe--skip) _disagg_probes "$word" ;;
	probe--out | probe--reference | probe--baseline | probe--model | probe--kernel-log | probe--sysroot | probe--xid-table)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	report--format) _disagg_reply "text json markdown html junit prometheus" "$word" ;;
	report--*) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
	pack--mode) _disagg_reply "basic standard comprehensive" "$word" ;;
	pack--format) _disagg_reply "tar.gz tar.zst" "$word" ;;
	pack--status) _disagg_reply "state success failure" "$word" ;;
	pack--stage) _disagg_reply "run end" "$word" ;;
	pack--out) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	diagnose--format) _disagg_reply "text json junit" "$word" ;;
	diagnose--signatures) _disagg_files "$word" ;;
	diagnose--slurm-state)
		_disagg_reply "CANCELLED COMPLETED FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT" \
			"$word"
		;;
	*--format) _disagg_reply "text json" "$word" ;;
	wait--kind)
		_disagg_reply "http tcp etcd nats dynamo sglang-router trtllm-server vllm" "$word"
		;;
	*)
		case $word in
		-*) _disagg_reply "$(_disagg_options "disagg-$1")" "$word" ;;
		*)
			case $1 in
			status | pack) _disagg_status "$word" ;;
			report) _disagg_records "$word" ;;
			diagnose) _disagg_diagnose "$word" ;;
			esac
			;;
		esac
		;;
	esac
}

_disagg_verb() { # VERB FIRST: which word is its first
	case $1 in
	plan) _disagg_plan ;;
	shell) _disagg_shell "$2" ;;
	*) _disagg_other "$1" ;;
	esac
}

_disagg_disagg() {
	local word=${COMP_WORDS[COMP_CWORD]}

	if [ "$COMP_CWORD" -eq 1 ]; then
		_disagg_reply "help $(_disagg_verbs)" "$word"
	elif [ "${COMP_WORDS[1]}" != help ]; then
		_disagg_verb "${COMP_WORDS[1]}" 2
	elif [ "$COMP_CWORD" -eq 2 ]; then
		_disagg_reply "$(_disagg_verbs)" "$word"
	fi
}

_disagg_program() {
	_disagg_verb "${COMP_WORDS[0]##*disagg-}" 1
}

complete -F _disagg_disagg disagg
complete -F _disagg_program disagg-{bench,exec,node,plan,probe,report,run,shell,sim,status,wait}
complete -F _disagg_program disagg-{bench,diagnose,exec,node,plan,run,shell,sim,status,wait}
