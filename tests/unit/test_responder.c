/* SPDX-License-Identifier: Apache-2.0 */
/* One node answers, others ask: over the loopback, in two processes. */
#include "lib/probe/responder.h"

#include "lib/probe/clock.h"
#include "lib/probe/responder_wire.h"
#include "tests/unit/tap.h"
#include <math.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned char pattern[DISAGG_RESPONDER_PATTERN], other[DISAGG_RESPONDER_PATTERN];
static const unsigned char token[DISAGG_RESPONDER_TOKEN] = "sixteen bytes...";

/* 120 ms behind */
static int64_t late_ns(void)
{
	return disagg_unix_ns() - 120000000;
}

static bool is_seven(void *context, uint32_t tag)
{
	(void)context;
	return tag == 7;
}

static struct disagg_responder answering(void)
{
	struct disagg_responder responder = {.fd = -1, .pattern = pattern};

	memcpy(responder.token, token, sizeof(token));
	responder.blob = "an address";
	responder.blob_len = 10;
	responder.check = is_seven;
	return responder;
}

static pid_t start(struct disagg_responder *responder)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	pid_t pid;

	if (disagg_responder_open(responder, &err) < 0)
		return -1;
	pid = fork();
	if (pid == 0)
		_exit(disagg_responder_serve(responder, 30000, -1, &err) < 0);
	disagg_responder_close(responder);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static struct disagg_caller_target target_of(const struct disagg_responder *responder)
{
	struct disagg_caller_target target = {.address = "127.0.0.1",
		.port = responder->port,
		.token = token,
		.pattern = pattern,
		.timeout_ms = 5000,
		.mtu_discover = -1};

	return target;
}

static void exchanges(void)
{
	struct disagg_responder responder = answering();
	pid_t pid = start(&responder);
	struct disagg_caller_target target = target_of(&responder);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_caller caller;
	double seconds = 0;
	char blob[64];
	size_t len = 0;

	ok(pid > 0 && disagg_caller_open(&caller, &target, &err) == 0 && caller.connect_ms > 0,
		"it connects");
	ok(disagg_caller_get(&caller, 1, true, &seconds, &err) == 0 && seconds > 0, "one byte");
	ok(disagg_caller_get(&caller, 9000001, true, &seconds, &err) == 0,
		"more bytes than the pattern has, all right");
	ok(disagg_caller_put(&caller, 9000001, &seconds, &err) == 0, "and the same back");
	ok(disagg_caller_put(&caller, 0, &seconds, &err) == 0, "none are fine too");
	ok(disagg_caller_blob(&caller, blob, sizeof(blob), &len, &err) == 0 && len == 10 &&
			memcmp(blob, "an address", 10) == 0,
		"the blob");
	ok(disagg_caller_blob(&caller, blob, 4, &len, &err) == -1 && err.code == DISAGG_INVALID,
		"a blob that is too long is refused");
	disagg_caller_close(&caller);
	ok(disagg_caller_open(&caller, &target, &err) == 0 &&
			disagg_caller_check(&caller, 7, &err) == 0 &&
			disagg_caller_check(&caller, 8, &err) == -1 && err.code == DISAGG_INVALID,
		"a check that is not right is told");
	caller.pattern = other;
	ok(disagg_caller_put(&caller, 5000, &seconds, &err) == -1 && err.code == DISAGG_INVALID,
		"bytes that arrive changed are told by the other side");
	ok(disagg_caller_get(&caller, 5000, true, &seconds, &err) == -1 &&
			err.code == DISAGG_INVALID,
		"and by this one");
	ok(disagg_caller_mtu(&caller) > 500, "the path has an MTU");
	disagg_caller_close(&caller);
	stop(pid);
}

