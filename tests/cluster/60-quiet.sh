#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On a compute node the plugin touches no file: slurmstepd, from its start to
# the task's exec, names the same paths to the kernel with the plugin as without,
# but for the plugin's own library, and for the file in which the user's child of it
# keeps how the tasks of a step ended.
. "$(dirname "$0")/lib.sh"
command -v strace >/dev/null || skip_all "needs strace"
cluster_up --nodes 1 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
line=$STATE/plugstack.conf.d/zz-disagg.conf
slurmd=$(awk '/^slurmd-/ { print $2 }' "$STATE/pids")
cat >"$WORK/one.yaml" <<'YAML'
disagg: 1
name: one
gpus_per_node: 4
roles:
  prefill: {engine: trtllm, gpus: 1, env: {NAME: value}}
  decode: {engine: trtllm, gpus: 2, env: {TOKEN: "${env:HOME}"}}
  server: {engine: trtllm_server, after: [prefill, decode]}
YAML
printf '#!/bin/sh\n:\n' >"$WORK/batch.sh"
cat >"$STATE/paths.awk" <<'AWK'
# Paths in a trace that belong to slurmstepd and its children, up to the exec
# of a task; numbers of jobs, steps and processes as N.
BEGIN { pass = 1 }
FNR == 1 && NR > 1 { pass = 2 }
pass == 1 {
	if (/clone|fork/ && match($0, /= [0-9]+$/))
		parent[substr($0, RSTART + 2)] = $1
	next
}
function belongs(pid) {
	if (pid in state)
		return state[pid]
	return pid in parent && belongs(parent[pid])
}
/execve\(/ {
	if (/slurmstepd/) {
		state[$1] = 1
		next
	}
	if (belongs($1))
		print "exec"
	state[$1] = 0
	next
}
/resumed>/ || !belongs($1) { next }
match($0, /"[^"]*"/) {
	path = substr($0, RSTART + 1, RLENGTH - 2)
	gsub(/[0-9]+/, "N", path)
	if (path ~ /^\//)
		print path
}
AWK

# COMMAND with slurmd and all it starts traced: the paths, one a line, into FILE
traced() { # FILE COMMAND...
	local file=$1 tracer tries
	shift
	: >"$STATE/strace.err"
	strace -f -qq -o "$STATE/strace.out" -e trace=%file,%process -p "$slurmd" 2>"$STATE/strace.err" &
	tracer=$!
	for ((tries = 0; tries < 100; tries++)); do
		[ "$(awk '/^TracerPid:/ { print $2 }' "/proc/$slurmd/status")" -eq 0 ] || break
		kill -0 $tracer 2>/dev/null || skip_all "strace: $(head -n 1 "$STATE/strace.err")"
		sleep 0.05
	done
	as_user "$@" >"$STATE/command.out" 2>&1
	ok $? "$(basename "$file"): the traced command runs" || note got "$(cat "$STATE/command.out")"
	# slurmstepd outlives srun for a moment
	for ((tries = 0; tries < 100; tries++)); do
		[ -n "$(as_root squeue -h)" ] || break
		sleep 0.05
	done
	kill -TERM $tracer
	wait $tracer 2>/dev/null
	awk -f "$STATE/paths.awk" "$STATE/strace.out" "$STATE/strace.out" >"$file"
}

# what is in the first list of paths and not in the second
more() { # FILE FILE
	comm -23 <(sort -u "$1") <(sort -u "$2")
}

plain=(-N1 --ntasks-per-node=4 --gpus-per-node=4)
config=--disagg-config=one.yaml
own=$(sed 's/[0-9][0-9]*/N/g' <<<"$STATE/lib/disagg.so")

compare() { # WHAT WITH WITHOUT
	isnt "$(grep -c '^exec$' "$2")" 0 "$1: the trace has the task's exec"
	is "$(more "$2" "$3" | grep -vE '/libyaml[^/]*$|/work/disagg-N(/exits(/[a-z]+-nN\.jsonl)?)?$')" "$own" "$1: only the plugin itself is more"
	is "$(more "$3" "$2")" "" "$1: and nothing is less"
}

# Each kind of step without the plugin.  The first warms what slurmd does once.
cp "$line" "$STATE/line"
echo "# no plugin here" >"$line"
traced "$STATE/warm" salloc "${plain[@]}" srun -N1 -n1 /bin/true
traced "$STATE/step.without" salloc "${plain[@]}" srun -N1 -n1 --overcommit /bin/true
traced "$STATE/wide.without" salloc "${plain[@]}" srun -N1 -n2 --overcommit /bin/true
traced "$STATE/batch.without" sbatch --wait --output=/dev/null "${plain[@]}" batch.sh
cp "$STATE/line" "$line"
traced "$STATE/prefill.with" salloc $config srun --disagg-role=prefill /bin/true
traced "$STATE/decode.with" salloc $config srun --disagg-role=decode /bin/true
traced "$STATE/server.with" salloc $config srun --disagg-role=server /bin/true
traced "$STATE/step.with" salloc $config srun -N1 -n1 /bin/true
traced "$STATE/batch.with" sbatch --wait --output=/dev/null $config batch.sh
traced "$STATE/plain.with" salloc "${plain[@]}" srun -N1 -n1 --overcommit /bin/true

compare "a role step" "$STATE/prefill.with" "$STATE/step.without"
compare "a service's step" "$STATE/server.with" "$STATE/step.without"
compare "a role step of two tasks" "$STATE/decode.with" "$STATE/wide.without"
compare "a step without a role" "$STATE/step.with" "$STATE/step.without"
compare "a batch script" "$STATE/batch.with" "$STATE/batch.without"
compare "a job without the option" "$STATE/plain.with" "$STATE/step.without"
no_node_drained
done_testing
