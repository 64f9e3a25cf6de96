#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The user's own options beside ours: as a flag, as an #SBATCH line and as an
# environment variable, before and after --disagg-config.  They agree with the
# plan and are in the job, or nothing is queued and both places are named.
. "$(dirname "$0")/lib.sh"
printf 'clusters:\n  dev:\n    gpus_per_node: 8\n' >"${TMPDIR:-/tmp}/disagg-flags.$$"
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so" \
	--cluster-file "${TMPDIR:-/tmp}/disagg-flags.$$"
rm -f "${TMPDIR:-/tmp}/disagg-flags.$$"
as_root scontrol create partitionname=second nodes=ALL state=UP
cp "$SRC/configs/native-2p2d.yaml" "$WORK/p.yaml"
config=--disagg-config=p.yaml

# Three nodes of four GPUs, and the file's time limit of 30 minutes.
# FLAG              VARIABLES              WHAT IS EXPECTED
#                   sbatch salloc srun     "agree" and what scontrol shows then (-:
#                   (-: none, =: as        nothing else), or "refuse", the option
#                   sbatch's)              and the key that it contradicts
gpus=p.yaml:14:16 nodes=p.yaml:30:3
# srun(1): 22.05 reads SRUN_CPUS_PER_TASK alone, later releases the other again
srun_cpus=CPUS_PER_TASK
[[ $(as_root sinfo -V) != *\ 22.05.* ]] || srun_cpus=SRUN_CPUS_PER_TASK
table="
-N3                 -    -    JOB_NUM_NODES=3 agree  -
--nodes=3-3         -    -    -               agree  -
-N4                 -    -    JOB_NUM_NODES=4        refuse --nodes=4 $nodes
--nodes=2-4         -    -    -               refuse --nodes=2-4 $nodes
-N1                 -    -    JOB_NUM_NODES=1        refuse --nodes=1 $nodes
-n12                -    -    -               agree  -
-n5                 -    -    NTASKS=5        refuse --ntasks=5 $nodes
--ntasks-per-node=4 -    -    -               agree  -
--ntasks-per-node=1 -    -    NTASKS_PER_NODE=1 refuse --ntasks-per-node=1 $gpus
--gpus-per-node=4   GPUS_PER_NODE=4 = =       agree  -
--gpus-per-node=h100:4 GPUS_PER_NODE=h100:4 = =  agree  TresPerNode=gres:gpu:h100:4
--gpus-per-node=8   GPUS_PER_NODE=8 = =       refuse --gpus-per-node=8 $gpus
--gpus=12           GPUS=12 = =               agree  TresPerJob=gres:gpu:12
-G8                 GPUS=8 = =                refuse --gpus=8 $gpus
--gres=gpu:4        GRES=gpu:4 = =            agree  TresPerNode=gres:gpu:4,gres:gpu:4
--gres=gpu:2        GRES=gpu:2 = =            refuse gpu:2 $gpus
-c2                 -    -    $srun_cpus=2 refuse --cpus-per-task=2 $gpus
--gpus-per-task=1   GPUS_PER_TASK=1 = =       refuse --gpus-per-task=1 $gpus
--mem=8G            MEM_PER_NODE=8192 = =     agree  MinMemoryNode=8G
--mem-per-cpu=100   MEM_PER_CPU=100 = =       agree  MinMemoryCPU=100M
--exclusive         EXCLUSIVE=exclusive = =   agree  OverSubscribe=NO
-psecond            PARTITION=second = =      agree  Partition=second
-t10                TIMELIMIT=10 = =          agree  TimeLimit=00:10:00
-Adev               ACCOUNT=dev = =           agree  Account=dev
--cpus-per-gpu=2    CPUS_PER_GPU=2 = =        agree  CpusPerTres=gres:gpu:2
"

