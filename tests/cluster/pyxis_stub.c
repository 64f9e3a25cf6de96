/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for pyxis (NVIDIA/pyxis 0.24.0) in tests of what disagg-run tells it:
 * the same options with the same refusals, and of a container what a test can see
 * of it.  Its "image" is the node's own file system with an empty /run, the mounts
 * that were asked for, and a few variables; it takes a second to unpack, and a step
 * that meets a half unpacked one fails, as with enroot.
 *
 *	required pyxis_stub.so DIR	what each node has unpacked goes below DIR
 */
#include <slurm/spank.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

SPANK_PLUGIN(pyxis_stub, 1)

enum {
	IMAGE,
	MOUNTS,
	WORKDIR,
	NAME,
	SAVE,
	ENVIRON,
	UNSHARE,
	HOME,
	NO_HOME,
	ROOT,
	NO_ROOT,
	ENTRY,
	NO_ENTRY,
	ENTRY_LOG,
	WRITABLE,
	READONLY,
	COUNT
};

static const struct {
	const char *name;
	int has_value, opposite; /* -1: none */
} rows[COUNT] = {
	[IMAGE] = {"container-image", 1, -1},
	[MOUNTS] = {"container-mounts", 1, -1},
	[WORKDIR] = {"container-workdir", 1, -1},
	[NAME] = {"container-name", 1, -1},
	[SAVE] = {"container-save", 1, -1},
	[ENVIRON] = {"container-env", 1, -1},
	[UNSHARE] = {"container-unshare", 1, -1},
	[HOME] = {"container-mount-home", 0, NO_HOME},
	[NO_HOME] = {"no-container-mount-home", 0, HOME},
	[ROOT] = {"container-remap-root", 0, NO_ROOT},
	[NO_ROOT] = {"no-container-remap-root", 0, ROOT},
	[ENTRY] = {"container-entrypoint", 0, NO_ENTRY},
	[NO_ENTRY] = {"no-container-entrypoint", 0, ENTRY},
	[ENTRY_LOG] = {"container-entrypoint-log", 0, -1},
	[WRITABLE] = {"container-writable", 0, READONLY},
	[READONLY] = {"container-readonly", 0, WRITABLE},
};

static char *given[COUNT];

static int on_option(int option, const char *value, int remote)
{
	int opposite = rows[option].opposite;

	(void)remote;
	value = value ? value : "yes";
	if (given[option] && strcmp(given[option], value) != 0) {
		slurm_error("pyxis_stub: --%s specified multiple times", rows[option].name);
		return -1;
	}
	if (opposite >= 0 && given[opposite]) {
		slurm_error("pyxis_stub: both --%s and --%s were specified", rows[option].name,
			rows[opposite].name);
		return -1;
	}
	if (!given[option])
		given[option] = strdup(value);
	return 0;
}

int slurm_spank_init(spank_t sp, int ac, char **av)
{
	(void)ac;
	(void)av;
	for (int i = 0; i < COUNT; i++) {
		struct spank_option option = {(char *)rows[i].name,
			rows[i].has_value ? "VALUE" : NULL, "[pyxis_stub]", rows[i].has_value, i,
			on_option};

		if (spank_option_register(sp, &option) != ESPANK_SUCCESS)
			return -1;
	}
	return 0;
}

static int is_asked(void)
{
	return given[IMAGE] || given[NAME];
}

/* ---- the file system, in a user namespace as enroot makes one ---- */

static int put_line(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return put < 0 ? -1 : 0;
}

static int leave_the_node(void)
{
	char users[64], groups[64];

	/* /proc/self is root's in a process that has become a user */
	prctl(PR_SET_DUMPABLE, 1);
	snprintf(users, sizeof(users), "%d %d 1\n", (int)geteuid(), (int)geteuid());
	snprintf(groups, sizeof(groups), "%d %d 1\n", (int)getegid(), (int)getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) || put_line("/proc/self/setgroups", "deny") ||
			       put_line("/proc/self/uid_map", users) ||
			       put_line("/proc/self/gid_map", groups) ||
			       mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
		       ? -1
		       : 0;
}

static void make_folders(char *path)
{
	for (char *c = path + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		mkdir(path, 0755);
		*c = '/';
	}
	mkdir(path, 0755);
}

/* SOURCE[:TARGET[:FLAGS]] */
static int mount_one(char *word)
{
	char *source = strsep(&word, ":"), *target = word ? strsep(&word, ":") : source;
	int is_tmpfs = strcmp(source, "tmpfs") == 0;

	if (!is_tmpfs && access(source, F_OK)) {
		slurm_error("pyxis_stub: source path does not exist: %s", source);
		return -1;
	}
	if (access(target, F_OK))
		make_folders(target);
	/* an image has room for it; the node's own root gets no folder */
	if (access(target, F_OK) && strncmp(target, "/run/", 5) != 0)
		return 0;
	if (is_tmpfs ? mount(source, target, source, 0, word)
		     : mount(source, target, NULL, MS_BIND | MS_REC, NULL)) {
		slurm_error("pyxis_stub: mount %s %s: %m", source, target);
		return -1;
	}
	return 0;
}

static int mount_all(void)
{
	char *list = given[MOUNTS] ? strdup(given[MOUNTS]) : NULL, *word;

	if (leave_the_node()) {
		slurm_error("pyxis_stub: no namespaces: %m");
		return -1;
	}
	while ((word = strsep(&list, ","))) {
		if (mount_one(word))
			return -1;
	}
	return 0;
}

/* DIR/NODE.NAME: a folder, with "done" in it when it is unpacked. */
static int unpack(spank_t sp, const char *dir)
{
	char node[256] = "", root[4200], done[4300];
	uint32_t job = 0, step = 0;

	spank_get_item(sp, S_JOB_ID, &job);
	spank_get_item(sp, S_JOB_STEPID, &step);
	gethostname(node, sizeof(node) - 1);
	if (given[NAME])
		snprintf(root, sizeof(root), "%s/%s.%.*s", dir, node,
			(int)strcspn(given[NAME], ":"), given[NAME]);
	else
		snprintf(root, sizeof(root), "%s/%s.%u.%u", dir, node, job, step);
	snprintf(done, sizeof(done), "%s/done", root);
	if (mkdir(root, 0755)) {
		if (access(done, F_OK) == 0)
			return 0;
		slurm_error("pyxis_stub: unpacking %s: File exists", root);
		return -1;
	}
	if (!given[IMAGE]) {
		slurm_error("pyxis_stub: no container %s, and no --container-image", root);
		return -1;
	}
	sleep(1);
	return mkdir(done, 0755);
}

/* ---- what a test looks at ---- */

int slurm_spank_task_init(spank_t sp, int ac, char **av)
{
	if (!is_asked() || ac < 1)
		return 0;
	if (unpack(sp, av[0]) || mount_all())
		return -1;
	/* an image's variables go over the job's */
	spank_setenv(sp, "OF_THE_IMAGE", "yes", 1);
	spank_setenv(sp, "OF_THE_ROLE", "image", 1);
	spank_setenv(sp, "DISAGG_WORKER", "image", 1);
	if (given[WORKDIR] && chdir(given[WORKDIR])) {
		slurm_error("pyxis_stub: couldn't chdir to %s: %m", given[WORKDIR]);
		return -1;
	}
	for (int i = 0; i < COUNT; i++) {
		char name[64];

		snprintf(name, sizeof(name), "STUB_%s", rows[i].name);
		for (char *c = name; *c; c++)
			*c = *c == '-' ? '_' : *c;
		if (given[i])
			spank_setenv(sp, name, given[i], 1);
	}
	return 0;
}
