/* SPDX-License-Identifier: Apache-2.0 */
/*
 * srtctl's own cases (CORPUS/srtctl, the files of vectors): what its code gives for an
 * input must be our plan, but for its defects (an error inside the job, GPUs
 * claimed twice, more claimed than asked for), which must be refused.
 */
#include "lib/base/fd.h"
#include "lib/plan/plan.h"
#include "tests/unit/tap.h"
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static char problem[512]; /* of the row at hand; "" for none */

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

static void same(const char *what, long got, long want)
{
	if (got != want)
		differs("%s: got %ld, expected %ld", what, got, want);
}

/* ---- JSON ---- */

static struct json_object *get(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_string(value) : "";
}

static int number(struct json_object *object, const char *key)
{
	struct json_object *value = get(object, key);

	return value ? json_object_get_int(value) : -1;
}

static bool flag(struct json_object *object, const char *key)
{
	return json_object_get_boolean(get(object, key));
}

static size_t length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static struct json_object *at(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

/* "n12" */
static int node_number(const char *name)
{
	return atoi(name + (*name == 'n'));
}

/* ---- one row: an arena, a job, a plan ---- */

struct row {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_job *job;
	struct disagg_plan *plan;
};

static void row_begin(struct row *row)
{
	*row = (struct row){0};
	disagg_findings_init(&row->found, &row->arena);
	problem[0] = '\0';
}

static void row_end(struct row *row, const char *what)
{
	if (!ok(!problem[0], what))
		printf("# %s\n", problem);
	disagg_arena_release(&row->arena);
}

static const char *first_error(const struct row *row)
{
	for (unsigned i = 0; i < row->found.count; i++) {
		if (row->found.item[i].is_error)
			return row->found.item[i].text;
	}
	return "";
}

static void row_plan(struct row *row)
{
	if (row->job && disagg_plan_make(&row->arena, row->job, &row->plan, &row->found))
		row->plan = NULL;
}

/* A recipe with these lines, planned. */
static void row_load(struct row *row, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void row_load(struct row *row, const char *fmt, ...)
{
	static const char head[] = "name: t\nmodel: {path: m, container: c, precision: fp8}\n";
	char path[] = "/tmp/disagg-vector-XXXXXX";
	struct disagg_request request = {.path = path};
	char body[2048];
	va_list args;
	int fd = mkstemp(path);

	va_start(args, fmt);
	vsnprintf(body, sizeof(body), fmt, args);
	va_end(args);
	if (fd < 0 || disagg_fd_write_all(fd, head, strlen(head)) ||
		disagg_fd_write_all(fd, body, strlen(body)))
		differs("cannot write '%s'", path);
	if (fd >= 0)
		close(fd);
	if (disagg_job_load(&row->arena, &request, &row->job, &row->found))
		row->job = NULL;
	unlink(path);
	row_plan(row);
}

static void must_refuse(const struct row *row, const char *part)
{
	if (row->plan)
		differs("it has a plan, expected a refusal");
	else if (!strstr(first_error(row), part))
		differs("refused with '%s', expected '%s' in it", first_error(row), part);
}

static void must_plan(const struct row *row)
{
	if (!row->plan)
		differs("refused: %s", first_error(row));
}

/* ---- processes ---- */

static void gpu_text(const struct disagg_process *process, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (unsigned i = 0; i < process->gpu_count && used < size; i++)
		used += (size_t)snprintf(
			ret + used, size - used, "%s%u", i ? "," : "", process->gpu_first + i);
}

static void compare_process(const struct disagg_process *got, struct json_object *want)
{
	static const struct {
		enum disagg_port port;
		const char *key;
	} ports[] = {
		{DISAGG_PORT_SYSTEM, "sys"},
		{DISAGG_PORT_HTTP, "http"},
		{DISAGG_PORT_BOOTSTRAP, "boot"},
		{DISAGG_PORT_KV_EVENTS, "kv"},
		{DISAGG_PORT_NIXL, "nixl"},
		{DISAGG_PORT_RPC, "rpc"},
	};
	char gpus[256];

	same("node", got->node, node_number(text(want, "node")));
	same("rank", got->rank, number(want, "rank"));
	gpu_text(got, gpus, sizeof(gpus));
	if (strcmp(gpus, text(want, "cvd")) != 0)
		differs("GPUs: got %s, expected %s", gpus, text(want, "cvd"));
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
		same(ports[i].key, got->port[ports[i].port], number(want, ports[i].key));
}

/* ---- vectors.json ---- */

static const struct {
	const char *name, *workers, *gpus;
	enum disagg_role_kind kind;
} modes[] = {
	{"prefill", "P", "gp", DISAGG_PREFILL},
	{"decode", "D", "gd", DISAGG_DECODE},
	{"agg", "A", "ga", DISAGG_AGG},
};

/* The input as a job: what an importer would make of it. */
static void allocator_job(struct row *row, struct json_object *inp)
{
	struct disagg_job *job = disagg_arena_alloc(&row->arena, sizeof(*job));
	struct disagg_node *tree =
		disagg_node_map(&row->arena, (struct disagg_origin){.source = "vector"});
	struct disagg_import import = {
		.arena = &row->arena, .found = &row->found, .tree = tree, .job = job};

	if (!job || !tree)
		return;
	job->trace.arena = &row->arena;
	job->dialect = DISAGG_SRTCTL;
	job->rule = DISAGG_RULE_SRTCTL;
	job->source = job->name = "vector";
	job->tree = tree;
	job->gpus_per_node = (unsigned)number(inp, "gpn");
	job->want_nodes = (unsigned)number(inp, "N");
	job->spread_workers = flag(inp, "spread");
	job->colocate = flag(inp, "coloc");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		struct disagg_role *role;

		if (number(inp, modes[i].workers) <= 0)
			continue;
		role = disagg_job_add_role(&import, modes[i].name, modes[i].kind, DISAGG_E_SGLANG);
		if (!role)
			return;
		role->workers = (unsigned)number(inp, modes[i].workers);
		role->gpus = (unsigned)number(inp, modes[i].gpus);
	}
	row->job = job;
}

/* A worker of no GPUs is none to the model: only a file can ask for it. */
static bool asks_for_nothing(struct json_object *inp)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (number(inp, modes[i].workers) > 0 && number(inp, modes[i].gpus) <= 0)
			return true;
	}
	return false;
}

