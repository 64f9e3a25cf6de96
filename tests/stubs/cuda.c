/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/cuda_stub.h"

#include "tests/stubs/faults.h"
#include "tests/stubs/gpus.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* each symbol's prototype, as the product's table has it */
#define PROTOTYPE(field, symbol, params) CUresult symbol params;
#pragma GCC visibility push(default)
DISAGG_CUDA_FUNCTIONS(PROTOTYPE)
CUresult cuDeviceGetUuid_v2(CUuuid *, CUdevice);
void stub_cuda_advance(CUstream stream, double seconds);
double stub_cuda_clock(CUstream stream);
void stub_cuda_wait_until(CUstream stream, double clock);
int stub_cuda_gpu(void);
uint64_t stub_cuda_writes(CUdeviceptr at);
void stub_cuda_wrote(CUdeviceptr at);
void *stub_cuda_bytes(CUdeviceptr at, size_t bytes);
void stub_cuda_hang(void);
#pragma GCC visibility pop

enum { MOST_ALLOCATIONS = 1024, SMALL_COPY = 4096 };

struct CUstream_st {
	struct CUctx_st *context;
	double clock; /* seconds */
	uint64_t jitter;
};

struct CUctx_st {
	struct stub_gpu gpu;
	struct CUstream_st stream; /* the default one */
};

struct CUevent_st {
	double clock;
};

struct allocation {
	char *bytes;
	size_t size;
	uint64_t writes;
	int gpu;
};

/* the driver's state is of the process */
static struct {
	bool is_ready;
	int count;
	struct stub_gpu gpu[STUB_MOST_GPUS];
	struct CUctx_st *context[STUB_MOST_GPUS], *current;
	unsigned allocations;
	struct allocation allocation[MOST_ALLOCATIONS];
} driver;

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

static struct allocation *find(CUdeviceptr at, size_t bytes)
{
	for (unsigned i = 0; i < driver.allocations; i++) {
		struct allocation *all = &driver.allocation[i];
		CUdeviceptr base = (CUdeviceptr)(uintptr_t)all->bytes;

		if (base <= at && at - base <= all->size && bytes <= all->size - (at - base))
			return all;
	}
	return NULL;
}

uint64_t stub_cuda_writes(CUdeviceptr at)
{
	const struct allocation *all = find(at, 1);

	return all ? all->writes : 0;
}

/* One bit of the last third of what a bad GPU holds is always 0. */
void stub_cuda_wrote(CUdeviceptr at)
{
	struct allocation *all = find(at, 0);

	if (!all)
		return;
	all->writes++;
	if (all->size >= SMALL_COPY && stub_fault("wrong-memory", all->gpu))
		all->bytes[all->size / 3 * 2] &= (char)~4;
}

