/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/judge.h"

#include "lib/probe/noise.h"
#include "lib/base/num.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAD_TO_SD   1.4826 /* of a normal distribution */
#define FLEET_SD    3.5
#define MAD_ERROR   2.33 /* two standard errors of a MAD of one value, in MADs */
#define MAD_DOUBT   5.5	 /* the same where more than two are allowed for */
#define DOUBT_MOST  0.10 /* of the median; beyond it no more are */
#define REL_LATENCY 0.20
#define WARN_ABOVE  0.05 /* the reference test warns so much above where it fails */
#define MOST_SAID   256u
#define HEALTH	    "gpu.health" /* its hints are what to do, for each check its own */
/* in the reason of a record whose whole cohort is as slow */
#define COMMON	     "as the whole cohort: see the cluster's finding"
#define SMALL_BYTES  (INT64_C(16) << 20)
#define MIDDLE_BYTES (INT64_C(128) << 20)

/* The first whose prefix fits counts. */
struct rule {
	const char *prefix;
	double rel; /* of the median; 0: values are not judged */
	enum disagg_probe_status most;
	bool by_size;  /* the reference test depends on the size in param */
	bool explains; /* a warning of the probe's own is the cause of what is slow */
};

static const struct rule rules[] = {
	{"gemm.sdc", 0, DISAGG_PROBE_FAIL, false, false}, /* its digests are compared */
	{"gemm.", 0.07, DISAGG_PROBE_FAIL, false, false},
	{"hbm.", 0.03, DISAGG_PROBE_FAIL, false, false},
	{"pcie.shared", 0.07, DISAGG_PROBE_WARN, false, false},
	{"pcie.", 0.03, DISAGG_PROBE_FAIL, false, false},
	{"p2p.", 0.03, DISAGG_PROBE_FAIL, false, false},
	{"nccl.interop", 0.05, DISAGG_PROBE_WARN, true, false},
	{"nccl.intra", 0.05, DISAGG_PROBE_FAIL, true, true},
	{"nccl.", 0.05, DISAGG_PROBE_FAIL, true, false},
	{"rdma.", 0.05, DISAGG_PROBE_FAIL, false, false},
	{"kv.", 0.07, DISAGG_PROBE_FAIL, false, false},
	{"latency.", REL_LATENCY, DISAGG_PROBE_FAIL, false, false},
	{"storage.", 0.20, DISAGG_PROBE_WARN, false, false},
};

static const struct {
	const char *prefix, *action;
} actions[] = {
	{"gemm.sdc",
		"isolate it: it computes wrong results; run dcgmi diag -r 3, then replace the GPU"},
	{"gemm.", "look at power cap, clocks and cooling (nvidia-smi -q -d PERFORMANCE,POWER)"},
	{"hbm.",
		"look at ECC and remapped rows (nvidia-smi -q -d ECC,ROW_REMAPPER), reset the GPU"},
	{"pcie.",
		"look at link generation and width (nvidia-smi -q -d PCIE; lspci -vv), reseat the GPU"},
	{"p2p.", "look at the NVLinks (nvidia-smi nvlink -s -e) and the fabric manager"},
	{"nccl.intra",
		"look at the NVLinks (nvidia-smi nvlink -s -e), the fabric manager and NVLS"},
	{"nccl.nic_loopback",
		"look at the node's HCAs: rate, errors (rdma link; ibstat; perfquery)"},
	{"nccl.pairs", "look at the rail's cable, HCA and switch port (ibstat; perfquery -x)"},
	{"nccl.interop", "look at the fabric and the ranks that did not come (NCCL_DEBUG=INFO)"},
	{"kv.", "look at the transport that was taken (UCX_TLS, NIXL) and the rail of the GPU"},
	{"rdma.", "look at cable, port and switch (ibstat; perfquery -x; mlxlink)"},
	{"kmsg.", "see dmesg on the node; the hint names what the code asks for"},
	{HEALTH, "see nvidia-smi -q on the node"},
	{"hw.", "compare with nvidia-smi -q and lspci; a part is missing or degraded"},
	{"env.", "bring the node to what the majority has"},
	{"latency.", "look at CPU governor, NUMA binding and other load on the node"},
	{"storage.", "look at the mount and at other load on the file system"},
	{"net.", "look at the node's network, name resolution and firewall"},
	{"clock.", "start or repair time synchronisation (chronyc tracking)"},
	{"host.", "set the node up as the others are"},
	{"", "look at the node"},
};

