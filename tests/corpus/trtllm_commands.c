/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"
#include "lib/conf/scalar.h"
#include "tests/unit/tap.h"
#include <json-c/json.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Every file of $CORPUS/trtllm in each mode, as `disagg plan --format=commands`
 * prints it: what facts of TensorRT-LLM's own scripts say of a server's command,
 * ranks, variables and settings, and of the disaggregated server.
 */
struct file_case {
	const char *name, *mode;
	struct disagg_arena arena;
	struct disagg_node *root;     /* the file */
	struct json_object *commands; /* ours */
};

static const char *corpus, *build;

static const char *what(const struct file_case *c, const char *text)
{
	static char line[1024];

	snprintf(line, sizeof(line), "%s %s: %s", c->name, c->mode, text);
	return line;
}

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_string(value) : "";
}

static size_t length(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

static const char *value(const struct file_case *c, const char *path)
{
	const struct disagg_node *node = disagg_node_find(c->root, path);

	return node && node->kind == DISAGG_SCALAR ? node->text : NULL;
}

static int number(const struct file_case *c, const char *path, int otherwise)
{
	const char *text = value(c, path);

	return text ? atoi(text) : otherwise;
}

/* ---- our output ---- */

static struct json_object *plan_commands(const char *path, const char *set)
{
	char program[2048], line[64] = "";
	struct disagg_strbuf all;
	struct json_object *result;
	int ends[2], status = -1;
	ssize_t got;
	pid_t pid;

	snprintf(program, sizeof(program), "%s/bin/disagg-plan", build);
	if (pipe(ends))
		return NULL;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(program, program, "--cluster-file=", "--format=commands",
			"--set=environment.model_path=/m/r1", set, path, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	disagg_strbuf_init(&all, 0);
	while ((got = read(ends[0], line, sizeof(line))) > 0)
		disagg_strbuf_add(&all, line, (size_t)got);
	close(ends[0]);
	waitpid(pid, &status, 0);
	result = status == 0 ? json_tokener_parse(all.text) : NULL;
	disagg_strbuf_release(&all);
	return result;
}

static void join_argv(struct json_object *step, struct disagg_strbuf *ret)
{
	struct json_object *argv = get(step, "argv");

	disagg_strbuf_clear(ret);
	for (size_t i = 0; i < length(argv); i++)
		disagg_strbuf_printf(ret, "%s%s", i ? " " : "",
			json_object_get_string(json_object_array_get_idx(argv, i)));
}

/* ---- settings: the file's section, with every type ---- */

static void tree_json(const struct disagg_node *node, struct disagg_strbuf *ret)
{
	disagg_strbuf_clear(ret);
	if (node)
		disagg_node_json(node, ret);
}

static void check_settings(
	struct file_case *c, struct json_object *step, const char *section, const char *name)
{
	struct json_object *file = json_object_array_get_idx(get(step, "files"), 0);
	const char *text = text_of(file, "text");
	struct disagg_node *dumped = NULL;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf want, got;

	disagg_strbuf_init(&want, 0);
	disagg_strbuf_init(&got, 0);
	is_str(text_of(file, "name"), name, what(c, "the name of its settings"));
	disagg_yaml_parse(&c->arena, text, strlen(text), name, &dumped, &err);
	is_str(err.text, "", what(c, "its settings are YAML"));
	tree_json(disagg_node_find(c->root, section), &want);
	tree_json(dumped, &got);
	is_str(got.text, want.text, what(c, "its settings are the file's, unmodified"));
	disagg_strbuf_release(&want);
	disagg_strbuf_release(&got);
}

/* ---- variables ---- */

/* Each K=V of a line is there, unless `later` has K too. */
static void check_line(
	const struct file_case *c, struct json_object *env, const char *line, const char *later)
{
	char copy[4096], *save = NULL, key[256], again[260];

	snprintf(copy, sizeof(copy), "%s", line ? line : "");
	for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		char *equals = strchr(word, '=');

		if (!equals)
			continue;
		*equals = '\0';
		snprintf(key, sizeof(key), "%s", word);
		snprintf(again, sizeof(again), "%s=", key);
		if (!later || !strstr(later, again))
			is_str(text_of(env, key), equals + 1, what(c, key));
	}
}

static void check_environment(const struct file_case *c, struct json_object *step, bool gen)
{
	struct json_object *env = get(step, "env");
	bool gen_only = strcmp(c->mode, "gen_only") == 0;
	bool alone = strcmp(c->mode, "gen_only_no_context") == 0;
	const char *own =
		value(c, gen ? "environment.gen_worker_env_var" : "environment.ctx_worker_env_var");
	struct json_object *unset = NULL;

	check_line(c, env, value(c, "environment.worker_env_var"), own);
	check_line(c, env, own, NULL);
	ok(json_object_object_get_ex(env, "UCX_TLS", &unset) && !unset,
		what(c, "UCX_TLS is unset"));
	is_str(text_of(env, "TRTLLM_DISABLE_KV_CACHE_TRANSFER_OVERLAP"), gen_only ? "1" : "",
		what(c, "no overlap in gen_only"));
	ok((atoi(text_of(env, "TLLM_BENCHMARK_REQ_QUEUES_SIZE")) > 0) == (gen_only && gen),
		what(c, "gen servers wait for the concurrency in gen_only"));
	is_str(text_of(env, "TRTLLM_DISAGG_BENCHMARK_GEN_ONLY"), alone && gen ? "1" : "",
		what(c, "they make up the prompts without context servers"));
}

/* ---- one server ---- */

static int world_of(const struct file_case *c, bool gen)
{
	static const char *const sizes[] = {
		"tensor_parallel_size", "pipeline_parallel_size", "context_parallel_size"};
	int world = 1;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "worker_config.%s.%s", gen ? "gen" : "ctx", sizes[i]);
		world *= number(c, path, 1);
	}
	return world;
}

