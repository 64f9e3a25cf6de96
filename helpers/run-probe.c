/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "helpers/run-outcome.h"
#include "lib/host/rundir.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS_NS	     INT64_C(1000000)
#define SECOND_NS    INT64_C(1000000000)
#define STEP_NAME    "disagg-probe"
#define LOG_NAME     "probes.log"
#define FOLDER	     "probes"
#define SAY_EVERY_S  10
#define MOST_FOLDERS 99u
#define MOST_DRAINS  64u /* lines to paste */
#define REASON	     120u
#define COMMON	     "the probes failed, and no single node is at fault (see '%s/report.md')"
#define LAST_EXIT    128 /* above it a task was ended by a signal */

/*
 * Step 0: one step over all hosts of the job, spare ones too, before anything of
 * the deployment is started.  What it says of a host decides whether the plan
 * takes it: the rest of the run only knows the hosts' order.
 */

/* ---- the step ---- */

static const char *list_of(
	struct disagg_arena *arena, const char *option, const struct disagg_strs *names)
{
	struct disagg_strbuf out;
	const char *text = NULL;

	disagg_strbuf_init(&out, DISAGG_MAX_CONFIG_BYTES);
	disagg_strbuf_printf(&out, "--%s=", option);
	for (unsigned i = 0; i < names->count; i++)
		disagg_strbuf_printf(&out, "%s%s", i ? "," : "", names->v[i]);
	if (!out.failed)
		text = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

/* argv of disagg-probe; NULL: no memory. */
static const char *const *program_of(struct run *run, const char *path, const char *dir)
{
	const struct disagg_probing *probing = &run->in.job->probing;
	struct disagg_arena *arena = &run->arena;
	const char **argv = disagg_arena_array(arena, 7, sizeof(*argv));
	unsigned count = 0;

	if (!argv)
		return NULL;
	argv[count++] = path;
	argv[count++] = disagg_arena_printf(
		arena, "--suite=%s", disagg_probing_suites[run->in.plan->probes]);
	argv[count++] = disagg_arena_printf(arena, "--out=%s", dir);
	if (probing->only.count)
		argv[count++] = list_of(arena, "probe", &probing->only);
	if (probing->skip.count)
		argv[count++] = list_of(arena, "skip", &probing->skip);
	if (probing->reference)
		argv[count++] = disagg_arena_printf(arena, "--reference=%s", probing->reference);
	for (unsigned i = 0; i < count; i++) {
		if (!argv[i])
			return NULL;
	}
	return argv;
}

/* So that the step's tasks know each other from whoever else finds their ports. */
static const char *token_of(struct run *run)
{
	uint64_t word[2];

	if (getrandom(word, sizeof(word), 0) != (ssize_t)sizeof(word))
		return "DISAGG_PROBE_TOKEN"; /* without one they go by their addresses */
	return disagg_arena_printf(
		&run->arena, "DISAGG_PROBE_TOKEN=%016" PRIx64 "%016" PRIx64, word[0], word[1]);
}

static int spawn(struct run *run, const char *dir, int log_fd, struct disagg_err *err)
{
	const char *const change[] = {"SLURM_DISAGG_ROLES=none", token_of(run), NULL};
	const char *path = disagg_proc_tool(&run->arena, STEP_NAME, run->path);
	struct disagg_step_call call = {
		.nodes = run->in.hosts.count, .name = STEP_NAME, .alone = true};
	struct disagg_proc_spec spec = {
		.in_fd = -1, .out_fd = log_fd, .err_fd = log_fd, .own_group = true};

	if (!path)
		return disagg_err_set(err, DISAGG_MISSING,
			"'" STEP_NAME "' is neither beside disagg-run nor in PATH");
	call.program = program_of(run, path, dir);
	if (!call.program || !change[1])
		return disagg_err_nomem(err);
	spec.argv = disagg_step_argv(&run->arena, &run->slurm, &call);
	spec.envp = disagg_proc_env(&run->arena, run->envp, change);
	if (!spec.argv || !spec.envp)
		return disagg_err_nomem(err);
	return disagg_proc_spawn(&spec, &run->probe, err);
}

static int start(struct run *run, const char *dir, struct disagg_err *err)
{
	int fd = disagg_rundir_open_log(&run->arena, run->in.run_dir, LOG_NAME, err);
	int rc = fd < 0 ? -1 : spawn(run, dir, fd, err);

	if (fd >= 0)
		close(fd);
	return rc;
}

/* A client whose step is not there yet is told itself. */
static void tell(struct run *run, const char *signal)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_steps steps = {0};
	const char **id = NULL;
	unsigned count = 0;

