#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Includes point down only, foreign headers have one owner each, lib/ neither
# exits nor prints, and calls that overflow or lie are not used.
set -u
: "${SRC:?}"
cd "$SRC" || exit 5
count=0 failed=0

check() { # NAME UNEXPECTED
	count=$((count + 1))
	if [ -z "$2" ]; then
		echo "ok $count - $1"
	else
		failed=$((failed + 1))
		echo "not ok $count - $1"
		printf '%s\n' "$2" | head -n 20 | sed 's/^/#   /'
	fi
}

sources() { # DIRECTORY...
	for dir in "$@"; do
		[ -d "$dir" ] && find "$dir" -name '*.[ch]'
	done | sort
}

# Lines of code that match, comments and strings aside.
code() { # PATTERN FILE...
	pattern=$1
	shift
	[ $# -gt 0 ] || return 0
	awk -v pattern="$pattern" '
		FNR == 1 { inside = 0 }
		{
			line = $0
			if (inside) {
				if (!match(line, /\*\//)) next
				line = substr(line, RSTART + 2)
				inside = 0
			}
			gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
			gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line)
			if (match(line, /\/\*/)) {
				line = substr(line, 1, RSTART - 1)
				inside = 1
			}
			if (line ~ pattern) print FILENAME ":" FNR ": " $0
		}' "$@"
}

includes() { # DIRECTORY ALLOWED-PATTERN: includes of ours that are not allowed
	sources "$1" | while read -r file; do
		grep -nE '^#include "' "$file" | grep -vE "\"($2)/" | sed "s|^|$file:|"
	done
}

check "base includes base" "$(includes lib/base 'lib/base')"
check "conf includes base and conf" "$(includes lib/conf 'lib/(base|conf)')"
check "plan includes base, conf and plan" "$(includes lib/plan 'lib/(base|conf|plan)')"
check "engine includes what is below it" "$(includes lib/engine 'lib/(base|conf|plan|engine)')"
check "topo includes what is below it" "$(includes lib/topo 'lib/(base|conf|plan|topo)')"
check "host includes what is below it" \
	"$(includes lib/host 'lib/(base|conf|plan|engine|topo|host)')"
check "diag includes what is below it" \
	"$(includes lib/diag 'lib/(base|conf|plan|engine|topo|host|diag)')"
for part in probe result; do
	check "$part includes what is below it" \
		"$(includes lib/$part "lib/(base|conf|plan|engine|topo|host|diag|$part)")"
done
check "spank includes base, conf, plan and spank" \
	"$(includes spank 'lib/(base|conf|plan)|spank')"
check "cli_filter includes spank" "$(includes cli_filter 'spank')"
check "helpers include lib and helpers" "$(includes helpers 'lib/[a-z]+|helpers')"

owner() { # HEADER-PATTERN ALLOWED-FILES
	grep -rnE "^#include <($1)" lib spank helpers cli_filter --include='*.[ch]' 2>/dev/null |
		grep -vE "^($2):"
}

check "Slurm's headers are for the plugins" "$(owner 'slurm/' \
	'spank/(plugin|adapter|message|epilog/plugin)\.c|cli_filter/filter\.c')"
check "libyaml has one user" "$(owner 'yaml\.h' 'lib/conf/yamltree\.c')"
check "hwloc has one user" "$(owner 'hwloc' 'lib/topo/topo\.c')"
check "json-c and curl have one folder" "$(owner 'json-c/|json\.h|curl/' 'lib/host/[a-z_]+\.[ch]')"
check "the plugins look at no GPU library" \
	"$(grep -rnE '^#include <(cuda|nccl|nvml|cublas)' spank cli_filter lib/base lib/conf lib/plan)"

# shellcheck disable=SC2046,SC2086
{
	low="lib/base lib/conf lib/plan lib/engine lib/topo"
	check "lib does not exit" \
		"$(code '(^|[^a-z_0-9])(exit|_exit|abort|assert|err|errx|warn|warnx)[(]' \
			$(sources lib) | grep -vE '^lib/host/proc\.c:.*_exit[(]12[67][)]|^lib/probe/child\.c:.*_exit[(]')" # forked children
	check "lib does not print" \
		"$(code '(^|[^a-z_0-9])(printf|puts|putchar|perror|syslog)[(]|std(out|err)' \
			$(sources $low))"
	check "the pure folders read no environment and no clock" \
		"$(code '(^|[^a-z_0-9>.])(getenv|secure_getenv|setenv|time|clock_gettime|gettimeofday)[(]|environ[^m]' \
			$(sources $low) | grep -vE 'task->getenv')"
	check "calls that overflow, lie or are not ours are not used" \
		"$(code '(^|[^a-z_0-9])(strcpy|strcat|sprintf|vsprintf|strncpy|strncat|strtok|strtok_r|gets|atoi|atol|atof|alloca|system|popen|tmpnam|mktemp|setjmp|longjmp)[(]' \
			$(sources lib spank cli_filter helpers))"
	check "numbers are read in num.c" \
		"$(code '(^|[^a-z_0-9])(strto[ldu][a-z]*|sscanf)[(]' \
			$(sources lib spank cli_filter helpers | grep -v '^lib/base/num\.c$'))"
	check "the plugin exits in one place, for --disagg-dry-run" \
		"$(code '(^|[^a-z_0-9])(exit|_exit|abort)[(]' $(sources spank cli_filter) |
			grep -vE '^spank/plugin\.c:.*exit\(0\);$|^spank/(exits|epilog/plugin)\.c:.*_exit\([017]')" # forked children
	check "the plugin installs no signal handler and starts nothing but what it must" \
		"$(code '(^|[^a-z_0-9])(signal|sigaction|sigprocmask|fork|vfork|exec[lv][a-z]*|pthread_create|umask|chdir)[(]' \
			$(sources spank cli_filter) |
			grep -vE '^spank/exits\.c:.*= fork\(\)|^spank/epilog/plugin\.c:.*(= fork\(\)|execve\()')"
	check "mutable state of the plugin is one struct" \
		"$(code '^static [a-z_ ]*struct [{]|^static [a-z_ ]+[a-z_]+( =.*)?;$|^static [a-z_ ]+ [*]?[a-z_]+\[[^]]*\];' \
			$(sources spank cli_filter) | grep -vE 'const|^spank/plugin\.c:.*static struct [{]$')"
}
check "plugin.c holds entry points only" "$(wc -l <spank/plugin.c | awk '$1 > 150')"
check "every file says its licence" "$(sources lib spank cli_filter helpers tests |
	xargs grep -L 'SPDX-License-Identifier: Apache-2.0')"
echo "1..$count"
[ "$failed" -eq 0 ]
