/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin in every context of a stand-in for Slurm. */
#include "tests/spankhost/host.h"
#include "tests/unit/tap.h"
#include <sys/stat.h>

extern char **environ;

static char config[4096], uneven[4096], acceptance[4096];
/* what a submitted job carries, for the compute side */
static char carried_plan[HOST_TEXT], spare_plan[HOST_TEXT];

/* ---- submitting ---- */

struct step_of_script {
	char kind; /* 't' the user types, 'e' Slurm's environment, 'o' an option of ours */
	const char *name, *value;
};

struct submit_case {
	const char *name;
	struct step_of_script said[6];
	const char *log;   /* NULL: accepted; else refused with this text */
	const char *nodes; /* at the end, where accepted */
};

static int submit_play(const struct step_of_script *said)
{
	hook("slurm_spank_init", 0, NULL);
	for (; said->kind; said++) {
		if (said->kind == 't')
			host_types(said->name, said->value);
		else if (said->kind == 'e')
			host_finds_in_env(said->name, said->value);
		else
			host.outcome->hooks |= say(said->name, said->value);
	}
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static int submit_scenario(const void *argument)
{
	const struct submit_case *row = argument;
	int rc = submit_play(row->said);

	show("nodes", slot_find(&opt, "nodes", 0)->value);
	show("ntasks-per-node", slot_find(&opt, "ntasks-per-node", 0)->value);
	show("gpus-per-node", slot_find(&opt, "gpus-per-node", 0)->value);
	show("SLURM_DISAGG_PLAN", getenv("SLURM_DISAGG_PLAN"));
	show("SLURM_DISAGG_CONFIG", getenv("SLURM_DISAGG_CONFIG"));
	show("control DISAGG_RUN_DIR", vars_get(&host.control, "DISAGG_RUN_DIR"));
	hook("slurm_spank_exit", 0, NULL);
	return rc;
}

#define O(option, text)                                                                            \
	{                                                                                          \
		'o', option, text                                                                  \
	}
#define T(option, text)                                                                            \
	{                                                                                          \
		't', option, text                                                                  \
	}
#define E(option, text)                                                                            \
	{                                                                                          \
		'e', option, text                                                                  \
	}
#define CONFIG O("disagg-config", config)

static const struct submit_case submit_cases[] = {
	{"a configuration sizes the job", {CONFIG}, NULL, "3"},
	{"twice the same", {CONFIG, CONFIG}, NULL, "3"},
	{"another file later wins", {O("disagg-config", "nix.yaml"), CONFIG}, NULL, "3"},
	{"-N that agrees, before", {T("nodes", "3"), CONFIG}, NULL, "3"},
	{"-N that agrees, behind", {CONFIG, T("nodes", "3")}, NULL, "3"},
	{"-N3-3", {T("nodes", "3-3"), CONFIG}, NULL, NULL},
	{"a GPU type is the user's", {T("gpus-per-node", "h100:4"), CONFIG}, NULL, "3"},
	{"a value set", {CONFIG, O("disagg-set", "roles.decode.workers=3")}, NULL, "4"},
	{"a value set before the file", {O("disagg-set", "roles.decode.workers=3"), CONFIG}, NULL,
		"4"},
	{"-N corrected by the user", {T("nodes", "5"), CONFIG, T("nodes", "3")}, NULL, "3"},
	{"-N that a later value makes right",
		{T("nodes", "4"), CONFIG, O("disagg-set", "roles.decode.workers=3")}, NULL, "4"},
	{"--time is the user's", {CONFIG, T("time", "5")}, NULL, "3"},
	/* refused */
	{"-N that contradicts, before", {T("nodes", "5"), CONFIG}, "--nodes=5 contradicts", NULL},
	{"-N that contradicts, behind", {CONFIG, T("nodes", "5")}, "--nodes=5 contradicts", NULL},
	{"-N that was right until a value changed",
		{CONFIG, T("nodes", "3"), O("disagg-set", "roles.decode.workers=3")},
		"--nodes=3 contradicts the configuration, which gives 4", NULL},
	{"-n that contradicts", {CONFIG, T("ntasks", "4")}, "--ntasks=4 contradicts", NULL},
	{"GPUs from the environment", {E("gpus-per-node", "2"), CONFIG},
		"--gpus-per-node=2 (from the environment) contradicts", NULL},
	{"GPUs from the environment, behind #SBATCH", {CONFIG, E("gpus-per-node", "2")},
		"--gpus-per-node=2 (from the environment) contradicts", NULL},
	{"-c has no place", {CONFIG, T("cpus-per-task", "2")}, "--cpus-per-task=2 has no place",
		NULL},
	{"-c before", {T("cpus-per-task", "2"), CONFIG}, "--cpus-per-task=2 has no place", NULL},
	{"--export-file has no place", {CONFIG, T("export-file", "x")},
		"--export-file=x has no place here: it replaces the environment", NULL},
	{"a file that is missing", {O("disagg-config", "nix.yaml")}, "nix.yaml", NULL},
	{"a pattern", {O("disagg-config", "nix.yaml:batch_*")},
		"--disagg-config=nix.yaml:batch_*: patterns are for disagg-plan", NULL},
	{"a slip in the path of a value", {CONFIG, O("disagg-set", "roles.decod.workers=3")},
		"'roles.decod.workers': there is no 'roles.decod', did you mean 'roles.decode'?",
		NULL},
	{"no file name", {O("disagg-config", "")}, "error: ", NULL},
	{"a folder", {O("disagg-config", "/")}, "error: ", NULL},
	{"a device", {O("disagg-config", "/dev/zero")}, "error: ", NULL},
	{"a value set that has no key", {CONFIG, O("disagg-set", "nonsense")}, "nonsense", NULL},
	{"a value set alone", {O("disagg-set", "a=b")}, "--disagg-set needs --disagg-config", NULL},
	{"a rehearsal alone", {O("disagg-rehearse", NULL)},
		"--disagg-rehearse needs --disagg-config", NULL},
	{"a dry run alone", {O("disagg-dry-run", NULL)}, "--disagg-dry-run needs --disagg-config",
		NULL},
	{"a role", {O("disagg-role", "decode:0")}, "there is no job", NULL},
	{"a file name that is a terminal's command", {O("disagg-config", "\033[31mno\n")},
		"'?[31mno?'", NULL},
};

static const struct submit_case spare_case = {
	"a node to spare", {CONFIG, O("disagg-set", "probes.spare_nodes=1")}, NULL, "4"};
static const struct submit_case accept_cases[] = {
	{"an acceptance run", {O("disagg-config", acceptance)}, NULL, "4"},
	{"of as many nodes as the user says", {T("nodes", "16"), O("disagg-config", acceptance)},
		NULL, "16"},
	{"said behind", {O("disagg-config", acceptance), T("nodes", "16")}, NULL, "16"},
};

static bool shown(const struct outcome *got, const char *name, const char *value)
{
	char line[512];

	snprintf(line, sizeof(line), "%s=%s\n", name, value);
	return strstr(got->out, line) != NULL;
}

static void check_submit_case(const struct submit_case *row, enum spank_context context)
{
	struct outcome *got = play(context, submit_scenario, row);
	char what[256];

	snprintf(what, sizeof(what), "%s: %s", context == S_CTX_LOCAL ? "srun" : "sbatch",
		row->name);
	ok(!got->signal && !got->exited && got->hooks == 0, what);
	if (row->log) {
		is_int(got->rc, -1, what);
		has_str(got->log, row->log, what);
		ok(shown(got, "SLURM_DISAGG_PLAN", "(unset)"), what);
		return;
	}
	is_int(got->rc, 0, what);
	is_str(strstr(got->log, "error: "), NULL, what);
	has_str(got->out, "SLURM_DISAGG_PLAN=DISAGG_PLAN=2;", what);
	has_str(got->out, "SLURM_DISAGG_CONFIG={\"schema\":\"disagg.config/1\"", what);
	has_str(got->out, "disagg-%j\n", what);
	if (row->nodes)
		ok(shown(got, "nodes", row->nodes), what);
}

static void test_probes(void)
{
	struct outcome *got;

	check_submit_case(&spare_case, S_CTX_ALLOCATOR);
	got = play(S_CTX_LOCAL, submit_scenario, &spare_case);
	ok(got->rc == 0 && shown(got, "nodes", "3"),
		"a direct srun probes nothing, and asks for no node to spare");
	for (size_t i = 0; i < sizeof(accept_cases) / sizeof(accept_cases[0]); i++)
		check_submit_case(&accept_cases[i], S_CTX_ALLOCATOR);
}

static void test_submit(void)
{
	for (size_t i = 0; i < sizeof(submit_cases) / sizeof(submit_cases[0]); i++) {
		/* a direct srun's -n is another number */
		check_submit_case(&submit_cases[i], S_CTX_ALLOCATOR);
		check_submit_case(&submit_cases[i], S_CTX_LOCAL);
	}
}

static void test_direct(void)
{
	struct outcome *got = play(S_CTX_LOCAL, submit_scenario, &submit_cases[0]);

	ok(shown(got, "ntasks-per-node", "2"), "a direct srun starts the tasks that are needed");
	got = play(S_CTX_ALLOCATOR, submit_scenario, &submit_cases[0]);
	ok(shown(got, "ntasks-per-node", "4"), "a batch job leaves room for steps");
	ok(shown(got, "gpus-per-node", "4"), "with the GPUs of a node");
}

/* ---- dry run ---- */

static int dry_run(const void *argument)
{
	static const struct step_of_script said[] = {CONFIG, O("disagg-dry-run", NULL), {0}};

	(void)argument;
	if (!freopen("/dev/null", "w", stdout))
		return 1;
	return submit_play(said);
}

/* ---- a job without the option ---- */

static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t len)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_host(void)
{
	uint64_t hash = hash_bytes(1, &opt, sizeof(opt));

	for (char **entry = environ; *entry; entry++)
		hash = hash_bytes(hash, *entry, strlen(*entry));
	return hash_bytes(hash, &host.control.count, sizeof(host.control.count));
}

