/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

#include <math.h>

#define WIDTH	  340.0
#define LEFT	  6.0
#define TOP	  6.0
#define BASE	  66.0 /* the axis */
#define HEIGHT	  84
#define BINS	  56u
#define MOST_DOTS 40u
#define DOT_ROWS  6u

struct plot {
	const struct report_cohort *cohort;
	double low, high; /* the axis' ends */
};

static double x_of(const struct plot *plot, double value)
{
	return LEFT + (value - plot->low) / (plot->high - plot->low) * (WIDTH - 2 * LEFT);
}

static bool is_near(const struct plot *plot, double value)
{
	double median = plot->cohort->judged.stats.median;

	return value > 0.6 * median && value < 1.6 * median;
}

static void widen(struct plot *plot, double value)
{
	plot->low = value < plot->low ? value : plot->low;
	plot->high = value > plot->high ? value : plot->high;
}

/* From the least to the largest; the reference and the floor too where they are near. */
static void set_axis(struct plot *plot)
{
	const struct disagg_judge_cohort *judged = &plot->cohort->judged;
	double margin;

	plot->low = judged->stats.min;
	plot->high = judged->stats.max;
	if (judged->has_reference && judged->reference.has_ref &&
		is_near(plot, judged->reference.ref))
		widen(plot, judged->reference.ref);
	if (judged->has_reference && judged->reference.has_floor &&
		is_near(plot, judged->reference.floor))
		widen(plot, judged->reference.floor);
	margin = 0.04 * (plot->high - plot->low);
	if (margin <= 0)
		margin = plot->low != 0 ? 0.02 * fabs(plot->low) : 1;
	plot->low -= margin;
	plot->high += margin;
}

static bool is_drawn(const struct disagg_probe_record *record)
{
	return record->has_value && isfinite(record->value) &&
	       record->status != DISAGG_PROBE_SKIP && record->status != DISAGG_PROBE_UNKNOWN;
}

static const char *class_of(enum disagg_probe_status status)
{
	return status == DISAGG_PROBE_FAIL ? "bad" : status == DISAGG_PROBE_WARN ? "low" : "bar";
}

static void put_dots(struct disagg_strbuf *out, const struct plot *plot)
{
	const struct disagg_judge_cohort *judged = &plot->cohort->judged;

	for (size_t i = 0; i < judged->count; i++) {
		const struct disagg_probe_record *record = judged->record[i];
		struct disagg_strbuf where;

		if (!is_drawn(record))
			continue;
		disagg_strbuf_init(&where, 0);
		report_put_where(&where, record, true);
		disagg_strbuf_printf(out,
			"<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>",
			class_of(record->status), x_of(plot, record->value),
			BASE - 8 - 9 * (double)(i % DOT_ROWS));
		report_put_escaped(out, where.text);
		disagg_strbuf_printf(out, ": %.5g</title></circle>", record->value);
		out->failed = out->failed || where.failed;
		disagg_strbuf_release(&where);
	}
}

static size_t bin_of(const struct plot *plot, double value)
{
	double at = (value - plot->low) / (plot->high - plot->low) * BINS;

	return at < 0 ? 0 : at >= BINS ? BINS - 1 : (size_t)at;
}

/* Worst at the foot; a bar of one value is still seen. */
static void put_bar(struct disagg_strbuf *out, size_t bin, const size_t *count, size_t most)
{
	static const char *const classes[] = {"bad", "low", "bar"};
	double width = (WIDTH - 2 * LEFT) / BINS, y = BASE;

	for (size_t i = 0; i < 3; i++) {
		double height = (BASE - TOP) * (double)count[i] / (double)most;

		if (count[i] == 0)
			continue;
		height = height < 3 ? 3 : height;
		y = y - height < 1 ? 1 : y - height;
		disagg_strbuf_printf(out,
			"<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
			"<title>%zu</title></rect>",
			classes[i], LEFT + (double)bin * width, y, width - 0.8, height, count[i]);
	}
}

static void put_bars(struct disagg_strbuf *out, const struct plot *plot)
{
	const struct disagg_judge_cohort *judged = &plot->cohort->judged;
	size_t count[BINS][3] = {{0}}, most = 1;

	for (size_t i = 0; i < judged->count; i++) {
		const struct disagg_probe_record *record = judged->record[i];

		if (!is_drawn(record))
			continue;
		count[bin_of(plot, record->value)][record->status == DISAGG_PROBE_FAIL	 ? 0
						   : record->status == DISAGG_PROBE_WARN ? 1
											 : 2]++;
	}
	for (size_t i = 0; i < BINS; i++) {
		size_t sum = count[i][0] + count[i][1] + count[i][2];

		most = sum > most ? sum : most;
	}
	for (size_t i = 0; i < BINS; i++)
		put_bar(out, i, count[i], most);
}

