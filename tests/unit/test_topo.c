/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of tests/topo, and what is near their GPUs. */
#include "lib/topo/affinity.h"
#include "tests/unit/tap.h"
#include <stdlib.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *saved(struct disagg_arena *arena, const char *name)
{
	const char *src = getenv("SRC");

	return disagg_arena_printf(arena, "%s/tests/topo/%s.xml", src ? src : ".", name);
}

static struct disagg_topo *load(struct disagg_arena *arena, const char *name)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_topo *topo = NULL;

	if (!ok(disagg_topo_load(arena, saved(arena, name), &topo, &err) == 0, name))
		printf("# %s\n", err.text);
	return topo;
}

static const char *cpus_text(struct disagg_arena *arena, const cpu_set_t *cpus)
{
	struct disagg_strbuf out;
	const char *text;

	disagg_strbuf_init(&out, 0);
	disagg_topo_cpus_text(&out, cpus);
	text = disagg_arena_strdup(arena, out.text);
	disagg_strbuf_release(&out);
	return text;
}

static cpu_set_t cpus_of(unsigned first, unsigned last)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (size_t cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &cpus);
	return cpus;
}

/* ---- what is read ---- */

static void test_h100(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_topo *topo = load(&arena, "h100");

	if (!topo)
		return;
	ok(!topo->here, "it is another machine's");
	is_int(topo->numa_count, 2, "NUMA nodes");
	is_str(cpus_text(&arena, &topo->numa[1].cpus), "4-7", "the CPUs of the second");
	is_int(topo->gpu_count, 8, "GPUs");
	is_str(topo->gpu[0].pci, "0000:18:00.0", "by PCI address");
	is_str(topo->gpu[7].pci, "0000:c8:00.0", "to the last");
	is_str(cpus_text(&arena, &topo->gpu[7].cpus), "4-7", "with its CPUs");
	is_int(topo->gpu[0].bridge_count, 3, "and the bridges above it");
	is_int(topo->nic_count, 10, "NICs");
	is_str(topo->nic[0].name, "mlx5_0", "by name");
	is_str(topo->nic[0].pci, "0000:19:00.0", "with their address");
	is_int(topo->nic[0].active, 1 << 1, "port 1 is up");
	ok(disagg_topo_gpu(topo, "0000:c8:00.0") == &topo->gpu[7], "a GPU by address");
	ok(!disagg_topo_gpu(topo, "0000:c9:00.0"), "a NIC is none");
	disagg_arena_release(&arena);
}

static void test_gpu_memory(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_topo *topo = load(&arena, "gb200");

	if (!topo)
		return;
	is_int(topo->numa_count, 2, "GPU memory is no NUMA node of CPUs");
	is_int(topo->numa[0].index, 0, "Grace's own is the first");
	is_int(topo->numa[1].index, 1, "and the second");
	is_str(topo->gpu[3].pci, "0019:01:00.0", "PCI domains count");
	is_int(topo->nic[3].active, 0, "a NIC that is down");
	disagg_arena_release(&arena);
}

static void test_odd(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_topo *topo = load(&arena, "odd");

	if (!topo)
		return;
	is_int(topo->gpu_count, 2, "a display card of another maker is no GPU");
	is_str(cpus_text(&arena, &topo->gpu[0].cpus), "0-7", "no NUMA node: near every CPU");
	is_int(topo->nic_count, 2, "EFA is left out");
	is_int(topo->nic[0].active, 1 << 2, "one port of two is up");
	disagg_arena_release(&arena);
}

static void test_this_machine(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_topo *topo = NULL;
	cpu_set_t mine;

	ok(disagg_topo_load(&arena, NULL, &topo, &err) == 0 && topo, "this machine");
	ok(topo && topo->here, "is this machine");
	ok(topo && topo->numa_count > 0, "with memory");
	sched_getaffinity(0, sizeof(mine), &mine);
	for (unsigned i = 0; topo && i < topo->numa_count; i++) {
		cpu_set_t rest = mine;

		CPU_AND(&rest, &rest, &topo->numa[i].cpus);
		CPU_XOR(&mine, &mine, &rest);
	}
	is_str(cpus_text(&arena, &mine), "", "and all of this process's CPUs are of a node");
	disagg_arena_release(&arena);
}

#define DOCTYPE "<?xml version=\"1.0\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"

