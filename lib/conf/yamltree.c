/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/yamltree.h"

#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/conf/scalar.h"
#include "lib/conf/yamlmap.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_KEY 1000

/*
 * Built from libyaml's events, not its documents, so that depth, aliases and
 * nodes are bounded before memory is spent on them.
 */
struct anchor {
	const char *name;
	struct disagg_node *node; /* NULL while it is being read: an alias is a cycle */
};

struct reader {
	struct disagg_arena *arena;
	struct disagg_err *err;
	const char *source;
	yaml_parser_t parser;
	const char *bytes; /* for the position of what libyaml could not decode */
	size_t len;
	unsigned nodes; /* aliases expanded */
	unsigned depth;
	struct anchor *anchor;
	unsigned anchors, anchor_room;
	struct disagg_pair *stack; /* children of the collections that are open */
	size_t top, stack_room;
};

static int fail(struct reader *rd, struct disagg_origin at, const char *text)
{
	return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col, "%s", text);
}

static struct disagg_origin origin_of(const struct reader *rd, yaml_mark_t mark)
{
	return (struct disagg_origin){.source = rd->source,
		.line = (uint32_t)mark.line + 1,
		.col = (uint32_t)mark.column + 1};
}

/* ---- libyaml's own complaints ---- */

/* Those of the decoder come with an offset in place of a mark. */
static struct disagg_origin offset_origin(const struct reader *rd, size_t offset)
{
	struct disagg_origin at = {.source = rd->source, .line = 1, .col = 1};

	for (size_t i = 0; i < offset && i < rd->len; i++) {
		if (rd->bytes[i] == '\n') {
			at.line++;
			at.col = 1;
		} else if ((rd->bytes[i] & 0xc0) != 0x80) {
			at.col++;
		}
	}
	return at;
}

static bool is_tab(const struct reader *rd, size_t offset)
{
	return offset < rd->len && rd->bytes[offset] == '\t';
}

static int fail_decoder(struct reader *rd)
{
	struct disagg_origin at = offset_origin(rd, rd->parser.problem_offset);
	bool control = strstr(rd->parser.problem, "control") != NULL;

	return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
		control ? "invalid YAML: a control character, byte 0x%02x"
			: "invalid UTF-8: byte 0x%02x",
		(unsigned)rd->parser.problem_value & 0xffu);
}

static int fail_syntax(struct reader *rd)
{
	const yaml_parser_t *parser = &rd->parser;
	struct disagg_origin at = origin_of(rd, parser->problem_mark);
	const char *tab =
		is_tab(rd, parser->problem_mark.index) ? " (a tab: indent with blanks)" : "";

	if (!parser->context)
		return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
			"invalid YAML: %s%s", parser->problem, tab);
	return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
		"invalid YAML: %s %s that began at line %zu%s", parser->problem, parser->context,
		parser->context_mark.line + 1, tab);
}

static int fail_parser(struct reader *rd)
{
	if (rd->parser.error == YAML_MEMORY_ERROR || !rd->parser.problem)
		return disagg_err_nomem(rd->err);
	if (rd->parser.error == YAML_READER_ERROR)
		return fail_decoder(rd);
	return fail_syntax(rd);
}

static int next_event(struct reader *rd, yaml_event_t *event)
{
	return yaml_parser_parse(&rd->parser, event) ? 0 : fail_parser(rd);
}

/* ---- bounds ---- */

static int count_nodes(struct reader *rd, unsigned count, struct disagg_origin at)
{
	if (count > DISAGG_MAX_YAML_NODES - rd->nodes)
		return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
			"more than %u values, aliases counted where they are used",
			DISAGG_MAX_YAML_NODES);
	rd->nodes += count;
	return 0;
}

static int fail_depth(struct reader *rd, struct disagg_origin at)
{
	return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
		"nested deeper than %u levels", DISAGG_MAX_YAML_DEPTH);
}

/* Nodes of the tree with its keys, and its height; not much more than `budget`
 * is looked at. */
static unsigned measure(const struct disagg_node *node, unsigned budget, unsigned *ret_height)
{
	unsigned count = 1, height, tallest = 0;

	for (uint32_t i = 0; node->kind != DISAGG_SCALAR && i < node->count; i++) {
		bool is_map = node->kind == DISAGG_MAP;

		count += is_map;
		if (count > budget)
			break;
		height = 0;
		count += measure(
			is_map ? node->pair[i].value : node->item[i], budget - count, &height);
		tallest = height > tallest ? height : tallest;
	}
	*ret_height = tallest + (node->kind != DISAGG_SCALAR);
	return count;
}