	if (disagg_steps_list(&scratch, &run->slurm, &steps, NULL) == 0)
		id = disagg_arena_array(&scratch, steps.count + 1u, sizeof(*id));
	for (unsigned i = 0; id && i < steps.count; i++) {
		if (strcmp(steps.v[i].name, STEP_NAME) == 0)
			id[count++] = steps.v[i].id;
	}
	disagg_proc_kill(&run->teller);
	if (count)
		(void)disagg_steps_signal(
			&scratch, &run->slurm, signal, id, count, &run->teller, NULL);
	else
		kill(run->probe.pid, SIGTERM);
	disagg_arena_release(&scratch);
}

static void await(struct run *run, int64_t ms)
{
	int64_t end = run_ns() + ms * MS_NS;

	while (run->probe.pid && run_ns() < end)
		run_tick(run, end);
}

static void stop(struct run *run)
{
	tell(run, "TERM");
	await(run, RUN_GRACE_MS);
	if (!run->probe.pid)
		return;
	tell(run, "KILL");
	await(run, RUN_KILL_MS);
	if (!run->probe.pid)
		return;
	run_warn(run, "the step '" STEP_NAME "' does not end: it is left to Slurm");
	disagg_proc_kill(&run->probe);
	run->left++;
}

static void say_progress(struct run *run, int64_t began_ns)
{
	const char *log = disagg_arena_printf(&run->arena, "%s/" LOG_NAME, run->in.run_dir);
	const char *line = log ? disagg_rundir_tail(&run->arena, log, 1) : NULL;
	int len = line ? (int)strcspn(line, "\n") : 0;

	run_say(run, "probing for %lld s%s%.*s", (long long)((run_ns() - began_ns) / SECOND_NS),
		len ? ": " : "", len, len ? line : "");
}

/* Until the step has ended; true: it had to be ended, for its time was over. */
static bool await_step(struct run *run)
{
	int64_t began = run_ns(), say = began + SAY_EVERY_S * SECOND_NS;
	int64_t end = began + run->in.job->probing.timeout.v * SECOND_NS;

	while (run->probe.pid && !run->state.verdict.set && run_ns() < end) {
		run_tick(run, say < end ? say : end);
		if (!run->probe.pid || run_ns() < say)
			continue;
		if (!run->live)
			say_progress(run, began);
		say = run_ns() + SAY_EVERY_S * SECOND_NS;
	}
	if (!run->probe.pid)
		return false;
	stop(run);
	return !run->state.verdict.set;
}

/* ---- what it says of the hosts ---- */

static bool is_of(const struct run_outcome *outcome, unsigned host, enum disagg_probe_status status)
{
	return outcome->host[host].status == status;
}

/* "n2 (gemm.bf16, GPU 3: ...), n[7-9] (...) and 5 more" */
static const char *named(
	struct run *run, const struct run_outcome *outcome, enum disagg_probe_status status)
{
	return run_outcome_named(&run->arena, &run->in.hosts, outcome, status);
}

/* What a node says goes into a line that is pasted into a shell. */
static void tame_reason(char *ret, const char *why)
{
	size_t len = 0;

	for (; why[len] && len < REASON - 1; len++)
		ret[len] = strchr("\"'`$\\!;&|<>", why[len]) ? '?' : why[len];
	ret[len] = '\0';
}

/* Never executed: whether a node is drained is for the admin to say. */
static void suggest_drain(struct run *run, const struct run_outcome *outcome)
{
	unsigned said = 0;

	for (unsigned i = 0; i < run->in.hosts.count && said < MOST_DRAINS; i++) {
		char reason[REASON];

		if (!is_of(outcome, i, DISAGG_PROBE_FAIL))
			continue;
		tame_reason(reason, outcome->host[i].why);
		if (!said++)
			run_say(run, "to keep jobs off, an admin may say:");
		run_say(run, "  scontrol update nodename=%s state=drain reason='disagg-probe: %s'",
			run->in.hosts.name[i], reason);
	}
}

/* ---- what follows from it ---- */

/* What the report holds against all together, such as a cohort that is slow, is no
 * node's own fault. */
static bool is_common(const struct run *run, const struct run_outcome *outcome)
{
	return outcome->reported && !outcome->count[DISAGG_PROBE_FAIL] &&
	       disagg_proc_code(run->probe.status) == DISAGG_CHECK;
}

static void judge_all(
	struct run *run, const struct run_outcome *outcome, const char *dir, bool late)
{
	unsigned bad = outcome->count[DISAGG_PROBE_FAIL], all = run->in.hosts.count;
	unsigned unknown = outcome->count[DISAGG_PROBE_UNKNOWN];

