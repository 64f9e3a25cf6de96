/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema.h"

#include <string.h>

#define MAX_WORD   64u
#define LONG_WORD  10u
#define SHORT_WORD 3u
#define TOO_FAR	   1000u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

static char fold(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c | 0x20);
	return c == '-' ? '_' : c;
}

/* Changes that make one word the other, two neighbours that change places
 * counted as one. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][MAX_WORD + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > MAX_WORD || b_len > MAX_WORD)
		return TOO_FAR;
	for (unsigned j = 0; j <= b_len; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			char x = fold(a[i - 1]), y = fold(b[j - 1]);

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == fold(b[j - 2]) && y == fold(a[i - 2]) &&
				before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
	}
	return row[a_len % 3][b_len];
}

static unsigned allowed(const char *word)
{
	size_t len = strlen(word);

	if (len >= LONG_WORD)
		return 3;
	return len <= SHORT_WORD ? 1 : 2;
}

static void consider(const char *word, const char *name, const char **best, unsigned *least)
{
	unsigned far = distance(word, name);

	if (far < *least) {
		*least = far;
		*best = name;
	}
}

const char *disagg_nearest_key(const struct disagg_table *table, const char *word)
{
	unsigned least = allowed(word) + 1;
	const char *best = NULL;

	for (const struct disagg_row *row = table->row; row->key; row++)
		consider(word, row->key, &best, &least);
	return best;
}

const char *disagg_nearest_name(const char *const *names, const char *word)
{
	unsigned least = allowed(word) + 1;
	const char *best = NULL;

	for (; *names; names++)
		consider(word, *names, &best, &least);
	return best;
}
