/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/ucx.h"

#include "lib/base/strbuf.h"
#include "lib/host/http.h"
#include "lib/probe/responder.h"
#include "lib/probe/responder_wire.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define OPERATIONS 4096u /* at once */
#define CHECK_UNIT 4096u
#define ALIGN	   4096u
#define BLOB_HEAD  24 /* address of the region, length of the worker's address, of the key */

static const struct disagg_ucp_request_param plain; /* no attribute is set */

static int failed(struct disagg_err *err, const char *what, int status)
{
	return disagg_err_set(err, DISAGG_SYSTEM, "UCX cannot %s: its status %d", what, status);
}

/* ---- our side ---- */

/* `tls` in place of UCX_TLS; NULL: as it is.  The returned status is UCX's. */
static int start_context(struct disagg_ucx *ucx, const char *tls)
{
	struct disagg_ucp_params params = {
		.field_mask = DISAGG_UCP_PARAM_FEATURES, .features = DISAGG_UCP_FEATURE_RMA};
	void *config;
	int status = ucx->ucp.config_read(NULL, NULL, &config);

	if (status)
		return status;
	if (tls)
		status = ucx->ucp.config_modify(config, "TLS", tls);
	if (!status)
		status = ucx->ucp.init(
			DISAGG_UCP_MAJOR, DISAGG_UCP_MINOR, &params, config, &ucx->context);
	ucx->ucp.config_release(config);
	return status;
}

/* Nodes that are namespaces or containers of one machine look like one node to UCX, which
 * then takes memory that they do not share: it is left out, but where the user has chosen
 * transports, and where UCX is too old to know how. */
static int start(struct disagg_ucx *ucx, struct disagg_err *err)
{
	const char *chosen = getenv("UCX_TLS");
	struct disagg_ucp_worker_params worker = {.field_mask = DISAGG_UCP_WORKER_THREAD_MODE,
		.thread_mode = DISAGG_UCP_THREAD_SINGLE};
	struct disagg_ucp_mem_params mem = {
		.field_mask = DISAGG_UCP_MEM_ADDRESS | DISAGG_UCP_MEM_LENGTH,
		.address = ucx->region,
		.length = 2 * DISAGG_UCX_HALF};
	int status = start_context(ucx, chosen && chosen[0] ? NULL : DISAGG_UCX_NO_SHARED);

	if (status && !(chosen && chosen[0]))
		status = start_context(ucx, NULL);
	if (status)
		return failed(err, "start", status);
	status = ucx->ucp.worker_create(ucx->context, &worker, &ucx->worker);
	if (status)
		return failed(err, "make a worker", status);
	status = ucx->ucp.mem_map(ucx->context, &mem, &ucx->mem);
	return status ? failed(err, "register memory", status) : 0;
}

static int make_blob(struct disagg_ucx *ucx, struct disagg_arena *arena, struct disagg_err *err)
{
	void *address, *key;
	size_t address_len, key_len;
	int status = ucx->ucp.worker_address(ucx->worker, &address, &address_len);

	if (status)
		return failed(err, "tell its address", status);
	status = ucx->ucp.rkey_pack(ucx->context, ucx->mem, &key, &key_len);
	if (status) {
		ucx->ucp.worker_release_address(ucx->worker, address);
		return failed(err, "tell its memory's key", status);
	}
	ucx->blob_len = BLOB_HEAD + address_len + key_len;
	ucx->blob = disagg_arena_alloc(arena, ucx->blob_len);
	if (ucx->blob) {
		responder_put64(ucx->blob, (uint64_t)(uintptr_t)ucx->region);
		responder_put64(ucx->blob + 8, address_len);
		responder_put64(ucx->blob + 16, key_len);
		memcpy(ucx->blob + BLOB_HEAD, address, address_len);
		memcpy(ucx->blob + BLOB_HEAD + address_len, key, key_len);
	}
	ucx->ucp.rkey_release(key);
	ucx->ucp.worker_release_address(ucx->worker, address);
	return ucx->blob ? 0 : disagg_err_nomem(err);
}

