/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_REDACT_H
#define DISAGG_DIAG_REDACT_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Masks what looks like a secret in text that is handed on: "[REDACTED:kind]",
 * filled up with '*' (or '*' alone where there is no room), takes its place,
 * byte for byte, so that a text keeps its length.  Each kind is counted.
 *
 * What is looked for: tokens by their form (Hugging Face, OpenAI and those like
 * it, AWS, NVIDIA's NGC, GitHub, GitLab, Slack, JSON web tokens), bearer and
 * basic authorisation, passwords in URLs, PEM private keys, and the values of
 * names that say so (HF_TOKEN=..., --api-key ..., "password": "...").
 */
enum disagg_secret {
	DISAGG_SECRET_HUGGINGFACE,
	DISAGG_SECRET_OPENAI,
	DISAGG_SECRET_AWS,
	DISAGG_SECRET_NVIDIA,
	DISAGG_SECRET_GITHUB,
	DISAGG_SECRET_GITLAB,
	DISAGG_SECRET_SLACK,
	DISAGG_SECRET_JWT,
	DISAGG_SECRET_AUTHORIZATION,
	DISAGG_SECRET_URL,
	DISAGG_SECRET_PRIVATE_KEY,
	DISAGG_SECRET_VALUE, /* of a name that says so */
	DISAGG_SECRET_COUNT,
};
/* "huggingface", ... ; ends with NULL */
extern const char *const disagg_secret_names[DISAGG_SECRET_COUNT + 1];

struct disagg_redactor;

int disagg_redactor_new(struct disagg_redactor **ret, struct disagg_err *err);
void disagg_redactor_free(struct disagg_redactor *redactor);

/*
 * Masks in place.  Returns how many of the bytes are done: the rest, which may
 * be the beginning of a secret, come again in front of what follows.  Of a block
 * of DISAGG_REDACT_BLOCK bytes or more at least half is done.  `last`: there is
 * no more, and all are done; the redactor is then ready for another text.
 * A secret that spans two calls is masked all the same.  Where the search itself
 * fails, all of the block is masked.
 */
#define DISAGG_REDACT_BLOCK (64u * 1024u)
size_t disagg_redact(struct disagg_redactor *redactor, char *bytes, size_t len, bool last);

/* Since it was made. */
uint64_t disagg_redactor_count(const struct disagg_redactor *redactor, enum disagg_secret kind);

#endif
