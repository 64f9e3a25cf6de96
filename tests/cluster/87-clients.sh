#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who measures: the client that a file names where it is there, disagg-bench
# where that sends the same, nobody where that would be another thing.  Clients
# are stand-ins here, started as the real ones are.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 3 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin" "$WORK/scripts" "$WORK/scripts/sa-bench" "$WORK/scripts/gpqa" "$WORK/py" \
	"$WORK/py/sglang" "$WORK/tools"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
cp "$SRC/configs/trtllm-1p1d.yaml" "$WORK/trtllm.yaml"

# one server that answers for a whole deployment
deployment() { # FILE BENCHMARK-LINES
	cat >"$WORK/$1"
	printf 'benchmark:\n%s\n' "$2" >>"$WORK/$1"
}
for name in sa sglang gpqa; do
	case $name in
	sa) lines='  {type: sa-bench, isl: 20, osl: 4, concurrencies: [1, 2], num_prompts_mult: 3}' ;;
	sglang) lines='  {type: sglang-bench, isl: 20, osl: 4, concurrencies: 1x2}' ;;
	gpqa) lines='  {type: gpqa, num_examples: 5}' ;;
	esac
	deployment "$name.yaml" "$lines" <<-'EOF'
		disagg: 1
		name: clients
		gpus_per_node: 4
		model: {path: /m, served_name: m}
		roles:
		  agg:
		    engine: command
		    gpus: 4
		    command: [sleep, "3600"]
		  server:
		    kind: frontend
		    port: 8000
		    script: 'exec disagg-sim --as=vllm --model=m --host=0.0.0.0 --port=$DISAGG_PORT_HTTP'
		    ready: {http: /health}
	EOF
done

# srtctl's script: what it is told, what it measured, how it ends
cat >"$WORK/scripts/sa-bench/bench.sh" <<'EOF'
printf '%s|' "$@" >"$DISAGG_RUN_DIR/told"
echo "$$" >"$DISAGG_RUN_DIR/pid"
[ -z "${SLEEP:-}" ] || { sleep 1000 & echo $! >>"$DISAGG_RUN_DIR/pid"; wait; }
curl -sf -m 10 -d '{"prompt":"a b","max_tokens":2}' "$1/v1/completions" >"$DISAGG_RUN_DIR/answer" || exit 9
out=$DISAGG_RUN_DIR/results/sa-bench_isl_$2_osl_$3
mkdir -p "$out"
echo "{\"itls\": [[0.1, 0.2]], \"completed\": ${COMPLETED:-6}, \"num_prompts\": 6}" \
	>"$out/results_concurrency_2_gpus_$9.json"
exit "${STATUS:-0}"
EOF
# shellcheck disable=SC2016
echo 'printf "%s|" "$@" >"$DISAGG_RUN_DIR/told"' >"$WORK/scripts/gpqa/bench.sh"
mkdir -p "$WORK/logs/sa-bench"
echo 'mkdir -p /logs/x' >"$WORK/logs/sa-bench/bench.sh"

# sglang's package
: >"$WORK/py/sglang/__init__.py"
cat >"$WORK/py/sglang/bench_serving.py" <<'EOF'
import json, os, sys
from urllib.request import Request, urlopen
told = dict(zip(sys.argv[1::2], sys.argv[2::2]))
body = json.dumps({"prompt": "a", "max_tokens": 2}).encode()
urlopen(Request("http://%s:%s/v1/completions" % (told["--host"], told["--port"]), body), timeout=10)
with open(told["--output-file"], "a") as out:
    out.write(json.dumps({"completed": int(told["--num-prompts"]), "told": sys.argv[1:]}) + "\n")
EOF

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" PYTHONPATH="${PACKAGES:-}" SLEEP="${SLEEP:-}" \
		DISAGG_SRTCTL_BENCHMARKS="${SCRIPTS:-}" DISAGG_BENCH_CLIENT="${CLIENT:-}" \
		COMPLETED="${COMPLETED:-}" STATUS="${STATUS:-}" \
		sbatch --parsable --output=%j.out --exclusive --disagg-config="$config" "$@" \
		"${SCRIPT:-$SRC/scripts/disagg-job.sh}"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$WORK/disagg-$1/state.json" 2>/dev/null
}

log() { # JOB
	cat "$WORK/disagg-$1/benchmark.log"
}

completes() { # WHAT JOB
	is "$(wait_job "$2")" COMPLETED "$1: the job completes" || {
		sed 's/^/#   /' "$WORK/$2.out"
		log "$2" | sed 's/^/#   /'
	}
}

fails() { # WHAT CODE JOB
	is "$(wait_job "$3")" FAILED "$1: the job fails" || log "$3" | sed 's/^/#   /'
	is "$(of "$3" .verdict.code)" "$2" "$1: exit status $2" || log "$3" | sed 's/^/#   /'
}

