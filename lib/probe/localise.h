/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LOCALISE_H
#define DISAGG_PROBE_LOCALISE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The search for slow nodes, rails and paths by tests of two nodes each.  Pure
 * and deterministic for a seed: it says which pairs to test next and is told
 * what came of them, so that a simulation and a fleet run the same code.
 *
 * All tests of a round use different nodes, so a round costs one test's time:
 *
 *   A  a random perfect matching, across leaf switches where leaves are known.
 *      A pair that is slow makes both nodes suspects.  Repeated, the better
 *      value of a slow pair taken, where more than `repeat_share` of the pairs are slow: the
 *      fabric is disturbed then, not the nodes.  With an odd number one node
 *      sits out, and is tested with a node that passed.
 *   B  each suspect with a node that passed, under the same leaf if possible (a
 *      leaf of suspects only: two of them, who are cleared if they are fast);
 *   C  each suspect with another one, under another leaf if possible;
 *   D  those slow in B and C with a third; E with a fourth, where the best of
 *      three is less than twice the limit below the reference.
 *      A node is guilty if all of these are slow.
 *   R  a pair that was clearly slow though both its nodes are cleared is tested
 *      again, up to three times: slow each time, the path is; else it was
 *      transient.  Shares its round with D and E.
 *   S  where `all_pairs` is asked for, and all of these are over: every two of the nodes
 *      that passed, in a round robin whose first round was A; R of what is slow.  A path
 *      that A did not happen to draw is found by this alone.
 *
 * More suspects than nodes that passed: a step takes several rounds.  None
 * passed: new pairs among the suspects, three times at most.
 *
 * Slow: below ref - max(limit, sigmas * s) of its rail, at most 1.5 limits, where s is
 * 1.4826 MAD of the pairs that are not slow (0 with fewer than 16).  The limit for suspects and
 * verdicts (5 %, 2.5 s) is lower than for paths (7 %, 3.5 s): a suspect more costs no round, one
 * that was missed is never tested again.  ref is the median of the pairs that are not slow, or the
 * reference value where more than half are below it by the path's limit and a tenth or more reaches
 * it.
 *
 * Method: random matching, known-good partners (Google's cluster health
 * scanner), both confirmations for every suspect.  D and E are this project's:
 * two tests disturbed by chance convict one run in a thousand otherwise.
 */
struct disagg_localise_rule {
	double limit;	     /* 0.05 */
	double sigmas;	     /* 2.5 */
	double path_limit;   /* 0.07 */
	double path_sigmas;  /* 3.5 */
	double small_limit;  /* 0.10: fewer than min_nodes, and no reference value */
	double repeat_share; /* 0.10 */
	size_t min_nodes;    /* 8: with fewer there are no statistics */
};

extern const struct disagg_localise_rule disagg_localise_rule_default;

#define DISAGG_LOCALISE_RAILS_MAX 64

struct disagg_localise_setup {
	size_t nodes;
	size_t rails;	      /* values a test gives, 1 to DISAGG_LOCALISE_RAILS_MAX */
	const unsigned *leaf; /* of each node; NULL: not known */
	double reference;     /* of a value; 0: none */
	bool all_pairs;	      /* S: about as many rounds as nodes more */
	uint64_t seed;
	const struct disagg_localise_rule *rule; /* NULL: the default */
};

enum disagg_localise_purpose {
	DISAGG_LOCALISE_SCREEN,	 /* A */
	DISAGG_LOCALISE_SWEEP,	 /* S */
	DISAGG_LOCALISE_CONFIRM, /* B to E: b has passed */
	DISAGG_LOCALISE_REMATCH, /* suspects among themselves */
	DISAGG_LOCALISE_REPEAT,	 /* R */
};

struct disagg_localise_pair {
	uint32_t a, b;
	enum disagg_localise_purpose purpose;
	unsigned step; /* 0: A, 1: B, ...; of a repetition or S its count from 0 */
};

enum disagg_finding_kind {
	DISAGG_FINDING_NODE,  /* a, on more than half of its rails */
	DISAGG_FINDING_RAIL,  /* a, on `rail` */
	DISAGG_FINDING_HANGS, /* a: every test with it was lost, its partners' others were not */
	DISAGG_FINDING_PATH,  /* between a and b, and their leaves; `rail` or -1: several */
	DISAGG_FINDING_LEAF,  /* a's leaf to most others */
	DISAGG_FINDING_PAIR,  /* a and b together; which of both, no test could tell */
	DISAGG_FINDING_FLEET, /* the median is below the reference value */
	DISAGG_FINDING_TRANSIENT, /* a and b once; not when repeated */
	DISAGG_FINDING_UNTESTED,  /* a: dropped, or nobody left to test it with */
};

struct disagg_finding {
	enum disagg_finding_kind kind;
	uint32_t a, b;
	int rail;	 /* -1: all, or several */
	double value;	 /* the best of its tests on its worst rail; 0: all lost */
	double expected; /* the reference of that rail */
	double limit;	 /* below this it is slow */
	unsigned tests;	 /* behind the verdict; NODE, RAIL, HANGS: partners; PATH, LEAF: pairs */
	bool relative;	 /* too few nodes for statistics and no reference value: a hint only */
};

struct disagg_localise;

/* Lives in the arena.  DISAGG_INVALID for a setup out of range; no memory. */
int disagg_localise_new(struct disagg_arena *arena, const struct disagg_localise_setup *setup,
	struct disagg_localise **ret, struct disagg_err *err);

/*
 * The pairs of the next round; they stay valid until the next call.  *ret_count
 * 0: the search is over.  Pairs of the last round that were given no result
 * count as lost.  -1: no memory.
 */
int disagg_localise_next(struct disagg_localise *search, const struct disagg_localise_pair **ret,
	size_t *ret_count, struct disagg_err *err);

/* What pair `index` of this round has come to: a value for each rail (more is
 * better; below 0: that rail was not measured), or NULL: lost, nobody knows by whom. */
void disagg_localise_result(struct disagg_localise *search, size_t index, const double *value);

/* The node cannot be tested (gone, nothing to test with): its test of this
 * round says nothing about its partner, and it gets no other. */
void disagg_localise_drop(struct disagg_localise *search, uint32_t node);

/* In place of the next round: takes the last one's results and decides what can be; what is
 * open then stays so (DISAGG_FINDING_PAIR, DISAGG_FINDING_UNTESTED). */
void disagg_localise_stop(struct disagg_localise *search);

/* Whether what is open is S alone: every node is decided. */
bool disagg_localise_sweeps(const struct disagg_localise *search);

unsigned disagg_localise_rounds(const struct disagg_localise *search);
size_t disagg_localise_tests(const struct disagg_localise *search);

/* After the last round.  Nodes and rails first, each in the order of the nodes. */
int disagg_localise_findings(struct disagg_localise *search, const struct disagg_finding **ret,
	size_t *ret_count, struct disagg_err *err);

#endif
