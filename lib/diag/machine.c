/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/machine.h"

#include "lib/base/fd.h"
#include "lib/host/proc.h"
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES    (256u * 1024u)
#define COMMAND_BYTES (1024u * 1024u)
#define MOST_ENTRIES  4096u
#define MOST_ARGS     8u

const char *const disagg_machine_modes[] = {"basic", "standard", "comprehensive", NULL};

static bool is_late(const struct disagg_machine_look *look)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return look->until_ns != 0 &&
	       (int64_t)now.tv_sec * 1000000000 + now.tv_nsec > look->until_ns;
}

/* ---- files and commands ---- */

/* What another user's process or a driver wrote, its control characters tamed. */
static void put_tame(struct disagg_strbuf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		disagg_strbuf_putc(
			out, (c < ' ' && c != '\n' && c != '\t') || c == 0x7f ? '?' : (char)c);
	}
	if (len > 0 && text[len - 1] != '\n')
		disagg_strbuf_putc(out, '\n');
}

static char *rooted(
	struct disagg_arena *arena, const struct disagg_machine_look *look, const char *path)
{
	return disagg_arena_printf(arena, "%s%s", look->root, path);
}

/* The text of a small file; "" where it cannot be read. */
static const char *read_text(struct disagg_arena *arena, const char *path, size_t *ret_len)
{
	char *bytes = NULL;

	*ret_len = 0;
	if (!path || disagg_fd_read_file(arena, path, FILE_BYTES, &bytes, ret_len, NULL) != 0)
		return "";
	return bytes;
}

static void put_file(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, const char *path)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	size_t len;
	const char *text = read_text(&arena, rooted(&arena, look, path), &len);

	disagg_strbuf_printf(out, "== %s\n", path);
	if (len > 0)
		put_tame(out, text, len);
	else
		disagg_strbuf_puts(out, "(empty, or it cannot be read)\n");
	disagg_arena_release(&arena);
}

static void put_files(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, const char *const *paths)
{
	for (; *paths; paths++)
		put_file(look, out, *paths);
}

static void tell_result(struct disagg_strbuf *out, const struct disagg_proc_result *result)
{
	char how[128];

	put_tame(out, result->out, result->len);
	if (result->status == 0)
		return;
	disagg_proc_tell(result->status, how, sizeof(how));
	disagg_strbuf_printf(out, "(it ended with %s)\n", how);
}

/* argv[0] is a name; words that end with NULL. */
static void put_command(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, const char *const *words)
{
	static const char *const envp[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_proc_result result;
	const char *argv[MOST_ARGS + 1] = {NULL};
	struct disagg_proc_call call = {.argv = argv, .envp = envp, .cancel_fd = -1};

	disagg_strbuf_puts(out, "==");
	for (size_t i = 0; words[i] && i < MOST_ARGS; i++) {
		argv[i] = words[i];
		disagg_strbuf_printf(out, " %s", words[i]);
	}
	disagg_strbuf_putc(out, '\n');
	argv[0] = disagg_proc_find(&arena, words[0], look->path);
	call.timeout_ms = look->command_ms;
	call.limit = COMMAND_BYTES;
	if (!argv[0])
		disagg_strbuf_printf(out, "(there is no '%s' here)\n", words[0]);
	else if (is_late(look))
		disagg_strbuf_puts(out, "(left out: no time was left)\n");
	else if (disagg_proc_run(&arena, &call, &result, &err) != 0)
		disagg_strbuf_printf(out, "(%s)\n", err.text);
	else
		tell_result(out, &result);
	disagg_arena_release(&arena);
}

static int ended(const struct disagg_strbuf *out, struct disagg_err *err)
{
	return out->failed ? disagg_err_nomem(err) : 0;
}

/* ---- GPUs ---- */

static int write_gpus(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const table[] = {"nvidia-smi", NULL};
	static const char *const query[] = {"nvidia-smi", "-q", NULL};
	static const char *const topology[] = {"nvidia-smi", "topo", "-m", NULL};
	static const char *const links[] = {"nvidia-smi", "nvlink", "-e", NULL};

	put_command(look, out, table);
	if (look->mode == DISAGG_MACHINE_COMPREHENSIVE) {
		put_command(look, out, query);
		put_command(look, out, topology);
		put_command(look, out, links);
	}
	return ended(out, err);
}

/* ---- processes ---- */

static const char *status_field(struct disagg_arena *arena, const char *text, const char *name)
{
	const char *at = strstr(text, name);

	if (!at)
		return "";
	at += strlen(name);
	at += strspn(at, " \t");
	return disagg_arena_strndup(arena, at, strcspn(at, "\n"));
}

/* A command line is shown where the process is the caller's own: that of another user
 * may hold that user's secrets. */
static void put_process(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, const char *pid)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	size_t len;
	char *folder = disagg_arena_printf(&arena, "%s/proc/%s", look->root, pid);
	const char *status =
		read_text(&arena, disagg_arena_printf(&arena, "%s/status", folder), &len);
	struct stat st;
	bool own;

	if (!folder || len == 0 || stat(folder, &st) != 0) {
		disagg_arena_release(&arena);
		return;
	}
	own = st.st_uid == geteuid();
	disagg_strbuf_printf(out, "%7s %7s %6u %-14.14s %12s  ", pid,
		status_field(&arena, status, "\nPPid:"), (unsigned)st.st_uid,
		status_field(&arena, status, "\nState:"), status_field(&arena, status, "\nVmRSS:"));
	if (own) {
		char *line = (char *)(uintptr_t)read_text(
			&arena, disagg_arena_printf(&arena, "%s/cmdline", folder), &len);

		for (size_t i = 0; i + 1 < len; i++)
			if (line[i] == '\0')
				line[i] = ' ';
		if (len > 0)
			put_tame(out, line, strnlen(line, len));
		own = len > 0;
	}
	if (!own) {
		const char *name = status_field(&arena, status, "Name:");

		put_tame(out, name, strlen(name));
	}
	disagg_arena_release(&arena);
}