# script NAME LINE...: a job script with these #SBATCH lines
# shellcheck disable=SC2016
script() {
	local name=$1
	shift
	{
		echo '#!/bin/bash'
		[ $# -eq 0 ] || printf '#SBATCH %s\n' "$@"
		echo 'srun --overlap --disagg-role=decode:1 bash -c '\''echo "$SLURM_PROCID:$CUDA_VISIBLE_DEVICES"'\'
	} >"$WORK/$name"
	chmod 755 "$WORK/$name"
}
script plain.sh
script ours.sh "$config"

# what a job asks for, one field a line
fields() { # JOB
	# newer releases write gres/gpu for gres:gpu
	as_root scontrol -o show job "$1" | tr ' ' '\n' | sed 's|gres/|gres:|g; s/^NumNodes=\(.*\)-\1$/NumNodes=\1/' |
		grep -E '^(NumNodes|NumTasks|NtasksPerN:B:S:C|CPUs/Task|TresPer[A-Za-z]*|CpusPerTres|MemPerTres)=|'\
'^(MinMemory(Node|CPU)|OverSubscribe|TimeLimit|Partition|Account|JobName|ReqB:S:C:T|Contiguous)=' |
		sort
}

id=$(submit --hold "$config" plain.sh)
plain=$(fields "$id")
as_root scancel "$id"
for field in NumNodes=3 NumTasks=12 NtasksPerN:B:S:C=4:0:\*:\* TresPerNode=gres:gpu:4 \
	CPUs/Task=1 TimeLimit=00:30:00 JobName=qwen3-2p2d Partition=main; do
	has "
$plain
" "
$field
" "without other options: $field"
done

# the fields of a job that also has FIELD
with_field() { # FIELD|-
	local name=${1%%=*}
	case $1 in
	-) echo "$plain" && return ;;
	MinMemory*) name='MinMemory[NC].*' ;;
	esac
	{ grep -v "^$name=" <<<"$plain"
		echo "$1"; } | sort
}

agrees() { # WHAT FIELD COMMAND...
	local what=$1 field=$2 id
	shift 2
	id=$(as_user "$@" 2>"$WORK/err")
	if [ -z "$id" ]; then
		ok 1 "$what: is submitted"
		note got "$(cat "$WORK/err")"
		return
	fi
	# beside another kind of memory newer releases leave out the zero
	is "$(fields "$id" | grep -v '^MinMemoryNode=0$')" \
		"$(with_field "$field" | grep -v '^MinMemoryNode=0$')" "$what: is in the job"
	as_root scancel "$id"
}

refuses() { # WHAT OPTION WHERE COMMAND...
	local what=$1 option=$2 where=$3 out rc queued
	shift 3
	out=$(as_user "$@" 2>&1)
	rc=$?
	queued=$(as_root squeue -h)
	[ $rc -eq 1 ] && [ -z "$queued" ] && [[ $out == *"$where: "*"$option"* ]]
	ok $? "$what: is refused, both places are named" && return
	note got "status $rc: $out"
	note queued "$queued"
	note expected "status 1, '$option' and '$where'"
	[ -z "$queued" ] || as_root scancel -u "$TEST_USER"
}

# judge VERDICT A B WHAT COMMAND...
judge() {
	local verdict=$1 a=$2 b=$3 what=$4
	shift 4
	case $verdict in
	agree) agrees "$what" "$a" "$@" ;;
	*) refuses "$what" "$a" "$b" "$@" ;;
	esac
}

hold=(sbatch --parsable --hold)
each_way() { # FLAG VARIABLE VERDICT A B
	local flag=$1 var=$2
	shift 2
	judge "$@" "$flag before" "${hold[@]}" "$flag" "$config" plain.sh
	judge "$@" "$flag after" "${hold[@]}" "$config" "$flag" plain.sh
	judge "$@" "$flag beside our line" "${hold[@]}" "$flag" ours.sh
	script line.sh "$flag"
	judge "$@" "$flag as a line" "${hold[@]}" "$config" line.sh
	script line.sh "$flag" "$config"
	judge "$@" "$flag as a line before ours" "${hold[@]}" line.sh
	script line.sh "$config" "$flag"
	judge "$@" "$flag as a line after ours" "${hold[@]}" line.sh
	[ "$var" != - ] || return
	judge "$@" "SBATCH_$var with our flag" env "SBATCH_$var" "${hold[@]}" "$config" plain.sh
	judge "$@" "SBATCH_$var with our line" env "SBATCH_$var" "${hold[@]}" ours.sh
}

# salloc and direct srun start at once: what is refused is enough to show, and
# that the rest has the plan's size
nodes_want=3
direct() { # WHAT VERDICT A B COMMAND...
	local what=$1 verdict=$2 a=$3 b=$4 out rc
	shift 4
	if [ "$verdict" = refuse ]; then
		refuses "$what" "$a" "$b" "$@"
		return
	fi
	out=$(as_user "$@" 2>"$WORK/err")
	rc=$?
	is "$rc $(sort -u <<<"$out")" "0 $nodes_want nodes" "$what: has the plan's size" && return
	note stderr "$(cat "$WORK/err")"
}
# shellcheck disable=SC2016
say=(bash -c 'echo $SLURM_JOB_NUM_NODES nodes')

