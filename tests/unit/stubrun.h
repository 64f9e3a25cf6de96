/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBRUN_H
#define DISAGG_TESTS_STUBRUN_H

/*
 * Runs a probe against the stub libraries, in a process of its own: the loader
 * reads LD_LIBRARY_PATH when a program starts.  A test's main begins with
 * stub_run_main(), which is all that happens in that process.
 */
#include "lib/base/fd.h"
#include "lib/probe/devices.h"
#include "lib/probe/probe.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STUB_RECORDS = 128, STUB_FD = 9, STUB_HANG_MS = 500 };

struct stub_run {
	const char *probe;
	int gpu;	    /* position; -1: the node */
	const char *faults; /* STUB_FAULTS; NULL: none */
	const char *set;    /* "STUB_NOISE=2 STUB_SEED=3"; NULL */
	const char *libs;   /* folders beside the test's, ':' between; NULL: "stubs"; "": none */
	unsigned suite;
};

struct stub_outcome {
	struct disagg_arena arena;
	size_t count;
	struct disagg_probe_record record[STUB_RECORDS];
	int code; /* enum disagg_code; -1: it did not come to an end */
	char text[512];
	int status; /* of wait */
};

static inline void stub_run_emit(
	struct disagg_probe_run *run, const struct disagg_probe_record *given)
{
	struct disagg_probe_record record = *given;
	struct disagg_strbuf text;

	record.probe = record.probe ? record.probe : run->host;
	record.node = record.node ? record.node : run->node;
	if (record.gpu < 0 && run->gpu)
		record.gpu = run->gpu->index;
	disagg_strbuf_init(&text, 0);
	disagg_probe_record_put(&text, &record);
	if (write(STUB_FD, text.text, text.len) != (ssize_t)text.len)
		_exit(3);
	disagg_strbuf_release(&text);
}

static inline int stub_run_probe(char **argv, struct disagg_err *err)
{
	static struct disagg_arena arena;
	static const struct disagg_probe_options defaults = {.sysroot = "/nonexistent",
		.gemm_size = 128,
		.gemm_ms = 10,
		.copy_bytes = 256 << 10};
	struct disagg_probe_options options = defaults;
	const struct disagg_probe *probe = disagg_probe_find(argv[2]);
	struct disagg_probe_run run = {.node = "n1", .arena = &arena, .emit = stub_run_emit};
	struct disagg_gpu *gpus;
	int at = atoi(argv[3]);

	options.suite = (unsigned)atoi(argv[4]);
	run.options = &options;
	run.host = argv[2];
	if (disagg_devices_list(
		    &arena, getenv("CUDA_VISIBLE_DEVICES"), &gpus, &run.gpu_count, err) != 0)
		return -1;
	run.gpus = gpus;
	if (at >= (int)run.gpu_count)
		return disagg_err_set(err, DISAGG_MISSING, "no GPU %d", at);
	if (at >= 0) {
		run.gpu = &gpus[at];
		setenv("CUDA_VISIBLE_DEVICES", run.gpu->uuid, 1);
	}
	return probe->run(&run, err);
}

/* In the process that is started for a probe it does not return. */
static inline void stub_run_main(int argc, char **argv)
{
	const struct itimerval limit = {.it_value.tv_usec = STUB_HANG_MS * 1000};
	struct disagg_err err = DISAGG_ERR_INIT;

	if (argc != 5 || strcmp(argv[1], "stub-run") != 0)
		return;
	if (strstr(getenv("STUB_FAULTS") ? getenv("STUB_FAULTS") : "", "hang"))
		setitimer(ITIMER_REAL, &limit, NULL);
	stub_run_probe(argv, &err);
	dprintf(STUB_FD, "done %d %s\n", (int)err.code, err.text);
	_exit(0);
}

static inline void stub_run_libs(const char *libs)
{
	char self[512], paths[2048] = "", *rest, *part, *copy = strdup(libs);
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len < 0 ? 0 : len] = '\0';
	*strrchr(self, '/') = '\0';
	rest = copy;
	while ((part = strsep(&rest, ":")))
		if (*part)
			snprintf(paths + strlen(paths), sizeof(paths) - strlen(paths), "%s%s/../%s",
				*paths ? ":" : "", self, part);
	free(copy);
	setenv("LD_LIBRARY_PATH", paths, 1);
}

static inline void stub_run_start(const struct stub_run *given, int fd, const char *const *argv)
{
	char *set = strdup(given->set ? given->set : ""), *word;

	stub_run_libs(given->libs ? given->libs : "stubs");
	setenv("STUB_NODE", "n1", 1);
	setenv("STUB_FAULTS", given->faults ? given->faults : "", 1);
	unsetenv("CUDA_VISIBLE_DEVICES");
	while ((word = strsep(&set, " ")))
		if (*word)
			putenv(word);
	if (dup2(fd, STUB_FD) == STUB_FD)
		execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

/* Starts this program again and returns what it writes to STUB_FD; the caller frees it. */
static inline char *stub_run_argv(
	const struct stub_run *given, const char *const *argv, int *ret_status)
{
	enum { MOST = 65536 };
	char *text = malloc(MOST);
	size_t len = 0;
	ssize_t got;
	int fds[2];
	pid_t pid;

	if (!text || pipe(fds) != 0)
		abort();
	pid = fork();
	if (pid == 0)
		stub_run_start(given, fds[1], argv);
	close(fds[1]);
	while ((got = read(fds[0], text + len, MOST - 1 - len)) > 0)
		len += (size_t)got;
	close(fds[0]);
	text[len] = '\0';
	waitpid(pid, ret_status, 0);
	return text;
}

/* The same for a test's own work, which its main does for these two arguments. */
static inline char *stub_run_text(struct stub_run given, const char *what, const char *which)
{
	const char *const argv[] = {"stub", what, which, NULL};
	int status;

	return stub_run_argv(&given, argv, &status);
}

static inline void stub_run_read(struct stub_outcome *ret, char *text)
{
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "done %d %511[^\n]", &ret->code, ret->text) >= 1 || !*line)
			continue;
		if (ret->count < STUB_RECORDS &&
			disagg_probe_record_read(&ret->arena, line, strlen(line),
				&ret->record[ret->count], NULL) == 0)
			ret->count++;
	}
}

/* Released with stub_outcome_release. */
static inline struct stub_outcome *stub_run(struct stub_run given)
{
	struct stub_outcome *ret = calloc(1, sizeof(*ret));
	char gpu[16], suite[16], *text;
	const char *const argv[] = {"stub", "stub-run", given.probe, gpu, suite, NULL};

	if (!ret)
		abort();
	ret->code = -1;
	snprintf(gpu, sizeof(gpu), "%d", given.gpu);
	snprintf(suite, sizeof(suite), "%u", given.suite);
	text = stub_run_argv(&given, argv, &ret->status);
	stub_run_read(ret, text);
	free(text);
	return ret;
}

static inline void stub_outcome_release(struct stub_outcome *outcome)
{
	disagg_arena_release(&outcome->arena);
	free(outcome);
}

#endif
