/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/nodelock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t name_of(const char *node, struct sockaddr_un *ret)
{
	int len;

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* behind the zero byte that makes it abstract */
	len = snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "disagg-probe %.64s", node);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Who listens under the name. */
static int tell_holder(const struct sockaddr_un *name, socklen_t len, struct disagg_err *err)
{
	struct ucred who = {0};
	socklen_t size = sizeof(who);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)name, len) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && who.pid)
		disagg_err_set(err, DISAGG_MISSING,
			"another probe run holds the node, process %d of user %u", (int)who.pid,
			(unsigned)who.uid);
	else
		disagg_err_set(err, DISAGG_MISSING, "another probe run holds the node");
	if (fd >= 0)
		close(fd);
	return -1;
}

int disagg_nodelock_take(const char *node, int *ret_fd, struct disagg_err *err)
{
	struct sockaddr_un name;
	socklen_t len = name_of(node, &name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return disagg_err_sys(err, "cannot lock the node");
	if (bind(fd, (const struct sockaddr *)&name, len) == 0 && listen(fd, 4) == 0) {
		*ret_fd = fd;
		return 0;
	}
	rc = errno == EADDRINUSE ? tell_holder(&name, len, err)
				 : disagg_err_sys(err, "cannot lock the node");
	close(fd);
	return rc;
}
