/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/responder.h"

#include "lib/base/arena.h"
#include "lib/host/http.h"
#include "lib/probe/responder_wire.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG	   1024
#define CHUNK	   (256u * 1024u)
#define IDLE_MS	   1000
#define BURST	   16 /* chunks of one caller before the next has its turn */
#define TOKEN_WAIT 10000000000ll

struct client {
	int fd;
	enum { CLIENT_TOKEN, CLIENT_HEAD, CLIENT_SENDS, CLIENT_TAKES } state;
	int64_t since_ns;
	unsigned char in[DISAGG_RESPONDER_TOKEN]; /* a token or a head: both are 16 bytes */
	size_t in_len;
	unsigned char small[32]; /* the start of an answer */
	size_t small_len, small_at;
	const unsigned char *bulk; /* the rest of it, repeating after bulk_len; NULL: none */
	size_t bulk_len;
	uint64_t left, at; /* bytes of bulk to send, or of the pattern to take */
	bool differs;
};

struct server {
	struct disagg_responder *responder;
	struct client *client;
	struct pollfd *wait; /* [0] listens, [1] stops, the rest as client */
	size_t count;
	unsigned char *chunk;
};

void disagg_pattern_fill(unsigned char *pattern, size_t len)
{
	for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
		uint64_t word = i + 0x9e3779b97f4a7c15ull;

		/* splitmix64's finish */
		word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
		word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
		word ^= word >> 31;
		memcpy(pattern + i, &word, len - i < sizeof(word) ? len - i : sizeof(word));
	}
}

int64_t disagg_unix_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- listening ---- */

static int bind_any(int fd, int family)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	struct sockaddr_in four = {.sin_family = AF_INET};
	int off = 0;

	if (family == AF_INET)
		return bind(fd, (struct sockaddr *)&four, sizeof(four));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return bind(fd, (struct sockaddr *)&six, sizeof(six));
}

