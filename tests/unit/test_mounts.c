/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/mounts.h"
#include "tests/unit/handplan.h"
#include "tests/unit/tap.h"

static const char *test_host(void *context, uint32_t node)
{
	(void)context;
	(void)node;
	return "n0";
}

static const char *test_ip(void *context, uint32_t node)
{
	(void)context;
	return node ? "10.0.0.1" : "10.0.0.0";
}

static const char *test_getenv(const char *name)
{
	return strcmp(name, "DATA") == 0 ? "/data" : NULL;
}

#define MOST 4
struct mounts_case {
	const char *name;
	enum disagg_dialect dialect;
	enum disagg_role_kind kind;
	const char *model;
	const char *scripts;
	struct disagg_kv own[MOST];
	const char *want; /* before what all have */
};

#define BASE "/run/7:/run/7,/opt/bin:/run/disagg/bin:ro"

static const struct mounts_case cases[] = {
	{"the run directory and the programs", DISAGG_NATIVE, DISAGG_PREFILL, NULL, NULL, {{0}},
		""},
	{"the model where it is", DISAGG_NATIVE, DISAGG_PREFILL, "/m/q", NULL, {{0}}, "/m/q:/m/q,"},
	{"the file brings the model itself", DISAGG_NATIVE, DISAGG_PREFILL, "/m/q", NULL,
		{{.key = "/lustre/m", .value = "/m/"}}, "/lustre/m:/m/,"},
	{"a neighbour of it is another", DISAGG_NATIVE, DISAGG_PREFILL, "/m/q", NULL,
		{{.key = "/x", .value = "/m/q2"}}, "/x:/m/q2,/m/q:/m/q,"},
	{"places that srtctl's recipes take for granted", DISAGG_SRTCTL, DISAGG_DECODE, "/m/q",
		"/scripts", {{0}}, "/m/q:/m/q,/m/q:/model,/run/7:/logs,"},
	{"a client's results", DISAGG_SRTCTL, DISAGG_BENCHMARK, NULL, "/scripts", {{0}},
		"/run/7/results:/logs,/scripts:/srtctl-benchmarks,"},
	{"the file's own places count", DISAGG_SRTCTL, DISAGG_BENCHMARK, "/m/q", "/scripts",
		{{.key = "/a", .value = "/logs"}, {.key = "/b", .value = "/model"},
			{.key = "/c", .value = "/srtctl-benchmarks"}},
		"/a:/logs,/b:/model,/c:/srtctl-benchmarks,/m/q:/m/q,"},
	{"places to fill in", DISAGG_SRTCTL, DISAGG_DECODE, NULL, NULL,
		{{.key = "$DATA/{job_id}", .value = "/w/{run_name}/{gpus_per_node}"},
			{.key = "{log_dir}", .value = "/{other}/$NONE"},
			{.key = "/h/{head_node_ip}", .value = "/{model_path}{job_id"}},
		"/data/7:/w/x_7/4,/run/7:/{other}/$NONE,/h/10.0.0.0:/{model_path}{job_id,"
		"/run/7:/logs,"},
	{"which other files do not have", DISAGG_NATIVE, DISAGG_DECODE, NULL, NULL,
		{{.key = "$DATA/{job_id}", .value = "/{job_id}"}}, "/data/{job_id}:/{job_id},"},
};

static const char *mounts_in(const char *const *options)
{
	static const char option[] = "--container-mounts=";

	for (; options && *options; options++) {
		if (strncmp(*options, option, sizeof(option) - 1) == 0)
			return *options + sizeof(option) - 1;
	}
	return NULL;
}

static void check(const struct mounts_case *one)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_plan *plan = hand_plan(&arena, one->dialect);
	struct disagg_job job = {.name = "x", .dialect = one->dialect};
	struct disagg_inside in = {.arena = &arena,
		.plan = plan,
		.job = &job,
		.job_id = "7",
		.run_dir = "/run/7",
		.engine = {.host = test_host, .ip = test_ip}};
	struct disagg_kv own[MOST];
	struct disagg_role role = {
		.kind = one->kind, .container = {.image = "i", .mounts = {own, 0}}};
	struct disagg_mounts mounts = {
		.in = &in, .role = &role, .scripts = one->scripts, .model = one->model};
	struct disagg_container_call call = {.container = &role.container,
		.bin = "/opt/bin",
		.run_dir = "/run/7",
		.getenv = test_getenv,
		.fill = disagg_mounts_fill,
		.context = &mounts};
	const char *const *options = NULL;

	memcpy(own, one->own, sizeof(own));
	while (role.container.mounts.count < MOST && own[role.container.mounts.count].key)
		role.container.mounts.count++;
	call.place_count = disagg_mounts_places(&arena, &mounts, call.place);
	is_int(disagg_container_options(&arena, &call, &options, NULL), 0, one->name);
	is_str(mounts_in(options), disagg_arena_printf(&arena, "%s" BASE, one->want), one->name);
	disagg_arena_release(&arena);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i]);
	return tap_done();
}
