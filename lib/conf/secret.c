/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/schema.h"

#include "lib/base/envlist.h"
#include "lib/base/num.h"
#include <string.h>
#include <strings.h>

/* Whether `word` stands at `at`, and a word ends behind it. */
static bool begins_with_words(const char *at, const char *word)
{
	for (; *word; at++, word++) {
		char c = *at == '-' ? '_' : *at;

		if (c >= 'a' && c <= 'z')
			c = (char)(c & ~0x20);
		if (c != *word)
			return false;
	}
	return !*at || *at == '_' || *at == '-';
}

static bool has_words(const char *name, const char *const *words)
{
	for (const char *at = name; at; at = strpbrk(at, "_-")) {
		at += at > name || *at == '_' || *at == '-';
		for (size_t i = 0; words[i]; i++) {
			if (begins_with_words(at, words[i]))
				return true;
		}
	}
	return false;
}

static const char *const secret_words[] = {"SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE",
	"API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL", "CREDENTIALS", NULL};
static const char *const token_words[] = {"TOKEN", NULL};

bool disagg_key_is_secret(const char *name)
{
	return has_words(name, secret_words) || has_words(name, token_words);
}

static bool is_switch_or_number(const char *value)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", NULL};
	double number;

	for (size_t i = 0; words[i]; i++) {
		if (strcasecmp(value, words[i]) == 0)
			return true;
	}
	return disagg_num_real(value, &number) == 0;
}

bool disagg_value_is_secret(const char *name, const char *value)
{
	if (!value[0] || !disagg_key_is_secret(name))
		return false;
	return has_words(name, secret_words) || !is_switch_or_number(value);
}

const char *disagg_env_reference(struct disagg_arena *arena, const char *value)
{
	static const char head[] = "${env:";
	size_t len = strlen(value), skip = sizeof(head) - 1;
	const char *name;

	if (len <= skip + 1 || strncmp(value, head, skip) != 0 || value[len - 1] != '}')
		return NULL;
	name = disagg_arena_strndup(arena, value + skip, len - skip - 1);
	return name && disagg_env_name_valid(name) ? name : NULL;
}
