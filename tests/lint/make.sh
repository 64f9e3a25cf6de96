#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The Makefile and the scripts beside it: what is missing is said, looking
# changes nothing, and the uninstall keeps what was edited.
set -u
: "${SRC:?}"
cd "$SRC" || exit 5
unset MAKEFLAGS MFLAGS MAKELEVEL SLURM_INCLUDE
count=0 failed=0
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT

# COMMAND ends with STATUS, and its output has each TEXT
check() { # NAME STATUS TEXT COMMAND...
	name=$1 want=$2 text=$3
	shift 3
	count=$((count + 1))
	"$@" >"$dir/out" 2>&1
	rc=$?
	if [ "$rc" -eq "$want" ] && { [ -z "$text" ] || grep -qF -e "$text" "$dir/out"; }; then
		echo "ok $count - $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $name"
	echo "#   status $rc, expected $want and: $text"
	head -n 20 "$dir/out" | sed 's/^/#   /'
}

# ---- what is missing ----
check "a compiler that is not there" 2 "the compiler 'no-such-cc' is not there" \
	make -n CC=no-such-cc B="$dir/b"
check "config says it too" 0 "no-such-cc (not found; required)" make config CC=no-such-cc
check "SLURM_INCLUDE without spank.h" 2 "SLURM_INCLUDE: there is no '/nowhere/slurm/spank.h'" \
	make -n SLURM_INCLUDE=/nowhere B="$dir/b"
check "from the environment too" 2 "SLURM_INCLUDE: there is no '/nowhere/slurm/spank.h'" \
	env SLURM_INCLUDE=/nowhere make -n install B="$dir/b"
check "no spank.h at all" 0 "plugin NOT built: no" make -n HAVE_SPANK= B="$dir/b"
check "libyaml is required" 0 "not found (required: libyaml-dev)" make config HAVE_YAML=

# ---- looking changes nothing ----
check "make -n names the flags" 0 "b/flags" make -n B="$dir/b"
check "make config" 0 "plugindir" make config B="$dir/b"
check "make help" 0 "make install" make help B="$dir/b"
check "none of them wrote" 1 "" test -e "$dir/b"
for script in check demo packages.sh; do
	check "scripts/$script --help" 0 "usage: scripts/$script" "scripts/$script" --help
done
check "packages.sh refuses what it does not know" 2 "unexpected argument '--lst'" \
	scripts/packages.sh --lst

# ---- the line ----
line=$dir/etc/slurm/plugstack.conf.d/zz-disagg.conf
set -- make -s uninstall DESTDIR="$dir" prefix=/usr plugindir=/usr/lib/slurm SCDOC= HAVE_SPANK=
mkdir -p "${line%/*}" "$dir/usr/lib/slurm" "$dir/usr/share/man/man7"
sed 's|@plugindir@|/usr/lib/slurm|' plugstack.conf.d/zz-disagg.conf.in >"$line"
: >"$dir/usr/lib/slurm/disagg.so"
: >"$dir/usr/share/man/man7/disagg.7"
check "uninstall" 0 "" "$@"
check "takes all out, with scdoc and Slurm's headers gone too" 0 "" \
	test -z "$(find "$dir" ! -type d ! -name out)"
echo 'required /usr/lib/slurm/disagg.so cluster=lab' >"$line"
check "an edited line is kept" 0 "kept, for it was edited: $line.saved" "$@"
check "under a name that Slurm does not read" 0 "" test ! -e "$line" -a -s "$line.saved"
echo "1..$count"
[ "$failed" -eq 0 ]
