/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/node.h"

#include "lib/probe/fingerprint.h"
#include <string.h>

#define MOST_DIGEST 64u

/* A short text is its own digest, so that a report can show it. */
void disagg_node_fact(struct disagg_probe_run *run, const char *param, const char *text)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	char hex[DISAGG_DIGEST_TEXT];

	if (!text)
		return;
	record.param = param;
	record.digest = text;
	if (strlen(text) > MOST_DIGEST) {
		struct disagg_digest digest;

		disagg_digest_init(&digest);
		disagg_digest_add(&digest, text, strlen(text));
		disagg_digest_text(&digest, hex);
		record.digest = hex;
	}
	run->emit(run, &record);
}

void disagg_node_finding(struct disagg_probe_run *run, const char *param,
	enum disagg_probe_status status, const char *reason, const char *hint)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	if (!reason)
		return;
	record.param = param;
	record.status = status;
	record.reason = reason;
	record.hint = hint;
	run->emit(run, &record);
}
