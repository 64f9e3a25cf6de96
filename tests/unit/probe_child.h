/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_PROBE_CHILD_H
#define DISAGG_TESTS_PROBE_CHILD_H

/*
 * Functions of the probe table in children, as the agent runs them, against the
 * stub libraries: what they emit and note comes through a pipe.
 */
#include "lib/probe/probe.h"
#include "tests/unit/tap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHILD_RECORDS 256
#define CHILD_GPUS    8

typedef int probe_function(struct disagg_probe_run *run, struct disagg_err *err);

struct child {
	const char *node, *faults, *args;
	unsigned gpus;
	struct disagg_probe_options options;
	probe_function *run;

	pid_t pid;
	int fd, status; /* status: of waitpid */
	bool late;	/* it was ended */
	struct disagg_arena arena;
	struct disagg_probe_record record[CHILD_RECORDS];
	size_t count;
	char first_note[1024], note[1024]; /* the last */
	int code;			   /* of its err; -1: it has not said */
	char text[512];
	char buf[1 << 16];
	size_t len;
};

/* Runs the test again with the stubs first in the loader's path. */
static inline void use_stubs(char **argv)
{
	char path[4096];
	char *slash;

	if (getenv("PROBE_CHILD_STUBS"))
		return;
	snprintf(path, sizeof(path), "%s", argv[0]);
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	snprintf(slash ? slash : path, sizeof(path) - strlen(path), "/../stubs");
	setenv("LD_LIBRARY_PATH", path, 1);
	setenv("PROBE_CHILD_STUBS", path, 1);
	setenv("NCCL_SOCKET_IFNAME", "lo", 1);
	execv("/proc/self/exe", argv);
	_exit(5);
}

static inline void child_say(struct disagg_probe_run *run, char kind, const char *text)
{
	dprintf(*(int *)run->host, "%c%s\n", kind, text);
}

static inline void child_emit(struct disagg_probe_run *run, const struct disagg_probe_record *given)
{
	struct disagg_probe_record record = *given;
	struct disagg_strbuf text;

	record.probe = "test";
	record.node = run->node;
	disagg_strbuf_init(&text, 0);
	disagg_probe_record_put(&text, &record);
	text.text[text.len - 1] = '\0';
	child_say(run, 'r', text.text);
	disagg_strbuf_release(&text);
}

static inline void child_note(struct disagg_probe_run *run, const char *json)
{
	child_say(run, 'n', json);
}

static inline void child_main(const struct child *child, int fd)
{
	static const char *const uuids[CHILD_GPUS] = {
		"GPU-0", "GPU-1", "GPU-2", "GPU-3", "GPU-4", "GPU-5", "GPU-6", "GPU-7"};
	struct disagg_gpu gpus[CHILD_GPUS] = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_json *args = NULL;
	struct disagg_probe_run run = {.node = child->node,
		.options = &child->options,
		.gpus = gpus,
		.gpu_count = child->gpus,
		.arena = &arena,
		.emit = child_emit,
		.note = child_note,
		.host = &fd};
	char count[16], done[640];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned i = 0; i < child->gpus; i++)
		gpus[i] = (struct disagg_gpu){
			.index = (int)i, .uuid = uuids[i], .name = "NVIDIA H200"};
	snprintf(count, sizeof(count), "%u", child->gpus);
	setenv("STUB_GPUS", count, 1);
	setenv("STUB_NODE", child->node, 1);
	setenv("STUB_FAULTS", child->faults ? child->faults : "", 1);
	if (child->args && disagg_json_parse(&args, child->args, strlen(child->args), &err) != 0)
		_exit(3);
	run.args = args;
	if (child->run(&run, &err) == 0)
		err = (struct disagg_err)DISAGG_ERR_INIT;
	snprintf(done, sizeof(done), "%d %s", (int)err.code, err.text);
	child_say(&run, 'd', done);
	_exit(0);
}

static inline void child_start(struct child *child)
{
	int fds[2];

	fflush(stdout);
	child->code = -1;
	if (pipe2(fds, O_CLOEXEC) != 0)
		_exit(5);
	child->pid = fork();
	if (child->pid == 0)
		child_main(child, fds[1]);
	close(fds[1]);
	child->fd = fds[0];
}

static inline void child_take(struct child *child, char *line)
{
	switch (line[0]) {
	case 'r':
		if (child->count < CHILD_RECORDS &&
			disagg_probe_record_read(&child->arena, line + 1, strlen(line + 1),
				&child->record[child->count], NULL) == 0)
			child->count++;
		break;
	case 'n':
		snprintf(child->note, sizeof(child->note), "%s", line + 1);
		if (!child->first_note[0])
			snprintf(child->first_note, sizeof(child->first_note), "%s", line + 1);
		break;
	case 'd':
		child->code = atoi(line + 1);
		snprintf(child->text, sizeof(child->text), "%s", strchr(line, ' ') + 1);
		break;
	default:
		break;
	}
}

/* false: nothing more comes, or nothing in time */
static inline bool child_read(struct child *child, int timeout_ms)
{
	struct pollfd at = {.fd = child->fd, .events = POLLIN};
	ssize_t got;
	char *end;

	if (poll(&at, 1, timeout_ms) <= 0) {
		child->late = true;
		return false;
	}
	got = read(child->fd, child->buf + child->len, sizeof(child->buf) - 1 - child->len);
	if (got <= 0)
		return false;
	child->len += (size_t)got;
	child->buf[child->len] = '\0';
	while ((end = strchr(child->buf, '\n'))) {
		*end = '\0';
		child_take(child, child->buf);
		child->len -= (size_t)(end + 1 - child->buf);
		memmove(child->buf, end + 1, child->len + 1);
	}
	return true;
}

/* To its end; silent for so long, it is ended. */
static inline void child_end(struct child *child, int silent_ms)
{
	while (child_read(child, silent_ms))
		;
	if (child->late)
		kill(child->pid, SIGKILL);
	close(child->fd);
	waitpid(child->pid, &child->status, 0);
}

static inline void child_free(struct child *child)
{
	disagg_arena_release(&child->arena);
	free(child);
}

static inline struct child *child_new(const char *node, unsigned gpus, probe_function *run)
{
	struct child *child = calloc(1, sizeof(*child));

	if (!child)
		_exit(5);
	child->node = node;
	child->gpus = gpus;
	child->run = run;
	child->options = (struct disagg_probe_options){.sysroot = "",
		.device_root = "",
		.nccl_min_bytes = 64 << 10,
		.nccl_max_bytes = 256 << 10,
		.nccl_iterations = 4};
	return child;
}

/* The record of a parameter (and a rail); NULL. */
static inline const struct disagg_probe_record *child_record(
	const struct child *child, const char *param, int rail)
{
	for (size_t i = 0; i < child->count; i++)
		if (child->record[i].param && strcmp(child->record[i].param, param) == 0 &&
			child->record[i].rail == rail)
			return &child->record[i];
	return NULL;
}

#endif
