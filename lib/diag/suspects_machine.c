/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/suspects.h"

#include <stdio.h>
#include <string.h>

#define CRASH_S	   120.0 /* a reason is told at most so long before the crash */
#define SAME_END_S 5.0
#define BEFORE_S   60.0 /* a node is prepared for the run */

/* ---- exits ---- */

bool disagg_suspects_has_reason(
	const struct disagg_suspects *suspects, const struct disagg_exit *exit)
{
	for (unsigned i = 0; exit->worker && i < suspects->count; i++) {
		const struct disagg_suspect *suspect = &suspects->v[i];

		if (suspect->event && suspect->weight <= DISAGG_WEIGHT_SYMPTOM && suspect->worker &&
			strcmp(suspect->worker, exit->worker) == 0 &&
			(suspect->at <= 0 || exit->at <= 0 ||
				(suspect->at <= exit->at + SAME_END_S &&
					exit->at - suspect->at < CRASH_S)))
			return true;
	}
	return false;
}

static void add_exit(struct disagg_suspects *suspects, const struct disagg_exit *exit)
{
	char text[128];
	struct disagg_suspect suspect = {
		.weight = DISAGG_WEIGHT_EXIT,
		.fault = DISAGG_FAULT_USER_APP,
		.at = exit->at,
		.id = "exit",
		.worker = exit->worker,
		.node = exit->node,
		.rank = exit->rank,
		.gpu = -1,
		.exit = exit,
		.where = "exit",
		.text = disagg_arena_strdup(
			suspects->arena, disagg_exit_text(exit, text, sizeof(text))),
		.hint = "run its command by hand on that node, or with more logging",
	};

	if (!disagg_exit_is_failure(exit))
		return;
	suspect.title = disagg_arena_printf(suspects->arena,
		"%s ended with %s, and its log does not say why",
		exit->worker && *exit->worker ? exit->worker : "a task",
		suspect.text ? suspect.text : "an error");
	if (disagg_exit_is_crash(exit)) {
		suspect.weight = DISAGG_WEIGHT_SYMPTOM;
		suspect.title = "a program crashed";
		suspect.hint = "a defect of the program or of a library; a core dump says where";
	} else if (exit->signal == 9) {
		suspect.weight = DISAGG_WEIGHT_SYMPTOM;
		suspect.fault = DISAGG_FAULT_UNKNOWN;
		suspect.title = "a process was killed (SIGKILL), and no record says for memory";
		suspect.hint = "see the node's kernel log and the job's memory (sacct -o MaxRSS); "
			       "else somebody, or a step that was ended, killed it";
	}
	if (suspect.weight == DISAGG_WEIGHT_SYMPTOM && disagg_suspects_has_reason(suspects, exit))
		suspect.weight = DISAGG_WEIGHT_EXIT;
	disagg_suspects_add(suspects, &suspect);
}

/* ---- the kernel's log ---- */

struct kernel_class {
	const char *cls; /* of the Xid table, or NULL: any of the record's class */
	enum disagg_kmsg_class record;
	enum disagg_fault fault;
};

static const struct kernel_class kernel_classes[] = {
	{"pcie", DISAGG_KMSG_XID, DISAGG_FAULT_PCIE},
	{"memory", DISAGG_KMSG_XID, DISAGG_FAULT_GPU_MEM},
	{"nvlink", DISAGG_KMSG_XID, DISAGG_FAULT_NVLINK},
	{"nvswitch", DISAGG_KMSG_XID, DISAGG_FAULT_NVLINK},
	{"app", DISAGG_KMSG_XID, DISAGG_FAULT_USER_APP},
	{NULL, DISAGG_KMSG_XID, DISAGG_FAULT_GPU_HW},
	{NULL, DISAGG_KMSG_NVLINK, DISAGG_FAULT_NVLINK},
	{NULL, DISAGG_KMSG_AER, DISAGG_FAULT_PCIE},
	{NULL, DISAGG_KMSG_OOM, DISAGG_FAULT_OOM_HOST},
	{NULL, DISAGG_KMSG_MCE, DISAGG_FAULT_UNKNOWN},
	{NULL, DISAGG_KMSG_NIC, DISAGG_FAULT_FABRIC},
	{NULL, DISAGG_KMSG_DISK, DISAGG_FAULT_STORAGE},
	{NULL, DISAGG_KMSG_HUNG, DISAGG_FAULT_STORAGE},
};

