#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Step 0 of a run: every node is probed, spare ones too; a bad one ends the job, is
# told of, or is passed over by every part of the deployment.  An acceptance run
# is that step alone.  A stand-in for disagg-probe injects the faults.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 4 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
n=("${NODES[@]}")
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
# FAULTS: "NODE=KIND ..."; a node without one passes
cat >"$WORK/bin/disagg-probe" <<'STANDIN'
#!/bin/bash
node=$SLURMD_NODENAME
for word; do
	case $word in
	--out=*) out=${word#--out=} ;;
	--suite=*) suite=${word#--suite=} ;;
	--probe=none.such)
		echo "disagg-probe: there is no probe 'none.such'" >&2
		exit 2
		;;
	*) more="$more $word" ;;
	esac
done
kind=pass
for fault in $FAULTS; do
	[ "${fault%%=*}" != "$node" ] || kind=${fault#*=}
done
mkdir -p "$out"
record() { # PROBE STATUS MORE
	echo "{\"schema\":\"disagg.probe/1\",\"probe\":\"$1\",\"node\":\"$node\",\"status\":\"$2\"$3}" \
		>>"$out/$node.jsonl"
}
record env.fingerprint pass ",\"reason\":\"$suite$more, roles ${SLURM_DISAGG_ROLES:-open}\""
case $kind in
fail) record gemm.bf16 fail ',"gpu":3,"value":632,"unit":"TFLOPS","reason":"\"$(touch owned)\" expected 700"' ;;
hang) sleep 600 ;;
silent) rm "$out/$node.jsonl" ;;
die) kill -9 $$ ;;
nogpu) record gemm.bf16 skip ',"reason":"no NVIDIA driver"' ;;
*) record gemm.bf16 "$kind" ',"gpu":0,"value":790,"unit":"TFLOPS"' ;;
esac
[ "$kind" = pass ]
STANDIN
chmod 755 "$WORK/bin/disagg-probe"
cp "$SRC/configs/acceptance.yaml" "$WORK"
# its command tells where it is sent, and shows a worker by a shell's step of its own
{
	sed '/^benchmark:/,$d' "$SRC/configs/native-2p2d.yaml"
	cat <<-'YAML'
		probes:
		  suite: quick
		  on_failure: exclude
		  spare_nodes: 1
		benchmark:
		  type: custom
		  command: >-
		    echo "prefill $DISAGG_PREFILL_ENDPOINTS decode $DISAGG_DECODE_ENDPOINTS at $DISAGG_FRONTEND_URL";
		    disagg-wait --timeout=9 --role=decode && echo "waited";
		    srun --overlap --disagg-role=decode:1 sh -c 'echo "decode_1 on $SLURMD_NODENAME"';
		    srun --overlap -N4 -n4 --ntasks-per-node=1 sh -c 'echo "own step on $SLURMD_NODENAME"'
	YAML
} >"$WORK/spare.yaml"

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1 way=(--disagg-rehearse)
	[ -z "${EARNEST:-}" ] || way=()
	shift
	as_user env PATH="$WORK/bin:$PATH" FAULTS="${FAULTS:-}" sbatch --parsable --output=%j.out \
		"${way[@]}" --disagg-config="$config" "$@" "$SRC/scripts/disagg-job.sh"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$WORK/disagg-$1/state.json" 2>/dev/null
}

ends() { # WHAT STATE CODE JOB
	is "$(wait_job "$4")" "$2" "$1: the job ends" || sed 's/^/#   /' "$WORK/$4.out"
	is "$(of "$4" .verdict.code)" "$3" "$1: with exit status $3"
	is "$(of "$4" .phase)" "done" "$1: in order"
}

hosts() { # JOB
	of "$1" '[.workers[] | .name + "@" + .host] | sort | join(" ")'
}

# ---- the plan ----
out=$(as_user "$WORK/bin/disagg-plan" --cluster-file= spare.yaml)
has "$out" "step 0    quick probes on 4 nodes (1 to spare); bad ones are passed over" \
	"disagg plan shows step 0"
has "$out" "--nodes=4" "and asks for the spare node"

