/* SPDX-License-Identifier: Apache-2.0 */
/* usage: diagnose_bench FILE...: how fast logs are scanned, in CPU time of one
 * core; and, of the same signatures, PCRE2 alone on a part of it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "lib/base/strbuf.h"
#include "lib/diag/logscan.h"
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUNS	   5
#define PART_BYTES (4u * 1024u * 1024u)

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of one run: CPU seconds, and the bytes and lines that it saw. */
static double scan_once(char **path, unsigned count, uint64_t *ret_bytes, uint64_t *ret_lines)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_signatures signatures;
	struct disagg_scan scan = {.file_count = count};
	double begin = cpu_s();

	scan.file = disagg_arena_array(&arena, count, sizeof(*scan.file));
	for (unsigned i = 0; i < count; i++)
		scan.file[i] = (struct disagg_scan_file){.path = path[i], .name = path[i]};
	if (disagg_signatures_load(&arena, NULL, &signatures, &err) ||
		disagg_scan_logs(&arena, &signatures, &scan, &err)) {
		fprintf(stderr, "diagnose_bench: %s\n", err.text);
		exit(5);
	}
	*ret_bytes = scan.bytes;
	*ret_lines = 0;
	for (unsigned i = 0; i < scan.event_count; i++)
		*ret_lines += scan.event[i].count;
	disagg_arena_release(&arena);
	return cpu_s() - begin;
}

/* All expressions as one, as PCRE2 with its JIT searches them. */
static void scan_pcre(const char *path)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_signatures signatures;
	struct disagg_strbuf all;
	char *bytes = malloc(PART_BYTES);
	FILE *file = fopen(path, "r");
	size_t len = bytes && file ? fread(bytes, 1, PART_BYTES, file) : 0, found = 0;
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_code *code;
	PCRE2_SIZE at = 0;
	double begin;
	int number;

	disagg_strbuf_init(&all, 0);
	if (!len || disagg_signatures_load(&arena, NULL, &signatures, NULL))
		exit(5);
	for (unsigned i = 0; i < signatures.count; i++)
		for (unsigned j = 0; j < signatures.v[i].pattern_count; j++)
			disagg_strbuf_printf(
				&all, "%s(?:%s)", all.len ? "|" : "", signatures.v[i].pattern[j]);
	begin = cpu_s();
	code = pcre2_compile((PCRE2_SPTR)all.text, all.len, PCRE2_CASELESS | PCRE2_MULTILINE,
		&number, &at, NULL);
	if (!code || pcre2_jit_compile(code, PCRE2_JIT_COMPLETE))
		exit(5);
	printf("  %-28s %8.3f s to compile\n", "pcre2 with JIT, alone", cpu_s() - begin);
	begin = cpu_s();
	for (at = 0; pcre2_match(code, (PCRE2_SPTR)bytes, len, at, 0, data, NULL) >= 0; found++) {
		const char *line = memchr(bytes + pcre2_get_ovector_pointer(data)[1], '\n',
			len - pcre2_get_ovector_pointer(data)[1]);

		if (!line)
			break;
		at = (size_t)(line - bytes);
	}
	printf("  %-28s %8.4f GB/s of a core (the first %.0f MB; %zu lines)\n",
		"pcre2 with JIT, alone", (double)len / 1e9 / (cpu_s() - begin), (double)len / 1e6,
		found);
	pcre2_code_free(code);
	pcre2_match_data_free(data);
	disagg_strbuf_release(&all);
	disagg_arena_release(&arena);
	free(bytes);
	fclose(file);
}

int main(int argc, char **argv)
{
	double took[RUNS];
	uint64_t bytes = 0, lines = 0;

	if (argc < 2)
		return 2;
	for (int i = 0; i < RUNS; i++)
		took[i] = scan_once(argv + 1, (unsigned)argc - 1, &bytes, &lines);
	qsort(took, RUNS, sizeof(*took), by_value);
	printf("  %-28s %8.4f GB/s of a core (%.4f to %.4f; %.0f MB; %llu lines)\n",
		"disagg-diagnose", (double)bytes / 1e9 / took[RUNS / 2],
		(double)bytes / 1e9 / took[RUNS - 1], (double)bytes / 1e9 / took[0],
		(double)bytes / 1e6, (unsigned long long)lines);
	scan_pcre(argv[1]);
	return 0;
}
