#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ports of deployments on the same nodes, and what a node lacks: two jobs of one
# configuration that start together never disturb each other; whatever is taken
# is left alone; a node that cannot do is named before a worker starts.
. "$(dirname "$0")/lib.sh"
PAIRS=${PAIRS:-4}

cluster_up --nodes 3 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
# half the GPUs of two nodes, and CPUs for two of them
cat >"$WORK/half.yaml" <<-'YAML'
	disagg: 1
	name: half
	gpus_per_node: 2
	nodes: 2
	model: {path: /models/m}
	slurm: {cpus_per_gpu: 4}
	roles:
	  prefill: {engine: sglang, workers: 2, gpus: 1, placement: pack}
	  decode: {engine: sglang, workers: 1, gpus: 2, placement: fresh}
	  router: {engine: sglang_router, port: 8000}
	benchmark: {type: sa-bench, isl: 16, osl: 8, concurrencies: [2]}
YAML
sed '/^benchmark/d' "$WORK/half.yaml" >"$WORK/serve.yaml"

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --output=%j.out --mem=100 \
		--disagg-config="$config" "$@" "$SRC/scripts/disagg-job.sh"
}

rehearse() { # CONFIG SBATCH-ARGUMENT...
	run_job "$1" --disagg-rehearse -w "${NODES[0]},${NODES[1]}" "${@:2}"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$WORK/disagg-$1/state.json" 2>/dev/null
}

