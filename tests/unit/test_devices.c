/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/devices.h"

#include "lib/probe/gpustate.h"
#include "lib/probe/numa.h"
#include "lib/probe/p2pmatrix.h"
#include "tests/unit/stubrun.h"
#include "tests/unit/tap.h"

/* ---- in a process of its own: what there is, as text ---- */

static void put_list(const char *visible)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpu *gpus;
	size_t count;

	if (disagg_devices_list(&arena, visible, &gpus, &count, &err) != 0) {
		dprintf(STUB_FD, "error %d %s\n", (int)err.code, err.text);
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		dprintf(STUB_FD, "%d %.4s %s %s %s %llu %d\n", gpus[i].index, gpus[i].uuid,
			gpus[i].name, gpus[i].pci, gpus[i].cohort,
			(unsigned long long)gpus[i].mem_bytes >> 20, gpus[i].mig);
	disagg_arena_release(&arena);
}

/* The UUID of GPU 1 is not known before: it is asked for, and given back as `visible`. */
static void put_by_uuid(size_t len)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpu *gpus;
	size_t count;

	if (disagg_devices_list(&arena, NULL, &gpus, &count, &err) == 0 && count > 1)
		put_list(disagg_arena_strndup(&arena, gpus[1].uuid, len));
	disagg_arena_release(&arena);
}

static void put_state(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpustate state;
	struct disagg_fabric fabric;
	struct disagg_gpu *gpus;
	const char *hint;
	size_t count;

	if (disagg_devices_list(&arena, NULL, &gpus, &count, &err) != 0)
		return;
	disagg_gpustate_open(&state, &gpus[0]);
	disagg_gpustate_look(&state);
	hint = disagg_gpustate_hint(&state, &arena);
	disagg_devices_fabric(&state.nvml, state.device, &fabric);
	dprintf(STUB_FD, "%s\n%d %s %d %u %s\n", hint ? hint : "no hint", fabric.supported,
		fabric.state, (int)fabric.status, fabric.clique, fabric.cluster);
	disagg_gpustate_close(&state);
	disagg_arena_release(&arena);
}

static const struct {
	const char *name, *set, *faults, *libs, *visible, *want;
} lists[] = {
	{"all of them", "STUB_GPUS=2", "", "stubs", NULL,
		"0 GPU- NVIDIA H200 0000:0f:00.0 NVIDIA H200|driver 580.95.05|700 W 143771 0\n"
		"1 GPU- NVIDIA H200 0000:1f:00.0 NVIDIA H200|driver 580.95.05|700 W 143771 0\n"},
	{"a power limit is part of the cohort", "STUB_GPUS=1 STUB_MEMORY=1",
		"power-limit watts=500", "stubs", NULL,
		"0 GPU- NVIDIA H200 0000:0f:00.0 NVIDIA H200|driver 580.95.05|500 W 1 0\n"},
	{"positions, in their order, until one is none", "STUB_GPUS=3 STUB_MEMORY=1", "", "stubs",
		"2,0,9,1",
		"0 GPU- NVIDIA H200 0000:2f:00.0 NVIDIA H200|driver 580.95.05|700 W 1 0\n"
		"1 GPU- NVIDIA H200 0000:0f:00.0 NVIDIA H200|driver 580.95.05|700 W 1 0\n"},
	{"the GPU that is missing is not counted", "STUB_GPUS=2 STUB_MEMORY=1", "missing-gpu gpu=0",
		"stubs", NULL,
		"0 GPU- NVIDIA H200 0000:1f:00.0 NVIDIA H200|driver 580.95.05|700 W 1 0\n"},
	{"no position", "", "", "stubs", "",
		"error 77 no GPU is left by CUDA_VISIBLE_DEVICES '' of "
		"the node's 8\n"},
	{"MIG instances stand for their GPU", "STUB_GPUS=2 STUB_MEMORY=8", "mig gpu=0 count=2",
		"stubs", NULL,
		"0 MIG- NVIDIA H200 MIG 1g.18gb 0000:0f:00.0 NVIDIA H200 MIG 1g.18gb|driver "
		"580.95.05|700 W 1 1\n"
		"1 MIG- NVIDIA H200 MIG 1g.18gb 0000:0f:00.0 NVIDIA H200 MIG 1g.18gb|driver "
		"580.95.05|700 W 1 1\n"
		"2 GPU- NVIDIA H200 0000:1f:00.0 NVIDIA H200|driver 580.95.05|700 W 8 0\n"},
	{"a GPU that is lost is seen", "STUB_GPUS=1", "lost", "stubs", NULL,
		"0 GPU- NVIDIA H200 0000:0f:00.0 NVIDIA H200|driver 580.95.05 0 0\n"},
	{"no library", "", "", "", NULL,
		"error 77 no NVIDIA driver: no 'libnvidia-ml.so.1' on this node\n"},
	{"no driver behind the library", "", "no-driver", "stubs", NULL,
		"error 77 no NVIDIA driver: its library is there, its kernel module is not loaded\n"},
	{"by UUID", "STUB_GPUS=3 STUB_MEMORY=1", "", "stubs", "uuid",
		"0 GPU- NVIDIA H200 0000:1f:00.0 NVIDIA H200|driver 580.95.05|700 W 1 0\n"},
	{"by the beginning of a UUID", "STUB_GPUS=3 STUB_MEMORY=1", "", "stubs", "uuid-part",
		"0 GPU- NVIDIA H200 0000:1f:00.0 NVIDIA H200|driver 580.95.05|700 W 1 0\n"},
	{"a MIG instance by UUID", "STUB_GPUS=1 STUB_MEMORY=8", "mig count=2", "stubs", "uuid",
		"0 MIG- NVIDIA H200 MIG 1g.18gb 0000:0f:00.0 NVIDIA H200 MIG 1g.18gb|driver "
		"580.95.05|700 W 1 1\n"},
	{"a quiet GPU has no hint, and no NVLink domain", "", "", "stubs", "state",
		"no hint\n0 not supported 0 0 \n"},
	{"what holds the clocks back", "",
		"throttle reasons=4; hot degrees=77; power-limit watts=300", "stubs", "state",
		"SW power cap; SM 1200 of 1980 MHz, 118 of 300 W, 77 C\n0 not supported 0 0 \n"},
	{"an NVLink domain", "", "fabric clique=3", "stubs", "state",
		"no hint\n1 completed 0 3 fc9a0186-4cac-63af-0000-000000000000\n"},
	{"a domain that is not ready", "", "fabric state=2 status=15", "stubs", "state",
		"no hint\n1 in progress 0 1 fc9a0186-4cac-63af-0000-000000000000\n"},
};

