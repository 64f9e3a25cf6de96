/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/sizing.h"
#include "tests/unit/planjob.h"
#include "tests/unit/tap.h"

/* What a plan asks Slurm for, and what a file may add or contradict. */

enum { DIRECTIVES = 8 };

struct sizejob {
	struct planjob p;
	struct disagg_directive directive[DIRECTIVES];
	struct disagg_sizing sizing;
};

/* 2 prefill x 4 and 1 decode x 8 on nodes of 4: 4 nodes */
static void sizejob_init(struct sizejob *s)
{
	memset(s, 0, sizeof(*s));
	planjob_init(&s->p, DISAGG_RULE_NATIVE, 4);
	s->p.job.directive = s->directive;
	planjob_role(&s->p, "prefill", DISAGG_PREFILL, 2, 4);
	planjob_role(&s->p, "decode", DISAGG_DECODE, 1, 8);
}

static void direct(struct sizejob *s, const char *option, const char *value, bool from_cluster)
{
	s->directive[s->p.job.directive_count] = (struct disagg_directive){
		.option = option,
		.value = value,
		.at = {"job.yaml", 40 + s->p.job.directive_count, 5},
		.from_cluster = from_cluster,
	};
	s->p.job.directive_count++;
}

static void set_cluster(struct sizejob *s, const char *yaml)
{
	struct disagg_node *root = NULL;

	disagg_yaml_parse(&s->p.arena, yaml, strlen(yaml), "cluster.yaml", &root, NULL);
	s->p.job.cluster = root;
}

static int size(struct sizejob *s)
{
	if (planjob_make(&s->p) < 0)
		return -2;
	return disagg_plan_sizing(&s->p.arena, &s->p.job, s->p.plan, &s->sizing, &s->p.found);
}

/* "nodes=4 ..." of one strength; refused options have no value */
static const char *sizes(struct sizejob *s, enum disagg_strength strength)
{
	disagg_strbuf_clear(&s->p.text);
	for (unsigned i = 0; i < s->sizing.count; i++) {
		const struct disagg_size *v = &s->sizing.v[i];

		if (v->strength == strength)
			disagg_strbuf_printf(&s->p.text, "%s%s%s%s", s->p.text.len ? " " : "",
				v->option, v->value ? "=" : "", v->value ? v->value : "");
	}
	return s->p.text.text;
}

static const struct disagg_size *pick(const struct sizejob *s, const char *option)
{
	for (unsigned i = 0; i < s->sizing.count; i++)
		if (strcmp(s->sizing.v[i].option, option) == 0)
			return &s->sizing.v[i];
	return NULL;
}

static void release(struct sizejob *s)
{
	planjob_release(&s->p);
}

static void test_plan(void)
{
	struct sizejob s;

	sizejob_init(&s);
	s.p.job.cpus_per_gpu = 18;
	is_int(size(&s), 0, "a plan is sized");
	is_str(sizes(&s, DISAGG_SIZE_PLAN), "nodes=4 ntasks-per-node=4 gpus-per-node=4",
		"nodes, one task a GPU, GPUs");
	is_str(sizes(&s, DISAGG_SIZE_CHECK), "ntasks=16 gpus=16 gres=gpu:4",
		"what the user may say too");
	is_str(sizes(&s, DISAGG_SIZE_REFUSE),
		"cpus-per-task ntasks-per-gpu gpus-per-task gpus-per-socket export-file",
		"what the user may not");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "cpus-per-gpu=18", "the cluster's CPUs");
	is_str(pick(&s, "nodes")->why, "2 prefill x 4 GPUs + 1 decode x 8 GPUs on nodes of 4 GPUs",
		"and why");
	is_str(pick(&s, "cpus-per-task")->advice, "--cpus-per-gpu=18", "with advice");
	release(&s);
}

