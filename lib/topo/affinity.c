/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/topo/affinity.h"

static int find_gpu(const struct disagg_topo *topo, const char *pci,
	const struct disagg_topo_device **ret, struct disagg_err *err)
{
	*ret = disagg_topo_gpu(topo, pci);
	if (*ret)
		return 0;
	return disagg_err_set(err, DISAGG_MISSING, "the topology has no GPU at '%s'", pci);
}

int disagg_near_cpus(struct disagg_arena *arena, const struct disagg_topo *topo,
	const char *const *gpu, unsigned gpu_count, const cpu_set_t *allowed,
	struct disagg_near *ret, struct disagg_err *err)
{
	struct disagg_near near = {
		.numa = disagg_arena_array(arena, topo->numa_count, sizeof(*near.numa))};
	const struct disagg_topo_device *device;

	if (!near.numa)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < gpu_count; i++) {
		if (find_gpu(topo, gpu[i], &device, err))
			return -1;
		CPU_OR(&near.cpus, &near.cpus, &device->cpus);
	}
	CPU_AND(&near.cpus, &near.cpus, allowed);
	for (unsigned i = 0; i < topo->numa_count; i++) {
		if (disagg_topo_overlap(&topo->numa[i].cpus, &near.cpus))
			near.numa[near.numa_count++] = topo->numa[i].index;
	}
	if (near.numa_count == topo->numa_count)
		near.numa_count = 0;
	*ret = near;
	return 0;
}

/* ---- NICs ---- */

static unsigned common_bridges(
	const struct disagg_topo_device *a, const struct disagg_topo_device *b)
{
	unsigned n = 0;

	while (n < a->bridge_count && n < b->bridge_count && a->bridge[n] == b->bridge[n])
		n++;
	return n;
}

/* More is nearer. */
static unsigned closeness(
	const struct disagg_topo_device *gpu, const struct disagg_topo_device *nic)
{
	unsigned bridges = common_bridges(gpu, nic);

	return bridges ? 1 + bridges : disagg_topo_overlap(&gpu->cpus, &nic->cpus);
}

static void choose(
	const struct disagg_topo *topo, const struct disagg_topo_device *gpu, bool *chosen)
{
	unsigned best = 0;

	for (unsigned i = 0; i < topo->nic_count; i++) {
		unsigned near = closeness(gpu, &topo->nic[i]);

		if (topo->nic[i].active && near > best)
			best = near;
	}
	for (unsigned i = 0; i < topo->nic_count; i++) {
		if (topo->nic[i].active && closeness(gpu, &topo->nic[i]) == best)
			chosen[i] = true;
	}
}

static void put_ports(struct disagg_strbuf *out, const struct disagg_topo_device *nic)
{
	for (unsigned port = 1; port < 32; port++) {
		if (nic->active >> port & 1)
			disagg_strbuf_printf(out, "%s%s:%u", out->len ? "," : "", nic->name, port);
	}
}

int disagg_near_nics(struct disagg_arena *arena, const struct disagg_topo *topo,
	const char *const *gpu, unsigned gpu_count, const char **ret, struct disagg_err *err)
{
	bool *chosen = disagg_arena_array(arena, topo->nic_count, sizeof(*chosen));
	const struct disagg_topo_device *device;
	struct disagg_strbuf list;
	unsigned count = 0;
	const char *text = NULL;

	if (!chosen)
		return disagg_err_nomem(err);
	for (unsigned i = 0; i < gpu_count; i++) {
		if (find_gpu(topo, gpu[i], &device, err))
			return -1;
		choose(topo, device, chosen);
	}
	disagg_strbuf_init(&list, 0);
	for (unsigned i = 0; i < topo->nic_count; i++) {
		if (chosen[i])
			put_ports(&list, &topo->nic[i]);
		count += chosen[i];
	}
	if (count == topo->nic_count)
		disagg_strbuf_clear(&list);
	if (!list.failed)
		text = disagg_arena_strdup(arena, list.text);
	disagg_strbuf_release(&list);
	if (!text)
		return disagg_err_nomem(err);
	*ret = text;
	return 0;
}
