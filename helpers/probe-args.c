/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/base/num.h"
#include "lib/conf/schema.h"
#include "lib/probe/ranks.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	O_SUITE = 256,
	O_PROBE,
	O_SKIP,
	O_LIST,
	O_OUT,
	O_NO_REPORT,
	O_REFERENCE,
	O_BASELINE,
	O_FORMAT,
	O_FORCE,
	O_SINCE,
	O_GEMM_SIZE,
	O_GEMM_TIME,
	O_COPY_SIZE,
	O_NCCL_MIN,
	O_NCCL_MAX,
	O_NCCL_ITERATIONS,
	O_KV_BLOCK,
	O_MODEL,
	O_MODEL_CONFIG,
	O_KERNEL_LOG,
	O_SYSROOT,
	O_ALLOW,
	O_XID_TABLE,
	O_SERVICE,
	O_SERVICE_TIME,
	O_JOIN,
	O_LOCAL_AGENTS,
	O_PROLOG,
};

#define MOST_AGENTS 1024
#define MOST_NAMES  256u
#define DAY_S	    (24 * 60 * 60)

const struct helper_option probe_options[] = {
	{"suite", O_SUITE, HELPER_VALUE, "SUITE", "quick, standard (default) or thorough"},
	{"probe", O_PROBE, HELPER_VALUE, "NAME,...", "only these, of any suite; 'nccl.*' too"},
	{"skip", O_SKIP, HELPER_VALUE, "NAME,...", "all of the suite but these"},
	{"list", O_LIST, HELPER_FLAG, NULL, "print the probes and their suites"},
	{"out", O_OUT, HELPER_VALUE, "DIR", "where records and report go"},
	{"no-report", O_NO_REPORT, HELPER_FLAG, NULL, "write no files"},
	{"reference", O_REFERENCE, HELPER_VALUE, "FILE", "a site's values over the built-in ones"},
	{"baseline", O_BASELINE, HELPER_VALUE, "FILE", "an earlier report to compare with"},
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "of standard output: text or json"},
	{"force", O_FORCE, HELPER_FLAG, NULL, "also GPUs that other processes use"},
	{"since", O_SINCE, HELPER_VALUE, "TIME", "count the kernel log from TIME ago: 2h"},
	{"gemm-size", O_GEMM_SIZE, HELPER_VALUE, "N", "of N x N x N (default 8192)"},
	{"gemm-time", O_GEMM_TIME, HELPER_VALUE, "MS", "to measure for (default by the suite)"},
	{"copy-size", O_COPY_SIZE, HELPER_VALUE, "BYTES",
		"of copies, hbm twice that (default 512M)"},
	{"nccl-min", O_NCCL_MIN, HELPER_VALUE, "BYTES", "smallest message (default 8M)"},
	{"nccl-max", O_NCCL_MAX, HELPER_VALUE, "BYTES", "largest message (default 1G)"},
	{"nccl-iterations", O_NCCL_ITERATIONS, HELPER_VALUE, "N", "timed runs each (default 20)"},
	{"kv-block", O_KV_BLOCK, HELPER_VALUE, "BYTES", "one more size of kv.path, to 1M"},
	{"model", O_MODEL, HELPER_VALUE, "FILE", "a file for storage.model to read"},
	{"model-config", O_MODEL_CONFIG, HELPER_VALUE, "FILE", "its config.json, for kv.path"},
	{"kernel-log", O_KERNEL_LOG, HELPER_VALUE, "FILE", "in place of /dev/kmsg"},
	{"allow", O_ALLOW, HELPER_VALUE, "KEY,...", "that may differ: 'python.*,os.kernel'"},
	{"xid-table", O_XID_TABLE, HELPER_VALUE, "FILE", "a site's Xids over the built-in ones"},
	{"service", O_SERVICE, HELPER_VALUE, "URL,...", "that service.wait waits for"},
	{"service-time", O_SERVICE_TIME, HELPER_VALUE, "TIME", "how long (default 200s)"},
	{"sysroot", O_SYSROOT, HELPER_VALUE, "DIR", "in place of / for /proc, /sys, /etc, /dev"},
	{"join", O_JOIN, HELPER_VALUE, "TIME", "that nodes have to join in (default 60s)"},
	{"local-agents", O_LOCAL_AGENTS, HELPER_VALUE, "N", "N agents here, n1 to nN: a rehearsal"},
	{"prolog", O_PROLOG, HELPER_FLAG, NULL, "for slurmd: is this node fit for a job?"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const char *const format_names[] = {"text", "json", NULL};
static const char *const suite_names[] = {"quick", "standard", "thorough", NULL};
static const unsigned suite_bits[] = {
	DISAGG_SUITE_QUICK, DISAGG_SUITE_STANDARD, DISAGG_SUITE_THOROUGH};
static const unsigned suite_gemm_ms[] = {1000, 5000, 20000};

struct args {
	struct probe *probe;
	int suite;
	const char *only, *skip; /* NULL */
	unsigned gemm_ms;	 /* 0: by the suite */
	bool list, prolog;
};

/* ---- values ---- */

/* "8M": powers of 1024. */
static int take_bytes(const struct args *args, const char *option, const char *text, uint64_t *ret)
{
	static const char letters[] = "KMGT";
	size_t len = strlen(text);
	const char *letter = len ? strchr(letters, text[len - 1]) : NULL;
	unsigned shift = letter && *letter ? 10u * (unsigned)(letter - letters + 1) : 0;
	char digits[24];
	int64_t value;

	snprintf(digits, sizeof(digits), "%.*s", (int)(shift ? len - 1 : len), text);
	if (len >= sizeof(digits) || disagg_num_int(digits, 1, (INT64_C(1) << 46) >> shift, &value))
		return helper_usage(args->probe->helper,
			"--%s: expected bytes up to 64T as '8M' or '1G', got '%s'", option, text);
	*ret = (uint64_t)value << shift;
	return 0;
}

static int take_number(
	const struct args *args, const char *option, const char *text, int64_t most, int64_t *ret)
{
	if (disagg_num_int(text, 1, most, ret))
		return helper_usage(args->probe->helper,
			"--%s: expected a number from 1 to %lld, got '%s'", option, (long long)most,
			text);
	return 0;
}

static int take_seconds(const struct args *args, const char *option, const char *text, int64_t *ret)
{
	if (disagg_num_duration(text, ret) || *ret < 1 || *ret > 365 * (int64_t)DAY_S)
		return helper_usage(args->probe->helper,
			"--%s: expected a time as '90s' or '2h', got '%s'", option, text);
	return 0;
}

static int take_text(struct disagg_probe_options *options, int id, const char *value)
{
	const struct {
		int id;
		const char **ret;
	} texts[] = {
		{O_MODEL, &options->model_path},
		{O_MODEL_CONFIG, &options->model_config},
		{O_KERNEL_LOG, &options->kernel_log},
		{O_ALLOW, &options->allow},
		{O_XID_TABLE, &options->xid_table},
		{O_SERVICE, &options->service},
		{O_SYSROOT, &options->sysroot},
		{O_SYSROOT, &options->device_root},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].id == id)
			*texts[i].ret = value;
	return 0;
}

