#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-probe on 16 nodes whose GPU libraries are the stubs, values noisy by 2 %: a
# healthy cluster passes RUNS (50) times of as many, each fault is named with node, GPU,
# value, expected and why, and a node that dies or hangs in mid-run, scancel and a
# full disk cost no more than they must.
. "$(dirname "$0")/../cluster/lib.sh"
runs=${RUNS:-50}
export CALL_LIMIT=240

cluster_up --nodes 16 --gpus 2 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin" "$WORK/stubs"
install -m 755 "$BUILD/bin/disagg-probe" "$WORK/bin"
cp "$BUILD"/stubs/*.so* "$WORK/stubs"
: >"$WORK/kernel.log"
small=(--gemm-size=256 --gemm-time=50 --copy-size=256K --nccl-min=256K --nccl-max=512K
	--kernel-log="$WORK/kernel.log")

# The node's own pid, so that one agent can be ended alone.
cat >"$WORK/start.sh" <<'SH'
#!/bin/bash
echo $$ >"pid.$SLURMD_NODENAME"
exec "$@"
SH
chmod 755 "$WORK/start.sh"

# STUB_FAULTS in the environment are the caller's; records in $WORK/DIR.
probe() { # DIR OPTION...
	local dir=$1
	shift
	as_user env LD_LIBRARY_PATH="$WORK/stubs" STUB_GPUS=2 STUB_NOISE=2 \
		STUB_SEED="${STUB_SEED:-1}" STUB_FAULTS="${STUB_FAULTS:-}" \
		srun -N16 --ntasks-per-node=1 --gpus-per-node=2 --exclusive --no-kill \
		./start.sh "$WORK/bin/disagg-probe" --out="$dir" "${small[@]}" "$@" </dev/null
}

records() { # DIR JQ-FILTER
	jq -r ".records[] | $2" "$WORK/$1/report.json"
}

# ---- healthy ----
passed=0
for ((i = 1; i <= runs; i++)); do
	if STUB_SEED=$i probe "healthy$i" --suite=standard >"$WORK/out" 2>&1; then
		passed=$((passed + 1))
		rm -rf "$WORK/healthy$i"
	else
		note "run $i" "$(head -n 40 "$WORK/out")"
	fi
done
is "$passed" "$runs" "a healthy cluster passes $runs times"

# ---- faults ----
# One a line: probe, GPU (- the node), what the reason says, fault.
n=0
while IFS='|' read -r name gpu says fault; do
	n=$((n + 1)) node=${NODES[$((n % 15 + 1))]}
	STUB_FAULTS="$fault node=$node" probe "fault$n" --probe="$name" >"$WORK/out" 2>&1
	rc=$?
	is "$rc" 1 "$fault: the verdict is fail"
	is "$(records "fault$n" 'select(.status == "fail") | .node' | sort -u)" "$node" \
		"$fault: the node is named, and no other"
	[ "$gpu" = - ] || is "$(records "fault$n" 'select(.status == "fail" and .gpu != null) | .gpu' |
		sort -u)" "$gpu" "$fault: so is the GPU"
	has "$(records "fault$n" 'select(.status == "fail").reason')" "$says" "$fault: and why"
done <<'FAULTS'
gemm.bf16|1|the median of 32 is|slow-gemm by=0.8 gpu=1
gemm.sdc|1|on the host: off by|wrong-result gpu=1
hbm.copy|0|the median of 32 is|slow-hbm by=0.8 gpu=0
pcie.alone|1|the median of 32 is|slow-copy by=0.5 gpu=1
p2p.matrix|-|what GPU 1 received is not what was sent|wrong-p2p gpu=1
hbm.march|0|words of the memory are wrong|wrong-memory gpu=0
gpu.health|1|uncorrected memory error|ecc gpu=1
gpu.health|0|a memory row could not be remapped|remap-failure gpu=0
gpu.health|1|slows the GPU down for its temperature|throttle gpu=1
gpu.health|0|17 NVLinks of 18 are active|nvlink-down gpu=0 link=3
hw.inventory|-|1 x NVIDIA H200 in place of 2 x NVIDIA H200|missing-gpu gpu=1
nccl.intra|1|what GPU 1 received are wrong|wrong-sum gpu=1
nccl.pairs|-|at best on its worst rail|slow-node by=0.8
nccl.pairs|1|at best on rail 1|slow-rail rail=1 by=0.7
FAULTS

# A slow path is neither node's fault, and no random matching has to draw it.
for round in 1 2 3; do
	a=${NODES[round]} b=${NODES[16 - 2 * round]}
	STUB_FAULTS="slow-pair a=$a b=$b by=0.6" probe "path$round" --probe=nccl.pairs >"$WORK/out" 2>&1
	is $? 0 "slow-pair $a $b: no node fails"
	has "$(sed -n '/^Cluster/,/^Probes/p' "$WORK/out" | xargs)" "is slow, not the nodes: " \
		"slow-pair $a $b: a finding of the cluster"
	is "$(records "path$round" 'select(.status == "warn") | .node, .peer' | sort | xargs)" \
		"$(printf '%s\n' "$a" "$b" | sort | xargs)" "slow-pair $a $b: both ends are named, no other"
	has "$(records "path$round" 'select(.status == "warn").reason')" "slow below" \
		"slow-pair $a $b: with what was expected"
done

# ---- in mid-run ----
# A GPU that hangs holds the probe for its deadline: time to do things in.
await_records() { # DIR COUNT
	local end=$((SECONDS + 60))
	until [ "$(cat "$WORK/$1/records.jsonl" 2>/dev/null | wc -l)" -ge "$2" ]; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
hung=${NODES[3]} dead=${NODES[5]} stopped=${NODES[7]} deaf=${NODES[9]}
STUB_FAULTS="hang node=$hung gpu=1" probe midrun --probe=gemm.bf16,hbm.copy,p2p.matrix,clock.skew \
	>"$WORK/out" 2>&1 &
run=$!
await_records midrun 31
ok $? "all but the GPU that hangs are measured at once"
kill -KILL "$(cat "$WORK/pid.$dead")"
kill -STOP "$(cat "$WORK/pid.$stopped")"
kill -KILL "$(cat "$STATE/run/slurmd-$deaf.pid")"
end=$((SECONDS + 120))
until grep -q "$stopped is lost" "$WORK/out" || [ $SECONDS -ge $end ]; do sleep 0.2; done
has "$(cat "$WORK/out")" "$stopped is lost: silent" "a node that is silent is lost"
kill -CONT "$(cat "$WORK/pid.$stopped")"
wait "$run"
is "$(records midrun 'select(.probe == "gemm.bf16" and .status == "unknown") | "\(.node) \(.gpu)"')" \
	"$hung 1" "a GPU that hangs is unknown"
has "$(records midrun 'select(.probe == "gemm.bf16" and .status == "unknown").reason')" \
	"no end within" "with its reason"
is "$(records midrun "select(.node == \"$hung\" and .probe == \"hbm.copy\" and .status == \"unknown\") |
	\"\(.gpu) \(.reason)\"")" "1 gemm.bf16 did not return on this GPU" \
	"the next probe of that GPU does not wait for it, and says why"
is "$(records midrun "select(.node == \"$hung\" and .probe == \"p2p.matrix\").reason")" \
	"gemm.bf16 did not return on GPU 1 of this node" "nor does one of all the node's GPUs"
is "$(records midrun 'select(.probe == "clock.skew" and .status == "unknown").node' | sort | xargs)" \
	"$(printf '%s\n' "$dead" "$stopped" | sort | xargs)" \
	"afterwards the nodes whose agent died or was silent are unknown, and no other"
is "$(records midrun 'select(.probe == "gemm.bf16" and .status == "pass").node' | wc -l)" 31 \
	"the rest is complete"
devcluster restart --state "$STATE" "$deaf" >/dev/null

# ---- scancel ----
STUB_FAULTS="hang node=$hung gpu=1" probe cancelled --probe=gemm.bf16,clock.skew >"$WORK/out" 2>&1 &
run=$!
await_records cancelled 31
begin=$SECONDS
as_user scancel --signal=TERM --user "$TEST_USER"
wait "$run"
ok $((SECONDS - begin < 20 ? 0 : 1)) "a run that is cancelled ends soon"
is "$(records cancelled 'select(.status == "pass").node' | wc -l)" 31 "what was measured counts"
is "$(records cancelled 'select(.status == "unknown") | .reason' | grep -vc "signal 15 (Terminated)")" 0 \
	"the rest is unknown, with the reason"
is "$(records cancelled 'select(.probe == "clock.skew" and .status == "unknown").node' | sort -u | wc -l)" \
	16 "on every node"

# ---- a full disk ----
mkdir "$WORK/full"
devcluster exec --state "$STATE" --node "${NODES[0]}" -- \
	mount -t tmpfs -o size=8k,mode=1777 none "$WORK/full"
out=$(probe full/run --probe=gemm.bf16,clock.skew --format=json 2>"$WORK/err")
rc=$?
is "$(jq -r '.records[] | select(.probe == "clock.skew" and .status == "pass").node' <<<"$out" | sort -u | wc -l)" 16 \
	"with a full disk the run goes on"
is "$(grep -c 'records are kept in memory' "$WORK/err")" 1 "which is said once"
is "$rc" 5 "and the status says that files are missing"
devcluster exec --state "$STATE" --node "${NODES[0]}" -- umount "$WORK/full"

no_node_drained
done_testing
