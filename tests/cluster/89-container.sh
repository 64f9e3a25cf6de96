#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What disagg-run tells pyxis of each step's container.  A plugin of the test's own
# (pyxis_stub.c) takes pyxis's options, and mounts what it is told to.
# shellcheck disable=SC2016 # for the tasks' shells to expand
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 4 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
as_user unshare --user --mount true || skip_all "needs user namespaces"
mkdir "$WORK/bin" "$WORK/data" "$WORK/extra" "$WORK/model" "$STATE/unpacked"
install -m 755 "$BUILD"/bin/* "$WORK/bin"
echo hello >"$WORK/data/greeting"
echo more >"$WORK/extra/greeting"
chmod 1777 "$STATE/unpacked"

# every worker keeps its environment, and lives
keep='env -0 >"$DISAGG_RUN_DIR/$DISAGG_WORKER.env"'
cat >"$WORK/boxed.yaml" <<YAML
disagg: 1
name: boxed
gpus_per_node: 4
model: {path: $WORK/model}
container:
  image: /images/engine.sqsh
  workdir: /run/data
  mounts: {\$DATA: "/run/data:ro"}
roles:
  store: {engine: etcd}
  decode:
    engine: command
    workers: 3
    gpus: 2
    script: '$keep; pwd; cat greeting /run/extra/greeting; exec sleep 600'
    env: {OF_THE_ROLE: "yes"}
    container: {name: shared, mounts: {$WORK/extra: /run/extra}}
  wide:
    engine: command
    gpus: 8
    script: 'test "\$DISAGG_RANK" -eq 0 && $keep; exec sleep 600'
    container: {name: shared}
  late:
    engine: command
    node: 3
    script: '$keep; exec sleep 600'
    container: {name: shared}
  client:
    engine: command
    port: 7001
    script: '$keep; exec sleep 600'
    container: {image: "registry#other:1", workdir: /run}
YAML
{
	sed -e '/^  store/,$d' "$WORK/boxed.yaml"
	cat <<YAML
  decode:
    engine: command
    gpus: 2
    script: '$keep; exec sleep 600'
    container: {name: mine}
slurm:
  srun:
    container-image: file.sqsh
    container-mount-home: ""
    container-remap-root: ""
    container-env: NCCL_DEBUG
    container-mounts: "$WORK/extra:/run/data,tmpfs:/run/x:size=1M"
    container-name: theirs
    cpu-bind: none
YAML
} >"$WORK/options.yaml"

run_job() { # CONFIG SBATCH-ARGUMENT...; prints the id
	local config=$1
	shift
	as_user env PATH="$WORK/bin:$PATH" DATA="$WORK/data" sbatch --parsable --output=%j.out \
		--exclusive --disagg-config="$config" "$@" "$SRC/scripts/disagg-job.sh"
}

of() { # JOB JQ-FILTER
	jq -r "$2" "$WORK/disagg-$1/state.json" 2>/dev/null
}

serves() { # JOB
	local end=$((SECONDS + 60))
	until [ "$(of "$1" .phase)" = serving ]; do
		if [ $SECONDS -ge $end ] || [ "$(of "$1" .phase)" = "done" ]; then
			sed 's/^/#   /' "$WORK/$1.out"
			return 1
		fi
		sleep 0.1
	done
}

told() { # JOB WORKER: the container's options that the step has got
	tr '\0' '\n' <"$WORK/disagg-$1/$2.env" 2>/dev/null | sed -n 's/^STUB_//p' | LC_ALL=C sort
}

variable() { # JOB WORKER NAME
	tr '\0' '\n' <"$WORK/disagg-$1/$2.env" 2>/dev/null | sed -n "s/^$3=//p"
}

namespace() { # JOB WORKER: the mounts that its task sees
	local file
	for file in /proc/[0-9]*/environ; do
		if { tr '\0' '\n' <"$file"; } 2>/dev/null | grep -cxE \
			"SLURM_CONF=$STATE/etc/slurm.conf|SLURM_JOB_ID=$1|DISAGG_WORKER=$2|SLURM_TASK_PID=$(echo "$file" | tr -dc 0-9)" |
			grep -qx 4; then
			readlink "${file%environ}ns/mnt"
			return
		fi
	done
}

fails() { # WHAT CODE TEXT JOB
	is "$(wait_job "$4")" FAILED "$1: the job fails" || sed 's/^/#   /' "$WORK/$4.out"
	is "$(as_root scontrol -o show job "$4" | sed -n 's/.* ExitCode=\([0-9:]*\).*/\1/p')" "$2:0" \
		"$1: exit status $2"
	has "$(cat "$WORK/$4.out")" "$3" "$1: it says why"
	is "$(of "$4" '[.workers[] | select(.started)] | length')" 0 "$1: nothing was started"
}

if [ -e "$(cc -print-file-name=libyaml.a)" ] && ! nm "$BUILD/bin/disagg-exec" 2>/dev/null | grep -q __asan_init; then
	is "$(readelf -d "$BUILD/bin/disagg-exec" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v '^libm\.')" \
		libc.so.6 "disagg-exec needs no library that an image may lack"
