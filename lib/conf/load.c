/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"
#include "lib/conf/variant.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int out_of_memory(struct disagg_findings *found)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	disagg_err_nomem(&err);
	disagg_findings_take(found, &err);
	return -1;
}

static int take(struct disagg_findings *found, const struct disagg_err *err)
{
	disagg_findings_take(found, err);
	return -1;
}

/* ---- FILE[:VARIANT] ---- */

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

int disagg_config_split(struct disagg_arena *arena, const char *text, const char **ret_path,
	const char **ret_variant, struct disagg_err *err)
{
	const char *colon = strrchr(text, ':');
	const char *path, *variant = NULL;

	if (!text[0])
		return disagg_err_set(
			err, DISAGG_CONFIG, "'': expected FILE or FILE:VARIANT, got nothing");
	/* a folder behind the colon: it is part of a path */
	if (colon && (strchr(colon, '/') || exists(text)))
		colon = NULL;
	if (colon && (colon == text || !colon[1]))
		return disagg_err_set(err, DISAGG_CONFIG,
			"'%s': expected FILE or FILE:VARIANT, got no %s", text,
			colon == text ? "file" : "variant behind the ':'");
	path = disagg_arena_strndup(arena, text, colon ? (size_t)(colon - text) : strlen(text));
	if (!path)
		return disagg_err_nomem(err);
	if (colon) {
		variant = disagg_arena_strdup(arena, colon + 1);
		if (!variant)
			return disagg_err_nomem(err);
	}
	*ret_path = path;
	*ret_variant = variant;
	return 0;
}

/* ---- dialect ---- */

static const char *const dialect_labels[] = {
	[DISAGG_NATIVE] = "a native file",
	[DISAGG_TRTLLM] = "a TensorRT-LLM file",
	[DISAGG_SRTCTL] = "an srtctl recipe",
};

static const char *const trtllm_sections[] = {
	"hardware", "environment", "slurm", "benchmark", "metadata", "accuracy", NULL};
static const char *const srtctl_keys[] = {"resources", "backend", "base", "sweep", NULL};
static const char *const all_marks[] = {"disagg", "worker_config", "resources", "backend", NULL};

static const char *const cluster_marks[] = {
	"clusters", "default_account", "default_partition", "srtctl_root", NULL};

static const char *first_of(const struct disagg_node *root, const char *const *keys)
{
	for (; *keys; keys++) {
		if (disagg_node_get(root, *keys))
			return *keys;
	}
	return NULL;
}

static int no_dialect(const struct disagg_node *root, struct disagg_err *err)
{
	const char *near = NULL;
	const struct disagg_origin *at = &root->at;
	char hint[128] = "";

	if (first_of(root, cluster_marks))
		return disagg_err_at(err, DISAGG_CONFIG, at->source, at->line, at->col,
			"this looks like a cluster file, expected a job's configuration: name it by "
			"--cluster-file of disagg-plan or DISAGG_CLUSTER_FILE, beside a job's file");
	for (uint32_t i = 0; !near && i < root->count; i++) {
		near = disagg_nearest_name(all_marks, root->pair[i].key);
		if (near) {
			at = &root->pair[i].at;
			snprintf(hint, sizeof(hint), "; is '%.40s' meant to be '%s'?",
				root->pair[i].key, near);
		}
	}
	return disagg_err_at(err, DISAGG_CONFIG, at->source, at->line, at->col,
		"not a known kind of configuration: looked for 'disagg: 1' (native), "
		"'worker_config' beside 'hardware' (TensorRT-LLM), and 'resources' or 'backend' "
		"or 'base' (srtctl)%s",
		hint);
}

