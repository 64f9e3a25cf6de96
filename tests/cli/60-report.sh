#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-report: verdicts and exit codes, formats, files, drains; what nodes write
# stays text, also in a browser.
. "$(dirname "$0")/lib.sh"
report=$BUILD/bin/disagg-report
records=$SRC/tests/cli/records.awk
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-cli.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5

fleet() { # NAME VARIABLE=VALUE...
	local name=$1 set=()
	shift
	for value in "$@"; do
		set+=(-v "$value")
	done
	awk "${set[@]}" -f "$records" </dev/null >"$name"
}

# ---- verdicts ----
fleet good.jsonl nodes=4 pairs=1
run "$report" good.jsonl
status 0 "a good fleet"
is "$(head -n 1 out)" "PASS: 4 nodes: 4 passed" "says PASS first"
fleet bad.jsonl nodes=24 pairs=1 faults=slow,sdc,env,lost,pcie,rail,xid
run "$report" --nodes='gpu[0001-0026]' bad.jsonl
status 1 "a bad one"
is "$(head -n 1 out)" "FAIL: 26 nodes: 5 failed, 3 unknown, 2 with warnings, 16 passed" "says FAIL first"
has out "gpu0003  NVIDIA H200" "the node"
has out "gemm.bf16 8192 gpu 5: 632 TFLOPS, expected 785 (reference)" "GPU, probe, value, expected"
has out "632 TFLOPS is below the floor of 700" "which test: the floor"
has out "632 TFLOPS is 0.805 of the reference of 785, expected at least 0.900" "the reference"
has out "    (H200-SXM: measured" "and where that is from, on a line of its own"
wide=$(awk 'length > 80 && !/scontrol update/' out)
is "$wide" "" "no line but those to paste is wider than a terminal"
has out "less 7 %" "the fleet"
has out "hint: SW power cap was active" "what explains it"
has out "scontrol update nodename=gpu0003 state=drain reason='disagg-probe: gemm.bf16" "the line to paste"
has out "00ba5eba11c0ffee" "a wrong checksum"
has out "gpu[0001-0004," "the majority as a host list"
has out "gpu[0005,0021]" "and the minority"
has out "gpu[0025,0026]" "nodes without a record"
fleet slow.jsonl nodes=24 faults=cap
run "$report" slow.jsonl
status 1 "a fleet that is slow as a whole"
is "$(head -n 1 out)" "FAIL: 24 nodes: 24 with warnings; 1 finding of the cluster" "is one finding"
hasnt out "scontrol" "and no node is drained"
grep '"hw.inventory"' bad.jsonl | tail -n 1 >unknown.jsonl
run "$report" unknown.jsonl
status 8 "unknown is no pass"
is "$(head -n 1 out)" "UNKNOWN: 1 node: 1 unknown" "and says so"
sed 's/"status":"[a-z]*"/"status":"skip"/' unknown.jsonl >skip.jsonl
run "$report" skip.jsonl
status 77 "all skipped"
jq -c 'select(.probe == "hw.inventory") | .param = "gpus" | .value = 8 | .unit = "GPUs" | .digest = "8 x NVIDIA H200" |
	if .node == "gpu0002" then .value = 7 | .digest = "7 x NVIDIA H200" else . end' good.jsonl >seven.jsonl
run "$report" --out=seven seven.jsonl
status 1 "a GPU that is missing"
has out "hw.inventory gpus: 7 GPUs, expected 8 x NVIDIA H200 (majority)" "what the others have"
has seven/report.md "| 8 x NVIDIA H200 (majority) |" "in Markdown"
has seven/report.html "<span>expected 8 x NVIDIA H200 (majority)</span>" "in HTML"
jq -c 'select(.probe == "gemm.bf16" and .node == "gpu0001" and .gpu > 4) | del(.value) | .status = "skip" |
	.reason = "in use: GPU \(.gpu + 5): process \(if .gpu > 5 then 77 else 9 end) (train)"' good.jsonl >busy.jsonl
jq -c 'select(.gpu == 7) | .node = "gpu0002" | .reason = "in use: GPU 7: a display"' busy.jsonl >>busy.jsonl
run "$report" busy.jsonl
has out "in use: GPU 10,11,12: process 9,77 (train)  3      gpu0001" "one cause of several GPUs has one row"
has out "in use: GPU 7: a display" "another cause has another"