# ---- exclude ----
job=$(FAULTS="${n[2]}=fail" run_job spare.yaml)
ends "a bad node and a spare one" COMPLETED 0 "$job"
is "$(hosts "$job")" "benchmark_0@${n[0]} decode_0@${n[1]} decode_1@${n[3]} prefill_0@${n[0]} prefill_1@${n[0]} router_0@${n[0]}" \
	"the plan passes over it"
is "$(of "$job" '.phases | keys_unsorted | join(" ")')" \
	"probe starting waiting benchmark ending done" "the probes come first"
is "$(of "$job" '.warnings | join(" ")')" "1 of 4 nodes failed the probes and are passed over:\
 ${n[2]} (gemm.bf16, GPU 3: 632 TFLOPS: \"\$(touch owned)\" expected 700)" "a warning names it"
out=$(cat "$WORK/$job.out")
has "$out" "scontrol update nodename=${n[2]} state=drain reason='disagg-probe: gemm.bf16, GPU 3:\
 632 TFLOPS: ??(touch owned)? expected 700'" "the drain line can be pasted"
log=$(cat "$WORK/disagg-$job/benchmark.log")
has "$log" "decode ${n[1]}:" "the endpoints are of the hosts that are left"
hasnt "$log" "${n[2]}:" "and none is the bad one's"
has "$log" "waited" "disagg-wait knows them"
has "$log" "decode_1 on ${n[3]}" "a role's own step runs there"
is "$(echo "$log" | grep -c '^own step on ')" 4 "an ordinary step still may use every node"
has "$(cat "$WORK/disagg-$job/probes/${n[3]}.jsonl")" "quick, roles none" \
	"the spare node is probed, and no task is a worker"
is "$(as_root sinfo -h -N -o '%T' | sort -u)" idle "nothing is drained by it"
is "$(jq -r .variables.SLURM_DISAGG_EXCLUDED "$WORK/disagg-$job/environment.json")" "${n[2]}" \
	"disagg-shell is told of it"

job=$(FAULTS="${n[0]}=unknown ${n[3]}=silent" run_job spare.yaml)
ends "too few nodes are left" FAILED 4 "$job"
has "$(of "$job" .verdict.text)" "the plan needs 3 nodes, but 2 of the job's 4 are healthy" \
	"the verdict counts them"
has "$(of "$job" '.warnings | join(" ")')" "2 of 4 nodes could not be probed and are passed over:\
 ${n[0]} (gemm.bf16, GPU 0: 790 TFLOPS), ${n[3]} (it has no record)" "unknown nodes are told of"
hasnt "$(cat "$WORK/$job.out")" "state=drain" "and not called bad"

# ---- fail, warn ----
job=$(FAULTS="${n[1]}=fail ${n[3]}=die" run_job spare.yaml --disagg-set=probes.on_failure=fail)
ends "on_failure: fail" FAILED 1 "$job"
has "$(of "$job" .verdict.text)" "1 of 4 nodes failed the probes: ${n[1]} (gemm.bf16, GPU 3" \
	"the verdict names the node"
is "$(of "$job" '[.workers[] | .state] | unique | join(" ")')" planned "nothing was started"
has "$(of "$job" '.warnings | join(" ")')" "1 of 4 nodes could not be probed: ${n[3]} (it was not\
 done with gemm.bf16)" "one whose task was killed is told of"
job=$(FAULTS="${n[1]}=fail" run_job spare.yaml --disagg-set=probes.on_failure=warn)
ends "on_failure: warn" COMPLETED 0 "$job"
has "$(of "$job" '.warnings | join(" ")')" "1 of 4 nodes failed the probes: ${n[1]}" "it is told"
has "$(hosts "$job")" "decode_0@${n[1]}" "and taken"

# ---- time, signals, mistakes ----
late=$(FAULTS="${n[1]}=hang" run_job spare.yaml --disagg-set=probes.on_failure=fail \
	--disagg-set=probes.timeout=2)
ends "a node that hangs" FAILED 6 "$late"
has "$(of "$late" .verdict.text)" "1 of 4 nodes could not be probed: ${n[1]} (it was not done with\
 gemm.bf16)" "the verdict names it"
