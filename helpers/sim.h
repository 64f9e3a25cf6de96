/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HELPERS_SIM_H
#define DISAGG_HELPERS_SIM_H

#include "helpers/helper.h"
#include "lib/base/err.h"
#include "lib/base/strbuf.h"
#include "lib/host/http.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * disagg-sim: one thread, one loop.  The parts know each other only through
 * what is declared here: the server hands calls to the routes, the routes to
 * the engine or the router, and those answer when the loop says it is time.
 * All times are disagg_monotonic_ns().
 */
#define SIM_NEVER	   INT64_MAX
#define SIM_MAX_BODY	   (16u * 1024u * 1024u)
#define SIM_MAX_TOKENS	   1048576
#define SIM_MAX_STREAM	   (32u * 1024u * 1024u) /* bytes that wait for one slow client */
#define SIM_MAX_PEERS	   1024u
#define SIM_KV_TOKEN_BYTES 64u
#define SIM_DRAIN_MS	   900

enum sim_kind {
	SIM_SGLANG,
	SIM_TRTLLM,
	SIM_VLLM,
	SIM_DYNAMO,
	SIM_SGLANG_ROUTER,
	SIM_TRTLLM_SERVER,
	SIM_DYNAMO_FRONTEND,
	SIM_VLLM_SERVER,
	SIM_MPI_RANK,
};

enum sim_role { SIM_AGG, SIM_PREFILL, SIM_DECODE };

/* "disagg-sim: SIMULATION: " and the line, on stderr. */
void sim_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- sim-fault.c: what goes wrong, and when ---- */
struct sim_fault {
	bool never_ready, hang_before_ready, zero_tokens, short_counts, ignore_term;
	bool is_503, wrong_model, hangs, dies;
	bool hang_after_ready, die_after_ready; /* the time counts from the first healthy answer */
	double until_503_s;			/* 0: always */
	double hang_s, die_s;
	int die_status; /* below 0: minus the signal */
	char model[256];
	double slow;					/* factor; 0 reads 1 */
	unsigned drop_every, corrupt_every, fail_every; /* 0: never */
	unsigned transfers, requests;			/* counted for the above */
	int64_t start_ns, ready_ns;			/* ready_ns 0: not yet */
};

/* One "KIND[:ARG]".  DISAGG_USAGE with the kinds that there are. */
int sim_fault_add(struct sim_fault *fault, const char *text, struct disagg_err *err);
/* The entries of DISAGG_SIM_FAULT that name this process. */
struct sim_identity {
	const char *name;
	int64_t rank, attempt;
};
int sim_fault_add_env(struct sim_fault *fault, const char *text, const struct sim_identity *who,
	struct disagg_err *err);
/* Ends the process when that is due. */
void sim_fault_run(const struct sim_fault *fault, int64_t now);
/* When sim_fault_run or sim_fault_hangs has something new to say. */
int64_t sim_fault_next(const struct sim_fault *fault, int64_t now);
bool sim_fault_hangs(const struct sim_fault *fault, int64_t now);
bool sim_fault_is_503(const struct sim_fault *fault, int64_t now);
bool sim_fault_nth(unsigned every, unsigned *count);

/* ---- sim-json.c: the JSON that clients send ---- */
enum sim_json_kind {
	SIM_JSON_NONE,
	SIM_JSON_NULL,
	SIM_JSON_FALSE,
	SIM_JSON_TRUE,
	SIM_JSON_NUMBER,
	SIM_JSON_STRING, /* text is between the quotes, escapes as they came */
	SIM_JSON_ARRAY,
	SIM_JSON_OBJECT,
};
struct sim_json {
	const char *key; /* wanted; filled by the caller */
	enum sim_json_kind kind;
	const char *text;
	size_t len;
	size_t items;		       /* of an array */
	enum sim_json_kind first_kind; /* of its first item */
	size_t first_len;
};
/* Checks that text is one JSON object and nothing more, and fills the fields
 * (which end with key NULL) from its own keys.  One pass, no allocation: a
 * prompt of a million token ids is counted, not built.  false: not JSON. */
