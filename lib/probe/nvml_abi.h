/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_NVML_ABI_H
#define DISAGG_PROBE_NVML_ABI_H

/*
 * What of NVML's binary interface is used here.  The numbers, structures and
 * signatures are those of nvml.h of NVML 13.3 (github.com/NVIDIA/go-nvml,
 * gen/nvml/nvml.h); NVIDIA changes none of a symbol once it is out.  A test
 * holds these lists against an nvml.h where one is installed (make
 * NVML_INCLUDE=DIR).
 */

/* X(name, value) */
#define DISAGG_NVML_RESULTS(X)                                                                     \
	X(NVML_SUCCESS, 0)                                                                         \
	X(NVML_ERROR_UNINITIALIZED, 1)                                                             \
	X(NVML_ERROR_INVALID_ARGUMENT, 2)                                                          \
	X(NVML_ERROR_NOT_SUPPORTED, 3)                                                             \
	X(NVML_ERROR_NO_PERMISSION, 4)                                                             \
	X(NVML_ERROR_NOT_FOUND, 6)                                                                 \
	X(NVML_ERROR_INSUFFICIENT_SIZE, 7)                                                         \
	X(NVML_ERROR_DRIVER_NOT_LOADED, 9)                                                         \
	X(NVML_ERROR_FUNCTION_NOT_FOUND, 13)                                                       \
	X(NVML_ERROR_CORRUPTED_INFOROM, 14)                                                        \
	X(NVML_ERROR_GPU_IS_LOST, 15)                                                              \
	X(NVML_ERROR_RESET_REQUIRED, 16)                                                           \
	X(NVML_ERROR_LIB_RM_VERSION_MISMATCH, 18)                                                  \
	X(NVML_ERROR_UNKNOWN, 999)
#define DISAGG_NVML_SWITCHES(X)                                                                    \
	X(NVML_FEATURE_DISABLED, 0)                                                                \
	X(NVML_FEATURE_ENABLED, 1)
#define DISAGG_NVML_CLOCKS(X)                                                                      \
	X(NVML_CLOCK_GRAPHICS, 0)                                                                  \
	X(NVML_CLOCK_SM, 1)                                                                        \
	X(NVML_CLOCK_MEM, 2)
#define DISAGG_NVML_SENSORS(X) X(NVML_TEMPERATURE_GPU, 0)
#define DISAGG_NVML_THRESHOLDS(X)                                                                  \
	X(NVML_TEMPERATURE_THRESHOLD_SHUTDOWN, 0)                                                  \
	X(NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, 1)                                                  \
	X(NVML_TEMPERATURE_THRESHOLD_MEM_MAX, 2)                                                   \
	X(NVML_TEMPERATURE_THRESHOLD_GPU_MAX, 3)
#define DISAGG_NVML_MEMORY_ERRORS(X)                                                               \
	X(NVML_MEMORY_ERROR_TYPE_CORRECTED, 0)                                                     \
	X(NVML_MEMORY_ERROR_TYPE_UNCORRECTED, 1)
#define DISAGG_NVML_ECC_COUNTERS(X)                                                                \
	X(NVML_VOLATILE_ECC, 0)                                                                    \
	X(NVML_AGGREGATE_ECC, 1)
#define DISAGG_NVML_CAUSES(X)                                                                      \
	X(NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS, 0)                            \
	X(NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR, 1)
#define DISAGG_NVML_LINK_ERRORS(X)                                                                 \
	X(NVML_NVLINK_ERROR_DL_REPLAY, 0)                                                          \
	X(NVML_NVLINK_ERROR_DL_RECOVERY, 1)                                                        \
	X(NVML_NVLINK_ERROR_DL_CRC_FLIT, 2)                                                        \
	X(NVML_NVLINK_ERROR_DL_CRC_DATA, 3)
#define DISAGG_NVML_VALUE_TYPES(X)                                                                 \
	X(NVML_VALUE_TYPE_DOUBLE, 0)                                                               \
	X(NVML_VALUE_TYPE_UNSIGNED_INT, 1)                                                         \
	X(NVML_VALUE_TYPE_UNSIGNED_LONG, 2)                                                        \
	X(NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 3)                                                   \
	X(NVML_VALUE_TYPE_SIGNED_LONG_LONG, 4)                                                     \
	X(NVML_VALUE_TYPE_SIGNED_INT, 5)                                                           \
	X(NVML_VALUE_TYPE_UNSIGNED_SHORT, 6)

