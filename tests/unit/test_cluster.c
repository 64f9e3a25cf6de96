/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/strbuf.h"
#include "tests/unit/jobtext.h"

static const char file[] = "default: gpu-a\n"
			   "clusters:\n"
			   "  gpu-a:\n"
			   "    account: acc\n"
			   "    partition: part\n"
			   "    qos: high\n"
			   "    reservation: res\n"
			   "    time: 04:00:00\n"
			   "    constraint: h100\n"
			   "    gpus_per_node: 8\n"
			   "    cpus_per_gpu: 16\n"
			   "    network_interface: ib0\n"
			   "    use_gpus_per_node: true\n"
			   "    use_segment: false\n"
			   "    use_exclusive: yes\n"
			   "    nginx_raise_ulimit: true\n"
			   "    models: {short: /models/long}\n"
			   "    containers: {img: /images/i.sqsh}\n"
			   "    mounts: {/a: /b}\n"
			   "    sbatch: {mem: 0}\n"
			   "    env: {A: own, C: own}\n"
			   "    health: {timeout: 10m, interval: 5s}\n"
			   "    log_dir: /logs\n"
			   "    x-note: free\n"
			   "  lab:\n"
			   "    gpus: unmanaged\n"
			   "env:\n"
			   "  - {match: 'gpu-*', set: {A: glob, B: 1}}\n"
			   "  - {match: lab, set: {B: lab}}\n"
			   "  - {match: '*', set: {B: all}}\n";

static const char flat[] = "cluster: eos\n"
			   "default_account: acc\n"
			   "default_partition: part\n"
			   "default_time_limit: '4:00:00'\n"
			   "gpus_per_node: 8\n"
			   "network_interface: eth0\n"
			   "use_gpus_per_node_directive: false\n"
			   "use_segment_sbatch_directive: true\n"
			   "use_exclusive_sbatch_directive: true\n"
			   "use_het_jobs: true\n"
			   "default_sbatch_directives: {comment: hi}\n"
			   "default_health_check: {max_attempts: 60, interval_seconds: 5}\n"
			   "srtctl_root: /srt\n"
			   "output_dir: /out\n"
			   "model_paths: {short: /models/long}\n"
			   "containers: {img: /images/i.sqsh}\n"
			   "cloud: {bucket: b}\n"
			   "default_mounts: {/a: /b}\n"
			   "reporting: {status: {endpoint: x}}\n"
			   "nginx_raise_ulimit: true\n";

struct read {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_cluster *cluster;
	char text[4096];
};

static void read_text(struct read *r, const char *yaml, const char *name)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root;
	size_t len = 0;

	memset(r, 0, sizeof(*r));
	disagg_findings_init(&r->found, &r->arena);
	if (disagg_yaml_parse(&r->arena, yaml, strlen(yaml), "c.yaml", &root, &err)) {
		disagg_findings_take(&r->found, &err);
	} else if (disagg_cluster_read(&r->arena, root, name, &r->cluster, &r->found)) {
		disagg_err_nomem(&err);
		disagg_findings_take(&r->found, &err);
	}
	for (unsigned i = 0; i < r->found.count; i++) {
		char line[900];

		disagg_finding_format(&r->found.item[i], line, sizeof(line));
		len += (size_t)snprintf(r->text + len, sizeof(r->text) - len, "%s%c %s",
			i ? "\n" : "", r->found.item[i].is_error ? 'E' : 'W', line);
	}
}

