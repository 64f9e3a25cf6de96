/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/job.h"
#include "lib/base/fd.h"
#include "lib/plan/sizing.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

/* A job of base with one override laid on it: `null` takes a key away. */
static const char head[] = "base:\n"
			   "  name: t\n"
			   "  model: {path: m, container: c, precision: fp8}\n"
			   "  resources: {gpu_type: h100, gpus_per_node: 8, prefill_nodes: 1,\n"
			   "    prefill_workers: 1, decode_nodes: 1, decode_workers: 1}\n"
			   "override_t:\n"
			   "  x-t: 1\n";
#define AGG                                                                                        \
	"  resources: {prefill_nodes: null, prefill_workers: null, decode_nodes: null,\n"          \
	"    decode_workers: null, agg_nodes: 1, agg_workers: 1}\n"
#define SA "type: sa-bench, isl: 1024, osl: 1024, concurrencies: \"4x8\""

struct loaded {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_job *job;
	char path[64];
};

static bool write_temp(char *path, size_t size, const char *text)
{
	int fd;
	bool good;

	snprintf(path, size, "/tmp/disagg-srtctl-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return false;
	good = disagg_fd_write_all(fd, text, strlen(text)) == 0;
	close(fd);
	return good;
}

static bool load_with(
	struct loaded *l, const char *fragment, const char *variant, const char *cluster)
{
	struct disagg_request request = {.path = l->path, .variant = variant};
	char cluster_path[64] = "";
	char text[4096];

	*l = (struct loaded){0};
	disagg_findings_init(&l->found, &l->arena);
	snprintf(text, sizeof(text), "%s%s", head, fragment);
	if (!write_temp(l->path, sizeof(l->path), text))
		return false;
	if (cluster && write_temp(cluster_path, sizeof(cluster_path), cluster))
		request.cluster_file = cluster_path;
	disagg_job_load(&l->arena, &request, &l->job, &l->found);
	unlink(l->path);
	if (cluster_path[0])
		unlink(cluster_path);
	return l->job != NULL;
}

static bool load(struct loaded *l, const char *fragment)
{
	return load_with(l, fragment, "t", NULL);
}

/* The findings of one kind, one a line. */
static const char *said(const struct loaded *l, bool errors)
{
	static char text[8192];
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < l->found.count; i++) {
		char line[1024];
		size_t len;

		if (l->found.item[i].is_error != errors)
			continue;
		disagg_finding_format(&l->found.item[i], line, sizeof(line));
		len = strlen(line);
		if (used + len + 2 > sizeof(text))
			break;
		memcpy(text + used, line, len);
		used += len;
		text[used++] = '\n';
		text[used] = '\0';
	}
	return text;
}

static const struct disagg_role *role_of(const struct loaded *l, const char *name)
{
	return l->job ? disagg_job_role(l->job, name) : NULL;
}

static const char *env_of(const struct loaded *l, const char *role, const char *name)
{
	const struct disagg_role *r = role_of(l, role);

	return r ? disagg_map_get(&r->env, name) : NULL;
}

static const char *setting(const struct loaded *l, const char *name)
{
	return l->job ? disagg_map_get(&l->job->settings, name) : NULL;
}

/* ---- what loads ---- */

static void test_plain(void)
{
	struct loaded l;
	const struct disagg_role *prefill, *decode;

	ok(load(&l, ""), "a small recipe loads");
	is_str(said(&l, true), "", "without errors");
	if (!l.job)
		return;
	prefill = role_of(&l, "prefill");
	decode = role_of(&l, "decode");
	ok(prefill == &l.job->role[0] && decode == &l.job->role[1],
		"prefill is the first role, decode the second");
	is_str(l.job->name, "t_t", "the name of the variant");
	is_int(l.job->rule, DISAGG_RULE_SRTCTL, "srtctl's rule");
	is_int(l.job->want_nodes, 2, "two worker nodes");
	is_int(prefill->gpus, 8, "a worker's GPUs follow from nodes and workers");
	is_int(prefill->engine, DISAGG_E_SGLANG, "sglang is the default backend");
	is_int(prefill->tasks, DISAGG_TASKS_PER_NODE, "one task a node");
	is_str(l.job->model_path, "m", "the model");
	is_str(l.job->served_name, "m", "served under the path's last part");
	is_str(l.job->container.image, "c", "the image");
	is_int(l.job->health.timeout.v, 1800, "180 looks of 10 s");
	is_str(l.job->health.http, "/health", "dynamo's readiness path");
	ok(!role_of(&l, "benchmark"), "no benchmark: it is manual");
	is_str(l.job->bench.type, "manual", "and says so");
	is_int(role_of(&l, "etcd")->port, 2379, "etcd's port");
	is_int(role_of(&l, "nats")->site, DISAGG_SITE_INFRA, "NATS on the infra node");
	is_int(role_of(&l, "nginx")->port, 8000, "nginx has the public port");
	is_int(role_of(&l, "frontend")->port, 8180, "the frontends are behind it");
	is_int(role_of(&l, "frontend")->workers, 1, "one frontend on the other node");
	is_str(setting(&l, "dynamo.request_plane"), "tcp", "a default is a setting too");
	is_str(setting(&l, "frontend.num_additional_frontends"), "9", "of every section");
	disagg_arena_release(&l.arena);
}

