/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/directive.h"
#include "lib/base/num.h"
#include <string.h>

/* Long options of sbatch(1) 22.05 to 26.05 that take part in nothing here. */
static const char *const known[] = {"account", "acctg-freq", "batch", "bb", "bbf", "begin", "chdir",
	"cluster-constraint", "clusters", "comment", "constraint", "consolidate-segments",
	"container", "container-id", "contiguous", "core-spec", "cores-per-socket", "cpu-freq",
	"cpus-per-gpu", "cpus-per-task", "deadline", "delay-boot", "dependency", "distribution",
	"exclude", "exclusive", "export", "export-file", "extra", "extra-node-info", "get-user-env",
	"gid", "gpu-bind", "gpu-freq", "gpus-per-node", "gres", "gres-flags", "hint", "hold",
	"ignore-pbs", "input", "job-name", "kill-on-invalid-dep", "licenses", "mail-type",
	"mail-user", "mcs-label", "mem", "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus",
	"network", "nice", "no-kill", "no-requeue", "nodefile", "nodelist", "nodes", "ntasks",
	"ntasks-per-gpu", "gpus", "gpus-per-socket", "gpus-per-task", "tres-per-task",
	"ntasks-per-core", "ntasks-per-node", "ntasks-per-socket", "oom-kill-step", "open-mode",
	"overcommit", "oversubscribe", "parsable", "partition", "power", "prefer", "priority",
	"profile", "propagate", "qos", "quiet", "reboot", "requeue", "reservation", "resv-ports",
	"segment", "signal", "sockets-per-node", "spread-job", "spread-segments", "stepmgr",
	"switches", "thread-spec", "threads-per-core", "time", "time-min", "tmp", "tres-bind",
	"uid", "use-min-nodes", "verbose", "wait-all-nodes", "wckey", "x11", NULL};

/* Options that have no place in a file, and what to do instead. */
static const struct {
	const char *option;
	const char *advice;
} refused[] = {
	{"output", "the job's output is named where it is submitted: give --output to sbatch"},
	{"error", "the job's output is named where it is submitted: give --error to sbatch"},
	{"array", "give --array to sbatch"},
	{"wrap", "the file does not say what the batch script runs: give --wrap to sbatch"},
	{"het-group", "one allocation holds all roles: remove it"},
	{"wait", "give --wait to sbatch"},
	{"test-only", "give --disagg-dry-run to sbatch"},
};

static bool is_known(const char *option)
{
	for (unsigned i = 0; known[i]; i++) {
		if (strcmp(known[i], option) == 0)
			return true;
	}
	/* SPANK plugins add their own; pyxis' begin so */
	return strncmp(option, "container-", 10) == 0 || strncmp(option, "no-container-", 13) == 0;
}

static const char *refusal(const char *option)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (strcmp(refused[i].option, option) == 0)
			return refused[i].advice;
	}
	return NULL;
}

static void check_time(const struct disagg_directive *directive, struct disagg_findings *found)
{
	int64_t minutes;

	if (disagg_num_slurm_time(directive->value, &minutes))
		disagg_findings_error(found, &directive->at,
			"time limit '%s': expected minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or "
			"D-HH:MM:SS",
			directive->value);
}

static void unknown_option(const struct disagg_directive *directive, struct disagg_findings *found)
{
	const char *near = disagg_nearest_name(known, directive->option);

	if (near)
		disagg_findings_error(found, &directive->at,
			"unknown option of sbatch '%s': did you mean '%s'?", directive->option,
			near);
	else
		disagg_findings_warn(found, &directive->at,
			"'%s' is not an option of sbatch that is known here; it is passed on",
			directive->option);
}

void disagg_directive_check(const struct disagg_directive *directive, struct disagg_findings *found)
{
	const char *advice = refusal(directive->option);

	if (advice) {
		disagg_findings_error(found, &directive->at,
			"sbatch option '%s' has no place in a configuration: %s", directive->option,
			advice);
		return;
	}
	if (!is_known(directive->option)) {
		unknown_option(directive, found);
		return;
	}
	if (disagg_text_is_placeholder(directive->value))
		return;
	if (strcmp(directive->option, "time") == 0 || strcmp(directive->option, "time-min") == 0)
		check_time(directive, found);
}
