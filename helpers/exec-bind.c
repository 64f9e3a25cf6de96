/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/topo/bind.h"
#include "lib/topo/gpus.h"
#include <stdio.h>
#include <string.h>

#define VARIABLE     "DISAGG_BINDING"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Variables that name NICs, and what says it otherwise: where UCX is to use TCP,
 * a list of HCAs would take its devices away. */
static const struct {
	const char *name, *prefix;
	const char *unless, *has;
} nic_variables[] = {
	{"UCX_NET_DEVICES", "", "UCX_TLS", "tcp"},
	{"NCCL_IB_HCA", "=", "NCCL_IB_DISABLE", "1"}, /* "=": whole names, not beginnings */
	{"NVSHMEM_HCA_LIST", "", "NVSHMEM_HCA_PE_MAPPING", ""},
};

/* By PCI address. */
struct gpus {
	const char **pci;
	unsigned count;
};

static void leave(struct task *task, enum bound part, const char *why)
{
	task->binding.part[part].why = why;
}

/* The buffer's text in the arena, without the buffer; NULL: no memory. */
static const char *keep(struct disagg_arena *arena, struct disagg_strbuf *text)
{
	const char *kept = text->failed ? NULL : disagg_arena_strdup(arena, text->text);

	disagg_strbuf_release(text);
	return kept;
}

/* ---- what is asked for ---- */

static const struct disagg_process *process_of(const struct task *task)
{
	return &task->in.plan->process[task->process];
}

static const struct disagg_role *role_of(const struct task *task)
{
	return disagg_job_role(task->in.job, task->in.plan->role[task->role].name);
}

static int read_word(const char *text, enum disagg_binding *ret, struct disagg_err *err)
{
	for (unsigned i = 0; disagg_binding_names[i]; i++) {
		if (strcmp(disagg_binding_names[i], text) == 0) {
			*ret = (enum disagg_binding)i;
			return 0;
		}
	}
	return disagg_err_set(
		err, DISAGG_USAGE, VARIABLE " is '%s': expected auto, cpu, nic or none", text);
}

static int find_want(struct task *task, enum disagg_binding *ret, struct disagg_err *err)
{
	const struct disagg_role *role = role_of(task);
	const char *text = task->in.get(VARIABLE);

	task->binding.silent = !task->worker || !process_of(task)->gpu_count;
	if (text && *text)
		return read_word(text, ret, err);
	task->binding.silent |= task->in.plan->rehearse;
	*ret = role ? role->binding : DISAGG_BIND_AUTO;
	return 0;
}

/* ---- what the job has said itself ---- */

static bool has_option(const struct disagg_role *role, const char *name, const char *alias)
{
	return role && (disagg_map_get(&role->srun_options, name) ||
			       disagg_map_get(&role->srun_options, alias));
}

static bool is_cpu_option(const char *word)
{
	static const char *const options[] = {"-N", "--cpunodebind", "-C", "--physcpubind"};

	for (size_t i = 0; i < COUNT(options); i++) {
		if (strncmp(word, options[i], strlen(options[i])) == 0)
			return true;
	}
	return false;
}

/* numactl binds memory, and CPUs where it has such an option; of one in a shell
 * line no more can be told. */
static void find_said(const struct task *task, const char **ret_cpus, const char **ret_memory)
{
	const struct disagg_command *command = &task->command;
	const struct disagg_role *role = role_of(task);

	*ret_cpus = has_option(role, "cpu-bind", "cpu_bind") ? "the step's cpu-bind" : NULL;
	*ret_memory = has_option(role, "mem-bind", "mem_bind") ? "the step's mem-bind" : NULL;
	for (unsigned i = 0, from = command->argc; i < command->argc; i++) {
		const char *word = command->argv[i];

		if (strstr(word, "numactl")) {
			from = i;
			*ret_memory = "the command's numactl";
		}
		if (i >= from && (is_cpu_option(word) || (i == from && strchr(word, ' '))))
			*ret_cpus = "the command's numactl";
	}
}

/* What the program would find of a variable; true: there is a word on it, even
 * if that is to take it away. */
static bool find_variable(const struct task *task, const char *name, const char **ret)
{
	const struct disagg_envlist *env = &task->command.env;

	*ret = task->in.get(name);
	for (unsigned i = 0; i < env->count; i++) {
		if (strcmp(env->entry[i].name, name) != 0)
			continue;
		*ret = env->entry[i].value;
		return true;
	}
	return *ret != NULL;
}

/* ---- which GPUs ---- */

