/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_STATE_H
#define DISAGG_HOST_STATE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * state.json (schema disagg.state/1): what a run of a job is doing, for
 * disagg-status and for whoever looks when it is over.  Times are seconds
 * since 1970 with a fraction; 0: not yet.
 */
enum disagg_phase {
	DISAGG_PHASE_PROBE, /* the nodes are measured; not in every run */
	DISAGG_PHASE_STARTING,
	DISAGG_PHASE_WAITING, /* for readiness */
	DISAGG_PHASE_BENCHMARK,
	DISAGG_PHASE_SERVING,
	DISAGG_PHASE_ENDING,
	DISAGG_PHASE_DONE,
	DISAGG_PHASE_COUNT,
};
extern const char *const disagg_phase_names[DISAGG_PHASE_COUNT + 1];

enum disagg_unit_state {
	DISAGG_UNIT_PLANNED,
	DISAGG_UNIT_LAUNCHING, /* srun runs, the task is not seen yet */
	DISAGG_UNIT_RUNNING,
	DISAGG_UNIT_READY,
	DISAGG_UNIT_ENDING, /* told to */
	DISAGG_UNIT_ENDED,
	DISAGG_UNIT_FAILED, /* ended though nobody told it to */
	DISAGG_UNIT_STATE_COUNT,
};
extern const char *const disagg_unit_state_names[DISAGG_UNIT_STATE_COUNT + 1];

/* A worker or a service. */
struct disagg_state_unit {
	const char *name, *role, *engine, *host, *ip, *log; /* ip may be NULL */
	const char *step, *url, *how; /* how: "exit status 1"; NULL each where unknown */
	const char *container;	      /* image or name; NULL: on the node itself */
	uint32_t index, node;
	enum disagg_unit_state state;
	double started, up, ready, ended;
	double silent;	 /* no good answer since then; 0: it answers */
	const char *why; /* what it answers instead; NULL: nothing known */
	unsigned restarts;
	bool critical;
};

struct disagg_state_verdict {
	bool set;
	int code; /* the exit code */
	const char *text;
	const char *worker; /* who failed; NULL: nobody in particular */
	double at;
};

struct disagg_state {
	const char *job_id, *name, *run_dir, *host, *frontend, *version;
	int pid, port_offset;
	bool rehearse;
	enum disagg_phase phase;
	double phase_at[DISAGG_PHASE_COUNT];
	double updated, ends_at; /* ends_at: our own deadline */
	const char *waiting_for; /* NULL: nothing */
	struct disagg_state_verdict verdict;
	const char **warning;
	unsigned warning_count;
	const struct disagg_state_unit *const *unit;
	unsigned unit_count;
};

/* One JSON object with a newline. */
void disagg_state_render(const struct disagg_state *state, struct disagg_strbuf *out);

/* run_dir/state.json, by rename. */
int disagg_state_write(const struct disagg_state *state, struct disagg_err *err);

/* From the file at `path`, into the arena; DISAGG_CONFIG with a position where it
 * is no state file, another schema, or damaged. */
int disagg_state_read(struct disagg_arena *arena, const char *path, struct disagg_state *ret,
	struct disagg_err *err);

/* The same of bytes that have been read; positions name `source`, which stays the caller's. */
int disagg_state_parse(struct disagg_arena *arena, const char *bytes, size_t len,
	const char *source, struct disagg_state *ret, struct disagg_err *err);

#endif
