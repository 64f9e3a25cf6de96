/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kernlog.h"

#include <string.h>

#define SAME_EVENT_S 60.0
#define MOST_GPUS    64u

struct map {
	char pci[24], uuid[48];
};

struct reader {
	struct disagg_arena *arena;
	struct disagg_kernlog_entry *entry;
	size_t count, left_out;
	struct map gpu[MOST_GPUS];
	size_t gpus;
};

/* "0000:1b:00" and "0000:1b:00.0" are one device. */
static bool same_device(const char *a, const char *b)
{
	size_t x = strcspn(a, "."), y = strcspn(b, ".");

	return x == y && memcmp(a, b, x) == 0;
}

static void learn(struct reader *reader, const struct disagg_xid_event *event)
{
	struct map *map = NULL;

	for (size_t i = 0; i < reader->gpus; i++)
		if (same_device(reader->gpu[i].pci, event->pci))
			map = &reader->gpu[i];
	if (!map && reader->gpus < MOST_GPUS)
		map = &reader->gpu[reader->gpus++];
	if (!map)
		return;
	memcpy(map->pci, event->pci, sizeof(map->pci));
	memcpy(map->uuid, event->uuid, sizeof(map->uuid));
}

static const char *uuid_of(const struct reader *reader, const char *pci)
{
	for (size_t i = 0; i < reader->gpus && *pci; i++)
		if (same_device(reader->gpu[i].pci, pci))
			return reader->gpu[i].uuid;
	return NULL;
}

static bool same(const struct disagg_kmsg_finding *a, const struct disagg_kmsg_finding *b)
{
	return a->cls == b->cls && a->event.code == b->event.code &&
	       a->event.kind == b->event.kind && a->event.link == b->event.link &&
	       same_device(a->event.pci, b->event.pci) && a->verdict.drain == b->verdict.drain &&
	       strcmp(a->verdict.action, b->verdict.action) == 0;
}

static void add_process(struct disagg_kernlog_entry *entry, int64_t pid)
{
	if (pid < 0)
		return;
	for (size_t i = 0; i < entry->processes; i++)
		if (entry->pid[i] == pid)
			return;
	if (entry->processes < sizeof(entry->pid) / sizeof(*entry->pid))
		entry->pid[entry->processes++] = pid;
}

static void count(struct disagg_kernlog_entry *entry, const struct disagg_kmsg_record *record,
	const struct disagg_kmsg_finding *finding)
{
	bool apart = !record->has_time || !entry->has_time ||
		     record->time_s - entry->last_s > SAME_EVENT_S;

	entry->records++;
	entry->events += apart;
	if (record->has_time) {
		if (!entry->has_time)
			entry->first_s = record->time_s;
		entry->last_s = record->time_s;
		entry->has_time = true;
	}
	add_process(entry, finding->event.pid);
}

static int add(struct reader *reader, const struct disagg_kmsg_record *record,
	const struct disagg_kmsg_finding *finding)
{
	struct disagg_kernlog_entry *entry = NULL;
	char *line;

	for (size_t i = 0; i < reader->count && !entry; i++)
		if (same(&reader->entry[i].finding, finding))
			entry = &reader->entry[i];
	if (entry) {
		count(entry, record, finding);
		return 0;
	}
	if (reader->count == DISAGG_KERNLOG_MOST) {
		reader->left_out++;
		return 0;
	}
	line = disagg_arena_strndup(
		reader->arena, record->text, record->len < 400 ? record->len : 400);
	if (!line)
		return -1;
	disagg_text_tame(line);
	entry = &reader->entry[reader->count++];
	*entry = (struct disagg_kernlog_entry){.finding = *finding, .line = line};
	count(entry, record, finding);
	return 0;
}

static bool inside(
	const struct disagg_kernlog_window *window, const struct disagg_kmsg_record *record)
{
	if (!record->has_time)
		return true;
	return record->time_s >= window->since_s &&
	       (window->until_s <= 0 || record->time_s <= window->until_s);
}

static bool takes_back(const struct disagg_kernlog_entry *entry)
{
	return entry->finding.event.kind == DISAGG_XID_GPU && entry->has_time &&
	       entry->finding.event.code == DISAGG_XID_RECOVERY_CODE &&
	       entry->finding.event.recovery == 0;
}

static void settle(struct reader *reader)
{
	for (size_t i = 0; i < reader->count; i++) {
		const struct disagg_kernlog_entry *last = &reader->entry[i];

		for (size_t j = 0; takes_back(last) && j < reader->count; j++) {
			struct disagg_kernlog_entry *entry = &reader->entry[j];

			if (entry->finding.event.kind != DISAGG_XID_GPU || entry == last ||
				!same_device(entry->finding.event.pci, last->finding.event.pci) ||
				entry->last_s > last->last_s)
				continue;
			entry->settled = true;
			entry->finding.verdict.drain = DISAGG_DRAIN_NEVER;
			entry->finding.verdict.action = "none";
		}
	}
}

static int read_all(struct reader *reader, struct disagg_kmsg *log,
	const struct disagg_xid_table *table, unsigned driver_major,
	const struct disagg_kernlog_window *window, struct disagg_err *err)
{
	struct disagg_kmsg_record record;
	struct disagg_kmsg_finding finding;
	int got;

	while ((got = disagg_kmsg_next(log, &record, err)) > 0) {
		if (!disagg_kmsg_classify(table, &record, driver_major, &finding))
			continue;
		if (finding.cls == DISAGG_KMSG_MAP)
			learn(reader, &finding.event);
		else if (inside(window, &record) && add(reader, &record, &finding))
			return disagg_err_nomem(err);
	}
	return got;
}

int disagg_kernlog_read(struct disagg_arena *arena, struct disagg_kmsg *log,
	const struct disagg_xid_table *table, unsigned driver_major,
	const struct disagg_kernlog_window *window, struct disagg_kernlog *ret,
	struct disagg_err *err)
{
	struct reader *reader = disagg_arena_alloc(arena, sizeof(*reader));

	if (!reader)
		return disagg_err_nomem(err);
	reader->arena = arena;
	reader->entry = disagg_arena_array(arena, DISAGG_KERNLOG_MOST, sizeof(*reader->entry));
	if (!reader->entry)
		return disagg_err_nomem(err);
	if (read_all(reader, log, table, driver_major, window, err))
		return -1;
	settle(reader);
	for (size_t i = 0; i < reader->count; i++)
		reader->entry[i].uuid = uuid_of(reader, reader->entry[i].finding.event.pci);
	*ret = (struct disagg_kernlog){
		.entry = reader->entry,
		.count = reader->count,
		.left_out = reader->left_out,
		.foreign = log->foreign,
		.lost = log->lost,
	};
	return 0;
}

const struct disagg_kernlog_entry *disagg_kernlog_worst(const struct disagg_kernlog *log)
{
	const struct disagg_kernlog_entry *worst = NULL;

	for (size_t i = 0; i < log->count; i++)
		if (!worst || log->entry[i].finding.verdict.drain > worst->finding.verdict.drain)
			worst = &log->entry[i];
	return worst;
}