# ---- nobody's client is there ----
job=$(run_job sa.yaml)
completes "no script of srtctl's" "$job"
has "$(log "$job")" "disagg-bench measures in place of sa-bench: '/srtctl-benchmarks/sa-bench/bench.sh' is not there" \
	"the log says who measures, and why"
is "$(jq -r '"\(.num_prompts) \(.max_concurrency)"' \
	"$WORK/disagg-$job"/results/sa-bench_isl_20_osl_4/results_concurrency_2_*.json)" "6 2" \
	"disagg-bench sends as many prompts as sa-bench would"
job=$(run_job gpqa.yaml --disagg-set=roles.server.script='sleep 60')
fails "questions without who asks them" 4 "$job"
has "$(of "$job" .verdict.text)" "disagg-bench cannot take the place of gpqa (it judges answers), which cannot run: '/srtctl-benchmarks/gpqa/bench.sh' is not there: mount srtctl's benchmark scripts" \
	"the verdict says what is missing and what to do"
is "$(of "$job" .phases.benchmark)" null "it does not wait for the workers"
job=$(run_job sa.yaml --disagg-set=benchmark.client=own)
fails "benchmark.client: own, and none" 4 "$job"
has "$(of "$job" .verdict.text)" "benchmark.client is own, but sa-bench cannot run" \
	"the verdict says so"
job=$(SCRIPTS=$WORK/logs run_job sa.yaml)
completes "a script whose results have no place" "$job"
has "$(log "$job")" "leaves its results in '/logs'" "is not started"


# a look that does not end goes with the rest
mkdir "$WORK/hangs"
cat >"$WORK/hangs/python3" <<'EOF'
#!/bin/sh
echo $$ >"$DISAGG_RUN_DIR/looks"
exec sleep 60
EOF
chmod 755 "$WORK/hangs/python3"
# shellcheck disable=SC2016 # for the job's shell to expand
printf '#!/bin/bash\nexport PATH=%s:$PATH\n%s\n%s\n' "$WORK/hangs" 'disagg run' \
	'squeue --noheader --steps --jobs="$SLURM_JOB_ID" --format=%j >"disagg-$SLURM_JOB_ID/steps"' \
	>"$WORK/hangs.sh"
# shellcheck disable=SC2016
job=$(CLIENT=own SCRIPT=hangs.sh run_job sglang.yaml --disagg-set=roles.server.script='until [ -e $DISAGG_RUN_DIR/looks ]; do sleep 0.1; done; exit 3')
is "$(wait_job "$job")" COMPLETED "a worker ends while the client is looked for"
is "$(of "$job" .verdict.code)" 7 "exit status 7"
[ -e "$WORK/disagg-$job/looks" ]
ok $? "the look ran then"
hasnt "$(cat "$WORK/disagg-$job/steps")" client-look "its step is gone with disagg-run"

# ---- srtctl's scripts ----
SCRIPTS=$WORK/scripts
job=$(run_job sa.yaml)
completes "srtctl's script" "$job"
has "$(log "$job")" "sa-bench measures: its script is '$WORK/scripts/sa-bench/bench.sh'" \
	"the log says who measures"
node=$(of "$job" '.workers[] | select(.name == "server_0") | .host')
hasnt "$(ls "$WORK/disagg-$job")" client.log "for disagg-bench could take its place nobody looks before"
is "$(cat "$WORK/disagg-$job/told")" \
	"http://$node:8000|20|4|1x2|inf|/m|m|false|4|0|0|0.8|3|2||true|random||false|" \
	"it is told what srtctl tells it, and where the frontend is"
has "$(cat "$WORK/disagg-$job/answer")" '"choices"' "it reaches the frontend"
job=$(COMPLETED=0 run_job sa.yaml)
fails "a client that measured nothing and says all is well" 8 "$job"
has "$(log "$job")" "is invalid: no request completed" "the log says why"
job=$(COMPLETED=5 run_job sa.yaml)
fails "one whose requests failed" 8 "$job"
job=$(STATUS=7 run_job sa.yaml)
fails "a client that fails" 1 "$job"
has "$(log "$job")" "'bash' ended with exit status 7" "its status is in the log, and is not ours"
job=$(run_job gpqa.yaml)
completes "questions, and who asks them" "$job"
has "$(cat "$WORK/disagg-$job/told")" "|5|32768|8|128|" "as many as the file says"
has "$(cat "$WORK/disagg-$job/client.log")" "gpqa measures" "which was looked for before"
job=$(CLIENT=disagg run_job sa.yaml)
completes "DISAGG_BENCH_CLIENT=disagg" "$job"
has "$(log "$job")" "disagg-bench measures in place of sa-bench: benchmark.client is disagg" \
	"goes before the script that is there"