/* ---- anchors ---- */

static int add_anchor(struct reader *rd, const yaml_char_t *name, struct disagg_origin at)
{
	const char *copy = disagg_arena_strdup(rd->arena, (const char *)name);

	if (rd->anchors == DISAGG_MAX_YAML_ANCHORS)
		return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
			"more than %u anchors", DISAGG_MAX_YAML_ANCHORS);
	if (copy && rd->anchors == rd->anchor_room) {
		unsigned room = rd->anchor_room ? rd->anchor_room * 2 : 8;
		struct anchor *grown =
			disagg_arena_grow(rd->arena, rd->anchor, rd->anchors, room, sizeof(*grown));

		rd->anchor = grown ? grown : rd->anchor;
		rd->anchor_room = grown ? room : rd->anchor_room;
	}
	if (!copy || rd->anchors == rd->anchor_room)
		return disagg_err_nomem(rd->err);
	rd->anchor[rd->anchors++] = (struct anchor){.name = copy};
	return 0;
}

/* The latest of the name counts. */
static int read_alias(
	struct reader *rd, const char *name, struct disagg_origin at, struct disagg_node **ret)
{
	unsigned i = rd->anchors, height;
	struct disagg_node *node;

	while (i > 0 && strcmp(rd->anchor[i - 1].name, name) != 0)
		i--;
	if (i == 0)
		return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
			"alias '*%.100s' has no anchor '&%.100s' before it", name, name);
	node = rd->anchor[i - 1].node;
	if (!node)
		return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
			"alias '*%.100s' is part of what it stands for", name);
	if (count_nodes(rd, measure(node, DISAGG_MAX_YAML_NODES - rd->nodes, &height), at))
		return -1;
	if (rd->depth + height > DISAGG_MAX_YAML_DEPTH)
		return fail_depth(rd, at);
	*ret = node;
	return 0;
}

/* ---- tags ---- */

static int fail_tag(struct reader *rd, const char *tag, struct disagg_origin at)
{
	return disagg_err_at(rd->err, DISAGG_CONFIG, rd->source, at.line, at.col,
		"the tag '%.100s' is not supported, or does not fit the value", tag);
}

/* A core tag of a scalar says what its text would have said without quotes;
 * "!" and "!!str" make it a string. */
static int apply_tag(struct reader *rd, const char *tag, struct disagg_node *node)
{
	static const struct {
		const char *tag;
		enum disagg_scalar_type type;
	} tags[] = {
		{"!", DISAGG_T_STR},
		{YAML_STR_TAG, DISAGG_T_STR},
		{YAML_NULL_TAG, DISAGG_T_NULL},
		{YAML_BOOL_TAG, DISAGG_T_BOOL},
		{YAML_INT_TAG, DISAGG_T_INT},
		{YAML_FLOAT_TAG, DISAGG_T_REAL},
	};

	if (!tag)
		return 0;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (strcmp(tags[i].tag, tag) != 0)
			continue;
		node->quoted = tags[i].type == DISAGG_T_STR;
		if (disagg_scalar_read(node).type == tags[i].type)
			return 0;
	}
	return fail_tag(rd, tag, node->at);
}

static int check_collection_tag(
	struct reader *rd, const yaml_char_t *tag, const char *expected, struct disagg_origin at)
{
	const char *text = (const char *)tag;

	if (!text || strcmp(text, "!") == 0 || strcmp(text, expected) == 0)
		return 0;
	return fail_tag(rd, text, at);
}

/* ---- values ---- */

static int read_scalar(struct reader *rd, const yaml_event_t *event, struct disagg_origin at,
	struct disagg_node **ret)
{
	const char *text = (const char *)event->data.scalar.value;
	struct disagg_node *node = disagg_arena_alloc(rd->arena, sizeof(*node));

	if (memchr(text, '\0', event->data.scalar.length))
		return fail(rd, at, "a NUL inside a value");
	if (!node)
		return disagg_err_nomem(rd->err);
	node->kind = DISAGG_SCALAR;
	node->at = at;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = disagg_arena_strndup(rd->arena, text, event->data.scalar.length);
	if (!node->text)
		return disagg_err_nomem(rd->err);
	*ret = node;
	return apply_tag(rd, (const char *)event->data.scalar.tag, node);
}

