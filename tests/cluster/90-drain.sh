#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-report --drain on a real cluster: a node that failed and no other, never over
# another's reason, and no more than one an hour.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 4
install -m 755 "$BUILD/bin/disagg-report" "$WORK"
first=${NODES[0]} second=${NODES[1]} third=${NODES[2]}

record() { # NODE STATUS
	printf '{"schema":"disagg.probe/1","probe":"gpu.health","node":"%s","gpu":2,"status":"%s","reason":"row remap failed","t_start":1,"dur_ms":1}\n' \
		"$1" "$2" >>"$WORK/records.jsonl"
}
node() { # NODE FIELD; the rest of the line for Reason
	as_root scontrol -o show node "$1" | case $2 in
	Reason) sed -n 's/.* Reason=\(.*\) \[.*/\1/p' ;;
	*) sed -n "s/.* $2=\([^ ]*\).*/\1/p" ;;
	esac
}
drain() { # STATUS WHAT; prints what it says of the draining
	out=$(as_root ./disagg-report --drain records.jsonl 2>&1 >/dev/null)
	is $? "$1" "$2"
}

record "$first" pass
record "$second" fail
record "$third" unknown
drain 1 "a node failed"
has "$out" "drained $second" "it is drained"
has "$(node "$second" State)" DRAIN "Slurm agrees"
is "$(node "$second" Reason)" "disagg-probe: gpu.health gpu 2: row remap failed" "with our reason"
isnt "$(node "$first" State)" "$(node "$second" State)" "the good one is not"
hasnt "$(node "$third" State)" DRAIN "nor the unknown one"
drain 1 "once more"
has "$out" "$second is left as it is" "ours is not drained twice"

as_root scontrol update nodename="$second" state=resume
as_root scontrol update nodename="$first" state=drain reason="fan is loud"
rm "$WORK/records.jsonl"
record "$first" fail
drain 1 "a node that the admin has drained"
is "$(node "$first" Reason)" "fan is loud" "the admin's reason stays"

rm "$WORK/records.jsonl"
record "$second" fail
record "$third" fail
drain 1 "two of four at once"
has "$out" "ALARM: 2 nodes to drain" "are an alarm"
hasnt "$(node "$second" State)$(node "$third" State)" DRAIN "and none is drained"

rm "$WORK/records.jsonl"
record "$second" fail
drain 1 "one"
rm "$WORK/records.jsonl"
record "$third" fail
drain 1 "and another within the hour"
has "$out" "1 drained in the last hour" "is an alarm"
hasnt "$(node "$third" State)" DRAIN "and not drained"
for name in "$first" "$second"; do
	as_root scontrol update nodename="$name" state=resume
done
no_node_drained
done_testing
