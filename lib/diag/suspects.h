/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_SUSPECTS_H
#define DISAGG_DIAG_SUSPECTS_H

#include "lib/diag/clocks.h"
#include "lib/diag/diagnose.h"

/*
 * Everything that could be the cause of a failure, weighed: the first half of
 * disagg_diagnose.
 */
enum disagg_weight { /* each is weaker than the one before */
	DISAGG_WEIGHT_CAUSE,
	DISAGG_WEIGHT_LEAD, /* a crash, or the symptom that a crash followed */
	DISAGG_WEIGHT_SYMPTOM,
	DISAGG_WEIGHT_WENT_ON, /* a cause, but the process logged on for long */
	DISAGG_WEIGHT_END,     /* the time limit, a scancel: what ends a job that hangs */
	DISAGG_WEIGHT_VERDICT, /* disagg-run's, where no log says why */
	DISAGG_WEIGHT_GOT_OVER,
	DISAGG_WEIGHT_CONSEQUENCE,
	DISAGG_WEIGHT_EXIT, /* a status that says nothing */
	DISAGG_WEIGHT_TRACE,
};

struct disagg_suspect {
	enum disagg_weight weight;
	enum disagg_fault fault;
	bool is_hard; /* the kernel's, or Slurm's */
	bool went_on; /* its log goes on for long after it */
	double at;    /* Unix time; 0: not known */
	const char *id, *title, *hint;
	const char *worker, *node, *pci;
	int rank, gpu;
	const struct disagg_event *event; /* one of these, or none: state.json's verdict */
	const struct disagg_kernline *kernel;
	const struct disagg_exit *exit;
	const char *where, *text; /* the evidence */
};

struct disagg_suspects {
	struct disagg_arena *arena;
	const struct disagg_signatures *signatures;
	const struct disagg_runfiles *files;
	const struct disagg_scan *scan;
	struct disagg_clock_file *clock;       /* one a log */
	const struct disagg_state_unit **unit; /* whose log it is; NULL each where unknown */
	const char **worker;		       /* its name, also where there is no unit */
	struct disagg_suspect *v;
	unsigned count, room;
	bool no_memory;
};

int disagg_suspects_find(
	struct disagg_suspects *suspects, const double *utc_offset_s, struct disagg_err *err);

/* The parts of it: what the kernel, the tasks' ends and Slurm tell, */
void disagg_suspects_machine(struct disagg_suspects *suspects);
/* and disagg-run, which saw who ended first, or was told to end: what logs tell from
 * then on follows from it. */
void disagg_suspects_verdict(struct disagg_suspects *suspects);

/* A worker that told a reason in its log before it ended. */
bool disagg_suspects_has_reason(
	const struct disagg_suspects *suspects, const struct disagg_exit *exit);
void disagg_suspects_add(struct disagg_suspects *suspects, const struct disagg_suspect *suspect);

/* A line's Unix time; 0: not known. */
double disagg_suspects_time(
	const struct disagg_suspects *suspects, unsigned file, const struct disagg_line *line);

#endif
