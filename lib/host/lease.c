/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/lease.h"
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NAME "disagg-port-%d" /* behind the zero byte that makes it abstract */

static int bind_name(int port)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, NAME, port);
	int why;

	if (fd < 0 || len < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
		return fd;
	why = errno;
	close(fd);
	errno = why;
	return -1;
}

/* As a server opens it: with SO_REUSEADDR, so that connections of an earlier
 * one that are still in TIME_WAIT do not count. */
static bool can_bind(int family, const struct sockaddr *address, socklen_t len)
{
	const int on = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good;

	if (fd < 0) /* no IPv6 here */
		return errno == EAFNOSUPPORT;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	good = bind(fd, address, len) == 0 || errno != EADDRINUSE;
	close(fd);
	return good;
}

static bool is_open(int port)
{
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	const struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	return !can_bind(AF_INET, (const struct sockaddr *)&v4, sizeof(v4)) ||
	       !can_bind(AF_INET6, (const struct sockaddr *)&v6, sizeof(v6));
}

static int keep(struct disagg_lease *lease, int fd)
{
	unsigned size = lease->size ? 2 * lease->size : 64;
	int *grown;

	if (lease->count == lease->size) {
		grown = reallocarray(lease->fd, size, sizeof(*grown));
		if (!grown)
			return -1;
		lease->fd = grown;
		lease->size = size;
	}
	lease->fd[lease->count++] = fd;
	return 0;
}

/* 0, 1 or -1, as disagg_lease_take. */
static int take_port(struct disagg_lease *lease, int port, struct disagg_lease_conflict *ret,
	struct disagg_err *err)
{
	int fd = bind_name(port);

	if (fd < 0 && errno == EADDRINUSE) {
		*ret = (struct disagg_lease_conflict){port, DISAGG_LEASE_HELD};
		return 1;
	}
	if (fd < 0)
		return disagg_err_sys(err, "cannot hold port %d", port);
	if (keep(lease, fd)) {
		close(fd);
		return disagg_err_nomem(err);
	}
	if (!is_open(port))
		return 0;
	*ret = (struct disagg_lease_conflict){port, DISAGG_LEASE_OPEN};
	return 1;
}

int disagg_lease_take(struct disagg_lease *lease, const struct disagg_portset *set,
	struct disagg_lease_conflict *ret, struct disagg_err *err)
{
	int rc = 0;

	for (int port = disagg_portset_next(set, 1); port && rc == 0;
		port = disagg_portset_next(set, port + 1))
		rc = take_port(lease, port, ret, err);
	if (rc)
		disagg_lease_release(lease);
	return rc;
}

void disagg_lease_release(struct disagg_lease *lease)
{
	for (unsigned i = 0; i < lease->count; i++)
		close(lease->fd[i]);
	free(lease->fd);
	*lease = (struct disagg_lease){0};
}
