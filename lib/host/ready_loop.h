/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_READY_LOOP_H
#define DISAGG_HOST_READY_LOOP_H

#include "lib/host/ready_kind.h"
#include <stdint.h>

/*
 * The state of one wait, shared by the files that make it: ready.c (the loop),
 * ready_check.c (targets and rounds), ready_canary.c, ready_missing.c and
 * ready_watch.c (what goes on when all were ready).
 */
#define DISAGG_READY_MS	      INT64_C(1000000)
#define DISAGG_READY_NEVER    INT64_MAX
#define DISAGG_READY_WAKES    8
#define DISAGG_READY_NAMES    4096 /* bytes of the names of what is missing */
#define DISAGG_READY_CANARIES 8u   /* at once */

/* One target and how it stands. */
struct disagg_ready_check {
	const struct disagg_ready_target *target;
	const struct disagg_ready_row *row;
	struct disagg_ready_loop *loop;
	const char *url[2]; /* of its steps */
	unsigned step;
	bool busy, good;
	bool fresh; /* was good in this round */
	unsigned failures, wrong;
	int64_t asked_ns, due_ns;
	int64_t good_ns; /* when it was last good */
	int64_t bad_ns;	 /* watched: asked then, and no good answer since; 0: it answers */
	char why[DISAGG_READY_WHY];
};

struct disagg_ready_canary {
	unsigned sent, busy, good;
	bool failed, chat;
	unsigned failures;
	int64_t due_ns;
	char why[DISAGG_READY_WHY];
};

struct disagg_ready_loop {
	const struct disagg_ready_spec *spec;
	struct disagg_arena arena;
	struct disagg_http *http;
	struct disagg_ready_check *check;
	unsigned count; /* of checks: the targets, and the model id where it is asked for */
	struct disagg_ready_check *model_check;
	struct disagg_ready_target model_target;
	char model[256];
	const char *canary_url[2];

	unsigned good, fresh, held, polls;
	bool in_round, once, watches, ended;
	struct disagg_ready_canary canary;

	int64_t interval_ns, started_ns, deadline_ns, next_ns, alive_ns, report_ns;
	int64_t late_ns;    /* when a target's own time is over; NEVER: none has one */
	int64_t hurried_ns; /* when all that was missing was asked for */
	int64_t round_ns;   /* an answer from then on counts for the round */
	uint64_t random;
	int wake[DISAGG_READY_WAKES + 1];
	struct disagg_err *err;
	bool broken; /* err tells */
};

int disagg_ready_open(struct disagg_ready_loop *loop, const struct disagg_ready_spec *spec,
	bool once, struct disagg_err *err);
void disagg_ready_close(struct disagg_ready_loop *loop);
/* -1: cancelled, or something that must live has ended. */
int disagg_ready_look_around(struct disagg_ready_loop *loop, int64_t now_ns);

/* Of many each is asked less often: all of them together cost the same. */
int64_t disagg_ready_at_least_cost(unsigned many, int64_t delay_ns);
/* The next delay after so many failures. */
int64_t disagg_ready_backoff(struct disagg_ready_loop *loop, unsigned failures);
void disagg_ready_set_due(
	struct disagg_ready_loop *loop, struct disagg_ready_check *check, int64_t due_ns);

/* A round: every target is good at `begin_ns` or later. */
void disagg_ready_begin_round(struct disagg_ready_loop *loop, int64_t begin_ns);

void disagg_ready_ask(struct disagg_ready_loop *loop, struct disagg_ready_check *check);
void disagg_ready_ask_due(struct disagg_ready_loop *loop, int64_t now_ns);

/* An answer to a target that is watched. */
void disagg_ready_watched(struct disagg_ready_check *check, bool good, const char *why);

/* true: every generation came back. */
bool disagg_ready_run_canary(struct disagg_ready_loop *loop, int64_t now_ns);
/* After a failure all of it is done again, when what is under way has ended. */
void disagg_ready_restart_canary(struct disagg_ready_loop *loop, int64_t now_ns);

/* The names of what is missing with the reasons; returns how many there are. */
unsigned disagg_ready_list_missing(const struct disagg_ready_loop *loop, char *text, size_t size);
/* A line of progress, and when the next one is due. */
void disagg_ready_report(struct disagg_ready_loop *loop, int64_t now_ns);
int disagg_ready_fail_timeout(struct disagg_ready_loop *loop);
/* -1: the own time of a target is over, and it was never ready; else late_ns is
 * when that is to be asked again. */
int disagg_ready_check_late(struct disagg_ready_loop *loop, int64_t now_ns);

#endif
