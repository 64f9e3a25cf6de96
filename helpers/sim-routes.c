/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include <string.h>
#include <time.h>

#define BIT(kind)    (1u << (kind))
#define SGLANG	     BIT(SIM_SGLANG)
#define TRTLLM	     BIT(SIM_TRTLLM)
#define VLLM	     BIT(SIM_VLLM)
#define DYNAMO	     BIT(SIM_DYNAMO)
#define ROUTER	     BIT(SIM_SGLANG_ROUTER)
#define TRTLLM_FRONT BIT(SIM_TRTLLM_SERVER)
#define DYNAMO_FRONT BIT(SIM_DYNAMO_FRONTEND)
#define VLLM_FRONT   BIT(SIM_VLLM_SERVER)
#define ALL	     (BIT(SIM_MPI_RANK) - 1)

#define VERSION_TEXT "{\"version\":\"" DISAGG_VERSION "+sim\"}"

typedef void route_answer(struct sim *sim, struct sim_call *call);

static const char *const role_words[] = {
	[SIM_AGG] = "null", [SIM_PREFILL] = "prefill", [SIM_DECODE] = "decode"};

bool sim_is_frontend(enum sim_kind kind)
{
	return BIT(kind) & (ROUTER | TRTLLM_FRONT | DYNAMO_FRONT | VLLM_FRONT);
}

/* As the frontend tells it: short-counts hides one. */
static unsigned healthy(const struct sim *sim, enum sim_role role)
{
	unsigned count = sim_router_healthy(sim->router, role);

	return count && role == SIM_DECODE && sim->fault.short_counts ? count - 1 : count;
}

bool sim_is_ready(const struct sim *sim)
{
	return !sim->router ||
	       (sim_router_healthy(sim->router, SIM_PREFILL) >= sim->expect_prefill &&
		       healthy(sim, SIM_DECODE) >= sim->expect_decode);
}

static void reply_text(struct sim_call *call, unsigned status, const char *type, const char *text)
{
	sim_call_reply(call, status, type, text, strlen(text));
}

static void mark_ready(struct sim *sim)
{
	if (!sim->fault.ready_ns)
		sim->fault.ready_ns = disagg_monotonic_ns();
}

/* ---- health ---- */

static void answer_empty(struct sim *sim, struct sim_call *call)
{
	mark_ready(sim);
	reply_text(call, 200, NULL, "");
}

static void answer_ok(struct sim *sim, struct sim_call *call)
{
	mark_ready(sim);
	reply_text(call, 200, "text/plain", "OK");
}

static void answer_generate_health(struct sim *sim, struct sim_call *call)
{
	struct sim_ask ask = {.api = SIM_PROBE, .prompt_tokens = 1, .max_tokens = 1};

	mark_ready(sim);
	sim_engine_take(sim->engine, call, &ask);
}

static void answer_all_ready(struct sim *sim, struct sim_call *call)
{
	if (sim_is_ready(sim))
		answer_empty(sim, call);
	else
		reply_text(call, 503, NULL, "");
}

static void answer_readiness(struct sim *sim, struct sim_call *call)
{
	unsigned prefill = healthy(sim, SIM_PREFILL), decode = healthy(sim, SIM_DECODE);
	unsigned total = sim_router_count(sim->router, SIM_PREFILL) +
			 sim_router_count(sim->router, SIM_DECODE);
	bool needs_prefill = sim_router_count(sim->router, SIM_PREFILL);
	struct disagg_strbuf out;

	if (!decode || (needs_prefill && !prefill)) {
		reply_text(call, 503, "application/json",
			"{\"status\":\"not ready\",\"reason\":\"insufficient healthy workers\"}");
		return;
	}
	mark_ready(sim);
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out,
		"{\"status\":\"ready\",\"healthy_workers\":%u,\"total_workers\":%u}",
		prefill + decode, total);
	sim_call_json(call, 200, &out);
}

static const char *worker_type(const struct sim *sim, const struct sim_peer *peer)
{
	if (peer->role == SIM_PREFILL)
		return "prefill";
	return sim_router_count(sim->router, SIM_PREFILL) ? "decode" : "regular";
}

/* Whether short-counts hides this one: the first healthy that can decode. */
static bool hide(const struct sim *sim, const struct sim_peer *peer, bool *done)
{
	if (!sim->fault.short_counts || *done || !peer->healthy || peer->role == SIM_PREFILL)
		return false;
	*done = true;
	return true;
}