static int take_options(struct args *args, int id, const char *value)
{
	struct disagg_probe_options *options = &args->probe->options;
	int64_t number = 0;
	int rc;

	switch (id) {
	case O_SINCE:
		rc = take_seconds(args, "since", value, &number);
		options->since_s = (double)(time(NULL) - number);
		return rc;
	case O_SERVICE_TIME:
		rc = take_seconds(args, "service-time", value, &number);
		options->service_ms = (unsigned)(number < DAY_S ? number : DAY_S) * 1000;
		return rc;
	case O_GEMM_SIZE:
		rc = take_number(args, "gemm-size", value, 1 << 17, &number);
		options->gemm_size = (uint64_t)number;
		return rc;
	case O_GEMM_TIME:
		rc = take_number(args, "gemm-time", value, 3600 * 1000, &number);
		args->gemm_ms = (unsigned)number;
		return rc;
	case O_COPY_SIZE:
		return take_bytes(args, "copy-size", value, &options->copy_bytes);
	case O_NCCL_MIN:
		return take_bytes(args, "nccl-min", value, &options->nccl_min_bytes);
	case O_NCCL_MAX:
		return take_bytes(args, "nccl-max", value, &options->nccl_max_bytes);
	case O_NCCL_ITERATIONS:
		rc = take_number(args, "nccl-iterations", value, DISAGG_RANKS_ITERATIONS, &number);
		options->nccl_iterations = (unsigned)number;
		return rc;
	case O_KV_BLOCK:
		return take_bytes(args, "kv-block", value, &options->kv_block_bytes);
	default:
		return take_text(options, id, value);
	}
}

