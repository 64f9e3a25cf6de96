/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_RENDER_COMMANDS_H
#define DISAGG_ENGINE_RENDER_COMMANDS_H

#include "lib/engine/engine.h"

/*
 * Every command of a deployment (schema disagg.commands/1, docs/engine-commands):
 * one JSON object on one line, no newline at the end.  Names that only the job
 * knows are "<host:N>", "<ip:N>" and "<run_dir>"; secrets stay ${env:NAME}.
 */
int disagg_render_commands(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, struct disagg_strbuf *out, struct disagg_err *err);

#endif