in_phase() { # JOB PHASE
	local end=$((SECONDS + 30))
	until [ "$(of "$1" .phase)" = "$2" ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

tell() { # JOB
	note "job $1" "$(cat "$WORK/$1.out")"
}

exit_code() { # JOB
	as_root scontrol -o show job "$1" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p'
}

end() { # JOB
	as_user scancel --batch --signal=TERM "$1"
	is "$(wait_job "$1")" COMPLETED "job $1 completes when it is told to" || tell "$1"
}

addresses_of() { # JOB
	of "$1" '.workers[].url | select(.)'
}

# ---- two that start together ----
undisturbed=0 together=0
for ((i = 0; i < PAIRS; i++)); do
	one=$(rehearse half.yaml --hold) two=$(rehearse half.yaml --hold)
	as_root scontrol release "$one" "$two"
	for job in $one $two; do
		state=$(wait_job "$job")
		if [ "$state" = COMPLETED ] && [ "$(of "$job" '.warnings | length')" -eq 0 ] &&
			[ "$(of "$job" '[.workers[] | select(.restarts > 0)] | length')" -eq 0 ]; then
			undisturbed=$((undisturbed + 1))
		else
			tell "$job"
		fi
	done
	# one that Slurm starts late on a busy machine shows nothing
	jq -es '(.[0].phases.starting < .[1].phases.done) and (.[1].phases.starting < .[0].phases.done)' \
		"$WORK/disagg-$one/state.json" "$WORK/disagg-$two/state.json" >/dev/null &&
		together=$((together + 1))
done
is "$undisturbed" $((2 * PAIRS)) "$PAIRS pairs of jobs on the same nodes: each completes without a warning"
note "pairs of which one ran while the other did" "$together"
[ $together -gt $((PAIRS / 2)) ]
ok $? "and ran beside the other"

one=$(rehearse serve.yaml) two=$(rehearse serve.yaml)
in_phase "$one" serving && in_phase "$two" serving
ok $? "two serve on the same nodes" || { tell "$one" && tell "$two"; }
isnt "$(of "$one" .port_offset)" "$(of "$two" .port_offset)" "in different blocks of ports"
is "$({ addresses_of "$one" && addresses_of "$two"; } | sort | uniq -d)" "" \
	"no address of one is the other's"
for job in $one $two; do
	has "$(as_user curl -s -m 5 -d '{"prompt":"a b","max_tokens":4}' "$(of "$job" .frontend)/v1/completions")" \
		'"choices"' "job $job answers where it says"
done
end "$one"
end "$two"

# ---- ports that are taken ----
listen() { # NODE PORT
	rm -f "$WORK/listener"
	devcluster exec --state "$STATE" --node "$1" --user "$TEST_USER" --cd "$WORK" -- \
		python3 -c 'import os, socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", int(sys.argv[1]))); s.listen(1)
open("listener.new", "w").write(str(os.getpid())); os.rename("listener.new", "listener"); time.sleep(120)' "$2" \
		>/dev/null 2>&1 &
}
deafen() {
	kill "$(cat "$WORK/listener")"
	wait
}
listening() {
	local end=$((SECONDS + 10))
	until [ -e "$WORK/listener" ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
listen "${NODES[1]}" 6100
listening
ok $? "a program listens on port 6100 of the second node"
job=$(rehearse serve.yaml --exclusive )
in_phase "$job" serving
ok $? "a job whose block has a port that is taken comes up" || tell "$job"
is "$(of "$job" .port_offset)" 1000 "in the next block"
has "$(cat "$WORK/$job.out")" "port 6100 on ${NODES[1]} is taken by a program that listens there: the next block" \
	"it says which port was taken"
hasnt "$(of "$job" '.workers[].url')" ":6100" "and leaves that one alone"
end "$job"
job=$(rehearse serve.yaml --exclusive --disagg-set=roles.decode.args.port=6100)
is "$(wait_job "$job")" FAILED "a port that the file fixes and that is taken" || tell "$job"
is "$(exit_code "$job")" 5:0 "ends the run with exit status 5"
has "$(of "$job" .verdict.text)" "port 6100 on '${NODES[1]}' is taken by a program that listens there, and the file fixes it" \
	"and says so"
is "$(of "$job" '[.workers[] | select(.started)] | length')" 0 "before any worker has started"
deafen

# a port that is next to a planned one, or that another one meets with an offset, is
# none that the file fixes
cat >"$WORK/ask.sh" <<-'SH'
	#!/bin/bash
	export SLURM_DISAGG_ROLES=none
	printf 'hold 0\nhold 1000\nhold 2000\nhold 3000\n' |
		srun --overlap --nodes=2 --ntasks=2 --ntasks-per-node=1 disagg-node | sort
SH
sed 's/^  prefill:.*/  prefill: {engine: sglang, workers: 1, gpus: 1, args: {disaggregation-bootstrap-port: 9200}, placement: pack}/' \
	"$WORK/serve.yaml" >"$WORK/pinned.yaml"
answers() { # CONFIG NODE PORT: what the node says while somebody listens there
	local id
	listen "${NODES[$2]}" "$3"
	listening
	id=$(as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --output=%j.out --exclusive \
		-w "${NODES[0]},${NODES[1]}" --disagg-rehearse --disagg-config="$1" ask.sh)
	wait_job "$id" >/dev/null
	deafen
	grep -E "^node $2 (held|taken)" "$WORK/$id.out"
}
is "$(answers serve.yaml 0 5201)" "node 0 held 1000
node 0 held 2000
node 0 held 3000
node 0 taken 0 5201 open free" "a port behind a planned one is not taken for fixed"
is "$(answers serve.yaml 0 7200)" "node 0 held 1000
node 0 held 3000
node 0 taken 0 7200 open free
node 0 taken 2000 7200 open free" "nor one that two offsets lead to"
is "$(answers pinned.yaml 0 9200)" "node 0 taken 0 9200 open pinned
node 0 taken 1000 9200 open pinned
node 0 taken 2000 9200 open pinned
node 0 taken 3000 9200 open pinned" "one that the file fixes is"

job=$(rehearse half.yaml --cpus-per-gpu=4)
is "$(wait_job "$job")" COMPLETED "CPUs by GPU that a user asks for do not hinder a rehearsal" || tell "$job"

sed 's/^  decode:.*/  decode: {engine: sglang, workers: 1, gpus: 2, args: {port: 8500}, placement: fresh}/' \
	"$WORK/serve.yaml" >"$WORK/met.yaml"
is "$(answers met.yaml 1 3333)" "node 1 held 0
node 1 held 2000
node 1 held 3000
node 1 taken 1000 8500 own free" "an offset that leads to a fixed port of the deployment itself is passed over"

# ---- what a node lacks ----
on_node() { # NODE COMMAND...
	local node=$1
	shift
	devcluster exec --state "$STATE" --node "$node" -- "$@"
}
refused() { # WHAT CODE TEXT JOB
	is "$(wait_job "$4")" FAILED "$1: the job fails" || tell "$4"
	is "$(exit_code "$4")" "$2:0" "$1: with exit status $2"
	has "$(of "$4" .verdict.text)" "$3" "$1: the verdict says what to do"
	is "$(of "$4" '[.workers[] | select(.started)] | length')" 0 "$1: no worker has started"
}

as_user mkdir "$WORK/private"
on_node "${NODES[1]}" mount -t tmpfs -o size=1m,mode=755 none "$WORK/private"
job=$(rehearse serve.yaml --disagg-set=log_dir="$WORK/private")
until [ -s "$WORK/$job.out" ] && [ "$(job_state "$job")" = FAILED ] || [ $SECONDS -gt 200 ]; do sleep 0.1; done
is "$(exit_code "$job")" 5:0 "a run directory that one node does not have: exit status 5"
has "$(cat "$WORK/$job.out")" "is not there on '${NODES[1]}' (No such file or directory): expected a file system that all nodes share" \
	"and the output says on which node"
on_node "${NODES[1]}" umount "$WORK/private"

grep -v "${NODES[0]}" "$STATE/etc/hosts" >"$STATE/etc/hosts.less"
on_node "${NODES[1]}" mount --bind "$STATE/etc/hosts.less" /etc/hosts
refused "a host name without an address" 5 \
	"the host name '${NODES[0]}' has no address on '${NODES[1]}': expected it in DNS or /etc/hosts" \
	"$(rehearse serve.yaml)"
on_node "${NODES[1]}" umount /etc/hosts

refused "an interface that no node has" 3 "network_interface: 'ib7' has no address on" \
	"$(rehearse serve.yaml --disagg-set=network_interface=ib7)"

# ---- network_interface ----
# eth0 has a second address; the name of the host is the first one's
for i in 0 1; do
	on_node "${NODES[i]}" ip link add disagg0 type bridge
	on_node "${NODES[i]}" ip address add "10.77.8.$((10 + i))/32" dev disagg0
done
cat >"$WORK/show.yaml" <<-'YAML'
	disagg: 1
	name: show
	gpus_per_node: 2
	nodes: 2
	network_interface: disagg0
	slurm: {cpus_per_gpu: 4}
	roles:
	  decode: {engine: command, workers: 1, gpus: 4, command: [sleep, "600"]}
	  show: {engine: command, command: [sh, -c, "env; sleep 600"], after: [decode]}
YAML
job=$(run_job show.yaml -w "${NODES[0]},${NODES[1]}")
in_phase "$job" serving
ok $? "a deployment with network_interface comes up" || tell "$job"
has "$(cat "$WORK/disagg-$job/show_0.log")" "SLURM_DISAGG_ADDRESSES=10.77.8.10,10.77.8.11" \
	"every step knows the nodes' addresses on that interface"
has "$(cat "$WORK/disagg-$job/show_0.log")" "SLURM_DISAGG_PORT_OFFSET=$(of "$job" .port_offset)" \
	"and the offset of the ports"
end "$job"

no_node_drained
done_testing
