/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/health.h"

#include "lib/probe/sysfile.h"
#include <string.h>
#include <unistd.h>

#define MOST_FINDINGS  1024u
#define MOST_PROCESSES 64u
#define MANY_CRC       100 /* flits that were sent again since the driver was loaded */

struct look {
	struct disagg_arena *arena;
	const struct disagg_nvml *nvml;
	const struct disagg_xid_table *table;
	struct disagg_health *health;
	const struct disagg_gpu *gpu; /* that is looked at */
	nvmlDevice_t device;
	unsigned most_links; /* active ones of the GPU of this node that has most */
	bool no_memory;
};

static void find(struct look *look, const struct disagg_health_finding *finding)
{
	struct disagg_health *health = look->health;

	if (health->count == MOST_FINDINGS)
		return;
	if (!finding->reason) {
		look->no_memory = true;
		return;
	}
	if (health->count == health->room) {
		size_t room = health->room ? health->room * 2 : 16;
		struct disagg_health_finding *grown = disagg_arena_grow(
			look->arena, health->finding, health->room, room, sizeof(*grown));

		if (!grown) {
			look->no_memory = true;
			return;
		}
		health->finding = grown;
		health->room = room;
	}
	health->finding[health->count] = *finding;
	health->finding[health->count++].gpu = look->gpu;
}

#define FIND(look, check_, status_, hard_, hint_, ...)                                             \
	find((look), &(struct disagg_health_finding){.check = (check_),                            \
			     .status = DISAGG_PROBE_##status_,                                     \
			     .hard = (hard_),                                                      \
			     .hint = (hint_),                                                      \
			     .reason = disagg_arena_printf((look)->arena, __VA_ARGS__)})

/* ---- checks of one GPU; what a GPU or driver cannot tell is no finding ---- */

static void check_ecc(struct look *look)
{
	unsigned long long errors = 0;

	if (DISAGG_NVML_CALL(look->nvml, ecc_errors, look->device,
		    NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC,
		    &errors) == NVML_SUCCESS &&
		errors > 0)
		FIND(look, "ecc", FAIL, true, "reset the GPU; look for Xid 48, 63, 64, 94, 95",
			"%llu uncorrected memory error%s since the driver was loaded", errors,
			errors == 1 ? "" : "s");
}

static void check_remap(struct look *look)
{
	unsigned corrected = 0, uncorrected = 0, pending = 0, failed = 0;

	if (DISAGG_NVML_CALL(look->nvml, remapped_rows, look->device, &corrected, &uncorrected,
		    &pending, &failed) != NVML_SUCCESS)
		return;
	if (failed)
		FIND(look, "remap", FAIL, true, "the GPU is to be replaced",
			"a memory row could not be remapped: no spare rows are left");
	else if (pending)
		FIND(look, "remap", WARN, false, "reset the GPU when it is idle",
			"a memory row is to be remapped at the next reset");
}

static void check_pages(struct look *look)
{
	nvmlEnableState_t pending = NVML_FEATURE_DISABLED;
	unsigned count = 0;
	nvmlReturn_t result = DISAGG_NVML_CALL(look->nvml, retired_pages, look->device,
		NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR, &count, NULL);

	if (DISAGG_NVML_CALL(look->nvml, retired_pending, look->device, &pending) == NVML_SUCCESS &&
		pending == NVML_FEATURE_ENABLED)
		FIND(look, "pages", WARN, false, "reset the GPU when it is idle",
			"memory pages are to be retired at the next reset");
	if ((result == NVML_SUCCESS || result == NVML_ERROR_INSUFFICIENT_SIZE) && count > 0)
		FIND(look, "pages", WARN, false, NULL,
			"%u memory page%s retired for double bit errors", count,
			count == 1 ? " is" : "s are");
}

