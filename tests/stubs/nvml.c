/* SPDX-License-Identifier: Apache-2.0 */
/* An NVML that says what the settings and faults say (faults.h). */
#include "lib/probe/nvml.h"

#include "tests/stubs/faults.h"
#include "tests/stubs/gpus.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PROTOTYPE(field, symbol, params) nvmlReturn_t symbol params;
#pragma GCC visibility push(default)
DISAGG_NVML_FUNCTIONS(PROTOTYPE)
DISAGG_NVML_OPTIONAL(PROTOTYPE)
#pragma GCC visibility pop

struct nvmlDevice_st {
	struct stub_gpu gpu;
	struct nvmlDevice_st *parent; /* of a MIG instance */
};

/* the library's state is of the process */
static struct {
	int users, count;
	struct nvmlDevice_st device[STUB_MOST_GPUS];
	struct nvmlDevice_st instance[STUB_MOST_GPUS][STUB_MOST_MIG];
} nvml;

nvmlReturn_t nvmlInit_v2(void)
{
	struct stub_gpu gpus[STUB_MOST_GPUS];

	if (stub_fault("no-driver", -1))
		return NVML_ERROR_DRIVER_NOT_LOADED;
	if (stub_fault("mismatch", -1))
		return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	nvml.users++;
	nvml.count = stub_gpu_list(gpus);
	for (int i = 0; i < nvml.count; i++)
		nvml.device[i].gpu = gpus[i];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
	return nvml.users-- > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

/* ---- answers ---- */

static nvmlReturn_t say(char *ret, unsigned int length, const char *text)
{
	if (strlen(text) >= length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(ret, text, strlen(text) + 1);
	return NVML_SUCCESS;
}

/* What a GPU that is not there any more answers to all but who it is. */
static nvmlReturn_t state(nvmlDevice_t device)
{
	return stub_fault("lost", device->gpu.index) ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

static nvmlReturn_t give(nvmlDevice_t device, unsigned int *ret, double value)
{
	*ret = (unsigned int)value;
	return state(device);
}

static nvmlReturn_t give_long(nvmlDevice_t device, unsigned long long *ret, double value)
{
	*ret = (unsigned long long)value;
	return state(device);
}

/* The number a fault gives, where there is that fault. */
static double number(
	nvmlDevice_t device, const char *kind, const char *key, double faulty, double healthy)
{
	const struct stub_fault *fault = stub_fault(kind, device->gpu.index);

	return fault ? stub_fault_number(fault, key, faulty) : healthy;
}

static bool has(nvmlDevice_t device, const char *kind)
{
	return stub_fault(kind, device->gpu.index) != NULL;
}

/* ---- the system ---- */

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	return say(version, length,
		stub_fault("old-driver", -1) ? "440.33.01" : stub_text("DRIVER", "580.95.05"));
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	return say(version, length, "13.580.95.05");
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	*version = stub_fault("old-driver", -1) ? 10020 : (int)stub_number("CUDA", 13000);
	return NVML_SUCCESS;
}

/* ---- who ---- */

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
	*count = (unsigned int)nvml.count;
	return nvml.users > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *ret)
{
	if (index >= (unsigned int)nvml.count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*ret = &nvml.device[index];
	return NVML_SUCCESS;
}

static int list_instances(nvmlDevice_t device)
{
	struct stub_gpu instances[STUB_MOST_MIG];
	int count = device->parent ? 0 : stub_gpu_instances(&device->gpu, instances);

	for (int i = 0; i < count; i++) {
		struct nvmlDevice_st *at = &nvml.instance[device - nvml.device][i];

		at->gpu = instances[i];
		at->parent = device;
	}
	return count;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *ret)
{
	for (int i = 0; i < nvml.count; i++) {
		int instances = list_instances(&nvml.device[i]);

		for (int j = -1; j < instances; j++) {
			*ret = j < 0 ? &nvml.device[i] : &nvml.instance[i][j];
			if (strcmp((*ret)->gpu.uuid_text, uuid) == 0)
				return NVML_SUCCESS;
		}
	}
	*ret = NULL;
	return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	return say(name, length, device->gpu.name);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	return say(uuid, length, device->gpu.uuid_text);
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
	char text[32];

	snprintf(text, sizeof(text), "16502%08u",
		(unsigned)(stub_hash(device->gpu.uuid_text) % 100000000));
	return say(serial, length, text);
}

nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char *ret, unsigned int length)
{
	(void)device;
	return say(ret, length, "692-2G520-0280-001");
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length)
{
	const struct stub_fault *fault = stub_fault("vbios", device->gpu.index);

	return say(version, length,
		fault ? stub_fault_text(fault, "version", "96.00.68.00.01") : "96.00.BC.00.01");
}

nvmlReturn_t nvmlDeviceGetInforomImageVersion(nvmlDevice_t device, char *ret, unsigned int length)
{
	(void)device;
	return say(ret, length, "G520.0280.00.04");
}

nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
	(void)device;
	return say(version, 80, stub_text("DRIVER", "580.95.05"));
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
	return give(device, minor, device->gpu.index);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	memset(pci, 0, sizeof(*pci));
	pci->bus = device->gpu.bus;
	pci->pciDeviceId = 0x233510de;
	snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "%.15s", device->gpu.pci);
	snprintf(pci->busId, sizeof(pci->busId), "0000%.27s", device->gpu.pci);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	memory->total = device->gpu.memory;
	memory->used = has(device, "busy") ? memory->total / 2 : 500u << 20;
	memory->free = memory->total - memory->used;
	return state(device);
}

