/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/engine/client_build.h"
#include "lib/conf/scalar.h"
#include <string.h>

#define RESULTS "results"

/* ---- runs ---- */

void disagg_client_begin(struct disagg_client_cmd *c)
{
	struct disagg_command *out = disagg_arena_alloc(c->cmd.arena, sizeof(*out));

	if (!out) {
		c->cmd.failed = true;
		return;
	}
	c->cmd.out = out;
	c->cmd.argv_size = 0;
}

void disagg_client_end(struct disagg_client_cmd *c, struct disagg_client_runs *runs,
	const struct disagg_client_run *run)
{
	struct disagg_client_run *grown;

	if (c->cmd.failed)
		return;
	if (runs->count == runs->size) {
		unsigned size = runs->size ? 2 * runs->size : 8;

		grown = disagg_arena_grow(
			c->cmd.arena, runs->v, runs->count, size, sizeof(*runs->v));
		if (!grown) {
			c->cmd.failed = true;
			return;
		}
		runs->v = grown;
		runs->size = size;
	}
	runs->v[runs->count] = *run;
	runs->v[runs->count].argv = c->cmd.out->argv;
	runs->v[runs->count++].argc = c->cmd.out->argc;
}

/* ---- what the file says ---- */

static const char *keep(struct disagg_client_cmd *c, struct disagg_strbuf *text)
{
	const char *copy = text->failed ? NULL : disagg_arena_strdup(c->cmd.arena, text->text);

	disagg_strbuf_release(text);
	if (!copy)
		c->cmd.failed = true;
	return copy ? copy : "";
}

const char *disagg_client_url(struct disagg_client_cmd *c)
{
	const char *url = disagg_arena_printf(c->cmd.arena, "http://%s:%d", c->host, c->port);

	if (!url)
		c->cmd.failed = true;
	return url ? url : "";
}

const char *disagg_client_option(
	const struct disagg_client_cmd *c, const char *key, const char *otherwise)
{
	const char *value = disagg_map_get(&c->cmd.job->bench.options, key);

	return value && !disagg_text_is_placeholder(value) ? value : otherwise;
}

bool disagg_client_option_on(const struct disagg_client_cmd *c, const char *key, bool otherwise)
{
	struct disagg_node node = {
		.kind = DISAGG_SCALAR, .text = disagg_client_option(c, key, NULL)};
	struct disagg_scalar scalar;

	if (!node.text)
		return otherwise;
	scalar = disagg_scalar_read(&node);
	return scalar.type == DISAGG_T_BOOL ? scalar.boolean : otherwise;
}

const char *disagg_client_real(struct disagg_client_cmd *c, const char *key, const char *otherwise)
{
	const char *text = disagg_client_option(c, key, NULL);
	const char *shown;

	if (!text || strpbrk(text, ".eE"))
		return text ? text : otherwise;
	shown = disagg_arena_printf(c->cmd.arena, "%s.0", text);
	if (!shown)
		c->cmd.failed = true;
	return shown ? shown : "";
}

const char *disagg_client_concurrencies(struct disagg_client_cmd *c, char between)
{
	const struct disagg_strs *list = &c->cmd.job->bench.concurrencies;
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	for (unsigned i = 0; i < list->count; i++) {
		if (i)
			disagg_strbuf_putc(&text, between);
		disagg_strbuf_puts(&text, list->v[i]);
	}
	return keep(c, &text);
}

uint32_t disagg_client_gpus(const struct disagg_client_cmd *c, enum disagg_role_kind kind)
{
	const struct disagg_plan *plan = c->cmd.plan;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].kind == kind)
			sum += plan->role[i].workers * plan->role[i].gpus;
	}
	return sum;
}

const char *disagg_client_result_name(
	struct disagg_client_cmd *c, const char *concurrency, uint32_t gpus)
{
	uint32_t prefill = disagg_client_gpus(c, DISAGG_PREFILL);
	uint32_t decode = disagg_client_gpus(c, DISAGG_DECODE);
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	disagg_strbuf_printf(&text, "results_concurrency_%s_gpus_%u", concurrency, (unsigned)gpus);
	if (prefill || decode)
		disagg_strbuf_printf(&text, "_ctx_%u_gen_%u", (unsigned)prefill, (unsigned)decode);
	return keep(c, &text);
}