static int untouched(const void *argument)
{
	static const char *const hooks[] = {"slurm_spank_init", "slurm_spank_init_post_opt",
		"slurm_spank_local_user_init", "slurm_spank_exit"};
	uint64_t before;

	if (argument)
		setenv("SLURM_JOB_ID", "77", 1);
	forbid_files();
	before = hash_host();
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		host.outcome->hooks |= hook(hooks[i], 0, NULL);
	return before == hash_host() ? 0 : 1;
}

static int untouched_node(const void *argument)
{
	static const char *const hooks[] = {"slurm_spank_init", "slurm_spank_init_post_opt",
		"slurm_spank_user_init", "slurm_spank_task_init_privileged",
		"slurm_spank_task_init", "slurm_spank_task_post_fork", "slurm_spank_task_exit",
		"slurm_spank_job_prolog", "slurm_spank_job_epilog", "slurm_spank_exit"};
	unsigned before = host.job.count;

	(void)argument;
	forbid_files();
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		host.outcome->hooks |= hook(hooks[i], 0, NULL);
	return before == host.job.count ? 0 : 1;
}

static void test_untouched(void)
{
	static const struct {
		const char *name;
		enum spank_context context;
		const char *job;
	} rows[] = {
		{"sbatch", S_CTX_ALLOCATOR, NULL},
		{"srun", S_CTX_LOCAL, NULL},
		{"srun in a job", S_CTX_LOCAL, "77"},
		{"sbatch in a job", S_CTX_ALLOCATOR, "77"},
	};
	static const enum spank_context quiet[] = {
		S_CTX_REMOTE, S_CTX_SLURMD, S_CTX_JOB_SCRIPT, S_CTX_ERROR};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outcome *got = play(rows[i].context, untouched, rows[i].job);

		ok(!got->signal && got->hooks == 0 && got->rc == 0 && !got->log[0], rows[i].name);
	}
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		struct outcome *got = play(quiet[i], untouched_node, NULL);

		ok(!got->signal && got->hooks == 0 && got->rc == 0 && !got->log[0],
			"nothing happens without the option on a node or in a daemon");
	}
}

