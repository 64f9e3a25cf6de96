#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-probe in a Slurm step: all nodes take part and are told apart, one that
# does not come is unknown, another's node is not believed, one run at a time.
. "$(dirname "$0")/lib.sh"

cluster_up --nodes 4 --gpus 2 --plugin "$BUILD/lib/slurm/disagg.so"
mkdir "$WORK/bin"
install -m 755 "$BUILD/bin/disagg-probe" "$WORK/bin"
probe=$WORK/bin/disagg-probe
one=--probe=clock.skew

# The records that COMMAND's report has, one a line; the step's status is its status.
records() { # COMMAND...
	local report rc
	report=$("$@" --format=json 2>"$WORK/err")
	rc=$?
	jq -c '.records[]' <<<"$report"
	return $rc
}

step() { # SRUN-ARGUMENT...: on all nodes, one task each
	as_user srun -N4 --ntasks-per-node=1 "$@"
}

nodes() { # of records on standard input
	jq -r .node | sort -u
}

unknown() { # MEMBER
	jq -r "select(.status == \"unknown\").$1" <<<"$out" | sort -u
}

all=$(printf '%s\n' "${NODES[@]}" | sort)

# ---- all take part ----
out=$(records step "$probe" "$one" --out=first)
is "$(nodes <<<"$out")" "$all" "every node of the step has a record"
is "$(nodes <"$WORK/first/records.jsonl")" "$all" "and so has records.jsonl"
is "$(jq -r .status <<<"$out" | sort -u)" pass "all pass"
is "$(stat -c %U "$WORK/first/records.jsonl")" "$TEST_USER" "the file is the user's"
out=$(records as_user env DISAGG_PROBE_TOKEN="of this run" srun -N4 --ntasks-per-node=1 "$probe" "$one" \
	--no-report)
is "$(nodes <<<"$out")" "$all" "so it is with a token"
out=$(records as_user srun -N1 --ntasks-per-node=1 "$probe" "$one" --no-report)
is "$(nodes <<<"$out" | wc -l)" 1 "a step of one node is one"

# ---- tasks that are too many ----
out=$(records as_user srun -N2 --ntasks-per-node=3 "$probe" "$one" --no-report)
is "$(nodes <<<"$out" | wc -l)" 2 "three tasks a node measure it once"
is "$(grep -c 'one task a node' "$WORK/err")" 4 "the others say so"

# ---- a node that does not come, one that lies ----
cat >"$WORK/absent.sh" <<'SH'
#!/bin/bash
[ "$SLURMD_NODENAME" = "$1" ] && exit 0
exec "${@:2}"
SH
cat >"$WORK/liar.sh" <<'SH'
#!/bin/bash
[ "$SLURMD_NODENAME" = "$1" ] && exit 0
[ "$SLURMD_NODENAME" = "$2" ] && export SLURMD_NODENAME=$1
exec "${@:3}"
SH
chmod 755 "$WORK"/*.sh
out=$(records step ./absent.sh "${NODES[2]}" "$probe" "$one" --no-report --join=3s)
rc=$?
is "$rc" 8 "a node that does not come is no pass"
is "$(unknown node)" "${NODES[2]}" \
	"it alone is unknown"
has "$(unknown reason)" "did not join within 3 s" "and why"
out=$(records step ./liar.sh "${NODES[2]}" "${NODES[3]}" "$probe" "$one" --no-report \
	--join=3s)
is "$(unknown node | xargs)" \
	"${NODES[2]} ${NODES[3]}" "a node that takes another's name is not believed"
has "$(cat "$WORK/err")" "not the node's" "for its address"

# ---- one run at a time ----
# shellcheck disable=SC2016 # perl's variables
devcluster exec --state "$STATE" --node "${NODES[1]}" -- perl -MSocket -e '
	socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
	bind($s, pack_sockaddr_un("\0disagg-probe '"${NODES[1]}"'")) or die;
	listen($s, 4) or die;
	open(my $f, ">", $ARGV[0]) or die; close($f);
	sleep(600)' "$WORK/held" &
holder=$!
until [ -e "$WORK/held" ] || ! kill -0 "$holder" 2>/dev/null; do sleep 0.05; done
out=$(records step "$probe" "$one" --no-report)
is "$(unknown node)" "${NODES[1]}" \
	"a node that another run holds is unknown"
has "$(unknown reason)" "another probe run" "and why"
kill "$holder"
wait "$holder" 2>/dev/null

no_node_drained
done_testing
