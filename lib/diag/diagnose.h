/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_DIAG_DIAGNOSE_H
#define DISAGG_DIAG_DIAGNOSE_H

#include "lib/base/arena.h"
#include "lib/diag/runfiles.h"
#include "lib/diag/signatures.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * The first failure of a run and its likely cause: from the lines of all logs,
 * how tasks ended, the kernel's log, Slurm's state and disagg-run's verdict.
 *
 * The earliest that is no consequence is the cause.  What the hardware or Slurm
 * tells comes before what a program tells at the same moment; a program that
 * went on after it told a failure had got over it; what one process told
 * shortly before it crashed is why it crashed.
 */
enum disagg_outcome {
	DISAGG_OUTCOME_NONE,	/* nothing tells of a failure, nor of a success */
	DISAGG_OUTCOME_SUCCESS, /* disagg-run or Slurm says so */
	DISAGG_OUTCOME_FAILURE,
};
extern const char *const disagg_outcome_names[]; /* "none", "success", "failure" */

enum disagg_confidence {
	DISAGG_CONFIDENCE_LOW,
	DISAGG_CONFIDENCE_MEDIUM,
	DISAGG_CONFIDENCE_HIGH,
};
extern const char *const disagg_confidence_names[]; /* "low", "medium", "high" */

#define DISAGG_EVIDENCE_MOST 8u

struct disagg_evidence {
	const char *where; /* a file, "exit", "kernel", "slurm", "disagg-run" */
	const char *text;
	double at; /* Unix time; 0: not known */
};

/* One signature over all files. */
struct disagg_signal {
	const struct disagg_signature *signature;
	uint64_t count;
	double first_s, last_s; /* Unix time; 0: not known */
	unsigned file_count;
	const unsigned *file;		    /* of the scan, in the order of their first lines */
	const char *sample[DISAGG_SAMPLES]; /* NULL: fewer */
	unsigned sample_file[DISAGG_SAMPLES];
	bool is_cause;
};

struct disagg_diagnosis {
	enum disagg_outcome outcome;
	enum disagg_fault fault;
	const char *id; /* of the signature, "xid.79", "exit", "slurm.timeout"; NULL: none */
	const char *title, *hint; /* NULL: nothing is known */
	enum disagg_confidence confidence;
	const char *worker, *node; /* who is to blame; NULL: nobody in particular */
	int rank, gpu;		   /* -1 */
	const char *pci;	   /* of the GPU; NULL */
	double at;		   /* Unix time; 0: not known */
	struct disagg_evidence evidence[DISAGG_EVIDENCE_MOST];
	unsigned evidence_count;
	const struct disagg_signal *signal; /* the cause's first, then by time */
	unsigned signal_count;
	const struct disagg_exit *exit; /* by time; those without one last */
	unsigned exit_count;
	bool clocks_differ; /* some log's zone was estimated, and is not 0 */
};

struct disagg_diagnose_options {
	const double *utc_offset_s; /* of times without a zone; NULL: to be estimated */
};

/* The logs of `files` have been scanned (disagg_scan_logs). */
int disagg_diagnose(struct disagg_arena *arena, const struct disagg_signatures *signatures,
	const struct disagg_runfiles *files, const struct disagg_scan *scan,
	const struct disagg_diagnose_options *options, struct disagg_diagnosis *ret,
	struct disagg_err *err);

#endif