mapfile -t rows < <(grep . <<<"$table")
for row in "${rows[@]}"; do
	read -r flag sbatch salloc srun verdict a b <<<"$row"
	[ "$salloc" != = ] || salloc=$sbatch
	[ "$srun" != = ] || srun=$sbatch
	each_way "$flag" "$sbatch" "$verdict" "$a" "$b"
	for order in before after; do
		set -- "$flag" "$config"
		[ $order = before ] || set -- "$config" "$flag"
		direct "salloc $flag $order" "$verdict" "$a" "$b" salloc "$@" "${say[@]}"
		# a direct srun has other tasks than a batch job: below
		case $flag in
		-n* | --ntasks-per-node=*) continue ;;
		esac
		direct "srun $flag $order" "$verdict" "$a" "$b" srun "$@" "${say[@]}"
	done
	[ "$salloc" = - ] ||
		direct "SALLOC_$salloc" "$verdict" "$a" "$b" env "SALLOC_$salloc" salloc "$config" "${say[@]}"
	[ "$srun" != - ] || continue
	[[ $srun == SRUN_* ]] || srun=SLURM_$srun
	direct "$srun" "$verdict" "$a" "$b" env "$srun" srun "$config" "${say[@]}"
done

# a direct srun has a task for each of the workers' processes, as many on each
# node as the fullest one needs
direct "srun --ntasks-per-node" agree - - srun "$config" --ntasks-per-node=2 "${say[@]}"
direct "srun -n" agree - - srun -n6 "$config" "${say[@]}"
refuses "srun with other tasks" --ntasks=12 "$nodes" srun "$config" -n12 true
refuses "srun with other tasks on a node" --ntasks-per-node=4 "$gpus" srun \
	--ntasks-per-node=4 "$config" true

# the user's cluster file goes before plugstack.conf's, and one without a name is none
printf 'clusters:\n  mine:\n    partition: second\n' >"$WORK/mine.yaml"
out=$(as_user env DISAGG_CLUSTER_FILE=mine.yaml sbatch --disagg-dry-run "$config" plain.sh)
has "$out" --partition=second "DISAGG_CLUSTER_FILE is read"
sed '/^gpus_per_node:/d' "$WORK/p.yaml" >"$WORK/sizeless.yaml"
out=$(as_user env DISAGG_CLUSTER_FILE= sbatch --disagg-dry-run --disagg-config=sizeless.yaml plain.sh 2>&1)
has "$out" "gpus_per_node is missing" "an empty DISAGG_CLUSTER_FILE: no cluster file"

# our own options in any order make the same job
want=$(id=$(submit --hold --disagg-set=gpus_per_node=8 "$config" plain.sh) && fields "$id" &&
	as_root scancel "$id")
has "$want" NumNodes=2 "--disagg-set changes the size"
set_=--disagg-set=gpus_per_node=8
same() { # WHAT WANT COMMAND...
	local what=$1 want=$2 id
	shift 2
	id=$(as_user "$@" 2>"$WORK/err")
	is "$(fields "$id")" "$want" "$what: the same job"
	as_root scancel "$id"
}
script set.sh "$config" "$set_"
script set-first.sh "$set_" "$config"
script set-alone.sh "$set_"
same "set after" "$want" "${hold[@]}" "$config" "$set_" plain.sh
same "set, then a size that agrees" "$want" "${hold[@]}" -N2 "$config" "$set_" plain.sh
same "a size that agrees between" "$want" "${hold[@]}" "$config" -N2 "$set_" plain.sh
same "a size that agrees last" "$want" "${hold[@]}" "$config" "$set_" --gpus-per-node=8 plain.sh
same "set as the second line" "$want" "${hold[@]}" set.sh
same "set as the first line" "$want" "${hold[@]}" set-first.sh
same "set as a line, config as a flag" "$want" "${hold[@]}" "$config" set-alone.sh
same "set as a flag, config as a line" "$want" "${hold[@]}" "$set_" ours.sh
same "the last of two sets" "$want" "${hold[@]}" --disagg-set=gpus_per_node=4 "$config" "$set_" plain.sh
same "the last of two configs" "$plain" "${hold[@]}" --disagg-config=gone.yaml "$config" plain.sh
refuses "a size that only agreed before the set" --nodes=3 "$nodes" "${hold[@]}" -N3 "$config" "$set_" plain.sh
refuses "the same after it" --nodes=3 "$nodes" "${hold[@]}" "$config" -N3 "$set_" plain.sh
refuses "the same at the end" --nodes=3 "$nodes" "${hold[@]}" "$config" "$set_" -N3 plain.sh