/* fields of nvmlDeviceGetFieldValues; of a link, the link is the scopeId */
#define DISAGG_NVML_FIELDS(X)                                                                      \
	X(NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON, 90)                                                \
	X(NVML_FI_DEV_NVLINK_LINK_COUNT, 91)                                                       \
	X(NVML_FI_DEV_NVLINK_GET_SPEED, 164)                                                       \
	X(NVML_FI_DEV_NVLINK_GET_STATE, 165)                                                       \
	X(NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS, 173)                                          \
	X(NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR, 179)                                             \
	X(NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR, 180)                                                 \
	X(NVML_FI_DEV_NVLINK_COUNT_RCV_ERRORS, 208)                                                \
	X(NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS, 214)                               \
	X(NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS, 215)                                      \
	X(NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS, 219)                                          \
	X(NVML_FI_DEV_NVLINK_COUNT_SYMBOL_ERRORS, 221)                                             \
	X(NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 230)

/* what NVML_FI_DEV_GET_GPU_RECOVERY_ACTION says */
#define DISAGG_NVML_ACTIONS(X)                                                                     \
	X(NVML_GPU_RECOVERY_ACTION_NONE, 0)                                                        \
	X(NVML_GPU_RECOVERY_ACTION_GPU_RESET, 1)                                                   \
	X(NVML_GPU_RECOVERY_ACTION_NODE_REBOOT, 2)                                                 \
	X(NVML_GPU_RECOVERY_ACTION_DRAIN_P2P, 3)                                                   \
	X(NVML_GPU_RECOVERY_ACTION_DRAIN_AND_RESET, 4)                                             \
	X(NVML_GPU_RECOVERY_ACTION_RECOVER_IMEX_DOMAIN, 5)

/* bits of why clocks are below their maximum */
#define DISAGG_NVML_REASONS(X)                                                                     \
	X(nvmlClocksEventReasonGpuIdle, 0x1)                                                       \
	X(nvmlClocksEventReasonApplicationsClocksSetting, 0x2)                                     \
	X(nvmlClocksEventReasonSwPowerCap, 0x4)                                                    \
	X(nvmlClocksThrottleReasonHwSlowdown, 0x8)                                                 \
	X(nvmlClocksEventReasonSyncBoost, 0x10)                                                    \
	X(nvmlClocksEventReasonSwThermalSlowdown, 0x20)                                            \
	X(nvmlClocksThrottleReasonHwThermalSlowdown, 0x40)                                         \
	X(nvmlClocksThrottleReasonHwPowerBrakeSlowdown, 0x80)                                      \
	X(nvmlClocksEventReasonDisplayClockSetting, 0x100)

/* states of a GPU's registration with its NVLink domain's fabric manager */
#define DISAGG_NVML_FABRIC_STATES(X)                                                               \
	X(NVML_GPU_FABRIC_STATE_NOT_SUPPORTED, 0)                                                  \
	X(NVML_GPU_FABRIC_STATE_NOT_STARTED, 1)                                                    \
	X(NVML_GPU_FABRIC_STATE_IN_PROGRESS, 2)                                                    \
	X(NVML_GPU_FABRIC_STATE_COMPLETED, 3)

/* X(field, symbol, parameters): each returns nvmlReturn_t */
#define DISAGG_NVML_FUNCTIONS(X)                                                                   \
	X(init, nvmlInit_v2, (void))                                                               \
	X(shutdown, nvmlShutdown, (void))                                                          \
	X(device_count, nvmlDeviceGetCount_v2, (unsigned int *))                                   \
	X(device_at, nvmlDeviceGetHandleByIndex_v2, (unsigned int, nvmlDevice_t *))                \
	X(device_by_uuid, nvmlDeviceGetHandleByUUID, (const char *, nvmlDevice_t *))               \
	X(name, nvmlDeviceGetName, (nvmlDevice_t, char *, unsigned int))                           \
	X(uuid, nvmlDeviceGetUUID, (nvmlDevice_t, char *, unsigned int))                           \
	X(pci, nvmlDeviceGetPciInfo_v3, (nvmlDevice_t, nvmlPciInfo_t *))                           \
	X(memory, nvmlDeviceGetMemoryInfo, (nvmlDevice_t, nvmlMemory_t *))

