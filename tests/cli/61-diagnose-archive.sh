#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-diagnose on archives: the verdict is that of the run that was packed; what is
# damaged, too large or a trap is told of, and nothing of it is followed or left behind.
set -u
: "${BUILD:?}" "${SRC:?}"
diagnose=$BUILD/bin/disagg-diagnose
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-cli.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5
mkdir tmp && export TMPDIR=$dir/tmp # nothing may stay there
count=0 failed=0

report() { # GOOD NAME [WHY]
	count=$((count + 1))
	if [ "$1" = 1 ]; then
		echo "ok $count - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $2"
	printf '%s\n' "${3:-}" | sed 's/^/#   /'
	sed 's/^/#   stdout: /' out | head -n 12
	sed 's/^/#   stderr: /' err | head -n 8
}
run() { # COMMAND...
	timeout 60 "$@" >out 2>err </dev/null
	rc=$?
}
status() { report "$([ "$rc" -eq "$1" ] && echo 1)" "$2" "status $rc, expected $1"; }
has() { report "$(grep -qF -e "$2" "$1" && echo 1)" "$3" "expected in $1: $2"; }
lacks() { report "$(grep -qF -e "$2" "$1" || echo 1)" "$3" "not expected in $1: $2"; }
says() { report "$([ "$(jq -r "$1" out)" = "$2" ] && echo 1)" "$3" "$1: expected $2"; }
refuses() { # ARCHIVE WORDS NAME
	run "$diagnose" "$1"
	report "$([ "$rc" -eq 3 ] && grep -qF -e "$2" err && [ ! -s out ] && echo 1)" "$3" \
		"status $rc, expected 3 and: $2"
}

# ---- the same verdict as of the run ----
same() { # ARCHIVE NAME: as of disagg-7
	local format wrong=
	for format in text json junit; do
		"$diagnose" --all --format=$format disagg-7 >want 2>&1
		wanted=$?
		run "$diagnose" --all --format=$format "$1"
		[ "$rc" -eq "$wanted" ] && cmp -s want out && [ ! -s err ] || wrong="$wrong $format"
	done
	report "$([ -z "$wrong" ] && echo 1)" "$2" "differs as$wrong: $(diff want out | head -n 4)"
}
for case in xid_ecc good_run; do
	rm -rf disagg-7
	"$SRC/tests/diagnose/plant" "$SRC/tests/diagnose/cases.cases" $case disagg-7 || echo "Bail out! plant"
	mkdir -p disagg-7/b disagg-7/a/c
	for name in z_0.log a/m_0.log a/c/k_0.log b/a_0.log .hidden.log a/.hidden.log; do
		echo '2026-08-22T10:05:00Z RuntimeError: the dog ate it' >"disagg-7/$name"
	done
	for format in tar.gz tar.zst; do
		packed=$("$BUILD/bin/disagg-pack" --job=7 --format=$format disagg-7)
		same "$packed" "$case: its $format"
	done
	tar cf plain.tar disagg-7
	same plain.tar "$case: a tar that is not compressed, made by tar"
	tar czf sorted.tgz --sort=none -C disagg-7 .
	same sorted.tgz "$case: a tar without a folder around"
done
run "$diagnose" --format=json job_7_failure_*.tar.gz
says .class gpu_mem "the class"
says .blame.worker decode_0 "the worker"
lacks out "$dir" "no path of a temporary file"
lacks out job_7/ "files are called as in the run directory"
mkdir slurm && echo "JobId=7 JobState=TIMEOUT Reason=TimeLimit" >slurm/scontrol.txt
echo "2026-08-22T10:00:00Z fine" >slurm/w_0.log
tar czf slurm.tar.gz slurm
run "$diagnose" --format=json slurm.tar.gz
says .id slurm.time_limit "Slurm's state comes out of the archive"
run "$diagnose" --format=json slurm.tar.gz disagg-7/gen_server_0.log
says .id slurm.time_limit "an archive beside a file"
run "$diagnose" slurm.tar.gz plain.tar
status 2 "two archives are refused"

# ---- damaged ----
head -c 2000000 /dev/urandom >noise.log
tar cf whole.tar noise.log && gzip -kf whole.tar
head -c 700000 whole.tar.gz >cut.tar.gz
refuses cut.tar.gz "damaged at or behind its member 'noise.log'" "one that is cut off"
{ head -c 300000 whole.tar.gz && head -c 100000 /dev/zero && tail -c +400001 whole.tar.gz; } >holed.tar.gz
refuses holed.tar.gz "damaged" "one with a hole"
head -c 20 whole.tar.gz >stub.tar.gz
refuses stub.tar.gz "'stub.tar.gz' is cut off (truncated gzip input): copy it again" "and before its first member"
head -c 700 whole.tar >cut.tar
refuses cut.tar "damaged" "a tar that is cut off"
# libarchive looks at no sum of gzip's
cp noise.log disagg-7/noise_0.log
rm -f job_7_*
packed=$("$BUILD/bin/disagg-pack" --job=7 disagg-7)
run "$diagnose" "$packed"
status 0 "one with noise in it"
python3 - "$packed" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(1000000)
    byte = file.read(1)[0]
    file.seek(1000000)
    file.write(bytes([byte ^ 1]))