static void answer_workers(struct sim *sim, struct sim_call *call)
{
	const struct sim_peer *peer;
	unsigned count = sim_router_peers(sim->router, &peer);
	unsigned decode = sim_router_count(sim->router, SIM_DECODE), prefill = count - decode;
	bool hidden = false;
	struct disagg_strbuf out;

	if (sim_is_ready(sim))
		mark_ready(sim);
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_puts(&out, "{\"workers\":[");
	for (unsigned i = 0; i < count; i++) {
		disagg_strbuf_printf(&out, "%s{\"id\":\"%u\",\"url\":", i ? "," : "", i + 1);
		disagg_strbuf_json(&out, peer[i].url);
		disagg_strbuf_printf(&out, ",\"worker_type\":\"%s\",\"is_healthy\":%s,\"load\":0}",
			worker_type(sim, &peer[i]),
			peer[i].healthy && !hide(sim, &peer[i], &hidden) ? "true" : "false");
	}
	disagg_strbuf_printf(&out,
		"],\"total\":%u,\"stats\":{\"prefill_count\":%u,\"decode_count\":%u,"
		"\"regular_count\":%u}}",
		count, prefill, prefill ? decode : 0, prefill ? 0 : decode);
	sim_call_json(call, 200, &out);
}

static void answer_cluster_info(struct sim *sim, struct sim_call *call)
{
	reply_text(call, 200, "application/json",
		sim_is_ready(sim) ? "{\"is_ready\":true}" : "{\"is_ready\":false}");
}

static void answer_live(struct sim *sim, struct sim_call *call)
{
	(void)sim;
	reply_text(call, 200, "application/json",
		"{\"status\":\"live\",\"message\":\"Service is live\"}");
}

static void answer_dynamo_worker(struct sim *sim, struct sim_call *call)
{
	int64_t ns = disagg_monotonic_ns() - sim->fault.start_ns;
	struct disagg_strbuf out;

	mark_ready(sim);
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out,
		"{\"status\":\"ready\",\"uptime\":{\"secs\":%lld,\"nanos\":%lld},"
		"\"endpoints\":{\"generate\":\"ready\"}}",
		(long long)(ns / 1000000000), (long long)(ns % 1000000000));
	sim_call_json(call, 200, &out);
}

static void add_instances(struct sim *sim, struct disagg_strbuf *out)
{
	const struct sim_peer *peer;
	unsigned count = sim_router_peers(sim->router, &peer);
	bool hidden = false, any = false;

	for (unsigned i = 0; i < count; i++) {
		if (!peer[i].healthy || hide(sim, &peer[i], &hidden))
			continue;
		disagg_strbuf_printf(out,
			"%s{\"component\":\"%s\",\"endpoint\":\"generate\","
			"\"namespace\":\"dynamo\",\"instance_id\":%u,\"transport\":{\"tcp\":",
			any ? "," : "", peer[i].role == SIM_PREFILL ? "prefill" : "backend", i + 1);
		disagg_strbuf_json(out, peer[i].url);
		disagg_strbuf_puts(out, "}}");
		any = true;
	}
}

static void answer_dynamo_front(struct sim *sim, struct sim_call *call)
{
	bool known = sim_router_discovered(sim->router);
	struct disagg_strbuf out;

	if (known)
		mark_ready(sim);
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out,
		"{\"status\":\"%s\",\"message\":\"%s\",\"initial_discovery_complete\":%s,"
		"\"initial_discovery_error\":null,\"endpoints\":[%s%s%s],\"instances\":[",
		known ? "healthy" : "not_ready",
		known ? "Service is healthy" : "Initial model discovery in progress",
		known ? "true" : "false",
		healthy(sim, SIM_PREFILL) ? "\"dyn://dynamo.prefill.generate\"" : "",
		healthy(sim, SIM_PREFILL) && healthy(sim, SIM_DECODE) ? "," : "",
		healthy(sim, SIM_DECODE) ? "\"dyn://dynamo.backend.generate\"" : "");
	add_instances(sim, &out);
	disagg_strbuf_puts(&out, "]}");
	sim_call_json(call, known ? 200 : 503, &out);
}

/* ---- what is served ---- */

static const char *model_of(const struct sim *sim)
{
	if (sim->fault.wrong_model)
		return sim->fault.model;
	return sim->router ? sim_router_model(sim->router) : sim->model;
}

