/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/http.h"

#include "tests/unit/loopback.h"
#include "tests/unit/tap.h"
#include <fcntl.h>

struct seen {
	unsigned done, data;
	int status;
	bool connected, refused, marked, stop;
	char error[128], body[256];
	size_t len, data_len;
	int64_t took_ms, first_ms;
	struct disagg_http *http; /* to add another one from on_done */
	struct disagg_http_request again;
	unsigned more;
};

static void on_done(void *context, const struct disagg_http_response *response)
{
	struct seen *seen = context;
	struct disagg_err err = DISAGG_ERR_INIT;

	seen->done++;
	seen->status = response->status;
	seen->connected = response->connected;
	seen->refused = response->refused;
	seen->marked = response->marked;
	seen->len = response->len;
	seen->took_ms = (response->done_ns - response->started_ns) / 1000000;
	seen->first_ms = response->first_byte_ns
				 ? (response->first_byte_ns - response->started_ns) / 1000000
				 : -1;
	snprintf(seen->error, sizeof(seen->error), "%s", response->error ? response->error : "");
	snprintf(seen->body, sizeof(seen->body), "%s", response->body);
	if (seen->more && seen->more--)
		disagg_http_add(seen->http, &seen->again, &err);
}

static int on_data(void *context, const char *bytes, size_t len, int64_t now_ns)
{
	struct seen *seen = context;

	(void)bytes;
	(void)now_ns;
	seen->data++;
	seen->data_len += len;
	return seen->stop;
}

static struct disagg_http *open_http(unsigned connections)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_http *http = NULL;

	if (disagg_http_open(&http, connections, &err)) {
		printf("Bail out! %s\n", err.text);
		exit(5);
	}
	return http;
}

static void run_all(struct disagg_http *http)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	while (disagg_http_run(http, 1000, &err) > 0)
		;
	is_int(err.code, DISAGG_OK, "the loop went well");
}

static const char *url_of(const struct loopback *server, const char *path)
{
	static char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", server->port, path);
	return url;
}

/* ---- answers of every sort ---- */

static void pour(int fd, const char *head, const char *part, unsigned parts, useconds_t pause_us)
{
	loopback_send(fd, head);
	for (unsigned i = 0; i < parts; i++) {
		if (send(fd, part, strlen(part), MSG_NOSIGNAL) < 0)
			return;
		usleep(pause_us);
	}
}

/* A second answer to a second request on the same connection. */
static void serve_again(int fd)
{
	char request[1024];

	loopback_answer(fd, 200, "first");
	if (recv(fd, request, sizeof(request), 0) > 0)
		loopback_answer(fd, 200, "second");
}

