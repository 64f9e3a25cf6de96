/* SPDX-License-Identifier: Apache-2.0 */
/* NVML's table against the stub: each call that health and inventory make, sound and faulty. */
#include "lib/probe/nvml.h"

#include "tests/unit/stubrun.h"
#include "tests/unit/tap.h"

#define GET(field, ...)                                                                            \
	(result = DISAGG_NVML_CALL(nvml, field, device, __VA_ARGS__),                              \
		result == NVML_SUCCESS ? "" : disagg_nvml_name(result))

static void put_memory_errors(const struct disagg_nvml *nvml, nvmlDevice_t device)
{
	unsigned int corrected = 0, uncorrected = 0, pending = 0, failed = 0, pages = 16;
	unsigned long long ecc = 0, addresses[16];
	nvmlEnableState_t is_pending = NVML_FEATURE_DISABLED;
	nvmlReturn_t result;
	const char *bad[] = {
		GET(ecc_errors, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, &ecc),
		GET(remapped_rows, &corrected, &uncorrected, &pending, &failed),
		GET(retired_pages, NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR, &pages,
			addresses),
		GET(retired_pending, &is_pending)};

	dprintf(STUB_FD, "ecc %llu%s remap %u %u%s retired %u%s pending %d%s\n", ecc, bad[0],
		pending, failed, bad[1], pages, bad[2], (int)is_pending, bad[3]);
}

static void put_links(const struct disagg_nvml *nvml, nvmlDevice_t device)
{
	unsigned long long count = 0, speed = 0, errors = 0, action = 99, more;
	unsigned int up = 0;

	disagg_nvml_field(nvml, device, NVML_FI_DEV_NVLINK_LINK_COUNT, 0, &count);
	disagg_nvml_field(nvml, device, NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON, 0, &speed);
	disagg_nvml_field(nvml, device, NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, 0, &action);
	for (unsigned int link = 0; link < count; link++) {
		nvmlEnableState_t state = NVML_FEATURE_DISABLED;

		if (DISAGG_NVML_CALL(nvml, link_state, device, link, &state) == NVML_SUCCESS)
			up += state == NVML_FEATURE_ENABLED;
		if (DISAGG_NVML_CALL(nvml, link_errors, device, link, NVML_NVLINK_ERROR_DL_REPLAY,
			    &more) == NVML_SUCCESS)
			errors += more;
	}
	dprintf(STUB_FD, "links %u of %llu at %llu, %llu errors, action %llu\n", up, count, speed,
		errors, action);
}

static void put_slot(const struct disagg_nvml *nvml, nvmlDevice_t device)
{
	unsigned int gen = 0, gen_most = 0, width = 0, width_most = 0, replays = 0, pids = 8;
	nvmlEnableState_t persistence = NVML_FEATURE_DISABLED;
	nvmlProcessInfo_t processes[8];

	DISAGG_NVML_CALL(nvml, pcie_gen, device, &gen);
	DISAGG_NVML_CALL(nvml, pcie_gen_most, device, &gen_most);
	DISAGG_NVML_CALL(nvml, pcie_width, device, &width);
	DISAGG_NVML_CALL(nvml, pcie_width_most, device, &width_most);
	DISAGG_NVML_CALL(nvml, pcie_replays, device, &replays);
	DISAGG_NVML_CALL(nvml, persistence, device, &persistence);
	DISAGG_NVML_CALL(nvml, processes, device, &pids, processes);
	dprintf(STUB_FD, "pcie %u/%u x%u/%u, %u replays, persistence %d, %u processes %u\n", gen,
		gen_most, width, width_most, replays, (int)persistence, pids,
		pids ? processes[0].pid : 0);
}