static void answer_models(struct sim *sim, struct sim_call *call)
{
	static const char *const owners[] = {[SIM_SGLANG] = "sglang",
		[SIM_TRTLLM] = "tensorrt_llm",
		[SIM_VLLM] = "vllm",
		[SIM_DYNAMO] = "nvidia",
		[SIM_SGLANG_ROUTER] = "sglang",
		[SIM_TRTLLM_SERVER] = "tensorrt_llm",
		[SIM_DYNAMO_FRONTEND] = "nvidia",
		[SIM_VLLM_SERVER] = "vllm"};
	const char *model = model_of(sim);
	struct disagg_strbuf out;

	if (!model && sim->kind != SIM_DYNAMO_FRONTEND) {
		sim_call_error(call, 503, "no worker is healthy");
		return;
	}
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_puts(&out, "{\"object\":\"list\",\"data\":[");
	if (model) {
		disagg_strbuf_puts(&out, "{\"id\":");
		disagg_strbuf_json(&out, model);
		disagg_strbuf_printf(&out,
			",\"object\":\"model\",\"created\":%ld,\"owned_by\":\"%s\"}",
			(long)time(NULL), owners[sim->kind]);
	}
	disagg_strbuf_puts(&out, "]}");
	sim_call_json(call, 200, &out);
}

static void answer_model_info(struct sim *sim, struct sim_call *call)
{
	const char *model = model_of(sim);
	struct disagg_strbuf out;

	if (!model) {
		sim_call_error(call, 503, "no worker is healthy");
		return;
	}
	disagg_strbuf_init(&out, 0);
	disagg_strbuf_puts(&out, "{\"model_path\":");
	disagg_strbuf_json(&out, model);
	disagg_strbuf_puts(&out, ",\"tokenizer_path\":");
	disagg_strbuf_json(&out, model);
	disagg_strbuf_puts(&out, ",\"is_generation\":true,\"preferred_sampling_params\":null,"
				 "\"weight_version\":\"default\"}");
	sim_call_json(call, 200, &out);
}

static void answer_server_info(struct sim *sim, struct sim_call *call)
{
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	disagg_strbuf_puts(&out, "{\"model_path\":");
	disagg_strbuf_json(&out, sim->model);
	disagg_strbuf_puts(&out, ",\"host\":");
	disagg_strbuf_json(&out, sim->host);
	disagg_strbuf_printf(&out,
		",\"port\":%u,\"disaggregation_mode\":\"%s\","
		"\"disaggregation_bootstrap_port\":%u,\"tp_size\":1,\"internal_states\":[{"
		"\"running\":%u,\"waiting\":%u,\"tokens\":%llu,\"kv_bytes\":%llu}],"
		"\"version\":\"" DISAGG_VERSION "+sim\"}",
		sim->port, role_words[sim->role], sim_kv_port(sim->kv),
		sim_engine_running(sim->engine), sim_engine_waiting(sim->engine),
		(unsigned long long)sim_engine_tokens(sim->engine),
		(unsigned long long)sim_kv_bytes(sim->kv));
	sim_call_json(call, 200, &out);
}

static void answer_version(struct sim *sim, struct sim_call *call)
{
	(void)sim;
	reply_text(call, 200, "application/json", VERSION_TEXT);
}

static void answer_metrics(struct sim *sim, struct sim_call *call)
{
	static const struct {
		const char *running, *waiting, *tokens;
	} names[] = {
		[SIM_SGLANG] = {"sglang:num_running_reqs", "sglang:num_queue_reqs",
			"sglang:generation_tokens_total"},
		[SIM_VLLM] = {"vllm:num_requests_running", "vllm:num_requests_waiting",
			"vllm:generation_tokens_total"},
		[SIM_DYNAMO] = {"dynamo_component_inflight_requests",
			"dynamo_component_queued_requests", "dynamo_component_tokens_total"},
	};
	struct disagg_strbuf out;

	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out, "%s %u\n%s %u\n%s %llu\n", names[sim->kind].running,
		sim_engine_running(sim->engine), names[sim->kind].waiting,
		sim_engine_waiting(sim->engine), names[sim->kind].tokens,
		(unsigned long long)sim_engine_tokens(sim->engine));
	sim_call_reply(call, 200, "text/plain; version=0.0.4", out.text, out.len);
	disagg_strbuf_release(&out);
}

static void answer_iterations(struct sim *sim, struct sim_call *call)
{
	(void)sim;
	reply_text(call, 200, "application/json", "[]");
}

/* ---- completions ---- */

