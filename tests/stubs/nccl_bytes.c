/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/nccl_hub.h"

#include "lib/probe/nccl.h"
#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>

#define KEPT (1 << 30) /* bytes */

/* Buffers of a message's size come and go with every call: mapped anew each time they cost
 * more than all else that is done here. */
__attribute__((constructor)) static void keep_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, KEPT);
	mallopt(M_TRIM_THRESHOLD, KEPT);
	mallopt(M_TOP_PAD, KEPT / 64);
}

int stub_send_all(int fd, const void *bytes, uint64_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		at += sent;
		len -= (uint64_t)sent;
	}
	return 0;
}

int stub_recv_all(int fd, void *bytes, uint64_t len)
{
	char *at = bytes;

	while (len) {
		ssize_t got = recv(fd, at, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		at += got;
		len -= (uint64_t)got;
	}
	return 0;
}

uint64_t stub_type_size(uint32_t type)
{
	switch (type) {
	case ncclInt8:
	case ncclUint8:
		return 1;
	case ncclInt32:
	case ncclUint32:
	case ncclFloat32:
		return 4;
	case ncclInt64:
	case ncclUint64:
	case ncclFloat64:
		return 8;
	default:
		return 0;
	}
}

#define ADD(name, c_type)                                                                          \
	case name:                                                                                 \
		for (uint64_t i = 0; i < count; i++)                                               \
			((c_type *)sum)[i] =                                                       \
				(c_type)(((c_type *)sum)[i] + ((const c_type *)more)[i]);          \
		break;

void stub_add(uint32_t type, void *sum, const void *more, uint64_t count)
{
	switch (type) {
		ADD(ncclInt8, int8_t)
		ADD(ncclUint8, uint8_t)
		ADD(ncclInt32, int32_t)
		ADD(ncclUint32, uint32_t)
		ADD(ncclInt64, int64_t)
		ADD(ncclUint64, uint64_t)
		ADD(ncclFloat32, float)
		ADD(ncclFloat64, double)
	default:
		break;
	}
}
