/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/variant.h"
#include "lib/base/strbuf.h"
#include "lib/conf/scalar.h"
#include "lib/conf/schema.h"
#include <string.h>

#define OVERRIDE "override_"
#define ZIP	 "zip_override_"

struct expansion {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	const struct disagg_node *root;
	const struct disagg_node *base;
	struct disagg_variants *list;
	unsigned size;
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static const char *base_name(const struct disagg_node *base)
{
	const struct disagg_node *name = disagg_node_get(base, "name");

	return name && name->kind == DISAGG_SCALAR && name->text[0] ? name->text : "unnamed";
}

static int add_variant(struct expansion *ex, const char *suffix, const char *selector,
	struct disagg_node *tree)
{
	struct disagg_variants *list = ex->list;

	if (!suffix || !selector || !tree)
		return -1;
	for (unsigned i = 0; i < list->count; i++) {
		if (strcmp(list->v[i].suffix, suffix) == 0) {
			disagg_findings_error(ex->found, &tree->at,
				"two variants are called '%s': '%s' and '%s'; rename one", suffix,
				list->v[i].selector, selector);
			return 0;
		}
	}
	if (list->count == ex->size) {
		unsigned size = ex->size ? ex->size * 2 : 16;

		list->v = disagg_arena_grow(ex->arena, list->v, list->count, size,
			sizeof(*list->v));
		if (!list->v)
			return -1;
		ex->size = size;
	}
	list->v[list->count++] = (struct disagg_variant){suffix, selector, tree};
	return 0;
}

/* Whether one more fits; an error at `at` when not. */
static bool room_left(struct expansion *ex, const struct disagg_origin *at, unsigned more)
{
	if (ex->list->count + more <= DISAGG_MAX_VARIANTS)
		return true;
	disagg_findings_error(ex->found, at, "too many variants: at most %u are allowed in a file",
		DISAGG_MAX_VARIANTS);
	return false;
}

static int put_text(struct disagg_arena *arena, struct disagg_node *map, const char *key,
	const char *text, struct disagg_origin at)
{
	struct disagg_node *value = text ? disagg_node_scalar(arena, text, true, at) : NULL;

	return value ? disagg_node_put(arena, map, key, at, value) : -1;
}

/* ---- override_<name> and zip_override_<name> ---- */

static int add_override(struct expansion *ex, const struct disagg_pair *pair)
{
	const char *suffix = pair->key + strlen(OVERRIDE);
	struct disagg_node *tree = disagg_node_merge(ex->arena, ex->base, pair->value);

	if (!tree)
		return -1;
	if (!room_left(ex, &pair->at, 1))
		return 0;
	if (!disagg_node_get(pair->value, "name") &&
		put_text(ex->arena, tree, "name",
			disagg_arena_printf(ex->arena, "%s_%s", base_name(ex->base), suffix),
			pair->at))
		return -1;
	return add_variant(ex, suffix, pair->key, tree);
}

struct zip_length {
	uint32_t length; /* 0: no list yet */
	struct disagg_origin at;
	bool bad;
};

/* Every list is a zip dimension; those of length 1 go with any length.  The
 * parser bounds the depth of a tree, and so this one's. */
static void zip_measure(struct expansion *ex, const struct disagg_node *map,
	struct zip_length *zip)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct disagg_node *value = map->pair[i].value;

		if (value->kind == DISAGG_MAP)
			zip_measure(ex, value, zip);
		if (value->kind != DISAGG_SEQ)
			continue;
		if (value->count == 0) {
			disagg_findings_error(ex->found, &value->at,
				"'%s': an empty list cannot be zipped", map->pair[i].key);
			zip->bad = true;
		} else if (zip->length <= 1) {
			zip->length = value->count;
			zip->at = value->at;
		} else if (value->count != 1 && value->count != zip->length) {
			disagg_findings_error(ex->found, &value->at,
				"'%s' has %u values, but the list in line %u has %u: "
				"expected lists of one length, or of length 1",
				map->pair[i].key, (unsigned)value->count, (unsigned)zip->at.line,
				(unsigned)zip->length);
			zip->bad = true;
		}
	}
}

