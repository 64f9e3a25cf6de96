/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/diag/kernowner.h"
#include "lib/topo/gpus.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MOST_LINES 10000u

struct reader {
	const struct pack_kernel *how;
	struct disagg_arena arena;
	struct disagg_kmsg log;
	struct disagg_kernowner owner;
	unsigned lines, others;
	char text[DISAGG_KMSG_RECORD_MAX + 1];
};

static void print_record(
	const struct disagg_kmsg_record *record, const char *class_name, const char *text)
{
	time_t at = (time_t)record->time_s;
	char when[40] = "-";
	struct tm tm;

	if (record->has_time && gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s %-6s ", when, class_name);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		putchar(c < ' ' || c == 0x7f ? '?' : c);
	}
	putchar('\n');
}

/* Of a log that was saved elsewhere no process is looked for on this node. */
static void read_owner(struct reader *reader)
{
	const struct pack_kernel *how = reader->how;
	struct disagg_kernowner *owner = &reader->owner;
	struct disagg_gpus gpus;
	const char **pci;

	*owner = (struct disagg_kernowner){
		.uid = how->uid, .job = how->job, .proc = how->path ? NULL : "/proc"};
	if (how->uid >= 0 && how->gpus && disagg_gpus_read(&reader->arena, "", &gpus, NULL) == 0 &&
		disagg_gpus_visible(
			&reader->arena, &gpus, how->gpus, &pci, &owner->pci_count, NULL) == 0)
		owner->pci = pci;
	else
		owner->pci_count = 0;
}

static int read_log(struct reader *reader, struct disagg_err *err)
{
	struct disagg_kmsg_record record;
	struct disagg_kmsg_finding finding;
	int rc = 0;

	while (reader->lines < MOST_LINES &&
		(rc = disagg_kmsg_next(&reader->log, &record, err)) == 1) {
		if (!disagg_kmsg_classify(NULL, &record, 0, &finding) ||
			(record.has_time && record.time_s < (double)reader->how->since_s))
			continue;
		memcpy(reader->text, record.text, record.len);
		reader->text[record.len] = '\0';
		if (!disagg_kernowner_mask(&reader->owner, &finding, reader->text)) {
			reader->others++;
			continue;
		}
		print_record(&record, disagg_kmsg_class_name(finding.cls), reader->text);
		reader->lines++;
	}
	if (reader->log.lost)
		printf("(the kernel log has lost records)\n");
	if (reader->others)
		printf("(left out, about memory limits of other jobs: %u)\n", reader->others);
	return rc < 0 ? -1 : 0;
}

int pack_kernel_lines(const struct pack_kernel *how, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct reader *reader = disagg_arena_alloc(&arena, sizeof(*reader));
	int rc;

	if (!reader)
		return disagg_err_nomem(err);
	*reader = (struct reader){.how = how};
	rc = disagg_kmsg_open(&reader->log, &reader->arena, how->path, err);
	if (rc != 0 && !how->path) {
		printf("(the kernel log is not here: %s)\n", err->text);
		rc = 0;
	} else if (rc == 0) {
		read_owner(reader);
		rc = read_log(reader, err);
		disagg_kmsg_close(&reader->log);
	}
	disagg_arena_release(&reader->arena);
	disagg_arena_release(&arena);
	return rc;
}
