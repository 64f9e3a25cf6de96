/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_ENGINECASE_H
#define DISAGG_TESTS_ENGINECASE_H

#include "lib/engine/engine.h"
#include "lib/plan/plan.h"
#include "tests/unit/jobtext.h"

/*
 * Commands of small deployments, whole: argv with blanks between, variables
 * that the engine adds, files.  Node N is "hN", its address "10.0.0.N".
 */
struct engine_case {
	const char *name;
	const char *yaml;
	const char *role;
	unsigned index, process;
	const char *argv;
	const char *env;  /* a part of "NAME=value|..."; NULL: not looked at */
	const char *file; /* "name\ntext" of the first; NULL: not looked at, "": none */
};

static inline const char *test_host(void *context, uint32_t node)
{
	static const char *const names[] = {"h0", "h1", "h2", "h3", "h4", "h5"};

	(void)context;
	return names[node % 6];
}

static inline const char *test_ip(void *context, uint32_t node)
{
	static const char *const names[] = {
		"10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"};

	(void)context;
	return names[node % 6];
}

static inline const char *test_getenv(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "MODELS") == 0 ? "/data/models" : NULL;
}

static struct disagg_engine_site site = {
	.host = test_host, .ip = test_ip, .run_dir = "/run/7", .getenv = test_getenv};

struct built {
	struct jobtext jt;
	struct disagg_plan *plan;
	struct disagg_command command;
	struct disagg_err err;
	int result;
};

static inline int role_index(const struct built *b, const char *role)
{
	int index = disagg_plan_role_index(b->plan, role);

	if (index < 0)
		ok(false, "the plan has the role");
	return index;
}

static inline int build_of(struct built *b, const char *role, unsigned index, unsigned process)
{
	int at = role_index(b, role);
	const struct disagg_worker *worker;

	if (at < 0)
		return -1;
	worker = disagg_plan_worker(b->plan, (uint32_t)at, index);
	if (worker)
		return disagg_engine_worker(&b->jt.arena, b->jt.job, b->plan,
			worker->first_process + process, &site, &b->command, &b->err);
	for (uint32_t i = 0; i < b->plan->service_count; i++) {
		if (b->plan->service[i].role == (uint32_t)at && b->plan->service[i].index == index)
			return disagg_engine_service(
				&b->jt.arena, b->jt.job, b->plan, i, &site, &b->command, &b->err);
	}
	return -1;
}

static inline void begin(struct built *b, const char *yaml)
{
	memset(b, 0, sizeof(*b));
	b->result = -1;
	jobtext_load(&b->jt, yaml, NULL);
	if (!b->jt.job || disagg_plan_make(&b->jt.arena, b->jt.job, &b->plan, &b->jt.found)) {
		jobtext_findings(&b->jt);
		printf("# %s\n", b->jt.text);
		b->plan = NULL;
	}
	ok(b->plan, "there is a plan");
}

static inline const char *joined_argv(struct built *b)
{
	struct disagg_strbuf text;
	const char *copy;

	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < b->command.argc; i++)
		disagg_strbuf_printf(&text, "%s%s", i ? " " : "", b->command.argv[i]);
	copy = disagg_arena_strdup(&b->jt.arena, text.text);
	disagg_strbuf_release(&text);
	return copy;
}

static inline const char *joined_env(struct built *b)
{
	struct disagg_strbuf text;
	const char *copy;

	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < b->command.env.count; i++) {
		const struct disagg_env *entry = &b->command.env.entry[i];

		disagg_strbuf_printf(&text, "%s%s=%s", i ? "|" : "", entry->name,
			entry->value ? entry->value : "(unset)");
	}
	copy = disagg_arena_strdup(&b->jt.arena, text.text);
	disagg_strbuf_release(&text);
	return copy;
}

static inline void check_file(struct built *b, const char *want)
{
	const char *got = "";

	if (!want)
		return;
	if (b->command.file_count)
		got = disagg_arena_printf(
			&b->jt.arena, "%s\n%s", b->command.file[0].name, b->command.file[0].text);
	is_str(got, want, "file");
}

static inline void run_case(const struct engine_case *one)
{
	struct built b;

	begin(&b, one->yaml);
	if (b.plan)
		b.result = build_of(&b, one->role, one->index, one->process);
	is_int(b.result, 0, one->name);
	if (b.result) {
		printf("# %s\n", b.err.text);
	} else {
		is_str(joined_argv(&b), one->argv, "argv");
		if (one->argv[0])
			ok(!b.command.argv[b.command.argc], "argv ends with NULL");
		if (one->env)
			has_str(joined_env(&b), one->env, "environment");
		check_file(&b, one->file);
	}
	jobtext_release(&b.jt);
}

#endif