fi

# ---- without pyxis ----
job=$(run_job boxed.yaml)
fails "no pyxis" 4 "boxed.yaml: 'decode' is to run in a container (/images/engine.sqsh), but srun has no --container-image" "$job"

cc -shared -fPIC -O1 -D_GNU_SOURCE ${SLURM_ROOT:+-idirafter "$SLURM_ROOT/usr/include"} -o "$STATE/lib/pyxis_stub.so" "$SRC/tests/cluster/pyxis_stub.c"
ok $? "the stand-in for pyxis is built"
echo "required $STATE/lib/pyxis_stub.so $STATE/unpacked" >"$STATE/plugstack.conf.d/50-pyxis.conf"

# ---- a deployment in containers ----
job=$(run_job boxed.yaml)
serves "$job"
ok $? "a deployment in containers comes up"
mounts="$WORK/data:/run/data:ro,$WORK/extra:/run/extra,$WORK/model:$WORK/model"
mounts="$mounts,$WORK/disagg-$job:$WORK/disagg-$job,$WORK/bin:/run/disagg/bin:ro"
is "$(told "$job" decode_1)" "container_image=/images/engine.sqsh
container_mounts=$mounts
container_name=shared:no_exec
container_workdir=/run/data
no_container_entrypoint=yes
no_container_mount_home=yes" "a worker's options: image, all mounts, folder, name"
has "$(told "$job" decode_2)" "container_name=shared
" "a name that no other step of the node has"
is "$(told "$job" client_0)" "container_image=registry#other:1
container_mounts=${mounts/$WORK\/extra:\/run\/extra,/}
container_workdir=/run
no_container_entrypoint=yes
no_container_mount_home=yes" "a service has its own image"
is "$(grep -v "^disagg-exec: binding" "$WORK/disagg-$job/decode_0.log")" "/run/data
hello
more" "the mounts are there, and the folder"
is "$(variable "$job" decode_0 OF_THE_IMAGE)" yes "an image's variables are there"
is "$(variable "$job" decode_1 CUDA_VISIBLE_DEVICES)" 2,3 "the plan's come with them"
is "$(variable "$job" decode_1 OF_THE_ROLE)" yes "the role's, too"
is "$(variable "$job" decode_1 DISAGG_WORKER)" decode_1 "and the worker's name"
isnt "$(variable "$job" decode_1 SLURM_DISAGG_PLAN)" "" "and the job's plan is still there"
is "$(of "$job" '[.workers[] | .name + " " + (.container // "-")] | sort | join(", ")')" \
	"client_0 registry#other:1, decode_0 /images/engine.sqsh, decode_1 /images/engine.sqsh, decode_2 /images/engine.sqsh, late_0 /images/engine.sqsh, store_0 -, wide_0 /images/engine.sqsh" \
	"state.json names the images; etcd is the node's own"
hasnt "$(cat "$WORK/$job.out" "$WORK/disagg-$job"/*.log)" "File exists" \
	"nobody meets a container that is being unpacked"
hasnt "$(cat "$WORK/$job.out")" "warning" "each step has started at once"
is "$(find "$STATE/unpacked" -name '*.shared' | wc -l)" 4 "four nodes have unpacked it"
is "$(of "$job" '[.workers[] | select(.name | test("decode_[01]")) | [.started, .up]] |
	(.[0][1] <= .[1][0]) or (.[1][1] <= .[0][0])')" true "two of one node start one by one"

# ---- a shell in there ----
shell=$WORK/bin/disagg-shell
is "$(as_user "$shell" "$job" client:0 -- sh -c 'pwd; cat /run/data/greeting; echo "$0 $OF_THE_IMAGE"')" \
	"/run
hello
sh yes" "a shell is in the worker's container"
of_the_worker() {
	tr '\0' '\n' | grep -vE '^(SLURM_|SLURMD_|SRUN_|SHLVL=|_=|PWD=|OLDPWD=|$)' | sort
}
is "$(as_user "$shell" "$job" client:0 -- env -0 | of_the_worker)" \
	"$(of_the_worker <"$WORK/disagg-$job/client_0.env")" "with the worker's variables"
is "$(as_user "$shell" "$job" decode:1 -- sh -c 'pwd; cat /run/extra/greeting; readlink /proc/self/ns/mnt')" \
	"/run/data
more
$(namespace "$job" decode_1)" "in its own, where another worker's has the same name"
as_user "$shell" --no-container "$job" client:0 -- test -e /run/disagg/bin 2>/dev/null
is $? 1 "--no-container stays on the node"
is "$(as_user "$shell" "$job" store -- readlink /proc/self/ns/mnt)" "$(namespace "$job" store_0)" \
	"what is on the node has its shell there"
as_user sh -c "'$shell' '$job' store -- test -e /run/disagg/bin" 2>/dev/null
is $? 1 "and sees no container"
as_user scancel --batch --signal=TERM "$job"
is "$(wait_job "$job")" COMPLETED "the job completes"

