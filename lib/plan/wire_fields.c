/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/wire_text.h"

enum field_kind {
	FIELD_TEXT,
	FIELD_NUMBER,
	FIELD_BOOL,
	FIELD_DIALECT,
	FIELD_SUITE,
	FIELD_FAILURE,
};

struct field {
	const char *key;
	enum field_kind kind;
	size_t offset;
};

#define FIELD(name, kind)                                                                          \
	{                                                                                          \
#name, kind, offsetof(struct disagg_plan, name)                                    \
	}

/* What is one value for the whole plan, in the order of the text. */
static const struct field plan_fields[] = {
	FIELD(name, FIELD_TEXT),
	FIELD(dialect, FIELD_DIALECT),
	FIELD(source, FIELD_TEXT),
	FIELD(variant, FIELD_TEXT),
	FIELD(log_dir, FIELD_TEXT),
	FIELD(served_name, FIELD_TEXT),
	FIELD(model_path, FIELD_TEXT),
	FIELD(nodes, FIELD_NUMBER),
	FIELD(worker_node_first, FIELD_NUMBER),
	FIELD(worker_nodes, FIELD_NUMBER),
	FIELD(gpus_per_node, FIELD_NUMBER),
	FIELD(gpus_unmanaged, FIELD_BOOL),
	FIELD(rehearse, FIELD_BOOL),
	FIELD(head_node, FIELD_NUMBER),
	FIELD(infra_node, FIELD_NUMBER),
	FIELD(client_node, FIELD_NUMBER),
	FIELD(gpus_used, FIELD_NUMBER),
	FIELD(probes, FIELD_SUITE),
	FIELD(on_failure, FIELD_FAILURE),
	FIELD(spare_nodes, FIELD_NUMBER),
};

_Static_assert(sizeof(enum disagg_dialect) == sizeof(unsigned) &&
		       sizeof(enum disagg_probing_suite) == sizeof(unsigned) &&
		       sizeof(enum disagg_probing_failure) == sizeof(unsigned),
	"a name's number is read and written as unsigned");

#define FIELD_COUNT (sizeof(plan_fields) / sizeof(plan_fields[0]))

static const char *const bool_names[] = {"no", "yes"};

/* A field that is one of a list of names. */
struct names {
	const char *const *v;
	unsigned count;
	const char *expected;
};

static struct names names_of(enum field_kind kind)
{
	switch (kind) {
	case FIELD_DIALECT:
		return (struct names){disagg_dialect_names, DISAGG_SRTCTL + 1, "a dialect"};
	case FIELD_SUITE:
		return (struct names){
			disagg_probing_suites, DISAGG_PROBING_THOROUGH + 1, "a suite of probes"};
	default:
		return (struct names){
			disagg_probing_failures, DISAGG_PROBING_WARNS + 1, "fail, exclude or warn"};
	}
}

static void put_field(
	struct disagg_strbuf *out, const struct disagg_plan *plan, const struct field *field)
{
	const void *at = (const char *)plan + field->offset;

	disagg_strbuf_puts(out, field->key);
	disagg_strbuf_putc(out, '=');
	if (field->kind == FIELD_TEXT)
		disagg_wire_put_text(out, *(const char *const *)at);
	else if (field->kind == FIELD_NUMBER)
		disagg_strbuf_printf(out, "%u", (unsigned)*(const uint32_t *)at);
	else if (field->kind == FIELD_BOOL)
		disagg_strbuf_puts(out, bool_names[*(const bool *)at]);
	else
		disagg_strbuf_puts(out, names_of(field->kind).v[*(const unsigned *)at]);
	disagg_strbuf_putc(out, ';');
}

void disagg_wire_put_fields(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		put_field(out, plan, &plan_fields[i]);
}

static int read_field(
	struct disagg_wire_reader *reader, struct disagg_plan *plan, const struct field *field)
{
	void *at = (char *)plan + field->offset;
	struct names names;
	unsigned value = 0;

	if (disagg_wire_literal(reader, field->key) < 0 || disagg_wire_literal(reader, "=") < 0)
		return -1;
	if (field->kind == FIELD_TEXT)
		return disagg_wire_text(reader, at);
	if (field->kind == FIELD_NUMBER)
		return disagg_wire_u32(reader, ";", INT32_MAX, at);
	if (field->kind == FIELD_BOOL) {
		if (disagg_wire_name(reader, bool_names, 2, "yes or no", &value) < 0)
			return -1;
		*(bool *)at = value;
		return 0;
	}
	names = names_of(field->kind);
	if (disagg_wire_name(reader, names.v, names.count, names.expected, &value) < 0)
		return -1;
	*(unsigned *)at = value; /* an enum, each as wide */
	return 0;
}

int disagg_wire_read_fields(struct disagg_wire_reader *reader, struct disagg_plan *plan)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (read_field(reader, plan, &plan_fields[i]) < 0 ||
			disagg_wire_literal(reader, ";") < 0)
			return -1;
	}
	return 0;
}
