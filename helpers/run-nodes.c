/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/run.h"
#include "lib/base/fd.h"
#include "lib/base/num.h"
#include "lib/host/rundir.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS     INT64_C(1000000000)
#define STEP_NAME     "disagg-node"
#define LOG_NAME      "nodes.log"
#define RELEASE_MS    3000
#define MOST_WARNINGS 8u
#define ROUNDS	      2u /* through all blocks, before it is given up */
#define JITTER_NS     INT64_C(50000000)

/*
 * Blocks of ports lie BLOCK apart.  The lease is by single ports, so a block
 * need not hold all of a deployment's: it only spreads those of one node so that
 * they seldom meet.  They stay below the ports that the kernel hands out to
 * clients (net.ipv4.ip_local_port_range begins at 32768) where that leaves room.
 */
enum { BLOCK = 1000, BEFORE_CLIENTS = 32767, PORT_MAX = 65535, FEW_BLOCKS = 8 };

/* ---- which blocks there are ---- */

static unsigned count_blocks(struct run *run)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_node_ports ports;
	int highest = 1;
	unsigned blocks;

	for (uint32_t node = 0; node < run->in.plan->nodes; node++) {
		int port;

		disagg_engine_ports(
			&scratch, run->in.job, run->in.plan, &run->in.engine, node, &ports);
		disagg_arena_release(&scratch);
		port = disagg_portset_highest(&ports.moved);
		highest = port > highest ? port : highest;
	}
	blocks = highest < BEFORE_CLIENTS ? (unsigned)(BEFORE_CLIENTS - highest) / BLOCK + 1 : 0;
	return blocks >= FEW_BLOCKS ? blocks : (unsigned)(PORT_MAX - highest) / BLOCK + 1;
}

static unsigned first_block(struct run *run, unsigned blocks)
{
	bool alone = false;
	int64_t id = 0;

	/* nobody is to be met there, and the ports are the plan's */
	if (disagg_slurm_is_alone(&run->arena, &run->slurm, &alone, NULL) == 0 && alone)
		return 0;
	(void)disagg_num_int(run->in.job_id, 0, INT64_MAX, &id);
	return (unsigned)(id % blocks);
}

/* ---- the step ---- */

const char *run_node_names(struct run *run)
{
	struct disagg_strbuf names;
	const char *text = NULL;

	if (run->in.plan->nodes == run->in.hosts.count)
		return NULL;
	disagg_strbuf_init(&names, DISAGG_MAX_HOSTLIST * 64u);
	for (uint32_t i = 0; i < run->in.plan->nodes; i++)
		disagg_strbuf_printf(&names, "%s%s", i ? "," : "", disagg_inside_host(&run->in, i));
	if (!names.failed)
		text = disagg_arena_strdup(&run->arena, names.text);
	disagg_strbuf_release(&names);
	return text;
}

static int spawn(struct run *run, const struct disagg_proc_spec *streams, struct disagg_err *err)
{
	const char *node = disagg_proc_tool(&run->arena, STEP_NAME, run->path);
	const char *const program[] = {node, NULL};
	/* a task a node is the shape of some plans */
	static const char *const change[] = {"SLURM_DISAGG_ROLES=none", NULL};
	const struct disagg_step_call call = {.nodes = run->in.plan->nodes,
		.nodelist = run_node_names(run),
		.name = STEP_NAME,
		.program = program};
	struct disagg_proc_spec spec = *streams;

	if (!node)
		return disagg_err_set(err, DISAGG_MISSING,
			"'" STEP_NAME "' is neither beside disagg-run nor in PATH");
	spec.argv = disagg_step_argv(&run->arena, &run->slurm, &call);
	spec.envp = disagg_proc_env(&run->arena, run->envp, change);
	if (!spec.argv || !spec.envp)
		return disagg_err_nomem(err);
	return disagg_proc_spawn(&spec, &run->nodes.proc, err);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int start(struct run *run, struct disagg_err *err)
{
	struct run_nodes *nodes = &run->nodes;
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	int log = disagg_rundir_open_log(&run->arena, run->in.run_dir, LOG_NAME, err);
	int rc = -1;

	if (log >= 0 && (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) ||
				fcntl(out[0], F_SETFL, O_NONBLOCK)))
		disagg_err_sys(err, "cannot start '" STEP_NAME "': no pipe");
	else if (log >= 0)
		rc = spawn(run,
			&(struct disagg_proc_spec){
				.in_fd = in[0], .out_fd = out[1], .err_fd = log, .own_group = true},
			err);
	close_end(&log);
	close_end(&in[0]);
	close_end(&out[1]);
	nodes->in_fd = in[1];
	nodes->out_fd = out[0];
	nodes->checked = nodes->held = nodes->taken = 0;
	nodes->line_len = 0;
	nodes->tries++;
	return rc;
}