static void put_case(size_t index)
{
	const char *visible = lists[index].visible;

	if (visible && strcmp(visible, "state") == 0)
		put_state();
	else if (visible && strncmp(visible, "uuid", 4) == 0)
		put_by_uuid(strcmp(visible, "uuid") == 0 ? 80 : 10);
	else
		put_list(visible);
}

static void check_case(size_t index)
{
	struct stub_run run = {
		.faults = lists[index].faults, .set = lists[index].set, .libs = lists[index].libs};
	char number[16], *text;

	snprintf(number, sizeof(number), "%zu", index);
	text = stub_run_text(run, "list", number);
	is_str(text, lists[index].want, lists[index].name);
	free(text);
}

/* ---- no GPU ---- */

/* In each number of GPUs, every pair meets once, and no GPU has two partners in a round. */
static void rounds(void)
{
	bool good = true;

	for (size_t count = 2; count <= 16; count++) {
		unsigned met[16][16] = {{0}};

		for (size_t round = 0; round < disagg_p2p_rounds(count); round++) {
			size_t pairs[DISAGG_MAX_GPUS_PER_NODE][2];
			size_t n = disagg_p2p_round(count, round, pairs);
			unsigned busy = 0;

			good = good && n == count / 2;
			for (size_t i = 0; i < n; i++) {
				unsigned both = 1u << pairs[i][0] | 1u << pairs[i][1];

				good = good && pairs[i][0] < pairs[i][1] && !(busy & both);
				busy |= both;
				met[pairs[i][0]][pairs[i][1]]++;
			}
		}
		for (size_t i = 0; i < count; i++)
			for (size_t j = i + 1; j < count; j++)
				good = good && met[i][j] == 1;
	}
	ok(good, "every pair meets once, in rounds of disjoint pairs");
	is_int((intmax_t)disagg_p2p_rounds(8), 7, "eight GPUs need seven");
	is_int((intmax_t)disagg_p2p_rounds(1), 0, "one needs none");
}

static void fill(struct disagg_p2pmatrix *matrix, size_t count)
{
	memset(matrix, 0, sizeof(*matrix));
	matrix->count = count;
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count; j++)
			matrix->rate[i][j] = i == j ? 0 : 400;
}