static void put_names(const struct disagg_nvml *nvml, nvmlDevice_t device)
{
	char driver[DISAGG_NVML_TEXT] = "", vbios[DISAGG_NVML_TEXT] = "",
	     gsp[DISAGG_NVML_TEXT] = "";
	char serial[DISAGG_NVML_TEXT] = "", tiny[4] = "";
	unsigned int degrees = 0;

	DISAGG_NVML_CALL(nvml, driver_version, driver, sizeof(driver));
	DISAGG_NVML_CALL(nvml, vbios_version, device, vbios, sizeof(vbios));
	DISAGG_NVML_CALL(nvml, gsp_version, device, gsp);
	DISAGG_NVML_CALL(nvml, serial, device, serial, sizeof(serial));
	DISAGG_NVML_CALL(
		nvml, temperature_threshold, device, NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, &degrees);
	dprintf(STUB_FD, "driver %s gsp %s vbios %s, serial of %zu, slowdown at %u, %s\n", driver,
		gsp, vbios, strlen(serial), degrees,
		disagg_nvml_name(nvml->name(device, tiny, sizeof(tiny))));
}

static const struct {
	const char *faults;
	void (*put)(const struct disagg_nvml *, nvmlDevice_t);
	const char *want;
} cases[] = {
	{"", put_memory_errors, "ecc 0 remap 0 0 retired 0 pending 0\n"},
	{"ecc gpu=1", put_memory_errors, "ecc 0 remap 0 0 retired 0 pending 0\n"},
	{"ecc gpu=0 count=3; remap-pending gpu=0", put_memory_errors,
		"ecc 3 remap 1 0 retired 0 pending 0\n"},
	{"remap-failure; retired count=2", put_memory_errors,
		"ecc 0 remap 0 1 retired 2 pending 1\n"},
	{"lost gpu=0", put_memory_errors,
		"ecc 0NVML_ERROR_GPU_IS_LOST remap 0 0NVML_ERROR_GPU_IS_LOST retired "
		"0NVML_ERROR_GPU_IS_LOST pending 0NVML_ERROR_GPU_IS_LOST\n"},
	{"", put_links, "links 18 of 18 at 26562, 0 errors, action 0\n"},
	{"nvlink-down link=3; nvlink-errors count=7; recovery action=4", put_links,
		"links 17 of 18 at 26562, 7 errors, action 4\n"},
	{"nvlink-down", put_links, "links 0 of 18 at 26562, 0 errors, action 0\n"},
	{"", put_slot, "pcie 5/5 x16/16, 0 replays, persistence 1, 0 processes 0\n"},
	{"pcie-narrow width=4 gen=3; pcie-replays count=9; persistence-off; busy pid=77", put_slot,
		"pcie 3/5 x4/16, 9 replays, persistence 0, 1 processes 77\n"},
	{"vbios version=1.2", put_names,
		"driver 580.95.05 gsp 580.95.05 vbios 1.2, serial of 13, slowdown at 92, "
		"NVML_ERROR_INSUFFICIENT_SIZE\n"},
};

static void put_case(size_t index)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_nvml nvml;
	nvmlDevice_t device;

	if (disagg_nvml_open(&nvml, &err) != 0 || nvml.device_at(0, &device) != NVML_SUCCESS) {
		dprintf(STUB_FD, "%s\n", err.text);
		return;
	}
	cases[index].put(&nvml, device);
	disagg_nvml_close(&nvml);
}

/* A driver of years ago: what it lacks is not found, and is no crash. */
static void lacking(void)
{
	struct disagg_nvml nvml = {.library = NULL};
	unsigned long long value = 5;

	is_int(DISAGG_NVML_CALL(&nvml, minor_number, NULL, NULL), NVML_ERROR_FUNCTION_NOT_FOUND,
		"a function that is not there is not found");
	is_int(disagg_nvml_reasons(&nvml, NULL, &value), NVML_ERROR_FUNCTION_NOT_FOUND,
		"under neither name");
	is_int(disagg_nvml_field(&nvml, NULL, NVML_FI_DEV_NVLINK_LINK_COUNT, 0, &value),
		NVML_ERROR_FUNCTION_NOT_FOUND, "nor a field");
	is_int((intmax_t)value, 5, "and nothing is written");
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "case") == 0) {
		put_case((size_t)atoi(argv[2]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *faults = *cases[i].faults ? cases[i].faults : "sound";
		char number[16], *text;

		snprintf(number, sizeof(number), "%zu", i);
		text = stub_run_text((struct stub_run){.faults = cases[i].faults}, "case", number);
		is_str(text, cases[i].want, faults);
		free(text);
	}
	lacking();
	return tap_done();
}
