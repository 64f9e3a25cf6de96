/* SPDX-License-Identifier: Apache-2.0 */
#include "spank/handoff.h"
#include "lib/base/strbuf.h"
#include "spank/message.h"
#include <stdlib.h>
#include <string.h>

#define HANDOFF	  "SLURM_DISAGG_HANDOFF"
#define SIZED	  "sized"
#define SEPARATOR '\x1f'

enum { HANDOFF_BYTES = 128 * 1024 };

/* One letter a field: what it is. */
enum field {
	FIELD_CLUSTER_FILE = 'f',
	FIELD_CLUSTER_NAME = 'c',
	FIELD_DIRECT = 'd',
	FIELD_OPTION = '0', /* and the option's number */
};

static void add(struct disagg_strbuf *text, char field, const char *value)
{
	disagg_strbuf_putc(text, field);
	disagg_strbuf_puts(text, value);
	disagg_strbuf_putc(text, SEPARATOR);
}

void disagg_handoff_write(const struct disagg_said *said)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, HANDOFF_BYTES);
	if (said->cluster_file)
		add(&text, FIELD_CLUSTER_FILE, said->cluster_file);
	if (said->cluster_name)
		add(&text, FIELD_CLUSTER_NAME, said->cluster_name);
	if (said->direct)
		add(&text, FIELD_DIRECT, "");
	for (int i = 0; i < DISAGG_OPT_COUNT; i++) {
		if (said->given[i] && i != DISAGG_OPT_SET)
			add(&text, (char)(FIELD_OPTION + i), said->value[i]);
	}
	for (unsigned i = 0; i < said->set_count; i++)
		add(&text, FIELD_OPTION + DISAGG_OPT_SET, said->set[i]);
	if (!text.failed)
		setenv(HANDOFF, text.text, 1);
	disagg_strbuf_release(&text);
}

static void read_field(struct disagg_said *said, const char *field)
{
	switch (field[0]) {
	case FIELD_CLUSTER_FILE:
		said->cluster_file = field + 1;
		break;
	case FIELD_CLUSTER_NAME:
		said->cluster_name = field + 1;
		break;
	case FIELD_DIRECT:
		said->direct = true;
		break;
	default:
		if (field[0] >= FIELD_OPTION && field[0] < FIELD_OPTION + DISAGG_OPT_COUNT)
			disagg_said_take(
				said, (enum disagg_option)(field[0] - FIELD_OPTION), field + 1);
	}
}

/* False when nothing was said. */
static bool read_all(struct disagg_said *said, struct disagg_err *err)
{
	const char *text = getenv(HANDOFF);
	char *rest;

	if (!text || strcmp(text, SIZED) == 0)
		return false;
	*said = (struct disagg_said){.place = DISAGG_SUBMIT};
	rest = disagg_arena_strdup(&said->arena, text);
	if (!rest) {
		disagg_err_nomem(err);
		return false;
	}
	while (*rest) {
		char *end = strchr(rest, SEPARATOR);

		if (!end)
			break;
		*end = '\0';
		read_field(said, rest);
		rest = end + 1;
	}
	return true;
}

void disagg_handoff_finish(struct disagg_said *said, struct disagg_submit *submit)
{
	const char *text = getenv(HANDOFF);

	if (said->given[DISAGG_OPT_CONFIG] && (!text || strcmp(text, SIZED) != 0))
		disagg_err_set(&said->err, DISAGG_CONFIG,
			"plugstack.conf says sizing=cli_filter, but cli_filter/disagg has not run: "
			"slurm.conf needs CliFilterPlugins=cli_filter/disagg");
	unsetenv(HANDOFF);
	disagg_submit_size(submit, said, NULL);
}

int disagg_handoff_filter(void *opt)
{
	struct disagg_said said;
	struct disagg_submit submit = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	int rc;

	if (!read_all(&said, &err)) {
		if (!err.code)
			return 0;
		disagg_message_error(&err);
		return -1;
	}
	disagg_submit_size(&submit, &said, opt);
	/* a dry run prints first; the SPANK plugin then says what is wrong */
	rc = said.given[DISAGG_OPT_DRY_RUN] ? 0 : disagg_submit_check(&submit, &said);
	if (rc)
		disagg_message_findings(&submit.found);
	disagg_submit_release(&submit);
	disagg_said_release(&said);
	if (rc == 0)
		setenv(HANDOFF, SIZED, 1);
	return rc;
}
