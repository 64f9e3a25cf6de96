/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/wait.h"
#include "lib/base/num.h"
#include "lib/host/http.h"
#include "lib/host/json.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
	O_TIMEOUT = 256,
	O_INTERVAL,
	O_ATTEMPT,
	O_REPORT,
	O_POLLS,
	O_JSON,
	O_KIND,
	O_PREFILL,
	O_DECODE,
	O_ROLE,
	O_ALL,
	O_FRONTEND,
	O_MODEL,
	O_CANARY,
	O_PID,
	O_FORMAT,
};

#define MOST_ROLES 64
#define DAY_S	   (24 * 60 * 60)

static const char *const format_names[] = {"text", "json", NULL};

static const struct helper_option options[] = {
	{"timeout", O_TIMEOUT, HELPER_VALUE, "TIME", "give up after this long (default 30m)"},
	{"interval", O_INTERVAL, HELPER_VALUE, "TIME", "between two looks (default 1s)"},
	{"attempt", O_ATTEMPT, HELPER_VALUE, "TIME", "most for one answer (default 5s)"},
	{"report", O_REPORT, HELPER_VALUE, "TIME", "between names of what is missing (30s)"},
	{"polls", O_POLLS, HELPER_VALUE, "N", "all ready so many times in a row (default 1)"},
	{"json", O_JSON, HELPER_VALUE, "PATH=VALUE", "and the answer says so ('a.0.b=text')"},
	{"kind", O_KIND, HELPER_VALUE, "KIND", "what the targets are, see above"},
	{"prefill", O_PREFILL, HELPER_VALUE, "N", "healthy prefill workers a frontend must have"},
	{"decode", O_DECODE, HELPER_VALUE, "N", "healthy decode workers a frontend must have"},
	{"role", O_ROLE, HELPER_VALUE, "ROLE", "the workers of a role of this job; may repeat"},
	{"all", O_ALL, HELPER_FLAG, NULL, "the workers of all roles of this job"},
	{"frontend", O_FRONTEND, HELPER_VALUE, "URL", "where the model is served"},
	{"model", O_MODEL, HELPER_VALUE, "ID", "the id that the frontend must serve"},
	{"canary", O_CANARY, HELPER_VALUE, "N", "N generations through the frontend succeed"},
	{"pid", O_PID, HELPER_VALUE, "PID", "fail at once when it ends; may repeat"},
	{"format", O_FORMAT, HELPER_VALUE, "FORMAT", "text (default) or json"},
	{NULL, 0, HELPER_FLAG, NULL, NULL},
};

static const struct helper helper = {
	.name = "disagg-wait",
	.synopsis = "[OPTION]... [NAME=]URL...",
	.about = "Waits until endpoints, a role's workers or a deployment are ready.\n"
		 "URL is http://host:port/path (ready: 2xx) or tcp://host:port (ready: accepts).\n"
		 "A refused connection means that it still loads.\n\n"
		 "KIND says when a URL is ready; of all but http only host and port count:\n"
		 "  http           it answers 2xx (default for http://)\n"
		 "  tcp            it accepts (default for tcp://)\n"
		 "  etcd           /health says \"health\":\"true\"\n"
		 "  nats           it greets with INFO\n"
		 "  dynamo         /health lists enough instances of the endpoint generate\n"
		 "  sglang-router  /workers lists enough workers that are healthy\n"
		 "  trtllm-server  /cluster_info lists enough servers, or /health answers 200\n"
		 "  vllm           /health answers 200 and /v1/models lists a model\n",
	.option = options,
	.examples =
		"  disagg-wait http://n1:30000/health tcp://n1:2379\n"
		"  disagg-wait --timeout=1h --role=prefill --role=decode --pid=$!\n"
		"  disagg-wait --kind=sglang-router --prefill=2 --decode=4 http://n0:8000\n"
		"  disagg-wait --json=status=ok nats=http://n0:8222/healthz\n"
		"  disagg-wait --all --frontend=http://n0:8000 --model=dsr1 --canary=4 --polls=3\n",
	.environment =
		"  DISAGG_<ROLE>_ENDPOINTS  what --role and --all wait for\n"
		"  DISAGG_FRONTEND_URL      as --frontend, for --model, --canary and --all\n",
	.exits = "  0 ready, 2 usage, 5 a system call failed, 6 timeout, 7 a process ended,\n"
		 "  8 the frontend serves another model\n",
	.features = "http tcp etcd nats dynamo sglang-router trtllm-server vllm",
};

struct call {
	struct wait_targets targets;
	struct wait_pids pids;
	struct disagg_ready_spec spec;
	const char *role[MOST_ROLES];
	unsigned role_count;
	bool all;
	int format;
	struct disagg_json_writer json; /* of what stood how */
	struct disagg_strbuf json_text;
};