static void serve(int fd, const char *request, unsigned number, const void *context)
{
	static char block[16385];

	(void)number;
	(void)context;
	memset(block, 'x', sizeof(block) - 1);
	if (strstr(request, "GET /ok"))
		loopback_answer(fd, 200, "fine");
	else if (strstr(request, "GET /503"))
		loopback_answer(fd, 503, "");
	else if (strstr(request, "GET /marked"))
		loopback_send(fd, "HTTP/1.1 200 X\r\nx-stamp: 1\r\nContent-Length: 0\r\n\r\n");
	else if (strstr(request, "GET /redirect"))
		loopback_send(fd, "HTTP/1.1 302 X\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
	else if (strstr(request, "GET /garbage"))
		loopback_send(fd, "\x01\x02 what is this\r\n\r\n");
	else if (strstr(request, "GET /part"))
		loopback_send(fd, "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nshort");
	else if (strstr(request, "GET /slow"))
		pour(fd, "HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n", "x", 1000, 20000);
	else if (strstr(request, "GET /hang"))
		sleep(30);
	else if (strstr(request, "GET /large"))
		pour(fd, "HTTP/1.1 200 X\r\nContent-Length: 67108864\r\n\r\n", block, 4096, 0);
	else if (strstr(request, "GET /endless"))
		pour(fd, "HTTP/1.1 200 X\r\n\r\n", block, 1000000, 0);
	else if (strstr(request, "GET /headers"))
		pour(fd, "HTTP/1.1 200 X\r\n", "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n", 1000000, 0);
	else if (strstr(request, "GET /continue"))
		pour(fd, "", "HTTP/1.1 100 Continue\r\n\r\n", 1000000, 0);
	else if (strstr(request, "POST /echo"))
		loopback_answer(fd, 200, request);
	else if (strstr(request, "GET /keep"))
		serve_again(fd);
}

static const struct {
	const char *path, *error;
	int status;
	size_t len;
} answers[] = {
	{"/ok", "", 200, 4},
	{"/503", "", 503, 0},
	{"/redirect", "", 302, 0},
	{"/garbage", "the answer is not HTTP", 0, 0},
	{"/nothing", "closed without an answer", 0, 0},
	{"/part", "the body ended early", 200, 5},
	{"/large", "the body has more than 1048576 bytes", 200, 0},
	{"/endless", "the body has more than 1048576 bytes", 200, 0},
	{"/headers", "the answer's headers have no end", 200, 0},
	{"/continue", "the answer's headers have no end", 100, 0},
	{"/hang", "timed out", 0, 0},
	{"/slow", "timed out", 200, 0},
};

static void test_answers(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;

	/* a proxy of the environment would break them all */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct loopback server = loopback_start(serve, NULL);
		struct disagg_http *http = open_http(0);
		struct seen seen = {0};
		struct disagg_http_request request = {
			.url = url_of(&server, answers[i].path),
			.timeout_ms = answers[i].status && answers[i].path[1] != 's' ? 5000 : 400,
			.on_done = on_done,
			.context = &seen,
		};

		ok(disagg_http_add(http, &request, &err) == 0, answers[i].path);
		run_all(http);
		is_int(seen.done, 1, "on_done is called once");
		is_int(seen.status, answers[i].status, "its status");
		is_str(seen.error, answers[i].error, "its error");
		ok(seen.took_ms < 3000, "it ends in time");
		ok(!seen.refused, "it is not refused");
		if (answers[i].len)
			is_int((intmax_t)seen.len, (intmax_t)answers[i].len, "its length");
		disagg_http_close(http);
		loopback_stop(&server);
	}
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void test_no_answer(void)
{
	struct loopback closed = loopback_closed();
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0}, nowhere = {0};
	struct disagg_http_request request = {
		.url = url_of(&closed, "/"), .on_done = on_done, .context = &seen};

	ok(disagg_http_add(http, &request, &err) == 0, "a port that refuses");
	run_all(http);
	ok(seen.refused && seen.status == 0, "is told from other failures");
	is_str(seen.error, "connection refused", "and says so");
	request.url = "http://[::1:bad/";
	request.context = &nowhere;
	ok(disagg_http_add(http, &request, &err) == 0, "a malformed URL");
	run_all(http);
	is_str(nowhere.error, "the URL is malformed", "is told");
	request.url = "https://127.0.0.1/";
	is_int(disagg_http_add(http, &request, &err), -1, "another scheme is refused");
	is_int(err.code, DISAGG_USAGE, "as usage");
	has_str(err.text, "'https://127.0.0.1/': expected http:// or tcp://", "with the URL");
	disagg_http_close(http);
	loopback_stop(&closed);
}

static void test_mark(void)
{
	static const struct {
		const char *path, *mark;
		bool found;
	} marks[] = {
		{"/marked", "X-Stamp", true},
		{"/marked", "X-Stam", false},
		{"/marked", "HTTP/1.1 200 X", false},
		{"/marked", NULL, false},
		{"/ok", "X-Stamp", false},
	};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct loopback server = loopback_start(serve, NULL);
		struct disagg_http *http = open_http(0);
		struct disagg_err err = DISAGG_ERR_INIT;
		struct seen seen = {0};
		struct disagg_http_request request = {.url = url_of(&server, marks[i].path),
			.mark = marks[i].mark,
			.on_done = on_done,
			.context = &seen};

		ok(disagg_http_add(http, &request, &err) == 0, "a header is looked for");
		run_all(http);
		is_int(seen.status, 200, "in an answer");
		is_int(seen.marked, marks[i].found, marks[i].mark ? marks[i].mark : "none");
		disagg_http_close(http);
		loopback_stop(&server);
	}
}

