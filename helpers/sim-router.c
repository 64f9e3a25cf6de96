/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define POLL_BAD_NS   INT64_C(200000000) /* between polls while one is not healthy */
#define POLL_GOOD_NS  INT64_C(1000000000)
#define POLL_MS	      2000u
#define REQUEST_MS    3600000u
#define MOST_UPSTREAM 4096u
#define EARLY_BYTES   65536u /* of an error where a stream was asked for */

enum stage { NEED_PREFILL, IN_PREFILL, NEED_DECODE, IN_DECODE, OVER };

/* A completion on its way through the workers. */
struct relay {
	struct relay *next;
	struct sim_router *router;
	struct sim_call *call; /* NULL: the client has gone, or has its answer */
	enum stage stage;
	bool is_stream, streams;
	const struct sim_peer *prefill, *decode;
	uint64_t request;
	int64_t kv_port, kv_tokens;
	char path[64], url[512];
	struct disagg_strbuf body; /* what the worker gets; early bytes of its answer */
};

struct sim_router {
	struct disagg_http *http;
	struct sim_fault *fault;
	struct sim_peer *peer;
	unsigned peers, asked;
	unsigned turn[3]; /* round robin, by role */
	int64_t poll_ns;
	bool closing;
	uint64_t requests, taken; /* the number of the last one; how many there were */
	struct relay *first;
};

static const char *role_word(enum sim_role role)
{
	return role == SIM_PREFILL ? "prefill" : "decode";
}

/* ---- workers and their health ---- */

static void fetch(struct sim_peer *peer, const char *path,
	void (*on_done)(void *context, const struct disagg_http_response *response))
{
	char url[512];
	struct disagg_http_request request = {
		.url = url,
		.timeout_ms = POLL_MS,
		.body_limit = EARLY_BYTES,
		.on_done = on_done,
		.context = peer,
	};

	snprintf(url, sizeof(url), "%s%s", peer->url, path);
	peer->polling = disagg_http_add(peer->router->http, &request, NULL) == 0;
}

/* data[0].id */
static void on_models(void *context, const struct disagg_http_response *response)
{
	struct sim_peer *peer = context;
	struct sim_json list[] = {{.key = "data"}, {.key = NULL}};
	struct sim_json model[] = {{.key = "id"}, {.key = NULL}};
	const char *item;

	peer->polling = false;
	if (response->status != 200 || !sim_json_object(response->body, response->len, list) ||
		list[0].kind != SIM_JSON_ARRAY || list[0].first_kind != SIM_JSON_OBJECT)
		return;
	item = strchr(list[0].text, '{');
	if (item && sim_json_object(item, list[0].first_len, model))
		sim_json_text(&model[0], peer->model, sizeof(peer->model));
}

static void on_health(void *context, const struct disagg_http_response *response)
{
	struct sim_peer *peer = context;
	bool was = peer->healthy;

	if (peer->router->closing)
		return;
	peer->polling = false;
	if (peer->router->asked < peer->router->peers)
		peer->router->asked++;
	peer->healthy = response->status == 200;
	if (was != peer->healthy)
		sim_log("%s worker %s is %s", role_word(peer->role), peer->url,
			peer->healthy ? "healthy" : "not healthy");
	if (!peer->healthy)
		peer->model[0] = '\0';
	else if (!peer->model[0])
		fetch(peer, "/v1/models", on_models);
}

static void poll_peers(struct sim_router *router, int64_t now)
{
	bool all = true;

	if (now < router->poll_ns)
		return;
	for (unsigned i = 0; i < router->peers; i++) {
		struct sim_peer *peer = &router->peer[i];

		all = all && peer->healthy && peer->model[0];
		if (!peer->polling)
			fetch(peer, "/health", on_health);
	}
	router->poll_ns = now + (all ? POLL_GOOD_NS : POLL_BAD_NS);
}

static bool serves(const struct sim_peer *peer, enum sim_role role)
{
	return (peer->role == SIM_PREFILL) == (role == SIM_PREFILL);
}

unsigned sim_router_count(const struct sim_router *router, enum sim_role role)
{
	unsigned count = 0;

	for (unsigned i = 0; i < router->peers; i++)
		count += serves(&router->peer[i], role);
	return count;
}

