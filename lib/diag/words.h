/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_WORDS_H
#define DISAGG_DIAG_WORDS_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * A search for many words at once, upper and lower case the same.  The only
 * user of hyperscan (on machines other than x86: of vectorscan, its twin).
 */
struct disagg_words;

/* The words are copied.  DISAGG_SYSTEM where hyperscan refuses: no memory, or a
 * processor without SSSE3. */
int disagg_words_new(
	struct disagg_words **ret, const char *const *word, unsigned count, struct disagg_err *err);
void disagg_words_free(struct disagg_words *words);

/* A word ends before bytes[end]; nearly, but not always, in order of `end`.
 * True: go on. */
typedef bool disagg_words_hit(void *context, unsigned word, size_t end);

/* At most 1 GiB.  Stopped by `hit` is fine too. */
int disagg_words_scan(struct disagg_words *words, const char *bytes, size_t len,
	disagg_words_hit *hit, void *context, struct disagg_err *err);

/* "5.4.0" */
const char *disagg_words_version(void);

#endif