static enum disagg_fault kernel_fault(const struct disagg_kmsg_finding *finding)
{
	const char *cls = finding->verdict.cls;

	if (finding->event.kind == DISAGG_XID_SWITCH)
		return DISAGG_FAULT_NVLINK;
	for (size_t i = 0; i < sizeof(kernel_classes) / sizeof(kernel_classes[0]); i++) {
		const struct kernel_class *row = &kernel_classes[i];

		if (row->record == finding->cls &&
			(!row->cls || (cls && strcmp(row->cls, cls) == 0)))
			return row->fault;
	}
	return DISAGG_FAULT_UNKNOWN;
}

/* What drains a node, or is the hardware's, is a cause; what a program may have
 * brought about is a symptom; what has no effect is nothing. */
static enum disagg_weight weigh_kernel(const struct disagg_kmsg_finding *finding)
{
	const struct disagg_xid_verdict *verdict = &finding->verdict;

	if (finding->cls == DISAGG_KMSG_OOM)
		return DISAGG_WEIGHT_CAUSE;
	if (finding->cls == DISAGG_KMSG_HUNG)
		return DISAGG_WEIGHT_SYMPTOM;
	if (finding->event.kind == DISAGG_XID_GPU &&
		finding->event.code == DISAGG_XID_RECOVERY_CODE)
		return DISAGG_WEIGHT_CONSEQUENCE; /* announces what another Xid calls for */
	if (verdict->attribution == DISAGG_BLAME_INFRA && verdict->impact &&
		strcmp(verdict->impact, "none") != 0)
		return DISAGG_WEIGHT_CAUSE;
	if (verdict->drain >= DISAGG_DRAIN_AFTER_JOB)
		return DISAGG_WEIGHT_CAUSE;
	return verdict->attribution == DISAGG_BLAME_NONE ? DISAGG_WEIGHT_TRACE
							 : DISAGG_WEIGHT_SYMPTOM;
}

/* The worker of a node that failed first, else its only one. */
static const char *worker_on(const struct disagg_suspects *suspects, const char *node)
{
	const struct disagg_state *state = &suspects->files->state;
	const struct disagg_exits *exits = &suspects->files->exits;
	const char *only = NULL, *failed = NULL;
	double first = 0;
	unsigned count = 0;

	for (unsigned i = 0; node && i < exits->count; i++) {
		const struct disagg_exit *exit = &exits->v[i];

		if (exit->node && exit->worker && strcmp(exit->node, node) == 0 &&
			disagg_exit_is_failure(exit) && (!failed || exit->at < first)) {
			failed = exit->worker;
			first = exit->at;
		}
	}
	for (unsigned i = 0; node && suspects->files->has_state && i < state->unit_count; i++) {
		if (!state->unit[i]->host || strcmp(state->unit[i]->host, node) != 0)
			continue;
		only = state->unit[i]->name;
		count++;
		if (!failed && state->unit[i]->state == DISAGG_UNIT_FAILED)
			failed = only;
	}
	return failed ? failed : count == 1 ? only : NULL;
}

static const char *kernel_id(struct disagg_arena *arena, const struct disagg_kmsg_finding *finding)
{
	if (finding->cls != DISAGG_KMSG_XID)
		return disagg_arena_printf(
			arena, "kernel.%s", disagg_kmsg_class_name(finding->cls));
	return disagg_arena_printf(arena, "%s.%d",
		finding->event.kind == DISAGG_XID_SWITCH ? "sxid" : "xid", finding->event.code);
}