/* ---- disagg-bench ---- */

static void put_text(struct disagg_client_cmd *c, const char *option, const char *value)
{
	if (value && *value)
		disagg_cmd_putf(&c->cmd, "--%s=%s", option, value);
}

static void put_length(
	struct disagg_client_cmd *c, const char *option, const struct disagg_int *value)
{
	if (value->set)
		disagg_cmd_putf(&c->cmd, "--%s=%lld", option, (long long)value->v);
}

/* For the names of the result files, as sa-bench has them. */
static void put_gpus(struct disagg_client_cmd *c)
{
	uint32_t prefill = disagg_client_gpus(c, DISAGG_PREFILL);
	uint32_t decode = disagg_client_gpus(c, DISAGG_DECODE);

	disagg_cmd_putf(&c->cmd, "--gpus=%u", (unsigned)c->cmd.plan->gpus_used);
	if (prefill && decode) {
		disagg_cmd_putf(&c->cmd, "--prefill-gpus=%u", (unsigned)prefill);
		disagg_cmd_putf(&c->cmd, "--decode-gpus=%u", (unsigned)decode);
	}
}

void disagg_client_bench(struct disagg_client_cmd *c, const struct disagg_client_load *load)
{
	disagg_cmd_put(&c->cmd, "disagg-bench");
	disagg_cmd_putf(&c->cmd, "--url=%s", disagg_client_url(c));
	put_text(c, "model", c->served);
	put_text(c, "concurrency", load->concurrency);
	if (load->rate && strcmp(load->rate, "inf") != 0)
		put_text(c, "request-rate", load->rate);
	put_length(c, "isl", &load->isl);
	put_length(c, "osl", &load->osl);
	put_text(c, "range-ratio", load->range_ratio);
	put_text(c, "prompts", load->prompts);
	put_text(c, "warmup", load->warmup);
	if (load->whole)
		disagg_cmd_put(&c->cmd, "--no-stream");
	put_gpus(c);
	put_text(c, "output-dir", disagg_cmd_path(&c->cmd, RESULTS));
}

/* ---- the call ---- */

/* nginx in front of all, else the first frontend. */
static const struct disagg_service *public_service(const struct disagg_cmd *cmd)
{
	const struct disagg_service *found = disagg_cmd_service(cmd, DISAGG_E_NGINX);

	for (uint32_t i = 0; !found && i < cmd->plan->service_count; i++) {
		const struct disagg_service *service = &cmd->plan->service[i];

		if (cmd->plan->role[service->role].kind == DISAGG_FRONTEND)
			found = service;
	}
	return found;
}

static int find_target(struct disagg_client_cmd *c)
{
	const struct disagg_service *service = public_service(&c->cmd);

	c->port = service ? disagg_cmd_service_port(&c->cmd, service) : -1;
	if (c->port <= 0)
		return disagg_err_set(c->cmd.err, DISAGG_CONFIG,
			"'%s_%u' has nothing to measure: no role is a frontend with a port",
			c->cmd.role->name, (unsigned)c->cmd.index);
	c->host = disagg_cmd_host(&c->cmd, service->node);
	return 0;
}

int disagg_engine_client(struct disagg_arena *arena, const struct disagg_job *job,
	const struct disagg_plan *plan, uint32_t service, const struct disagg_engine_site *site,
	struct disagg_client *ret, struct disagg_err *err)
{
	struct disagg_client made = {.name = job->bench.type ? job->bench.type : "disagg-bench"};
	struct disagg_client_cmd c = {.client = &made};
	struct disagg_command scratch = {.health_port = -1};

	if (disagg_cmd_begin_service(&c.cmd, arena, job, plan, service, site, &scratch, err) ||
		find_target(&c))
		return -1;
	c.served = disagg_engine_served_name(job);
	if (!c.served)
		c.served = "";
	disagg_envlist_init(&made.env, arena);
	if (job->dialect == DISAGG_TRTLLM)
		disagg_client_trtllm(&c);
	else
		disagg_client_srtctl(&c);
	if (c.cmd.failed)
		return disagg_err_nomem(err);
	*ret = made;
	return 0;
}