int disagg_dialect_detect(
	const struct disagg_node *root, enum disagg_dialect *ret, struct disagg_err *err)
{
	const char *mark[3] = {NULL};
	const struct disagg_node *second;
	int first = -1;

	if (!root || root->kind != DISAGG_MAP)
		return disagg_err_at(err, DISAGG_CONFIG, root ? root->at.source : NULL,
			root ? root->at.line : 0, root ? root->at.col : 0,
			"expected a map of keys at the top, got %s",
			root ? disagg_node_type_name(root) : "nothing");
	if (disagg_node_get(root, "disagg"))
		mark[DISAGG_NATIVE] = "disagg";
	if (disagg_node_get(root, "worker_config") && first_of(root, trtllm_sections))
		mark[DISAGG_TRTLLM] = "worker_config";
	mark[DISAGG_SRTCTL] = first_of(root, srtctl_keys);
	for (int i = 0; i < 3; i++) {
		if (!mark[i])
			continue;
		if (first < 0) {
			first = i;
			continue;
		}
		second = disagg_node_get(root, mark[i]);
		return disagg_err_at(err, DISAGG_CONFIG, second->at.source, second->at.line,
			second->at.col,
			"two kinds of configuration in one: '%s' makes it %s, '%s' %s", mark[first],
			dialect_labels[first], mark[i], dialect_labels[i]);
	}
	if (first < 0)
		return no_dialect(root, err);
	*ret = (enum disagg_dialect)first;
	return 0;
}

/* ---- model ---- */

static int import_run(struct disagg_import *import)
{
	static int (*const importers[])(struct disagg_import *) = {
		[DISAGG_NATIVE] = disagg_import_native,
		[DISAGG_TRTLLM] = disagg_import_trtllm,
		[DISAGG_SRTCTL] = disagg_import_srtctl,
	};

	if (disagg_probing_read(import) || importers[import->job->dialect](import) ||
		disagg_job_defaults(import))
		return -1;
	return disagg_job_validate(import);
}

int disagg_job_build(struct disagg_arena *arena, const struct disagg_node *tree,
	const struct disagg_cluster *cluster, struct disagg_job *job, struct disagg_job **ret_job,
	struct disagg_findings *found)
{
	struct disagg_import import = {
		.arena = arena, .found = found, .tree = tree, .cluster = cluster, .job = job};
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_dialect_detect(tree, &job->dialect, &err))
		return take(found, &err);
	job->tree = tree;
	job->trace.arena = arena;
	if (import_run(&import))
		return found->errors ? -1 : out_of_memory(found);
	if (found->errors)
		return -1;
	*ret_job = job;
	return 0;
}

/* ---- file and layers ---- */

struct loader {
	struct disagg_arena *arena;
	struct disagg_findings *found;
	const struct disagg_request *request;
	const struct disagg_node *tree;
	const char *variant;
	struct disagg_cluster *cluster;
};

/* "base, tp4_0, ... (12 in all)" */
static const char *variant_names(struct loader *loader, const struct disagg_variants *variants)
{
	const char *list = "";
	unsigned shown = variants->count < 12 ? variants->count : 12;

	for (unsigned i = 0; list && i < shown; i++)
		list = disagg_arena_printf(
			loader->arena, "%s%s%s", list, i ? ", " : "", variants->v[i].suffix);
	if (list && shown < variants->count)
		list = disagg_arena_printf(
			loader->arena, "%s and %u more", list, variants->count - shown);
	return list;
}

static int variant_missing(struct loader *loader, const struct disagg_variants *variants)
{
	const char *list = variant_names(loader, variants);

	if (!list)
		return out_of_memory(loader->found);
	disagg_findings_error(loader->found, &loader->tree->at,
		"the file holds %u variants: say which, as %s:%s; there are %s", variants->count,
		loader->request->path, variants->v[variants->count - 1].suffix, list);
	return -1;
}

