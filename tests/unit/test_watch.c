/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/ready.h"

#include "lib/host/http.h"
#include "tests/unit/loopback.h"
#include "tests/unit/tap.h"
#include <fcntl.h>

#define CHANGES 8

/* What was told, and after how many changes the watch is to end. */
struct heard {
	unsigned count, wanted;
	int end_fd;
	struct {
		unsigned index;
		bool good;
		int64_t since_ns, told_ns;
		char why[160];
	} change[CHANGES];
};

static void changed(void *context, unsigned index, bool good, int64_t since_ns, const char *why)
{
	struct heard *heard = context;

	if (heard->count < CHANGES) {
		heard->change[heard->count].index = index;
		heard->change[heard->count].good = good;
		heard->change[heard->count].since_ns = since_ns;
		heard->change[heard->count].told_ns = disagg_monotonic_ns();
		snprintf(heard->change[heard->count].why, sizeof(heard->change->why), "%s", why);
	}
	if (++heard->count >= heard->wanted)
		ok(write(heard->end_fd, "x", 1) == 1, "enough is heard");
}

/* Until `wanted` changes were told, or, for 0, for as long as that. */
static void watch(
	struct disagg_ready_target *target, unsigned count, struct heard *heard, unsigned wanted)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_ready_spec spec = {
		.target = target, .target_count = count, .changed = changed, .context = heard};
	int ends[2];
	pid_t clock = -1;

	if (pipe2(ends, O_CLOEXEC))
		exit(5);
	*heard = (struct heard){.wanted = wanted ? wanted : CHANGES, .end_fd = ends[1]};
	spec.cancel_fd = ends[0];
	if (!wanted && (clock = fork()) == 0) {
		usleep(400000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	is_int(disagg_ready_watch(&spec, &err), -1, "a watch that is told to end");
	is_int(err.code, DISAGG_CHECK, "ends without a fault");
	if (clock > 0)
		waitpid(clock, NULL, 0);
	close(ends[0]);
	close(ends[1]);
}

/* Good, good, 503, 500, good. */
static void flap(int fd, const char *request, unsigned number, const void *context)
{
	static const int status[] = {200, 200, 503, 500, 200};

	(void)request;
	(void)context;
	loopback_answer(fd, number < 5 ? status[number] : 200, "");
}

static void always(int fd, const char *request, unsigned number, const void *context)
{
	(void)request;
	(void)number;
	loopback_answer(fd, *(const int *)context, "");
}

/* The first question is never answered. */
static void hang_once(int fd, const char *request, unsigned number, const void *context)
{
	(void)request;
	(void)context;
	if (number == 0)
		usleep(400000);
	else
		loopback_answer(fd, 200, "");
}

static const char *url_of(char *url, const struct loopback *server)
{
	snprintf(url, 128, "http://127.0.0.1:%d/health", server->port);
	return url;
}

static void test_flap(void)
{
	struct loopback server = loopback_start(flap, NULL);
	char url[128];
	struct disagg_ready_target target = {.name = "t",
		.url = url_of(url, &server),
		.is_up = true,
		.interval_ms = 20,
		.attempt_ms = 1000};
	struct heard heard;

	watch(&target, 1, &heard, 3);
	is_int(heard.count, 3, "a server that comes and goes is told of three times");
	ok(!heard.change[0].good, "when it answers badly");
	is_str(heard.change[0].why, "answers 503", "with the reason");
	ok(!heard.change[1].good, "when it answers otherwise");
	is_str(heard.change[1].why, "answers 500", "with the new reason");
	ok(heard.change[1].since_ns == heard.change[0].since_ns, "bad since the first time");
	ok(heard.change[2].good && !heard.change[2].why[0], "when it answers well again");
	ok(heard.change[2].since_ns > heard.change[0].since_ns, "since then");
	loopback_stop(&server);
}

/* The time counts from the question, not from the end of the wait for it. */
static void test_hang(void)
{
	struct loopback server = loopback_start(hang_once, NULL);
	char url[128];
	struct disagg_ready_target target = {.name = "t",
		.url = url_of(url, &server),
		.is_up = true,
		.interval_ms = 50,
		.attempt_ms = 200};
	struct heard heard;

	watch(&target, 1, &heard, 2);
	ok(!heard.change[0].good, "a server that hangs");
	is_str(heard.change[0].why, "timed out", "is told of as one");
	ok(heard.change[0].told_ns - heard.change[0].since_ns >= 200 * INT64_C(1000000),
		"as silent from the question on");
	ok(heard.change[1].good, "until it answers");
	loopback_stop(&server);
}

static void test_steady(void)
{
	static const int good = 200, bad = 503;
	struct loopback up = loopback_start(always, &good), down = loopback_start(always, &bad);
	char url[3][128];
	struct disagg_ready_target target[3] = {{.name = "a", .is_up = true}, {.name = "b"},
		{.name = "c", .is_up = true, .any_status = true}};
	struct heard heard;

	target[0].url = url_of(url[0], &up);
	target[1].url = url_of(url[1], &up);
	target[2].url = url_of(url[2], &down);
	for (unsigned i = 0; i < 3; i++)
		target[i].interval_ms = 20;
	watch(target, 3, &heard, 0);
	is_int(heard.count, 1, "what stays as it was is not told of");
	is_int(heard.change[0].index, 1, "what has come up is");
	ok(heard.change[0].good, "as good");
	watch(target, 0, &heard, 0);
	is_int(heard.count, 0, "nobody to ask is no fault");
	loopback_stop(&up);
	loopback_stop(&down);
}

static void test_bad_url(void)
{
	struct disagg_ready_target target = {.name = "t", .url = "ftp://x"};
	struct disagg_ready_spec spec = {
		.target = &target, .target_count = 1, .changed = changed, .cancel_fd = -1};
	struct disagg_err err = DISAGG_ERR_INIT;

	is_int(disagg_ready_watch(&spec, &err), -1, "a URL that is none");
	is_int(err.code, DISAGG_USAGE, "is refused");
	has_str(err.text, "cannot wait for 'ftp://x'", "with its text");
}

int main(void)
{
	test_flap();
	test_hang();
	test_steady();
	test_bad_url();
	return tap_done();
}
