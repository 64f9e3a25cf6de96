/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_PHASE_H
#define DISAGG_PROBE_PHASE_H

#include "lib/probe/nccl.h"
#include "lib/probe/probe.h"

/*
 * How far a node has come with a communicator of several nodes: it notes each
 * phase to the lead, so that where all wait for one the lead can say for which.
 *
 *	{"phase":"bootstrap","id":"<256 hex digits>"}	id: of the node that makes it
 *	{"phase":"init"}				all its ranks are in
 *	{"phase":"first"}				one run is done
 *	{"phase":"init","gave_up":true}			it has seen an error and ends
 *	{"phase":"init","stalled":true}			it has waited in vain and ends
 */
enum disagg_phase {
	DISAGG_PHASE_NONE,	/* no NCCL, no GPU, or never started */
	DISAGG_PHASE_BOOTSTRAP, /* has CUDA and NCCL, makes the communicator */
	DISAGG_PHASE_INIT,	/* has it */
	DISAGG_PHASE_FIRST,	/* has run the first collective */
};

/* "bootstrap" */
const char *disagg_phase_name(enum disagg_phase phase);

/* id NULL: none */
void disagg_phase_note(
	struct disagg_probe_run *run, enum disagg_phase phase, const ncclUniqueId *id);
/* By the error's code: DISAGG_TIMEOUT is that it has waited in vain. */
void disagg_phase_give_up(
	struct disagg_probe_run *run, enum disagg_phase phase, const struct disagg_err *err);

struct disagg_phase_seen {
	enum disagg_phase phase;
	bool gave_up, stalled;
	char id[DISAGG_NCCL_ID_HEX]; /* "": none */
};
/* Of a task's last note, NULL too; what is no such note is NONE. */
struct disagg_phase_seen disagg_phase_read(const char *note);

#endif