static int variant_choose(struct loader *loader)
{
	const char *name = loader->request->variant;
	struct disagg_variants variants = {0};
	const struct disagg_variant *chosen;
	struct disagg_err err = DISAGG_ERR_INIT;

	if (disagg_variants_expand(loader->arena, loader->tree, &variants, loader->found))
		return out_of_memory(loader->found);
	if (loader->found->errors)
		return -1;
	if (!variants.count && !name)
		return 0;
	if (!variants.count) {
		disagg_findings_error(loader->found, &loader->tree->at,
			"the file has no variants: remove ':%s'", name);
		return -1;
	}
	if (!name && variants.count > 1)
		return variant_missing(loader, &variants);
	chosen = name ? disagg_variants_pick(&variants, name, &err) : &variants.v[0];
	if (!chosen) {
		if (!err.file[0])
			snprintf(err.file, sizeof(err.file), "%s", loader->request->path);
		return take(loader->found, &err);
	}
	loader->variant = chosen->suffix;
	loader->tree = chosen->tree;
	return 0;
}

static int file_read(struct loader *loader)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root;

	if (disagg_yaml_load(loader->arena, loader->request->path, &root, &err))
		return take(loader->found, &err);
	if (root->kind != DISAGG_MAP) {
		disagg_findings_error(loader->found, &root->at,
			"expected a map of keys at the top, got %s", disagg_node_type_name(root));
		return -1;
	}
	loader->tree = root;
	return variant_choose(loader);
}

static int sets_apply(struct loader *loader)
{
	const struct disagg_request *request = loader->request;
	struct disagg_setter setter = {loader->arena, loader->found, loader->tree, "DISAGG_SET"};

	if (request->set_count > DISAGG_MAX_SETS) {
		disagg_findings_error(loader->found, NULL,
			"%s is given %u times, at most %u are allowed",
			request->set_name ? request->set_name : "--disagg-set", request->set_count,
			DISAGG_MAX_SETS);
		return -1;
	}
	if (disagg_tree_set_all(&setter, request->env_set))
		return out_of_memory(loader->found);
	setter.source = request->set_name ? request->set_name : "--disagg-set";
	for (unsigned i = 0; i < request->set_count; i++) {
		if (disagg_tree_set(&setter, request->set[i]))
			return out_of_memory(loader->found);
	}
	loader->tree = setter.tree;
	return loader->found->errors ? -1 : 0;
}

static int cluster_missing(struct loader *loader)
{
	const struct disagg_request *request = loader->request;

	if (request->cluster_name)
		disagg_findings_error(loader->found, NULL,
			"there is no cluster '%s': no cluster file%s%s%s", request->cluster_name,
			request->cluster_file ? " '" : "",
			request->cluster_file ? request->cluster_file : "",
			request->cluster_file ? "'" : "");
	return request->cluster_name ? -1 : 0;
}

static int cluster_load(struct loader *loader)
{
	const struct disagg_request *request = loader->request;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root;
	struct stat st;

	if (!request->cluster_file)
		return cluster_missing(loader);
	if (!request->cluster_file_must_exist && stat(request->cluster_file, &st) &&
		(errno == ENOENT || errno == ENOTDIR))
		return cluster_missing(loader);
	if (disagg_yaml_load(loader->arena, request->cluster_file, &root, &err)) {
		if (!err.line)
			disagg_err_wrap(&err, "cluster file");
		return take(loader->found, &err);
	}
	if (disagg_cluster_read(
		    loader->arena, root, request->cluster_name, &loader->cluster, loader->found))
		return out_of_memory(loader->found);
	return 0;
}

int disagg_job_load(struct disagg_arena *arena, const struct disagg_request *request,
	struct disagg_job **ret_job, struct disagg_findings *found)
{
	struct loader loader = {.arena = arena, .found = found, .request = request};
	struct disagg_job *job = disagg_arena_alloc(arena, sizeof(*job));

	if (!job)
		return out_of_memory(found);
	if (file_read(&loader) || sets_apply(&loader) || cluster_load(&loader))
		return -1;
	job->source = disagg_arena_strdup(arena, request->path);
	if (!job->source)
		return out_of_memory(found);
	job->variant = loader.variant;
	job->rehearse = request->rehearse;
	return disagg_job_build(arena, loader.tree, loader.cluster, job, ret_job, found);
}
