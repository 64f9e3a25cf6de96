/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/variant_build.h"
#include "lib/conf/scalar.h"
#include "lib/conf/schema.h"
#include <string.h>

#define OVERRIDE "override_"
#define ZIP	 "zip_override_"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

const char *disagg_variant_base_name(const struct disagg_node *base)
{
	const struct disagg_node *name = disagg_node_get(base, "name");

	return name && name->kind == DISAGG_SCALAR && name->text[0] ? name->text : "unnamed";
}

int disagg_variant_add(struct disagg_expansion *ex, const char *suffix, const char *selector,
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

		list->v =
			disagg_arena_grow(ex->arena, list->v, list->count, size, sizeof(*list->v));
		if (!list->v)
			return -1;
		ex->size = size;
	}
	list->v[list->count++] = (struct disagg_variant){suffix, selector, tree};
	return 0;
}

bool disagg_variant_room(struct disagg_expansion *ex, const struct disagg_origin *at, unsigned more)
{
	if (ex->list->count + more <= DISAGG_MAX_VARIANTS)
		return true;
	disagg_findings_error(ex->found, at, "too many variants: at most %u are allowed in a file",
		DISAGG_MAX_VARIANTS);
	return false;
}

int disagg_variant_name(struct disagg_expansion *ex, struct disagg_node *tree, const char *name,
	struct disagg_origin at)
{
	struct disagg_node *value = name ? disagg_node_scalar(ex->arena, name, true, at) : NULL;

	return value ? disagg_node_put(ex->arena, tree, "name", at, value) : -1;
}

/* ---- override_<name> and zip_override_<name> ---- */

static int add_override(struct disagg_expansion *ex, const struct disagg_pair *pair)
{
	const char *suffix = pair->key + strlen(OVERRIDE);
	struct disagg_node *tree = disagg_node_merge(ex->arena, ex->base, pair->value);

	if (!tree)
		return -1;
	if (!disagg_variant_room(ex, &pair->at, 1))
		return 0;
	if (!disagg_node_get(pair->value, "name") &&
		disagg_variant_name(ex, tree,
			disagg_arena_printf(
				ex->arena, "%s_%s", disagg_variant_base_name(ex->base), suffix),
			pair->at))
		return -1;
	return disagg_variant_add(ex, suffix, pair->key, tree);
}

struct zip_length {
	uint32_t length; /* 0: no list yet */
	struct disagg_origin at;
	bool bad;
};

/* Every list is a zip dimension; those of length 1 go with any length.  The
 * parser bounds the depth of a tree, and so this one's. */
static void zip_measure(
	struct disagg_expansion *ex, const struct disagg_node *map, struct zip_length *zip)
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
static struct disagg_node *zip_slice(
	struct disagg_arena *arena, const struct disagg_node *map, uint32_t index)
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

static int add_zip_variant(
	struct disagg_expansion *ex, const struct disagg_pair *pair, uint32_t index)
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
		disagg_variant_name(ex, tree,
			disagg_arena_printf(ex->arena, "%s_%s_%u",
				disagg_variant_base_name(ex->base), group, (unsigned)index),
			pair->at))
		return -1;
	return disagg_variant_add(ex,
		disagg_arena_printf(ex->arena, "%s_%u", group, (unsigned)index),
		disagg_arena_printf(ex->arena, "%s[%u]", pair->key, (unsigned)index), tree);
}

static int add_zip(struct disagg_expansion *ex, const struct disagg_pair *pair)
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
	if (!disagg_variant_room(ex, &pair->at, zip.length))
		return 0;
	for (uint32_t i = 0; i < zip.length; i++) {
		if (add_zip_variant(ex, pair, i))
			return -1;
	}
	return 0;
}

static int add_section(struct disagg_expansion *ex, const struct disagg_pair *pair)
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
		disagg_findings_error(
			ex->found, &pair->at, "'%s' has no name behind the '_'", pair->key);
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

static int expand_overrides(struct disagg_expansion *ex)
{
	struct disagg_node *base = disagg_node_get(ex->root, "base");

	if (base->kind != DISAGG_MAP) {
		disagg_findings_error(ex->found, &base->at, "'base': expected a map, got %s",
			disagg_node_type_name(base));
		return 0;
	}
	ex->base = base;
	if (disagg_variant_add(ex, "base", "base", base))
		return -1;
	for (uint32_t i = 0; i < ex->root->count; i++) {
		if (add_section(ex, &ex->root->pair[i]))
			return -1;
	}
	return 0;
}

int disagg_variants_expand(struct disagg_arena *arena, const struct disagg_node *root,
	struct disagg_variants *ret, struct disagg_findings *found)
{
	struct disagg_variants list = {0};
	struct disagg_expansion ex = {.arena = arena, .found = found, .root = root, .list = &list};
	const struct disagg_node *sweep = disagg_node_get(root, "sweep");
	int result = 0;

	if (disagg_node_get(root, "base"))
		result = expand_overrides(&ex);
	else if (sweep)
		result = disagg_sweep_expand(&ex, sweep);
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
		size_t len = common_start(begins(name, ZIP) || begins(name, OVERRIDE)
						  ? selector
						  : variants->v[i].suffix,
			name);

		if (len > best && len + 3 >= strlen(name)) {
			best = len;
			near = variants->v[i].suffix;
		}
	}
	return near;
}

static int no_such_variant(
	const struct disagg_variants *variants, const char *name, struct disagg_err *err)
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
	return disagg_err_set(
		err, DISAGG_CONFIG, "there is no variant '%s': expected one of %s", name, list);
}

const struct disagg_variant *disagg_variants_pick(
	const struct disagg_variants *variants, const char *name, struct disagg_err *err)
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
