/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/plan/render.h"

#include "lib/plan/render_grid.h"
#include <stdio.h>
#include <string.h>

#define WIDTH	     80u
#define FOLD_NODES   8u /* up to here every worker is shown by its number */
#define LABEL_BYTES  32u
#define DETAIL_BYTES 64u

struct table {
	const struct disagg_plan *plan;
	struct disagg_grid grid;
	bool colour, by_layout;
	uint32_t cell_width, label_width;
	bool numbered, spaced;
	struct disagg_strbuf *out;
};

static const char *const colours[] = {"36", "32", "33", "35", "34", "31"};

/* The user's text without what a terminal would obey, at most `max` columns. */
static void put_plain(struct disagg_strbuf *out, const char *text, size_t max)
{
	size_t len = text ? strlen(text) : 0;
	size_t shown = len > max ? max - 3 : len;

	for (size_t i = 0; i < shown; i++)
		disagg_strbuf_putc(out, text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	if (shown < len)
		disagg_strbuf_puts(out, "...");
}

/* ---- a list of words that goes on below its first word ---- */

struct flow {
	struct disagg_strbuf *out;
	size_t column, indent;
};

static void flow_begin(struct flow *flow, struct disagg_strbuf *out, const char *title)
{
	*flow = (struct flow){.out = out, .column = strlen(title), .indent = strlen(title)};
	disagg_strbuf_puts(out, title);
}

static void flow_word(struct flow *flow, const char *word)
{
	size_t len = strlen(word);

	if (flow->column > flow->indent && flow->column + 2 + len > WIDTH) {
		disagg_strbuf_printf(flow->out, "\n%*s", (int)flow->indent, "");
		flow->column = flow->indent;
	}
	disagg_strbuf_puts(flow->out, "  ");
	put_plain(flow->out, word, WIDTH - flow->indent - 2);
	flow->column += 2 + len;
}

/* ---- the picture ---- */

static void put_cell(struct table *table, uint32_t worker, const char *text)
{
	bool coloured = table->colour && worker != DISAGG_GRID_IDLE;

	if (coloured)
		disagg_strbuf_printf(table->out, "\033[%sm",
			colours[table->plan->worker[worker].role %
				(sizeof(colours) / sizeof(colours[0]))]);
	disagg_strbuf_printf(table->out, "%-*s", (int)table->cell_width, text);
	if (coloured)
		disagg_strbuf_puts(table->out, "\033[0m");
}

static char letter_of(const struct table *table, uint32_t worker)
{
	return table->grid.letter[table->plan->worker[worker].role];
}

/* Without numbers, upper and lower case tell neighbouring workers apart. */
static void put_cells(struct table *table, const uint32_t *row, bool numbered)
{
	bool lower = false;

	for (uint32_t i = 0; i < table->plan->gpus_per_node; i++) {
		char text[LABEL_BYTES];

		lower = i && row[i] != row[i - 1] ? !lower : lower;
		if (row[i] == DISAGG_GRID_IDLE)
			snprintf(text, sizeof(text), ".");
		else if (numbered)
			snprintf(text, sizeof(text), "%c%u", letter_of(table, row[i]),
				(unsigned)table->plan->worker[row[i]].index);
		else
			snprintf(text, sizeof(text), "%c",
				(char)(letter_of(table, row[i]) | (lower ? 0x20 : 0)));
		if (table->spaced)
			disagg_strbuf_putc(table->out, ' ');
		put_cell(table, row[i], text);
	}
}

/* "D0-D31": the workers of a role in a group whose cells do not say it. */
static void group_range(const struct table *table, const struct disagg_grid_group *group,
	uint32_t role, char *ret, size_t size)
{
	uint32_t low = UINT32_MAX, high = 0;
	size_t cells = (size_t)(group->last - group->first + 1) * table->plan->gpus_per_node;
	const uint32_t *cell = disagg_grid_row(&table->grid, group->first);

	for (size_t i = 0; i < cells; i++) {
		const struct disagg_worker *worker;

		if (cell[i] == DISAGG_GRID_IDLE || table->plan->worker[cell[i]].role != role)
			continue;
		worker = &table->plan->worker[cell[i]];
		low = worker->index < low ? worker->index : low;
		high = worker->index > high ? worker->index : high;
	}
	ret[0] = '\0';
	if (low == high)
		snprintf(ret, size, " %c%u", table->grid.letter[role], (unsigned)low);
	else if (low < high)
		snprintf(ret, size, " %c%u-%c%u", table->grid.letter[role], (unsigned)low,
			table->grid.letter[role], (unsigned)high);
}

static void put_details(struct table *table, const struct disagg_grid_group *group)
{
	size_t column = table->label_width + 1 +
			table->plan->gpus_per_node * (table->cell_width + table->spaced);

	for (uint32_t role = 0; role < table->plan->role_count; role++) {
		char text[DETAIL_BYTES];

		if (!table->plan->role[role].gpus)
			continue;
		group_range(table, group, role, text, sizeof(text));
		column += strlen(text) + 1;
		if (*text && column <= WIDTH)
			disagg_strbuf_printf(table->out, " %s", text);
	}
}

static void put_row(struct table *table, const struct disagg_grid_group *group)
{
	bool numbered = table->numbered && group->exact;
	char label[LABEL_BYTES];

	disagg_grid_label(group, label, sizeof(label));
	disagg_strbuf_printf(table->out, "%-*s ", (int)table->label_width, label);
	put_cells(table, disagg_grid_row(&table->grid, group->first), numbered);
	if (!numbered)
		put_details(table, group);
	while (table->out->len && table->out->text[table->out->len - 1] == ' ' &&
		!table->out->failed)
		table->out->text[--table->out->len] = '\0';
	disagg_strbuf_putc(table->out, '\n');
}

static void measure(struct table *table)
{
	const struct disagg_plan *plan = table->plan;
	char text[LABEL_BYTES];

	table->cell_width = 1;
	for (uint32_t node = 0; node < plan->nodes;) {
		struct disagg_grid_group group =
			disagg_grid_fold(&table->grid, node, table->by_layout);
		size_t len;

		disagg_grid_label(&group, text, sizeof(text));
		len = strlen(text);
		table->label_width = len > table->label_width ? (uint32_t)len : table->label_width;
		node = group.last + 1;
	}
	for (uint32_t i = 0; i < plan->worker_count; i++) {
		uint32_t len = (uint32_t)snprintf(
			text, sizeof(text), "X%u", (unsigned)plan->worker[i].index);

		table->cell_width = len > table->cell_width ? len : table->cell_width;
	}
	table->numbered =
		table->label_width + 1 + plan->gpus_per_node * (table->cell_width + 1) <= WIDTH;
	if (!table->numbered)
		table->cell_width = 1;
	table->spaced =
		table->numbered || table->label_width + 1 + plan->gpus_per_node * 2 <= WIDTH;
}

static void put_picture(struct table *table)
{
	measure(table);
	for (uint32_t node = 0; node < table->plan->nodes && !table->out->failed;) {
		struct disagg_grid_group group =
			disagg_grid_fold(&table->grid, node, table->by_layout);

		put_row(table, &group);
		node = group.last + 1;
	}
}

/* ---- what stands around it ---- */

static void put_head(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	put_plain(out, plan->name ? plan->name : "plan", WIDTH);
	disagg_strbuf_putc(out, '\n');
	if (plan->source) {
		put_plain(out, plan->source, plan->variant ? WIDTH / 2 : WIDTH);
		if (plan->variant) {
			disagg_strbuf_putc(out, ':');
			put_plain(out, plan->variant, WIDTH / 2 - 1);
		}
		disagg_strbuf_putc(out, '\n');
	}
	disagg_strbuf_printf(out, "%u node%s of %u GPU%s, %u of %u GPUs in use%s\n\n",
		(unsigned)plan->nodes, plan->nodes == 1 ? "" : "s", (unsigned)plan->gpus_per_node,
		plan->gpus_per_node == 1 ? "" : "s", (unsigned)plan->gpus_used,
		(unsigned)(plan->nodes * plan->gpus_per_node), plan->rehearse ? ", rehearsal" : "");
}

/* What goes before everything else: the probes, and what they decide. */
static void put_probes(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	static const char *const then[] = {
		[DISAGG_PROBING_ENDS] = "a bad one ends the job",
		[DISAGG_PROBING_EXCLUDES] = "bad ones are passed over",
		[DISAGG_PROBING_WARNS] = "bad ones are told of",
	};
	uint32_t all = plan->nodes + plan->spare_nodes;

	if (plan->probes == DISAGG_PROBING_NONE)
		return;
	disagg_strbuf_printf(out, "step 0    %s probes on %u node%s",
		disagg_probing_suites[plan->probes], (unsigned)all, all == 1 ? "" : "s");
	if (plan->spare_nodes)
		disagg_strbuf_printf(out, " (%u to spare)", (unsigned)plan->spare_nodes);
	disagg_strbuf_printf(out, "; %s\n\n", then[plan->on_failure]);
}

static void put_legend(struct table *table)
{
	const struct disagg_plan *plan = table->plan;

	disagg_strbuf_putc(table->out, '\n');
	for (uint32_t i = 0; i < plan->role_count; i++) {
		const struct disagg_plan_role *role = &plan->role[i];

		if (!role->gpus)
			continue;
		if (table->colour)
			disagg_strbuf_printf(table->out, "\033[%sm%c\033[0m  ",
				colours[i % (sizeof(colours) / sizeof(colours[0]))],
				table->grid.letter[i]);
		else
			disagg_strbuf_printf(table->out, "%c  ", table->grid.letter[i]);
		put_plain(table->out, role->name, 32);
		disagg_strbuf_printf(table->out, ": %u x %u GPU%s, %s\n", (unsigned)role->workers,
			(unsigned)role->gpus, role->gpus == 1 ? "" : "s",
			disagg_engine_names[role->engine]);
	}
}

/* How many services from `first` on are one role on nodes in a row. */
static uint32_t service_run(const struct disagg_plan *plan, uint32_t first)
{
	const struct disagg_service *service = &plan->service[first];
	uint32_t count = 1;

	while (first + count < plan->service_count && service[count].role == service->role &&
		service[count].port == service->port &&
		service[count].node == service->node + count)
		count++;
	return count;
}

static void put_services(const struct disagg_plan *plan, struct disagg_strbuf *out)
{
	struct flow flow;

	if (!plan->service_count)
		return;
	flow_begin(&flow, out, "services");
	for (uint32_t i = 0; i < plan->service_count;) {
		const struct disagg_service *service = &plan->service[i];
		uint32_t count = service_run(plan, i);
		struct disagg_grid_group nodes = {service->node, service->node + count - 1, true};
		char label[LABEL_BYTES], port[LABEL_BYTES] = "", word[WIDTH * 2];

		disagg_grid_label(&nodes, label, sizeof(label));
		if (service->port > 0)
			snprintf(port, sizeof(port), ":%d", (int)service->port);
		snprintf(word, sizeof(word), "%.40s@%s%s", plan->role[service->role].name, label,
			port);
		flow_word(&flow, word);
		i += count;
	}
	disagg_strbuf_putc(out, '\n');
}

/* ---- the options ---- */

static bool is_shell_safe(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_@%+=:,./-")];
}

static void put_option(struct disagg_strbuf *out, const struct disagg_size *size)
{
	disagg_strbuf_printf(out, "--%s", size->option);
	/* slurm_option_set wants a word where the command line has a bare flag */
	if (!*size->value || strcmp(size->value, size->option) == 0)
		return;
	disagg_strbuf_putc(out, '=');
	if (is_shell_safe(size->value)) {
		disagg_strbuf_puts(out, size->value);
		return;
	}
	disagg_strbuf_putc(out, '\'');
	for (const char *c = size->value; *c; c++) {
		if (*c == '\'')
			disagg_strbuf_puts(out, "'\\''");
		else
			disagg_strbuf_putc(out, *c);
	}
	disagg_strbuf_putc(out, '\'');
}

void disagg_render_sbatch(const struct disagg_sizing *sizing, struct disagg_strbuf *out)
{
	bool any = false;

	for (unsigned i = 0; i < sizing->count; i++) {
		if (!disagg_size_is_asked(&sizing->v[i]))
			continue;
		if (any)
			disagg_strbuf_putc(out, ' ');
		put_option(out, &sizing->v[i]);
		any = true;
	}
}

static void put_sizing(const struct disagg_sizing *sizing, struct disagg_strbuf *out)
{
	struct flow flow;

	if (!sizing || !sizing->count)
		return;
	flow_begin(&flow, out, "sbatch  ");
	for (unsigned i = 0; i < sizing->count; i++) {
		struct disagg_strbuf word;

		if (!disagg_size_is_asked(&sizing->v[i]))
			continue;
		disagg_strbuf_init(&word, 4096);
		put_option(&word, &sizing->v[i]);
		flow_word(&flow, word.text);
		out->failed = out->failed || word.failed;
		disagg_strbuf_release(&word);
	}
	disagg_strbuf_putc(out, '\n');
}

void disagg_render_table(const struct disagg_plan *plan, const struct disagg_sizing *sizing,
	bool colour, struct disagg_strbuf *out)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct table table = {
		.plan = plan, .colour = colour, .out = out, .by_layout = plan->nodes > FOLD_NODES};

	if (disagg_grid_make(&arena, plan, &table.grid) < 0) {
		out->failed = true;
		return;
	}
	put_head(plan, out);
	put_probes(plan, out);
	put_picture(&table);
	put_legend(&table);
	put_services(plan, out);
	put_sizing(sizing, out);
	disagg_arena_release(&arena);
}