static int listen_on(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (bind_any(fd, family) < 0 || listen(fd, BACKLOG) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int disagg_responder_open(struct disagg_responder *responder, struct disagg_err *err)
{
	struct sockaddr_in6 bound; /* its port lies where sockaddr_in's does */
	socklen_t len = sizeof(bound);
	int fd = listen_on(AF_INET6);

	if (fd < 0)
		fd = listen_on(AF_INET);
	if (fd < 0)
		return disagg_err_sys(err, "cannot listen on a free port");
	if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
		disagg_err_sys(err, "cannot read the port that is listened on");
		close(fd);
		return -1;
	}
	responder->fd = fd;
	responder->port = ntohs(bound.sin6_port);
	return 0;
}

void disagg_responder_close(struct disagg_responder *responder)
{
	if (responder->fd >= 0)
		close(responder->fd);
	responder->fd = -1;
}

/* ---- one caller ---- */

static int64_t time_of(const struct disagg_responder *responder)
{
	return responder->now_ns ? responder->now_ns() : disagg_unix_ns();
}

static void answer_small(struct client *client, size_t len)
{
	client->small_len = len;
	client->small_at = 0;
	client->bulk = NULL;
	client->left = client->at = 0;
	client->state = CLIENT_SENDS;
}

static bool take_head(struct server *server, struct client *client)
{
	struct disagg_responder *responder = server->responder;
	struct responder_head head = responder_head_read(client->in);

	client->since_ns = disagg_monotonic_ns();
	if (head.length > DISAGG_RESPONDER_LENGTH)
		return false;
	switch (head.op) {
	case DISAGG_OP_TIME:
		responder_put64(client->small, (uint64_t)time_of(responder));
		answer_small(client, 16);
		return true;
	case DISAGG_OP_GET:
		answer_small(client, 0);
		client->bulk = responder->pattern;
		client->bulk_len = DISAGG_RESPONDER_PATTERN;
		client->left = head.length;
		return true;
	case DISAGG_OP_PUT:
		client->state = CLIENT_TAKES;
		client->left = head.length;
		client->at = 0;
		client->differs = false;
		return true;
	case DISAGG_OP_BLOB:
		responder_put64(client->small, responder->blob_len);
		answer_small(client, 8);
		client->bulk = responder->blob;
		client->bulk_len = responder->blob_len;
		client->left = responder->blob_len;
		return true;
	case DISAGG_OP_CHECK:
		client->small[0] =
			!responder->check || !responder->check(responder->context, head.tag);
		answer_small(client, 1);
		return true;
	default:
		return false;
	}
}

/* 1: did something, 0: would block, -1: the caller goes. */
static int step_in(struct server *server, struct client *client)
{
	ssize_t n = recv(client->fd, client->in + client->in_len,
		sizeof(client->in) - client->in_len, MSG_DONTWAIT);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	client->in_len += (size_t)n;
	if (client->in_len < sizeof(client->in))
		return 1;
	client->in_len = 0;
	if (client->state == CLIENT_HEAD)
		return take_head(server, client) ? 1 : -1;
	if (memcmp(client->in, server->responder->token, sizeof(client->in)) != 0)
		return -1;
	client->state = CLIENT_HEAD;
	return 1;
}

static int step_sends(struct server *server, struct client *client)
{
	const unsigned char *from = client->small + client->small_at;
	size_t len = client->small_len - client->small_at;
	ssize_t n;

	if (!len && !client->left) {
		client->state = CLIENT_HEAD;
		return 1;
	}
	if (len == 16) /* a time: as late as can be */
		responder_put64(client->small + 8, (uint64_t)time_of(server->responder));
	if (!len) {
		size_t at = (size_t)(client->at % client->bulk_len);

		from = client->bulk + at;
		len = client->bulk_len - at;
		if (len > client->left)
			len = (size_t)client->left;
	}
	n = send(client->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (client->small_at < client->small_len) {
		client->small_at += (size_t)n;
		return 1;
	}
	client->at += (uint64_t)n;
	client->left -= (uint64_t)n;
	return 1;
}

static int step_takes(struct server *server, struct client *client)
{
	size_t at = (size_t)(client->at % DISAGG_RESPONDER_PATTERN);
	size_t len = DISAGG_RESPONDER_PATTERN - at < CHUNK ? DISAGG_RESPONDER_PATTERN - at : CHUNK;
	ssize_t n;

	if (len > client->left)
		len = (size_t)client->left;
	n = len ? recv(client->fd, server->chunk, len, MSG_DONTWAIT) : 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (len && !n)
		return -1;
	if (memcmp(server->chunk, server->responder->pattern + at, (size_t)n) != 0)
		client->differs = true;
	client->at += (uint64_t)n;
	client->left -= (uint64_t)n;
	if (client->left)
		return 1;
	client->small[0] = client->differs;
	answer_small(client, 1);
	return 1;
}

/* False: the caller goes. */
static bool turn(struct server *server, struct client *client)
{
	for (int i = 0; i < BURST; i++) {
		int rc;

		if (client->state == CLIENT_SENDS)
			rc = step_sends(server, client);
		else if (client->state == CLIENT_TAKES)
			rc = step_takes(server, client);
		else
			rc = step_in(server, client);
		if (rc <= 0)
			return rc == 0;
	}
	return true;
}

/* ---- the loop ---- */

static void accept_all(struct server *server)
{
	int one = 1;

	while (server->count < DISAGG_RESPONDER_CALLERS) {
		struct client *client = &server->client[server->count];
		int fd = accept4(server->responder->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		memset(client, 0, sizeof(*client));
		client->fd = fd;
		client->since_ns = disagg_monotonic_ns();
		server->count++;
	}
}

static void drop(struct server *server, size_t at)
{
	close(server->client[at].fd);
	server->client[at] = server->client[--server->count];
}

static void turn_all(struct server *server)
{
	int64_t now = disagg_monotonic_ns();

	for (size_t i = server->count; i-- > 0;) {
		struct client *client = &server->client[i];

		if (!turn(server, client) ||
			(client->state == CLIENT_TOKEN && now - client->since_ns > TOKEN_WAIT))
			drop(server, i);
	}
}

static int wait_for(struct server *server, int stop_fd, int64_t until_ns)
{
	int64_t left_ms = (until_ns - disagg_monotonic_ns()) / 1000000;

	if (left_ms > IDLE_MS)
		left_ms = IDLE_MS;
	if (left_ms < 0 || (server->responder->progress && server->count))
		left_ms = 0;
	server->wait[0].fd = server->count < DISAGG_RESPONDER_CALLERS ? server->responder->fd : -1;
	server->wait[0].events = POLLIN;
	server->wait[1].fd = stop_fd;
	server->wait[1].events = POLLIN;
	server->wait[1].revents = 0;
	for (size_t i = 0; i < server->count; i++) {
		server->wait[i + 2].fd = server->client[i].fd;
		server->wait[i + 2].events =
			server->client[i].state == CLIENT_SENDS ? POLLOUT : POLLIN;
	}
	return poll(server->wait, server->count + 2, (int)left_ms);
}

static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max < 2 * DISAGG_RESPONDER_CALLERS
				 ? files.rlim_max
				 : 2 * DISAGG_RESPONDER_CALLERS;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void loop(struct server *server, int64_t until_ns, int stop_fd)
{
	while (disagg_monotonic_ns() < until_ns) {
		int ready = wait_for(server, stop_fd, until_ns);

		if (server->responder->progress)
			server->responder->progress(server->responder->context);
		if (ready > 0 && server->wait[1].revents)
			break;
		turn_all(server);
		if (ready > 0 && server->wait[0].revents)
			accept_all(server);
	}
	while (server->count)
		drop(server, server->count - 1);
}

int disagg_responder_serve(
	struct disagg_responder *responder, int timeout_ms, int stop_fd, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct server server = {.responder = responder};

	raise_files();
	server.client =
		disagg_arena_array(&arena, DISAGG_RESPONDER_CALLERS, sizeof(*server.client));
	server.wait =
		disagg_arena_array(&arena, DISAGG_RESPONDER_CALLERS + 2, sizeof(*server.wait));
	server.chunk = disagg_arena_alloc(&arena, CHUNK);
	if (!server.client || !server.wait || !server.chunk) {
		disagg_arena_release(&arena);
		return disagg_err_nomem(err);
	}
	loop(&server, disagg_monotonic_ns() + (int64_t)timeout_ms * 1000000, stop_fd);
	disagg_arena_release(&arena);
	return 0;
}