static void put_line(
	struct disagg_strbuf *out, const struct plot *plot, const char *class, double value)
{
	if (value < plot->low || value > plot->high)
		return;
	disagg_strbuf_printf(out,
		"<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\"/>", class,
		x_of(plot, value), x_of(plot, value), TOP - 4, BASE);
}

static void put_svg(struct disagg_strbuf *out, const struct plot *plot)
{
	const struct disagg_judge_cohort *judged = &plot->cohort->judged;

	disagg_strbuf_printf(
		out, "<svg viewBox=\"0 0 %.0f %d\" role=\"img\"><title>", WIDTH, HEIGHT);
	report_put_escaped(out, plot->cohort->probe);
	disagg_strbuf_printf(out,
		": %zu values from %.5g to %.5g</title>"
		"<line class=\"axis\" x1=\"0\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>",
		judged->stats.count, judged->stats.min, judged->stats.max, WIDTH, BASE + 0.5,
		BASE + 0.5);
	if (judged->stats.count <= MOST_DOTS)
		put_dots(out, plot);
	else
		put_bars(out, plot);
	if (judged->has_reference && judged->reference.has_floor)
		put_line(out, plot, "floor", judged->reference.floor);
	if (judged->has_reference && judged->reference.has_ref)
		put_line(out, plot, "ref", judged->reference.ref);
	put_line(out, plot, "median", judged->stats.median);
	disagg_strbuf_printf(out,
		"<text x=\"%.0f\" y=\"%d\">%.4g</text>"
		"<text x=\"%.0f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>"
		"<text x=\"%.0f\" y=\"%d\" text-anchor=\"end\">%.4g</text></svg>",
		LEFT, HEIGHT - 4, plot->low, WIDTH / 2, HEIGHT - 4, (plot->low + plot->high) / 2,
		WIDTH - LEFT, HEIGHT - 4, plot->high);
}

static void put_numbers(struct disagg_strbuf *out, const struct report_cohort *cohort)
{
	const struct disagg_stats *stats = &cohort->judged.stats;

	disagg_strbuf_puts(out, "<div class=\"sub\"><span class=\"k-median\">median</span>");
	if (cohort->judged.has_reference && cohort->judged.reference.has_ref)
		disagg_strbuf_printf(out, "<span class=\"k-ref\">reference <b>%.4g</b></span>",
			cohort->judged.reference.ref);
	if (cohort->judged.has_reference && cohort->judged.reference.has_floor)
		disagg_strbuf_printf(out, "<span class=\"k-floor\">floor <b>%.4g</b></span>",
			cohort->judged.reference.floor);
	disagg_strbuf_printf(out,
		"</div><div class=\"sub\"><span>n <b>%zu</b></span><span>min <b>%.4g</b></span>"
		"<span>p1 <b>%.4g</b></span><span>p99 <b>%.4g</b></span><span>MAD <b>%.3g</b></span>"
		"<span>CV <b>%.2f %%</b></span></div>",
		stats->count, stats->min, stats->p1, stats->p99, stats->mad, 100 * stats->cv);
}

int report_put_plot(
	struct disagg_strbuf *out, struct disagg_arena *arena, const struct report_cohort *cohort)
{
	struct plot plot = {.cohort = cohort};
	const char *about = disagg_arena_printf(arena, "%s%s%s", cohort->probe,
		cohort->param ? " " : "", cohort->param ? cohort->param : "");

	if (!about)
		return -1;
	set_axis(&plot);
	disagg_strbuf_puts(out, "<section class=\"card plot\"><div class=\"top\"><h3>");
	report_put_escaped(out, about);
	disagg_strbuf_printf(
		out, "</h3><span class=\"big\">%.4g <small>", cohort->judged.stats.median);
	report_put_escaped(out, cohort->unit ? cohort->unit : "");
	disagg_strbuf_puts(out, "</small></span></div>");
	put_svg(out, &plot);
	put_numbers(out, cohort);
	disagg_strbuf_puts(out, "<div class=\"src\">");
	report_put_escaped(out, cohort->judged.has_reference ? cohort->judged.reference.source
							     : "no reference for it");
	if (cohort->cohort) {
		disagg_strbuf_puts(out, "<br>cohort: ");
		report_put_escaped(out, cohort->cohort);
	}
	disagg_strbuf_puts(out, "</div></section>\n");
	return 0;
}
