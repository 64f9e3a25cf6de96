#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-pack among traps: links, FIFOs, devices, sparse and growing files, odd names,
# folders that are swapped, no space, a packer that is killed, two at once.
. "$(dirname "$0")/lib.sh"
bin=$BUILD/bin
user=${TEST_USER:-nobody}
[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP needs root, to make another user's files" && exit 0; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-pack.XXXXXX") || exit 5
pids=()
finish() {
	for pid in ${pids[@]+"${pids[@]}"}; do
		kill -9 "$pid" 2>/dev/null
	done
	rm -rf "$dir"
}
trap finish EXIT
cd "$dir" || exit 5
chmod 755 "$dir"

as_user() {
	setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
}

# in the background its pid is the command's own
instead_as_user() {
	exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
}

pack() { # FOLDER OPTION...: as the user, in FOLDER
	local at=$1
	shift
	(cd "$at" && as_user timeout -k 1 60 "$bin/disagg-pack" --job=7 "$@" disagg-7)
}

new_run() { # FOLDER: with a run in it that came to its end
	mkdir -p "$1/disagg-7/results"
	echo '{"schema":"disagg.state/1","job_id":"7","name":"demo","phase":"done",
		"updated":1795731610.5,"verdict":{"code":7,"text":"decode_1 has ended",
		"worker":"decode_1","at":1795731610.5},"warnings":[],"workers":[]}' |
		tr -d '\n\t' >"$1/disagg-7/state.json"
	echo '{"plan":1}' >"$1/disagg-7/plan.json"
	echo decode >"$1/disagg-7/decode_0.log"
	echo '{}' >"$1/disagg-7/results/one.json"
	chown -R "$user" "$1"
}

archive() { # FOLDER
	ls "$1"/job_7_*.tar.gz
}

not_in() { # FOLDER NAME: why it was left out
	tar xzOf "$(archive "$1")" job_7/manifest.json |
		jq -r --arg name "$2" '.not_included[] | select(.name == $name) | .why'
}

# ---- what goes in, and in which order
new_run plain
out=$(pack plain)
is "$out" "$dir/plain/job_7_failure_$(date -u -d @1795731610 +%Y%m%d).tar.gz" "it prints the archive's path"
is "$(stat -c '%a %U' "$out")" "600 $user" "the archive is its owner's alone"
is "$(tar tzf "$out" | head -n 1)" "job_7/summary.txt" "the first member is summary.txt"
tar xzOf "$out" job_7/summary.txt | grep -q "decode_1 has ended"
ok $? "which says what happened"
tar xzf "$out" -C plain
(cd plain/job_7 && jq -r '.members[] | "\(.sha256)  \(.name)"' manifest.json | sha256sum --quiet -c)
ok $? "the manifest's sums are those of the members"
cp "$out" first.tar.gz
rm -rf plain/job_7
pack plain >/dev/null
cmp first.tar.gz "$out"
ok $? "the same input gives the same bytes"
sed -i 's/"code":7/"code":0/' plain/disagg-7/state.json
rm "$out"
pack plain >/dev/null
is "$(cd plain && echo job_*)" "job_7_success_$(date -u -d @1795731610 +%Y%m%d).tar.gz" "a run that went well is a success"

# ---- a job that was requeued: two runs of one job on one day
new_run again
as_user cp -r again/disagg-7 again/disagg-7.1
as_user sed -i 's/"code":7/"code":0/; s/decode_1 has ended/all is well/' again/disagg-7.1/state.json
as_user cp -r again/disagg-7 again/disagg-7.2
date=$(date -u -d @1795731610 +%Y%m%d)
for run in disagg-7 disagg-7.1 disagg-7.2/; do
	(cd again && as_user "$bin/disagg-pack" --job=7 $run >/dev/null)
done
is "$(cd again && echo job_*)" "job_7.1_success_$date.tar.gz job_7.2_failure_$date.tar.gz job_7_failure_$date.tar.gz" \
	"each run of a job has an archive of its own"
is "$(tar tzf again/job_7.2_* | cut -d/ -f1 | sort -u)" job_7.2 "which unpacks beside the others"
is "$(for made in again/job_*; do
	tar xzOf "$made" --wildcards '*/summary.txt' | head -n 1 | cut -d: -f1,2
	tar xzOf "$made" --wildcards '*/manifest.json' | jq -r '"\(.job_id) \(.restart)"'
