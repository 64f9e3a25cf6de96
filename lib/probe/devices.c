/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/devices.h"

#include "lib/base/limits.h"
#include "lib/base/num.h"
#include "lib/probe/cuda.h"
#include <string.h>

/* A MIG instance's UUID is CUDA's from "MIG-", a GPU's from "GPU-". */
#define LEAST_UUID 5

struct listing {
	struct disagg_arena *arena;
	const struct disagg_nvml *nvml;
	const char *driver;
	struct disagg_gpu gpu[DISAGG_MAX_GPUS_PER_NODE];
	size_t count;
	int position[DISAGG_MAX_GPUS_PER_NODE]; /* of the whole GPU that it is or is of */
};

/* ---- one GPU ---- */

/* "0000:0f:00.0"; NVML writes a domain of eight digits. */
static char *pci_text(struct listing *list, const nvmlPciInfo_t *pci)
{
	return disagg_arena_printf(
		list->arena, "%04x:%02x:%02x.0", pci->domain, pci->bus, pci->device);
}

static char *cohort_text(struct listing *list, nvmlDevice_t device, const char *name)
{
	unsigned int limit = 0;

	if (DISAGG_NVML_CALL(list->nvml, power_limit, device, &limit) != NVML_SUCCESS)
		return disagg_arena_printf(list->arena, "%s|driver %s", name, list->driver);
	return disagg_arena_printf(
		list->arena, "%s|driver %s|%u W", name, list->driver, (limit + 500) / 1000);
}

/* `whole` is what has the PCI slot and the power limit. */
static int add(struct listing *list, nvmlDevice_t device, nvmlDevice_t whole, int position,
	struct disagg_err *err)
{
	char name[DISAGG_NVML_TEXT], uuid[DISAGG_NVML_TEXT];
	struct disagg_gpu *gpu = &list->gpu[list->count];
	nvmlMemory_t memory = {0};
	nvmlPciInfo_t pci;

	if (list->count == DISAGG_MAX_GPUS_PER_NODE)
		return disagg_err_set(err, DISAGG_INVALID, "more than %u GPUs on a node",
			DISAGG_MAX_GPUS_PER_NODE);
	if (disagg_nvml_check(list->nvml->uuid(device, uuid, sizeof(uuid)), "a GPU's UUID", err) ||
		disagg_nvml_check(list->nvml->pci(whole, &pci), "a GPU's PCI address", err))
		return -1;
	if (list->nvml->name(device, name, sizeof(name)) != NVML_SUCCESS &&
		disagg_nvml_check(
			list->nvml->name(whole, name, sizeof(name)), "a GPU's name", err) != 0)
		return -1;
	if (list->nvml->memory(device, &memory) != NVML_SUCCESS)
		memory.total = 0; /* one that is lost is listed, so that it is seen */
	*gpu = (struct disagg_gpu){
		.uuid = disagg_arena_strdup(list->arena, uuid),
		.name = disagg_arena_strdup(list->arena, name),
		.pci = pci_text(list, &pci),
		.cohort = cohort_text(list, whole, name),
		.mem_bytes = memory.total,
		.mig = device != whole,
	};
	if (!gpu->uuid || !gpu->name || !gpu->pci || !gpu->cohort)
		return disagg_err_nomem(err);
	list->position[list->count++] = position;
	return 0;
}

/* A GPU in MIG mode that has no instances cannot be used, and is not listed. */
static int add_instances(
	struct listing *list, nvmlDevice_t whole, int position, struct disagg_err *err)
{
	unsigned int most = 0;