static void test_damaged(void)
{
	static const char *const texts[] = {
		"",
		"<topology",
		"not XML at all",
		"<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n</topology>\n",
		DOCTYPE "<topology version=\"2.0\">\n<object type=\"Machine\" os_index=\"0\"/>\n",
	};
	char path[] = "/tmp/disagg-topo.XXXXXX";
	int fd = mkstemp(path);

	for (size_t i = 0; i < COUNT(texts) + 1; i++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_topo *topo = NULL;

		if (i < COUNT(texts) &&
			(ftruncate(fd, 0) || pwrite(fd, texts[i], strlen(texts[i]), 0) < 0))
			abort();
		if (i == COUNT(texts))
			unlink(path);
		ok(disagg_topo_load(&arena, path, &topo, &err) == -1 && !topo, "a damaged file");
		is_int(err.code, DISAGG_CONFIG, "is told");
		has_str(err.text, path, "with its name");
		disagg_arena_release(&arena);
	}
	close(fd);
}

/* ---- what is near ---- */

struct cpu_case {
	const char *topo, *name;
	const char *gpu[3];   /* ends with NULL */
	unsigned first, last; /* allowed */
	const char *cpus, *numa;
};

static const struct cpu_case cpu_cases[] = {
	{"h100", "a GPU: its socket", {"0000:28:00.0"}, 0, 7, "0-3", "0"},
	{"h100", "two of one socket: the same", {"0000:a8:00.0", "0000:98:00.0"}, 0, 7, "4-7", "1"},
	{"h100", "two of two sockets: both", {"0000:28:00.0", "0000:98:00.0"}, 0, 7, "0-7", ""},
	{"h100", "never outside the task's own", {"0000:28:00.0"}, 2, 5, "2-3", "0"},
	{"h100", "nothing near is allowed", {"0000:28:00.0"}, 4, 7, "", ""},
	{"gb200", "no GPU's memory", {"0008:01:00.0"}, 0, 7, "0-3", "0"},
	{"gb200", "nor the other socket's", {"0018:01:00.0", "0019:01:00.0"}, 0, 7, "4-7", "1"},
	{"gb200", "all sockets: no preference", {"0008:01:00.0", "0019:01:00.0"}, 0, 7, "0-7", ""},
	{"odd", "no NUMA node is known", {"0000:01:00.0"}, 0, 7, "0-7", ""},
	{"odd", "of one of two it is", {"0000:81:00.0"}, 0, 7, "4-7", "1"},
	{"odd", "one known, one not", {"0000:01:00.0", "0000:81:00.0"}, 0, 7, "0-7", ""},
};

static unsigned count_of(const char *const *gpu)
{
	unsigned count = 0;

	while (gpu[count])
		count++;
	return count;
}

static void test_cpus(void)
{
	for (size_t i = 0; i < COUNT(cpu_cases); i++) {
		const struct cpu_case *c = &cpu_cases[i];
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_topo *topo = load(&arena, c->topo);
		cpu_set_t allowed = cpus_of(c->first, c->last);
		struct disagg_near near = {.numa_count = 0};
		char numa[64] = "";

		if (!topo || !ok(disagg_near_cpus(&arena, topo, c->gpu, count_of(c->gpu), &allowed,
					 &near, &err) == 0,
				     c->name))
			continue;
		for (unsigned n = 0; n < near.numa_count; n++)
			snprintf(numa + strlen(numa), sizeof(numa) - strlen(numa), "%s%u",
				n ? "," : "", near.numa[n]);
		is_str(cpus_text(&arena, &near.cpus), c->cpus, "its CPUs");
		is_str(numa, c->numa, "its memory");
		disagg_arena_release(&arena);
	}
}

struct nic_case {
	const char *topo, *name;
	const char *gpu[5]; /* ends with NULL */
	const char *nics;
};

static const struct nic_case nic_cases[] = {
	{"h100", "the NIC on its switch", {"0000:28:00.0"}, "mlx5_1:1"},
	{"h100", "not the storage NIC", {"0000:48:00.0"}, "mlx5_3:1"},
	{"h100", "each GPU's", {"0000:c8:00.0", "0000:18:00.0"}, "mlx5_0:1,mlx5_7:1"},
	{"gb200", "no common switch: the NUMA node's", {"0008:01:00.0"}, "mlx5_0:1,mlx5_1:1"},
	{"gb200", "none that is down", {"0019:01:00.0"}, "mlx5_2:1"},
	{"gb200", "all but the one that is down",
		{"0008:01:00.0", "0009:01:00.0", "0018:01:00.0", "0019:01:00.0"},
		"mlx5_0:1,mlx5_1:1,mlx5_2:1"},
	{"odd", "the port that is up", {"0000:01:00.0"}, "mlx4_0:2"},
	{"odd", "a far one where there is no other", {"0000:81:00.0"}, "mlx4_0:2"},
	{"two", "one of two", {"0000:21:00.0", "0000:22:00.0"}, "mlx5_1:1"},
	{"two", "or both", {"0000:11:00.0", "0000:22:00.0"}, "mlx5_0:1,mlx5_1:1"},
};

