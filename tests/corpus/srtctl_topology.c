/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every variant of the srtctl corpus against what srtctl's own allocator gives
 * (CORPUS/srtctl/expected-topology.json): workers, nodes, GPUs, ports.  There
 * "n000" is the first worker node.
 */
#include "tests/unit/tap.h"
#include <json-c/json.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_A_CALL 200u

static const char *corpus, *build;
static char problem[512]; /* of the variant at hand; "" for none */

static void differs(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void differs(const char *fmt, ...)
{
	va_list args;

	if (problem[0])
		return;
	va_start(args, fmt);
	vsnprintf(problem, sizeof(problem), fmt, args);
	va_end(args);
}

/* ---- JSON ---- */

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_string(value) : "";
}

/* -1 for null or nothing */
static int number(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_int(value) : -1;
}

static size_t length(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static struct json_object *at(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

static void same(const char *what, const char *where, int got, int want)
{
	if (got != want)
		differs("%s %s: got %d, expected %d", where, what, got, want);
}

/* ---- one process, one worker ---- */

/* "0,1,2" of our list */
static void gpu_text(struct json_object *list, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < length(list) && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%d", i ? "," : "",
			json_object_get_int(at(list, i)));
}

static void compare_process(
	const char *where, struct json_object *got, struct json_object *want, int first_node)
{
	static const struct {
		const char *ours, *theirs;
	} ports[] = {
		{"system", "sys"},
		{"http", "http"},
		{"bootstrap", "boot"},
		{"kv_events", "kv"},
		{"nixl", "nixl"},
		{"rpc", "dprpc"},
	};
	const char *node = text(want, "node");
	char gpus[256];

	same("node", where, number(got, "node") - first_node, atoi(node + (*node == 'n')));
	same("rank", where, number(got, "rank"), number(want, "rank"));
	gpu_text(get(got, "gpus"), gpus, sizeof(gpus));
	if (strcmp(gpus, text(want, "cvd")) != 0)
		differs("%s GPUs: got %s, expected %s", where, gpus, text(want, "cvd"));
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		same(ports[i].ours, where, number(get(got, "ports"), ports[i].ours),
			number(want, ports[i].theirs));
}

static bool is_of(struct json_object *process, struct json_object *worker)
{
	return strcmp(text(process, "mode"), text(worker, "mode")) == 0 &&
	       number(process, "ep") == number(worker, "index");
}

static void compare_worker(
	struct json_object *got, struct json_object *want, struct json_object *all, int first_node)
{
	struct json_object *processes = get(got, "processes");
	struct json_object *nodes = get(want, "nodes");
	char where[96];
	size_t next = 0;

	snprintf(where, sizeof(where), "%s %d", text(want, "mode"), number(want, "index"));
	if (strcmp(text(got, "role"), text(want, "mode")) != 0)
		differs("%s: got role %s", where, text(got, "role"));
	same("index", where, number(got, "index"), number(want, "index"));
	same("number of nodes", where, (int)length(get(got, "nodes")), (int)length(nodes));
	for (size_t i = 0; i < length(nodes) && i < length(get(got, "nodes")); i++)
		same("node", where, json_object_get_int(at(get(got, "nodes"), i)) - first_node,
			atoi(json_object_get_string(at(nodes, i)) + 1));
	for (size_t i = 0; i < length(all); i++) {
		if (!is_of(at(all, i), want))
			continue;
		if (next < length(processes))
			compare_process(where, at(processes, next), at(all, i), first_node);
		next++;
	}
	same("number of processes", where, (int)length(processes), (int)next);
}

static void compare_plan(struct json_object *got, struct json_object *want)
{
	struct json_object *workers = get(got, "workers");
	struct json_object *endpoints = get(want, "endpoints");
	struct json_object *nodes = get(got, "worker_nodes");
	int first = length(nodes) ? json_object_get_int(at(nodes, 0)) : 0;
	int reserved = json_object_get_boolean(get(want, "infra_dedicated"));

	if (strcmp(text(got, "name"), text(want, "name")) != 0)
		differs("name: got '%s', expected '%s'", text(got, "name"), text(want, "name"));
	same("worker nodes", "plan", (int)length(nodes), number(want, "total_worker_nodes"));
	same("nodes", "plan", number(got, "nodes"), number(want, "total_worker_nodes") + reserved);
	same("GPUs of a node", "plan", number(got, "gpus_per_node"), number(want, "gpus_per_node"));
	same("workers", "plan", (int)length(workers), (int)length(endpoints));
	for (size_t i = 0; i < length(endpoints) && i < length(workers); i++) {
		if (strcmp(text(at(workers, i), "engine"), text(want, "backend")) != 0)
			differs("engine: got %s, expected %s", text(at(workers, i), "engine"),
				text(want, "backend"));
		compare_worker(at(workers, i), at(endpoints, i), get(want, "processes"), first);
	}
}

/* ---- many files in one call ---- */

static char *file_of(struct json_object *want)
{
	const char *variant = text(want, "variant");
	size_t size = strlen(corpus) + strlen(text(want, "recipe")) + strlen(variant) + 16;
	char *file = malloc(size);

	if (file)
		snprintf(file, size, "%s/srtctl/%s%s%s", corpus, text(want, "recipe"),
			*variant ? ":" : "", variant);
	return file;
}

static FILE *start(char **argv, pid_t *ret_pid)
{
	int ends[2];

	if (pipe(ends))
		return NULL;
	*ret_pid = fork();
	if (*ret_pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execv(argv[0], argv);
		_exit(127);
	}
	close(ends[1]);
	return *ret_pid < 0 ? NULL : fdopen(ends[0], "r");
}

/* Whether the plan on `line` is of the variant. */
static bool is_plan_of(struct json_object *plan, struct json_object *want)
{
	const char *source = text(plan, "source");
	const char *recipe = text(want, "recipe");
	size_t len = strlen(source), tail = strlen(recipe);

	return len > tail && strcmp(source + len - tail, recipe) == 0 &&
	       strcmp(text(plan, "variant"), text(want, "variant")) == 0;
}

static void check_variant(struct json_object *plan, struct json_object *want)
{
	char what[256];

	problem[0] = '\0';
	if (plan)
		compare_plan(plan, want);
	else
		differs("there is no plan: see the errors above");
	snprintf(what, sizeof(what), "%s%s%s", text(want, "recipe"),
		text(want, "variant")[0] ? ":" : "", text(want, "variant"));
	if (!ok(!problem[0], what))
		printf("# %s\n", problem);
}

static void check_batch(struct json_object *all, size_t first, size_t count)
{
	char *argv[FILES_A_CALL + 4] = {NULL};
	char program[1024];
	char *line = NULL;
	size_t size = 0, next = first;
	pid_t pid = -1;
	FILE *out;

	snprintf(program, sizeof(program), "%s/bin/disagg-plan", build);
	argv[0] = program;
	argv[1] = (char *)(uintptr_t) "--cluster-file=";
	argv[2] = (char *)(uintptr_t) "--format=json";
	for (size_t i = 0; i < count; i++)
		argv[3 + i] = file_of(at(all, first + i));
	out = start(argv, &pid);
	while (out && getline(&line, &size, out) > 0) {
		struct json_object *plan = json_tokener_parse(line);

		/* plans come in the order of the files; a refused one has none */
		while (next < first + count && !is_plan_of(plan, at(all, next)))
			check_variant(NULL, at(all, next++));
		if (next < first + count)
			check_variant(plan, at(all, next++));
		json_object_put(plan);
	}
	while (next < first + count)
		check_variant(NULL, at(all, next++));
	free(line);
	if (out)
		fclose(out);
	waitpid(pid, NULL, 0);
	for (size_t i = 0; i < count; i++)
		free(argv[3 + i]);
}

int main(void)
{
	struct json_object *all;
	char path[1024];

	corpus = getenv("CORPUS");
	build = getenv("BUILD");
	if (!corpus || !*corpus || !build) {
		printf("not ok 1 - CORPUS and BUILD are set\n1..1\n");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/srtctl/expected-topology.json", corpus);
	all = json_object_from_file(path);
	for (size_t i = 0; i < length(all); i += FILES_A_CALL) {
		size_t left = length(all) - i;

		check_batch(all, i, left < FILES_A_CALL ? left : FILES_A_CALL);
	}
	printf("# %u of %zu variants as srtctl has them\n", tap_count - tap_failed, length(all));
	ok(length(all) > 0, "there is something to compare with");
	json_object_put(all);
	return tap_done();
}
