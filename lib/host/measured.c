/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/measured.h"
#include "lib/base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK	    65536
#define MOST_MISSED 0.01

void disagg_measured_begin(struct disagg_measured_scan *scan)
{
	memset(scan, 0, sizeof(*scan));
	scan->seen = (struct disagg_measured){-1, -1, -1};
}

/* "key" and the number behind it, at the outermost level. */
static void take(struct disagg_measured_scan *scan)
{
	const struct {
		const char *key;
		double *to;
	} known[] = {
		{"completed", &scan->seen.completed},
		{"total_output_tokens", &scan->seen.output_tokens},
		{"total_output", &scan->seen.output_tokens},
		{"num_prompts", &scan->seen.prompts},
	};
	double number;

	scan->word[scan->len < sizeof(scan->word) ? scan->len : sizeof(scan->word) - 1] = '\0';
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(scan->key, known[i].key) == 0 &&
			disagg_num_real(scan->word, &number) == 0)
			*known[i].to = number;
	}
	scan->is_value = false;
	scan->len = 0;
}

static void keep(struct disagg_measured_scan *scan, char c)
{
	if (scan->depth == 1 && scan->len + 1 < sizeof(scan->word))
		scan->word[scan->len++] = c;
}

static void in_text(struct disagg_measured_scan *scan, char c)
{
	if (scan->escaped)
		scan->escaped = false;
	else if (c == '\\')
		scan->escaped = true;
	else if (c == '"')
		scan->in_text = false;
	else
		keep(scan, c);
}

static void open_one(struct disagg_measured_scan *scan, char c)
{
	if (scan->depth == 0) {
		scan->broken |= c != '{';
		scan->seen = (struct disagg_measured){-1, -1, -1};
		scan->objects++;
		scan->is_value = false;
		scan->len = 0;
	}
	scan->depth++;
}

static void close_one(struct disagg_measured_scan *scan)
{
	if (scan->depth == 1 && scan->is_value)
		take(scan);
	if (!scan->depth)
		scan->broken = true;
	else
		scan->depth--;
}

static void one_byte(struct disagg_measured_scan *scan, char c)
{
	switch (c) {
	case '"':
		scan->in_text = true;
		if (scan->depth == 1 && !scan->is_value)
			scan->len = 0;
		return;
	case '{':
	case '[':
		open_one(scan, c);
		return;
	case '}':
	case ']':
		close_one(scan);
		return;
	case ':':
		if (scan->depth != 1)
			return;
		memcpy(scan->key, scan->word, scan->len);
		scan->key[scan->len] = '\0';
		scan->is_value = true;
		scan->len = 0;
		return;
	case ',':
		if (scan->depth == 1)
			take(scan);
		return;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return;
	default:
		scan->broken |= scan->depth == 0;
		if (scan->is_value)
			keep(scan, c);
	}
}

void disagg_measured_feed(struct disagg_measured_scan *scan, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len && !scan->broken; i++) {
		if (scan->in_text)
			in_text(scan, bytes[i]);
		else
			one_byte(scan, bytes[i]);
	}
}

bool disagg_measured_end(struct disagg_measured_scan *scan, struct disagg_measured *ret)
{
	if (scan->broken || scan->depth || scan->in_text || !scan->objects)
		return false;
	*ret = scan->seen;
	return true;
}

/* -1 with errno. */
static int feed_file(int fd, struct disagg_measured_scan *scan)
{
	char block[BLOCK];
	ssize_t got;

	do {
		got = read(fd, block, sizeof(block));
		if (got > 0)
			disagg_measured_feed(scan, block, (size_t)got);
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? -1 : 0;
}

int disagg_measured_read(const char *path, struct disagg_measured *ret, struct disagg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct disagg_measured_scan scan;
	int rc;

	if (fd < 0)
		return disagg_err_sys(err, "cannot open '%s'", path);
	disagg_measured_begin(&scan);
	rc = feed_file(fd, &scan);
	if (rc)
		disagg_err_sys(err, "cannot read '%s'", path);
	close(fd);
	if (rc)
		return -1;
	if (!disagg_measured_end(&scan, ret))
		return disagg_err_set(
			err, DISAGG_INVALID, "'%s' is no JSON object, or is cut off", path);
	return 0;
}

const char *disagg_measured_problem(const struct disagg_measured *measured, char *text, size_t size)
{
	if (measured->completed == 0)
		return "no request completed";
	if (measured->output_tokens == 0)
		return "no token came";
	if (measured->completed < 0 || measured->prompts <= 0 ||
		measured->completed >= measured->prompts * (1 - MOST_MISSED))
		return NULL;
	snprintf(text, size, "%.0f of %.0f requests completed", measured->completed,
		measured->prompts);
	return text;
}
