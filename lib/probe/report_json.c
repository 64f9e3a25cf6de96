/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/host/json.h"

static void put_counts(struct disagg_json_writer *writer, const char *name, const size_t *count)
{
	disagg_json_begin(writer, name, '{');
	for (int i = 0; i < REPORT_STATUSES; i++)
		disagg_json_put_int(writer, disagg_probe_status_name((enum disagg_probe_status)i),
			(int64_t)count[i]);
	disagg_json_end(writer, '}');
}

static void put_text(struct disagg_json_writer *writer, const char *name, const char *value)
{
	if (value)
		disagg_json_put_text(writer, name, value);
}

static void put_head(const struct disagg_report *report, struct disagg_json_writer *writer)
{
	struct disagg_strbuf verdict;

	disagg_strbuf_init(&verdict, 0);
	report_put_verdict(&verdict, report);
	disagg_json_put_text(writer, "schema", "disagg.report/1");
	disagg_json_put_text(writer, "verdict", report_verdict_word(report));
	disagg_json_put_int(writer, "exit_code", disagg_report_code(report));
	disagg_json_put_text(writer, "summary", verdict.text);
	disagg_json_put_text(writer, "version", DISAGG_VERSION);
	put_text(writer, "command", report->options.command);
	put_text(writer, "suite", report->options.suite);
	put_text(writer, "job_id", report->options.job_id);
	put_text(writer, "reference_version", report->reference_version);
	put_text(writer, "baseline", report->before_path);
	disagg_json_put_fixed(writer, "t_start", report->start_s, 3);
	disagg_json_put_fixed(writer, "t_end", report->end_s, 3);
	put_counts(writer, "node_counts", report->nodes);
	put_counts(writer, "record_counts", report->records);
	writer->out->failed = writer->out->failed || verdict.failed;
	disagg_strbuf_release(&verdict);
}

static void put_nodes(const struct disagg_report *report, struct disagg_arena *arena,
	struct disagg_json_writer *writer)
{
	disagg_json_begin(writer, "abnormal", '[');
	for (size_t i = 0; i < report->node_count; i++) {
		const struct report_node *node = report->node[i];

		if (node->status == DISAGG_PROBE_PASS || node->status == DISAGG_PROBE_SKIP)
			break;
		disagg_json_begin(writer, NULL, '{');
		disagg_json_put_text(writer, "node", node->name);
		disagg_json_put_text(writer, "status", disagg_probe_status_name(node->status));
		put_text(writer, "gpu_name", node->gpu_name);
		disagg_json_put_int(writer, "gpus", node->gpus);
		disagg_json_put_int(writer, "records", (int64_t)node->worst_count);
		put_text(writer, "why", node->worst ? report_why(arena, node->worst) : NULL);
		put_text(writer, "action", node->worst ? disagg_judge_action(node->worst) : NULL);
		put_text(writer, "drain", report_drain(arena, node));
		disagg_json_end(writer, '}');
	}
	disagg_json_end(writer, ']');
}

static void put_cluster(const struct disagg_report *report, struct disagg_json_writer *writer)
{
	disagg_json_begin(writer, "cluster", '[');
	for (size_t i = 0; i < report->finding_count; i++) {
		const struct disagg_finding *finding = &report->finding[i];

		disagg_json_begin(writer, NULL, '{');
		disagg_json_put_text(writer, "status", disagg_probe_status_name(finding->status));
		disagg_json_put_text(writer, "probe", finding->probe);
		put_text(writer, "param", finding->param);
		put_text(writer, "cohort", finding->cohort);
		disagg_json_put_int(writer, "members", (int64_t)finding->members);
		disagg_json_put_int(writer, "of", (int64_t)finding->of);
		disagg_json_put_text(writer, "text", finding->text);
		disagg_json_end(writer, '}');
	}
	disagg_json_end(writer, ']');
}

