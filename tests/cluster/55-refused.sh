#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is wrong is refused where it is submitted: status 1, the reason with its
# place in the file, nothing queued, nothing hangs.  And --disagg-dry-run, which
# also queues nothing.
. "$(dirname "$0")/lib.sh"
export CALL_LIMIT=20
cluster_up --nodes 4 --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
cp "$SRC"/configs/*.yaml "$WORK"
printf '#!/bin/sh\ntrue\n' >"$WORK/job.sh"
good=$SRC/configs/native-2p2d.yaml

queue_is_empty() { # WHAT
	is "$(as_root squeue -h)" "" "$1: nothing is queued"
}

# A command that is refused with status 1, the reason told once and by its name.
refused_for() { # as_user|as_root WHAT PART COMMAND...
	local who=$1 what=$2 part=$3 rc
	shift 3
	"$who" "$@" >"$WORK.out" 2>"$WORK.err" </dev/null
	rc=$?
	is $rc 1 "$what: exit status" || note stderr "$(cat "$WORK.err")"
	has "$(cat "$WORK.err")" "${1##*/}: error: $part" "$what: message"
	is "$(grep -cF -- "$part" "$WORK.err")" 1 "$what: said once"
	queue_is_empty "$what"
}

refused() { # WHAT PART COMMAND...
	refused_for as_user "$@"
}

# ---- the files, one thing wrong in each ----

change() { # NAME SED-SCRIPT
	sed "$2" "$good" >"$WORK/$1.yaml"
	if cmp -s "$good" "$WORK/$1.yaml"; then
		ok 1 "$1.yaml differs from the good file"
	fi
}

change key 's/^    workers: 2/    wokrers: 2/'
change top 's/^benchmark:/bnechmark:/'
change type 's/^    gpus: 4/    gpus: many/'
change misfit 's/tp-size: 4/tp-size: 8/'
change large 's/^    gpus: 4/    gpus: 200000/'
change negative 's/^    gpus: 4/    gpus: -4/'
change twice 's/^    gpus: 4/    gpus: 4\n    gpus: 4/'
change port 's/^    engine: sglang_router/    engine: sglang_router\n    port: 99999/'
change after 's/after: \[prefill, decode\]/after: [prefill, nobody]/'
change secret 's/^  NCCL_CUMEM_ENABLE: 1/  HF_TOKEN: hf_abcdefghijklmnopqrstuvwxyz012345/'
change version 's/^disagg: 1/disagg: 2/'
change tab 's/^    gpus: 4/\tgpus: 4/'
change nodes 's/^slurm:/slurm:\n  sbatch: {nodes: 7}/'
: >"$WORK/empty.yaml"
printf '\377\376\000\001' >"$WORK/binary.yaml"
head -c 2097152 /dev/zero | tr '\0' '#' >"$WORK/big.yaml"
{
	echo 'disagg: 1'
	echo 'a0: &a0 [x, x, x, x, x, x, x, x, x]'
	for i in 1 2 3 4 5 6 7 8; do
		printf 'a%d: &a%d [' $i $i
		for _ in 1 2 3 4 5 6 7 8; do
			printf '*a%d, ' $((i - 1))
		done
		echo "x]"
	done
} >"$WORK/bomb.yaml"
{
	printf 'disagg: 1\nroles: '
	head -c 20000 /dev/zero | tr '\0' '['
} >"$WORK/deep.yaml"
cp "$good" "$WORK/unreadable.yaml"
chmod 600 "$WORK/unreadable.yaml"
mkdir "$WORK/directory.yaml"
mkfifo "$WORK/fifo.yaml"
chmod 666 "$WORK/fifo.yaml"
ln -s loop2.yaml "$WORK/loop1.yaml"
ln -s loop1.yaml "$WORK/loop2.yaml"

# name, what is said; {} stands for the file
table=$(
	cat <<'TABLE'
key|{}:32:5: roles.prefill: unknown key 'wokrers', did you mean 'workers'?
top|{}:56:1: unknown key 'bnechmark', did you mean 'benchmark'?
type|{}:43:11: roles.decode.gpus: expected an integer
misfit|{}:45:16: role 'decode': its parallelism takes 8 GPUs, but a worker has 4
large|{}:43:11: roles.decode.gpus: expected an integer from 0 to 131072, got '200000'
negative|{}:43:11: roles.decode.gpus: expected an integer from 0 to 131072, got '-4'
twice|{}:44:5: duplicate key 'gpus', first at line 43
port|{}:54:11: roles.router.port: expected an integer from 1 to 65535, got '99999'
after|{}:54:22: role 'router' is to start after 'nobody', which is no role
secret|{}:23:13: 'HF_TOKEN' holds a literal secret
version|{}:10:9: disagg: this version reads schema 1, got 2
tab|{}:43:1: invalid YAML: found a tab character
nodes|{}:27:19: 'nodes' is '7', but the plan needs '3'
empty|{}:1:1: the document is empty
binary|{}:1:1: invalid UTF-8: byte 0xff
big|cannot read '{}': it is larger than 1048576 bytes
bomb|{}:7:10: more than 50000 values, aliases counted where they are used
deep|{}:2:39: nested deeper than 32 levels
missing|cannot open '{}': No such file or directory
unreadable|cannot open '{}': Permission denied
directory|cannot read '{}': expected a regular file, it is a directory
fifo|cannot read '{}': expected a regular file, it is a FIFO
loop1|cannot open '{}': Too many levels of symbolic links
TABLE
)
rows=0
while IFS='|' read -r name part <&3; do
	rows=$((rows + 1))
	refused "$name.yaml" "${part//\{\}/$name.yaml}" sbatch --disagg-config="$name.yaml" job.sh
