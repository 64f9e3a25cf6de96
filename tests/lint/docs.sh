#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual says what the code does: options, keys, variables and exit codes
# are the same on both sides, each page renders, links lead somewhere.
# shellcheck disable=SC2016,SC1003 # backquotes of Markdown, a backslash for tr
set -u
: "${BUILD:?}" "${SRC:?}"
cd "$SRC" || exit 5
man=docs/man
count=0 failed=0
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT

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

# Both sides have entries and the same ones.
same() { # NAME CODE-FILE MANUAL-FILE
	sort -u "$2" >"$dir/a"
	sort -u "$3" >"$dir/b"
	check "$1" "$([ -s "$dir/a" ] || echo "nothing found in the code"
		diff "$dir/a" "$dir/b" | sed -n 's/^< /only in the code: /p; s/^> /only in the manual: /p')"
}

# The lines of a page's section, without the heading.
section() { # PAGE HEADING
	awk -v want="# $2" '/^# / { inside = $0 == want; next } inside' "$man/$1.scd"
}

# bold words at the start of a section's lines: the terms of its lists
terms() { # PAGE HEADING
	section "$1" "$2" | grep '^\*' | grep -o '\*[^*]*\*' | tr -d '*\\'
}

# ---- options ----
"$BUILD/bin/disagg-plan" --help | sed -n '/^options:/,/^$/p' | grep -oE -- '(^| )-(h|-[a-z-]+)' |
	tr -d ' ' >"$dir/code"
terms disagg-plan.1 OPTIONS | grep '^-' >"$dir/manual"
same "disagg-plan(1) has the options of disagg-plan --help" "$dir/code" "$dir/manual"
"$BUILD/bin/disagg-plan" --help | sed -n '/^environment:/,/^$/p' | grep -oE '^  [A-Z_]+' |
	tr -d ' ' >"$dir/code"
terms disagg-plan.1 ENVIRONMENT >"$dir/manual"
same "disagg-plan(1) has its environment" "$dir/code" "$dir/manual"
"$BUILD/bin/disagg" --help | sed -n '/^options:/,/^$/p' | grep -oE -- '(^| )-(h|-[a-z-]+)' |
	tr -d ' ' >"$dir/code"
terms disagg.1 OPTIONS | grep '^-' >"$dir/manual"
same "disagg(1) has the options of disagg --help" "$dir/code" "$dir/manual"

grep -oE '= [{]"disagg-[a-z-]+"' spank/options.c | grep -oE 'disagg-[a-z-]+' | sed 's/^/--/' >"$dir/code"
terms disagg-spank.8 OPTIONS | grep '^--' >"$dir/manual"
same "disagg-spank(8) has the plugin's options" "$dir/code" "$dir/manual"
check "the user guide has the plugin's options" "$(while read -r option; do
	grep -q -e "$option" docs/user-guide.md || echo "not in it: $option"
