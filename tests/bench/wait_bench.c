/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many endpoints in one process: `wait_bench COUNT` prints COUNT ports on a line
 * that refuse.  Lines on stdin: "busy" makes all answer 503, "ready" 200, and
 * each is answered with the wall-clock time in microseconds.  wait.sh measures
 * against it; without an argument there is nothing to do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

static int listener[MOST];
static unsigned count;
static int epoll_fd;
static bool listening, ready;

static int fail(const char *what)
{
	perror(what);
	return 5;
}

static int add_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) ||
		getsockname(fd, (struct sockaddr *)&address, &size))
		return -1;
	listener[count++] = fd;
	printf("%d ", ntohs(address.sin_port));
	return 0;
}

static void watch(int fd, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void listen_all(void)
{
	for (unsigned i = 0; i < count && !listening; i++) {
		listen(listener[i], 64);
		watch(listener[i], (uint64_t)listener[i] | UINT64_C(1) << 32);
	}
	listening = true;
}

static bool obey(void)
{
	char word[64];
	struct timespec now;

	if (!fgets(word, sizeof(word), stdin))
		return false;
	ready = strcmp(word, "ready\n") == 0;
	listen_all();
	clock_gettime(CLOCK_REALTIME, &now);
	printf("%lld\n", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	fflush(stdout);
	return true;
}

static void answer(int fd)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	static const char busy[] = "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n";
	const char *text = ready ? good : busy;
	char request[2048];

	if (recv(fd, request, sizeof(request), 0) <= 0)
		close(fd);
	else if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		close(fd);
}

static int serve(void)
{
	struct epoll_event event[256];

	for (;;) {
		int got = epoll_wait(epoll_fd, event, 256, -1);

		for (int i = 0; i < got; i++) {
			int fd = (int)(uint32_t)event[i].data.u64;

			if (fd == STDIN_FILENO) {
				if (!obey())
					return 0;
			} else if (event[i].data.u64 >> 32) {
				fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
				if (fd >= 0)
					watch(fd, (uint64_t)fd);
			} else {
				answer(fd);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	long wanted;

	if (argc == 1)
		return 0;
	wanted = strtol(argv[1], NULL, 10);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	epoll_fd = epoll_create1(0);
	if (wanted < 1 || wanted > MOST || epoll_fd < 0)
		return fail("wait_bench");
	while (count < (unsigned)wanted) {
		if (add_port())
			return fail("cannot take a port");
	}
	printf("\n");
	fflush(stdout);
	watch(STDIN_FILENO, STDIN_FILENO);
	return serve();
}