done | paste -sd'|')" "job 7, restart 1: success|7 1|job 7, restart 2: failure|7 2|job 7: failure|7 0" "and says which run it is of"
(cd again && as_user "$bin/disagg-pack" --job=7 --nodes=n1 disagg-7.2 >/dev/null)
tar xzOf again/job_7.2_* job_7.2/summary.txt | tr -s ' \n' ' ' |
	grep -q "in the run directory's path, or in disagg-7.2 in the job's working directory or in /tmp"
ok $? "and where the part of a node may be that does not see it"
new_run requeued
rm requeued/disagg-7/state.json
for restarts in 0 1; do
	env -i SPANK_DISAGG_RUN_DIR="$dir/requeued/disagg-%j" SLURM_JOB_ID=7 SLURM_JOB_UID="$(id -u "$user")" \
		SLURMD_NODENAME=n1 SLURM_NODELIST=n1 SLURM_JOB_EXIT_CODE=0 SLURM_JOB_RESTART_COUNT=$restarts \
		timeout 60 "$bin/disagg-pack" --hook --deadline=20
done
is "$(cd requeued && echo job_* | sed 's/_[0-9]*\.tar/.tar/g')" "job_7_failure.tar.gz job_7_success.tar.gz" \
	"the exit code of a run that Slurm requeues is no success"
tar xzOf requeued/job_7_failure* job_7/summary.txt | grep -q "the job was requeued"
ok $? "and that is said"
new_run gap
as_user mv gap/disagg-7 gap/disagg-7.2
as_user mkdir gap/disagg-7
(cd / && as_user "$bin/disagg-pack" --epilog --job=7 --restarts=3 --node=n1 "$dir/gap/disagg-7")
is "$(cd gap && echo job_* disagg-7*/parts)" "job_7.2_failure_$date.tar.gz disagg-7.2/parts" \
	"the run is found where one before it has left nothing"

# ---- traps
new_run traps
mkdir outside elsewhere
echo ROOT-ONLY-MARKER >outside/secret
chmod 600 outside/secret
echo ROOT-LINK-MARKER >outside/public
run=traps/disagg-7
ln -s "$dir/outside/secret" "$run/link.log"
ln -s "$dir/outside" "$run/folder"
ln "$dir/outside/public" "$run/hard.log"
mkfifo "$run/fifo.log"
mknod "$run/device.log" c 1 5
truncate -s 1T "$run/sparse.log"
odd=$(printf 'new\nline"quote\377.log')
echo odd >"$run/$odd"
echo dots >"$run/..log"
mkdir "$run/...." && echo deep >"$run/..../deep.log"
echo closed >"$run/closed.log"
head -c 100M /dev/zero | tr '\0' x >"$run/core.1234"
chown -R -h "$user" traps
chown root outside/public
chmod 000 "$run/closed.log"
ln -sfn "$dir/elsewhere" traps/tmp
(cd traps && TMPDIR=$dir/traps/tmp as_user timeout 60 "$bin/disagg-pack" --job=7 disagg-7 >/dev/null)
ok $? "a folder of traps is packed"
made=$(archive traps)
tar xzOf "$made" >all 2>/dev/null
! grep -qa -e ROOT-ONLY-MARKER -e ROOT-LINK-MARKER all
ok $? "nothing from outside is in it"
is "$(not_in traps link.log)" "a symbolic link" "a symbolic link is left out, and that is told"
is "$(not_in traps folder)" "a symbolic link" "one to a folder too"
is "$(not_in traps hard.log)" "another user's file" "a hard link to root's file too"
is "$(not_in traps fifo.log)" "a FIFO" "a FIFO too"
is "$(not_in traps device.log)" "a device" "a device too"
is "$(not_in traps core.1234)" "a core file" "a core file too"
is "$(not_in traps closed.log)" "Permission denied" "what cannot be read is told"
is "$(tar tzf "$made" | grep -c '^job_7/new%0Aline%22quote%FF.log$')" 1 "an odd name is escaped"
is "$(tar tzf "$made" | grep -cE '(^|/)\.\.(/|$)|^/')" 0 "no member leads out of its folder"
left=$(tar xzOf "$made" job_7/manifest.json |
	jq '.members[] | select(.name == "sparse.log") | .size + .left_out')
[ "${left:-0}" -gt 1099511627776 ] && [ "$(stat -c %s "$made")" -lt 5000000 ]
ok $? "of a file of 1 TiB there are head and tail" "size and left out: $left"
is "$(ls -A elsewhere)" "" "nothing is written where TMPDIR points"
is "$(stat -c '%U %a' outside/public)" "root 644" "root's file is as it was"

