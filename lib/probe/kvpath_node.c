/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/kvpath.h"

#include "lib/host/http.h"
#include "lib/probe/pairs.h"
#include "lib/probe/serving.h"
#include "lib/probe/stats.h"
#include "lib/probe/ucx.h"
#include <stdio.h>
#include <string.h>

#define BLOCKS_MAX   8
#define REQUESTS     256
#define REQUESTS_MIN 8
#define TIMEOUT_MS   10000
#define WINDOW_MAX   60000
#define CHECK_UNIT   4096u
#define BIG	     (1u << 20)

struct path {
	struct disagg_probe_run *run;
	const struct disagg_peer *peer;
	struct disagg_caller caller;
	struct disagg_ucx ucx;
	struct disagg_ucx_peer far;
	bool by_ucx, representative;
	char label[256];    /* "UCX 1.17: rc_mlx5/mlx5_0:1" */
	int64_t measure_ms; /* of one size, and at least REQUESTS_MIN requests */
	double get_gbs, together_gbs;
};

/* ---- the transport ---- */

/* What UCX's own names of transports over a fabric begin with; all others are TCP, or
 * memory that is shared on one machine. */
static bool is_fabric(const char *lanes)
{
	static const char *const names[] = {"rc_", "dc_", "ud_", "srd", "ugni", NULL};

	for (size_t i = 0; names[i]; i++)
		if (strstr(lanes, names[i]))
			return true;
	return false;
}

static void label(struct path *path)
{
	const char *lanes;

	if (!path->by_ucx) {
		snprintf(path->label, sizeof(path->label), "TCP: not representative");
		return;
	}
	lanes = disagg_ucx_lanes(&path->ucx, &path->far, path->run->arena);
	path->representative = is_fabric(lanes);
	snprintf(path->label, sizeof(path->label), "UCX %u.%u: %.150s%s", path->ucx.ucp.major,
		path->ucx.ucp.minor, lanes,
		path->representative ? "" : " (no fabric: not representative)");
}

static int open_ucx(struct path *path, struct disagg_err *err)
{
	unsigned char *blob = disagg_arena_alloc(path->run->arena, DISAGG_UCX_BLOB);
	size_t len;

	if (!blob)
		return disagg_err_nomem(err);
	if (disagg_ucx_open(&path->ucx, path->run->arena, path->caller.pattern, err) < 0)
		return -1;
	if (disagg_caller_blob(&path->caller, blob, DISAGG_UCX_BLOB, &len, err) == 0) {
		if (!len)
			disagg_err_set(err, DISAGG_SKIPPED, "the other node has none that works");
		else if (disagg_ucx_connect(&path->ucx, blob, len, &path->far, err) == 0)
			return 0;
	}
	disagg_ucx_close(&path->ucx);
	return -1;
}

static int move(struct path *path, bool put, size_t block, double *ret_s, struct disagg_err *err)
{
	struct disagg_ucx_move move = {
		.put = put, .block = block, .batch = DISAGG_KVPATH_BATCH, .timeout_ms = TIMEOUT_MS};

	if (path->by_ucx)
		return disagg_ucx_run(&path->ucx, &path->far, &move, ret_s, err);
	if (put)
		return disagg_caller_put(&path->caller, block * DISAGG_KVPATH_BATCH, ret_s, err);
	return disagg_caller_get(&path->caller, block * DISAGG_KVPATH_BATCH, false, ret_s, err);
}

/* One request whose bytes are compared. */
static int move_checked(struct path *path, bool put, size_t block, struct disagg_err *err)
{
	size_t len = block * DISAGG_KVPATH_BATCH;
	unsigned char *here = path->by_ucx ? path->ucx.region + DISAGG_UCX_HALF : NULL;
	double seconds;

	if (!path->by_ucx)
		return put ? disagg_caller_put(&path->caller, len, &seconds, err)
			   : disagg_caller_get(&path->caller, len, true, &seconds, err);
	if (!put)
		memset(here, 0, len);
	if (move(path, put, block, &seconds, err) < 0)
		return -1;
	if (put)
		return disagg_caller_check(&path->caller, (uint32_t)(len / CHECK_UNIT), err);
	if (memcmp(here, path->ucx.region, len) != 0)
		return disagg_err_set(err, DISAGG_INVALID, "bytes came that were not sent");
	return 0;
}

/* ---- one size ---- */

/* "64K", "1M", "72K", "1152" */
static void size_name(size_t bytes, char *buf, size_t size)
{
	if (bytes % (1u << 20) == 0)
		snprintf(buf, size, "%zuM", bytes >> 20);
	else if (bytes % 1024 == 0)
		snprintf(buf, size, "%zuK", bytes >> 10);
	else
		snprintf(buf, size, "%zu", bytes);
}