int disagg_ucx_open(struct disagg_ucx *ucx, struct disagg_arena *arena,
	const unsigned char *pattern, struct disagg_err *err)
{
	memset(ucx, 0, sizeof(*ucx));
	if (disagg_ucp_open(&ucx->ucp, err) < 0)
		return -1;
	ucx->region = aligned_alloc(ALIGN, 2 * DISAGG_UCX_HALF);
	if (!ucx->region)
		return disagg_err_nomem(err);
	for (size_t at = 0; at < DISAGG_UCX_HALF; at += DISAGG_RESPONDER_PATTERN)
		memcpy(ucx->region + at, pattern, DISAGG_RESPONDER_PATTERN);
	memset(ucx->region + DISAGG_UCX_HALF, 0, DISAGG_UCX_HALF);
	if (start(ucx, err) == 0 && make_blob(ucx, arena, err) == 0)
		return 0;
	disagg_ucx_close(ucx);
	return -1;
}

void disagg_ucx_close(struct disagg_ucx *ucx)
{
	if (ucx->mem)
		ucx->ucp.mem_unmap(ucx->context, ucx->mem);
	if (ucx->worker)
		ucx->ucp.worker_destroy(ucx->worker);
	if (ucx->context)
		ucx->ucp.cleanup(ucx->context);
	free(ucx->region);
	memset(ucx, 0, sizeof(*ucx));
}

void disagg_ucx_progress(void *context)
{
	struct disagg_ucx *ucx = context;
	bool any = false;

	while (ucx->ucp.worker_progress(ucx->worker))
		any = true;
	/* the other side may be waiting for this very CPU */
	if (!any)
		sched_yield();
}

bool disagg_ucx_check(void *context, uint32_t tag)
{
	struct disagg_ucx *ucx = context;
	size_t len = (size_t)tag * CHECK_UNIT;
	bool same;

	if (len > DISAGG_UCX_HALF)
		return false;
	same = memcmp(ucx->region, ucx->region + DISAGG_UCX_HALF, len) == 0;
	memset(ucx->region + DISAGG_UCX_HALF, 0, len);
	return same;
}

/* ---- the other side ---- */

/* Until the operation is done; it may have been at once. */
static int finish(struct disagg_ucx *ucx, void *request, int64_t until_ns, struct disagg_err *err)
{
	int status = DISAGG_UCP_INPROGRESS;

	if (!request)
		return 0;
	if ((uintptr_t)request >= (uintptr_t)DISAGG_UCP_ERR_LAST)
		return failed(err, "move bytes", (int)(intptr_t)request);
	while (status == DISAGG_UCP_INPROGRESS && disagg_monotonic_ns() < until_ns) {
		if (!ucx->ucp.worker_progress(ucx->worker))
			sched_yield();
		status = ucx->ucp.request_status(request);
	}
	ucx->ucp.request_free(request);
	if (status == DISAGG_UCP_INPROGRESS)
		return disagg_err_set(err, DISAGG_TIMEOUT, "UCX has not moved the bytes in time");
	return status ? failed(err, "move bytes", status) : 0;
}

int disagg_ucx_connect(struct disagg_ucx *ucx, const void *blob, size_t len,
	struct disagg_ucx_peer *ret, struct disagg_err *err)
{
	const unsigned char *at = blob;
	struct disagg_ucp_ep_params params = {.field_mask = DISAGG_UCP_EP_REMOTE_ADDRESS};
	struct disagg_ucx_peer peer = {0};
	uint64_t address_len;
	int status;

