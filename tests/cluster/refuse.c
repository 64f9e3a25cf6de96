/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SPANK plugin for tests: refuses or delays the step NAME of a job whose
 * environment has REFUSE=FOLDER, as files there say.  NAME.srun: srun refuses it;
 * NAME.task: its tasks are refused; either with .once behind it: only the next
 * time; NAME.slow: srun waits until the file is gone.
 */
#include <stdint.h>
#pragma GCC visibility push(default)
#include <slurm/spank.h>
SPANK_PLUGIN(refuse, 1)
#pragma GCC visibility pop
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOW_TRIES 600
#define TRY_US	   50000

/* srun's --job-name, which is the step's name; "" where there is none. */
static void own_name(char *name, size_t size)
{
	static const char option[] = "--job-name=";
	char line[8192];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);

	name[0] = '\0';
	if (fd >= 0)
		close(fd);
	line[got > 0 ? got : 0] = '\0';
	for (char *word = line; word < line + got; word += strlen(word) + 1) {
		if (strncmp(word, option, strlen(option)) == 0)
			snprintf(name, size, "%s", word + strlen(option));
	}
}

static int is_there(const char *folder, const char *name, const char *kind)
{
	char path[2048];

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, kind);
	return access(path, F_OK) == 0;
}

static int is_refused(const char *folder, const char *name, const char *kind)
{
	char path[2048];

	if (is_there(folder, name, kind))
		return 1;
	snprintf(path, sizeof(path), "%s/%s.%s.once", folder, name, kind);
	return unlink(path) == 0;
}

int slurm_spank_local_user_init(spank_t spank, int count, char **word)
{
	const char *folder = getenv("REFUSE");
	char name[256];

	(void)spank;
	(void)count;
	(void)word;
	if (!folder)
		return 0;
	own_name(name, sizeof(name));
	for (int i = 0; i < SLOW_TRIES && is_there(folder, name, "slow"); i++)
		usleep(TRY_US);
	if (!is_refused(folder, name, "srun"))
		return 0;
	slurm_error("refused by the test: %s", name);
	return -1;
}

int slurm_spank_task_init(spank_t spank, int count, char **word)
{
	char folder[1024], name[256];

	(void)count;
	(void)word;
	if (spank_getenv(spank, "REFUSE", folder, sizeof(folder)) != ESPANK_SUCCESS ||
		spank_getenv(spank, "DISAGG_WORKER", name, sizeof(name)) != ESPANK_SUCCESS ||
		!is_refused(folder, name, "task"))
		return 0;
	slurm_error("refused by the test: %s", name);
	return -1;
}