job=$(CLIENT=other run_job sa.yaml)
fails "another word" 2 "$job"
job=$(SLEEP=1 run_job sa.yaml)
end=$((SECONDS + 30))
until [ "$(wc -l 2>/dev/null <"$WORK/disagg-$job/pid")" = 2 ] || [ $SECONDS -ge $end ]; do
	sleep 0.1
done
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" FAILED "told to end while a client runs"
alive() { # how many of the processes that the script named run
	local pid state count=0
	while read -r pid; do
		state=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null)
		case ${state:-gone} in gone | Z* | X*) ;; *) count=$((count + 1)) ;; esac
	done <"$WORK/disagg-$job/pid"
	echo "$count"
}
end=$((SECONDS + 8))
until [ "$(alive)" = 0 ] || [ $SECONDS -ge $end ]; do
	sleep 0.1
done
is "$(alive)" 0 "the script and what it started are gone"
SCRIPTS=

# ---- Python packages ----
job=$(run_job sglang.yaml)
completes "no package" "$job"
has "$(log "$job")" "disagg-bench measures in place of sglang-bench: Python has no package 'sglang'" \
	"the log says so"
is "$(jq -r .num_prompts "$WORK/disagg-$job"/results/sa-bench_isl_20_osl_4/results_concurrency_1_*.json)" \
	128 "disagg-bench sends as many prompts as sglang's client"
job=$(PACKAGES=$WORK/py run_job sglang.yaml)
completes "sglang's client" "$job"
has "$(log "$job")" "sglang-bench measures: Python has its package 'sglang'" "the log says so"
has "$(log "$job")" "run 2 of 2: concurrency 2" "and what it does"
is "$(jq -r '.completed' "$WORK/disagg-$job"/results/sglang-bench_isl_20_osl_4/*_2_gpus_4.jsonl)" 128 \
	"each concurrency has a result of its own"

# ---- TensorRT-LLM: the benchmark's step alone, beside a server ----
mkdir -p "$WORK/py/tensorrt_llm/serve/scripts"
: >"$WORK/py/tensorrt_llm/__init__.py"
: >"$WORK/py/tensorrt_llm/serve/__init__.py"
: >"$WORK/py/tensorrt_llm/serve/scripts/__init__.py"
cat >"$WORK/py/tensorrt_llm/serve/scripts/benchmark_serving.py" <<'EOF'
import json, os, sys
print("told", " ".join(sys.argv[1:]), flush=True)
if "--result-dir" not in sys.argv:
    sys.exit("no connection")
folder = sys.argv[sys.argv.index("--result-dir") + 1]
with open(os.path.join(folder, "result.json"), "w") as out:
    json.dump({"completed": 4, "total_output_tokens": 8}, out)
EOF
cat >"$WORK/tools/lm_eval" <<'EOF'
#!/bin/sh
echo "asked $*"
EOF
chmod 755 "$WORK/tools/lm_eval"
cat >"$WORK/client.sh" <<'EOF'
#!/bin/bash
srun --overlap --disagg-role=benchmark:0 disagg-exec 2>&1
EOF
job=$(as_user env PATH="$WORK/bin:$WORK/tools:$PATH" PYTHONPATH="$WORK/py" sbatch --parsable --output=%j.out \
	--account=dev --partition=main --disagg-config=trtllm.yaml \
	--disagg-set=environment.model_path=/m/r1 --disagg-set=environment.container_image=i \
	--disagg-set=accuracy.enable_accuracy_test=true client.sh)
is "$(wait_job "$job")" COMPLETED "TensorRT-LLM's client and lm_eval" || sed 's/^/#   /' "$WORK/$job.out"
has "$(cat "$WORK/$job.out")" "--random-input-len 100 --random-output-len 10" \
	"small requests open the connections first"
has "$(cat "$WORK/$job.out")" "exit status 1" "and may fail"
has "$(cat "$WORK/$job.out")" "--max-concurrency" "then it measures"
has "$(cat "$WORK/$job.out")" "asked --model local-completions --tasks gsm8k" "then accuracy is asked for"
job=$(as_user env PATH="$WORK/bin:$PATH" PYTHONPATH="$WORK/py" sbatch --parsable --output=%j.out \
	--account=dev --partition=main --disagg-config=trtllm.yaml \
	--disagg-set=environment.model_path=/m/r1 --disagg-set=environment.container_image=i \
	--disagg-set=accuracy.enable_accuracy_test=true client.sh)
is "$(wait_job "$job")" FAILED "accuracy without lm_eval"
has "$(cat "$WORK/$job.out")" "accuracy is asked for, but 'lm_eval' is not in PATH" "is refused"
hasnt "$(cat "$WORK/$job.out")" told "before anything is measured"

# ---- a rehearsal measures nothing, whoever it would be ----
job=$(run_job gpqa.yaml --disagg-rehearse)
completes "a rehearsal of questions" "$job"
has "$(log "$job")" "rehearsal: disagg-bench sends a few requests in place of gpqa" "says what it does"

no_node_drained
done_testing