# ---- the command line and the files ----
run "$report"
status 2 "no file"
run "$report" --format=pdf good.jsonl
status 2 "no such format"
run "$report" --nodes='n[1' good.jsonl
status 2 "no host list"
run "$report" nowhere.jsonl
status 4 "no such file"
echo junk >junk
run "$report" junk
status 8 "no record in it"
has err "no record in 'junk'" "is told"
echo 'gpus: {X: {match: "("}}' >bad.yaml
run "$report" --reference=bad.yaml good.jsonl
status 3 "a bad reference file"
has err "bad.yaml:1:" "its place"
echo 'gpus: {H200-SXM: {metrics: {gemm.bf16: {values: {"8192": {ref: 900, floor: 890}}}}}}' >site.yaml
run "$report" --reference=site.yaml good.jsonl
status 1 "a site's own reference"
has out "set in site.yaml" "is named"
mkdir run && head -n 100 bad.jsonl >run/a.jsonl && tail -n +101 bad.jsonl >run/b.jsonl && echo >run/notes.txt
run "$report" run
is "$(head -n 1 out)" "FAIL: 24 nodes: 5 failed, 1 unknown, 2 with warnings, 16 passed" "a folder of files"
head -c 5000 good.jsonl >cut.jsonl
run "$report" cut.jsonl
has out "the last line is cut off" "a file that is cut off"
run sh -c '"$1" - <good.jsonl' sh "$report"
status 0 "stdin"

# ---- formats ----
run "$report" --out=o --suite=quick --command="disagg-probe <x> & 'y'" --job=7 bad.jsonl
status 1 "--out leaves the verdict"
is "$(cd o && echo *)" "report.html report.json report.md report.prom report.xml" "five files"
is "$(find o -name '.?*')" "" "and no others"
is "$(jq -r '.verdict + " " + (.exit_code | tostring)' o/report.json)" "FAIL 1" "JSON: the verdict"
is "$(jq '.records | length' o/report.json)" "$(wc -l <bad.jsonl)" "JSON: every record"
is "$(jq -r '.abnormal[1].drain' o/report.json)" "$(grep -m 1 'nodename=gpu0003' <("$report" bad.jsonl) | sed 's/^ *//')" \
	"JSON: the line to paste"
is "$(jq -r '.distributions[] | select(.probe == "gemm.bf16") | .ref, .floor, .count' o/report.json | tr '\n' ' ')" \
	"785 700 184 " "JSON: distributions with their reference"
is "$(head -n 1 o/report.md)" "# FAIL: 24 nodes: 5 failed, 1 unknown, 2 with warnings, 16 passed" "Markdown"
jq -c 'if .node == "gpu0009" and (.probe == "gemm.bf16" or .probe == "hbm.copy" and .gpu > 1)
	then .value *= 0.7 elif .node == "gpu0011" and .probe == "gpu.health" and .gpu != 1
	then .status = "fail" | .reason = if .gpu < 4 then "uncorrected errors" else "too hot" end
	else . end' bad.jsonl >many.jsonl
run "$report" --format=markdown many.jsonl
sed -n '/^## Abnormal/,/^To drain/p' out >rows
is "$(sed -n '5s/^| \(gpu[0-9]*\) .*/\1/p' rows)" gpu0009 "Markdown: the worst node first"
has rows "| **fail** | 14 of 80 | gemm.bf16 gpu 0-7, hbm.copy gpu 2-7 |" "a node has one row, with its probes and GPUs"
is "$(grep -c gpu0009 rows)" 1 "and no other"
has rows '| gpu\[0005,0021\] | **warn** |' "nodes with the same warning have one row"
sed -n '/^### gpu0009: fail (NVIDIA H200)/,/^###* gpu0011/p' out >section
is "$(grep -c '^| ' section)" 3 "a section of it has a row for each probe"
worst=$(jq -s 'map(select(.node == "gpu0009" and .probe == "gemm.bf16").value) | min * 100 | round / 100' many.jsonl)
has section "| gemm.bf16 8192 | gpu 0-7 | 8 | $worst TFLOPS | 785 (reference) | $worst TFLOPS is below" \
	"with the worst value, and why"
has section "- hbm.copy: look at ECC" "and what to do"
has out "| gpu.health | gpu 0,2-3 | 3 | - | - | uncorrected errors |" "what has no value is told by its reasons"
has out "| gpu.health | gpu 4-7 | 4 | - | - | too hot |" "each of them"
is "$(grep -c '^- gpu.health' out)" 1 "the action is told once"
awk '{ for (i = 0; i < 300; i++) { node = sprintf("n%d", i); line = $0; gsub("gpu0003", node, line); print line } }' \
	<(grep -m 1 '"gemm.bf16","node":"gpu0003","gpu":5' bad.jsonl) >wide.jsonl
