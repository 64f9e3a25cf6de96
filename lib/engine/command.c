/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/build.h"

/*
 * A program of the user's.  A list is its argv, and no shell reads it; a line
 * (`script:`, a custom benchmark) is the user's own for a shell.
 */
int disagg_engine_command(struct disagg_cmd *cmd)
{
	const struct disagg_role *role = cmd->role;
	bool login = cmd->job->dialect == DISAGG_SRTCTL;

	for (unsigned i = 0; i < role->command.count; i++)
		disagg_cmd_put(cmd, role->command.v[i]);
	if (role->script) {
		disagg_cmd_put(cmd, login ? "bash" : "sh");
		disagg_cmd_flag(cmd, login ? "-lc" : "-c", "%s", role->script);
	}
	if (login && role->kind == DISAGG_BENCHMARK && cmd->out->argc)
		disagg_cmd_client_env(cmd, cmd->job->bench.type, &cmd->out->env);
	return 0;
}
