/* SPDX-License-Identifier: Apache-2.0 */
/* UCX between two processes on this machine, where it is installed; and its
 * declarations against the header. */
#include "lib/probe/ucx.h"

#include "lib/probe/responder.h"
#include "tests/unit/tap.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<ucp/api/ucp.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#include <ucp/api/ucp.h>
#pragma GCC diagnostic pop

#define SAME(ours, a, theirs, b)                                                                   \
	(offsetof(struct ours, a) == offsetof(theirs, b) &&                                        \
		sizeof(((struct ours *)0)->a) == sizeof(((theirs *)0)->b))

static void declarations(void)
{
	ok(DISAGG_UCP_PARAM_FEATURES == UCP_PARAM_FIELD_FEATURES &&
			DISAGG_UCP_FEATURE_RMA == UCP_FEATURE_RMA &&
			DISAGG_UCP_WORKER_THREAD_MODE == UCP_WORKER_PARAM_FIELD_THREAD_MODE &&
			DISAGG_UCP_THREAD_SINGLE == UCS_THREAD_MODE_SINGLE &&
			DISAGG_UCP_EP_REMOTE_ADDRESS == UCP_EP_PARAM_FIELD_REMOTE_ADDRESS &&
			DISAGG_UCP_MEM_ADDRESS == UCP_MEM_MAP_PARAM_FIELD_ADDRESS &&
			DISAGG_UCP_MEM_LENGTH == UCP_MEM_MAP_PARAM_FIELD_LENGTH &&
			DISAGG_UCP_INPROGRESS == UCS_INPROGRESS &&
			DISAGG_UCP_ERR_LAST == UCS_ERR_LAST,
		"numbers as ucp.h has them");
	ok(sizeof(ucs_status_t) == 1 && (ucs_status_t)-1 < 0, "a status is a signed char");
	ok(SAME(disagg_ucp_params, features, ucp_params_t, features) &&
			SAME(disagg_ucp_params, name, ucp_params_t, name),
		"ucp_params_t");
	ok(SAME(disagg_ucp_worker_params, thread_mode, ucp_worker_params_t, thread_mode) &&
			SAME(disagg_ucp_worker_params, cpu_mask, ucp_worker_params_t, cpu_mask) &&
			SAME(disagg_ucp_worker_params, client_id, ucp_worker_params_t, client_id),
		"ucp_worker_params_t");
	ok(SAME(disagg_ucp_ep_params, address, ucp_ep_params_t, address) &&
			SAME(disagg_ucp_ep_params, flags, ucp_ep_params_t, flags) &&
			SAME(disagg_ucp_ep_params, name, ucp_ep_params_t, name) &&
			sizeof(struct disagg_ucp_ep_params) == sizeof(ucp_ep_params_t),
		"ucp_ep_params_t");
	ok(SAME(disagg_ucp_mem_params, address, ucp_mem_map_params_t, address) &&
			SAME(disagg_ucp_mem_params, length, ucp_mem_map_params_t, length) &&
			SAME(disagg_ucp_mem_params, memory_type, ucp_mem_map_params_t, memory_type),
		"ucp_mem_map_params_t");
	ok(sizeof(struct disagg_ucp_request_param) == sizeof(ucp_request_param_t) &&
			SAME(disagg_ucp_request_param, datatype, ucp_request_param_t, datatype) &&
			SAME(disagg_ucp_request_param, memh, ucp_request_param_t, memh),
		"ucp_request_param_t");
}
#else
static void declarations(void)
{
	printf("# skipped: no ucp/api/ucp.h here to hold the declarations against\n");
}
#endif

static unsigned char pattern[DISAGG_RESPONDER_PATTERN];
static const unsigned char token[DISAGG_RESPONDER_TOKEN] = "sixteen bytes...";

/* Answers as a node of kv.path does; ends with this process's end. */
static int answer(int port_fd)
{
	struct disagg_responder responder = {.fd = -1, .pattern = pattern};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ucx ucx;

	memcpy(responder.token, token, sizeof(token));
	if (disagg_ucx_open(&ucx, &arena, pattern, &err) < 0 ||
		disagg_responder_open(&responder, &err) < 0)
		return 1;
	responder.blob = ucx.blob;
	responder.blob_len = ucx.blob_len;
	responder.progress = disagg_ucx_progress;
	responder.check = disagg_ucx_check;
	responder.context = &ucx;
	if (write(port_fd, &responder.port, sizeof(responder.port)) != sizeof(responder.port))
		return 1;
	return disagg_responder_serve(&responder, 30000, -1, &err);
}