static struct disagg_probe_record record_of(const struct path *path, const char *param)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.peer = path->peer->name;
	record.param = param;
	record.hint = path->label;
	record.unit = "GB/s";
	return record;
}

static int fail(struct path *path, const char *param, const struct disagg_err *why)
{
	struct disagg_probe_record record = record_of(path, param);

	/* wrong bytes are a fault of the pair; all else could not be measured */
	record.status = why->code == DISAGG_INVALID ? DISAGG_PROBE_FAIL : DISAGG_PROBE_UNKNOWN;
	record.reason = why->text;
	path->run->emit(path->run, &record);
	return -1;
}

static void tell_latency(struct path *path, const char *param, double *us, size_t count)
{
	char p99[64];
	struct disagg_probe_record record;

	snprintf(p99, sizeof(p99), "%s p99", param);
	record = record_of(path, p99);
	record.unit = "us";
	for (size_t i = 0; i < count && i < DISAGG_PROBE_RAW_MAX; i++)
		record.raw[record.raw_count++] = us[i];
	disagg_stats_sort(us, count);
	record.has_value = true;
	record.value = disagg_stats_percentile(us, count, 0.99);
	path->run->emit(path->run, &record);
}

/* -1: said in a record. */
static int measure(struct path *path, bool put, size_t block, double *ret_gbs)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t start = disagg_monotonic_ns();
	double us[REQUESTS], seconds, all = 0;
	struct disagg_probe_record record;
	char size[24], param[48];
	size_t count = 0;

	size_name(block, size, sizeof(size));
	snprintf(param, sizeof(param), "%s %s x%d", put ? "put" : "get", size, DISAGG_KVPATH_BATCH);
	if (move_checked(path, put, block, &err) < 0)
		return fail(path, param, &err);
	while (count < REQUESTS && (count < REQUESTS_MIN || disagg_monotonic_ns() - start <
								    path->measure_ms * 1000000)) {
		if (move(path, put, block, &seconds, &err) < 0)
			return fail(path, param, &err);
		us[count++] = seconds * 1e6;
		all += seconds;
	}
	label(path);
	record = record_of(path, param);
	record.has_value = true;
	record.value = (double)(block * DISAGG_KVPATH_BATCH) * (double)count / all / 1e9;
	record.duration_ms = (double)(disagg_monotonic_ns() - start) / 1e6;
	path->run->emit(path->run, &record);
	if (!put)
		tell_latency(path, param, us, count);
	*ret_gbs = record.value;
	return 0;
}

/* How much of [from, to] lies in the middle half, as a share. */
static double share_in(int64_t from, int64_t to, const int64_t middle[2])
{
	int64_t first = from > middle[0] ? from : middle[0];
	int64_t last = to < middle[1] ? to : middle[1];

	return last > first && to > from ? (double)(last - first) / (double)(to - from) : 0;
}

/* For so long; what counts is the middle half, when the others run too. */
static int together(struct path *path, int64_t window_ms)
{
	const char *name = disagg_json_text(disagg_json_at(path->run->args, "name"));
	const char *param = disagg_arena_printf(
		path->run->arena, "%s 1M x%d", name ? name : "together", DISAGG_KVPATH_BATCH);
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t start = disagg_monotonic_ns(), now = start, end = start + window_ms * 1000000;
	int64_t middle[2] = {start + window_ms * 250000, end - window_ms * 250000};
	double seconds, bytes = 0, in = 0;
	struct disagg_probe_record record;

	while (now < end) {
		int64_t before = now;
		double share;

		if (move(path, false, BIG, &seconds, &err) < 0)
			return fail(path, param, &err);
		now = disagg_monotonic_ns();
		share = share_in(before, now, middle);
		bytes += share * BIG * DISAGG_KVPATH_BATCH;
		in += share * (double)(now - before) / 1e9;
	}
	label(path);
	record = record_of(path, param);
	record.has_value = in > 0;
	record.value = in > 0 ? bytes / in / 1e9 : 0;
	record.duration_ms = (double)window_ms;
	path->run->emit(path->run, &record);
	path->together_gbs = record.value;
	return 0;
}

/* ---- a node's part ---- */