/* Engines that know what they serve, and roles that need the other one. */
static bool refuses(struct sim *sim, struct sim_call *call, const struct sim_ask *ask)
{
	if (sim->kind == SIM_SGLANG && sim->role != SIM_AGG && ask->phase == SIM_WHOLE) {
		sim_call_error(
			call, 400, "Disaggregated request received without bootstrap room id");
		return true;
	}
	if (ask->phase == SIM_ONLY_PREFILL && sim->role != SIM_PREFILL) {
		sim_call_error(call, 400, "this worker has no prefill role");
		return true;
	}
	if ((sim->kind == SIM_VLLM || (sim->kind == SIM_VLLM_SERVER && !sim->router)) &&
		ask->model[0] && strcmp(ask->model, model_of(sim)) != 0) {
		sim_call_error(call, 404, "The model `%s` does not exist.", ask->model);
		return true;
	}
	return false;
}

static void take(struct sim *sim, struct sim_call *call, enum sim_api api)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct sim_ask ask;

	if (sim_ask_read(&ask, api, call->body, call->len, &err) < 0)
		sim_call_error(call, 400, "%s", err.text);
	else if (sim->router)
		sim_router_take(sim->router, call, &ask, call->path);
	else if (!refuses(sim, call, &ask))
		sim_engine_take(sim->engine, call, &ask);
}

static void answer_completion(struct sim *sim, struct sim_call *call)
{
	take(sim, call, SIM_COMPLETION);
}

static void answer_chat(struct sim *sim, struct sim_call *call)
{
	take(sim, call, SIM_CHAT);
}

static void answer_generate(struct sim *sim, struct sim_call *call)
{
	take(sim, call, SIM_GENERATE);
}

static const struct {
	const char *path;
	unsigned kinds;
	bool is_post, has_503;
	route_answer *answer;
} routes[] = {
	{"/v1/completions", ALL, true, true, answer_completion},
	{"/v1/chat/completions", ALL, true, true, answer_chat},
	{"/generate", SGLANG | ROUTER, true, true, answer_generate},
	{"/health", SGLANG | TRTLLM | VLLM | TRTLLM_FRONT, false, true, answer_empty},
	{"/health", DYNAMO, false, true, answer_dynamo_worker},
	{"/health", ROUTER, false, true, answer_ok},
	{"/health", DYNAMO_FRONT, false, true, answer_dynamo_front},
	{"/health", VLLM_FRONT, false, true, answer_all_ready},
	{"/health_generate", SGLANG, false, true, answer_generate_health},
	{"/liveness", ROUTER, false, true, answer_ok},
	{"/readiness", ROUTER, false, true, answer_readiness},
	{"/live", DYNAMO | DYNAMO_FRONT, false, true, answer_live},
	{"/ping", VLLM, false, true, answer_empty},
	{"/workers", ROUTER, false, true, answer_workers},
	{"/cluster_info", TRTLLM_FRONT, false, true, answer_cluster_info},
	{"/v1/models", ALL & ~TRTLLM_FRONT, false, false, answer_models},
	{"/get_model_info", SGLANG | ROUTER, false, false, answer_model_info},
	{"/model_info", SGLANG, false, false, answer_model_info},
	{"/get_server_info", SGLANG, false, false, answer_server_info},
	{"/server_info", SGLANG | TRTLLM, false, false, answer_server_info},
	{"/get_server_info", ROUTER, false, false, answer_version},
	{"/version", TRTLLM | VLLM | TRTLLM_FRONT | VLLM_FRONT, false, false, answer_version},
	{"/metrics", SGLANG | VLLM | DYNAMO, false, false, answer_metrics},
	{"/metrics", TRTLLM, false, false, answer_iterations},
};

void sim_route(void *context, struct sim_call *call)
{
	struct sim *sim = context;
	bool is_post = strcmp(call->method, "POST") == 0, known = false;

	for (unsigned i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!(routes[i].kinds & BIT(sim->kind)) || strcmp(routes[i].path, call->path) != 0)
			continue;
		known = true;
		if (routes[i].is_post != is_post || (!is_post && strcmp(call->method, "GET") != 0))
			continue;
		if (routes[i].has_503 && sim_fault_is_503(&sim->fault, disagg_monotonic_ns()))
			reply_text(call, 503, NULL, "");
		else
			routes[i].answer(sim, call);
		return;
	}
	if (known)
		sim_call_error(
			call, 405, "method %.16s is not for '%.200s'", call->method, call->path);
	else
		sim_call_error(call, 404, "no such path '%.200s'", call->path);
}
