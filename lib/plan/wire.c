/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire.h"

#include "lib/base/limits.h"
#include "lib/plan/wire_text.h"
#include <stdio.h>
#include <string.h>

#define MAGIC	    "DISAGG_PLAN="
#define CRC_DIGITS  8u
#define DRAFT_BYTES (16u * 1024u * 1024u) /* so that an error can say how long a plan is */

/* ---- environment: the roles' maps are mostly equal, so each pair goes once ---- */

struct pairs {
	const struct disagg_kv **v; /* the distinct ones, in order of first use */
	uint32_t count;
	uint32_t *index; /* of every variable of every role, in order */
};

static bool same_pair(const struct disagg_kv *a, const struct disagg_kv *b)
{
	return strcmp(a->key, b->key) == 0 && strcmp(a->value, b->value) == 0;
}

/* The number of `kv`; looks at `hint` first, where an equal map has it. */
static uint32_t number_pair(struct pairs *pairs, const struct disagg_kv *kv, uint32_t hint)
{
	if (hint < pairs->count && same_pair(pairs->v[hint], kv))
		return hint;
	for (uint32_t i = 0; i < pairs->count; i++) {
		if (same_pair(pairs->v[i], kv))
			return i;
	}
	pairs->v[pairs->count] = kv;
	return pairs->count++;
}

static int collect_pairs(
	struct disagg_arena *arena, const struct disagg_plan *plan, struct pairs *pairs)
{
	uint32_t total = 1, used = 0;

	for (uint32_t i = 0; i < plan->role_count; i++)
		total += plan->role[i].env.count;
	pairs->v = disagg_arena_array(arena, total, sizeof(*pairs->v));
	pairs->index = disagg_arena_array(arena, total, sizeof(*pairs->index));
	if (!pairs->v || !pairs->index)
		return -1;
	for (uint32_t i = 0; i < plan->role_count; i++) {
		const struct disagg_map *env = &plan->role[i].env;
		uint32_t hint = 0;

		for (unsigned k = 0; k < env->count; k++) {
			pairs->index[used] = number_pair(pairs, &env->v[k], hint);
			hint = pairs->index[used++] + 1;
		}
	}
	return 0;
}

static void put_pairs(struct disagg_strbuf *out, const struct pairs *pairs)
{
	disagg_strbuf_printf(out, "pairs=%u", (unsigned)pairs->count);
	for (uint32_t i = 0; i < pairs->count; i++) {
		disagg_strbuf_putc(out, ',');
		disagg_wire_put_text(out, pairs->v[i]->key);
		disagg_strbuf_putc(out, ',');
		disagg_wire_put_text(out, pairs->v[i]->value);
	}
	disagg_strbuf_putc(out, ';');
}

/* "0-3,7" */
static void put_ranges(struct disagg_strbuf *out, const uint32_t *index, unsigned count)
{
	unsigned first = 0;

	while (first < count) {
		unsigned last = first;

		while (last + 1 < count && index[last + 1] == index[last] + 1)
			last++;
		disagg_strbuf_printf(out, "%s%u", first ? "," : "", (unsigned)index[first]);
		if (last > first)
			disagg_strbuf_printf(out, "-%u", (unsigned)index[last]);
		first = last + 1;
	}
}

/* ---- encode ---- */

static void put_role(
	struct disagg_strbuf *out, const struct disagg_plan_role *role, const uint32_t *index)
{
	disagg_strbuf_puts(out, "role=");
	disagg_wire_put_text(out, role->name);
	disagg_strbuf_printf(out, ",%s,%s,%u,%u", disagg_role_kind_names[role->kind],
		disagg_engine_names[role->engine], (unsigned)role->workers, (unsigned)role->gpus);
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		disagg_strbuf_putc(out, ',');
		if (role->pin[i] != -1)
			disagg_strbuf_printf(out, "%d", role->pin[i]);
	}
	disagg_strbuf_puts(out, ";after=");
	for (unsigned i = 0; i < role->after.count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		disagg_wire_put_text(out, role->after.v[i]);
	}
	disagg_strbuf_puts(out, ";env=");
	put_ranges(out, index, role->env.count);
	disagg_strbuf_putc(out, ';');
}

static int put_payload(struct disagg_arena *arena, const struct disagg_plan *plan,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	struct pairs pairs = {0};
	const uint32_t *index;

	if (collect_pairs(arena, plan, &pairs) < 0)
		return disagg_err_nomem(err);
	disagg_wire_put_fields(plan, out);
	put_pairs(out, &pairs);
	disagg_strbuf_printf(out, "roles=%u;", (unsigned)plan->role_count);
	index = pairs.index;
	for (uint32_t i = 0; i < plan->role_count; i++) {
		put_role(out, &plan->role[i], index);
		index += plan->role[i].env.count;
	}
	if (disagg_wire_put_tables(arena, plan, out, err) < 0)
		return -1;
	return out->failed ? disagg_err_nomem(err) : 0;
}