/* ---- sbatch inside a job ---- */

#define INHERITED "SLURM_SPANK__SLURM_SPANK_OPTION_disagg_disagg_config"
#define RAW	  "_SLURM_SPANK_OPTION_disagg_disagg_config"

static void be_inside_a_job(void)
{
	setenv("SLURM_JOB_ID", "77", 1);
	setenv(INHERITED, uneven, 1);
	setenv("SLURM_DISAGG_PLAN", carried_plan, 1);
	setenv("SLURM_DISAGG_CONFIG", "{}", 1);
	setenv("DISAGG_RUN_DIR", "/outer", 1);
	setenv("DISAGG_SET", "", 1);
}

/* Slurm repeats the option of the job around, and has it in both environments
 * by init_post_opt. */
static int nested(const void *argument)
{
	int rc;

	be_inside_a_job();
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", uneven);
	if (argument)
		host.outcome->hooks |= say("disagg-config", argument);
	setenv(RAW, uneven, 1);
	vars_set(&host.control, RAW, uneven);
	rc = hook("slurm_spank_init_post_opt", 0, NULL);
	show("nodes", slot_find(&opt, "nodes", 0)->value);
	show("plan", getenv("SLURM_DISAGG_PLAN"));
	show("raw", getenv(RAW));
	show("carried", getenv(INHERITED));
	show("control", vars_get(&host.control, RAW));
	show("run dir", getenv("DISAGG_RUN_DIR"));
	return rc;
}