# ---- secrets, in a log and in the environment of a part
new_run secrets
secrets=(hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345 sk-abcdefghijklmnopqrstuvwxyz0123 AKIAABCDEFGHIJKLMNOP
	nvapi-abcdefghijklmnopqrstuvwxyz ghp_abcdefghijklmnopqrstuvwxyzABCDEF0123
	eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2Q hunter2horse)
for i in 1 2 3; do
	head -c 700000 /dev/zero | tr '\0' x
	printf ' HF_TOKEN=%s OPENAI=%s aws %s %s %s Bearer %s http://me:%s@host/\n' "${secrets[@]}"
done >secrets/disagg-7/leaky.log
printf -- '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n' >>secrets/disagg-7/leaky.log
chown "$user" secrets/disagg-7/leaky.log
(cd secrets && as_user env MY_API_KEY="${secrets[1]}" NCCL_AUTH_TOKEN="${secrets[0]}" NCCL_DEBUG=INFO \
	UCX_URL="http://me:hunter2horse@host" "$bin/disagg-pack" --part --node=n1 disagg-7)
part=secrets/disagg-7/parts/n1.end
is "$(jq -r '"\(.schema) \(.job_id) \(.node) \(.stage) \(.run_dir)"' $part/manifest.json)" \
	"disagg.part/1 7 n1 end $dir/secrets/disagg-7" "a part says whose it is"
is "$(jq -r '.members[] | "\(.name) \(.size)"' $part/manifest.json | sort)" \
	"$(cd $part && find . -type f ! -name manifest.json -printf '%P %s\n' | sort)" "and what is in it"
(cd $part && jq -r '.members[] | "\(.sha256)  \(.name)"' manifest.json | sha256sum --quiet -c)
ok $? "with sums that are right"
pack secrets --nodes=n1,n2 >/dev/null
tar xzOf "$(archive secrets)" >all
for secret in "${secrets[@]}" MIIEowIBAAKCAQEA; do
	! grep -qaF "$secret" all
	ok $? "a secret of the form ${secret:0:6}... is masked"
done
[ "$(tar xzOf "$(archive secrets)" job_7/manifest.json | jq '[.masked[]] | add')" -ge 22 ]
ok $? "and all are counted"
tar xzOf "$(archive secrets)" job_7/manifest.json >manifest.json
is "$(jq '[.members[].masked // 0] | add' manifest.json)" "$(jq '[.masked[]] | add' manifest.json)" "by member too"
is "$(jq -c '[.members[] | select(.masked) | .name] | sort' manifest.json)" \
	"$(jq -c '[.members[] | select(.name | IN("leaky.log", "env.txt")) | .name] | sort' manifest.json)" "where they were"
tar xzOf "$(archive secrets)" job_7/summary.txt | grep -q "manifest.json counts it by kind and member"
ok $? "and the first page says where that is"
tar xzOf "$(archive secrets)" job_7/env.txt | grep -q NCCL_DEBUG=INFO
ok $? "what the libraries read is shown"
! tar xzOf "$(archive secrets)" job_7/env.txt | grep -qE 'API_KEY|AUTH_TOKEN'
ok $? "what is called a secret is not"
tar xzOf "$(archive secrets)" job_7/summary.txt | grep -q "no part came from 1 of 2 nodes: n2"
ok $? "a node without a part is told of"

# ---- called by root
rm -f traps/job_7*
(cd traps && timeout 60 "$bin/disagg-pack" --job=7 disagg-7 >/dev/null)
is "$(stat -c %U "$(archive traps)")" "$user" "root becomes the owner of the run first"
tar xzOf "$(archive traps)" >all 2>/dev/null
! grep -qa -e ROOT-ONLY-MARKER -e ROOT-LINK-MARKER all
ok $? "and takes no more than the owner could"
mkdir theirs && chown "$user" theirs
"$bin/disagg-pack" --part --spare="$dir/theirs" --node=n2 /nowhere/disagg-99 2>err
is "$? $(cat err)$(ls -A theirs)" "5 disagg-pack: cannot look at '/nowhere/disagg-99': No such file or directory" \
	"and leaves no part as root where the run directory is not"
env -i SPANK_DISAGG_RUN_DIR="$dir/outside/made-%j" SLURM_JOB_ID=7 \
	SLURM_JOB_UID="$(id -u "$user")" SLURMD_NODENAME=n1 SLURM_JOB_NODELIST=n1 \
	timeout 60 "$bin/disagg-pack" --hook --deadline=5
