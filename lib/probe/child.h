/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_CHILD_H
#define DISAGG_PROBE_CHILD_H

#include "lib/base/err.h"
#include "lib/host/proc.h"
#include "lib/probe/lines.h"
#include <poll.h>

/*
 * A function in a forked child of a process without threads: its own process
 * group, no core file, none of our descriptors, standard input from /dev/null,
 * and a deadline (TERM; KILL after as long again, at most two seconds).  It says lines through a
 * pipe; what it or a library prints is kept apart, the end of it.  The parent never waits for it: a
 * child that KILL does not end is left behind.
 */
#define DISAGG_CHILD_LINE  (64u * 1024u)	 /* bytes of a line with its newline */
#define DISAGG_CHILD_BYTES (32u * 1024u * 1024u) /* of all lines */
#define DISAGG_CHILD_LINES 20000u

/* In the child; what it returns is the exit status.  It writes lines to fd. */
typedef int disagg_child_work(void *context, int fd);

enum disagg_child_end {
	DISAGG_CHILD_RUNS,
	DISAGG_CHILD_EXITED,  /* by itself, proc.status says how */
	DISAGG_CHILD_LATE,    /* past its deadline, was ended */
	DISAGG_CHILD_STOPPED, /* disagg_child_stop */
	DISAGG_CHILD_FLOODED, /* a line too long or too many bytes, was ended */
	DISAGG_CHILD_STUCK,   /* runs on in spite of KILL */
};

struct disagg_child {
	struct disagg_proc proc;
	enum disagg_child_end end;
	int fd, said_fd; /* lines; what it prints */
	struct disagg_lines lines;
	size_t bytes, count; /* of lines so far */
	unsigned deadline_ms;
	int64_t next_ns;	   /* when the next signal is due; INT64_MAX */
	enum disagg_child_end why; /* why it is being ended; RUNS: it is not */
	bool killed;
	bool gone;	/* reaped; its last lines may wait */
	bool paused;	/* the caller's: read no lines for now, so that the child waits */
	char said[512]; /* the end of what it printed, terminated */
	char state;	/* STUCK: of /proc, 'D' */
	char wchan[64]; /* STUCK: where in the kernel; "" */
};

/* DISAGG_SYSTEM: no pipe, no process. */
int disagg_child_start(struct disagg_child *child, disagg_child_work *work, void *context,
	unsigned deadline_ms, struct disagg_err *err);

/* What to wait for: up to 3 descriptors, put at `ret`; returns how many. */
unsigned disagg_child_poll(const struct disagg_child *child, struct pollfd *ret);
/* Monotonic time of the next call to disagg_child_step; INT64_MAX: none. */
int64_t disagg_child_due(const struct disagg_child *child);

/* Reads, signals and reaps, whatever is due; never blocks.  Then ask for lines. */
void disagg_child_step(struct disagg_child *child, int64_t now_ns);
char *disagg_child_line(struct disagg_child *child, size_t *ret_len);
/* Whether it has ended (child->end says how) and all its lines were given out. */
bool disagg_child_ended(const struct disagg_child *child);

/* KILL to its group; disagg_child_step tells the end. */
void disagg_child_stop(struct disagg_child *child);

/* "killed by signal 11 (Segmentation fault)", "no end within 30 s", "stuck in D state in
 * 'nv_wait'": into buf, with the last of what it printed where that may explain it. */
void disagg_child_tell(const struct disagg_child *child, char *buf, size_t size);

/* After its end. */
void disagg_child_release(struct disagg_child *child);

#endif
