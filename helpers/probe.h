/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_PROBE_H
#define DISAGG_HELPERS_PROBE_H

#include "helpers/helper.h"
#include "lib/probe/agent.h"
#include "lib/probe/lead.h"
#include "lib/probe/seat.h"
#include "lib/probe/suite.h"

/*
 * disagg-probe: what the parts of the program share.  probe-args.c reads the
 * command line, probe-lead.c leads, probe-agent.c is a node's part,
 * probe-out.c tells people, probe-report.c writes what was found.
 */
enum probe_format { PROBE_TEXT, PROBE_JSON };

struct probe {
	const struct helper *helper;
	struct disagg_arena arena;
	struct disagg_probe_options options;
	const char *suite;		  /* its name */
	const struct disagg_probe **list; /* what runs, in order */
	size_t count;
	const char *out; /* folder; NULL: none */
	bool out_given;
	const char *reference, *baseline; /* files; NULL */
	enum probe_format format;
	unsigned rehearse; /* nodes on this machine; 0: not */
	unsigned join_ms;
	const char *command; /* the command line */

	struct disagg_seat seat;
	struct disagg_meet meet;
	int signal_fd;
	int lock_fd;
	const char *held; /* why this node does not take part; NULL */
};

/* ---- probe-args.c ---- */
extern const struct helper_option probe_options[];
/* -1: go on; else the exit code of main. */
int probe_parse(struct probe *probe, int argc, char **argv);

/* ---- probe-prolog.c ---- */
/* --prolog: 1 where the node's hardware is bad, else 0. */
int probe_prolog(const struct probe *probe);

/* ---- probe-agent.c ---- */
/* Serves as the agent of a node until the lead ends it: over fd where it is connected
 * already, else by looking for the lead at `port` (0: the step's ports).  The exit status. */
int probe_agent(struct probe *probe, const char *node, int fd, int port);

/* ---- probe-lead.c ---- */
int probe_lead(struct probe *probe);

/* ---- probe-out.c ---- */
struct probe_view {
	const struct probe *probe;
	const struct disagg_fleet *fleet;
	struct disagg_suite_step step;
	struct disagg_fleet_count before; /* tasks of earlier probes */
	int64_t start_ns, step_ns;
	bool live;  /* a terminal */
	bool shown; /* a live line stands there */
};
void probe_view_open(struct probe_view *view, const struct probe *probe);
void probe_view_step(struct probe_view *view, const struct disagg_suite_step *step);
void probe_view_tick(struct probe_view *view);
/* A line of its own; its control characters are shown as '?'. */
void probe_view_say(struct probe_view *view, const char *text);
void probe_view_close(struct probe_view *view);
int probe_print_list(const struct helper *helper);

/* ---- probe-report.c ---- */
/* Whether --reference and --baseline can be read: a mistake is not to cost the measurement. */
int probe_report_check(struct probe *probe, struct disagg_err *err);
/* Judges and prints; the exit code. */
int probe_report(struct probe *probe, struct probe_view *view, const struct disagg_fleet *fleet);

#endif
