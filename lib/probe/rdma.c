/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"
#include "lib/probe/node.h"
#include "lib/probe/sysfile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MOST_PORTS 64u
#define PAUSE_NS   500000000L

/* Files below a port that count errors: what grows while nothing is measured is a fault. */
static const struct {
	const char *file;
	enum disagg_probe_status grows;
} counters[] = {
	{"counters/link_downed", DISAGG_PROBE_FAIL},
	{"counters/link_error_recovery", DISAGG_PROBE_WARN},
	{"counters/symbol_error", DISAGG_PROBE_WARN},
	{"counters/port_rcv_errors", DISAGG_PROBE_WARN},
	{"counters/local_link_integrity_errors", DISAGG_PROBE_WARN},
	{"counters/excessive_buffer_overrun_errors", DISAGG_PROBE_WARN},
	{"hw_counters/out_of_sequence", DISAGG_PROBE_WARN},
	{"hw_counters/packet_seq_err", DISAGG_PROBE_WARN},
	{"hw_counters/rnr_nak_retry_err", DISAGG_PROBE_WARN},
	{"hw_counters/local_ack_timeout_err", DISAGG_PROBE_WARN},
};
#define COUNTERS (sizeof(counters) / sizeof(*counters))

struct port {
	const char *name; /* "mlx5_0/1" */
	const char *path;
	const char *type; /* "MT4129": of its adapter */
	const char *state, *physical;
	bool active;
	double rate;		 /* Gb/s; 0: not told */
	int64_t count[COUNTERS]; /* -1: none */
};

/* "400 Gb/sec (4X NDR)" */
static double rate_of(struct disagg_arena *arena, const char *text)
{
	char *number = text ? disagg_arena_strndup(arena, text, strcspn(text, " ")) : NULL;
	double rate;

	return number && disagg_num_real(number, &rate) == 0 ? rate : 0;
}

/* "4: ACTIVE": what is behind the number */
static const char *word_of(const char *text)
{
	const char *colon = text ? strchr(text, ':') : NULL;

	return colon ? colon + 1 + strspn(colon + 1, " ") : "not told";
}

static void read_counts(const char *root, struct port *port, int64_t *count)
{
	for (size_t i = 0; i < COUNTERS; i++)
		if (disagg_sysfile_int(&count[i], root, "%s/%s", port->path, counters[i].file))
			count[i] = -1;
}

static int read_port(
	struct disagg_probe_run *run, const char *device, const char *number, struct port *ret)
{
	struct disagg_arena *arena = run->arena;
	const char *root = run->options->sysroot;
	struct port port = {
		.name = disagg_arena_printf(arena, "%s/%s", device, number),
		.path = disagg_arena_printf(
			arena, "/sys/class/infiniband/%s/ports/%s", device, number),
		.type = disagg_sysfile_line(
			arena, root, "/sys/class/infiniband/%s/hca_type", device),
	};

	if (!port.name || !port.path)
		return -1;
	port.state = word_of(disagg_sysfile_line(arena, root, "%s/state", port.path));
	port.physical = word_of(disagg_sysfile_line(arena, root, "%s/phys_state", port.path));
	port.active = strcmp(port.state, "ACTIVE") == 0;
	port.rate = rate_of(arena, disagg_sysfile_line(arena, root, "%s/rate", port.path));
	read_counts(root, &port, port.count);
	*ret = port;
	return 0;
}

/* Ports of the same kind of adapter run at the same rate. */
static double rate_among(const struct port *port, size_t count, const struct port *of)
{
	double most = 0;

	for (size_t i = 0; i < count; i++)
		if (port[i].active && port[i].rate > most && port[i].type && of->type &&
			strcmp(port[i].type, of->type) == 0)
			most = port[i].rate;
	return most;
}

static void emit_growth(struct disagg_probe_run *run, const struct port *port, const int64_t *after)
{
	for (size_t i = 0; i < COUNTERS; i++)
		if (port->count[i] >= 0 && after[i] > port->count[i])
			disagg_node_finding(run, port->name, counters[i].grows,
				disagg_arena_printf(run->arena, "%s grew by %lld in 0.5 s",
					counters[i].file, (long long)(after[i] - port->count[i])),
				"look at cable, port and switch");
}

static void emit_port(struct disagg_probe_run *run, const struct port *port, double most)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.param = port->name;
	if (!port->active) {
		bool off = strcmp(port->physical, "Disabled") == 0;

		disagg_node_finding(run, port->name, off ? DISAGG_PROBE_SKIP : DISAGG_PROBE_WARN,
			disagg_arena_printf(
				run->arena, "the port is %s, %s", port->state, port->physical),
			off ? NULL : "look at its cable, where there is to be one");
		return;
	}
	record.has_value = true;
	record.value = port->rate;
	record.unit = "Gb/s";
	record.better = DISAGG_BETTER_MORE;
	if (port->rate < most) {
		record.status = DISAGG_PROBE_FAIL;
		record.reason = disagg_arena_printf(run->arena,
			"%g Gb/s, and %g on another port of the node", port->rate, most);
		record.hint = "a lane or the cable is bad";
	}
	run->emit(run, &record);
	if (port->count[0] > 0) {
		struct disagg_probe_record downed = DISAGG_PROBE_RECORD_INIT;

		downed.param = disagg_arena_printf(run->arena, "%s link_downed", port->name);
		downed.has_value = true;
		downed.value = (double)port->count[0];
		downed.unit = "times";
		run->emit(run, &downed);
	}
}

int disagg_rdma_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	const char *root = run->options->sysroot;
	struct disagg_sysfile_names devices =
		disagg_sysfile_list(run->arena, root, "/sys/class/infiniband");
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct port port[MOST_PORTS];
	size_t count = 0;

	for (size_t i = 0; i < devices.count; i++) {
		struct disagg_sysfile_names ports = disagg_sysfile_list(
			run->arena, root, "/sys/class/infiniband/%s/ports", devices.name[i]);

		for (size_t k = 0; k < ports.count && count < MOST_PORTS; k++)
			if (read_port(run, devices.name[i], ports.name[k], &port[count++]))
				return disagg_err_nomem(err);
	}
	if (count == 0)
		return disagg_err_set(
			err, DISAGG_SKIPPED, "no RDMA adapter (/sys/class/infiniband)");
	nanosleep(&pause, NULL);
	for (size_t i = 0; i < count; i++) {
		int64_t after[COUNTERS];

		read_counts(root, &port[i], after);
		emit_port(run, &port[i], rate_among(port, count, &port[i]));
		emit_growth(run, &port[i], after);
	}
	return 0;
}