/* The same for what a driver, or a GPU, may be too old for: NULL then. */
#define DISAGG_NVML_OPTIONAL(X)                                                                    \
	X(driver_version, nvmlSystemGetDriverVersion, (char *, unsigned int))                      \
	X(nvml_version, nvmlSystemGetNVMLVersion, (char *, unsigned int))                          \
	X(cuda_version, nvmlSystemGetCudaDriverVersion_v2, (int *))                                \
	X(serial, nvmlDeviceGetSerial, (nvmlDevice_t, char *, unsigned int))                       \
	X(part_number, nvmlDeviceGetBoardPartNumber, (nvmlDevice_t, char *, unsigned int))         \
	X(vbios_version, nvmlDeviceGetVbiosVersion, (nvmlDevice_t, char *, unsigned int))          \
	X(inforom_version, nvmlDeviceGetInforomImageVersion, (nvmlDevice_t, char *, unsigned int)) \
	X(gsp_version, nvmlDeviceGetGspFirmwareVersion, (nvmlDevice_t, char *))                    \
	X(minor_number, nvmlDeviceGetMinorNumber, (nvmlDevice_t, unsigned int *))                  \
	X(mig_mode, nvmlDeviceGetMigMode, (nvmlDevice_t, unsigned int *, unsigned int *))          \
	X(mig_most, nvmlDeviceGetMaxMigDeviceCount, (nvmlDevice_t, unsigned int *))                \
	X(mig_at, nvmlDeviceGetMigDeviceHandleByIndex,                                             \
		(nvmlDevice_t, unsigned int, nvmlDevice_t *))                                      \
	X(mig_parent, nvmlDeviceGetDeviceHandleFromMigDeviceHandle,                                \
		(nvmlDevice_t, nvmlDevice_t *))                                                    \
	X(temperature, nvmlDeviceGetTemperature,                                                   \
		(nvmlDevice_t, nvmlTemperatureSensors_t, unsigned int *))                          \
	X(temperature_threshold, nvmlDeviceGetTemperatureThreshold,                                \
		(nvmlDevice_t, nvmlTemperatureThresholds_t, unsigned int *))                       \
	X(power_usage, nvmlDeviceGetPowerUsage, (nvmlDevice_t, unsigned int *))                    \
	X(power_limit, nvmlDeviceGetEnforcedPowerLimit, (nvmlDevice_t, unsigned int *))            \
	X(power_default, nvmlDeviceGetPowerManagementDefaultLimit, (nvmlDevice_t, unsigned int *)) \
	X(clock, nvmlDeviceGetClockInfo, (nvmlDevice_t, nvmlClockType_t, unsigned int *))          \
	X(clock_most, nvmlDeviceGetMaxClockInfo, (nvmlDevice_t, nvmlClockType_t, unsigned int *))  \
	X(reasons, nvmlDeviceGetCurrentClocksEventReasons, (nvmlDevice_t, unsigned long long *))   \
	X(reasons_old, nvmlDeviceGetCurrentClocksThrottleReasons,                                  \
		(nvmlDevice_t, unsigned long long *))                                              \
	X(utilization, nvmlDeviceGetUtilizationRates, (nvmlDevice_t, nvmlUtilization_t *))         \
	X(persistence, nvmlDeviceGetPersistenceMode, (nvmlDevice_t, nvmlEnableState_t *))          \
	X(ecc_mode, nvmlDeviceGetEccMode,                                                          \
		(nvmlDevice_t, nvmlEnableState_t *, nvmlEnableState_t *))                          \
	X(ecc_errors, nvmlDeviceGetTotalEccErrors,                                                 \
		(nvmlDevice_t, nvmlMemoryErrorType_t, nvmlEccCounterType_t, unsigned long long *)) \
	X(remapped_rows, nvmlDeviceGetRemappedRows,                                                \
		(nvmlDevice_t, unsigned int *, unsigned int *, unsigned int *, unsigned int *))    \
	X(retired_pages, nvmlDeviceGetRetiredPages,                                                \
		(nvmlDevice_t, nvmlPageRetirementCause_t, unsigned int *, unsigned long long *))   \
	X(retired_pending, nvmlDeviceGetRetiredPagesPendingStatus,                                 \
		(nvmlDevice_t, nvmlEnableState_t *))                                               \
	X(pcie_gen, nvmlDeviceGetCurrPcieLinkGeneration, (nvmlDevice_t, unsigned int *))           \
	X(pcie_gen_most, nvmlDeviceGetMaxPcieLinkGeneration, (nvmlDevice_t, unsigned int *))       \
	X(pcie_width, nvmlDeviceGetCurrPcieLinkWidth, (nvmlDevice_t, unsigned int *))              \
	X(pcie_width_most, nvmlDeviceGetMaxPcieLinkWidth, (nvmlDevice_t, unsigned int *))          \
	X(pcie_replays, nvmlDeviceGetPcieReplayCounter, (nvmlDevice_t, unsigned int *))            \
	X(link_state, nvmlDeviceGetNvLinkState, (nvmlDevice_t, unsigned int, nvmlEnableState_t *)) \
	X(link_version, nvmlDeviceGetNvLinkVersion, (nvmlDevice_t, unsigned int, unsigned int *))  \
	X(link_errors, nvmlDeviceGetNvLinkErrorCounter,                                            \
		(nvmlDevice_t, unsigned int, nvmlNvLinkErrorCounter_t, unsigned long long *))      \
	X(field_values, nvmlDeviceGetFieldValues, (nvmlDevice_t, int, nvmlFieldValue_t *))         \
	X(processes, nvmlDeviceGetComputeRunningProcesses_v3,                                      \
		(nvmlDevice_t, unsigned int *, nvmlProcessInfo_t *))                               \
	X(fabric, nvmlDeviceGetGpuFabricInfo, (nvmlDevice_t, nvmlGpuFabricInfo_t *))

#endif
