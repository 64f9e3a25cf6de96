/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/message.h"
#include <stdint.h>
#include <slurm/spank.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

void disagg_message_error(const struct disagg_err *err)
{
	char line[LINE_BYTES];

	disagg_err_format(err, line, sizeof(line));
	slurm_error("%s", line);
}

void disagg_message_node_error(const struct disagg_err *err)
{
	char line[LINE_BYTES];

	disagg_err_format(err, line, sizeof(line));
	slurm_error("disagg: %s", line);
}

void disagg_message_note(const char *text)
{
	slurm_info("%s", text);
}

static void print_kind(const struct disagg_findings *found, bool errors, unsigned total)
{
	unsigned shown = 0;
	char line[LINE_BYTES];

	for (unsigned i = 0; i < found->count && shown < DISAGG_MAX_ERRORS; i++) {
		if (found->item[i].is_error != errors)
			continue;
		shown++;
		disagg_finding_format(&found->item[i], line, sizeof(line));
		if (errors)
			slurm_error("%s", line);
		else
			slurm_info("%s%s", line, " (warning)");
	}
	if (total > shown && errors)
		slurm_error("and %u more errors", total - shown);
	else if (total > shown)
		slurm_info("and %u more warnings", total - shown);
}

void disagg_message_findings(struct disagg_findings *found)
{
	disagg_findings_sort(found);
	if (found->errors)
		print_kind(found, true, found->errors);
	else
		print_kind(found, false, found->warnings);
}

void disagg_message_print(const char *text)
{
	fputs(text, stdout);
	/* what is said next on stderr stands behind it */
	fflush(stdout);
}