static const struct rule *rule_of(const char *probe)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
		if (strncmp(probe, rules[i].prefix, strlen(rules[i].prefix)) == 0)
			return &rules[i];
	return NULL;
}

bool disagg_judge_is_common(const struct disagg_probe_record *record)
{
	return record->status == DISAGG_PROBE_WARN && record->reason &&
	       strstr(record->reason, COMMON);
}

double disagg_judge_rel(const char *probe, enum disagg_probe_better better)
{
	const struct rule *rule = rule_of(probe);

	if (!rule || rule->rel <= 0 || better == DISAGG_BETTER_NONE)
		return 0;
	return better == DISAGG_BETTER_LESS ? REL_LATENCY : rule->rel;
}

const char *disagg_judge_action(const struct disagg_probe_record *record)
{
	size_t i = 0;

	if (record->status == DISAGG_PROBE_UNKNOWN)
		return "measure it again when the cause is removed; it may be good or bad";
	if (disagg_judge_is_common(record))
		return "see the cluster's finding: it has one cause, and no node is to blame";
	if (record->hint && strcmp(record->probe, HEALTH) == 0)
		return record->hint;
	while (strncmp(record->probe, actions[i].prefix, strlen(actions[i].prefix)) != 0)
		i++;
	return actions[i].action;
}

enum disagg_probe_status disagg_status_worse(enum disagg_probe_status a, enum disagg_probe_status b)
{
	static const int rank[] = {[DISAGG_PROBE_SKIP] = 0,
		[DISAGG_PROBE_PASS] = 1,
		[DISAGG_PROBE_WARN] = 2,
		[DISAGG_PROBE_UNKNOWN] = 3,
		[DISAGG_PROBE_FAIL] = 4};

	return rank[a] >= rank[b] ? a : b;
}

bool disagg_record_is_pair(const struct disagg_probe_record *record)
{
	size_t len = record->peer ? strcspn(record->peer, ":") : 0;

	return len > 0 &&
	       (strncmp(record->peer, record->node, len) != 0 || record->node[len] != '\0');
}

/* "8M", "1G", "512" of so many characters; -1: it is no size. */
static int64_t bytes_of(const char *word, size_t len)
{
	static const char units[] = "KMGT";
	char text[24];
	const char *unit;
	int64_t count;

	if (len == 0 || len >= sizeof(text))
		return -1;
	memcpy(text, word, len);
	text[len] = '\0';
	unit = strchr(units, text[len - 1]);
	if (unit)
		text[len - 1] = '\0';
	if (disagg_num_int(text, 0, unit ? 1 << 20 : INT64_C(1) << 50, &count) != 0)
		return -1;
	return count << (unit ? 10 * (unit - units + 1) : 0);
}

int64_t disagg_param_bytes(const char *param, size_t *ret_at, size_t *ret_len)
{
	const char *word = param;

	while (word && *word) {
		size_t len = strcspn(word, " ");
		int64_t bytes = bytes_of(word, len);

		if (bytes >= 0) {
			*ret_at = (size_t)(word - param);
			*ret_len = len;
			return bytes;
		}
		word += len + (word[len] == ' ');
	}
	return -1;
}

/* Below this part of the reference it fails. */
static double part_of(const struct rule *rule, const char *param)
{
	size_t at, len;
	int64_t bytes = rule->by_size ? disagg_param_bytes(param, &at, &len) : -1;

	if (bytes < 0 || bytes > MIDDLE_BYTES)
		return 0.90;
	return bytes <= SMALL_BYTES ? 0.80 : 0.85;
}

/* ---- the tests ---- */