is "$? $(ls -A outside)" "0 $(printf 'public\nsecret')" "the hook makes nothing as root where the user points"
new_run hook
env -i SPANK_DISAGG_RUN_DIR="$dir/hook/disagg-%j" SLURM_JOB_ID=7 \
	SLURM_JOB_UID="$(id -u "$user")" SLURMD_NODENAME=n1 SLURM_JOB_NODELIST=n1 \
	timeout 60 "$bin/disagg-pack" --hook --deadline=20
tar tzf "$(archive hook)" | grep -q '^job_7/kernel.txt$'
ok $? "the hook packs as the user, with the kernel's lines"
is "$(find hook -user root)" "" "and leaves no file of root's"
cat >kernel.log <<'LOG'
3,1,1000000,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/slurm/job_9,task_memcg=/slurm/job_9/step_0,task=theirs,pid=91,uid=1001
3,2,1000001,-;Memory cgroup out of memory: Killed process 91 (theirs) total-vm:1kB, UID:1001 pgtables:1kB
3,3,1000002,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/slurm/job_7,task_memcg=/slurm/job_7/step_0,task=ours,pid=92,uid=1000
3,3,1000002,-;Memory cgroup out of memory: Killed process 92 (ours) total-vm:1kB, UID:1000 pgtables:1kB
3,4,1000003,-;NVRM: Xid (PCI:0000:1b:00): 31, pid=93, name=theirs, Ch 00000010
3,5,1000004,-;Memory failure: 0x12345: Sending SIGBUS to theirs:94 due to hardware memory corruption
3,6,1000005,-;EXT4-fs error (device sda1): ext4_lookup:1815: inode #2: comm theirs: deleted inode referenced: 12
LOG
"$bin/disagg-pack" --kernel-lines --uid=1000 --job=7 kernel.log >lines
is "$(grep -c theirs lines) $(grep -c 'process 92 (ours)' lines) $(grep -c '31, pid=\*\*, name=' lines)" "0 1 1" \
	"the kernel's lines name no process of other users"
is "$(tail -n 1 lines)" "(left out, about memory limits of other jobs: 2)" "and those of others' limits are counted"
is "$("$bin/disagg-pack" --kernel-lines kernel.log | grep -c theirs)" 5 "root sees all"
# the hook starts its own path, where this stands in for the reader then
cp "$bin/disagg-pack" hooked
printf '#!/bin/sh\n[ "$1" != --kernel-lines ] || printf "%%s\\n" "$@" >%s/told\n' "$dir" >reader
chmod 755 hooked reader
new_run told-run
told() { # NAME=VALUE...: what the reader is told of the job's GPUs and begin
	unshare -m bash -c 'exec 9<hooked && mount --bind reader hooked && exec env -i "$@"' sh \
		SPANK_DISAGG_RUN_DIR="$dir/told-run/disagg-%j" SLURM_JOB_ID=7 SLURM_JOB_UID="$(id -u "$user")" \
		SLURMD_NODENAME=n1 SLURM_JOB_NODELIST=n1 "$@" timeout 60 /proc/self/fd/9 --hook --deadline=20
	grep -xE -e '--gpus=.*|--since=1795731000' told | paste -sd' '
}
is "$(told SLURM_JOB_GPUS=0,1 SLURM_JOB_START_TIME=1795731000)" "--since=1795731000 --gpus=0,1" \
	"the GPUs of a job that began at a known time are the user's"
is "$(told SLURM_JOB_GPUS=0,1)" "--gpus=" "those of one whose begin is not told may have been another's"
is "$(told SLURM_JOB_GPUS=0,1 SLURM_JOB_START_TIME=Unknown)" "--gpus=" "a begin that is no number is none"
new_run blind
unshare -m sh -c 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && exec env -i "$@"' sh \
	SPANK_DISAGG_RUN_DIR="$dir/blind/disagg-%j" SLURM_JOB_ID=7 SLURM_JOB_UID="$(id -u "$user")" \
	SLURMD_NODENAME=n1 SLURM_JOB_NODELIST=n1 timeout 60 "$bin/disagg-pack" --hook --deadline=20
tar xzOf "$(archive blind)" job_7/kernel.txt | grep -q "(the kernel log is not here: .*/dev/kmsg"
ok $? "where there is no kernel log, kernel.txt says so"
env -i SLURM_JOB_ID=7 SLURM_JOB_UID=1 timeout 60 "$bin/disagg-pack" --hook
is $? 0 "a job without a run is none of the hook's"

