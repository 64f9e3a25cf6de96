/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/jobtext.h"

static const char full[] =
	"disagg: 1\n"
	"name: full\n"
	"gpus_per_node: 4\n"
	"nodes: 3\n"
	"model: {path: big, served_name: org/big, precision: fp8}\n"
	"container: {image: img, name: keep, workdir: /w, mounts: {/data: /data}}\n"
	"env: {A: 1, B: top, C: \"yes\", D: }\n"
	"log_dir: logs/%j\n"
	"network_interface: ib0\n"
	"placement: spread\n"
	"slurm:\n"
	"  partition: p\n"
	"  time: 02:00:00\n"
	"  segment: true\n"
	"  exclusive: true\n"
	"  cpus_per_gpu: 8\n"
	"  sbatch: {comment: hi, requeue: }\n"
	"  srun: {mpi: pmix}\n"
	"health: {timeout: 15m, interval: 5, polls: 2, lost_after: 1m}\n"
	"reserve: {infra: true, client: true, together: true}\n"
	"roles:\n"
	"  router: {engine: dynamo_frontend, after: [decode, prefill, etcd], port: 9000}\n"
	"  etcd: {engine: etcd}\n"
	"  prefill:\n"
	"    engine: sglang\n"
	"    workers: 2\n"
	"    gpus: 2\n"
	"    placement: pack\n"
	"    args: {tp-size: 2, port: 31000, disaggregation-bootstrap-port: 8998}\n"
	"    env: {B: role, E: '${env:E}'}\n"
	"    container: {image: other, mounts: {/more: /more}}\n"
	"    ready: {http: /health_generate, timeout: 2h, lost_after: 0}\n"
	"    critical: false\n"
	"    restart: 3\n"
	"  decode: {engine: trtllm, gpus: 8, tp: 8, ports: {dist: 12000}}\n"
	"  web: {command: [python3, -m, http.server], port: 8080, node: 2, kind: frontend}\n"
	"  probe: {script: 'echo hi', node: last_decode}\n"
	"benchmark: {type: sa-bench, isl: 1024, osl: 128, concurrencies: 4x8, request_rate: inf,\n"
	"  num_prompts_mult: 10, lists: [1, 2]}\n";

static const char cluster[] = "clusters:\n"
			      "  one:\n"
			      "    account: acc\n"
			      "    partition: other\n"
			      "    gpus_per_node: 8\n"
			      "    models: {big: /models/big}\n"
			      "    containers: {img: /images/i.sqsh}\n"
			      "    mounts: {/models: /models}\n"
			      "    env: {A: cluster, Z: cluster}\n";

static void test_head(const struct disagg_job *job)
{
	is_int(job->dialect, DISAGG_NATIVE, "the dialect");
	is_int(job->rule, DISAGG_RULE_NATIVE, "the rule of placement");
	is_str(job->name, "full", "the name");
	is_int(job->gpus_per_node, 4, "the file's gpus_per_node wins over the cluster's");
	is_int(job->node_gpus, 8, "what a node has is the cluster file's to say");
	is_int(job->want_nodes, 3, "nodes");
	is_str(job->model_path, "/models/big", "a model's alias is resolved");
	is_str(job->served_name, "org/big", "served_name");
	is_str(job->container.image, "/images/i.sqsh", "an image's alias is resolved");
	is_str(job->log_dir, "logs/%j", "log_dir");
	is_str(job->network_interface, "ib0", "network_interface");
	is_int(job->health.timeout.v, 900, "a duration");
	is_int(job->health.polls.v, 2, "polls");
	is_int(job->health.lost_after.v, 60, "lost_after");
	ok(job->reserve_infra && job->reserve_client && job->reserve_together &&
			!job->reserve_frontend,
		"reserve");
	ok(job->want_segment && job->want_exclusive, "segment and exclusive");
	is_int(job->cpus_per_gpu, 8, "cpus_per_gpu");
}

static const struct disagg_directive *directive(const struct disagg_job *job, const char *option)
{
	for (unsigned i = 0; i < job->directive_count; i++) {
		if (strcmp(job->directive[i].option, option) == 0)
			return &job->directive[i];
	}
	return NULL;
}

static void test_directives(const struct disagg_job *job)
{
	static const struct {
		const char *option, *value;
		unsigned line;
		bool from_cluster;
	} want[] = {
		{"partition", "p", 12, false},
		{"time", "02:00:00", 13, false},
		{"comment", "hi", 17, false},
		{"requeue", "", 17, false},
		{"job-name", "full", 2, false},
		{"account", "acc", 3, true},
	};

	is_int(job->directive_count, 6, "as many directives as the files give");
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct disagg_directive *got = directive(job, want[i].option);

		is_str(got ? got->value : NULL, want[i].value, want[i].option);
		is_int(got ? got->at.line : 0, want[i].line, "its line");
		ok(got && got->from_cluster == want[i].from_cluster, "its layer");
	}
}