static const struct {
	const char *action, *hint;
} recoveries[] = {
	{"reset_gpu", "reset the GPU"},
	{"reset_bus", "reset the GPU's bus"},
	{"reboot_node", "reboot the node"},
	{"drain_p2p", "end what uses its peer-to-peer links (drain P2P)"},
	{"recover_imex", "recover the IMEX domain"},
	{"inspect", "inspect the GPU: see nvidia-smi -q on the node"},
};

/* The action of a site's own table as it is. */
static const char *recovery_hint(const char *action)
{
	for (size_t i = 0; i < sizeof(recoveries) / sizeof(*recoveries); i++)
		if (strcmp(action, recoveries[i].action) == 0)
			return recoveries[i].hint;
	return action;
}

static void check_recovery(struct look *look)
{
	const struct disagg_xid_recovery *recovery;
	unsigned long long action = 0;

	if (disagg_nvml_field(look->nvml, look->device, NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0,
		    &action) != NVML_SUCCESS ||
		action == NVML_GPU_RECOVERY_ACTION_NONE)
		return;
	recovery = disagg_xid_recover(look->table, action < 256 ? (int)action : 255, NULL);
	FIND(look, "recovery", FAIL, true, recovery_hint(recovery->action),
		"the driver asks for a recovery action: %llu (%s)", action, recovery->text);
}

static const struct {
	unsigned long long bit;
	enum disagg_probe_status status;
	const char *text;
} throttles[] = {
	{nvmlClocksThrottleReasonHwThermalSlowdown, DISAGG_PROBE_FAIL,
		"the hardware slows the GPU down for its temperature"},
	{nvmlClocksThrottleReasonHwPowerBrakeSlowdown, DISAGG_PROBE_FAIL,
		"the power supply's brake slows the GPU down"},
	{nvmlClocksThrottleReasonHwSlowdown, DISAGG_PROBE_FAIL, "the hardware slows the GPU down"},
	{nvmlClocksEventReasonSwThermalSlowdown, DISAGG_PROBE_WARN,
		"the driver slows the GPU down for its temperature"},
};

/* HwSlowdown is set with either of the two before it: the first that fits tells more. */
static void check_throttle(struct look *look)
{
	unsigned long long reasons = 0;

	if (disagg_nvml_reasons(look->nvml, look->device, &reasons) != NVML_SUCCESS)
		return;
	for (size_t i = 0; i < sizeof(throttles) / sizeof(*throttles); i++) {
		if (!(reasons & throttles[i].bit))
			continue;
		find(look, &(struct disagg_health_finding){.check = "throttle",
				   .status = throttles[i].status,
				   .reason = throttles[i].text,
				   .hint = "look at cooling and power"});
		return;
	}
}

static void check_temperature(struct look *look)
{
	unsigned now = 0, slow = 0, most = 0;

	if (DISAGG_NVML_CALL(look->nvml, temperature, look->device, NVML_TEMPERATURE_GPU, &now) !=
		NVML_SUCCESS)
		return;
	DISAGG_NVML_CALL(look->nvml, temperature_threshold, look->device,
		NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, &slow);
	DISAGG_NVML_CALL(look->nvml, temperature_threshold, look->device,
		NVML_TEMPERATURE_THRESHOLD_GPU_MAX, &most);
	if (slow && now >= slow)
		FIND(look, "temperature", FAIL, false, "look at cooling",
			"%u C, and the GPU slows down from %u C on", now, slow);
	else if (most && now >= most)
		FIND(look, "temperature", WARN, false, "look at cooling",
			"%u C, the most for operation is %u C", now, most);
}

static void check_power(struct look *look)
{
	unsigned limit = 0, normal = 0;

	if (DISAGG_NVML_CALL(look->nvml, power_limit, look->device, &limit) == NVML_SUCCESS &&
		DISAGG_NVML_CALL(look->nvml, power_default, look->device, &normal) ==
			NVML_SUCCESS &&
		limit < normal)
		FIND(look, "power", WARN, false, "set it with nvidia-smi -pl",
			"the power limit is %u W, the GPU's own is %u W", limit / 1000,
			normal / 1000);
}

