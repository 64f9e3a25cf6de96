/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/hostopt.h"
#include <dlfcn.h>
#include <getopt.h>
#include <stddef.h>
#include <string.h>

static const struct {
	const char *symbol;
	size_t offset;
} symbols[] = {
	{"slurm_option_get", offsetof(struct disagg_hostopt, get)},
	{"slurm_option_reset", offsetof(struct disagg_hostopt, reset)},
	{"slurm_option_isset", offsetof(struct disagg_hostopt, isset)},
	{"slurm_option_set_by_env", offsetof(struct disagg_hostopt, by_env)},
	{"slurm_process_option", offsetof(struct disagg_hostopt, process)},
	{"slurm_option_table_create", offsetof(struct disagg_hostopt, table)},
	{"slurm_option_table_destroy", offsetof(struct disagg_hostopt, table_free)},
	{"slurm_xfree", offsetof(struct disagg_hostopt, xfree)},
};

bool disagg_hostopt_open(struct disagg_hostopt *host, void *opt)
{
	struct disagg_hostopt found = {.opt = opt ? opt : dlsym(RTLD_DEFAULT, "opt")};
	char *letters = NULL;

	if (!found.opt)
		return false;
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *address = dlsym(RTLD_DEFAULT, symbols[i].symbol);

		if (!address)
			return false;
		memcpy((char *)&found + symbols[i].offset, &address, sizeof(address));
	}
	found.known = found.table(found.opt, &letters);
	found.xfree((void **)&letters);
	if (!found.known)
		return false;
	*host = found;
	return true;
}

void disagg_hostopt_close(struct disagg_hostopt *host)
{
	if (host->known)
		host->table_free(host->known);
	*host = (struct disagg_hostopt){0};
}

static const struct option *find(const struct disagg_hostopt *host, const char *name)
{
	for (const struct option *row = host->known; row && row->name; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

bool disagg_hostopt_known(const struct disagg_hostopt *host, const char *name)
{
	return find(host, name) != NULL;
}

int disagg_hostopt_set(const struct disagg_hostopt *host, const char *name, const char *value)
{
	const struct option *row = find(host, name);

	if (!row)
		return -1;
	return host->process(host->opt, row->val, value, true, false) ? -1 : 0;
}

void disagg_hostopt_reset(const struct disagg_hostopt *host, const char *name)
{
	(void)host->reset(host->opt, name);
}

bool disagg_hostopt_isset(const struct disagg_hostopt *host, const char *name)
{
	return host->isset(host->opt, name);
}

bool disagg_hostopt_typed(const struct disagg_hostopt *host, const char *name)
{
	const struct option *row = find(host, name);

	return row && disagg_hostopt_isset(host, name) && !host->by_env(host->opt, row->val);
}

char *disagg_hostopt_get(
	const struct disagg_hostopt *host, struct disagg_arena *arena, const char *name)
{
	char *value = host->get(host->opt, name);
	char *copy = disagg_arena_strdup(arena, value ? value : "");

	if (value)
		host->xfree((void **)&value);
	return copy;
}