/* What all the tests of one cohort have in common. */
struct bench {
	const struct rule *rule;
	const struct disagg_judge_cohort *cohort;
	const char *unit;
	bool less;	    /* is better */
	double fail_part;   /* of the reference */
	double span;	    /* around the median; 0: no fleet test */
	char span_text[48]; /* "7 %" */
};

struct said {
	enum disagg_probe_status status; /* pass: nothing against it */
	char text[MOST_SAID];
};

static bool is_past(const struct bench *bench, double value, double limit)
{
	return bench->less ? value > limit : value < limit;
}

static const char *side(const struct bench *bench)
{
	return bench->less ? "above" : "below";
}

static void test_floor(const struct bench *bench, double value, struct said *ret)
{
	const struct disagg_reference_value *known = &bench->cohort->reference;

	ret->status = DISAGG_PROBE_PASS;
	if (!bench->cohort->has_reference || !known->has_floor ||
		!is_past(bench, value, known->floor))
		return;
	ret->status = DISAGG_PROBE_FAIL;
	snprintf(ret->text, sizeof(ret->text), "%.5g %s is %s the %s of %.5g", value, bench->unit,
		side(bench), bench->less ? "ceiling" : "floor", known->floor);
}

static void test_reference(const struct bench *bench, double value, struct said *ret)
{
	const struct disagg_reference_value *known = &bench->cohort->reference;
	double fail_part = bench->fail_part, warn_part = fail_part + WARN_ABOVE;
	double part;

	ret->status = DISAGG_PROBE_PASS;
	if (!bench->cohort->has_reference || !known->has_ref)
		return;
	/* not value / ref against the part: a limit is to be the same number everywhere */
	part = bench->less ? known->ref / warn_part : known->ref * warn_part;
	if (!is_past(bench, value, part))
		return;
	part = bench->less ? known->ref / fail_part : known->ref * fail_part;
	ret->status = DISAGG_PROBE_WARN;
	if (is_past(bench, value, part) && strcmp(known->confidence, "low") != 0)
		ret->status = DISAGG_PROBE_FAIL;
	if (!is_past(bench, value, part))
		fail_part = warn_part;
	snprintf(ret->text, sizeof(ret->text),
		"%.5g %s is %.3f of the reference of %.5g, expected %s %.3f", value, bench->unit,
		value / known->ref, known->ref, bench->less ? "at most" : "at least",
		bench->less ? 1 / fail_part : fail_part);
}

static void test_fleet(const struct bench *bench, double value, struct said *ret)
{
	double median = bench->cohort->stats.median;
	double limit = bench->less ? median + bench->span : median - bench->span;

	ret->status = DISAGG_PROBE_PASS;
	if (bench->span <= 0)
		return;
	if (is_past(bench, value, limit)) {
		ret->status = DISAGG_PROBE_FAIL;
		snprintf(ret->text, sizeof(ret->text),
			"%.5g %s is %s %.5g: the median of %zu is %.5g, %s %s", value, bench->unit,
			side(bench), limit, bench->cohort->stats.count, median,
			bench->less ? "plus" : "less", bench->span_text);
	} else if (bench->less && value < median - bench->span) {
		ret->status = DISAGG_PROBE_WARN;
		snprintf(ret->text, sizeof(ret->text),
			"%.5g %s is far below the median of %zu, %.5g: too good, it has not "
			"measured the same",
			value, bench->unit, bench->cohort->stats.count, median);
	}
}

/* ---- the verdict on a record ---- */

static enum disagg_probe_status at_most(
	enum disagg_probe_status status, enum disagg_probe_status most)
{
	return status == DISAGG_PROBE_FAIL ? most : status;
}

/* What is already said goes first. */
static int say(struct disagg_arena *arena, struct disagg_probe_record *record, const char *text)
{
	record->reason = record->reason ? disagg_arena_printf(arena, "%s; %s", record->reason, text)
					: disagg_arena_strdup(arena, text);
	return record->reason ? 0 : -1;
}

