/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/host/nodes.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SECOND_NS  INT64_C(1000000000)
#define CALL_NS	   (20 * SECOND_NS)
#define MOST_BYTES (4 * 1024 * 1024)
#define NEVER	   INT64_MAX

/*
 * Running steps do not need slurmd, and srun says nothing when it dies: Slurm is
 * asked now and then.  The answer goes to a file without a name, for a pipe
 * would have to be read all the time.
 */

static void ask(struct run *run)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	const char *list = getenv("SLURM_JOB_NODELIST");
	struct disagg_proc_spec spec = {
		.envp = run->envp, .in_fd = -1, .err_fd = -1, .own_group = true};

	run->node_check_ns = run_ns() + run->node_check_s * SECOND_NS;
	spec.argv = disagg_nodes_argv(&scratch, run->slurm.sinfo, list ? list : "");
	spec.out_fd = memfd_create("nodes", MFD_CLOEXEC);
	if (spec.argv && spec.out_fd >= 0 && disagg_proc_spawn(&spec, &run->sinfo, NULL) == 0)
		run->sinfo_fd = spec.out_fd;
	else if (spec.out_fd >= 0)
		close(spec.out_fd);
	disagg_arena_release(&scratch);
}

static void set_node(struct run *run, const char *name, bool answers)
{
	for (unsigned i = 0; i < run->in.hosts.count; i++) {
		if (strcmp(run->in.hosts.name[i], name) != 0)
			continue;
		if (!answers && !run->node_silent[i])
			run_warn(run,
				"slurmd on '%s' does not answer Slurm: what runs there goes on, but no "
				"step can be started or ended there",
				name);
		else if (answers && run->node_silent[i])
			run_say(run, "slurmd on '%s' answers Slurm again", name);
		run->node_silent[i] = !answers;
	}
}

static void take_answer(struct run *run)
{
	off_t size = lseek(run->sinfo_fd, 0, SEEK_END);
	char *text = size > 0 && size <= MOST_BYTES ? malloc((size_t)size + 1) : NULL;
	ssize_t got = text ? pread(run->sinfo_fd, text, (size_t)size, 0) : 0;
	const char *at = text;
	char name[256];
	bool answers;

	if (text)
		text[got > 0 ? got : 0] = '\0';
	while (at && (at = disagg_nodes_next(at, name, sizeof(name), &answers)))
		set_node(run, name, answers);
	free(text);
}

void run_slurmd_stop(struct run *run)
{
	disagg_proc_kill(&run->sinfo);
	if (run->sinfo_fd >= 0)
		close(run->sinfo_fd);
	run->sinfo_fd = -1;
}

void run_slurmd_tick(struct run *run)
{
	if (run->ending || run->told || run->state.verdict.set || !run->node_check_s ||
		!run->slurm.sinfo)
		return;
	if (!run->node_check_ns)
		run->node_check_ns = run_ns() + run->node_check_s * SECOND_NS;
	if (run->sinfo.pid && disagg_proc_reap(&run->sinfo)) {
		if (run->sinfo.status == 0)
			take_answer(run);
		run_slurmd_stop(run);
	} else if (run->sinfo.pid && run_ns() > run->node_check_ns + CALL_NS) {
		run_slurmd_stop(run);
	} else if (!run->sinfo.pid && run_ns() >= run->node_check_ns) {
		ask(run);
	}
}

int64_t run_slurmd_next(const struct run *run)
{
	if (!run->node_check_s || !run->slurm.sinfo)
		return NEVER;
	return run->sinfo.pid ? run->node_check_ns + CALL_NS : run->node_check_ns;
}