void *stub_cuda_bytes(CUdeviceptr at, size_t bytes)
{
	return find(at, bytes) ? (void *)(uintptr_t)at : NULL;
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

/* ---- memory ---- */

static size_t used(int gpu)
{
	size_t sum = 0;

	for (unsigned i = 0; i < driver.allocations; i++)
		if (driver.allocation[i].gpu == gpu)
			sum += driver.allocation[i].size;
	return sum;
}

/* The rest of a GPU's memory is there too, so that what asks for all it may have stays small. */
CUresult cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total)
{
	size_t most = (size_t)stub_number("FREE", 64) << 20;

	if (!driver.current)
		return CUDA_ERROR_INVALID_CONTEXT;
	*ret_total = driver.current->gpu.memory;
	*ret_free = *ret_total - used(stub_cuda_gpu());
	if (*ret_free > most)
		*ret_free = most;
	return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *ret, size_t bytes)
{
	void *memory;

	if (!driver.current)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (bytes == 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (driver.allocations == MOST_ALLOCATIONS ||
		bytes > driver.current->gpu.memory - used(stub_cuda_gpu()))
		return CUDA_ERROR_OUT_OF_MEMORY;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	driver.allocation[driver.allocations++] = (struct allocation){
		.bytes = memory, .size = bytes, .writes = 1, .gpu = stub_cuda_gpu()};
	*ret = (CUdeviceptr)(uintptr_t)memory;
	return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr at)
{
	struct allocation *all = find(at, 0);

	if (!all || (CUdeviceptr)(uintptr_t)all->bytes != at)
		return at ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	munmap(all->bytes, all->size);
	*all = driver.allocation[--driver.allocations];
	return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **ret, size_t bytes, unsigned int flags)
{
	(void)flags;
	*ret = calloc(1, bytes);
	return *ret ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemFreeHost(void *at)
{
	free(at);
	return CUDA_SUCCESS;
}

/* ---- copies ---- */

/* What `bytes` take over a path of so many GB/s (STUB_<name>); small ones a launch. */
static void take(CUstream stream, const char *name, double rate, double by, size_t bytes)
{
	int gpu = stub_cuda_gpu();
	double launch = stub_number("LAUNCH", 4) * 1e-6 * stub_slower("slow-launch", gpu);

	if (bytes < SMALL_COPY)
		stub_cuda_advance(stream, launch * stub_spread("launch", gpu));
	else
		stub_cuda_advance(stream, (double)bytes / (stub_number(name, rate) * 1e9) /
						  (by * stub_spread(name, gpu)));
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
	void *memory = stub_cuda_bytes(to, bytes);

	if (!memory || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(memory, from, bytes);
	stub_cuda_wrote(to);
	take(stream, "H2D", 55.4, stub_slower("slow-copy", stub_cuda_gpu()), bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	const void *memory = stub_cuda_bytes(from, bytes);

	if (!memory || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(to, memory, bytes);
	take(stream, "D2H", 55, stub_slower("slow-copy", stub_cuda_gpu()), bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	void *target = stub_cuda_bytes(to, bytes);
	const void *source = stub_cuda_bytes(from, bytes);

	if (!target || !source || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	memmove(target, source, bytes);
	stub_cuda_wrote(to);
	take(stream, "HBM", 4300, stub_slower("slow-hbm", stub_cuda_gpu()), 2 * bytes);
	return CUDA_SUCCESS;
}

/* The fault of this kind between two GPUs: of one of them, and of the other where it names it. */
static const struct stub_fault *between(const char *kind, int one, int other)
{
	const struct stub_fault *fault = stub_fault(kind, one);

	if (fault && (int)stub_fault_number(fault, "peer", other) == other)
		return fault;
	fault = stub_fault(kind, other);
	return fault && (int)stub_fault_number(fault, "peer", one) == one ? fault : NULL;
}

CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from,
	CUcontext from_context, size_t bytes, CUstream stream)
{
	void *target = stub_cuda_bytes(to, bytes);
	const void *source = stub_cuda_bytes(from, bytes);
	const struct stub_fault *slow;
	int here, there;

	if (!target || !source || !to_context || !from_context || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	here = from_context->gpu.index;
	there = to_context->gpu.index;
	memmove(target, source, bytes);
	if (bytes > 0 && between("wrong-p2p", here, there))
		((char *)target)[bytes / 2] ^= 16;
	stub_cuda_wrote(to);
	slow = between("slow-p2p", here, there);
	take(stream, "P2P", 395, slow ? stub_fault_number(slow, "by", 0.5) : 1, bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream)
{
	void *memory = stub_cuda_bytes(to, count);

	if (!memory || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	memset(memory, value, count);
	stub_cuda_wrote(to);
	take(stream, "HBM", 4300, stub_slower("slow-hbm", stub_cuda_gpu()), count);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream)
{
	unsigned int *memory = stub_cuda_bytes(to, count * 4);

	if (!memory || !driver.current)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		memory[i] = value;
	stub_cuda_wrote(to);
	take(stream, "HBM", 4300, stub_slower("slow-hbm", stub_cuda_gpu()), count * 4);
	return CUDA_SUCCESS;
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