sed -i 's/"status":"pass"/"status":"fail","reason":"slow"/' wide.jsonl
run "$report" --format=markdown wide.jsonl
is "$(grep -c '^| n[0-9]* | \*\*fail' out) $(grep -c '^### ' out)" "200 50" "of many nodes not all are told"
has out "and 100 more: see report.json" "and how many are not"
report "$(python3 - <<'PY' && echo 1
import sys, xml.dom.minidom
page = xml.dom.minidom.parse("o/report.xml")
suites = page.getElementsByTagName("testsuite")
failures = page.getElementsByTagName("failure")
cases = sum(int(s.getAttribute("tests")) for s in suites)
sys.exit(not (cases == len(page.getElementsByTagName("testcase")) and len(failures) == 5))
PY
)" "JUnit: well formed, its counts are right"
is "$(grep -vE '^(#.*|[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? -?[0-9.e+-]+)$' o/report.prom | head -n 1)" "" \
	"Prometheus: every line is a sample or a comment"
has o/report.prom 'disagg_report_nodes{status="fail"} 5' "Prometheus: the counts"
run "$report" o/report.json
is "$(head -n 1 out)" "$(head -n 1 o/report.md | cut -c 3-)" "a report is read again, with the same verdict"
mkdir -p ro && : >ro/file
run "$report" --out=ro/file good.jsonl
status 5 "a folder that cannot be made"

# ---- an earlier report ----
run "$report" --out=before good.jsonl
sed -E '/"gemm.bf16","node":"gpu0002","gpu":3/s/"value":[0-9.]+/"value":701/' good.jsonl >after.jsonl
run "$report" --baseline=before/report.json after.jsonl
status 1 "worse than before"
has out "Worse than the baseline" "is told"
is "$(grep -c 'gpu0002 gpu 3 .* to 701 TFLOPS' out)" 1 "with both values"
run "$report" --baseline=before/report.json good.jsonl
status 0 "as good as before"
grep -vE '"gpu.health","node":"gpu0002","gpu":[12],' good.jsonl >after.jsonl
grep -E '"gpu.health","node":"gpu0002","gpu":[12],' good.jsonl |
	jq -c '.status = "fail" | .param = "ecc" | .reason = "uncorrected errors"' >ecc.jsonl
cat ecc.jsonl >>after.jsonl
jq -c 'if .node == "gpu0002" and .gpu == 2 and .probe == "gpu.health"
	then .status = "fail" | .param = "remap" else . end' good.jsonl >before.jsonl
run "$report" --baseline=before.jsonl after.jsonl
status 1 "failed in a way of its own"
is "$(grep -c 'gpu0002 gpu 1 .*gpu.health ecc .*pass to fail' out)" 1 "is told though no record was of that"
is "$(jq -s length ecc.jsonl) $(grep -c 'to fail' out)" "2 1" "but not where the GPU failed before"

# ---- what nodes write ----
evil='<script>document.title=1</script><img src=x onerror=alert(1)>"\u0027&\n\u001b[31m\u202egpj.exe'
jq -c --arg evil "$(printf '%b' "$evil")" 'select(.gpu == 5 and .node == "gpu0003") |
	.node = $evil + .node | .reason = $evil | .hint = $evil | .gpu_name = $evil | .cohort = $evil |
	.param = $evil | .unit = $evil | .digest = $evil | .peer = $evil + "x"' bad.jsonl >evil.jsonl
printf '{"schema":"disagg.probe/1","probe":"p","node":"\xff\xc0","status":"fail"}\n' >>evil.jsonl
run "$report" --out=e evil.jsonl
status 8 "a record that cannot be read is no pass"
has out "1 records that cannot be read" "and is told"
hasnt out "$(printf '\033')" "no escape to the terminal"
hasnt out "$(printf '\342\200\256')" "no turned text"
hasnt e/report.html "<script" "no script in HTML"
hasnt e/report.html "<img" "no tag of theirs"
hasnt e/report.md "<script" "nor in Markdown"
hasnt out "nodename=" "no line to paste for such a name"
report "$(jq . e/report.json >/dev/null && echo 1)" "the JSON is JSON"
report "$(python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("e/report.xml")' && echo 1)" "the XML is XML"
report "$(python3 -c 'open("e/report.html", encoding="utf-8").read()' && echo 1)" "the page is UTF-8"

# ---- in a browser ----
browser=$(command -v chromium || command -v chromium-browser)
page() { # FILE WIDTH: the page as the browser has it
	timeout 60 "$browser" --headless=new --no-sandbox --disable-gpu --user-data-dir="$dir/profile" \
		--window-size="$2",900 --dump-dom "file://$dir/$1" 2>/dev/null
}
if [ -n "$browser" ]; then
	cat o/report.html e/report.html >both.html
	page both.html 400 >dom.html
	has dom.html 'id="node-0"' "Chromium: the page is read"
	has dom.html "FAIL: 24 nodes" "Chromium: its title"
	is "$(grep -c '<script' dom.html)" 0 "Chromium: no script came of it"
	has dom.html "&lt;script&gt;document.title=1&lt;/script&gt;" "Chromium: it is text"
	report "$(python3 - <<'PY' && echo 1
import sys, html.parser
found = []
class Page(html.parser.HTMLParser):
    def handle_starttag(self, tag, attrs):
        found.extend([tag] * (tag in ("img", "script")) + [a for a, _ in attrs if a.startswith("on")])