/* Whether srtctl's own result is one of its defects. */
static bool is_defect(struct json_object *row)
{
	struct json_object *inp = get(row, "inp");
	struct json_object *endpoints = get(get(row, "out"), "endpoints");

	if (get(get(row, "out"), "error") || strstr(text(row, "short"), "OVERLAP"))
		return true;
	for (size_t i = 0; i < length(endpoints); i++) {
		struct json_object *endpoint = at(endpoints, i);
		size_t claimed = length(get(endpoint, "nodes")) * length(get(endpoint, "gpus"));

		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
			if (strcmp(text(endpoint, "mode"), modes[m].name) != 0)
				continue;
			if (!claimed || (int)claimed != number(inp, modes[m].gpus))
				return true;
		}
	}
	return false;
}

static void compare_allocation(const struct row *row, struct json_object *out)
{
	struct json_object *processes = get(out, "processes");

	must_plan(row);
	if (!row->plan)
		return;
	same("workers", row->plan->worker_count, (long)length(get(out, "endpoints")));
	same("processes", row->plan->process_count, (long)length(processes));
	for (uint32_t i = 0; i < row->plan->process_count && i < length(processes); i++) {
		const struct disagg_process *got = &row->plan->process[i];
		const struct disagg_worker *worker = &row->plan->worker[got->worker];
		const char *role = row->plan->role[worker->role].name;
		struct json_object *want = at(processes, i);

		if (strcmp(role, text(want, "mode")) != 0)
			differs("process %u: got role %s", i, role);
		same("worker", worker->index, number(want, "ep"));
		compare_process(got, want);
	}
}

static void check_allocator(struct json_object *want)
{
	struct json_object *inp = get(want, "inp");
	char what[160];
	struct row row;

	row_begin(&row);
	if (asks_for_nothing(inp)) {
		row_load(&row,
			"resources: {gpu_type: t, gpus_per_node: %d, prefill_nodes: %d, "
			"decode_nodes: 0, prefill_workers: %d, decode_workers: %d, "
			"gpus_per_prefill: %d, gpus_per_decode: %d}\n",
			number(inp, "gpn"), number(inp, "N"), number(inp, "P"), number(inp, "D"),
			number(inp, "gp"), number(inp, "gd"));
	} else {
		allocator_job(&row, inp);
		row_plan(&row);
	}
	if (is_defect(want))
		must_refuse(&row, "GPU");
	else
		compare_allocation(&row, get(want, "out"));
	snprintf(what, sizeof(what), "vectors.json %s: %.100s", text(want, "id"),
		is_defect(want) ? "refused" : text(want, "short"));
	row_end(&row, what);
}

/* ---- nodes_vectors.json ---- */

static void compare_nodes(const struct row *row, struct json_object *result)
{
	struct json_object *workers = get(result, "worker");

	same("head", row->plan->head_node, node_number(text(result, "head")));
	same("client", row->plan->client_node, node_number(text(result, "bench")));
	same("infra", row->plan->infra_node, node_number(text(result, "infra")));
	same("worker nodes", row->plan->worker_nodes, (long)length(workers));
	for (size_t i = 0; i < length(workers); i++)
		same("worker node", (long)(row->plan->worker_node_first + i),
			node_number(json_object_get_string(at(workers, i))));
}

