#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A file of each dialect, as an ordinary user, with no other flag than
# --disagg-config, on nodes that another job shares: nodes, tasks, GPUs, ports
# and endpoints are the plan's, each GPU opens, the other job's do not.
# FILES (paths, with :VARIANT) replaces the project's own configs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/roles.sh"
files=${FILES:-"$SRC/configs/native-2p2d.yaml $SRC/configs/native-uneven.yaml
	$SRC/configs/trtllm-1p1d.yaml $SRC/configs/srtctl-1p2d.yaml"}

cat >"${TMPDIR:-/tmp}/disagg-site.$$" <<'YAML'
clusters:
  dev:
    account: dev
    partition: main
    cpus_per_gpu: 2
YAML
cluster_up --nodes "${CLUSTER_NODES:-4}" --gpus 8 --plugin "$BUILD/lib/slurm/disagg.so" \
	--cluster-file "${TMPDIR:-/tmp}/disagg-site.$$"
rm -f "${TMPDIR:-/tmp}/disagg-site.$$"
cp "$SRC/tests/cluster/task.sh" "$WORK"
site=(--cluster-file "$STATE/etc/cluster.yaml")
[ -e "${site[1]}" ] || site=()

printf '#!/bin/sh\nsleep 600\n' >"$WORK/other.sh"
other=$(submit -N"${#NODES[@]}" --ntasks-per-node=1 --gpus-per-node=4 other.sh)

check_file() { # FILE[:VARIANT] HOW
	local file=$1 how=$2 name path id state hosts
	path=${file%%:*}
	name=$(basename "$path" .yaml)
	cp "$path" "$WORK/$name.yaml"
	role_job "$WORK/$name.sh" "$file"
	file=$name.yaml${file#"$path"}
	case $how in
	line)
		sed -i "1a #SBATCH --disagg-config=$file" "$WORK/$name.sh"
		id=$(submit --output="$name.out" "$name.sh")
		;;
	*) id=$(submit --output="$name.out" --disagg-config="$file" "$name.sh") ;;
	esac
	state=$(wait_job "$id")
	is "$state" COMPLETED "$name ($how): the job completes"
	hosts=$(job_hosts "$id")
	is "$(wc -w <<<"$hosts")" "$(plan_json "$WORK/$file" | jq .nodes)" "$name: it has the plan's nodes"
	hasnt "$(cat "$WORK/$name.out")" failed= "$name: every step starts"
	isnt "$(seen_tasks "$WORK/$name.out" "$WORK/$file")" "" "$name: tasks of workers ran"
	is "$(seen_tasks "$WORK/$name.out" "$WORK/$file")" "$(expected_tasks "$hosts" "$WORK/$file")" \
		"$name: every task has its worker, rank, host, GPUs and port"
	check_devices "$name" "$WORK/$file"
	check_endpoints "$name" "$WORK/$file" "$hosts"
}

# each task of a worker opens its share, on devices that are not the other job's
check_devices() { # NAME PLAN
	local bad
	bad=$(awk '/^task=/ && / cuda=[0-9]/ && (/ share= / || / share=[^ ]*missing/ || !/ denied=0,1,2,3/)' \
		"$WORK/$1.out")
	is "$bad" "" "$1: each GPU of a share opens, the other job's four are denied"
}

check_endpoints() { # NAME PLAN HOSTS
	local role want
	for role in prefill decode; do
		want=$(plan_json "$2" | jq -r --arg hosts "$3" --arg role "$role" '
			($hosts | split(" ")) as $h | [.workers[] | select(.role == $role) | .processes[0]
			| "\($h[.node]):\(.ports.http)"] | join(",")')
		is "$(grep -o " $role=[^ ]*" "$WORK/$1.out" | sort -u | paste -sd' ')" " $role=$want" \
			"$1: every task knows the $role endpoints"
	done
}

export DEVICES=$STATE/dev
for how in flag line; do
	for file in $files; do
		check_file "$file" $how
	done
done
as_root scancel "$other"
no_node_drained
done_testing
