/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_html.h"

#include <string.h>

#define WIDTH	    340.0
#define LEFT	    8.0
#define TOP	    8.0
#define BASE	    96.0 /* the axis */
#define HEIGHT	    114
#define LEAST_SIZES 3u
#define ABOVE	    1.06 /* room over the highest value */

/* Cohorts that differ in the size alone, smallest first. */
struct curve {
	const struct report_cohort *point;
	size_t count;
	double top; /* of the axis, which begins at 0 */
};

struct size {
	size_t at, len;
	int64_t bytes;
};

static bool size_of(const struct report_cohort *cohort, struct size *ret)
{
	if (!cohort->param || cohort->judged.stats.count == 0 || cohort->judged.stats.min < 0)
		return false;
	ret->bytes = disagg_param_bytes(cohort->param, &ret->at, &ret->len);
	return ret->bytes > 0;
}

/* Texts of a cohort's key are equal where their pointers are. */
static bool is_family(const struct report_cohort *a, const struct report_cohort *b)
{
	struct size left, right;

	return size_of(a, &left) && size_of(b, &right) && a->probe == b->probe &&
	       a->cohort == b->cohort && a->unit == b->unit && left.at == right.at &&
	       strncmp(a->param, b->param, left.at) == 0 &&
	       strcmp(a->param + left.at + left.len, b->param + right.at + right.len) == 0;
}

size_t report_curve_points(const struct report_cohort *cohort, size_t count)
{
	size_t points = 1;

	while (points < count && is_family(&cohort[points - 1], &cohort[points]))
		points++;
	return points < LEAST_SIZES ? 0 : points;
}

static bool has_ref(const struct report_cohort *cohort)
{
	return cohort->judged.has_reference && cohort->judged.reference.has_ref;
}

static void set_top(struct curve *curve)
{
	for (size_t i = 0; i < curve->count; i++) {
		const struct report_cohort *point = &curve->point[i];
		double high = point->judged.stats.max;

		if (has_ref(point) && point->judged.reference.ref > high)
			high = point->judged.reference.ref;
		curve->top = high > curve->top ? high : curve->top;
	}
	curve->top = curve->top > 0 ? curve->top * ABOVE : 1;
}

static double x_of(const struct curve *curve, size_t i)
{
	return LEFT + (WIDTH - 2 * LEFT) * (double)i / (double)(curve->count - 1);
}

static double y_of(const struct curve *curve, double value)
{
	return BASE - (BASE - TOP) * value / curve->top;
}

static void put_point(struct disagg_strbuf *out, const struct curve *curve, size_t i, double value)
{
	disagg_strbuf_printf(out, "%.1f,%.1f ", x_of(curve, i), y_of(curve, value));
}

/* From the least to the largest value of each size. */
static void put_band(struct disagg_strbuf *out, const struct curve *curve)
{
	disagg_strbuf_puts(out, "<polygon class=\"band\" points=\"");
	for (size_t i = 0; i < curve->count; i++)
		put_point(out, curve, i, curve->point[i].judged.stats.max);
	for (size_t i = curve->count; i-- > 0;)
		put_point(out, curve, i, curve->point[i].judged.stats.min);
	disagg_strbuf_puts(out, "\"/>");
}

static void put_reference(struct disagg_strbuf *out, const struct curve *curve)
{
	disagg_strbuf_puts(out, "<polyline class=\"ref\" points=\"");
	for (size_t i = 0; i < curve->count; i++)
		if (has_ref(&curve->point[i]))
			put_point(out, curve, i, curve->point[i].judged.reference.ref);
	disagg_strbuf_puts(out, "\"/>");
}