static void test_nginx_environment(void)
{
	struct loaded l;

	ok(load(&l, "  environment: {WHAT: '1'}\n"), "an environment for all");
	is_str(env_of(&l, "prefill", "WHAT"), "1", "a worker has it");
	is_str(env_of(&l, "frontend", "WHAT"), "1", "a frontend has it");
	is_str(env_of(&l, "nginx", "WHAT"), NULL, "nginx has no use for it");
	disagg_arena_release(&l.arena);
}

static void test_sizes(void)
{
	static const struct {
		const char *fragment, *role;
		unsigned workers, gpus, nodes;
		const char *what;
	} sizes[] = {
		{"  resources: {prefill_nodes: 3, prefill_workers: 6}\n", "prefill", 6, 4, 4,
			"nodes * gpus_per_node / workers"},
		{"  resources: {gpus_per_prefill: 2}\n", "prefill", 1, 2, 2, "an explicit size"},
		{"  resources: {decode_nodes: 0, decode_workers: 2, gpus_per_prefill: 2}\n",
			"decode", 2, 2, 1, "decode_nodes: 0 takes prefill's size"},
		{"  resources: {decode_nodes: 0, decode_workers: 2, prefill_workers: 2,\n"
		 "    gpus_per_prefill: 2, gpus_per_decode: 1}\n",
			"decode", 2, 1, 1, "decode_nodes: 0 with an explicit size"},
		{AGG, "agg", 1, 8, 1, "aggregated"},
		{"  resources: {prefill_nodes: null, prefill_workers: null, decode_nodes: null,\n"
		 "    decode_workers: null, agg_workers: 2, gpus_per_agg: 4}\n",
			"agg", 2, 4, 1, "aggregated without agg_nodes: one node"},
		{"  resources: {gpus_per_node: \"4\"}\n", "decode", 1, 4, 2, "a quoted integer"},
		{"  backend: {type: vllm, allow_prefill_decode_colocation: true}\n"
		 "  resources: {gpus_per_prefill: 4, gpus_per_decode: 4}\n",
			"decode", 1, 4, 1, "vLLM's colocation on one node"},
		{"  backend: {type: vllm, allow_prefill_decode_colocation: true}\n", "decode", 1, 8,
			2, "colocation only where all fit on one node"},
		{"  backend: {type: vllm, allow_prefill_decode_colocation: true,\n"
		 "    allow_prefill_decode_colocation_across_nodes: true}\n"
		 "  resources: {gpus_per_prefill: 4, decode_workers: 3, gpus_per_decode: 4,\n"
		 "    decode_nodes: 2}\n",
			"decode", 3, 4, 2, "colocation over several nodes"},
	};
	char what[128];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct loaded l;
		const struct disagg_role *role;

		load(&l, sizes[i].fragment);
		role = role_of(&l, sizes[i].role);
		snprintf(what, sizeof(what), "%s: loads", sizes[i].what);
		if (!ok(role && l.found.errors == 0, what)) {
			printf("# %s", said(&l, true));
			disagg_arena_release(&l.arena);
			continue;
		}
		snprintf(what, sizeof(what), "%s: workers", sizes[i].what);
		is_int(role->workers, sizes[i].workers, what);
		snprintf(what, sizeof(what), "%s: GPUs of a worker", sizes[i].what);
		is_int(role->gpus, sizes[i].gpus, what);
		snprintf(what, sizeof(what), "%s: nodes", sizes[i].what);
		is_int(l.job->want_nodes, sizes[i].nodes, what);
		disagg_arena_release(&l.arena);
	}
}