static void stop(struct run *run)
{
	close_end(&run->nodes.in_fd);
	close_end(&run->nodes.out_fd);
}

/* ---- what the nodes say ---- */

static const char *next_word(char **rest)
{
	char *word = *rest;

	*rest += strcspn(word, " ");
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

/* What is said of every node of a large job is said often enough. */
static void take_warning(struct run *run, const char *text)
{
	if (run->nodes.warnings++ < MOST_WARNINGS)
		run_warn(run, "%s", text);
}

static void take_error(struct run *run, char *rest)
{
	int64_t code = DISAGG_SYSTEM;

	(void)disagg_num_int(next_word(&rest), DISAGG_CHECK, DISAGG_INVALID, &code);
	run_verdict(run, (int)code, NULL, "%s", rest);
}

static const char *holder_name(const char *word)
{
	return strcmp(word, "held") == 0  ? "taken by another deployment"
	       : strcmp(word, "own") == 0 ? "one that the file fixes for another process"
					  : "taken by a program that listens there";
}

/* Of many nodes one line a block tells enough. */
static void take_taken(struct run *run, uint32_t node, char *rest)
{
	int64_t offset = -1, port = 0;
	const char *holder;

	(void)disagg_num_int(next_word(&rest), 0, PORT_MAX, &offset);
	(void)disagg_num_int(next_word(&rest), 0, PORT_MAX, &port);
	holder = holder_name(next_word(&rest));
	if (offset != run->nodes.offset)
		return;
	run->nodes.taken++;
	if (strcmp(rest, "pinned") == 0)
		run_verdict(run, DISAGG_SYSTEM, NULL,
			"port %d on '%s' is %s, and the file fixes it: take the port out of the "
			"engine's settings, so that another can be chosen",
			(int)port, disagg_inside_host(&run->in, node), holder);
	else if (run->nodes.taken == 1)
		run_say(run, "port %d on %s is %s: the next block of ports is tried", (int)port,
			disagg_inside_host(&run->in, node), holder);
}

static void take_held(struct run *run, const char *word)
{
	int64_t offset = -1;

	(void)disagg_num_int(word, 0, PORT_MAX, &offset);
	run->nodes.held += offset == run->nodes.offset;
}

/* "node 3 held 2000"; what else a site's prolog prints there is not for us. */
static void take_line(struct run *run, char *line)
{
	struct run_nodes *nodes = &run->nodes;
	const char *verb;
	int64_t node;

	if (strcmp(next_word(&line), "node") != 0 ||
		disagg_num_int(next_word(&line), 0, (int64_t)run->in.plan->nodes - 1, &node))
		return;
	verb = next_word(&line);
	if (strcmp(verb, "warning") == 0)
		take_warning(run, line);
	else if (strcmp(verb, "error") == 0)
		take_error(run, line);
	else if (strcmp(verb, "taken") == 0)
		take_taken(run, (uint32_t)node, line);
	else if (strcmp(verb, "held") == 0)
		take_held(run, line);
	if (strcmp(verb, "checked") != 0)
		return;
	nodes->checked++;
	nodes->address[node] = disagg_arena_strdup(&run->arena, line);
}

static void take_byte(struct run *run, char byte)
{
	struct run_nodes *nodes = &run->nodes;

	if (byte != '\n') {
		if (nodes->line_len + 1 < sizeof(nodes->line))
			nodes->line[nodes->line_len++] = byte;
		return;
	}
	nodes->line[nodes->line_len] = '\0';
	nodes->line_len = 0;
	disagg_text_tame(nodes->line);
	take_line(run, nodes->line);
}

bool run_nodes_input(struct run *run)
{
	char bytes[4096];
	ssize_t got = read(run->nodes.out_fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < got; i++)
		take_byte(run, bytes[i]);
	if (got > 0 || (got < 0 && errno == EINTR))
		return true;
	if (got == 0 || errno != EAGAIN)
		close_end(&run->nodes.out_fd);
	return false;
}

/* ---- its end ---- */

static void try_again(struct run *run, const char *how)
{
	const char *log = disagg_arena_printf(&run->arena, "%s/" LOG_NAME, run->in.run_dir);
	const char *words = log ? run_last_words(run, log) : "";

	int code = disagg_proc_code(run->nodes.proc.status);
	bool is_final = code == DISAGG_USAGE || code == DISAGG_CONFIG ||
			run->nodes.checked == run->in.plan->nodes;

	if (run->nodes.tries >= RUN_TRIES || is_final) {
		run_verdict(run, code == DISAGG_CONFIG ? DISAGG_CONFIG : DISAGG_SYSTEM, NULL,
			"the step '" STEP_NAME "' on the job's nodes has ended: %s: %s", how,
			words);
		return;
	}
	run_warn(run,
		"the step '" STEP_NAME "' on the job's nodes does not start: %s: %s; try %u of %u "
		"follows",
		how, words, run->nodes.tries + 1, RUN_TRIES);
	run->nodes.again_ns = run_ns() + run->nodes.tries * SECOND_NS;
}

void run_nodes_ended(struct run *run)
{
	struct run_nodes *nodes = &run->nodes;
	bool was_held = nodes->held == run->in.plan->nodes;
	char how[64];

	/* what it has said last is the better reason */
	while (nodes->out_fd >= 0 && run_nodes_input(run))
		continue;
	stop(run);
	if (run->ending || run->state.verdict.set || run_told_too(run))
		return;
	disagg_proc_tell(nodes->proc.status, how, sizeof(how));
	if (!was_held) {
		try_again(run, how);
		return;
	}
	run_warn(run, "the step that holds the ports on the job's nodes has ended: %s", how);
}

/* ---- the lease ---- */

static bool is_answered(const struct run *run, bool is_asked)
{
	const struct run_nodes *nodes = &run->nodes;
	unsigned count = is_asked ? nodes->held + nodes->taken : nodes->checked;

	return count >= run->in.plan->nodes;
}

/* When the step is due once more; `end` where it runs. */
static int64_t start_due(struct run *run, int64_t end)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (run->nodes.proc.pid || !run->nodes.again_ns)
		return end;
	if (run_ns() < run->nodes.again_ns)
		return run->nodes.again_ns;
	run->nodes.again_ns = 0;
	if (start(run, &err))
		run_verdict_err(run, NULL, &err);
	return end;
}

