/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_CONF_TRTLLM_H
#define DISAGG_CONF_TRTLLM_H

#include "lib/conf/job.h"
#include "lib/conf/trtllm_tables.h"

/* What the parts of the TensorRT-LLM importer share. */
struct disagg_trtllm_reader {
	struct disagg_import *import;
	struct disagg_arena *arena;
	struct disagg_findings *found;
	struct disagg_trtllm file;
	struct disagg_map worker_env; /* of ctx and gen servers alike */
};

/* The `benchmark:` section; fills job->bench.  -1: no memory. */
int disagg_trtllm_bench(struct disagg_trtllm_reader *reader);

/* The `slurm:` section; fills the directives.  -1: no memory. */
int disagg_trtllm_slurm(struct disagg_trtllm_reader *reader);

/* What the TensorRT-LLM harness complains about and still runs: warnings.
 * import->job has its benchmark already. */
void disagg_trtllm_check(struct disagg_import *import, const struct disagg_trtllm *file);

/* Where the value at `path` stands, or the file's beginning. */
const struct disagg_origin *disagg_trtllm_at(const struct disagg_import *import, const char *path);

#define DISAGG_BLANKS " \t\r\n"

struct disagg_word {
	const char *text;
	size_t len;
};

/* A scalar's text, or the tree as JSON, in the arena; NULL: no memory. */
const char *disagg_trtllm_text(struct disagg_arena *arena, const struct disagg_node *node);

/* The next run of bytes that are no separators; moves the cursor behind it. */
bool disagg_trtllm_word(const char **cursor, const char *separators, struct disagg_word *ret);

/* Neither missing, nor empty, nor a placeholder. */
bool disagg_trtllm_given(const char *text);

int64_t disagg_trtllm_or(struct disagg_int value, int64_t other);

#endif