static void test_env(void)
{
	struct loaded l;

	ok(load_with(&l,
		   "  environment: {A: job, B: job}\n"
		   "  frontend: {env: {A: front}}\n"
		   "  benchmark: {type: custom, command: run it, env: {A: bench}}\n"
		   "  backend: {type: vllm, prefill_environment: {A: mode, C: mode, D: mode},\n"
		   "    vllm_config: {prefill: {kv-transfer-config: MooncakeConnector}},\n"
		   "    mooncake_kv_store: {container: moon, env: {B: store}}}\n"
		   "  infra: {etcd_nats_dedicated_node: true}\n",
		   "t",
		   "cluster: x\ncontainers: {c: /images/c.sqsh}\nmodel_paths: {m: /models/m}\n"
		   "default_mounts: {/data: /data}\n"),
		"a recipe with environments loads");
	is_str(said(&l, true), "", "without errors");
	is_str(env_of(&l, "prefill", "A"), "job", "the job's environment beats the mode's");
	is_str(env_of(&l, "prefill", "C"), "mode", "the mode's is there");
	is_str(env_of(&l, "prefill", "B"), "store", "the KV store's comes last");
	is_str(env_of(&l, "decode", "C"), NULL, "and only in its mode");
	is_str(env_of(&l, "frontend", "A"), "front", "the frontend's own beats the job's");
	is_str(env_of(&l, "benchmark", "A"), "bench", "so does the benchmark's");
	is_str(env_of(&l, "nats", "B"), "job", "the job's reaches every process");
	if (l.job) {
		is_str(l.job->model_path, "/models/m", "the model's alias");
		is_str(role_of(&l, "prefill")->container.image, "/images/c.sqsh", "the image's");
		is_str(role_of(&l, "mooncake")->container.image, "moon", "an image of its own");
		is_str(disagg_map_get(&l.job->container.mounts, "/data"), "/data", "mounts");
		is_str(role_of(&l, "benchmark")->script, "run it", "the custom command");
		ok(l.job->reserve_infra && l.job->reserve_together, "the reserved node");
		is_str(role_of(&l, "decode")->after.v[2], "mooncake", "workers wait for Mooncake");
	}
	disagg_arena_release(&l.arena);
}

static void test_vllm(void)
{
	struct loaded l;
	const struct disagg_role *prefill;

	load(&l, "  backend: {type: vllm, vllm_config: {prefill: {data_parallel_size: 4,\n"
		 "    tensor-parallel-size: 2}, decode: {tensor-parallel-size: 8, port: 99}}}\n");
	prefill = role_of(&l, "prefill");
	ok(prefill != NULL, "data parallelism loads");
	if (prefill) {
		is_int(prefill->dp, 4, "dp, spelt with _");
		is_int(prefill->tp, 2, "tp, spelt with -");
		is_int(prefill->dp_layout, DISAGG_DP_PER_NODE, "per node is the default");
		is_int(role_of(&l, "decode")->dp_layout, DISAGG_DP_NONE, "no dp, no layout");
		is_int(role_of(&l, "decode")->pin[DISAGG_PORT_HTTP], 99, "a port flag pins");
	}
	disagg_arena_release(&l.arena);
	load(&l, AGG "  frontend: {type: vllm, enable_multiple_frontends: false}\n"
		     "  backend: {type: vllm, vllm_config: {aggregated: {data-parallel-size: 8,\n"
		     "    port: 99}}}\n");
	ok(role_of(&l, "agg") && role_of(&l, "agg")->dp_layout == DISAGG_DP_NONE,
		"vllm serve has its ranks in one process");
	has_str(said(&l, false), "backend.vllm_config.aggregated.port: the frontend's",
		"a flag that the plan owns is warned of");
	is_int(role_of(&l, "frontend") ? (int)role_of(&l, "frontend")->engine : -1,
		DISAGG_E_VLLM_SERVER, "vllm is the frontend");
	is_str(setting(&l, "frontend.direct"), "true", "and owns the public port");
	disagg_arena_release(&l.arena);
}

static void test_pins(void)
{
	struct loaded l;

	load(&l, "  backend:\n"
		 "    sglang_config:\n"
		 "      prefill: {disaggregation_bootstrap_port: 30001, port: 1,\n"
		 "        dist-init-addr: \"host:5000\",\n"
		 "        kv-events-config: '{\"endpoint\": \"tcp://*:5557\"}'}\n"
		 "      decode: {disaggregation-bootstrap-port: 30001}\n");
	ok(l.job != NULL, "pinned ports load");
	if (l.job) {
		is_int(l.job->role[0].pin[DISAGG_PORT_BOOTSTRAP], 30001, "bootstrap");
		is_int(l.job->role[0].pin[DISAGG_PORT_HTTP], 1, "http");
		is_int(l.job->role[0].pin[DISAGG_PORT_DIST], 5000, "the rendezvous");
		is_int(l.job->role[0].pin[DISAGG_PORT_KV_EVENTS], 5557, "KV events");
		is_int(l.job->role[1].pin[DISAGG_PORT_BOOTSTRAP], -1,
			"a decode worker opens no bootstrap port");
	}
	disagg_arena_release(&l.arena);
}