/* The script has unset the number of its job, for an sbatch or srun of its own. */
static int nested_nameless(const void *argument)
{
	(void)argument;
	be_inside_a_job();
	unsetenv("SLURM_JOB_ID");
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", uneven);
	show("nodes", slot_find(&opt, "nodes", 0)->value);
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	show("plan", getenv("SLURM_DISAGG_PLAN"));
	show("run dir", getenv("DISAGG_RUN_DIR"));
	return 0;
}

/* sbatch in a job without a plan. */
static int nested_plain(const void *argument)
{
	(void)argument;
	setenv("SLURM_JOB_ID", "77", 1);
	setenv("DISAGG_MINE", "kept", 1);
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	show("mine", getenv("DISAGG_MINE"));
	return 0;
}

static void check_nameless(enum spank_context context, const char *name)
{
	struct outcome *got = play(context, nested_nameless, NULL);

	is_int(got->hooks, 0, name);
	ok(shown(got, "nodes", ""), "is not sized by the job around either");
	ok(shown(got, "plan", "(unset)"), "nor does it carry that job's plan");
	ok(shown(got, "run dir", "(unset)"), "nor that job's run directory");
}

static void test_nested(void)
{
	static const char *const gone[] = {"plan", "raw", "carried", "control", "run dir"};
	struct outcome *got = play(S_CTX_ALLOCATOR, nested, NULL);

	is_int(got->rc, 0, "sbatch inside a job");
	ok(shown(got, "nodes", ""), "is not sized by the job around");
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		ok(shown(got, gone[i], "(unset)"), gone[i]);
	got = play(S_CTX_ALLOCATOR, nested, config);
	is_int(got->rc, 0, "sbatch inside a job with a configuration of its own");
	ok(shown(got, "nodes", "3"), "is sized by that");
	has_str(got->out, "plan=DISAGG_PLAN=2;", "and carries its plan");
	ok(shown(got, "run dir", "(unset)"), "not the other's run directory");
	check_nameless(S_CTX_ALLOCATOR, "sbatch inside a job whose number is unset");
	check_nameless(S_CTX_LOCAL, "srun inside a job whose number is unset");
	got = play(S_CTX_ALLOCATOR, nested_plain, NULL);
	ok(!got->signal && got->hooks == 0, "sbatch inside a job without a plan");
	ok(shown(got, "mine", "kept"), "keeps a DISAGG_ variable that is the user's own");
}

/* ---- heterogeneous jobs, two lives in one process ---- */

