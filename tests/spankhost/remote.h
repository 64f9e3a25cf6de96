/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_REMOTE_H
#define DISAGG_TESTS_REMOTE_H

/* Scenarios of host.c: inside a job, and on the compute node.  Nothing here
 * may open a file. */

/* ---- srun in a job: --disagg-role ---- */

struct step_case {
	const char *role;
	struct step_of_script typed; /* beside it, behind it */
	const char *log;	     /* NULL: accepted */
	const char *nodelist, *ntasks;
};

static const struct step_case step_cases[] = {
	{"prefill:0", {0}, NULL, "n0", "1"},
	{"prefill:1", {0}, NULL, "n0", "1"},
	{"decode:1", {0}, NULL, "n2", "1"},
	{"router", {0}, NULL, "n0", "1"},
	{"decode:0", T("ntasks", "1"), NULL, "n1", "1"},
	{"decode:0", T("nodes", "1"), NULL, "n1", "1"},
	/* refused */
	{"decode", {0}, "2 workers", NULL, NULL},
	{"decode:2", {0}, "no worker 2", NULL, NULL},
	{"decode:x", {0}, "decode:x", NULL, NULL},
	{"nobody", {0}, "nobody", NULL, NULL},
	{"", {0}, "--disagg-role=", NULL, NULL},
	{":", {0}, "--disagg-role=:", NULL, NULL},
	{"decode:0", T("ntasks", "2"), "--ntasks=2 contradicts", NULL, NULL},
	{"decode:0", T("nodes", "2"), "--nodes=2 contradicts", NULL, NULL},
	{"decode:0", T("nodelist", "n0"), "--nodelist=n0 contradicts", NULL, NULL},
	{"decode:0", T("ntasks-per-node", "1"), "--ntasks-per-node=1 has no place", NULL, NULL},
	{"decode:0", T("het-group", "1"), "--het-group=1 has no place", NULL, NULL},
};

static int step_scenario(const void *argument)
{
	const struct step_case *row = argument;
	int rc;

	setenv("SLURM_JOB_ID", "77", 1);
	setenv("SLURM_JOB_NODELIST", "n[0-2]", 1);
	setenv("SLURM_DISAGG_PLAN", carried_plan, 1);
	setenv(INHERITED, config, 1);
	/* srun finds the job's own size in its environment */
	host_finds_in_env("nodes", "3");
	host_finds_in_env("ntasks", "12");
	host_finds_in_env("ntasks-per-node", "4");
	forbid_files();
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", config);
	host.outcome->hooks |= say("disagg-role", row->role);
	if (row->typed.kind)
		host_types(row->typed.name, row->typed.value);
	rc = hook("slurm_spank_init_post_opt", 0, NULL);
	show("nodelist", slot_find(&opt, "nodelist", 0)->value);
	show("distribution", slot_find(&opt, "distribution", 0)->value);
	show("ntasks", slot_find(&opt, "ntasks", 0)->value);
	show("ntasks-per-node", slot_find(&opt, "ntasks-per-node", 0)->value);
	show("nodes", slot_find(&opt, "nodes", 0)->value);
	hook("slurm_spank_exit", 0, NULL);
	return rc;
}

/* A role's own step asks for the hosts that are left. */
static int step_past_excluded(const void *argument)
{
	int rc;

	setenv("SLURM_JOB_ID", "77", 1);
	setenv("SLURM_JOB_NODELIST", "n[0-3]", 1);
	setenv("SLURM_DISAGG_PLAN", spare_plan, 1);
	setenv("SLURM_DISAGG_EXCLUDED", argument, 1);
	forbid_files();
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-role", "decode:1");
	rc = hook("slurm_spank_init_post_opt", 0, NULL);
	show("nodelist", slot_find(&opt, "nodelist", 0)->value);
	hook("slurm_spank_exit", 0, NULL);
	return rc;
}

static void test_excluded(void)
{
	struct outcome *got = play(S_CTX_LOCAL, step_past_excluded, "n1");

	is_int(got->rc, 0, "a role's step in a job with an excluded host");
	ok(shown(got, "nodelist", "n3"), "is on the host that took its place");
	got = play(S_CTX_LOCAL, step_past_excluded, "n[1-2]");
	is_int(got->rc, -1, "with too many of them");
	has_str(got->log, "the job's plan is for 3 nodes, but the job has 2 that are not excluded",
		"it is refused with a reason");
}