	if (bad && unknown)
		run_warn(run, "%u of %u nodes could not be probed: %s", unknown, all,
			named(run, outcome, DISAGG_PROBE_UNKNOWN));
	if (bad)
		run_verdict(run, DISAGG_CHECK, NULL, "%u of %u nodes failed the probes: %s", bad,
			all, named(run, outcome, DISAGG_PROBE_FAIL));
	else if (is_common(run, outcome))
		run_verdict(run, DISAGG_CHECK, NULL, COMMON, dir);
	else if (unknown)
		run_verdict(run, late ? DISAGG_TIMEOUT : DISAGG_SYSTEM, NULL,
			"%u of %u nodes could not be probed: %s", unknown, all,
			named(run, outcome, DISAGG_PROBE_UNKNOWN));
}

static void warn_of(struct run *run, const struct run_outcome *outcome, const char *then)
{
	if (outcome->count[DISAGG_PROBE_FAIL])
		run_warn(run, "%u of %u nodes failed the probes%s: %s",
			outcome->count[DISAGG_PROBE_FAIL], run->in.hosts.count, then,
			named(run, outcome, DISAGG_PROBE_FAIL));
	if (outcome->count[DISAGG_PROBE_UNKNOWN])
		run_warn(run, "%u of %u nodes could not be probed%s: %s",
			outcome->count[DISAGG_PROBE_UNKNOWN], run->in.hosts.count, then,
			named(run, outcome, DISAGG_PROBE_UNKNOWN));
}