# a rehearsal has the nodes and no GPUs, in every order
rehearsal=$(grep -v '^TresPerNode=' <<<"$plain")
same "rehearsal before" "$rehearsal" "${hold[@]}" --disagg-rehearse "$config" plain.sh
same "rehearsal after" "$rehearsal" "${hold[@]}" "$config" --disagg-rehearse plain.sh
same "rehearsal between sizes" "$rehearsal" "${hold[@]}" -N3 --disagg-rehearse "$config" -n12 plain.sh
script rehearse.sh --disagg-rehearse "$config"
same "rehearsal as a line" "$rehearsal" "${hold[@]}" rehearse.sh
refuses "rehearsal of another size" --nodes=2 "$nodes" "${hold[@]}" "$config" -N2 --disagg-rehearse plain.sh

# several options at once, and each that disagrees is named
many=(-N3 -n12 --ntasks-per-node=4 --gpus-per-node=4 --mem=8G -t10 -psecond)
want=$({ grep -vE '^(MinMemoryNode|TimeLimit|Partition)=' <<<"$plain"
	printf '%s\n' MinMemoryNode=8G TimeLimit=00:10:00 Partition=second; } | sort)
same "all before" "$want" "${hold[@]}" "${many[@]}" "$config" plain.sh
same "all after" "$want" "${hold[@]}" "$config" "${many[@]}" plain.sh
out=$(as_user "${hold[@]}" -N2 "$config" --gpus-per-node=8 plain.sh 2>&1)
has "$out" "$nodes: --nodes=2 contradicts" "two contradictions: the first is named"
has "$out" "$gpus: --gpus-per-node=8 contradicts" "two contradictions: the second is named"

# a variable that a flag contradicts: the flag counts
same "flag over variable" "$plain" env SBATCH_GPUS_PER_NODE=8 "${hold[@]}" "$config" \
	--gpus-per-node=4 plain.sh
out=$(as_user env SBATCH_GPUS_PER_NODE=8 "${hold[@]}" "$config" plain.sh 2>&1)
has "$out" "(from the environment)" "a variable is named as one"

# a plan of whole nodes asks for all memory and for nobody else: where the user
# says otherwise, each way alike
sed '/^gpus_per_node:/d' "$WORK/p.yaml" >"$WORK/whole.yaml"
whole=--disagg-config=whole.yaml
script whole.sh "$whole"
id=$(submit --hold "$whole" plain.sh)
plain=$(fields "$id")
as_root scancel "$id"
nodes_want=2
has "$plain" OverSubscribe=NO "whole nodes: nobody else"
has "$plain" MinMemoryNode=0 "whole nodes: all memory"
while read -r flag var field; do
	agrees "whole nodes: $flag before" "$field" "${hold[@]}" "$flag" "$whole" plain.sh
	agrees "whole nodes: $flag after" "$field" "${hold[@]}" "$whole" "$flag" plain.sh
	agrees "whole nodes: $flag beside our line" "$field" "${hold[@]}" "$flag" whole.sh
	script line.sh "$flag" "$whole"
	agrees "whole nodes: $flag as a line before" "$field" "${hold[@]}" line.sh
	script line.sh "$whole" "$flag"
	agrees "whole nodes: $flag as a line after" "$field" "${hold[@]}" line.sh
	[ "$var" != - ] || continue
	agrees "whole nodes: SBATCH_$var" "$field" env "SBATCH_$var" "${hold[@]}" "$whole" plain.sh
	agrees "whole nodes: SBATCH_$var, our line" "$field" env "SBATCH_$var" "${hold[@]}" whole.sh
	direct "whole nodes: SALLOC_$var" agree - - env "SALLOC_$var" salloc "$whole" "${say[@]}" </dev/null
done <<'ROWS'
--mem=8G          MEM_PER_NODE=8192  MinMemoryNode=8G
--mem-per-cpu=100 MEM_PER_CPU=100    MinMemoryCPU=100M
--mem-per-gpu=1G  MEM_PER_GPU=1024   MemPerTres=gres:gpu:1024
--exclusive=user  EXCLUSIVE=user     OverSubscribe=USER
--oversubscribe   -                  OverSubscribe=YES
--cpus-per-gpu=3  CPUS_PER_GPU=3     CpusPerTres=gres:gpu:3
ROWS

# Slurm itself refuses this one where it comes last, in its own words
for order in "--ntasks-per-gpu=1 $config" "$config --ntasks-per-gpu=1"; do
	# shellcheck disable=SC2086
	refuses "$order" ntasks-per-gpu sbatch "${hold[@]}" $order plain.sh
done

# what is accepted runs: a role step starts and has its GPUs
for row in "${rows[@]}"; do
	read -r flag _ _ _ verdict _ <<<"$row"
	[ "$verdict" = agree ] || continue
	id=$(submit --output=run.out "$flag" "$config" plain.sh)
	is "$(wait_job "$id") $(sort "$WORK/run.out" | head -n 1)" "COMPLETED 0:0,1,2,3" \
		"$flag: a role step runs"
done

no_node_drained
done_testing