static void test_roles(const struct disagg_job *job)
{
	static const char *const order[] = {
		"prefill", "decode", "etcd", "router", "web", "probe", "benchmark"};
	const struct disagg_role *prefill = disagg_job_role(job, "prefill");
	const struct disagg_role *decode = disagg_job_role(job, "decode");
	const struct disagg_role *router = disagg_job_role(job, "router");
	const struct disagg_role *web = disagg_job_role(job, "web");

	is_int(job->role_count, 7, "roles, with one for the benchmark");
	for (unsigned i = 0; i < 7 && i < job->role_count; i++)
		is_str(job->role[i].name, order[i], "GPU roles first, then by what waits for what");
	if (!prefill || !decode || !router || !web)
		return;
	is_int(prefill->kind, DISAGG_PREFILL, "a kind by the name");
	is_int(prefill->workers, 2, "workers");
	is_int(prefill->gpus, 2, "gpus");
	is_int(prefill->placement, DISAGG_PLACE_PACK, "the role's placement");
	is_int(prefill->tasks, DISAGG_TASKS_PER_NODE, "sglang: a task a node");
	is_int(prefill->pin[DISAGG_PORT_HTTP], 31000, "a port that args pin");
	is_int(prefill->pin[DISAGG_PORT_BOOTSTRAP], 8998, "and another");
	is_int(prefill->port, -1, "a worker has no public port");
	is_int(prefill->restart, 3, "restart");
	ok(!prefill->critical && decode->critical, "critical is the default");
	is_str(prefill->ready.http, "/health_generate", "ready.http");
	is_int(prefill->ready.timeout.v, 7200, "ready.timeout");
	ok(prefill->ready.lost_after.set, "ready.lost_after: 0 counts as given");
	is_str(prefill->container.image, "other", "a role's own image");
	is_str(disagg_map_get(&prefill->container.mounts, "/models"), "/models", "cluster mount");
	is_str(disagg_map_get(&prefill->container.mounts, "/data"), "/data", "file mount");
	is_str(disagg_map_get(&prefill->container.mounts, "/more"), "/more", "role mount");
	is_str(disagg_map_get(&decode->container.mounts, "/more"), NULL, "and no other role's");
	is_str(disagg_map_get(&prefill->env, "A"), "1", "file over cluster");
	is_str(disagg_map_get(&prefill->env, "B"), "role", "role over file");
	is_str(disagg_map_get(&decode->env, "B"), "top", "but not for other roles");
	is_str(disagg_map_get(&decode->env, "C"), "yes", "a quoted boolean is text");
	is_str(disagg_map_get(&decode->env, "D"), "", "nothing is an empty value");
	is_str(disagg_map_get(&decode->env, "Z"), "cluster", "the cluster's where none is given");
	is_str(disagg_map_get(&decode->srun_options, "mpi"), "pmix", "srun options");
	is_int(decode->tasks, DISAGG_TASKS_PER_GPU, "trtllm: a task a GPU");
	is_int(decode->placement, DISAGG_PLACE_SPREAD, "the file's placement");
	is_int(decode->pin[DISAGG_PORT_DIST], 12000, "a pinned port");
	is_int(decode->pin[DISAGG_PORT_HTTP], -1, "none pinned");
	is_int(router->kind, DISAGG_FRONTEND, "a router is a frontend");
	is_int(router->port, 9000, "its port");
	is_int(router->after.count, 3, "what it waits for");
	is_int(disagg_job_role(job, "etcd")->port, 2379, "etcd's port");
	is_int(disagg_job_role(job, "etcd")->site, DISAGG_SITE_INFRA, "etcd's place");
	is_int(web->kind, DISAGG_FRONTEND, "kind: as the file says");
	is_int(web->site, DISAGG_SITE_NODE, "a node by number");
	is_int(web->site_node, 2, "which");
	is_int(web->command.count, 3, "a command");
	is_int(disagg_job_role(job, "probe")->site, DISAGG_SITE_LAST_DECODE, "node: last_decode");
}