bool sim_json_object(const char *text, size_t len, struct sim_json *field);
bool sim_json_number(const struct sim_json *value, double *ret);
/* Into buf without escapes resolved; false when absent or too long. */
bool sim_json_text(const struct sim_json *value, char *buf, size_t size);

/* ---- sim-server.c: HTTP ---- */
struct sim_server;
struct sim_call {
	const char *method, *path;
	const char *body; /* "" where there is none */
	size_t len;
	/* for whoever answers later: the client is gone or has its answer */
	void (*on_gone)(void *context);
	void *context;
};
typedef void sim_handler(void *context, struct sim_call *call);

/* Holds a port, 0: the kernel's choice; who connects is refused until it is
 * listened on.  DISAGG_SYSTEM when the port is taken. */
int sim_bind(const char *host, uint16_t port, int *ret_fd, struct disagg_err *err);
uint16_t sim_bound_port(int fd);
int sim_listen(int fd, struct disagg_err *err);
/* Takes fd, also where it fails. */
int sim_server_open(struct sim_server **ret, int fd, sim_handler *handler, void *context,
	struct disagg_err *err);
int sim_server_fd(const struct sim_server *server);
int64_t sim_server_next(struct sim_server *server, int64_t now);
void sim_server_run(struct sim_server *server);
/* Listens no more; calls that have begun go on. */
void sim_server_quiesce(struct sim_server *server);
unsigned sim_server_calls(const struct sim_server *server);
void sim_server_close(struct sim_server *server);

/* Each call is answered once: by reply, or by stream and end.  type NULL: none. */
void sim_call_reply(
	struct sim_call *call, unsigned status, const char *type, const char *bytes, size_t len);