static void check_persistence(struct look *look)
{
	nvmlEnableState_t mode = NVML_FEATURE_ENABLED;

	if (DISAGG_NVML_CALL(look->nvml, persistence, look->device, &mode) == NVML_SUCCESS &&
		mode == NVML_FEATURE_DISABLED)
		FIND(look, "persistence", WARN, false, "start nvidia-persistenced",
			"persistence mode is off: each job waits for the driver to start the GPU");
}

/* A width never falls to save power; a generation does, while a GPU is idle. */
static void check_pcie(struct look *look)
{
	unsigned gen = 0, gen_most = 0, width = 0, width_most = 0;
	unsigned long long reasons = 0;

	if (DISAGG_NVML_CALL(look->nvml, pcie_width, look->device, &width) == NVML_SUCCESS &&
		DISAGG_NVML_CALL(look->nvml, pcie_width_most, look->device, &width_most) ==
			NVML_SUCCESS &&
		width < width_most)
		FIND(look, "pcie", FAIL, false, "reseat the GPU or its riser",
			"the PCIe link has %u of %u lanes", width, width_most);
	if (DISAGG_NVML_CALL(look->nvml, pcie_gen, look->device, &gen) != NVML_SUCCESS ||
		DISAGG_NVML_CALL(look->nvml, pcie_gen_most, look->device, &gen_most) !=
			NVML_SUCCESS ||
		gen >= gen_most)
		return;
	if (disagg_nvml_reasons(look->nvml, look->device, &reasons) == NVML_SUCCESS &&
		(reasons & nvmlClocksEventReasonGpuIdle))
		return;
	FIND(look, "pcie", WARN, false, "reseat the GPU or its riser; look for AER records",
		"the PCIe link runs at generation %u of %u", gen, gen_most);
}

static unsigned active_links(struct look *look, unsigned *ret_links)
{
	unsigned active = 0;

	*ret_links = 0;
	for (unsigned link = 0; link < NVML_NVLINK_MAX_LINKS; link++) {
		nvmlEnableState_t state = NVML_FEATURE_DISABLED;

		if (DISAGG_NVML_CALL(look->nvml, link_state, look->device, link, &state) !=
			NVML_SUCCESS)
			continue;
		(*ret_links)++;
		active += state == NVML_FEATURE_ENABLED;
	}
	return active;
}

/* Boards with bridges leave links unused, all GPUs of a node the same. */
static void check_links(struct look *look)
{
	unsigned links, active = active_links(look, &links);

	if (active < look->most_links)
		FIND(look, "nvlink", FAIL, true, "look for Xid 74 and 149; reset the GPU",
			"%u NVLinks of %u are active, %u on another GPU of this node", active,
			links, look->most_links);
}

static const struct {
	unsigned field;
	unsigned long long most;
	enum disagg_probe_status status;
	const char *text;
} link_fields[] = {
	{NVML_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS, 0, DISAGG_PROBE_FAIL,
		"recoveries that failed"},
	{NVML_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS, 0, DISAGG_PROBE_WARN, "effective errors"},
};
static const struct {
	nvmlNvLinkErrorCounter_t counter;
	unsigned long long most;
	const char *text;
} link_counters[] = {
	{NVML_NVLINK_ERROR_DL_RECOVERY, 0, "recoveries"},
	{NVML_NVLINK_ERROR_DL_REPLAY, 0, "replays"},
	{NVML_NVLINK_ERROR_DL_CRC_FLIT, MANY_CRC, "CRC errors"},
};

