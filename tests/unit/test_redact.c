/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/redact.h"

#include "tests/unit/tap.h"
#include <stdlib.h>

#define FORTY "abcdefghij0123456789abcdefghij0123456789"

/* `secret` must not be left; "": nothing may change */
static const struct {
	const char *text, *secret;
	enum disagg_secret kind;
} rows[] = {
	{"login with hf_" FORTY " now", FORTY, DISAGG_SECRET_HUGGINGFACE},
	{"key sk-proj-" FORTY, FORTY, DISAGG_SECRET_OPENAI},
	{"id AKIAABCDEFGHIJKLMNOP.", "ABCDEFGHIJKLMNOP", DISAGG_SECRET_AWS},
	{"nvapi-" FORTY, FORTY, DISAGG_SECRET_NVIDIA},
	{"clone with ghp_" FORTY, FORTY, DISAGG_SECRET_GITHUB},
	{"glpat-" FORTY, FORTY, DISAGG_SECRET_GITLAB},
	{"xoxb-123456789012-" FORTY, FORTY, DISAGG_SECRET_SLACK},
	{"jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl",
		DISAGG_SECRET_JWT},
	{"Authorization: Bearer abcdef0123456789", "abcdef0123456789", DISAGG_SECRET_AUTHORIZATION},
	{"authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz", DISAGG_SECRET_AUTHORIZATION},
	{"see http://user:hunter22@host/x", "hunter22", DISAGG_SECRET_URL},
	{"HF_TOKEN=whatever12345 python", "whatever12345", DISAGG_SECRET_VALUE},
	{"{\"api_key\": \"deadbeef99\", 'x': 1}", "deadbeef99", DISAGG_SECRET_VALUE},
	{"--hf-token s3cr3tvalue --port 1", "s3cr3tvalue", DISAGG_SECRET_VALUE},
	{"PERFDB_PSW=topsecret", "topsecret", DISAGG_SECRET_VALUE},
	{"AWS_SECRET_ACCESS_KEY: abc/def+ghi", "abc/def+ghi", DISAGG_SECRET_VALUE},
	{"password = hunter2", "hunter2", DISAGG_SECRET_VALUE},
	{"SLURM_JWT=" FORTY, FORTY, DISAGG_SECRET_VALUE},
	{"#new-token: 16384, token usage: 0.41, max_tokens=None", "", 0},
	{"tokenizer_path='/models/m', tokenizer: fast-one-here", "", 0},
	{"api_key=None token=[REDACTED:value]", "", 0},
	{"http://host:8000/health?x=1 tcp://127.0.0.1:10012", "", 0},
	{"the bearer of this is nobody; task-desk-a-risk-skip-list-of-things", "", 0},
	{"HF_ABCDEFGHIJKLMNOPQRSTUVWXYZ is no token", "", 0},
};

static void check_rows(struct disagg_redactor *redactor)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t before = disagg_redactor_count(redactor, rows[i].kind);
		size_t len = strlen(rows[i].text);
		char text[512];

		memcpy(text, rows[i].text, len + 1);
		is_int((intmax_t)disagg_redact(redactor, text, len, true), (intmax_t)len,
			"all of it is done");
		if (!*rows[i].secret) {
			is_str(text, rows[i].text, "what is no secret stays");
			continue;
		}
		if (!ok(!strstr(text, rows[i].secret) &&
				    disagg_redactor_count(redactor, rows[i].kind) == before + 1,
			    rows[i].text))
			printf("# %s\n", text);
	}
}

/* A text that is fed in every possible two pieces says the same. */
static void check_pieces(struct disagg_redactor *redactor)
{
	static const char text[] =
		"a line\nHF_TOKEN=whatever12345 x\n-----BEGIN RSA PRIVATE "
		"KEY-----\nMIIEabc\nMIIEdef\n-----END RSA PRIVATE KEY-----\nnext\n";
	unsigned leaks = 0, changed = 0;

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		char copy[sizeof(text)];
		size_t done;

		memcpy(copy, text, sizeof(text));
		done = disagg_redact(redactor, copy, cut, false);
		disagg_redact(redactor, copy + done, sizeof(text) - 1 - done, true);
		leaks += strstr(copy, "whatever") || strstr(copy, "MIIE");
		changed += !strstr(copy, "a line\nHF_TOKEN=") || !strstr(copy, "-----\nnext\n") ||
			   strlen(copy) != sizeof(text) - 1;
	}
	is_int(leaks, 0, "no secret is left wherever the text is cut");
	is_int(changed, 0, "and all else is");
}

/* A line without an end, of blocks that have no blank. */
static void check_long(struct disagg_redactor *redactor)
{
	size_t size = 4 * DISAGG_REDACT_BLOCK, done;
	char *text = malloc(size + 1);

	memset(text, 'A', size);
	memcpy(text, "token=", 6);
	text[size] = '\0';
	done = disagg_redact(redactor, text, size / 2, false);
	ok(done >= size / 4, "half of a large block is done at least");
	disagg_redact(redactor, text + done, size - done, true);
	ok(!strstr(text, "AA"), "a secret of 256 KiB in two blocks is masked to its end");
	free(text);
}

static void check_many(struct disagg_redactor *redactor)
{
	size_t size = 256 * 1024, at;
	char *text = malloc(size + 64);

	for (at = 0; at + 16 < size; at += 15)
		memcpy(text + at, "token=abcdefgh ", 15);
	text[at] = '\0';
	disagg_redact(redactor, text, at, true);
	ok(!strstr(text, "abcdefgh"), "more secrets than are looked at together");
	free(text);
}

/* Each word must cost the same, however long what it stands in is: else this takes days. */
static void check_endless(struct disagg_redactor *redactor)
{
	static const char *const words[] = {"secret_", "Bearer", "ask-", "xeyJ", "-----BEGIN ",
		"token=", "secret=None", "://a:"};
	const size_t size = 2u << 20;
	char *text = malloc(size + 16);

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]), at;

		for (at = 0; at + len <= size; at += len)
			memcpy(text + at, words[i], len);
		is_int((intmax_t)disagg_redact(redactor, text, at, true), (intmax_t)at, words[i]);
	}
	free(text);
}

int main(void)
{
	struct disagg_redactor *redactor = NULL;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (!ok(disagg_redactor_new(&redactor, &err) == 0, "a redactor"))
		return tap_done();
	check_rows(redactor);
	check_pieces(redactor);
	check_long(redactor);
	check_many(redactor);
	check_endless(redactor);
	disagg_redactor_free(redactor);
	return tap_done();
}
