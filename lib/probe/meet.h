/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_MEET_H
#define DISAGG_PROBE_MEET_H

#include "lib/probe/link.h"

/*
 * How the nodes of a run find and know each other.  The lead listens at one of
 * a few ports that follow from the job and the step; it speaks first, and both
 * sides prove that they hold the run's token, where it has one, without
 * telling it: SipHash-2-4 over both sides' random numbers
 * (Aumasson and Bernstein, SipHash: a fast short-input PRF, 2012).
 *
 *	lead    1 {"job","step","version","nonce"}
 *	hello   1 {"node","version","nonce","proof","held"}
 *	welcome 1 {"proof"}   or   refused 1 {"reason"}
 */
#define DISAGG_MEET_PROTOCOL 1u
#define DISAGG_MEET_PORTS    8u
#define DISAGG_MEET_NONCE    33 /* bytes of its text, with the NUL */
#define DISAGG_MEET_PROOF    17

struct disagg_meet {
	const char *job, *step; /* "" outside of Slurm */
	bool has_key;
	unsigned char key[16];
};

/* The key is derived from any text that only the run's user knows; NULL, "": none. */
void disagg_meet_set_token(struct disagg_meet *meet, const char *token);

/* Which ports are tried, in this order; below those that systems give out by
 * themselves (32768 and up), so that they are seldom taken. */
void disagg_meet_ports(const struct disagg_meet *meet, int ret[DISAGG_MEET_PORTS]);

/* ---- the lead ---- */

/* On the first of the ports that is free, or on any where `loopback`.  DISAGG_SYSTEM. */
int disagg_meet_listen(const struct disagg_meet *meet, bool loopback, int *ret_fd, int *ret_port,
	struct disagg_err *err);

struct disagg_hello {
	char node[256];
	char held[512];		       /* why it does not take part; "" */
	char proof[DISAGG_MEET_PROOF]; /* the lead's own, for the welcome; "" */
};
int disagg_meet_greet(
	const struct disagg_meet *meet, struct disagg_link *link, char nonce[DISAGG_MEET_NONCE]);
/* DISAGG_INVALID where it is no hello, DISAGG_CHECK with a text for the peer where it
 * is one of another version, or without the token. */
int disagg_meet_read(const struct disagg_meet *meet, const char *nonce,
	const struct disagg_message *message, struct disagg_hello *ret, struct disagg_err *err);
int disagg_meet_welcome(struct disagg_link *link, const struct disagg_hello *hello);
int disagg_meet_refuse(struct disagg_link *link, const char *reason);

/* ---- an agent ---- */

struct disagg_meet_self {
	const struct disagg_meet *meet;
	const char *node;
	const char *held; /* NULL: it takes part */
};
/* The handshake over a descriptor that is connected, which the link takes also where it fails.
 * DISAGG_DIED: no lead there, or not ours; DISAGG_CHECK: it has refused us. */
int disagg_meet_join(const struct disagg_meet_self *self, int fd, struct disagg_link *ret,
	struct disagg_err *err);

/* Finds the lead on one of `host` (names or addresses) at one of `ports`, for wait_ms. */
struct disagg_meet_where {
	const char *host[2]; /* NULL: none */
	const int *port;
	unsigned ports;
	unsigned wait_ms;
	int cancel_fd; /* -1: none */
};
int disagg_meet_find(const struct disagg_meet_self *self, const struct disagg_meet_where *where,
	struct disagg_link *ret, struct disagg_err *err);

#endif
