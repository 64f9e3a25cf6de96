/* SPDX-License-Identifier: Apache-2.0 */
/* An NVML that says what the settings and faults say (faults.h): GPUs and their health. */
#include "tests/stubs/nvml_device.h"
#include <signal.h>
#include <unistd.h>

#include "tests/stubs/faults.h"
#include <stdio.h>
#include <string.h>

/* the library's state is of the process */
static struct {
	int users, count;
	struct nvmlDevice_st device[STUB_MOST_GPUS];
	struct nvmlDevice_st instance[STUB_MOST_GPUS][STUB_MOST_MIG];
} nvml;

nvmlReturn_t nvmlInit_v2(void)
{
	struct stub_gpu gpus[STUB_MOST_GPUS];

	if (stub_fault("nvml-hang", -1))
		while (true)
			pause();
	if (stub_fault("nvml-crash", -1))
		raise(SIGSEGV);
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

nvmlReturn_t stub_nvml_say(char *ret, unsigned int length, const char *text)
{
	if (strlen(text) >= length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(ret, text, strlen(text) + 1);
	return NVML_SUCCESS;
}

nvmlReturn_t stub_nvml_state(nvmlDevice_t device)
{
	return stub_fault("lost", device->gpu.index) ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

nvmlReturn_t stub_nvml_give(nvmlDevice_t device, unsigned int *ret, double value)
{
	*ret = (unsigned int)value;
	return stub_nvml_state(device);
}

nvmlReturn_t stub_nvml_give_long(nvmlDevice_t device, unsigned long long *ret, double value)
{
	*ret = (unsigned long long)value;
	return stub_nvml_state(device);
}

double stub_nvml_number(
	nvmlDevice_t device, const char *kind, const char *key, double faulty, double healthy)
{
	const struct stub_fault *fault = stub_fault(kind, device->gpu.index);

	return fault ? stub_fault_number(fault, key, faulty) : healthy;
}

bool stub_nvml_has(nvmlDevice_t device, const char *kind)
{
	return stub_fault(kind, device->gpu.index) != NULL;
}

/* ---- the system ---- */

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	return stub_nvml_say(version, length,
		stub_fault("old-driver", -1) ? "440.33.01" : stub_text("DRIVER", "580.95.05"));
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	return stub_nvml_say(version, length, "13.580.95.05");
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
	return stub_nvml_say(name, length, device->gpu.name);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	return stub_nvml_say(uuid, length, device->gpu.uuid_text);
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
	char text[32];

	snprintf(text, sizeof(text), "16502%08u",
		(unsigned)(stub_hash(device->gpu.uuid_text) % 100000000));
	return stub_nvml_say(serial, length, text);
}

nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char *ret, unsigned int length)
{
	(void)device;
	return stub_nvml_say(ret, length, "692-2G520-0280-001");
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char *version, unsigned int length)
{
	const struct stub_fault *fault = stub_fault("vbios", device->gpu.index);

	return stub_nvml_say(version, length,
		fault ? stub_fault_text(fault, "version", "96.00.68.00.01") : "96.00.BC.00.01");
}

nvmlReturn_t nvmlDeviceGetInforomImageVersion(nvmlDevice_t device, char *ret, unsigned int length)
{
	(void)device;
	return stub_nvml_say(ret, length, "G520.0280.00.04");
}

nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
	(void)device;
	return stub_nvml_say(version, 80, stub_text("DRIVER", "580.95.05"));
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
	return stub_nvml_give(device, minor, device->gpu.index);
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
	memory->used = stub_nvml_has(device, "busy") ? memory->total / 2 : 500u << 20;
	memory->free = memory->total - memory->used;
	return stub_nvml_state(device);
}

/* ---- MIG ---- */

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *now, unsigned int *pending)
{
	*now = *pending = stub_nvml_has(device, "mig");
	return stub_nvml_state(device);
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
	return stub_nvml_give(device, count, STUB_MOST_MIG);
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
	return stub_nvml_give(device, degrees, stub_nvml_number(device, "hot", "degrees", 90, 41));
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(
	nvmlDevice_t device, nvmlTemperatureThresholds_t which, unsigned int *degrees)
{
	static const unsigned int thresholds[] = {95, 92, 95, 87};

	if ((unsigned int)which >= sizeof(thresholds) / sizeof(*thresholds))
		return NVML_ERROR_NOT_SUPPORTED;
	return stub_nvml_give(device, degrees, thresholds[which]);
}

/* milliwatts, here and below */
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
{
	return stub_nvml_give(device, power, 118e3);
}

nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int *limit)
{
	return stub_nvml_give(
		device, limit, 1e3 * stub_nvml_number(device, "power-limit", "watts", 500, 700));
}

nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned int *limit)
{
	return stub_nvml_give(device, limit, 700e3);
}

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
	return stub_nvml_give(device, mhz,
		type == NVML_CLOCK_MEM		    ? 3201
		: stub_nvml_has(device, "throttle") ? 1200
						    : 1980);
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *mhz)
{
	return stub_nvml_give(device, mhz, type == NVML_CLOCK_MEM ? 3201 : 1980);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *ret)
{
	return stub_nvml_give_long(device, ret,
		stub_nvml_number(device, "throttle", "reasons",
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
	ret->gpu = stub_nvml_has(device, "busy") ? 97 : 0;
	ret->memory = stub_nvml_has(device, "busy") ? 60 : 0;
	return stub_nvml_state(device);
}

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
	*mode = stub_nvml_has(device, "persistence-off") ? NVML_FEATURE_DISABLED
							 : NVML_FEATURE_ENABLED;
	return stub_nvml_state(device);
}

/* ---- memory errors ---- */

nvmlReturn_t nvmlDeviceGetEccMode(
	nvmlDevice_t device, nvmlEnableState_t *now, nvmlEnableState_t *pending)
{
	*now = *pending =
		stub_nvml_has(device, "ecc-off") ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
	return stub_nvml_state(device);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type,
	nvmlEccCounterType_t counter, unsigned long long *count)
{
	(void)counter;
	return stub_nvml_give_long(device, count,
		type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED
			? stub_nvml_number(device, "ecc", "count", 1, 0)
			: 0);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected,
	unsigned int *uncorrected, unsigned int *pending, unsigned int *failed)
{
	*corrected = 0;
	*pending = stub_nvml_has(device, "remap-pending");
	*failed = stub_nvml_has(device, "remap-failure");
	*uncorrected = *pending || *failed;
	return stub_nvml_state(device);
}

nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
	unsigned int *count, unsigned long long *addresses)
{
	unsigned int there =
		cause == NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR
			? (unsigned int)stub_nvml_number(device, "retired", "count", 1, 0)
			: 0;
	bool fits = there <= *count;

	for (unsigned int i = 0; fits && addresses && i < there; i++)
		addresses[i] = 0x10000u * (i + 1);
	*count = there;
	return fits || !addresses ? stub_nvml_state(device) : NVML_ERROR_INSUFFICIENT_SIZE;
}

nvmlReturn_t nvmlDeviceGetRetiredPagesPendingStatus(nvmlDevice_t device, nvmlEnableState_t *ret)
{
	*ret = stub_nvml_has(device, "retired") ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
	return stub_nvml_state(device);
}