static int push(struct reader *rd, struct disagg_pair pair)
{
	if (rd->top == rd->stack_room) {
		size_t room = rd->stack_room ? rd->stack_room * 2 : 64;
		struct disagg_pair *grown = disagg_raw_realloc(rd->stack, room * sizeof(*grown));

		if (!grown)
			return disagg_err_nomem(rd->err);
		rd->stack = grown;
		rd->stack_room = room;
	}
	rd->stack[rd->top++] = pair;
	return 0;
}

static int read_node(struct reader *rd, yaml_event_t *event, struct disagg_node **ret);

static int read_items(struct reader *rd, yaml_event_type_t end)
{
	struct disagg_pair pair = {0};
	yaml_event_t event;
	int rc;

	for (;;) {
		if (next_event(rd, &event))
			return -1;
		if (event.type == end) {
			yaml_event_delete(&event);
			return 0;
		}
		rc = read_node(rd, &event, &pair.value);
		yaml_event_delete(&event);
		if (rc || push(rd, pair))
			return -1;
	}
}

static int read_seq(struct reader *rd, struct disagg_node *node)
{
	size_t base = rd->top;

	if (read_items(rd, YAML_SEQUENCE_END_EVENT))
		return -1;
	node->count = node->room = (uint32_t)(rd->top - base);
	node->item = disagg_arena_array(rd->arena, node->count, sizeof(struct disagg_node *));
	if (!node->item)
		return disagg_err_nomem(rd->err);
	for (uint32_t i = 0; i < node->count; i++)
		node->item[i] = rd->stack[base + i].value;
	rd->top = base;
	return 0;
}

/* ---- maps ---- */

/* A key must fit what libyaml takes for one in JSON (1,024 characters with
 * quotes and escapes), since a configuration travels as that. */
static bool is_long_key(const char *key)
{
	size_t len = 0;

	for (; *key && len < MAX_KEY; key++)
		len += (unsigned char)*key < 0x20 || (unsigned char)*key >= 0x7f || *key == '"' ||
				       *key == '\\'
			       ? 6
			       : 1;
	return len >= MAX_KEY;
}

static bool is_merge_key(const struct disagg_node *key)
{
	return !key->quoted && strcmp(key->text, disagg_yaml_merge_key) == 0;
}

static int pair_up(struct reader *rd, const struct disagg_node *key, struct disagg_node *value,
	struct disagg_pair *ret)
{
	if (key->kind != DISAGG_SCALAR)
		return fail(rd, key->at, "a key must be a single word or string");
	if (!*key->text && !key->quoted)
		return fail(rd, key->at, "a key is missing before ':'");
	if (is_long_key(key->text))
		return fail(rd, key->at, "a key is too long, expected at most 1000 characters");
	*ret = (struct disagg_pair){.key = is_merge_key(key) ? disagg_yaml_merge_key : key->text,
		.at = key->at,
		.value = value};
	return 0;
}

static int read_map(struct reader *rd, struct disagg_node *node)
{
	size_t base = rd->top, count;

	if (read_items(rd, YAML_MAPPING_END_EVENT))
		return -1;
	count = (rd->top - base) / 2;
	for (size_t i = 0; i < count; i++) {
		const struct disagg_node *key = rd->stack[base + 2 * i].value;

		if (pair_up(rd, key, rd->stack[base + 2 * i + 1].value, &rd->stack[base + i]))
			return -1;
	}
	rd->top = base;
	return disagg_yamlmap_fill(rd->arena, node, rd->stack + base, (uint32_t)count, rd->err);
}

static int read_collection(struct reader *rd, const yaml_event_t *event, struct disagg_origin at,
	struct disagg_node **ret)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	const yaml_char_t *tag =
		is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
	struct disagg_node *node;

	if (rd->depth == DISAGG_MAX_YAML_DEPTH)
		return fail_depth(rd, at);
	if (check_collection_tag(rd, tag, is_map ? YAML_MAP_TAG : YAML_SEQ_TAG, at))
		return -1;
	node = is_map ? disagg_node_map(rd->arena, at) : disagg_node_seq(rd->arena, at);
	if (!node)
		return disagg_err_nomem(rd->err);
	rd->depth++;
	if (is_map ? read_map(rd, node) : read_seq(rd, node))
		return -1;
	rd->depth--;
	*ret = node;
	return 0;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_MAPPING_START_EVENT)
		return event->data.mapping_start.anchor;
	return event->data.sequence_start.anchor;
}