static void test_services(void)
{
	static const struct {
		const char *fragment, *role;
		int count, port, site;
		const char *what;
	} services[] = {
		{"  frontend: {enable_multiple_frontends: false}\n", "frontend", 1, 8000,
			DISAGG_SITE_HEAD, "a single frontend"},
		{"  frontend: {enable_multiple_frontends: false}\n", "nginx", 0, 0, 0,
			"a single frontend has no nginx"},
		{"  frontend: {enable_multiple_frontends: false,\n"
		 "    orchestrator_placement: first_decode}\n",
			"frontend", 1, 8000, DISAGG_SITE_FIRST_DECODE, "beside the first decode"},
		{"  resources: {decode_nodes: 11}\n", "frontend", 10, 8180,
			DISAGG_SITE_BEHIND_NGINX, "9 additional ones"},
		{"  resources: {decode_nodes: 11}\n  frontend: {num_additional_frontends: 100}\n",
			"frontend", 11, 8180, DISAGG_SITE_BEHIND_NGINX, "as many as other nodes"},
		{"  resources: {decode_nodes: 2}\n  frontend: {dedicated_node: true}\n", "frontend",
			3, 8180, DISAGG_SITE_BEHIND_NGINX,
			"a reserved head leaves all workers' nodes"},
		{AGG, "nginx", 0, 0, 0, "one node has no nginx"},
		{"  frontend: {type: sglang}\n", "etcd", 0, 0, 0, "sglang's router needs no etcd"},
		{"  benchmark: {" SA "}\n", "benchmark", 1, -1, DISAGG_SITE_CLIENT, "a benchmark"},
		{"  benchmark: {" SA ", client_placement: last_decode}\n", "benchmark", 1, -1,
			DISAGG_SITE_LAST_DECODE, "beside the last decode"},
	};

	for (unsigned i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		const struct disagg_role *role;
		struct loaded l;

		load(&l, services[i].fragment);
		role = role_of(&l, services[i].role);
		ok(l.job && (role ? (int)role->workers : 0) == services[i].count, services[i].what);
		if (role) {
			is_int(role->port, services[i].port, "its port");
			is_int(role->site, services[i].site, "its place");
		}
		disagg_arena_release(&l.arena);
	}
}

static void test_job_name(void)
{
	struct loaded l;

	load(&l, "  sbatch_directives: {job-name: other}\n");
	ok(l.job && l.job->directive_count == 1, "a directive for the name stays alone");
	if (l.job)
		is_str(l.job->directive[0].value, "other", "and is the one that counts");
	disagg_arena_release(&l.arena);
}

static void test_benchmark(void)
{
	struct loaded l;

	load(&l, "  benchmark: {type: sa-bench, isl: 8, osl: 9, concurrencies: [4, \"8\"],\n"
		 "    req_rate: 250, custom_tokenizer: a.b, aiperf_args: {k: [1]}}\n"
		 "  slurm: {time_limit: 04:00:00, partition: p}\n"
		 "  sbatch_directives: {mem: \"0\"}\n"
		 "  extra_mount: [\"/a:/b:ro\"]\n"
		 "  health_check: {max_attempts: 6, interval_seconds: 5}\n");
	ok(l.job != NULL, "a benchmark loads");
	if (l.job) {
		const struct disagg_job *job = l.job;

		is_int(job->bench.concurrencies.count, 2, "two loads");
		is_str(job->bench.concurrencies.v[1], "8", "as text");
		is_str(job->bench.request_rate, "250", "the rate");
		is_str(disagg_map_get(&job->bench.options, "custom_tokenizer"), "a.b",
			"other keys are options");
		is_str(disagg_map_get(&job->bench.options, "aiperf_args"), "{\"k\":[1]}",
			"trees are JSON");
		is_int(job->directive_count, 4, "four options for sbatch");
		is_str(job->directive[3].option, "job-name", "the last is the job's name");
		is_str(job->directive[3].value, job->name, "as the file has it");
		is_str(job->directive[0].option, "partition", "the partition");
		is_str(job->directive[1].value, "04:00:00", "the time as written");
		ok(job->directive[1].at.line == 10, "and where it is");
		is_str(disagg_map_get(&job->container.mounts, "/a"), "/b:ro", "a mount with flags");
		is_int(job->health.timeout.v, 30, "6 looks of 5 s");
	}
	disagg_arena_release(&l.arena);
	ok(load(&l, "  benchmark: {type: gsm8k-bench}\n"), "a benchmark's other name loads");
	has_str(said(&l, false), "'gsm8k-bench' is not known to srtctl; 'gsm8k' is taken",
		"with a warning");
	disagg_arena_release(&l.arena);
}

