/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/base/hostlist.h"
#include <stdlib.h>
#include <string.h>

/* Findings of paths, of more their number: a switch that is slow makes many. */
#define PATHS_TOLD 8

/* Pointers are equal where texts are: all are from the report's names. */
struct cohort_key {
	const char *probe, *param, *cohort, *unit, *gpu_name;
	uint64_t gpus;
};

static bool is_compared(const struct disagg_probe_record *record)
{
	return record->has_value || record->digest;
}

static struct cohort_key key_of(
	struct disagg_report *report, const struct disagg_probe_record *record)
{
	const struct report_node *node = report_node(report, record->node);
	struct cohort_key key = {record->probe, record->param, record->cohort, record->unit,
		record->gpu_name ? record->gpu_name : node->gpu_name, 0};

	/* what one GPU does is the same in a node of 4 and of 8; and what a node has is held
	 * against all other nodes */
	if (record->gpu < 0 && !record->digest)
		key.gpus = node->gpus;
	else if (record->gpu < 0)
		key.gpu_name = NULL;
	return key;
}

/* Which cohort each record is in (1, 2, ...; 0: none), and their number. */
static int number_cohorts(struct disagg_report *report, uint32_t *cohort_of, size_t *ret_count)
{
	struct disagg_names keys = {.arena = &report->arena};

	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_name *name;
		struct cohort_key key;

		if (!is_compared(report->record[i]))
			continue;
		key = key_of(report, report->record[i]);
		name = disagg_names_put(&keys, (const char *)&key, sizeof(key));
		if (!name)
			return -1;
		cohort_of[i] = name->id + 1;
	}
	*ret_count = keys.count;
	return 0;
}

static void set_cohort(struct disagg_report *report, struct report_cohort *cohort,
	const struct disagg_probe_record *first)
{
	struct cohort_key key = key_of(report, first);

	cohort->probe = key.probe;
	cohort->param = key.param;
	cohort->cohort = key.cohort;
	cohort->unit = key.unit;
	cohort->better = first->better;
	cohort->judged.gpu_name = key.gpu_name;
	cohort->judged.gpus = (unsigned)key.gpus;
}

static int gather_cohorts(struct disagg_report *report)
{
	struct disagg_arena *arena = &report->arena;
	uint32_t *cohort_of = disagg_arena_array(arena, report->count + 1, sizeof(*cohort_of));
	struct report_cohort *cohort;
	size_t count;

	if (!cohort_of || number_cohorts(report, cohort_of, &count) != 0)
		return -1;
	cohort = disagg_arena_array(arena, count + 1, sizeof(*cohort));
	if (!cohort)
		return -1;
	for (size_t i = 0; i < report->count; i++)
		if (cohort_of[i])
			cohort[cohort_of[i] - 1].judged.count++;
	for (size_t i = 0; i < count; i++) {
		struct disagg_judge_cohort *judged = &cohort[i].judged;

		judged->record = disagg_arena_array(arena, judged->count, sizeof(*judged->record));
		if (!judged->record)
			return -1;
		judged->count = 0;
	}
	for (size_t i = 0; i < report->count; i++) {
		struct report_cohort *in = cohort_of[i] ? &cohort[cohort_of[i] - 1] : NULL;

		if (!in)
			continue;
		if (in->judged.count == 0)
			set_cohort(report, in, report->record[i]);
		in->judged.record[in->judged.count++] = report->record[i];
	}
	report->cohort = cohort;
	report->cohort_count = count;
	return 0;
}

static void add_finding(struct disagg_report *report, const struct disagg_finding *finding)
{
	if (finding->status != DISAGG_PROBE_PASS)
		report->finding[report->finding_count++] = *finding;
}

static int judge_cohorts(struct disagg_report *report, const struct disagg_reference *reference,
	struct disagg_err *err)
{
	report->finding = disagg_arena_array(&report->arena,
		2 * report->cohort_count + PATHS_TOLD + 1, sizeof(*report->finding));
	if (!report->finding)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < report->cohort_count; i++) {
		struct report_cohort *cohort = &report->cohort[i];
		struct disagg_finding finding;

		if (disagg_judge_values(
			    &report->arena, reference, &cohort->judged, &finding, err) != 0)
			return -1;
		add_finding(report, &finding);
		if (disagg_judge_digests(&report->arena, &cohort->judged, &finding, err) != 0)
			return -1;
		add_finding(report, &finding);
		for (size_t k = 0; k < cohort->judged.count; k++)
			cohort->count[cohort->judged.record[k]->status]++;
	}
	return 0;
}

/* ---- paths ---- */

/* A probe's verdict over two nodes together: a path between them. */
static bool is_path(const struct disagg_probe_record *record)
{
	return record->status == DISAGG_PROBE_WARN && record->param &&
	       strcmp(record->param, "verdict") == 0 && record->reason &&
	       disagg_record_is_pair(record);
}

