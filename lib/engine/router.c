/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"
#include "lib/conf/scalar.h"

/* SGLang's router is told every worker on its command line. */

static const char *scheme(const struct disagg_cmd *cmd, uint32_t role)
{
	const struct disagg_node *grpc = disagg_arg_get(cmd->job->role[role].args, "grpc-mode");

	return grpc && grpc->kind == DISAGG_SCALAR && disagg_scalar_read(grpc).boolean ? "grpc"
										       : "http";
}

/* The leader's port of one worker; 0: it serves nobody. */
static int leader_port(
	const struct disagg_cmd *cmd, const struct disagg_worker *worker, enum disagg_port port)
{
	int number = disagg_cmd_port_of(
		cmd, worker->role, port, disagg_cmd_leader(cmd, worker)->port[port]);

	return number > 0 ? number : 0;
}

static void put_url(struct disagg_cmd *cmd, const struct disagg_worker *worker)
{
	disagg_cmd_putf(cmd, "%s://%s:%d", scheme(cmd, worker->role),
		disagg_cmd_ip(cmd, disagg_cmd_leader(cmd, worker)->node),
		leader_port(cmd, worker, DISAGG_PORT_HTTP));
}

static void put_half(struct disagg_cmd *cmd, const struct disagg_worker *worker, bool prefill)
{
	int bootstrap = leader_port(cmd, worker, DISAGG_PORT_BOOTSTRAP);

	disagg_cmd_put(cmd, prefill ? "--prefill" : "--decode");
	put_url(cmd, worker);
	if (prefill && bootstrap)
		disagg_cmd_putf(cmd, "%d", bootstrap);
}

static void put_halves(struct disagg_cmd *cmd, enum disagg_role_kind kind)
{
	for (uint32_t i = 0; i < cmd->plan->worker_count; i++) {
		const struct disagg_worker *worker = &cmd->plan->worker[i];

		if (cmd->plan->role[worker->role].kind == kind &&
			leader_port(cmd, worker, DISAGG_PORT_HTTP))
			put_half(cmd, worker, kind == DISAGG_PREFILL);
	}
}

static bool has_kind(const struct disagg_cmd *cmd, enum disagg_role_kind kind)
{
	for (uint32_t i = 0; i < cmd->plan->worker_count; i++) {
		if (cmd->plan->role[cmd->plan->worker[i].role].kind == kind)
			return true;
	}
	return false;
}

static void put_regular(struct disagg_cmd *cmd)
{
	disagg_cmd_put(cmd, "--worker-urls");
	for (uint32_t i = 0; i < cmd->plan->worker_count; i++) {
		if (leader_port(cmd, &cmd->plan->worker[i], DISAGG_PORT_HTTP))
			put_url(cmd, &cmd->plan->worker[i]);
	}
}

int disagg_engine_sglang_router(struct disagg_cmd *cmd)
{
	static const char *const program[] = {"python", "-m", "sglang_router.launch_router", NULL};
	static const char *const skip[] = {"port", NULL};

	disagg_cmd_put_all(cmd, program);
	if (has_kind(cmd, DISAGG_PREFILL) || has_kind(cmd, DISAGG_DECODE)) {
		disagg_cmd_put(cmd, "--pd-disaggregation");
		put_halves(cmd, DISAGG_PREFILL);
		put_halves(cmd, DISAGG_DECODE);
	} else {
		put_regular(cmd);
	}
	disagg_cmd_own(cmd, "--host", "0.0.0.0");
	disagg_cmd_flag(cmd, "--port", "%d", disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
	disagg_cmd_flags(cmd, cmd->role->args, skip, DISAGG_FLAG_AS_IS);
	return 0;
}