static const char *kernel_title(struct disagg_arena *arena, const struct disagg_kernline *line)
{
	const char *text = line->finding.verdict.text;

	if (line->finding.cls == DISAGG_KMSG_OOM)
		return "the kernel killed a process because memory had run out";
	if (line->finding.cls == DISAGG_KMSG_XID)
		return disagg_arena_printf(arena, "%s: %s", kernel_id(arena, &line->finding),
			text ? text : "a GPU error");
	return text ? text : "the kernel reports an error";
}

static const char *kernel_hint(struct disagg_arena *arena, const struct disagg_kernline *line)
{
	const struct disagg_xid_verdict *verdict = &line->finding.verdict;

	if (line->finding.cls == DISAGG_KMSG_OOM)
		return "ask for more memory (--mem=0 for all of the node), or lower what the host "
		       "keeps (pinned buffers, KV offload, loader workers)";
	return disagg_arena_printf(arena, "drain the node: %s; action: %s%s%s",
		disagg_drain_name(verdict->drain), verdict->action ? verdict->action : "inspect",
		verdict->note ? "; " : "", verdict->note ? verdict->note : "");
}

/* When the run began; 0: not known. */
static double begin_of(const struct disagg_suspects *suspects)
{
	const struct disagg_runfiles *files = suspects->files;
	double begin = 0;

	if (files->has_state && files->state.phase_at[DISAGG_PHASE_STARTING] > 0)
		return files->state.phase_at[DISAGG_PHASE_STARTING];
	for (unsigned i = 0; i < suspects->scan->file_count; i++) {
		const struct disagg_scan_file *file = &suspects->scan->file[i];
		double first = file->first_s + suspects->clock[i].offset_s;

		if (file->has_time && (begin <= 0 || first < begin))
			begin = first;
	}
	return begin;
}

/* ---- whose memory it was ---- */

#define CGROUP_LINE "oom-kill:"

static bool logs_tell_oom(const struct disagg_suspects *suspects)
{
	for (unsigned i = 0; i < suspects->count; i++) {
		if (suspects->v[i].event && suspects->v[i].fault == DISAGG_FAULT_OOM_HOST)
			return true;
	}
	return false;
}

/* "oom-kill:...,task_memcg=/slurm/uid_1000/job_42/step_1,...,pid=81234,uid=1000" */
static bool names_other_job(const char *text, const char *pid, const char *job)
{
	const char *at = strstr(text, "/job_");
	size_t len;

	if (strncmp(text, CGROUP_LINE, strlen(CGROUP_LINE)) != 0 || !strstr(text, pid) || !at)
		return false;
	at += strlen("/job_");
	len = strspn(at, "0123456789");
	return len && (len != strlen(job) || strncmp(at, job, len) != 0);
}

/* On a node that jobs share: the kernel names the cgroup that had no memory. */
static bool is_other_jobs(
	const struct disagg_suspects *suspects, const struct disagg_kernline *line)
{
	static const char mark[] = "Killed process ";
	const char *at = strstr(line->text, mark), *job = suspects->files->state.job_id;
	char pid[32];

	if (!at || !suspects->files->has_state || !job || logs_tell_oom(suspects))
		return false;
	at += sizeof(mark) - 1;
	snprintf(pid, sizeof(pid), ",pid=%.*s,", (int)strspn(at, "0123456789") % 16, at);
	for (unsigned i = 0; i < suspects->files->kernel.count; i++) {
		const struct disagg_kernline *other = &suspects->files->kernel.v[i];

		if (other->finding.cls == DISAGG_KMSG_OOM && names_other_job(other->text, pid, job))
			return true;
	}
	return false;
}

