/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/num.h"
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EPILOG_S    30
#define WAIT_S	    20
#define FILE_BYTES  (UINT64_C(50) << 20)
#define TOTAL_BYTES (UINT64_C(500) << 20)
#define MOST_FILES  2000u
#define KERNEL_FD   3
#define MOST_PASS   12

enum {
	O_MODE = 256,
	O_FORMAT,
	O_OUT,
	O_STATUS,
	O_PART,
	O_EPILOG,
	O_JOB,
	O_NODE,
	O_NODES,
	O_STAGE,
	O_WAIT,
	O_DEADLINE,
	O_MAX_FILE,
	O_MAX_TOTAL,
	O_KEEP,
	O_KEEP_DAYS,
	O_KERNEL,
	O_HOOK,
	O_KERNEL_LINES,
	O_SINCE,
	O_UID,
	O_GPUS,
	O_JOB_EXIT,
	O_RESTARTS,
	O_SPARE,
};

static const char *const format_names[] = {"tar.gz", "tar.zst", NULL};
static const char *const status_names[] = {"state", "success", "failure", NULL};
static const char *const stage_names[] = {"run", "end", NULL};

static const struct helper_option options[] = {
	{"mode", O_MODE, HELPER_VALUE, "MODE", "basic, standard (default) or comprehensive"},
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "tar.gz (default) or tar.zst"},
	{"out", O_OUT, HELPER_VALUE, "DIR", "where the archive goes (beside the run directory)"},
	{"spare", O_SPARE, HELPER_VALUE, "DIR",
		"where it goes when there is no room there; a part too"},
	{"status", O_STATUS, HELPER_VALUE, "STATUS",
		"success or failure, whatever state.json says"},
	{"max-file", O_MAX_FILE, HELPER_VALUE, "SIZE", "of larger files head and tail (50M)"},
	{"max-total", O_MAX_TOTAL, HELPER_VALUE, "SIZE", "of all content (500M)"},
	{"keep", O_KEEP, HELPER_VALUE, "N", "remove older archives of this folder over N"},
	{"keep-days", O_KEEP_DAYS, HELPER_VALUE, "N", "and those that are older than N days"},
	{"part", O_PART, HELPER_FLAG, NULL, "only leave this node's part in the run directory"},
	{"node", O_NODE, HELPER_VALUE, "NAME", "this node (SLURMD_NODENAME, else the host name)"},
	{"nodes", O_NODES, HELPER_VALUE, "LIST", "nodes whose parts are expected"},
	{"stage", O_STAGE, HELPER_VALUE, "STAGE",
		"of the part: run (the job runs) or end (default)"},
	{"wait", O_WAIT, HELPER_VALUE, "TIME", "for the parts of the other nodes (0)"},
	{"epilog", O_EPILOG, HELPER_FLAG, NULL,
		"the part, and on the first node the archive; 0 always"},
	{"job", O_JOB, HELPER_VALUE, "ID", "the job's number, where state.json has none"},
	{"job-exit", O_JOB_EXIT, HELPER_VALUE, "N",
		"SLURM_JOB_EXIT_CODE: counts where state.json has no verdict"},
	{"restarts", O_RESTARTS, HELPER_VALUE, "N",
		"SLURM_JOB_RESTART_COUNT: a run before the last was requeued"},
	{"deadline", O_DEADLINE, HELPER_VALUE, "TIME", "end after this long (--epilog: 30)"},
	{"kernel-log", O_KERNEL, HELPER_FLAG, NULL, "the kernel's lines come by descriptor 3"},
	{"hook", O_HOOK, HELPER_FLAG, NULL,
		"as root in an epilog: packs as the job's user; 0 always"},
	{"kernel-lines", O_KERNEL_LINES, HELPER_FLAG, NULL,
		"print what the kernel says of GPUs, memory and disks"},
	{"since", O_SINCE, HELPER_VALUE, "SECONDS", "of --kernel-lines: Unix time (0)"},
	{"uid", O_UID, HELPER_VALUE, "N", "the same: name no process of other users"},
	{"gpus", O_GPUS, HELPER_VALUE, "LIST", "the same: SLURM_JOB_GPUS, which are this user's"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

const struct helper pack_helper = {
	.name = "disagg-pack",
	.synopsis = "[OPTION]... JOBID|RUN_DIR",
	.about =
		"Packs the run of a job into one archive: job_ID_success_DATE.tar.gz, or\n"
		"job_ID_failure_DATE.tar.gz.  Its first member, summary.txt, says what happened.\n"
		"What looks like a secret is masked in it.\n"
		"In an epilog each node leaves its part and the first node packs.  Called as root\n"
		"it becomes the owner of the run directory first.\n",
	.option = options,
	.examples = "  disagg-pack 1234\n"
		    "  disagg-pack --mode=comprehensive --out=/tmp disagg-1234\n"
		    "  tar xzOf job_1234_failure_20261126.tar.gz job_1234/summary.txt\n",
	.environment = "  PATH             where squeue and scontrol are\n"
		       "  SLURMD_NODENAME  as --node\n"
		       "  SLURM_JOB_ID     in a job: Slurm is asked about it\n",
	.exits = "  0 ok, 2 usage, 4 no such run, 5 a system call failed (also: no space)\n",
	.features = "tar.gz tar.zst",
};

struct call {
	struct pack pack;
	const char *nodes;
	int deadline_s;		  /* -1: not given */
	struct pack_kernel lines; /* of --kernel-lines */
	bool only_part, epilog, kernel, hook, kernel_lines;
	const char *pass[MOST_PASS + 1]; /* options of --hook for the packer */
	size_t pass_count;
};

/* ---- words and time ---- */

void pack_say(const struct pack *pack, const char *fmt, ...)
{
	va_list args;

	if (pack->quiet)
		return;
	fputs("disagg-pack: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int64_t pack_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- options ---- */

static int take_number(const char *option, const char *value, int *ret)
{
	int64_t number;

	if (disagg_num_duration(value, &number) || number > 86400 * 365)
		return helper_usage(
			&pack_helper, "--%s: expected a number, got '%s'", option, value);
	*ret = (int)number;
	return 0;
}

static int take_size(const char *option, const char *value, uint64_t *ret)
{
	if (disagg_num_size(value, ret) == 0 && *ret >= 4096)
		return 0;
	return helper_usage(
		&pack_helper, "--%s: expected a size such as 50M, got '%s'", option, value);
}

/* A wait status; Slurm has written it as it is, 1792 or 7:0. */
static int take_exit(const char *value)
{
	if (*value && strspn(value, "0123456789:") == strlen(value) && strlen(value) <= 11)
		return 0;
	return helper_usage(&pack_helper, "--job-exit: expected a number, got '%s'", value);
}

static int take_choice(const char *option, const char *const *names, const char *value, int *ret)
{
	*ret = helper_choice(&pack_helper, option, names, value);
	return *ret < 0 ? DISAGG_USAGE : 0;
}

static int take_how(struct call *call, int id, const char *value)
{
	struct pack *pack = &call->pack;
	int choice = 0, rc;

	switch (id) {
	case O_MODE:
		rc = take_choice("mode", disagg_machine_modes, value, &choice);
		pack->mode = rc ? pack->mode : (enum disagg_machine_mode)choice;
		return rc;
	case O_FORMAT:
		rc = take_choice("format", format_names, value, &choice);
		pack->format = rc ? pack->format : (enum disagg_bundle_format)choice;
		return rc;
	case O_STATUS:
		return take_choice("status", status_names, value, &pack->status);
	case O_STAGE:
		rc = take_choice("stage", stage_names, value, &choice);
		pack->stage = rc ? pack->stage : stage_names[choice];
		return rc;
	case O_MAX_FILE:
		return take_size("max-file", value, &pack->file_bytes);
	case O_MAX_TOTAL:
		return take_size("max-total", value, &pack->total_bytes);
	case O_KEEP:
		return take_number("keep", value, &pack->keep);
	case O_KEEP_DAYS:
		return take_number("keep-days", value, &pack->keep_days);
	case O_WAIT:
		return take_number("wait", value, &pack->wait_s);
	default:
		return take_number("deadline", value, &call->deadline_s);
	}
}

/* --hook hands these on as they came. */
static int keep_word(struct call *call, int id, const char *value)
{
	const struct helper_option *option = options;

	while (option->name && option->id != id)
		option++;
	if (call->pass_count == MOST_PASS)
		return 0;
	call->pass[call->pass_count] =
		disagg_arena_printf(&call->pack.arena, "--%s=%s", option->name, value);
	if (!call->pass[call->pass_count])
		return helper_fail(&pack_helper, DISAGG_SYSTEM, "out of memory");
	call->pass_count += id != O_DEADLINE;
	return 0;
}

static int take_lines(struct call *call, int id, const char *value)
{
	if (id == O_GPUS) {
		call->lines.gpus = value;
		return 0;
	}
	if (id == O_UID) {
		if (disagg_num_int(value, 0, UINT32_MAX, &call->lines.uid) == 0)
			return 0;
		return helper_usage(
			&pack_helper, "--uid: expected a user's number, got '%s'", value);
	}
	if (disagg_num_int(value, 0, INT64_MAX, &call->lines.since_s) == 0)
		return 0;
	return helper_usage(&pack_helper, "--since: expected Unix time, got '%s'", value);
}

static int take(void *context, int id, const char *value)
{
	struct call *call = context;
	int rc;

	switch (id) {
	case O_OUT:
		call->pack.out_dir = value;
		return 0;
	case O_SPARE:
		call->pack.spare = value;
		return 0;
	case O_JOB:
		call->pack.job_id = value;
		return 0;
	case O_NODE:
		call->pack.node = value;
		return 0;
	case O_NODES:
		call->nodes = value;
		return 0;
	case O_PART:
		call->only_part = true;
		return 0;
	case O_EPILOG:
		call->epilog = true;
		return 0;
	case O_KERNEL:
		call->kernel = true;
		return 0;
	case O_HOOK:
		call->hook = true;
		return 0;
	case O_JOB_EXIT:
		call->pack.job_exit = value;
		return take_exit(value);
	case O_RESTARTS:
		return take_number("restarts", value, &call->pack.restarts);
	case O_KERNEL_LINES:
		call->kernel_lines = true;
		return 0;
	case O_SINCE:
	case O_UID:
	case O_GPUS:
		return take_lines(call, id, value);
	default:
		rc = keep_word(call, id, value);
		return rc ? rc : take_how(call, id, value);
	}
}

/* ---- who and where ---- */

/* Nobody sees an epilog's stderr. */
static void say_in_log(const struct pack *pack)
{
	int fd = openat(pack->run_fd, "pack.log",
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static enum pack_whose whose_of(const struct call *call)
{
	if (call->epilog)
		return PACK_OF_EPILOG;
	return call->only_part ? PACK_OF_PART : PACK_OF_ANY;
}

static int settle(struct call *call, const char *word, struct disagg_err *err)
{
	struct pack *pack = &call->pack;

	if (!pack->node)
		pack->node = pack_this_node(&pack->arena);
	if (!pack->node || strchr(pack->node, '/') || *pack->node == '.')
		return disagg_err_set(err, DISAGG_USAGE, "--node: expected a node's name");
	if (call->nodes && *call->nodes &&
		disagg_hostlist_parse(&pack->arena, call->nodes, &pack->nodes, err) != 0)
		return -1;
	if (call->kernel)
		pack->kernel_fd = KERNEL_FD;
	if (call->deadline_s < 0 && call->epilog)
		call->deadline_s = EPILOG_S;
	if (call->deadline_s >= 0)
		pack->until_ns = pack_now_ns() + (int64_t)call->deadline_s * 1000000000;
	if (pack_find(pack, word, whose_of(call), err) != 0)
		return -1;
	if (!call->epilog && !call->only_part && !pack->job_id && pack_check_run(pack, err) != 0)
		return -1;
	if (pack_open(pack, err) != 0)
		return -1;
	/* a number was looked for with Slurm's help, and in a job there is a Slurm */
	if (!call->epilog && !call->only_part &&
		(strcmp(word, pack->job_id) == 0 || getenv("SLURM_JOB_ID")))
		pack_ask_slurm(pack);
	if (call->epilog)
		say_in_log(pack);
	if (pack->not_here)
		pack_say(pack, "there is no '%s' on %s (%s): the part is in '%s'", pack->not_here,
			pack->node, pack->not_why, pack->run_dir);
	if (pack->nodes.count == 0 && !call->only_part && pack_nodes_of_run(pack, err) != 0)
		return -1;
	if (pack->nodes.count == 0 && !call->epilog && !call->only_part)
		pack_nodes_of_state(pack);
	return 0;
}

/* Where nobody tells which nodes there are, the one that disagg-run was on: when its epilog
 * runs, the verdict has been written. */
static bool is_first(const struct pack *pack)
{
	const char *host = pack->has_state ? pack->state.host : NULL;

	if (pack->nodes.count > 0)
		return strcmp(pack->nodes.name[0], pack->node) == 0;
	return !host || strcmp(host, pack->node) == 0;
}

static int work(struct call *call, const char *word, struct disagg_err *err)
{
	struct pack *pack = &call->pack;
	int rc = 0;

	if (settle(call, word, err) != 0)
		return -1;
	if (call->epilog || call->only_part)
		rc = pack_part(pack, err);
	if (call->only_part || (call->epilog && !is_first(pack)))
		return rc;
	/* there is more to pack than what this node looks like */
	if (rc != 0)
		pack_say(pack, "%s", err->text);
	if (pack_merge(pack, err) != 0)
		return -1;
	if (!call->epilog)
		printf("%s\n", pack->path);
	return 0;
}

static int from_hook(struct call *call)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct pack_hook hook = {.pass = call->pass,
		.deadline_s = call->deadline_s < 0 ? EPILOG_S : call->deadline_s};

	call->pass[call->pass_count] = NULL;
	if (pack_hook(&hook, &err) != 0)
		(void)helper_fail_err(&pack_helper, &err);
	disagg_arena_release(&call->pack.arena);
	return 0;
}

static int print_kernel_lines(struct call *call, const char *path)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	call->lines.path = path;
	call->lines.job = call->pack.job_id;
	return pack_kernel_lines(&call->lines, &err) == 0 ? 0 : helper_fail_err(&pack_helper, &err);
}

int main(int argc, char **argv)
{
	struct call call = {.deadline_s = -1,
		.lines = {.uid = -1},
		.pack = {.mode = DISAGG_MACHINE_STANDARD,
			.restarts = -1,
			.wait_s = -1,
			.stage = "end",
			.file_bytes = FILE_BYTES,
			.total_bytes = TOTAL_BYTES,
			.files = MOST_FILES,
			.run_fd = -1,
			.parts_fd = -1,
			.kernel_fd = -1}};
	struct disagg_err err = DISAGG_ERR_INIT;
	int first, rc = helper_parse(&pack_helper, argc, argv, take, &call, &first);

	if (rc >= 0)
		return rc;
	if (call.hook)
		return from_hook(&call);
	if (call.kernel_lines)
		return print_kernel_lines(&call, first < argc ? argv[first] : NULL);
	if (call.epilog && geteuid() == 0)
		return helper_usage(
			&pack_helper, "--epilog is for the job's user; root calls --hook");
	if (argc - first != 1)
		return helper_usage(&pack_helper, "expected one JOBID or RUN_DIR");
	umask(077);
	rc = 0;
	call.pack.any_stage = !call.epilog;
	if (call.pack.wait_s < 0)
		call.pack.wait_s = call.epilog ? WAIT_S : 0;
	if (work(&call, argv[first], &err) != 0)
		rc = helper_fail_err(&pack_helper, &err);
	disagg_arena_release(&call.pack.arena);
	return call.epilog ? 0 : rc;
}
