/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/line.h"

#include <ctype.h>
#include <string.h>

#define PREFIX_MAX 200u

/* ---- how grave ---- */

struct level_word {
	const char *text;
	enum disagg_level level;
};

static const struct level_word level_words[] = {
	{"TRACE", DISAGG_LEVEL_DEBUG},
	{"DEBUG", DISAGG_LEVEL_DEBUG},
	{"INFO", DISAGG_LEVEL_INFO},
	{"NOTICE", DISAGG_LEVEL_INFO},
	{"WARN", DISAGG_LEVEL_WARN},
	{"WARNING", DISAGG_LEVEL_WARN},
	{"ERROR", DISAGG_LEVEL_ERROR},
	{"CRITICAL", DISAGG_LEVEL_FATAL},
	{"FATAL", DISAGG_LEVEL_FATAL},
	{"[D]", DISAGG_LEVEL_DEBUG},
	{"[V]", DISAGG_LEVEL_DEBUG},
	{"[I]", DISAGG_LEVEL_INFO},
	{"[W]", DISAGG_LEVEL_WARN},
	{"[E]", DISAGG_LEVEL_ERROR},
	{"[F]", DISAGG_LEVEL_FATAL},
	{"[FTL]", DISAGG_LEVEL_FATAL},
	{"[ERR]", DISAGG_LEVEL_ERROR},
	{"[WRN]", DISAGG_LEVEL_WARN},
	{"[INF]", DISAGG_LEVEL_INFO},
	{"[DBG]", DISAGG_LEVEL_DEBUG},
	{"level=info", DISAGG_LEVEL_INFO},
	{"level=debug", DISAGG_LEVEL_DEBUG},
	{"level=warn", DISAGG_LEVEL_WARN},
	{"level=warning", DISAGG_LEVEL_WARN},
	{"level=error", DISAGG_LEVEL_ERROR},
	{"level=fatal", DISAGG_LEVEL_FATAL},
	{"\"level\":\"info\"", DISAGG_LEVEL_INFO},
	{"\"level\":\"debug\"", DISAGG_LEVEL_DEBUG},
	{"\"level\":\"warn\"", DISAGG_LEVEL_WARN},
	{"\"level\":\"error\"", DISAGG_LEVEL_ERROR},
	{"\"level\":\"fatal\"", DISAGG_LEVEL_FATAL},
};

static bool is_word_at(const char *text, size_t len, size_t at, const char *word)
{
	size_t size = strlen(word);
	char behind = at + size < len ? text[at + size] : ' ';

	return at + size <= len && memcmp(text + at, word, size) == 0 &&
	       !(isalnum((unsigned char)word[size - 1]) &&
		       (isalnum((unsigned char)behind) || behind == '_'));
}

/* "E0822 10:00" */
static enum disagg_level glog_level(const char *text, size_t len, size_t at)
{
	static const char letters[] = "DIWEF";
	const char *letter = strchr(letters, text[at]);
	size_t digits = 0;

	while (at + 1 + digits < len && isdigit((unsigned char)text[at + 1 + digits]))
		digits++;
	if (!letter || digits < 3 || digits > 4 || at + 4 + digits >= len ||
		text[at + 1 + digits] != ' ' || text[at + 4 + digits] != ':')
		return DISAGG_LEVEL_NONE;
	return (enum disagg_level)(letter - letters + DISAGG_LEVEL_DEBUG);
}

enum disagg_level disagg_line_level(const char *text, size_t len)
{
	enum disagg_level level;

	len = len < PREFIX_MAX ? len : PREFIX_MAX;
	for (size_t at = 0; at < len; at++) {
		if (at && (isalnum((unsigned char)text[at - 1]) || text[at - 1] == '_') &&
			text[at - 1] != 'm') /* the end of a colour */
			continue;
		level = isupper((unsigned char)text[at]) ? glog_level(text, len, at)
							 : DISAGG_LEVEL_NONE;
		if (level != DISAGG_LEVEL_NONE)
			return level;
		for (size_t i = 0; i < sizeof(level_words) / sizeof(level_words[0]); i++) {
			if (is_word_at(text, len, at, level_words[i].text))
				return level_words[i].level;
		}
	}
	return DISAGG_LEVEL_NONE;
}

/* ---- who ---- */

/* The number behind `word` (in any case), which has no letter before it; -1. */
static int number_behind(const char *text, size_t len, const char *word)
{
	size_t size = strlen(word);

	for (size_t at = 0; at + size < len; at++) {
		size_t digit = at + size;
		int value = 0;

		if (strncasecmp(text + at, word, size) != 0 ||
			(at && isalnum((unsigned char)text[at - 1])) ||
			!isdigit((unsigned char)text[digit]))
			continue;
		for (; digit < len && isdigit((unsigned char)text[digit]) && value < 100000;
			digit++)
			value = value * 10 + (text[digit] - '0');
		return value;
	}
	return -1;
}

