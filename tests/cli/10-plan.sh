#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-plan and the disagg dispatcher: exit codes, texts, formats.
. "$(dirname "$0")/lib.sh"
bin=$BUILD/bin
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-cli.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5
unset DISAGG_SET DISAGG_CLUSTER DISAGG_CLUSTER_FILE
export DISAGG_CLUSTER_FILE=

cat >plan.yaml <<'EOF'
slurm: {partition: gpu, account: a, job_time: 10:00:00, job_name: small}
benchmark: {mode: e2e, concurrency_list: '1 2', multi_round: 2}
hardware: {gpus_per_node: 4, num_ctx_servers: 1, num_gen_servers: 1}
environment: {model_path: /m, container_image: i.sqsh, worker_env_var: A=1}
worker_config:
  gen: {tensor_parallel_size: 6}
  ctx: {tensor_parallel_size: 2}
EOF
cp plan.yaml other.yaml
sed 's/mode: e2e/mode: e2f/; s/gpus_per_node: 4/gpus_per_node: 99/' plan.yaml >bad.yaml
sed 's/partition: gpu/partition: <partition>/; s/job_name/job_nam/' plan.yaml >warn.yaml
cat >variants.yaml <<'EOF'
base:
  name: r
  model: {path: m, container: c, precision: fp8}
  resources:
    {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, prefill_workers: 1,
     decode_nodes: 1, decode_workers: 1}
  frontend: {enable_multiple_frontends: false}
  backend:
    type: sglang
    sglang_config:
      prefill: {disaggregation-mode: prefill, tensor-parallel-size: 4}
      decode: {disaggregation-mode: decode, tensor-parallel-size: 4}
override_wide:
  resources: {decode_nodes: 2, decode_workers: 2}
zip_override_many:
  resources: {decode_nodes: [3, 4], decode_workers: [3, 4]}
EOF
cat >cluster.yaml <<'EOF'
default: one
clusters:
  one: {partition: first, env: {FROM: one}}
  two: {partition: second, gpus: unmanaged}
EOF

# ---- usage ----
refuses 2 "disagg-plan: expected at least one FILE" "no file" "$bin/disagg-plan"
has err "try 'disagg-plan --help'" "a usage error says where to read on"
refuses 2 "unknown option '--formt', did you mean '--format'?" "a slip in an option" \
	"$bin/disagg-plan" --formt=json plan.yaml
refuses 2 "unknown option '-z'" "an unknown letter" "$bin/disagg-plan" -z plan.yaml
refuses 2 "option '--set' needs a value" "a missing value" "$bin/disagg-plan" plan.yaml --set
refuses 2 "option '--check' takes no value" "a value too many" \
	"$bin/disagg-plan" --check=yes plan.yaml
refuses 2 "--format: 'jsn' is none of table, json, sbatch, env, svg, commands; did you mean 'json'?" \
	"an unknown format" "$bin/disagg-plan" --format=jsn plan.yaml
refuses 2 "--format: 'script' is none of" "a format of another tool" \
	"$bin/disagg-plan" --format=script plan.yaml
refuses 2 "--set: expected PATH=VALUE, got 'x'" "a --set without =" \
	"$bin/disagg-plan" --set x plan.yaml
refuses 2 "'--explain' has no place beside" "two actions" \
	"$bin/disagg-plan" --check --explain plan.yaml
refuses 2 "--format goes with none of --check" "a format for --check" \
	"$bin/disagg-plan" --check --format=json plan.yaml
refuses 2 "--format=svg draws one configuration, not 2" "two drawings" \
	"$bin/disagg-plan" --format=svg plan.yaml other.yaml

# ---- help ----
run "$bin/disagg-plan" --help
status 0 "--help: status 0"
empty err "--help: nothing on stderr"
has out "usage: disagg-plan [OPTION]... FILE[:VARIANT]..." "--help: usage"
for word in --format=FORMAT --check --explain --variants --set=PATH=VALUE --cluster-file=FILE \
	--cluster=NAME --rehearse --help --version examples: environment: "exit status:"; do
	has out "$word" "--help: $word"
