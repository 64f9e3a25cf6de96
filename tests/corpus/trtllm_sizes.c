/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/job.h"
#include "lib/plan/plan.h"
#include "lib/plan/render.h"
#include "lib/plan/sizing.h"
#include "tests/unit/tap.h"
#include <json-c/json.h>
#include <stdlib.h>

/*
 * Every file of $CORPUS/trtllm against expected.json: the F1 numbers and
 * placement in each mode, the F3 numbers with compact packing, what sbatch is
 * asked for, the load of the benchmark and the warnings.
 */
struct plan_case {
	const char *folder, *file;
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_job *job;
	struct disagg_plan *plan;
	struct disagg_sizing sizing;
};

static json_object *get(json_object *from, const char *key)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(from, key, &value))
		printf("# expected.json has no '%s'\n", key);
	return value;
}

static int64_t number(json_object *from, const char *key)
{
	return json_object_get_int64(get(from, key));
}

static const char *what(const struct plan_case *c, const char *label, const char *text)
{
	static char line[512];

	snprintf(line, sizeof(line), "%s %s: %s", c->file, label, text);
	return line;
}

static bool make_plan(struct plan_case *c, const char *label, const char *set)
{
	char path[4096];
	const char *const sets[] = {set};
	struct disagg_request request = {.path = path, .set = sets, .set_count = set ? 1 : 0};
	bool good;

	snprintf(path, sizeof(path), "%s/%s", c->folder, c->file);
	c->arena = (struct disagg_arena)DISAGG_ARENA_INIT;
	disagg_findings_init(&c->found, &c->arena);
	good = disagg_job_load(&c->arena, &request, &c->job, &c->found) == 0 &&
	       disagg_plan_make(&c->arena, c->job, &c->plan, &c->found) == 0 &&
	       disagg_sizing_make(&c->arena, c->job, c->plan, &c->sizing, &c->found) == 0;
	ok(good, what(c, label, "plans"));
	for (unsigned i = 0; !good && i < c->found.count; i++)
		printf("# %s\n", c->found.item[i].text);
	return good;
}

static const char *asked(const struct plan_case *c, const char *option)
{
	for (unsigned i = 0; i < c->sizing.count; i++) {
		if (strcmp(c->sizing.v[i].option, option) == 0)
			return c->sizing.v[i].value;
	}
	return NULL;
}

static void check_sbatch(const struct plan_case *c, const char *label, json_object *expected)
{
	static const char *const pair[][2] = {
		{"nodes", "nodes"},
		{"ntasks", "ntasks"},
		{"ntasks_per_node", "ntasks-per-node"},
		{"segment", "segment"},
	};

	for (size_t i = 0; i < sizeof(pair) / sizeof(*pair); i++)
		is_str(asked(c, pair[i][1]), json_object_get_string(get(expected, pair[i][0])),
			what(c, label, pair[i][1]));
}

/* "node0,node1 8/4": nodes, tasks, and the most tasks of a node */
static void worker_text(
	const struct plan_case *c, const struct disagg_worker *worker, char *buf, size_t size)
{
	size_t len = 0;
	uint32_t widest = 0, tasks = 0, first_gpus = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < worker->process_count; i++) {
		const struct disagg_process *process = &c->plan->process[worker->first_process + i];

		len += (size_t)snprintf(
			buf + len, size - len, "%snode%u", i ? "," : "", process->node);
		tasks += process->tasks;
		if (process->tasks > widest)
			widest = process->tasks;
		first_gpus += process->gpu_first;
	}
	snprintf(buf + len, size - len, " %u/%u%s", tasks, widest,
		first_gpus ? " not from GPU 0" : "");
}

static void expected_text(json_object *server, char *buf, size_t size)
{
	json_object *nodes = get(server, "nodes");
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_object_array_length(nodes); i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? "," : "",
			json_object_get_string(json_object_array_get_idx(nodes, i)));
	snprintf(buf + len, size - len, " %d/%d", (int)number(server, "ntasks"),
		(int)number(server, "ntasks_per_node"));
}

static void check_placement(
	const struct plan_case *c, const char *label, json_object *expected, const char *role)
{
	size_t count = json_object_array_length(expected);
	int index = disagg_plan_role_index(c->plan, role);

	is_int(index < 0 ? 0 : c->plan->role[index].workers, (intmax_t)count, what(c, label, role));
	for (size_t i = 0; index >= 0 && i < count; i++) {
		const struct disagg_worker *worker =
			disagg_plan_worker(c->plan, (uint32_t)index, (uint32_t)i);
		char got[1024] = "none", want[1024];

		if (worker)
			worker_text(c, worker, got, sizeof(got));
		expected_text(json_object_array_get_idx(expected, i), want, sizeof(want));
		is_str(got, want, what(c, label, "a server's nodes, tasks and tasks a node"));
	}
}

static void check_per_server(
	struct plan_case *c, const char *mode, const char *set, json_object *expected)
{
	const struct disagg_plan *plan;