done <"$dir/code")"
grep -ohE -- '--disagg-[a-z-]+' README.md docs/*.md $man/*.scd | sort -u >"$dir/manual"
same "no document names an option that the plugin lacks" "$dir/code" "$dir/manual"

grep -oE '[{]"[a-z_]+=", take_' spank/options.c | grep -oE '[a-z_]+=' >"$dir/code"
terms disagg-spank.8 OPTIONS | grep '=$' >"$dir/manual"
same "disagg-spank(8) has the plugstack arguments" "$dir/code" "$dir/manual"
sed -n '/^## The plugstack line/,/^### /p' docs/install.md | grep '^| `' | grep -oE '^. `[a-z_]+=' |
	tr -d '|` ' >"$dir/manual"
same "docs/install.md has the plugstack arguments" "$dir/code" "$dir/manual"

# ---- keys ----
documented_keys() { # PAGE HEADING
	section "$1" "$2" | awk '
		/^## / { table = substr($0, 4); next }
		/^\*[^ ]*\*( \(.*\))?$/ { key = $0; next }
		/^\t/ && key != "" { print table "|" key "|" substr($0, 2) }
		{ key = "" }'
}

awk -f tests/lint/keys.awk lib/conf/job.c lib/conf/probing.c lib/conf/native_tables.c >"$dir/code"
documented_keys disagg.yaml.5 "KEYS OF NATIVE FILES" >"$dir/manual"
same "disagg.yaml(5) has every key with its type, default and text" "$dir/code" "$dir/manual"
awk -f tests/lint/keys.awk lib/conf/job.c lib/conf/probing.c lib/conf/cluster.c \
	lib/conf/cluster_flat.c >"$dir/code"
documented_keys disagg-cluster.yaml.5 KEYS >"$dir/manual"
same "disagg-cluster.yaml(5) has every key with its type, default and text" "$dir/code" \
	"$dir/manual"
check "no key is missed by the reading of the tables" "$(
	rows=$(cat lib/conf/probing.c lib/conf/native_tables.c lib/conf/cluster.c lib/conf/cluster_flat.c |
		grep -cE '\{\.key = "|PORT_ROW\("')
	read=$(awk -f tests/lint/keys.awk lib/conf/job.c lib/conf/probing.c lib/conf/native_tables.c \
		lib/conf/cluster.c lib/conf/cluster_flat.c | wc -l)
	[ "$rows" -eq "$read" ] || echo "$rows rows, $read read")"

# ---- variables ----
{
	cat lib/plan/taskenv.c lib/plan/taskenv_dialect.c helpers/exec-*.c |
		grep -oE '"(DISAGG|SRT|SRTCTL|AIPERF)(_([A-Z]+|%s))+"' | tr -d '"' | while read -r name; do
		case $name in
		*%s*) for kind in PREFILL DECODE AGG; do echo "$name" | sed "s/%s/$kind/"; done ;;
		*) echo "$name" ;;
		esac
	done
	sed -n '/disagg_port_names\[/,/^};/p' lib/conf/job.c | grep -oE '"[a-z_]+"' | tr -d '"' |
		tr '[:lower:]' '[:upper:]' | sed 's/^/DISAGG_PORT_/'
} | grep -v '^DISAGG_SERVER$' >"$dir/code"
terms disagg.7 ENVIRONMENT | grep -E '^(DISAGG|SRT|SRTCTL|AIPERF)_' |
	grep -vE '^DISAGG_(PREFILL|DECODE|<ROLE>)_ENDPOINTS$' >"$dir/manual"
same "disagg(7) has the variables that a task gets" "$dir/code" "$dir/manual"
terms disagg.7 ENVIRONMENT >"$dir/manual"
check "disagg(7) has all that disagg-plan --format=env prints" "$(for file in configs/native-*.yaml \
	configs/trtllm-*.yaml configs/srtctl-1p2d.yaml; do
	"$BUILD/bin/disagg-plan" --cluster-file= --format=env "$file" 2>/dev/null
done | grep -oE '^(DISAGG|SRT|SRTCTL|AIPERF)_[A-Z_]+' | sort -u | grep -vxF -f "$dir/manual")"
grep -ohE '\bDISAGG_[A-Z]+(_[A-Z]+)*' README.md docs/user-guide.md docs/install.md | sort -u |
	grep -vxE 'DISAGG_(SET|CLUSTER|PLAN|SERVER)' >"$dir/guide"
check "no document names a variable that is not in disagg(7)" \
	"$(grep -vxF -f "$dir/manual" "$dir/guide" | grep -v 'DISAGG_PORT_$')"

# ---- exit codes ----
sed -n '/^enum disagg_code/,/^};/p' lib/base/err.h | grep -oE '= [0-9]+' | tr -d '= ' >"$dir/code"
terms disagg.7 "EXIT STATUS" >"$dir/manual"
same "disagg(7) has the exit codes" "$dir/code" "$dir/manual"
"$BUILD/bin/disagg-plan" --help | sed -n '/^exit status:/,$p' | grep -oE '(^|[ ,] *)[0-9]+ ' | tr -d ' ,' >"$dir/code"
terms disagg-plan.1 "EXIT STATUS" >"$dir/manual"
same "disagg-plan(1) has its exit codes" "$dir/code" "$dir/manual"

# ---- pages ----
wanted_sections() { # PAGE
	case $1 in
	*.1 | *.8) echo "NAME SYNOPSIS DESCRIPTION OPTIONS EXIT_STATUS ENVIRONMENT FILES EXAMPLES SEE_ALSO" ;;
	*.5) echo "NAME DESCRIPTION EXAMPLES FILES SEE_ALSO" ;;
	*) echo "NAME DESCRIPTION ENVIRONMENT EXIT_STATUS FILES SEE_ALSO" ;;
	esac
}

for file in "$man"/*.scd; do
	page=$(basename "$file" .scd)
	check "$page has its sections" "$(for want in $(wanted_sections "$page"); do
		grep -qx "# $(echo "$want" | tr _ ' ')" "$file" || echo "missing: $want"
	done)"
	if ! command -v scdoc >/dev/null || ! command -v groff >/dev/null; then
		count=$((count + 1))
		echo "ok $count - $page renders # SKIP no scdoc or no groff"
		continue
	fi
	check "$page renders, in 80 columns" "$(scdoc <"$file" 2>&1 >"$dir/page" ||
		echo "scdoc: status $?"
		sed -i '/^\.TH /a .nh\n.cflags 0 -' "$dir/page" # as the Makefile does
		groff -man -Tutf8 -ww -rLL=78n "$dir/page" 2>&1 >/dev/null)"
	check "$page: examples fit 80 columns" "$(awk '/^```$/ { inside = !inside }
		inside && length > 73 { print FNR ": " $0 }' "$file")"
done
check "every helper has a page" "$(for helper in "$BUILD"/bin/*; do
	[ -e "$man/$(basename "$helper").1.scd" ] || echo "$helper"
done)"
check "pages that are referred to exist" "$(grep -ohE '\*?disagg[a-z.-]*\*?\([1-8]\)' README.md docs/*.md \
	$man/*.scd | tr -d '*' | sort -u | tr '()' '. ' | while read -r page; do
	[ -e "$man/$page.scd" ] || echo "$page"
done)"

# ---- Markdown ----
check "links lead to files" "$(for file in README.md docs/*.md; do
	grep -oE '\]\([^)#:]+' "$file" | cut -c3- | while read -r link; do
		[ -e "$(dirname "$file")/$link" ] || echo "$file: $link"
	done
done)"
check "files that are named exist" "$(grep -ohE '(^|[ `(])(docs|configs|scripts|tests|lib|spank)/[A-Za-z0-9_./-]+\.[a-z]+\b' \
	README.md docs/*.md | tr -d ' `(' | sort -u | while read -r path; do
	[ -e "$path" ] || echo "$path"
done)"
# a row of a table is one line, and so is what stands as it is
check "lines are at most 100 columns" "$(awk 'length > 100 && !/^\|/ && !/^    / {
	print FILENAME ":" FNR }' README.md docs/*.md)"
echo "1..$count"
[ "$failed" -eq 0 ]
