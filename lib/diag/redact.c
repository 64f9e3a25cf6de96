/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/redact.h"

#include "lib/base/arena.h"
#include "lib/diag/words.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX  32u
#define FOUND_MAX 4096u /* words of one piece that are looked at together */
#define PEM_MOST  32u	/* "RSA ", "ENCRYPTED ", before "PRIVATE KEY-----" */
#define NAME_MOST 128u	/* bytes of a name on either side of its word: so no word costs more */

const char *const disagg_secret_names[DISAGG_SECRET_COUNT + 1] = {
	[DISAGG_SECRET_HUGGINGFACE] = "huggingface",
	[DISAGG_SECRET_OPENAI] = "openai",
	[DISAGG_SECRET_AWS] = "aws",
	[DISAGG_SECRET_NVIDIA] = "nvidia",
	[DISAGG_SECRET_GITHUB] = "github",
	[DISAGG_SECRET_GITLAB] = "gitlab",
	[DISAGG_SECRET_SLACK] = "slack",
	[DISAGG_SECRET_JWT] = "jwt",
	[DISAGG_SECRET_AUTHORIZATION] = "authorization",
	[DISAGG_SECRET_URL] = "url",
	[DISAGG_SECRET_PRIVATE_KEY] = "private-key",
	[DISAGG_SECRET_VALUE] = "value",
};

/* ---- the words, and what follows them ---- */

enum set {
	ALNUM = 1,
	DASH = 2,
	UNDER = 4,
	DOT = 8,
	BASE64 = 16,
	UPPER_DIGIT = 32,
	VISIBLE = 64,
	NUMBER = 128,
	QUOTE = 256,
	BACKTICK = 512,
	BLANK = 1024,
	SETS = 11,
};

struct rule {
	const char *word;
	enum disagg_secret kind;
	unsigned set; /* of what the secret is made behind the word */
	unsigned min; /* bytes of it */
	enum {
		TOKEN,	/* the word is the secret's beginning */
		SCHEME, /* "Bearer": blanks, then the secret */
		URL,	/* "://": user, a colon, the secret, '@' */
		PEM,	/* to the END line */
		WHOLE,	/* as NAME, and no letter may follow: "token", not "tokenizer" */
		NAME,	/* of a value: '=', ':' or a blank behind an option, then the secret */
	} form;
};