/* Neither node is to blame, so that the cluster's findings are the place to tell it. */
static int find_paths(struct disagg_report *report)
{
	struct disagg_finding more = {.status = DISAGG_PROBE_WARN};

	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_probe_record *record = report->record[i];
		struct disagg_finding finding = {.status = DISAGG_PROBE_WARN,
			.probe = record->probe,
			.param = record->param,
			.text = record->reason,
			.members = 2,
			.of = report->node_count};

		if (!is_path(record))
			continue;
		more.probe = record->probe;
		if (more.of++ < PATHS_TOLD)
			add_finding(report, &finding);
	}
	if (more.of <= PATHS_TOLD)
		return 0;
	more.members = more.of - PATHS_TOLD;
	more.text = disagg_arena_printf(
		&report->arena, "%zu more paths are slow: report.json has them", more.members);
	if (!more.text)
		return -1;
	add_finding(report, &more);
	return 0;
}

/* ---- nodes ---- */

/* A pair's warning is not the node's: the other one may be slow. */
static enum disagg_probe_status node_status(const struct disagg_probe_record *record)
{
	if (record->status == DISAGG_PROBE_WARN && disagg_record_is_pair(record))
		return DISAGG_PROBE_PASS;
	return record->status;
}

static void add_to_node(struct report_node *node, const struct disagg_probe_record *record)
{
	enum disagg_probe_status status = node_status(record);

	node->record[node->count++] = record;
	if (!node->worst || disagg_status_worse(node->status, status) != node->status) {
		node->status = status;
		node->worst = record;
		node->worst_count = 0;
	}
	node->worst_count += status == node->status;
}

static int rank(enum disagg_probe_status status)
{
	static const int ranks[] = {[DISAGG_PROBE_FAIL] = 0,
		[DISAGG_PROBE_UNKNOWN] = 1,
		[DISAGG_PROBE_WARN] = 2,
		[DISAGG_PROBE_PASS] = 3,
		[DISAGG_PROBE_SKIP] = 4};

	return ranks[status];
}

static int compare_nodes(const void *a, const void *b)
{
	const struct report_node *left = *(const struct report_node *const *)a;
	const struct report_node *right = *(const struct report_node *const *)b;

	if (left->status != right->status)
		return rank(left->status) - rank(right->status);
	if (left->status != DISAGG_PROBE_PASS && left->worst_count != right->worst_count)
		return left->worst_count > right->worst_count ? -1 : 1;
	return disagg_hostlist_compare(left->name, right->name);
}

static int gather_nodes(struct disagg_report *report)
{
	for (size_t i = 0; i < report->node_count; i++) {
		struct report_node *node = report->node[i];

		node->record =
			disagg_arena_array(&report->arena, node->count + 1, sizeof(*node->record));
		if (!node->record)
			return -1;
		node->count = 0;
	}
	for (size_t i = 0; i < report->count; i++) {
		struct disagg_probe_record *record = report->record[i];

		add_to_node(report_node(report, record->node), record);
		report->records[record->status]++;
	}
	for (size_t i = 0; i < report->node_count; i++) {
		struct report_node *node = report->node[i];

		/* asked, and no answer: nothing is known of it */
		if (node->count == 0)
			node->status = DISAGG_PROBE_UNKNOWN;
		report->nodes[node->status]++;
	}
	/* the index by name is of no use from here on */
	report->node_of_size = 0;
	if (report->node_count > 1)
		qsort(report->node, report->node_count, sizeof(struct report_node *),
			compare_nodes);
	return 0;
}

/* ---- what is told of them ---- */

/* Nodes with an equal key are told of together: each that failed has a key of its own. */
static const struct disagg_name *problem_key(
	struct disagg_names *keys, const struct report_node *node)
{
	const struct disagg_probe_record *worst = node->worst;
	struct disagg_strbuf text;
	const struct disagg_name *name = NULL;

	disagg_strbuf_init(&text, 0);
	if (worst && disagg_judge_is_common(worst))
		disagg_strbuf_printf(
			&text, "\x1f%s\x1f%s", worst->probe, worst->param ? worst->param : "");
	else if (node->status == DISAGG_PROBE_FAIL || (worst && worst->has_value))
		disagg_strbuf_puts(&text, node->name);
	else
		disagg_strbuf_printf(&text, "\x1f%d\x1f%zu\x1f%s\x1f%s\x1f%s", (int)node->status,
			node->worst_count, worst ? worst->probe : "",
			worst && worst->param ? worst->param : "",
			worst && worst->reason ? worst->reason : "");
	if (!text.failed)
		name = disagg_names_put(keys, text.text, text.len);
	disagg_strbuf_release(&text);
	return name;
}