PYTHON
refuses "$packed" "its member 'job_7/noise_0.log' is not what its manifest.json says" "with one bit that is not"
mkdir forged && echo '{"schema":"disagg.manifest/1","members":[{"name":"w_0.log"' >forged/manifest.json
cp slurm/* forged && tar czf forged.tar.gz forged
refuses forged.tar.gz "'forged/manifest.json' is no JSON" "a manifest that is damaged"
echo '[[{"name":7}]]' >forged/manifest.json && tar czf forged.tar.gz forged
run "$diagnose" forged.tar.gz
status 1 "another program's manifest"
printf '{"schema":"disagg.manifest/1","members":[{"name":"w_0.log","sha256":"%s"},{"name":"w_0.log","sha256":"0"}]}' \
	"$(sha256sum <forged/w_0.log | cut -d' ' -f1)" >forged/manifest.json && tar czf forged.tar.gz forged
run "$diagnose" forged.tar.gz
status 1 "a manifest that names a member again, which is summed up once"
gzip -kf noise.log
refuses noise.log.gz "is no archive that can be read" "a log that is compressed"
{ printf '\x28\xb5\x2f\xfd' && cat noise.log; } >x.tar.zst
refuses x.tar.zst "is no archive that can be read" "noise behind zstd's mark"
: >empty.tar.gz
refuses empty.tar.gz "is no archive that can be read" "an empty one"
tar czf hollow.tar.gz -T /dev/null
run "$diagnose" hollow.tar.gz
status 4 "one without members"
has err "an archive of disagg-pack" "says what is expected"

# ---- traps ----
echo MARKER >outside.log
python3 - "$dir" <<'PYTHON'
import io, sys, tarfile
line = b"2026-08-22T10:00:00Z RuntimeError: CUDA out of memory\n"
def add(tar, name, data=line, **more):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    entry.mtime = 1787392800
    for key, value in more.items():
        setattr(entry, key, value)
    tar.addfile(entry, io.BytesIO(data) if entry.isreg() else None)
with tarfile.open("evil.tar.gz", "w:gz") as tar:
    add(tar, "../../etc/x.log")
    add(tar, sys.argv[1] + "/absolute.log")
    add(tar, "job_7/a/../../y.log")
    add(tar, "job_7/link.log", type=tarfile.SYMTYPE, linkname=sys.argv[1] + "/outside.log")
    add(tar, "job_7/hard.log", type=tarfile.LNKTYPE, linkname=sys.argv[1] + "/outside.log")
    add(tar, "job_7/device.log", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
    add(tar, "job_7/fifo.log", type=tarfile.FIFOTYPE)
    add(tar, "job_7/folder.log", type=tarfile.DIRTYPE)
    add(tar, "job_7/" + "a/" * 9 + "deep.log")
    add(tar, "job_7/" + "n" * 5000 + ".log")
    add(tar, "job_7/\x1b[31mna\nme\udcff.log")
    add(tar, "job_7/decode_0.log")
with tarfile.open("many.tar.gz", "w:gz", compresslevel=1) as tar:
    for i in range(65600):
        add(tar, "job_7/%d.txt" % i, b"")
for name, sizes in ("bomb", (10 << 30,)), ("bombs", (1 << 30,) * 3 + (2 << 30,)):
    for i, size in enumerate(sizes):
        entry = tarfile.TarInfo("job_7/%d.%s" % (i, "log" if name == "bomb" else "bin"))
        entry.size = size
        with open("%s.%d" % (name, i), "wb") as part:
            part.write(entry.tobuf())
PYTHON
run "$diagnose" --format=json evil.tar.gz
says .class oom_gpu "an archive of traps: what is good in it is read"
says '.signals[0].count' 2 "and nothing else"
run "$diagnose" --all evil.tar.gz
has out "8 members of 'evil.tar.gz' passed over: '../../etc/x.log' has a name that" "and that is told"
lacks out MARKER "no link is followed"
report "$(LC_ALL=C grep -q $'[\001-\010\013-\037\177]' out || echo 1)" "nothing a terminal obeys comes out"
refuses many.tar.gz "more than 65536 members" "too many members"
truncate -s 1T sparse.log && tar -S -czf sparse.tar.gz sparse.log
refuses sparse.tar.gz "more than 4294967296 bytes" "a sparse file of 1 TiB"
if command -v zstd >/dev/null; then
	# frames of zstd stand behind one another: 10 GiB of zeros at once
	head -c 256M /dev/zero | zstd -q >zeros.zst
	zeros() { for ((i = 0; i < $1; i++)); do cat zeros.zst; done; }
	{ zstd -qc bomb.0 && zeros 40; } >bomb.tar.zst
	refuses bomb.tar.zst "more than 4294967296 bytes" "10 GiB of zeros"
	for part in 0 1 2 3; do zstd -qc bombs.$part && zeros 4; done >bombs.tar.zst
	refuses bombs.tar.zst "more than 4294967296 bytes" "and in members that are smaller"
else
	report 1 "10 GiB of zeros # SKIP no zstd"
fi
mkdir small
if unshare -m mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
	# shellcheck disable=SC2016 # for the shell inside
	run env TMPDIR="$dir/small" unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs "$TMPDIR" && exec "$@"' \
		sh "$diagnose" whole.tar.gz
	report "$([ "$rc" -eq 5 ] && grep -q 'TMPDIR names another folder' err && echo 1)" \
		"no room to unpack"
else
	report 1 "no room to unpack # SKIP may not mount"
fi
TMPDIR=$dir/nowhere run "$diagnose" whole.tar.gz
report "$([ "$rc" -eq 5 ] && grep -qF "cannot make a temporary file in '$dir/nowhere'" err && echo 1)" \
	"no folder to unpack into"
report "$([ -z "$(ls -A tmp)" ] && [ ! -e absolute.log ] && echo 1)" "nothing is left behind" "$(ls -A tmp)"
echo "1..$count"
[ "$failed" -eq 0 ]