static void test_named(void)
{
	struct read r;
	const struct disagg_cluster *c;

	read_text(&r, file, NULL);
	is_str(r.text, "", "a full file has no findings");
	c = r.cluster;
	if (!ok(c != NULL, "the default cluster is taken"))
		return;
	is_str(c->name, "gpu-a", "name");
	is_str(c->account, "acc", "account");
	is_str(c->partition, "part", "partition");
	is_str(c->qos, "high", "qos");
	is_str(c->reservation, "res", "reservation");
	is_str(c->time, "04:00:00", "time as written");
	is_str(c->constraint, "h100", "constraint");
	is_int(c->gpus_per_node.v, 8, "gpus_per_node");
	is_int(c->cpus_per_gpu.v, 16, "cpus_per_gpu");
	is_int(c->gpus, 0, "GPUs are managed where the file does not say");
	is_str(c->network_interface, "ib0", "network_interface");
	is_int(c->use_gpus_per_node, DISAGG_YES, "use_gpus_per_node");
	is_int(c->use_segment, DISAGG_NO, "use_segment");
	is_int(c->use_exclusive, DISAGG_YES, "use_exclusive");
	is_int(c->nginx_raise_ulimit, DISAGG_YES, "nginx_raise_ulimit");
	is_str(disagg_cluster_model(c, "short"), "/models/long", "a model's alias");
	is_str(disagg_cluster_model(c, "else"), "else", "no alias: the name itself");
	is_str(disagg_cluster_model(NULL, "else"), "else", "no cluster: the name itself");
	is_str(disagg_cluster_container(c, "img"), "/images/i.sqsh", "an image's alias");
	is_str(disagg_map_get(&c->mounts, "/a"), "/b", "mounts");
	is_str(disagg_map_get(&c->sbatch, "mem"), "0", "sbatch");
	is_str(disagg_map_get(&c->env, "A"), "own", "a cluster's own env is over the globs'");
	is_str(disagg_map_get(&c->env, "B"), "all", "a later glob is over an earlier one");
	is_str(disagg_map_get(&c->env, "C"), "own", "own variables");
	is_int(c->health_timeout.v, 600, "health.timeout");
	is_int(c->health_interval.v, 5, "health.interval");
	is_str(c->log_dir, "/logs", "log_dir");
	ok(disagg_node_get(c->tree, "x-note") == NULL, "free keys do not travel");
	disagg_arena_release(&r.arena);
}

static void test_other(void)
{
	struct read r;

	read_text(&r, file, "lab");
	is_str(r.cluster ? r.cluster->name : NULL, "lab", "a cluster by name");
	is_int(r.cluster ? r.cluster->gpus : 0, 1, "unmanaged");
	is_str(r.cluster ? disagg_map_get(&r.cluster->env, "B") : NULL, "all", "its env");
	is_str(r.cluster ? disagg_map_get(&r.cluster->env, "A") : NULL, NULL, "and no other's");
	disagg_arena_release(&r.arena);
	read_text(&r, "clusters: {only: {partition: p}}\n", NULL);
	is_str(r.cluster ? r.cluster->name : NULL, "only", "the only cluster needs no default");
	disagg_arena_release(&r.arena);
	read_text(&r, "clusters: {a: {partition: p}, b: {partition: q}}\n", NULL);
	ok(!r.cluster, "two and no default: none");
	is_str(r.text, "W c.yaml:1:11: no cluster is chosen: there are 2 and no 'default'",
		"which is said");
	disagg_arena_release(&r.arena);
}

static void test_flat(void)
{
	struct read r;
	const struct disagg_cluster *c;

	read_text(&r, flat, NULL);
	is_str(r.text, "", "srtctl's form has no findings");
	c = r.cluster;
	if (!ok(c != NULL, "srtctl's form is taken"))
		return;
	is_str(c->name, "eos", "name");
	is_str(c->account, "acc", "default_account");
	is_str(c->partition, "part", "default_partition");
	is_str(c->time, "4:00:00", "default_time_limit");
	is_int(c->gpus_per_node.v, 8, "gpus_per_node");
	is_int(c->use_gpus_per_node, DISAGG_NO, "use_gpus_per_node_directive");
	is_int(c->use_segment, DISAGG_YES, "use_segment_sbatch_directive");
	is_int(c->use_exclusive, DISAGG_YES, "use_exclusive_sbatch_directive");
	is_str(disagg_map_get(&c->sbatch, "comment"), "hi", "default_sbatch_directives");
	is_int(c->health_timeout.v, 300, "default_health_check");
	is_int(c->health_interval.v, 5, "and its interval");
	is_str(c->log_dir, "/out", "output_dir");
	is_str(disagg_cluster_model(c, "short"), "/models/long", "model_paths");
	is_str(disagg_cluster_container(c, "img"), "/images/i.sqsh", "containers");
	is_str(disagg_map_get(&c->mounts, "/a"), "/b", "default_mounts");
	ok(!disagg_node_get(c->tree, "reporting"), "what nothing here reads does not travel");
	disagg_arena_release(&r.arena);
}

/* tree -> JSON -> tree gives the same cluster. */
static void test_carried(const char *yaml)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_cluster *again = NULL;
	struct disagg_strbuf one, two;
	struct disagg_node *root;
	struct read r;

	read_text(&r, yaml, NULL);
	disagg_strbuf_init(&one, 65536);
	disagg_strbuf_init(&two, 65536);
	disagg_node_json(r.cluster->tree, &one);
	ok(!disagg_yaml_parse(&r.arena, one.text, one.len, "carried", &root, &err) &&
			!disagg_cluster_read_carried(&r.arena, root, &again, &r.found),
		"a carried cluster is read");
	is_int(r.found.errors, 0, "without an error");
	if (again) {
		disagg_node_json(again->tree, &two);
		is_str(two.text, one.text, "and is the same");
		is_str(again->name, r.cluster->name, "with its name");
		is_int(again->health_timeout.v, r.cluster->health_timeout.v, "and its times");
		is_int(again->env.count, r.cluster->env.count, "and its environment");
	}
	disagg_strbuf_release(&one);
	disagg_strbuf_release(&two);
	disagg_arena_release(&r.arena);
}

