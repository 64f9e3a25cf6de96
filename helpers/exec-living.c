/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/base/fd.h"
#include "lib/base/num.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRON_BYTES (8u * 1024u * 1024u)

/* A process's environment: "NAME=VALUE" and a NUL, again and again. */
struct block {
	const char *bytes;
	size_t len;
};

static const char *value_in(const struct block *block, const char *name)
{
	size_t len = strlen(name);

	for (size_t at = 0; at < block->len; at += strlen(block->bytes + at) + 1) {
		if (strncmp(block->bytes + at, name, len) == 0 && block->bytes[at + len] == '=')
			return block->bytes + at + len + 1;
	}
	return NULL;
}

static bool says(const struct block *block, const char *name, const char *value)
{
	const char *found = value_in(block, name);

	return found && strcmp(found, value) == 0;
}

/* The first process of the task: its children may have other variables, and a
 * shell like this one has another name of the step.  Other nodes' processes are
 * seen where several slurmd share a machine. */
static bool is_task(const struct task *task, const struct block *block, const char *pid)
{
	const char *node = getenv("SLURMD_NODENAME");
	char rank[16];

	snprintf(rank, sizeof(rank), "%u", (unsigned)task->rank);
	return node && says(block, "SLURMD_NODENAME", node) && says(block, "SLURM_TASK_PID", pid) &&
	       says(block, "SLURM_JOB_ID", task->in.job_id) &&
	       says(block, "SLURM_JOB_NAME", task->name) &&
	       says(block, "DISAGG_WORKER", task->name) && says(block, "DISAGG_RANK", rank);
}

static bool read_block(struct disagg_arena *arena, int folder, struct block *ret)
{
	int fd = openat(folder, "environ", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;
	bool found;

	if (fd < 0)
		return false;
	found = fstat(folder, &st) == 0 && st.st_uid == geteuid() &&
		disagg_fd_read_open(arena, fd, "environ", ENVIRON_BYTES, &bytes, &ret->len, NULL) ==
			0;
	close(fd);
	if (found)
		ret->bytes = bytes;
	return found;
}

/* Its folder stays with it, where its number may become another one's. */
static bool look_at(struct task *task, int proc, const char *pid, struct block *ret)
{
	int folder = openat(proc, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct block block;
	bool found;

	if (folder < 0)
		return false;
	found = read_block(&scratch, folder, &block) && is_task(task, &block, pid);
	if (found) {
		char *copy = disagg_arena_alloc(task->arena, block.len + 1);

		if (copy)
			memcpy(copy, block.bytes, block.len + 1);
		*ret = (struct block){copy, block.len};
		task->living = folder;
	} else {
		close(folder);
	}
	disagg_arena_release(&scratch);
	return found;
}

static void find_living(struct task *task, struct block *ret)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int64_t pid;

	while (proc && (entry = readdir(proc))) {
		if (disagg_num_int(entry->d_name, 1, INT32_MAX, &pid) == 0 &&
			look_at(task, dirfd(proc), entry->d_name, ret))
			break;
	}
	if (proc)
		closedir(proc);
}

/* What is about this step and its terminal, not about the worker. */
static bool is_own(const char *entry)
{
	static const char *const prefixes[] = {"SLURM_", "SLURMD_", "SRUN_", "PMI"};
	static const char *const names[] = {
		"TERM=", "COLUMNS=", "LINES=", "PWD=", "OLDPWD=", "SHLVL=", "_="};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

static int set_entry(const char *entry, struct disagg_arena *arena)
{
	size_t len = strcspn(entry, "=");
	const char *name = disagg_arena_strndup(arena, entry, len);

	if (!name)
		return -1;
	return len && entry[len] ? setenv(name, entry + len + 1, 1) : 0;
}

extern char **environ;

static const char **own_entries(struct disagg_arena *arena)
{
	size_t count = 0, kept = 0;
	const char **list;

	while (environ[count])
		count++;
	list = disagg_arena_array(arena, count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		if (!is_own(environ[i]))
			continue;
		list[kept] = disagg_arena_strdup(arena, environ[i]);
		if (!list[kept++])
			return NULL;
	}
	return list;
}

int exec_take_living(struct task *task, struct disagg_err *err)
{
	struct block block = {0};
	const char **own;
	int rc = 0;

	find_living(task, &block);
	if (task->living < 0)
		return 0;
	own = own_entries(task->arena);
	if (!own || !block.bytes)
		return disagg_err_nomem(err);
	clearenv();
	for (size_t at = 0; rc == 0 && at < block.len; at += strlen(block.bytes + at) + 1) {
		if (!is_own(block.bytes + at))
			rc = set_entry(block.bytes + at, task->arena);
	}
	for (; rc == 0 && *own; own++)
		rc = set_entry(*own, task->arena);
	return rc ? disagg_err_sys(err, "cannot set the worker's variables") : 0;
}