/* The nodes of each problem as a host list. */
static int name_problems(struct disagg_report *report, size_t nodes)
{
	const char **name = disagg_arena_array(&report->arena, nodes + 1, sizeof(*name));
	size_t *next = disagg_arena_array(&report->arena, nodes + 1, sizeof(*next)), at = 0;
	struct disagg_strbuf hosts;
	bool failed = !name || !next;

	for (size_t i = 0; i < report->problem_count && !failed; i++) {
		next[i] = at;
		at += report->problem[i].count;
	}
	for (size_t i = 0; i < nodes && !failed; i++)
		name[next[report->node[i]->problem]++] = report->node[i]->name;
	disagg_strbuf_init(&hosts, 0);
	for (size_t i = 0; i < report->problem_count && !failed; i++) {
		struct report_problem *problem = &report->problem[i];

		disagg_strbuf_clear(&hosts);
		disagg_hostlist_fold(&hosts, name + next[i] - problem->count, problem->count);
		problem->hosts = disagg_arena_strndup(&report->arena, hosts.text, hosts.len);
		failed = hosts.failed || !problem->hosts;
	}
	disagg_strbuf_release(&hosts);
	return failed ? -1 : 0;
}

static int list_problems(struct disagg_report *report)
{
	struct disagg_names keys = {.arena = &report->arena};
	size_t nodes = report->nodes[DISAGG_PROBE_FAIL] + report->nodes[DISAGG_PROBE_UNKNOWN] +
		       report->nodes[DISAGG_PROBE_WARN];

	report->problem = disagg_arena_array(&report->arena, nodes + 1, sizeof(*report->problem));
	if (!report->problem)
		return -1;
	for (size_t i = 0; i < nodes; i++) {
		const struct disagg_name *key = problem_key(&keys, report->node[i]);

		if (!key)
			return -1;
		if (report->problem[key->id].count++ == 0)
			report->problem[key->id].node = report->node[i];
		report->node[i]->problem = key->id;
	}
	report->problem_count = keys.count;
	return name_problems(report, nodes);
}

static int list_failed(struct disagg_report *report)
{
	size_t count = report->nodes[DISAGG_PROBE_FAIL];

	report->failed = disagg_arena_array(&report->arena, count + 1, sizeof(*report->failed));
	if (!report->failed)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *why = report_why(&report->arena, report->node[i]->worst);

		if (!why)
			return -1;
		report->failed[i] = (struct disagg_report_failed){report->node[i]->name, why};
	}
	report->failed_count = count;
	return 0;
}

static int compare_probes(const void *a, const void *b)
{
	const struct report_probe *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int count_probes(struct disagg_report *report)
{
	struct disagg_names names = {.arena = &report->arena};
	size_t room = 0;

	for (size_t i = 0; i < report->count; i++) {
		const struct disagg_probe_record *record = report->record[i];
		const struct disagg_name *name =
			disagg_names_put(&names, record->probe, strlen(record->probe));

		if (!name)
			return -1;
		if (name->id >= room) {
			size_t more = room ? room * 2 : 64;

			report->probe = disagg_arena_grow(
				&report->arena, report->probe, room, more, sizeof(*report->probe));
			if (!report->probe)
				return -1;
			room = more;
		}
		report->probe[name->id].name = record->probe;
		report->probe[name->id].count[record->status]++;
	}
	report->probe_count = names.count;
	if (names.count > 0)
		qsort(report->probe, names.count, sizeof(*report->probe), compare_probes);
	return 0;
}

/* A parameter around its size: "all_reduce 8M in-place" */
struct param {
	const char *text;
	size_t before; /* bytes */
	const char *after;
	int64_t size; /* -1: none */
};

static struct param param_of(const char *text)
{
	struct param param = {.text = text ? text : ""};
	size_t at = strlen(param.text), len = 0;

	param.size = disagg_param_bytes(param.text, &at, &len);
	param.before = at;
	param.after = param.text + at + len;
	return param;
}

/* all_reduce 8M, all_reduce 16M, all_reduce 8M in-place */
static int compare_params(const char *a, const char *b)
{
	struct param left = param_of(a), right = param_of(b);
	size_t less = left.before < right.before ? left.before : right.before;
	int order = strncmp(left.text, right.text, less);

	if (order == 0 && left.before != right.before)
		order = left.before < right.before ? -1 : 1;
	if (order == 0)
		order = strcmp(left.after, right.after);
	return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}

static int compare_cohorts(const void *a, const void *b)
{
	const struct report_cohort *left = a, *right = b;
	int order = strcmp(left->probe, right->probe);

	if (order == 0)
		order = compare_params(left->param, right->param);
	if (order == 0)
		order = strcmp(
			left->cohort ? left->cohort : "", right->cohort ? right->cohort : "");
	return order;
}

int disagg_report_judge(struct disagg_report *report, const struct disagg_reference *reference,
	struct disagg_err *err)
{
	if (gather_cohorts(report) != 0)
		return disagg_err_nomem(err);
	if (judge_cohorts(report, reference, err) != 0)
		return -1;
	if (report->cohort_count > 0)
		qsort(report->cohort, report->cohort_count, sizeof(*report->cohort),
			compare_cohorts);
	if (find_paths(report) != 0 || gather_nodes(report) != 0 || list_failed(report) != 0 ||
		list_problems(report) != 0 || count_probes(report) != 0)
		return disagg_err_nomem(err);
	if (report->before && report_compare(report, err) != 0)
		return -1;
	report->reference_version = reference ? disagg_reference_version(reference) : NULL;
	report->judged = true;
	return 0;
}
