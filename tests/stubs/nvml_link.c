/* SPDX-License-Identifier: Apache-2.0 */
/* The stub's PCIe, NVLink, processes and NVLink domain. */
#include "tests/stubs/nvml_device.h"

#include "tests/stubs/faults.h"
#include <string.h>

/* ---- PCIe ---- */

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int *ret)
{
	return stub_nvml_give(device, ret, stub_nvml_number(device, "pcie-narrow", "gen", 5, 5));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *ret)
{
	return stub_nvml_give(device, ret, 5);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int *ret)
{
	return stub_nvml_give(device, ret, stub_nvml_number(device, "pcie-narrow", "width", 8, 16));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int *ret)
{
	return stub_nvml_give(device, ret, 16);
}

nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int *ret)
{
	return stub_nvml_give(
		device, ret, stub_nvml_number(device, "pcie-replays", "count", 1000, 0));
}

/* ---- NVLink ---- */

static unsigned int links(void)
{
	return (unsigned int)stub_number("LINKS", 18);
}

static bool is_down(nvmlDevice_t device, unsigned int link)
{
	const struct stub_fault *fault = stub_fault("nvlink-down", device->gpu.index);

	return fault && (unsigned int)stub_fault_number(fault, "link", link) == link;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(
	nvmlDevice_t device, unsigned int link, nvmlEnableState_t *ret)
{
	if (link >= links())
		return NVML_ERROR_INVALID_ARGUMENT;
	*ret = is_down(device, link) ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
	return stub_nvml_state(device);
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *ret)
{
	if (link >= links())
		return NVML_ERROR_INVALID_ARGUMENT;
	return stub_nvml_give(device, ret, 5); /* NVML_NVLINK_VERSION_4_0 */
}

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link,
	nvmlNvLinkErrorCounter_t counter, unsigned long long *ret)
{
	if (link >= links())
		return NVML_ERROR_INVALID_ARGUMENT;
	return stub_nvml_give_long(device, ret,
		counter == NVML_NVLINK_ERROR_DL_REPLAY && link == 0
			? stub_nvml_number(device, "nvlink-errors", "count", 100, 0)
			: 0);
}

static void answer(nvmlDevice_t device, nvmlFieldValue_t *value)
{
	bool is_link = value->scopeId < links();

	value->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
	value->value.ullVal = 0;
	value->nvmlReturn = NVML_SUCCESS;
	switch (value->fieldId) {
	case NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON:
		value->value.uiVal = 26562;
		break;
	case NVML_FI_DEV_NVLINK_LINK_COUNT:
		value->value.uiVal = links();
		break;
	case NVML_FI_DEV_NVLINK_GET_SPEED:
		value->value.uiVal = is_link && !is_down(device, value->scopeId) ? 26562 : 0;
		break;
	case NVML_FI_DEV_NVLINK_GET_STATE:
		value->value.uiVal = is_link && !is_down(device, value->scopeId);
		break;
	case NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS:
	case NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS:
	case NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS:
		value->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		value->value.ullVal = value->scopeId == 0
					      ? (unsigned long long)stub_nvml_number(
							device, "nvlink-errors", "count", 100, 0)
					      : 0;
		break;
	case NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS:
	case NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS:
	case NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS:
	case NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR:
	case NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR:
		value->valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		break;
	case NVML_FI_DEV_GET_GPU_RECOVERY_ACTION:
		value->value.uiVal = (unsigned int)stub_nvml_number(device, "recovery", "action",
			NVML_GPU_RECOVERY_ACTION_GPU_RESET, NVML_GPU_RECOVERY_ACTION_NONE);
		break;
	default:
		value->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
	}
	if (!is_link && value->fieldId == NVML_FI_DEV_NVLINK_GET_STATE)
		value->nvmlReturn = NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	for (int i = 0; i < count; i++)
		answer(device, &values[i]);
	return stub_nvml_state(device);
}

/* ---- who uses it, and what it is part of ---- */

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
	nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	unsigned int there = stub_nvml_has(device, "busy"), room = *count;

	*count = there;
	if (room < there)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	if (there > 0)
		infos[0] = (nvmlProcessInfo_t){
			.pid = (unsigned int)stub_nvml_number(device, "busy", "pid", 1234, 0),
			.usedGpuMemory = device->gpu.memory / 2,
			.gpuInstanceId = 0xffffffff,
			.computeInstanceId = 0xffffffff,
		};
	return stub_nvml_state(device);
}

/* A GPU of an NVLink domain: the same cluster UUID on all nodes of a domain. */
nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *ret)
{
	const struct stub_fault *fault = stub_fault("fabric", device->gpu.index);
	uint64_t domain;

	memset(ret, 0, sizeof(*ret));
	if (!fault) {
		ret->state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED;
		return stub_nvml_state(device);
	}
	domain = stub_hash(stub_fault_text(fault, "domain", "1"));
	memcpy(ret->clusterUuid, &domain, sizeof(domain));
	ret->cliqueId = (unsigned int)stub_fault_number(fault, "clique", 1);
	ret->state = (nvmlGpuFabricState_t)stub_fault_number(
		fault, "state", NVML_GPU_FABRIC_STATE_COMPLETED);
	ret->status = (nvmlReturn_t)stub_fault_number(fault, "status", 0);
	return stub_nvml_state(device);
}