void sim_call_json(struct sim_call *call, unsigned status, struct disagg_strbuf *body);
void sim_call_error(struct sim_call *call, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sim_call_stream(struct sim_call *call, const char *bytes, size_t len);
/* whole false: the connection is cut, so that the client sees that more was to come */
void sim_call_end(struct sim_call *call, bool whole);

/* ---- sim-model.c: how long things take ---- */
struct sim_model {
	double ttft_us_per_token, tpot_ms;
	unsigned max_concurrency;
	double slow;
	int64_t prefill_free_ns; /* prefills run one after the other */
};
int64_t sim_model_prefill(struct sim_model *model, uint64_t tokens, int64_t now);
/* The time of one decode step with `running` requests in the batch. */
int64_t sim_model_step(const struct sim_model *model, unsigned running);

/* ---- sim-kv.c: KV bytes from prefill to decode ---- */
struct sim_kv;
/* bound_fd -1: fetches only.  Takes bound_fd. */
int sim_kv_open(struct sim_kv **ret, int bound_fd, struct sim_fault *fault, struct disagg_err *err);
int sim_kv_fd(const struct sim_kv *kv);
uint16_t sim_kv_port(const struct sim_kv *kv);
/* Prefill: the bytes of this request may be fetched now, once. */
int sim_kv_offer(struct sim_kv *kv, uint64_t request, uint32_t tokens);
/* Decode: done is called once, later; problem NULL when every byte was right. */
typedef void sim_kv_done(void *context, const char *problem);
struct sim_kv_source {
	const char *host;
	uint16_t port;
	uint64_t request;
	uint32_t tokens;
};
int sim_kv_fetch(
	struct sim_kv *kv, const struct sim_kv_source *from, sim_kv_done *done, void *context);
int64_t sim_kv_next(const struct sim_kv *kv);
void sim_kv_run(struct sim_kv *kv, int64_t now);
uint64_t sim_kv_bytes(const struct sim_kv *kv);
void sim_kv_close(struct sim_kv *kv);

/* ---- sim-ask.c: what a completion asks for ---- */
enum sim_api { SIM_COMPLETION, SIM_CHAT, SIM_GENERATE, SIM_PROBE };
enum sim_phase { SIM_WHOLE, SIM_ONLY_PREFILL, SIM_ONLY_DECODE };
struct sim_ask {
	enum sim_api api;
	enum sim_phase phase;
	bool stream, ignore_eos, include_usage;
	uint32_t prompt_tokens, max_tokens;
	char model[256];
	uint64_t request; /* of the phases */
	char kv_host[256];
	uint16_t kv_port;
};
/* DISAGG_USAGE: what is wrong with the request. */
int sim_ask_read(struct sim_ask *ret, enum sim_api api, const char *body, size_t len,
	struct disagg_err *err);
/* The tokens that the answer will have, and why it ends there. */
uint32_t sim_ask_answer(const struct sim_ask *ask, const char **ret_reason);

/* ---- sim-engine.c: answers completions ---- */
struct sim_engine;
struct sim_engine_setup {
	struct sim_model model;
	const char *name; /* of the model, for the answers */
	struct sim_fault *fault;
	struct sim_kv *kv;
};
struct sim_engine *sim_engine_new(const struct sim_engine_setup *setup);
void sim_engine_take(struct sim_engine *engine, struct sim_call *call, const struct sim_ask *ask);
int64_t sim_engine_next(const struct sim_engine *engine);
void sim_engine_run(struct sim_engine *engine, int64_t now);
unsigned sim_engine_running(const struct sim_engine *engine);
unsigned sim_engine_waiting(const struct sim_engine *engine);
uint64_t sim_engine_tokens(const struct sim_engine *engine);
uint64_t sim_engine_requests(const struct sim_engine *engine);
void sim_engine_free(struct sim_engine *engine);

/* ---- sim-router.c: hands completions on to workers ---- */
struct sim_router;
struct sim_peer {
	const char *url;
	enum sim_role role;
	bool healthy, polling;
	char model[256]; /* "" while it is not known */
	struct sim_router *router;
};
int sim_router_open(struct sim_router **ret, struct sim_fault *fault, struct disagg_err *err);
/* url: http://host:port; is kept.  DISAGG_USAGE when it is none. */
int sim_router_add(
	struct sim_router *router, enum sim_role role, const char *url, struct disagg_err *err);
void sim_router_take(struct sim_router *router, struct sim_call *call, const struct sim_ask *ask,
	const char *path);
/* Waits for the peers' answers, one of fds (ends with -1) or until timeout_ms. */
int sim_router_wait(
	struct sim_router *router, const int *fds, int timeout_ms, struct disagg_err *err);
int64_t sim_router_next(const struct sim_router *router);
void sim_router_run(struct sim_router *router, int64_t now);
unsigned sim_router_peers(const struct sim_router *router, const struct sim_peer **ret);
unsigned sim_router_healthy(const struct sim_router *router, enum sim_role role);
unsigned sim_router_count(const struct sim_router *router, enum sim_role role);
/* Completions that came so far. */
uint64_t sim_router_requests(const struct sim_router *router);
/* Every peer was asked at least once. */
bool sim_router_discovered(const struct sim_router *router);
/* The model of a healthy decode worker; NULL: none yet. */
const char *sim_router_model(const struct sim_router *router);
void sim_router_free(struct sim_router *router);

/* ---- sim-args.c: the command line and the environment ---- */
struct sim_args {
	int kind, role; /* kind -1: not given */
	const char *host, *model, *name;
	int64_t port, kv_port, expect_prefill, expect_decode; /* -1: not given */
	double start_delay_s;
	struct sim_model model_times;
	struct sim_fault fault;
	struct {
		enum sim_role role;
		const char *url;
	} peer[SIM_MAX_PEERS];
	unsigned peers;
};
extern const struct helper sim_helper;
extern const char *const sim_kind_names[], *const sim_role_names[]; /* end with NULL */
/* -1: go on; otherwise the exit code of main. */
int sim_args_read(struct sim_args *args, int argc, char **argv);

/* ---- sim-routes.c: which path answers what ---- */
struct sim {
	enum sim_kind kind;
	enum sim_role role;
	const char *name, *host, *model;
	uint16_t port;
	unsigned expect_prefill, expect_decode;
	struct sim_fault fault;
	struct sim_engine *engine; /* NULL: a router */
	struct sim_router *router; /* NULL: an engine */
	struct sim_kv *kv;	   /* NULL: a router */
	struct sim_server *server;
};
bool sim_is_frontend(enum sim_kind kind);
/* All that are expected are healthy (an engine: always). */
bool sim_is_ready(const struct sim *sim);
void sim_route(void *sim, struct sim_call *call);

#endif
