/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/probe/health.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int join(struct probe *probe, const struct disagg_meet_self *self, int port,
	struct disagg_link *ret, struct disagg_err *err)
{
	int ports[DISAGG_MEET_PORTS] = {port};
	struct disagg_meet_where where = {.host = {port ? "127.0.0.1" : probe->seat.node[0],
						  port ? NULL : probe->seat.launch},
		.port = ports,
		.ports = port ? 1 : DISAGG_MEET_PORTS,
		.wait_ms = probe->join_ms,
		.cancel_fd = probe->signal_fd};

	if (!port)
		disagg_meet_ports(&probe->meet, ports);
	return disagg_meet_find(self, &where, ret, err);
}

/* Without NVML nobody is known to use them. */
static void find_busy(struct disagg_arena *arena, struct disagg_gpu_list *list)
{
	struct disagg_nvml nvml;

	list->busy = disagg_arena_array(arena, list->count + 1, sizeof(*list->busy));
	if (!list->busy || disagg_nvml_open(&nvml, NULL))
		return;
	for (size_t i = 0; i < list->count; i++)
		list->busy[i] = disagg_health_busy(arena, &nvml, &list->gpu[i], 1);
	disagg_nvml_close(&nvml);
}

static int list_devices(struct disagg_arena *arena, const struct disagg_probe_options *options,
	struct disagg_gpu_list *ret, struct disagg_err *err)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");

	if (disagg_devices_list(arena, visible, &ret->gpu, &ret->count, err))
		return -1;
	if (!options->force)
		find_busy(arena, ret);
	return 0;
}

int probe_agent(struct probe *probe, const char *node, int fd, int port)
{
	struct disagg_agent_spec spec = {.node = node,
		.probes = disagg_probes,
		.options = &probe->options,
		.devices = list_devices,
		.signal_fd = probe->signal_fd};
	struct disagg_meet_self self = {.meet = &probe->meet, .node = node, .held = probe->held};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_link link;
	int rc = fd >= 0 ? disagg_meet_join(&self, fd, &link, &err)
			 : join(probe, &self, port, &link, &err);

	if (rc == 0) {
		rc = disagg_agent_serve(&spec, &link, &err);
		disagg_link_close(&link);
	}
	/* what is amiss of this node is in the lead's report, whose exit code counts; a signal
	 * and a held node it tells itself */
	if (rc != 0 && !probe->held && err.code != DISAGG_TIMEOUT)
		helper_fail(probe->helper, DISAGG_OK, "%s: %s", node, err.text);
	return DISAGG_OK;
}