# ---- a node without the run directory
mkdir -p alone/tmp alone/bin alone/outside
cp "$bin/disagg-pack" alone/bin
chmod 1777 alone/tmp
chmod 755 alone/bin alone
chown "$user" alone/outside # another's link to it
# /tmp is alone/tmp there, and what is below the real one is out of sight
part() { # [OPTION...] PATH: prints what it says
	unshare -m bash -c "exec 9<alone/bin && mount --bind alone/tmp /tmp && cd / && exec setpriv --reuid=$user \
		--regid=$(id -g "$user") --clear-groups ${watch-} /proc/self/fd/9/disagg-pack --node=n1 $*" 2>&1
}
is "$(part --part /nowhere/disagg-7/)" "disagg-pack: there is no '/nowhere/disagg-7' on n1 (No such file or directory): the part is in '/tmp/disagg-7'" \
	"a part of a run directory that is not there goes to /tmp"
is "$(stat -c '%U %a' alone/tmp/disagg-7) $(ls alone/tmp/disagg-7/parts)" "$user 700 n1.end" "as the user's alone"
rm -r alone/tmp/disagg-7
refused="disagg-pack: there is no '/nowhere/disagg-7' on this node (No such file or directory), and '/tmp/disagg-7'"
while IFS=: read -r trap why; do
	$trap alone/tmp/disagg-7
	is "$(part --part /nowhere/disagg-7)$(find alone/outside alone/tmp/disagg-7/ -mindepth 1)" "$refused $why" \
		"but not where another could write: $trap"
	rm -r alone/tmp/disagg-7
done <<'TRAPS'
mkdir -m 700:is another user's
ln -s ../outside:is another user's
as_user ln -s ../outside:is no folder
as_user mkdir -m 777:can be written by others
TRAPS
watch="strace -qq -e trace=open,openat -o /tmp/opened" part --part /nowhere/disagg-7 >/dev/null
is "$(grep -c '"/tmp/disagg-7"' alone/tmp/opened)" 1 "what was looked at is what is written into"
rm -r alone/tmp/disagg-7
# the job was requeued twice: Slurm counts a run more at the end of the first two
for restarts in 1 2 2 2; do
	part --epilog --nodes=n0,n1 --job=7 --restarts=$restarts /nowhere/disagg-7
done
is "$(cd alone/tmp && echo disagg-7*/parts/*) $(jq .restart alone/tmp/*/parts/*/manifest.json | xargs)" \
	"disagg-7.1/parts/n1.end disagg-7.2/parts/n1.end disagg-7/parts/n1.end 1 2 0" "each run of a job has its own there"
rm -r alone/tmp/disagg-7*
for _ in 1 2; do
	part --epilog --nodes=n0,n1 --job=7 /nowhere/disagg-7
done
is "$(cd alone/tmp && echo disagg-7*/parts/*)" "disagg-7.1/parts/n1.end disagg-7/parts/n1.end" \
	"also where Slurm does not tell how many"

# ---- files that change
new_run growing
instead_as_user bash -c 'while :; do echo growing line; done >>growing/disagg-7/grow.log' &
pids+=($!)
until [ -s growing/disagg-7/grow.log ]; do :; done
pack growing >/dev/null && tar tzf "$(archive growing)" >/dev/null
ok $? "a growing file gives a whole archive"
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
new_run swapped
as_user mkdir swapped/disagg-7/sub
as_user sh -c 'echo inside >swapped/disagg-7/sub/secret'
chmod 755 outside && chmod 644 outside/secret
instead_as_user bash -c "cd swapped/disagg-7 && while :; do mv -T sub aside && ln -s '$dir/outside' sub;
	rm sub; mv -T aside sub; done" 2>/dev/null &
pids=($!)
leaked=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
	pack swapped >/dev/null && tar xzOf "$(archive swapped)" >all && grep -qa ROOT- all && leaked=1
done
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
pids=()
is "$leaked" 0 "a folder that is swapped for a link meanwhile lets nothing in"
new_run many
as_user bash -c "cd many/disagg-7 && for i in {1..10000}; do echo \$i >f\$i.log; done"
pack many >/dev/null
[ "$(tar tzf "$(archive many)" | wc -l)" -le 2010 ] &&
	[ "$(tar xzOf "$(archive many)" job_7/manifest.json | jq .not_included_more)" -ge 7990 ]
ok $? "of 10,000 files the first 2,000 are taken and the rest counted"