/* The map with every list replaced by its element for `index`. */
static struct disagg_node *zip_slice(struct disagg_arena *arena, const struct disagg_node *map,
	uint32_t index)
{
	struct disagg_node *out = disagg_node_map(arena, map->at);

	for (uint32_t i = 0; out && i < map->count; i++) {
		const struct disagg_pair *pair = &map->pair[i];
		struct disagg_node *value = pair->value;

		if (value->kind == DISAGG_MAP)
			value = zip_slice(arena, value, index);
		else if (value->kind == DISAGG_SEQ)
			value = value->item[value->count == 1 ? 0 : index];
		if (!value || disagg_node_put(arena, out, pair->key, pair->at, value))
			return NULL;
	}
	return out;
}

static int add_zip_variant(struct expansion *ex, const struct disagg_pair *pair, uint32_t index)
{
	const char *group = pair->key + strlen(ZIP);
	const struct disagg_node *name = disagg_node_get(pair->value, "name");
	struct disagg_node *slice = zip_slice(ex->arena, pair->value, index);
	struct disagg_node *tree;

	if (!slice)
		return -1;
	tree = disagg_node_merge(ex->arena, ex->base, slice);
	if (!tree)
		return -1;
	/* a single name would be every variant's: only a list of names counts */
	if (!(name && name->kind == DISAGG_SEQ) &&
		put_text(ex->arena, tree, "name",
			disagg_arena_printf(ex->arena, "%s_%s_%u", base_name(ex->base), group,
				(unsigned)index),
			pair->at))
		return -1;
	return add_variant(ex, disagg_arena_printf(ex->arena, "%s_%u", group, (unsigned)index),
		disagg_arena_printf(ex->arena, "%s[%u]", pair->key, (unsigned)index), tree);
}

static int add_zip(struct expansion *ex, const struct disagg_pair *pair)
{
	struct zip_length zip = {0};

	zip_measure(ex, pair->value, &zip);
	if (zip.bad)
		return 0;
	if (!zip.length) {
		disagg_findings_error(ex->found, &pair->at,
			"'%s' has no list: expected at least one to zip, or the name '%s%s'",
			pair->key, OVERRIDE, pair->key + strlen(ZIP));
		return 0;
	}
	if (!room_left(ex, &pair->at, zip.length))
		return 0;
	for (uint32_t i = 0; i < zip.length; i++) {
		if (add_zip_variant(ex, pair, i))
			return -1;
	}
	return 0;
}

static int add_section(struct expansion *ex, const struct disagg_pair *pair)
{
	bool zip = begins(pair->key, ZIP);

	if (strcmp(pair->key, "base") == 0 || strcmp(pair->key, "lock") == 0 ||
		begins(pair->key, "x-"))
		return 0;
	if (!zip && !begins(pair->key, OVERRIDE)) {
		disagg_findings_error(ex->found, &pair->at,
			"unknown key '%s' beside 'base': expected '%sNAME' or '%sNAME'", pair->key,
			OVERRIDE, ZIP);
		return 0;
	}
	if (!pair->key[strlen(zip ? ZIP : OVERRIDE)]) {
		disagg_findings_error(ex->found, &pair->at, "'%s' has no name behind the '_'",
			pair->key);
		return 0;
	}
	if (pair->value->kind != DISAGG_MAP) {
		disagg_findings_error(ex->found, &pair->value->at,
			"'%s': expected a map of what differs from 'base', got %s", pair->key,
			disagg_node_type_name(pair->value));
		return 0;
	}
	return zip ? add_zip(ex, pair) : add_override(ex, pair);
}