done
run "$bin/disagg-plan" --version
status 0 "--version: status 0"
has out "disagg-plan $(cat "$SRC/VERSION")" "--version: the number"
has out "features: native trtllm srtctl" "--version: what is built in"

# ---- formats ----
run "$bin/disagg-plan" plan.yaml
status 0 "table: status 0"
empty err "table: no warning"
has out "3 nodes of 4 GPUs" "table: nodes"
hasnt out "$(printf '\033')" "table: no colour in a pipe"
report "$(awk 'length > 80 {bad = 1} END {print !bad}' out)" "table: at most 80 columns"
run "$bin/disagg-plan" --format=json plan.yaml
status 0 "json: status 0"
lines out 1 "json: one line"
has out '{"schema":"disagg.plan/1","name":"small","dialect":"trtllm","source":"plan.yaml"' \
	"json: schema"
has out '"gpus":{"total":12,"used":8,"idle":4}' "json: GPUs"
has out '"warnings":[]}' "json: the last key"
has out '"time":"10:00:00"' "json: an unquoted time is 10 hours"
run "$bin/disagg-plan" --format=sbatch plan.yaml
has out "--nodes=3" "sbatch: nodes"
has out "--partition=gpu" "sbatch: partition"
lines out 1 "sbatch: one line"
run "$bin/disagg-plan" --format=env plan.yaml
line out "DISAGG_SERVING_TYPE=GEN_0" "env: a gen server"
line out "DISAGG_SERVING_TYPE=CTX_0" "env: a ctx server"
line out "A=1" "env: the file's variables"
run "$bin/disagg-plan" --format=svg plan.yaml
has out "<svg " "svg: a drawing"
run "$bin/disagg-plan" --check plan.yaml
line out "plan.yaml: ok, 3 nodes, 8 GPUs (4 more stay idle)" "--check: one line"
empty err "--check: no warning"
run "$bin/disagg-plan" --explain plan.yaml
status 0 "--explain: status 0"
has out "hardware.gpus_per_node = 4" "--explain: a value"
has out "plan.yaml:3" "--explain: its origin"

# ---- many files ----
run "$bin/disagg-plan" --format=json plan.yaml other.yaml
lines out 2 "json of two files: two lines"
run "$bin/disagg-plan" plan.yaml other.yaml
line out "## plan.yaml" "table of two files: a heading"
line out "## other.yaml" "table of two files: the other heading"
run "$bin/disagg-plan" --format=sbatch plan.yaml other.yaml
line out "# other.yaml" "sbatch of two files: a heading"
run "$bin/disagg-plan" --check plan.yaml bad.yaml nowhere.yaml other.yaml
status 3 "one bad file of several: status 3"
lines out 2 "one bad file of several: the others are checked"
has err "bad.yaml:2:19: benchmark.mode: expected one of e2e, gen_only, gen_only_no_context" \
	"an error has file, line and column"
has err "bad.yaml:3:27: hardware.gpus_per_node" "all errors of a file are shown"
has err "nowhere.yaml" "a missing file is named"

# ---- bad configurations ----
refuses 3 "cannot open 'nowhere.yaml'" "a missing file" "$bin/disagg-plan" nowhere.yaml
mkdir folder
refuses 3 "folder" "a directory" "$bin/disagg-plan" folder
mkfifo pipe
refuses 3 "pipe" "a FIFO" timeout 10 "$bin/disagg-plan" pipe
{
	cat plan.yaml
	head -c 2097152 /dev/zero | tr '\0' '#'
} >large.yaml
refuses 3 "large.yaml" "2 MiB of YAML" "$bin/disagg-plan" large.yaml
printf 'a: [1\n' >syntax.yaml
refuses 3 "syntax.yaml:2:1:" "a syntax error" "$bin/disagg-plan" syntax.yaml
printf 'name: x\n' >unknown.yaml
refuses 3 "not a known kind of configuration" "an unknown dialect" "$bin/disagg-plan" unknown.yaml
{
	sed '/^environment/d' plan.yaml
	printf 'environment:\n  worker_env_var: "'
	for i in $(seq 25); do printf '%dA=1 ' "$i"; done
	printf '"\n'
} >many.yaml
refuses 3 "many.yaml:8:19: '20A' in environment.worker_env_var" "25 errors" \
	"$bin/disagg-plan" many.yaml
