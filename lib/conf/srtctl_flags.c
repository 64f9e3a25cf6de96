/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include "lib/base/num.h"
#include <string.h>

/* "tensor_parallel_size" and "tensor-parallel-size" are one flag. */
static bool same_flag(const char *key, const char *name)
{
	for (; *key && *name; key++, name++) {
		char a = *key == '_' ? '-' : *key;
		char b = *name == '_' ? '-' : *name;

		if (a != b)
			return false;
	}
	return *key == *name;
}

const struct disagg_node *disagg_srt_flag(const struct disagg_node *config, const char *name)
{
	const struct disagg_node *value = NULL;

	if (!config || config->kind != DISAGG_MAP)
		return NULL;
	for (uint32_t i = 0; i < config->count; i++) {
		if (same_flag(config->pair[i].key, name) &&
			!disagg_node_is_null(config->pair[i].value))
			value = config->pair[i].value;
	}
	return value;
}

static bool node_int(const struct disagg_node *node, int64_t *ret)
{
	struct disagg_scalar scalar;

	if (!node || node->kind != DISAGG_SCALAR)
		return false;
	scalar = disagg_scalar_read(node);
	if (scalar.type == DISAGG_T_INT) {
		*ret = scalar.integer;
		return true;
	}
	return scalar.type == DISAGG_T_STR &&
	       disagg_num_int(node->text, INT64_MIN, INT64_MAX, ret) == 0;
}

bool disagg_srt_flag_int(const struct disagg_node *config, const char *const *names, int64_t *ret)
{
	for (; *names; names++) {
		if (node_int(disagg_srt_flag(config, *names), ret))
			return true;
	}
	return false;
}

/* How each engine spells its parallelism; `dp` multiplies only for vLLM
 * (sglang's attention ranks and TensorRT-LLM's live inside tp). */
static const struct {
	const char *tp[4], *pp[4], *dp[4], *cp[2];
} parallel_flags[DISAGG_SRT_BACKENDS] = {
	[DISAGG_SRT_SGLANG] = {{"tensor-parallel-size", "tp-size", "tp"},
		{"pipeline-parallel-size", "pp-size", "pp"},
		{"data-parallel-size", "dp-size", "dp"}, {NULL}},
	[DISAGG_SRT_TRTLLM] = {{"tensor-parallel-size", "tp-size"},
		{"pipeline-parallel-size", "pp-size"}, {NULL}, {"context-parallel-size"}},
	[DISAGG_SRT_VLLM] = {{"tensor-parallel-size"}, {"pipeline-parallel-size"},
		{"data-parallel-size"}, {NULL}},
	[DISAGG_SRT_MOCKER] = {{NULL}, {NULL}, {NULL}, {NULL}},
};

struct disagg_srt_parallel disagg_srt_parallelism(
	const struct disagg_srt *srt, enum disagg_srt_mode mode)
{
	const struct disagg_node *config = srt->backend.config[mode];
	struct disagg_srt_parallel par = {.tp = 1, .pp = 1, .dp = 1, .cp = 1};
	int type = srt->backend.type;

	par.tp_given = disagg_srt_flag_int(config, parallel_flags[type].tp, &par.tp);
	disagg_srt_flag_int(config, parallel_flags[type].pp, &par.pp);
	par.dp_given = disagg_srt_flag_int(config, parallel_flags[type].dp, &par.dp);
	disagg_srt_flag_int(config, parallel_flags[type].cp, &par.cp);
	return par;
}

int64_t disagg_srt_world(const struct disagg_srt *srt, const struct disagg_srt_parallel *par)
{
	int64_t factor[] = {
		par->tp, par->pp, par->cp, srt->backend.type == DISAGG_SRT_VLLM ? par->dp : 1};
	int64_t world = 1;

	for (size_t i = 0; i < sizeof(factor) / sizeof(factor[0]); i++) {
		if (factor[i] < 1 || factor[i] > DISAGG_MAX_GPUS)
			return -1;
		world *= factor[i];
		if (world > INT32_MAX)
			return -1;
	}
	return world;
}

/* "host:port", "[::1]:port", "tcp://host:port" */
static bool address_port(const struct disagg_node *node, int64_t *ret)
{
	const char *colon = node->kind == DISAGG_SCALAR ? strrchr(node->text, ':') : NULL;

	return colon && disagg_num_int(colon + 1, 1, 65535, ret) == 0;
}

/* Flags that fix a port; a flag that srtctl sets itself in its place is not here. */
static const struct {
	int backend;
	const char *flag;
	bool address;
	enum disagg_port port;
} pins[] = {
	{DISAGG_SRT_SGLANG, "port", false, DISAGG_PORT_HTTP},
	{DISAGG_SRT_SGLANG, "disaggregation-bootstrap-port", false, DISAGG_PORT_BOOTSTRAP},
	{DISAGG_SRT_SGLANG, "dist-init-addr", true, DISAGG_PORT_DIST},
	{DISAGG_SRT_VLLM, "port", false, DISAGG_PORT_HTTP},
	{DISAGG_SRT_VLLM, "master-port", false, DISAGG_PORT_DIST},
};

/* sglang and vLLM take a JSON object: {"endpoint": "tcp://HOST:5557", ...} */
static void pin_kv_events(
	struct disagg_import *import, const struct disagg_node *config, struct disagg_role *role)
{
	const struct disagg_node *flag = disagg_srt_flag(config, "kv-events-config");
	const struct disagg_node *endpoint;
	struct disagg_node *json;
	int64_t port;

	if (!flag || flag->kind != DISAGG_SCALAR ||
		disagg_yaml_parse(import->arena, flag->text, strlen(flag->text), flag->at.source,
			&json, NULL))
		return;
	endpoint = disagg_node_get(json, "endpoint");
	if (endpoint && address_port(endpoint, &port))
		role->pin[DISAGG_PORT_KV_EVENTS] = (int)port;
}

static void bad_port(struct disagg_import *import, const struct disagg_node *value,
	const char *path, const char *flag, bool address)
{
	disagg_findings_error(import->found, &value->at, "%s.%s: expected %s, got '%s'", path, flag,
		address ? "HOST:PORT" : "a port from 1 to 65535",
		value->kind == DISAGG_SCALAR ? value->text : disagg_node_type_name(value));
}

void disagg_srt_pins(struct disagg_import *import, const struct disagg_srt *srt,
	enum disagg_srt_mode mode, struct disagg_role *role)
{
	const struct disagg_node *config = srt->backend.config[mode];

	/* srtctl replaces these of a worker that owns the public port */
	if (srt->frontend.type == DISAGG_SRT_F_VLLM)
		return;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		const struct disagg_node *value = disagg_srt_flag(config, pins[i].flag);
		int64_t port;

		if (!value || pins[i].backend != srt->backend.type ||
			(pins[i].port == DISAGG_PORT_BOOTSTRAP && mode == DISAGG_SRT_DECODE))
			continue;
		if (pins[i].address ? address_port(value, &port)
				    : node_int(value, &port) && port >= 1 && port <= 65535)
			role->pin[pins[i].port] = (int)port;
		else
			bad_port(import, value, disagg_srt_modes[mode], pins[i].flag,
				pins[i].address);
	}
	if (srt->backend.type == DISAGG_SRT_SGLANG || srt->backend.type == DISAGG_SRT_VLLM)
		pin_kv_events(import, config, role);
}
