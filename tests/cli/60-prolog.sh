#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The check before a job, as slurmd calls it: what it refuses, what it lets
# pass, and what it tells Slurm.
. "$(dirname "$0")/lib.sh"
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-prolog.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
for name in ${!DISAGG_*} ${!SLURM*} ${!STUB_*}; do
	unset "$name"
done
export LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=4
printf '6,1,1000,-;quiet\n' >"$dir/quiet"
printf '3,1,1000,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus\n' >"$dir/xid"

check() { # NAME STATUS TEXT
	[ "$rc" -eq "$2" ] && { [ -z "$3" ] || grep -qF -e "$3" "$dir/said"; }
	ok $? "$1" "status $rc, expected $2 and '$3'
$(cat "$dir/said")"
}
probe() { # LOG FAULTS [OPTION]...
	rm -rf "$dir/run"
	STUB_FAULTS=$2 timeout -k 1 30 "$BUILD/bin/disagg-probe" --prolog --out="$dir/run" \
		--kernel-log="$dir/$1" "${@:3}" >"$dir/said" 2>&1
	rc=$?
}
probe quiet ''
check "a healthy node" 0 ''
probe quiet '' --format=json
check "as JSON" 0 '{"bad":false,"cached":false,"text":"","unknown":""}'
probe quiet 'ecc gpu=2'
check "memory errors" 1 'GPU 2 (GPU-'
probe xid ''
check "an Xid" 1 'GPU has fallen off the bus (reboot_node)'
probe missing ''
check "no kernel log: told, no reason to refuse" 0 'not checked: kernel log'
probe quiet nvml-crash
check "a library that crashes: the same" 0 'not checked: GPUs: signal 11'
printf 'xids:\n- {code: 79, drain: never, action: none}\n' >"$dir/site.yaml"
probe xid '' --xid-table="$dir/site.yaml"
check "a site that does not mind" 0 ''
printf 'xids: 7\nzeds: 8\n' >"$dir/site.yaml"
probe xid '' --xid-table="$dir/site.yaml"
check "a site's file that is wrong refuses no job" 0 "unknown key 'zeds'"

# ---- the script, with Slurm's commands and the program in its PATH ----
mkdir "$dir/bin"
cat >"$dir/bin/disagg-probe" <<'EOF'
#!/bin/sh
echo "$FAKE_SAYS"
exit "$FAKE_STATUS"
EOF
printf '#!/bin/sh\nprintenv FAKE_STATE\n' >"$dir/bin/sinfo"
printf '#!/bin/sh\nprintf "%%s\\n" "$*" >"%s/scontrol"\n' "$dir" >"$dir/bin/scontrol"
printf '#!/bin/sh\nexit 0\n' >"$dir/bin/logger"
chmod +x "$dir"/bin/*
script() { # STATUS SAYS NAME=VALUE...
	PATH=$dir/bin:$PATH env FAKE_STATUS="$1" FAKE_SAYS="$2" "${@:3}" \
		timeout -k 1 30 "$SRC/scripts/prolog-probe.sh" >"$dir/said" 2>&1
	rc=$?
}
# as slurmd runs a health check: when it has ended, its process group is killed
# shellcheck disable=SC2016
health() { # STATUS SAYS NAME=VALUE...
	PATH=$dir/bin:$PATH env FAKE_STATUS="$1" FAKE_SAYS="$2" "${@:3}" \
		timeout -k 1 30 setsid -w sh -c 'echo $$ >"$1" && exec "$2"' sh "$dir/group" \
		"$SRC/scripts/prolog-probe.sh" >"$dir/said" 2>&1
	rc=$?
	kill -KILL -- "-$(cat "$dir/group")" 2>/dev/null
}
script 0 '' SLURM_JOB_ID=7 SLURMD_NODENAME=n1
check "prolog: a good node" 0 ''
script 1 'GPU 2 is bad' SLURM_JOB_ID=7 SLURMD_NODENAME=n1
check "prolog: a bad one" 1 'GPU 2 is bad'
for status in 2 5 77 139; do
	script $status 'whatever' SLURM_JOB_ID=7 SLURMD_NODENAME=n1
	check "prolog: status $status refuses no job" 0 ''
done
script 0 '' DISAGG_PROBE=/no/such/program SLURM_JOB_ID=7
check "prolog: no program" 0 ''
script 1 ''
check "called by hand" 2 'usage:'

mkfifo "$dir/scontrol"
health 1 "GPU 2 is 'bad'" SLURMD_NODENAME=n1 FAKE_STATE=idle
cp "$dir/said" "$dir/said.1"
timeout 20 cat "$dir/scontrol" >"$dir/said"
check "health check: a bad node is drained" 0 \
	"update nodename=n1 state=drain reason=disagg-prolog: GPU 2 is 'bad'"
rm "$dir/scontrol"
# descriptor 9 is open for as long as a part of the script runs
mkfifo "$dir/alive"
timeout 20 cat "$dir/alive" &
health 1 'GPU 2 is bad' SLURMD_NODENAME=n1 FAKE_STATE=drained 9>"$dir/alive"
wait $!
check "health check: a drained node" 0 ''
[ ! -e "$dir/scontrol" ]
ok $? "is left as it is"
printf '#!/bin/sh\necho "asked: $*"\nexit 1\n' >"$dir/bin/disagg-probe"
printf '#!/bin/sh\necho "$*" >"%s/logged"\n' "$dir" >"$dir/bin/logger"
health 1 '' SLURMD_NODENAME=n1 FAKE_STATE=idle DISAGG_DRAIN=no
cp "$dir/logged" "$dir/said"
check "health check that only logs: looks for itself" 0 'asked: --prolog --out=/run/disagg-log'
done_testing
