/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gather.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * The environments of NODES (1000) nodes of 300 keys gathered and compared: one
 * process is all nodes, each with a connection of its own over the loopback and
 * the messages of env.fingerprint; this one is the lead.  7 nodes have another
 * driver, 3 another package.  Prints; asserts nothing but the result.
 */
enum { KEYS = 300, MOST = 16384, LINE = 65536 };

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- nodes ---- */

static void make(struct disagg_arena *arena, unsigned kind, struct disagg_fingerprint *ret)
{
	static const enum disagg_fingerprint_part parts[] = {DISAGG_ENV_KERNEL, DISAGG_ENV_SYSCTL,
		DISAGG_ENV_CUDA, DISAGG_ENV_ENV, DISAGG_ENV_PYTHON, DISAGG_ENV_PYTHON};
	char key[64], value[64];

	disagg_fingerprint_add(
		arena, ret, DISAGG_ENV_DRIVER, "version", kind == 1 ? "570.86.15" : "580.65.06");
	for (unsigned i = 1; i < KEYS; i++) {
		snprintf(key, sizeof(key), "key%03u", i);
		snprintf(value, sizeof(value), "value-%u-of-some-length%s", i,
			kind == 2 && i == KEYS - 1 ? "-other" : "");
		disagg_fingerprint_add(arena, ret, parts[i % 6], key, value);
	}
	disagg_fingerprint_finish(ret);
}

static unsigned kind_of(unsigned node)
{
	return node % 143 == 5 ? 1 : node % 333 == 7 ? 2 : 0;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return -1;
		text += sent > 0 ? sent : 0;
		len -= sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

/* One line of a blocking socket. */
static ssize_t get_line(int fd, char *line)
{
	size_t len = 0;

	while (len < LINE - 1) {
		ssize_t got = recv(fd, line + len, LINE - 1 - len, 0);

		if (got <= 0)
			return -1;
		len += (size_t)got;
		if (line[len - 1] == '\n') {
			line[len] = '\0';
			return (ssize_t)len;
		}
	}
	return -1;
}

static void answer(int fd, const struct disagg_fingerprint *print, const char *line, size_t len)
{
	struct disagg_strbuf text;
	struct disagg_json *json = NULL;
	int64_t part, from;

	if (disagg_json_parse(&json, line, len, NULL) ||
		disagg_json_int(disagg_json_at(json, "part"), &part) ||
		disagg_json_int(disagg_json_at(json, "from"), &from))
		return;
	disagg_strbuf_init(&text, 0);
	disagg_gather_put_pairs(&text, print, (enum disagg_fingerprint_part)part, (size_t)from);
	disagg_strbuf_putc(&text, '\n');
	send_all(fd, text.text, text.len);
	disagg_strbuf_release(&text);
	disagg_json_free(json);
}

static int be_nodes(int port, unsigned nodes)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_fingerprint print[3] = {0};
	static struct pollfd poll_fd[MOST];
	static char line[LINE];

	for (unsigned kind = 0; kind < 3; kind++)
		make(&arena, kind, &print[kind]);
	for (unsigned i = 0; i < nodes; i++) {
		struct disagg_strbuf text;

		poll_fd[i] =
			(struct pollfd){.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN};
		if (poll_fd[i].fd < 0 || connect(poll_fd[i].fd, (void *)&to, sizeof(to)))
			return 1;
		disagg_strbuf_init(&text, 0);
		disagg_strbuf_printf(&text, "%u ", i);
		disagg_gather_put_digests(&text, &print[kind_of(i)]);
		disagg_strbuf_putc(&text, '\n');
		if (text.failed || send_all(poll_fd[i].fd, text.text, text.len))
			return 1;
		disagg_strbuf_release(&text);
	}
	for (unsigned open = nodes; open && poll(poll_fd, nodes, -1) > 0;)
		for (unsigned i = 0; i < nodes; i++) {
			ssize_t len;

			if (!poll_fd[i].revents)
				continue;
			len = get_line(poll_fd[i].fd, line);
			if (len > 0) {
				answer(poll_fd[i].fd, &print[kind_of(i)], line, (size_t)len);
				continue;
			}
			close(poll_fd[i].fd);
			poll_fd[i].fd = -1;
			open--;
		}
	return 0;
}

/* ---- the lead ---- */

