/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"

#include "lib/plan/render_grid.h"
#include <stdio.h>
#include <string.h>

/* Bounded whatever the plan: equal nodes fold above FOLD_NODES, rows end at MAX_ROWS. */
#define FOLD_NODES  256u
#define MAX_ROWS    256u
#define LEFT	    130u
#define ROW_HEIGHT  26u
#define HEADER	    64u
#define NARROW_GPUS 16u
#define PALETTE	    6u
#define MIN_WIDTH   520u
#define MARGIN	    12u
#define TEXT_BYTES  512u
#define BODY_GLYPH  8u
#define TITLE_GLYPH 10u

struct picture {
	const struct disagg_plan *plan;
	struct disagg_grid grid;
	struct disagg_strbuf *out;
	uint32_t cell, width, y;
};

/* XML 1.0 has no way to write most control characters. */
static void put_xml(struct disagg_strbuf *out, const char *text, size_t len)
{
	static const struct {
		char c;
		const char *entity;
	} escapes[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (const char *end = text + len; text < end; text++) {
		const char *entity = NULL;

		for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
			if (escapes[i].c == *text)
				entity = escapes[i].entity;
		}
		if (entity)
			disagg_strbuf_puts(out, entity);
		else
			disagg_strbuf_putc(out, (unsigned char)*text < ' ' ? ' ' : *text);
	}
}

static void put_text_tag(
	struct picture *picture, uint32_t x, uint32_t y, const char *class, const char *tip)
{
	disagg_strbuf_printf(picture->out, "<text x=\"%u\" y=\"%u\" class=\"%s\">", (unsigned)x,
		(unsigned)y, class);
	if (!tip)
		return;
	disagg_strbuf_puts(picture->out, "<title>");
	put_xml(picture->out, tip, strlen(tip));
	disagg_strbuf_puts(picture->out, "</title>");
}

static void put_text(
	struct picture *picture, uint32_t x, uint32_t y, const char *class, const char *text)
{
	put_text_tag(picture, x, y, class, NULL);
	put_xml(picture->out, text, strlen(text));
	disagg_strbuf_puts(picture->out, "</text>\n");
}

/* Bytes of `text` that fill at most `max` columns; one beyond ASCII counts as wide. */
static size_t head_bytes(const char *text, uint32_t max)
{
	size_t len = 0;
	uint32_t columns = 0;

	for (; text[len]; len++) {
		unsigned char c = (unsigned char)text[len];

		if ((c & 0xc0) == 0x80)
			continue;
		columns += c < 0x80 ? 1 : 2;
		if (columns > max)
			break;
	}
	return len;
}

/* A line of its own, which ends with the picture: what is longer is cut, and
 * whole in the tip.  `glyph` is a generous width of a character. */
static void put_line(struct picture *picture, uint32_t x, uint32_t y, uint32_t glyph,
	const char *class, const char *text)
{
	uint32_t max = (picture->width - x - MARGIN) / glyph;

	if (!text[head_bytes(text, max)]) {
		put_text(picture, x, y, class, text);
		return;
	}
	put_text_tag(picture, x, y, class, text);
	put_xml(picture->out, text, head_bytes(text, max - 3));
	disagg_strbuf_puts(picture->out, "...</text>\n");
}

static void put_style(struct disagg_strbuf *out)
{
	static const char *const light[PALETTE] = {
		"#8ec9e8", "#9bd5a0", "#f2d479", "#d9a9e0", "#a9b6ee", "#f0a8a0"};
	static const char *const dark[PALETTE] = {
		"#1d5f80", "#2b6b33", "#7a6215", "#6d3976", "#3a4a99", "#8a3a31"};

	disagg_strbuf_puts(out, "<style>\ntext{font:13px sans-serif;fill:#222}"
				".title{font-weight:bold;font-size:15px}.mid{text-anchor:middle}"
				"rect{stroke:#fff}.bg{fill:#fff;stroke:none}.idle{fill:#eee}\n");
	for (unsigned i = 0; i < PALETTE; i++)
		disagg_strbuf_printf(out, ".r%u{fill:%s}", i, light[i]);
	disagg_strbuf_puts(out, "\n@media (prefers-color-scheme:dark){text{fill:#eee}"
				"rect{stroke:#1b1b1b}.bg{fill:#1b1b1b}.idle{fill:#333}");
	for (unsigned i = 0; i < PALETTE; i++)
		disagg_strbuf_printf(out, ".r%u{fill:%s}", i, dark[i]);
	disagg_strbuf_puts(out, "}\n</style>\n");
}

/* One worker's GPUs that lie side by side, or idle ones. */
static void put_segment(
	struct picture *picture, uint32_t first, uint32_t count, uint32_t worker, bool numbered)
{
	const struct disagg_worker *at =
		worker == DISAGG_GRID_IDLE ? NULL : &picture->plan->worker[worker];
	uint32_t x = LEFT + first * picture->cell, width = count * picture->cell;
	char class[16], label[32];

	snprintf(class, sizeof(class), "r%u", at ? (unsigned)(at->role % PALETTE) : 0);
	disagg_strbuf_printf(picture->out,
		"<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" rx=\"3\" class=\"%s\"/>\n",
		(unsigned)x, (unsigned)picture->y, (unsigned)width, ROW_HEIGHT - 4,
		at ? class : "idle");
	if (!at)
		return;
	if (numbered)
		snprintf(label, sizeof(label), "%c%u", picture->grid.letter[at->role],
			(unsigned)at->index);
	else
		snprintf(label, sizeof(label), "%c", picture->grid.letter[at->role]);
	if (width >= 9 * strlen(label))
		put_text(picture, x + width / 2, picture->y + 16, "mid", label);
}

