/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_HTTP_H
#define DISAGG_HOST_HTTP_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Many HTTP requests at once from one thread: libcurl's multi interface behind
 * a small queue.  Every request has a deadline and a cap on its body, whatever
 * the peer does (huge, slow, never ending).  Proxies of the environment are not
 * used.  The only user of curl.h.
 */
struct disagg_http;
struct disagg_http_response;

struct disagg_http_request {
	/* http://, or tcp://host:port: only a connection, `connected` tells.  The
	 * strings are copied. */
	const char *url;
	const char *body;	     /* NULL: GET, else POST as application/json */
	const char *const *header;   /* "Name: value", ends with NULL; may be NULL */
	unsigned connect_timeout_ms; /* 0: 2000 */
	unsigned timeout_ms;	     /* whole request; 0: 5000 */
	size_t body_limit;	     /* bytes kept; more is an error; 0: 1 MiB */
	bool close;		     /* a connection of its own, not kept for others */
	size_t greeting;	     /* tcp://: bytes to wait for, the body */
	const char *mark;	     /* a header's name: `marked` tells; not copied; may be NULL */
	/* Called as bytes of the body come (streaming); may be NULL.  Nothing is
	 * kept then.  Non-zero ends the request. */
	int (*on_data)(void *context, const char *bytes, size_t len, int64_t now_ns);
	/* Called once when the request has ended, also when it is cancelled. */
	void (*on_done)(void *context, const struct disagg_http_response *response);
	void *context;
};

struct disagg_http_response {
	int status;	  /* 0: no answer */
	bool connected;	  /* tcp://: somebody accepted */
	const char *body; /* terminated; valid during on_done; "" with on_data */
	size_t len;
	const char *error; /* NULL: none; "connection refused", "timed out", ... */
	bool refused;	   /* nobody listens there */
	bool marked;	   /* the answer has the header `mark` */
	int64_t started_ns, first_byte_ns, done_ns; /* CLOCK_MONOTONIC; 0: it never came to it */
};

/* At most `connections` at once (0: 1024); the others wait in line. */
int disagg_http_open(struct disagg_http **ret, unsigned connections, struct disagg_err *err);
/* Refused where the URL is neither http:// nor tcp://.  Callbacks may call it,
 * not disagg_http_run or disagg_http_close. */
int disagg_http_add(struct disagg_http *http, const struct disagg_http_request *request,
	struct disagg_err *err);
/* Runs callbacks until something happened or timeout_ms; returns the number of
 * requests that are not done, or -1. */
int disagg_http_run(struct disagg_http *http, int timeout_ms, struct disagg_err *err);
/* disagg_http_run also returns when one of these is readable (at most 8; -1 ends). */
void disagg_http_watch(struct disagg_http *http, const int *fds);
/* Ends what is not done as "cancelled"; accepts NULL. */
void disagg_http_close(struct disagg_http *http);

int64_t disagg_monotonic_ns(void);

#endif
