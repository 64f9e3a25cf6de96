/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's memory: of the host, and what copies take. */
#include "tests/stubs/cuda_driver.h"

#include "tests/stubs/faults.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- allocations ---- */

static struct stub_allocation *find(CUdeviceptr at, size_t bytes)
{
	for (unsigned i = 0; i < stub_driver()->allocations; i++) {
		struct stub_allocation *all = &stub_driver()->allocation[i];
		CUdeviceptr base = (CUdeviceptr)(uintptr_t)all->bytes;

		if (base <= at && at - base <= all->size && bytes <= all->size - (at - base))
			return all;
	}
	return NULL;
}

uint64_t stub_cuda_writes(CUdeviceptr at)
{
	const struct stub_allocation *all = find(at, 1);

	return all ? all->writes : 0;
}

/* One bit of the last third of what a bad GPU holds is always 0. */
void stub_cuda_wrote(CUdeviceptr at)
{
	struct stub_allocation *all = find(at, 0);

	if (!all)
		return;
	all->writes++;
	if (all->size >= STUB_SMALL_COPY && stub_fault("wrong-memory", all->gpu))
		all->bytes[all->size / 3 * 2] &= (char)~4;
}

void *stub_cuda_bytes(CUdeviceptr at, size_t bytes)
{
	return find(at, bytes) ? (void *)(uintptr_t)at : NULL;
}

/* ---- memory ---- */

static size_t used(int gpu)
{
	size_t sum = 0;

	for (unsigned i = 0; i < stub_driver()->allocations; i++)
		if (stub_driver()->allocation[i].gpu == gpu)
			sum += stub_driver()->allocation[i].size;
	return sum;
}

/* The rest of a GPU's memory is there too, so that what asks for all it may have stays small. */
CUresult cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total)
{
	size_t most = (size_t)stub_number("FREE", 64) << 20;

	if (!stub_driver()->current)
		return CUDA_ERROR_INVALID_CONTEXT;
	*ret_total = stub_driver()->current->gpu.memory;
	*ret_free = *ret_total - used(stub_cuda_gpu());
	if (*ret_free > most)
		*ret_free = most;
	return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *ret, size_t bytes)
{
	void *memory;

	if (!stub_driver()->current)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (bytes == 0)
		return CUDA_ERROR_INVALID_VALUE;
	if (stub_driver()->allocations == STUB_MOST_ALLOCATIONS ||
		bytes > stub_driver()->current->gpu.memory - used(stub_cuda_gpu()))
		return CUDA_ERROR_OUT_OF_MEMORY;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stub_driver()->allocation[stub_driver()->allocations++] = (struct stub_allocation){
		.bytes = memory, .size = bytes, .writes = 1, .gpu = stub_cuda_gpu()};
	*ret = (CUdeviceptr)(uintptr_t)memory;
	return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr at)
{
	struct stub_allocation *all = find(at, 0);

	if (!all || (CUdeviceptr)(uintptr_t)all->bytes != at)
		return at ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
	munmap(all->bytes, all->size);
	*all = stub_driver()->allocation[--stub_driver()->allocations];
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

	if (bytes < STUB_SMALL_COPY)
		stub_cuda_advance(stream, launch * stub_spread("launch", gpu));
	else
		stub_cuda_advance(stream, (double)bytes / (stub_number(name, rate) * 1e9) /
						  (by * stub_spread(name, gpu)));
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
	void *memory = stub_cuda_bytes(to, bytes);

	if (!memory || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(memory, from, bytes);
	stub_cuda_wrote(to);
	take(stream, "H2D", 56, stub_slower("slow-copy", stub_cuda_gpu()), bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	const void *memory = stub_cuda_bytes(from, bytes);

	if (!memory || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(to, memory, bytes);
	take(stream, "D2H", 55.6, stub_slower("slow-copy", stub_cuda_gpu()), bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
	void *target = stub_cuda_bytes(to, bytes);
	const void *source = stub_cuda_bytes(from, bytes);

	if (!target || !source || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	memmove(target, source, bytes);
	stub_cuda_wrote(to);
	take(stream, "HBM", 4350, stub_slower("slow-hbm", stub_cuda_gpu()), 2 * bytes);
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

	if (!target || !source || !to_context || !from_context || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	here = from_context->gpu.index;
	there = to_context->gpu.index;
	memmove(target, source, bytes);
	if (bytes > 0 && between("wrong-p2p", here, there))
		((char *)target)[bytes / 2] ^= 16;
	stub_cuda_wrote(to);
	slow = between("slow-p2p", here, there);
	take(stream, "P2P", 400, slow ? stub_fault_number(slow, "by", 0.5) : 1, bytes);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream)
{
	void *memory = stub_cuda_bytes(to, count);

	if (!memory || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	memset(memory, value, count);
	stub_cuda_wrote(to);
	take(stream, "HBM", 4350, stub_slower("slow-hbm", stub_cuda_gpu()), count);
	return CUDA_SUCCESS;
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream)
{
	unsigned int *memory = stub_cuda_bytes(to, count * 4);

	if (!memory || !stub_driver()->current)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		memory[i] = value;
	stub_cuda_wrote(to);
	take(stream, "HBM", 4350, stub_slower("slow-hbm", stub_cuda_gpu()), count * 4);
	return CUDA_SUCCESS;
}
