/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LOCALISE_BUILD_H
#define DISAGG_PROBE_LOCALISE_BUILD_H

#include "lib/probe/localise.h"

/* The inside of the search: for lib/probe/localise*.c only. */

#define LOCALISE_REPEATS   3
#define LOCALISE_REMATCHES 3
/* A, three among suspects, B to E, and what finds no new partner. */
#define LOCALISE_MEETINGS 12

enum localise_node_state {
	NODE_UNTESTED, /* one test with a good node is enough, if it is not slow */
	NODE_GOOD,
	NODE_SUSPECT,
	NODE_GUILTY,
	NODE_DROPPED,
};

struct localise_node {
	enum localise_node_state state;
	bool suspected;	   /* once: cleared since, if it is good now */
	bool busy;	   /* in this round */
	bool asked_leaf;   /* paired with a suspect under its own leaf */
	unsigned confirms; /* tests with good nodes */
	unsigned lost;	   /* of them */
	double *best;	   /* of a rail in them; -1: not measured */
	unsigned met_count;
	uint32_t met[LOCALISE_MEETINGS]; /* whom it was tested with */
};

struct localise_test {
	struct disagg_localise_pair pair;
	enum { TEST_OPEN, TEST_MEASURED, TEST_LOST, TEST_VOID } state;
	double *value;	     /* of a rail */
	unsigned repeats;    /* of this pair, for its path */
	bool repeat_open;    /* one runs */
	bool path_fine;	     /* a repeat was not slow */
	double *repeat_best; /* of a rail; NULL before the first */
	size_t repeat_of;    /* REPEAT: the test it repeats */
};

struct disagg_localise {
	struct disagg_localise_setup setup;
	struct disagg_localise_rule rule;
	struct disagg_arena *arena;
	uint64_t random;
	struct localise_node *node;
	struct localise_test *test;
	size_t test_count, test_size;
	size_t ran; /* tests, with those that were repeated */
	unsigned rounds, rematches, paths;
	bool screened, screen_repeated, relative;
	struct disagg_localise_pair *round; /* what was handed out */
	size_t *round_test;		    /* the test of each */
	size_t round_count;
	uint32_t *order;		  /* room for all nodes, shuffled anew each round */
	uint32_t *circle;		  /* S: A's pairs are those of its first round */
	size_t seats;			  /* of the circle, even */
	unsigned turn;			  /* of the circle */
	double *scratch;		  /* room for all screened values */
	double *ref, *floor, *path_floor; /* of a rail */
	bool *below_reference;		  /* of a rail: nearly all its pairs, by the path's limit */
};

/* Adds and hands out the tests of the next round.  -1: no memory. */
int localise_plan(struct disagg_localise *search);

/* Decides who is suspect, after round A. */
void localise_screened(struct disagg_localise *search);

/* Sets ref, floor and path_floor of every rail by the screened pairs. */
void localise_refer(struct disagg_localise *search);

/* Whether a rail of these values is below; NULL: no. */
bool localise_slow(const struct disagg_localise *search, const double *value, const double *floor);
/* The same of a test: a lost one is. */
bool localise_test_slow(const struct disagg_localise *search, const struct localise_test *test,
	const double *floor);

/* A test of which a repeat is due: clearly slow, its nodes cleared, its path not
 * decided. */
bool localise_path_open(const struct disagg_localise *search, const struct localise_test *test);

#endif