static int say_of(struct disagg_arena *arena, struct disagg_probe_record *record,
	const struct said *said, const char *why)
{
	const char *text;

	if (said->status == DISAGG_PROBE_PASS)
		return 0;
	text = why ? disagg_arena_printf(arena, "%s (%s)", said->text, why) : said->text;
	return text ? say(arena, record, text) : -1;
}

static int judge_value(struct disagg_arena *arena, const struct bench *bench, bool common,
	struct disagg_probe_record *record)
{
	enum disagg_probe_status most = bench->rule->most;
	enum disagg_probe_status absolute;
	struct said floor, reference, fleet;
	const char *source = bench->cohort->reference.source;

	test_floor(bench, record->value, &floor);
	test_reference(bench, record->value, &reference);
	test_fleet(bench, record->value, &fleet);
	absolute = disagg_status_worse(floor.status, reference.status);
	/* all of the cohort is as slow: not this record's fault */
	if (common && fleet.status == DISAGG_PROBE_PASS) {
		absolute = at_most(absolute, DISAGG_PROBE_WARN);
		source = COMMON;
	}
	if (disagg_record_is_pair(record) ||
		(bench->rule->explains && record->status == DISAGG_PROBE_WARN))
		most = DISAGG_PROBE_WARN;
	record->status = disagg_status_worse(
		record->status, at_most(disagg_status_worse(absolute, fleet.status), most));
	/* the source is told once */
	if (say_of(arena, record, &floor, reference.status == DISAGG_PROBE_PASS ? source : NULL) !=
			0 ||
		say_of(arena, record, &reference, source) != 0 ||
		say_of(arena, record, &fleet, NULL) != 0)
		return -1;
	return 0;
}

static bool is_counted(const struct disagg_probe_record *record)
{
	return record->has_value && isfinite(record->value) &&
	       record->better != DISAGG_BETTER_NONE && record->status != DISAGG_PROBE_SKIP &&
	       record->status != DISAGG_PROBE_UNKNOWN;
}

static int gather(struct disagg_arena *arena, struct disagg_judge_cohort *cohort,
	const struct disagg_probe_record **ret_first)
{
	double *values = disagg_arena_array(arena, cohort->count, sizeof(*values));
	size_t count = 0;

	if (!values)
		return -1;
	*ret_first = NULL;
	for (size_t i = 0; i < cohort->count; i++) {
		if (!is_counted(cohort->record[i]))
			continue;
		if (!*ret_first)
			*ret_first = cohort->record[i];
		values[count++] = cohort->record[i]->value;
	}
	disagg_stats_of(values, count, &cohort->stats);
	return disagg_noise_of(arena, cohort->record, cohort->count, &cohort->noise);
}

/* How many standard deviations, by the MAD, from the median are too far. */
static double times_of(const struct disagg_stats *stats)
{
	double root = sqrt((double)stats->count), sd = MAD_TO_SD * stats->mad;
	double times = FLEET_SD * (1 + MAD_ERROR / root), more = FLEET_SD * (1 + MAD_DOUBT / root);
	double most = DOUBT_MOST * stats->median;

	if (sd <= 0 || times * sd >= most)
		return times;
	return more * sd < most ? more : most / sd;
}

static void set_span(struct bench *bench)
{
	const struct disagg_stats *stats = &bench->cohort->stats;
	double rel = bench->less ? REL_LATENCY : bench->rule->rel;
	double times = times_of(stats);
	double by_rel = rel * stats->median, by_mad = times * MAD_TO_SD * stats->mad;
	double noise_times = FLEET_SD * (1 + MAD_ERROR / sqrt((double)stats->count));
	double by_noise = noise_times * bench->cohort->noise;

	if (stats->count < DISAGG_JUDGE_MEMBERS || stats->median <= 0)
		return;
	bench->span = fmax(by_rel, fmax(by_mad, by_noise));
	if (by_noise > by_rel && by_noise > by_mad)
		snprintf(bench->span_text, sizeof(bench->span_text), "%.3g x the noise of a value",
			noise_times);
	else if (by_mad > by_rel)
		snprintf(bench->span_text, sizeof(bench->span_text), "%.3g x 1.4826 x MAD", times);
	else
		snprintf(bench->span_text, sizeof(bench->span_text), "%.0f %%", 100 * rel);
}

