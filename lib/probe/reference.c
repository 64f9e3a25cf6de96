/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/reference.h"

#include "lib/base/num.h"
#include "lib/conf/yamltree.h"
#include "lib/probe/reference_data.h"
#include <regex.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA	  "disagg.reference/1"
#define MOST_NAME 256u

struct disagg_reference {
	struct disagg_arena *arena;
	const struct disagg_node *gpus; /* a map; the last that matches counts */
	const char *version;
	const char *over; /* the site's file, or NULL */
};

/* ---- checking ---- */

/* -1 with err at the node */
static int bad(const struct disagg_node *node, const char *what, struct disagg_err *err)
{
	return disagg_err_at(err, DISAGG_CONFIG, node->at.source, node->at.line, node->at.col,
		"cannot read the reference values: expected %s", what);
}

static int check_real(const struct disagg_node *node, struct disagg_err *err)
{
	double value;

	if (node->kind != DISAGG_SCALAR || disagg_num_real(node->text, &value) != 0 || value <= 0)
		return bad(node, "a number above 0", err);
	return 0;
}

/* 270 or {ref: 270, floor: 240} */
static int check_value(const struct disagg_node *node, struct disagg_err *err)
{
	if (node->kind != DISAGG_MAP)
		return check_real(node, err);
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_pair *pair = &node->pair[i];

		if (strcmp(pair->key, "ref") != 0 && strcmp(pair->key, "floor") != 0)
			return bad(pair->value, "'ref' or 'floor'", err);
		if (check_real(pair->value, err) != 0)
			return -1;
	}
	return 0;
}

static int check_values(const struct disagg_node *node, struct disagg_err *err)
{
	if (node->kind != DISAGG_MAP)
		return bad(node, "a map of parameters", err);
	for (uint32_t i = 0; i < node->count; i++)
		if (check_value(node->pair[i].value, err) != 0)
			return -1;
	return 0;
}

static int check_counts(const struct disagg_node *node, struct disagg_err *err)
{
	int64_t count;

	if (node->kind != DISAGG_MAP)
		return bad(node, "a map of numbers of GPUs", err);
	for (uint32_t i = 0; i < node->count; i++) {
		if (disagg_num_int(node->pair[i].key, 1, INT32_MAX, &count) != 0)
			return bad(node->pair[i].value, "a number of GPUs as the key", err);
		if (check_values(node->pair[i].value, err) != 0)
			return -1;
	}
	return 0;
}

static int check_text(const struct disagg_node *node, struct disagg_err *err)
{
	return node->kind == DISAGG_SCALAR ? 0 : bad(node, "text", err);
}

static int check_match(const struct disagg_node *node, struct disagg_err *err)
{
	regex_t regex;
	int rc;

	if (check_text(node, err) != 0)
		return -1;
	rc = regcomp(&regex, node->text, REG_EXTENDED | REG_NOSUB);
	if (rc != 0)
		return bad(node, "an extended regular expression", err);
	regfree(&regex);
	return 0;
}

struct key {
	const char *name;
	int (*check)(const struct disagg_node *node, struct disagg_err *err);
};

static int check_keys(const struct disagg_node *node, const struct key *keys, const char *what,
	struct disagg_err *err)
{
	if (node->kind != DISAGG_MAP)
		return bad(node, what, err);
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_pair *pair = &node->pair[i];
		const struct key *key = keys;

		while (key->name && strcmp(key->name, pair->key) != 0)
			key++;
		if (!key->name)
			return bad(pair->value, what, err);
		if (key->check(pair->value, err) != 0)
			return -1;
	}
	return 0;
}

static int check_metrics(const struct disagg_node *node, struct disagg_err *err)
{
	static const struct key keys[] = {
		{"unit", check_text},
		{"source", check_text},
		{"confidence", check_text},
		{"values", check_values},
		{"gpus", check_counts},
		{NULL, NULL},
	};

	if (node->kind != DISAGG_MAP)
		return bad(node, "a map of probes", err);
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_node *metric = node->pair[i].value;

		if (check_keys(metric, keys,
			    "a map with 'unit', 'source', 'confidence', 'values', 'gpus'",
			    err) != 0)
			return -1;
		if (!disagg_node_get(metric, "unit"))
			return bad(metric, "a 'unit'", err);
	}
	return 0;
}

static int check_gpus(const struct disagg_node *node, struct disagg_err *err)
{
	static const struct key keys[] = {
		{"match", check_match}, {"metrics", check_metrics}, {NULL, NULL}};

	if (node->kind != DISAGG_MAP)
		return bad(node, "a map of GPU types", err);
	for (uint32_t i = 0; i < node->count; i++) {
		const struct disagg_node *gpu = node->pair[i].value;

		if (check_keys(gpu, keys, "a map with 'match' and 'metrics'", err) != 0)
			return -1;
		if (!disagg_node_get(gpu, "match"))
			return bad(gpu, "a 'match' for the GPU's name", err);
	}
	return 0;
}

static int check_root(const struct disagg_node *root, struct disagg_err *err)
{
	static const struct key keys[] = {{"schema", check_text}, {"version", check_text},
		{"gpus", check_gpus}, {NULL, NULL}};
	const struct disagg_node *schema = disagg_node_get(root, "schema");

	if (!schema || schema->kind != DISAGG_SCALAR || strcmp(schema->text, SCHEMA) != 0)
		return bad(schema ? schema : root, "'schema: " SCHEMA "'", err);
	return check_keys(root, keys, "a map with 'schema', 'version', 'gpus'", err);
}

