#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast disagg-diagnose scans logs: GB/s in CPU time of one core, beside PCRE2
# alone and grep -E with the same expressions.  LOG_MB (512) of ordinary lines
# with an error in two thousand; grep gets GREP_MB (1) of it, for it takes minutes
# for more.
set -u
: "${BUILD:?}" "${SRC:?}"
log_mb=${LOG_MB:-512} grep_mb=${GREP_MB:-1}
dir=$(mktemp -d) || exit 5
trap 'rm -rf "$dir"' EXIT

python3 - "$dir" "$log_mb" "$SRC" <<'END'
import random, sys
folder, size, src = sys.argv[1], int(sys.argv[2]) << 20, sys.argv[3]
rng = random.Random(1)
ordinary = [
    "[2026-08-22 10:%02d:%02d TP%d] Decode batch, #running-req: %d, #token: %d, token usage: 0.41, pre-allocated usage: 0.00, #prealloc-req: 0, #transfer-req: 0, #retracted-req: 0, cuda graph: True, gen throughput (token/s): 73.50, #queue-req: 0,",
    "(EngineCore_DP0 pid=2231) INFO 08-22 10:%02d:%02d [loggers.py:%d] Engine 000: Avg prompt throughput: %d.0 tokens/s, Avg generation throughput: %d.5 tokens/s, Running: 12 reqs, Waiting: 0 reqs, GPU KV cache usage: 12.3%%",
    "2026-08-22T10:%02d:%02d.%06dZ  INFO dynamo_runtime::component: registering instance %d with etcd lease %d",
    "[2026-08-22 10:%02d:%02d] INFO:     10.10.11.%d:%d - \"POST /generate HTTP/1.1\" 200 OK %d",
    "[TRT-LLM] [I] [_torch][RANK 0] iter = %d%d, global_rank = %d, rank = 0, num_scheduled_requests = %d, kv_cache_util = 0.000, host_step_time = 4.08ms, prev_device_step_time = 243.13ms, timestamp = 2026-08-22 10:11:49, states = {'num_ctx_requests': %d}",
]
bad = "[2026-08-22 10:%02d:%02d TP%d] ERROR RuntimeError: NCCL error: connection reset by peer %d %d"
block, have = [], 0
while have < 32 << 20:
    form = bad if rng.random() < .0005 else rng.choice(ordinary)
    line = form % (rng.randrange(60), rng.randrange(60), rng.randrange(8), rng.randrange(1000), rng.randrange(99999))
    block.append(line)
    have += len(line) + 1
text = ("\n".join(block) + "\n").encode()
with open(folder + "/mixed.log", "wb") as out:
    while out.tell() < size:
        out.write(text)
with open(folder + "/patterns", "w") as out:
    inside = False
    for line in open(src + "/lib/diag/signatures.yaml"):
        line = line.strip()
        if line == "match:":
            inside = True
        elif inside and line.startswith("- '"):
            out.write(line[3:-1].replace("''", "'").replace("\\d", "[0-9]").replace("\\r?", "") + "\n")
        else:
            inside = False
END
head -c "$((grep_mb << 20))" "$dir/mixed.log" >"$dir/part.log"
echo "scanning $log_mb MB of logs with $(grep -c . "$dir/patterns") expressions:"
"$BUILD/t/diagnose_bench" "$dir/mixed.log"
LC_ALL=C /usr/bin/time -f '%U %S' -o "$dir/time" grep -ciE -f "$dir/patterns" "$dir/part.log" >"$dir/lines"
awk -v mb="$grep_mb" -v lines="$(cat "$dir/lines")" 'END {
	printf "  %-28s %8.4f GB/s of a core (the first %d MB; %d lines)\n", "grep -ciE, the same",
		mb * 1048576 / 1e9 / ($1 + $2), mb, lines }' "$dir/time"