static int by_number(const void *a, const void *b)
{
	const char *left = *(const char *const *)a, *right = *(const char *const *)b;
	size_t left_len = strlen(left), right_len = strlen(right);

	if (left_len != right_len)
		return left_len < right_len ? -1 : 1;
	return strcmp(left, right);
}

static int write_processes(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char **pids = disagg_arena_array(&arena, MOST_ENTRIES, sizeof(*pids));
	char *path = rooted(&arena, look, "/proc");
	DIR *dir = pids && path ? opendir(path) : NULL;
	struct dirent *entry;
	size_t count = 0;

	while (dir && count < MOST_ENTRIES && (entry = readdir(dir))) {
		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		pids[count] = disagg_arena_strdup(&arena, entry->d_name);
		if (pids[count])
			count++;
	}
	if (dir)
		closedir(dir);
	disagg_strbuf_printf(out, "%7s %7s %6s %-14s %12s  %s\n", "PID", "PPID", "UID", "STATE",
		"RSS", "COMMAND (of other users: name only)");
	if (count > 0)
		qsort(pids, count, sizeof(*pids), by_number);
	for (size_t i = 0; i < count; i++)
		put_process(look, out, pids[i]);
	disagg_arena_release(&arena);
	return ended(out, err);
}

/* ---- the rest ---- */

/* By df, which has a deadline: statvfs of a dead NFS mount has none. */
static int write_disks(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const space[] = {"df", "-hP", NULL};
	static const char *const inodes[] = {"df", "-iP", NULL};

	put_command(look, out, space);
	put_command(look, out, inodes);
	return ended(out, err);
}

static int write_memory(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const paths[] = {"/proc/meminfo", "/proc/pressure/memory",
		"/proc/pressure/cpu", "/proc/pressure/io", "/proc/loadavg", NULL};

	put_files(look, out, paths);
	return ended(out, err);
}

static int write_network(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const paths[] = {
		"/proc/net/dev", "/proc/net/snmp", "/proc/net/netstat", "/proc/net/sockstat", NULL};
	static const char *const sockets[] = {"ss", "-tnap", NULL};

	put_files(look, out, paths);
	if (look->mode == DISAGG_MACHINE_COMPREHENSIVE)
		put_command(look, out, sockets);
	return ended(out, err);
}

static void put_counters(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, const char *folder)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	char *path = rooted(&arena, look, folder);
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *file = disagg_arena_printf(&arena, "%s/%s", path, entry->d_name);
		size_t len;
		const char *text = read_text(&arena, file, &len);

		if (len == 0 || entry->d_name[0] == '.')
			continue;
		disagg_strbuf_printf(out, "%s/%s ", folder, entry->d_name);
		put_tame(out, text, len);
	}
	if (dir)
		closedir(dir);
	disagg_arena_release(&arena);
}

