# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: Apache-2.0
# For 87-faults.sh with ARCHIVES=yes: the epilog packs each job of the matrix, and
# the first page of each archive must name the fault itself, and whose it was.
# A row of the matrix that stands not in this table fails.
with_epilog=(--epilog "$BUILD/lib/slurm/disagg_epilog.so"
	--epilog-args "pack=$BUILD/bin/disagg-pack deadline=25"
	--conf SelectTypeParameters=CR_Core_Memory)

# what the page says: "class|title|who", each a part; or "success"
declare -A page_of=(
	["slurmd dies"]=success
	["the time limit"]="scheduler|the job reached its time limit|"
	["a drained node without slurmd"]="scheduler|Slurm could not start the tasks|decode_0, node"
	["a rank exits 0"]="user_app|decode_0 ended with exit status|decode_0, rank 1"
	["a worker exits 0"]="user_app|ended, though nobody had told it|decode_1, node"
	["a worker exits 0 at once"]="user_app|ended, though nobody had told it|decode_1, node"
	["a worker exits 0 when it was ready"]="user_app|ended, though nobody had told it|decode_1, node"
	["a worker is killed"]="unknown|a process was killed (SIGKILL)|decode_1, rank 0"
	["a worker dies when it was ready"]="user_app|decode_1 ended with exit status 3|decode_1, rank 0"
	["a worker exits 1"]="user_app|decode_1 ended with exit status 1|decode_1, rank 0"
	["a worker dies by a fault of memory"]="user_app|segmentation fault|decode_1, node"
	["the router dies"]="user_app|router_0 ended with exit status 1|router_0, rank 0"
	["it hangs before it is ready"]="service_timeout|not ready in time|decode_1, node"
	["the counts stay short"]="service_timeout|not ready in time|router_0, node"
	["the router answers 503"]="service_timeout|not ready in time|router_0, node"
	["the canary fails"]="service_timeout|not ready in time|"
	["the canary has no tokens"]="service_timeout|not ready in time|"
	["it is never ready"]="service_timeout|not ready in time|decode_1, node"
	["it hangs when it was ready"]="service_timeout|answered no more|decode_1, node"
	["the router hangs when it was ready"]="service_timeout|answered no more|router_0, node"
	["it hangs beside the benchmark"]="service_timeout|answered no more|decode_1, node"
	["it hangs for a while"]=success
	["one that is not critical hangs"]=success
	["another model"]="config|not what the configuration says|"
	["one that is started again"]=success
	["a step that Slurm refuses"]="scheduler|a plugin of Slurm refused the task|decode_1, node"
	["a step that srun refuses once"]=success
	["a full disk"]="storage|file system of the run directory is full|"
	["a disk that is full later"]="storage|file system of the run directory is full|"
	["a node is set down"]="scheduler|a node of the job failed|decode_0, node"
	["a node is down before a launch"]="scheduler|a node of the job failed|node"
	["a node is set down and the job stays"]="scheduler|a node of the job failed|decode_0, node"
	["scancel while starting"]="cancelled|the job was cancelled|"
	["scancel while waiting"]="cancelled|the job was cancelled|"
	["scancel while benchmark"]="cancelled|the job was cancelled|"
	["scancel while serving"]=success
	["scancel while ending"]=success
	["preempted and requeued"]="scheduler|the job was preempted|"
	["preempted"]="scheduler|the job was preempted|"
	["requeued"]="scheduler|the job was requeued|"
	["SIGTERM twice"]=success
	["a controller that is silent at the end"]=success
	["out of memory"]="oom_host|memory|decode_1"
	["a port that is taken"]="config|a port that the configuration fixes is taken|node"
	["the benchmark fails"]="user_app|the benchmark failed|benchmark"
	["the first node is lost"]="scheduler|a node of the job failed|"
)
declare -A told_page by_archive
told=()

# The archive of a run that failed where there are two: a job that was requeued
# leaves one more.
archive_of() { # JOB SUCCESS-OR-FAILURE
	local end=$((SECONDS + 40)) dir
	for dir in "$(dirname "$(dir_of "$1")")" "$WORK"; do
		until compgen -G "$dir/job_$1_$2_*.tar.gz" >/dev/null || [ $SECONDS -ge $end ] ||
			{ [ "$dir" != "$WORK" ] && compgen -G "$WORK/job_$1_$2_*.tar.gz" >/dev/null; }; do
			sleep 0.1
		done
		compgen -G "$dir/job_$1_$2_*.tar.gz" && return
	done
}

