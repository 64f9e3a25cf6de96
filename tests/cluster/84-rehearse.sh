#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every kind of engine and frontend, as configs/ has them, comes up in a
# rehearsal, and its benchmark's requests go through prefill and decode.
. "$(dirname "$0")/rehearse.sh"

cluster_up --nodes 16 --gpus 4 --plugin "$BUILD/lib/slurm/disagg.so"
rehearse_here
cp "$SRC"/configs/*.yaml "$WORK"
load=$'benchmark:\n  type: sa-bench\n  isl: 64\n  osl: 16\n  concurrencies: [8]\n'
printf '%s' "$load" >>"$WORK/native-uneven.yaml"
sed '/^benchmark:/,$d' "$SRC/configs/srtctl-nginx.yaml" >"$WORK/serving.yaml"
printf 'benchmark:\n  type: manual\n' >>"$WORK/serving.yaml"

configs='native-2p2d native-uneven native-dynamo srtctl-1p2d srtctl-nginx srtctl-trtllm
	srtctl-vllm-dp srtctl-vllm-agg srtctl-mocker trtllm-1p1d'
declare -A job
serving=$(rehearse serving.yaml)
plain=$(rehearse native-command.yaml)
for name in $configs; do
	job[$name]=$(rehearse "$name.yaml")
done
# a benchmark that only an image has
{
	sed '/^benchmark:/,$d' "$SRC/configs/native-2p2d.yaml"
	printf 'container: {image: /images/none.sqsh}\nbenchmark: {type: custom, command: "no-such-client"}\n'
} >"$WORK/in-image.yaml"
job[in-image]=$(rehearse in-image.yaml)

# ---- what is real in a rehearsal ----
# the processes of this cluster that run a program of the machine
real() { # PROGRAM JOB
	local pid exe
	for pid in $(pgrep -x "$1"); do
		exe=$(readlink "/proc/$pid/exe")
		[ "${exe##*/}" = "$1" ] || continue
		belongs "$pid" "$2" && echo "$pid"
	done
}

in_phase "$serving" serving
ok $? "etcd, NATS, a Mooncake master, three frontends and nginx serve"
for program in etcd nats-server; do
	is "$(real $program "$serving" | wc -l)" 1 "a real $program runs"
done
pid=$(pgrep -f "^nginx: master process nginx .*$WORK/disagg-$serving/nginx.conf")
is "$(basename "$(readlink "/proc/$pid/exe")")" nginx "a real nginx runs"
head=$(of "$serving" '.workers[] | select(.name == "etcd_0") | .host')
has "$(as_user curl -s -m 5 "http://$head:2379/version")" '"etcdserver":' "etcd answers as itself"
has "$(as_user timeout 2 bash -c "exec 3<>/dev/tcp/$head/4222; head -n 1 <&3")" 'INFO {"server_id"' \
	"NATS answers as itself"
url=$(of "$serving" .frontend)
# shellcheck disable=SC2016 # for the inner shell
as_user bash -c 'for ((i = 0; i < 60; i++)); do
	curl -s -m 5 -H "X-Dynamo-Session-ID: session $i" -d "{\"prompt\":\"a b c\",\"max_tokens\":4}" "$1"
done' bash "$url/v1/completions" >"$WORK/answers"
is "$(grep -o '"usage"' "$WORK/answers" | wc -l)" 60 "nginx hands requests on"
has "$(as_user "$WORK/bin/disagg-status" "$serving")" rehearsal "disagg-status says that it is a rehearsal"
as_user scancel --batch --signal=TERM "$serving"
is "$(wait_job "$serving")" COMPLETED "told to end, the job completes"
for index in 0 1 2; do
	isnt "$(sum_said "$serving" ".name == \"frontend_$index\"" requests)" 0 \
		"frontend_$index had some of the requests"
done
order='def ended(f): [.workers[] | select(f) | .ended];
	def infra: .role | IN("etcd", "nats", "mooncake");
	def front: .role | IN("frontend", "nginx");'
is "$(of "$serving" "$order (ended(front) | max) <= (ended((infra or front) | not) | min)")" true \
	"the frontends ended before the workers"
is "$(of "$serving" "$order (ended(infra | not) | max) <= (ended(infra) | min)")" true \
	"and etcd and NATS when all others had"
has "$(tail -n 20 "$WORK/disagg-$serving/etcd_0.log")" "received terminated signal, shutting down" \
	"etcd was told to end"
has "$(cat "$WORK/disagg-$serving/nats_0.log")" "Server Exiting" "and so was NATS"

# ---- each kind ----
configs+=' in-image'
for name in $configs; do
	wait_job "${job[$name]}" 120 >/dev/null
	rehearsed "$name.yaml" "$name.yaml" "${job[$name]}"
done
in_phase "$plain" serving
has "$(as_user "$WORK/bin/disagg-status" "$plain")" "store_0" "native-command.yaml: plain programs run"
as_user scancel --batch --signal=TERM "$plain"
wait_job "$plain" >/dev/null
came_up "native-command.yaml" native-command.yaml "$plain"

# the ranks of an MPI world each live, whatever their number
is "$(grep -c 'mpi-rank' "$WORK/disagg-${job[srtctl-trtllm]}/decode_0.log")" 7 \
	"srtctl-trtllm.yaml: a worker of eight ranks has seven that only live"

# ---- services that mean no good ----
cp "$SRC/tests/cli/hostile.pl" "$WORK"
{
	printf 'disagg: 1\nname: hostile\ngpus_per_node: 1\nroles:\n'
	port=7001
	for mode in huge endless headers slow silent half json no-http; do
		printf '  %s: {command: [perl, hostile.pl, --port=%s, %s], port: %s, ready: {http: /, timeout: 3}}\n' \
			"$mode" $port "$mode" $port
		port=$((port + 1))
	done
} >"$WORK/hostile.yaml"
bad=$(rehearse hostile.yaml)
is "$(wait_job "$bad") $(exit_code "$bad")" "FAILED 6:0" "services that answer badly: the job fails with 6" ||
	sed 's/^/#   /' "$WORK/$bad.out"
text=$(of "$bad" .verdict.text)
has "$text" "not ready after 3 s: 7 of 8 missing" "services that answer badly: at the deadline"
for mode in huge endless headers slow silent half no-http; do
	has "$text" "${mode}_0 (" "services that answer badly: the verdict names $mode"
done

# ---- a step that comes late ----
# noticed at once, although nothing else happens then
mkdir "$WORK/slow"
cat >"$WORK/slow/srun" <<'SRUN'
#!/bin/bash
case $* in
*--disagg-role=router*) sleep 0.7 ;;
esac
exec /usr/bin/srun "$@"
SRUN
sed "s|/usr/bin/srun|$(command -v srun)|" -i "$WORK/slow/srun"
chmod 755 "$WORK/slow/srun"
late=''
for _ in 1 2 3; do
	slow=$(FIRST=$WORK/slow rehearse native-2p2d.yaml)
	wait_job "$slow" >/dev/null
	late=$(of "$slow" '.workers[] | select(.role == "router") | .ready - .up')
	[ "$(jq -n "$late < 4")" != true ] || break
done
is "$(jq -n "$late < 4")" true "a step that comes up late is noticed when it is up" || note seconds "$late"

no_node_drained
done_testing