static int take_run(struct args *args, int id, const char *value)
{
	struct probe *probe = args->probe;
	int64_t number = 0;
	int rc;

	switch (id) {
	case O_OUT:
		if (!value[0])
			return helper_usage(probe->helper, "--out: expected a folder, got ''");
		probe->out = value;
		return 0;
	case O_FORMAT:
		rc = helper_choice(probe->helper, "format", format_names, value);
		probe->format = rc == 1 ? PROBE_JSON : PROBE_TEXT;
		return rc < 0 ? DISAGG_USAGE : 0;
	case O_JOIN:
		rc = take_seconds(args, "join", value, &number);
		probe->join_ms = (unsigned)(number < DAY_S ? number : DAY_S) * 1000;
		return rc;
	default:
		rc = take_number(args, "local-agents", value, MOST_AGENTS, &number);
		probe->rehearse = (unsigned)number;
		return rc;
	}
}

static int take(void *context, int id, const char *value)
{
	struct args *args = context;
	struct probe *probe = args->probe;

	switch (id) {
	case O_SUITE:
		args->suite = helper_choice(probe->helper, "suite", suite_names, value);
		return args->suite < 0 ? DISAGG_USAGE : 0;
	case O_PROBE:
		args->only = value;
		return 0;
	case O_SKIP:
		args->skip = value;
		return 0;
	case O_LIST:
		args->list = true;
		return 0;
	case O_PROLOG:
		args->prolog = true;
		return 0;
	case O_NO_REPORT:
		probe->out = "";
		return 0;
	case O_REFERENCE:
		probe->reference = value;
		return 0;
	case O_BASELINE:
		probe->baseline = value;
		return 0;
	case O_FORCE:
		probe->options.force = true;
		return 0;
	case O_OUT:
	case O_FORMAT:
	case O_JOIN:
	case O_LOCAL_AGENTS:
		return take_run(args, id, value);
	default:
		return take_options(args, id, value);
	}
}

/* ---- which probes ---- */

/* "nccl.*" is all that begin so. */
static bool fits(const char *word, size_t len, const char *name)
{
	if (len > 0 && word[len - 1] == '*')
		return strncmp(word, name, len - 1) == 0;
	return strlen(name) == len && strncmp(word, name, len) == 0;
}

/* The probe, or a record of it that has another name. */
static bool names(const char *word, size_t len, const struct disagg_probe *probe)
{
	if (fits(word, len, probe->name))
		return true;
	for (unsigned i = 0; i < DISAGG_PROBE_EMITS && probe->emits[i]; i++)
		if (fits(word, len, probe->emits[i]))
			return true;
	return false;
}

static bool is_in(const char *list, const struct disagg_probe *probe, bool records)
{
	size_t len;

	for (const char *word = list; word; word += len + 1) {
		len = strcspn(word, ",");
		if (records ? names(word, len, probe) : fits(word, len, probe->name))
			return true;
		if (!word[len])
			return false;
	}
	return false;
}

/* The probe whose record the word names, and no probe's own name; NULL. */
static const struct disagg_probe *emitter(const char *word, size_t len)
{
	const struct disagg_probe *found = NULL;

	for (const struct disagg_probe *at = disagg_probes; at->name; at++) {
		if (fits(word, len, at->name))
			return NULL;
		if (names(word, len, at))
			found = at;
	}
	return found;
}

