#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Others stay apart from us: jobs started from inside a job of ours or of
# someone else, steps that are none of the plan's, a job made smaller, and the
# logs of the daemons.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
cp "$SRC/tests/cluster/task.sh" "$SRC/configs/native-2p2d.yaml" "$WORK"
ours=(--disagg-config=native-2p2d.yaml)

# runs the script on stdin as a batch job and leaves its output in $out
batch() { # SBATCH-ARGUMENT...
	local id
	cat >"$WORK/batch.sh"
	chmod 755 "$WORK/batch.sh"
	id=$(submit --output="$WORK/batch.out" "$@" batch.sh)
	is "$(wait_job "$id")" COMPLETED "$what: the job completes"
	out=$(cat "$WORK/batch.out")
}

# what a job that was submitted from inside another saw
inner() { # FILE-WITH-ITS-ID OUTPUT
	is "$(wait_job "$(cat "$WORK/$1")")" COMPLETED "$what: the inner job completes"
	out=$(cat "$WORK/$2")
}

what="sbatch in a job of someone else"
batch -N1 -n1 <<'JOB'
#!/bin/bash
export DISAGG_MINE=kept
sbatch --parsable -o inner.out --wrap 'echo "mine=$DISAGG_MINE"' >inner.id
JOB
inner inner.id inner.out
is "$out" "mine=kept" "$what: keeps a DISAGG_ variable of the user's own"

what="a script that unsets the number of its job"
batch "${ours[@]}" <<'JOB'
#!/bin/bash
unset SLURM_JOB_ID SLURM_JOBID
sbatch --parsable -N1 -n1 --ntasks-per-node=1 --gpus-per-node=0 -o inner.out \
	--wrap 'env | grep DISAGG; echo "nodes=$SLURM_NNODES"' >inner.id
JOB
inner inner.id inner.out
is "$out" "nodes=1" "$what: its sbatch is sized by nobody and carries nothing of ours"

what="srun a : b in a job of ours"
batch "${ours[@]}" <<'JOB'
#!/bin/bash
srun --overlap -n1 -N1 echo first : -n1 -N1 echo second | sort
echo "rc=${PIPESTATUS[0]}"
srun --overlap --disagg-role=decode:0 true : -n1 -N1 true 2>&1
echo "role=$?"
JOB
has "$out" $'first\nsecond\nrc=0' "$what: both parts run"
has "$out" "--disagg-role=decode:0 cannot be in a step of several parts" \
	"$what: a role in it is refused before it starts"

what="a job made smaller"
batch "${ours[@]}" <<'JOB'
#!/bin/bash
# where a release shrinks no running job, the environment of one stands for it
scontrol update jobid="$SLURM_JOB_ID" NumNodes=2 >/dev/null 2>&1
if [ -e "slurm_job_${SLURM_JOB_ID}_resize.sh" ]; then
	. ./"slurm_job_${SLURM_JOB_ID}_resize.sh"
else
	SLURM_JOB_NODELIST=$(scontrol show hostnames | head -n 2 | paste -sd,)
	export SLURM_JOB_NUM_NODES=2
	export SLURM_NODELIST=$SLURM_JOB_NODELIST SLURM_NNODES=2
fi
srun --overlap -N1 -n1 true
echo "plain=$?"
srun --overlap --disagg-role=decode:0 true 2>&1
echo "role=$?"
JOB
has "$out" "plain=0" "$what: an ordinary step runs"
has "$out" "the job's plan is for 3 nodes, but the job has 2" "$what: a role says what is wrong"
has "$out" "role=1" "$what: and fails"

what="a value of several lines"
batch "${ours[@]}" <<'JOB'
#!/bin/bash
export SLURM_DISAGG_PORT_OFFSET=$'1\n[2026-01-01T00:00:00.000] error: forged'
srun --overlap --disagg-role=decode:0 true 2>&1
echo "role=$?"
JOB
has "$out" "is '1?[2026-01-01T00:00:00.000] error: forged'" "$what: is shown on one line"
is "$(grep -l '^\[2026-01-01T00' "$STATE"/log/slurmd-*.log)" "" "$what: forges none in slurmd's log"
hasnt "$(as_user sbatch --disagg-config=$'\033[31mno' --wrap true 2>&1)" $'\033' \
	"a name with a terminal's command is shown without it"

what="--export-file"
printf 'A=1\0' >"$WORK/vars"
out=$(as_user sbatch --export-file=vars "${ours[@]}" --wrap true 2>&1)
is $? 1 "$what: is refused, for the plan would be lost"
has "$out" "--export-file=vars has no place here: it replaces the environment" "$what: with a reason"

what="a mistake in plugstack.conf"
sed -i 's|$| clusterfile=/x|' "$STATE/plugstack.conf.d/zz-disagg.conf"
runs 0 "$what: srun without our options runs" as_user srun -N1 true
runs 0 "$what: sbatch too" as_user sbatch --output=/dev/null --wrap true
has "$(as_user sbatch "${ours[@]}" --wrap true 2>&1)" "expected cluster_file=" \
	"$what: is told where our options are used"
sed -i 's| clusterfile=/x$||' "$STATE/plugstack.conf.d/zz-disagg.conf"

no_node_drained
done_testing
