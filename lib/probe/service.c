/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/proc.h"
#include "lib/probe/node.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MOST_TARGETS 256u
#define DEFAULT_MS   200000u
#define MOST_MS	     3500000u /* the probe's deadline is an hour */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Its last line, which says what was not ready. */
static const char *last_line(struct disagg_arena *arena, const char *text)
{
	size_t end = strlen(text), start;

	while (end && text[end - 1] == '\n')
		end--;
	for (start = end; start && text[start - 1] != '\n'; start--)
		;
	return disagg_arena_strndup(arena, text + start, end - start);
}

static unsigned wait_ms(const struct disagg_probe_run *run)
{
	unsigned ms = run->options->service_ms;

	return ms == 0 ? DEFAULT_MS : ms < MOST_MS ? ms : MOST_MS;
}

static int make_argv(struct disagg_probe_run *run, const char **argv, struct disagg_err *err)
{
	unsigned ms = wait_ms(run);
	size_t count = 0;

	argv[count++] = disagg_proc_tool(run->arena, "disagg-wait", getenv("PATH"));
	if (!argv[0])
		return disagg_err_set(
			err, DISAGG_MISSING, "cannot find disagg-wait beside this program");
	argv[count++] = disagg_arena_printf(run->arena, "--timeout=%u", (ms + 999) / 1000);
	for (const char *at = run->options->service; *at && count < MOST_TARGETS + 2;) {
		size_t len = strcspn(at, ", ");

		if (len)
			argv[count++] = disagg_arena_strndup(run->arena, at, len);
		at += len + strspn(at + len, ", ");
	}
	argv[count] = NULL;
	return 0;
}

int disagg_service_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	const char *argv[MOST_TARGETS + 3];
	struct disagg_proc_call call = {.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = (int)(wait_ms(run) + 10000),
		.cancel_fd = -1};
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	struct disagg_proc_result result;
	double start = now_ms();

	if (!run->options->service)
		return disagg_err_set(err, DISAGG_SKIPPED, "no service was named");
	if (make_argv(run, argv, err) || disagg_proc_run(run->arena, &call, &result, err))
		return -1;
	record.has_value = true;
	record.value = now_ms() - start;
	record.unit = "ms";
	record.better = DISAGG_BETTER_LESS;
	if (disagg_proc_code(result.status) != 0) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = last_line(run->arena, result.out);
	}
	run->emit(run, &record);
	return 0;
}
