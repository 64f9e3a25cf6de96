/* SPDX-License-Identifier: Apache-2.0 */
/* The key `binding:` from a file to the job, and with the job to its nodes. */
#include "tests/unit/jobtext.h"

static const char file[] = "disagg: 1\n"
			   "name: n\n"
			   "gpus_per_node: 4\n"
			   "roles:\n"
			   "  prefill: {engine: sglang, gpus: 2, binding: cpu}\n"
			   "  decode: {engine: sglang, gpus: 2}\n"
			   "  agg: {engine: sglang, gpus: 2, binding: auto}\n";

static const char recipe[] =
	"name: r\n"
	"model: {path: m, container: c, precision: fp8}\n"
	"resources: {gpu_type: h100, gpus_per_node: 4, prefill_nodes: 1, prefill_workers: 1,\n"
	"  decode_nodes: 1, decode_workers: 1}\n"
	"backend: {type: sglang}\n";

static const char cluster[] = "clusters: {c: {binding: nic}}\n";

static void check_role(const struct disagg_job *job, const char *name, enum disagg_binding want)
{
	const struct disagg_role *role = job ? disagg_job_role(job, name) : NULL;

	if (ok(role != NULL, name))
		is_str(disagg_binding_names[role->binding], disagg_binding_names[want],
			"its binding");
}

/* The job, and the same job after its journey. */
static void check(const char *yaml, const char *site, const char *role, enum disagg_binding want)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_job *again = NULL;
	const char *json = NULL;
	struct jobtext jt;

	jobtext_load(&jt, yaml, site);
	check_role(jt.job, role, want);
	if (jt.job && !disagg_job_config(&jt.arena, jt.job, &json, &err) &&
		!disagg_job_load_config(&jt.arena, json, &again, &jt.found))
		check_role(again, role, want);
	else
		ok(false, "it travels");
	jobtext_release(&jt);
}

int main(void)
{
	static const struct jobtext_case bad[] = {
		{"an unknown word",
			"disagg: 1\nname: n\ngpus_per_node: 4\n"
			"roles: {x: {engine: sglang, gpus: 1, binding: numa}}\n",
			"E job.yaml:4:47: roles.x.binding: expected one of auto, cpu, nic, none, "
			"got 'numa'"},
		{"a service", "disagg: 1\nname: n\nroles: {x: {command: [a], binding: cpu}}\n",
			"E job.yaml:3:36: roles.x.binding: only a role with GPUs has one: remove "
			"it"},
	};

	check(file, NULL, "prefill", DISAGG_BIND_CPU);
	check(file, NULL, "decode", DISAGG_BIND_AUTO);
	check(file, cluster, "prefill", DISAGG_BIND_CPU);
	check(file, cluster, "decode", DISAGG_BIND_NIC);
	check(file, cluster, "agg", DISAGG_BIND_AUTO);
	check(recipe, NULL, "decode", DISAGG_BIND_AUTO);
	check(recipe, cluster, "decode", DISAGG_BIND_NIC);
	jobtext_run(bad, sizeof(bad) / sizeof(bad[0]), true);
	return tap_done();
}
