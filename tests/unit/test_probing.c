/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/jobtext.h"

#define HEAD	"disagg: 1\nname: t\ngpus_per_node: 4\n"
#define ROLES	"roles: {w: {engine: command, gpus: 4, command: [true]}}\n"
#define CLUSTER "clusters: {c: {gpus_per_node: 4, probes: {suite: standard, spare_nodes: 2}}}\n"

/* "standard exclude 2 600" or the findings. */
static void is_probing(const char *yaml, const char *cluster, const char *want)
{
	struct jobtext jt;
	char text[8300];

	jobtext_load(&jt, yaml, cluster);
	snprintf(text, sizeof(text), "%s", jt.text);
	if (jt.job)
		snprintf(text, sizeof(text), "%s %s %d %d%s%s",
			disagg_probing_suites[jt.job->probing.suite],
			disagg_probing_failures[jt.job->probing.failure],
			(int)jt.job->probing.spare_nodes.v, (int)jt.job->probing.timeout.v,
			disagg_job_accepts(jt.job) ? " accepts" : "", jt.text[0] ? " W" : "");
	has_str(text, want, yaml);
	disagg_arena_release(&jt.arena);
}

static void test_good(void)
{
	is_probing(HEAD ROLES, NULL, "none fail 0 0");
	is_probing(HEAD ROLES "probes: {}\n", NULL, "quick fail 0 300");
	is_probing(HEAD ROLES "probes:\n", NULL, "none fail 0 0");
	is_probing(HEAD ROLES "probes: {suite: standard}\n", NULL, "standard fail 0 600");
	is_probing(HEAD ROLES "probes: {suite: thorough, on_failure: warn}\n", NULL,
		"thorough warn 0 3600");
	is_probing(HEAD ROLES "probes: {on_failure: exclude, spare_nodes: 1, timeout: 90s}\n", NULL,
		"quick exclude 1 90");
	is_probing(HEAD ROLES "probes: {on_failure: exclude}\n", NULL, "quick exclude 0 300 W");
	is_probing(HEAD ROLES "probes: {only: [gemm.bf16, 'nccl.*'], skip: env.fingerprint}\n",
		NULL, "quick fail 0 300");
	/* the cluster file's, under the job file's */
	is_probing(HEAD ROLES, CLUSTER, "standard fail 2 600");
	is_probing(HEAD ROLES "probes: {suite: quick}\n", CLUSTER, "quick fail 2 300");
	is_probing(HEAD ROLES "probes: {suite: none}\n", CLUSTER, "none fail 2 0");
	is_probing(HEAD ROLES "probes: {spare_nodes: 0, timeout: 1m}\n", CLUSTER,
		"standard fail 0 60");
	/* without roles */
	is_probing(HEAD "probes: {}\n", NULL, "quick fail 0 300 accepts");
	is_probing(HEAD "probes: {on_failure: warn}\n", CLUSTER, "standard warn 2 600 accepts");
}

static void test_bad(void)
{
	struct jobtext jt;

	jobtext_load(&jt, HEAD "probes: {suite: quik}\n", NULL);
	ok(strstr(jt.text, "did you mean 'quick'") && !strstr(jt.text, "roles:"),
		"a suite that there is not, of a job without roles, is one mistake");
	disagg_arena_release(&jt.arena);
	is_probing(HEAD ROLES "probes: {suit: quick}\n", NULL,
		"E job.yaml:5:10: probes: unknown key 'suit', did you mean 'suite'?");
	is_probing(HEAD ROLES "probes: {suite: slow}\n", NULL,
		"probes.suite: expected one of none, quick, standard, thorough, got 'slow'");
	is_probing(HEAD ROLES "probes: {on_failure: drain}\n", NULL,
		"probes.on_failure: expected one of fail, exclude, warn, got 'drain'");
	is_probing(HEAD ROLES "probes: {spare_nodes: -1}\n", NULL,
		"probes.spare_nodes: expected an integer from 0 to 16383");
	is_probing(HEAD ROLES "probes: {timeout: 2d}\n", NULL, "probes.timeout: expected");
	is_probing(HEAD ROLES "probes: {only: ['a b']}\n", NULL,
		"E job.yaml:5:16: probes.only: expected names of probes, such as gemm.bf16 or "
		"nccl.*, got 'a b'");
	is_probing(HEAD ROLES "probes: {skip: ['--out=/x']}\n", NULL, "got '--out=/x'");
	is_probing(HEAD ROLES "probes: {skip: ['a,b']}\n", NULL, "got 'a,b'");
	is_probing(HEAD ROLES "probes: quick\n", NULL, "expected a map, got 'quick'");
	is_probing(HEAD ROLES, "clusters: {c: {probes: {suite: slow}}}\n",
		"clusters.c.probes.suite: expected one of none, quick");
	/* without roles */
	is_probing(HEAD, NULL, "roles: expected a map of at least one role");
	is_probing(HEAD, CLUSTER, "roles: expected a map of at least one role");
	is_probing(HEAD "probes: {suite: none}\n", NULL, "roles: expected a map of at least one");
	is_probing(HEAD "roles: {}\nprobes: {}\n", NULL, "got an empty map");
	is_probing("disagg: 1\nname: t\nprobes: {}\n", NULL,
		"gpus_per_node is missing: probes take whole nodes and the cluster file does not");
	is_probing(HEAD "probes: {on_failure: exclude}\n", NULL,
		"E job.yaml:4:22: probes.on_failure: 'exclude' needs roles to go on with");
	is_probing(HEAD "probes: {spare_nodes: 1}\n", NULL, "a job without roles has no use for");
	is_probing(HEAD "probes: {}\nbenchmark: {type: custom, command: x}\n", NULL,
		"benchmark: there is nothing to measure");
}

static void test_dialects(void)
{
	static const char srtctl[] =
		"name: t\nmodel: {path: /m, container: /c, precision: fp8}\n"
		"resources: {gpu_type: h100, gpus_per_node: 4, agg_nodes: 1, agg_workers: 1}\n"
		"backend: {type: sglang}\nprobes: {suite: standard, on_failure: warn}\n";

	is_probing(srtctl, NULL, "standard warn 0 600");
}

int main(void)
{
	test_good();
	test_bad();
	test_dialects();
	return tap_done();
}