/* A rehearsal has none: this machine's stand for them, by position. */
static int rehearsed_gpus(
	struct task *task, const struct disagg_topo *topo, struct gpus *ret, struct disagg_err *err)
{
	unsigned first = process_of(task)->gpu_first, count = process_of(task)->gpu_count;

	if (first + count > topo->gpu_count)
		return disagg_err_set(err, DISAGG_MISSING,
			"the machine has %u GPUs: expected %u to rehearse with", topo->gpu_count,
			first + count);
	ret->pci = disagg_arena_array(task->arena, count, sizeof(*ret->pci));
	if (!ret->pci)
		return disagg_err_nomem(err);
	for (ret->count = 0; ret->count < count; ret->count++)
		ret->pci[ret->count] = topo->gpu[first + ret->count].pci;
	return 0;
}

static int visible_gpus(struct task *task, struct gpus *ret, struct disagg_err *err)
{
	const char *visible = task->in.get("CUDA_VISIBLE_DEVICES");
	struct disagg_gpus gpus;

	if (disagg_gpus_read(task->arena, "", &gpus, err))
		return -1;
	return disagg_gpus_visible(task->arena, &gpus, visible, &ret->pci, &ret->count, err);
}

/* The own one of a task a GPU. */
static struct gpus own_gpus(const struct task *task, struct gpus all)
{
	uint32_t tasks = process_of(task)->tasks;

	if (tasks > 1 && tasks == all.count)
		return (struct gpus){&all.pci[task->local], 1};
	return all;
}

/* ---- choosing ---- */

static int choose_memory(struct task *task, const char *why, struct disagg_err *err)
{
	const struct disagg_near *near = &task->binding.near;
	struct disagg_strbuf text;
	const char *kept;

	if (!why && !near->numa_count)
		why = "all is near";
	leave(task, BOUND_MEMORY, why);
	if (why)
		return 0;
	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < near->numa_count; i++)
		disagg_strbuf_printf(&text, "%s%u", i ? "," : "", near->numa[i]);
	kept = keep(task->arena, &text);
	task->binding.part[BOUND_MEMORY].value = kept;
	return kept ? 0 : disagg_err_nomem(err);
}

static int choose_cpus(
	struct task *task, const char *why, const cpu_set_t *allowed, struct disagg_err *err)
{
	const struct disagg_near *near = &task->binding.near;
	struct disagg_strbuf text;
	const char *kept;

	if (!why && CPU_EQUAL(&near->cpus, allowed))
		why = "all are near";
	leave(task, BOUND_CPUS, why);
	if (why)
		return 0;
	disagg_strbuf_init(&text, 0);
	disagg_topo_cpus_text(&text, &near->cpus);
	kept = keep(task->arena, &text);
	task->binding.part[BOUND_CPUS].value = kept;
	return kept ? 0 : disagg_err_nomem(err);
}

static int choose_near(
	struct task *task, const struct disagg_topo *topo, struct gpus gpus, struct disagg_err *err)
{
	const char *cpus_said, *memory_said, *far = NULL;
	cpu_set_t allowed;

	if (disagg_bind_allowed(&allowed, err) ||
		disagg_near_cpus(task->arena, topo, gpus.pci, gpus.count, &allowed,
			&task->binding.near, err))
		return -1;
	if (!CPU_COUNT(&task->binding.near.cpus))
		far = "the task's CPUs are all far";
	find_said(task, &cpus_said, &memory_said);
	if (choose_cpus(task, cpus_said ? cpus_said : far, &allowed, err))
		return -1;
	return choose_memory(task, memory_said ? memory_said : far, err);
}

static int choose_nics(
	struct task *task, const struct disagg_topo *topo, struct gpus gpus, struct disagg_err *err)
{
	struct disagg_envlist *env = &task->command.env;
	const char *list;

	if (disagg_near_nics(task->arena, topo, gpus.pci, gpus.count, &list, err))
		return -1;
	leave(task, BOUND_NICS, *list ? "the job names them" : "nothing to choose");
	for (size_t i = 0; *list && i < COUNT(nic_variables); i++) {
		const char *value;

		if (find_variable(task, nic_variables[i].name, &value))
			continue;
		(void)find_variable(task, nic_variables[i].unless, &value);
		if (value && strstr(value, nic_variables[i].has))
			continue;
		if (disagg_envlist_setf(
			    env, nic_variables[i].name, "%s%s", nic_variables[i].prefix, list))
			return disagg_err_nomem(err);
		task->binding.part[BOUND_NICS].value = list;
	}
	return 0;
}

static int name_gpus(struct task *task, struct gpus gpus, struct disagg_err *err)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < gpus.count; i++)
		disagg_strbuf_printf(&text, "%s%s", i ? "," : "", gpus.pci[i]);
	task->binding.gpus = keep(task->arena, &text);
	return task->binding.gpus ? 0 : disagg_err_nomem(err);
}