static void test_steps(void)
{
	for (size_t i = 0; i < sizeof(step_cases) / sizeof(step_cases[0]); i++) {
		const struct step_case *row = &step_cases[i];
		struct outcome *got = play(S_CTX_LOCAL, step_scenario, row);

		ok(!got->signal && got->hooks == 0, row->role);
		is_int(got->rc, row->log ? -1 : 0, row->role);
		if (row->log) {
			has_str(got->log, row->log, row->role);
			continue;
		}
		is_str(got->log, "", row->role);
		ok(shown(got, "nodelist", row->nodelist), row->role);
		ok(shown(got, "ntasks", row->ntasks), row->role);
		ok(shown(got, "distribution", "arbitrary"), row->role);
		ok(shown(got, "ntasks-per-node", ""), row->role);
	}
}

/* What else may be said to srun in a job. */
struct inside_case {
	const char *name;
	struct step_of_script said;
	const char *plan; /* in the environment */
	const char *het;
	int rc;
	const char *log;
};

static const struct inside_case inside_cases[] = {
	{"the job's own option comes back", O("disagg-config", config), carried_plan, NULL, 0, ""},
	{"another file has no effect", O("disagg-config", uneven), carried_plan, NULL, 0,
		"--disagg-config has no effect inside a job"},
	{"a value has no effect", O("disagg-set", "a=b"), carried_plan, NULL, 0,
		"--disagg-set has no effect inside a job"},
	{"a dry run", O("disagg-dry-run", NULL), carried_plan, NULL, -1, "has no place inside"},
	{"a role without a plan", O("disagg-role", "decode:0"), NULL, NULL, -1, "carries no plan"},
	{"a role with a plan that is none", O("disagg-role", "decode:0"), "x", NULL, -1,
		"--disagg-role=decode:0: "},
	{"a role in a heterogeneous job", O("disagg-role", "decode:0"), carried_plan, "2", -1,
		"heterogeneous"},
};

static int inside(const void *argument)
{
	const struct inside_case *row = argument;

	setenv("SLURM_JOB_ID", "77", 1);
	setenv("SLURM_JOB_NODELIST", "n[0-2]", 1);
	setenv(INHERITED, config, 1);
	if (row->plan)
		setenv("SLURM_DISAGG_PLAN", row->plan, 1);
	if (row->het)
		setenv("SLURM_HET_SIZE", row->het, 1);
	forbid_files();
	return submit_play((struct step_of_script[]){row->said, {0}});
}

static void test_inside(void)
{
	for (size_t i = 0; i < sizeof(inside_cases) / sizeof(inside_cases[0]); i++) {
		const struct inside_case *row = &inside_cases[i];
		struct outcome *got = play(S_CTX_LOCAL, inside, row);

		ok(!got->signal && got->hooks == 0, row->name);
		is_int(got->rc, row->rc, row->name);
		if (row->log[0])
			has_str(got->log, row->log, row->name);
		else
			is_str(got->log, "", row->name);
	}
}

