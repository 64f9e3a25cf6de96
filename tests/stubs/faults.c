/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/faults.h"

#include "lib/base/num.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FAULTS = 64, MOST_KEYS = 8 };

struct stub_fault {
	const char *kind;
	unsigned keys;
	const char *key[MOST_KEYS], *value[MOST_KEYS];
};

/* of the process: a library has nowhere else to keep what it was told */
static struct {
	bool is_read;
	char node[256];
	char *text;
	unsigned count;
	struct stub_fault fault[MOST_FAULTS];
} told;

static void add_word(struct stub_fault *fault, char *word)
{
	char *equals = strchr(word, '=');
	const char *key = word;

	if (equals)
		*equals = '\0';
	if (!fault->kind) {
		fault->kind = word;
		if (!equals)
			return;
		key = "code"; /* cuinit=999 */
	}
	if (fault->keys == MOST_KEYS || !equals) {
		fprintf(stderr, "STUB_FAULTS: '%s' of '%s' is no KEY=VALUE\n", word, fault->kind);
		_exit(2);
	}
	fault->key[fault->keys] = key;
	fault->value[fault->keys++] = equals + 1;
}

static void read_told(void)
{
	const char *faults = getenv("STUB_FAULTS");
	const char *node = getenv("STUB_NODE");
	char *rest, *part, *words, *word;

	if (told.is_read)
		return;
	told.is_read = true;
	if (!node)
		node = getenv("SLURMD_NODENAME");
	if (node)
		snprintf(told.node, sizeof(told.node), "%s", node);
	else if (gethostname(told.node, sizeof(told.node) - 1) == 0)
		told.node[strcspn(told.node, ".")] = '\0';
	rest = told.text = strdup(faults ? faults : "");
	while (rest && (part = strsep(&rest, ";")) && told.count < MOST_FAULTS) {
		struct stub_fault *fault = &told.fault[told.count];

		words = part;
		while ((word = strsep(&words, " \t\n")))
			if (*word)
				add_word(fault, word);
		if (fault->kind)
			told.count++;
	}
}

const char *stub_node(void)
{
	read_told();
	return told.node;
}

const char *stub_text(const char *name, const char *otherwise)
{
	char full[64];
	const char *value;

	snprintf(full, sizeof(full), "STUB_%s", name);
	value = getenv(full);
	return value && *value ? value : otherwise;
}

double stub_number(const char *name, double otherwise)
{
	const char *text = stub_text(name, NULL);
	double value = otherwise;

	if (text && disagg_num_real(text, &value) != 0) {
		fprintf(stderr, "STUB_%s: '%s' is no number\n", name, text);
		_exit(2);
	}
	return value;
}

/* ---- faults ---- */

const char *stub_fault_text(const struct stub_fault *fault, const char *key, const char *otherwise)
{
	for (unsigned i = 0; i < fault->keys; i++)
		if (strcmp(fault->key[i], key) == 0)
			return fault->value[i];
	return otherwise;
}

bool stub_fault_has(const struct stub_fault *fault, const char *key)
{
	return stub_fault_text(fault, key, NULL) != NULL;
}

double stub_fault_number(const struct stub_fault *fault, const char *key, double otherwise)
{
	const char *text = stub_fault_text(fault, key, NULL);
	double value = otherwise;

	if (text && disagg_num_real(text, &value) != 0) {
		fprintf(stderr, "STUB_FAULTS: %s=%s of '%s' is no number\n", key, text,
			fault->kind);
		_exit(2);
	}
	return value;
}

/* whether a list "n1,n3" names it */
static bool names(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	return false;
}

const struct stub_fault *stub_fault_next(const char *kind, const struct stub_fault *last)
{
	size_t from = last ? (size_t)(last - told.fault) + 1 : 0;

	read_told();
	for (size_t i = from; i < told.count; i++)
		if (strcmp(told.fault[i].kind, kind) == 0)
			return &told.fault[i];
	return NULL;
}

const struct stub_fault *stub_fault(const char *kind, int gpu)
{
	const struct stub_fault *fault = NULL;
	char number[16];

	snprintf(number, sizeof(number), "%d", gpu);
	while ((fault = stub_fault_next(kind, fault)))
		if (names(stub_fault_text(fault, "node", stub_node()), stub_node()) &&
			(gpu < 0 || names(stub_fault_text(fault, "gpu", number), number)))
			return fault;
	return NULL;
}

double stub_slower(const char *kind, int gpu)
{
	const struct stub_fault *fault = stub_fault(kind, gpu);

	return fault ? stub_fault_number(fault, "by", 1) : 1;
}

/* ---- noise ---- */

uint64_t stub_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return hash;
}

/* splitmix64: in [0, 1) */
static double uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* standard deviation 1 */
static double triangular(uint64_t *state)
{
	double first = uniform(state);

	return (first + uniform(state) - 1) * sqrt(6);
}

double stub_spread(const char *what, int gpu)
{
	char text[512];
	uint64_t state;

	snprintf(text, sizeof(text), "%s|%s|%s|%d", stub_text("SEED", "1"), stub_node(), what, gpu);
	state = stub_hash(text);
	return 1 + stub_number("NOISE", 0) / 100 * triangular(&state);
}

double stub_jitter(uint64_t *state)
{
	return 1 + stub_number("NOISE", 0) / 1000 * triangular(state);
}
