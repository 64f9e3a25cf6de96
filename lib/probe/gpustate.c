/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/gpustate.h"

#include "lib/base/strbuf.h"

static const struct {
	unsigned long long bit;
	const char *text;
} reasons[] = {
	{nvmlClocksEventReasonSwPowerCap, "SW power cap"},
	{nvmlClocksThrottleReasonHwSlowdown, "HW slowdown"},
	{nvmlClocksEventReasonSyncBoost, "sync boost"},
	{nvmlClocksEventReasonSwThermalSlowdown, "SW thermal slowdown"},
	{nvmlClocksThrottleReasonHwThermalSlowdown, "HW thermal slowdown"},
	{nvmlClocksThrottleReasonHwPowerBrakeSlowdown, "HW power brake"},
	{nvmlClocksEventReasonApplicationsClocksSetting, "clocks set by the administrator"},
};

void disagg_gpustate_open(struct disagg_gpustate *state, const struct disagg_gpu *gpu)
{
	struct disagg_err ignored = DISAGG_ERR_INIT;

	*state = (struct disagg_gpustate){.is_open = false};
	if (disagg_nvml_open(&state->nvml, &ignored) != 0)
		return;
	state->is_open = disagg_devices_handle(&state->nvml, gpu, &state->device, &ignored) == 0;
	if (!state->is_open)
		disagg_nvml_close(&state->nvml);
}

void disagg_gpustate_look(struct disagg_gpustate *state)
{
	const struct disagg_nvml *nvml = &state->nvml;
	unsigned long long now = 0;
	unsigned int value;

	if (!state->is_open)
		return;
	if (DISAGG_NVML_CALL(nvml, clock, state->device, NVML_CLOCK_SM, &value) == NVML_SUCCESS)
		state->sm_mhz = value;
	if (DISAGG_NVML_CALL(nvml, clock_most, state->device, NVML_CLOCK_SM, &value) ==
		NVML_SUCCESS)
		state->sm_most_mhz = value;
	if (DISAGG_NVML_CALL(nvml, power_usage, state->device, &value) == NVML_SUCCESS)
		state->power_w = value / 1000;
	if (DISAGG_NVML_CALL(nvml, power_limit, state->device, &value) == NVML_SUCCESS)
		state->limit_w = value / 1000;
	if (DISAGG_NVML_CALL(nvml, temperature, state->device, NVML_TEMPERATURE_GPU, &value) ==
		NVML_SUCCESS)
		state->degrees = value;
	if (disagg_nvml_reasons(nvml, state->device, &now) == NVML_SUCCESS)
		state->reasons |= now;
}

void disagg_gpustate_close(struct disagg_gpustate *state)
{
	if (state->is_open)
		disagg_nvml_close(&state->nvml);
	state->is_open = false;
}

const char *disagg_gpustate_hint(const struct disagg_gpustate *state, struct disagg_arena *arena)
{
	struct disagg_strbuf text;
	const char *ret = NULL;

	disagg_strbuf_init(&text, 1024);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (state->reasons & reasons[i].bit)
			disagg_strbuf_printf(&text, "%s%s", text.len ? ", " : "", reasons[i].text);
	if (text.len > 0) {
		disagg_strbuf_printf(&text, "; SM %u of %u MHz, %u of %u W, %u C", state->sm_mhz,
			state->sm_most_mhz, state->power_w, state->limit_w, state->degrees);
		ret = disagg_arena_strdup(arena, text.text);
	}
	disagg_strbuf_release(&text);
	return ret;
}
