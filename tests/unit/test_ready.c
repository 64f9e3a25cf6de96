/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready.h"

#include "lib/host/http.h"
#include "tests/unit/loopback.h"
#include "tests/unit/tap.h"
#include <fcntl.h>

/* ---- a server whose answers are a table ---- */

struct page {
	const char *path; /* with a space behind; NULL ends the table */
	int status;
	const char *body;
	unsigned from;	/* of this request on; before, the next row with the path */
	unsigned until; /* 0: for ever */
};

static void serve(int fd, const char *request, unsigned number, const void *context)
{
	for (const struct page *page = context; page->path; page++) {
		const char *path = strchr(request, ' ');

		if (!path || strncmp(path + 1, page->path, strlen(page->path)) != 0)
			continue;
		if (number < page->from || (page->until && number >= page->until))
			continue;
		loopback_answer(fd, page->status, page->body);
		return;
	}
	loopback_answer(fd, 404, "");
}

static const char *url_of(char *url, const struct loopback *server, const char *path)
{
	snprintf(url, 128, "http://127.0.0.1:%d%s", server->port, path);
	return url;
}

static int64_t ms_since(int64_t begin_ns)
{
	return (disagg_monotonic_ns() - begin_ns) / 1000000;
}

/* ---- one look at each kind ---- */

#define WORKERS_GOOD                                                                               \
	"{\"workers\":[{\"worker_type\":\"prefill\",\"is_healthy\":true},"                         \
	"{\"worker_type\":\"decode\",\"is_healthy\":true},"                                        \
	"{\"worker_type\":\"decode\",\"is_healthy\":false}],"                                      \
	"\"stats\":{\"prefill_count\":1,\"decode_count\":2}}"
#define INSTANCES                                                                                  \
	"{\"instances\":[{\"endpoint\":\"generate\",\"component\":\"prefill\"},"                   \
	"{\"endpoint\":\"generate\",\"component\":\"tensorrt_llm\"},"                              \
	"{\"endpoint\":\"generate\",\"component\":\"backend\"},"                                   \
	"{\"endpoint\":\"clear_kv_blocks\",\"component\":\"prefill\"}]}"
#define CLUSTER                                                                                    \
	"{\"is_ready\":true,\"current_workers\":{\"context_servers\":[{\"host\":\"n1\"}],"         \
	"\"generation_servers\":[{\"host\":\"n2\"},{\"host\":\"n3\"}]}}"
#define ONE_MODEL "{\"object\":\"list\",\"data\":[{\"id\":\"m1\"}]}"

