#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The epilog on real nodes: two packers a node at once, and programs in the packer's
# place that are killed, crash, hang, or are not there.  Whatever they do, the node
# is not drained, slurmd lives, and the next job is packed.
. "$(dirname "$0")/../cluster/lib.sh"
[ "$(id -u)" -eq 0 ] || skip_all "needs root"
hook=$(mktemp -d) || exit 5
chmod 755 "$hook"
# in the packer's place: what $hook/how says; its pid is left in $hook/pids
cat >"$hook/pack" <<SH
#!/bin/bash
echo \$\$ >>$hook/pids
read -r how <$hook/how
case \$how in
pack) exec $BUILD/bin/disagg-pack "\$@" ;;
slow) trap '' TERM; sleep 300 & echo \$! >>$hook/pids; wait ;;
killed) $BUILD/bin/disagg-pack "\$@" & echo \$! >>$hook/pids; sleep 0.1; kill -KILL \$!; kill -KILL \$\$ ;;
crash) kill -SEGV \$\$ ;;
fails) exit 7 ;;
esac
SH
# the same by Slurm's own Epilog=, which is a second packer on each node
cat >"$hook/epilog" <<SH
#!/bin/sh
[ ! -e $hook/twice ] || DISAGG_PACK=$BUILD/bin/disagg-pack DISAGG_PACK_DEADLINE=15 exec $SRC/scripts/epilog-pack.sh
SH
chmod 755 "$hook/pack" "$hook/epilog"
echo pack >"$hook/how"

cluster_up --nodes 2 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so" \
	--epilog "$BUILD/lib/slurm/disagg_epilog.so" --epilog-args "pack=$hook/pack deadline=3" \
	--conf "Epilog=$hook/epilog"
# shellcheck disable=SC2317 # called by name
leave() {
	local rc=$?
	rm -rf "$hook"
	(exit "$rc")
	cluster_down
}
trap leave EXIT
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
cat >"$WORK/dies.yaml" <<'YAML'
disagg: 1
name: dies
gpus_per_node: 4
roles:
  decode:
    engine: command
    workers: 2
    gpus: 4
    command: [sh, -c, "sleep 1; [ $DISAGG_WORKER_INDEX = 0 ] || exit 3; sleep 60"]
benchmark: {type: manual}
YAML

run_job() { # prints the id
	as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --output=%j.out --exclusive \
		--disagg-config=dies.yaml "$@" "$SRC/scripts/disagg-job.sh"
}

over() { # JOB: its epilogs too; prints seconds since its processes ended
	local begin end=$((SECONDS + 60))
	wait_job "$1" >/dev/null
	begin=$EPOCHREALTIME
	while as_root squeue -h -t all -j "$1" -o %t 2>/dev/null | grep -q CG && [ $SECONDS -lt $end ]; do
		sleep 0.1
	done
	awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

# "name pid" of each slurmd that is still the process that the cluster started last
daemons() {
	local name pid start
	tac "$STATE/pids" | sort -s -u -k1,1 | while read -r name pid start; do
		case $name in
		slurmd-*) [ "$(awk '{ print $22 }' "/proc/$pid/stat" 2>/dev/null)" != "$start" ] || echo "$name $pid" ;;
		esac
	done
}
alive=$(daemons)

# the hook's programs that have not ended after 5 s
left() {
	local pid end=$((SECONDS + 5))
	while read -r pid; do
		while [ -d "/proc/$pid" ] && [ $SECONDS -lt $end ]; do
			sleep 0.1
		done
		[ ! -d "/proc/$pid" ] || echo "$pid"
	done <"$hook/pids"
}

# disagg-run packs too: only an epilog's archive has what comes after the job
packed_after() { # JOB
	tar xzOf "$WORK"/job_"$1"_failure_*.tar.gz "job_$1/processes.txt" | grep -c "^==== .*, after the job"
}

# ---- two packers on each of two nodes ----
: >"$hook/twice"
job=$(run_job)
over "$job" >/dev/null
made=$(compgen -G "$WORK/job_${job}_*.tar.gz")
is "$(echo "$made" | wc -l)" 1 "two packers on each node leave one archive"
mkdir "$WORK/got"
tar xzf "$made" -C "$WORK/got"
ok $? "which is whole"
(cd "$WORK/got/job_$job" && jq -r '.members[] | "\(.sha256)  \(.name)"' manifest.json | sha256sum --quiet -c)
ok $? "and its members are what the manifest says"
is "$(jq -c .missing_nodes "$WORK/got/job_$job/manifest.json")" "[]" "with a part of each node"
is "$(find "$WORK" -maxdepth 1 -name '.job_*')" "" "nothing is left half written"
is "$(find "$WORK/disagg-$job" "$WORK"/job_* -user root)" "" "nothing there is root's"
has "$(cat "$WORK/disagg-$job/pack.log")" "is there already; it stays" "the later packer says that a part was there"
rm "$hook/twice"

# ---- the script alone ----
mv "$STATE/plugstack.conf.d/zz-disagg-epilog.conf" "$STATE/line"
devcluster restart --state "$STATE"
alive=$(daemons)
: >"$hook/twice"
job=$(run_job)
over "$job" >/dev/null
is "$(packed_after "$job")" 2 "scripts/epilog-pack.sh alone packs"
has "$(tar xzOf "$WORK"/job_"${job}"_*.tar.gz "job_$job/kernel.txt")" "==== ${NODES[0]}, the kernel" "with the kernel's lines"
rm "$hook/twice"
mv "$STATE/line" "$STATE/plugstack.conf.d/zz-disagg-epilog.conf"
devcluster restart --state "$STATE"
alive=$(daemons)

# ---- what stands in the packer's place ----
for how in killed crash fails slow; do
	echo $how >"$hook/how"
	: >"$hook/pids"
	job=$(run_job)
	took=$(over "$job")
	[ -s "$hook/pids" ]
	ok $? "a packer that is $how: it was called"
	# three seconds, five of grace, and a slow machine
	awk -v s="$took" 'BEGIN { exit !(s < 30) }'
	ok $? "$how: the job is over ($took s)"
	is "$(left)" "" "$how: nothing of it is left"
	[ $how = killed ] || is "$(packed_after "$job")" 0 "$how: there is no archive of an epilog"
	is "$(daemons)" "$alive" "$how: slurmd lives"
	is "$(as_root sinfo -h -N -o '%N %T' | grep -E ' (drain|down|fail|err|unk)')" "" "$how: no node is drained"
done
mv "$hook/pack" "$hook/pack.away"
job=$(run_job)
over "$job" >/dev/null
is "$(as_root sinfo -h -N -o '%N %T' | grep -E ' (drain|down|fail|err|unk)')" "" "a packer that is not there: no node is drained"
mv "$hook/pack.away" "$hook/pack"

echo pack >"$hook/how"
job=$(run_job)
over "$job" >/dev/null
is "$(packed_after "$job")" 2 "the next job is packed"
is "$(daemons)" "$alive" "slurmd lives"
no_node_drained
done_testing
