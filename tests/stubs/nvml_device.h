/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_STUBS_NVML_DEVICE_H
#define DISAGG_TESTS_STUBS_NVML_DEVICE_H

/* What the parts of NVML's stub share: a device, and how it answers. */
#include "lib/probe/nvml.h"
#include "tests/stubs/gpus.h"
#include <stdbool.h>

#define STUB_NVML_PROTOTYPE(field, symbol, params) nvmlReturn_t symbol params;
#pragma GCC visibility push(default)
DISAGG_NVML_FUNCTIONS(STUB_NVML_PROTOTYPE)
DISAGG_NVML_OPTIONAL(STUB_NVML_PROTOTYPE)
#pragma GCC visibility pop

struct nvmlDevice_st {
	struct stub_gpu gpu;
	struct nvmlDevice_st *parent; /* of a MIG instance */
};

/* Who a GPU is it says all the same; all else of one that is lost is NVML_ERROR_GPU_IS_LOST. */
nvmlReturn_t stub_nvml_state(nvmlDevice_t device);
nvmlReturn_t stub_nvml_say(char *ret, unsigned int length, const char *text);
nvmlReturn_t stub_nvml_give(nvmlDevice_t device, unsigned int *ret, double value);
nvmlReturn_t stub_nvml_give_long(nvmlDevice_t device, unsigned long long *ret, double value);

/* Whether it has that fault; the number that the fault gives, where it does. */
bool stub_nvml_has(nvmlDevice_t device, const char *kind);
double stub_nvml_number(
	nvmlDevice_t device, const char *kind, const char *key, double faulty, double healthy);

#endif
