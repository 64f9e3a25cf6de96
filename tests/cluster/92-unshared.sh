#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Nodes that share no file system: each keeps its part with a manifest, the first one
# packs its own and says whose parts are not there; brought together by hand they
# make the archive of all.  The third node can have no run directory at all.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" -eq 0 ] || skip_all "needs root"

cluster_up --nodes 3 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so" \
	--epilog "$BUILD/lib/slurm/disagg_epilog.so"
bin=$STATE/bin disk=$STATE/disk
mkdir "$bin" "$disk"
install -m 755 "$BUILD"/bin/* "$bin"
# what is below /tmp is out of the nodes' sight, but for the cluster's state; no part
# of another node comes, so none is waited for long
echo "optional $STATE/lib/disagg_epilog.so pack=$bin/disagg-pack deadline=20 wait=1" \
	>"$STATE/plugstack.conf.d/zz-disagg-epilog.conf"

on() { # NODE-INDEX COMMAND...: as root
	devcluster exec --state "$STATE" --node "${NODES[$1]}" -- "${@:2}"
}

# Its own work folder, and its own /tmp, in which the cluster's state stays in sight.
own_disk() { # NODE-INDEX MODE-OF-WORK
	local tmp=$disk/$1/tmp
	mkdir -p "$disk/$1/work" "$tmp"
	chmod "$2" "$disk/$1/work"
	chmod 1777 "$tmp"
	on "$1" mount --bind "$disk/$1/work" "$WORK"
	case $STATE in
	/tmp/*)
		mkdir -p "$disk/$1$STATE"
		on "$1" mount --rbind "$STATE" "$disk/$1$STATE"
		;;
	esac
	on "$1" mount --rbind "$tmp" /tmp
}
own_disk 0 1777
own_disk 1 1777
own_disk 2 755

cat >"$WORK/dies.yaml" <<'YAML'
disagg: 1
name: dies
gpus_per_node: 4
roles:
  decode:
    engine: command
    workers: 3
    gpus: 4
    command: [sleep, 60]
benchmark: {type: manual}
YAML
cat >"$WORK/own.sh" <<'SH'
#!/bin/bash
mkdir -p "$DISAGG_RUN_DIR"
for i in 0 1 2; do
	srun --kill-on-bad-exit=0 --disagg-role=decode:$i --output="$DISAGG_RUN_DIR/decode_$i.log" sh -c '
		echo "$DISAGG_WORKER runs"
		[ $DISAGG_WORKER_INDEX -ne 1 ] || { echo "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"; exit 3; }' &
	steps[i]=$!
done
wait "${steps[0]}" && wait "${steps[2]}" && wait "${steps[1]}"
SH

run_job() { # SCRIPT; prints the id
	as_user env PATH="$bin:$PATH" sbatch --parsable --output=%j.out --exclusive \
		--disagg-config=dies.yaml "$1"
}

over() { # JOB: its epilogs too; prints its state
	local end=$((SECONDS + 40))
	wait_job "$1"
	while as_root squeue -h -t all -j "$1" -o %t 2>/dev/null | grep -q CG && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
}

part_is_whole() { # FOLDER NODE: what its manifest says is what is there
	local folder=$1/parts/$2.end
	[ "$(jq -r '"\(.schema) \(.node) \(.stage) \(.job_id)"' "$folder/manifest.json")" = "disagg.part/1 $2 end $job" ] &&
		[ "$(jq -r '.members[] | "\(.name) \(.size)"' "$folder/manifest.json" | sort)" = \
			"$(find "$folder" -type f ! -name manifest.json -printf '%P %s\n' | sort)" ] &&
		jq -r '.members[] | "\(.sha256)  \(.name)"' "$folder/manifest.json" |
		(cd "$folder" && sha256sum --quiet -c)
	ok $? "$2 keeps its part, with a manifest" || note got "$(find "$1" -printf '%M %u %P\n' 2>&1)"
}

archives() { # everywhere, below the cluster's state
	find "$disk"/*/work "$disk"/*/tmp/disagg-* "$STATE/work" -maxdepth 1 -name 'job_*' 2>/dev/null
}

# ---- a script of the user's own ----
job=$(run_job own.sh)
is "$(over "$job")" FAILED "a job whose second worker dies"
first=$disk/0/work/disagg-$job second=$disk/1/work/disagg-$job third=$disk/2/tmp/disagg-$job
part_is_whole "$first" "${NODES[0]}"
part_is_whole "$second" "${NODES[1]}"
part_is_whole "$third" "${NODES[2]}"
is "$(stat -c '%U %a' "$third")" "$TEST_USER 700" "where there can be no run directory, in one of the user's in /tmp"
has "$(cat "$third/pack.log")" "there is no '$WORK/disagg-$job' on ${NODES[2]} (Permission denied): the part is in '/tmp/disagg-$job'" \
	"which says why"
is "$(jq -r .run_dir "$third/parts/${NODES[2]}.end/manifest.json")" "$WORK/disagg-$job" "and whose it is"
is "$(find "$disk" -user root \( -path '*/disagg-*' -o -name 'job_*' \))" "" "root has written nothing"
made=$(archives)
is "$made" "$disk/0/work/job_${job}_failure_$(date -u +%Y%m%d).tar.gz" "the first node alone packs"
is "$(tar xzOf "$made" "job_$job/manifest.json" | jq -r '.missing_nodes | join(" ")')" "${NODES[1]} ${NODES[2]}" \
	"its manifest has the nodes that are missing"
