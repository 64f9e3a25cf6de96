/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_SPANK_ASK_H
#define DISAGG_SPANK_ASK_H

#include "lib/conf/findings.h"
#include "lib/plan/sizing.h"
#include "spank/hostopt.h"

/*
 * A sizing put to the host program beside what the user says to it.  Slurm
 * calls back once an occurrence of our options, between the user's, so each
 * time: drop what we asked for last, make the sizing anew, put it.  A value of
 * the user's is never replaced.  check, once all is said, tells what does not
 * fit together.
 */
enum disagg_owner { DISAGG_NOBODY, DISAGG_OURS, DISAGG_USERS };

struct disagg_asked {
	enum disagg_owner owner;
	const char *set; /* DISAGG_OURS: how the program gives our value back */
};

struct disagg_ask {
	struct disagg_hostopt host;
	bool open;	 /* the host program's options are at hand */
	bool typed_only; /* in a job the environment repeats the job's own options */
	bool look_only;	 /* the sizing is held against what the user says, not asked for */
	struct disagg_sizing sizing;
	struct disagg_asked *asked; /* as many as sizing.count */
};

/* Looks the host program up; `opt` as in disagg_hostopt_open. */
void disagg_ask_open(struct disagg_ask *ask, void *opt, bool typed_only);
void disagg_ask_close(struct disagg_ask *ask);

/* Before the arena of the last put is released. */
void disagg_ask_drop(struct disagg_ask *ask, struct disagg_arena *arena);
void disagg_ask_put(struct disagg_ask *ask, struct disagg_arena *arena,
	const struct disagg_sizing *sizing, struct disagg_findings *found);
void disagg_ask_check(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_findings *found);

/* look_only, and checked: whether the user has not said what the plan needs. */
bool disagg_ask_lacks(const struct disagg_ask *ask);

/* After check: what Slurm is asked for, the user's words in place of ours.
 * -1: no memory. */
int disagg_ask_result(
	const struct disagg_ask *ask, struct disagg_arena *arena, struct disagg_sizing *ret);

/* Values that the file leaves to be filled in and the user has not given. */
void disagg_ask_missing(struct disagg_ask *ask, struct disagg_findings *found);

#endif