/* ---- MIG ---- */

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *now, unsigned int *pending)
{
	*now = *pending = has(device, "mig");
	return state(device);
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
	return give(device, count, STUB_MOST_MIG);
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(
	nvmlDevice_t device, unsigned int index, nvmlDevice_t *ret)
{
	if (index >= STUB_MOST_MIG)
		return NVML_ERROR_INVALID_ARGUMENT;
	if ((int)index >= list_instances(device))
		return NVML_ERROR_NOT_FOUND;
	*ret = &nvml.instance[device - nvml.device][index];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *ret)
{
	*ret = device->parent;
	return device->parent ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* ---- clocks, heat, power ---- */

nvmlReturn_t nvmlDeviceGetTemperature(
	nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int *degrees)
{
	(void)sensor;
	return give(device, degrees, number(device, "hot", "degrees", 90, 41));
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(
	nvmlDevice_t device, nvmlTemperatureThresholds_t which, unsigned int *degrees)
{
	static const unsigned int thresholds[] = {95, 92, 95, 87};

	if ((unsigned int)which >= sizeof(thresholds) / sizeof(*thresholds))
		return NVML_ERROR_NOT_SUPPORTED;
	return give(device, degrees, thresholds[which]);
}

/* milliwatts, here and below */
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
{
	return give(device, power, 118e3);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit)
{
	return give(device, limit, 1e3 * number(device, "power-limit", "watts", 500, 700));
}

nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned int *limit)
{
	return give(device, limit, 700e3);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
	return give(device, mhz,
		type == NVML_CLOCK_MEM	  ? 3201
		: has(device, "throttle") ? 1200
					  : 1980);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
	return give(device, mhz, type == NVML_CLOCK_MEM ? 3201 : 1980);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *ret)
{
	return give_long(device, ret,
		number(device, "throttle", "reasons",
			nvmlClocksThrottleReasonHwSlowdown |
				nvmlClocksThrottleReasonHwThermalSlowdown,
			0));
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *ret)
{
	return nvmlDeviceGetCurrentClocksEventReasons(device, ret);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *ret)
{
	ret->gpu = has(device, "busy") ? 97 : 0;
	ret->memory = has(device, "busy") ? 60 : 0;
	return state(device);
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
	*mode = has(device, "persistence-off") ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
	return state(device);
}

/* ---- memory errors ---- */

nvmlReturn_t nvmlDeviceGetEccMode(
	nvmlDevice_t device, nvmlEnableState_t *now, nvmlEnableState_t *pending)
{
	*now = *pending = has(device, "ecc-off") ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
	return state(device);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type,
	nvmlEccCounterType_t counter, unsigned long long *count)
{
	(void)counter;
	return give_long(device, count,
		type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED ? number(device, "ecc", "count", 1, 0)
							   : 0);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected,
	unsigned int *uncorrected, unsigned int *pending, unsigned int *failed)
{
	*corrected = 0;
	*pending = has(device, "remap-pending");
	*failed = has(device, "remap-failure");
	*uncorrected = *pending || *failed;
	return state(device);
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
	unsigned int *count, unsigned long long *addresses)
{
	unsigned int there = cause == NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR
				     ? (unsigned int)number(device, "retired", "count", 1, 0)
				     : 0;
	bool fits = there <= *count;

	for (unsigned int i = 0; fits && addresses && i < there; i++)
		addresses[i] = 0x10000u * (i + 1);
	*count = there;
	return fits || !addresses ? state(device) : NVML_ERROR_INSUFFICIENT_SIZE;
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *ret)
{
	*ret = has(device, "retired") ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
	return state(device);
}

/* ---- PCIe ---- */

nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int *ret)
{
	return give(device, ret, number(device, "pcie-narrow", "gen", 5, 5));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int *ret)
{
	return give(device, ret, 5);
}

nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int *ret)
{
	return give(device, ret, number(device, "pcie-narrow", "width", 8, 16));
}

nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int *ret)
{
	return give(device, ret, 16);
}

nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int *ret)
{
	return give(device, ret, number(device, "pcie-replays", "count", 1000, 0));
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
	return state(device);
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *ret)
{
	if (link >= links())
		return NVML_ERROR_INVALID_ARGUMENT;
	return give(device, ret, 5); /* NVML_NVLINK_VERSION_4_0 */
}

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link,
	nvmlNvLinkErrorCounter_t counter, unsigned long long *ret)
{
	if (link >= links())
		return NVML_ERROR_INVALID_ARGUMENT;
	return give_long(device, ret,
		counter == NVML_NVLINK_ERROR_DL_REPLAY && link == 0
			? number(device, "nvlink-errors", "count", 100, 0)
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
					      ? (unsigned long long)number(
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
		value->value.uiVal = (unsigned int)number(device, "recovery", "action",
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
	return state(device);
}

/* ---- who uses it, and what it is part of ---- */

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(
	nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	unsigned int there = has(device, "busy"), room = *count;

	*count = there;
	if (room < there)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	if (there > 0)
		infos[0] = (nvmlProcessInfo_t){
			.pid = (unsigned int)number(device, "busy", "pid", 1234, 0),
			.usedGpuMemory = device->gpu.memory / 2,
			.gpuInstanceId = 0xffffffff,
			.computeInstanceId = 0xffffffff,
		};
	return state(device);
}

/* A GPU of an NVLink domain: the same cluster UUID on all nodes of a domain. */
nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *ret)
{
	const struct stub_fault *fault = stub_fault("fabric", device->gpu.index);
	uint64_t domain;

	memset(ret, 0, sizeof(*ret));
	if (!fault) {
		ret->state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED;
		return state(device);
	}
	domain = stub_hash(stub_fault_text(fault, "domain", "1"));
	memcpy(ret->clusterUuid, &domain, sizeof(domain));
	ret->cliqueId = (unsigned int)stub_fault_number(fault, "clique", 1);
	ret->state = (nvmlGpuFabricState_t)stub_fault_number(
		fault, "state", NVML_GPU_FABRIC_STATE_COMPLETED);
	ret->status = (nvmlReturn_t)stub_fault_number(fault, "status", 0);
	return state(device);
}
