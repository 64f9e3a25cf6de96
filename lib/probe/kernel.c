/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"
#include "lib/diag/kernlog.h"
#include "lib/probe/node.h"
#include "lib/probe/sysfile.h"

#include <stdio.h>
#include <string.h>

/* "580.65.06": 580 */
static unsigned driver_major(struct disagg_probe_run *run)
{
	const char *version = disagg_sysfile_line(
		run->arena, run->options->sysroot, "/sys/module/nvidia/version");
	char *major =
		version ? disagg_arena_strndup(run->arena, version, strcspn(version, ".")) : NULL;
	int64_t number;

	return major && disagg_num_int(major, 1, 9999, &number) == 0 ? (unsigned)number : 0;
}

static const struct disagg_gpu *gpu_of(
	const struct disagg_probe_run *run, const struct disagg_kernlog_entry *entry)
{
	const char *pci = entry->finding.event.pci;
	size_t len = strcspn(pci, ".");

	for (size_t i = 0; i < run->gpu_count && len; i++)
		if ((run->gpus[i].pci && strncmp(run->gpus[i].pci, pci, len) == 0) ||
			(entry->uuid && strcmp(run->gpus[i].uuid, entry->uuid) == 0))
			return &run->gpus[i];
	return NULL;
}

static const char *param_of(struct disagg_probe_run *run, const struct disagg_kernlog_entry *entry)
{
	const struct disagg_xid_event *event = &entry->finding.event;

	if (entry->finding.cls != DISAGG_KMSG_XID)
		return disagg_kmsg_class_name(entry->finding.cls);
	return disagg_arena_printf(run->arena, "%s %d",
		event->kind == DISAGG_XID_SWITCH ? "sxid" : "xid", event->code);
}

static const char *times(struct disagg_arena *arena, const struct disagg_kernlog_entry *entry)
{
	if (entry->events < 2)
		return "";
	return disagg_arena_printf(
		arena, " (%zu times, %zu processes)", entry->events, entry->processes);
}

static void emit_entry(struct disagg_probe_run *run, const struct disagg_kernlog_entry *entry)
{
	const struct disagg_xid_verdict *verdict = &entry->finding.verdict;
	const struct disagg_gpu *gpu = gpu_of(run, entry);
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	const char *note = verdict->note;

	if (verdict->drain == DISAGG_DRAIN_NEVER)
		return;
	record.param = param_of(run, entry);
	/* who caused a repeat, one job or several, the log does not tell */
	record.status =
		verdict->drain >= DISAGG_DRAIN_AFTER_JOB ? DISAGG_PROBE_FAIL : DISAGG_PROBE_WARN;
	if (gpu) {
		record.gpu = gpu->index;
		record.gpu_uuid = gpu->uuid;
		record.gpu_name = gpu->name;
	} else {
		record.gpu_uuid = entry->uuid;
	}
	record.reason = disagg_arena_printf(
		run->arena, "%s%s: %s", verdict->text, times(run->arena, entry), entry->line);
	record.hint = disagg_arena_printf(run->arena, "%s; drain %s%s%s", verdict->action,
		disagg_drain_name(verdict->drain), note ? "; " : "", note ? note : "");
	run->emit(run, &record);
}

static int read_log(struct disagg_probe_run *run, struct disagg_kmsg *log,
	struct disagg_kernlog *ret, struct disagg_err *err)
{
	struct disagg_kernlog_window window = {.since_s = run->options->since_s};
	struct disagg_xid_table *table;
	int rc;

	if (disagg_xid_load(run->arena, run->options->xid_table, &table, err))
		return -1;
	if (disagg_kmsg_open(log, run->arena, run->options->kernel_log, err)) {
		if (err->code == DISAGG_MISSING)
			err->code = DISAGG_SKIPPED;
		return -1;
	}
	rc = disagg_kernlog_read(run->arena, log, table, driver_major(run), &window, ret, err);
	disagg_kmsg_close(log);
	return rc;
}

int disagg_kernel_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_kmsg *log = disagg_arena_alloc(run->arena, sizeof(*log));
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_kernlog found;

	if (!log)
		return disagg_err_nomem(err);
	if (read_log(run, log, &found, err))
		return -1;
	for (size_t i = 0; i < found.count; i++)
		emit_entry(run, &found.entry[i]);
	record.has_value = true;
	record.value = (double)(found.count + found.left_out);
	record.unit = "findings";
	if (found.lost) {
		record.status = DISAGG_PROBE_WARN;
		record.reason = "the kernel log has lost records";
	}
	run->emit(run, &record);
	return 0;
}
