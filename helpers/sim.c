/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PREFIX "disagg-sim: SIMULATION: "

/* What the loop needs beside the parts. */
struct running {
	struct sim sim;
	struct sim_args args;
	int signal_fd, listen_fd;
	bool ends;
	int64_t end_ns, listen_ns; /* listen_ns: not before */
};

void sim_log(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	disagg_text_tame(text);
	fprintf(stderr, PREFIX "%s\n", text);
}

/* ---- putting it together ---- */

static int open_signals(int *ret_fd, struct disagg_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return disagg_err_sys(err, "cannot block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? disagg_err_sys(err, "cannot watch signals") : 0;
}

/* A connection is a descriptor; the soft limit is often 1024. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_router(struct running *run, struct disagg_err *err)
{
	struct sim_args *args = &run->args;
	struct sim *sim = &run->sim;

	if (sim_router_open(&sim->router, &sim->fault, err) < 0)
		return -1;
	for (unsigned i = 0; i < args->peers; i++) {
		if (sim_router_add(sim->router, args->peer[i].role, args->peer[i].url, err) < 0)
			return -1;
	}
	sim->expect_prefill = args->expect_prefill >= 0
				      ? (unsigned)args->expect_prefill
				      : sim_router_count(sim->router, SIM_PREFILL);
	sim->expect_decode = args->expect_decode >= 0 ? (unsigned)args->expect_decode
						      : sim_router_count(sim->router, SIM_DECODE);
	return 0;
}

static int open_engine(struct running *run, struct disagg_err *err)
{
	struct sim *sim = &run->sim;
	struct sim_engine_setup setup = {
		.model = run->args.model_times, .name = sim->model, .fault = &sim->fault};
	int kv_fd = -1;

	if (sim->role == SIM_PREFILL &&
		sim_bind(sim->host, (uint16_t)run->args.kv_port, &kv_fd, err) < 0)
		return -1;
	if (sim_kv_open(&sim->kv, kv_fd, &sim->fault, err) < 0)
		return -1;
	setup.kv = sim->kv;
	sim->engine = sim_engine_new(&setup);
	return sim->engine ? 0 : disagg_err_nomem(err);
}

static int open_parts(struct running *run, struct disagg_err *err)
{
	struct sim *sim = &run->sim;

	if (sim->kind == SIM_MPI_RANK)
		return 0;
	/* a port that is taken is told at once, not after the model has loaded */
	if (sim_bind(sim->host, (uint16_t)run->args.port, &run->listen_fd, err) < 0)
		return -1;
	sim->port = sim_bound_port(run->listen_fd);
	if (sim_is_frontend(sim->kind) && (run->args.peers || sim->kind != SIM_VLLM_SERVER))
		return open_router(run, err);
	return open_engine(run, err);
}

/* ---- the loop ---- */

static bool is_time_to_listen(const struct running *run, int64_t now)
{
	if (run->sim.server || run->listen_fd < 0 || now < run->listen_ns ||
		run->sim.fault.never_ready)
		return false;
	/* TensorRT-LLM's server listens when its workers are there */
	return run->sim.kind != SIM_TRTLLM_SERVER || sim_is_ready(&run->sim);
}

static int start_serving(struct running *run, struct disagg_err *err)
{
	int fd = run->listen_fd;

	run->listen_fd = -1;
	if (sim_server_open(&run->sim.server, fd, sim_route, &run->sim, err) < 0)
		return -1;
	sim_log("listens on %s:%u", run->sim.host, run->sim.port);
	return 0;
}

static int64_t earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_event(struct running *run, int64_t now)
{
	struct sim *sim = &run->sim;
	int64_t next =
		earliest(run->ends ? run->end_ns : SIM_NEVER, sim_fault_next(&sim->fault, now));

	if (run->listen_fd >= 0 && run->listen_ns > now)
		next = earliest(next, run->listen_ns);
	if (sim->router)
		next = earliest(next, sim_router_next(sim->router));
	if (sim_fault_hangs(&sim->fault, now))
		return next;
	if (sim->server)
		next = earliest(next, sim_server_next(sim->server, now));
	if (sim->engine)
		next = earliest(next, earliest(sim_engine_next(sim->engine), sim_kv_next(sim->kv)));
	return next;
}

static int milliseconds(int64_t until, int64_t now)
{
	if (until <= now)
		return 0;
	if (until - now > INT64_C(3600000000000))
		return 3600000;
	return (int)((until - now + 999999) / 1000000);
}