static void check_nodes(struct json_object *want)
{
	struct json_object *flags = get(want, "flags");
	bool front = flag(flags, "frontend_dedicated_node");
	bool client = flag(flags, "client_dedicated_node");
	bool infra = flag(flags, "etcd_nats_dedicated_node");
	bool together = flag(flags, "colocate_dedicated_nodes");
	int reserved = front + client + infra;
	int nodes = number(want, "nodes");
	int workers;
	char what[160];
	struct row row;

	if (together && reserved)
		reserved = 1;
	workers = nodes > reserved ? nodes - reserved : 1;
	row_begin(&row);
	row_load(&row,
		"resources: {gpu_type: t, gpus_per_node: 4, agg_nodes: %d, agg_workers: %d}\n"
		"frontend: {dedicated_node: %s}\ninfra: {etcd_nats_dedicated_node: %s}\n"
		"benchmark: {client_dedicated_node: %s, colocate_with_frontend: %s}\n",
		workers, workers, front ? "true" : "false", infra ? "true" : "false",
		client ? "true" : "false", together ? "true" : "false");
	must_plan(&row);
	/* there, the smallest plan needs more nodes than are given */
	if (row.plan && get(get(want, "result"), "error")) {
		same("nodes of the smallest plan", row.plan->nodes, reserved + 1);
		if (row.plan->nodes <= (unsigned)nodes)
			differs("a plan of %u nodes fits %d", row.plan->nodes, nodes);
	} else if (row.plan) {
		same("nodes", row.plan->nodes, nodes);
		compare_nodes(&row, get(want, "result"));
	}
	snprintf(what, sizeof(what), "nodes_vectors.json: %d nodes%s%s%s%s", nodes,
		front ? ", frontend" : "", client ? ", client" : "", infra ? ", infra" : "",
		together ? "" : ", apart");
	row_end(&row, what);
}

/* ---- het_nodes_vectors.json ---- */

static long position(struct json_object *want, const char *name)
{
	struct json_object *g0 = get(want, "g0"), *g1 = get(want, "g1");

	for (size_t i = 0; i < length(g0) + length(g1); i++) {
		struct json_object *node = i < length(g0) ? at(g0, i) : at(g1, i - length(g0));

		if (strcmp(json_object_get_string(node), name) == 0)
			return (long)i;
	}
	return -1;
}

/* The only worker of a side has the whole pool. */
static void compare_pool(
	const struct row *row, struct json_object *want, uint32_t index, const char *key)
{
	struct json_object *pool = get(get(want, "result"), key);
	const struct disagg_worker *worker = &row->plan->worker[index];

	same(key, worker->process_count, (long)length(pool));
	for (uint32_t i = 0; i < worker->process_count && i < length(pool); i++)
		same(key, row->plan->process[worker->first_process + i].node,
			position(want, json_object_get_string(at(pool, i))));
}

static void check_pools(struct json_object *want)
{
	struct json_object *result = get(want, "result");
	bool infra = flag(want, "dedicated");
	int prefill = (int)length(get(want, "g0")) - infra;
	struct row row;
	char what[160];

	row_begin(&row);
	row_load(&row,
		"resources: {gpu_type: t, gpus_per_node: 4, het_jobs: true, prefill_nodes: %d, "
		"prefill_workers: 1, decode_nodes: %d, decode_workers: 1}\n"
		"infra: {etcd_nats_dedicated_node: %s}\n",
		prefill < 0 ? 0 : prefill, (int)length(get(want, "g1")), infra ? "true" : "false");
	if (get(result, "error")) {
		must_refuse(&row, "expected prefill_nodes and decode_nodes of at least 1");
	} else {
		must_plan(&row);
	}
	if (row.plan && !get(result, "error")) {
		same("head", row.plan->head_node, position(want, text(result, "head")));
		same("client", row.plan->client_node, position(want, text(result, "bench")));
		same("infra", row.plan->infra_node, position(want, text(result, "infra")));
		same("worker nodes", row.plan->worker_nodes, (long)length(get(result, "worker")));
		same("workers", row.plan->worker_count, 2);
		compare_pool(&row, want, 0, "pg");
		compare_pool(&row, want, 1, "dg");
	}
	snprintf(what, sizeof(what), "het_nodes_vectors.json: %zu and %zu nodes%s",
		length(get(want, "g0")), length(get(want, "g1")), infra ? ", infra" : "");
	row_end(&row, what);
}

/* ---- frontend_topology_vectors.json ---- */

