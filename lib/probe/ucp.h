/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_UCP_H
#define DISAGG_PROBE_UCP_H

#include "lib/base/err.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * UCX's put and get, loaded at run time: libucp.so.0, API 1.9 or later (the first
 * with all of the functions below).  The types are the project's own, with the
 * layout of ucp/api/ucp.h 1.13: UCX reads a member only where field_mask names
 * it, so those behind the last that is used need not be there.  A test holds
 * them against the header where it is installed.
 */
#define DISAGG_UCP_MAJOR 1
#define DISAGG_UCP_MINOR 9

#define DISAGG_UCP_PARAM_FEATURES     (1ull << 0)
#define DISAGG_UCP_FEATURE_RMA	      (1ull << 1)
#define DISAGG_UCP_WORKER_THREAD_MODE (1ull << 0)
#define DISAGG_UCP_THREAD_SINGLE      0
#define DISAGG_UCP_EP_REMOTE_ADDRESS  (1ull << 0)
#define DISAGG_UCP_MEM_ADDRESS	      (1ull << 0)
#define DISAGG_UCP_MEM_LENGTH	      (1ull << 1)
#define DISAGG_UCP_INPROGRESS	      1
#define DISAGG_UCP_ERR_LAST	      (-100) /* a pointer above this is an error, negated */

typedef struct disagg_ucp_context *disagg_ucp_context;
typedef struct disagg_ucp_worker *disagg_ucp_worker;
typedef struct disagg_ucp_ep *disagg_ucp_ep;
typedef struct disagg_ucp_mem *disagg_ucp_mem;
typedef struct disagg_ucp_rkey *disagg_ucp_rkey;

struct disagg_ucp_params {
	uint64_t field_mask, features;
	size_t request_size;
	void *request_init, *request_cleanup;
	uint64_t tag_sender_mask;
	int mt_workers_shared;
	size_t estimated_num_eps, estimated_num_ppn;
	const char *name;
};

struct disagg_ucp_worker_params {
	uint64_t field_mask;
	int thread_mode;
	unsigned long cpu_mask[16];
	unsigned events;
	void *user_data;
	int event_fd;
	uint64_t flags;
	const char *name;
	size_t am_alignment;
	uint64_t client_id;
};

struct disagg_ucp_ep_params {
	uint64_t field_mask;
	const void *address;
	int err_mode;
	void *err_handler_cb, *err_handler_arg;
	void *user_data;
	unsigned flags;
	const void *sockaddr;
	unsigned sockaddr_len;
	void *conn_request;
	const char *name;
	const void *local_sockaddr;
	unsigned local_sockaddr_len;
};

struct disagg_ucp_mem_params {
	uint64_t field_mask;
	void *address;
	size_t length;
	unsigned flags, prot;
	int memory_type;
};

/* op_attr_mask 0: none of it is looked at. */
struct disagg_ucp_request_param {
	uint32_t op_attr_mask, flags;
	void *request, *cb;
	uint64_t datatype;
	void *user_data, *reply_buffer;
	int memory_type;
	void *recv_info, *memh;
};

/* X(field, symbol, result, parameters) */
#define DISAGG_UCP_FUNCTIONS(X)                                                                    \
	X(get_version, ucp_get_version, void, (unsigned *, unsigned *, unsigned *))                \
	X(config_read, ucp_config_read, signed char, (const char *, const char *, void **))        \
	X(config_modify, ucp_config_modify, signed char, (void *, const char *, const char *))     \
	X(config_release, ucp_config_release, void, (void *))                                      \
	X(init, ucp_init_version, signed char,                                                     \
		(unsigned, unsigned, const struct disagg_ucp_params *, const void *,               \
			disagg_ucp_context *))                                                     \
	X(cleanup, ucp_cleanup, void, (disagg_ucp_context))                                        \
	X(worker_create, ucp_worker_create, signed char,                                           \
		(disagg_ucp_context, const struct disagg_ucp_worker_params *,                      \
			disagg_ucp_worker *))                                                      \
	X(worker_destroy, ucp_worker_destroy, void, (disagg_ucp_worker))                           \
	X(worker_address, ucp_worker_get_address, signed char,                                     \
		(disagg_ucp_worker, void **, size_t *))                                            \
	X(worker_release_address, ucp_worker_release_address, void, (disagg_ucp_worker, void *))   \
	X(worker_progress, ucp_worker_progress, unsigned, (disagg_ucp_worker))                     \
	X(ep_create, ucp_ep_create, signed char,                                                   \
		(disagg_ucp_worker, const struct disagg_ucp_ep_params *, disagg_ucp_ep *))         \
	X(ep_flush, ucp_ep_flush_nbx, void *,                                                      \
		(disagg_ucp_ep, const struct disagg_ucp_request_param *))                          \
	X(ep_close, ucp_ep_close_nbx, void *,                                                      \
		(disagg_ucp_ep, const struct disagg_ucp_request_param *))                          \
	X(ep_print_info, ucp_ep_print_info, void, (disagg_ucp_ep, FILE *))                         \
	X(mem_map, ucp_mem_map, signed char,                                                       \
		(disagg_ucp_context, const struct disagg_ucp_mem_params *, disagg_ucp_mem *))      \
	X(mem_unmap, ucp_mem_unmap, signed char, (disagg_ucp_context, disagg_ucp_mem))             \
	X(rkey_pack, ucp_rkey_pack, signed char,                                                   \
		(disagg_ucp_context, disagg_ucp_mem, void **, size_t *))                           \
	X(rkey_release, ucp_rkey_buffer_release, void, (void *))                                   \
	X(rkey_unpack, ucp_ep_rkey_unpack, signed char,                                            \
		(disagg_ucp_ep, const void *, disagg_ucp_rkey *))                                  \
	X(rkey_destroy, ucp_rkey_destroy, void, (disagg_ucp_rkey))                                 \
	X(put, ucp_put_nbx, void *,                                                                \
		(disagg_ucp_ep, const void *, size_t, uint64_t, disagg_ucp_rkey,                   \
			const struct disagg_ucp_request_param *))                                  \
	X(get, ucp_get_nbx, void *,                                                                \
		(disagg_ucp_ep, void *, size_t, uint64_t, disagg_ucp_rkey,                         \
			const struct disagg_ucp_request_param *))                                  \
	X(request_status, ucp_request_check_status, signed char, (void *))                         \
	X(request_free, ucp_request_free, void, (void *))

#define DISAGG_UCP_MEMBER(field, symbol, result, params) result(*field) params;
struct disagg_ucp {
	void *library;
	unsigned major, minor;
	DISAGG_UCP_FUNCTIONS(DISAGG_UCP_MEMBER)
};

/* DISAGG_SKIPPED: no UCX on this node, or one that is too old; else library.h. */
int disagg_ucp_open(struct disagg_ucp *ucp, struct disagg_err *err);

#endif