static int het(const void *argument)
{
	static const struct step_of_script said[] = {CONFIG, {0}};
	int rc;

	(void)argument;
	rc = submit_play(said);
	host.outcome->hooks |= rc;
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static int two_lives(const void *argument)
{
	static const struct step_of_script said[] = {CONFIG, {0}};
	int rc = 0;

	(void)argument;
	for (int i = 0; i < 2; i++) {
		while (host.option_count > 0)
			free(host.option_name[--host.option_count]);
		rc |= submit_play(said);
		rc |= hook("slurm_spank_exit", 0, NULL);
		rc |= hook("slurm_spank_exit", 0, NULL);
	}
	return rc;
}

static int hostile(const void *argument)
{
	char *large = malloc(200001);

	(void)argument;
	memset(large, 'a', 200000);
	large[200000] = '\0';
	hook("slurm_spank_init", 0, NULL);
	for (unsigned i = 0; i < host.option_count; i++) {
		spank_opt_cb_f call = host.option[i].cb;

		host.outcome->hooks |= call(host.option[i].val, NULL, 0);
		host.outcome->hooks |= call(host.option[i].val, large, 0);
		host.outcome->hooks |= call(host.option[i].val, "%n%s\n\033[0m", 0);
		host.outcome->hooks |= call(host.option[i].val, "x", 1);
		host.outcome->hooks |= call(-1, "x", 0);
		host.outcome->hooks |= call(1000, "x", 0);
	}
	free(large);
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static int many_sets(const void *argument)
{
	hook("slurm_spank_init", 0, NULL);
	for (int i = 0; i < 300; i++)
		host.outcome->hooks |= say("disagg-set", "name=x");
	host.outcome->hooks |= say("disagg-config", argument);
	return hook("slurm_spank_init_post_opt", 0, NULL);
}

static int bad_arguments(const void *argument)
{
	char text[128];
	char *argv[] = {text};

	snprintf(text, sizeof(text), "%s", (const char *)argument);
	hook("slurm_spank_init", 1, argv);
	host.outcome->hooks |= say("disagg-config", config);
	return hook("slurm_spank_init_post_opt", 1, argv);
}

/* `argument`: the GPUs of a node that are typed. */
static int sized_by_user(const void *argument)
{
	char text[] = "sizing=user";
	char *argv[] = {text};
	int rc;

	hook("slurm_spank_init", 1, argv);
	host_types("nodes", "3");
	host_types("ntasks", "12");
	host_types("gpus-per-node", argument);
	host.outcome->hooks |= say("disagg-config", config);
	rc = hook("slurm_spank_init_post_opt", 1, argv);
	show("time", slot_find(&opt, "time", 0)->value);
	return rc;
}

static int dry_run_lacking(const void *argument)
{
	static const struct step_of_script said[] = {
		CONFIG, T("nodes", "5"), O("disagg-dry-run", NULL), {0}};

	(void)argument;
	if (!freopen("/dev/null", "w", stdout))
		return 1;
	return submit_play(said);
}

/* A mistake of the administrator, and a job that asks for nothing. */
static int bad_arguments_unasked(const void *argument)
{
	char text[] = "clusterfile=/x";
	char *argv[] = {text};

	(void)argument;
	hook("slurm_spank_init", 1, argv);
	return hook("slurm_spank_init_post_opt", 1, argv);
}

static int refused_value(const void *argument)
{
	static const struct step_of_script said[] = {CONFIG, {0}};

	host_refuses = argument;
	return submit_play(said);
}

static void test_odd_submits(void)
{
	struct outcome *got = play(S_CTX_ALLOCATOR, dry_run, NULL);

	is_int(got->exited, 1, "a dry run ends the program with 0");
	got = play(S_CTX_ALLOCATOR, het, NULL);
	is_int(got->rc, -1, "the second component of a heterogeneous job is refused");
	is_int(got->hooks, 0, "the first alone is not");
	has_str(got->log, "heterogeneous", "with a reason");
	got = play(S_CTX_ALLOCATOR, two_lives, NULL);
	ok(!got->signal && got->rc == 0, "init to exit, twice in one process");
	got = play(S_CTX_ALLOCATOR, hostile, NULL);
	ok(!got->signal && got->hooks == 0 && got->rc == -1, "no option value is fatal in itself");
	got = play(S_CTX_ALLOCATOR, many_sets, config);
	ok(!got->signal && got->hooks == 0 && got->rc == -1, "--disagg-set is bounded");
	has_str(got->log, "more than 256", "by a number that is named");
	got = play(S_CTX_ALLOCATOR, bad_arguments, "sizing=x");
	is_int(got->rc, -1, "a plugstack argument that is wrong is reported");
	has_str(got->log, "sizing='x'", "by name");
	got = play(S_CTX_ALLOCATOR, bad_arguments, "clusterfile=/x");
	has_str(got->log, "expected cluster_file=", "a plugstack argument that is unknown too");
	got = play(S_CTX_ALLOCATOR, bad_arguments_unasked, NULL);
	is_int(got->rc, 0, "but does not stop a job without our options");
	is_str(got->log, "", "nor is anything said");
	got = play(S_CTX_ALLOCATOR, bad_arguments, "sizing=cli_filter");
	has_str(got->log, "cli_filter/disagg has not run", "the filter must be set up");
	got = play(S_CTX_ALLOCATOR, bad_arguments, "sizing=user");
	is_int(got->rc, -1, "sizing=user: a job without flags is refused");
	has_str(got->log, "sizing=user): type: --nodes=3 --ntasks-per-node=4 --gpus-per-node=4",
		"with the flags to type");
	got = play(S_CTX_ALLOCATOR, sized_by_user, "4");
	is_int(got->rc, 0, "sizing=user: one with the plan's flags is not");
	ok(!shown(got, "time", "00:30:00"), "and nothing is added to it");
	got = play(S_CTX_ALLOCATOR, sized_by_user, "5");
	is_int(got->rc, -1, "sizing=user: one with other flags is");
	has_str(got->log, "--gpus-per-node=5 contradicts", "with a reason");
	got = play(S_CTX_ALLOCATOR, dry_run_lacking, NULL);
	is_int(got->exited, 0, "a dry run of what is refused does not end with 0");
	is_int(got->rc, -1, "but is refused as well");
	has_str(got->log, "--nodes=5 contradicts", "with the same reason");
	got = play(S_CTX_ALLOCATOR, refused_value, "nodes");
	is_int(got->rc, -1, "a value that Slurm refuses stops the submission");
	has_str(got->log, "Slurm does not accept --nodes=3", "and is named");
}

/* ---- every SPANK call failing in turn ---- */

static long fail_from;

static int submit_failing(const void *argument)
{
	static const struct step_of_script said[] = {CONFIG, {0}};

	(void)argument;
	host.fail_at = fail_from;
	return submit_play(said);
}

static void test_submit_failing(void)
{
	unsigned calls;

	fail_from = -1;
	calls = play(S_CTX_ALLOCATOR, submit_failing, NULL)->calls;
	for (fail_from = 0; fail_from < (long)calls; fail_from++) {
		struct outcome *got = play(S_CTX_ALLOCATOR, submit_failing, NULL);

		ok(!got->signal && (got->rc == 0 || strstr(got->log, "error: ")),
			"a SPANK call that fails is survived, and told where it matters");
	}
	ok(calls > 5, "there were calls to fail");
	fail_from = -1;
}

#include "tests/spankhost/remote.h"

static void keep_plan(const struct submit_case *row, char *ret)
{
	const struct outcome *got = play(S_CTX_ALLOCATOR, submit_scenario, row);
	const char *plan = strstr(got->out, "SLURM_DISAGG_PLAN=");

	if (plan)
		snprintf(ret, HOST_TEXT, "%.*s",
			(int)strcspn(plan + strlen("SLURM_DISAGG_PLAN="), "\n"),
			plan + strlen("SLURM_DISAGG_PLAN="));
}

int main(void)
{
	host.fail_at = -1;
	unsetenv("SLURM_JOB_ID");
	snprintf(config, sizeof(config), "%s/configs/native-2p2d.yaml", getenv("SRC"));
	snprintf(acceptance, sizeof(acceptance), "%s/configs/acceptance.yaml", getenv("SRC"));
	snprintf(uneven, sizeof(uneven), "%s/configs/native-uneven.yaml", getenv("SRC"));
	plugin_open();
	keep_plan(&submit_cases[0], carried_plan);
	keep_plan(&spare_case, spare_plan);
	test_submit();
	test_probes();
	test_direct();
	test_untouched();
	test_nested();
	test_odd_submits();
	test_submit_failing();
	test_remote();
	return tap_done();
}
