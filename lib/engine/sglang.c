/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"

#define NCCL_PORT 17500
#define NCCL_ROOM 2000u

/* srtctl puts its own values over a recipe's; elsewhere the file's count. */
static const char *const srtctl_owns[] = {"model-path", "served-model-name", "nccl-port", NULL};

static void put_owned(struct disagg_cmd *cmd, const char *flag, const char *value)
{
	if (cmd->job->dialect == DISAGG_SRTCTL)
		disagg_cmd_flag(cmd, flag, "%s", value);
	else
		disagg_cmd_own(cmd, flag, "%s", value);
}

/* SGLang would look for a free port, and workers that start together race. */
static const char *nccl_port(struct disagg_cmd *cmd)
{
	int port = NCCL_PORT + (int)(disagg_cmd_ordinal(cmd) % NCCL_ROOM) + cmd->site->port_offset;
	const char *text = disagg_arena_printf(cmd->arena, "%d", port);

	disagg_cmd_listens(cmd, port, false);
	if (!text)
		cmd->failed = true;
	return text ? text : "";
}

static void put_pair(struct disagg_cmd *cmd)
{
	int bootstrap = disagg_cmd_port(cmd, DISAGG_PORT_BOOTSTRAP);

	if (!disagg_cmd_is_half(cmd))
		return;
	disagg_cmd_own(cmd, "--disaggregation-mode", "%s", disagg_cmd_mode(cmd));
	if (cmd->role->kind == DISAGG_PREFILL && bootstrap > 0)
		disagg_cmd_own(cmd, "--disaggregation-bootstrap-port", "%d", bootstrap);
}

static void put_ranks(struct disagg_cmd *cmd)
{
	if (cmd->nodes < 2)
		return;
	disagg_cmd_own(cmd, "--dist-init-addr", "%s:%d", disagg_cmd_ip(cmd, cmd->leader->node),
		disagg_cmd_port(cmd, DISAGG_PORT_DIST));
	disagg_cmd_own(cmd, "--nnodes", "%u", (unsigned)cmd->nodes);
	disagg_cmd_own(cmd, "--node-rank", "%u", (unsigned)cmd->node_rank);
}

int disagg_engine_sglang(struct disagg_cmd *cmd)
{
	bool srtctl = cmd->job->dialect == DISAGG_SRTCTL;

	if (disagg_cmd_need_model(cmd))
		return -1;
	disagg_cmd_profile_prefix(cmd);
	disagg_cmd_put(cmd, "python3");
	disagg_cmd_flag(cmd, "-m", "%s", cmd->dynamo ? "dynamo.sglang" : "sglang.launch_server");
	put_owned(cmd, "--model-path", disagg_cmd_model(cmd));
	if (cmd->job->served_name)
		put_owned(cmd, "--served-model-name", cmd->job->served_name);
	disagg_cmd_own(cmd, "--host", "0.0.0.0");
	disagg_cmd_own(cmd, "--port", "%d", disagg_cmd_port(cmd, DISAGG_PORT_HTTP));
	put_owned(cmd, "--nccl-port", nccl_port(cmd));
	put_pair(cmd);
	put_ranks(cmd);
	disagg_cmd_kv_events(cmd, NULL);
	if (cmd->dynamo)
		disagg_cmd_dynamo_flags(cmd);
	disagg_cmd_flags(cmd, cmd->role->args, srtctl ? srtctl_owns : NULL, DISAGG_FLAG_DASHES);
	disagg_cmd_dynamo_env(cmd);
	disagg_cmd_profile_env(cmd);
	disagg_cmd_mooncake_env(cmd);
	return 0;
}