/* ---- what is sent ---- */

static void test_post(void)
{
	static const char *const header[] = {"X-One: 1", NULL};
	struct loopback server = loopback_start(serve, NULL);
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0};
	char body[] = "{\"a\":1}";
	struct disagg_http_request request = {.url = url_of(&server, "/echo"),
		.body = body,
		.header = header,
		.on_done = on_done,
		.context = &seen};

	ok(disagg_http_add(http, &request, &err) == 0, "a POST");
	memset(body, '?', sizeof(body) - 1);
	run_all(http);
	is_int(seen.status, 200, "is answered");
	has_str(seen.body, "X-One: 1", "has the caller's header");
	has_str(seen.body, "Content-Type: application/json", "and says that it is JSON");
	has_str(seen.body, "Content-Length: 7", "has its length, copied when it was added");
	ok(!strstr(seen.body, "Expect"), "and does not wait to be told to go on");
	disagg_http_close(http);
	loopback_stop(&server);
}

static void test_streaming(void)
{
	struct loopback server = loopback_start(serve, NULL);
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0}, stopped = {.stop = true};
	struct disagg_http_request request = {.url = url_of(&server, "/large"),
		.timeout_ms = 20000,
		.on_data = on_data,
		.on_done = on_done,
		.context = &seen};

	ok(disagg_http_add(http, &request, &err) == 0, "64 MiB to a reader");
	run_all(http);
	is_int((intmax_t)seen.data_len, 67108864, "come whole");
	ok(seen.len == 0 && seen.body[0] == '\0', "and nothing is kept");
	ok(seen.first_ms >= 0 && seen.data > 1, "in parts, with the time of the first");
	request.context = &stopped;
	ok(disagg_http_add(http, &request, &err) == 0, "a reader that has enough");
	run_all(http);
	is_int(stopped.data, 1, "is not called again");
	is_str(stopped.error, "ended by the reader", "and ends it");
	disagg_http_close(http);
	loopback_stop(&server);
}

/* ---- many ---- */

static void test_queue(void)
{
	struct loopback server = loopback_start(serve, NULL);
	struct disagg_http *http = open_http(4);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {.http = http, .more = 7};
	struct disagg_http_request request = {
		.url = url_of(&server, "/ok"), .close = true, .on_done = on_done, .context = &seen};

	seen.again = request;
	for (int i = 0; i < 50; i++)
		disagg_http_add(http, &request, &err);
	run_all(http);
	is_int(seen.done, 57, "50 over 4 connections, and 7 added by on_done, end");
	is_str(seen.error, "", "well");
	disagg_http_close(http);
	loopback_stop(&server);
}

static void test_close(void)
{
	struct loopback server = loopback_start(serve, NULL);
	struct disagg_http *http = open_http(1);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {.http = http, .more = 5};
	struct disagg_http_request request = {
		.url = url_of(&server, "/hang"), .on_done = on_done, .context = &seen};

	seen.again = request;
	disagg_http_add(http, &request, &err);
	disagg_http_add(http, &request, &err);
	is_int(disagg_http_run(http, 50, &err), 2, "two are not done");
	disagg_http_close(http);
	is_int(seen.done, 2, "close ends one under way and one in line");
	is_str(seen.error, "cancelled", "as cancelled, and on_done adds none");
	disagg_http_close(NULL);
	loopback_stop(&server);
}

