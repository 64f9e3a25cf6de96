/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/cuda.h"

#include "lib/probe/library.h"
#include <stdio.h>

#define ROW(field, symbol, params) DISAGG_SYMBOL(struct disagg_cuda, field, symbol, false),

static const struct disagg_symbol symbols[] = {
	/* clang-format off */
	DISAGG_CUDA_FUNCTIONS(ROW)
	DISAGG_SYMBOL(struct disagg_cuda, device_uuid_v2, cuDeviceGetUuid_v2, true),
	/* clang-format on */
};

int disagg_cuda_check(
	const struct disagg_cuda *cuda, CUresult result, const char *what, struct disagg_err *err)
{
	const char *name = NULL;

	if (result == CUDA_SUCCESS)
		return 0;
	if (cuda->error_name(result, &name) != CUDA_SUCCESS || !name)
		name = "unknown to this driver";
	return disagg_err_set(err, DISAGG_SYSTEM, "%s: %d %s", what, (int)result, name);
}

static int start(struct disagg_cuda *cuda, struct disagg_err *err)
{
	CUresult result = cuda->init(0);

	switch (result) {
	case CUDA_SUCCESS:
		return 0;
	case CUDA_ERROR_NO_DEVICE:
		return disagg_err_set(err, DISAGG_SKIPPED,
			"no NVIDIA GPU: cuInit finds none (CUDA_VISIBLE_DEVICES, /dev/nvidia*)");
	case CUDA_ERROR_STUB_LIBRARY:
		return disagg_err_set(err, DISAGG_MISSING,
			"'libcuda.so.1' is the toolkit's stub library, not a driver: take its "
			"folder 'stubs' out of LD_LIBRARY_PATH");
	default:
		return disagg_cuda_check(cuda, result, "cuInit", err);
	}
}

int disagg_cuda_open(struct disagg_cuda *ret, struct disagg_err *err)
{
	static const char *const names[] = {"libcuda.so.1", NULL};
	struct disagg_cuda cuda = {.library = NULL};

	if (disagg_library_open(names, &cuda.library, err) != 0)
		return disagg_err_wrap(err, "no NVIDIA driver");
	if (disagg_library_fill(
		    cuda.library, &cuda, symbols, sizeof(symbols) / sizeof(*symbols), err) != 0)
		return disagg_err_wrap(err, "the NVIDIA driver is too old for CUDA %d.%d",
			DISAGG_CUDA_OLDEST / 1000, DISAGG_CUDA_OLDEST % 1000 / 10);
	if (start(&cuda, err) != 0 || disagg_cuda_check(&cuda, cuda.driver_version(&cuda.version),
					      "cuDriverGetVersion", err) != 0)
		return -1;
	if (cuda.version < DISAGG_CUDA_OLDEST)
		return disagg_err_set(err, DISAGG_MISSING,
			"the NVIDIA driver is too old: it has CUDA %d.%d, and %d.%d or later is "
			"needed",
			cuda.version / 1000, cuda.version % 1000 / 10, DISAGG_CUDA_OLDEST / 1000,
			DISAGG_CUDA_OLDEST % 1000 / 10);
	*ret = cuda;
	return 0;
}

void disagg_cuda_uuid_text(const CUuuid *uuid, const char *prefix, char ret[41])
{
	const char *bytes = uuid->bytes;
	int len = snprintf(ret, 41, "%.3s-", prefix);

	for (int i = 0; i < 16; i++)
		len += snprintf(ret + len, (size_t)(41 - len), "%02x%s", (unsigned char)bytes[i],
			i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
}