static const struct {
	const char *what;
	enum disagg_ready_kind kind;
	unsigned prefill, decode;
	const char *field, *value;
	const char *missing; /* "": ready */
	struct page page[3];
} looks[] = {
	{"http 200", DISAGG_READY_HTTP, 0, 0, NULL, NULL, "", {{"/x ", 200, "", 0, 0}}},
	{"http 204", DISAGG_READY_HTTP, 0, 0, NULL, NULL, "", {{"/x ", 204, "", 0, 0}}},
	{"http 503", DISAGG_READY_HTTP, 0, 0, NULL, NULL, "t (answers 503)",
		{{"/x ", 503, "", 0, 0}}},
	{"http 302", DISAGG_READY_HTTP, 0, 0, NULL, NULL, "t (answers 302)",
		{{"/x ", 302, "", 0, 0}}},
	{"a field", DISAGG_READY_HTTP, 0, 0, "data.0.id", "m1", "",
		{{"/x ", 200, ONE_MODEL, 0, 0}}},
	{"another value", DISAGG_READY_HTTP, 0, 0, "data.0.id", "m2", "t (data.0.id is m1, not m2)",
		{{"/x ", 200, ONE_MODEL, 0, 0}}},
	{"no such field", DISAGG_READY_HTTP, 0, 0, "status", "ok", "t (status is missing, not ok)",
		{{"/x ", 200, "{}", 0, 0}}},
	{"a field of no JSON", DISAGG_READY_HTTP, 0, 0, "status", "ok",
		"t (no JSON: ", {{"/x ", 200, "OK", 0, 0}}},
	{"tcp", DISAGG_READY_TCP, 0, 0, NULL, NULL, "", {{"/x ", 200, "", 0, 0}}},
	{"etcd", DISAGG_READY_ETCD, 0, 0, NULL, NULL, "",
		{{"/health ", 200, "{\"health\":\"true\",\"reason\":\"\"}", 0, 0}}},
	{"etcd without leader", DISAGG_READY_ETCD, 0, 0, NULL, NULL, "t (answers 503)",
		{{"/health ", 503, "{\"health\":\"false\"}", 0, 0}}},
	{"etcd that says false", DISAGG_READY_ETCD, 0, 0, NULL, NULL,
		"t (health is false, not true)",
		{{"/health ", 200, "{\"health\":\"false\"}", 0, 0}}},
	{"sglang router", DISAGG_READY_SGLANG_ROUTER, 1, 1, NULL, NULL, "",
		{{"/workers ", 200, WORKERS_GOOD, 0, 0}}},
	{"sglang router, health and not registration", DISAGG_READY_SGLANG_ROUTER, 1, 2, NULL, NULL,
		"t (has 1 of 1 prefill and 1 of 2 decode workers)",
		{{"/workers ", 200, WORKERS_GOOD, 0, 0}}},
	{"sglang router, regular is decode", DISAGG_READY_SGLANG_ROUTER, 0, 1, NULL, NULL, "",
		{{"/workers ", 200,
			"{\"workers\":[{\"worker_type\":\"regular\",\"is_healthy\":true}]}", 0,
			0}}},
	{"sglang router without a list", DISAGG_READY_SGLANG_ROUTER, 1, 1, NULL, NULL,
		"t (the answer has no list 'workers')", {{"/workers ", 200, "{}", 0, 0}}},
	{"dynamo, only generate counts", DISAGG_READY_DYNAMO, 1, 2, NULL, NULL, "",
		{{"/health ", 200, INSTANCES, 0, 0}}},
	{"dynamo, one is missing", DISAGG_READY_DYNAMO, 2, 1, NULL, NULL,
		"t (has 1 of 2 prefill and 2 of 1 decode workers)",
		{{"/health ", 200, INSTANCES, 0, 0}}},
	{"dynamo, empty and healthy", DISAGG_READY_DYNAMO, 1, 1, NULL, NULL,
		"t (has 0 of 1 prefill and 0 of 1 decode workers)",
		{{"/health ", 200, "{\"status\":\"healthy\",\"instances\":[]}", 0, 0}}},
	{"dynamo, booting", DISAGG_READY_DYNAMO, 1, 1, NULL, NULL, "t (answers 503)",
		{{"/health ", 503, "{\"instances\":[]}", 0, 0}}},
	{"trtllm with discovery", DISAGG_READY_TRTLLM_SERVER, 1, 2, NULL, NULL, "",
		{{"/cluster_info ", 200, CLUSTER, 0, 0}}},
	{"trtllm, one is missing", DISAGG_READY_TRTLLM_SERVER, 2, 2, NULL, NULL,
		"t (has 1 of 2 prefill and 2 of 2 decode workers)",
		{{"/cluster_info ", 200, CLUSTER, 0, 0}}},
	{"trtllm, static", DISAGG_READY_TRTLLM_SERVER, 1, 2, NULL, NULL, "",
		{{"/cluster_info ", 200, "{\"is_ready\": true}", 0, 0},
			{"/health ", 200, "", 0, 0}}},
	{"trtllm, static and not healthy", DISAGG_READY_TRTLLM_SERVER, 1, 2, NULL, NULL,
		"t (answers 503)",
		{{"/cluster_info ", 200, "{\"is_ready\": true}", 0, 0},
			{"/health ", 503, "", 0, 0}}},
	{"trtllm, not ready", DISAGG_READY_TRTLLM_SERVER, 1, 2, NULL, NULL,
		"t (is_ready is not true)",
		{{"/cluster_info ", 200, "{\"is_ready\": false}", 0, 0},
			{"/health ", 200, "", 0, 0}}},
	{"trtllm without cluster_info", DISAGG_READY_TRTLLM_SERVER, 1, 2, NULL, NULL, "",
		{{"/health ", 200, "", 0, 0}}},
	{"vllm", DISAGG_READY_VLLM, 0, 0, NULL, NULL, "",
		{{"/health ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0}}},
	{"vllm without a model", DISAGG_READY_VLLM, 0, 0, NULL, NULL, "t (lists no model)",
		{{"/health ", 200, "", 0, 0}, {"/v1/models ", 200, "{\"data\":[]}", 0, 0}}},
	{"vllm, not healthy", DISAGG_READY_VLLM, 0, 0, NULL, NULL, "t (answers 500)",
		{{"/health ", 500, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0}}},
	{"nats that is something else", DISAGG_READY_NATS, 0, 0, NULL, NULL, "t (timed out)",
		{{"/x ", 200, "", 0, 0}}},
};

static void test_kinds(void)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		struct loopback server = loopback_start(serve, looks[i].page);
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		char url[128];
		struct disagg_ready_target target = {
			.name = "t",
			.kind = looks[i].kind,
			.url = url_of(url, &server, "/x"),
			.prefill = looks[i].prefill,
			.decode = looks[i].decode,
			.field = looks[i].field,
			.value = looks[i].value,
		};
		struct disagg_ready_spec spec = {
			.target = &target, .target_count = 1, .attempt_ms = 400, .cancel_fd = -1};
		const char *missing = NULL;
		unsigned good = 9;

		is_int(disagg_ready_poll(&arena, &spec, &good, &missing, &err), 0, looks[i].what);
		is_int(good, looks[i].missing[0] ? 0 : 1, "is ready or not");
		if (looks[i].missing[0])
			has_str(missing, looks[i].missing, "says why");
		else
			is_str(missing, "", "nothing is missing");
		disagg_arena_release(&arena);
		loopback_stop(&server);
	}
}

static void test_nats(void)
{
	static const char greeting[] = "INFO {\"server_id\":\"x\"}\r\n";
	struct loopback server = {.fd = -1};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ready_target target = {.name = "nats", .kind = DISAGG_READY_NATS};
	struct disagg_ready_spec spec = {.target = &target, .target_count = 1, .cancel_fd = -1};
	int listener = loopback_bind(&server.port), fd;
	const char *missing = NULL;
	char url[128];
	unsigned good = 9;

	listen(listener, 8);
	server.pid = fork();
	if (server.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = accept(listener, NULL, NULL);
		loopback_send(fd, greeting);
		pause();
	}
	close(listener);
	target.url = url_of(url, &server, "");
	is_int(disagg_ready_poll(&arena, &spec, &good, &missing, &err), 0, "a NATS server");
	is_int(good, 1, "is known by what it says first");
	is_str(missing, "", "and is not missing");
	disagg_arena_release(&arena);
	loopback_stop(&server);
}

/* ---- waiting ---- */

struct heard {
	unsigned lines, stood, alive, die_after;
	char line[512], why[256];
	bool good;
};

static void progress(void *context, const char *line)
{
	struct heard *heard = context;

	heard->lines++;
	snprintf(heard->line, sizeof(heard->line), "%s", line);
}

static void stood(
	void *context, const struct disagg_ready_target *target, bool good, const char *why)
{
	struct heard *heard = context;

	(void)target;
	heard->stood++;
	heard->good = good;
	snprintf(heard->why, sizeof(heard->why), "%s", why);
}

static int alive(void *context, struct disagg_err *err)
{
	struct heard *heard = context;

	if (++heard->alive <= heard->die_after)
		return 0;
	return disagg_err_set(err, DISAGG_DIED, "decode_1 has ended with status 0");
}

static struct disagg_ready_spec spec_of(struct disagg_ready_target *target, struct heard *heard)
{
	return (struct disagg_ready_spec){
		.target = target,
		.target_count = 1,
		.timeout_s = 5,
		.interval_ms = 20,
		.attempt_ms = 500,
		.progress = progress,
		.stood = stood,
		.context = heard,
		.cancel_fd = -1,
	};
}

static void test_comes_up(void)
{
	static const struct page pages[] = {
		{"/x ", 503, "", 0, 3}, {"/x ", 200, "", 3, 0}, {NULL, 0, NULL, 0, 0}};
	struct loopback server = loopback_start(serve, pages);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char url[128];
	struct disagg_ready_target target = {.name = "t", .url = url_of(url, &server, "/x")};
	struct disagg_ready_spec spec = spec_of(&target, &heard);

	is_int(disagg_ready_wait(&spec, &err), 0, "a server that comes up");
	is_int(err.code, DISAGG_OK, "success leaves the error alone");
	ok(heard.stood == 1 && heard.good && !heard.why[0], "how it stood is told once");
	loopback_stop(&server);
}

static void test_timeout(void)
{
	struct loopback closed = loopback_closed(), server;
	static const struct page pages[] = {{"/ok ", 200, "", 0, 0}, {NULL, 0, NULL, 0, 0}};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char refuses[128], works[128], lacks[128];
	struct disagg_ready_target target[3] = {
		{.name = "decode_0"}, {.name = "decode_1"}, {.name = "frontend"}};
	struct disagg_ready_spec spec = spec_of(target, &heard);
	int64_t begin_ns = disagg_monotonic_ns();

	server = loopback_start(serve, pages);
	target[0].url = url_of(works, &server, "/ok");
	target[1].url = url_of(refuses, &closed, "/ok");
	target[2].url = url_of(lacks, &server, "/none");
	spec.target_count = 3;
	spec.timeout_s = 2;
	spec.report_s = 1;
	is_int(disagg_ready_wait(&spec, &err), -1, "two that never come up");
	is_int(err.code, DISAGG_TIMEOUT, "are a timeout");
	is_str(err.text,
		"not ready after 2 s: 2 of 3 missing: decode_1 (connection refused), "
		"frontend (answers 404)",
		"with the names of what is missing");
	ok(ms_since(begin_ns) >= 2000 && ms_since(begin_ns) < 4000, "when the time is over");
	ok(heard.lines == 1 || heard.lines == 2, "a line of progress a second");
	has_str(heard.line, "s 2 of 3 not ready: decode_1 (connection refused), ", "with names");
	is_int(heard.stood, 3, "how each stood is told");
	heard.lines = 0;
	spec.report_s = 60;
	spec.first_report_s = 1;
	is_int(disagg_ready_wait(&spec, &err), -1, "where the first one is due sooner");
	is_int(heard.lines, 1, "it comes, and the next not yet");
	loopback_stop(&server);
	loopback_stop(&closed);
}

static void test_own_timeout(void)
{
	static const struct page pages[] = {{"/ok ", 200, "", 0, 0}, {NULL, 0, NULL, 0, 0}};
	struct loopback closed = loopback_closed(), server = loopback_start(serve, pages);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char refuses[128], works[128], loads[128];
	struct disagg_ready_target target[3] = {
		{.name = "prefill_0", .url = url_of(refuses, &closed, "/"), .timeout_s = 1},
		{.name = "prefill_1", .url = url_of(works, &server, "/ok"), .timeout_s = 1},
		{.name = "decode_0", .url = url_of(loads, &server, "/none"), .timeout_s = 1200}};
	struct disagg_ready_spec spec = spec_of(target, &heard);

	spec.target_count = 3;
	spec.timeout_s = 1200;
	is_int(disagg_ready_wait(&spec, &err), -1, "one that has less time than the others");
	is_int(err.code, DISAGG_TIMEOUT, "is a timeout of its own");
	is_str(err.text, "not ready after 1 s: 1 of 3: prefill_0 (connection refused)",
		"which names it, and nobody who has time left");
	spec.target_count = 2;
	target[0] = target[1];
	target[1].timeout_s = 1200;
	target[1].url = refuses;
	spec.timeout_s = 2;
	is_int(disagg_ready_wait(&spec, &err), -1, "one that was ready within its time");
	has_str(err.text, "not ready after 2 s: 1 of 2 missing: ", "waits for the others");
	loopback_stop(&server);
	loopback_stop(&closed);
}

static void test_many_missing(void)
{
	struct loopback closed = loopback_closed();
	struct disagg_ready_target target[200];
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	struct disagg_ready_spec spec = spec_of(target, &heard);
	char url[128];

	for (size_t i = 0; i < 200; i++)
		target[i] = (struct disagg_ready_target){
			.name = "a_worker", .url = url_of(url, &closed, "/")};
	spec.target_count = 200;
	spec.timeout_s = 1;
	is_int(disagg_ready_wait(&spec, &err), -1, "200 that never come up");
	has_str(err.text, "200 of 200 missing: a_worker (connection refused), ", "are counted");
	has_str(err.text, " more", "and the list ends before the text does");
	loopback_stop(&closed);
}

static void test_death(void)
{
	struct loopback closed = loopback_closed();
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {.die_after = 2};
	char url[128];
	struct disagg_ready_target target = {.name = "t", .url = url_of(url, &closed, "/")};
	struct disagg_ready_spec spec = spec_of(&target, &heard);
	int64_t begin_ns = disagg_monotonic_ns();
	int ends[2], wake[2] = {-1, -1};

	spec.alive = alive;
	is_int(disagg_ready_wait(&spec, &err), -1, "a worker that ends");
	is_int(err.code, DISAGG_DIED, "ends the wait");
	is_str(err.text, "decode_1 has ended with status 0", "with its name");
	ok(ms_since(begin_ns) < 2000, "within a look or two");
	heard = (struct heard){0};
	spec.interval_ms = 60000;
	ok(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "x", 1) == 1, "an event");
	wake[0] = ends[0];
	spec.alive_fds = wake;
	begin_ns = disagg_monotonic_ns();
	is_int(disagg_ready_wait(&spec, &err), -1, "makes it look");
	ok(ms_since(begin_ns) < 150, "at once");
	close(ends[0]);
	close(ends[1]);
	loopback_stop(&closed);
}

