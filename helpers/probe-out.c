/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/probe.h"
#include "lib/host/http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_live(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void probe_view_open(struct probe_view *view, const struct probe *probe)
{
	*view = (struct probe_view){.probe = probe, .start_ns = disagg_monotonic_ns()};
	view->live = is_live();
}

static void wipe(struct probe_view *view)
{
	if (view->shown)
		fprintf(stderr, "\r\033[K");
	view->shown = false;
}

void probe_view_say(struct probe_view *view, const char *text)
{
	wipe(view);
	helper_fail(view->probe->helper, 0, "%s", text);
}

static void show(struct probe_view *view)
{
	struct disagg_fleet_count now = disagg_fleet_tasks(view->fleet);
	int64_t seconds = (disagg_monotonic_ns() - view->step_ns) / 1000000000;

	fprintf(stderr, "\r\033[K[%zu/%zu] %s: %zu of %zu, %d:%02d", view->step.index + 1,
		view->step.count, view->step.probe->name, now.ended - view->before.ended,
		now.started - view->before.started, (int)(seconds / 60), (int)(seconds % 60));
	fflush(stderr);
	view->shown = true;
}

void probe_view_step(struct probe_view *view, const struct disagg_suite_step *step)
{
	view->step = *step;
	view->step_ns = disagg_monotonic_ns();
	view->before = disagg_fleet_tasks(view->fleet);
	if (!step->probe)
		wipe(view);
	else if (!view->live)
		fprintf(stderr, "%s: [%zu/%zu] %s\n", view->probe->helper->name, step->index + 1,
			step->count, step->probe->name);
}

void probe_view_tick(struct probe_view *view)
{
	if (view->live && view->step.probe)
		show(view);
}

void probe_view_close(struct probe_view *view)
{
	wipe(view);
}

/* ---- --list ---- */

static const char *kind_name(const struct disagg_probe *probe)
{
	static const char *const names[] = {
		[DISAGG_PROBE_NODE] = "node",
		[DISAGG_PROBE_GPU] = "GPU",
		[DISAGG_PROBE_GPU_ALONE] = "GPU",
		[DISAGG_PROBE_FLEET] = "fleet",
	};

	return names[probe->kind];
}

int probe_print_list(const struct helper *helper)
{
	struct disagg_strbuf out;
	int result;

	disagg_strbuf_init(&out, 0);
	disagg_strbuf_printf(&out, "%-17s %-5s %-5s %s\n", "PROBE", "SUITE", "OF A", "WHAT");
	for (const struct disagg_probe *probe = disagg_probes; probe->name; probe++)
		disagg_strbuf_printf(&out, "%-17s %c%c%c   %-5s %s\n", probe->name,
			probe->suites & DISAGG_SUITE_QUICK ? 'q' : '-',
			probe->suites & DISAGG_SUITE_STANDARD ? 's' : '-',
			probe->suites & DISAGG_SUITE_THOROUGH ? 't' : '-', kind_name(probe),
			probe->about ? probe->about : "");
	result = helper_print(helper, &out);
	disagg_strbuf_release(&out);
	return result;
}
