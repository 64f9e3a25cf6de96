#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-exec binds a worker's tasks near their GPUs.  The nodes' GPUs have no
# driver: the test puts the files of one over /proc/driver and the devices into
# /dev, in the node's own mounts, and hwloc reads a saved topology: two CPUs that
# are a NUMA node each, with two GPUs and a NIC.  Device minors run against the
# PCI addresses, so that a number is never right by chance.
. "$(dirname "$0")/lib.sh"

[ "$(nproc)" -ge 2 ] || skip_all "needs two CPUs"
cluster_up --nodes 1 --gpus 4 --cpus 8 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin" "$WORK/dev"
install -m 755 "$BUILD"/bin/disagg-{exec,sim} "$WORK/bin"
cp "$SRC/tests/topo/two.xml" "$SRC/tests/topo/h100.xml" "$WORK"

put_gpu() { # PCI MINOR
	mkdir -p "$WORK/driver/nvidia/gpus/$1"
	printf 'Model: \t NVIDIA H100\nGPU UUID: \t GPU-%s0000-0000-0000-0000-000000000000\nDevice Minor: \t %s\n' \
		"${1:5:2}aa" "$2" >"$WORK/driver/nvidia/gpus/$1/information"
}
# a UUID begins with the number of the bus
put_gpu 0000:11:00.0 2
put_gpu 0000:12:00.0 3
put_gpu 0000:21:00.0 0
put_gpu 0000:22:00.0 1

on_node() { # COMMAND...
	devcluster exec --state "$STATE" --node "${NODES[0]}" -- "$@"
}

# shellcheck disable=SC2016 # for the node's shell to expand
on_node sh -euc '
	mount -t tmpfs -o mode=755 none "$1/dev"
	cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$2"/dev/nvidia[0-9]* "$1/dev"
	mkdir "$1/dev/pts" "$1/dev/shm"
	mount --bind /dev/pts "$1/dev/pts"
	mount --move "$1/dev" /dev
' sh "$WORK" "$STATE" || { echo "Bail out! cannot lay the devices out" && exit 5; }

# What a program sees of its own binding.
cat >"$WORK/look" <<'SH'
#!/bin/sh
echo "$DISAGG_WORKER rank=$DISAGG_RANK cpus=$(sed -n 's/^Cpus_allowed_list:.//p' /proc/self/status)" \
	"memory=$(awk '{ seen[$2]++ } END { print (seen["default"] ? "default" : $2) }' /proc/self/numa_maps)" \
	"ucx=$UCX_NET_DEVICES nccl=$NCCL_IB_HCA nvshmem=$NVSHMEM_HCA_LIST"
SH
chmod 755 "$WORK/look"
look="engine: command, command: [$WORK/look]"
sleep="engine: command, command: [sleep, '1']"

# Runs each COMMAND as worker 0 of the role `w`, in a job with the GPUs that it
# needs; the job's environment has ENV.  Prints what they print, without -l's.
ENV=() MORE=()
role_job() { # NAME GPUS-A-NODE ROLE COMMAND...
	local name=$1 id
	printf 'disagg: 1\nname: %s\ngpus_per_node: %s\nslurm: {cpus_per_gpu: 1%s}\nroles: {w: {%s}}\n' \
		"$name" "$2" "${SLURM:-}" "$3" >"$WORK/$name.yaml"
	shift 3
	printf '#!/bin/sh\n' >"$WORK/$name.sh"
	printf 'srun --overlap -K --disagg-role=w:0 %s\n' "$@" >>"$WORK/$name.sh"
	id=$(as_user env PATH="$WORK/bin:$PATH" HWLOC_XMLFILE="$WORK/two.xml" HWLOC_THISSYSTEM=1 \
		${ENV[@]+"${ENV[@]}"} sbatch --parsable --output=%x.out --job-name="$name" \
		--disagg-config="$name.yaml" ${MORE[@]+"${MORE[@]}"} "$name.sh")
	wait_job "$id" >/dev/null
	cat "$WORK/$name.out"
}