static void test_spare(void)
{
	struct sizejob s;

	sizejob_init(&s);
	s.p.job.want_segment = true;
	s.p.job.probing =
		(struct disagg_probing){.suite = DISAGG_PROBING_QUICK, .spare_nodes = {true, 2}};
	is_int(size(&s), 0, "a plan with nodes to spare is sized");
	is_int(s.p.plan->nodes, 4, "for its own nodes");
	is_str(sizes(&s, DISAGG_SIZE_PLAN), "nodes=6 ntasks-per-node=4 gpus-per-node=4",
		"and asks for more");
	is_str(sizes(&s, DISAGG_SIZE_CHECK), "ntasks=24 gpus=24 gres=gpu:4",
		"what the user may say agrees with that");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "segment=6", "in one segment");
	has_str(pick(&s, "nodes")->why, "on nodes of 4 GPUs, 2 nodes to spare", "and why");
	release(&s);
	sizejob_init(&s);
	s.p.job.probing.spare_nodes = (struct disagg_int){true, 2};
	is_int(size(&s), 0, "without probes");
	is_str(pick(&s, "nodes")->value, "4", "no node is to spare");
	release(&s);
	sizejob_init(&s);
	s.p.job.probing = (struct disagg_probing){
		.suite = DISAGG_PROBING_QUICK, .spare_nodes = {true, DISAGG_MAX_NODES - 1}};
	is_int(size(&s), -2, "more than there can be");
	has_str(planjob_error(&s.p), "4 nodes and 16383 spare ones: at most 16384", "are refused");
	release(&s);
}

/* Probes without roles. */
static void test_acceptance(void)
{
	struct sizejob s;

	memset(&s, 0, sizeof(s));
	planjob_init(&s.p, DISAGG_RULE_NATIVE, 4);
	s.p.job.directive = s.directive;
	s.p.job.want_nodes = 16;
	s.p.job.want_exclusive = s.p.job.want_segment = true;
	s.p.job.probing = (struct disagg_probing){
		.own = true, .suite = DISAGG_PROBING_STANDARD, .spare_nodes = {true, 3}};
	is_int(size(&s), 0, "an acceptance run is sized");
	is_str(sizes(&s, DISAGG_SIZE_PLAN), "ntasks-per-node=4 gpus-per-node=4", "whole nodes");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "nodes=16 exclusive=exclusive mem=0",
		"how many is the user's to say");
	is_str(sizes(&s, DISAGG_SIZE_CHECK), "gres=gpu:4", "and with it all totals");
	is_str(pick(&s, "nodes")->why, "probes and no workers on nodes of 4 GPUs", "and why");
	release(&s);
}