static void test_cancel(void)
{
	struct loopback closed = loopback_closed();
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char url[128];
	struct disagg_ready_target target = {.name = "t", .url = url_of(url, &closed, "/")};
	struct disagg_ready_spec spec = spec_of(&target, &heard);
	int ends[2];

	ok(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "x", 1) == 1, "a caller that gives up");
	spec.cancel_fd = ends[0];
	is_int(disagg_ready_wait(&spec, &err), -1, "ends the wait");
	is_int(err.code, DISAGG_CHECK, "as no fault");
	is_str(err.text, "cancelled", "and says so");
	close(ends[0]);
	close(ends[1]);
	loopback_stop(&closed);
}

/* Good, good, bad: never three in a row. */
static void test_polls(void)
{
	static const struct page flaps[] = {{"/x ", 200, "", 0, 2}, {"/x ", 500, "", 2, 3},
		{"/x ", 200, "", 3, 5}, {"/x ", 500, "", 5, 0}, {NULL, 0, NULL, 0, 0}};
	struct loopback server = loopback_start(serve, flaps);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char url[128];
	struct disagg_ready_target target = {.name = "t", .url = url_of(url, &server, "/x")};
	struct disagg_ready_spec spec = spec_of(&target, &heard);
	int64_t begin_ns;

	spec.polls = 3;
	spec.timeout_s = 2;
	is_int(disagg_ready_wait(&spec, &err), -1, "a server that comes and goes");
	is_str(err.text, "not ready after 2 s: 1 of 1 missing: t (answers 500)", "is not ready");
	loopback_stop(&server);
	server = loopback_start(serve, flaps);
	target.url = url_of(url, &server, "/x");
	spec.polls = 2;
	begin_ns = disagg_monotonic_ns();
	is_int(disagg_ready_wait(&spec, &err), 0, "two in a row it has");
	ok(ms_since(begin_ns) >= 20, "an interval apart");
	loopback_stop(&server);
}