	if (make_plan(c, mode, set)) {
		plan = c->plan;
		is_int(plan->nodes, number(expected, "total_nodes"), what(c, mode, "nodes"));
		is_int(plan->gpus_used, number(expected, "gpus_used"), what(c, mode, "GPUs"));
		is_int(plan->nodes * plan->gpus_per_node - plan->gpus_used,
			number(expected, "gpus_idle"), what(c, mode, "idle GPUs"));
		check_placement(c, mode, get(get(expected, "placement"), "GEN"), "decode");
		check_placement(c, mode, get(get(expected, "placement"), "CTX"), "prefill");
		check_sbatch(c, mode, get(expected, "sbatch"));
	}
	disagg_arena_release(&c->arena);
}

/* Exactly world-size ranks, each GPU once. */
static void check_compact(struct plan_case *c, json_object *expected)
{
	if (make_plan(c, "compact", "hardware.compact_packing=true")) {
		bool disjoint = true;
		uint32_t end = 0;

		is_int(c->plan->nodes, number(expected, "total_nodes"),
			what(c, "compact", "nodes"));
		is_int(c->plan->gpus_used, number(expected, "gpus_used"),
			what(c, "compact", "GPUs"));
		for (uint32_t i = 0; i < c->plan->process_count; i++) {
			const struct disagg_process *process = &c->plan->process[i];

			disjoint &=
				process->node * c->plan->gpus_per_node + process->gpu_first == end;
			end += process->gpu_count;
			disjoint &= process->tasks == process->gpu_count;
		}
		ok(disjoint, what(c, "compact", "servers follow each other without a gap"));
	}
	disagg_arena_release(&c->arena);
}

static void check_numbers(const struct plan_case *c, const char *option, json_object *expected)
{
	char want[1024] = "";
	size_t len = 0;

	for (size_t i = 0; i < json_object_array_length(expected); i++)
		len += (size_t)snprintf(want + len, sizeof(want) - len, "%s%s", i ? " " : "",
			json_object_get_string(json_object_array_get_idx(expected, i)));
	is_str(disagg_map_get(&c->job->bench.options, option), want, what(c, "load", option));
}

static bool has_warning(const struct plan_case *c, const char *text)
{
	for (unsigned i = 0; i < c->found.count; i++) {
		if (!c->found.item[i].is_error && strcmp(c->found.item[i].text, text) == 0)
			return true;
	}
	return false;
}

/* What expected.json says of another tool's rule is not said of ours. */
static bool is_ours(const char *text)
{
	return strncmp(text, "fork rule", strlen("fork rule")) != 0;
}

static bool has_unknown_key(const struct plan_case *c)
{
	for (unsigned i = 0; i < c->found.count; i++) {
		if (strstr(c->found.item[i].text, "unknown key"))
			return true;
	}
	return false;
}

static void check_file(struct plan_case *c, json_object *expected)
{
	json_object *warnings = get(expected, "expected_warnings");

	if (make_plan(c, "as it is", NULL)) {
		check_numbers(c, "effective_concurrency", get(expected, "concurrency_effective"));
		check_numbers(c, "num_prompts", get(expected, "num_prompts"));
		is_int(c->job->bench.isl.v, number(expected, "isl"), what(c, "load", "input"));
		is_int(c->job->bench.osl.v, number(expected, "osl"), what(c, "load", "output"));
		is_str(asked(c, "time"), json_object_get_string(get(expected, "job_time_raw")),
			what(c, "as it is", "time"));
		ok(!has_unknown_key(c), what(c, "as it is", "every key is known"));
		for (size_t i = 0; i < json_object_array_length(warnings); i++) {
			const char *text =
				json_object_get_string(json_object_array_get_idx(warnings, i));

			if (is_ours(text))
				ok(has_warning(c, text), what(c, "warns", text));
		}
	}
	disagg_arena_release(&c->arena);
}

int main(void)
{
	static const char *const mode[][2] = {
		{"e2e", "benchmark.mode=e2e"},
		{"gen_only", "benchmark.mode=gen_only"},
		{"gen_only_no_context", "benchmark.mode=gen_only_no_context"},
	};
	const char *corpus = getenv("CORPUS");
	char folder[2048], path[4096];
	json_object *all;
	int files = 0;

	snprintf(folder, sizeof(folder), "%s/trtllm", corpus ? corpus : "");
	snprintf(path, sizeof(path), "%s/expected.json", folder);
	all = json_object_from_file(path);
	if (!ok(all && json_object_is_type(all, json_type_object), "expected.json is read"))
		return tap_done();
	json_object_object_foreach(all, file, expected)
	{
		struct plan_case c = {.folder = folder, .file = file};

		files++;
		check_file(&c, expected);
		check_per_server(&c, "mode of the file", NULL,
			get(get(expected, "F1_per_server"),
				json_object_get_string(get(expected, "benchmark_mode_yaml"))));
		for (size_t i = 0; i < sizeof(mode) / sizeof(*mode); i++)
			check_per_server(&c, mode[i][0], mode[i][1],
				get(get(expected, "F1_per_server"), mode[i][0]));
		check_compact(&c, get(expected, "F3_compact"));
	}
	ok(files >= 12, "there are files");
	json_object_put(all);
	return tap_done();
}