static void put_row(struct picture *picture, const struct disagg_grid_group *group)
{
	const uint32_t *row = disagg_grid_row(&picture->grid, group->first);
	uint32_t first = 0, gpus = picture->plan->gpus_per_node;
	char label[32];

	disagg_grid_label(group, label, sizeof(label));
	put_text(picture, 12, picture->y + 16, "node", label);
	while (first < gpus) {
		uint32_t next = first + 1;

		/* idle GPUs stay single, so that they can be counted */
		while (next < gpus && row[next] == row[first] && row[first] != DISAGG_GRID_IDLE)
			next++;
		put_segment(picture, first, next - first, row[first], group->exact);
		first = next;
	}
	picture->y += ROW_HEIGHT;
}

static void put_rows(struct picture *picture)
{
	bool by_layout = picture->plan->nodes > FOLD_NODES;
	uint32_t node = 0;

	for (uint32_t row = 0; row < MAX_ROWS && node < picture->plan->nodes; row++) {
		struct disagg_grid_group group = disagg_grid_fold(&picture->grid, node, by_layout);

		put_row(picture, &group);
		node = group.last + 1;
	}
	if (node < picture->plan->nodes) {
		char text[64];

		snprintf(text, sizeof(text), "and %u more node%s",
			(unsigned)(picture->plan->nodes - node),
			picture->plan->nodes - node == 1 ? "" : "s");
		put_text(picture, 12, picture->y + 16, "node", text);
		picture->y += ROW_HEIGHT;
	}
}

static void put_role(struct picture *picture, uint32_t number)
{
	const struct disagg_plan_role *role = &picture->plan->role[number];
	char text[TEXT_BYTES];

	disagg_strbuf_printf(picture->out,
		"<rect x=\"12\" y=\"%u\" width=\"18\" height=\"18\" "
		"rx=\"3\" class=\"r%u\"/>\n",
		(unsigned)picture->y + 3, (unsigned)(number % PALETTE));
	snprintf(text, sizeof(text), "%c  %s: %u x %u GPU%s, %s", picture->grid.letter[number],
		role->name, (unsigned)role->workers, (unsigned)role->gpus,
		role->gpus == 1 ? "" : "s", disagg_engine_names[role->engine]);
	put_line(picture, 38, picture->y + 16, BODY_GLYPH, "role", text);
	picture->y += ROW_HEIGHT;
}

static void put_service(struct picture *picture, const struct disagg_service *service)
{
	char text[TEXT_BYTES], port[16] = "";

	if (service->port > 0)
		snprintf(port, sizeof(port), ":%d", (int)service->port);
	snprintf(text, sizeof(text), "%s_%u on n%u%s", picture->plan->role[service->role].name,
		(unsigned)service->index, (unsigned)service->node, port);
	put_line(picture, 12, picture->y + 16, BODY_GLYPH, "service", text);
	picture->y += ROW_HEIGHT;
}

static void put_body(struct picture *picture)
{
	const struct disagg_plan *plan = picture->plan;
	char text[128];

	picture->y = HEADER;
	put_line(picture, 12, 24, TITLE_GLYPH, "title", plan->name ? plan->name : "plan");
	snprintf(text, sizeof(text), "%u node%s of %u GPU%s, %u of %u GPUs in use%s",
		(unsigned)plan->nodes, plan->nodes == 1 ? "" : "s", (unsigned)plan->gpus_per_node,
		plan->gpus_per_node == 1 ? "" : "s", (unsigned)plan->gpus_used,
		(unsigned)(plan->nodes * plan->gpus_per_node), plan->rehearse ? ", rehearsal" : "");
	put_text(picture, 12, 46, "sub", text);
	put_rows(picture);
	picture->y += ROW_HEIGHT / 2;
	for (uint32_t i = 0; i < plan->role_count; i++) {
		if (plan->role[i].gpus)
			put_role(picture, i);
	}
	for (uint32_t i = 0; i < plan->service_count && i < MAX_ROWS; i++)
		put_service(picture, &plan->service[i]);
}

/* The height is known only behind the body, so the body is drawn first. */
static void put_document(struct picture *picture, struct disagg_strbuf *out)
{
	struct disagg_strbuf body;
	uint32_t width = LEFT + picture->plan->gpus_per_node * picture->cell + MARGIN, height;

	picture->width = width = width < MIN_WIDTH ? MIN_WIDTH : width;
	disagg_strbuf_init(&body, DISAGG_MAX_ARENA_BYTES);
	picture->out = &body;
	put_body(picture);
	height = picture->y + 12;
	disagg_strbuf_printf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
		"height=\"%u\" viewBox=\"0 0 %u %u\" role=\"img\">\n",
		(unsigned)width, (unsigned)height, (unsigned)width, (unsigned)height);
	put_style(out);
	disagg_strbuf_printf(out, "<rect class=\"bg\" width=\"%u\" height=\"%u\"/>\n",
		(unsigned)width, (unsigned)height);
	disagg_strbuf_add(out, body.text, body.len);
	disagg_strbuf_puts(out, "</svg>\n");
	out->failed = out->failed || body.failed;
	disagg_strbuf_release(&body);
}

void disagg_render_svg(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct picture picture = {
		.plan = plan, .cell = plan->gpus_per_node > NARROW_GPUS ? 18 : 46};

	if (disagg_grid_make(&arena, plan, &picture.grid) < 0) {
		out->failed = true;
		return;
	}
	put_document(&picture, out);
	disagg_arena_release(&arena);
}
