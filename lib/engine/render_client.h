/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_RENDER_CLIENT_H
#define DISAGG_ENGINE_RENDER_CLIENT_H

#include "lib/engine/client.h"

/* ,"client":{...} of a benchmark without a command of its own (docs/engine-commands). */
void disagg_render_client(const struct disagg_client *client, struct disagg_strbuf *out);

#endif
