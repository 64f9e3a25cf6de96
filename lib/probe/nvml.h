/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NVML_H
#define DISAGG_PROBE_NVML_H

#include "lib/base/err.h"
#include "lib/probe/nvml_abi.h"
#include <stddef.h>

/*
 * NVML, the driver's library that reads a GPU's state, loaded at run time
 * (libnvidia-ml.so.1).  Its header comes with few toolkits, so the declarations
 * are the project's own.
 */
#ifdef DISAGG_HAVE_NVML
#include <nvml.h>
#else
#define DISAGG_NVML_VALUE(name, value) name = (value),
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef enum { DISAGG_NVML_RESULTS(DISAGG_NVML_VALUE) } nvmlReturn_t;
typedef enum { DISAGG_NVML_SWITCHES(DISAGG_NVML_VALUE) } nvmlEnableState_t;
typedef enum { DISAGG_NVML_CLOCKS(DISAGG_NVML_VALUE) } nvmlClockType_t;
typedef enum { DISAGG_NVML_SENSORS(DISAGG_NVML_VALUE) } nvmlTemperatureSensors_t;
typedef enum { DISAGG_NVML_THRESHOLDS(DISAGG_NVML_VALUE) } nvmlTemperatureThresholds_t;
typedef enum { DISAGG_NVML_MEMORY_ERRORS(DISAGG_NVML_VALUE) } nvmlMemoryErrorType_t;
typedef enum { DISAGG_NVML_ECC_COUNTERS(DISAGG_NVML_VALUE) } nvmlEccCounterType_t;
typedef enum { DISAGG_NVML_CAUSES(DISAGG_NVML_VALUE) } nvmlPageRetirementCause_t;
typedef enum { DISAGG_NVML_LINK_ERRORS(DISAGG_NVML_VALUE) } nvmlNvLinkErrorCounter_t;
typedef enum { DISAGG_NVML_VALUE_TYPES(DISAGG_NVML_VALUE) } nvmlValueType_t;
typedef unsigned char nvmlGpuFabricState_t;
enum { DISAGG_NVML_FIELDS(DISAGG_NVML_VALUE) };
enum { DISAGG_NVML_ACTIONS(DISAGG_NVML_VALUE) };
enum { DISAGG_NVML_REASONS(DISAGG_NVML_VALUE) };
enum { DISAGG_NVML_FABRIC_STATES(DISAGG_NVML_VALUE) };

#define NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE 16
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE    32
#define NVML_GPU_FABRIC_UUID_LEN	      16
#define NVML_NVLINK_MAX_LINKS		      36

typedef struct {
	char busIdLegacy[NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE];
	unsigned int domain, bus, device;
	unsigned int pciDeviceId, pciSubSystemId;
	char busId[NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE];
} nvmlPciInfo_t;

typedef struct {
	unsigned long long total, free, used; /* bytes */
} nvmlMemory_t;

typedef struct {
	unsigned int gpu, memory; /* percent of the time */
} nvmlUtilization_t;

typedef union {
	double dVal;
	int siVal;
	unsigned int uiVal;
	unsigned long ulVal;
	unsigned long long ullVal;
	signed long long sllVal;
	unsigned short usVal;
} nvmlValue_t;

typedef struct {
	unsigned int fieldId, scopeId;
	long long timestamp, latencyUsec;
	nvmlValueType_t valueType;
	nvmlReturn_t nvmlReturn;
	nvmlValue_t value;
} nvmlFieldValue_t;

typedef struct {
	unsigned int pid;
	unsigned long long usedGpuMemory; /* bytes; all ones: not known */
	unsigned int gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_t;

typedef struct {
	unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
	nvmlReturn_t status; /* where state is COMPLETED */
	unsigned int cliqueId;
	nvmlGpuFabricState_t state;
} nvmlGpuFabricInfo_t;
#endif

#define DISAGG_NVML_TEXT 96 /* holds each text of NVML with its NUL */

#define DISAGG_NVML_MEMBER(field, symbol, params) nvmlReturn_t(*field) params;
struct disagg_nvml {
	void *library;
	DISAGG_NVML_FUNCTIONS(DISAGG_NVML_MEMBER)
	DISAGG_NVML_OPTIONAL(DISAGG_NVML_MEMBER)
};

/* Calls an optional function: NVML_ERROR_FUNCTION_NOT_FOUND where the driver lacks it. */
#define DISAGG_NVML_CALL(nvml, field, ...)                                                         \
	((nvml)->field ? (nvml)->field(__VA_ARGS__) : NVML_ERROR_FUNCTION_NOT_FOUND)

/*
 * Loads libnvidia-ml.so.1 and initialises it; only in a process of its own.
 * DISAGG_SKIPPED: no NVIDIA driver (no library, or its kernel module is not
 * loaded).  DISAGG_MISSING: the driver is too old, or library and kernel module
 * differ in version.  DISAGG_SYSTEM: all else.
 */
int disagg_nvml_open(struct disagg_nvml *ret, struct disagg_err *err);
void disagg_nvml_close(struct disagg_nvml *nvml);

/* "NVML_ERROR_GPU_IS_LOST"; "NVML error" where the number is not known. */
const char *disagg_nvml_name(nvmlReturn_t result);

/* 0 for NVML_SUCCESS; else -1, DISAGG_SYSTEM: "what: 15 NVML_ERROR_GPU_IS_LOST". */
int disagg_nvml_check(nvmlReturn_t result, const char *what, struct disagg_err *err);

/* Why clocks are below their maximum, as bits, under the function's old name too. */
nvmlReturn_t disagg_nvml_reasons(
	const struct disagg_nvml *nvml, nvmlDevice_t device, unsigned long long *ret);

/* One field as a number; `scope` is the link, else 0. */
nvmlReturn_t disagg_nvml_field(const struct disagg_nvml *nvml, nvmlDevice_t device,
	unsigned int field, unsigned int scope, unsigned long long *ret);

#endif