static void put_medians(struct disagg_strbuf *out, const struct curve *curve)
{
	disagg_strbuf_puts(out, "<polyline class=\"median\" points=\"");
	for (size_t i = 0; i < curve->count; i++)
		put_point(out, curve, i, curve->point[i].judged.stats.median);
	disagg_strbuf_puts(out, "\"/>");
	for (size_t i = 0; i < curve->count; i++) {
		const struct report_cohort *point = &curve->point[i];
		const struct disagg_stats *stats = &point->judged.stats;
		const char *class = point->count[DISAGG_PROBE_FAIL]   ? "bad"
				    : point->count[DISAGG_PROBE_WARN] ? "low"
								      : "dot";

		disagg_strbuf_printf(out,
			"<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"><title>", class,
			x_of(curve, i), y_of(curve, stats->median));
		report_put_escaped(out, point->param);
		disagg_strbuf_printf(out, ": median %.4g, %.4g to %.4g, n %zu", stats->median,
			stats->min, stats->max, stats->count);
		if (has_ref(point))
			disagg_strbuf_printf(out, ", reference %.4g", point->judged.reference.ref);
		disagg_strbuf_puts(out, "</title></circle>");
	}
}

static void put_size(
	struct disagg_strbuf *out, const struct curve *curve, size_t i, const char *anchor)
{
	struct size size = {0};

	if (!size_of(&curve->point[i], &size))
		return;
	disagg_strbuf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%.*s</text>",
		x_of(curve, i), HEIGHT - 4, anchor, (int)size.len, curve->point[i].param + size.at);
}

static void put_svg(struct disagg_strbuf *out, const struct curve *curve)
{
	disagg_strbuf_printf(out,
		"<svg viewBox=\"0 0 %.0f %d\" role=\"img\"><title>%zu sizes</title>"
		"<line class=\"axis\" x1=\"0\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>",
		WIDTH, HEIGHT, curve->count, WIDTH, BASE + 0.5, BASE + 0.5);
	put_band(out, curve);
	put_reference(out, curve);
	put_medians(out, curve);
	put_size(out, curve, 0, "start");
	if (curve->count > 4)
		put_size(out, curve, curve->count / 2, "middle");
	put_size(out, curve, curve->count - 1, "end");
	disagg_strbuf_puts(out, "</svg>");
}

/* "nccl.intra all_reduce in-place": the parameter without the size */
static void put_title(struct disagg_strbuf *out, const struct report_cohort *cohort)
{
	struct disagg_strbuf text;
	struct size size = {0};

	disagg_strbuf_init(&text, 0);
	disagg_strbuf_printf(&text, "%s ", cohort->probe);
	if (size_of(cohort, &size)) {
		disagg_strbuf_add(&text, cohort->param, size.at);
		disagg_strbuf_puts(&text, cohort->param + size.at + size.len +
						  (cohort->param[size.at + size.len] == ' '));
	}
	report_put_escaped(out, text.text);
	out->failed = out->failed || text.failed;
	disagg_strbuf_release(&text);
}

void report_put_curve(struct disagg_strbuf *out, const struct report_cohort *cohort, size_t count)
{
	struct curve curve = {.point = cohort, .count = count};
	const struct report_cohort *last = &cohort[count - 1];
	size_t with_ref = 0;

	for (size_t i = 0; i < count; i++)
		with_ref += has_ref(&cohort[i]);
	set_top(&curve);
	disagg_strbuf_puts(out, "<section class=\"card plot\"><div class=\"top\"><h3>");
	put_title(out, cohort);
	disagg_strbuf_printf(
		out, "</h3><span class=\"big\">%.4g <small>", last->judged.stats.median);
	report_put_escaped(out, last->unit ? last->unit : "");
	disagg_strbuf_puts(out, "</small></span></div>");
	put_svg(out, &curve);
	disagg_strbuf_printf(out,
		"<div class=\"sub\"><span class=\"k-median\">median by size</span>"
		"<span class=\"k-band\">least to largest</span>%s</div><div class=\"sub\">"
		"<span>n <b>%zu</b></span></div>",
		with_ref ? "<span class=\"k-ref\">reference</span>" : "", last->judged.stats.count);
	disagg_strbuf_puts(out, "<div class=\"src\">");
	report_put_escaped(out, last->judged.has_reference ? last->judged.reference.source
							   : "no reference for the largest");
	if (last->cohort) {
		disagg_strbuf_puts(out, "<br>cohort: ");
		report_put_escaped(out, last->cohort);
	}
	disagg_strbuf_puts(out, "</div></section>\n");
}