int disagg_reference_load(struct disagg_arena *arena, const char *over,
	struct disagg_reference **ret, struct disagg_err *err)
{
	struct disagg_reference *reference = disagg_arena_alloc(arena, sizeof(*reference));
	const struct disagg_node *version;
	struct disagg_node *root, *site;

	if (!reference)
		return disagg_err_nomem(err);
	if (disagg_yaml_parse(arena, disagg_reference_yaml,
		    (size_t)(disagg_reference_yaml_end - disagg_reference_yaml),
		    "reference.yaml (built in)", &root, err) != 0)
		return -1;
	version = disagg_node_get(root, "version");
	reference->version = version ? version->text : "?";
	if (over) {
		if (disagg_yaml_load(arena, over, &site, err) != 0)
			return -1;
		root = disagg_node_merge(arena, root, site);
		if (!root)
			return disagg_err_nomem(err);
	}
	if (check_root(root, err) != 0)
		return -1;
	reference->arena = arena;
	reference->gpus = disagg_node_get(root, "gpus");
	reference->over = over;
	*ret = reference;
	return 0;
}

/* ---- looking up ---- */

static bool matches(const struct disagg_node *pattern, const char *name)
{
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern->text, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	found = regexec(&regex, name, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static const struct disagg_pair *find_gpu(
	const struct disagg_reference *reference, const char *gpu_name)
{
	if (!gpu_name || !reference->gpus)
		return NULL;
	for (uint32_t i = reference->gpus->count; i-- > 0;)
		if (matches(disagg_node_get(reference->gpus->pair[i].value, "match"), gpu_name))
			return &reference->gpus->pair[i];
	return NULL;
}

const char *disagg_reference_key(const struct disagg_reference *reference, const char *gpu_name)
{
	const struct disagg_pair *gpu = find_gpu(reference, gpu_name);

	return gpu ? gpu->key : NULL;
}

const char *disagg_reference_version(const struct disagg_reference *reference)
{
	return reference->version;
}

/* The values of a metric by parameter: of so many GPUs where it depends on them. */
static const struct disagg_node *values_of(const struct disagg_node *metric, unsigned gpus)
{
	char count[16];

	if (disagg_node_get(metric, "values"))
		return disagg_node_get(metric, "values");
	snprintf(count, sizeof(count), "%u", gpus);
	return disagg_node_get(disagg_node_get(metric, "gpus"), count);
}

/* PROBE with the whole parameter, or "PROBE WORD" with what is behind its first word. */
static const struct disagg_node *find_value(const struct disagg_node *metrics,
	const struct disagg_reference_query *query, const struct disagg_node **ret_metric)
{
	const char *param = query->param ? query->param : "";
	const char *space = strchr(param, ' ');
	const struct disagg_node *value;
	char name[MOST_NAME];

	*ret_metric = disagg_node_get(metrics, query->probe);
	value = disagg_node_get(values_of(*ret_metric, query->gpus), param);
	if (value || !space)
		return value;
	if (snprintf(name, sizeof(name), "%s %.*s", query->probe, (int)(space - param), param) >=
		(int)sizeof(name))
		return NULL;
	*ret_metric = disagg_node_get(metrics, name);
	return disagg_node_get(values_of(*ret_metric, query->gpus), space + 1);
}

static const char *text_of(const struct disagg_node *map, const char *key, const char *otherwise)
{
	const struct disagg_node *node = disagg_node_get(map, key);

	return node ? node->text : otherwise;
}

static bool real_of(const struct disagg_node *node, double *ret)
{
	return node && disagg_num_real(node->text, ret) == 0;
}

/* Whether the site's file has set the value, or a part of it. */
static bool is_set(const struct disagg_reference *reference, const struct disagg_node *value)
{
	if (!reference->over)
		return false;
	if (value->kind == DISAGG_SCALAR)
		return strcmp(value->at.source, reference->over) == 0;
	for (uint32_t i = 0; i < value->count; i++)
		if (is_set(reference, value->pair[i].value))
			return true;
	return false;
}

bool disagg_reference_find(const struct disagg_reference *reference,
	const struct disagg_reference_query *query, struct disagg_reference_value *ret)
{
	const struct disagg_pair *gpu = find_gpu(reference, query->gpu_name);
	struct disagg_reference_value found = {0};
	const struct disagg_node *metric, *value;
	bool set;

	if (!gpu)
		return false;
	value = find_value(disagg_node_get(gpu->value, "metrics"), query, &metric);
	if (!value)
		return false;
	found.unit = text_of(metric, "unit", "");
	if (query->unit && strcmp(query->unit, found.unit) != 0)
		return false;
	if (value->kind == DISAGG_SCALAR) {
		found.has_ref = real_of(value, &found.ref);
	} else {
		found.has_ref = real_of(disagg_node_get(value, "ref"), &found.ref);
		found.has_floor = real_of(disagg_node_get(value, "floor"), &found.floor);
	}
	found.confidence = text_of(metric, "confidence", "low");
	set = is_set(reference, value);
	found.source = disagg_arena_printf(reference->arena, "%s: %s (confidence %s)%s%s", gpu->key,
		text_of(metric, "source", "no source given"), found.confidence,
		set ? ", set in " : "", set ? reference->over : "");
	*ret = found;
	return found.source != NULL;
}