unsigned sim_router_healthy(const struct sim_router *router, enum sim_role role)
{
	unsigned count = 0;

	for (unsigned i = 0; i < router->peers; i++)
		count += serves(&router->peer[i], role) && router->peer[i].healthy;
	return count;
}

bool sim_router_discovered(const struct sim_router *router)
{
	return router->asked >= router->peers;
}

unsigned sim_router_peers(const struct sim_router *router, const struct sim_peer **ret)
{
	*ret = router->peer;
	return router->peers;
}

uint64_t sim_router_requests(const struct sim_router *router)
{
	return router->taken;
}

const char *sim_router_model(const struct sim_router *router)
{
	for (unsigned i = 0; i < router->peers; i++) {
		const struct sim_peer *peer = &router->peer[i];

		if (peer->role != SIM_PREFILL && peer->healthy && peer->model[0])
			return peer->model;
	}
	return NULL;
}

/* The next healthy one in turn; NULL: none. */
static const struct sim_peer *pick(struct sim_router *router, enum sim_role role)
{
	for (unsigned i = 0; i < router->peers; i++) {
		unsigned at = (router->turn[role] + i) % router->peers;

		if (!serves(&router->peer[at], role) || !router->peer[at].healthy)
			continue;
		router->turn[role] = at + 1;
		return &router->peer[at];
	}
	return NULL;
}

/* ---- completions ---- */

static void relay_fail(struct relay *relay, unsigned status, const char *text)
{
	relay->stage = OVER;
	sim_log("request %llu failed: %s", (unsigned long long)relay->request, text);
	if (relay->call) {
		relay->call->on_gone = NULL;
		if (relay->streams)
			sim_call_end(relay->call, false);
		else
			sim_call_error(relay->call, status, "%s", text);
	}
	relay->call = NULL;
}

/* `who` answered something else than was needed. */
static void relay_fail_at(struct relay *relay, const struct sim_peer *who,
	const struct disagg_http_response *response)
{
	struct sim_json field[] = {{.key = "message"}, {.key = NULL}};
	char text[640], said[256] = "";

	if (response->status && sim_json_object(response->body, response->len, field))
		sim_json_text(&field[0], said, sizeof(said));
	if (response->error)
		snprintf(text, sizeof(text), "%s worker %s: %s", role_word(who->role), who->url,
			response->error);
	else
		snprintf(text, sizeof(text), "%s worker %s answered %d%s%s", role_word(who->role),
			who->url, response->status, said[0] ? ": " : "", said);
	relay_fail(relay, response->status >= 400 ? (unsigned)response->status : 500, text);
}

static void on_prefill(void *context, const struct disagg_http_response *response)
{
	struct relay *relay = context;
	struct sim_json outer[] = {{.key = "disagg_kv"}, {.key = NULL}};
	struct sim_json inner[] = {{.key = "port"}, {.key = "tokens"}, {.key = NULL}};
	char port[8], tokens[16];

	if (response->error || response->status != 200) {
		relay_fail_at(relay, relay->prefill, response);
		return;
	}
	if (!sim_json_object(response->body, response->len, outer) ||
		outer[0].kind != SIM_JSON_OBJECT ||
		!sim_json_object(outer[0].text, outer[0].len, inner) ||
		!sim_json_text(&inner[0], port, sizeof(port)) ||
		!sim_json_text(&inner[1], tokens, sizeof(tokens)) ||
		disagg_num_int(port, 1, UINT16_MAX, &relay->kv_port) < 0 ||
		disagg_num_int(tokens, 1, UINT32_MAX, &relay->kv_tokens) < 0) {
		relay_fail(relay, 500, "the prefill worker did not say where its KV bytes are");
		return;
	}
	relay->stage = NEED_DECODE;
}

static int on_stream(void *context, const char *bytes, size_t len, int64_t now_ns)
{
	struct relay *relay = context;

	(void)now_ns;
	if (!relay->call)
		return -1;
	/* an error comes as JSON, a stream as "data: ..." */
	if (!relay->streams && (relay->body.len || (len && bytes[0] != 'd'))) {
		if (relay->body.len + len <= EARLY_BYTES)
			disagg_strbuf_add(&relay->body, bytes, len);
		return 0;
	}
	relay->streams = true;
	sim_call_stream(relay->call, bytes, len);
	return 0;
}