# ---- no driver ----
out=$(role_job driverless 4 "$look, gpus: 4" disagg-exec)
has "$out" "binding: none: there is no NVIDIA driver here" "no driver: it is said"
has "$out" "cpus=0-1 memory=default ucx= " "no driver: and nothing is bound"
on_node mount --bind "$WORK/driver" /proc/driver

# ---- what is bound ----
out=$(role_job half 4 "$look, gpus: 2" disagg-exec)
has "$out" "binding: cpus 0, memory preferred 0, NICs mlx5_0:1 for GPUs 0000:11:00.0,0000:12:00.0" \
	"the log says what is bound"
has "$out" "w_0 rank=0 cpus=0 memory=prefer" "CPUs and memory are bound before the program starts"
has "$out" "ucx=mlx5_0:1 nccl==mlx5_0:1 nvshmem=mlx5_0:1" "the NICs are in its environment"
out=$(role_job all 4 "$look, gpus: 4" disagg-exec)
has "$out" "binding: cpus unbound (all are near), memory unbound (all is near), NICs mlx5_0:1,mlx5_1:1" \
	"GPUs of all NUMA nodes: all CPUs, and no storage NIC"
has "$out" "cpus=0-1 memory=default ucx=mlx5_0:1,mlx5_1:1 " "and so it is"
out=$(role_job ranks 4 "$sleep, gpus: 4, tasks: per_gpu" "disagg-exec --show" | sort)
is "$(jq -rc '[.rank, .binding.cpus, .binding.memory, .binding.nics] | join(" ")' <<<"$out" | sort)" \
	"$(printf '%s mlx5_0:1,mlx5_1:1\n' "0 0 0" "1 0 0" "2 1 1" "3 1 1")" \
	"a task a GPU: the CPUs of its own GPU, the NICs of all of the worker's"
is "$(jq -r '.env | "\(.UCX_NET_DEVICES) \(.NCCL_IB_HCA) \(.NVSHMEM_HCA_LIST)"' <<<"$out" | sort -u)" \
	"mlx5_0:1,mlx5_1:1 =mlx5_0:1,mlx5_1:1 mlx5_0:1,mlx5_1:1" "--show has the variables"

# ---- which GPU is which ----
printf '#!/bin/sh\nsleep 600\n' >"$WORK/other.sh"
out=$(role_job first 2 "$look, gpus: 2" disagg-exec)
has "$out" "for GPUs 0000:21:00.0,0000:22:00.0" "the GPUs that Slurm lets the job open"
has "$out" "cpus=1" "by their minors, not by their positions"
has "$out" "memory unbound (cannot prefer the NUMA nodes' memory: Invalid argument)" \
	"what the kernel refuses is left, and said"
other=$(submit -N1 --gpus-per-node=2 other.sh)
until [ "$(job_state "$other")" = RUNNING ] || [ $SECONDS -gt 100 ]; do sleep 0.1; done
out=$(role_job second 2 "$look, gpus: 2" disagg-exec)
as_root scancel "$other"
has "$out" "for GPUs 0000:11:00.0,0000:12:00.0" "beside another job: the other two, though they count from 0 too"
out=$(role_job words 4 "$look, gpus: 2" "env CUDA_VISIBLE_DEVICES=GPU-22aa disagg-exec" \
	"env CUDA_VISIBLE_DEVICES=MIG-1/2 disagg-exec" "taskset -c 1 disagg-exec")
has "$out" "cpus 1, memory unbound (cannot prefer the NUMA nodes' memory: Invalid argument), NICs mlx5_1:1 for GPUs 0000:22:00.0" \
	"a GPU by its UUID"
has "$out" "binding: none: 'MIG-1/2' is a part of a GPU" "a part of a GPU is not bound"
has "$out" "cpus unbound (the task's CPUs are all far)" "never outside the task's own CPUs"
is "$(sed -n '$s/.*cpus=\([^ ]*\).*/\1/p' <<<"$out")" 1 "which stay as they were"

