/* SPDX-License-Identifier: Apache-2.0 */
/* The project's own declarations of NVML against an nvml.h, where NVML_INCLUDE names one. */
#include "lib/probe/nvml.h"

#include "tests/unit/tap.h"

/* the layout is the driver's, on each 64-bit machine */
_Static_assert(sizeof(nvmlPciInfo_t) == 68, "nvmlPciInfo_t");
_Static_assert(offsetof(nvmlPciInfo_t, busId) == 36, "nvmlPciInfo_t");
_Static_assert(sizeof(nvmlMemory_t) == 24, "nvmlMemory_t");
_Static_assert(sizeof(nvmlUtilization_t) == 8, "nvmlUtilization_t");
_Static_assert(sizeof(nvmlFieldValue_t) == 40, "nvmlFieldValue_t");
_Static_assert(offsetof(nvmlFieldValue_t, nvmlReturn) == 28, "nvmlFieldValue_t");
_Static_assert(offsetof(nvmlFieldValue_t, value) == 32, "nvmlFieldValue_t");
_Static_assert(sizeof(nvmlProcessInfo_t) == 24, "nvmlProcessInfo_t");
_Static_assert(offsetof(nvmlProcessInfo_t, gpuInstanceId) == 16, "nvmlProcessInfo_t");
_Static_assert(sizeof(nvmlGpuFabricInfo_t) == 28, "nvmlGpuFabricInfo_t");
_Static_assert(offsetof(nvmlGpuFabricInfo_t, state) == 24, "nvmlGpuFabricInfo_t");
_Static_assert(sizeof(nvmlReturn_t) == sizeof(int), "an enum is passed as an int");

#define SAME_VALUE(name, value) _Static_assert((int)(name) == (value), #name);
DISAGG_NVML_RESULTS(SAME_VALUE)
DISAGG_NVML_SWITCHES(SAME_VALUE)
DISAGG_NVML_CLOCKS(SAME_VALUE)
DISAGG_NVML_SENSORS(SAME_VALUE)
DISAGG_NVML_THRESHOLDS(SAME_VALUE)
DISAGG_NVML_MEMORY_ERRORS(SAME_VALUE)
DISAGG_NVML_ECC_COUNTERS(SAME_VALUE)
DISAGG_NVML_CAUSES(SAME_VALUE)
DISAGG_NVML_LINK_ERRORS(SAME_VALUE)
DISAGG_NVML_VALUE_TYPES(SAME_VALUE)
DISAGG_NVML_FIELDS(SAME_VALUE)
DISAGG_NVML_ACTIONS(SAME_VALUE)
DISAGG_NVML_REASONS(SAME_VALUE)
DISAGG_NVML_FABRIC_STATES(SAME_VALUE)

#ifdef DISAGG_HAVE_NVML
#define SAME_FUNCTION(field, symbol, params)                                                       \
	_Static_assert(                                                                            \
		__builtin_types_compatible_p(__typeof__(symbol), nvmlReturn_t params), #symbol);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
DISAGG_NVML_FUNCTIONS(SAME_FUNCTION)
DISAGG_NVML_OPTIONAL(SAME_FUNCTION)
#endif

int main(void)
{
	is_str(disagg_nvml_name(NVML_ERROR_GPU_IS_LOST), "NVML_ERROR_GPU_IS_LOST",
		"an error has its name");
	is_str(disagg_nvml_name((nvmlReturn_t)777), "NVML error", "one of a later driver too");
	return tap_done();
}
