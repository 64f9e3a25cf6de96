/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/diag/kmsg.h"
#include <stdio.h>
#include <time.h>

#define MOST_LINES 10000u

static void print_record(const struct disagg_kmsg_record *record, const char *class_name)
{
	time_t at = (time_t)record->time_s;
	char when[40] = "-";
	struct tm tm;

	if (record->has_time && gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s %-6s ", when, class_name);
	for (size_t i = 0; i < record->len; i++) {
		unsigned char c = (unsigned char)record->text[i];

		putchar(c < ' ' || c == 0x7f ? '?' : c);
	}
	putchar('\n');
}

int pack_kernel_lines(int64_t since_s, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_kmsg *log = disagg_arena_alloc(&arena, sizeof(*log));
	struct disagg_kmsg_record record;
	struct disagg_kmsg_finding finding;
	unsigned lines = 0;
	int rc;

	if (!log)
		return disagg_err_nomem(err);
	rc = disagg_kmsg_open(log, &arena, NULL, err);
	if (rc != 0) {
		printf("(the kernel log is not here: %s)\n", err->text);
		disagg_arena_release(&arena);
		return 0;
	}
	while (lines < MOST_LINES && (rc = disagg_kmsg_next(log, &record, err)) == 1) {
		if (!disagg_kmsg_classify(NULL, &record, 0, &finding) ||
			(record.has_time && record.time_s < (double)since_s))
			continue;
		print_record(&record, disagg_kmsg_class_name(finding.cls));
		lines++;
	}
	if (log->lost)
		printf("(the kernel log has lost records)\n");
	disagg_kmsg_close(log);
	disagg_arena_release(&arena);
	return rc < 0 ? -1 : 0;
}
