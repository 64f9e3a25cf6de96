# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests that rehearse the files of a corpus, several at a time; CORPUS is
# its folder.
. "$(dirname "${BASH_SOURCE[0]}")/rehearse.sh"
AT_ONCE=${AT_ONCE:-3}

# "KIND <tab> NODES <tab> STEPS <tab> FILE[:VARIANT]" of each variant that serves
# something: a base of variants may have no worker, or none that decodes.
corpus_variants() {
	local file
	find "$CORPUS/srtctl/recipes" "$CORPUS/trtllm" -name '*.yaml' | sort | while read -r file; do
		"$BUILD/bin/disagg-plan" --rehearse --format=json "$file:*" 2>/dev/null ||
			"$BUILD/bin/disagg-plan" --rehearse --format=json "$file" 2>/dev/null
	done | jq -r 'select([.workers[].role] | index("decode") or index("agg")) |
		def has(role): [.services[].role] | index(role) != null;
		def most(list): list | max > 1;
		[([.dialect, ([.workers[].engine] | unique | join("+")),
			if has("etcd") then "dynamo" else "own frontend" end,
			if has("nginx") then "nginx" else empty end,
			([.workers[].role] | unique | join("+")),
			if most([.workers[].nodes[0]] | group_by(.) | map(length)) then "shared nodes" else empty end,
			if most([.workers[].processes | length]) then "several nodes a worker" else empty end
		] | join(", ")), .nodes, ([.workers[], .services[]] | length),
		if .variant then .source + ":" + .variant else .source end] | @tsv'
}

# the smallest of each kind
corpus_kinds() {
	sort -t$'\t' -k1,1 -k2,2n -k3,3n -k4,4 | awk -F'\t' '!seen[$1]++'
}

declare -A kind_of
active=()
reap() {
	local running job left=()
	running=" $(as_root squeue -h -o %i | tr '\n' ' ') "
	for job in ${active[@]+"${active[@]}"}; do
		case $running in
		*" $job "*)
			left+=("$job")
			continue
			;;
		esac
		note "job $job: ${kind_of[$job]}" "$(of "$job" '"\(.workers | length) units ready after " +
			"\((.phases.benchmark // 0) - .phases.starting | . * 100 | round / 100) s"')"
		rehearsed "${kind_of[$job]}" "" "$job"
	done
	active=(${left[@]+"${left[@]}"})
}

rehearse_all() { # reads "KIND <tab> NODES <tab> STEPS <tab> FILE"
	local kind file job
	while IFS=$'\t' read -r kind _ _ file; do
		while [ ${#active[@]} -ge "$AT_ONCE" ]; do
			reap
			sleep 0.2
		done
		job=$(rehearse "$file" 2>"$WORK/submit.err")
		ok $? "$kind: ${file#"$CORPUS/"} is submitted" || {
			note stderr "$(cat "$WORK/submit.err")"
			continue
		}
		kind_of[$job]=$kind
		active+=("$job")
	done
	while [ ${#active[@]} -gt 0 ]; do
		reap
		sleep 0.2
	done
}
