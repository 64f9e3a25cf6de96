/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/nvml.h"

#include "lib/probe/library.h"

#define NEEDED(field, symbol, params)	DISAGG_SYMBOL(struct disagg_nvml, field, symbol, false),
#define MAY_LACK(field, symbol, params) DISAGG_SYMBOL(struct disagg_nvml, field, symbol, true),

static const struct disagg_symbol symbols[] = {
	/* clang-format off */
	DISAGG_NVML_FUNCTIONS(NEEDED)
	DISAGG_NVML_OPTIONAL(MAY_LACK)
	/* clang-format on */
};

#define RESULT(name, value) {#name, (value)},

static const struct {
	const char *name;
	int value;
} results[] = {DISAGG_NVML_RESULTS(RESULT)};

const char *disagg_nvml_name(nvmlReturn_t result)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		if (results[i].value == (int)result)
			return results[i].name;
	return "NVML error";
}

int disagg_nvml_check(nvmlReturn_t result, const char *what, struct disagg_err *err)
{
	if (result == NVML_SUCCESS)
		return 0;
	return disagg_err_set(
		err, DISAGG_SYSTEM, "%s: %d %s", what, (int)result, disagg_nvml_name(result));
}

int disagg_nvml_open(struct disagg_nvml *ret, struct disagg_err *err)
{
	static const char *const names[] = {"libnvidia-ml.so.1", NULL};
	struct disagg_nvml nvml = {.library = NULL};
	nvmlReturn_t result;

	if (disagg_library_open(names, &nvml.library, err) != 0)
		return disagg_err_wrap(err, "no NVIDIA driver");
	if (disagg_library_fill(
		    nvml.library, &nvml, symbols, sizeof(symbols) / sizeof(*symbols), err) != 0)
		return disagg_err_wrap(err, "the NVIDIA driver is too old");
	result = nvml.init();
	if (result == NVML_ERROR_DRIVER_NOT_LOADED)
		return disagg_err_set(err, DISAGG_SKIPPED,
			"no NVIDIA driver: its library is there, its kernel module is not loaded");
	if (result == NVML_ERROR_LIB_RM_VERSION_MISMATCH)
		return disagg_err_set(err, DISAGG_MISSING,
			"the NVIDIA driver's library and kernel module differ in version: restart "
			"the node, or load the module anew");
	if (disagg_nvml_check(result, "nvmlInit", err) != 0)
		return -1;
	*ret = nvml;
	return 0;
}

void disagg_nvml_close(struct disagg_nvml *nvml)
{
	if (nvml->library)
		nvml->shutdown();
	nvml->library = NULL;
}

nvmlReturn_t disagg_nvml_reasons(
	const struct disagg_nvml *nvml, nvmlDevice_t device, unsigned long long *ret)
{
	nvmlReturn_t result = DISAGG_NVML_CALL(nvml, reasons, device, ret);

	if (result != NVML_ERROR_FUNCTION_NOT_FOUND)
		return result;
	return DISAGG_NVML_CALL(nvml, reasons_old, device, ret);
}

static unsigned long long field_number(const nvmlFieldValue_t *value)
{
	switch (value->valueType) {
	case NVML_VALUE_TYPE_DOUBLE:
		return value->value.dVal > 0 ? (unsigned long long)value->value.dVal : 0;
	case NVML_VALUE_TYPE_UNSIGNED_INT:
		return value->value.uiVal;
	case NVML_VALUE_TYPE_SIGNED_INT:
		return value->value.siVal > 0 ? (unsigned long long)value->value.siVal : 0;
	case NVML_VALUE_TYPE_UNSIGNED_SHORT:
		return value->value.usVal;
	default:
		return value->value.ullVal;
	}
}

nvmlReturn_t disagg_nvml_field(const struct disagg_nvml *nvml, nvmlDevice_t device,
	unsigned int field, unsigned int scope, unsigned long long *ret)
{
	nvmlFieldValue_t value = {.fieldId = field, .scopeId = scope};
	nvmlReturn_t result = DISAGG_NVML_CALL(nvml, field_values, device, 1, &value);

	if (result != NVML_SUCCESS)
		return result;
	if (value.nvmlReturn == NVML_SUCCESS)
		*ret = field_number(&value);
	return value.nvmlReturn;
}