hasnt err "'21A'" "25 errors: 20 are shown"
line err "many.yaml: 5 more errors" "25 errors: the rest is counted"

# ---- warnings ----
run "$bin/disagg-plan" --check warn.yaml
status 0 "a warning is no failure"
has err "warn.yaml:1:65: warning: slurm: unknown key 'job_nam', did you mean 'job_name'?" \
	"a warning has its place"
has err "warning: still to be filled in: partition is '<partition>'" \
	"what a submission would be refused for is a warning"
run "$bin/disagg-plan" --format=json warn.yaml
has out '"warnings":[{"file":"warn.yaml","line":1,' "json has the warnings in it"
empty err "and nothing is on stderr"
cat >lacks.yaml <<'END'
disagg: 1
name: x
gpus_per_node: 4
roles:
  prefill: {engine: sglang, gpus: 2}
  decode: {engine: vllm, gpus: 2}
  other: {engine: command, gpus: 1, script: sleep 1}
benchmark:
  type: sa-bench
  isl: 8
  osl: 8
  concurrencies: [1]
END
model="model.path is missing, which disagg run needs for prefill (sglang), decode (vllm): say"
measure="'benchmark' has nothing to measure: no role is a frontend with a port"
run "$bin/disagg-plan" lacks.yaml
status 0 "what a run lacks is no failure"
has err "lacks.yaml: warning: $model" "an engine without its model's path is warned of"
has err "lacks.yaml:9:9: warning: $measure" "a benchmark without a frontend is warned of"
run "$bin/disagg-plan" --format=json lacks.yaml
has out "$model" "json: the model is among the warnings"
has out "$measure" "json: the benchmark is among the warnings"
run "$bin/disagg-plan" --check --rehearse --set benchmark.type=manual lacks.yaml
empty err "a rehearsal that serves lacks neither"
run "$bin/disagg-plan" --check --set model.path=/m --set roles.router.engine=sglang_router \
	--set roles.decode.engine=sglang lacks.yaml
empty err "a path and a router fill both"
run "$bin/disagg-plan" --check --set 'environment.model_path=<model_path>' plan.yaml
has err "warning: environment.model_path is '<model_path>', which disagg run needs for decode (trtllm)" \
	"a placeholder is no path"

# ---- variants ----
run "$bin/disagg-plan" --variants variants.yaml
status 0 "--variants: status 0"
lines out 4 "--variants: one a line"
report "$(grep -qE '^many_1 +zip_override_many\[1\]$' out && echo 1)" \
	"--variants: suffix and selector"
run "$bin/disagg-plan" --variants plan.yaml
status 0 "--variants of a plain file: status 0"
empty out "--variants of a plain file: none"
line err "plan.yaml: no variants" "--variants of a plain file: says so"
run "$bin/disagg-plan" --variants variants.yaml variants.yaml:wide
line out "variants.yaml:many_0" "--variants of several: as they are typed"
refuses 3 "the file holds 4 variants" "no variant" "$bin/disagg-plan" variants.yaml
has err "base, wide, many_0, many_1" "no variant: all are listed"
refuses 3 "many" "an unknown variant" "$bin/disagg-plan" variants.yaml:manny_1
run "$bin/disagg-plan" --check 'variants.yaml:zip_override_many[1]' variants.yaml:many_1
line out "variants.yaml:zip_override_many[1]: ok, 5 nodes, 20 GPUs" "a selector"
line out "variants.yaml:many_1: ok, 5 nodes, 20 GPUs" "its suffix"
run "$bin/disagg-plan" --check 'variants.yaml:many*'
lines out 2 "a pattern over suffixes"
run "$bin/disagg-plan" --check 'variants.yaml:zip_override_many[?]'
lines out 2 "a pattern over selectors"
run "$bin/disagg-plan" --check 'variants.yaml:*' 'plan.yaml:*'
lines out 5 "'*' is all, and a plain file itself"
refuses 3 "no variant matches 'x*'" "a pattern that fits none" "$bin/disagg-plan" 'variants.yaml:x*'