static void test_warned(void)
{
	static const struct {
		const char *fragment, *message;
	} warned[] = {
		{"  enable_config_dump: false\n", "enable_config_dump"},
		{"  output: {log_dir: ./x}\n", "output.log_dir"},
		{"  benchmark: {sweep: {mode: grid}}\n", "benchmark.sweep"},
		{"  backend: {sglang_config: {prefill: {tp-size: 2}}}\n",
			"takes 2 of a worker's 8 GPUs"},
		{"  backend: {type: vllm, vllm_config: {prefill: {tensor-parallel-size: 2}}}\n",
			"backend.vllm_config.prefill: a parallelism of 2 GPUs"},
		{"  backend: {type: vllm, dp_launch_mode: per_gpu,\n"
		 "    vllm_config: {prefill: {data-parallel-size: 8}}}\n",
			"'per_gpu' is deprecated"},
		{"  observability: {enable_otel: true}\n", "has no effect without otel_endpoint"},
		{"  frontend: {orchestrator_placement: first_decode}\n",
			"has no effect with several frontends"},
	};

	for (unsigned i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
		struct loaded l;

		ok(load(&l, warned[i].fragment), warned[i].message);
		has_str(said(&l, false), warned[i].message, "is warned of");
		disagg_arena_release(&l.arena);
	}
}

/* ---- the base of a file with variants ---- */

static void test_base(void)
{
	struct loaded l;
	char text[64];

	ok(load_with(&l, "", "base", NULL), "base loads");
	disagg_arena_release(&l.arena);
	snprintf(text, sizeof(text), "%s", "  resources: {decode_workers: null}\n");
	load(&l, text);
	has_str(said(&l, true), "prefill workers but no decode workers",
		"a variant without decode workers is refused");
	disagg_arena_release(&l.arena);
}

/* ---- what is refused ---- */

