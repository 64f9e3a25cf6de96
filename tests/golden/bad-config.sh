#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Bad configurations, numbered: each is refused with exit code 3, nothing on
# standard output, and exactly the errors that tests/golden/bad/messages has
# for it.  A case whose name begins with "cluster-" is a cluster file.
#
# tests/golden/bad-config.sh --update writes that table anew, for a reader to
# look through.
set -u
: "${BUILD:?}" "${SRC:?}"
plan=$BUILD/bin/disagg-plan
dir=$SRC/tests/golden/bad
work=$(mktemp -d "${TMPDIR:-/tmp}/disagg-bad.XXXXXX") || exit 5
trap 'rm -rf "$work"' EXIT
unset DISAGG_SET DISAGG_CLUSTER DISAGG_CLUSTER_FILE
count=0 failed=0

# result RC NAME: one line of TAP
result() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=1
		echo "not ok $count - $2"
	fi
}

# check ARGUMENT...: rc, output and the errors in $work
check() {
	timeout 10 "$plan" --check "$@" >"$work/out" 2>"$work/err" </dev/null
	echo $? >"$work/rc"
	grep -v ': warning: ' "$work/err" >"$work/errors"
	return 0
}

# check_case FILE
check_case() {
	case $1 in
	*-cluster-*) check --cluster-file="$1" good.yaml ;;
	*) check --cluster-file= "$1" ;;
	esac
}

# refused NAME WANTED-FILE: what the last check gave
refused() {
	read -r rc <"$work/rc"
	problem=
	[ "$rc" = 3 ] || problem="exit code $rc, expected 3"
	[ -s "$work/out" ] && problem="$problem; standard output is not empty"
	cmp -s "$work/errors" "$2" || problem="$problem; other text"
	[ -s "$2" ] || problem="$problem; the table has no line for it"
	[ -z "$problem" ]
	result $? "$1"
	[ -z "$problem" ] && return
	echo "# ${problem#; }"
	sed 's/^/#   got      /' "$work/errors"
	sed 's/^/#   expected /' "$2"
}

# refused_as NAME TEXT
refused_as() {
	printf '%s\n' "$2" >"$work/want"
	refused "$1" "$work/want"
}

cd "$dir" || exit 5
if [ "${1:-}" = --update ]; then
	for file in [0-9]*.yaml; do
		check_case "$file"
		cat "$work/errors"
	done >"$work/messages"
	mv "$work/messages" messages
	exit
fi

check --cluster-file= good.yaml
[ "$(cat "$work/rc")" = 0 ] && [ ! -s "$work/err" ]
result $? "a good file is taken, so that a refusal means something"

for file in [0-9]*.yaml; do
	check_case "$file"
	grep -F "$file:" messages | grep "^$file:" >"$work/want"
	refused "${file%.yaml}" "$work/want"
done
cut -d: -f1 messages | sort -u | while read -r file; do
	[ -e "$file" ] || echo "$file"
done >"$work/stale"
[ ! -s "$work/stale" ]
result $? "every line of the table has its case"

# what a file system can do
check --cluster-file= "$work/none.yaml"
refused_as "a missing file" "cannot open '$work/none.yaml': No such file or directory"
check --cluster-file= "$work"
refused_as "a directory" "cannot read '$work': expected a regular file, it is a directory"
mkfifo "$work/fifo.yaml"
check --cluster-file= "$work/fifo.yaml"
refused_as "a FIFO, which nothing hangs on" \
	"cannot read '$work/fifo.yaml': expected a regular file, it is a FIFO, socket or device"
check --cluster-file= /dev/zero
refused_as "a device" \
	"cannot read '/dev/zero': expected a regular file, it is a FIFO, socket or device"
{
	cat good.yaml
	head -c 2097152 /dev/zero | tr '\0' '#'
} >"$work/large.yaml"
check --cluster-file= "$work/large.yaml"
refused_as "2 MiB of YAML" \
	"cannot read '$work/large.yaml': it is larger than 1048576 bytes, the most that is read"
awk 'BEGIN { printf "disagg: 1\nenv: "; for (i = 0; i < 40; i++) printf "["; print "" }' \
	>"$work/deep.yaml"
check --cluster-file= "$work/deep.yaml"
read -r rc <"$work/rc"
[ "$rc" = 3 ] && grep -q "^$work/deep.yaml:2:[0-9]*: .*32" "$work/errors"
result $? "40 levels of lists"
printf 'disagg: 1\nname: \000t\n' >"$work/nul.yaml"
check --cluster-file= "$work/nul.yaml"
read -r rc <"$work/rc"
[ "$rc" = 3 ] && grep -q "^$work/nul.yaml:[0-9]*:[0-9]*: ." "$work/errors"
result $? "a NUL"
printf 'disagg: 1\nname: \377\n' >"$work/utf8.yaml"
check --cluster-file= "$work/utf8.yaml"
read -r rc <"$work/rc"
[ "$rc" = 3 ] && grep -q "^$work/utf8.yaml:[0-9]*:[0-9]*: ." "$work/errors"
result $? "a byte that is no UTF-8"

# an unreadable file: root can read all, so it becomes nobody
cp good.yaml "$work/secret.yaml"
chmod 755 "$work"
if [ "$(id -u)" -ne 0 ]; then
	chmod 000 "$work/secret.yaml"
	check --cluster-file= "$work/secret.yaml"
	refused_as "an unreadable file" "cannot open '$work/secret.yaml': Permission denied"
elif command -v setpriv >/dev/null; then
	chmod 600 "$work/secret.yaml"
	cp "$plan" "$work/disagg-plan"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$work/disagg-plan" --check \
		--cluster-file= "$work/secret.yaml" >"$work/out" 2>"$work/err" </dev/null
	echo $? >"$work/rc"
	cp "$work/err" "$work/errors"
	refused_as "an unreadable file" "cannot open '$work/secret.yaml': Permission denied"
else
	count=$((count + 1))
	echo "ok $count - an unreadable file # SKIP setpriv is missing"
fi

# what the command line can do
check --cluster-file= good.yaml:base
refused_as "a variant of a file that has none" \
	"good.yaml:2:1: the file has no variants: remove ':base'"
check --cluster-file= --set nam=x good.yaml
refused_as "a setting of an unknown key" "--set: unknown key 'nam', did you mean 'name'?"
check --cluster-file="$work/none.yaml" good.yaml
refused_as "a missing cluster file" \
	"cluster file: cannot open '$work/none.yaml': No such file or directory"
check --cluster-file= --cluster=a good.yaml
refused_as "a cluster and no cluster file" "there is no cluster 'a': no cluster file"

echo "1..$count"
exit $failed