# ---- overrides ----
run "$bin/disagg-plan" --check --set hardware.num_gen_servers=2 plan.yaml
line out "plan.yaml: ok, 5 nodes, 14 GPUs (6 more stay idle)" "--set"
run env DISAGG_SET=hardware.num_gen_servers=3 "$bin/disagg-plan" --check plan.yaml
line out "plan.yaml: ok, 7 nodes, 20 GPUs (8 more stay idle)" "DISAGG_SET"
run env DISAGG_SET=hardware.num_gen_servers=3 "$bin/disagg-plan" --check \
	--set hardware.num_gen_servers=2 plan.yaml
line out "plan.yaml: ok, 5 nodes, 14 GPUs (6 more stay idle)" "--set beats DISAGG_SET"
run "$bin/disagg-plan" --check --set hardware.compact_packing=true plan.yaml
line out "plan.yaml: ok, 2 nodes, 8 GPUs" "compact packing shares nodes"
refuses 3 "--set: 'hardwre.num_gen_servers': there is no 'hardwre', did you mean 'hardware'?" \
	"a slip in a path" "$bin/disagg-plan" --set hardwre.num_gen_servers=2 plan.yaml
refuses 3 "cluster.example.yaml:7:1: this looks like a cluster file" "a cluster file for a job's" \
	"$bin/disagg-plan" "$SRC/configs/cluster.example.yaml"
run "$bin/disagg-plan" --explain "$SRC/configs/srtctl-1p2d.yaml"
sed 's/ *#.*//' out | sort | uniq -d >twice
empty twice "--explain: each value once"
refuses 3 "--set: gpus_per_node: expected an integer from 1 to 64, got '72'" "a number out of range" \
	"$bin/disagg-plan" --set gpus_per_node=72 "$SRC/configs/native-2p2d.yaml"
lines err 1 "a number out of range: nothing else is said"
refuses 3 "gpus_per_node" "a bad --set" "$bin/disagg-plan" --set hardware.gpus_per_node=x plan.yaml
run "$bin/disagg-plan" --format=sbatch --rehearse plan.yaml
status 0 "--rehearse: status 0"
hasnt out "gpu:" "--rehearse: no GPUs are asked for"
hasnt out "--gpus-per-node" "--rehearse: none a node"

# ---- cluster file ----
run "$bin/disagg-plan" --format=sbatch --cluster-file cluster.yaml warn.yaml
has out "--partition=first" "a cluster file fills a placeholder"
run env DISAGG_CLUSTER_FILE=cluster.yaml DISAGG_CLUSTER=two \
	"$bin/disagg-plan" --format=sbatch warn.yaml
has out "--partition=second" "DISAGG_CLUSTER picks a cluster"
hasnt out "--gpus-per-node" "whose GPUs are unmanaged"
run env DISAGG_CLUSTER_FILE=cluster.yaml DISAGG_CLUSTER=two \
	"$bin/disagg-plan" --format=sbatch --cluster=one warn.yaml
has out "--partition=first" "--cluster beats DISAGG_CLUSTER"
run "$bin/disagg-plan" --format=env --cluster-file=cluster.yaml plan.yaml
line out "FROM=one" "the cluster's environment reaches a task"
refuses 3 "nocluster.yaml" "a cluster file that is not there" \
	"$bin/disagg-plan" --cluster-file nocluster.yaml plan.yaml
refuses 3 "three" "an unknown cluster" \
	"$bin/disagg-plan" --cluster-file cluster.yaml --cluster=three plan.yaml
run env -u DISAGG_CLUSTER_FILE "$bin/disagg-plan" --check plan.yaml
status 0 "the default cluster file may be missing"

# ---- output that cannot be written ----
"$bin/disagg-plan" plan.yaml >/dev/full 2>err
rc=$?
: >out
status 5 "a full disk: status 5"
has err "cannot write to stdout: No space left on device" "a full disk: says why"