static const struct bad {
	const char *fragment, *message, *what;
} bad[] = {
	/* keys and types */
	{"  resources: {prefil_nodes: 1}\n", ":8:15: resources: unknown key 'prefil_nodes'",
		"a misspelt key"},
	{"  resources: {prefil_nodes: 1}\n", "did you mean 'prefill_nodes'?", "and its neighbour"},
	{"  frontend: {nginx: 1}\n", "frontend: unknown key 'nginx'", "a key of a section"},
	{"  backend: {type: trtllm, sglang_config: {}}\n", "backend: unknown key 'sglang_config'",
		"another engine's key"},
	{"  environment: {A: 1}\n", "environment.A", "a number in the environment"},
	{"  backend: {decode_environment: {A: true}}\n", "backend.decode_environment.A",
		"a boolean in the environment"},
	{"  resources: {prefill_nodes: 1.5}\n", ":8:30: resources.prefill_nodes", "half a node"},
	{"  resources: {prefill_nodes: -1}\n", "resources.prefill_nodes", "a negative node count"},
	{"  resources: {decode_workers: -2}\n", "resources.decode_workers", "negative workers"},
	{"  resources: {gpus_per_node: 0}\n", "resources.gpus_per_node", "nodes without GPUs"},
	{"  resources: {gpus_per_prefill: -4}\n", "resources.gpus_per_prefill", "negative GPUs"},
	{"  name: ''\n", "name", "an empty name"},
	{"  model: {path: null}\n", "model.path", "no model"},
	{"  health_check: {max_attempts: 0}\n", "health_check.max_attempts", "no attempts"},
	{"  health_check: {interval_seconds: -5}\n", "health_check.interval_seconds",
		"a negative interval"},
	/* names */
	{"  backend: {type: sglnag}\n",
		"backend.type: expected sglang, trtllm, vllm or mocker, got 'sglnag'; did you mean "
		"'sglang'?",
		"an unknown backend"},
	{"  frontend: {type: dynmo}\n", "frontend.type", "an unknown frontend"},
	{"  benchmark: {type: sa-bensh}\n",
		"benchmark.type: unknown benchmark 'sa-bensh', did you mean 'sa-bench'?",
		"an unknown benchmark"},
	{"  profiling: {type: nsight}\n", "profiling.type", "an unknown profiler"},
	{"  frontend: {orchestrator_placement: tail}\n", "frontend.orchestrator_placement",
		"an unknown place for the frontend"},
	{"  benchmark: {client_placement: first}\n", "benchmark.client_placement",
		"an unknown place for the client"},
	{"  dynamo: {request_plane: udp}\n", "dynamo.request_plane", "an unknown request plane"},
	{"  dynamo: {event_plane: tcp}\n", "dynamo.event_plane", "an unknown event plane"},
	{"  backend: {type: vllm, dp_launch_mode: per_rack}\n", "backend.dp_launch_mode",
		"an unknown launch mode"},
	/* topology */
	{"  resources: {agg_nodes: 1, agg_workers: 1}\n", "exclude each other",
		"two kinds of workers"},
	{"  resources: {prefill_workers: 0}\n", "decode workers but no prefill workers",
		"one side only"},
	{"  resources: {prefill_workers: 0, decode_workers: 0}\n", "resources: no workers",
		"no workers"},
	{"  resources: {prefill_nodes: 0, decode_nodes: 0}\n", "resources: no nodes", "no nodes"},
	{"  resources: {prefill_nodes: null, prefill_workers: null, decode_nodes: null,\n"
	 "    decode_workers: null, agg_workers: 1, agg_nodes: 0}\n",
		"resources.agg_nodes: expected at least 1 for 1 workers", "workers without a node"},
	{"  resources: {prefill_workers: 16}\n",
		"resources.prefill_workers: 16 workers cannot share the 8 GPUs of 1 nodes",
		"more workers than GPUs"},
	{"  resources: {gpus_per_decode: 0}\n",
		"resources.gpus_per_decode: a worker needs at least 1 GPU",
		"a worker without GPUs"},
	/* engines */
	{"  backend: {sglang_config: {prefill: {tp-size: 16}}}\n", "16 GPUs",
		"a parallelism larger than the worker"},
	{"  backend: {sglang_config: {prefill: {tp-size: 0}}}\n",
		"expected parallel sizes of at least 1", "a parallelism of nothing"},
	{"  backend: {sglang_config: {prefill: [1]}}\n",
		"backend.sglang_config.prefill: expected a map of settings",
		"settings that are a list"},
	{"  backend: {type: vllm, vllm_config: {prefill: {data-parallel-size: 7}}}\n",
		"data-parallel-size 7 * tensor-parallel-size 1 * pipeline-parallel-size 1 takes 7 "
		"GPUs, but a worker has 8",
		"data parallelism that leaves GPUs"},
	{"  backend: {type: vllm, vllm_config: {prefill: {data-parallel-size: 3,\n"
	 "    tensor-parallel-size: 8}}}\n",
		"takes 24 GPUs, but a worker has 8", "data parallelism that is too large"},
	{"  resources: {prefill_nodes: 3}\n"
	 "  backend: {type: vllm, vllm_config: {prefill: {data-parallel-size: 2,\n"
	 "    tensor-parallel-size: 12}}}\n",
		"a replica of 12 GPUs does not divide evenly", "a replica that ends inside a node"},
	{"  backend: {type: vllm, vllm_config: {prefill: {data-parallel-size: 8,\n"
	 "    headless: true}}}\n",
		"backend.vllm_config.prefill.headless: follows from the plan", "headless"},
	{"  backend: {sglang_config: {prefill: {port: 70000}}}\n",
		"prefill.port: expected a port from 1 to 65535, got '70000'",
		"a port out of range"},
	{"  backend: {sglang_config: {prefill: {dist-init-addr: here}}}\n",
		"prefill.dist-init-addr: expected HOST:PORT, got 'here'",
		"an address without port"},
	{"  backend: {kv_events_config: 3}\n", "expected true, false or a map by mode",
		"KV events by number"},
	{"  backend: {kv_events_config: {prefil: true}}\n", "did you mean 'prefill'?",
		"KV events of an unknown mode"},
	{"  backend: {mooncake_kv_store: {container: x}}\n",
		"expected disaggregation-transfer-backend: mooncake",
		"a KV store that nobody uses"},
	{"  backend: {type: vllm, mooncake_kv_store: {container: x}}\n",
		"a kv-transfer-config with a Mooncake connector", "the same with vLLM"},
	/* frontends and places */
	{"  frontend: {type: sglang}\n  backend: {type: trtllm}\n",
		"'sglang' speaks only to backend.type 'sglang', got 'trtllm'",
		"a router of another engine"},
	{"  frontend: {type: sglang}\n  backend: {type: vllm}\n",
		"'sglang' speaks only to backend.type 'sglang', got 'vllm'", "the same with vLLM"},
	{"  frontend: {type: trtllm_serve}\n  backend: {type: trtllm}\n",
		"'trtllm_serve' has one public port", "trtllm_serve behind nginx"},
	{"  frontend: {type: vllm, enable_multiple_frontends: false}\n  backend: {type: vllm}\n",
		"'vllm' serves aggregated workers only", "vllm serve with two sides"},
	{"  resources: {prefill_nodes: null, prefill_workers: null, decode_nodes: null,\n"
	 "    decode_workers: null, agg_nodes: 2, agg_workers: 2}\n"
	 "  frontend: {type: vllm, enable_multiple_frontends: false}\n  backend: {type: vllm}\n",
		"serves exactly 1 aggregated worker, got 2", "vllm serve twice"},
	{"  frontend: {dedicated_node: true, orchestrator_placement: first_decode}\n",
		"frontend.dedicated_node needs orchestrator_placement: head",
		"a node that stays empty"},
	{"  benchmark: {client_dedicated_node: true, client_placement: last_decode}\n",
		"benchmark.client_dedicated_node needs client_placement: head", "the client's too"},
	{AGG "  benchmark: {client_placement: last_decode}\n",
		"'last_decode', but there are no decode workers", "a place beside nobody"},
	{"  resources: {het_jobs: true}\n  backend: {type: trtllm}\n",
		"only the sglang backend has it, got 'trtllm'", "two pools of another engine"},
	{"  resources: {het_jobs: true, decode_nodes: 0}\n",
		"expected prefill_nodes and decode_nodes of at least 1", "a pool without nodes"},
	{"  resources: {het_jobs: true}\n  frontend: {dedicated_node: true}\n",
		"there is no dedicated frontend or client node", "a reserved node beside pools"},
	/* benchmark */
	{"  benchmark: {type: sa-bench, isl: 1, osl: 1}\n",
		"benchmark.concurrencies is missing: benchmark.type 'sa-bench' needs it",
		"no concurrencies"},
	{"  benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: 4xy}\n",
		":8:62: benchmark.concurrencies: expected positive integers, as [4, 8] or \"4x8\", "
		"got '4xy'",
		"garbage as concurrencies"},
	{"  benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [0]}\n",
		"benchmark.concurrencies: expected positive integers", "a concurrency of nothing"},
	{"  benchmark: {type: sa-bench, osl: 1, concurrencies: [1]}\n", "benchmark.isl is missing",
		"no input length"},
	{"  benchmark: {type: custom}\n", "benchmark.command is missing", "no command"},
	{"  benchmark: {type: trace-replay, concurrencies: [1]}\n",
		"benchmark.trace_file is missing", "no trace"},
	{"  benchmark: {" SA ", req_rate: fast}\n",
		"benchmark.req_rate: expected 'inf' or a positive number, got 'fast'",
		"a rate in words"},
	{"  benchmark: {" SA ", dataset_name: custom}\n", "benchmark.dataset_path is missing",
		"a custom dataset without a file"},
	{"  benchmark: {type: mooncake-router, mooncake_workload: chat}\n",
		"benchmark.mooncake_workload: expected mooncake", "an unknown workload"},
	{"  benchmark: {type: router}\n", "'router' needs frontend.type 'sglang'",
		"the router benchmark without a router"},
	/* dynamo, mounts, secrets, sbatch */
	{"  dynamo: {hash: abc, wheel: 1.2.0}\n", "expected only one of hash", "two versions"},
	{"  dynamo: {wheel: x.whl}\n", "dynamo.wheel: expected a version", "a wheel's file name"},
	{"  dynamo: {cargo_patches: [a]}\n", "expected dynamo.hash", "patches of nothing"},
	{"  extra_mount: [/a]\n", "extra_mount[0]: expected 'HOST_PATH:CONTAINER_PATH', got '/a'",
		"a mount of one path"},
	{"  srun_options: {nodes: \"2\"}\n", "srun_options: 'nodes' follows from the plan",
		"a step's size"},
	{"  slurm: {time_limit: banana}\n", "banana", "a time that is none"},
	{"  slurm: {time_limit: \"1:00:00\"}\n  sbatch_directives: {time: \"2:00:00\"}\n",
		"another line of the file", "two times"},
	{"  reporting: {s3: {bucket: b, secret_access_key: abc}}\n", "secret_access_key",
		"a literal secret"},
	{"  environment: {HF_TOKEN: abc}\n", "HF_TOKEN", "a literal secret in the environment"},
	/* profiling, monitoring */
	{"  profiling: {type: nsys, aggregated: {start_step: 1}}\n",
		"profiling.aggregated: the job has no such workers", "a phase of no workers"},
	{"  profiling: {type: nsys, prefill: {start_step: 1}}\n", "profiling.decode is missing",
		"half of the phases"},
	{"  profiling: {type: torch, prefill: {}, decode: {}}\n  backend: {type: trtllm}\n",
		"'torch' is not for the trtllm backend", "a profiler of another engine"},
	{"  profiling: {type: nsys-time, delay_secs: 1}\n", "needs delay_secs and duration_secs",
		"a profile without an end"},
	{"  profiling: {type: nsys, prefill: {}, decode: {}}\n"
	 "  backend: {type: vllm, vllm_config: {prefill: {profiler-config.x: 1}}}\n",
		"'profiler-config.x' follows from 'profiling'", "a profiler's flags twice"},
	{"  observability: {tachometer: {enabled: true}}\n", "needs observability.enabled: true",
		"tachometer alone"},
	{"  observability: {enabled: true, tachometer: {enabled: true, storage_subdir: ../x}}\n",
		"expected a relative path without '..'", "a folder outside"},
	{"  telemetry: {enabled: true}\n  benchmark: {" SA "}\n",
		"telemetry.dcgm_exporter: is missing", "power without an exporter"},
	{"  telemetry: {enabled: true, dcgm_exporter: {container_image: i, port: 1}}\n",
		"telemetry.enabled: needs benchmark.type 'sa-bench'", "power of no benchmark"},
	{"  telemetry: {enabled: true, default_frequency: 4.0,\n"
	 "    dcgm_exporter: {container_image: i, port: 1}}\n  benchmark: {" SA "}\n",
		"expected at most 3 seconds", "power too seldom"},
	{"  telemetry: {enabled: true, dcgm_exporter: {container_image: i, port: 0}}\n",
		"telemetry.dcgm_exporter.port", "an exporter without a port"},
	{"  telemetry: {enabled: true, dcgm_exporter: {container_image: i, port: 1}}\n"
	 "  benchmark: {" SA "}\n  infra: {etcd_nats_dedicated_node: true}\n",
		"needs infra.etcd_nats_dedicated_node: false", "two clocks"},
	{"  telemetry: {enabled: true, collector_join_timeout_seconds: 10.0,\n"
	 "    dcgm_exporter: {container_image: i, port: 1}}\n  benchmark: {" SA "}\n",
		"expected more than 2 * (2 * request_timeout_seconds + 1)", "too short a wait"},
};

