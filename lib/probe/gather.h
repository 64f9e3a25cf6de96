/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_GATHER_H
#define DISAGG_PROBE_GATHER_H

#include "lib/host/json.h"
#include "lib/probe/fingerprint.h"
#include "lib/probe/record.h"

/*
 * The fingerprints of many nodes compared: each node sends its digests, and of
 * each section only one node for each distinct digest is asked for the keys
 * and values.  No I/O here: who calls it carries the messages.
 */
struct disagg_gather;

/* The names live as long as the arena. NULL: no memory. */
struct disagg_gather *disagg_gather_new(
	struct disagg_arena *arena, const char *const *name, size_t count);

/* ---- messages ---- */

/* A node's first: {"keys":312,"digest":{"kernel":"...",...}} */
void disagg_gather_put_digests(struct disagg_strbuf *out, const struct disagg_fingerprint *print);
/* DISAGG_INVALID: no such message. */
int disagg_gather_take_digests(struct disagg_gather *gather, size_t node,
	const struct disagg_json *message, struct disagg_err *err);

/*
 * The pairs of a section from the index `from` on, as many as fit in 40 KiB:
 * {"section":"python","pairs":["python.vllm","0.9.1",...],"next":120}; no next
 * at the end.
 */
void disagg_gather_put_pairs(struct disagg_strbuf *out, const struct disagg_fingerprint *print,
	enum disagg_fingerprint_part part, size_t from);

struct disagg_gather_question {
	size_t node; /* whom to ask */
	enum disagg_fingerprint_part part;
	size_t from;
};

#define DISAGG_GATHER_VARIANTS 16u /* of a section that are asked for, the commonest first */

/*
 * What is to be asked next, at most `room`, once all digests are in; asked and
 * not answered comes again, so each question is to be answered or given up.
 */
size_t disagg_gather_questions(
	struct disagg_gather *gather, struct disagg_gather_question *ret, size_t room);
int disagg_gather_take_pairs(struct disagg_gather *gather,
	const struct disagg_gather_question *question, const struct disagg_json *message,
	struct disagg_err *err);
/* The node cannot be asked: another of the same digest is, or none. */
void disagg_gather_give_up(
	struct disagg_gather *gather, const struct disagg_gather_question *question);

/* ---- what differs ---- */

struct disagg_gather_value {
	const char *text; /* NULL: nodes without the key */
	const size_t *node;
	size_t nodes;
};

struct disagg_gather_difference {
	const char *key;
	struct disagg_gather_value *value; /* the commonest first */
	size_t count;
	bool majority;	/* more than half of the nodes agree on the first */
	bool mandatory; /* has to be equal: else a warning */
	bool allowed;	/* by the list: no finding */
};

struct disagg_gather_result {
	struct disagg_gather_difference *difference; /* by section, then key */
	size_t count;
	size_t nodes;	 /* that have told their digests */
	size_t sections; /* that differ */
	size_t unread;	 /* variants of sections whose keys nobody could tell */
};

/* `allow`: patterns as fnmatch has them, by commas; NULL.  DISAGG_SYSTEM: no memory. */
int disagg_gather_compare(struct disagg_gather *gather, const char *allow,
	struct disagg_gather_result *ret, struct disagg_err *err);

/* True for keys that have to be equal: kernel, driver, CUDA, NCCL, this program. */
bool disagg_gather_mandatory(const char *key);

/*
 * The record of one node about a difference, where its value is value[which]:
 * fail or warn, with what the others have and who else shares it.  Its texts
 * are in the arena.
 */
int disagg_gather_record(struct disagg_gather *gather,
	const struct disagg_gather_difference *difference, size_t which, size_t node,
	struct disagg_probe_record *ret);

#endif