static void set_record(const struct disagg_judge_cohort *cohort, struct disagg_probe_record *record)
{
	const struct disagg_stats *stats = &cohort->stats;

	record->has_ref = cohort->has_reference && cohort->reference.has_ref;
	record->has_floor = cohort->has_reference && cohort->reference.has_floor;
	record->ref = record->has_ref ? cohort->reference.ref : 0;
	record->floor = record->has_floor ? cohort->reference.floor : 0;
	record->ref_source = cohort->has_reference ? cohort->reference.source : NULL;
	record->has_fleet = stats->count >= DISAGG_JUDGE_MEMBERS;
	record->fleet_median = record->has_fleet ? stats->median : 0;
	record->fleet_mad = record->has_fleet ? stats->mad : 0;
	record->z = 0;
	if (record->has_fleet && stats->mad > 0)
		record->z = (record->value - stats->median) / (MAD_TO_SD * stats->mad);
}

/* What the median fails is common to the cohort. */
static int find_common(
	struct disagg_arena *arena, const struct bench *bench, struct disagg_finding *ret)
{
	const struct disagg_judge_cohort *cohort = bench->cohort;
	const char *param = ret->param ? ret->param : "";
	struct said floor, reference, *worse;
	struct said fleet;

	if (bench->span <= 0)
		return 0;
	test_floor(bench, cohort->stats.median, &floor);
	test_reference(bench, cohort->stats.median, &reference);
	worse = disagg_status_worse(floor.status, reference.status) == floor.status ? &floor
										    : &reference;
	if (worse->status == DISAGG_PROBE_PASS)
		return 0;
	ret->status = at_most(worse->status, bench->rule->most);
	for (size_t i = 0; i < cohort->count; i++) {
		if (!is_counted(cohort->record[i]))
			continue;
		test_fleet(bench, cohort->record[i]->value, &fleet);
		ret->members += fleet.status == DISAGG_PROBE_PASS;
	}
	ret->of = cohort->stats.count;
	ret->text = disagg_arena_printf(arena,
		"%s%s%s: the median of %zu values, %s (%s); %zu of them agree with each other, so "
		"the cause is common: power cap, clocks, driver, settings, or a reference that "
		"does not fit",
		ret->probe, *param ? " " : "", param, cohort->stats.count, worse->text,
		cohort->reference.source, ret->members);
	return ret->text ? 0 : -1;
}

int disagg_judge_values(struct disagg_arena *arena, const struct disagg_reference *reference,
	struct disagg_judge_cohort *cohort, struct disagg_finding *ret_common,
	struct disagg_err *err)
{
	const struct disagg_probe_record *first;
	struct bench bench = {.cohort = cohort};
	struct disagg_finding common = {.status = DISAGG_PROBE_PASS};

	*ret_common = common;
	if (gather(arena, cohort, &first) != 0)
		return disagg_err_nomem(err);
	bench.rule = first ? rule_of(first->probe) : NULL;
	if (!bench.rule || bench.rule->rel <= 0)
		return 0;
	bench.unit = first->unit ? first->unit : "";
	bench.less = first->better == DISAGG_BETTER_LESS;
	bench.fail_part = part_of(bench.rule, first->param);
	if (reference)
		cohort->has_reference = disagg_reference_find(reference,
			&(struct disagg_reference_query){first->probe, first->param,
				cohort->gpu_name, cohort->gpus, first->unit},
			&cohort->reference);
	set_span(&bench);
	common.probe = first->probe;
	common.param = first->param;
	common.cohort = first->cohort;
	if (find_common(arena, &bench, &common) != 0)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < cohort->count; i++) {
		if (!is_counted(cohort->record[i]))
			continue;
		set_record(cohort, cohort->record[i]);
		if (judge_value(arena, &bench, common.status != DISAGG_PROBE_PASS,
			    cohort->record[i]) != 0)
			return disagg_err_nomem(err);
	}
	*ret_common = common;
	return 0;
}