static const struct {
	const char *name, *yaml, *cluster, *want;
} bad[] = {
	{"a cluster that is not there", file, "gpu-b",
		"E c.yaml:3:3: there is no cluster 'gpu-b': expected one of 'gpu-a', 'lab'"},
	{"a default that is not there", "default: x\nclusters: {a: {partition: p}}\n", NULL,
		"E c.yaml:1:10: there is no cluster 'x': expected one of 'a'"},
	{"an unknown key at the top", "clusters: {a: {qos: q}}\nenvs: []\n", NULL,
		"E c.yaml:2:1: unknown key 'envs', did you mean 'env'?"},
	{"an unknown key of a cluster", "clusters: {a: {partion: q}}\n", NULL,
		"E c.yaml:1:16: clusters.a: unknown key 'partion', did you mean 'partition'?"},
	{"an unknown key of a cluster that is not chosen",
		"default: a\nclusters: {a: {qos: q}, b: {accnt: q}}\n", NULL,
		"E c.yaml:2:29: clusters.b: unknown key 'accnt', did you mean 'account'?"},
	{"a name inside", "clusters: {a: {name: b}}\n", NULL,
		"E c.yaml:1:22: clusters.a.name: unknown key: a cluster's name is the key 'a' "
		"above it"},
	{"clusters as a list", "clusters: [a]\n", NULL,
		"E c.yaml:1:11: clusters: expected a map, got a list"},
	{"a cluster without a map", "clusters: {a: 1}\n", NULL,
		"E c.yaml:1:15: clusters.a: expected a map, got an integer"},
	{"a wrong word", "clusters: {a: {gpus: none}}\n", NULL,
		"E c.yaml:1:22: clusters.a.gpus: expected one of managed, unmanaged, got 'none'"},
	{"too many GPUs", "clusters: {a: {gpus_per_node: 65}}\n", NULL,
		"E c.yaml:1:31: clusters.a.gpus_per_node: expected an integer from 1 to 64, got "
		"'65'"},
	{"env without match", "clusters: {a: {qos: q}}\nenv: [{set: {A: 1}}]\n", NULL,
		"E c.yaml:2:7: env.match: expected a value, got none"},
	{"env as a map", "clusters: {a: {qos: q}}\nenv: {A: 1}\n", NULL,
		"E c.yaml:2:6: env: expected a list of {match: GLOB, set: {NAME: VALUE}}, got a "
		"map"},
	{"srtctl's form: an unknown key", "default_account: a\ndefault_container: b\n", NULL,
		"E c.yaml:2:1: unknown key 'default_container'"},
	{"srtctl's form: another cluster", "cluster: a\n", "b",
		"E c.yaml:1:1: there is no cluster 'b': expected 'a', the only one of this file"},
	{"neither form", "foo: 1\n", NULL,
		"E c.yaml:1:1: unknown key 'foo'\nE c.yaml:1:1: clusters: expected a value, got "
		"none"},
	{"a list", "[1]\n", NULL, "E c.yaml:1:1: cluster file: expected a map, got a list"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct read r;

		read_text(&r, bad[i].yaml, bad[i].cluster);
		is_str(r.text, bad[i].want, bad[i].name);
		ok(!r.cluster, "and no cluster comes of it");
		disagg_arena_release(&r.arena);
	}
}

static void test_no_memory(const char *yaml)
{
	bool ended = false, told = true;

	for (long at = 0; !ended && at < 20000; at++) {
		struct read r;

		disagg_alloc_fail_after(at);
		read_text(&r, yaml, NULL);
		disagg_alloc_fail_after(-1);
		ended = r.cluster != NULL;
		told = told && (ended || r.found.errors);
		disagg_arena_release(&r.arena);
	}
	ok(ended && told, "out of memory is told, and never half a cluster");
}

int main(void)
{
	test_named();
	test_other();
	test_flat();
	test_carried(file);
	test_carried(flat);
	test_bad();
	test_no_memory(file);
	test_no_memory(flat);
	return tap_done();
}