static const struct {
	const char *name;
	unsigned node_gpus;
	bool exclusive, unmanaged, segment, rehearse;
	const char *cluster;
	const char *plan, *dflt;
} modes[] = {
	{"nothing is known of the nodes", 0, false, false, false, false, NULL,
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", ""},
	{"whole nodes", 4, false, false, false, false, NULL,
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", "exclusive=exclusive mem=0"},
	{"half nodes", 8, false, false, false, false, NULL,
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", ""},
	{"half nodes, exclusive", 8, true, false, false, false, NULL,
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", "exclusive=exclusive mem=0"},
	{"GPUs that Slurm does not know", 0, false, true, false, false, NULL,
		"nodes=4 ntasks-per-node=4", "exclusive=exclusive mem=0"},
	{"a segment", 0, false, false, true, false, NULL,
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", "segment=4"},
	{"a cluster without segments", 0, false, false, true, false, "{use_segment: false}",
		"nodes=4 ntasks-per-node=4 gpus-per-node=4", ""},
	{"a cluster without --gpus-per-node", 0, false, false, false, false,
		"{use_gpus_per_node: false}", "nodes=4 ntasks-per-node=4", ""},
	{"a rehearsal", 4, true, false, false, true, NULL, "nodes=4 ntasks-per-node=4", ""},
};

static void test_modes(void)
{
	struct sizejob s;

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		sizejob_init(&s);
		s.p.job.node_gpus = modes[i].node_gpus;
		s.p.job.want_exclusive = modes[i].exclusive;
		s.p.job.gpus_unmanaged = modes[i].unmanaged;
		s.p.job.want_segment = modes[i].segment;
		s.p.job.rehearse = modes[i].rehearse;
		if (modes[i].cluster)
			set_cluster(&s, modes[i].cluster);
		is_int(size(&s), 0, modes[i].name);
		is_str(sizes(&s, DISAGG_SIZE_PLAN), modes[i].plan, modes[i].name);
		is_str(sizes(&s, DISAGG_SIZE_DEFAULT), modes[i].dflt, modes[i].name);
		release(&s);
	}
}

static void test_directives(void)
{
	struct sizejob s;

	sizejob_init(&s);
	s.p.job.node_gpus = 4;
	direct(&s, "account", "infra", true);
	direct(&s, "partition", "gpu", false);
	direct(&s, "account", "llm", false);
	direct(&s, "mem", "64G", false);
	direct(&s, "nodes", "4", false);
	direct(&s, "gres", "gpu:4", false);
	is_int(size(&s), 0, "directives of the files");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT),
		"account=llm partition=gpu mem=64G exclusive=exclusive",
		"once each; the job file's beats the cluster file's and ours");
	is_int(pick(&s, "partition")->at.line, 41, "with their line");
	release(&s);

	sizejob_init(&s);
	s.p.job.rehearse = true;
	direct(&s, "exclusive", "", false);
	direct(&s, "gres", "gpu:4", false);
	direct(&s, "time", "10", false);
	is_int(size(&s), 0, "directives of a rehearsal");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "time=10", "no GPUs, no whole nodes");
	release(&s);

	sizejob_init(&s);
	s.p.job.dialect = DISAGG_SRTCTL;
	direct(&s, "cpus-per-task", "144", false);
	is_int(size(&s), 0, "srtctl's cpus-per-task is a node's CPUs");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "cpus-per-gpu=36", "and is asked for by GPU");
	is_int(s.p.found.warnings, 1, "with a warning");
	release(&s);

	sizejob_init(&s);
	set_cluster(&s, "{use_gpus_per_node: false}");
	direct(&s, "gres", "gpu:gb200:4", false);
	is_int(size(&s), 0, "a gres where --gpus-per-node is not to be used");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "gres=gpu:gb200:4", "is passed on");
	release(&s);
}

static const struct {
	const char *option, *value, *reason;
} bad[] = {
	{"nodes", "99",
		"'nodes' is '99', but the plan needs '4' (2 prefill x 4 GPUs + 1 decode x 8"},
	{"ntasks-per-node", "1", "'ntasks-per-node' is '1', but the plan needs '4'"},
	{"ntasks", "4", "'ntasks' is '4', but the plan needs '16'"},
	{"gres", "gpu:8", "'gres' is 'gpu:8', but the plan needs 'gpu:4'"},
	{"gpus-per-node", "many", "'gpus-per-node' is 'many', but the plan needs '4'"},
	{"cpus-per-task", "8",
		"'cpus-per-task' has no place in a plan of GPUs: remove it, or say "
		"--cpus-per-gpu=N"},
	{"gpus-per-task", "1", "'gpus-per-task' has no place in a plan of GPUs: remove it"},
	{"array", "0-3", "'array' cannot be set by a file: give --array to sbatch"},
	{"output", "x", "'output' cannot be set by a file: give --output to sbatch"},
	{"wrap", "true", "'wrap' cannot be set by a file: give sbatch a job script"},
};

static void test_bad(void)
{
	struct sizejob s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		sizejob_init(&s);
		direct(&s, bad[i].option, bad[i].value, false);
		is_int(size(&s), -1, bad[i].reason);
		has_str(planjob_error(&s.p), bad[i].reason, bad[i].reason);
		is_int(s.p.found.count ? s.p.found.item[0].at.line : 0, 40, "with its line");
		is_int(s.sizing.count, 0, "nothing is returned");
		release(&s);
	}
}

static bool gives_partition(const char *option, void *context)
{
	(void)context;
	return strcmp(option, "partition") == 0;
}

