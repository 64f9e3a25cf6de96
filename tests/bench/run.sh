#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What disagg-run costs a worker: the same workers started, watched and ended by
# disagg-run and by a job script in bash that calls srun for each, in interleaved
# pairs on a dev cluster.  The workers only sleep, so that all time is the launch's.
# Prints medians and ratios, asserts nothing.  WORKERS ("4 16 48"), PAIRS (5).
. "$(dirname "$0")/../cluster/lib.sh"
workers=${WORKERS:-4 16 48} pairs=${PAIRS:-5}

cluster_up --nodes 4 --gpus 16 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin"
install -m 755 "$BUILD"/bin/* "$WORK/bin"

make_config() { # WORKERS
	cat >"$WORK/sleep$1.yaml" <<-YAML
		disagg: 1
		name: sleep
		gpus_per_node: 16
		roles:
		  worker: {engine: command, workers: $1, gpus: 1, command: [sleep, "600"]}
	YAML
}

# the same by hand: start all, until each has put its mark, then end all
cat >"$WORK/hand.sh" <<'SH'
#!/bin/bash
count=$1 marks=$PWD/marks.$SLURM_JOB_ID
mkdir "$marks"
begin=$EPOCHREALTIME
for ((i = 0; i < count; i++)); do
	srun --overlap --kill-on-bad-exit=1 --input=none --job-name="worker_$i" --output="$marks.$i.log" \
		--disagg-role="worker:$i" sh -c 'touch "$1/$SLURM_STEP_ID"; exec sleep 600' sh "$marks" &
done
until [ "$(find "$marks" -type f | wc -l)" -eq "$count" ]; do sleep 0.05; done
up=$EPOCHREALTIME
# shellcheck disable=SC2046
scancel --quiet --signal=TERM $(squeue -h -s -j "$SLURM_JOB_ID" -o '%i %j' | awk '/worker/ { print $1 }')
wait
awk -v a="$begin" -v b="$up" -v c="$EPOCHREALTIME" 'BEGIN { print b - a, c - b }' >"$marks.times"
SH

job() { # SCRIPT-ARGUMENT...
	as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --wait --exclusive --mem=0 --output=%j.out "$@"
}

by_hand() { # WORKERS; seconds until up, and until ended
	local id
	id=$(job --disagg-config="sleep$1.yaml" hand.sh "$1")
	cat "$WORK/marks.$id.times"
}

# disagg-run is told to end as soon as it serves; and CPU seconds of it and its children
by_run() { # WORKERS
	local id state
	id=$(as_user env PATH="$WORK/bin:$PATH" sbatch --parsable --exclusive --mem=0 --output=%j.out \
		--disagg-config="sleep$1.yaml" "$SRC/scripts/disagg-job.sh")
	state=$WORK/disagg-$id/state.json
	until [ "$(jq -r .phase "$state" 2>/dev/null)" = serving ]; do sleep 0.05; done
	awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) / tick, ($16 + $17) / tick }' \
		"/proc/$(jq .pid "$state")/stat" >"$WORK/cpu"
	as_user scancel --batch --signal=TERM "$id"
	wait_job "$id" >/dev/null
	jq -r '.phases | "\(.serving - .starting) \(.done - .ending)"' "$state"
}

median() { # FILE COLUMN
	awk -v column="$2" '{ print $column }' "$1" | sort -g |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "medians of $pairs interleaved pairs, $(nproc) CPUs for all nodes"
printf '%8s %26s %26s %16s\n' '' 'until all run' 'until all have ended' 'disagg-run'
printf '%8s %8s %8s %8s %8s %8s %8s %16s\n' workers bash run ms/each bash run ms/each 'CPU ms/each'
for count in $workers; do
	make_config "$count"
	: >"$WORK/hand" && : >"$WORK/run" && : >"$WORK/cpus"
	for ((i = 0; i < pairs; i++)); do
		by_hand "$count" >>"$WORK/hand"
		by_run "$count" >>"$WORK/run"
		cat "$WORK/cpu" >>"$WORK/cpus"
	done
	awk -v n="$count" -v a="$(median "$WORK/hand" 1)" -v b="$(median "$WORK/run" 1)" \
		-v c="$(median "$WORK/hand" 2)" -v d="$(median "$WORK/run" 2)" \
		-v cpu="$(median "$WORK/cpus" 1)" 'BEGIN {
			printf "%8d %6.2f s %6.2f s %+8.1f %6.2f s %6.2f s %+8.1f %16.2f\n", n,
				a, b, (b - a) * 1000 / n, c, d, (d - c) * 1000 / n, cpu * 1000 / n }'
done