static void on_decode(void *context, const struct disagg_http_response *response)
{
	struct relay *relay = context;
	struct disagg_http_response told = *response;

	if (relay->is_stream && !relay->streams) {
		told.body = relay->body.text;
		told.len = relay->body.len;
	}
	if (response->error || response->status != 200) {
		relay_fail_at(relay, relay->decode, &told);
		return;
	}
	relay->stage = OVER;
	if (!relay->call)
		return;
	relay->call->on_gone = NULL;
	if (relay->streams)
		sim_call_end(relay->call, true);
	else
		sim_call_reply(relay->call, 200, "application/json", told.body, told.len);
	relay->call = NULL;
}

/* The client's own body with the router's part in front of its first key. */
static void build_body(struct relay *relay, const char *part)
{
	const char *text = relay->call->body, *brace = strchr(text, '{'), *rest = brace + 1;

	disagg_strbuf_clear(&relay->body);
	if (!part[0]) {
		disagg_strbuf_add(&relay->body, text, relay->call->len);
		return;
	}
	disagg_strbuf_printf(&relay->body, "{\"disagg_kv\":{%s},", part);
	disagg_strbuf_add(&relay->body, rest, relay->call->len - (size_t)(rest - text));
}

static void send_on(struct relay *relay, const struct sim_peer *peer, const char *part)
{
	bool is_decode = relay->stage == NEED_DECODE;
	struct disagg_http_request request = {
		.url = relay->url,
		.timeout_ms = REQUEST_MS,
		.body_limit = SIM_MAX_STREAM,
		.on_data = is_decode && relay->is_stream ? on_stream : NULL,
		.on_done = is_decode ? on_decode : on_prefill,
		.context = relay,
	};

	build_body(relay, part);
	snprintf(relay->url, sizeof(relay->url), "%s%s", peer->url, relay->path);
	request.body = relay->body.text;
	relay->stage = is_decode ? IN_DECODE : IN_PREFILL;
	if (relay->body.failed || disagg_http_add(relay->router->http, &request, NULL) < 0)
		relay_fail(relay, 500, "out of memory");
	/* the request was copied: now the buffer is for what comes back */
	disagg_strbuf_clear(&relay->body);
}

/* The host of "http://host:port". */
static int host_of(const char *url, char *ret, size_t size)
{
	const char *start = strstr(url, "://"), *end;

	start = start ? start + 3 : url;
	if (*start == '[') {
		start++;
		end = strchr(start, ']');
	} else {
		end = strchr(start, ':');
	}
	if (!end || end == start || (size_t)(end - start) >= size)
		return -1;
	snprintf(ret, size, "%.*s", (int)(end - start), start);
	return 0;
}

static void begin_prefill(struct relay *relay)
{
	char part[128];

	relay->prefill = pick(relay->router, SIM_PREFILL);
	if (!relay->prefill) {
		relay_fail(relay, 503,
			"No available prefill workers (all circuits open or unhealthy)");
		return;
	}
	snprintf(part, sizeof(part), "\"phase\":\"prefill\",\"request\":\"%llu\"",
		(unsigned long long)relay->request);
	send_on(relay, relay->prefill, part);
}

static void begin_decode(struct relay *relay)
{
	char part[512] = "", host[256];

	relay->decode = pick(relay->router, SIM_DECODE);
	if (!relay->decode) {
		relay_fail(
			relay, 503, "No available decode workers (all circuits open or unhealthy)");
		return;
	}
	if (relay->prefill && host_of(relay->prefill->url, host, sizeof(host)) == 0)
		snprintf(part, sizeof(part),
			"\"phase\":\"decode\",\"request\":\"%llu\",\"host\":\"%s\","
			"\"port\":\"%lld\",\"tokens\":\"%lld\"",
			(unsigned long long)relay->request, host, (long long)relay->kv_port,
			(long long)relay->kv_tokens);
	send_on(relay, relay->decode, part);
}

static void relay_run(struct relay *relay)
{
	if (!relay->call && (relay->stage == NEED_PREFILL || relay->stage == NEED_DECODE))
		relay->stage = OVER;
	if (relay->stage == NEED_PREFILL)
		begin_prefill(relay);
	else if (relay->stage == NEED_DECODE)
		begin_decode(relay);
}