# ---- what is asked for ----
out=$(role_job cpu 4 "$look, gpus: 2, binding: cpu" disagg-exec "env DISAGG_BINDING=nic disagg-exec" \
	"env DISAGG_BINDING=none disagg-exec" "env DISAGG_BINDING=numa disagg-exec")
has "$out" "binding: cpus 0, memory preferred 0, NICs unset (not asked for)" "binding: cpu"
has "$out" "binding: cpus unbound (not asked for), memory unbound (not asked for), NICs mlx5_0:1" \
	"DISAGG_BINDING wins: nic"
has "$out" "binding: none: that is asked for" "none"
has "$out" "DISAGG_BINDING is 'numa': expected auto, cpu, nic or none" "another word is refused"
has "$out" "exit code 2" "with exit status 2"
SLURM=', srun: {cpu_bind: none}'
out=$(role_job options 4 "$look, gpus: 2" disagg-exec)
SLURM=''
has "$out" "cpus unbound (the step's cpu-bind), memory preferred 0" "srun's own cpu-bind is not fought"
out=$(role_job numactl 4 "engine: command, command: [numactl, -m, '0,1', a], gpus: 2" "disagg-exec --show")
has "$out" "cpus 0, memory unbound (the command's numactl)" "numactl -m keeps its memory"
out=$(role_job shell 4 "engine: command, script: 'exec numactl -N 1 a', gpus: 2" "disagg-exec --show")
has "$out" "cpus unbound (the command's numactl), memory unbound (the command's numactl)" "numactl in a shell line keeps both"
ENV=(UCX_TLS=tcp NVSHMEM_HCA_LIST=mine)
out=$(role_job variables 4 "$look, gpus: 2, env: {NCCL_IB_HCA: file}" disagg-exec)
ENV=()
has "$out" "ucx= nccl=file nvshmem=mine" "variables of the job and of the file stay"
has "$out" "NICs unset (the job names them)" "and the log says so"

out=$(role_job tcp 4 "$look, gpus: 2" "env UCX_TLS=tcp,self disagg-exec")
has "$out" "ucx= nccl==mlx5_0:1" "UCX on TCP is given no NICs"
ENV=("UCX_TLS=tcp,self")
out=$(role_job rc 4 "$look, gpus: 2, env: {UCX_TLS: rc}" disagg-exec)
ENV=()
has "$out" "ucx=mlx5_0:1" "unless the file says otherwise"

# ---- rehearsals ----
MORE=(--disagg-rehearse)
out=$(role_job rehearsal 4 "engine: sglang, gpus: 2" "disagg-exec --show" \
	"env DISAGG_BINDING=auto disagg-exec --show" "env DISAGG_BINDING=auto HWLOC_THISSYSTEM=0 disagg-exec --show" \
	"env DISAGG_BINDING=auto HWLOC_XMLFILE=/dev/null disagg-exec --show")
MORE=()
is "$(jq -r '.binding | if . then .cpus else "silent" end' <<<"$out" | head -n 2 | paste -sd' ')" "silent 0" \
	"a stand-in is bound where DISAGG_BINDING says so"
has "$out" "none: HWLOC_XMLFILE has the topology of another machine" "another machine's topology binds nothing"
has "$out" "none: hwloc cannot read this machine's topology" "nor does a damaged one"

# ---- no hwloc ----
mkdir "$WORK/lib"
: >"$WORK/lib/libhwloc.so.15"
out=$(role_job bare 4 "$look, gpus: 2" "env LD_LIBRARY_PATH=$WORK/lib disagg-exec")
has "$out" "binding: none: cannot load libhwloc.so.15" "without libhwloc it is said"
has "$out" "w_0 rank=0 cpus=0-1" "and the program runs unbound"
no_node_drained
done_testing