static int expand_overrides(struct expansion *ex)
{
	struct disagg_node *base = disagg_node_get(ex->root, "base");

	if (base->kind != DISAGG_MAP) {
		disagg_findings_error(ex->found, &base->at, "'base': expected a map, got %s",
			disagg_node_type_name(base));
		return 0;
	}
	ex->base = base;
	if (add_variant(ex, "base", "base", base))
		return -1;
	for (uint32_t i = 0; i < ex->root->count; i++) {
		if (add_section(ex, &ex->root->pair[i]))
			return -1;
	}
	return 0;
}

/* ---- sweep ---- */

struct sweep {
	struct disagg_arena *arena;
	const struct disagg_node *params; /* NAME: [values] */
	uint32_t *at;			  /* which value of each parameter */
	bool *used;
};

/* A value as it reads inside a string: lists become "a,b". */
static void value_text(const struct disagg_node *value, struct disagg_strbuf *out)
{
	if (value->kind == DISAGG_SCALAR) {
		disagg_strbuf_puts(out, value->text);
		return;
	}
	if (value->kind == DISAGG_MAP) {
		disagg_node_json(value, out);
		return;
	}
	for (uint32_t i = 0; i < value->count; i++) {
		if (i)
			disagg_strbuf_putc(out, ',');
		value_text(value->item[i], out);
	}
}

static const struct disagg_node *sweep_value(const struct sweep *sweep, uint32_t param)
{
	return sweep->params->pair[param].value->item[sweep->at[param]];
}

/* The parameter whose "{name}" stands at `text`, or the count. */
static uint32_t param_at(const struct sweep *sweep, const char *text, size_t *ret_len)
{
	for (uint32_t i = 0; text[0] == '{' && i < sweep->params->count; i++) {
		const char *name = sweep->params->pair[i].key;
		size_t len = strlen(name);

		if (strncmp(text + 1, name, len) == 0 && text[len + 1] == '}') {
			*ret_len = len + 2;
			return i;
		}
	}
	return sweep->params->count;
}

static struct disagg_node *fill_text(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_strbuf out;
	struct disagg_node *filled = NULL;

	disagg_strbuf_init(&out, DISAGG_MAX_YAML_BYTES);
	for (const char *p = node->text; *p;) {
		size_t len = 1;
		uint32_t param = param_at(sweep, p, &len);

		if (param == sweep->params->count) {
			disagg_strbuf_putc(&out, *p);
		} else {
			sweep->used[param] = true;
			value_text(sweep_value(sweep, param), &out);
		}
		p += len;
	}
	if (!out.failed)
		filled = disagg_node_scalar(sweep->arena, out.text, true, node->at);
	disagg_strbuf_release(&out);
	return filled;
}

static struct disagg_node *fill(struct sweep *sweep, struct disagg_node *node);

static struct disagg_node *fill_map(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_node *out = disagg_node_map(sweep->arena, node->at);

	for (uint32_t i = 0; out && i < node->count; i++) {
		struct disagg_node *value = fill(sweep, node->pair[i].value);

		if (!value || disagg_node_put(sweep->arena, out, node->pair[i].key,
				      node->pair[i].at, value))
			return NULL;
	}
	return out;
}

static struct disagg_node *fill_seq(struct sweep *sweep, const struct disagg_node *node)
{
	struct disagg_node *out = disagg_node_seq(sweep->arena, node->at);

	for (uint32_t i = 0; out && i < node->count; i++) {
		struct disagg_node *value = fill(sweep, node->item[i]);

		if (!value || disagg_node_append(sweep->arena, out, value))
			return NULL;
	}
	return out;
}

static struct disagg_node *fill(struct sweep *sweep, struct disagg_node *node)
{
	size_t len = 0;
	uint32_t param;

