/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_REDACT_H
#define DISAGG_DIAG_REDACT_H

#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stddef.h>
#include <stdint.h>

/*
 * Masks what looks like a secret in text that is handed on: "[REDACTED:kind]"
 * takes its place, and each kind is counted.  Bytes go in piece by piece, as
 * long a text as it may be; what comes out is all of it, but for the secrets.
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
 * Appends to `out` what is certain; at most 64 KiB are held back for what may
 * follow.  A line longer than that is cut for the search where no word ends,
 * and a secret that spans the cut is still masked.
 */
int disagg_redactor_feed(struct disagg_redactor *redactor, const char *bytes, size_t len,
	struct disagg_strbuf *out, struct disagg_err *err);
/* What was held back; the redactor is then ready for another text. */
int disagg_redactor_end(
	struct disagg_redactor *redactor, struct disagg_strbuf *out, struct disagg_err *err);

/* Since it was made. */
uint64_t disagg_redactor_count(const struct disagg_redactor *redactor, enum disagg_secret kind);

#endif