static void test_bench(const struct disagg_job *job)
{
	const struct disagg_role *role = disagg_job_role(job, "benchmark");

	is_str(job->bench.type, "sa-bench", "benchmark.type");
	is_int(job->bench.isl.v, 1024, "isl");
	is_int(job->bench.concurrencies.count, 2, "4x8 is two");
	is_str(job->bench.concurrencies.v[1], "8", "the second");
	is_str(job->bench.request_rate, "inf", "request_rate");
	is_str(disagg_map_get(&job->bench.options, "num_prompts_mult"), "10", "another key");
	is_str(disagg_map_get(&job->bench.options, "lists"), "[1,2]", "a list as JSON");
	is_int(role ? role->after.count : 0, 2, "the load waits for the frontends");
	is_int(role ? role->site : 0, DISAGG_SITE_CLIENT, "on the client's node");
}

static void test_origins(const struct disagg_job *job)
{
	static const struct {
		const char *path, *source;
		unsigned line;
	} want[] = {
		{"gpus_per_node", "job.yaml", 3},
		{"roles.prefill.workers", "job.yaml", 26},
		{"roles.decode.workers", "default", 0},
		{"roles.decode.critical", "default", 0},
		{"cluster.partition", "cluster.yaml", 4},
		{"cluster.env.Z", "cluster.yaml", 9},
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const struct disagg_origin *at = disagg_trace_origin(&job->trace, want[i].path);

		is_str(at ? at->source : NULL, want[i].source, want[i].path);
		is_int(at ? at->line : 99999, want[i].line, "its line");
	}
}

#define HEAD  "disagg: 1\nname: n\ngpus_per_node: 4\n"
#define ROLES HEAD "roles:\n"
#define ONE   ROLES "  decode: {engine: sglang, gpus: 4}\n"

