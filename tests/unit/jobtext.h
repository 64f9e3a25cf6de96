/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_TESTS_JOBTEXT_H
#define DISAGG_TESTS_JOBTEXT_H

/* Jobs from text, and findings as text, for the tests of lib/conf. */
#include "lib/conf/load.h"
#include "tests/unit/tap.h"

struct jobtext {
	struct disagg_arena arena;
	struct disagg_findings found;
	struct disagg_job *job; /* NULL: refused */
	char text[8192];	/* "E file:line:col: text" or "W ...", one a line */
};

static inline void jobtext_findings(struct jobtext *jt)
{
	size_t len = 0;

	jt->text[0] = '\0';
	for (unsigned i = 0; i < jt->found.count && len < sizeof(jt->text) - 1024; i++) {
		char line[900];

		disagg_finding_format(&jt->found.item[i], line, sizeof(line));
		len += (size_t)snprintf(jt->text + len, sizeof(jt->text) - len, "%s%c %s",
			i ? "\n" : "", jt->found.item[i].is_error ? 'E' : 'W', line);
	}
}

/* `cluster` is the text of a cluster file, or NULL. */
static inline void jobtext_load(struct jobtext *jt, const char *yaml, const char *cluster)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_cluster *chosen = NULL;
	struct disagg_node *root = NULL, *file = NULL;
	struct disagg_job *job;

	memset(jt, 0, sizeof(*jt));
	disagg_findings_init(&jt->found, &jt->arena);
	job = disagg_arena_alloc(&jt->arena, sizeof(*job));
	if (!job)
		disagg_err_nomem(&err);
	if (!job || disagg_yaml_parse(&jt->arena, yaml, strlen(yaml), "job.yaml", &root, &err) ||
		(cluster && disagg_yaml_parse(&jt->arena, cluster, strlen(cluster), "cluster.yaml",
				    &file, &err))) {
		disagg_findings_take(&jt->found, &err);
		jobtext_findings(jt);
		return;
	}
	job->source = "job.yaml";
	if (file && disagg_cluster_read(&jt->arena, file, NULL, &chosen, &jt->found)) {
		disagg_err_nomem(&err);
		disagg_findings_take(&jt->found, &err);
		jobtext_findings(jt);
		return;
	}
	if (disagg_job_build(&jt->arena, root, chosen, job, &jt->job, &jt->found))
		jt->job = NULL;
	jobtext_findings(jt);
}

static inline void jobtext_release(struct jobtext *jt)
{
	disagg_arena_release(&jt->arena);
}

/* A file and what must be said about it: the whole of the findings. */
struct jobtext_case {
	const char *name;
	const char *yaml;
	const char *want;
};

static inline void jobtext_run(const struct jobtext_case *cases, size_t count, bool refused)
{
	for (size_t i = 0; i < count; i++) {
		struct jobtext jt;

		jobtext_load(&jt, cases[i].yaml, NULL);
		is_str(jt.text, cases[i].want, cases[i].name);
		if (refused != !jt.job)
			ok(false, refused ? "it is refused" : "it is taken");
		jobtext_release(&jt);
	}
}

#endif