has "$(of "$late" '.warnings | join(" ")')" "the probes were ended after 2 s" "the limit is told"
job=$(run_job spare.yaml --disagg-set='probes.only=[none.such]')
ends "a probe that is none" FAILED 3 "$job"
has "$(of "$job" .verdict.text)" "there is no probe 'none.such'" "is said as disagg-probe says it"
job=$(FAULTS="${n[1]}=hang" run_job spare.yaml)
end=$((SECONDS + 20))
until [ -e "$WORK/disagg-$job/probes/${n[1]}.jsonl" ] || [ $SECONDS -ge $end ]; do sleep 0.05; done
as_user scancel --batch --signal=TERM "$job"
ends "told to end while probing" FAILED 1 "$job"
has "$(of "$job" .verdict.text)" "in phase 'probe'" "the verdict says when"

# ---- acceptance ----
job=$(run_job acceptance.yaml)
ends "an acceptance run" COMPLETED 0 "$job"
has "$(of "$job" .verdict.text)" "4 nodes are accepted, in a rehearsal that measures no GPU: the report is in" \
	"the verdict says where, and what it is worth"
job=$(FAULTS="${n[1]}=fail" run_job acceptance.yaml -N2)
ends "of as many nodes as the user says" FAILED 1 "$job"
has "$(of "$job" .verdict.text)" "1 of 2 nodes failed the probes: ${n[1]}" "which are all judged"
job=$(FAULTS="${n[1]}=nogpu" EARNEST=1 run_job acceptance.yaml)
ends "of a node whose GPUs nobody could measure" FAILED 5 "$job"
has "$(of "$job" .verdict.text)" "1 of 4 nodes could not be probed: ${n[1]} (no GPU of it was\
 measured: gemm.bf16: no NVIDIA driver)" "is no pass"

# ---- the real thing: a rehearsal asks for no GPUs, and measures what there is beside ----
install -m 755 "$BUILD/bin/disagg-probe" "$WORK/bin"
mkdir "$WORK/stubs"
install -m 755 "$BUILD"/stubs/lib* "$WORK/stubs"
export LD_LIBRARY_PATH=$WORK/stubs STUB_GPUS=4 STUB_FAULTS="ecc node=${n[1]} gpu=2"
# --exclusive: a node is probed by one at a time, and what meets another is unknown
job=$(run_job spare.yaml --exclusive --disagg-set='probes.only=[gpu.health]')
bad=$(run_job acceptance.yaml --exclusive --disagg-set='probes.only=[gpu.health, hw.inventory]')
unset LD_LIBRARY_PATH STUB_GPUS STUB_FAULTS
ends "a GPU with memory errors, and a node to spare" COMPLETED 0 "$job"
is "$(hosts "$job" | tr ' ' '\n' | grep decode | tr '\n' ' ')" "decode_0@${n[2]} decode_1@${n[3]} " \
	"its node is passed over"
ends "the same without a deployment" FAILED 1 "$bad"
has "$(of "$bad" .verdict.text)" "1 of 4 nodes failed the probes: ${n[1]} (gpu.health ecc, GPU 2: 1" \
	"the verdict names node and GPU"
is "$(jq -r '[.abnormal[].node] | join(" ")' "$WORK/disagg-$bad/probes/report.json")" "${n[1]}" \
	"as the report does"
job=$(run_job acceptance.yaml --disagg-set=probes.suite=quick)
ends "disagg-probe itself" COMPLETED 0 "$job"
is "$(jq -rs '[.[] | select(.probe == "env.fingerprint" and .status == "pass") | .node] | unique | join(" ")' \
	"$WORK/disagg-$job/probes/records.jsonl")" "${n[*]}" "every node has its records"
job=$(run_job spare.yaml --disagg-set='probes.only=[clock.*]')
ends "one probe alone, before a deployment" COMPLETED 0 "$job"
is "$(jq -rs '[.[].probe] | unique | join(" ")' "$WORK/disagg-$job/probes/records.jsonl")" clock.skew \
	"which leaves its records"
job=$(run_job spare.yaml --disagg-set='probes.only=[no.such]')
ends "a probe that there is not" FAILED 3 "$job"
has "$(of "$job" .verdict.text)" "no.such" "is named"

no_node_drained
done_testing
