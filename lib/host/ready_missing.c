/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready_loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct names {
	char *text;
	size_t size, len;
	unsigned left_out;
};

static void add_name(struct names *names, const char *name, const char *why)
{
	char one[DISAGG_READY_WHY + 256];
	int len = snprintf(one, sizeof(one), "%s%s%s%s%s", names->len ? ", " : "", name,
		why[0] ? " (" : "", why, why[0] ? ")" : "");

	/* there is always room for ", and 4294967295 more" */
	if (len < 0 || names->left_out || names->len + (size_t)len + 24 > names->size) {
		names->left_out++;
		return;
	}
	memcpy(names->text + names->len, one, (size_t)len + 1);
	names->len += (size_t)len;
}

unsigned disagg_ready_list_missing(const struct disagg_ready_loop *loop, char *text, size_t size)
{
	struct names names = {.text = text, .size = size};
	unsigned missing = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < loop->count; i++) {
		const struct disagg_ready_check *check = &loop->check[i];

		if (check->good)
			continue;
		missing++;
		add_name(&names, check->target->name, check->why);
	}
	if (!missing && loop->canary.why[0]) {
		missing++;
		add_name(&names, "a test request through the frontend", loop->canary.why);
	}
	if (names.left_out)
		snprintf(text + names.len, size - names.len, "%sand %u more", names.len ? ", " : "",
			names.left_out);
	return missing;
}

static int64_t late_at(const struct disagg_ready_loop *loop, const struct disagg_ready_check *check)
{
	if (!check->target->timeout_s || check->good_ns != INT64_MIN)
		return DISAGG_READY_NEVER;
	return loop->started_ns + 1000 * DISAGG_READY_MS * check->target->timeout_s;
}

int disagg_ready_check_late(struct disagg_ready_loop *loop, int64_t now_ns)
{
	char text[400] = "";
	struct names names = {.text = text, .size = sizeof(text)};
	unsigned limit_s = 0, late = 0;

	loop->late_ns = DISAGG_READY_NEVER;
	for (unsigned i = 0; i < loop->count; i++) {
		const struct disagg_ready_check *check = &loop->check[i];
		int64_t late_ns = late_at(loop, check);

		if (late_ns > now_ns) {
			loop->late_ns = late_ns < loop->late_ns ? late_ns : loop->late_ns;
			continue;
		}
		late++;
		if (!limit_s || check->target->timeout_s < limit_s)
			limit_s = check->target->timeout_s;
		add_name(&names, check->target->name, check->why);
	}
	if (!late)
		return 0;
	if (names.left_out)
		snprintf(text + names.len, sizeof(text) - names.len, "%sand %u more",
			names.len ? ", " : "", names.left_out);
	return disagg_err_set(loop->err, DISAGG_TIMEOUT, "not ready after %u s: %u of %u: %s",
		limit_s, late, loop->count, text);
}

void disagg_ready_report(struct disagg_ready_loop *loop, int64_t now_ns)
{
	char names[DISAGG_READY_NAMES], line[DISAGG_READY_NAMES + 128];
	unsigned missing = disagg_ready_list_missing(loop, names, sizeof(names));
	int64_t seconds = (now_ns - loop->started_ns) / (1000 * DISAGG_READY_MS);

	loop->report_ns += (int64_t)(loop->spec->report_s ? loop->spec->report_s : 30) * 1000 *
			   DISAGG_READY_MS;
	if (!loop->spec->progress)
		return;
	if (missing)
		snprintf(line, sizeof(line), "after %" PRId64 " s %u of %u not ready: %s", seconds,
			missing, loop->count, names);
	else
		snprintf(line, sizeof(line),
			"after %" PRId64 " s all %u are ready, held for %u of "
			"%u polls",
			seconds, loop->count, loop->held, loop->polls);
	loop->spec->progress(loop->spec->context, line);
}

int disagg_ready_fail_timeout(struct disagg_ready_loop *loop)
{
	const struct disagg_ready_spec *spec = loop->spec;
	unsigned limit_s = spec->timeout_s ? spec->timeout_s : 1800;
	char names[400];
	unsigned missing = disagg_ready_list_missing(loop, names, sizeof(names));

	if (missing)
		return disagg_err_set(loop->err, DISAGG_TIMEOUT,
			"not ready after %u s: %u of %u missing: %s", limit_s, missing, loop->count,
			names);
	if (loop->held < loop->polls)
		return disagg_err_set(loop->err, DISAGG_TIMEOUT,
			"not ready after %u s: all %u were ready for %u of %u polls", limit_s,
			loop->count, loop->held, loop->polls);
	return disagg_err_set(loop->err, DISAGG_TIMEOUT,
		"not ready after %u s: %u of %u test requests through the frontend came back",
		limit_s, loop->canary.good, spec->canary_count);
}
