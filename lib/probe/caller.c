/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/responder.h"

#include "lib/host/http.h"
#include "lib/probe/responder_wire.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHUNK (256u * 1024u)

/* ---- the connection ---- */

static int refused(struct disagg_err *err, const char *what, int error)
{
	enum disagg_code code =
		error == ETIMEDOUT || error == EAGAIN ? DISAGG_TIMEOUT : DISAGG_MISSING;

	return disagg_err_set(
		err, code, "%s: %s", what, error == EAGAIN ? "no answer in time" : strerror(error));
}

static int wait_connected(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int64_t until = disagg_monotonic_ns() + (int64_t)timeout_ms * 1000000;
	socklen_t len = sizeof(int);
	int error = 0, ready;

	do {
		int64_t left = (until - disagg_monotonic_ns()) / 1000000;

		ready = poll(&wait, 1, left > 0 ? (int)left : 0);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return ETIMEDOUT;
	if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/* From here on every wait is bounded by the socket's own timeouts. */
static void make_blocking(int fd, const struct disagg_caller_target *target)
{
	struct timeval timeout = {
		.tv_sec = target->timeout_ms / 1000, .tv_usec = target->timeout_ms % 1000 * 1000};
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
}

static int start_connect(const struct disagg_caller_target *target, int *ret_fd)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char port[8];
	int fd, error = 0;

	snprintf(port, sizeof(port), "%u", (unsigned)target->port);
	if (getaddrinfo(target->address, port, &hints, &found) != 0)
		return EINVAL;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		error = errno;
		freeaddrinfo(found);
		return error;
	}
	if (target->mtu_discover >= 0 && found->ai_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &target->mtu_discover, sizeof(int));
	if (connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS)
		error = errno;
	freeaddrinfo(found);
	if (error)
		close(fd);
	else
		*ret_fd = fd;
	return error;
}

