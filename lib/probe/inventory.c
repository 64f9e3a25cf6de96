/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/limits.h"
#include "lib/probe/devices.h"
#include "lib/probe/node.h"
#include "lib/probe/sysfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_FACT 200

/* NVIDIA's devices of the classes "3D controller" and "VGA controller" */
static size_t gpus_on_bus(struct disagg_probe_run *run)
{
	const char *root = run->options->sysroot;
	struct disagg_sysfile_names devices =
		disagg_sysfile_list(run->arena, root, "/sys/bus/pci/devices");
	size_t count = 0;

	for (size_t i = 0; i < devices.count; i++) {
		const char *vendor = disagg_sysfile_line(
			run->arena, root, "/sys/bus/pci/devices/%s/vendor", devices.name[i]);
		const char *class = disagg_sysfile_line(
			run->arena, root, "/sys/bus/pci/devices/%s/class", devices.name[i]);

		count += vendor && class && strcmp(vendor, "0x10de") == 0 &&
			 (strncmp(class, "0x0302", 6) == 0 || strncmp(class, "0x0300", 6) == 0);
	}
	return count;
}

/* ---- facts of one GPU, each to be equal on all of the node and of the fleet ---- */

struct fact {
	const char *param;
	void (*tell)(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size);
};

static void tell_pcie(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	unsigned gen = 0, width = 0;

	DISAGG_NVML_CALL(nvml, pcie_gen_most, device, &gen);
	DISAGG_NVML_CALL(nvml, pcie_width_most, device, &width);
	snprintf(buf, size, "gen%u x%u", gen, width);
}

static void tell_links(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	unsigned active = 0, links = 0, version = 0;

	for (unsigned link = 0; link < NVML_NVLINK_MAX_LINKS; link++) {
		nvmlEnableState_t state = NVML_FEATURE_DISABLED;

		if (DISAGG_NVML_CALL(nvml, link_state, device, link, &state) != NVML_SUCCESS)
			continue;
		links++;
		active += state == NVML_FEATURE_ENABLED;
		if (!version)
			DISAGG_NVML_CALL(nvml, link_version, device, link, &version);
	}
	snprintf(buf, size, "%u of %u links, version %u", active, links, version);
}

static void tell_modes(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	nvmlEnableState_t ecc = NVML_FEATURE_DISABLED, pending, keep = NVML_FEATURE_DISABLED;
	unsigned mig = 0, mig_pending;
	bool has_ecc = DISAGG_NVML_CALL(nvml, ecc_mode, device, &ecc, &pending) == NVML_SUCCESS;
	bool has_mig = DISAGG_NVML_CALL(nvml, mig_mode, device, &mig, &mig_pending) == NVML_SUCCESS;

	DISAGG_NVML_CALL(nvml, persistence, device, &keep);
	snprintf(buf, size, "ecc %s, mig %s, persistence %s",
		!has_ecc ? "none"
		: ecc	 ? "on"
			 : "off",
		!has_mig ? "none"
		: mig	 ? "on"
			 : "off",
		keep ? "on" : "off");
}

static void tell_power(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	unsigned limit = 0;

	if (DISAGG_NVML_CALL(nvml, power_limit, device, &limit) == NVML_SUCCESS)
		snprintf(buf, size, "%u W", (limit + 500) / 1000);
}

static void tell_vbios(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	char text[DISAGG_NVML_TEXT];

	if (DISAGG_NVML_CALL(nvml, vbios_version, device, text, sizeof(text)) == NVML_SUCCESS)
		snprintf(buf, size, "%s", text);
}

static const struct fact facts[] = {
	{"pcie", tell_pcie},
	{"nvlink", tell_links},
	{"modes", tell_modes},
	{"power", tell_power},
	{"vbios", tell_vbios},
};

/* "8 x gen5 x16", or "7 x gen5 x16, 1 x gen5 x8" where GPUs of the node differ. */
static const char *tell_all(
	struct disagg_probe_run *run, const struct disagg_nvml *nvml, const struct fact *fact)
{
	const char *text = NULL;
	char said[DISAGG_MAX_GPUS_PER_NODE][MOST_FACT];
	size_t times[DISAGG_MAX_GPUS_PER_NODE] = {0}, kinds = 0;

	for (size_t i = 0; i < run->gpu_count && i < DISAGG_MAX_GPUS_PER_NODE; i++) {
		nvmlDevice_t device;
		char now[MOST_FACT] = "";
		size_t k = 0;

		if (disagg_devices_handle(nvml, &run->gpus[i], &device, NULL))
			continue;
		fact->tell(nvml, device, now, sizeof(now));
		while (k < kinds && strcmp(said[k], now) != 0)
			k++;
		if (k == kinds)
			memcpy(said[kinds++], now, sizeof(now));
		times[k]++;
	}
	for (size_t k = 0; k < kinds; k++)
		text = disagg_arena_printf(run->arena, "%s%s%zu x %s", text ? text : "",
			text ? ", " : "", times[k], said[k]);
	if (kinds > 1)
		disagg_node_finding(run, fact->param, DISAGG_PROBE_WARN,
			disagg_arena_printf(run->arena, "the node's GPUs differ: %s", text), NULL);
	return text;
}