static const char *excluded_names(struct run *run, const struct run_outcome *outcome)
{
	struct disagg_strbuf out;
	const char *text = NULL;

	disagg_strbuf_init(&out, DISAGG_MAX_CONFIG_BYTES);
	disagg_strbuf_puts(&out, DISAGG_INSIDE_EXCLUDED "=");
	for (unsigned i = 0, put = 0; i < run->in.hosts.count; i++) {
		if (is_of(outcome, i, DISAGG_PROBE_FAIL) || is_of(outcome, i, DISAGG_PROBE_UNKNOWN))
			disagg_strbuf_printf(&out, "%s%s", put++ ? "," : "", run->in.hosts.name[i]);
	}
	if (!out.failed)
		text = disagg_arena_strdup(&run->arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

/* Every step from here on, and we ourselves, know the hosts in the new order. */
static int pass_over(struct run *run, const struct run_outcome *outcome, struct disagg_err *err)
{
	const char *const change[] = {excluded_names(run, outcome), NULL};

	if (!change[0])
		return disagg_err_nomem(err);
	run->envp = disagg_proc_env(&run->arena, run->envp, change);
	if (!run->envp)
		return disagg_err_nomem(err);
	run->slurm.envp = run->envp;
	if (disagg_inside_set_excluded(&run->in, strchr(change[0], '=') + 1, err))
		return -1;
	run_order_hosts(run);
	return 0;
}

static bool is_here(const struct run *run, unsigned host)
{
	const char *here = run->in.get("SLURMD_NODENAME");

	return here && strcmp(here, run->in.hosts.name[host]) == 0;
}

static void exclude(struct run *run, const struct run_outcome *outcome)
{
	unsigned bad = outcome->count[DISAGG_PROBE_FAIL];
	unsigned unknown = outcome->count[DISAGG_PROBE_UNKNOWN];
	unsigned all = run->in.hosts.count, healthy = all - bad - unknown;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (!bad && !unknown)
		return;
	warn_of(run, outcome, " and are passed over");
	for (unsigned i = 0; i < all; i++) {
		if (is_here(run, i) && (is_of(outcome, i, DISAGG_PROBE_FAIL) ||
					       is_of(outcome, i, DISAGG_PROBE_UNKNOWN)))
			run_warn(run, "disagg-run itself goes on there, on '%s'",
				run->in.hosts.name[i]);
	}
	if (healthy < run->in.plan->nodes)
		run_verdict(run, DISAGG_MISSING, NULL,
			"the plan needs %u nodes, but %u of the job's %u are healthy: %s",
			(unsigned)run->in.plan->nodes, healthy, all,
			named(run, outcome, bad ? DISAGG_PROBE_FAIL : DISAGG_PROBE_UNKNOWN));
	else if (pass_over(run, outcome, &err))
		run_verdict_err(run, NULL, &err);
}

/* A step that said nothing of any host has not measured them. */
static void judge_silence(struct run *run, bool late)
{
	int code = disagg_proc_code(run->probe.status);
	const char *log = disagg_arena_printf(&run->arena, "%s/" LOG_NAME, run->in.run_dir);
	const char *words = log ? run_last_words(run, log) : "";

	if (run->in.plan->on_failure == DISAGG_PROBING_WARNS)
		run_warn(run, "no node was probed: %s (see '%s')", words, log ? log : "");
	else if (late)
		run_verdict(run, DISAGG_TIMEOUT, NULL,
			"no node has a record after %lld s: %s (see '%s')",
			(long long)run->in.job->probing.timeout.v, words, log ? log : "");
	else
		run_verdict(run,
			code == DISAGG_USAGE || code == DISAGG_CONFIG ? DISAGG_CONFIG
								      : DISAGG_SYSTEM,
			NULL, "no node was probed: %s (see '%s')", words, log ? log : "");
}

static bool uses_gpus(const struct disagg_plan *plan)
{
	return !plan->rehearse && (plan->gpus_used || !plan->role_count);
}

static int read_outcome(struct run *run, const char *dir, bool late, struct run_outcome *ret,
	struct disagg_err *err)
{
	bool cut = late || disagg_proc_code(run->probe.status) > LAST_EXIT;

	if (run_outcome_read(&run->arena, dir, &run->in.hosts, ret, err))
		return -1;
	if (cut && !ret->reported && run_outcome_cut(&run->arena, &run->in.hosts, ret))
		return disagg_err_nomem(err);
	if (uses_gpus(run->in.plan) && run_outcome_want_gpus(&run->arena, &run->in.hosts, ret))
		return disagg_err_nomem(err);
	return 0;
}

static void judge(struct run *run, const char *dir, bool late)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct run_outcome outcome;

	if (read_outcome(run, dir, late, &outcome, &err)) {
		run_verdict_err(run, NULL, &err);
		return;
	}
	if (!outcome.records) {
		judge_silence(run, late);
		return;
	}
	run_say(run, "probes: %u of %u nodes pass, %u failed, %u unknown; the %s in %s",
		run->in.hosts.count - outcome.count[DISAGG_PROBE_FAIL] -
			outcome.count[DISAGG_PROBE_UNKNOWN],
		run->in.hosts.count, outcome.count[DISAGG_PROBE_FAIL],
		outcome.count[DISAGG_PROBE_UNKNOWN], outcome.reported ? "report is" : "records are",
		dir);
	suggest_drain(run, &outcome);
	if (late)
		run_warn(run, "the probes were ended after %lld s, their limit",
			(long long)run->in.job->probing.timeout.v);
	if (run->in.plan->on_failure != DISAGG_PROBING_ENDS && is_common(run, &outcome))
		run_warn(run, COMMON, dir);
	if (run->in.plan->on_failure == DISAGG_PROBING_WARNS)
		warn_of(run, &outcome, "");
	else if (run->in.plan->on_failure == DISAGG_PROBING_EXCLUDES && run->in.plan->role_count)
		exclude(run, &outcome);
	else
		judge_all(run, &outcome, dir, late);
}

/* Each run has its own, also the second in one run directory: what is in it is what
 * this one has seen. */
static const char *make_folder(struct run *run, struct disagg_err *err)
{
	const char *dir = NULL;

	for (unsigned i = 1; i <= MOST_FOLDERS; i++) {
		dir = i == 1 ? disagg_arena_printf(&run->arena, "%s/" FOLDER, run->in.run_dir)
			     : disagg_arena_printf(
				       &run->arena, "%s/" FOLDER ".%u", run->in.run_dir, i);
		if (!dir) {
			disagg_err_nomem(err);
			return NULL;
		}
		if (mkdir(dir, 0777) == 0)
			return run->probe_dir = dir;
		if (errno != EEXIST)
			break;
	}
	disagg_err_sys(err, "cannot make the folder '%s'", dir);
	return NULL;
}

int run_probe(struct run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const char *dir;
	bool late;

	if (run->in.plan->probes == DISAGG_PROBING_NONE)
		return 0;
	run_phase(run, DISAGG_PHASE_PROBE);
	run_say(run, "probing %u node%s: %s suite, at most %lld s", run->in.hosts.count,
		run->in.hosts.count == 1 ? "" : "s", disagg_probing_suites[run->in.plan->probes],
		(long long)run->in.job->probing.timeout.v);
	dir = make_folder(run, &err);
	if (!dir || start(run, dir, &err)) {
		run_verdict_err(run, NULL, &err);
		return -1;
	}
	late = await_step(run);
	if (!run->state.verdict.set && !run->told)
		judge(run, dir, late);
	while (run->told && !run->state.verdict.set)
		run_tick(run, INT64_MAX);
	return run->state.verdict.set ? -1 : 0;
}
