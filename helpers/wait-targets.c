/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/wait.h"

#include "lib/base/num.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PREFIX "DISAGG_"
#define SUFFIX "_ENDPOINTS"

static int no_memory(const struct wait_targets *targets)
{
	return helper_fail(targets->helper, DISAGG_SYSTEM, "out of memory");
}

static bool is_tcp(const char *url)
{
	return strncasecmp(url, "tcp://", 6) == 0;
}

static bool has_scheme(const char *text)
{
	return is_tcp(text) || strncasecmp(text, "http://", 7) == 0;
}

/* http:// may leave the port out. */
static int check_url(const struct wait_targets *targets, const char *url)
{
	const char *rest = has_scheme(url) ? strchr(url, ':') + 3 : NULL;
	size_t host = rest ? strcspn(rest, "/?#") : 0;
	const char *end, *colon;
	char port[8] = "";
	int64_t number;

	if (!rest)
		return helper_usage(targets->helper,
			"'%s': expected http://host:port/path, tcp://host:port or NAME=URL", url);
	end = rest + host;
	colon = memrchr(rest, ':', host);
	if (colon && memchr(colon, ']', (size_t)(end - colon)))
		colon = NULL;
	if (!host || colon == rest)
		return helper_usage(targets->helper, "'%s': it has no host", url);
	if (!colon && !is_tcp(url))
		return 0;
	if (colon && (size_t)(end - colon) <= sizeof(port))
		memcpy(port, colon + 1, (size_t)(end - colon) - 1);
	if (disagg_num_int(port, 1, 65535, &number))
		return helper_usage(targets->helper, "'%s': expected a port from 1 to 65535", url);
	return 0;
}

static enum disagg_ready_kind kind_of(const struct wait_targets *targets, const char *url)
{
	if (targets->kind_given)
		return targets->kind;
	return is_tcp(url) ? DISAGG_READY_TCP : DISAGG_READY_HTTP;
}

static int add(struct wait_targets *targets, const char *name, const char *url)
{
	if (targets->count == targets->size) {
		unsigned size = targets->size ? 2 * targets->size : 16;
		struct disagg_ready_target *longer = disagg_arena_grow(
			targets->arena, targets->v, targets->count, size, sizeof(*longer));

		if (!longer)
			return no_memory(targets);
		targets->v = longer;
		targets->size = size;
	}
	targets->v[targets->count++] = (struct disagg_ready_target){
		.name = name,
		.kind = kind_of(targets, url),
		.url = url,
		.prefill = targets->prefill,
		.decode = targets->decode,
		.field = targets->field,
		.value = targets->value,
	};
	return 0;
}

int wait_add_operand(struct wait_targets *targets, const char *text)
{
	const char *equals = has_scheme(text) ? NULL : strchr(text, '=');
	const char *name = text, *url = equals ? equals + 1 : text;
	int result = check_url(targets, url);

	if (result)
		return result;
	if (targets->kind_given && targets->kind == DISAGG_READY_HTTP && is_tcp(url))
		return helper_usage(targets->helper, "'%s': --kind=http wants http://", url);
	if (equals)
		name = disagg_arena_strndup(targets->arena, text, (size_t)(equals - text));
	return name ? add(targets, name, url) : no_memory(targets);
}

/* "host:port" as the role's own URL. */
static int add_endpoint(
	struct wait_targets *targets, const char *role, unsigned index, const char *at, size_t len)
{
	bool tcp = targets->kind_given && targets->kind == DISAGG_READY_TCP;
	const char *name = disagg_arena_printf(targets->arena, "%s_%u", role, index);
	const char *url = disagg_arena_printf(targets->arena, "%s%.*s%s",
		tcp ? "tcp://" : "http://", (int)len, at, tcp ? "" : "/health");
	int result;

	if (!name || !url)
		return no_memory(targets);
	result = check_url(targets, url);
	return result ? result : add(targets, name, url);
}

static int add_list(struct wait_targets *targets, const char *role, const char *list)
{
	unsigned index = 0;

	while (*list) {
		size_t len = strcspn(list, ",");
		int result = add_endpoint(targets, role, index++, list, len);

		if (result)
			return result;
		list += len + (list[len] == ',');
	}
	return 0;
}

/* As lib/plan/taskenv.c names it. */
static void variable_of(char *name, size_t size, const char *role)
{
	snprintf(name, size, PREFIX "%s" SUFFIX, role);
	for (; *name; name++)
		*name = isalnum((unsigned char)*name) ? (char)toupper((unsigned char)*name) : '_';
}

int wait_add_role(struct wait_targets *targets, const char *role)
{
	char name[128];
	const char *list;

	variable_of(name, sizeof(name), role);
	list = getenv(name);
	if (!list || !list[0])
		return helper_usage(targets->helper,
			"--role: nothing is known of '%s': '%s' is not set; is this a step of a "
			"job with --disagg-config?",
			role, name);
	return add_list(targets, role, list);
}

static int add_variable(struct wait_targets *targets, const char *entry)
{
	const char *equals = strchr(entry, '=');
	size_t before = strlen(PREFIX), behind = strlen(SUFFIX), len;
	char *role;

	if (!equals)
		return 0;
	len = (size_t)(equals - entry);
	if (len <= before + behind || strncmp(entry, PREFIX, before) != 0 ||
		strncmp(equals - behind, SUFFIX, behind) != 0)
		return 0;
	role = disagg_arena_strndup(targets->arena, entry + before, len - before - behind);
	if (!role)
		return no_memory(targets);
	for (char *c = role; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return add_list(targets, role, equals + 1);
}

int wait_add_all(struct wait_targets *targets)
{
	unsigned before = targets->count;

	for (char **entry = environ; *entry; entry++) {
		int result = add_variable(targets, *entry);

		if (result)
			return result;
	}
	if (targets->count == before)
		return helper_usage(targets->helper,
			"--all: no " PREFIX "*" SUFFIX " is set; is this a step of a job with "
			"--disagg-config?");
	return 0;
}

static bool counts_workers(enum disagg_ready_kind kind)
{
	return kind == DISAGG_READY_DYNAMO || kind == DISAGG_READY_SGLANG_ROUTER ||
	       kind == DISAGG_READY_TRTLLM_SERVER;
}

int wait_check(const struct wait_targets *targets)
{
	if ((targets->prefill || targets->decode) && !counts_workers(targets->kind))
		return helper_usage(targets->helper,
			"--prefill and --decode need --kind=dynamo, sglang-router or "
			"trtllm-server");
	for (unsigned i = 0; targets->field && i < targets->count; i++) {
		if (targets->v[i].kind != DISAGG_READY_HTTP)
			return helper_usage(targets->helper, "--json: '%s' is not plain HTTP",
				targets->v[i].name);
	}
	return 0;
}
