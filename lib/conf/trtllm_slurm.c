/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/trtllm.h"
#include "lib/base/num.h"
#include <string.h>

/* sbatch's one-letter options, as extra_args may have them (sbatch(1)) */
static const struct {
	char letter;
	const char *option;
} short_option[] = {
	{'A', "account"},
	{'a', "array"},
	{'B', "extra-node-info"},
	{'b', "begin"},
	{'C', "constraint"},
	{'c', "cpus-per-task"},
	{'D', "chdir"},
	{'d', "dependency"},
	{'e', "error"},
	{'F', "nodefile"},
	{'G', "gpus"},
	{'H', "hold"},
	{'J', "job-name"},
	{'k', "no-kill"},
	{'L', "licenses"},
	{'M', "clusters"},
	{'m', "distribution"},
	{'N', "nodes"},
	{'n', "ntasks"},
	{'O', "overcommit"},
	{'o', "output"},
	{'p', "partition"},
	{'q', "qos"},
	{'S', "core-spec"},
	{'s', "oversubscribe"},
	{'t', "time"},
	{'w', "nodelist"},
	{'x', "exclude"},
};

static const char *long_option(char letter)
{
	for (size_t i = 0; i < sizeof(short_option) / sizeof(*short_option); i++) {
		if (short_option[i].letter == letter)
			return short_option[i].option;
	}
	return NULL;
}

/* "--name=value", "--name", "-xvalue", "-x" */
static int split_option(struct disagg_trtllm_reader *reader, const struct disagg_word *word,
	const char **ret_option, const char **ret_value)
{
	char *text = disagg_arena_strndup(reader->arena, word->text, word->len);
	char *equals;

	if (!text)
		return -1;
	*ret_option = NULL;
	*ret_value = NULL;
	if (text[0] == '-' && text[1] && text[1] != '-') {
		*ret_option = long_option(text[1]);
		*ret_value = text[2] ? text + 2 + (text[2] == '=') : NULL;
	} else if (text[0] == '-' && text[1] == '-' && text[2]) {
		*ret_option = text + 2;
		equals = strchr(text, '=');
		if (equals) {
			*equals = '\0';
			*ret_value = equals + 1;
		}
	}
	return 0;
}

/* The GPUs that the plan asks for anyway. */
static bool is_own_gres(
	const struct disagg_trtllm_reader *reader, const char *option, const char *value)
{
	int64_t gpus;

	return strcmp(option, "gres") == 0 && strncmp(value, "gpu:", strlen("gpu:")) == 0 &&
	       disagg_num_int(value + strlen("gpu:"), 0, INT64_MAX, &gpus) == 0 &&
	       gpus == reader->file.gpus_per_node.v;
}

static int read_extra_args(struct disagg_trtllm_reader *reader)
{
	const char *cursor = reader->file.extra_args;
	const struct disagg_origin *where = disagg_trtllm_at(reader->import, "slurm.extra_args");
	struct disagg_word word, next;

	if (!disagg_trtllm_given(cursor))
		return 0;
	while (disagg_trtllm_word(&cursor, DISAGG_BLANKS, &word)) {
		const char *option, *value, *ahead = cursor;

		if (split_option(reader, &word, &option, &value))
			return -1;
		if (!option) {
			disagg_findings_error(reader->found, where,
				"extra_args: '%.*s' is no option of sbatch: expected "
				"--NAME=VALUE",
				(int)word.len, word.text);
			continue;
		}
		if (!value && disagg_trtllm_word(&ahead, DISAGG_BLANKS, &next) &&
			next.text[0] != '-') {
			cursor = ahead;
			value = disagg_arena_strndup(reader->arena, next.text, next.len);
			if (!value)
				return -1;
		}
		if (value && is_own_gres(reader, option, value))
			continue;
		if (disagg_job_directive(reader->import, option, value ? value : "", *where, false))
			return -1;
	}
	return 0;
}

/* A placeholder is passed on, so that its use at submit can be refused. */
static int add_directive(struct disagg_trtllm_reader *reader, const char *option, const char *value,
	const char *path)
{
	if (!value || !value[0])
		return 0;
	return disagg_job_directive(
		reader->import, option, value, *disagg_trtllm_at(reader->import, path), false);
}

static void check_time(const struct disagg_trtllm_reader *reader)
{
	const char *text = reader->file.job_time;
	int64_t minutes;

	if (disagg_trtllm_given(text) && disagg_num_slurm_time(text, &minutes))
		disagg_findings_error(reader->found,
			disagg_trtllm_at(reader->import, "slurm.job_time"),
			"job_time '%s' is no time limit: expected HH:MM:SS, D-HH:MM:SS or minutes",
			text);
}

int disagg_trtllm_slurm(struct disagg_trtllm_reader *reader)
{
	const struct disagg_trtllm *file = &reader->file;
	struct disagg_job *job = reader->import->job;
	const char *name = disagg_trtllm_given(file->job_name) ? file->job_name : NULL;
	/* what the upstream harness takes as "leave it out" */
	const char *partition = file->partition && strcmp(file->partition, "unspecified") == 0
					? NULL
					: file->partition;

	check_time(reader);
	if (name)
		job->name = name;
	job->want_segment = file->set_segment != DISAGG_NO;
	if (add_directive(reader, "partition", partition, "slurm.partition") ||
		add_directive(reader, "account", file->account, "slurm.account") ||
		add_directive(reader, "time", file->job_time, "slurm.job_time") ||
		add_directive(reader, "job-name", name, "slurm.job_name"))
		return -1;
	return read_extra_args(reader);
}