	if (node->kind == DISAGG_MAP)
		return fill_map(sweep, node);
	if (node->kind == DISAGG_SEQ)
		return fill_seq(sweep, node);
	if (!strchr(node->text, '{'))
		return node;
	param = param_at(sweep, node->text, &len);
	if (param < sweep->params->count && !node->text[len] &&
		sweep_value(sweep, param)->kind == DISAGG_SEQ) {
		sweep->used[param] = true;
		return sweep->params->pair[param].value->item[sweep->at[param]];
	}
	return fill_text(sweep, node);
}

/* The number of combinations; 0 after an error. */
static uint32_t sweep_count(struct expansion *ex, const struct disagg_node *params)
{
	uint64_t count = 1;

	for (uint32_t i = 0; i < params->count; i++) {
		const struct disagg_pair *pair = &params->pair[i];

		if (pair->value->kind != DISAGG_SEQ || !pair->value->count) {
			disagg_findings_error(ex->found, &pair->value->at,
				"sweep.%s: expected a list of values (sweep: {NAME: [a, b]}), got "
				"%s",
				pair->key,
				pair->value->kind == DISAGG_SEQ ?
					"an empty list" :
					disagg_node_type_name(pair->value));
			return 0;
		}
		count *= pair->value->count;
		if (count > DISAGG_MAX_VARIANTS)
			break;
	}
	return room_left(ex, &params->at, (unsigned)count) ? (uint32_t)count : 0;
}

/* "k1v1_k2v2" of the combination that sweep->at says. */
static const char *sweep_suffix(const struct sweep *sweep)
{
	struct disagg_strbuf out;
	const char *suffix = NULL;

	disagg_strbuf_init(&out, 4096);
	for (uint32_t i = 0; i < sweep->params->count; i++) {
		if (i)
			disagg_strbuf_putc(&out, '_');
		disagg_strbuf_puts(&out, sweep->params->pair[i].key);
		value_text(sweep_value(sweep, i), &out);
	}
	if (!out.failed)
		suffix = disagg_arena_strdup(sweep->arena, out.text);
	disagg_strbuf_release(&out);
	return suffix;
}

static int add_combination(struct expansion *ex, struct sweep *sweep, uint32_t index)
{
	struct disagg_node *tree = disagg_node_map(ex->arena, ex->root->at);
	const char *suffix;
	uint32_t rest = index;

	/* the last parameter runs fastest */
	for (uint32_t i = sweep->params->count; i-- > 0;) {
		uint32_t values = sweep->params->pair[i].value->count;

		sweep->at[i] = rest % values;
		rest /= values;
	}
	for (uint32_t i = 0; tree && i < ex->root->count; i++) {
		const struct disagg_pair *pair = &ex->root->pair[i];
		struct disagg_node *value;

		if (strcmp(pair->key, "sweep") == 0)
			continue;
		value = fill(sweep, pair->value);
		if (!value || disagg_node_put(ex->arena, tree, pair->key, pair->at, value))
			return -1;
	}
	suffix = sweep_suffix(sweep);
	if (!tree || !suffix ||
		put_text(ex->arena, tree, "name",
			disagg_arena_printf(ex->arena, "%s_%s", base_name(ex->root), suffix),
			sweep->params->at))
		return -1;
	return add_variant(ex, suffix,
		disagg_arena_printf(ex->arena, "sweep[%u]", (unsigned)index), tree);
}

static int expand_sweep(struct expansion *ex, const struct disagg_node *params)
{
	struct sweep sweep = {.arena = ex->arena, .params = params};
	uint32_t count;

	if (params->kind != DISAGG_MAP || !params->count) {
		disagg_findings_error(ex->found, &params->at,
			"'sweep': expected a map of lists (sweep: {NAME: [a, b]}), got %s",
			params->kind == DISAGG_MAP ? "an empty map" :
						     disagg_node_type_name(params));
		return 0;
	}
	count = sweep_count(ex, params);
	if (!count)
		return 0;
	sweep.at = disagg_arena_array(ex->arena, params->count, sizeof(*sweep.at));
	sweep.used = disagg_arena_array(ex->arena, params->count, sizeof(*sweep.used));
	if (!sweep.at || !sweep.used)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (add_combination(ex, &sweep, i))
			return -1;
	}
	for (uint32_t i = 0; i < params->count; i++) {
		if (!sweep.used[i])
			disagg_findings_error(ex->found, &params->pair[i].at,
				"sweep parameter '%s' is used nowhere: expected \"{%s}\" "
				"(in quotes) in some value",
				params->pair[i].key, params->pair[i].key);
	}
	return 0;
}