static size_t read_blocks(const struct disagg_probe_run *run, size_t *block)
{
	const struct disagg_json *list = disagg_json_at(run->args, "blocks");
	size_t count = 0;

	for (size_t i = 0; i < disagg_json_count(list) && count < BLOCKS_MAX; i++) {
		int64_t bytes;

		if (disagg_json_int(disagg_json_item(list, i), &bytes) == 0 && bytes >= 256 &&
			bytes <= BIG)
			block[count++] = (size_t)bytes;
	}
	return count;
}

static void note_result(struct path *path)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_put_bool(&writer, "representative", path->representative);
	disagg_json_put_text(&writer, "label", path->label);
	if (path->get_gbs > 0)
		disagg_json_put_real(&writer, "get_gbs", path->get_gbs);
	if (path->together_gbs > 0)
		disagg_json_put_real(&writer, "together_gbs", path->together_gbs);
	disagg_json_end(&writer, '}');
	if (!text.failed)
		path->run->note(path->run, text.text);
	disagg_strbuf_release(&text);
}

static void tell_fallback(struct path *path, const struct disagg_err *why)
{
	struct disagg_probe_record record = record_of(path, "transport");
	const char *sysroot = path->run->options->sysroot ? path->run->options->sysroot : "";
	double ports = disagg_pairs_ports(path->run->arena, sysroot);
	char reason[700];

	snprintf(reason, sizeof(reason), "UCX cannot be used: %s", why->text);
	record.unit = NULL;
	record.reason = reason;
	/* no UCX at all is no fault of the node */
	record.status = why->code != DISAGG_SKIPPED ? DISAGG_PROBE_UNKNOWN
			: ports > 0		    ? DISAGG_PROBE_WARN
						    : DISAGG_PROBE_PASS;
	path->run->emit(path->run, &record);
}

static int ask(struct path *path, struct disagg_err *err)
{
	struct disagg_err why = DISAGG_ERR_INIT;
	size_t block[BLOCKS_MAX], count = read_blocks(path->run, block);
	int64_t window_ms = 0;
	double gbs;

	disagg_json_int(disagg_json_at(path->run->args, "window_ms"), &window_ms);
	disagg_json_int(disagg_json_at(path->run->args, "measure_ms"), &path->measure_ms);
	if (window_ms < 0 || window_ms > WINDOW_MAX || path->measure_ms < 0 ||
		path->measure_ms > WINDOW_MAX)
		return disagg_err_set(err, DISAGG_INVALID,
			"'window_ms' and 'measure_ms' are 0 to %d", WINDOW_MAX);
	path->by_ucx = open_ucx(path, &why) == 0;
	label(path);
	if (!path->by_ucx && !window_ms)
		tell_fallback(path, &why);
	if (window_ms) {
		together(path, window_ms);
	} else {
		for (size_t i = 0; i < count; i++)
			if (measure(path, false, block[i], &gbs) == 0 && block[i] == BIG)
				path->get_gbs = gbs;
		measure(path, true, BIG, &gbs);
	}
	note_result(path);
	return 0;
}

static int answer(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_responder responder = {.fd = -1};
	struct disagg_err why = DISAGG_ERR_INIT;
	unsigned char *pattern = disagg_arena_alloc(run->arena, DISAGG_RESPONDER_PATTERN);
	struct disagg_ucx ucx;

	if (!pattern)
		return disagg_err_nomem(err);
	disagg_pattern_fill(pattern, DISAGG_RESPONDER_PATTERN);
	responder.pattern = pattern;
	if (disagg_ucx_open(&ucx, run->arena, pattern, &why) == 0) {
		responder.blob = ucx.blob;
		responder.blob_len = ucx.blob_len;
		responder.progress = disagg_ucx_progress;
		responder.check = disagg_ucx_check;
		responder.context = &ucx;
	}
	return disagg_serving_answer(run, &responder, err);
}

int disagg_kvpath_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct path path = {.run = run, .caller.fd = -1};
	struct disagg_peer *peer;
	size_t count;
	int rc;

	if (disagg_serving_asked(run))
		return answer(run, err);
	if (disagg_serving_peers(run, &peer, &count, err) < 0)
		return -1;
	if (count != 1)
		return disagg_err_set(err, DISAGG_INVALID, "%zu nodes to ask, expected 1", count);
	path.peer = &peer[0];
	peer[0].target.timeout_ms = TIMEOUT_MS;
	if (disagg_caller_open(&path.caller, &peer[0].target, err) < 0)
		return disagg_err_wrap(err, "cannot reach '%s'", peer[0].name);
	rc = ask(&path, err);
	if (path.by_ucx) {
		disagg_ucx_disconnect(&path.ucx, &path.far);
		disagg_ucx_close(&path.ucx);
	}
	disagg_caller_close(&path.caller);
	return rc;
}