static int choose(struct task *task, enum disagg_binding want, struct disagg_err *err)
{
	bool rehearse = task->in.plan->rehearse;
	struct disagg_topo *topo;
	struct gpus all = {NULL, 0}, own;

	if (want == DISAGG_BIND_NONE)
		return disagg_err_set(err, DISAGG_SKIPPED, "that is asked for");
	if ((!rehearse && visible_gpus(task, &all, err)) ||
		disagg_topo_load(task->arena, NULL, &topo, err))
		return -1;
	if (!topo->here)
		return disagg_err_set(
			err, DISAGG_CONFIG, "HWLOC_XMLFILE has the topology of another machine");
	if (rehearse && rehearsed_gpus(task, topo, &all, err))
		return -1;
	own = own_gpus(task, all);
	leave(task, BOUND_CPUS, "not asked for");
	leave(task, BOUND_MEMORY, "not asked for");
	leave(task, BOUND_NICS, "not asked for");
	if (name_gpus(task, own, err) ||
		(want != DISAGG_BIND_NIC && choose_near(task, topo, own, err)) ||
		(want != DISAGG_BIND_CPU && choose_nics(task, topo, all, err)))
		return -1;
	return 0;
}

int exec_bind(struct task *task, struct disagg_err *err)
{
	enum disagg_binding want = DISAGG_BIND_AUTO;

	if (find_want(task, &want, err))
		return -1;
	if (!task->binding.silent && choose(task, want, &task->binding.why))
		memset(task->binding.part, 0, sizeof(task->binding.part));
	return 0;
}

/* ---- doing and saying ---- */

static void say(const struct binding *binding, struct disagg_strbuf *out)
{
	static const char *const names[BOUND_COUNT] = {"cpus", "memory preferred", "NICs"};
	static const char *const none[BOUND_COUNT] = {
		"cpus unbound", "memory unbound", "NICs unset"};

	if (binding->why.code) {
		disagg_strbuf_printf(out, "none: %s", binding->why.text);
		return;
	}
	for (unsigned i = 0; i < BOUND_COUNT; i++) {
		disagg_strbuf_puts(out, i ? ", " : "");
		if (binding->part[i].value)
			disagg_strbuf_printf(out, "%s %s", names[i], binding->part[i].value);
		else
			disagg_strbuf_printf(out, "%s (%s)", none[i], binding->part[i].why);
	}
	disagg_strbuf_printf(out, " for GPUs %s", binding->gpus);
}

static void failed(struct task *task, enum bound part, const struct disagg_err *err)
{
	const char *why = disagg_arena_strdup(task->arena, err->text);

	task->binding.part[part].value = NULL;
	leave(task, part, why ? why : "no memory");
}

void exec_bind_apply(struct task *task)
{
	struct binding *binding = &task->binding;
	struct disagg_near *near = &binding->near;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf line;

	if (binding->silent)
		return;
	if (binding->part[BOUND_CPUS].value && disagg_bind_cpus(&near->cpus, &err))
		failed(task, BOUND_CPUS, &err);
	if (binding->part[BOUND_MEMORY].value &&
		disagg_bind_memory(near->numa, near->numa_count, &err))
		failed(task, BOUND_MEMORY, &err);
	disagg_strbuf_init(&line, 0);
	say(binding, &line);
	fprintf(stderr, "disagg-exec: binding: %s\n", line.text);
	disagg_strbuf_release(&line);
}

void exec_bind_show(const struct task *task, struct disagg_strbuf *out)
{
	static const char *const keys[BOUND_COUNT] = {"cpus", "memory", "nics"};
	const struct binding *binding = &task->binding;
	struct disagg_strbuf line;

	if (binding->silent) {
		disagg_strbuf_puts(out, "null");
		return;
	}
	disagg_strbuf_putc(out, '{');
	for (unsigned i = 0; i < BOUND_COUNT; i++) {
		disagg_strbuf_printf(out, "\"%s\":", keys[i]);
		if (binding->part[i].value)
			disagg_strbuf_json(out, binding->part[i].value);
		else
			disagg_strbuf_puts(out, "null");
		disagg_strbuf_putc(out, ',');
	}
	disagg_strbuf_init(&line, 0);
	say(binding, &line);
	disagg_strbuf_puts(out, "\"text\":");
	disagg_strbuf_json(out, line.text);
	disagg_strbuf_putc(out, '}');
	out->failed |= line.failed;
	disagg_strbuf_release(&line);
}