static int send_all(struct disagg_caller *caller, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = send(caller->fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_all(struct disagg_caller *caller, void *bytes, size_t len)
{
	char *at = bytes;

	while (len) {
		ssize_t n = recv(caller->fd, at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : ECONNRESET;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int disagg_caller_open(struct disagg_caller *caller, const struct disagg_caller_target *target,
	struct disagg_err *err)
{
	int64_t start = disagg_monotonic_ns();
	int fd = -1, error = start_connect(target, &fd), flags;

	caller->fd = -1;
	caller->pattern = target->pattern;
	if (!error)
		error = wait_connected(fd, target->timeout_ms);
	if (error) {
		if (fd >= 0)
			close(fd);
		return refused(err, "cannot connect", error);
	}
	caller->connect_ms = (double)(disagg_monotonic_ns() - start) / 1e6;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
		disagg_err_sys(err, "cannot make a connection wait");
		close(fd);
		return -1;
	}
	make_blocking(fd, target);
	caller->fd = fd;
	error = send_all(caller, target->token, DISAGG_RESPONDER_TOKEN);
	if (!error)
		return 0;
	disagg_caller_close(caller);
	return refused(err, "the connection broke", error);
}

void disagg_caller_close(struct disagg_caller *caller)
{
	if (caller->fd >= 0)
		close(caller->fd);
	caller->fd = -1;
}

/* ---- requests ---- */

static int ask(
	struct disagg_caller *caller, enum disagg_responder_op op, uint32_t tag, uint64_t length)
{
	struct responder_head head = {(uint32_t)op, tag, length};
	unsigned char bytes[RESPONDER_HEAD];

	responder_head_write(bytes, head);
	return send_all(caller, bytes, sizeof(bytes));
}

int disagg_caller_time(
	struct disagg_caller *caller, int64_t (*now_ns)(void), int64_t t[4], struct disagg_err *err)
{
	unsigned char answer[16];
	int error;

	if (!now_ns)
		now_ns = disagg_unix_ns;
	t[0] = now_ns();
	error = ask(caller, DISAGG_OP_TIME, 0, 0);
	if (!error)
		error = recv_all(caller, answer, sizeof(answer));
	t[3] = now_ns();
	if (error)
		return refused(err, "no time came", error);
	t[1] = (int64_t)responder_get64(answer);
	t[2] = (int64_t)responder_get64(answer + 8);
	return 0;
}

int disagg_caller_get(struct disagg_caller *caller, uint64_t len, bool check, double *ret_s,
	struct disagg_err *err)
{
	int64_t start = disagg_monotonic_ns();
	int error = ask(caller, DISAGG_OP_GET, 0, len);
	unsigned char *chunk = malloc(CHUNK);
	bool differs = false;

	if (!chunk)
		return disagg_err_nomem(err);
	for (uint64_t at = 0; !error && at < len;) {
		size_t from = (size_t)(at % DISAGG_RESPONDER_PATTERN);
		size_t want = DISAGG_RESPONDER_PATTERN - from;
		ssize_t n;

		if (want > CHUNK)
			want = CHUNK;
		if (want > len - at)
			want = (size_t)(len - at);
		n = recv(caller->fd, chunk, want, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? errno : ECONNRESET;
			break;
		}
		if (check && memcmp(chunk, caller->pattern + from, (size_t)n) != 0)
			differs = true;
		at += (uint64_t)n;
	}
	free(chunk);
	if (error)
		return refused(err, "bytes stopped coming", error);
	if (differs)
		return disagg_err_set(err, DISAGG_INVALID, "bytes came that were not sent");
	*ret_s = (double)(disagg_monotonic_ns() - start) / 1e9;
	return 0;
}

int disagg_caller_put(
	struct disagg_caller *caller, uint64_t len, double *ret_s, struct disagg_err *err)
{
	int64_t start = disagg_monotonic_ns();
	int error = ask(caller, DISAGG_OP_PUT, 0, len);
	unsigned char differs = 1;

	for (uint64_t at = 0; !error && at < len;) {
		size_t from = (size_t)(at % DISAGG_RESPONDER_PATTERN);
		size_t want = DISAGG_RESPONDER_PATTERN - from;

		if (want > len - at)
			want = (size_t)(len - at);
		error = send_all(caller, caller->pattern + from, want);
		at += want;
	}
	if (!error)
		error = recv_all(caller, &differs, 1);
	if (error)
		return refused(err, "bytes were not taken", error);
	if (differs)
		return disagg_err_set(err, DISAGG_INVALID, "bytes arrived changed");
	*ret_s = (double)(disagg_monotonic_ns() - start) / 1e9;
	return 0;
}

int disagg_caller_blob(struct disagg_caller *caller, void *buf, size_t size, size_t *ret_len,
	struct disagg_err *err)
{
	unsigned char length[8];
	int error = ask(caller, DISAGG_OP_BLOB, 0, 0);
	uint64_t len;

	if (!error)
		error = recv_all(caller, length, sizeof(length));
	if (error)
		return refused(err, "no answer came", error);
	len = responder_get64(length);
	if (len > size)
		return disagg_err_set(err, DISAGG_INVALID,
			"an answer of %llu bytes, expected %zu at most", (unsigned long long)len,
			size);
	error = recv_all(caller, buf, (size_t)len);
	if (error)
		return refused(err, "no answer came", error);
	*ret_len = (size_t)len;
	return 0;
}

int disagg_caller_check(struct disagg_caller *caller, uint32_t tag, struct disagg_err *err)
{
	unsigned char differs = 1;
	int error = ask(caller, DISAGG_OP_CHECK, tag, 0);

	if (!error)
		error = recv_all(caller, &differs, 1);
	if (error)
		return refused(err, "no answer came", error);
	if (differs)
		return disagg_err_set(err, DISAGG_INVALID, "bytes arrived changed");
	return 0;
}

int disagg_caller_mtu(const struct disagg_caller *caller)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);

	if (getsockopt(caller->fd, IPPROTO_IP, IP_MTU, &mtu, &len) == 0)
		return mtu;
	len = sizeof(mtu);
	if (getsockopt(caller->fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len) == 0)
		return mtu;
	return 0;
}