# "class|what|who" of a page
page_facts() { # PAGE
	awk '
		NR == 1 { sub(/^job [0-9]*: /, ""); sub(/ \(.*/, ""); sub(/^failure: /, ""); class = $0 }
		/^  [a-z]+ / { field = $1 }
		/^$/ { field = "" }
		field == "what" { sub(/^  what/, ""); sub(/^ */, ""); what = what (what ? " " : "") $0 }
		field == "who" { sub(/^  who/, ""); sub(/^ */, ""); who = who (who ? " " : "") $0 }
		END { print class "|" what "|" who }' "$1"
}

page_judge() { # WHAT PAGE
	local want=${page_of[$1]:-} facts class what who
	[ -n "$want" ]
	ok $? "$1: the table says what its page must say" || return 0
	facts=$(page_facts "$2")
	told+=("$1") told_page[$1]=$facts
	if [ "$want" = success ]; then
		has "$facts" success "$1: the page says success" || note page "$(cat "$2")"
		return 0
	fi
	IFS='|' read -r class what who <<<"$want"
	[[ "$facts" == "$class|"*"$what"*"|"*"$who"* ]]
	ok $? "$1: the page names it" || note page "wanted $want in:
$(cat "$2")"
	awk 'length($0) > 80' "$2" >"$2.long"
	[ "$(wc -l <"$2")" -le 60 ] && [ ! -s "$2.long" ]
	ok $? "$1: in at most 60 lines of 80 columns" || note page "$(cat "$2.long")"
}

archive_judge() { # JOB WHAT
	local made kind=failure page=$WORK/pages/$1
	[ -z "${by_archive[$1]:-}" ] || return 0
	[ "${page_of[$2]:-}" != success ] || kind=success
	mkdir -p "$WORK/pages"
	made=$(archive_of "$1" $kind)
	tar xzOf "$made" "job_$1/summary.txt" >"$page" 2>&1
	ok $? "$2: there is an archive of a $kind, with a page" || note page "$(ls "$(dirname "$(dir_of "$1")")")"
	page_judge "$2" "$page"
}

show_table() {
	local what
	echo "# fault                                   the page: class|what|who"
	for what in "${told[@]}"; do
		printf '# %-39s %s\n' "$what" "${told_page[$what]}"
	done
}

# ---- faults that only an archive is looked at for ----

limit_memory() {
	echo ConstrainRAMSpace=yes >>"$STATE/etc/cgroup.conf"
	devcluster restart --state "$STATE"
}

archive_configs() {
	cat >"$WORK/memory.yaml" <<-'YAML'
		disagg: 1
		name: memory
		gpus_per_node: 4
		roles:
		  decode:
		    engine: command
		    workers: 2
		    gpus: 1
		    command: [sh, -c, 'sleep 1; [ $DISAGG_WORKER_INDEX = 0 ] || exec python3 -c "x = bytes([7]) * (1 << 30)"; sleep 60']
		benchmark: {type: manual}
	YAML
	sed 's/command: "sleep 300"/command: "sleep 1; exit 4"/' "$WORK/bench.yaml" >"$WORK/fails.yaml"
}

listens() { # JOB NODE: on a port that the job fixes, before the job starts
	local end=$((SECONDS + 10))
	devcluster exec --state "$STATE" --node "$2" --user "$TEST_USER" --cd "$WORK" -- \
		python3 -c 'import os, socket, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", 6777)); s.listen(1)
open("listener.new", "w").write(str(os.getpid())); os.rename("listener.new", "listener"); time.sleep(180)' \
		>/dev/null 2>&1 &
	until [ -e "$WORK/listener" ] || [ $SECONDS -ge $end ]; do
		sleep 0.05
	done
	as_root scontrol release "$1"
	wait_job "$1" 120 >/dev/null
	kill "$(cat "$WORK/listener")"
}

# slurmd, the steps and what they run on a node go at once
lose_node() { # JOB NODE
	local pid parent steps=''
	kill_slurmd "$2"
	for pid in $(job_pids "$1"); do
		grep -qzFx "SLURMD_NODENAME=$2" "/proc/$pid/environ" 2>/dev/null || continue
		parent=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status")
		[ "$(cat "/proc/$parent/comm" 2>/dev/null)" != slurmstepd ] || steps="$steps $parent"
	done
	# shellcheck disable=SC2086
	kill -KILL $steps
	for pid in $(job_pids "$1"); do
		! grep -qzFx "SLURMD_NODENAME=$2" "/proc/$pid/environ" 2>/dev/null || kill -KILL "$pid"
	done
}

loses_first() { # JOB
	local node
	in_phase "$1" serving
	node=$(of "$1" .host)
	echo "$node" >"$WORK/event/$1.node"
	lose_node "$1" "$node"
	as_root scontrol update nodename="$node" state=down reason=lost
	wait_job "$1" 60 >/dev/null
}

packed_judge() { # JOB WHAT
	local node page=$WORK/pages/$1 end=$((SECONDS + 30))
	node=$(cat "$WORK/event/$1.node")
	until compgen -G "$WORK/disagg-$1/parts/*.end" >/dev/null || [ $SECONDS -ge $end ]; do
		sleep 0.1
	done
	is "$(compgen -G "$WORK/job_$1_*")" "" "$2: no epilog has packed"
	mkdir -p "$WORK/pages"
	as_user "$WORK/bin/disagg" pack "$1" >"$WORK/event/$1.made" 2>&1
	ok $? "$2: disagg pack JOBID packs afterwards" || note got "$(cat "$WORK/event/$1.made")"
	tar xzOf "$(tail -n 1 "$WORK/event/$1.made")" "job_$1/summary.txt" >"$page"
	page_judge "$2" "$page"
	has "$(cat "$page")" "no part came from 1 of 2 nodes: $node" "$2: the page says which node is missing"
	as_root scontrol update nodename="$node" state=resume
	devcluster restart --state "$STATE" "$node"
}

archive_rows() {
	local job
	archive_configs
	job=$(as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --output=%j.out --exclusive --no-requeue \
		--mem=400 --disagg-config=memory.yaml "$SRC/scripts/disagg-job.sh")
	killed[$job]=$'decode_0\ndecode_1'
	row "out of memory" 7 FAILED "$job"
	job=$(run_job small --hold --nodelist="${NODES[9]}" --disagg-set=roles.prefill.args.port=6777)
	row "a port that is taken" 5 FAILED "$job"
	by_hand listens "$job" "${NODES[9]}"
	row "the benchmark fails" 4 FAILED "$(run_job fails)"
	job=$(run_job pair)
	by_archive[$job]=no
	extra[$job]=packed_judge
	row "the first node is lost" - NODE_FAIL "$job"
	by_hand loses_first "$job"
}