static void put_stats(struct disagg_json_writer *writer, const struct disagg_stats *stats)
{
	disagg_json_put_int(writer, "count", (int64_t)stats->count);
	disagg_json_put_real(writer, "min", stats->min);
	disagg_json_put_real(writer, "p1", stats->p1);
	disagg_json_put_real(writer, "median", stats->median);
	disagg_json_put_real(writer, "p99", stats->p99);
	disagg_json_put_real(writer, "max", stats->max);
	disagg_json_put_real(writer, "mean", stats->mean);
	disagg_json_put_real(writer, "cv", stats->cv);
	disagg_json_put_real(writer, "mad", stats->mad);
}

static void put_cohort(struct disagg_json_writer *writer, const struct report_cohort *cohort)
{
	const struct disagg_judge_cohort *judged = &cohort->judged;

	disagg_json_begin(writer, NULL, '{');
	disagg_json_put_text(writer, "probe", cohort->probe);
	put_text(writer, "param", cohort->param);
	put_text(writer, "cohort", cohort->cohort);
	put_text(writer, "gpu_name", judged->gpu_name);
	put_text(writer, "unit", cohort->unit);
	put_stats(writer, &judged->stats);
	if (judged->has_reference && judged->reference.has_ref)
		disagg_json_put_real(writer, "ref", judged->reference.ref);
	if (judged->has_reference && judged->reference.has_floor)
		disagg_json_put_real(writer, "floor", judged->reference.floor);
	if (judged->has_reference) {
		disagg_json_put_text(writer, "ref_source", judged->reference.source);
		disagg_json_put_text(writer, "confidence", judged->reference.confidence);
	}
	put_counts(writer, "status_counts", cohort->count);
	disagg_json_end(writer, '}');
}

static int put_table(const struct disagg_report *report, struct disagg_arena *arena,
	struct disagg_json_writer *writer, const char *name, enum report_table_kind kind)
{
	struct report_table table;

	if (report_table_make(arena, report, kind, &table) != 0)
		return -1;
	disagg_json_begin(writer, name, '[');
	for (size_t r = 0; r < table.rows; r++) {
		disagg_json_begin(writer, NULL, '{');
		for (unsigned c = 0; c < table.columns; c++)
			disagg_json_put_text(
				writer, table.head[c], table.cell[r * table.columns + c]);
		disagg_json_end(writer, '}');
	}
	disagg_json_end(writer, ']');
	return 0;
}

/* One a line, as disagg-probe writes them, so that they can be read by line again. */
static int put_records(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	disagg_strbuf_puts(out, ",\n\"records\":[\n");
	for (size_t i = 0; i < report->count; i++) {
		disagg_probe_record_put(out, report->record[i]);
		if (i + 1 < report->count && !out->failed) {
			out->text[out->len - 1] = ',';
			disagg_strbuf_putc(out, '\n');
		}
		if (report_flush(out, fd) != 0)
			return -1;
	}
	disagg_strbuf_puts(out, "]}\n");
	return 0;
}

int report_put_json(const struct disagg_report *report, struct disagg_strbuf *out, int fd)
{
	struct disagg_arena arena = {.limit = report->arena.limit};
	struct disagg_json_writer writer = {.out = out};
	int rc;

	disagg_json_begin(&writer, NULL, '{');
	put_head(report, &writer);
	put_cluster(report, &writer);
	put_nodes(report, &arena, &writer);
	rc = put_table(report, &arena, &writer, "regressions", REPORT_REGRESSIONS);
	if (rc == 0)
		rc = put_table(report, &arena, &writer, "variants", REPORT_VARIANTS);
	if (rc == 0)
		rc = put_table(report, &arena, &writer, "not_tested", REPORT_NOT_TESTED);
	disagg_json_begin(&writer, "distributions", '[');
	for (size_t i = 0; i < report->cohort_count; i++)
		if (report->cohort[i].judged.stats.count > 0)
			put_cohort(&writer, &report->cohort[i]);
	disagg_json_end(&writer, ']');
	disagg_arena_release(&arena);
	return rc == 0 ? put_records(report, out, fd) : rc;
}
