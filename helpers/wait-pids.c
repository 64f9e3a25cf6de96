/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/wait.h"

#include "lib/base/num.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* A descriptor that is readable from now on, in place of a process that is gone. */
static int ended_fd(void)
{
	return eventfd(1, EFD_CLOEXEC);
}

int wait_add_pid(const struct helper *helper, struct wait_pids *pids, const char *text)
{
	struct epoll_event event = {.events = EPOLLIN};
	int64_t pid;
	int fd;

	if (disagg_num_int(text, 1, INT32_MAX, &pid))
		return helper_usage(helper, "--pid: expected a process id, got '%s'", text);
	if (pids->epoll_fd < 0)
		pids->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0 && errno == ESRCH)
		fd = ended_fd();
	event.data.u64 = (uint64_t)pid;
	if (fd < 0 || epoll_ctl(pids->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		return helper_fail(helper, DISAGG_SYSTEM, "cannot watch process %s: %m", text);
	pids->count++;
	return 0;
}

int wait_pids_alive(const struct wait_pids *pids, struct disagg_err *err)
{
	struct epoll_event event;

	if (epoll_wait(pids->epoll_fd, &event, 1, 0) <= 0)
		return 0;
	return disagg_err_set(err, DISAGG_DIED, "process %u has ended", (unsigned)event.data.u64);
}
