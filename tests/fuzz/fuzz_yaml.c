/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/load.h"
#include "lib/conf/variant.h"
#include "lib/plan/plan.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool good)
{
	if (!good)
		abort();
}

/* The tree as JSON, read again, says the same. */
static void round_trip(struct disagg_arena *arena, const struct disagg_node *root)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf first, second;
	struct disagg_node *again = NULL;

	disagg_strbuf_init(&first, 0);
	disagg_strbuf_init(&second, 0);
	disagg_node_json(root, &first);
	need(!first.failed);
	if (first.len <= DISAGG_MAX_YAML_BYTES && !disagg_node_is_null(root)) {
		need(!disagg_yaml_parse(arena, first.text, first.len, "json", &again, &err));
		disagg_node_json(again, &second);
		need(strcmp(first.text, second.text) == 0);
	}
	disagg_strbuf_release(&first);
	disagg_strbuf_release(&second);
}

static void layers(struct disagg_arena *arena, const struct disagg_node *root)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *value = disagg_node_scalar(arena, "1", false, root->at), *changed;

	need(disagg_node_merge(arena, root, root) != NULL);
	if (disagg_node_set(arena, root, "a.b", value, &changed, &err) == 0)
		need(disagg_node_find(changed, "a.b") == value);
	else
		need(err.code == DISAGG_CONFIG);
}

/* As a job of whatever dialect it is; a plan, or errors that say why not. */
static void plan(struct disagg_arena *arena, const struct disagg_node *tree)
{
	struct disagg_job *job = disagg_arena_alloc(arena, sizeof(*job)), *ready = NULL;
	struct disagg_findings found;
	struct disagg_plan *made = NULL;

	disagg_findings_init(&found, arena);
	if (!job)
		return;
	job->source = "fuzz.yaml";
	job->trace.arena = arena;
	if (disagg_job_build(arena, tree, NULL, job, &ready, &found)) {
		need(found.errors > 0 && !ready);
		return;
	}
	need(ready != NULL);
	if (disagg_plan_make(arena, ready, &made, &found))
		need(!made);
}

static void variants(struct disagg_arena *arena, const struct disagg_node *root)
{
	struct disagg_variants all = {0};
	struct disagg_findings found;

	disagg_findings_init(&found, arena);
	if (disagg_variants_expand(arena, root, &all, &found))
		return;
	for (unsigned i = 0; i < all.count && i < 4; i++)
		plan(arena, all.v[i].tree);
	if (!all.count)
		plan(arena, root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_node *root = NULL;

	if (disagg_yaml_parse(&arena, (const char *)data, size, "fuzz.yaml", &root, &err)) {
		need(!root && err.code != DISAGG_OK && err.text[0]);
	} else {
		need(err.code == DISAGG_OK);
		round_trip(&arena, root);
		layers(&arena, root);
		variants(&arena, root);
	}
	disagg_arena_release(&arena);
	return 0;
}