static void blame(void)
{
	static struct disagg_p2pmatrix matrix;

	fill(&matrix, 8);
	matrix.rate[2][5] = 0.91 * 400;
	disagg_p2pmatrix_judge(&matrix);
	ok(matrix.low_of[2] == 0 && matrix.median == 400, "9 % below the median is good");
	matrix.rate[2][5] = 0.89 * 400;
	disagg_p2pmatrix_judge(&matrix);
	ok(matrix.low[2][5] && !matrix.low[5][2] && !matrix.blamed[2] && !matrix.blamed[5],
		"11 % below is one path's");
	for (size_t i = 0; i < 8; i++)
		matrix.rate[2][i] = matrix.rate[i][2] = i == 2 ? 0 : 200;
	disagg_p2pmatrix_judge(&matrix);
	ok(matrix.blamed[2] && !matrix.blamed[5] && matrix.low_of[2] == 14 && matrix.low_of[5] == 2,
		"all paths of one GPU are the GPU's");
	ok(disagg_p2pmatrix_of(&matrix, 2) == 200 && disagg_p2pmatrix_of(&matrix, 5) == 400,
		"and its value says so");
	fill(&matrix, 8);
	for (size_t i = 0; i < 8; i++)
		matrix.wrong[i][3] = i != 3;
	disagg_p2pmatrix_judge(&matrix);
	ok(matrix.spoils[3] && matrix.wrong_of[3] == 7 && !matrix.spoils[0] && !matrix.blamed[3],
		"what all send to one GPU is changed by that GPU");
	fill(&matrix, 3);
	matrix.rate[0][1] = matrix.rate[1][0] = 100;
	disagg_p2pmatrix_judge(&matrix);
	ok(!matrix.blamed[0] && !matrix.blamed[1] && matrix.low[0][1] && matrix.low_of[0] == 2,
		"of three GPUs one path is a path's");
	fill(&matrix, 2);
	matrix.rate[0][1] = 100;
	disagg_p2pmatrix_judge(&matrix);
	ok(!matrix.low[0][1] && !matrix.blamed[0], "two GPUs have nothing to compare with");
}

static void cpus(void)
{
	cpu_set_t set;

	ok(disagg_numa_cpus("0-2,8\n", &set) && CPU_COUNT(&set) == 4 && CPU_ISSET(2, &set) &&
			CPU_ISSET(8, &set) && !CPU_ISSET(3, &set),
		"a list of CPUs");
	ok(!disagg_numa_cpus("\n", &set), "no CPU");
	ok(!disagg_numa_cpus("0-2,x", &set), "no list");
	ok(!disagg_numa_bind_near("/nonexistent", "0000:0f:00.0"), "no sysfs is no error");
}

/* The last CPU that this process may use, as the one beside a device. */
static void binding(void)
{
	char root[] = "/tmp/disagg-numa.XXXXXX", path[128], text[32];
	cpu_set_t now;
	size_t cpu = CPU_SETSIZE - 1;
	FILE *file;

	if (!ok(mkdtemp(root) && sched_getaffinity(0, sizeof(now), &now) == 0, "a sysfs"))
		return;
	while (!CPU_ISSET(cpu, &now))
		cpu--;
	snprintf(path, sizeof(path), "mkdir -p %s/sys/bus/pci/devices/0000:0f:00.0", root);
	snprintf(text, sizeof(text), "%zu-%zu\n", cpu, cpu + 3);
	ok(system(path) == 0, "with a device");
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/0000:0f:00.0/local_cpulist", root);
	file = fopen(path, "w");
	ok(file && fputs(text, file) >= 0 && fclose(file) == 0, "and its CPUs");
	ok(!disagg_numa_bind_near(root, "0000:1f:00.0"), "another device is not there");
	ok(disagg_numa_bind_near(root, "0000:0f:00.0") &&
			sched_getaffinity(0, sizeof(now), &now) == 0 && CPU_COUNT(&now) == 1 &&
			CPU_ISSET(cpu, &now),
		"the process is kept to those that it may use");
	snprintf(path, sizeof(path), "rm -r %s", root);
	ok(system(path) == 0, "cleared");
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "list") == 0) {
		put_case((size_t)atoi(argv[2]));
		return 0;
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		check_case(i);
	rounds();
	blame();
	cpus();
	binding();
	return tap_done();
}