static void strangers(void)
{
	struct disagg_responder responder = answering();
	pid_t pid = start(&responder);
	struct disagg_caller_target target = target_of(&responder), wrong = target;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_caller stranger, caller;
	double seconds;

	wrong.token = (const unsigned char *)"another token...";
	ok(disagg_caller_open(&stranger, &wrong, &err) == 0 &&
			disagg_caller_get(&stranger, 1, true, &seconds, &err) == -1,
		"who has not the token gets nothing");
	disagg_caller_close(&stranger);
	/* connected, and silent */
	ok(disagg_caller_open(&stranger, &target, &err) == 0 &&
			disagg_caller_open(&caller, &target, &err) == 0 &&
			disagg_caller_get(&caller, 4096, true, &seconds, &err) == 0,
		"one who says nothing does not hold up another");
	ok(send(stranger.fd, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16,
		   MSG_NOSIGNAL) == 16 &&
			recv(stranger.fd, &seconds, 1, 0) <= 0 &&
			disagg_caller_get(&caller, 1, true, &seconds, &err) == 0,
		"an unknown request ends its connection alone");
	disagg_caller_close(&stranger);
	disagg_caller_close(&caller);
	stop(pid);
	ok(disagg_caller_open(&caller, &target, &err) == -1 && err.code == DISAGG_MISSING,
		"where nobody listens it is told");
	has_str(err.text, "refused", "and why");
}

/* A connection that is taken and never answered. */
static void silence(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_caller caller = {.fd = -1};
	double seconds;

	ok(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 4) == 0 &&
			getsockname(fd, (struct sockaddr *)&at, &len) == 0,
		"one listens and never answers");
	{
		struct disagg_caller_target target = {.address = "127.0.0.1",
			.port = ntohs(at.sin_port),
			.token = token,
			.pattern = pattern,
			.timeout_ms = 100,
			.mtu_discover = -1};

		ok(disagg_caller_open(&caller, &target, &err) == 0 &&
				disagg_caller_get(&caller, 1, true, &seconds, &err) == -1 &&
				err.code == DISAGG_TIMEOUT,
			"the caller's wait ends");
	}
	disagg_caller_close(&caller);
	close(fd);
}

static void clocks(void)
{
	static const int64_t t[][4] = {
		{1000000, 3000000, 3500000, 2500000}, /* slow: round trip 1 ms */
		{5000000, 5600000, 5700000, 5200000}, /* 0.1 ms: behind by 0.55 ms */
		{8000000, 9900000, 9900000, 9000000},
	};
	struct disagg_clock_offset offset = disagg_clock_offset_of(t, 3), far = {600, 40};
	struct disagg_responder responder = answering();
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_caller_target target;
	struct disagg_caller caller;
	int64_t real[8][4];
	int failed = 0;
	pid_t pid;

	ok(offset.round_trip_ms > 0.09 && offset.round_trip_ms < 0.11 && offset.ahead_ms > -0.56 &&
			offset.ahead_ms < -0.54,
		"the exchange of the shortest round trip counts");
	is_int(disagg_clock_judge(&far, 0), DISAGG_PROBE_FAIL, "600 ms, within 20: fail");
	is_int(disagg_clock_judge(&far, 600), DISAGG_PROBE_PASS,
		"none, where the fleet has it too");
	far.round_trip_ms = 210;
	is_int(disagg_clock_judge(&far, 0), DISAGG_PROBE_WARN,
		"within 105: not sure of 500, so warn");
	far = (struct disagg_clock_offset){-49.9, 0};
	is_int(disagg_clock_judge(&far, 0), DISAGG_PROBE_PASS, "49.9 ms behind: pass");
	far.ahead_ms = -50;
	is_int(disagg_clock_judge(&far, 0), DISAGG_PROBE_WARN, "50 ms behind: warn");

	responder.now_ns = late_ns;
	pid = start(&responder);
	target = target_of(&responder);
	failed = disagg_caller_open(&caller, &target, &err) < 0;
	for (int i = 0; i < 8 && !failed; i++)
		failed = disagg_caller_time(&caller, NULL, real[i], &err) < 0;
	offset = disagg_clock_offset_of((const int64_t[][4]){{0, INT64_MIN, INT64_MAX, 1}}, 1);
	ok(isfinite(offset.ahead_ms), "times that are none are a number all the same");
	offset = disagg_clock_offset_of((const int64_t(*)[4])real, 8);
	ok(!failed && offset.ahead_ms > 120 - offset.round_trip_ms &&
			offset.ahead_ms < 120 + offset.round_trip_ms,
		"a real clock that is 120 ms behind is found to be");
	is_int(disagg_clock_judge(&offset, 0), DISAGG_PROBE_WARN, "and warned of");
	disagg_caller_close(&caller);
	stop(pid);
}

int main(void)
{
	disagg_pattern_fill(pattern, sizeof(pattern));
	memcpy(other, pattern, sizeof(other));
	other[4321] ^= 1;
	exchanges();
	strangers();
	silence();
	clocks();
	return tap_done();
}
