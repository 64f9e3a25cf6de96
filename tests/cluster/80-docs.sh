#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The documents tell the truth: every ```sh block of README.md and docs/*.md
# runs as it stands, in the document's order, and what a ```text block behind
# it shows is in its output (line breaks and blanks aside; `...` is a gap).
#
#	sh		an ordinary user on the login node of a dev cluster, in a folder with
#			the files of configs/; build/bin comes first in PATH
#	sh file=NAME	writes NAME in that folder
#	sh root		root on this host, in a fresh copy of the source, STAGE a new folder
. "$(dirname "$0")/lib.sh"
CALL_LIMIT=240
# the whole of a block that is looked at and not run: each would start this test
# (or a cluster) again
not_run='scripts/demo scripts/check'
docs=("$SRC/README.md" "$SRC"/docs/*.md)

cluster_up --nodes 4 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
top=$WORK
mkdir "$top/bin"
install -m 755 "$BUILD"/bin/* "$top/bin"
mkdir -p "$top/share/disagg"
install -m 755 "$SRC/scripts/disagg-job.sh" "$top/share/disagg"

copy_source() { # DIRECTORY
	mkdir -p "$1"
	(
		cd "$SRC" || exit 5
		git -c safe.directory="$SRC" ls-files -coz --exclude-standard |
			while IFS= read -rd '' file; do
				[ ! -e "$file" ] || printf '%s\0' "$file"
			done | tar --null -T - -cf -
	) | tar -xf - -C "$1"
}

# What a document shows behind its N-th sh block, into DIR/NNN.shown.
shown_blocks() { # DIRECTORY FILE
	awk -v dir="$1" '
		/^```sh( |$)/ { count++ }
		/^```text$/ { inside = 1; name = sprintf("%s/%03d.shown", dir, count); next }
		/^```/ { inside = 0 }
		inside { print >> name }' "$2"
}

one_line() {
	tr -s ' \t\n' ' ' | sed 's/^ //; s/ $//'
}

check_shown() { # SHOWN OUTPUT WHERE
	local part output
	shown=$((shown + 1))
	output=$(one_line <"$2")
	while IFS= read -r part; do
		has "$output" "$part" "$3: its output is the one shown" ||
			{ note "all output" "$(cat "$2")"; }
	done < <(awk '$0 == "..." { printf "\n"; next } { printf "%s ", $0 } END { printf "\n" }' "$1" |
		sed 's/[ \t][ \t]*/ /g; s/^ //; s/ $//' | grep .)
}

run_block() { # KIND FILE OUTPUT
	case $1 in
	user) as_user env PATH="$top/bin:$PATH" bash -e "$2" >"$3" 2>&1 ;;
	root) (cd "$WORK.source" && MAKEFLAGS=-j2 STAGE=$WORK.stage timeout "$CALL_LIMIT" bash -e "$2" \
		>"$3" 2>&1) ;;
	file.*) install -m 755 "$2" "$WORK/${1#file.}" >"$3" 2>&1 ;;
	*) echo "no such kind of block: $1" >"$3" && false ;;
	esac
}

check_block() { # NAME WHERE
	local file=$blocks/$1 kind=${1#*.} text out=$blocks/$1.out rc
	text=$(cat "$file")
	case " $not_run " in
	*" $text "*)
		[ -x "$SRC/$text" ]
		ok $? "$2: there is $text (not run here)"
		return
		;;
	esac
	chmod 644 "$file"
	run_block "$kind" "$file" "$out" </dev/null
	rc=$?
	ok $rc "$2: a block ($kind) runs" || note output "$(cat "$out")"
	[ ! -e "$blocks/${1%%.*}.shown" ] || check_shown "$blocks/${1%%.*}.shown" "$out" "$2"
}

# shellcheck disable=SC2016 # backquotes of Markdown
check_doc() { # FILE
	local doc=$1 name block where ran shown
	name=${doc##*/}
	WORK=$top/${name%.md}
	blocks=$WORK.blocks
	mkdir -p "$WORK" "$blocks"
	chmod 1777 "$WORK"
	chmod 755 "$blocks"
	cp "$SRC"/configs/*.yaml "$WORK"
	(cd "$SRC" && awk -v dir="$blocks" -f tests/cluster/blocks.awk "${doc#"$SRC/"}")
	shown_blocks "$blocks" "$doc"
	[ ! -e "$blocks/000.shown" ]
	ok $? "$name: what it shows comes after a block"
	[ -e "$blocks/list" ] || return 0
	if grep -q '\.root ' "$blocks/list"; then
		copy_source "$WORK.source"
	fi
	ran=0 shown=0
	while read -r block where; do
		check_block "$block" "$where"
		ran=$((ran + 1))
	done <"$blocks/list"
	is "$ran" "$(grep -cE '^```sh( |$)' "$doc")" "$name: every block was looked at"
	is "$shown" "$(grep -c '^```text$' "$doc")" "$name: all that it shows was looked for"
}

# The files that install.md lists, and no file left behind.
# shellcheck disable=SC2016 # backquotes of Markdown
check_install() {
	local stage=$top/install.stage path
	while read -r path; do
		[ -e "$stage$path" ]
		ok $? "install.md: $path is installed"
	done < <(sed -n '/lands where/,/^[^|]*uninstall/p' "$SRC/docs/install.md" | grep '^|' |
		grep -o '`/[^`]*`' | tr -d '`')
	[ -d "$stage" ] || return
	make -s -C "$top/install.source" uninstall DESTDIR="$stage" prefix=/usr \
		plugindir=/usr/lib/slurm >"$top/uninstall.out" 2>&1
	is "$(find "$stage" ! -type d)" "" "install.md: make uninstall takes everything out"
}

for doc in "${docs[@]}"; do
	check_doc "$doc"
done
check_install
WORK=$top
no_node_drained
done_testing