	if (DISAGG_NVML_CALL(list->nvml, mig_most, whole, &most) != NVML_SUCCESS)
		return 0;
	for (unsigned int i = 0; i < most; i++) {
		nvmlDevice_t instance;

		if (DISAGG_NVML_CALL(list->nvml, mig_at, whole, i, &instance) == NVML_SUCCESS &&
			add(list, instance, whole, position, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- all of the node's ---- */

static int add_all(struct listing *list, struct disagg_err *err)
{
	unsigned int count;
	int position = 0;

	if (disagg_nvml_check(list->nvml->device_count(&count), "nvmlDeviceGetCount", err) != 0)
		return -1;
	for (unsigned int i = 0; i < count; i++) {
		unsigned int mig = 0, pending = 0;
		nvmlDevice_t device;

		if (list->nvml->device_at(i, &device) != NVML_SUCCESS)
			continue; /* not this step's; CUDA does not number it either */
		if (DISAGG_NVML_CALL(list->nvml, mig_mode, device, &mig, &pending) != NVML_SUCCESS)
			mig = 0;
		if (mig ? add_instances(list, device, position, err)
			: add(list, device, device, position, err))
			return -1;
		position++;
	}
	return 0;
}

static bool names(const struct listing *list, size_t at, const char *token, size_t len)
{
	char number[16];
	int64_t position;

	if (len < sizeof(number)) {
		memcpy(number, token, len);
		number[len] = '\0';
		if (disagg_num_int(number, 0, DISAGG_MAX_GPUS_PER_NODE, &position) == 0)
			return list->position[at] == position;
	}
	return len >= LEAST_UUID && strncmp(list->gpu[at].uuid, token, len) == 0;
}

/* Moves what `visible` names to the front, in its order.  A position of a GPU in MIG mode
 * names all of its instances. */
static size_t choose(const struct listing *list, const char *visible, struct disagg_gpu *ret)
{
	size_t chosen = 0;

	for (const char *token = visible; *token;) {
		size_t len = strcspn(token, ","), before = chosen;

		for (size_t i = 0; i < list->count && chosen < DISAGG_MAX_GPUS_PER_NODE; i++)
			if (names(list, i, token, len))
				ret[chosen++] = list->gpu[i];
		if (chosen == before)
			break;
		token += len + (token[len] == ',');
	}
	return chosen;
}

static int give(struct listing *list, const char *visible, struct disagg_gpu **ret,
	size_t *ret_count, struct disagg_err *err)
{
	struct disagg_gpu *gpus =
		disagg_arena_array(list->arena, DISAGG_MAX_GPUS_PER_NODE, sizeof(*gpus));
	size_t count = list->count;

	if (!gpus)
		return disagg_err_nomem(err);
	if (count == 0)
		return disagg_err_set(err, DISAGG_SKIPPED,
			"no NVIDIA GPU: the driver lists none that this step may open");
	if (visible)
		count = choose(list, visible, gpus);
	else
		memcpy(gpus, list->gpu, count * sizeof(*gpus));
	if (count == 0)
		return disagg_err_set(err, DISAGG_SKIPPED,
			"no GPU is left by CUDA_VISIBLE_DEVICES '%s' of the node's %zu", visible,
			list->count);
	for (size_t i = 0; i < count; i++)
		gpus[i].index = (int)i;
	*ret = gpus;
	*ret_count = count;
	return 0;
}

int disagg_devices_list(struct disagg_arena *arena, const char *visible, struct disagg_gpu **ret,
	size_t *ret_count, struct disagg_err *err)
{
	char driver[DISAGG_NVML_TEXT] = "unknown";
	struct listing list = {.arena = arena, .driver = driver};
	struct disagg_nvml nvml;
	int rc;

	if (disagg_nvml_open(&nvml, err) != 0)
		return -1;
	list.nvml = &nvml;
	if (DISAGG_NVML_CALL(&nvml, driver_version, driver, sizeof(driver)) != NVML_SUCCESS)
		memcpy(driver, "unknown", sizeof("unknown"));
	rc = add_all(&list, err);
	if (rc == 0)
		rc = give(&list, visible, ret, ret_count, err);
	disagg_nvml_close(&nvml);
	return rc;
}

/* ---- one of them in NVML ---- */

int disagg_devices_handle(const struct disagg_nvml *nvml, const struct disagg_gpu *gpu,
	nvmlDevice_t *ret, struct disagg_err *err)
{
	nvmlDevice_t device, whole;

	if (disagg_nvml_check(nvml->device_by_uuid(gpu->uuid, &device), gpu->uuid, err) != 0)
		return -1;
	if (gpu->mig && DISAGG_NVML_CALL(nvml, mig_parent, device, &whole) == NVML_SUCCESS)
		device = whole;
	*ret = device;
	return 0;
}

void disagg_devices_fabric(
	const struct disagg_nvml *nvml, nvmlDevice_t device, struct disagg_fabric *ret)
{
	static const char *const states[] = {
		"not supported", "not started", "in progress", "completed"};
	nvmlGpuFabricInfo_t info = {.state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED};
	char text[41];
	CUuuid uuid;

	*ret = (struct disagg_fabric){.state = states[0]};
	if (DISAGG_NVML_CALL(nvml, fabric, device, &info) != NVML_SUCCESS ||
		info.state == NVML_GPU_FABRIC_STATE_NOT_SUPPORTED)
		return;
	ret->supported = true;
	ret->state = info.state <= NVML_GPU_FABRIC_STATE_COMPLETED ? states[info.state]
								   : "unknown to this program";
	ret->completed = info.state == NVML_GPU_FABRIC_STATE_COMPLETED;
	ret->status = ret->completed ? info.status : NVML_SUCCESS;
	memcpy(uuid.bytes, info.clusterUuid, sizeof(uuid.bytes));
	disagg_cuda_uuid_text(&uuid, "GPU", text);
	memcpy(ret->cluster, text + 4, sizeof(ret->cluster));
	ret->clique = info.cliqueId;
}
