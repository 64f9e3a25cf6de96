/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run-outcome.h"
#include "lib/probe/probe.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES   (64u * 1024u)
#define MOST_REASONS 8u /* in one line */

struct host_of {
	const char *name;
	unsigned index;
};

struct reader {
	struct disagg_arena *arena;   /* for what is returned */
	struct disagg_arena *scratch; /* for one line */
	struct host_of *by_name;      /* sorted */
	unsigned count;
	struct run_outcome *outcome;
};

/* How much one status says against another. */
static const unsigned char weight[] = {
	[DISAGG_PROBE_SKIP] = 0,
	[DISAGG_PROBE_PASS] = 1,
	[DISAGG_PROBE_WARN] = 2,
	[DISAGG_PROBE_UNKNOWN] = 3,
	[DISAGG_PROBE_FAIL] = 4,
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct host_of *)a)->name, ((const struct host_of *)b)->name);
}

static const char *words_of(struct disagg_arena *arena, const struct disagg_probe_record *record)
{
	char gpu[32] = "", value[64] = "";

	if (record->gpu >= 0)
		snprintf(gpu, sizeof(gpu), ", GPU %d", record->gpu);
	if (record->has_value)
		snprintf(value, sizeof(value), ": %.6g %s", record->value,
			record->unit ? record->unit : "");
	return disagg_arena_printf(arena, "%s%s%s%s%s%s%s", record->probe, record->param ? " " : "",
		record->param ? record->param : "", gpu, value, record->reason ? ": " : "",
		record->reason ? record->reason : "");
}

/* The probe's bit; 0 where there are too many, or no memory. */
static uint64_t bit_of(struct reader *reader, const char *probe)
{
	struct run_outcome *outcome = reader->outcome;
	const unsigned most = sizeof(outcome->probe) / sizeof(outcome->probe[0]);
	unsigned i = 0;

	while (i < outcome->probe_count && strcmp(outcome->probe[i], probe) != 0)
		i++;
	if (i == most)
		return 0;
	if (i == outcome->probe_count) {
		outcome->probe[i] = disagg_arena_strdup(reader->arena, probe);
		if (!outcome->probe[i])
			return 0;
		outcome->probe_count++;
	}
	return UINT64_C(1) << i;
}

static int note_gpus(struct reader *reader, struct run_outcome_host *host,
	const struct disagg_probe_record *record)
{
	const struct disagg_probe *probe = disagg_probe_find(record->probe);

	if (record->status != DISAGG_PROBE_SKIP) {
		/* gpu.health looks at what others use, too */
		host->gpus_measured += record->gpu >= 0 && !(probe && probe->only_looks);
		return 0;
	}
	if (!probe || !probe->needs_gpu || host->gpus_skipped)
		return 0;
	host->gpus_skipped = words_of(reader->arena, record);
	return host->gpus_skipped ? 0 : -1;
}

static int take_record(struct reader *reader, const struct disagg_probe_record *record)
{
	const struct host_of key = {.name = record->node ? record->node : ""};
	const struct host_of *found =
		bsearch(&key, reader->by_name, reader->count, sizeof(*reader->by_name), by_name);
	struct run_outcome_host *host;
	bool first;

	if (!found)
		return 0;
	host = &reader->outcome->host[found->index];
	first = !host->records++;
	host->probes |= bit_of(reader, record->probe);
	if (note_gpus(reader, host, record))
		return -1;
	reader->outcome->records++;
	if (!first && weight[record->status] <= weight[host->status])
		return 0;
	host->status = record->status;
	if (weight[record->status] < weight[DISAGG_PROBE_WARN])
		return 0;
	host->why = words_of(reader->arena, record);
	return host->why ? 0 : -1;
}

/* A line that is no record, or was cut when the disk was full, says nothing.  Those
 * of a report are a list's elements. */
static int take_line(struct reader *reader, const char *line, size_t len)
{
	struct disagg_probe_record record;
	int rc = 0;

	if (len > 1 && line[len - 1] == '\n' && line[len - 2] == ',')
		len -= 2;
	if (disagg_probe_record_read(reader->scratch, line, len, &record, NULL) == 0)
		rc = take_record(reader, &record);
	disagg_arena_release(reader->scratch);
	return rc;
}

static int read_file(struct reader *reader, const char *path, struct disagg_err *err)
{
	FILE *file = fopen(path, "re");
	char *line = malloc(LINE_BYTES);
	int rc = 0;

	if (!file)
		rc = disagg_err_sys(err, "cannot read the records '%s'", path);
	else if (!line)
		rc = disagg_err_nomem(err);
	while (rc == 0 && fgets(line, LINE_BYTES, file)) {
		if (take_line(reader, line, strlen(line)))
			rc = disagg_err_nomem(err);
	}
	if (rc == 0 && ferror(file))
		rc = disagg_err_sys(err, "cannot read the records '%s'", path);
	free(line);
	if (file)
		fclose(file);
	return rc;
}

static bool is_records(const char *name)
{
	static const char end[] = ".jsonl";
	size_t len = strlen(name);

	return name[0] != '.' && len > sizeof(end) - 1 &&
	       strcmp(name + len - (sizeof(end) - 1), end) == 0;
}

/* 1: there is none. */
static int read_report(struct reader *reader, const char *dir, struct disagg_err *err)
{
	const char *path = disagg_arena_printf(reader->arena, "%s/report.json", dir);

	if (!path)
		return disagg_err_nomem(err);
	if (access(path, F_OK))
		return 1;
	reader->outcome->reported = true;
	return read_file(reader, path, err);
}

