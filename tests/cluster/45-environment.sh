#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job that does not ask for us is the same with and without the plugin: its
# environment in the batch step, in steps, under direct srun and salloc, and
# what scontrol shows of it, but for what differs between any two runs.  Inside
# a job of ours the ordinary commands stay ordinary.
. "$(dirname "$0")/lib.sh"
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
cp "$SRC/configs/native-2p2d.yaml" "$WORK/p.yaml"
line=$STATE/plugstack.conf.d/zz-disagg.conf
size=(-t10 -N2 --ntasks-per-node=2 --gpus-per-node=2)

cat >"$WORK/batch.sh" <<'JOB'
#!/bin/bash
env -0 >"$1.batch"
srun --overlap -N1 -n1 /usr/bin/env -0 >"$1.step"
srun --overlap /bin/bash -c '[ "$SLURM_PROCID" -ne 3 ] || /usr/bin/env -0' >"$1.wide"
scontrol -o show job "$SLURM_JOB_ID" | tr ' ' '\n' >"$1.fields"
JOB
chmod 755 "$WORK/batch.sh"

# one run of everything: files NAME.KIND, and NAME.plugin, whether it was loaded
look() { # NAME
	local name=$1 id
	as_user sbatch --help 2>&1 | grep -c -- --disagg-config >"$WORK/$name.plugin"
	id=$(submit --output="$WORK/out" "${size[@]}" batch.sh "$name")
	is "$(wait_job "$id")" COMPLETED "$name: the batch job completes"
	id=$(submit --export=NONE --output="$WORK/out" "${size[@]}" batch.sh "$name.none")
	is "$(wait_job "$id")" COMPLETED "$name: the batch job with --export=NONE completes"
	# shellcheck disable=SC2016
	as_user srun "${size[@]}" bash -c '[ "$SLURM_PROCID" -ne 2 ] || env -0' >"$WORK/$name.direct"
	as_user salloc "${size[@]}" env -0 >"$WORK/$name.salloc" 2>"$WORK/err"
	as_user salloc "${size[@]}" srun -N1 -n1 env -0 >"$WORK/$name.salloc-step" 2>"$WORK/err"
}

# NAME=VALUE, one a line; a value's own newlines are spelled out
entries() { # FILE
	case $1 in
	*.fields) sort "$1" ;;
	*) tr '\n\0' '\001\n' <"$1" | sort ;;
	esac
}

# the names whose entries are not the same in the two files
unsteady() { # FILE FILE
	comm -3 <(entries "$1") <(entries "$2") | tr -d '\t' | cut -d= -f1 | sort -u
}

steady() { # FILE NAMES
	entries "$1" | awk -F= 'NR == FNR { skip[$0] = 1; next } !($1 in skip)' "$2" -
}

# what may be equal in two runs by chance: seconds, and which of Slurm's two
# schedulers came first
by_chance='AccrueTime
EligibleTime
EndTime
LastSchedEval
Priority
RunTime
Scheduler
StartTime
SubmitTime'

look with-1
look with-2
mv "$line" "$STATE/zz-disagg.conf"
devcluster restart --state "$STATE" >"$STATE/restart.out" 2>&1
look without-1
look without-2
mv "$STATE/zz-disagg.conf" "$line"
devcluster restart --state "$STATE" >"$STATE/restart.out" 2>&1
isnt "$(cat "$WORK/with-1.plugin")" 0 "the plugin is loaded"
is "$(cat "$WORK/without-1.plugin")" 0 "the plugin is not loaded"

for kind in batch step wide none.batch none.step none.wide direct salloc salloc-step fields \
	none.fields; do
	with=$WORK/with without=$WORK/without
	{ unsteady "$with-1.$kind" "$with-2.$kind"
		unsteady "$without-1.$kind" "$without-2.$kind"
		echo "$by_chance"; } | sort -u >"$WORK/unsteady"
	echo "# $kind: differs between any two runs: $(paste -sd' ' "$WORK/unsteady")"
	case $kind in
	*fields) known=NumNodes=2 ;;
	*) known=SLURM_JOB_NUM_NODES=2 ;;
	esac
	has "$(steady "$without-1.$kind" "$WORK/unsteady")" "$known" "$kind: there is something to compare"
	is "$(diff <(steady "$without-1.$kind" "$WORK/unsteady") \
		<(steady "$with-1.$kind" "$WORK/unsteady"))" "" "$kind: the same with the plugin"
	case $kind in
	*fields) ;;
	*) is "$(entries "$with-1.$kind" | cut -d= -f1)" "$(entries "$without-1.$kind" | cut -d= -f1)" \
		"$kind: the same names" ;;
	esac
	hasnt "$(entries "$with-1.$kind")" DISAGG_ "$kind: nothing of ours"
done

# inside a job of ours: another job, a plain step, a step of one task
cat >"$WORK/other.sh" <<'JOB'
#!/bin/bash
env >"$SLURM_JOB_ID.env"
# the size of the job around it comes along, with us or without
srun --overlap -N1 -n1 --gpus-per-node=0 /usr/bin/env >"$SLURM_JOB_ID.step"
JOB
cat >"$WORK/outer.sh" <<'JOB'
#!/bin/bash
sbatch --parsable --output=other.out other.sh >other.id
sbatch --parsable --output=other.out --export=NONE other.sh >none.id
sbatch --parsable --output=other.out -N2 -n2 --gpus-per-node=1 other.sh >sized.id
srun hostname >plain.step; echo "plain=$?"
srun -n1 -N1 hostname >one.step; echo "one=$?"
srun --overlap -n2 -N2 hostname >two.step; echo "two=$?"
JOB
chmod 755 "$WORK/other.sh" "$WORK/outer.sh"
ordinary() { # JOB
	as_root scontrol -o show job "$1" | tr ' ' '\n' | sed 's|gres/|gres:|g' |
		grep -E '^(NumNodes|NumTasks|TresPer[A-Za-z]*)='
}

id=$(submit --output=outer.out --disagg-config=p.yaml outer.sh)
is "$(wait_job "$id")" COMPLETED "a job of ours with ordinary commands completes"
# a release may say that a step waited for the one before it to be cleared away
is "$(grep -v '^srun: .*tep crea' "$WORK/outer.out")" "plain=0
one=0
two=0" "plain steps in it succeed and say nothing"
is "$(wc -l <"$WORK/plain.step")" 12 "srun alone: a task for each of the job's"
is "$(wc -l <"$WORK/one.step")" 1 "srun -n1 -N1: one task"
is "$(sort -u "$WORK/two.step" | wc -l)" 2 "srun -n2 -N2: two nodes"

for name in other none sized; do
	inner=$(cat "$WORK/$name.id")
	is "$(wait_job "$inner")" COMPLETED "inner sbatch ($name): completes"
	case $name in
	sized) want=$'NumNodes=2\nNumTasks=2\nTresPerNode=gres:gpu:1' ;;
	*) want=$'NumNodes=1\nNumTasks=1' ;;
	esac
	is "$(ordinary "$inner")" "$want" "inner sbatch ($name): its own size"
	has "$(cat "$WORK/$inner.step")" SLURM_STEP_ID "inner sbatch ($name): its steps start"
	hasnt "$(cat "$WORK/$inner.env")" DISAGG_ "inner sbatch ($name): nothing of ours in the batch step"
	hasnt "$(cat "$WORK/$inner.step")" DISAGG_ "inner sbatch ($name): nothing of ours in its steps"
done

no_node_drained
done_testing