static void check_link_errors(struct look *look)
{
	for (unsigned link = 0; link < NVML_NVLINK_MAX_LINKS; link++) {
		unsigned long long count;

		for (size_t i = 0; i < sizeof(link_fields) / sizeof(*link_fields); i++)
			if (disagg_nvml_field(look->nvml, look->device, link_fields[i].field, link,
				    &count) == NVML_SUCCESS &&
				count > link_fields[i].most)
				find(look, &(struct disagg_health_finding){.check = "nvlink_errors",
						   .status = link_fields[i].status,
						   .hint = "look at the link's other end",
						   .reason = disagg_arena_printf(look->arena,
							   "NVLink %u: %llu %s", link, count,
							   link_fields[i].text)});
		for (size_t i = 0; i < sizeof(link_counters) / sizeof(*link_counters); i++)
			if (DISAGG_NVML_CALL(look->nvml, link_errors, look->device, link,
				    link_counters[i].counter, &count) == NVML_SUCCESS &&
				count > link_counters[i].most)
				FIND(look, "nvlink_errors", WARN, false,
					"look at the link's other end", "NVLink %u: %llu %s", link,
					count, link_counters[i].text);
	}
}

static void check_fabric(struct look *look)
{
	struct disagg_fabric fabric = {0};

	disagg_devices_fabric(look->nvml, look->device, &fabric);
	if (!fabric.supported)
		return;
	if (!fabric.completed)
		FIND(look, "fabric", FAIL, true, "look at the fabric manager of the rack",
			"not taken into its NVLink domain: %s", fabric.state);
	else if (fabric.status != NVML_SUCCESS)
		FIND(look, "fabric", FAIL, true, "look at the fabric manager of the rack",
			"the NVLink domain refused it: %d %s", (int)fabric.status,
			disagg_nvml_name(fabric.status));
}

static void (*const checks[])(struct look *look) = {check_recovery, check_ecc, check_remap,
	check_pages, check_links, check_link_errors, check_fabric, check_pcie, check_throttle,
	check_temperature, check_power, check_persistence};

/* True where the GPU answers. */
static bool answers(struct look *look)
{
	char uuid[DISAGG_NVML_TEXT];
	nvmlMemory_t memory;
	nvmlReturn_t result = look->nvml->uuid(look->device, uuid, sizeof(uuid));

	if (result == NVML_SUCCESS)
		result = look->nvml->memory(look->device, &memory);
	if (result == NVML_ERROR_GPU_IS_LOST || result == NVML_ERROR_RESET_REQUIRED)
		FIND(look, "lost", FAIL, true,
			result == NVML_ERROR_GPU_IS_LOST ? "reboot the node; look for Xid 79"
							 : "reset the GPU",
			"%s", disagg_nvml_name(result));
	return result != NVML_ERROR_GPU_IS_LOST && result != NVML_ERROR_RESET_REQUIRED;
}

int disagg_health_read(struct disagg_arena *arena, const struct disagg_nvml *nvml,
	const struct disagg_gpu *gpus, size_t count, struct disagg_health *ret,
	struct disagg_err *err)
{
	struct disagg_health health = {.gpus = count};
	struct disagg_xid_table *table;
	struct look look = {.arena = arena, .nvml = nvml, .health = &health};
	struct disagg_err lost = DISAGG_ERR_INIT;

	if (disagg_xid_load(arena, NULL, &table, err))
		return -1;
	look.table = table;
	for (size_t i = 0; i < count; i++) {
		unsigned links, active;

		look.gpu = &gpus[i];
		if (disagg_devices_handle(nvml, &gpus[i], &look.device, NULL))
			continue;
		active = active_links(&look, &links);
		look.most_links = active > look.most_links ? active : look.most_links;
	}
	for (size_t i = 0; i < count; i++) {
		look.gpu = &gpus[i];
		if (disagg_devices_handle(nvml, &gpus[i], &look.device, &lost)) {
			FIND(&look, "lost", FAIL, true, "reboot the node; look for Xid 79", "%s",
				lost.text);
			continue;
		}
		if (!answers(&look))
			continue;
		for (size_t k = 0; k < sizeof(checks) / sizeof(*checks); k++)
			checks[k](&look);
	}
	if (look.no_memory)
		return disagg_err_nomem(err);
	*ret = health;
	return 0;
}