static int read_folder(struct reader *reader, const char *dir, struct disagg_err *err)
{
	DIR *folder = opendir(dir);
	const struct dirent *entry;
	int rc = 0;

	if (!folder && errno == ENOENT)
		return 0;
	if (!folder)
		return disagg_err_sys(err, "cannot read the records in '%s'", dir);
	while (rc == 0 && (entry = readdir(folder))) {
		const char *path = NULL;

		if (!is_records(entry->d_name))
			continue;
		path = disagg_arena_printf(reader->arena, "%s/%s", dir, entry->d_name);
		rc = path ? read_file(reader, path, err) : disagg_err_nomem(err);
	}
	closedir(folder);
	return rc;
}

static void count(const struct disagg_hostlist *hosts, struct run_outcome *outcome)
{
	memset(outcome->count, 0, sizeof(outcome->count));
	for (unsigned i = 0; i < hosts->count; i++)
		outcome->count[outcome->host[i].status]++;
}

int run_outcome_read(struct disagg_arena *arena, const char *dir,
	const struct disagg_hostlist *hosts, struct run_outcome *ret, struct disagg_err *err)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct run_outcome outcome = {
		.host = disagg_arena_array(arena, hosts->count + 1u, sizeof(*outcome.host))};
	struct reader reader = {.arena = arena,
		.scratch = &scratch,
		.by_name = disagg_arena_array(arena, hosts->count + 1u, sizeof(*reader.by_name)),
		.count = hosts->count,
		.outcome = &outcome};
	int rc;

	if (!outcome.host || !reader.by_name)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < hosts->count; i++) {
		outcome.host[i] = (struct run_outcome_host){
			.status = DISAGG_PROBE_UNKNOWN, .why = "it has no record"};
		reader.by_name[i] = (struct host_of){hosts->name[i], i};
	}
	qsort(reader.by_name, reader.count, sizeof(*reader.by_name), by_name);
	rc = read_report(&reader, dir, err);
	if (rc < 0 || (rc && read_folder(&reader, dir, err)))
		return -1;
	count(hosts, &outcome);
	*ret = outcome;
	return 0;
}

int run_outcome_cut(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	struct run_outcome *outcome)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < hosts->count; i++)
		all |= outcome->host[i].probes;
	for (unsigned i = 0; i < hosts->count; i++) {
		struct run_outcome_host *host = &outcome->host[i];
		unsigned lacks = 0;

		if (host->probes == all || !host->records || host->status == DISAGG_PROBE_FAIL)
			continue;
		while (!((all & ~host->probes) >> lacks & 1))
			lacks++;
		host->status = DISAGG_PROBE_UNKNOWN;
		host->why = disagg_arena_printf(
			arena, "it was not done with %s", outcome->probe[lacks]);
		if (!host->why)
			return -1;
	}
	count(hosts, outcome);
	return 0;
}

int run_outcome_want_gpus(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	struct run_outcome *outcome)
{
	for (unsigned i = 0; i < hosts->count; i++) {
		struct run_outcome_host *host = &outcome->host[i];

		if (!host->gpus_skipped || host->gpus_measured ||
			host->status == DISAGG_PROBE_FAIL || host->status == DISAGG_PROBE_UNKNOWN)
			continue;
		host->status = DISAGG_PROBE_UNKNOWN;
		host->why = disagg_arena_printf(
			arena, "no GPU of it was measured: %s", host->gpus_skipped);
		if (!host->why)
			return -1;
	}
	count(hosts, outcome);
	return 0;
}

/* ---- in words ---- */

static bool is_alike(const struct run_outcome *outcome, unsigned a, unsigned b)
{
	return outcome->host[a].status == outcome->host[b].status &&
	       strcmp(outcome->host[a].why, outcome->host[b].why) == 0;
}

/* Those from `first` on that have its reason; 0 where an earlier host has it. */
static size_t gather(const struct disagg_hostlist *hosts, const struct run_outcome *outcome,
	unsigned first, const char **ret)
{
	size_t count = 0;

	for (unsigned i = 0; i < first; i++)
		if (is_alike(outcome, i, first))
			return 0;
	for (unsigned i = first; i < hosts->count; i++)
		if (is_alike(outcome, i, first))
			ret[count++] = hosts->name[i];
	return count;
}

static void put_named(struct disagg_strbuf *out, const struct disagg_hostlist *hosts,
	const struct run_outcome *outcome, enum disagg_probe_status status, const char **name)
{
	unsigned reasons = 0, told = 0;

	for (unsigned i = 0; i < hosts->count && reasons < MOST_REASONS; i++) {
		size_t count =
			outcome->host[i].status == status ? gather(hosts, outcome, i, name) : 0;

		if (!count)
			continue;
		disagg_strbuf_puts(out, reasons++ ? ", " : "");
		disagg_hostlist_fold(out, name, count);
		disagg_strbuf_printf(out, " (%s)", outcome->host[i].why);
		told += (unsigned)count;
	}
	if (told < outcome->count[status])
		disagg_strbuf_printf(out, " and %u more", outcome->count[status] - told);
}

const char *run_outcome_named(struct disagg_arena *arena, const struct disagg_hostlist *hosts,
	const struct run_outcome *outcome, enum disagg_probe_status status)
{
	const char **name = disagg_arena_array(arena, hosts->count, sizeof(*name));
	struct disagg_strbuf out;
	const char *text = NULL;

	disagg_strbuf_init(&out, 64u * 1024u);
	if (name)
		put_named(&out, hosts, outcome, status, name);
	if (name && !out.failed)
		text = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return text ? text : "out of memory";
}