/* srun a : --disagg-role=R b */
static int step_of_parts(const void *argument)
{
	setenv("SLURM_JOB_ID", "77", 1);
	setenv("SLURM_JOB_NODELIST", "n[0-2]", 1);
	setenv("SLURM_DISAGG_PLAN", carried_plan, 1);
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	if (argument)
		host.outcome->hooks |= say("disagg-role", argument);
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static void test_parts(void)
{
	struct outcome *got = play(S_CTX_LOCAL, step_of_parts, "decode:0");

	is_int(got->rc, -1, "a role in a step of several parts");
	has_str(got->log, "--disagg-role=decode:0 cannot be in a step of several parts",
		"is refused with a reason");
	got = play(S_CTX_LOCAL, step_of_parts, NULL);
	ok(got->rc == 0 && !got->log[0], "without a role such a step is an ordinary one");
}

/* ---- slurmstepd ---- */

struct node_case {
	const char *name;
	const char *role; /* NULL: none */
	const char *node;
	uint32_t local, tasks, global, step;
	const char *drop;     /* a variable that is missing; "-spare": a job with a spare host */
	const char *set, *to; /* one that is different */
	const char *log;      /* NULL: task_init returns 0 */
	const char *worker;   /* DISAGG_WORKER then; NULL: unset */
	const char *devices;
};

#define BATCH UINT32_C(0xfffffffb)
static const struct node_case node_cases[] = {
	{"a worker", "decode:1", "n2", 0, 1, 0, 1, NULL, NULL, NULL, NULL, "decode_1", "0,1,2,3"},
	{"second on its node", "prefill:1", "n0", 0, 1, 0, 2, NULL, NULL, NULL, NULL, "prefill_1",
		"2,3"},
	{"devices by position", "prefill:1", "n0", 0, 1, 0, 2, NULL, "CUDA_VISIBLE_DEVICES",
		"4,5,6,7", NULL, "prefill_1", "6,7"},
	{"a service", "router", "n0", 0, 1, 0, 3, NULL, NULL, NULL, NULL, "router_0", "0,1,2,3"},
	{"the whole job as one step", NULL, "n0", 1, 4, 1, 4, NULL, NULL, NULL, NULL, "prefill_1",
		"2,3"},
	{"a step of that shape that says it has no roles", NULL, "n0", 1, 4, 1, 4, NULL,
		"SLURM_DISAGG_ROLES", "none", NULL, NULL, "0,1,2,3"},
	{"a task to spare", NULL, "n0", 3, 4, 3, 4, NULL, NULL, NULL, NULL, NULL, "0,1,2,3"},
	{"the batch script", NULL, "n0", 0, 1, 0, BATCH, NULL, NULL, NULL, NULL, NULL, "0,1,2,3"},
	{"a job that was requeued", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_RESTART_COUNT", "2",
		NULL, "decode_1", "0,1,2,3"},
	{"no option, no plan of this job's", NULL, "n0", 0, 1, 0, 1, "-config", NULL, NULL, NULL,
		NULL, "0,1,2,3"},
	{"a part of `srun a : b`", NULL, "n0", 0, 1, 0, 1, NULL, "SLURM_JOB_NODELIST", "n[0-1]",
		NULL, NULL, "0,1,2,3"},
	{"past a host that is excluded", "decode:1", "n3", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "n1", NULL, "decode_1", "0,1,2,3"},
	{"a service past the first host", "router", "n1", 0, 1, 0, 3, "-spare",
		"SLURM_DISAGG_EXCLUDED", "n0", NULL, "router_0", "0,1,2,3"},
	{"an excluded host's own task", NULL, "n1", 0, 1, 1, 3, "-spare", "SLURM_DISAGG_EXCLUDED",
		"n1", NULL, NULL, "0,1,2,3"},
	{"a spare host's own task", NULL, "n3", 0, 1, 1, 3, "-spare", NULL, NULL, NULL, NULL,
		"0,1,2,3"},
	{"hosts to exclude that are nothing", "decode:1", "n2", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "", NULL, "decode_1", "0,1,2,3"},
	/* refused */
	{"a worker on an excluded host", "decode:1", "n2", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "n2", "belongs on node 2 ('n3')", NULL, NULL},
	{"more excluded than there are to spare", "decode:1", "n3", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "n[0-1]",
		"the job's plan is for 3 nodes, but the job has 2 that are not excluded", NULL,
		NULL},
	{"excluded without any to spare", "decode:1", "n2", 0, 1, 0, 1, NULL,
		"SLURM_DISAGG_EXCLUDED", "n1", "the job's plan is for 3 nodes, but the job has 2",
		NULL, NULL},
	{"an excluded host of another job", "decode:1", "n2", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "m9", "'m9' is not a node of the job", NULL, NULL},
	{"a line for the log among the excluded", "decode:1", "n2", 0, 1, 0, 1, "-spare",
		"SLURM_DISAGG_EXCLUDED", "n1\nerror: forged", "disagg: ", NULL, NULL},
	{"the script of a job of another size", NULL, "n0", 0, 1, 0, BATCH, NULL,
		"SLURM_JOB_NODELIST", "n[0-1]", "the job's plan is for 3 nodes, but the job has 2",
		NULL, NULL},
	{"a line for the log of slurmd", "decode:1", "n2", 0, 1, 0, 1, NULL,
		"SLURM_DISAGG_PORT_OFFSET", "1\nerror: forged", "is '1?error: forged'", NULL, NULL},
	{"no plan", "decode:1", "n2", 0, 1, 0, 1, "SLURM_DISAGG_PLAN", NULL, NULL,
		"plan has not arrived", NULL, NULL},
	{"a plan that is none", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_DISAGG_PLAN", "x",
		"disagg: ", NULL, NULL},
	{"a plan of another version", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_DISAGG_PLAN",
		"DISAGG_PLAN=9;0;00000000;", "disagg: ", NULL, NULL},
	{"an empty plan", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_DISAGG_PLAN", "",
		"disagg: ", NULL, NULL},
	{"no node list", "decode:1", "n2", 0, 1, 0, 1, "SLURM_JOB_NODELIST", NULL, NULL,
		"SLURM_JOB_NODELIST is not set", NULL, NULL},
	{"a node list that is none", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_JOB_NODELIST",
		"n[0-", "n[0-", NULL, NULL},
	{"a node list of another length", "decode:1", "n2", 0, 1, 0, 1, NULL, "SLURM_JOB_NODELIST",
		"n[0-3]", "the job's plan is for 3 nodes, but the job has 4", NULL, NULL},
	{"a node that is not in the job", "decode:1", "m9", 0, 1, 0, 1, NULL, NULL, NULL,
		"'m9', is not in SLURM_JOB_NODELIST", NULL, NULL},
	{"no node name", "decode:1", NULL, 0, 1, 0, 1, "SLURMD_NODENAME", NULL, NULL,
		"SLURMD_NODENAME is not set", NULL, NULL},
	{"a node that the worker has not", "decode:1", "n0", 0, 1, 0, 1, NULL, NULL, NULL,
		"disagg: ", NULL, NULL},
	{"a task that the worker has not", "decode:1", "n2", 1, 2, 1, 1, NULL, NULL, NULL,
		"disagg: ", NULL, NULL},
	{"too few devices", "decode:1", "n2", 0, 1, 0, 1, NULL, "CUDA_VISIBLE_DEVICES", "0,1",
		"disagg: ", NULL, NULL},
	{"a port offset that is none", "decode:1", "n2", 0, 1, 0, 1, NULL,
		"SLURM_DISAGG_PORT_OFFSET", "x", "expected a number", NULL, NULL},
	{"an unknown role", "nobody", "n2", 0, 1, 0, 1, NULL, NULL, NULL, "nobody", NULL, NULL},
	{"a role that is none", ":", "n2", 0, 1, 0, 1, NULL, NULL, NULL, "disagg: ", NULL, NULL},
};

static void node_set_up(const struct node_case *row)
{
	bool spare = row->drop && strcmp(row->drop, "-spare") == 0;

	vars_set(&host.job, "SLURM_DISAGG_PLAN", spare ? spare_plan : carried_plan);
	vars_set(&host.job, "SLURM_JOB_NODELIST", spare ? "n[0-3]" : "n[0-2]");
	vars_set(&host.job, "SLURM_SUBMIT_DIR", "/home/u");
	vars_set(&host.job, "SLURMD_NODENAME", row->node ? row->node : "");
	vars_set(&host.job, "CUDA_VISIBLE_DEVICES", "0,1,2,3");
	vars_set(&host.job, "SLURM_DISTRIBUTION", "arbitrary");
	if (row->set)
		vars_set(&host.job, row->set, row->to);
	if (row->drop)
		vars_unset(&host.job, row->drop);
	host.step_id = row->step;
	host.nodes = row->step == BATCH ? 0 : row->role ? 1 : 3;
	host.local_tasks = row->tasks;
	host.local_id = (int)row->local;
	host.global_id = row->global;
}

/* All that slurmstepd calls before the tasks; each must be 0. */
static void node_start(const struct node_case *row)
{
	bool with_config = !row->drop || strcmp(row->drop, "-config") != 0;

	host.outcome->hooks |= hook("slurm_spank_init", 0, NULL);
	for (int twice = 0; twice < 2; twice++) {
		if (with_config)
			host.outcome->hooks |= say("disagg-config", config);
		if (row->role)
			host.outcome->hooks |= say("disagg-role", row->role);
	}
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_user_init", 0, NULL);
}

static int node_scenario(const void *argument)
{
	const struct node_case *row = argument;
	int rc;

	node_set_up(row);
	forbid_files();
	node_start(row);
	if (host.outcome->log[0])
		return 99; /* nothing may be said before task_init */
	host.outcome->hooks |= hook("slurm_spank_task_init_privileged", 0, NULL);
	rc = hook("slurm_spank_task_init", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_task_post_fork", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_task_exit", 0, NULL);
	show("DISAGG_WORKER", vars_get(&host.job, "DISAGG_WORKER"));
	show("DISAGG_RUN_DIR", vars_get(&host.job, "DISAGG_RUN_DIR"));
	show("CUDA_VISIBLE_DEVICES", vars_get(&host.job, "CUDA_VISIBLE_DEVICES"));
	show("SLURM_DISTRIBUTION", vars_get(&host.job, "SLURM_DISTRIBUTION"));
	show("SLURM_DISAGG_PLAN", vars_get(&host.job, "SLURM_DISAGG_PLAN"));
	host.outcome->hooks |= hook("slurm_spank_exit", 0, NULL);
	return rc;
}

static void check_task(const struct node_case *row, const struct outcome *got)
{
	bool spare = row->drop && strcmp(row->drop, "-spare") == 0;
	const char *run_dir = row->drop && !spare ? "(unset)" : "/home/u/disagg-77";

	if (row->set && strcmp(row->set, "SLURM_RESTART_COUNT") == 0)
		run_dir = "/home/u/disagg-77.2";
	if (row->set && strcmp(row->set, "SLURM_JOB_NODELIST") == 0)
		run_dir = "(unset)";
	is_str(got->log, "", row->name);
	ok(shown(got, "DISAGG_WORKER", row->worker ? row->worker : "(unset)"), row->name);
	ok(shown(got, "CUDA_VISIBLE_DEVICES", row->devices), row->name);
	ok(shown(got, "DISAGG_RUN_DIR", run_dir), row->name);
	ok(shown(got, "SLURM_DISTRIBUTION", row->role ? "(unset)" : "arbitrary"), row->name);
	ok(!shown(got, "SLURM_DISAGG_PLAN", "(unset)"), row->name);
}

static void test_nodes(void)
{
	for (size_t i = 0; i < sizeof(node_cases) / sizeof(node_cases[0]); i++) {
		const struct node_case *row = &node_cases[i];
		struct outcome *got = play(S_CTX_REMOTE, node_scenario, row);

		ok(!got->signal && got->hooks == 0, row->name);
		is_int(got->rc, row->log ? -1 : 0, row->name);
		if (!row->log) {
			check_task(row, got);
			continue;
		}
		has_str(got->log, row->log, row->name);
		is_str(strchr(got->log, '\n'), "\n", "one line, once");
	}
}

/* Four tasks of one stepd, each forked as slurmstepd does it. */
static int forked_tasks(const void *argument)
{
	const struct node_case *row = argument;
	int failed = 0;

	node_set_up(row);
	node_start(row);
	for (int task = 0; task < 4; task++) {
		pid_t child = fork();
		int status = 0;

		if (child == 0) {
			host.local_id = task;
			host.global_id = (uint32_t)task;
			status = hook("slurm_spank_task_init", 0, NULL) ? 1 : 0;
			fflush(NULL);
			_exit(status);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0)
			return -1;
		failed += status != 0;
	}
	host.outcome->hooks |= hook("slurm_spank_exit", 0, NULL);
	return failed;
}

static void test_forked(void)
{
	static const struct node_case good = {
		"four tasks", NULL, "n0", 0, 4, 0, 1, NULL, NULL, NULL, NULL, NULL, NULL};
	static const struct node_case bad = {"four tasks, no plan", "decode:1", "n0", 0, 4, 0, 1,
		"SLURM_DISAGG_PLAN", NULL, NULL, NULL, NULL, NULL};
	struct outcome *got = play(S_CTX_REMOTE, forked_tasks, &good);

	is_int(got->rc, 0, "four forked tasks");
	is_int(got->hooks, 0, "and their step");
	got = play(S_CTX_REMOTE, forked_tasks, &bad);
	is_int(got->rc, 4, "four tasks of a step that cannot be");
	is_str(strchr(got->log, '\n'), "\n", "what ails all of them is said once");
}

/* ---- every SPANK call failing in turn ---- */

static int node_failing(const void *argument)
{
	const struct node_case *row = argument;
	int rc;

	node_set_up(row);
	host.fail_at = fail_from;
	node_start(row);
	rc = hook("slurm_spank_task_init", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_exit", 0, NULL);
	return rc;
}

static void test_node_failing(void)
{
	unsigned calls, told = 0;

	fail_from = -1;
	calls = play(S_CTX_REMOTE, node_failing, &node_cases[0])->calls;
	for (fail_from = 0; fail_from < (long)calls; fail_from++) {
		struct outcome *got = play(S_CTX_REMOTE, node_failing, &node_cases[0]);

		told += got->rc != 0;
		ok(!got->signal && got->hooks == 0 && (got->rc == 0 || got->log[0]),
			"only task_init fails, and says why");
	}
	ok(calls > 30 && told > 20, "there were calls to fail");
	fail_from = -1;
}

static void test_remote(void)
{
	test_steps();
	test_excluded();
	test_inside();
	test_parts();
	test_nodes();
	test_forked();
	test_node_failing();
}

#endif