static void check_server(struct file_case *c, struct json_object *step, bool gen)
{
	const char *bind = value(c, "slurm.numa_bind");
	bool binds = bind && (strcmp(bind, "true") == 0 || strcmp(bind, "True") == 0);
	int node = json_object_get_int(json_object_array_get_idx(get(step, "nodes"), 0));
	struct disagg_strbuf got;
	char want[512];

	disagg_strbuf_init(&got, 0);
	join_argv(step, &got);
	snprintf(want, sizeof(want),
		"trtllm-llmapi-launch %strtllm-serve /m/r1 --host <host:%d> --port %d --config "
		"<run_dir>/%s_config.yaml",
		binds ? "numactl -m 0,1 " : "", node, json_object_get_int(get(step, "health_port")),
		gen ? "gen" : "ctx");
	is_str(got.text, want, what(c, "a server's command"));
	is_int(json_object_get_int(get(step, "tasks")), world_of(c, gen),
		what(c, "exactly world-size ranks"));
	check_environment(c, step, gen);
	check_settings(c, step, gen ? "worker_config.gen" : "worker_config.ctx",
		gen ? "gen_config.yaml" : "ctx_config.yaml");
	disagg_strbuf_release(&got);
}

/* ---- the disaggregated server ---- */

/* urls of a list are the servers', in their order */
static void check_urls(
	const struct file_case *c, struct disagg_node *config, const char *list, const char *role)
{
	struct json_object *steps = get(c->commands, "steps");
	char path[64], want[128];
	const struct disagg_node *urls;
	uint32_t found = 0;

	snprintf(path, sizeof(path), "%s.urls", list);
	urls = disagg_node_find(config, path);
	for (size_t i = 0; i < length(steps); i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);

		if (strcmp(text_of(step, "role"), role) != 0)
			continue;
		snprintf(want, sizeof(want), "<host:%s>:%d",
			json_object_get_string(json_object_array_get_idx(get(step, "nodes"), 0)),
			json_object_get_int(get(step, "health_port")));
		is_str(urls && found < urls->count ? urls->item[found]->text : "none", want,
			what(c, "the address of a server"));
		found++;
	}
	is_int(urls ? urls->count : 0, found, what(c, "as many addresses as servers"));
	snprintf(path, sizeof(path), "%s.num_instances", list);
	is_int(atoi(disagg_node_find(config, path)->text), found, what(c, path));
}

static void check_same(const struct file_case *c, const struct disagg_node *theirs,
	const struct disagg_node *ours, const char *name)
{
	struct disagg_strbuf want, got;

	disagg_strbuf_init(&want, 0);
	disagg_strbuf_init(&got, 0);
	tree_json(theirs, &want);
	tree_json(ours, &got);
	is_str(got.text, want.text, what(c, name));
	disagg_strbuf_release(&want);
	disagg_strbuf_release(&got);
}