int disagg_health_look(struct disagg_arena *arena, const char *visible, struct disagg_health *ret,
	struct disagg_err *err)
{
	struct disagg_nvml nvml;
	struct disagg_gpu *gpus;
	size_t count;
	int rc;

	if (disagg_devices_list(arena, visible, &gpus, &count, err) || disagg_nvml_open(&nvml, err))
		return -1;
	rc = disagg_health_read(arena, &nvml, gpus, count, ret, err);
	disagg_nvml_close(&nvml);
	return rc;
}

/* ---- who uses the GPUs ---- */

static bool is_ours(unsigned pid)
{
	return getsid((pid_t)pid) == getsid(0);
}

const char *disagg_health_busy(struct disagg_arena *arena, const struct disagg_nvml *nvml,
	const struct disagg_gpu *gpus, size_t count)
{
	const char *text = NULL;
	unsigned told = 0;

	for (size_t i = 0; i < count && told < 4; i++) {
		nvmlProcessInfo_t process[MOST_PROCESSES];
		unsigned number = MOST_PROCESSES;
		nvmlDevice_t device;

		if (disagg_devices_handle(nvml, &gpus[i], &device, NULL) ||
			DISAGG_NVML_CALL(nvml, processes, device, &number, process) != NVML_SUCCESS)
			continue;
		for (unsigned k = 0; k < number && told < 4; k++) {
			const char *name;

			if (is_ours(process[k].pid))
				continue;
			name = disagg_sysfile_line(arena, "", "/proc/%u/comm", process[k].pid);
			text = disagg_arena_printf(arena, "%s%sGPU %d: process %u (%s)",
				text ? text : "", text ? ", " : "", gpus[i].index, process[k].pid,
				name ? name : "of another PID namespace");
			told++;
		}
	}
	return text;
}

/* ---- the probe ---- */

static void emit(struct disagg_probe_run *run, const struct disagg_gpu *gpu,
	struct disagg_probe_record *record)
{
	if (gpu) {
		record->gpu = gpu->index;
		record->gpu_uuid = gpu->uuid;
		record->gpu_name = gpu->name;
		record->cohort = gpu->cohort;
	}
	run->emit(run, record);
}

/* One record of what is wrong each; a pass of a GPU where nothing is. */
static void emit_all(struct disagg_probe_run *run, const struct disagg_health *health)
{
	for (size_t i = 0; i < run->gpu_count; i++) {
		struct disagg_probe_record pass = DISAGG_PROBE_RECORD_INIT;
		bool found = false;

		for (size_t k = 0; k < health->count; k++) {
			const struct disagg_health_finding *finding = &health->finding[k];
			struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

			if (finding->gpu != &run->gpus[i])
				continue;
			found = true;
			record.param = finding->check;
			record.status = finding->status;
			record.reason = finding->reason;
			record.hint = finding->hint;
			emit(run, &run->gpus[i], &record);
		}
		if (!found)
			emit(run, &run->gpus[i], &pass);
	}
}

int disagg_health_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_nvml nvml;
	struct disagg_health health;
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	int rc;

	if (disagg_nvml_open(&nvml, err))
		return -1;
	rc = disagg_health_read(run->arena, &nvml, run->gpus, run->gpu_count, &health, err);
	if (rc == 0) {
		emit_all(run, &health);
		record.reason = disagg_health_busy(run->arena, &nvml, run->gpus, run->gpu_count);
	}
	if (record.reason) {
		record.param = "processes";
		record.status = DISAGG_PROBE_WARN;
		record.hint = "measure it again without them";
		run->emit(run, &record);
	}
	disagg_nvml_close(&nvml);
	return rc;
}