static void relay_free(struct relay *relay)
{
	disagg_strbuf_release(&relay->body);
	free(relay);
}

void sim_router_run(struct sim_router *router, int64_t now)
{
	struct relay **at = &router->first;

	poll_peers(router, now);
	while (*at) {
		struct relay *relay = *at;

		relay_run(relay);
		if (relay->stage != OVER) {
			at = &relay->next;
			continue;
		}
		*at = relay->next;
		relay_free(relay);
	}
}

int64_t sim_router_next(const struct sim_router *router)
{
	for (const struct relay *at = router->first; at; at = at->next) {
		if (at->stage == NEED_PREFILL || at->stage == NEED_DECODE || at->stage == OVER)
			return 0;
	}
	return router->poll_ns;
}

static void on_gone(void *context)
{
	struct relay *relay = context;

	relay->call = NULL;
}

void sim_router_take(struct sim_router *router, struct sim_call *call, const struct sim_ask *ask,
	const char *path)
{
	struct relay *relay;

	if (sim_fault_nth(router->fault->fail_every, &router->fault->requests)) {
		sim_log("fault: a request fails");
		sim_call_error(call, 500, "this request was told to fail");
		return;
	}
	relay = calloc(1, sizeof(*relay));
	if (!relay) {
		sim_call_error(call, 503, "out of memory");
		return;
	}
	relay->router = router;
	relay->call = call;
	relay->is_stream = ask->stream;
	relay->request = ++router->requests & INT64_MAX;
	router->taken++;
	relay->stage = sim_router_count(router, SIM_PREFILL) ? NEED_PREFILL : NEED_DECODE;
	snprintf(relay->path, sizeof(relay->path), "%s", path);
	disagg_strbuf_init(&relay->body, SIM_MAX_BODY + 1024);
	call->on_gone = on_gone;
	call->context = relay;
	relay->next = router->first;
	router->first = relay;
}

int sim_router_open(struct sim_router **ret, struct sim_fault *fault, struct disagg_err *err)
{
	struct sim_router *router = calloc(1, sizeof(*router));

	if (!router)
		return disagg_err_nomem(err);
	router->fault = fault;
	router->peer = calloc(SIM_MAX_PEERS, sizeof(*router->peer));
	/* several routers may stand before the same workers */
	if (!router->peer ||
		getrandom(&router->requests, sizeof(router->requests), GRND_NONBLOCK) < 0) {
		sim_router_free(router);
		return disagg_err_nomem(err);
	}
	if (disagg_http_open(&router->http, MOST_UPSTREAM, err) < 0) {
		sim_router_free(router);
		return -1;
	}
	*ret = router;
	return 0;
}

int sim_router_add(
	struct sim_router *router, enum sim_role role, const char *url, struct disagg_err *err)
{
	char host[256];

	if (strncmp(url, "http://", 7) != 0 || strlen(url) > 400 || url[strlen(url) - 1] == '/' ||
		host_of(url, host, sizeof(host)) < 0)
		return disagg_err_set(
			err, DISAGG_USAGE, "expected http://host:port, got '%.200s'", url);
	if (router->peers == SIM_MAX_PEERS)
		return disagg_err_set(err, DISAGG_USAGE, "more than %u workers", SIM_MAX_PEERS);
	router->peer[router->peers++] =
		(struct sim_peer){.url = url, .role = role, .router = router};
	return 0;
}

int sim_router_wait(
	struct sim_router *router, const int *fds, int timeout_ms, struct disagg_err *err)
{
	disagg_http_watch(router->http, fds);
	return disagg_http_run(router->http, timeout_ms, err) < 0 ? -1 : 0;
}

void sim_router_free(struct sim_router *router)
{
	if (!router)
		return;
	router->closing = true;
	/* on_done of what is open is called now, the relays are still there */
	if (router->http)
		disagg_http_close(router->http);
	while (router->first) {
		struct relay *relay = router->first;

		router->first = relay->next;
		if (relay->call)
			relay->call->on_gone = NULL;
		relay_free(relay);
	}
	free(router->peer);
	free(router);
}
