/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/xid_table.h"

#include <string.h>

/* Bits MSB first; '-': any. */
static bool fits(const char *pattern, uint32_t word)
{
	if (strlen(pattern) != 32)
		return false;
	for (unsigned i = 0; i < 32; i++) {
		char bit = word >> (31 - i) & 1 ? '1' : '0';

		if (pattern[i] != '-' && pattern[i] != bit)
			return false;
	}
	return true;
}

/* One of the units that a '/' parts is the same on both sides. */
static bool same_unit(const char *rule, const char *line)
{
	for (const char *part = rule; part;) {
		size_t len = strcspn(part, "/");
		const char *at = line;

		while (*at) {
			size_t have = strcspn(at, "/");

			if (have == len && memcmp(at, part, len) == 0)
				return true;
			at += have + (at[have] == '/');
		}
		part = part[len] ? part + len + 1 : NULL;
	}
	return false;
}

static const struct disagg_xid_rule *find_rule(const struct disagg_xid_table *table,
	const struct disagg_xid_event *event, unsigned driver_major)
{
	const struct disagg_xid_rule *any = NULL;

	for (size_t i = 0; i < table->rule_count; i++) {
		const struct disagg_xid_rule *rule = &table->rule[i];
		bool old = driver_major < 575, both = driver_major == 0;

		if (rule->xid != event->code || !same_unit(rule->unit, event->unit) ||
			!(((both || old) && fits(rule->v1, event->intrinfo)) ||
				((both || !old) && fits(rule->v2, event->intrinfo))))
			continue;
		if (rule->status == event->status)
			return rule;
		if (rule->status == 0 && !any)
			any = rule;
	}
	return any;
}

static void set(struct disagg_xid_verdict *verdict, enum disagg_drain drain, const char *action,
	const char *by)
{
	verdict->drain = drain;
	verdict->action = action;
	verdict->by = by;
}

/* The catalog leaves XID_154_EVAL to the Xid 154 that follows; where none does,
 * the event alone is worth a look on repeats. */
static void decode(const struct disagg_xid_table *table, const struct disagg_xid_event *event,
	unsigned driver_major, struct disagg_xid_verdict *verdict)
{
	const struct disagg_xid_rule *rule =
		event->has_nvlink5 ? find_rule(table, event, driver_major) : NULL;

	if (!rule) {
		set(verdict, DISAGG_DRAIN_AFTER_JOB, "inspect", "table");
		return;
	}
	verdict->note = rule->investigate;
	if (strcmp(rule->resolution, "RESET_GPU") == 0)
		set(verdict, DISAGG_DRAIN_AFTER_JOB, "reset_gpu", "nvlink5");
	else if (strcmp(rule->resolution, "IGNORE") == 0)
		set(verdict, DISAGG_DRAIN_NEVER, "none", "nvlink5");
	else
		set(verdict, DISAGG_DRAIN_AFTER_REPEAT, "inspect", "nvlink5");
}

static struct disagg_xid_verdict from_row(const struct disagg_xid_row *row)
{
	return (struct disagg_xid_verdict){
		.drain = row->drain,
		.attribution = row->attribution,
		.cls = row->cls,
		.impact = row->impact,
		.action = row->action,
		.text = row->text,
		.note = row->note,
		.by = row->site ? "site" : "table",
	};
}

static struct disagg_xid_verdict unknown(void)
{
	return (struct disagg_xid_verdict){
		.drain = DISAGG_DRAIN_AFTER_REPEAT,
		.attribution = DISAGG_BLAME_AMBIGUOUS,
		.cls = "unknown",
		.impact = "maybe",
		.action = "inspect",
		.text = "a code that is in no table",
		.by = "unknown",
	};
}

static void follow(const struct disagg_xid_table *table, const struct disagg_xid_event *event,
	struct disagg_xid_verdict *verdict)
{
	const struct disagg_xid_recovery *recovery;

	if (event->recovery < 0) { /* a text that is not the driver's of today */
		set(verdict, DISAGG_DRAIN_AFTER_REPEAT, "inspect", "table");
		return;
	}
	recovery = disagg_xid_recover(table, event->recovery, event->recovery_text);
	set(verdict, recovery->drain, recovery->action, "recovery action");
	if (recovery->drain == DISAGG_DRAIN_NEVER)
		return;
	verdict->text = recovery->text;
	verdict->attribution = DISAGG_BLAME_INFRA;
}

static struct disagg_xid_verdict judge_switch(
	const struct disagg_xid_table *table, const struct disagg_xid_event *event)
{
	const struct disagg_xid_row *row = disagg_sxid_find(table, event->code);
	struct disagg_xid_verdict verdict = row ? from_row(row) : unknown();

	if ((row && row->site) || !event->has_fatal)
		return verdict;
	if (!event->fatal) {
		set(&verdict, DISAGG_DRAIN_NEVER, "none", verdict.by);
		verdict.impact = "none";
		verdict.attribution = DISAGG_BLAME_NONE;
	} else if (verdict.drain < DISAGG_DRAIN_AFTER_JOB) {
		set(&verdict, DISAGG_DRAIN_AFTER_JOB, "reset_gpu", verdict.by);
		verdict.impact = "kills";
		verdict.attribution = DISAGG_BLAME_INFRA;
	}
	return verdict;
}

struct disagg_xid_verdict disagg_xid_judge(const struct disagg_xid_table *table,
	const struct disagg_xid_event *event, unsigned driver_major)
{
	const struct disagg_xid_row *row;
	struct disagg_xid_verdict verdict;

	if (event->kind == DISAGG_XID_SWITCH)
		return judge_switch(table, event);
	if (event->kind == DISAGG_XID_NONE || event->kind == DISAGG_XID_MAP)
		return (struct disagg_xid_verdict){.cls = "info",
			.impact = "none",
			.action = "none",
			.text = "",
			.by = "table"};
	row = disagg_xid_find(table, event->code);
	verdict = row ? from_row(row) : unknown();
	if (verdict.drain == DISAGG_DRAIN_FOLLOW)
		follow(table, event, &verdict);
	else if (verdict.drain == DISAGG_DRAIN_DECODE)
		decode(table, event, driver_major, &verdict);
	return verdict;
}
