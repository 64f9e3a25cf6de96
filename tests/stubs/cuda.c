/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/cuda_driver.h"

#include "tests/stubs/faults.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* the driver's state is of the process */
static struct stub_driver driver;

struct stub_driver *stub_driver(void)
{
	return &driver;
}

/* ---- what the other stubs use ---- */

static struct CUstream_st *stream_of(CUstream stream)
{
	return stream ? stream : &driver.current->stream;
}

void stub_cuda_advance(CUstream stream, double seconds)
{
	struct CUstream_st *at = stream_of(stream);

	at->clock += seconds * stub_jitter(&at->jitter);
}

double stub_cuda_clock(CUstream stream)
{
	return stream_of(stream)->clock;
}

void stub_cuda_wait_until(CUstream stream, double clock)
{
	struct CUstream_st *at = stream_of(stream);

	if (at->clock < clock)
		at->clock = clock;
}

int stub_cuda_gpu(void)
{
	return driver.current ? driver.current->gpu.index : -1;
}

void stub_cuda_hang(void)
{
	while (driver.current && stub_fault("hang", stub_cuda_gpu()))
		pause();
}

/* ---- start ---- */

CUresult cuInit(unsigned int flags)
{
	const struct stub_fault *fault = stub_fault("cuinit", -1);

	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (stub_fault("no-driver", -1))
		return CUDA_ERROR_NO_DEVICE;
	if (stub_fault("mismatch", -1))
		return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	if (fault)
		return (CUresult)stub_fault_number(fault, "code", 999);
	driver.count = stub_gpu_visible(driver.gpu);
	driver.is_ready = driver.count > 0;
	return driver.is_ready ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

CUresult cuDriverGetVersion(int *version)
{
	*version = stub_fault("old-driver", -1) ? 10020 : (int)stub_number("CUDA", 13000);
	return CUDA_SUCCESS;
}

#define NAME(name, value) {#name, (value)},

CUresult cuGetErrorName(CUresult error, const char **text)
{
	static const struct {
		const char *name;
		int value;
	} names[] = {DISAGG_CUDA_RESULTS(NAME)};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].value == (int)error) {
			*text = names[i].name;
			return CUDA_SUCCESS;
		}
	*text = NULL;
	return CUDA_ERROR_INVALID_VALUE;
}

/* ---- devices ---- */

static const struct stub_gpu *device(CUdevice at)
{
	return driver.is_ready && at >= 0 && at < driver.count ? &driver.gpu[at] : NULL;
}

CUresult cuDeviceGetCount(int *count)
{
	*count = driver.count;
	return driver.is_ready ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}

CUresult cuDeviceGet(CUdevice *ret, int ordinal)
{
	*ret = ordinal;
	return device(ordinal) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice at)
{
	if (!device(at) || len < 1)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(name, (size_t)len, "%s", device(at)->name);
	return CUDA_SUCCESS;
}

/* of the whole GPU: its instances are not told apart */
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice at)
{
	struct stub_gpu all[STUB_MOST_GPUS];
	int count = stub_gpu_list(all);

	for (int i = 0; device(at) && i < count; i++)
		if (all[i].index == device(at)->index) {
			memcpy(uuid->bytes, all[i].uuid, 16);
			return CUDA_SUCCESS;
		}
	return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice at)
{
	if (!device(at))
		return CUDA_ERROR_INVALID_DEVICE;
	memcpy(uuid->bytes, device(at)->uuid, 16);
	return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice at)
{
	if (!device(at))
		return CUDA_ERROR_INVALID_DEVICE;
	*bytes = device(at)->memory;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice at)
{
	if (!device(at))
		return CUDA_ERROR_INVALID_DEVICE;
	switch (attribute) {
	case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
		*value = 132;
		return CUDA_SUCCESS;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
		*value = 9;
		return CUDA_SUCCESS;
	case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
		*value = 0;
		return CUDA_SUCCESS;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult cuDeviceGetPCIBusId(char *text, int len, CUdevice at)
{
	if (!device(at) || len < 13)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(text, (size_t)len, "%s", device(at)->pci);
	return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice at, CUdevice peer)
{
	*can = device(at) && device(peer) && at != peer && !stub_fault("no-p2p", device(at)->index);
	return device(at) && device(peer) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

/* ---- contexts ---- */

CUresult cuDevicePrimaryCtxRetain(CUcontext *ret, CUdevice at)
{
	struct CUctx_st *context;

	if (!device(at))
		return CUDA_ERROR_INVALID_DEVICE;
	if (stub_fault("lost", device(at)->index))
		return CUDA_ERROR_UNKNOWN;
	context = driver.context[at] ? driver.context[at] : calloc(1, sizeof(*context));
	if (!context)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!driver.context[at])
		context->stream.jitter = stub_hash(device(at)->uuid_text);
	driver.context[at] = context;
	context->gpu = *device(at);
	context->stream.context = context;
	*ret = context;
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice at)
{
	return device(at) && driver.context[at] ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxSetCurrent(CUcontext context)
{
	driver.current = context;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *ret)
{
	*ret = driver.current;
	return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
	stub_cuda_hang();
	return driver.current ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags)
{
	if (!driver.current)
		return CUDA_ERROR_INVALID_CONTEXT;
	return peer && peer != driver.current && !flags ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- streams and events ---- */

CUresult cuStreamCreate(CUstream *ret, unsigned int flags)
{
	struct CUstream_st *stream = calloc(1, sizeof(*stream));

	(void)flags;
	if (!driver.current || !stream) {
		free(stream);
		return driver.current ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_CONTEXT;
	}
	stream->context = driver.current;
	stream->jitter = driver.current->stream.jitter++;
	*ret = stream;
	return CUDA_SUCCESS;
}

CUresult cuStreamDestroy_v2(CUstream stream)
{
	free(stream);
	return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream stream)
{
	(void)stream;
	stub_cuda_hang();
	return CUDA_SUCCESS;
}

CUresult cuStreamQuery(CUstream stream)
{
	(void)stream;
	return stub_fault("hang", stub_cuda_gpu()) ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags)
{
	(void)flags;
	stub_cuda_wait_until(stream, event->clock);
	return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *ret, unsigned int flags)
{
	(void)flags;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuEventDestroy_v2(CUevent event)
{
	free(event);
	return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent event, CUstream stream)
{
	if (!driver.current)
		return CUDA_ERROR_INVALID_CONTEXT;
	event->clock = stub_cuda_clock(stream);
	return CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent event)
{
	(void)event;
	stub_cuda_hang();
	return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float *ms, CUevent start, CUevent end)
{
	*ms = (float)((end->clock - start->clock) * 1e3);
	return CUDA_SUCCESS;
}
