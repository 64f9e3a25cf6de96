/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_LOOPBACK_H
#define DISAGG_TESTS_LOOPBACK_H

/* Small servers on loopback, each a child of the test that serves one
 * connection after another; they end with the test. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* `request` is what came before the blank line; `number` counts from 0. */
typedef void loopback_serve(int fd, const char *request, unsigned number, const void *context);

struct loopback {
	int port;
	int fd; /* of a port that nobody listens at */
	pid_t pid;
};

static inline int loopback_bind(int *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) ||
		getsockname(fd, (struct sockaddr *)&address, &size)) {
		perror("loopback");
		exit(5);
	}
	*ret_port = ntohs(address.sin_port);
	return fd;
}

/* A port that refuses until the test ends. */
static inline struct loopback loopback_closed(void)
{
	struct loopback server = {.pid = -1};

	server.fd = loopback_bind(&server.port);
	return server;
}

static inline void loopback_send(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline void loopback_answer(int fd, int status, const char *body)
{
	char head[128];

	snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status,
		strlen(body));
	loopback_send(fd, head);
	loopback_send(fd, body);
}

static inline void loopback_loop(int listener, loopback_serve *serve, const void *context)
{
	for (unsigned number = 0;; number++) {
		char request[4096] = "";
		size_t len = 0;
		int fd = accept(listener, NULL, NULL);

		while (serve && fd >= 0 && !strstr(request, "\r\n\r\n")) {
			ssize_t got = recv(fd, request + len, sizeof(request) - len - 1, 0);

			if (got <= 0)
				break;
			len += (size_t)got;
		}
		if (serve && len)
			serve(fd, request, number, context);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}

/* serve NULL: accepts and closes. */
static inline struct loopback loopback_start(loopback_serve *serve, const void *context)
{
	struct loopback server = {.fd = -1};
	int listener = loopback_bind(&server.port);

	listen(listener, 64);
	fflush(NULL);
	server.pid = fork();
	if (server.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		loopback_loop(listener, serve, context);
	}
	close(listener);
	return server;
}

static inline void loopback_stop(struct loopback *server)
{
	if (server->fd >= 0)
		close(server->fd);
	if (server->pid > 0) {
		kill(server->pid, SIGKILL);
		waitpid(server->pid, NULL, 0);
	}
	server->pid = -1;
	server->fd = -1;
}

#endif
