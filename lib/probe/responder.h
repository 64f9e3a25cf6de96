/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_RESPONDER_H
#define DISAGG_PROBE_RESPONDER_H

#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One node answers, others ask it over TCP: what time it has, bytes, and
 * whether bytes have arrived as they were sent.  One process, one loop, many
 * callers.  Whoever connects first says the token that the lead has dealt out,
 * and is dropped where it is another.
 *
 * A request is 16 bytes, numbers big-endian: 4 operation, 4 tag, 8 length.
 */
#define DISAGG_RESPONDER_TOKEN	 16	      /* bytes */
#define DISAGG_RESPONDER_CALLERS 2048	      /* at once */
#define DISAGG_RESPONDER_LENGTH	 (1ull << 36) /* bytes of one request */
#define DISAGG_RESPONDER_PATTERN (4u << 20)   /* what bytes are sent repeats after so many */

enum disagg_responder_op {
	DISAGG_OP_TIME =
		1,	 /* 16 bytes: Unix time in ns, when the request had come, when this left */
	DISAGG_OP_GET,	 /* `length` bytes of the pattern */
	DISAGG_OP_PUT,	 /* `length` bytes of the pattern follow; one byte: 0, or 1: they differ */
	DISAGG_OP_BLOB,	 /* 8 bytes of length, then what `blob` is */
	DISAGG_OP_CHECK, /* one byte: what `check` says of the tag: 0 fine, 1 differs */
};

struct disagg_responder {
	int fd; /* listens; -1 */
	uint16_t port;
	unsigned char token[DISAGG_RESPONDER_TOKEN];
	const unsigned char *pattern; /* DISAGG_RESPONDER_PATTERN bytes */
	int64_t (*now_ns)(void);      /* NULL: CLOCK_REALTIME */
	/* what another transport needs; each may be NULL */
	const void *blob;
	size_t blob_len;
	bool (*check)(void *context, uint32_t tag);
	void (*progress)(void *context); /* called without pause while there is a caller */
	void *context;
};

/* Fills a pattern: word i is a fixed hash of i, so that no byte is where it was not sent. */
void disagg_pattern_fill(unsigned char *pattern, size_t len);

/* Listens on a free port of all addresses.  DISAGG_SYSTEM. */
int disagg_responder_open(struct disagg_responder *responder, struct disagg_err *err);

/* Answers until the deadline, or until stop_fd (-1: none) is readable.  -1: no memory. */
int disagg_responder_serve(
	struct disagg_responder *responder, int timeout_ms, int stop_fd, struct disagg_err *err);

void disagg_responder_close(struct disagg_responder *responder);

/* ---- the caller's side: every call ends within its timeout ---- */

struct disagg_caller {
	int fd; /* -1 */
	double connect_ms;
	const unsigned char *pattern; /* as the responder's */
};

struct disagg_caller_target {
	const char *address; /* numeric */
	uint16_t port;
	const unsigned char *token; /* DISAGG_RESPONDER_TOKEN bytes */
	const unsigned char *pattern;
	int timeout_ms;	  /* of the connection, and of every wait on it */
	int mtu_discover; /* IP_PMTUDISC_DO, or -1: as the system has it */
};

/* DISAGG_MISSING: refused or not reachable; DISAGG_TIMEOUT; DISAGG_SYSTEM.  The text
 * does not name the target: the caller knows what it is called. */
int disagg_caller_open(struct disagg_caller *caller, const struct disagg_caller_target *target,
	struct disagg_err *err);
void disagg_caller_close(struct disagg_caller *caller);

/* One exchange; times are Unix ns: t[0] asked, t[1] came there, t[2] left there, t[3] came
 * back.  now_ns NULL: CLOCK_REALTIME. */
int disagg_caller_time(struct disagg_caller *caller, int64_t (*now_ns)(void), int64_t t[4],
	struct disagg_err *err);

/* Seconds until all bytes have come and, where `check`, are right: DISAGG_INVALID where
 * they are not.  PUT: until the other side has said that they are. */
int disagg_caller_get(struct disagg_caller *caller, uint64_t len, bool check, double *ret_s,
	struct disagg_err *err);
int disagg_caller_put(
	struct disagg_caller *caller, uint64_t len, double *ret_s, struct disagg_err *err);

/* The blob into buf; DISAGG_INVALID where it is longer than size. */
int disagg_caller_blob(struct disagg_caller *caller, void *buf, size_t size, size_t *ret_len,
	struct disagg_err *err);
/* DISAGG_INVALID: it differs there. */
int disagg_caller_check(struct disagg_caller *caller, uint32_t tag, struct disagg_err *err);

/* The path's MTU as this connection knows it; 0: not known. */
int disagg_caller_mtu(const struct disagg_caller *caller);

#endif
