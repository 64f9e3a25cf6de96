/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/gpus.h"

#include "lib/base/num.h"
#include "tests/stubs/faults.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_uuid(struct stub_gpu *gpu)
{
	char text[320];
	const unsigned char *u = gpu->uuid;
	uint64_t high, low;

	snprintf(text, sizeof(text), "%s/%d/%d", stub_node(), gpu->index, gpu->instance);
	high = stub_hash(text);
	strcat(text, "/low");
	low = stub_hash(text);
	memcpy(gpu->uuid, &high, 8);
	memcpy(gpu->uuid + 8, &low, 8);
	snprintf(gpu->uuid_text, sizeof(gpu->uuid_text),
		"%s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		gpu->instance < 0 ? "GPU" : "MIG", u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7],
		u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

static bool is_missing(int index, int count)
{
	const struct stub_fault *fault = stub_fault("missing-gpu", index);

	return fault && (stub_fault_has(fault, "gpu") || index == count - 1);
}

int stub_gpu_list(struct stub_gpu *ret)
{
	int count = (int)stub_number("GPUS", 8), listed = 0;

	for (int i = 0; i < count && i < STUB_MOST_GPUS; i++) {
		struct stub_gpu *gpu = &ret[listed];

		if (is_missing(i, count))
			continue;
		memset(gpu, 0, sizeof(*gpu));
		gpu->index = i;
		gpu->instance = -1;
		gpu->bus = 0x0f + 0x10 * (unsigned)i % 0xf0;
		gpu->memory = (unsigned long long)(stub_number("MEMORY", 143771) * 1048576);
		snprintf(gpu->name, sizeof(gpu->name), "%s", stub_text("NAME", "NVIDIA H200"));
		snprintf(gpu->pci, sizeof(gpu->pci), "0000:%02x:00.0", gpu->bus);
		set_uuid(gpu);
		listed++;
	}
	return listed;
}

int stub_gpu_instances(const struct stub_gpu *gpu, struct stub_gpu *ret)
{
	const struct stub_fault *fault = stub_fault("mig", gpu->index);
	int count = fault ? (int)stub_fault_number(fault, "count", 2) : 0;

	for (int i = 0; i < count && i < STUB_MOST_MIG; i++) {
		ret[i] = *gpu;
		ret[i].instance = i;
		ret[i].memory = gpu->memory / 8;
		snprintf(ret[i].name, sizeof(ret[i].name), "%.64s MIG 1g.18gb", gpu->name);
		set_uuid(&ret[i]);
	}
	return count;
}

/* Whole GPUs that are in MIG mode have instances in their place. */
static int list_all(struct stub_gpu *ret)
{
	struct stub_gpu gpus[STUB_MOST_GPUS];
	int count = stub_gpu_list(gpus), listed = 0;

	for (int i = 0; i < count && listed < STUB_MOST_GPUS - STUB_MOST_MIG; i++) {
		int instances = stub_gpu_instances(&gpus[i], ret + listed);

		if (instances == 0)
			ret[listed++] = gpus[i];
		listed += instances;
	}
	return listed;
}

static const struct stub_gpu *find(const struct stub_gpu *all, int count, const char *token)
{
	int64_t index;

	if (disagg_num_int(token, 0, count - 1, &index) == 0)
		return &all[index];
	for (int i = 0; i < count; i++)
		if (strlen(token) > 4 && strncmp(all[i].uuid_text, token, strlen(token)) == 0)
			return &all[i];
	return NULL;
}

int stub_gpu_visible(struct stub_gpu *ret)
{
	struct stub_gpu all[STUB_MOST_GPUS];
	int count = list_all(all), listed = 0;
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	char *text, *rest, *token;

	if (!visible)
		memcpy(ret, all, sizeof(*all) * (size_t)(listed = count));
	rest = text = strdup(visible ? visible : "");
	while (visible && rest && (token = strsep(&rest, ",")) && listed < STUB_MOST_GPUS) {
		const struct stub_gpu *gpu = find(all, count, token);

		if (!gpu) /* CUDA takes what stands before it */
			break;
		ret[listed++] = *gpu;
	}
	free(text);
	for (int i = 0; i < listed; i++)
		if (ret[i].instance >= 0) {
			ret[0] = ret[i];
			return 1;
		}
	return listed;
}