static bool shared(const char *lanes)
{
	static const char *const names[] = {"posix/", "sysv/", "cma/", "xpmem/", "knem/", NULL};

	for (size_t i = 0; names[i]; i++)
		if (strstr(lanes, names[i]))
			return true;
	return false;
}

static void moves(struct disagg_ucx *ucx, struct disagg_caller *caller, struct disagg_arena *arena)
{
	static unsigned char blob[DISAGG_UCX_BLOB];
	struct disagg_ucx_move get = {.block = 65536, .batch = 16, .timeout_ms = 10000}, put = get;
	struct disagg_ucx_move over = {.block = DISAGG_UCX_HALF, .batch = 2, .timeout_ms = 1000};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ucx_peer peer;
	double seconds = 0;
	size_t len = 0;
	const char *lanes;

	put.put = true;
	ok(disagg_caller_blob(caller, blob, sizeof(blob), &len, &err) == 0 && len > 24,
		"the other side tells of its memory");
	ok(disagg_ucx_connect(ucx, blob, len - 1, &peer, &err) == -1 && err.code == DISAGG_INVALID,
		"one byte less is refused");
	if (!ok(disagg_ucx_connect(ucx, blob, len, &peer, &err) == 0, "it connects"))
		return;
	ok(disagg_ucx_run(ucx, &peer, &get, &seconds, &err) == 0 && seconds > 0,
		"16 blocks of 64 KiB are got");
	ok(memcmp(ucx->region + DISAGG_UCX_HALF, pattern, 1 << 20) == 0, "and are right");
	ok(disagg_caller_check(caller, 256, &err) == -1, "what was not put is not there");
	ok(disagg_ucx_run(ucx, &peer, &put, &seconds, &err) == 0 &&
			disagg_caller_check(caller, 256, &err) == 0,
		"16 blocks are put, and are right there");
	ok(disagg_caller_check(caller, 256, &err) == -1, "and are wiped by the check");
	ucx->region[70000] ^= 1;
	ok(disagg_ucx_run(ucx, &peer, &put, &seconds, &err) == 0 &&
			disagg_caller_check(caller, 256, &err) == -1,
		"one wrong bit is found");
	ok(disagg_ucx_run(ucx, &peer, &over, &seconds, &err) == -1 && err.code == DISAGG_INVALID,
		"more than the memory holds is refused");
	lanes = disagg_ucx_lanes(ucx, &peer, arena);
	ok(lanes[0] && strchr(lanes, '/'), "the transports are told");
	ok(!shared(lanes), "none of them is memory shared on one machine");
	printf("# UCX %u.%u: %s\n", ucx->ucp.major, ucx->ucp.minor, lanes);
	disagg_ucx_disconnect(ucx, &peer);
}

static void between(pid_t pid, int fd)
{
	struct disagg_caller_target target = {.address = "127.0.0.1",
		.token = token,
		.pattern = pattern,
		.timeout_ms = 10000,
		.mtu_discover = -1};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_caller caller;
	struct disagg_ucx ucx;

	ok(read(fd, &target.port, sizeof(target.port)) == sizeof(target.port) &&
			disagg_caller_open(&caller, &target, &err) == 0 &&
			disagg_ucx_open(&ucx, &arena, pattern, &err) == 0,
		"two processes with UCX");
	moves(&ucx, &caller, &arena);
	disagg_ucx_close(&ucx);
	disagg_caller_close(&caller);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	disagg_arena_release(&arena);
}

int main(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ucp ucp;
	int fds[2];
	pid_t pid;

	declarations();
	/* no traffic leaves this machine */
	setenv("UCX_NET_DEVICES", "lo", 1);
	unsetenv("UCX_TLS");
	setenv("UCX_WARN_UNUSED_ENV_VARS", "n", 1);
	if (disagg_ucp_open(&ucp, &err) < 0) {
		is_int(err.code, DISAGG_SKIPPED, "without UCX it is skipped");
		printf("# skipped: %s\n", err.text);
		return tap_done();
	}
	disagg_pattern_fill(pattern, sizeof(pattern));
	if (pipe(fds) < 0)
		return 5;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(answer(fds[1]));
	close(fds[1]);
	between(pid, fds[0]);
	return tap_done();
}