static int read_rank(const char *text, size_t len)
{
	static const char *const words[] = {
		"[rank", "rank ", "rank=", "rank: ", "global_rank = ", "task ", "TP", "on rank "};
	size_t digits = 0;
	int rank = -1;

	/* srun --label: "12: text" */
	while (digits < len && digits < 6 && isdigit((unsigned char)text[digits]))
		digits++;
	if (digits && digits + 1 < len && text[digits] == ':' && text[digits + 1] == ' ') {
		rank = 0;
		for (size_t i = 0; i < digits; i++)
			rank = rank * 10 + (text[i] - '0');
	}
	for (size_t i = 0; rank < 0 && i < sizeof(words) / sizeof(words[0]); i++)
		rank = number_behind(text, len, words[i]);
	return rank;
}

static int read_gpu(const char *text, size_t len)
{
	static const char *const words[] = {"cuda:", "GPU ", "GPU-", "gpu_id=", "device "};
	int gpu = -1;

	for (size_t i = 0; gpu < 0 && i < sizeof(words) / sizeof(words[0]); i++)
		gpu = number_behind(text, len, words[i]);
	return gpu >= 0 && gpu < 64 ? gpu : -1;
}

/* The name that stands between `before` and a byte of `behind`. */
/* A word that one of `behind` ends; the line's end does where '\r' is one of them. */
static bool name_behind(const char *text, size_t len, const char *before, const char *behind,
	char *ret, size_t size)
{
	const char *at = memmem(text, len, before, strlen(before));
	size_t count = 0, left;

	if (!at)
		return false;
	at += strlen(before);
	left = len - (size_t)(at - text);
	while (count < left && (isalnum((unsigned char)at[count]) || strchr("-._", at[count])) &&
		at[count])
		count++;
	if (!count || count >= size || !strchr(behind, count < left ? at[count] : '\r'))
		return false;
	memcpy(ret, at, count);
	ret[count] = '\0';
	return true;
}

static bool has_letter(const char *name)
{
	while (*name && !isalpha((unsigned char)*name))
		name++;
	return *name;
}

/* "n3:4121:4460 [2] NCCL" */
static bool read_nccl_node(const char *text, size_t len, struct disagg_line *ret)
{
	const char *nccl = memmem(text, len, " NCCL ", 6);
	const char *colon = nccl ? memchr(text, ':', (size_t)(nccl - text)) : NULL;
	const char *begin = colon;
	size_t count;

	if (!colon || colon + 1 >= nccl || !isdigit((unsigned char)colon[1]))
		return false;
	while (begin > text && (isalnum((unsigned char)begin[-1]) || begin[-1] == '-'))
		begin--;
	count = (size_t)(colon - begin);
	if (!count || count >= sizeof(ret->node))
		return false;
	memcpy(ret->node, begin, count);
	ret->node[count] = '\0';
	if (!has_letter(ret->node))
		ret->node[0] = '\0';
	if (nccl - text > 3 && nccl[-1] == ']' && isdigit((unsigned char)nccl[-2]))
		ret->gpu = nccl[-2] - '0';
	return ret->node[0];
}

static void read_node(const char *text, size_t len, struct disagg_line *ret)
{
	static const char *const before[][2] = {{"Node failure on ", " ,.:;\r"},
		{"srun: error: ", ":"}, {"on node ", " ,.:;\r"}, {"failed on node ", " ,.:;\r"},
		{"[", ":"}};

	if (read_nccl_node(text, len, ret))
		return;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		if (name_behind(
			    text, len, before[i][0], before[i][1], ret->node, sizeof(ret->node)) &&
			has_letter(ret->node) && (before[i][0][0] != '[' || text[0] == '['))
			return;
		ret->node[0] = '\0';
	}
}

static void read_pci(const char *text, size_t len, struct disagg_line *ret)
{
	const char *at = memmem(text, len, "PCI:", 4);
	size_t count = 0;

	if (!at)
		return;
	at += 4;
	while (count < len - (size_t)(at - text) && count + 1 < sizeof(ret->pci) &&
		(isxdigit((unsigned char)at[count]) || at[count] == ':' || at[count] == '.'))
		count++;
	memcpy(ret->pci, at, count);
	ret->pci[count] = '\0';
}

void disagg_line_read(const char *text, size_t len, double about_s, struct disagg_line *ret)
{
	size_t most = len < 1024 ? len : 1024;

	*ret = (struct disagg_line){.rank = -1, .gpu = -1};
	disagg_line_time(text, len, about_s, &ret->stamp, &ret->time_s);
	ret->level = disagg_line_level(text, len);
	ret->rank = read_rank(text, most);
	ret->gpu = read_gpu(text, most);
	read_node(text, most, ret);
	read_pci(text, most, ret);
}

bool disagg_line_is_source(const char *before, size_t before_len, const char *text, size_t len)
{
	const char *file = memmem(before, before_len, "  File \"", 8);
	const char *line =
		file ? memmem(file, before_len - (size_t)(file - before), "\", line ", 8) : NULL;
	size_t indent = file ? (size_t)(file - before) : 0;

	/* as far in as its frame, behind the same prefix, and two blanks more */
	return line && len > indent + 4 && memcmp(text + indent, "    ", 4) == 0;
}