static int wait_for_event(struct running *run, int64_t now, struct disagg_err *err)
{
	bool hangs = sim_fault_hangs(&run->sim.fault, now);
	int timeout_ms = milliseconds(next_event(run, now), now);
	int fds[4], count = 0;
	struct pollfd slot[4];

	fds[count++] = run->signal_fd;
	if (run->sim.server && !hangs)
		fds[count++] = sim_server_fd(run->sim.server);
	if (run->sim.kv && !hangs)
		fds[count++] = sim_kv_fd(run->sim.kv);
	fds[count] = -1;
	if (run->sim.router)
		return sim_router_wait(run->sim.router, fds, timeout_ms, err);
	for (int i = 0; i < count; i++)
		slot[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	if (poll(slot, (nfds_t)count, timeout_ms) < 0 && errno != EINTR)
		return disagg_err_sys(err, "cannot wait");
	return 0;
}

static void take_signals(struct running *run, int64_t now)
{
	struct signalfd_siginfo info;

	while (read(run->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (run->sim.fault.ignore_term) {
			sim_log("fault: signal %u is ignored", info.ssi_signo);
			continue;
		}
		if (run->ends)
			continue;
		sim_log("signal %u: ends", info.ssi_signo);
		run->ends = true;
		run->end_ns = now + SIM_DRAIN_MS * INT64_C(1000000);
		if (run->sim.server)
			sim_server_quiesce(run->sim.server);
	}
}

static void run_parts(struct running *run, int64_t now)
{
	struct sim *sim = &run->sim;

	if (sim->router)
		sim_router_run(sim->router, now);
	if (sim_fault_hangs(&sim->fault, now))
		return;
	if (sim->kv)
		sim_kv_run(sim->kv, now);
	if (sim->engine)
		sim_engine_run(sim->engine, now);
	if (sim->server)
		sim_server_run(sim->server);
}

static bool is_over(const struct running *run, int64_t now)
{
	if (!run->ends)
		return false;
	return now >= run->end_ns || !run->sim.server || !sim_server_calls(run->sim.server) ||
	       sim_fault_hangs(&run->sim.fault, now);
}

static int loop(struct running *run, struct disagg_err *err)
{
	for (;;) {
		int64_t now = disagg_monotonic_ns();

		take_signals(run, now);
		sim_fault_run(&run->sim.fault, now);
		if (is_over(run, now))
			return 0;
		if (!run->ends && is_time_to_listen(run, now) && start_serving(run, err) < 0)
			return -1;
		run_parts(run, now);
		if (wait_for_event(run, now, err) < 0)
			return -1;
	}
}

/* Of a rehearsal it shows that work went the whole way. */
static void tell_work(const struct sim *sim)
{
	static const char *const moved[] = {
		[SIM_AGG] = "moved", [SIM_PREFILL] = "sent", [SIM_DECODE] = "fetched"};

	if (sim->router)
		sim_log("handed on %llu requests",
			(unsigned long long)sim_router_requests(sim->router));
	if (sim->engine)
		sim_log("did %llu requests, %llu tokens; %s %llu KV bytes",
			(unsigned long long)sim_engine_requests(sim->engine),
			(unsigned long long)sim_engine_tokens(sim->engine), moved[sim->role],
			(unsigned long long)sim_kv_bytes(sim->kv));
}

/* Router and KV first: what they still owe is answered while the server is there. */
static void close_parts(struct running *run)
{
	struct sim *sim = &run->sim;

	sim_router_free(sim->router);
	sim_kv_close(sim->kv);
	sim_engine_free(sim->engine);
	sim_server_close(sim->server);
	if (run->listen_fd >= 0)
		close(run->listen_fd);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
}

static int run_all(struct running *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct sim_args *args = &run->args;
	int result;

	/* before the first line: who reads it may send a signal */
	result = open_signals(&run->signal_fd, &err);
	run->sim = (struct sim){.kind = (enum sim_kind)args->kind,
		.role = (enum sim_role)args->role,
		.name = args->name,
		.host = args->host,
		.model = args->model,
		.fault = args->fault};
	run->sim.fault.start_ns = disagg_monotonic_ns();
	run->listen_ns = run->sim.fault.start_ns + (int64_t)(args->start_delay_s * 1e9);
	sim_log("%s %s '%s', model '%s', no GPU and no model is used", sim_kind_names[args->kind],
		sim_role_names[args->role], args->name, args->model);
	raise_files();
	if (result == 0)
		result = open_parts(run, &err);
	if (result == 0)
		result = loop(run, &err);
	tell_work(&run->sim);
	close_parts(run);
	if (result < 0)
		return helper_fail_err(&sim_helper, &err);
	return DISAGG_OK;
}

int main(int argc, char **argv)
{
	struct running *run = calloc(1, sizeof(*run));
	int code;

	if (!run)
		return helper_fail(&sim_helper, DISAGG_SYSTEM, "out of memory");
	run->signal_fd = run->listen_fd = -1;
	code = sim_args_read(&run->args, argc, argv);
	if (code < 0)
		code = run_all(run);
	free(run);
	return code;
}