Page().feed(open("dom.html", encoding="utf-8").read())
sys.exit(bool(found))
PY
	)" "Chromium: nor a tag or a handler"
else
	for name in "the page" "its title" "no script" "text" "a handler"; do
		skip "Chromium: $name" "no chromium"
	done
fi
is "$(grep -cE '(src|href)="[^#]|url\(|@import|https?:' o/report.html)" 0 "the page needs nothing from elsewhere"

# ---- drains, with a scontrol of our own ----
mkdir bin
cat >bin/scontrol <<'SH'
#!/bin/sh
# answers from the file `cluster`, and notes what it is told
case $* in
'-o show node') [ ! -e broken ] || { echo "slurm_load_node error: Unable to contact slurm controller" >&2; exit 1; }
	cat cluster ;;
*) printf '%s|' "$@" >>told; echo >>told ;;
esac
SH
chmod 755 bin/scontrol
slurm() { # NODES [SED]: the cluster's nodes
	for ((i = 1; i <= $1; i++)); do
		printf 'NodeName=gpu%04d Arch=x86_64 State=IDLE Partitions=all Version=22.05.8\n' "$i"
	done | sed "${2:-}" >cluster
	rm -f told
}
drain() { # NAME: one record that fails, of gpu0003
	PATH=$dir/bin:$PATH run "$report" --drain one.jsonl
}
grep -E '"gpu.health","node":"gpu0003","gpu":1,' bad.jsonl | sed 's/"status":"pass"/"status":"fail","reason":"row remap failed"/' >one.jsonl
now=$(date +%Y-%m-%dT%H:%M:%S) old=$(date -d '2 hours ago' +%Y-%m-%dT%H:%M:%S)
slurm 24
drain
status 1 "--drain leaves the verdict"
is "$(cat told)" "update|nodename=gpu0003|state=drain|reason=disagg-probe: gpu.health gpu 1: row remap failed|" \
	"one node is drained, by its argv"
has err "drained gpu0003" "and it is told"
slurm 24 "/gpu0003/s/IDLE/IDLE+DRAIN/;/gpu0003/s/\$/ Reason=fan [root@$now]/"
drain
report "$([ ! -e told ] && echo 1)" "another's reason is left as it is"
has err "gpu0003 is left as it is: IDLE+DRAIN, fan [root@" "and told"
slurm 24 "/gpu0003/s/\$/ Reason=watch it [root@$now]/"
drain
report "$([ ! -e told ] && echo 1)" "also where the node is up"
slurm 24 "/gpu0009/s/\$/ Reason=disagg-probe: x [root@$now]/"
drain
report "$([ ! -e told ] && echo 1)" "one an hour of 24"
has err "ALARM: 1 nodes to drain and 1 drained in the last hour, more than 1 of 24" "more is an alarm"
slurm 24 "/gpu0009/s/\$/ Reason=disagg-probe: x [root@$old]/"
drain
report "$([ -e told ] && echo 1)" "what is two hours ago does not count"
slurm 100 "/gpu0009/s/\$/ Reason=disagg-probe: x [root@$now]/"
drain
report "$([ -e told ] && echo 1)" "two an hour of 100"
slurm 24
PATH=$dir/bin:$PATH run "$report" --drain bad.jsonl
report "$([ ! -e told ] && echo 1)" "five at once of 24: none"
has err "a common cause is suspected, and none is drained" "but an alarm"
PATH=$dir/bin:$PATH run "$report" --drain good.jsonl
report "$([ ! -e told ] && echo 1)" "a good fleet"
PATH=$dir/bin:$PATH run "$report" --drain unknown.jsonl
report "$([ ! -e told ] && echo 1)" "unknown drains nothing"
slurm 24
cp one.jsonl open.jsonl
chmod 666 open.jsonl
PATH=$dir/bin:$PATH run "$report" --drain open.jsonl
report "$([ ! -e told ] && echo 1)" "a file that others may write to drains nothing"
has err "nothing is drained: another user may have written open.jsonl" "and that is told"
# by a pipe: a file on stdin is still that file
# shellcheck disable=SC2002
cat open.jsonl | PATH=$dir/bin:$PATH "$report" --drain - >/dev/null 2>&1
report "$([ -e told ] && echo 1)" "who hands it on vouches for it"
slurm 2
drain
has err "not drained, for Slurm does not know it: gpu0003" "a node that Slurm does not know"
slurm 24
: >broken
drain
status 1 "scontrol that fails"
has err "Unable to contact slurm controller" "is told"
report "$([ ! -e told ] && echo 1)" "and nothing is done"
PATH=/nonexistent run "$report" --drain one.jsonl
has err "no scontrol in PATH" "no scontrol"

done_testing