/* ---- the frontend ---- */

#define TOKENS "{\"choices\":[{\"text\":\"1\"}],\"usage\":{\"completion_tokens\":4}}"

static const struct {
	const char *what, *model;
	unsigned canary;
	const char *text; /* of the error; "": ready */
	enum disagg_code code;
	struct page page[6];
} frontends[] = {
	{"the model and the canary", "m1", 9, "", DISAGG_OK,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 200, TOKENS, 0, 0}}},
	{"any model", NULL, 1, "", DISAGG_OK,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 200, TOKENS, 0, 0}}},
	{"a frontend with chat only", "m1", 5, "", DISAGG_OK,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/chat/completions ", 200,
				"{\"choices\":[{\"message\":{\"content\":\"1\"}}]}", 0, 0}}},
	{"another model", "m2", 1, "model id: serves 'm1', expected 'm2'", DISAGG_INVALID,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0}}},
	{"no model", "m1", 0, "1 of 2 missing: model id (lists no model)", DISAGG_TIMEOUT,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, "{\"data\":[]}", 0, 0}}},
	{"another model while workers are missing", "m2", 1, "t (answers 503)", DISAGG_TIMEOUT,
		{{"/x ", 503, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0}}},
	{"a canary without tokens", "m1", 2,
		"a test request through the frontend (a generation came back without tokens)",
		DISAGG_TIMEOUT,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 200,
				"{\"choices\":[{\"text\":\"\"}],\"usage\":{\"completion_tokens\":0}}",
				0, 0}}},
	{"a canary that is refused", "m1", 2, "a test request through the frontend (answers 500)",
		DISAGG_TIMEOUT,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 500, "", 0, 0}}},
	{"a canary that is refused with words", "m1", 2,
		"(answers 500: out of\tmemory? ?[31m0123456789012345678901234567890123456789)",
		DISAGG_TIMEOUT,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 500,
				"out of\tmemory\n \033[31m"
				"0123456789012345678901234567890123456789and more",
				0, 0}}},
	{"a canary that succeeds later", "m1", 2, "", DISAGG_OK,
		{{"/x ", 200, "", 0, 0}, {"/v1/models ", 200, ONE_MODEL, 0, 0},
			{"/v1/completions ", 500, "", 0, 5},
			{"/v1/completions ", 200, TOKENS, 5, 0}}},
};

