#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-diagnose: exit codes, forms of output, files that are a trap.
. "$(dirname "$0")/lib.sh"
: "${BUILD:?}" "${SRC:?}"
diagnose=$BUILD/bin/disagg-diagnose
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-cli.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5

run() { # COMMAND...
	timeout 60 "$@" >out 2>err </dev/null
	rc=$?
}
lacks() { hasnt "$@"; }
says() { report "$([ "$(jq -r "$1" out)" = "$2" ] && echo 1)" "$3" "$1: expected $2"; }

# ---- a run ----
"$SRC/tests/diagnose/plant" "$SRC/tests/diagnose/cases.cases" xid_ecc run || echo "Bail out! plant"
run "$diagnose" run
status 1 "a failure is found"
has out "failure: gpu_mem (high confidence)" "the verdict is the first line"
has out "PCI 0000:4e:00" "with the GPU"
has out "how tasks ended" "the tasks' ends are listed"
report "$(awk 'length > 80 { long = 1 } END { exit long }' out && echo 1)" "in 80 columns" "$(
	awk 'length > 80' out)"
lacks out $'\033' "without colour where no terminal is"
empty err "nothing on standard error"
run "$diagnose" --format=json run
status 1 "json: the same status"
says .class gpu_mem "json: the class"
says .blame.node n2 "json: the node"
says .blame.worker decode_0 "json: the worker"
says '.signals | length > 1' true "json: signals"
says '.exits[0].how' 'signal 9 (Killed)' "json: how tasks ended"
run "$diagnose" --format=junit run
has out '<failure type="gpu_mem"' "junit: a failure"
report "$(python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' out && echo 1)" \
	"junit: is XML"
for format in json text; do "$diagnose" --format=$format run; done >both
run "$diagnose" --format=json,text run
report "$(cmp -s both out && [ "$rc" -eq 1 ] && echo 1)" "two formats, one after the other"
run "$diagnose"
status 2 "without an operand: wrong usage"
mkdir unprobed
cat >unprobed/state.json <<'JSON'
{"schema":"disagg.state/1","job":"9","name":"x","phase":"done","phases":{"probe":1795736270.0,"done":1795736280.0},
"updated":1795736280.0,"verdict":{"code":5,"text":"2 of 2 nodes could not be probed: n[1,2] (it has no record)","worker":null,"at":1795736279.0},
"warnings":[],"workers":[]}
JSON
run "$diagnose" unprobed
has out "nodes could not be measured before the run" "what disagg-run's probes came to"
has out "see probes/report.md" "and where that is told"
mkdir unfit
cat >unfit/state.json <<'JSON'
{"schema":"disagg.state/1","job":"9","name":"x","phase":"done","phases":{"probe":1795736270.0,"done":1795736280.0},
"updated":1795736280.0,"verdict":{"code":1,"text":"2 of 4 nodes failed the probes: n1 (disk: No space left on device), n2 (gpu: uncorrectable ECC error)","worker":null,"at":1795736279.0},
"warnings":[],"workers":[]}
JSON
cat >unfit/probes.log <<'LOG'
scontrol update nodename=n1 state=drain reason='disagg-probe: disk: No space left on device'
scontrol update nodename=n2 state=drain reason='disagg-probe: gpu: uncorrectable ECC error'
LOG
run "$diagnose" unfit
status 1 "nodes that failed the probes"
has out "nodes failed the probes before the run" "are the failure, not what the probes quote"
has out "2 of 4 nodes failed the probes: n1" "and its evidence is disagg-run's verdict"
has out "its drain lines" "with what to do"
lacks out "scontrol update" "no line that the probes wrote"
run "$diagnose" --format=json unfit
says .id disagg-run.probes "nor by a word that the verdict quotes"
says '.signals | length' 0 "and no signal is told"
run "$diagnose" --format=json run/decode_0.log run/kmsg.n2
says .class gpu_mem "files one by one"
run "$diagnose" --format=json run/decode_0.log
says .class user_app "without the kernel's log the program's words count"
"$SRC/tests/diagnose/plant" "$SRC/tests/diagnose/cases.cases" good_run good
run "$diagnose" good
status 0 "a run that ended well"
has out "success" "is a success"
run "$diagnose" --format=junit good
has out 'failures="0"' "junit: no failure"

# ---- usage ----
run "$diagnose" --format=xml run
status 2 "an unknown format"
run "$diagnose" --format=json,,text run
status 2 "an empty one among others"
run "$diagnose" --format=json,text,json,text run
has err "at most 3" "too many"
run "$diagnose" --utc-offset=25:00 run
status 2 "a zone that is none"
has err "expected HH:MM" "says what is expected"
cp -r run run.2 && tar czf run.tar.gz run
for second in run.2 run.tar.gz run/; do
	run "$diagnose" run "$second"
	status 2 "two runs at once ($second)"
	has err "give one at a time" "says what to do ($second)"
	empty out "without a diagnosis of both ($second)"
done
run "$diagnose" run.tar.gz run.tar.gz
status 2 "two archives at once"
run "$diagnose" --format=json run/kmsg.n2 good
status 0 "a file beside a run directory"
run "$diagnose" nowhere
status 4 "a run that is not there"
has err "cannot find 'nowhere'" "is named"
mkdir hollow && run "$diagnose" hollow
status 4 "a folder without logs"
printf 'signatures:\n  - {id: x, class: nonsense, rank: cause, title: t, match: [abcd]}\n' >s.yaml
run "$diagnose" --signatures=s.yaml run
status 3 "a site's file that is wrong"
has err "s.yaml:2:" "says where"
printf 'signatures:\n  - {id: site.x, class: storage, rank: cause, title: t, match: ["the dog ate it"]}\n' >s.yaml
echo '2026-08-22T10:00:00Z the dog ate it' >w_0.log
run "$diagnose" --format=json --signatures=s.yaml w_0.log
says .id site.x "a site's signature"
run "$diagnose" --slurm-state=TIMEOUT --format=json good/gen_server_0.log
says .class scheduler "Slurm's state can be told"

# ---- traps ----
mkdir trap && cd trap || exit 5
secret=hf_abcdefghij0123456789abcdefghij
echo "2026-08-22T10:00:00Z ERROR CUDA out of memory $secret" >decode_0.log
ln -s /etc/shadow link.log
ln -s .. up
mkfifo pipe.log
: >empty.log
head -c 3000000 /dev/zero >zeros.log
head -c 300000 /dev/urandom >noise.log
truncate -s 1T sparse.out && mv sparse.out sparse.txt
printf 'ERROR Connection refused \033]0;title\007\r\n' >"$(printf 'na\nme\033[31m.log')"
mkdir -p a/b/c/d/e/f && echo 'Permission denied' >a/b/c/d/e/f/deep.log
printf '{"schema":"disagg.state/1"' >state.json
head -c 100000 /dev/urandom >exits.jsonl
printf '12,1,1,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus\n' >kmsg.n1
printf '<13>NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus\n' >kmsg.n2
cd .. || exit 5
run "$diagnose" --all trap
status 1 "a folder full of traps"
has out "oom_gpu" "the cause is found all the same"
lacks out "$secret" "without the secret"
lacks out "fallen off" "forged records of the kernel count for nothing"
has out "2 records of the kernel's log were not the kernel's" "and are told"
report "$(LC_ALL=C grep -q $'[\001-\010\013-\037\177]' out || echo 1)" "nothing a terminal obeys comes out"
run "$diagnose" --format=json trap
report "$(jq -e . out >/dev/null && echo 1)" "json stays json"
says .class oom_gpu "with the same answer"
done_testing
