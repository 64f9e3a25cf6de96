#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/prolog-probe.sh as the Prolog of a real Slurm: a good node runs jobs, a
# bad one is drained and runs none, and a driver that hangs or crashes does no harm.
. "$(dirname "$0")/lib.sh"
conf=$(mktemp -d) || exit 5
cat >"$conf/prolog" <<EOF
#!/bin/sh
# slurmd gives its prolog hardly an environment
export DISAGG_PROBE=$conf/probe SLURM_JOB_ID SLURMD_NODENAME
exec "$SRC/scripts/prolog-probe.sh"
EOF
cat >"$conf/probe" <<EOF
#!/bin/sh
export LD_LIBRARY_PATH=$BUILD/stubs STUB_GPUS=4
export STUB_FAULTS="\$(cat "$conf/faults")"
exec "$BUILD/bin/disagg-probe" "\$@" --out="$conf/run.\$SLURMD_NODENAME" --kernel-log="$conf/kmsg"
EOF
cat >"$conf/health" <<EOF
#!/bin/sh
[ -e "$conf/watch" ] || exit 0
# slurmd's environment is not its health check's in every release
export DISAGG_PROBE=$conf/probe SLURM_CONF="\$(cat "$conf/watch")"
exec "$SRC/scripts/prolog-probe.sh"
EOF
chmod 755 "$conf" "$conf/prolog" "$conf/probe" "$conf/health"
: >"$conf/faults"
printf '6,1,1000,-;quiet\n' >"$conf/kmsg"
cluster_up --nodes 2 --gpus 4 --conf "Prolog=$conf/prolog" --conf PrologEpilogTimeout=30 \
	--conf SchedulerParameters=nohold_on_prolog_fail \
	--conf "HealthCheckProgram=$conf/health" --conf HealthCheckInterval=2

# The last verdicts are forgotten, and this is what NVML says from now on.
faults() { # FAULTS
	printf '%s' "$1" >"$conf/faults"
	rm -rf "$conf"/run.*
}
state_of() { # NODE
	as_root sinfo -h -n "$1" -o %T
}
one=${NODES[0]}

runs 0 "a job runs on healthy nodes" as_user srun -N2 true
faults 'nvml-crash'
runs 0 "and where the driver's library crashes" as_user srun -N2 true
faults 'remap-pending; power-limit watts=500'
runs 0 "and where what is wrong can wait" as_user srun -N2 true
hasnt "$(as_root sinfo -h -o %T)" drain "no node is drained"

faults "ecc gpu=1 node=$one"
as_user timeout 20 srun -w "$one" --no-kill true >/dev/null 2>&1
has "$(state_of "$one")" drain "a node with memory errors is drained"
has "$(as_root sinfo -h -R -o %E)" "Prolog error" "by its prolog"
runs 0 "another takes the job" as_user srun -N1 true
# ---- as a health check
faults ''
as_root scontrol update nodename="$one" state=resume
faults "ecc gpu=1 node=$one"
# shellcheck disable=SC2016
as_root sh -c 'echo "$SLURM_CONF"' >"$conf/watch"
end=$((SECONDS + 20))
until [[ $(as_root sinfo -h -R -n "$one" -o %E) == disagg-prolog:* ]] || [ $SECONDS -ge $end ]; do
	sleep 0.2
done
has "$(as_root sinfo -h -R -n "$one" -o %E)" "disagg-prolog: " "a health check drains the node itself"
has "$(state_of "$one")" drain "Slurm agrees"
rm -rf "$conf"
done_testing