int disagg_variants_expand(struct disagg_arena *arena, const struct disagg_node *root,
	struct disagg_variants *ret, struct disagg_findings *found)
{
	struct disagg_variants list = {0};
	struct expansion ex = {.arena = arena, .found = found, .root = root, .list = &list};
	const struct disagg_node *sweep = disagg_node_get(root, "sweep");
	int result = 0;

	if (disagg_node_get(root, "base"))
		result = expand_overrides(&ex);
	else if (sweep)
		result = expand_sweep(&ex, sweep);
	if (!result)
		*ret = list;
	return result;
}

/* ---- choosing one ---- */

static size_t common_start(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	return n;
}

static const char *nearest(const struct disagg_variants *variants, const char *name)
{
	const char *names[DISAGG_MAX_VARIANTS + 1];
	const char *near;
	size_t best = 2;

	for (unsigned i = 0; i < variants->count; i++)
		names[i] = variants->v[i].suffix;
	names[variants->count] = NULL;
	near = disagg_nearest_name(names, name);
	for (unsigned i = 0; !near && i < variants->count; i++) {
		const char *selector = variants->v[i].selector;
		size_t len = common_start(begins(name, ZIP) || begins(name, OVERRIDE) ?
						  selector :
						  variants->v[i].suffix,
			name);

		if (len > best && len + 3 >= strlen(name)) {
			best = len;
			near = variants->v[i].suffix;
		}
	}
	return near;
}

static int no_such_variant(const struct disagg_variants *variants, const char *name,
	struct disagg_err *err)
{
	const char *near = nearest(variants, name);
	char list[384];
	size_t used = 0;

	if (near)
		return disagg_err_set(err, DISAGG_CONFIG,
			"there is no variant '%s'; did you mean '%s'?", name, near);
	list[0] = '\0';
	for (unsigned i = 0; i < variants->count; i++) {
		size_t len = strlen(variants->v[i].suffix);

		if (used + len + 3 + strlen(", ...") >= sizeof(list)) {
			memcpy(list + used, ", ...", sizeof(", ..."));
			break;
		}
		if (i) {
			memcpy(list + used, ", ", 2);
			used += 2;
		}
		memcpy(list + used, variants->v[i].suffix, len + 1);
		used += len;
	}
	return disagg_err_set(err, DISAGG_CONFIG, "there is no variant '%s': expected one of %s",
		name, list);
}

const struct disagg_variant *disagg_variants_pick(const struct disagg_variants *variants,
	const char *name, struct disagg_err *err)
{
	const struct disagg_variant *only = NULL;
	unsigned in_group = 0;

	for (unsigned i = 0; i < variants->count; i++) {
		const struct disagg_variant *v = &variants->v[i];
		size_t group = strcspn(v->selector, "[");

		if (strcmp(v->suffix, name) == 0 || strcmp(v->selector, name) == 0)
			return v;
		if (v->selector[group] && strlen(name) == group &&
			strncmp(v->selector, name, group) == 0) {
			in_group++;
			only = v;
		}
	}
	if (in_group == 1)
		return only;
	if (in_group)
		disagg_err_set(err, DISAGG_CONFIG,
			"'%s' is a group of %u variants: say which, '%s[0]' to '%s[%u]'", name,
			in_group, name, name, in_group - 1);
	else
		no_such_variant(variants, name, err);
	return NULL;
}