static int seal(struct disagg_arena *arena, const struct disagg_strbuf *payload,
	const char **ret_text, struct disagg_err *err)
{
	const char *text = disagg_arena_printf(arena, MAGIC "%d;%zu;%08x;%s", DISAGG_WIRE_VERSION,
		payload->len, (unsigned)disagg_wire_crc32(payload->text, payload->len),
		payload->text);
	size_t len = text ? strlen(text) : 0;

	if (!text)
		return disagg_err_nomem(err);
	if (len > DISAGG_MAX_WIRE_BYTES)
		return disagg_err_set(err, DISAGG_CONFIG,
			"plan takes %zu bytes in the job's environment, %zu more than the limit of "
			"%u: shorten the roles' env or use fewer worker sizes",
			len, len - DISAGG_MAX_WIRE_BYTES, DISAGG_MAX_WIRE_BYTES);
	*ret_text = text;
	return 0;
}

int disagg_wire_encode(struct disagg_arena *arena, const struct disagg_plan *plan,
	const char **ret_text, struct disagg_err *err)
{
	struct disagg_strbuf payload;
	int rc;

	if (disagg_wire_check(plan, err) < 0)
		return -1;
	disagg_strbuf_init(&payload, DRAFT_BYTES);
	rc = put_payload(arena, plan, &payload, err);
	if (rc == 0)
		rc = seal(arena, &payload, ret_text, err);
	disagg_strbuf_release(&payload);
	return rc;
}

/* ---- decode ---- */

static int read_pairs(
	struct disagg_wire_reader *reader, const struct disagg_plan *plan, struct disagg_map *ret)
{
	uint32_t count;

	/* a pair takes two commas at least */
	if (disagg_wire_literal(reader, "pairs=") < 0 ||
		disagg_wire_u32(reader, ",;", DISAGG_MAX_WIRE_BYTES / 2, &count) < 0)
		return -1;
	ret->v = disagg_arena_array(reader->arena, count + 1u, sizeof(*ret->v));
	if (!ret->v)
		return disagg_err_nomem(reader->err);
	for (ret->count = 0; ret->count < count; ret->count++) {
		struct disagg_kv *kv = &ret->v[ret->count];

		if (disagg_wire_literal(reader, ",") < 0 ||
			disagg_wire_text(reader, &kv->key) < 0 ||
			disagg_wire_literal(reader, ",") < 0 ||
			disagg_wire_text(reader, &kv->value) < 0)
			return -1;
		kv->at.source = plan->source;
	}
	return disagg_wire_literal(reader, ";");
}

static int read_after(struct disagg_wire_reader *reader, struct disagg_strs *ret)
{
	const char **name = disagg_arena_array(reader->arena, DISAGG_MAX_ROLES, sizeof(*name));

	if (!name)
		return disagg_err_nomem(reader->err);
	ret->v = name;
	while (*reader->at != ';') {
		if (ret->count == DISAGG_MAX_ROLES)
			return disagg_wire_damaged(reader, "no more roles");
		if ((ret->count && disagg_wire_literal(reader, ",") < 0) ||
			disagg_wire_text(reader, &name[ret->count]) < 0)
			return -1;
		ret->count++;
	}
	return 0;
}

static int read_range(
	struct disagg_wire_reader *reader, const struct disagg_map *pairs, struct disagg_map *env)
{
	uint32_t first, last;

	if (disagg_wire_u32(reader, "-,;", pairs->count ? pairs->count - 1 : 0, &first) < 0)
		return -1;
	last = first;
	if (*reader->at == '-') {
		reader->at++;
		if (disagg_wire_u32(reader, ",;", pairs->count ? pairs->count - 1 : 0, &last) < 0)
			return -1;
	}
	if (!pairs->count || last < first || last - first >= DISAGG_MAX_ENV - env->count)
		return disagg_wire_damaged(reader, "a range of pairs");
	for (uint32_t i = first; i <= last; i++)
		env->v[env->count++] = pairs->v[i];
	return 0;
}

static int read_env(
	struct disagg_wire_reader *reader, const struct disagg_map *pairs, struct disagg_map *env)
{
	if (*reader->at == ';')
		return 0;
	env->v = disagg_arena_array(reader->arena, DISAGG_MAX_ENV, sizeof(*env->v));
	if (!env->v)
		return disagg_err_nomem(reader->err);
	while (*reader->at != ';') {
		if ((env->count && disagg_wire_literal(reader, ",") < 0) ||
			read_range(reader, pairs, env) < 0)
			return -1;
	}
	return 0;
}