struct lead {
	struct disagg_gather *gather;
	int fd[MOST]; /* by node */
	unsigned nodes;
	size_t bytes;
};

static int take_nodes(struct lead *lead, int listen_fd)
{
	static char line[LINE];

	for (unsigned i = 0; i < lead->nodes; i++) {
		struct disagg_json *json = NULL;
		int fd = accept(listen_fd, NULL, NULL);
		ssize_t len = fd < 0 ? -1 : get_line(fd, line);
		unsigned node = 0;
		char *at = line;

		if (len < 0)
			return -1;
		for (; *at >= '0' && *at <= '9'; at++)
			node = node * 10 + (unsigned)(*at - '0');
		lead->bytes += (size_t)len;
		lead->fd[node] = fd;
		if (disagg_json_parse(&json, at, strlen(at), NULL) ||
			disagg_gather_take_digests(lead->gather, node, json, NULL))
			return -1;
		disagg_json_free(json);
	}
	return 0;
}

static int ask(struct lead *lead)
{
	struct disagg_gather_question question[64];
	static char line[LINE];
	size_t count;

	while ((count = disagg_gather_questions(lead->gather, question, 64)) > 0)
		for (size_t i = 0; i < count; i++) {
			struct disagg_json *json = NULL;
			int len = snprintf(line, sizeof(line), "{\"part\":%d,\"from\":%zu}\n",
				(int)question[i].part, question[i].from);
			ssize_t got;

			if (send_all(lead->fd[question[i].node], line, (size_t)len))
				return -1;
			got = get_line(lead->fd[question[i].node], line);
			if (got < 0 || disagg_json_parse(&json, line, (size_t)got, NULL) ||
				disagg_gather_take_pairs(lead->gather, &question[i], json, NULL))
				return -1;
			lead->bytes += (size_t)got;
			disagg_json_free(json);
		}
	return 0;
}

static int be_lead(struct lead *lead, int listen_fd, struct disagg_arena *arena)
{
	const char **name = disagg_arena_array(arena, lead->nodes, sizeof(*name));
	struct disagg_gather_result result;
	struct rusage usage;
	double start = now_s();
	size_t records = 0;

	for (unsigned i = 0; name && i < lead->nodes; i++)
		name[i] = disagg_arena_printf(arena, "n%05u", i);
	lead->gather = name ? disagg_gather_new(arena, name, lead->nodes) : NULL;
	if (!lead->gather || take_nodes(lead, listen_fd) || ask(lead) ||
		disagg_gather_compare(lead->gather, NULL, &result, NULL))
		return -1;
	for (size_t i = 0; i < result.count; i++) {
		const struct disagg_gather_difference *difference = &result.difference[i];

		for (size_t k = 1; k < difference->count; k++)
			for (size_t n = 0; n < difference->value[k].nodes; n++) {
				struct disagg_probe_record record;

				if (disagg_gather_record(lead->gather, difference, k,
					    difference->value[k].node[n], &record))
					return -1;
				records++;
				if (n == 0)
					printf("  %s %s\n", record.param, record.reason);
			}
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%u environments of %d keys gathered and compared: %.3f s, %.2f MB received, peak "
	       "%.1f MiB, %zu keys differ, %zu records\n",
		lead->nodes, KEYS, now_s() - start, (double)lead->bytes / 1e6,
		(double)usage.ru_maxrss / 1024, result.count, records);
	return result.count == 2 ? 0 : -1;
}

int main(int argc, char **argv)
{
	static struct lead lead;
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rlimit limit;
	socklen_t len = sizeof(at);
	int listen_fd = socket(AF_INET, SOCK_STREAM, 0), rc;
	pid_t pid;

	lead.nodes = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (lead.nodes < 3 || lead.nodes > MOST || listen_fd < 0 ||
		bind(listen_fd, (void *)&at, sizeof(at)) || listen(listen_fd, 4096) ||
		getsockname(listen_fd, (void *)&at, &len))
		return 5;
	pid = fork();
	if (pid == 0)
		_exit(be_nodes(ntohs(at.sin_port), lead.nodes));
	rc = be_lead(&lead, listen_fd, &arena);
	for (unsigned i = 0; i < lead.nodes; i++)
		if (lead.fd[i] > 0)
			close(lead.fd[i]);
	waitpid(pid, NULL, 0);
	disagg_arena_release(&arena);
	return rc ? 5 : 0;
}
