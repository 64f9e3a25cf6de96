/* SPDX-License-Identifier: Apache-2.0 */
/* What slurmstepd, which is root, leaves of the ends of a step's tasks as the user. */
#include "tests/spankhost/host.h"
#include "tests/unit/tap.h"
#include <fcntl.h>
#include <sys/stat.h>

#define USER_ID	 65534
#define WIDE	 300   /* tasks: more than spank/exits.h keeps */
#define GROUP_ID 64123 /* beside the user's own */

static char config[4096], folder[64], plan[HOST_TEXT];

static int submit(const void *argument)
{
	(void)argument;
	hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", config);
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	show("SLURM_DISAGG_PLAN", getenv("SLURM_DISAGG_PLAN"));
	return 0;
}

static void end_task(uint32_t rank, int status)
{
	host.global_id = rank;
	host.task_status = status;
	host.outcome->hooks |= hook("slurm_spank_task_exit", 0, NULL);
}

/* How many lines there are while the step goes on; root looks past the modes. */
static int count_lines(void)
{
	char path[128], bytes[8192];
	ssize_t got;
	int fd, count = 0;

	snprintf(path, sizeof(path), "%s/disagg-77/exits/n2.jsonl", folder);
	fd = open(path, O_RDONLY);
	got = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes) - 1);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < got; i++)
		count += bytes[i] == '\n';
	bytes[got > 0 ? got : 0] = '\0';
	if (got > 0)
		show("lines", bytes);
	return count;
}

static void begin_step(void)
{
	vars_set(&host.job, "SLURM_DISAGG_PLAN", plan);
	vars_set(&host.job, "SLURM_JOB_NODELIST", "n[0-2]");
	vars_set(&host.job, "SLURM_SUBMIT_DIR", folder);
	/* srun was called by a task on n0; this is the step's second node */
	vars_set(&host.job, "SLURMD_NODENAME", "n0");
	vars_set(&host.job, "SLURM_STEP_NODELIST", "n[1-2]");
	host.step_id = 1;
	host.nodes = 2;
	host.node_id = host.local_tasks = 1;
	host.uid = USER_ID;
	host.group[0] = USER_ID;
	host.group[1] = GROUP_ID;
	host.outcome->hooks |= hook("slurm_spank_init", 0, NULL);
	host.outcome->hooks |= say("disagg-config", config);
	host.outcome->hooks |= say("disagg-role", "decode:1");
	host.outcome->hooks |= hook("slurm_spank_init_post_opt", 0, NULL);
	host.outcome->hooks |= hook("slurm_spank_user_init", 0, NULL);
}

static int step(const void *argument)
{
	int before, after;

	(void)argument;
	begin_step();
	end_task(0, 0);
	before = count_lines();
	end_task(1, 3 << 8);
	after = count_lines();
	end_task(2, SIGKILL);
	host.outcome->hooks |= hook("slurm_spank_exit", 0, NULL);
	return before * 100 + after * 10 + count_lines();
}

/* More tasks than are kept in memory, of which the last one fails. */
static int wide_step(const void *argument)
{
	(void)argument;
	begin_step();
	for (uint32_t rank = 0; rank < WIDE; rank++)
		end_task(rank, rank == WIDE - 1 ? 9 << 8 : 0);
	host.outcome->hooks |= hook("slurm_spank_exit", 0, NULL);
	return 0;
}

/* Lines in all, and whether there is that of the failure. */
static unsigned read_all(bool *ret_failure)
{
	char path[128], line[1024];
	unsigned count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/disagg-77/exits/n2.jsonl", folder);
	file = fopen(path, "r");
	*ret_failure = false;
	while (file && fgets(line, sizeof(line), file)) {
		count++;
		*ret_failure |= strstr(line, "\"status\":2304") != NULL;
	}
	if (file)
		fclose(file);
	return count;
}

static void clean_up(void)
{
	static const char *const below[] = {
		"/disagg-77/exits/n2.jsonl", "/disagg-77/exits", "/disagg-77", ""};
	char path[128];

	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folder, below[i]);
		remove(path);
	}
}

static void check_owner(void)
{
	char path[128];
	struct stat st = {0};

	snprintf(path, sizeof(path), "%s/disagg-77/exits/n2.jsonl", folder);
	is_int(stat(path, &st), 0, "the lines are in exits/NODE.jsonl");
	is_int(st.st_uid, USER_ID, "which is the user's");
}

int main(void)
{
	struct outcome *got;
	const char *carried;
	bool failure;

	host.fail_at = -1;
	unsetenv("SLURM_JOB_ID");
	snprintf(config, sizeof(config), "%s/configs/native-2p2d.yaml", getenv("SRC"));
	snprintf(folder, sizeof(folder), "/tmp/disagg-exits.XXXXXX");
	/* into it leads only a group that is not the user's own, as into a project's folder */
	if (geteuid() != 0 || !mkdtemp(folder) || chown(folder, 0, GROUP_ID) ||
		chmod(folder, 0770)) {
		ok(true, "what root does # SKIP not root");
		return tap_done();
	}
	plugin_open();
	carried = strstr(play(S_CTX_ALLOCATOR, submit, NULL)->out, "SLURM_DISAGG_PLAN=");
	ok(carried != NULL, "a plan is carried");
	snprintf(plan, sizeof(plan), "%.*s", carried ? (int)strcspn(carried + 18, "\n") : 0,
		carried ? carried + 18 : "");
	got = play(S_CTX_REMOTE, step, NULL);
	ok(!got->signal && got->hooks == 0, "every hook returns 0");
	is_int(got->rc, 23, "the first failure is written at once, with what was before it");
	has_str(got->out,
		"\"worker\":\"decode_1\",\"step\":1,\"rank\":1,\"pid\":4242,\"status\":768",
		"a line says who and how");
	check_owner();
	got = play(S_CTX_REMOTE, wide_step, NULL);
	ok(!got->signal && got->hooks == 0, "every hook of a wide step returns 0");
	is_int(read_all(&failure), 3 + WIDE, "no task's end is lost where there are many");
	ok(failure, "nor the failure of the last one");
	clean_up();
	return tap_done();
}