page=$(tar xzOf "$made" "job_$job/summary.txt")
prefix=${NODES[0]%0}
has "$page" "no part came from 2 of 3 nodes: ${prefix}[1,2]" "and its summary"
has "$(echo "$page" | tr -s ' \n' ' ')" "in the run directory's path, or in disagg-$job in the job's working directory or in /tmp" "with the place to look at"
has "$(tar xzOf "$made" "job_$job/processes.txt")" "==== ${NODES[0]}, after the job" "its own part is in it"

# ---- brought together ----
as_user cp -rn "$second/." "$third/." "$first"
made=$(as_user env PATH="$bin:$PATH" disagg pack "$first" 2>"$WORK/err")
ok $? "the parts of all, in one run directory, are packed" || note got "$(cat "$WORK/err")"
is "$made" "$disk/0/work/job_${job}_failure_$(date -u +%Y%m%d).tar.gz" "in place of the first node's"
is "$(tar xzOf "$made" "job_$job/processes.txt" | grep -c '^==== .*, after the job')" 3 "each node's part is in it"
page=$(tar xzOf "$made" "job_$job/summary.txt")
hasnt "$page" "no part came" "no node is missing"
is "$(echo "$page" | head -n 1)" "job $job: failure: oom_gpu (high confidence)" "its summary names the cause"
has "$(echo "$page" | sed -n 's/^  who *//p')" "decode_1" "and whose it was"
has "$page" "decode_1 on ${NODES[1]}: exit status 3" "and how it ended, and where"

# ---- disagg-run ----
job=$(run_job "$SRC/scripts/disagg-job.sh")
is "$(over "$job")" FAILED "disagg-run refuses such nodes"
made=$(archives | grep "job_${job}_")
is "$made" "$disk/0/work/job_${job}_failure_$(date -u +%Y%m%d).tar.gz" "its archive is on the first node alone"
has "$(tar xzOf "$made" "job_$job/summary.txt" | tr -s ' \n' ' ')" \
	"the run directory '$WORK/disagg-$job' is not there on" "whose summary says why"
has "$(tar xzOf "$made" "job_$job/processes.txt")" "==== ${NODES[0]}, while the job ran" "with what the node looked like"

no_node_drained
done_testing
