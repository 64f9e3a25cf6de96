/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kernowner.h"

#include "lib/base/num.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_NAME 15u
#define DIGITS	  "0123456789"
#define HEX	  DIGITS "abcdefABCDEF"

enum whose { UNKNOWN, OURS, OTHERS };

/* Parts of a line; NULL: it has none. */
struct named {
	char *pid, *name;
	size_t name_len;
};

static void star(char *text, size_t len)
{
	for (size_t i = 0; text && i < len && text[i]; i++)
		text[i] = '*';
}

/* The number that stands there; -1. */
static int64_t number_at(const char *text)
{
	char digits[16];
	size_t len = text ? strspn(text, DIGITS) : 0;
	int64_t number;

	if (len == 0 || len >= sizeof(digits))
		return -1;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return disagg_num_int(digits, 0, UINT32_MAX, &number) ? -1 : number;
}

/* Behind the last `key`: what a user calls a process is before it. */
static char *behind_last(char *text, const char *key)
{
	char *found = NULL;

	for (char *at = strstr(text, key); at; at = strstr(at + 1, key))
		found = at + strlen(key);
	return found;
}

static char *behind(char *text, const char *key)
{
	char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

/* How long `most` bytes of a name are here, where "\\xNN" may be one. */
static size_t room_of(const char *name, unsigned most)
{
	size_t len = 0;

	for (unsigned i = 0; i < most && name[len]; i++)
		len += name[len] == '\\' && name[len + 1] == 'x' && strspn(name + len + 2, HEX) >= 2
			       ? 4
			       : 1;
	return len;
}

/* What is before the last `end` that a name of `most` bytes could be before; 0: none is. */
static size_t name_len(const char *name, const char *end, unsigned most)
{
	size_t len = 0, room = room_of(name, most);

	for (const char *at = strstr(name, end); at && at <= name + room; at = strstr(at + 1, end))
		len = (size_t)(at - name);
	return len;
}

/* ---- whose it is ---- */

/* slurmd's cgroups: ".../job_123/step_0/..." */
static bool is_of_job(const char *cgroup, size_t len, const char *job)
{
	size_t job_len = strlen(job);

	for (size_t i = 0; i + 5 + job_len <= len; i++) {
		size_t end = i + 5 + job_len;

		if (memcmp(cgroup + i, "/job_", 5) == 0 &&
			memcmp(cgroup + i + 5, job, job_len) == 0 &&
			(end == len || cgroup[end] == '/'))
			return true;
	}
	return false;
}

static enum whose by_uid(const struct disagg_kernowner *owner, int64_t uid, bool in_job)
{
	if (uid < 0)
		return UNKNOWN;
	return uid == owner->uid || (uid == 0 && !in_job) ? OURS : OTHERS;
}

/* One that still runs, as a task that hangs does. */
static enum whose by_proc(const struct disagg_kernowner *owner, int64_t pid)
{
	char path[64];
	struct stat st;

	if (pid <= 0 || !owner->proc)
		return UNKNOWN;
	snprintf(path, sizeof(path), "%.32s/%lld", owner->proc, (long long)pid);
	return stat(path, &st) == 0 ? by_uid(owner, st.st_uid, false) : UNKNOWN;
}

static bool has_gpu(const struct disagg_kernowner *owner, const char *pci)
{
	size_t len = strlen(pci);

	for (unsigned i = 0; len > 0 && i < owner->pci_count; i++)
		if (strncmp(owner->pci[i], pci, len) == 0)
			return true;
	return false;
}

/* ---- lines ---- */

/* "oom-kill:constraint=...,task_memcg=/.../job_7/step_0,task=NAME,pid=7,uid=1000" */
static enum whose read_victim(struct disagg_kernowner *owner, char *text, struct named *named)
{
	char *cgroup = behind(text, ",task_memcg="),
	     *task = cgroup ? behind(cgroup, ",task=") : NULL;
	size_t len = task ? (size_t)(task - cgroup) - strlen(",task=") : 0;
	enum whose whose;
	bool in_job;

	owner->victim = 0;
	owner->victim_of_other = false;
	named->pid = behind_last(text, ",pid=");
	if (!task || !named->pid)
		return UNKNOWN;
	named->name = task;
	named->name_len = (size_t)(named->pid - task) - strlen(",pid=");
	owner->victim_of_job = owner->job && is_of_job(cgroup, len, owner->job);
	in_job = memmem(cgroup, len, "/job_", 5) != NULL;
	/* without the time of its begin the log goes back to other jobs of the user's */
	owner->victim_of_other = in_job && owner->job && !owner->victim_of_job;
	whose = owner->victim_of_job ? OURS
		: owner->victim_of_other
			? OTHERS
			: by_uid(owner, number_at(behind_last(text, ",uid=")), in_job);
	owner->victim = number_at(named->pid);
	owner->victim_ours = whose == OURS;
	return whose;
}

/*
 * One that the kernel kills with the victim (memory.oom.group), or after it without another
 * "oom-kill:", which is limited in rate: so the line may be the job's, as the victim was, but
 * the process is named only by its user.  Root's is a job's or a daemon's, not the node's.
 */
static enum whose by_victim(const struct disagg_kernowner *owner, int64_t uid)
{
	if (owner->victim > 0 && owner->victim_of_other)
		return OTHERS;
	if (uid == owner->uid)
		return OURS;
	if (owner->victim > 0)
		return owner->victim_of_job ? UNKNOWN : OTHERS;
	return by_uid(owner, uid, true);
}

/* "Killed process 7 (NAME) total-vm:1kB, ..., UID:1000 pgtables:..." */
static enum whose read_killed(struct disagg_kernowner *owner, char *text, struct named *named)
{
	char *rest;
	int64_t pid, uid;

	named->pid = behind(text, " process ");
	if (!named->pid)
		return UNKNOWN;
	pid = number_at(named->pid);
	named->name = behind(named->pid, " (");
	if (named->name)
		named->name_len = name_len(named->name, ")", MOST_NAME);
	rest = named->name ? named->name + named->name_len : named->pid;
	uid = number_at(behind_last(rest, " UID:"));
	if (strncmp(text, "Memory cgroup", 13) != 0)
		return by_uid(owner, uid, false);
	if (pid > 0 && pid == owner->victim)
		return owner->victim_ours ? OURS : OTHERS;
	return by_victim(owner, uid);
}

static enum whose read_xid(struct disagg_kernowner *owner,
	const struct disagg_kmsg_finding *finding, char *text, struct named *named)
{
	enum whose whose;

	named->pid = behind(text, ", pid=");
	named->name = named->pid ? behind(named->pid, "name=") : NULL;
	if (named->name) {
		unsigned most = *named->name == '\'' ? MOST_NAME + 2 : MOST_NAME;

		named->name_len = room_of(named->name, most);
		if (named->name[named->name_len])
			named->name_len = name_len(named->name, ", ", most);
	}
	whose = by_proc(owner, finding->event.pid);
	return whose == UNKNOWN && has_gpu(owner, finding->event.pci) ? OURS : whose;
}

/* "NAME:7" */
static enum whose read_pair(struct disagg_kernowner *owner, char *name, struct named *named)
{
	*named = (struct named){.name = name, .name_len = name_len(name, ":", MOST_NAME)};
	if (named->name_len == 0)
		return UNKNOWN;
	named->pid = name + named->name_len + 1;
	return by_proc(owner, number_at(named->pid));
}

/* "INFO: task NAME:7 blocked for", "soft lockup - CPU#3 stuck for 22s! [NAME:7]" */
static enum whose read_hung(struct disagg_kernowner *owner, char *text, struct named *named)
{
	char *name = behind(text, "INFO: task ");

	if (!name)
		name = behind(text, "! [");
	return name ? read_pair(owner, name, named) : UNKNOWN;
}

/* "Memory failure: 0x12345: Sending SIGBUS to NAME:7 due to hardware memory corruption" */
static enum whose read_memory(struct disagg_kernowner *owner, char *text, struct named *named)
{
	static const char *const before[] = {"Sending SIGBUS to ", "Killing ", "forcibly killing ",
		"Cannot send advisory machine check signal to "};
	char *said = behind(text, "Memory failure: 0x");

	said = said ? behind(said, ": ") : NULL;
	for (size_t i = 0; said && i < sizeof(before) / sizeof(*before); i++)
		if (strncmp(said, before[i], strlen(before[i])) == 0)
			return read_pair(owner, said + strlen(before[i]), named);
	return OURS;
}

/*
 * "EXT4-fs error (device sda1): ext4_lookup:1815: inode #2: comm NAME: path PATH: ..."; paths,
 * and names of files in quotes, are a user's as much.  No pid: whose it is cannot be told.
 */
static enum whose read_disk(char *text, struct named *named)
{
	char *name = behind(text, ": comm "), *path, *quote;

	if (!name)
		return OURS;
	named->name = name;
	named->name_len = name_len(name, ": ", MOST_NAME);
	path = strstr(name, ": path ");
	quote = strchr(name + named->name_len, '\'');
	if (path)
		star(path + 2, strlen(path + 2));
	else if (quote)
		star(quote, strlen(quote));
	return UNKNOWN;
}

static enum whose read_line(struct disagg_kernowner *owner,
	const struct disagg_kmsg_finding *finding, char *text, struct named *named)
{
	switch (finding->cls) {
	case DISAGG_KMSG_OOM:
		return strncmp(text, "oom-kill:", 9) == 0 ? read_victim(owner, text, named)
							  : read_killed(owner, text, named);
	case DISAGG_KMSG_XID:
		return read_xid(owner, finding, text, named);
	case DISAGG_KMSG_HUNG:
		return read_hung(owner, text, named);
	case DISAGG_KMSG_MCE:
		return read_memory(owner, text, named);
	case DISAGG_KMSG_DISK:
		return read_disk(text, named);
	default:
		return OURS;
	}
}

bool disagg_kernowner_mask(
	struct disagg_kernowner *owner, const struct disagg_kmsg_finding *finding, char *text)
{
	struct named named = {0};
	enum whose whose;

	if (owner->uid < 0)
		return true;
	whose = read_line(owner, finding, text, &named);
	if (whose == OURS)
		return true;
	/* a node that has no memory left concerns all who are on it; a limit, its own */
	if (finding->cls == DISAGG_KMSG_OOM && whose == OTHERS && strncmp(text, "Out", 3) != 0)
		return false;
	if (named.name ? named.name_len == 0 : finding->cls != DISAGG_KMSG_XID)
		return false; /* of a form that is not known */
	star(named.name, named.name_len);
	star(named.pid, named.pid ? strspn(named.pid, DIGITS) : 0);
	return true;
}
