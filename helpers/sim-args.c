/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPTION_AS = 256,
	OPTION_PORT,
	OPTION_HOST,
	OPTION_MODEL,
	OPTION_ROLE,
	OPTION_KV_PORT,
	OPTION_PREFILL,
	OPTION_DECODE,
	OPTION_EXPECT_PREFILL,
	OPTION_EXPECT_DECODE,
	OPTION_START_DELAY,
	OPTION_FAULT,
	OPTION_TTFT,
	OPTION_TPOT,
	OPTION_CONCURRENCY,
	OPTION_NAME,
};

static const struct helper_option options[] = {
	{"as", OPTION_AS, HELPER_VALUE, "KIND", "what to stand in for (required)"},
	{"port", OPTION_PORT, HELPER_VALUE, "PORT", "listen there; 0, the default: any free one"},
	{"host", OPTION_HOST, HELPER_VALUE, "HOST", "listen on this address (127.0.0.1)"},
	{"model", OPTION_MODEL, HELPER_VALUE, "NAME", "the model id that is served (sim)"},
	{"role", OPTION_ROLE, HELPER_VALUE, "ROLE", "prefill, decode or agg (agg)"},
	{"kv-port", OPTION_KV_PORT, HELPER_VALUE, "PORT", "prefill: decode fetches KV bytes there"},
	{"prefill", OPTION_PREFILL, HELPER_VALUE, "URL", "frontends: a prefill worker; may repeat"},
	{"decode", OPTION_DECODE, HELPER_VALUE, "URL", "frontends: a decode worker; may repeat"},
	{"expect-prefill", OPTION_EXPECT_PREFILL, HELPER_VALUE, "N",
		"healthy ones to be ready (all)"},
	{"expect-decode", OPTION_EXPECT_DECODE, HELPER_VALUE, "N",
		"healthy ones to be ready (all)"},
	{"start-delay", OPTION_START_DELAY, HELPER_VALUE, "TIME", "listen after 500ms, 2s (0)"},
	{"fault", OPTION_FAULT, HELPER_VALUE, "FAULT", "what goes wrong; may repeat"},
	{"ttft-us-per-token", OPTION_TTFT, HELPER_VALUE, "X", "prefill time of a token (10)"},
	{"tpot-ms", OPTION_TPOT, HELPER_VALUE, "Y", "decode time of a token (2)"},
	{"max-concurrency", OPTION_CONCURRENCY, HELPER_VALUE, "N", "requests at once (256)"},
	{"name", OPTION_NAME, HELPER_VALUE, "NAME",
		"this process in messages and DISAGG_SIM_FAULT"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

const struct helper sim_helper = {
	.name = "disagg-sim",
	.synopsis = "--as=KIND [OPTION]...",
	.about =
		"Stands in for an inference engine, router or frontend, without a GPU: the same\n"
		"endpoints and health answers, streaming completions, times from a model, KV bytes\n"
		"from prefill to decode over TCP, and faults on request.  Everything it says is\n"
		"marked as a simulation.\n"
		"\n"
		"KIND is sglang, trtllm, vllm, dynamo (workers), sglang-router, trtllm-server,\n"
		"dynamo-frontend, vllm-server (frontends) or mpi-rank (a rank that serves "
		"nothing).\n",
	.option = options,
	.examples = "  disagg-sim --as=sglang --role=prefill --port=30000 --kv-port=8998\n"
		    "  disagg-sim --as=sglang --role=decode --port=30001\n"
		    "  disagg-sim --as=sglang-router --port=8000 --prefill=http://127.0.0.1:30000 "
		    "--decode=http://127.0.0.1:30001\n"
		    "  disagg-sim --as=vllm --port=8000 --fault=die:30:KILL\n",
	.environment = "  DISAGG_SIM_FAULT  NAME=FAULT, several with ; between: faults by worker\n"
		       "  DISAGG_WORKER     the name of this process where --name is not given\n"
		       "  DISAGG_RANK       its rank, for NAME.RANK=FAULT\n"
		       "  DISAGG_ATTEMPT    how often it was restarted, for NAME@ATTEMPT=FAULT\n",
	.exits = "  0 ended by TERM or INT, 2 usage, 5 a system call failed; with a fault what\n"
		 "  that says\n",
	.features = "sglang trtllm vllm dynamo sglang-router trtllm-server dynamo-frontend "
		    "vllm-server mpi-rank",
};

const char *const sim_kind_names[] = {"sglang", "trtllm", "vllm", "dynamo", "sglang-router",
	"trtllm-server", "dynamo-frontend", "vllm-server", "mpi-rank", NULL};
const char *const sim_role_names[] = {"agg", "prefill", "decode", NULL};

static int take_number(int64_t *ret, const char *option, const char *value, int64_t max)
{
	if (disagg_num_int(value, 0, max, ret) == 0)
		return 0;
	return helper_usage(&sim_helper, "--%s: expected a number from 0 to %lld, got '%s'", option,
		(long long)max, value);
}

static int take_real(double *ret, const char *option, const char *value)
{
	double read;

	if (disagg_num_real(value, &read) < 0 || read < 0 || read > 1e7)
		return helper_usage(
			&sim_helper, "--%s: expected a number from 0, got '%s'", option, value);
	*ret = read;
	return 0;
}

/* "500ms", "2s", "1.5" */
static int take_time(double *ret, const char *option, const char *value)
{
	size_t len = strlen(value), digits = strspn(value, "0123456789.");
	bool is_ms = strcmp(value + digits, "ms") == 0;
	char text[32];
	double read;

	if (len < sizeof(text)) {
		snprintf(text, sizeof(text), "%.*s", (int)digits, value);
		if ((!value[digits] || is_ms || strcmp(value + digits, "s") == 0) &&
			disagg_num_real(text, &read) == 0 && read <= 1e7) {
			*ret = is_ms ? read / 1e3 : read;
			return 0;
		}
	}
	return helper_usage(
		&sim_helper, "--%s: expected a time such as 500ms or 2s, got '%s'", option, value);
}

static int take_peer(struct sim_args *args, enum sim_role role, const char *url)
{
	if (args->peers == SIM_MAX_PEERS)
		return helper_usage(&sim_helper, "more than %u workers", SIM_MAX_PEERS);
	args->peer[args->peers].role = role;
	args->peer[args->peers++].url = url;
	return 0;
}

static int take_fault(struct sim_args *args, const char *value)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	if (sim_fault_add(&args->fault, value, &err) == 0)
		return 0;
	return helper_usage(&sim_helper, "--fault: %s", err.text);
}

static int take_concurrency(struct sim_args *args, const char *value)
{
	int64_t number;

	if (disagg_num_int(value, 1, 65536, &number) < 0)
		return helper_usage(&sim_helper,
			"--max-concurrency: expected a number from 1 to 65536, got '%s'", value);
	args->model_times.max_concurrency = (unsigned)number;
	return 0;
}

static int take_choice(int *ret, const char *option, const char *const *names, const char *value)
{
	*ret = helper_choice(&sim_helper, option, names, value);
	return *ret < 0 ? DISAGG_USAGE : 0;
}

static int take(void *context, int id, const char *value)
{
	struct sim_args *args = context;

	switch (id) {
	case OPTION_AS:
		return take_choice(&args->kind, "as", sim_kind_names, value);
	case OPTION_ROLE:
		return take_choice(&args->role, "role", sim_role_names, value);
	case OPTION_PORT:
		return take_number(&args->port, "port", value, UINT16_MAX);
	case OPTION_KV_PORT:
		return take_number(&args->kv_port, "kv-port", value, UINT16_MAX);
	case OPTION_HOST:
		args->host = value;
		return 0;
	case OPTION_MODEL:
		args->model = value;
		return 0;
	case OPTION_NAME:
		args->name = value;
		return 0;
	case OPTION_PREFILL:
		return take_peer(args, SIM_PREFILL, value);
	case OPTION_DECODE:
		return take_peer(args, SIM_DECODE, value);
	case OPTION_EXPECT_PREFILL:
		return take_number(&args->expect_prefill, "expect-prefill", value, SIM_MAX_PEERS);
	case OPTION_EXPECT_DECODE:
		return take_number(&args->expect_decode, "expect-decode", value, SIM_MAX_PEERS);
	case OPTION_START_DELAY:
		return take_time(&args->start_delay_s, "start-delay", value);
	case OPTION_FAULT:
		return take_fault(args, value);
	case OPTION_TTFT:
		return take_real(&args->model_times.ttft_us_per_token, "ttft-us-per-token", value);
	case OPTION_TPOT:
		return take_real(&args->model_times.tpot_ms, "tpot-ms", value);
	default:
		return take_concurrency(args, value);
	}
}

static int64_t env_number(const char *name)
{
	const char *text = getenv(name);
	int64_t value = 0;

	if (text && disagg_num_int(text, 0, INT32_MAX, &value) < 0)
		return 0;
	return value;
}

static int finish_arguments(struct sim_args *args)
{
	const char *worker = getenv("DISAGG_WORKER"), *faults = getenv("DISAGG_SIM_FAULT");
	struct disagg_err err = DISAGG_ERR_INIT;
	struct sim_identity who;

	if (args->kind < 0)
		return helper_usage(&sim_helper, "--as=KIND is missing");
	if (args->peers && !sim_is_frontend((enum sim_kind)args->kind))
		return helper_usage(&sim_helper,
			"--prefill and --decode are for frontends, not for '%s'",
			sim_kind_names[args->kind]);
	if (!args->name)
		args->name = worker && worker[0] ? worker : sim_kind_names[args->kind];
	who = (struct sim_identity){.name = args->name,
		.rank = env_number("DISAGG_RANK"),
		.attempt = env_number("DISAGG_ATTEMPT")};
	if (faults && sim_fault_add_env(&args->fault, faults, &who, &err) < 0)
		return helper_usage(&sim_helper, "%s", err.text);
	if (!args->fault.model[0])
		snprintf(args->fault.model, sizeof(args->fault.model), "not-%s", args->model);
	args->model_times.slow = args->fault.slow > 0 ? args->fault.slow : 1;
	args->start_delay_s *= args->model_times.slow;
	return 0;
}

int sim_args_read(struct sim_args *args, int argc, char **argv)
{
	int first, code;

	*args = (struct sim_args){.kind = -1,
		.host = "127.0.0.1",
		.model = "sim",
		.expect_prefill = -1,
		.expect_decode = -1,
		.model_times = {.ttft_us_per_token = 10, .tpot_ms = 2, .max_concurrency = 256}};
	code = helper_parse(&sim_helper, argc, argv, take, args, &first);
	if (code >= 0)
		return code;
	if (first < argc)
		return helper_usage(&sim_helper, "unexpected argument '%s'", argv[first]);
	code = finish_arguments(args);
	return code ? code : -1;
}