static void test_watch(void)
{
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	int64_t begin_ns = disagg_monotonic_ns();
	int ends[2], watched[2] = {-1, -1};

	ok(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
	watched[0] = ends[0];
	disagg_http_watch(http, watched);
	is_int(disagg_http_run(http, 100, &err), 0, "without anything to do");
	ok(disagg_monotonic_ns() - begin_ns >= 99000000, "run sleeps");
	ok(write(ends[1], "x", 1) == 1, "a byte in the pipe");
	begin_ns = disagg_monotonic_ns();
	disagg_http_run(http, 5000, &err);
	ok(disagg_monotonic_ns() - begin_ns < 2000000000, "wakes it");
	disagg_http_close(http);
	close(ends[0]);
	close(ends[1]);
}

/* The same connection serves again unless the request wants its own. */
static void test_keeping(bool close, const char *want)
{
	struct loopback server = loopback_start(serve, NULL);
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0};
	struct disagg_http_request request = {.url = url_of(&server, "/keep"),
		.close = close,
		.on_done = on_done,
		.context = &seen};

	for (int i = 0; i < 2; i++) {
		disagg_http_add(http, &request, &err);
		run_all(http);
	}
	is_str(seen.body, want, close ? "a connection of its own" : "a connection that is kept");
	disagg_http_close(http);
	loopback_stop(&server);
}

/* ---- tcp:// ---- */

static void greet(int fd, const char *request, unsigned number, const void *context)
{
	(void)fd;
	(void)request;
	(void)number;
	(void)context;
}

/* Speaks first, as NATS does. */
static pid_t start_greeter(const char *text, int *ret_port)
{
	int listener = loopback_bind(ret_port);
	pid_t pid;

	listen(listener, 8);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = accept(listener, NULL, NULL);
		for (; text && *text; text++) {
			(void)!send(fd, text, 1, MSG_NOSIGNAL);
			usleep(10000);
		}
		if (text)
			shutdown(fd, SHUT_WR);
		pause();
	}
	close(listener);
	return pid;
}

static void ask_greeting(const char *text, const char *error, const char *body)
{
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0};
	char url[64];
	int port;
	pid_t pid = start_greeter(text, &port);
	struct disagg_http_request request = {.url = url,
		.greeting = 5,
		.close = true,
		.timeout_ms = 400,
		.on_done = on_done,
		.context = &seen};

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
	ok(disagg_http_add(http, &request, &err) == 0, text ? text : "a silent server");
	run_all(http);
	ok(seen.connected, "accepts");
	is_str(seen.error, error, "its error");
	is_str(seen.body, body, "its first bytes");
	ok(seen.took_ms < 2000, "in time");
	disagg_http_close(http);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_tcp(void)
{
	struct loopback server = loopback_start(greet, NULL), closed = loopback_closed();
	struct disagg_http *http = open_http(0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0}, none = {0};
	char url[64];
	struct disagg_http_request request = {.url = url, .on_done = on_done, .context = &seen};

	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", server.port);
	disagg_http_add(http, &request, &err);
	run_all(http);
	ok(seen.connected && seen.status == 0 && !seen.error[0], "tcp:// connects");
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", closed.port);
	request.context = &none;
	disagg_http_add(http, &request, &err);
	run_all(http);
	ok(!none.connected && none.refused, "or is refused");
	disagg_http_close(http);
	loopback_stop(&server);
	loopback_stop(&closed);
	ask_greeting("INFO {", "", "INFO ");
	ask_greeting("IN", "closed", "IN");
	ask_greeting(NULL, "timed out", "");
}

/* ---- memory ---- */

static void test_allocations(void)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct seen seen = {0};
	struct disagg_http_request request = {
		.url = "http://127.0.0.1:1/", .on_done = on_done, .context = &seen};
	bool failed = true;
	long count;

	for (count = 0; failed && count < 20; count++) {
		struct disagg_http *http = NULL;

		disagg_alloc_fail_after(count);
		failed = disagg_http_open(&http, 2, &err) || disagg_http_add(http, &request, &err);
		disagg_alloc_fail_after(-1);
		if (failed)
			is_int(err.code, DISAGG_SYSTEM, "an allocation that fails is told");
		disagg_http_close(http);
	}
	ok(count > 2 && !failed, "and with enough memory it works");
}

int main(void)
{
	test_answers();
	test_no_answer();
	test_mark();
	test_post();
	test_streaming();
	test_queue();
	test_close();
	test_watch();
	test_keeping(false, "second");
	test_keeping(true, "first");
	test_tcp();
	test_allocations();
	return tap_done();
}
