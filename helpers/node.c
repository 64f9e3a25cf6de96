/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/helper.h"
#include "lib/base/num.h"
#include "lib/host/lease.h"
#include "lib/host/node.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES  64
#define MOST_FILES  65536ul
#define OFFSET_MOST 65535

static const struct helper_option options[] = {
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-node",
	.synopsis = "[OPTION]...",
	.about = "The part of disagg-run on each node of its job, one task a node: says what the\n"
		 "node lacks, then holds the deployment's ports there until its standard input\n"
		 "ends.  Each line 'hold OFFSET' asks for the ports with that offset; the answer\n"
		 "is 'held', or 'taken' with the port.\n",
	.option = options,
	.examples = "  echo 'hold 0' | srun --overlap -N2 --ntasks-per-node=1 disagg-node\n",
	.environment = "  SLURM_DISAGG_PLAN, SLURM_DISAGG_CONFIG   what the job carries\n"
		       "  SLURMD_NODENAME   which node of the job this is\n",
	.exits = "  0 ok, 2 not inside a job with a plan, 3 the configuration is bad, 5 a system\n"
		 "  call failed\n",
	.features = "node check, lease on ports",
};

struct node {
	struct disagg_arena arena;
	struct disagg_inside in;
	uint32_t index;
	struct disagg_lease lease;
};

static const char *environment(const char *name)
{
	return getenv(name);
}

/* One write a line, so that lines of several nodes do not mix. */
static int answer(const struct node *node, const char *text)
{
	printf("node %u %s\n", (unsigned)node->index, text);
	return fflush(stdout);
}

static void tell(void *context, enum disagg_code code, const char *text)
{
	const struct node *node = context;
	char line[600];

	if (code)
		snprintf(line, sizeof(line), "error %d %s", (int)code, text);
	else
		snprintf(line, sizeof(line), "warning %s", text);
	answer(node, line);
}

static void check(struct node *node)
{
	struct disagg_node_facts facts = {.in = &node->in, .node = node->index, .sys = "/sys"};
	char line[128];

	disagg_node_limits(&facts);
	disagg_node_check(&facts, tell, node);
	snprintf(line, sizeof(line), "checked %s", disagg_node_address(&node->in));
	answer(node, line);
}

/* Pinned ports first: one of them that is taken no other offset cures.  Ports that
 * move onto one of the deployment's own pinned ones need another offset. */
static int take_ports(struct node *node, const struct disagg_node_ports *ports,
	struct disagg_lease_conflict *ret, const char **ret_kind, struct disagg_err *err)
{
	int rc = disagg_lease_take(&node->lease, &ports->pinned, ret, err);

	*ret_kind = "pinned";
	if (rc)
		return rc;
	*ret_kind = "free";
	return disagg_lease_take(&node->lease, &ports->moved, ret, err);
}

static const char *holder_of(
	const struct disagg_node_ports *ports, const struct disagg_lease_conflict *taken)
{
	if (disagg_portset_has(&ports->moved, taken->port) &&
		disagg_portset_has(&ports->pinned, taken->port))
		return "own";
	return taken->why == DISAGG_LEASE_HELD ? "held" : "open";
}

static int hold(struct node *node, int offset, struct disagg_err *err)
{
	struct disagg_arena scratch = DISAGG_ARENA_INIT;
	struct disagg_node_ports ports;
	struct disagg_lease_conflict taken;
	char line[LINE_BYTES];
	const char *kind;
	int rc;

	disagg_lease_release(&node->lease);
	node->in.engine.port_offset = offset;
	disagg_engine_ports(
		&scratch, node->in.job, node->in.plan, &node->in.engine, node->index, &ports);
	disagg_arena_release(&scratch);
	rc = take_ports(node, &ports, &taken, &kind, err);
	if (rc < 0)
		return -1;
	if (rc)
		snprintf(line, sizeof(line), "taken %d %d %s %s", offset, taken.port,
			holder_of(&ports, &taken), kind);
	else
		snprintf(line, sizeof(line), "held %d", offset);
	return answer(node, line) ? disagg_err_sys(err, "cannot answer") : 0;
}

static int serve(struct node *node, struct disagg_err *err)
{
	static const char word[] = "hold ";
	char line[LINE_BYTES];
	int64_t offset;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, word, sizeof(word) - 1) != 0 ||
			disagg_num_int(line + sizeof(word) - 1, 0, OFFSET_MOST, &offset))
			return disagg_err_set(err, DISAGG_USAGE,
				"invalid line '%s': expected 'hold OFFSET', a number from 0 to %d",
				line, OFFSET_MOST);
		if (hold(node, (int)offset, err))
			return -1;
	}
	return ferror(stdin) ? disagg_err_sys(err, "cannot read the standard input") : 0;
}

static int work(struct node *node, struct disagg_err *err)
{
	if (disagg_inside_load(&node->in, &node->arena, environment, err) ||
		disagg_inside_this_node(&node->in, &node->index, err))
		return -1;
	disagg_node_raise_limits(MOST_FILES);
	check(node);
	return serve(node, err);
}

static int take(void *context, int id, const char *value)
{
	(void)context;
	(void)id;
	(void)value;
	return 0;
}

int main(int argc, char **argv)
{
	struct node node = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	int first, rc = helper_parse(&helper, argc, argv, take, NULL, &first);

	if (rc >= 0)
		return rc;
	if (first < argc)
		return helper_usage(&helper, "unexpected argument '%s'", argv[first]);
	rc = work(&node, &err) ? helper_fail_err(&helper, &err) : DISAGG_OK;
	disagg_lease_release(&node.lease);
	disagg_arena_release(&node.arena);
	return rc;
}