/* ---- the command line ---- */

/* Milliseconds of a duration; "500ms" is exact. */
static int take_ms(const char *option, const char *text, unsigned *ret_ms)
{
	size_t len = strlen(text);
	char digits[16];
	int64_t ms = 0, seconds = 0;
	bool good;

	if (len > 2 && len < sizeof(digits) && strcmp(text + len - 2, "ms") == 0) {
		snprintf(digits, sizeof(digits), "%.*s", (int)len - 2, text);
		good = disagg_num_int(digits, 1, 1000 * DAY_S, &ms) == 0;
	} else {
		good = disagg_num_duration(text, &seconds) == 0 && seconds > 0 && seconds <= DAY_S;
		ms = seconds * 1000;
	}
	if (!good)
		return helper_usage(
			&helper, "--%s: expected a time from 1ms to 1d, got '%s'", option, text);
	*ret_ms = (unsigned)ms;
	return 0;
}

static int take_seconds(const char *option, const char *text, unsigned *ret_s)
{
	int64_t seconds;

	if (disagg_num_duration(text, &seconds) || seconds < 1 || seconds > 365 * (int64_t)DAY_S)
		return helper_usage(
			&helper, "--%s: expected a time from 1s to 365d, got '%s'", option, text);
	*ret_s = (unsigned)seconds;
	return 0;
}

static int take_count(const char *option, const char *text, unsigned *ret)
{
	int64_t count;

	if (disagg_num_int(text, 1, 100000, &count))
		return helper_usage(&helper, "--%s: expected a number from 1 to 100000, got '%s'",
			option, text);
	*ret = (unsigned)count;
	return 0;
}

static int take_json(struct wait_targets *targets, const char *text)
{
	const char *equals = strchr(text, '=');

	if (targets->field)
		return helper_usage(&helper, "--json: can be given once");
	if (!equals || equals == text)
		return helper_usage(&helper, "--json: expected PATH=VALUE, got '%s'", text);
	targets->field = disagg_arena_strndup(targets->arena, text, (size_t)(equals - text));
	targets->value = equals + 1;
	return targets->field ? 0 : helper_fail(&helper, DISAGG_SYSTEM, "out of memory");
}

static int take_kind(struct wait_targets *targets, const char *text)
{
	int kind = helper_choice(&helper, "kind", disagg_ready_kind_name, text);

	if (kind < 0)
		return DISAGG_USAGE;
	targets->kind = (enum disagg_ready_kind)kind;
	targets->kind_given = true;
	return 0;
}

static int take_role(struct call *call, const char *role)
{
	if (call->role_count == MOST_ROLES)
		return helper_usage(&helper, "--role: at most %d are allowed", MOST_ROLES);
	call->role[call->role_count++] = role;
	return 0;
}

static int take_format(struct call *call, const char *text)
{
	call->format = helper_choice(&helper, "format", format_names, text);
	return call->format < 0 ? DISAGG_USAGE : 0;
}

static int take(void *context, int id, const char *value)
{
	struct call *call = context;
	struct disagg_ready_spec *spec = &call->spec;

	switch (id) {
	case O_TIMEOUT:
		return take_seconds("timeout", value, &spec->timeout_s);
	case O_INTERVAL:
		return take_ms("interval", value, &spec->interval_ms);
	case O_ATTEMPT:
		return take_ms("attempt", value, &spec->attempt_ms);
	case O_REPORT:
		return take_seconds("report", value, &spec->report_s);
	case O_POLLS:
		return take_count("polls", value, &spec->polls);
	case O_JSON:
		return take_json(&call->targets, value);
	case O_KIND:
		return take_kind(&call->targets, value);
	case O_PREFILL:
		return take_count("prefill", value, &call->targets.prefill);
	case O_DECODE:
		return take_count("decode", value, &call->targets.decode);
	case O_ROLE:
		return take_role(call, value);
	case O_ALL:
		call->all = true;
		return 0;
	case O_FRONTEND:
		spec->frontend = value;
		return 0;
	case O_MODEL:
		spec->model = value;
		return 0;
	case O_CANARY:
		return take_count("canary", value, &spec->canary_count);
	case O_PID:
		return wait_add_pid(&helper, &call->pids, value);
	default:
		return take_format(call, value);
	}
}

/* ---- what is waited for ---- */

static int set_frontend(struct call *call)
{
	struct disagg_ready_spec *spec = &call->spec;
	bool wanted = spec->model || spec->canary_count;
	const char *known = getenv("DISAGG_FRONTEND_URL");

	if (!spec->frontend && (wanted || call->all) && known && known[0])
		spec->frontend = known;
	if (wanted && !spec->frontend)
		return helper_usage(&helper, "--model and --canary need --frontend=URL");
	if (spec->frontend && strncmp(spec->frontend, "http://", 7) != 0)
		return helper_usage(
			&helper, "--frontend: expected http://host:port, got '%s'", spec->frontend);
	return 0;
}

