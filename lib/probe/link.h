/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_LINK_H
#define DISAGG_PROBE_LINK_H

#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include "lib/probe/lines.h"
#include <stdint.h>

/*
 * Messages between the lead and an agent over a stream socket that does not
 * block: lines "VERB NUMBER BODY", the body one JSON value or empty.  A line
 * is at most DISAGG_LINK_LINE bytes, what waits to be sent DISAGG_LINK_QUEUE.
 */
#define DISAGG_LINK_LINE  (66u * 1024u)
#define DISAGG_LINK_QUEUE (16u * 1024u * 1024u)

struct disagg_link {
	int fd; /* -1: closed */
	struct disagg_lines in;
	struct disagg_strbuf out;
	size_t sent; /* of out */
};

struct disagg_message {
	const char *verb;
	uint64_t number;
	const char *body; /* terminated; "" where there is none */
	size_t len;
};

/* Takes the descriptor.  `limit` bounds the lines that come in; 0: DISAGG_LINK_LINE. */
void disagg_link_open(struct disagg_link *link, int fd, size_t limit);
void disagg_link_close(struct disagg_link *link);

/* Reads what there is, once; -1: the other side has closed, or says too much (err, DISAGG_DIED). */
int disagg_link_fill(struct disagg_link *link, struct disagg_err *err);
/* 1: *ret, valid until the next fill; 0: none; -1: a line that is no message (DISAGG_INVALID). */
int disagg_link_next(struct disagg_link *link, struct disagg_message *ret, struct disagg_err *err);

/* Sends at once what the socket takes and keeps the rest.  -1: the link is broken or its queue
 * full; nothing more is sent then. */
int disagg_link_send(
	struct disagg_link *link, const char *verb, uint64_t number, const char *body, size_t len);
int disagg_link_flush(struct disagg_link *link);
/* Bytes that wait. */
size_t disagg_link_queued(const struct disagg_link *link);

#endif