# ---- packers that fail
new_run room
mkdir room/out room/spare
chown "$user" room/out room/spare
out=$(unshare -m bash -c "mount -t tmpfs -o size=64k,mode=1777 none room/out && cd room &&
	dd if=/dev/zero of=out/fill bs=4k 2>/dev/null
	pack() { setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups '$bin/disagg-pack' --job=7 --out=out \"\$@\" disagg-7 2>/dev/null; }
	pack; echo \$?; ls -A out; pack --spare=spare; tar tzf spare/job_7* | head -n 1")
is "$out" "$(printf '5\nfill\nspare/%s\njob_7/summary.txt' "job_7_failure_$(date -u -d @1795731610 +%Y%m%d).tar.gz")" \
	"without any room it fails and leaves nothing; --spare is where it goes then"
new_run full
as_user sh -c 'head -c 8M /dev/urandom >full/disagg-7/noise.log'
mkdir full/out
out=$(unshare -m bash -c "mount -t tmpfs -o size=4m,mode=1777 none full/out && cd full &&
	setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups '$bin/disagg-pack' --job=7 \
	--out=out disagg-7 >/dev/null 2>err; echo \$?; ls -A out; tar tzf out/job_7* | head -n 1")
is "$out" "$(printf '0\n%s\njob_7/summary.txt' "job_7_failure_$(date -u -d @1795731610 +%Y%m%d).tar.gz")" \
	"where there is no space for all, a smaller archive is made"
out=$(unshare -m bash -c "mount -t tmpfs -o size=8k,mode=1777 none full/out && cd full &&
	setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups '$bin/disagg-pack' --job=7 \
	--out=out disagg-7 2>&1 >/dev/null | tail -n 1; ls -A out")
is "$out" "disagg-pack: cannot write the archive: No space left on device" \
	"where there is none, that is said and nothing left behind"
new_run killed
as_user sh -c 'head -c 40M /dev/urandom >killed/disagg-7/noise.log'
(cd killed && exec setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups \
	"$bin/disagg-pack" --job=7 disagg-7 >/dev/null 2>&1) &
pids=($!)
until compgen -G 'killed/.job_7*.tmp' >/dev/null; do :; done
kill -9 "${pids[0]}"
wait "${pids[0]}" 2>/dev/null
pids=()
is "$(compgen -G 'killed/job_7*')" "" "a packer that is killed leaves no half archive"
touch -d '2 hours ago' killed/.job_7*.tmp
pack killed --keep=5 >/dev/null
is "$? $(compgen -G 'killed/.job_7*')" "0 " "the next one packs, and removes what was left"
new_run race
for _ in 1 2 3 4; do
	pack race >/dev/null &
	pids+=($!)
done
good=0
for pid in "${pids[@]}"; do
	wait "$pid" && good=$((good + 1))
done
pids=()
is "$good $(find race -name '*tar*' | wc -l)" "4 1" "four packers at once leave one archive"
tar tzf "$(archive race)" >/dev/null
ok $? "which is whole"
new_run kept
for day in 1 2 3; do
	as_user touch -d "$day days ago" "kept/job_1${day}_success_2020010$day.tar.gz"
done
as_user touch kept/job_other.tar.gz
echo root >kept/job_9_success_20200101.tar.gz
pack kept --keep=2 >/dev/null 2>&1
is "$(cd kept && echo job_*)" "job_11_success_20200101.tar.gz $(cd kept && ls job_7*) \
job_9_success_20200101.tar.gz job_other.tar.gz" "old archives of the user over --keep go, no other file"
new_run slow
for i in 1 2 3 4 5 6; do
	as_user sh -c "head -c 2M /dev/urandom >slow/disagg-7/l$i.log"
done
(cd slow && as_user strace -qq -o /dev/null -e inject=pread64:delay_enter=400000 \
	"$bin/disagg-pack" --job=7 --deadline=2 disagg-7 >/dev/null)
tar xzOf "$(archive slow)" job_7/manifest.json | jq -r '.not_included[].why' |
	grep -q "no time was left"
ok $? "on a slow file system it ends by its deadline and says what is missing"
mkdir -p home/mine && echo "a diary" >home/mine/diary.txt
out=$(cd home && "$bin/disagg-pack" mine 2>&1)
is "$?" 4 "a folder that is no run directory is not packed"
is "${out%%:*}: ${out#*mine\' }" "disagg-pack: is no run directory: expected state.json, config.yaml, \
exits or parts in it; where it is one all the same, say --job=ID" "and that is said"
is "$(ls -A home)" mine "nothing is written beside it"
done_testing