static int write_rdma(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const parts[] = {"", "/counters", "/hw_counters"};
	static const char base[] = "/sys/class/infiniband";
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	char *path = rooted(&arena, look, base);
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;

	if (!dir)
		disagg_strbuf_puts(out, "(no RDMA device)\n");
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			char *folder = disagg_arena_printf(
				&arena, "%s/%s/ports/1%s", base, entry->d_name, parts[i]);

			if (folder)
				put_counters(look, out, folder);
		}
	}
	if (dir)
		closedir(dir);
	disagg_arena_release(&arena);
	return ended(out, err);
}

static int write_limits(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const paths[] = {"/proc/self/limits", "/proc/self/cgroup",
		"/proc/self/status", "/proc/sys/kernel/core_pattern", NULL};
	static const char *const more[] = {"/proc/self/mountinfo", "/proc/modules", NULL};

	put_files(look, out, paths);
	if (look->mode == DISAGG_MACHINE_COMPREHENSIVE)
		put_files(look, out, more);
	return ended(out, err);
}

static int write_versions(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	static const char *const paths[] = {"/proc/version", "/proc/driver/nvidia/version",
		"/etc/os-release", "/proc/cmdline", NULL};

	disagg_strbuf_puts(out, "slurm-disagg " DISAGG_VERSION "\n");
	put_files(look, out, paths);
	return ended(out, err);
}

/* ---- the environment ---- */

bool disagg_machine_shows(const char *name)
{
	static const char *const shown[] = {"SLURM_*", "SLURMD_*", "DISAGG_*", "CUDA_*", "NCCL_*",
		"UCX_*", "NIXL_*", "GLOO_*", "OMP_*", "TRTLLM_*", "VLLM_*", "SGLANG_*", "DYN_*",
		"NVIDIA_*", "OMPI_*", "PMIX_*", "LD_LIBRARY_PATH", "PATH", "HOSTNAME", "TMPDIR",
		NULL};
	/* the plan and the configuration are members of their own */
	static const char *const hidden[] = {"*TOKEN*", "*SECRET*", "*PASSW*", "*KEY*",
		"*CREDENTIAL*", "*AUTH*", "*JWT*", "*COOKIE*", "SLURM_DISAGG_PLAN",
		"SLURM_DISAGG_CONFIG", NULL};
	bool found = false;

	for (size_t i = 0; shown[i] && !found; i++)
		found = fnmatch(shown[i], name, 0) == 0;
	for (size_t i = 0; hidden[i] && found; i++)
		found = fnmatch(hidden[i], name, FNM_CASEFOLD) != 0;
	return found;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_environment(
	const struct disagg_machine_look *look, struct disagg_strbuf *out, struct disagg_err *err)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	const char **lines = disagg_arena_array(&arena, MOST_ENTRIES, sizeof(*lines));
	size_t count = 0;

	for (const char *const *at = look->envp; lines && at && *at && count < MOST_ENTRIES; at++) {
		char *name = disagg_arena_strndup(&arena, *at, strcspn(*at, "="));

		if (name && disagg_machine_shows(name))
			lines[count++] = *at;
	}
	if (count > 0)
		qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++)
		put_tame(out, lines[i], strlen(lines[i]));
	disagg_arena_release(&arena);
	return ended(out, err);
}

const struct disagg_machine_source disagg_machine_sources[] = {
	{"nvidia_smi.txt", DISAGG_MACHINE_BASIC, write_gpus},
	{"processes.txt", DISAGG_MACHINE_BASIC, write_processes},
	{"disk_usage.txt", DISAGG_MACHINE_BASIC, write_disks},
	{"env.txt", DISAGG_MACHINE_BASIC, write_environment},
	{"memory.txt", DISAGG_MACHINE_STANDARD, write_memory},
	{"network.txt", DISAGG_MACHINE_STANDARD, write_network},
	{"rdma.txt", DISAGG_MACHINE_STANDARD, write_rdma},
	{"limits.txt", DISAGG_MACHINE_STANDARD, write_limits},
	{"versions.txt", DISAGG_MACHINE_STANDARD, write_versions},
	{NULL, DISAGG_MACHINE_BASIC, NULL},
};
