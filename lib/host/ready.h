/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_READY_H
#define DISAGG_HOST_READY_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Whether a deployment is ready, by six conditions that must all hold, K polls
 * in a row: steps alive, every worker's own health, the frontend's counts of
 * healthy prefill and decode workers, the model id, one canary generation
 * through the frontend.  A plain endpoint list has only the second.
 *
 * A kind other than HTTP takes only host and port from the URL.
 */
enum disagg_ready_kind {
	DISAGG_READY_HTTP,	    /* 2xx */
	DISAGG_READY_TCP,	    /* accepts */
	DISAGG_READY_ETCD,	    /* /health says "true" */
	DISAGG_READY_NATS,	    /* TCP, first bytes "INFO " */
	DISAGG_READY_DYNAMO,	    /* /health: instances[] with endpoint generate, counted */
	DISAGG_READY_SGLANG_ROUTER, /* /workers: is_healthy rows by worker_type */
	DISAGG_READY_TRTLLM_SERVER, /* /cluster_info arrays where there are any, else /health 200 */
	DISAGG_READY_VLLM,	    /* /health and a model in /v1/models */
};

/* "http", "tcp", "etcd", ... by number; ends with NULL. */
extern const char *const disagg_ready_kind_name[];

struct disagg_ready_target {
	const char *name; /* "decode_1", for messages */
	enum disagg_ready_kind kind;
	const char *url;	   /* http://host:port/path or tcp://host:port */
	unsigned prefill, decode;  /* counts that a frontend must report at least */
	const char *field, *value; /* HTTP: a JSON condition, dotted path equals; NULL: none */
	bool any_status;	   /* HTTP: whatever it answers */
	/* disagg_ready_wait: it must have been ready once within this time, whatever
	 * the others have; 0: the spec's */
	unsigned timeout_s;
	/* disagg_ready_watch: whether it answered last, how often it is asked and
	 * how long an answer may take; 0: 5000 each */
	bool is_up;
	unsigned interval_ms, attempt_ms;
};

struct disagg_ready_spec {
	const struct disagg_ready_target *target;
	unsigned target_count;
	const char *frontend;  /* base URL for model id and canary; NULL: leave both out */
	const char *model;     /* expected id in /v1/models; NULL: any */
	unsigned canary_count; /* generations through the frontend; 0: none */
	unsigned polls;	       /* successes in a row; 0: 1 */
	unsigned timeout_s, interval_ms, attempt_ms, report_s; /* 0: 1800, 1000, 5000, 30 */
	unsigned first_report_s;			       /* 0: report_s */
	/* asked between polls: 0 all alive, -1 one has ended (err tells which);
	 * may be NULL */
	int (*alive)(void *context, struct disagg_err *err);
	/* a line of progress for people; may be NULL */
	void (*progress)(void *context, const char *line);
	/* How each target stood when the wait ended; may be NULL. */
	void (*stood)(void *context, const struct disagg_ready_target *target, bool good,
		const char *why);
	/* disagg_ready_watch: target `index` answers (again), or does not since
	 * then (CLOCK_MONOTONIC) for this reason, or for another reason now */
	void (*changed)(
		void *context, unsigned index, bool good, int64_t since_ns, const char *why);
	void *context;
	int cancel_fd; /* readable: give up with DISAGG_CHECK; -1: none */
	/* readable: `alive` is asked at once, not only every 200 ms, and makes it
	 * unreadable or returns -1; at most 7, ends with -1; may be NULL */
	const int *alive_fds;
};

/* 0 when ready.  -1: DISAGG_USAGE (a URL), DISAGG_TIMEOUT with the names of what is missing,
 * DISAGG_DIED, DISAGG_INVALID (the model id is another one), DISAGG_CHECK
 * (cancelled), DISAGG_SYSTEM. */
int disagg_ready_wait(const struct disagg_ready_spec *spec, struct disagg_err *err);

/* While a deployment serves: asks every target again and again, spread over the
 * time, and tells of changes.  Of many each is asked less often.  Only returns
 * -1: DISAGG_USAGE, DISAGG_CHECK (cancelled), DISAGG_SYSTEM. */
int disagg_ready_watch(const struct disagg_ready_spec *spec, struct disagg_err *err);

/* One look at every target without waiting: how many answer as they should,
 * the names of the others in *ret_missing (in the arena). */
int disagg_ready_poll(struct disagg_arena *arena, const struct disagg_ready_spec *spec,
	unsigned *ret_good, const char **ret_missing, struct disagg_err *err);

#endif
