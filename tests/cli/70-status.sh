#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# disagg-status shows words of logs on terminals that others see: no secret is in them.
set -u
status=$BUILD/bin/disagg-status
dir=$(mktemp -d "${TMPDIR:-/tmp}/disagg-status.XXXXXX") || exit 5
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 5
count=0 failed=0

ok() { # STATUS NAME [WHY]
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $2"
	printf '%s\n' "${3:-}" | head -n 30 | sed 's/^/#   /'
}

shows() { # PART NAME
	grep -qF -- "$1" out
	ok $? "$2" "$(cat out)"
}

hides() { # PART NAME
	! grep -qF -- "$1" out
	ok $? "$2" "$(cat out)"
}

mkdir disagg-7
worker='"role":"decode","index":0,"engine":"command","node":0,"host":"n1"'
echo '{"schema":"disagg.state/1","job":"7","name":"demo","phase":"done","updated":1795731610.5,
	"verdict":{"code":7,"text":"decode_0 has ended: login with hf_verdictverdictverdictverdictverdict failed",
	"worker":"decode_0","at":1795731610.5},
	"warnings":["fetched http://me:hunter2horse@host/model twice"],
	"workers":[{"name":"decode_0",'"$worker"',"state":"failed","log":"'"$dir"'/disagg-7/decode_0.log",
	"how":"exit status 1: --api-key remarkremark123 refused"}]}' |
	tr -d '\n\t' >disagg-7/state.json
{
	echo '-----BEGIN RSA PRIVATE KEY-----'
	for i in {1..20}; do
		echo "MIIEowIBAAKCAQEAkeykeykey$i"
	done
	echo '-----END RSA PRIVATE KEY-----'
	echo 'HF_TOKEN=tailtailtail12345 python server.py'
	echo 'Authorization: Bearer bearerbearer0123456789'
	echo 'RuntimeError: no model'
} >disagg-7/decode_0.log

"$status" disagg-7 >out 2>err
ok $? "a run is shown" "$(cat err)"
shows "verdict 7: decode_0 has ended: login with [REDACTED:huggingface]" "a token in the verdict is masked"
hides verdictverdict "and does not show"
hides hunter2horse "a password in a warning neither"
hides remarkremark "nor a key in a remark"
shows "RuntimeError: no model" "the end of the log is there"
shows "HF_TOKEN=[REDACTED:" "a token in it is masked"
hides tailtailtail "and does not show"
hides bearerbearer "nor does an authorisation"
hides keykeykey "nor a private key that begins before the lines that are shown"
grep -q tailtailtail disagg-7/decode_0.log
ok $? "the log is as it was"
"$status" --format=json disagg-7 >out 2>err
cmp -s out disagg-7/state.json
ok $? "--format=json is state.json as it is"
echo "1..$count"
[ "$failed" -eq 0 ]