	if (len <= BLOB_HEAD || responder_get64(at + 8) >= len - BLOB_HEAD ||
		responder_get64(at + 16) != len - BLOB_HEAD - responder_get64(at + 8))
		return disagg_err_set(err, DISAGG_INVALID, "what tells of its memory is damaged");
	address_len = responder_get64(at + 8);
	params.address = at + BLOB_HEAD;
	status = ucx->ucp.ep_create(ucx->worker, &params, &peer.ep);
	if (status)
		return failed(err, "connect", status);
	status = ucx->ucp.rkey_unpack(peer.ep, at + BLOB_HEAD + address_len, &peer.rkey);
	if (status) {
		disagg_ucx_disconnect(ucx, &peer);
		return failed(err, "use the other side's key", status);
	}
	peer.address = responder_get64(at);
	*ret = peer;
	return 0;
}

void disagg_ucx_disconnect(struct disagg_ucx *ucx, struct disagg_ucx_peer *peer)
{
	if (peer->rkey)
		ucx->ucp.rkey_destroy(peer->rkey);
	if (peer->ep)
		finish(ucx, ucx->ucp.ep_close(peer->ep, &plain), disagg_monotonic_ns() + 1000000000,
			NULL);
	memset(peer, 0, sizeof(*peer));
}

static void *begin(struct disagg_ucx *ucx, const struct disagg_ucx_peer *peer,
	const struct disagg_ucx_move *move, unsigned at)
{
	size_t offset = at * move->block;
	unsigned char *ours = ucx->region + offset;

	if (move->put)
		return ucx->ucp.put(peer->ep, ours, move->block,
			peer->address + DISAGG_UCX_HALF + offset, peer->rkey, &plain);
	return ucx->ucp.get(peer->ep, ours + DISAGG_UCX_HALF, move->block, peer->address + offset,
		peer->rkey, &plain);
}

int disagg_ucx_run(struct disagg_ucx *ucx, const struct disagg_ucx_peer *peer,
	const struct disagg_ucx_move *move, double *ret_s, struct disagg_err *err)
{
	int64_t start_ns = disagg_monotonic_ns();
	int64_t until_ns = start_ns + (int64_t)move->timeout_ms * 1000000;
	void *request[OPERATIONS];
	int rc = 0;

	if (move->batch > OPERATIONS || move->block > DISAGG_UCX_HALF / move->batch)
		return disagg_err_set(err, DISAGG_INVALID,
			"%u blocks of %zu bytes at once are too many", move->batch, move->block);
	for (unsigned i = 0; i < move->batch; i++)
		request[i] = begin(ucx, peer, move, i);
	for (unsigned i = 0; i < move->batch; i++)
		if (finish(ucx, request[i], until_ns, rc ? NULL : err) < 0)
			rc = -1;
	if (rc == 0 && move->put)
		rc = finish(ucx, ucx->ucp.ep_flush(peer->ep, &plain), until_ns, err);
	if (rc == 0)
		*ret_s = (double)(disagg_monotonic_ns() - start_ns) / 1e9;
	return rc;
}

/* "#      lane[0]:  5:posix/memory md[1]  -> ..." */
static void add_lane(struct disagg_strbuf *lanes, const char *line)
{
	const char *at = strstr(line, "lane[");
	size_t len;
	char *name;

	at = at ? strchr(at, ']') : NULL;
	at = at && at[1] ? strchr(at + 2, ':') : NULL;
	if (!at)
		return;
	at++;
	len = strcspn(at, " \n");
	name = strndup(at, len);
	if (name && len && !strstr(lanes->text, name))
		disagg_strbuf_printf(lanes, "%s%s", lanes->len ? ", " : "", name);
	free(name);
}

const char *disagg_ucx_lanes(
	struct disagg_ucx *ucx, const struct disagg_ucx_peer *peer, struct disagg_arena *arena)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	struct disagg_strbuf lanes;
	const char *kept;

	if (!stream)
		return "";
	ucx->ucp.ep_print_info(peer->ep, stream);
	fclose(stream);
	disagg_strbuf_init(&lanes, 512);
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		add_lane(&lanes, line);
	}
	kept = disagg_arena_strdup(arena, lanes.text);
	disagg_strbuf_release(&lanes);
	free(text);
	return kept ? kept : "";
}