/* Until every node has answered. */
static int await(struct run *run, bool is_asked)
{
	int64_t end = run_ns() + RUN_LAUNCH_S * SECOND_NS;

	while (!is_answered(run, is_asked) && !run->state.verdict.set) {
		if (run_ns() >= end)
			run_verdict(run, DISAGG_SYSTEM, NULL,
				"only %u of %u nodes have answered within %d s (see '%s/" LOG_NAME
				"')",
				is_asked ? run->nodes.held + run->nodes.taken : run->nodes.checked,
				(unsigned)run->in.plan->nodes, RUN_LAUNCH_S, run->in.run_dir);
		else
			run_tick(run, start_due(run, end));
	}
	return run->state.verdict.set ? -1 : 0;
}

static int ask(struct run *run, int offset)
{
	struct run_nodes *nodes = &run->nodes;
	char line[32];
	int len = snprintf(line, sizeof(line), "hold %d\n", offset);

	nodes->held = nodes->taken = 0;
	nodes->offset = offset;
	/* a step that is gone is told of by its end */
	if (nodes->in_fd >= 0)
		(void)disagg_fd_write_all(nodes->in_fd, line, (size_t)len);
	return await(run, true);
}

/* Two that met on several nodes must not meet at every block that follows. */
static void pause_a_little(struct run *run)
{
	int64_t end = run_ns() + run_ns() % JITTER_NS;

	while (run_ns() < end && !run->state.verdict.set)
		run_tick(run, end);
}

