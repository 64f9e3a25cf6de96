/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/host/inside.h"
#include "lib/probe/nodelock.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct helper helper = {
	.name = "disagg-probe",
	.synopsis = "[OPTION]...",
	.about = "Measures the nodes of a Slurm step, or this one: GPUs, memory, links, network,\n"
		 "software.  The step's first task leads; each node is measured at once, in\n"
		 "children with a deadline, so that a GPU that hangs costs its own record only.\n"
		 "What cannot be measured is 'unknown', never a pass and never a failure.\n\n"
		 "SUITE is quick (under 15 s), standard (2 minutes) or thorough.\n",
	.option = probe_options,
	.examples = "  srun -N16 --ntasks-per-node=1 disagg-probe --suite=standard\n"
		    "  srun -w n7 disagg-probe --probe=gemm.bf16,pcie.alone --out=n7\n"
		    "  disagg-probe --suite=quick --no-report\n"
		    "  disagg-probe --list\n",
	.environment =
		"  SLURM_STEP_NODELIST, SLURMD_NODENAME, SLURM_JOB_ID, SLURM_STEP_ID   the step\n"
		"  SLURM_DISAGG_PLAN    which nodes prefill and which decode, for kv.path\n"
		"  DISAGG_PROBE_TOKEN   a secret of the run, so that only its nodes take part;\n"
		"                       without it they are known by their addresses\n",
	.exits = "  0 pass, 1 a node failed, 2 usage, 3 a file is bad, 5 a system call failed,\n"
		 "  8 nothing failed but something is unknown, 77 nothing applied\n",
	.features = "suites quick standard thorough; CUDA, cuBLAS, NCCL, NVML where installed",
};

static const char *environment(const char *name)
{
	return getenv(name);
}

/* The part before the first dot, as Slurm names nodes. */
static void host_name(char *buf, size_t size)
{
	if (gethostname(buf, size))
		snprintf(buf, size, "localhost");
	buf[size - 1] = '\0';
	buf[strcspn(buf, ".")] = '\0';
}

static int take_seat(struct probe *probe, struct disagg_err *err)
{
	char host[256];

	host_name(host, sizeof(host));
	if (probe->rehearse)
		return disagg_seat_rehearse(&probe->arena, probe->rehearse, &probe->seat, err);
	return disagg_seat_find(&probe->arena, environment, host, &probe->seat, err);
}

static int watch_signals(struct probe *probe, struct disagg_err *err)
{
	sigset_t ends, block;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGHUP);
	block = ends;
	sigaddset(&block, SIGPIPE); /* a reader of ours that is gone is an error of write */
	if (sigprocmask(SIG_BLOCK, &block, NULL))
		return disagg_err_sys(err, "cannot block signals");
	probe->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	return probe->signal_fd < 0 ? disagg_err_sys(err, "cannot watch for signals") : 0;
}

/* A connection a node. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_meet(struct probe *probe)
{
	probe->meet.job = probe->seat.job;
	probe->meet.step = probe->seat.step;
	disagg_meet_set_token(&probe->meet, getenv("DISAGG_PROBE_TOKEN"));
	unsetenv("DISAGG_PROBE_TOKEN"); /* what is started is not to have it */
}

static void lock_node(struct probe *probe)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_nodelock_take(probe->seat.name, &probe->lock_fd, &err) != 0)
		probe->held = disagg_arena_strdup(&probe->arena, err.text);
}

static int run(struct probe *probe)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (take_seat(probe, &err) || watch_signals(probe, &err))
		return helper_fail_err(&helper, &err);
	if (probe->seat.extra) {
		fprintf(stderr,
			"%s: one task a node measures it, this one of '%s' ends: expected "
			"'srun --ntasks-per-node=1'\n",
			helper.name, probe->seat.name);
		return DISAGG_OK;
	}
	if (probe->seat.index == 0 && probe_report_check(probe, &err))
		return helper_fail_err(&helper, &err);
	raise_descriptors();
	set_meet(probe);
	probe->options.plan = getenv(DISAGG_INSIDE_PLAN);
	if (!probe->rehearse) /* which measures no node in earnest */
		lock_node(probe);
	if (probe->seat.index)
		return probe_agent(probe, probe->seat.name, -1, 0);
	return probe_lead(probe);
}

int main(int argc, char **argv)
{
	struct probe probe = {.helper = &helper, .signal_fd = -1, .lock_fd = -1};
	int result = probe_parse(&probe, argc, argv);

	if (result < 0)
		result = run(&probe);
	free(probe.list);
	disagg_arena_release(&probe.arena);
	return result;
}
