/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/conf/srtctl_tables.h"
#include <math.h>
#include <string.h>

/* Samples that are further apart than this spoil a measurement window. */
#define MAX_SAMPLE_GAP 3.0

struct monitor {
	struct disagg_import *import;
	const struct disagg_srt *srt;
};

static void refuse(const struct monitor *monitor, const char *path, const char *expected)
{
	disagg_findings_error(monitor->import->found, disagg_srt_at(monitor->import, path),
		"%s: %s", path, expected);
}

static void check_positive(
	const struct monitor *monitor, const char *path, const struct disagg_real *value)
{
	if (value->set && !(isfinite(value->v) && value->v > 0))
		refuse(monitor, path, "expected a positive number of seconds");
}

/* A relative path that stays below the folder it is in. */
static bool stays_below(const char *path)
{
	if (!path || !path[0] || path[0] == '/')
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return false;
		path += len;
		path += *path == '/';
	}
	return true;
}

static void check_subdir(const struct monitor *monitor, const char *path, const char *subdir)
{
	if (!stays_below(subdir))
		refuse(monitor, path, "expected a relative path without '..'");
}

/* ---- tachometer, below observability ---- */

static void check_tachometer(const struct monitor *monitor)
{
	const struct disagg_srt_observability *obs = &monitor->srt->observability;
	const struct disagg_srt_telemetry *power = &monitor->srt->telemetry;
	bool both = power->enabled == DISAGG_YES;

	if (obs->tachometer != DISAGG_YES)
		return;
	if (obs->enabled != DISAGG_YES)
		refuse(monitor, "observability.tachometer", "needs observability.enabled: true");
	if (both && obs->dcgm.image)
		refuse(monitor, "observability.tachometer.dcgm_exporter",
			"telemetry runs an exporter already: remove one");
	if (both && obs->subdir && power->subdir && strcmp(obs->subdir, power->subdir) == 0)
		refuse(monitor, "observability.tachometer.storage_subdir",
			"telemetry.storage_subdir is the same folder");
	check_positive(monitor, "observability.tachometer.default_frequency", &obs->frequency);
	check_subdir(monitor, "observability.tachometer.storage_subdir", obs->subdir);
}

static void check_observability(const struct monitor *monitor)
{
	const struct disagg_srt_observability *obs = &monitor->srt->observability;

	if (obs->otel == DISAGG_YES && !obs->otel_endpoint)
		disagg_findings_warn(monitor->import->found,
			disagg_srt_at(monitor->import, "observability.enable_otel"),
			"observability.enable_otel has no effect without otel_endpoint");
	check_positive(monitor, "observability.scrape_interval_seconds", &obs->scrape_interval);
	check_tachometer(monitor);
}

/* ---- power telemetry ---- */

static void check_power_times(const struct monitor *monitor)
{
	const struct disagg_srt_telemetry *power = &monitor->srt->telemetry;
	double cycles = 2 * (2 * power->request_timeout.v + 1);

	check_positive(monitor, "telemetry.default_frequency", &power->frequency);
	check_positive(monitor, "telemetry.startup_timeout_seconds", &power->startup_timeout);
	check_positive(monitor, "telemetry.request_timeout_seconds", &power->request_timeout);
	if (power->frequency.v > MAX_SAMPLE_GAP)
		refuse(monitor, "telemetry.default_frequency",
			"expected at most 3 seconds: a larger gap spoils every window");
	if (power->join_timeout.set &&
		!(isfinite(power->join_timeout.v) && power->join_timeout.v > cycles))
		refuse(monitor, "telemetry.collector_join_timeout_seconds",
			"expected more than 2 * (2 * request_timeout_seconds + 1)");
}

static bool unique(const struct disagg_strs *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(list->v[i], list->v[j]) == 0)
				return false;
		}
	}
	return true;
}

static void check_power(const struct monitor *monitor)
{
	const struct disagg_srt *srt = monitor->srt;

	if (srt->telemetry.enabled != DISAGG_YES)
		return;
	if (!srt->telemetry.dcgm.image)
		refuse(monitor, "telemetry.dcgm_exporter", "is missing: telemetry needs it");
	check_power_times(monitor);
	check_subdir(monitor, "telemetry.storage_subdir", srt->telemetry.subdir);
	if (srt->bench != DISAGG_SRT_B_SA)
		refuse(monitor, "telemetry.enabled", "needs benchmark.type 'sa-bench'");
	if (srt->benchmark.placement != DISAGG_SRT_C_HEAD)
		refuse(monitor, "telemetry.enabled", "needs benchmark.client_placement 'head'");
	if (srt->infra.dedicated_node == DISAGG_YES)
		refuse(monitor, "telemetry.enabled",
			"needs infra.etcd_nats_dedicated_node: false: the samples and the benchmark "
			"would have two clocks");
	if (!srt->concurrencies.count || !unique(&srt->concurrencies))
		refuse(monitor, "telemetry.enabled", "needs benchmark.concurrencies, each once");
}

void disagg_srt_check_monitoring(struct disagg_import *import, const struct disagg_srt *srt)
{
	struct monitor monitor = {import, srt};

	check_observability(&monitor);
	check_power(&monitor);
}