static void test_bad(void)
{
	char what[128];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct loaded l;

		snprintf(what, sizeof(what), "%s is refused", bad[i].what);
		ok(!load(&l, bad[i].fragment) && l.found.errors, what);
		snprintf(what, sizeof(what), "%s: the message", bad[i].what);
		has_str(said(&l, true), bad[i].message, what);
		disagg_arena_release(&l.arena);
	}
}

/* Options that only the plan can be held against. */
static void test_contradictions(void)
{
	static const struct {
		const char *fragment, *message;
	} said_of[] = {
		{"  sbatch_directives: {nodes: \"99\"}\n", "nodes"},
		{"  sbatch_directives: {gpus-per-node: \"4\"}\n", "gpus-per-node"},
		{"  sbatch_directives: {gres: gpu:4}\n", "gpu:4"},
		{"  sbatch_directives: {ntasks: \"3\"}\n", "ntasks"},
		{"  sbatch_directives: {array: \"1-4\"}\n", "array"},
	};

	for (unsigned i = 0; i < sizeof(said_of) / sizeof(said_of[0]); i++) {
		struct disagg_plan *plan = NULL;
		struct disagg_sizing sizing = {0};
		struct loaded l;

		if (load(&l, said_of[i].fragment) &&
			disagg_plan_make(&l.arena, l.job, &plan, &l.found) == 0)
			disagg_plan_sizing(&l.arena, l.job, plan, &sizing, &l.found);
		ok(l.found.errors > 0, "an option against the plan is refused");
		has_str(said(&l, true), said_of[i].message, "and named");
		disagg_arena_release(&l.arena);
	}
}

static void test_no_memory(void)
{
	bool good = true;
	long count = 0;
	struct loaded l;

	for (; count < 20000; count++) {
		disagg_alloc_fail_after(count);
		load(&l,
			"  backend: {type: vllm, vllm_config: {prefill: {data-parallel-size: 8}}}\n"
			"  benchmark: {" SA "}\n  extra_mount: [\"/a:/b\"]\n");
		disagg_alloc_fail_after(-1);
		if (l.job && !l.found.errors)
			break;
		good = good && !l.job;
		disagg_arena_release(&l.arena);
	}
	disagg_arena_release(&l.arena);
	ok(good && count > 10 && count < 20000, "each failing allocation is survived");
}

int main(void)
{
	test_plain();
	test_nginx_environment();
	test_sizes();
	test_env();
	test_vllm();
	test_pins();
	test_services();
	test_job_name();
	test_benchmark();
	test_warned();
	test_base();
	test_bad();
	test_contradictions();
	test_no_memory();
	return tap_done();
}