static int refuse_name(const struct args *args, const char *option, const char *text)
{
	const char *known[MOST_NAMES];
	unsigned count = 0;

	for (const struct disagg_probe *at = disagg_probes; at->name; at++) {
		if (count + DISAGG_PROBE_EMITS >= MOST_NAMES)
			break;
		known[count++] = at->name;
		for (unsigned i = 0; i < DISAGG_PROBE_EMITS && at->emits[i]; i++)
			known[count++] = at->emits[i];
	}
	known[count] = NULL;
	if (disagg_nearest_name(known, text))
		return helper_usage(args->probe->helper,
			"--%s: there is no probe '%s', did you mean '%s'?", option, text,
			disagg_nearest_name(known, text));
	return helper_usage(
		args->probe->helper, "--%s: there is no probe '%s', see --list", option, text);
}

/* A word that is no probe is a mistake, with the nearest name told.  Half a probe cannot be
 * left out. */
static int check_names(const struct args *args, const char *option, const char *list, bool records)
{
	char text[128];
	size_t len;

	for (const char *word = list; word; word = word[len] ? word + len + 1 : NULL) {
		const struct disagg_probe *at = disagg_probes, *of;

		len = strcspn(word, ",");
		of = emitter(word, len);
		while (at->name && !fits(word, len, at->name))
			at++;
		if (at->name || (of && records))
			continue;
		snprintf(text, sizeof(text), "%.*s", (int)len, word);
		if (of)
			return helper_usage(args->probe->helper,
				"--%s: '%s' is a record of the probe '%s': expected '%s'", option,
				text, of->name, of->name);
		return refuse_name(args, option, text);
	}
	return 0;
}

static int choose(struct args *args)
{
	struct probe *probe = args->probe;
	size_t all = 0;

	while (disagg_probes[all].name)
		all++;
	probe->list = reallocarray(NULL, all + 1, sizeof(*probe->list));
	if (!probe->list)
		return helper_fail(probe->helper, DISAGG_SYSTEM, "out of memory");
	for (size_t i = 0; i < all; i++) {
		const struct disagg_probe *at = &disagg_probes[i];

		if (args->only ? !is_in(args->only, at, true)
			       : !(at->suites & suite_bits[args->suite]))
			continue;
		if (!is_in(args->skip, at, false))
			probe->list[probe->count++] = at;
	}
	if (!probe->count)
		return helper_usage(probe->helper, "--skip leaves no probe to run");
	return -1;
}

/* ---- all ---- */

static const char *join_words(struct disagg_arena *arena, int argc, char **argv)
{
	struct disagg_strbuf text;
	const char *ret;

	disagg_strbuf_init(&text, 4096);
	for (int i = 0; i < argc; i++)
		disagg_strbuf_printf(&text, "%s%s", i ? " " : "", argv[i]);
	ret = disagg_arena_strdup(arena, text.text);
	disagg_strbuf_release(&text);
	return ret;
}

static void set_defaults(struct probe *probe)
{
	probe->join_ms = 60000;
	probe->options = (struct disagg_probe_options){
		.sysroot = "",
		.device_root = "",
		.gemm_size = 8192,
		.copy_bytes = UINT64_C(512) << 20,
		.nccl_min_bytes = UINT64_C(8) << 20,
		.nccl_max_bytes = UINT64_C(1) << 30,
		.nccl_iterations = 20,
		.service_ms = 200000,
	};
}

int probe_parse(struct probe *probe, int argc, char **argv)
{
	struct args args = {.probe = probe, .suite = 1};
	int first, result;

	set_defaults(probe);
	probe->command = join_words(&probe->arena, argc, argv);
	result = helper_parse(probe->helper, argc, argv, take, &args, &first);
	if (result >= 0)
		return result;
	if (first < argc)
		return helper_usage(probe->helper, "unexpected argument '%s'", argv[first]);
	if (args.list)
		return probe_print_list(probe->helper);
	if (args.prolog)
		return probe_prolog(probe);
	if (probe->options.nccl_min_bytes > probe->options.nccl_max_bytes)
		return helper_usage(probe->helper, "--nccl-min is above --nccl-max");
	if (check_names(&args, "probe", args.only, true) ||
		check_names(&args, "skip", args.skip, false))
		return DISAGG_USAGE;
	probe->suite = args.only ? NULL : suite_names[args.suite];
	probe->options.suite = suite_bits[args.suite];
	probe->options.gemm_ms = args.gemm_ms ? args.gemm_ms : suite_gemm_ms[args.suite];
	return choose(&args);
}