static int read_role_head(struct disagg_wire_reader *reader, struct disagg_plan_role *role)
{
	unsigned kind = 0, engine = 0;

	if (disagg_wire_literal(reader, "role=") < 0 || disagg_wire_text(reader, &role->name) < 0 ||
		disagg_wire_literal(reader, ",") < 0 ||
		disagg_wire_name(reader, disagg_role_kind_names, DISAGG_OTHER + 1, "a kind of role",
			&kind) < 0 ||
		disagg_wire_literal(reader, ",") < 0 ||
		disagg_wire_name(
			reader, disagg_engine_names, DISAGG_E_COUNT, "an engine", &engine) < 0 ||
		disagg_wire_literal(reader, ",") < 0 ||
		disagg_wire_u32(reader, ",", DISAGG_MAX_WORKERS, &role->workers) < 0 ||
		disagg_wire_literal(reader, ",") < 0 ||
		disagg_wire_u32(reader, ",", DISAGG_MAX_GPUS, &role->gpus) < 0)
		return -1;
	role->kind = (enum disagg_role_kind)kind;
	role->engine = (enum disagg_engine)engine;
	for (unsigned i = 0; i < DISAGG_PORT_COUNT; i++) {
		int64_t port;

		if (disagg_wire_literal(reader, ",") < 0 ||
			disagg_wire_number(reader, ",;", -1, -1, 65535, &port) < 0)
			return -1;
		role->pin[i] = (int)port;
	}
	return 0;
}

static int read_roles(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	struct disagg_map pairs = {0};

	if (read_pairs(reader, plan, &pairs) < 0 || disagg_wire_literal(reader, "roles=") < 0 ||
		disagg_wire_u32(reader, ";", DISAGG_MAX_ROLES, &plan->role_count) < 0 ||
		disagg_wire_literal(reader, ";") < 0)
		return -1;
	plan->role = disagg_arena_array(reader->arena, plan->role_count + 1u, sizeof(*plan->role));
	if (!plan->role)
		return disagg_err_nomem(reader->err);
	for (uint32_t i = 0; i < plan->role_count; i++) {
		struct disagg_plan_role *role = &plan->role[i];

		if (read_role_head(reader, role) < 0 ||
			disagg_wire_literal(reader, ";after=") < 0 ||
			read_after(reader, &role->after) < 0 ||
			disagg_wire_literal(reader, ";env=") < 0 ||
			read_env(reader, &pairs, &role->env) < 0 ||
			disagg_wire_literal(reader, ";") < 0)
			return -1;
	}
	return 0;
}

static int read_version(struct disagg_wire_reader *reader)
{
	uint32_t version;

	if (disagg_wire_literal(reader, MAGIC) < 0 ||
		disagg_wire_u32(reader, ";", INT32_MAX, &version) < 0)
		return -1;
	if (version != DISAGG_WIRE_VERSION)
		return disagg_err_set(reader->err, DISAGG_CONFIG,
			"plan version %u is %s than this plugin (%d): the submit host and the "
			"node have different releases",
			(unsigned)version, version > DISAGG_WIRE_VERSION ? "newer" : "older",
			DISAGG_WIRE_VERSION);
	return 0;
}

/* The length first: it tells a text that was cut from one that was changed. */
static int read_seal(struct disagg_wire_reader *reader)
{
	size_t len;
	int64_t want;
	char crc[16];

	if (disagg_wire_literal(reader, ";") < 0 ||
		disagg_wire_number(reader, ";", -1, 0, DISAGG_MAX_WIRE_BYTES, &want) < 0 ||
		disagg_wire_literal(reader, ";") < 0)
		return -1;
	if (strcspn(reader->at, ";") != CRC_DIGITS || !reader->at[CRC_DIGITS])
		return disagg_wire_damaged(reader, "a checksum of 8 digits");
	len = strlen(reader->at + CRC_DIGITS + 1);
	if (len != (size_t)want)
		return disagg_err_set(reader->err, DISAGG_CONFIG,
			"plan is damaged: it has %zu bytes and should have %lld", len,
			(long long)want);
	snprintf(crc, sizeof(crc), "%08x",
		(unsigned)disagg_wire_crc32(reader->at + CRC_DIGITS + 1, len));
	if (strncmp(reader->at, crc, CRC_DIGITS) != 0)
		return disagg_err_set(reader->err, DISAGG_CONFIG,
			"plan is damaged: its checksum is %s and should be %.8s", crc, reader->at);
	reader->at += CRC_DIGITS + 1;
	return 0;
}

int disagg_wire_decode(struct disagg_arena *arena, const char *text, struct disagg_plan **ret_plan,
	struct disagg_err *err)
{
	struct disagg_wire_reader reader = {.arena = arena, .begin = text, .at = text, .err = err};
	struct disagg_plan *plan;

	if (strnlen(text, DISAGG_MAX_WIRE_BYTES + 1u) > DISAGG_MAX_WIRE_BYTES)
		return disagg_err_set(
			err, DISAGG_CONFIG, "plan is longer than %u bytes", DISAGG_MAX_WIRE_BYTES);
	if (read_version(&reader) < 0 || read_seal(&reader) < 0)
		return -1;
	plan = disagg_arena_alloc(arena, sizeof(*plan));
	if (!plan)
		return disagg_err_nomem(err);
	if (disagg_wire_read_fields(&reader, plan) < 0 || read_roles(&reader, plan) < 0 ||
		disagg_wire_read_tables(&reader, plan) < 0 || disagg_wire_check(plan, err) < 0)
		return -1;
	*ret_plan = plan;
	return 0;
}
