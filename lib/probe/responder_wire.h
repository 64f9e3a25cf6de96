/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_RESPONDER_WIRE_H
#define DISAGG_PROBE_RESPONDER_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* The 16 bytes of a request, for responder.c and caller.c. */
#define RESPONDER_HEAD 16

struct responder_head {
	uint32_t op, tag;
	uint64_t length;
};

static inline void responder_put64(unsigned char *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

static inline uint64_t responder_get64(const unsigned char *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

static inline struct responder_head responder_head_read(const unsigned char *at)
{
	uint64_t first = responder_get64(at);
	struct responder_head head = {
		(uint32_t)(first >> 32), (uint32_t)first, responder_get64(at + 8)};

	return head;
}

static inline void responder_head_write(unsigned char *at, struct responder_head head)
{
	responder_put64(at, (uint64_t)head.op << 32 | head.tag);
	responder_put64(at + 8, head.length);
}

/* Unix time, CLOCK_REALTIME. */
int64_t disagg_unix_ns(void);

#endif