static int find_block(struct run *run)
{
	unsigned blocks = count_blocks(run);
	unsigned first = first_block(run, blocks);

	for (unsigned i = 0; i < ROUNDS * blocks; i++) {
		if (ask(run, (int)((first + i) % blocks) * BLOCK))
			return -1;
		if (run->nodes.held == run->in.plan->nodes)
			return 0;
		pause_a_little(run);
	}
	run_verdict(run, DISAGG_SYSTEM, NULL,
		"no block of ports is free on all nodes: %u were tried, twice each", blocks);
	return -1;
}

/* ---- what steps learn of it ---- */

static const char *list_addresses(struct run *run)
{
	struct disagg_strbuf list;
	const char *text = NULL;
	bool any = false;

	disagg_strbuf_init(&list, DISAGG_MAX_CONFIG_BYTES);
	for (uint32_t i = 0; i < run->in.plan->nodes; i++) {
		const char *address = run->nodes.address[i] ? run->nodes.address[i] : "";

		any |= *address != '\0';
		disagg_strbuf_printf(&list, "%s%s", i ? "," : "", address);
	}
	/* of more nodes than a variable can hold each looks the names up */
	if (any && !list.failed)
		text = disagg_arena_strdup(&run->arena, list.text);
	disagg_strbuf_release(&list);
	return text;
}

static int tell_steps(struct run *run, struct disagg_err *err)
{
	const char *addresses = list_addresses(run);
	const char *const change[] = {
		disagg_arena_printf(&run->arena, DISAGG_INSIDE_OFFSET "=%d", run->nodes.offset),
		disagg_arena_printf(&run->arena, DISAGG_INSIDE_ADDRESSES "%s%s",
			addresses ? "=" : "", addresses ? addresses : ""),
		NULL};

	if (!change[0] || !change[1])
		return disagg_err_nomem(err);
	run->envp = disagg_proc_env(&run->arena, run->envp, change);
	if (!run->envp)
		return disagg_err_nomem(err);
	run->slurm.envp = run->envp;
	disagg_inside_set_offset(&run->in, run->nodes.offset);
	if (disagg_inside_set_addresses(&run->in, addresses, err))
		return -1;
	run->state.port_offset = run->nodes.offset;
	return run_order_health(run, err) || run_dir_environment(run, err) ? -1 : 0;
}

int run_nodes_hold(struct run *run)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	disagg_inside_set_offset(&run->in, 0);
	run->nodes.address =
		disagg_arena_array(&run->arena, run->in.plan->nodes, sizeof(*run->nodes.address));
	if (!run->nodes.address)
		disagg_err_nomem(&err);
	else if (start(run, &err) == 0 && await(run, false) == 0 && find_block(run) == 0)
		tell_steps(run, &err);
	if (err.code)
		run_verdict_err(run, NULL, &err);
	if (run->state.verdict.set)
		return -1;
	if (run->nodes.warnings > MOST_WARNINGS)
		run_warn(run, "and %u more warnings of nodes", run->nodes.warnings - MOST_WARNINGS);
	if (run->nodes.offset)
		run_say(run, "ports are the plan's plus %d", run->nodes.offset);
	return 0;
}

void run_nodes_release(struct run *run)
{
	int64_t end = run_ns() + RELEASE_MS * INT64_C(1000000);

	stop(run);
	while (run->nodes.proc.pid && run_ns() < end)
		run_tick(run, end);
	if (run->nodes.proc.pid)
		disagg_proc_kill(&run->nodes.proc);
}