/* The value that `event` begins; the caller deletes the event. */
static int read_node(struct reader *rd, yaml_event_t *event, struct disagg_node **ret)
{
	struct disagg_origin at = origin_of(rd, event->start_mark);
	const yaml_char_t *anchor;
	unsigned mine = rd->anchors;
	int rc;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(rd, (const char *)event->data.alias.anchor, at, ret);
	anchor = anchor_of(event);
	if (count_nodes(rd, 1, at) || (anchor && add_anchor(rd, anchor, at)))
		return -1;
	rc = event->type == YAML_SCALAR_EVENT ? read_scalar(rd, event, at, ret)
					      : read_collection(rd, event, at, ret);
	if (rc == 0 && anchor)
		rd->anchor[mine].node = *ret;
	return rc;
}

/* ---- the document ---- */

static int skip_event(struct reader *rd, yaml_event_type_t *ret_type, struct disagg_origin *ret_at)
{
	yaml_event_t event;

	if (next_event(rd, &event))
		return -1;
	*ret_type = event.type;
	*ret_at = origin_of(rd, event.start_mark);
	yaml_event_delete(&event);
	return 0;
}

static int read_root(struct reader *rd, struct disagg_node **ret)
{
	yaml_event_type_t type;
	struct disagg_origin at;
	yaml_event_t event;
	int rc;

	if (skip_event(rd, &type, &at) || skip_event(rd, &type, &at))
		return -1;
	if (type == YAML_STREAM_END_EVENT)
		return fail(rd, at, "the document is empty");
	if (next_event(rd, &event))
		return -1;
	rc = read_node(rd, &event, ret);
	yaml_event_delete(&event);
	if (rc == 0 && disagg_node_is_null(*ret))
		return fail(rd, (*ret)->at, "the document is empty");
	return rc;
}

static int read_end(struct reader *rd)
{
	yaml_event_type_t type;
	struct disagg_origin at;

	if (skip_event(rd, &type, &at) || skip_event(rd, &type, &at))
		return -1;
	if (type != YAML_STREAM_END_EVENT)
		return fail(rd, at, "a second document begins here, expected one");
	return 0;
}

static int read_document(struct reader *rd, struct disagg_node **ret_root)
{
	struct disagg_node *root;

	if (!yaml_parser_initialize(&rd->parser))
		return disagg_err_nomem(rd->err);
	yaml_parser_set_encoding(&rd->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&rd->parser, (const unsigned char *)rd->bytes, rd->len);
	if (read_root(rd, &root) || read_end(rd))
		return -1;
	*ret_root = root;
	return 0;
}

int disagg_yaml_parse(struct disagg_arena *arena, const char *bytes, size_t len, const char *source,
	struct disagg_node **ret_root, struct disagg_err *err)
{
	static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF, as some editors begin a file */
	struct reader rd = {.arena = arena, .err = err, .source = source};
	int rc;

	if (len > DISAGG_MAX_YAML_BYTES)
		return disagg_err_at(err, DISAGG_CONFIG, source, 0, 0,
			"%zu bytes of YAML, expected at most %u", len, DISAGG_MAX_YAML_BYTES);
	if (len >= 3 && memcmp(bytes, mark, 3) == 0) {
		bytes += 3;
		len -= 3;
	}
	rd.bytes = bytes;
	rd.len = len;
	rc = read_document(&rd, ret_root);
	yaml_parser_delete(&rd.parser);
	free(rd.stack);
	return rc;
}

int disagg_yaml_load(struct disagg_arena *arena, const char *path, struct disagg_node **ret_root,
	struct disagg_err *err)
{
	const char *source = disagg_arena_strdup(arena, path);
	char *bytes;
	size_t len;

	if (!source)
		return disagg_err_nomem(err);
	if (disagg_fd_read_file(arena, path, DISAGG_MAX_YAML_BYTES, &bytes, &len, err))
		return -1;
	return disagg_yaml_parse(arena, bytes, len, source, ret_root, err);
}