# ---- disagg VERB ----
run "$bin/disagg" plan --check plan.yaml
status 0 "disagg plan: status 0"
has out "plan.yaml: ok" "disagg plan: runs disagg-plan"
run "$bin/disagg" plan --check bad.yaml
status 3 "disagg plan: its status is passed on"
run "$bin/disagg" help
status 0 "disagg help: status 0"
line out "  plan     Validates configurations and shows what a job made from each would be" \
	"disagg help: lists what is installed, and what it is for"
report "$(grep -vqE '^  [a-z]+ +[A-Z].{20,}|^[^ ]|^$' out || echo 1)" \
	"disagg help: no verb without a line of its own"
report "$(awk 'length > 80 {bad = 1} END {print !bad}' out)" "disagg help: at most 80 columns"
run "$bin/disagg" help plan
has out "usage: disagg-plan" "disagg help plan"
run "$bin/disagg" --version
has out "disagg $(cat "$SRC/VERSION")" "disagg --version"
refuses 2 "unknown verb 'plam', did you mean 'plan'?" "an unknown verb" "$bin/disagg" plam
refuses 2 "unknown verb '../bin/disagg-plan'" "a path for a verb" "$bin/disagg" ../bin/disagg-plan
refuses 2 "expected a VERB" "no verb" "$bin/disagg"
refuses 2 "unknown option '--bogus'" "an option for a verb" "$bin/disagg" --bogus
mkdir path
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "mine $*"\nexit 7\n' >path/disagg-mine
cp path/disagg-mine path/disagg-job.sh
chmod +x path/disagg-*
run env PATH="$dir/path:$PATH" "$bin/disagg" mine a b
status 7 "a verb in PATH: its status"
line out "mine a b" "a verb in PATH: its arguments"
run env PATH="$dir/path:$PATH" "$bin/disagg" help
line out "  mine" "disagg help: verbs in PATH too"
hasnt out "job.sh" "disagg help: a script with a suffix is no verb"

# ---- shell completion ----
complete_line() { # WORD...: what the last word may become
	bash -c '. "$0/scripts/completion/disagg.bash"; COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
		PATH=$1:$PATH; COMP_WORDS=("${COMP_WORDS[@]:1}"); COMP_CWORD=$((COMP_CWORD - 1))
		case ${COMP_WORDS[0]} in disagg) _disagg_disagg ;; *) _disagg_program ;; esac &&
			printf "%s\n" "${COMPREPLY[@]}"' \
		"$SRC" "$bin" "$@" >out 2>err
	rc=$?
}
complete_line disagg-plan --var
line out "--variants" "completion: an option"
complete_line disagg-plan --format = js
line out "json" "completion: a format"
complete_line disagg-plan variants.yaml : man
line out "many_0" "completion: a variant"
complete_line disagg-plan pl
line out "plan.yaml" "completion: a file"
complete_line disagg pl
line out "plan" "completion: a verb"
complete_line disagg help st
line out "status" "completion: a verb behind help"
complete_line disagg run --mar
line out "--margin=" "completion: a verb's option"
complete_line disagg plan variants.yaml : man
line out "many_0" "completion: a variant behind disagg plan"
complete_line disagg wait --kind = dy
line out "dynamo" "completion: a kind"
mkdir disagg-1234 elsewhere
complete_line disagg status ""
line out "disagg-1234" "completion: a run directory"
hasnt out "elsewhere" "completion: no other folder"
complete_line disagg-status --fo
line out "--format=" "completion: an option of a program"
# whether a blank follows is bash's to add: -o nospace is asked for or is not
spaceless() { # WORD...
	bash -c '. "$0/scripts/completion/disagg.bash"; PATH=$1:$PATH; shift
		compopt() { echo "$*"; }; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _disagg_disagg' \
		"$SRC" "$bin" "$@" >out 2>err
	rc=$?
}
spaceless disagg plan --fo
line out "-o nospace" "completion: no blank behind --format="
spaceless disagg plan variants.ya
line out "-o nospace" "completion: no blank before a variant"
spaceless disagg plan plan.ya
empty out "completion: a blank behind a plain file"

done_testing