static const struct jobtext_case bad[] = {
	{"another schema", "disagg: 2\nname: n\ngpus_per_node: 4\nroles: {a: {command: [x]}}\n",
		"E job.yaml:1:9: disagg: this version reads schema 1, got 2"},
	{"no roles", HEAD,
		"E job.yaml:1:1: roles: expected a map of at least one role by name, got no such "
		"key"},
	{"empty roles", HEAD "roles: {}\n",
		"E job.yaml:4:8: roles: expected a map of at least one role by name, got an empty "
		"map"},
	{"roles as a list", HEAD "roles: [a]\n",
		"E job.yaml:4:8: roles: expected a map of at least one role by name, got a list"},
	{"no gpus_per_node", "disagg: 1\nname: n\nroles: {decode: {engine: sglang, gpus: 4}}\n",
		"E job.yaml:1:1: gpus_per_node is missing: roles use GPUs and the cluster file "
		"does not say how many a node has"},
	{"a role's name", ROLES "  Decode: {engine: sglang, gpus: 4}\n",
		"E job.yaml:5:3: role name 'Decode': expected a letter a-z, then at most 30 of "
		"a-z, 0-9, _ and -"},
	{"a long name", ROLES "  a1234567890123456789012345678901: {engine: etcd}\n",
		"E job.yaml:5:3: role name 'a1234567890123456789012345678901': expected a letter "
		"a-z, then at most 30 of a-z, 0-9, _ and -"},
	{"a role without a map", ROLES "  decode: 4\n",
		"E job.yaml:5:11: roles.decode: expected a map, got an integer"},
	{"GPUs without an engine", ROLES "  decode: {gpus: 4}\n",
		"E job.yaml:5:3: roles.decode: a role with GPUs needs an engine: expected engine: "
		"sglang, trtllm, vllm, mocker or command"},
	{"an engine without GPUs", ROLES "  decode: {engine: sglang}\n",
		"E job.yaml:5:20: roles.decode: engine 'sglang' needs GPUs: expected gpus: of at "
		"least 1"},
	{"a service with GPUs", ROLES "  etcd: {engine: etcd, gpus: 1}\n",
		"E job.yaml:5:30: roles.etcd: 'etcd' is a service and takes no GPUs: remove "
		"gpus:"},
	{"nothing to run", ROLES "  x: {port: 80}\n",
		"E job.yaml:5:3: roles.x: nothing to run: expected engine:, command: or script:"},
	{"an engine and a command", ROLES "  decode: {engine: sglang, gpus: 4, command: [a]}\n",
		"E job.yaml:5:46: roles.decode: engine 'sglang' builds its own command: remove "
		"command: or say engine: command"},
	{"command and script", ROLES "  x: {command: [a], script: b}\n",
		"E job.yaml:5:29: roles.x: both command: and script: are given: expected one"},
	{"a node for a worker", ROLES "  decode: {engine: sglang, gpus: 4, node: head}\n",
		"E job.yaml:5:43: roles.decode.node: only a service has a node of its own: "
		"expected gpus: 0 or placement:"},
	{"a node of no name", ROLES "  x: {command: [a], node: hed}\n",
		"E job.yaml:5:27: roles.x.node: expected head, infra, client, first_decode, "
		"last_decode, spread or a node's number, got 'hed'"},
	{"a port for a worker", ROLES "  decode: {engine: sglang, gpus: 4, port: 80}\n",
		"E job.yaml:5:43: roles.decode.port: only a service has one: expected ports.http"},
	{"two words for one port",
		ROLES "  decode: {engine: sglang, gpus: 4, args: {port: 1}, ports: {http: 2}}\n",
		"E job.yaml:5:50: roles.decode: args: 'port' is 1 but ports.http is 2: remove one"},
	{"placement of a service", ROLES "  x: {command: [a], placement: pack}\n",
		"E job.yaml:5:32: roles.x.placement: only a role with GPUs has one: expected "
		"node:"},
	{"args as a list", ROLES "  decode: {engine: sglang, gpus: 4, args: [a]}\n",
		"E job.yaml:5:43: roles.decode.args: expected a map, got a list"},
	{"a path without a slash", ROLES "  x: {command: [a], ready: {http: health}}\n",
		"E job.yaml:5:35: roles.x.ready.http: expected a path that begins with '/', got "
		"'health'"},
	{"a boolean in env", HEAD "env: {A: yes}\nroles: {x: {command: [a]}}\n",
		"E job.yaml:4:10: env.A: 'yes' is a boolean in YAML: quote it, as \"yes\""},
	{"an octal in env", HEAD "env: {A: 010}\nroles: {x: {command: [a]}}\n",
		"E job.yaml:4:10: env.A: YAML reads '010' as another number: quote it, as "
		"\"010\""},
	{"a time in a role's env", ROLES "  x: {command: [a], env: {T: 10:00:00}}\n",
		"E job.yaml:5:30: roles.x.env.T: YAML reads '10:00:00' as another number: quote "
		"it, as \"10:00:00\""},
	{"an unknown key", ONE "colour: red\n", "E job.yaml:6:1: unknown key 'colour'"},
	{"a misspelt key of a role", ROLES "  decode: {engine: sglang, gpu: 4}\n",
		"E job.yaml:5:28: roles.decode: unknown key 'gpu', did you mean 'gpus'?\n"
		"E job.yaml:5:20: roles.decode: engine 'sglang' needs GPUs: expected gpus: of at "
		"least 1"},
	{"concurrencies", ONE "benchmark: {type: custom, command: x, concurrencies: [4, zero]}\n",
		"E job.yaml:6:54: benchmark.concurrencies: expected whole numbers of at least 1, "
		"got 'zero'"},
	{"request_rate", ONE "benchmark: {type: custom, command: x, request_rate: fast}\n",
		"E job.yaml:6:53: benchmark.request_rate: expected inf or a number above 0, got "
		"'fast'"},
	{"sa-bench without lengths", ONE "benchmark: {type: sa-bench}\n",
		"E job.yaml:6:12: benchmark: 'sa-bench' needs isl:, osl: and concurrencies:"},
	{"custom without a command", ONE "benchmark: {type: custom}\n",
		"E job.yaml:6:12: benchmark: 'custom' needs command:"},
	{"two values of one option", ONE "slurm:\n  partition: a\n  sbatch: {partition: b}\n",
		"E job.yaml:8:23: 'partition' is 'b' here, but another line of the file has "
		"another value (job.yaml:7:14: 'a'): remove one"},
};

/* Out of memory is an error, and never a job with a part missing. */
static void test_no_memory(void)
{
	bool ended = false, told = true;
	long at;

	for (at = 0; !ended && at < 20000; at++) {
		struct jobtext jt;

		disagg_alloc_fail_after(at);
		jobtext_load(&jt, full, cluster);
		disagg_alloc_fail_after(-1);
		ended = jt.job != NULL;
		told = told && (ended || jt.found.errors);
		jobtext_release(&jt);
	}
	ok(ended, "a job once no allocation fails");
	ok(told, "each failure is reported");
}

int main(void)
{
	struct jobtext jt;

	jobtext_load(&jt, full, cluster);
	is_str(jt.text, "", "a full file has no findings");
	if (ok(jt.job != NULL, "a full file is taken")) {
		test_head(jt.job);
		test_directives(jt.job);
		test_roles(jt.job);
		test_bench(jt.job);
		test_origins(jt.job);
	}
	jobtext_release(&jt);
	jobtext_run(bad, sizeof(bad) / sizeof(bad[0]), true);
	test_no_memory();
	return tap_done();
}
