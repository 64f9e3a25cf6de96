/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/base/num.h"
#include <stdlib.h>
#include <string.h>

/* Cuts "@ATTEMPT" and ".RANK"; "prefill:0" and "prefill[0]" become "prefill_0". */
static void make_plain(char *name)
{
	char *point;
	int64_t rank;

	name[strcspn(name, "@")] = '\0';
	point = strrchr(name, '.');
	if (point && disagg_num_int(point + 1, 0, INT32_MAX, &rank) == 0)
		*point = '\0';
	for (char *c = name; *c; c++) {
		if (*c == ':' || *c == '[')
			*c = '_';
		else if (*c == ']')
			*c = '\0';
	}
}

static bool is_known(const struct run *run, const char *name)
{
	if (strcmp(name, "*") == 0)
		return true;
	for (unsigned i = 0; i < run->unit_count; i++) {
		if (strcmp(run->unit[i].shown.name, name) == 0)
			return true;
	}
	return false;
}

/* What does not read as NAME=FAULT is the stand-ins' to refuse. */
void run_check_faults(struct run *run)
{
	const char *text = run->in.plan->rehearse ? getenv("DISAGG_SIM_FAULT") : NULL;
	char name[256];

	while (text && *text) {
		size_t entry = strcspn(text, ";"), len = strcspn(text, "=;");

		if (len && len < entry && len < sizeof(name)) {
			memcpy(name, text, len);
			name[len] = '\0';
			make_plain(name);
			if (!is_known(run, name))
				run_warn(run, "DISAGG_SIM_FAULT names '%.*s', which is no worker",
					(int)len, text);
		}
		text += entry + (text[entry] == ';');
	}
}