static void check_front(struct file_case *c, struct json_object *step)
{
	struct json_object *file = json_object_array_get_idx(get(step, "files"), 0);
	const struct disagg_node *extra = disagg_node_get(c->root, "server_config_extra");
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *config = NULL;
	struct disagg_strbuf argv;

	disagg_strbuf_init(&argv, 0);
	join_argv(step, &argv);
	is_str(argv.text,
		"trtllm-serve disaggregated -c <run_dir>/server_config.yaml -t 7200 -r 7200",
		what(c, "the disaggregated server's command"));
	disagg_strbuf_release(&argv);
	is_int(json_object_get_int(get(step, "tasks")), 1, what(c, "is one task"));
	check_line(c, get(step, "env"), value(c, "environment.server_env_var"), NULL);
	is_str(text_of(get(step, "env"), "TRTLLM_DISAGG_BENCHMARK_GEN_ONLY"),
		strcmp(c->mode, "gen_only_no_context") == 0 ? "1" : "",
		what(c, "which knows when there is no context server"));
	disagg_yaml_parse(&c->arena, text_of(file, "text"), strlen(text_of(file, "text")),
		"server_config.yaml", &config, &err);
	if (!ok(config != NULL, what(c, "its settings are YAML")))
		return;
	check_urls(c, config, "context_servers", "prefill");
	check_urls(c, config, "generation_servers", "decode");
	is_str(disagg_node_get(config, "backend")->text, "pytorch", what(c, "backend"));
	check_same(c, disagg_node_get(c->root, "ctx_router_config"),
		disagg_node_find(config, "context_servers.router"), "the context servers' router");
	check_same(c, disagg_node_get(c->root, "gen_router_config"),
		disagg_node_find(config, "generation_servers.router"), "the gen servers' router");
	for (uint32_t i = 0; extra && i < extra->count; i++)
		check_same(c, extra->pair[i].value, disagg_node_get(config, extra->pair[i].key),
			extra->pair[i].key);
}

/* ---- files ---- */

static void check_ports(const struct file_case *c)
{
	struct json_object *steps = get(c->commands, "steps");
	bool apart = true;

	for (size_t i = 0; i < length(steps); i++) {
		struct json_object *a = json_object_array_get_idx(steps, i);

		for (size_t k = i + 1; k < length(steps); k++) {
			struct json_object *b = json_object_array_get_idx(steps, k);
			int port = json_object_get_int(get(a, "health_port"));

			apart = apart &&
				!(port && port == json_object_get_int(get(b, "health_port")) &&
					strcmp(json_object_get_string(json_object_array_get_idx(
						       get(a, "nodes"), 0)),
						json_object_get_string(json_object_array_get_idx(
							get(b, "nodes"), 0))) == 0);
		}
	}
	ok(apart, what(c, "no two servers of a node have one port"));
}

static void check_file(struct file_case *c, const char *path, const char *set)
{
	struct json_object *steps;
	int ctx = 0, gen = 0;
	bool alone = strcmp(c->mode, "gen_only_no_context") == 0;

	c->commands = plan_commands(path, set);
	if (!ok(c->commands != NULL, what(c, "has commands")))
		return;
	steps = get(c->commands, "steps");
	for (size_t i = 0; i < length(steps); i++) {
		struct json_object *step = json_object_array_get_idx(steps, i);
		const char *role = text_of(step, "role");
		bool decodes = strcmp(role, "decode") == 0;

		if (decodes || strcmp(role, "prefill") == 0)
			check_server(c, step, decodes);
		else if (strcmp(role, "frontend") == 0)
			check_front(c, step);
		gen += decodes;
		ctx += strcmp(role, "prefill") == 0;
	}
	is_int(gen, number(c, "hardware.num_gen_servers", -1), what(c, "gen servers"));
	is_int(ctx, alone ? 0 : number(c, "hardware.num_ctx_servers", -1),
		what(c, "context servers"));
	check_ports(c);
	json_object_put(c->commands);
}

static void check_modes(const char *name)
{
	static const char *const modes[] = {"e2e", "gen_only", "gen_only_no_context"};
	char path[4096], set[64];

	snprintf(path, sizeof(path), "%s/trtllm/%s", corpus, name);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct file_case c = {.name = name, .mode = modes[i]};
		struct disagg_err err = DISAGG_ERR_INIT;

		snprintf(set, sizeof(set), "--set=benchmark.mode=%s", modes[i]);
		if (disagg_yaml_load(&c.arena, path, &c.root, &err))
			ok(false, what(&c, err.text));
		else
			check_file(&c, path, set);
		disagg_arena_release(&c.arena);
	}
}

int main(void)
{
	char path[4096];
	json_object *all;
	int files = 0;

	corpus = getenv("CORPUS");
	build = getenv("BUILD");
	if (!ok(corpus && build, "CORPUS and BUILD are set"))
		return tap_done();
	snprintf(path, sizeof(path), "%s/trtllm/expected.json", corpus);
	all = json_object_from_file(path);
	if (!ok(all != NULL, "expected.json names the files"))
		return tap_done();
	json_object_object_foreach(all, name, expected)
	{
		(void)expected;
		files++;
		check_modes(name);
	}
	ok(files >= 12, "there are files");
	json_object_put(all);
	return tap_done();
}