/* ---- NVLink between nodes ---- */

/* "clique 1 of 12345678-...", where more than this node may be in it: a node of its own,
 * as HGX boards are, has a domain without a number. */
static void tell_domain(const struct disagg_nvml *nvml, nvmlDevice_t device, char *buf, size_t size)
{
	struct disagg_fabric fabric = {0};

	disagg_devices_fabric(nvml, device, &fabric);
	if (fabric.completed && strspn(fabric.cluster, "0-") < strlen(fabric.cluster))
		snprintf(buf, size, "clique %u of %s", fabric.clique, fabric.cluster);
	else
		snprintf(buf, size, "no domain");
}

/* A channel is not there by default, and without one CUDA refuses memory of other nodes
 * (NVIDIA's IMEX guide, "IMEX Channels"); Slurm's switch/nvidia_imex makes one a job. */
static void emit_channels(struct disagg_probe_run *run)
{
	struct disagg_sysfile_names channels = disagg_sysfile_list(
		run->arena, run->options->device_root, "/dev/nvidia-caps-imex-channels");
	const char *text = NULL;

	for (size_t i = 0; i < channels.count; i++)
		text = disagg_arena_printf(
			run->arena, "%s%s%s", text ? text : "", text ? " " : "", channels.name[i]);
	if (!text)
		disagg_node_finding(run, "imex", DISAGG_PROBE_WARN,
			"its GPUs are in an NVLink domain, and there is no IMEX channel: the memory "
			"of other nodes cannot be mapped",
			"Slurm's switch/nvidia_imex, or a channel of the site; is nvidia-imex "
			"running?");
}

static void emit_domain(struct disagg_probe_run *run, const struct disagg_nvml *nvml)
{
	static const struct fact domain = {"nvlink_domain", tell_domain};
	const char *text = tell_all(run, nvml, &domain);

	if (!text || !strstr(text, "clique"))
		return;
	disagg_node_fact(run, domain.param, text);
	emit_channels(run);
}

/* A step that is given some of the GPUs, or instances of one, cannot tell what is missing. */
static size_t given(const char *visible)
{
	size_t count = visible && *visible ? 1 : 0;

	if (!visible)
		return SIZE_MAX;
	for (; *visible; visible++)
		count += *visible == ',';
	return count;
}

/* "0,1" or UUIDs; "NoDevFiles" is what Slurm writes for none. */
static bool is_promised(const char *visible)
{
	return visible && (strspn(visible, "0123456789") > 0 || strncmp(visible, "GPU-", 4) == 0 ||
				  strncmp(visible, "MIG-", 4) == 0);
}

static void emit_count(struct disagg_probe_run *run, size_t on_bus)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	bool all = given(visible) >= on_bus;
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.param = "gpus";
	record.has_value = true;
	record.value = (double)run->gpu_count;
	record.unit = "GPUs";
	record.digest = run->gpu_count ? disagg_arena_printf(run->arena, "%zu x %.48s",
						 run->gpu_count, run->gpus[0].name)
				       : "none";
	for (size_t i = 0; i < run->gpu_count; i++)
		all = all && !run->gpus[i].mig;
	if (all && run->gpu_count < on_bus) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = disagg_arena_printf(run->arena,
			"%zu GPUs are on the PCI bus, the driver has %zu", on_bus, run->gpu_count);
		record.hint = "look for Xid 79 in the kernel log; reboot the node";
	} else if (run->gpu_count == 0 && is_promised(visible)) {
		record.status = DISAGG_PROBE_UNKNOWN;
		record.reason = disagg_arena_printf(run->arena,
			"Slurm gave the step %zu GPUs, and none of them is found", given(visible));
		record.hint = "install or load the NVIDIA driver; gpu.health has what it says";
	}
	run->emit(run, &record);
}

static void emit_adapters(struct disagg_probe_run *run)
{
	const char *root = run->options->sysroot;
	struct disagg_sysfile_names hcas =
		disagg_sysfile_list(run->arena, root, "/sys/class/infiniband");
	const char *text = disagg_arena_printf(run->arena, "%zu", hcas.count);

	for (size_t i = 0; i < hcas.count && text; i++) {
		const char *rate = disagg_sysfile_line(
			run->arena, root, "/sys/class/infiniband/%s/ports/1/rate", hcas.name[i]);

		text = disagg_arena_printf(
			run->arena, "%s %s=%s", text, hcas.name[i], rate ? rate : "?");
	}
	disagg_node_fact(run, "adapters", text);
}

int disagg_inventory_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	size_t on_bus = gpus_on_bus(run);
	struct disagg_nvml nvml;

	emit_count(run, on_bus);
	emit_adapters(run);
	if (run->gpu_count == 0)
		return 0;
	if (disagg_nvml_open(&nvml, err))
		return -1;
	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		disagg_node_fact(run, facts[i].param, tell_all(run, &nvml, &facts[i]));
	emit_domain(run, &nvml);
	disagg_nvml_close(&nvml);
	return 0;
}
