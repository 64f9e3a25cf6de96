/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/cublas.h"

#include "lib/probe/library.h"

#define ROW(field, symbol, params) DISAGG_SYMBOL(struct disagg_cublas, field, symbol, false),

static const struct disagg_symbol symbols[] = {DISAGG_CUBLAS_FUNCTIONS(ROW)};

#define STATUS(name, value) {#name, (value)},

static const struct {
	const char *name;
	int value;
} statuses[] = {DISAGG_CUBLAS_STATUSES(STATUS)};

int disagg_cublas_check(cublasStatus_t status, const char *what, struct disagg_err *err)
{
	const char *name = "unknown status";

	if (status == CUBLAS_STATUS_SUCCESS)
		return 0;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++)
		if (statuses[i].value == (int)status)
			name = statuses[i].name;
	return disagg_err_set(err, DISAGG_SYSTEM, "%s: %d %s", what, (int)status, name);
}

int disagg_cublas_open(
	const struct disagg_cuda *cuda, struct disagg_cublas *ret, struct disagg_err *err)
{
	/* a cuBLAS of a later major version than the driver's does not start */
	static const char *const names[] = {
		"libcublas.so.13", "libcublas.so.12", "libcublas.so.11", NULL};
	int major = cuda->version / 1000;
	struct disagg_cublas blas = {.library = NULL};

	if (disagg_library_open(names + (major >= 13 ? 0 : 13 - major), &blas.library, err) != 0)
		return disagg_err_wrap(err, "no cuBLAS for CUDA %d", major);
	if (disagg_library_fill(
		    blas.library, &blas, symbols, sizeof(symbols) / sizeof(*symbols), err) != 0)
		return disagg_err_wrap(err, "cuBLAS");
	if (disagg_cublas_check(blas.create(&blas.handle), "cublasCreate", err) != 0 ||
		disagg_cublas_check(
			blas.get_version(blas.handle, &blas.version), "cublasGetVersion", err) != 0)
		return -1;
	*ret = blas;
	return 0;
}

void disagg_cublas_close(struct disagg_cublas *blas)
{
	if (blas->handle)
		blas->destroy(blas->handle);
	blas->handle = NULL;
}
