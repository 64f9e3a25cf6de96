/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_CUDA_ABI_H
#define DISAGG_PROBE_CUDA_ABI_H

/*
 * What of the CUDA driver's binary interface is used here, as lists: a build
 * without the toolkit makes its declarations from them, and a test holds them
 * against the toolkit's where that is installed.  The numbers and signatures
 * are those of <cuda.h>; NVIDIA changes none of a symbol once it is out, it adds
 * one with another suffix ("_v2").
 */

/* X(handle, tag): typedef struct tag *handle */
#define DISAGG_CUDA_HANDLES(X)                                                                     \
	X(CUcontext, CUctx_st)                                                                     \
	X(CUstream, CUstream_st)                                                                   \
	X(CUevent, CUevent_st)

/* X(name, type) */
#define DISAGG_CUDA_SCALARS(X)                                                                     \
	X(CUdevice, int)                                                                           \
	X(CUdeviceptr, unsigned long long)

/* X(name, value) */
#define DISAGG_CUDA_RESULTS(X)                                                                     \
	X(CUDA_SUCCESS, 0)                                                                         \
	X(CUDA_ERROR_INVALID_VALUE, 1)                                                             \
	X(CUDA_ERROR_OUT_OF_MEMORY, 2)                                                             \
	X(CUDA_ERROR_NOT_INITIALIZED, 3)                                                           \
	X(CUDA_ERROR_STUB_LIBRARY, 34)                                                             \
	X(CUDA_ERROR_NO_DEVICE, 100)                                                               \
	X(CUDA_ERROR_INVALID_DEVICE, 101)                                                          \
	X(CUDA_ERROR_INVALID_CONTEXT, 201)                                                         \
	X(CUDA_ERROR_ECC_UNCORRECTABLE, 214)                                                       \
	X(CUDA_ERROR_NOT_READY, 600)                                                               \
	X(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, 704)                                             \
	X(CUDA_ERROR_SYSTEM_NOT_READY, 802)                                                        \
	X(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)                                                  \
	X(CUDA_ERROR_UNKNOWN, 999)

#define DISAGG_CUDA_ATTRIBUTES(X)                                                                  \
	X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                                            \
	X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                                        \
	X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)

/* X(field, symbol, parameters): each returns CUresult; all since CUDA 11.0 */
#define DISAGG_CUDA_FUNCTIONS(X)                                                                   \
	X(init, cuInit, (unsigned int))                                                            \
	X(driver_version, cuDriverGetVersion, (int *))                                             \
	X(error_name, cuGetErrorName, (CUresult, const char **))                                   \
	X(device_count, cuDeviceGetCount, (int *))                                                 \
	X(device_get, cuDeviceGet, (CUdevice *, int))                                              \
	X(device_name, cuDeviceGetName, (char *, int, CUdevice))                                   \
	X(device_uuid, cuDeviceGetUuid, (CUuuid *, CUdevice))                                      \
	X(device_memory, cuDeviceTotalMem_v2, (size_t *, CUdevice))                                \
	X(device_attribute, cuDeviceGetAttribute, (int *, CUdevice_attribute, CUdevice))           \
	X(device_pci, cuDeviceGetPCIBusId, (char *, int, CUdevice))                                \
	X(device_can_peer, cuDeviceCanAccessPeer, (int *, CUdevice, CUdevice))                     \
	X(context_retain, cuDevicePrimaryCtxRetain, (CUcontext *, CUdevice))                       \
	X(context_release, cuDevicePrimaryCtxRelease_v2, (CUdevice))                               \
	X(context_set, cuCtxSetCurrent, (CUcontext))                                               \
	X(context_get, cuCtxGetCurrent, (CUcontext *))                                             \
	X(context_sync, cuCtxSynchronize, (void))                                                  \
	X(context_enable_peer, cuCtxEnablePeerAccess, (CUcontext, unsigned int))                   \
	X(memory_info, cuMemGetInfo_v2, (size_t *, size_t *))                                      \
	X(alloc, cuMemAlloc_v2, (CUdeviceptr *, size_t))                                           \
	X(free, cuMemFree_v2, (CUdeviceptr))                                                       \
	X(host_alloc, cuMemHostAlloc, (void **, size_t, unsigned int))                             \
	X(host_free, cuMemFreeHost, (void *))                                                      \
	X(copy_to_device, cuMemcpyHtoDAsync_v2, (CUdeviceptr, const void *, size_t, CUstream))     \
	X(copy_to_host, cuMemcpyDtoHAsync_v2, (void *, CUdeviceptr, size_t, CUstream))             \
	X(copy_on_device, cuMemcpyDtoDAsync_v2, (CUdeviceptr, CUdeviceptr, size_t, CUstream))      \
	X(copy_to_peer, cuMemcpyPeerAsync,                                                         \
		(CUdeviceptr, CUcontext, CUdeviceptr, CUcontext, size_t, CUstream))                \
	X(fill8, cuMemsetD8Async, (CUdeviceptr, unsigned char, size_t, CUstream))                  \
	X(fill32, cuMemsetD32Async, (CUdeviceptr, unsigned int, size_t, CUstream))                 \
	X(stream_create, cuStreamCreate, (CUstream *, unsigned int))                               \
	X(stream_destroy, cuStreamDestroy_v2, (CUstream))                                          \
	X(stream_sync, cuStreamSynchronize, (CUstream))                                            \
	X(stream_query, cuStreamQuery, (CUstream))                                                 \
	X(stream_wait, cuStreamWaitEvent, (CUstream, CUevent, unsigned int))                       \
	X(event_create, cuEventCreate, (CUevent *, unsigned int))                                  \
	X(event_destroy, cuEventDestroy_v2, (CUevent))                                             \
	X(event_record, cuEventRecord, (CUevent, CUstream))                                        \
	X(event_sync, cuEventSynchronize, (CUevent))                                               \
	X(event_elapsed, cuEventElapsedTime, (float *, CUevent, CUevent))

#endif