static int add_targets(struct call *call, int count, char **operand)
{
	struct wait_targets *targets = &call->targets;
	int result = 0;

	for (int i = 0; i < count && !result; i++)
		result = wait_add_operand(targets, operand[i]);
	for (unsigned i = 0; i < call->role_count && !result; i++)
		result = wait_add_role(targets, call->role[i]);
	if (!result && call->all)
		result = wait_add_all(targets);
	if (!result)
		result = wait_check(targets);
	if (!result)
		result = set_frontend(call);
	if (!result && !targets->count && !call->spec.frontend)
		result = helper_usage(
			&helper, "expected at least one URL, --role, --all or --frontend");
	call->spec.target = targets->v;
	call->spec.target_count = targets->count;
	return result;
}

/* ---- while it waits ---- */

static int alive(void *context, struct disagg_err *err)
{
	const struct call *call = context;

	return wait_pids_alive(&call->pids, err);
}

static void progress(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s: %s\n", helper.name, line);
}

static void stood(
	void *context, const struct disagg_ready_target *target, bool good, const char *why)
{
	struct call *call = context;

	disagg_json_begin(&call->json, NULL, '{');
	disagg_json_put_text(&call->json, "name", target->name);
	disagg_json_put_text(&call->json, "url", target->url);
	disagg_json_put_bool(&call->json, "ready", good);
	disagg_json_put_text(&call->json, "why", good ? NULL : why);
	disagg_json_end(&call->json, '}');
}

/* ---- the result ---- */

static int print_text(const struct call *call, double seconds, const struct disagg_err *err)
{
	if (err->code)
		return DISAGG_OK;
	printf("ready after %.1f s: %u endpoint%s", seconds, call->targets.count,
		call->targets.count == 1 ? "" : "s");
	if (call->spec.frontend)
		printf(", %s", call->spec.frontend);
	printf("\n");
	if (fflush(stdout))
		return helper_fail(&helper, DISAGG_SYSTEM, "cannot write to stdout: %m");
	return DISAGG_OK;
}

static int print_json(struct call *call, double seconds, const struct disagg_err *err)
{
	struct disagg_strbuf text;
	struct disagg_json_writer out = {.out = &text};
	int result;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&out, NULL, '{');
	disagg_json_put_text(&out, "schema", "disagg.wait/1");
	disagg_json_put_bool(&out, "ready", err->code == DISAGG_OK);
	disagg_json_put_real(&out, "seconds", seconds);
	disagg_json_put_text(&out, "error", err->code ? err->text : NULL);
	disagg_json_begin(&out, "targets", '[');
	disagg_strbuf_add(&text, call->json_text.text, call->json_text.len);
	disagg_json_end(&out, ']');
	disagg_json_end(&out, '}');
	disagg_strbuf_putc(&text, '\n');
	text.failed |= call->json_text.failed;
	result = helper_print(&helper, &text);
	disagg_strbuf_release(&text);
	return result;
}

static int wait_for(struct call *call)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	const int alive_fds[] = {call->pids.epoll_fd, -1};
	int64_t begin_ns = disagg_monotonic_ns();
	double seconds;
	int result;

	call->spec.progress = progress;
	call->spec.context = call;
	call->spec.cancel_fd = -1;
	call->spec.stood = call->format ? stood : NULL;
	call->spec.alive = call->pids.count ? alive : NULL;
	call->spec.alive_fds = alive_fds;
	disagg_ready_wait(&call->spec, &err);
	seconds = (double)(disagg_monotonic_ns() - begin_ns) / 1e9;
	if (err.code)
		helper_fail_err(&helper, &err);
	result = call->format ? print_json(call, seconds, &err) : print_text(call, seconds, &err);
	return err.code ? (int)err.code : result;
}

/* A connection is a descriptor, and many endpoints can be silent at once. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct call call = {
		.targets = {.helper = &helper, .arena = &arena},
		.pids = {.epoll_fd = -1},
	};
	int first, result;

	disagg_strbuf_init(&call.json_text, 0);
	call.json.out = &call.json_text;
	raise_descriptors();
	result = helper_parse(&helper, argc, argv, take, &call, &first);
	if (result < 0)
		result = add_targets(&call, argc - first, argv + first);
	else
		first = -1;
	if (!result && first >= 0)
		result = wait_for(&call);
	disagg_strbuf_release(&call.json_text);
	disagg_arena_release(&arena);
	return result;
}