#define TOKEN_SET (ALNUM | DASH | UNDER)
static const struct rule rules[] = {
	{"hf_", DISAGG_SECRET_HUGGINGFACE, ALNUM, 20, TOKEN},
	{"sk-", DISAGG_SECRET_OPENAI, TOKEN_SET, 20, TOKEN},
	{"AKIA", DISAGG_SECRET_AWS, UPPER_DIGIT, 16, TOKEN},
	{"ASIA", DISAGG_SECRET_AWS, UPPER_DIGIT, 16, TOKEN},
	{"nvapi-", DISAGG_SECRET_NVIDIA, TOKEN_SET, 20, TOKEN},
	{"ghp_", DISAGG_SECRET_GITHUB, ALNUM, 30, TOKEN},
	{"gho_", DISAGG_SECRET_GITHUB, ALNUM, 30, TOKEN},
	{"ghu_", DISAGG_SECRET_GITHUB, ALNUM, 30, TOKEN},
	{"ghs_", DISAGG_SECRET_GITHUB, ALNUM, 30, TOKEN},
	{"ghr_", DISAGG_SECRET_GITHUB, ALNUM, 30, TOKEN},
	{"github_pat_", DISAGG_SECRET_GITHUB, ALNUM | UNDER, 30, TOKEN},
	{"glpat-", DISAGG_SECRET_GITLAB, TOKEN_SET, 16, TOKEN},
	{"xoxb-", DISAGG_SECRET_SLACK, TOKEN_SET, 16, TOKEN},
	{"xoxp-", DISAGG_SECRET_SLACK, TOKEN_SET, 16, TOKEN},
	{"eyJ", DISAGG_SECRET_JWT, TOKEN_SET | DOT, 24, TOKEN},
	{"Bearer", DISAGG_SECRET_AUTHORIZATION, BASE64 | TOKEN_SET | DOT, 8, SCHEME},
	{"Authorization: Basic", DISAGG_SECRET_AUTHORIZATION, BASE64 | TOKEN_SET | DOT, 4, SCHEME},
	{"Authorization: Token", DISAGG_SECRET_AUTHORIZATION, BASE64 | TOKEN_SET | DOT, 4, SCHEME},
	{"://", DISAGG_SECRET_URL, VISIBLE, 1, URL},
	{"-----BEGIN ", DISAGG_SECRET_PRIVATE_KEY, 0, 0, PEM},
	{"token", DISAGG_SECRET_VALUE, VISIBLE, 8, WHOLE},
	{"secret", DISAGG_SECRET_VALUE, VISIBLE, 6, NAME},
	{"passw", DISAGG_SECRET_VALUE, VISIBLE, 4, NAME},
	{"passphrase", DISAGG_SECRET_VALUE, VISIBLE, 4, NAME},
	{"api_key", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
	{"api-key", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
	{"apikey", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
	{"access_key", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
	{"private_key", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
	{"credential", DISAGG_SECRET_VALUE, VISIBLE, 6, NAME},
	{"_psw", DISAGG_SECRET_VALUE, VISIBLE, 4, NAME},
	{"_pwd", DISAGG_SECRET_VALUE, VISIBLE, 4, NAME},
	{"SLURM_JWT", DISAGG_SECRET_VALUE, VISIBLE, 8, NAME},
};
#define RULES ((unsigned)(sizeof(rules) / sizeof(rules[0])))

struct found {
	size_t end;
	unsigned rule;
};

struct disagg_redactor {
	struct disagg_words *words;
	uint64_t count[DISAGG_SECRET_COUNT];
	bool in_pem;	   /* until the END line */
	unsigned open_set; /* a secret that goes on in the next piece; 0: none */
	struct found found[FOUND_MAX];
	unsigned found_count;
	bool unordered;
	size_t done;		/* of the piece, by an earlier word's secret */
	unsigned short in[256]; /* the sets that a byte is in */
};

static bool is_of(enum set set, unsigned char c)
{
	switch (set) {
	case ALNUM:
		return isalnum(c);
	case BASE64:
		return c && strchr("+/=~", c);
	case UPPER_DIGIT:
		return isupper(c) || isdigit(c);
	case VISIBLE:
		return c > ' ' && c != 127 && !strchr("\"'`,;)}]&", c);
	case NUMBER:
		return isdigit(c) || (c && strchr(".%,:", c));
	case QUOTE:
		return c == '"' || c == '\'';
	case BLANK:
		return c == ' ' || c == '\t';
	default:
		return c == (set == DASH ? '-' : set == UNDER ? '_' : set == DOT ? '.' : '`');
	}
}

/* Words such as "token" stand in every line of some logs: what is around one must cost little. */
static void fill_sets(unsigned short in[256])
{
	for (unsigned c = 0; c < 256; c++) {
		for (unsigned set = 0; set < SETS; set++) {
			if (is_of((enum set)(1u << set), (unsigned char)c))
				in[c] |= (unsigned short)(1u << set);
		}
	}
}

int disagg_redactor_new(struct disagg_redactor **ret, struct disagg_err *err)
{
	struct disagg_redactor *redactor = disagg_raw_realloc(NULL, sizeof(*redactor));
	const char *word[RULES];

	if (!redactor)
		return disagg_err_nomem(err);
	memset(redactor, 0, sizeof(*redactor));
	fill_sets(redactor->in);
	for (unsigned i = 0; i < RULES; i++)
		word[i] = rules[i].word;
	if (disagg_words_new(&redactor->words, word, RULES, err)) {
		disagg_redactor_free(redactor);
		return -1;
	}
	*ret = redactor;
	return 0;
}

void disagg_redactor_free(struct disagg_redactor *redactor)
{
	if (!redactor)
		return;
	disagg_words_free(redactor->words);
	free(redactor);
}

uint64_t disagg_redactor_count(const struct disagg_redactor *redactor, enum disagg_secret kind)
{
	return redactor->count[kind];
}

/* ---- where a secret begins and ends ---- */

struct piece {
	char *text;
	size_t len;
	const unsigned short *in; /* the redactor's */
};

static bool is_in(const struct piece *piece, size_t at, unsigned set)
{
	return (piece->in[(unsigned char)piece->text[at]] & set) != 0;
}

static size_t run_most(const struct piece *piece, size_t at, unsigned set, size_t most)
{
	size_t len = 0;

	while (len < most && at + len < piece->len && is_in(piece, at + len, set))
		len++;
	return len;
}

static size_t run_of(const struct piece *piece, size_t at, unsigned set)
{
	return run_most(piece, at, set, piece->len);
}

static size_t skip(const struct piece *piece, size_t at, unsigned set)
{
	return at + run_of(piece, at, set);
}

/* A number, a word of Python, or what is masked already is no secret. */
static bool is_harmless(const struct piece *piece, size_t at, size_t len)
{
	static const char *const words[] = {"None", "null", "true", "false", "True", "False",
		"EMPTY", "dummy", "unset", "[REDACTED"};
	const char *text = piece->text + at;

	/* of more, the rest is not known */
	if (len < NAME_MOST && run_most(piece, at, NUMBER, len) == len)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t size = strlen(words[i]);

		if (len >= size && memcmp(text, words[i], size) == 0)
			return true;
	}
	return false;
}

/* "HF_TOKEN=x", "token: x", "'api_key': 'x'", "--hf-token x".  The rest of the name may
 * stand behind the word ("password", "secret_key"). */
static bool find_value(
	const struct piece *piece, const struct found *found, size_t *begin, size_t *end)
{
	const struct rule *rule = &rules[found->rule];
	size_t name = found->end - strlen(rule->word), at = found->end;
	size_t len;
	bool option;

	while (name > 0 && found->end - name < NAME_MOST && is_in(piece, name - 1, TOKEN_SET))
		name--;
	option = name + 2 < piece->len && memcmp(piece->text + name, "--", 2) == 0;
	len = run_most(piece, at, TOKEN_SET, NAME_MOST);
	if (len == NAME_MOST || (len && rule->form == WHOLE))
		return false;
	at = skip(piece, at + len, QUOTE);
	len = run_of(piece, at, BLANK);
	if (at + len < piece->len && (piece->text[at + len] == '=' || piece->text[at + len] == ':'))
		at = skip(piece, at + len + 1, BLANK);
	else if (option && len)
		at += len;
	else
		return false;
	at = skip(piece, at, QUOTE | BACKTICK);
	len = run_most(piece, at, rule->set, NAME_MOST);
	if (len < rule->min || is_harmless(piece, at, len))
		return false;
	*begin = at;
	*end = at + run_of(piece, at, rule->set);
	return true;
}

/* user:SECRET@ */
static bool find_in_url(const struct piece *piece, size_t at, size_t *begin, size_t *end)
{
	size_t colon = at;

	while (colon < piece->len && is_in(piece, colon, VISIBLE) &&
		!strchr(":/@", piece->text[colon]))
		colon++;
	if (colon >= piece->len || piece->text[colon] != ':')
		return false;
	*begin = *end = colon + 1;
	while (*end < piece->len && is_in(piece, *end, VISIBLE) && piece->text[*end] != '@' &&
		piece->text[*end] != '/')
		(*end)++;
	return *end > *begin && *end < piece->len && piece->text[*end] == '@';
}

static bool find_token(
	const struct piece *piece, const struct found *found, size_t *begin, size_t *end)
{
	const struct rule *rule = &rules[found->rule];
	size_t size = strlen(rule->word);

	*begin = found->end - size;
	/* the search knows no case, the tokens do */
	if (memcmp(piece->text + *begin, rule->word, size) != 0 ||
		(*begin > 0 && isalnum((unsigned char)piece->text[*begin - 1])))
		return false;
	*end = found->end + run_of(piece, found->end, rule->set);
	return *end - found->end >= rule->min;
}

static bool find_scheme(
	const struct piece *piece, const struct found *found, size_t *begin, size_t *end)
{
	const struct rule *rule = &rules[found->rule];

	*begin = skip(piece, found->end, BLANK);
	if (*begin == found->end)
		return false;
	*end = *begin + run_of(piece, *begin, rule->set);
	return *end - *begin >= rule->min;
}

static bool find(struct disagg_redactor *redactor, const struct piece *piece,
	const struct found *found, size_t *begin, size_t *end)
{
	static const char key[] = "PRIVATE KEY-----";
	size_t left = piece->len - found->end;
	const char *line_end;

	switch (rules[found->rule].form) {
	case TOKEN:
		return find_token(piece, found, begin, end);
	case SCHEME:
		return find_scheme(piece, found, begin, end);
	case URL:
		return find_in_url(piece, found->end, begin, end);
	case WHOLE:
	case NAME:
		return find_value(piece, found, begin, end);
	case PEM:
		break;
	}
	if (left > PEM_MOST + sizeof(key) - 1)
		left = PEM_MOST + sizeof(key) - 1;
	line_end = memmem(piece->text + found->end, left, key, sizeof(key) - 1);
	if (!line_end)
		return false;
	*begin = *end = (size_t)(line_end - piece->text) + sizeof(key) - 1;
	redactor->in_pem = true;
	return true;
}

/* ---- a piece ---- */

/* The body of a key, up to its END line or the piece's end. */
static size_t skip_pem(struct disagg_redactor *redactor, const struct piece *piece, size_t at)
{
	const char *end = memmem(piece->text + at, piece->len - at, "-----END", 8);

	redactor->in_pem = !end;
	return end ? (size_t)(end - piece->text) : piece->len;
}

static bool on_word(void *context, unsigned word, size_t end)
{
	struct disagg_redactor *redactor = context;
	unsigned count = redactor->found_count;

	redactor->unordered |= count && end <= redactor->found[count - 1].end;
	redactor->found[redactor->found_count++] = (struct found){.end = end, .rule = word};
	return redactor->found_count < FOUND_MAX;
}

static int by_end(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->end != y->end ? (x->end > y->end) - (x->end < y->end)
				: (x->rule > y->rule) - (x->rule < y->rule);
}

static void fill(struct piece *piece, size_t begin, size_t end)
{
	for (size_t at = begin; at < end; at++) {
		if (piece->text[at] != '\n')
			piece->text[at] = '*';
	}
}

static void mask(struct disagg_redactor *redactor, struct piece *piece, enum disagg_secret kind,
	size_t begin, size_t end)
{
	char label[64];
	int len = snprintf(label, sizeof(label), "[REDACTED:%s]", disagg_secret_names[kind]);

	redactor->count[kind]++;
	fill(piece, begin, end);
	if ((size_t)len <= end - begin)
		memcpy(piece->text + begin, label, (size_t)len);
}

static void take_found(
	struct disagg_redactor *redactor, struct piece *piece, const struct found *found)
{
	const struct rule *rule = &rules[found->rule];
	size_t begin, end;

	if (found->end < redactor->done || !find(redactor, piece, found, &begin, &end) ||
		begin < redactor->done)
		return;
	if (redactor->in_pem) {
		redactor->count[rule->kind]++;
		begin = end;
		end = skip_pem(redactor, piece, end);
		fill(piece, begin, end);
	} else {
		mask(redactor, piece, rule->kind, begin, end);
		redactor->open_set = end == piece->len ? rule->set : 0;
	}
	redactor->done = end;
}

/* What of the piece belongs to a secret that the piece before began. */
static void take_rest(struct disagg_redactor *redactor, struct piece *piece)
{
	redactor->done = 0;
	if (redactor->in_pem)
		redactor->done = skip_pem(redactor, piece, 0);
	else if (redactor->open_set)
		redactor->done = run_of(piece, 0, redactor->open_set);
	fill(piece, 0, redactor->done);
	if (redactor->done < piece->len)
		redactor->open_set = 0;
}

static int take_piece(struct disagg_redactor *redactor, struct piece *piece)
{
	size_t from = 0;

	take_rest(redactor, piece);
	do {
		redactor->found_count = 0;
		redactor->unordered = false;
		if (disagg_words_scan(redactor->words, piece->text + from, piece->len - from,
			    on_word, redactor, NULL))
			return -1;
		if (redactor->unordered)
			qsort(redactor->found, redactor->found_count, sizeof(redactor->found[0]),
				by_end);
		for (unsigned i = 0; i < redactor->found_count; i++) {
			redactor->found[i].end += from;
			take_found(redactor, piece, &redactor->found[i]);
		}
		/* so many words that they are taken in turns */
		if (redactor->found_count == FOUND_MAX)
			from = redactor->found[FOUND_MAX - 1].end - WORD_MAX;
	} while (redactor->found_count == FOUND_MAX);
	return 0;
}

/* Where the bytes can be cut: behind the last line, or the last blank of a long one. */
static size_t cut_of(const char *text, size_t len)
{
	const char *newline = memrchr(text, '\n', len);
	size_t at = len;

	if (newline && (size_t)(newline - text) >= len / 2)
		return (size_t)(newline - text) + 1;
	if (len < DISAGG_REDACT_BLOCK)
		return newline ? (size_t)(newline - text) + 1 : 0;
	while (at > len / 2 + 1 && text[at - 1] != ' ')
		at--;
	return text[at - 1] == ' ' ? at : len;
}

size_t disagg_redact(struct disagg_redactor *redactor, char *bytes, size_t len, bool last)
{
	struct piece piece = {
		.text = bytes, .len = last ? len : cut_of(bytes, len), .in = redactor->in};

	if (take_piece(redactor, &piece))
		fill(&piece, 0, piece.len);
	if (last) {
		redactor->in_pem = false;
		redactor->open_set = 0;
	}
	return piece.len;
}
