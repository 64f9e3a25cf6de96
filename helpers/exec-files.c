/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/rundir.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_FOLDERS 16

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

/* Links in it are removed, not followed. */
static int remove_folder(const char *path)
{
	if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) == 0)
		return 0;
	return errno == ENOENT ? 0 : -1;
}

/* Only this user's: in /tmp somebody else may have taken the name. */
static int make_scratch(const char *path, struct disagg_err *err)
{
	struct stat st;

	if (lstat(path, &st) == 0 && st.st_uid != geteuid())
		return disagg_err_set(err, DISAGG_SYSTEM,
			"cannot make the folder '%s': somebody else's is there", path);
	if (remove_folder(path) || mkdir(path, 0700))
		return disagg_err_sys(err, "cannot make the folder '%s'", path);
	return 0;
}

void exec_drop_scratch(const struct task *task)
{
	if (task->command.scratch && remove_folder(task->command.scratch))
		fprintf(stderr, "disagg-exec: cannot remove '%s': %m\n", task->command.scratch);
}

int exec_make_folder(struct task *task, const char *name, struct disagg_err *err)
{
	char *path = disagg_arena_printf(task->arena, "%s/%s", task->in.run_dir, name);

	if (!path)
		return disagg_err_nomem(err);
	for (char *c = path + strlen(task->in.run_dir) + 1;; c++) {
		char kept = *c;

		if (kept && kept != '/')
			continue;
		*c = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			return disagg_err_sys(err, "cannot make the folder '%s'", path);
		*c = kept;
		if (!kept)
			return 0;
	}
}

/* Every task writes them, alike and by rename: none waits for another. */
static int write_file(struct task *task, const struct disagg_engine_file *file, const char *tag,
	struct disagg_err *err)
{
	return disagg_rundir_write(task->arena, task->in.run_dir, file->name, tag, file->text,
		strlen(file->text), err);
}

int exec_make_files(struct task *task, struct disagg_err *err)
{
	const struct disagg_command *command = &task->command;
	char tag[320], host[256] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(tag, sizeof(tag), "%s.%d", host, (int)getpid());
	for (unsigned i = 0; i < command->folder_count; i++) {
		if (exec_make_folder(task, command->folder[i], err))
			return -1;
	}
	for (unsigned i = 0; i < command->file_count; i++) {
		if (write_file(task, &command->file[i], tag, err))
			return -1;
	}
	return command->scratch ? make_scratch(command->scratch, err) : 0;
}