static void test_frontend(void)
{
	for (size_t i = 0; i < sizeof(frontends) / sizeof(frontends[0]); i++) {
		struct loopback server = loopback_start(serve, frontends[i].page);
		struct disagg_err err = DISAGG_ERR_INIT;
		struct heard heard = {0};
		char url[128], base[128];
		struct disagg_ready_target target = {
			.name = "t", .url = url_of(url, &server, "/x")};
		struct disagg_ready_spec spec = spec_of(&target, &heard);

		spec.timeout_s = frontends[i].code == DISAGG_TIMEOUT ? 1 : 5;
		spec.frontend = url_of(base, &server, "/");
		spec.model = frontends[i].model;
		spec.canary_count = frontends[i].canary;
		is_int(disagg_ready_wait(&spec, &err), frontends[i].code ? -1 : 0,
			frontends[i].what);
		is_int(err.code, frontends[i].code, "its code");
		has_str(err.text, frontends[i].text, "its text");
		loopback_stop(&server);
	}
}

static void test_bad_urls(void)
{
	static const struct {
		enum disagg_ready_kind kind;
		const char *url, *text;
	} bad[] = {
		{DISAGG_READY_HTTP, "https://a:1/", "t: cannot wait for 'https://a:1/': expected"},
		{DISAGG_READY_HTTP, "tcp://a:1",
			"t: cannot wait for 'tcp://a:1': expected http://"},
		{DISAGG_READY_TCP, "a:1", "expected http://host:port or tcp://host:port"},
		{DISAGG_READY_DYNAMO, "http:///health", "it has no host"},
		{DISAGG_READY_HTTP, NULL, "t: it has no URL"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct disagg_ready_target target = {
			.name = "t", .kind = bad[i].kind, .url = bad[i].url};
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_ready_spec spec = spec_of(&target, NULL);

		is_int(disagg_ready_wait(&spec, &err), -1, bad[i].url ? bad[i].url : "none");
		is_int(err.code, DISAGG_USAGE, "is usage");
		has_str(err.text, bad[i].text, "and says why");
	}
}

static void test_allocations(void)
{
	static const struct page pages[] = {{"/x ", 200, "", 0, 0},
		{"/v1/models ", 200, ONE_MODEL, 0, 0}, {"/v1/completions ", 200, TOKENS, 0, 0},
		{NULL, 0, NULL, 0, 0}};
	struct loopback server = loopback_start(serve, pages);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct heard heard = {0};
	char url[128], base[128];
	struct disagg_ready_target target = {.name = "t", .url = url_of(url, &server, "/x")};
	struct disagg_ready_spec spec = spec_of(&target, &heard);
	unsigned failed = 0;
	int64_t slowest_ms = 0;

	spec.frontend = url_of(base, &server, "");
	spec.canary_count = 1;
	for (long count = 0; count < 30; count++) {
		int64_t begin_ns = disagg_monotonic_ns();

		disagg_alloc_fail_after(count);
		if (disagg_ready_wait(&spec, &err)) {
			failed++;
			is_int(err.code, DISAGG_SYSTEM, "an allocation that fails is told");
		}
		disagg_alloc_fail_after(-1);
		slowest_ms = ms_since(begin_ns) > slowest_ms ? ms_since(begin_ns) : slowest_ms;
	}
	ok(slowest_ms < 3000, "at once");
	ok(failed >= 4 && failed < 30, "and with enough memory it is ready");
	loopback_stop(&server);
}

/* "serve PATH STATUS BODY ...": the server of the table tests for shell tests;
 * prints its port and serves until it is ended. */
static int serve_arguments(int count, char **word)
{
	struct page page[32] = {{NULL, 0, NULL, 0, 0}};
	int port, listener = loopback_bind(&port);

	for (int i = 0; i + 2 < count && i / 3 < 31; i += 3)
		page[i / 3] = (struct page){.path = word[i],
			.status = strcmp(word[i + 1], "200") == 0 ? 200 : 503,
			.body = word[i + 2]};
	listen(listener, 64);
	printf("%d\n", port);
	fflush(stdout);
	loopback_loop(listener, serve, page);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		return serve_arguments(argc - 2, argv + 2);
	test_kinds();
	test_nats();
	test_comes_up();
	test_timeout();
	test_own_timeout();
	test_many_missing();
	test_death();
	test_cancel();
	test_polls();
	test_frontend();
	test_bad_urls();
	test_allocations();
	return tap_done();
}
