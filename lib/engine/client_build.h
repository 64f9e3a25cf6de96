/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_ENGINE_CLIENT_BUILD_H
#define DISAGG_ENGINE_CLIENT_BUILD_H

#include "lib/engine/build.h"
#include "lib/engine/client.h"

/* What the files of clients share; private to lib/engine. */
struct disagg_client_cmd {
	struct disagg_cmd cmd;
	struct disagg_client *client;
	const char *host; /* of what clients talk to; NULL: there is nothing */
	int port;
	const char *served; /* the model's name in the API; "" any */
};

/* The words that follow are the argv of a run; `end` puts it to its list. */
void disagg_client_begin(struct disagg_client_cmd *c);
void disagg_client_end(struct disagg_client_cmd *c, struct disagg_client_runs *runs,
	const struct disagg_client_run *run);

/* "http://host:port" */
const char *disagg_client_url(struct disagg_client_cmd *c);
/* A key of `benchmark:`; `otherwise` where it is not given. */
const char *disagg_client_option(
	const struct disagg_client_cmd *c, const char *key, const char *otherwise);
bool disagg_client_option_on(const struct disagg_client_cmd *c, const char *key, bool otherwise);
/* The same as Python writes a float: "1.0". */
const char *disagg_client_real(struct disagg_client_cmd *c, const char *key, const char *otherwise);
/* The concurrencies with a byte between them; "" where there are none. */
const char *disagg_client_concurrencies(struct disagg_client_cmd *c, char between);
/* GPUs of all workers of a kind. */
uint32_t disagg_client_gpus(const struct disagg_client_cmd *c, enum disagg_role_kind kind);
/* "results_concurrency_8_gpus_16_ctx_8_gen_8", as sa-bench names its files. */
const char *disagg_client_result_name(
	struct disagg_client_cmd *c, const char *concurrency, uint32_t gpus);

/* disagg-bench with this load; NULL leaves its own default. */
struct disagg_client_load {
	const char *concurrency; /* "1,4" */
	const char *rate, *range_ratio, *prompts, *warmup;
	struct disagg_int isl, osl;
	bool whole; /* answers are not streamed */
};
void disagg_client_bench(struct disagg_client_cmd *c, const struct disagg_client_load *load);

/* One for srtctl's types, in recipes and native files; one for TensorRT-LLM's. */
void disagg_client_srtctl(struct disagg_client_cmd *c);
void disagg_client_trtllm(struct disagg_client_cmd *c);

#endif