# ---- the file's own options ----
job=$(run_job options.yaml)
serves "$job"
ok $? "a deployment with pyxis's options in its file comes up"
is "$(told "$job" decode_0)" "container_env=NCCL_DEBUG
container_image=file.sqsh
container_mount_home=yes
container_mounts=$WORK/extra:/run/data,tmpfs:/run/x:size=1M,$WORK/model:$WORK/model,$WORK/disagg-$job:$WORK/disagg-$job,$WORK/bin:/run/disagg/bin:ro
container_name=theirs
container_remap_root=yes
container_workdir=/run/data
no_container_entrypoint=yes" "they count, each is there once, and one place is mounted once"
as_user scancel --batch --signal=TERM "$job"
wait_job "$job" >/dev/null

# ---- benchmarks ----
printf 'benchmark: {type: custom, command: '\''%s'\''}\n' "$keep" | cat "$WORK/options.yaml" - |
	sed '/container-/d' >"$WORK/custom.yaml"
job=$(run_job custom.yaml)
is "$(wait_job "$job")" COMPLETED "a benchmark of the file's" || sed 's/^/#   /' "$WORK/$job.out"
has "$(told "$job" benchmark_0)" container_image=/images/engine.sqsh "is in the container"
sed 's/^benchmark:.*/benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [1]}/
	s/^roles:/&\n  front: {engine: command, kind: frontend, port: 7001, command: [sleep, "600"]}/' \
	"$WORK/custom.yaml" >"$WORK/own.yaml"
job=$(run_job own.yaml)
end=$((SECONDS + 60))
until grep -q 'disagg-bench measures' "$WORK/$job.out" 2>/dev/null || [ $SECONDS -ge $end ]; do sleep 0.1; done
as_user scancel "$job"
wait_job "$job" >/dev/null
is "$(of "$job" '.workers[] | select(.role == "benchmark") | .container')" null \
	"disagg-bench is the node's own"
has "$(cat "$WORK/disagg-$job/client.log")" "disagg-bench measures in place of sa-bench" \
	"when a look into the container has found no client"

# ---- a recipe ----
mkdir "$WORK/recipe"
cp "$SRC/configs/srtctl-1p2d.yaml" "$WORK/recipe/plain.yaml"
{
	sed -e 's/enable_multiple_frontends: false/enable_multiple_frontends: true/' \
		-e "s|^  path: .*|  path: /nowhere/model|" "$WORK/recipe/plain.yaml"
	printf 'container_mounts: {"%s": "/run/data"}\nextra_mount: ["%s:/run/extra:ro"]\n' \
		"$WORK/data" "$WORK/extra"
	printf 'srun_options: {container-writable: ""}\n'
} >"$WORK/recipe.yaml"
printf '#!/bin/sh\n%s\nexec sleep 600\n' "$keep" >"$WORK/bin/python3"
chmod 755 "$WORK/bin/python3"
job=$(run_job recipe.yaml --account=dev --partition=main)
end=$((SECONDS + 60))
until [ -s "$WORK/disagg-$job/prefill_0.env" ] || [ $SECONDS -ge $end ]; do sleep 0.1; done
has "$(told "$job" prefill_0)" "container_mounts=$WORK/extra:/run/extra:ro,$WORK/data:/run/data,$WORK/disagg-$job:" \
	"a recipe's mounts"
has "$(told "$job" prefill_0)" container_writable=yes "a recipe's options for srun"
is "$(of "$job" '.workers[] | select(.name == "nginx_0") | .container')" nginx:1.27.4 \
	"nginx has the image that recipes have for it"
is "$(of "$job" '[.workers[] | select(.engine == "etcd" or .engine == "nats") | .container] | unique | .[]')" \
	null "etcd and NATS are the node's own"
has "$(of "$job" '.warnings | join(" ")')" "the model's path '/nowhere/model'" \
	"a model that is nowhere is warned of"
is "$(of "$job" '[.warnings[] | select(test("model"))] | length')" 1 "once"
as_user scancel "$job"
wait_job "$job" >/dev/null
rm "$WORK/bin/python3"

# ---- what cannot be ----
sed 's|image: /images/engine.sqsh|image: <container_image>|' "$WORK/options.yaml" |
	sed '/container-/d' >"$WORK/open.yaml"
job=$(run_job open.yaml)
fails "an image that is to be filled in" 3 \
	"the container image of 'decode' is still to be filled in: it is '<container_image>'" "$job"
as_user mkdir "$WORK/a,b"
job=$(run_job options.yaml --disagg-set=log_dir="$WORK/a,b")
is "$(wait_job "$job")" FAILED "a run directory with a comma"
has "$(cat "$WORK/$job.out")" "cannot be mounted in a container: pyxis takes ',' and ':'" \
	"a run directory with a comma: it says why"
job=$(run_job boxed.yaml --disagg-rehearse)
serves "$job"
ok $? "a rehearsal comes up without containers"
is "$(grep -c 'a rehearsal takes no container images' "$WORK/$job.out")" 1 "and says so once"
is "$(told "$job" decode_0)" "" "and tells pyxis nothing"
as_user scancel --batch --signal=TERM "$job"
wait_job "$job" >/dev/null

no_node_drained
done_testing