static void add_kernel(struct disagg_suspects *suspects, const struct disagg_kernline *line)
{
	struct disagg_suspect suspect = {
		.weight = weigh_kernel(&line->finding),
		.fault = kernel_fault(&line->finding),
		.is_hard = true,
		.at = line->has_time ? line->time_s : 0,
		.id = kernel_id(suspects->arena, &line->finding),
		.title = kernel_title(suspects->arena, line),
		.hint = kernel_hint(suspects->arena, line),
		.node = line->node,
		.worker = worker_on(suspects, line->node),
		.pci = line->finding.event.pci[0] ? line->finding.event.pci : NULL,
		.rank = -1,
		.gpu = -1,
		.kernel = line,
		.where = "kernel",
		.text = line->text,
	};

	if (line->finding.cls == DISAGG_KMSG_OOM &&
		(strncmp(line->text, CGROUP_LINE, strlen(CGROUP_LINE)) == 0 ||
			is_other_jobs(suspects, line)))
		return;
	if (line->finding.cls != DISAGG_KMSG_MAP && line->finding.cls != DISAGG_KMSG_OTHER)
		disagg_suspects_add(suspects, &suspect);
}

/* ---- Slurm ---- */

struct slurm_row {
	const char *state;
	enum disagg_weight weight;
	enum disagg_fault fault;
	const char *id, *title, *hint;
};

static const struct slurm_row slurm_rows[] = {
	{"OUT_OF_MEMORY", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_OOM_HOST, "slurm.out_of_memory",
		"Slurm ended the job: a task was out of memory",
		"ask for more memory (--mem=0 for all of the node)"},
	{"NODE_FAIL", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, "slurm.node_fail",
		"a node of the job failed",
		"see 'scontrol show node' for the node's reason; submit again without it"},
	{"BOOT_FAIL", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, "slurm.boot_fail",
		"a node of the job did not boot", "submit again without the node"},
	{"PREEMPTED", DISAGG_WEIGHT_CAUSE, DISAGG_FAULT_SCHEDULER, "slurm.preempted",
		"the job was preempted", "submit again, or under a QOS that is not preempted"},
	{"DEADLINE", DISAGG_WEIGHT_END, DISAGG_FAULT_SCHEDULER, "slurm.deadline",
		"the job reached its deadline", "give it a later one"},
	{"TIMEOUT", DISAGG_WEIGHT_END, DISAGG_FAULT_SCHEDULER, "slurm.time_limit",
		"the job reached its time limit",
		"ask for more time, or look why it had not ended by then"},
	{"CANCELLED", DISAGG_WEIGHT_END, DISAGG_FAULT_CANCELLED, "slurm.cancelled",
		"the job was cancelled", "somebody, or a script, called scancel"},
};

static void add_slurm(struct disagg_suspects *suspects)
{
	const char *state = suspects->files->slurm_state;

	for (size_t i = 0; state && i < sizeof(slurm_rows) / sizeof(slurm_rows[0]); i++) {
		const struct slurm_row *row = &slurm_rows[i];
		const char *reason = suspects->files->slurm_reason;
		struct disagg_suspect suspect = {
			.weight = row->weight,
			.fault = row->fault,
			.is_hard = true,
			.id = row->id,
			.title = row->title,
			.hint = row->hint,
			.rank = -1,
			.gpu = -1,
			.where = "slurm",
			.text = disagg_arena_printf(suspects->arena, "%s%s%s", state,
				reason ? ", reason " : "", reason ? reason : ""),
		};

		if (strcmp(state, row->state) == 0)
			disagg_suspects_add(suspects, &suspect);
	}
}

void disagg_suspects_machine(struct disagg_suspects *suspects)
{
	double begin = begin_of(suspects);

	/* what the kernel told before the run is another job's */
	for (unsigned i = 0; i < suspects->files->kernel.count; i++) {
		const struct disagg_kernline *line = &suspects->files->kernel.v[i];

		if (!line->has_time || line->local || line->time_s > begin - BEFORE_S)
			add_kernel(suspects, line);
	}
	for (unsigned i = 0; i < suspects->files->exits.count; i++)
		add_exit(suspects, &suspects->files->exits.v[i]);
	add_slurm(suspects);
	disagg_suspects_verdict(suspects);
}