done 3<<<"$table"
is "$rows" 23 "every row of the table has run"

# the same wherever the option is said
printf '#!/bin/sh\n#SBATCH --disagg-config=misfit.yaml\ntrue\n' >"$WORK/line.sh"
where="misfit.yaml:45:16: role 'decode': its parallelism takes 8 GPUs, but a worker has 4"
refused "an #SBATCH line" "$where" sbatch line.sh
refused "--wrap" "$where" sbatch --disagg-config=misfit.yaml --wrap=true
refused "salloc" "$where" salloc --disagg-config=misfit.yaml true
refused "srun" "$where" srun --disagg-config=misfit.yaml true
refused "an array" "$where" sbatch --array=0-3 --disagg-config=misfit.yaml job.sh
refused "a FIFO to salloc" "cannot read 'fifo.yaml'" salloc --disagg-config=fifo.yaml true
refused "a FIFO to srun" "cannot read 'fifo.yaml'" srun --disagg-config=fifo.yaml true
for file in misfit directory fifo big missing; do
	refused_for as_root "root, $file.yaml" "$([ $file = misfit ] && echo "$where" || echo cannot)" \
		sbatch --disagg-config=$file.yaml job.sh
done

# both errors of a file are told at once, and all that is still to be filled in
sed 's/^    workers: 2/    wokrers: 2/; s/^benchmark:/bnechmark:/' "$good" >"$WORK/both.yaml"
refused "two errors, the first" "both.yaml:32:5: roles.prefill: unknown key" sbatch --disagg-config=both.yaml job.sh
has "$(cat "$WORK.err")" "both.yaml:56:1: unknown key 'bnechmark'" "two errors: the second too"
refused "placeholders of a TensorRT-LLM file" \
	"trtllm-1p1d.yaml:15:14: still to be filled in: partition is '<partition>': give --partition, or 'partition:' in the cluster file; account is '<account>': give --account, or 'account:' in the cluster file" \
	sbatch --disagg-config=trtllm-1p1d.yaml job.sh
refused "placeholders, one given" \
	"trtllm-1p1d.yaml:16:12: still to be filled in: account is '<account>'" \
	sbatch --partition=main --disagg-config=trtllm-1p1d.yaml job.sh

# ---- the options ----

role="--disagg-role=decode:0: there is no job; a role is for srun inside a job"
refused "a role outside a job, srun" "$role" srun --disagg-role=decode:0 true
refused "a role outside a job, sbatch" "$role" sbatch --disagg-role=decode:0 job.sh
refused "a role outside a job, salloc" "$role" salloc --disagg-role=decode:0 true
refused "a role beside a file" "$role" sbatch --disagg-config=native-2p2d.yaml --disagg-role=decode:0 job.sh
refused "a dry run without a file, srun" "--disagg-dry-run needs --disagg-config=FILE" srun --disagg-dry-run true
refused "a dry run without a file, sbatch" "--disagg-dry-run needs --disagg-config=FILE" \
	sbatch --disagg-dry-run job.sh
refused "--disagg-set without a file" "--disagg-set needs --disagg-config=FILE" sbatch --disagg-set=a=1 job.sh
refused "--disagg-rehearse without a file" "--disagg-rehearse needs --disagg-config=FILE" \
	salloc --disagg-rehearse true
refused "a file without a name" "'': expected FILE or FILE:VARIANT" sbatch --disagg-config= job.sh
refused "a device" "cannot read '/dev/zero': expected a regular file" sbatch --disagg-config=/dev/zero job.sh
refused "a variant of a file that has none" "native-2p2d.yaml:10:1: the file has no variants" \
	sbatch --disagg-config=native-2p2d.yaml:x job.sh
refused "a pattern" "--disagg-config=srtctl-variants.yaml:base_*: patterns are for disagg-plan" \
	sbatch '--disagg-config=srtctl-variants.yaml:base_*' job.sh
refused "a slip in --disagg-set" \
	"--disagg-set: 'roles.decod.workers': there is no 'roles.decod', did you mean 'roles.decode'?" \
	sbatch --disagg-config=native-2p2d.yaml --disagg-set=roles.decod.workers=1 job.sh
