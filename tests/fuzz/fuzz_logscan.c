/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/matcher.h"

#include "lib/diag/line.h"
#include "lib/diag/literals.h"
#include "lib/diag/redact.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	const char *bytes;
	size_t len, next; /* the line after the last */
};

static void need(bool good)
{
	if (!good)
		abort();
}

/* A hit is one whole line of the block, and behind the one before it. */
static void on_line(void *context, unsigned signature, size_t at, size_t len)
{
	struct seen *seen = context;
	struct disagg_line line;

	(void)signature;
	need(at >= seen->next && at + len <= seen->len);
	need(at == 0 || seen->bytes[at - 1] == '\n');
	need(at + len == seen->len || seen->bytes[at + len] == '\n');
	need(!memchr(seen->bytes + at, '\n', len));
	seen->next = at + len + 1;
	disagg_line_read(seen->bytes + at, len, 1787392800, &line);
	need(line.rank >= -1 && line.gpu < 64 && memchr(line.node, 0, sizeof(line.node)) &&
		memchr(line.pci, 0, sizeof(line.pci)));
}

/* What is masked keeps its length, and its lines. */
static void check_redact(struct disagg_redactor *redactor, char *bytes, size_t size)
{
	size_t lines = 0, after = 0, cut = size ? (unsigned char)bytes[0] % size : 0, done;

	for (size_t i = 0; i < size; i++)
		lines += bytes[i] == '\n';
	done = disagg_redact(redactor, bytes, cut, false);
	need(done <= cut);
	need(disagg_redact(redactor, bytes + done, size - done, true) == size - done);
	for (size_t i = 0; i < size; i++)
		after += bytes[i] == '\n';
	need(lines == after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct disagg_arena arena;
	static struct disagg_signatures signatures;
	static struct disagg_matcher *matcher;
	static struct disagg_redactor *redactor;
	struct disagg_literals words;
	struct seen seen = {.len = size};
	char *copy = malloc(size + 1);

	if (!matcher)
		need(!disagg_signatures_load(&arena, NULL, &signatures, NULL) &&
			!disagg_matcher_new(&signatures, &matcher, NULL) &&
			!disagg_redactor_new(&redactor, NULL));
	memcpy(copy, data, size);
	copy[size] = '\0';
	seen.bytes = copy;
	need(!disagg_matcher_scan(matcher, copy, size, on_line, &seen, NULL));
	if (disagg_literals_of(copy, &words)) {
		for (unsigned i = 0; i < words.count; i++)
			need(strlen(words.word[i]) >= DISAGG_LITERAL_MIN);
	}
	check_redact(redactor, copy, size);
	free(copy);
	return 0;
}
