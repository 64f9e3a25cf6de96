/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/pairs.h"

#include "lib/base/num.h"
#include "lib/probe/pair.h"
#include "lib/probe/sysfile.h"
#include <stdlib.h>
#include <string.h>

/* "400 Gb/sec (4X NDR)": Gbit/s; 0 where it is none. */
static double port_rate(
	struct disagg_arena *arena, const char *sysroot, const char *device, const char *port)
{
	const char *state = disagg_sysfile_line(
		arena, sysroot, "/sys/class/infiniband/%s/ports/%s/state", device, port);
	const char *rate = disagg_sysfile_line(
		arena, sysroot, "/sys/class/infiniband/%s/ports/%s/rate", device, port);
	const char *number;
	double value;

	if (!state || !strstr(state, "ACTIVE") || !rate)
		return 0;
	number = disagg_arena_strndup(arena, rate, strcspn(rate, " "));
	return number && disagg_num_real(number, &value) == 0 && value > 0 ? value : 0;
}

double disagg_pairs_ports(struct disagg_arena *arena, const char *sysroot)
{
	struct disagg_sysfile_names devices =
		disagg_sysfile_list(arena, sysroot, "/sys/class/infiniband");
	double highest = 0;
	unsigned count = 0;

	for (size_t i = 0; i < devices.count; i++) {
		struct disagg_sysfile_names ports = disagg_sysfile_list(
			arena, sysroot, "/sys/class/infiniband/%s/ports", devices.name[i]);

		for (size_t k = 0; k < ports.count; k++) {
			double rate = port_rate(arena, sysroot, devices.name[i], ports.name[k]);

			if (rate > highest) {
				highest = rate;
				count = 0;
			}
			count += rate > 0 && rate >= highest;
		}
	}
	return highest / 8 * count;
}

static int note_place(struct disagg_probe_run *run, struct disagg_err *err)
{
	const char *address = getenv("SLURM_TOPOLOGY_ADDR");
	const char *last = address ? strrchr(address, '.') : NULL;
	const char *sysroot = run->options->sysroot ? run->options->sysroot : "";
	double ports = disagg_pairs_ports(run->arena, sysroot);
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	int rc = 0;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	if (last)
		disagg_json_put_text(&writer, "leaf",
			disagg_arena_strndup(run->arena, address, (size_t)(last - address)));
	if (ports > 0)
		disagg_json_put_real(&writer, "ports_gbs", ports);
	disagg_json_end(&writer, '}');
	if (text.failed)
		rc = disagg_err_nomem(err);
	else
		run->note(run, text.text);
	disagg_strbuf_release(&text);
	return rc;
}

int disagg_pairs_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	if (disagg_json_is_true(disagg_json_at(run->args, "place")))
		return note_place(run, err);
	return disagg_probe_pair_run(run, err);
}