export DISAGG_CLUSTER_FILE=none.yaml
refused "a cluster file that is not there" "cluster file: cannot open 'none.yaml'" \
	sbatch --disagg-config=native-2p2d.yaml job.sh
unset DISAGG_CLUSTER_FILE
refused "no variant of a file that has some" "srtctl-variants.yaml:7:1: the file holds 4 variants: say which" \
	sbatch --disagg-config=srtctl-variants.yaml job.sh
refused "a value that does not fit" "--disagg-set: roles.decode.gpus: expected an integer" \
	sbatch --disagg-config=native-2p2d.yaml --disagg-set=roles.decode.gpus=x job.sh

# ---- heterogeneous jobs ----

het="--disagg-config cannot be used in a heterogeneous job; describe all roles in one file and submit one job"
config=--disagg-config=native-2p2d.yaml
refused "het job, srun" "$het" srun $config true : -n1 true
refused "het job, srun, second component" "$het" srun -n1 true : $config true
refused "het job, salloc" "$het" salloc $config : -n1 true
refused "het job, salloc, second component" "$het" salloc -n1 : $config true
refused "het job, sbatch" "$het" sbatch $config : -n1 job.sh
printf '#!/bin/sh\n#SBATCH %s\n#SBATCH hetjob\n#SBATCH -n1\ntrue\n' "$config" >"$WORK/het.sh"
refused "het job, #SBATCH hetjob" "$het" sbatch het.sh
printf '#!/bin/sh\n#SBATCH -n1\n#SBATCH hetjob\n#SBATCH %s\ntrue\n' "$config" >"$WORK/het.sh"
refused "het job, #SBATCH hetjob, second component" "$het" sbatch het.sh

# ---- the dry run ----

dry_run() { # WHAT COMMAND...
	local what=$1 out rc
	shift
	out=$(as_user "$@" 2>"$WORK.err" </dev/null)
	rc=$?
	is $rc 0 "dry run, $what: exit status" || note stderr "$(cat "$WORK.err")"
	has "$out" "3 nodes of 4 GPUs, 12 of 12 GPUs in use" "dry run, $what: the plan"
	has "$out" "--nodes=3" "dry run, $what: what would be asked for"
	hasnt "$out" "started" "dry run, $what: nothing is started"
	queue_is_empty "dry run, $what"
}

dry_run sbatch sbatch --disagg-dry-run $config job.sh
dry_run "sbatch, the other order" sbatch $config --disagg-dry-run job.sh
dry_run srun srun --disagg-dry-run $config echo started
dry_run salloc salloc --disagg-dry-run $config echo started
refused "dry run of a bad file" "$where" sbatch --disagg-dry-run --disagg-config=misfit.yaml job.sh

# what a submit is refused for, a dry run is too, and it shows the plan
out=$(as_user sbatch --disagg-dry-run --disagg-config=trtllm-1p1d.yaml job.sh 2>"$WORK.err")
is $? 1 "dry run of what is still to be filled in: exit status"
has "$out" "GPUs in use" "dry run of what is still to be filled in: the plan"
has "$(cat "$WORK.err")" "still to be filled in: partition is '<partition>'" \
	"dry run of what is still to be filled in: is named"
out=$(as_user sbatch --disagg-dry-run $config -N2 job.sh 2>"$WORK.err")
is $? 1 "dry run of a contradiction: exit status"
has "$out" "--nodes=3" "dry run of a contradiction: the plan's size"
has "$(cat "$WORK.err")" "--nodes=2 contradicts" "dry run of a contradiction: is named"

# the user's own words are shown where they win
shown() { # WHAT PART UNWANTED COMMAND...
	local what=$1 part=$2 unwanted=$3 out
	shift 3
	out=$(as_user "$@" 2>"$WORK.err" </dev/null)
	has "$out" "$part" "dry run, $what: $part"
	[ "$unwanted" = - ] || hasnt "$out" "$unwanted" "dry run, $what: no $unwanted"
}
dry=(sbatch --disagg-dry-run $config)
shown "a name before" --job-name=foo --job-name=qwen3 sbatch --job-name=foo --disagg-dry-run $config job.sh
shown "a name after" --job-name=foo --job-name=qwen3 "${dry[@]}" --job-name=foo job.sh
shown "a time" --time=00:05:00 30:00 "${dry[@]}" --time=5 job.sh
shown "a time from the environment" --time=00:05:00 30:00 env SBATCH_TIMELIMIT=5 "${dry[@]}" job.sh
shown "what the file has no word for" --partition=main - "${dry[@]}" --partition=main job.sh
shown "what agrees" --gres=gpu:4 - "${dry[@]}" --gres=gpu:4 job.sh
shown "salloc" --time=00:05:00 30:00 salloc --disagg-dry-run $config --time=5 true
shown "srun" --time=00:05:00 30:00 srun --disagg-dry-run $config --time=5 true
queue_is_empty "dry runs with the user's own words"

is "$(wc -l <"$STATE/log/jobcomp.txt" 2>/dev/null || echo 0)" 0 "not one job has been"
no_node_drained
done_testing