static void test_missing(void)
{
	struct sizejob s;

	sizejob_init(&s);
	direct(&s, "partition", "<partition>", false);
	direct(&s, "time", "10", false);
	direct(&s, "licenses", "<licenses>", false);
	is_int(size(&s), -1, "placeholders are refused");
	is_str(planjob_error(&s.p),
		"still to be filled in: partition is '<partition>': give --partition, or "
		"'partition:' in the cluster file; licenses is '<licenses>': give --licenses, or "
		"'sbatch: licenses:' in the cluster file",
		"all at once, with what fills them");
	is_int(s.p.found.errors, 1, "in one error");
	is_int(disagg_sizing_make(&s.p.arena, &s.p.job, s.p.plan, &s.sizing, &s.p.found), 0,
		"one may plan on without them");
	is_int(s.sizing.missing_count, 2, "knowing which");
	is_str(sizes(&s, DISAGG_SIZE_DEFAULT), "time=10", "and with the rest");
	is_int(disagg_sizing_missing(&s.sizing, gives_partition, NULL, &s.p.found), -1,
		"what an option gives is no longer missing");
	ok(s.p.found.count == 2 && !strstr(s.p.found.item[1].text, "partition"),
		"and not spoken of");
	release(&s);
}

static const struct {
	const char *option, *value;
	enum disagg_strength strength;
	const char *given;
	bool agrees;
} agreements[] = {
	{"nodes", "3", DISAGG_SIZE_PLAN, "3", true},
	{"nodes", "3", DISAGG_SIZE_PLAN, "3-3", true},
	{"nodes", "3", DISAGG_SIZE_PLAN, "2-3", false},
	{"nodes", "3", DISAGG_SIZE_PLAN, "30", false},
	{"nodes", "3", DISAGG_SIZE_PLAN, "", false},
	{"ntasks", "12", DISAGG_SIZE_CHECK, "12", true},
	{"ntasks", "12", DISAGG_SIZE_CHECK, "0012", true},
	{"ntasks", "12", DISAGG_SIZE_CHECK, "1", false},
	{"gpus-per-node", "4", DISAGG_SIZE_PLAN, "h100:4", true},
	{"gpus-per-node", "4", DISAGG_SIZE_PLAN, "h100:8", false},
	{"gpus-per-node", "4", DISAGG_SIZE_PLAN, "h100:", false},
	{"gpus", "8", DISAGG_SIZE_CHECK, "a100:4,h100:4", true},
	{"gpus", "8", DISAGG_SIZE_CHECK, "99999999999999999999", false},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gpu:4", true},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gpu:gb200:4,nvme:1", true},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gres:gpu:4", true},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gres:gpu:2", false},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gres/gpu:8", false},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "nvme:1", true},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gpu", false},
	{"gres", "gpu:1", DISAGG_SIZE_CHECK, "gpu", true},
	{"gres", "gpu:4", DISAGG_SIZE_CHECK, "gpu:x", false},
	{"mem", "0", DISAGG_SIZE_DEFAULT, "64G", true},
	{"cpus-per-task", NULL, DISAGG_SIZE_REFUSE, "1", false},
};

static void test_agreements(void)
{
	for (size_t i = 0; i < sizeof(agreements) / sizeof(*agreements); i++) {
		struct disagg_size v = {
			.option = agreements[i].option,
			.value = agreements[i].value,
			.strength = agreements[i].strength,
		};
		char what[96];

		snprintf(what, sizeof(what), "%s %s and '%s'", v.option, v.value ? v.value : "-",
			agreements[i].given);
		ok(disagg_size_agrees(&v, agreements[i].given) == agreements[i].agrees, what);
	}
}

static void test_out_of_memory(void)
{
	struct sizejob s;
	long n = 0;
	int rc = -1;

	while (rc < 0 && n < 1000) {
		sizejob_init(&s);
		s.p.job.want_segment = true;
		direct(&s, "partition", "gpu", false);
		planjob_make(&s.p);
		disagg_alloc_fail_after(n++);
		rc = disagg_plan_sizing(&s.p.arena, &s.p.job, s.p.plan, &s.sizing, &s.p.found);
		disagg_alloc_fail_after(-1);
		release(&s);
	}
	is_int(rc, 0, "with memory enough the plan is sized");
}

int main(void)
{
	test_plan();
	test_spare();
	test_acceptance();
	test_modes();
	test_directives();
	test_bad();
	test_missing();
	test_agreements();
	test_out_of_memory();
	return tap_done();
}
