/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/num.h"
#include "lib/host/jobs.h"
#include "lib/host/stepenv.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_RESTARTS 999

extern char **environ;

/* Root reads nothing in a folder that a user may have filled: it becomes that user. */
static int become_owner(const char *dir, struct disagg_err *err)
{
	struct stat st;
	struct passwd *entry;
	gid_t gid;

	if (geteuid() != 0)
		return 0;
	if (lstat(dir, &st) != 0)
		return disagg_err_sys(err, "cannot look at '%s'", dir);
	if (!S_ISDIR(st.st_mode))
		return disagg_err_set(err, DISAGG_MISSING, "'%s' is no folder", dir);
	if (st.st_uid == 0)
		return 0;
	entry = getpwuid(st.st_uid);
	if (!entry)
		return disagg_err_set(err, DISAGG_SYSTEM, "there is no user with the number %u",
			(unsigned)st.st_uid);
	/* not the folder's group, which may be one that the user is not in */
	gid = entry->pw_gid;
	if (initgroups(entry->pw_name, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
		setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return disagg_err_sys(err, "cannot become the owner of '%s'", dir);
	return 0;
}

static const char *absolute(struct disagg_arena *arena, const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return path;
	return disagg_arena_printf(arena, "%s/%s", cwd, path);
}

static const char *without_slash(struct disagg_arena *arena, const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	return disagg_arena_strndup(arena, path, len);
}

static const char *parent(struct disagg_arena *arena, const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 1 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return disagg_arena_strndup(arena, path, len);
}

/* 0, or the errno of why it is not there. */
static int absence(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		return errno;
	return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return path && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static const char *name_run(struct pack *pack, const char *base, int restart)
{
	return restart ? disagg_arena_printf(&pack->arena, "%s.%d", base, restart)
		       : disagg_arena_strdup(&pack->arena, base);
}

/* The most that Slurm's count allows; -1: it is not told. */
static int most_restarts(const struct pack *pack)
{
	return pack->restarts < MOST_RESTARTS ? pack->restarts : MOST_RESTARTS;
}

/* A job that never came to disagg-run has no run directory yet; one that was requeued has
 * several, and the last is meant: SLURM_JOB_RESTART_COUNT of an epilog is that of its run or
 * already that of the next, and a run that ended early has left none. */
static const char *last_run(struct pack *pack, const char *base)
{
	int restart = most_restarts(pack);

	while (restart > 0 && !is_folder(name_run(pack, base, restart)))
		restart--;
	if (restart < 0) {
		restart = 0;
		while (restart < MOST_RESTARTS && is_folder(name_run(pack, base, restart + 1)))
			restart++;
	}
	return name_run(pack, base, restart);
}

/* ---- a node that does not see the run directory ---- */

static const char *objection(const struct stat *st)
{
	if (st->st_uid != geteuid())
		return "is another user's";
	if (!S_ISDIR(st->st_mode))
		return "is no folder";
	return st->st_mode & (S_IWGRP | S_IWOTH) ? "can be written by others" : NULL;
}

/* Anybody may make one of that name in /tmp, but not one that is this user's.  -1, and why. */
static int open_own(const char *dir, const char **why)
{
	struct stat st;
	int fd;

	*why = "cannot be made";
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return -1;
	*why = "cannot be opened";
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 ? fstat(fd, &st) == 0 : lstat(dir, &st) == 0) {
		const char *against = objection(&st);

		if (fd >= 0 && !against)
			return fd;
		*why = against ? against : *why;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool has_own_part(const struct pack *pack, int fd)
{
	char name[512];
	struct stat st;

	snprintf(name, sizeof(name), PACK_PARTS "/%s.%s", pack->node, pack->stage);
	return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of the runs that it may be, the first that has no such part of this node's. */
static const char *take_stand_in(struct pack *pack, const char *base, int first, int last)
{
	const char *path, *why = NULL;
	int fd;

	for (int restart = first;; restart++) {
		path = name_run(pack, base, restart);
		fd = path ? open_own(path, &why) : -1;
		if (fd < 0 || restart >= last || !has_own_part(pack, fd))
			break;
		close(fd);
	}
	if (fd >= 0)
		pack->run_fd = fd;
	else if (path)
		pack->not_instead = disagg_arena_printf(&pack->arena, "'%s' %s", path, why);
	return fd >= 0 ? path : NULL;
}

static const char *stand_in(struct pack *pack, const char *dir, int why, enum pack_whose whose)
{
	const char *const places[] = {pack->spare, "/tmp"};
	const char *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir;
	const char *prefix = strncmp(name, "disagg-", 7) == 0 ? "" : "disagg-", *path = NULL;
	int last = most_restarts(pack), first = last > 0 ? last - 1 : 0;

	/* a part that is asked for is of the run that was said */
	if (whose != PACK_OF_EPILOG)
		first = last = 0;
	else if (last < 0)
		last = MOST_RESTARTS;
	pack->not_here = dir;
	pack->not_why = disagg_arena_strdup(&pack->arena, strerror(why));
	for (size_t i = 0; *name && !path && i < sizeof(places) / sizeof(*places); i++) {
		const char *base = places[i] ? disagg_arena_printf(&pack->arena, "%s/%s%s",
						       places[i], prefix, name)
					     : NULL;

		path = base ? take_stand_in(pack, base, first, last) : NULL;
	}
	return path;
}

static const char *run_of_epilog(struct pack *pack, const char *word)
{
	const char *dir = last_run(pack, word);
	int why = dir ? absence(dir) : 0;

	if (why == ENOENT)
		why = mkdir(dir, 0755) == 0 || errno == EEXIST ? absence(dir) : errno;
	return why ? stand_in(pack, dir, why, PACK_OF_EPILOG) : dir;
}

static const char *run_of_part(struct pack *pack, const char *word)
{
	int why = absence(word);

	/* whose part it is root cannot tell: as root it would write where a user points */
	return why && geteuid() != 0 ? stand_in(pack, word, why, PACK_OF_PART) : word;
}

int pack_check_run(struct pack *pack, struct disagg_err *err)
{
	static const char *const left[] = {
		"state.json", "config.yaml", "plan.json", "exits", "parts", "pack.log", NULL};
	struct stat st;

	for (unsigned i = 0; left[i]; i++) {
		const char *path =
			disagg_arena_printf(&pack->arena, "%s/%s", pack->run_dir, left[i]);

		if (path && lstat(path, &st) == 0)
			return 0;
	}
	return disagg_err_set(err, DISAGG_MISSING,
		"'%s' is no run directory: expected state.json, config.yaml, exits or parts in it; "
		"where it is one all the same, say --job=ID",
		pack->run_dir);
}

static const char *run_of(struct pack *pack, const char *word, enum pack_whose whose)
{
	bool is_path = strchr(word, '/') != NULL;
	struct stat st;

	word = without_slash(&pack->arena, word);
	if (!word)
		return NULL;
	if (whose == PACK_OF_EPILOG)
		return run_of_epilog(pack, word);
	if (whose == PACK_OF_PART && is_path)
		return run_of_part(pack, word);
	if (lstat(word, &st) == 0 && S_ISDIR(st.st_mode))
		return word;
	return disagg_jobs_run(&pack->arena, word, getenv("PATH"), (const char *const *)environ);
}

int pack_find(struct pack *pack, const char *word, enum pack_whose whose, struct disagg_err *err)
{
	const char *dir = run_of(pack, word, whose);

	if (!dir && pack->not_instead)
		return disagg_err_set(err, DISAGG_MISSING,
			"there is no '%s' on this node (%s), and %s", pack->not_here, pack->not_why,
			pack->not_instead);
	if (!dir)
		return disagg_err_set(err, DISAGG_MISSING,
			"no run of '%s' is found here or in the job's working directory: expected a "
			"job's number, or the path of its run directory",
			word);
	pack->run_dir = absolute(&pack->arena, dir);
	if (!pack->run_dir)
		return disagg_err_nomem(err);
	if (become_owner(pack->run_dir, err) != 0)
		return -1;
	if (!pack->out_dir)
		pack->out_dir = parent(&pack->arena, pack->run_dir);
	return pack->out_dir ? 0 : disagg_err_nomem(err);
}

void pack_read_name(struct pack *pack)
{
	char *path = realpath(pack->run_dir, NULL), *name, *dot;
	const char *job = NULL;
	int64_t number, restart = 0;

	name = path ? strrchr(path, '/') + 1 : NULL;
	if (name && strncmp(name, "disagg-", 7) == 0)
		name += 7;
	dot = name ? strchr(name, '.') : NULL;
	if (dot)
		*dot = '\0';
	if (name && disagg_num_int(name, 1, UINT32_MAX, &number) == 0 &&
		(!dot || disagg_num_int(dot + 1, 1, MOST_RESTARTS, &restart) == 0))
		job = disagg_arena_strdup(&pack->arena, name);
	free(path);
	if (job && !pack->job_id)
		pack->job_id = job;
	if (job && strcmp(job, pack->job_id) == 0)
		pack->restart = (int)restart;
}

const char *pack_this_node(struct disagg_arena *arena)
{
	const char *name = getenv("SLURMD_NODENAME");
	char host[256] = "node";

	if (name && *name && !strchr(name, '/'))
		return name;
	gethostname(host, sizeof(host) - 1);
	return disagg_arena_strndup(arena, host, strcspn(host, "./"));
}

/* The nodes that state.json tells of, where nobody has said which. */
void pack_nodes_of_state(struct pack *pack)
{
	const struct disagg_state *state = &pack->state;
	const char **names =
		disagg_arena_array(&pack->arena, state->unit_count + 1, sizeof(*names));
	unsigned count = 0;

	for (unsigned i = 0; names && pack->has_state && i < state->unit_count; i++) {
		const char *host = state->unit[i]->host;
		unsigned j = 0;

		while (host && j < count && strcmp(names[j], host) != 0)
			j++;
		if (host && j == count)
			names[count++] = host;
	}
	pack->nodes = (struct disagg_hostlist){.name = names, .count = count};
}

/* Where an epilog was told no list of nodes, and in a call by hand: disagg-run has left it. */
int pack_nodes_of_run(struct pack *pack, struct disagg_err *err)
{
	struct disagg_stepenv left;
	const char *list = NULL;

	if (disagg_stepenv_read(&pack->arena, pack->run_dir, &left, NULL) == 0)
		list = disagg_envlist_get(&left.env, "SLURM_JOB_NODELIST");
	return list ? disagg_hostlist_parse(&pack->arena, list, &pack->nodes, err) : 0;
}