static void compare_frontends(const struct row *row, struct json_object *want)
{
	struct json_object *frontends = get(want, "frontends");
	bool nginx = get(want, "nginx") != NULL;
	size_t count = 0;

	for (uint32_t i = 0; i < row->plan->service_count; i++) {
		const struct disagg_service *service = &row->plan->service[i];
		const char *role = row->plan->role[service->role].name;

		if (strcmp(role, "nginx") == 0) {
			same("nginx's node", nginx ? (long)service->node : -2,
				node_number(text(want, "nginx")));
			same("public port", service->port, number(want, "pport"));
			nginx = false;
		} else if (strcmp(role, "frontend") == 0) {
			if (count < length(frontends))
				same("frontend's node", service->node,
					node_number(json_object_get_string(at(frontends, count))));
			same("frontend's port", service->port, number(want, "fport"));
			count++;
		}
	}
	same("frontends", (long)count, (long)length(frontends));
	if (nginx)
		differs("there is no nginx");
}

static void check_frontends(struct json_object *want)
{
	struct row row;
	char what[160];

	row_begin(&row);
	row_load(&row,
		"resources: {gpu_type: t, gpus_per_node: 4, agg_nodes: %d, agg_workers: %d}\n"
		"frontend: {enable_multiple_frontends: %s, num_additional_frontends: %d}\n",
		number(want, "nodes"), number(want, "nodes"),
		flag(want, "multi") ? "true" : "false", number(want, "additional"));
	must_plan(&row);
	if (row.plan)
		compare_frontends(&row, want);
	snprintf(what, sizeof(what), "frontend_topology_vectors.json: %d nodes, %s, %d more",
		number(want, "nodes"), flag(want, "multi") ? "several" : "single",
		number(want, "additional"));
	row_end(&row, what);
}

/* ---- vllm_dp_vectors.json ---- */

static void load_dp(struct row *row, struct json_object *want)
{
	const char *mode = text(want, "mode");
	bool agg = strcmp(mode, "agg") == 0;
	const char *other = strcmp(mode, "prefill") == 0 ? "decode" : "prefill";
	int nodes = number(want, "nodes"), gpus = number(want, "gpus");
	char beside[96] = "";

	/* two sides make a recipe; the other one has no settings */
	if (!agg)
		snprintf(beside, sizeof(beside), ", %s_nodes: 1, %s_workers: 1", other, other);
	row_load(row,
		"resources: {gpu_type: t, gpus_per_node: %d, %s_nodes: %d, %s_workers: 1, "
		"gpus_per_%s: %d%s}\n"
		"frontend: {type: %s, enable_multiple_frontends: false}\n"
		"backend: {type: vllm, dp_launch_mode: %s, vllm_config: {%s: %s}}\n",
		gpus, mode, nodes, mode, mode, nodes * gpus, beside, text(want, "frontend"),
		text(want, "launch"), agg ? "aggregated" : mode,
		json_object_to_json_string(get(want, "cfg")));
}

static void compare_ranks(const struct row *row, struct json_object *want)
{
	struct json_object *result = get(want, "result");
	const struct disagg_worker *worker;
	int role;

	must_plan(row);
	if (!row->plan)
		return;
	role = disagg_plan_role_index(row->plan, text(want, "mode"));
	worker = role < 0 ? NULL : disagg_plan_worker(row->plan, (uint32_t)role, 0);
	if (!worker) {
		differs("there is no %s worker", text(want, "mode"));
		return;
	}
	same("processes", worker->process_count, (long)length(result));
	for (uint32_t i = 0; i < worker->process_count && i < length(result); i++)
		compare_process(&row->plan->process[worker->first_process + i], at(result, i));
}

static void check_dp(struct json_object *want)
{
	struct json_object *result = get(want, "result");
	char what[160];
	struct row row;

	row_begin(&row);
	load_dp(&row, want);
	if (json_object_is_type(result, json_type_string))
		must_refuse(&row,
			get(get(want, "cfg"), "headless") ? "headless" : "data-parallel-size");
	else
		compare_ranks(&row, want);
	snprintf(what, sizeof(what), "vllm_dp_vectors.json %s: %.100s", text(want, "label"),
		json_object_to_json_string(get(want, "cfg")));
	row_end(&row, what);
}

int main(void)
{
	static const struct {
		const char *file;
		void (*check)(struct json_object *row);
	} files[] = {
		{"vectors.json", check_allocator},
		{"nodes_vectors.json", check_nodes},
		{"het_nodes_vectors.json", check_pools},
		{"frontend_topology_vectors.json", check_frontends},
		{"vllm_dp_vectors.json", check_dp},
	};
	const char *corpus = getenv("CORPUS");
	char path[1024];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct json_object *rows;

		snprintf(path, sizeof(path), "%s/srtctl/%s", corpus ? corpus : "", files[i].file);
		rows = json_object_from_file(path);
		ok(length(rows) > 0, files[i].file);
		for (size_t r = 0; r < length(rows); r++)
			files[i].check(at(rows, r));
		json_object_put(rows);
	}
	return tap_done();
}