static void test_nics(void)
{
	for (size_t i = 0; i < COUNT(nic_cases); i++) {
		const struct nic_case *c = &nic_cases[i];
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_topo *topo = load(&arena, c->topo);
		const char *nics = NULL;

		if (topo)
			disagg_near_nics(&arena, topo, c->gpu, count_of(c->gpu), &nics, &err);
		is_str(nics, c->nics, c->name);
		disagg_arena_release(&arena);
	}
}

/* The storage NIC is the last of the three. */
static void test_nothing_to_choose(void)
{
	static const char *const gpu[] = {"0000:11:00.0", "0000:22:00.0"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_topo *topo = load(&arena, "two");
	const char *nics = NULL;

	if (!topo)
		return;
	topo->nic_count = 2;
	disagg_near_nics(&arena, topo, gpu, 2, &nics, &err);
	is_str(nics, "", "no NIC would be left out");
	disagg_near_nics(&arena, topo, gpu, 1, &nics, &err);
	is_str(nics, "mlx5_0:1", "one would");
	topo->nic_count = 0;
	disagg_near_nics(&arena, topo, gpu, 1, &nics, &err);
	is_str(nics, "", "there is none");
	disagg_arena_release(&arena);
}

static void test_unknown_gpu(void)
{
	static const char *const gpu[] = {"0000:18:00.0", "0000:77:00.0"};
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT, also = DISAGG_ERR_INIT;
	struct disagg_topo *topo = load(&arena, "h100");
	cpu_set_t allowed = cpus_of(0, 7);
	const char *nics = "untouched";
	struct disagg_near near;

	if (!topo)
		return;
	ok(disagg_near_cpus(&arena, topo, gpu, 2, &allowed, &near, &err) == -1, "no such GPU");
	is_str(err.text, "the topology has no GPU at '0000:77:00.0'", "it is named");
	ok(disagg_near_nics(&arena, topo, gpu, 2, &nics, &also) == -1, "no NICs of it either");
	is_str(nics, "untouched", "and nothing is returned");
	disagg_arena_release(&arena);
}

static void test_cpus_text(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	cpu_set_t cpus = cpus_of(8, 8);

	for (size_t cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &cpus);
	CPU_SET(CPU_SETSIZE - 1, &cpus);
	CPU_SET(CPU_SETSIZE - 2, &cpus);
	is_str(cpus_text(&arena, &cpus), "0-3,8,1022-1023", "CPUs as text");
	disagg_arena_release(&arena);
}

static int all_of_it(struct disagg_arena *arena, const char *path)
{
	static const char *const gpu[] = {"0000:18:00.0", "0000:98:00.0"};
	struct disagg_err err = DISAGG_ERR_INIT;
	cpu_set_t allowed = cpus_of(0, 7);
	struct disagg_topo *topo;
	struct disagg_near near;
	const char *nics;

	if (disagg_topo_load(arena, path, &topo, &err) ||
		disagg_near_cpus(arena, topo, gpu, 2, &allowed, &near, &err) ||
		disagg_near_nics(arena, topo, gpu, 2, &nics, &err))
		return err.code == DISAGG_SYSTEM ? -1 : -2;
	return 0;
}

static void test_no_memory(void)
{
	struct disagg_arena names = DISAGG_ARENA_INIT;
	const char *path = saved(&names, "h100");
	int rc = -1;
	long at;

	for (at = 0; rc == -1 && at < 1000; at++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;

		disagg_alloc_fail_after(at);
		rc = all_of_it(&arena, path);
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
	}
	ok(rc == 0 && at > 2, "out of memory is told, wherever it is");
	disagg_arena_release(&names);
}

int main(void)
{
	test_h100();
	test_gpu_memory();
	test_odd();
	test_this_machine();
	test_damaged();
	test_cpus();
	test_nics();
	test_nothing_to_choose();
	test_unknown_gpu();
	test_cpus_text();
	test_no_memory();
	return tap_done();
}
