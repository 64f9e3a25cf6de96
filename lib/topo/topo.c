/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/topo/topo.h"
#include <dlfcn.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * hwloc is loaded when it is asked for and not linked: disagg-exec is mounted
 * into the engines' containers, and where one has no libhwloc the engine is to
 * run all the same.  Only functions of the library are looked up; its inline
 * ones would link it.
 */
#define LIBRARY	     "libhwloc.so.15"
#define API_MAJOR(v) ((v) >> 16)

struct hwloc {
	void *library;
	__typeof__(hwloc_get_api_version) *api_version;
	__typeof__(hwloc_topology_init) *init;
	__typeof__(hwloc_topology_destroy) *destroy;
	__typeof__(hwloc_topology_set_components) *set_components;
	__typeof__(hwloc_topology_set_flags) *set_flags;
	__typeof__(hwloc_topology_set_io_types_filter) *set_io;
	__typeof__(hwloc_topology_set_xml) *set_xml;
	__typeof__(hwloc_topology_load) *load;
	__typeof__(hwloc_topology_is_thissystem) *is_here;
	__typeof__(hwloc_get_nbobjs_by_depth) *count;
	__typeof__(hwloc_get_obj_by_depth) *object;
	__typeof__(hwloc_bitmap_next) *bitmap_next;
};

static const struct {
	const char *symbol;
	size_t offset;
} symbols[] = {
	{"hwloc_get_api_version", offsetof(struct hwloc, api_version)},
	{"hwloc_topology_init", offsetof(struct hwloc, init)},
	{"hwloc_topology_destroy", offsetof(struct hwloc, destroy)},
	{"hwloc_topology_set_components", offsetof(struct hwloc, set_components)},
	{"hwloc_topology_set_flags", offsetof(struct hwloc, set_flags)},
	{"hwloc_topology_set_io_types_filter", offsetof(struct hwloc, set_io)},
	{"hwloc_topology_set_xml", offsetof(struct hwloc, set_xml)},
	{"hwloc_topology_load", offsetof(struct hwloc, load)},
	{"hwloc_topology_is_thissystem", offsetof(struct hwloc, is_here)},
	{"hwloc_get_nbobjs_by_depth", offsetof(struct hwloc, count)},
	{"hwloc_get_obj_by_depth", offsetof(struct hwloc, object)},
	{"hwloc_bitmap_next", offsetof(struct hwloc, bitmap_next)},
};

/* These ask CUDA, an X server and the like, which takes seconds, or move this
 * process from CPU to CPU; what they add is not used here. */
static const char *const unwanted[] = {"cuda", "nvml", "opencl", "gl", "levelzero", "rsmi", "x86"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { VENDOR_NVIDIA = 0x10de, VENDOR_AMAZON = 0x1d0f, CLASS_DISPLAY = 0x03, LAST_PORT = 31 };

struct reading {
	const struct hwloc *hw;
	hwloc_topology_t from;
	struct disagg_arena *arena;
	struct disagg_topo *topo;
};

static int library_open(struct hwloc *ret, struct disagg_err *err)
{
	struct hwloc hw = {.library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL)};

	if (!hw.library)
		return disagg_err_set(
			err, DISAGG_MISSING, "cannot load " LIBRARY ": %s", dlerror());
	for (size_t i = 0; i < COUNT(symbols); i++) {
		void *address = dlsym(hw.library, symbols[i].symbol);

		if (!address) {
			dlclose(hw.library);
			return disagg_err_set(err, DISAGG_MISSING,
				LIBRARY " has no '%s': expected hwloc 2.1 or later",
				symbols[i].symbol);
		}
		memcpy((char *)&hw + symbols[i].offset, &address, sizeof(address));
	}
	if (API_MAJOR(hw.api_version()) != API_MAJOR(HWLOC_API_VERSION)) {
		dlclose(hw.library);
		return disagg_err_set(err, DISAGG_MISSING, LIBRARY " is of another major version");
	}
	*ret = hw;
	return 0;
}

/* ---- objects to plain data ---- */

static void copy_cpus(const struct reading *rd, hwloc_const_bitmap_t set, cpu_set_t *ret)
{
	CPU_ZERO(ret);
	for (int cpu = rd->hw->bitmap_next(set, -1); cpu >= 0 && cpu < CPU_SETSIZE;
		cpu = rd->hw->bitmap_next(set, cpu))
		CPU_SET((size_t)cpu, ret);
}

static hwloc_obj_t first(const struct reading *rd, int depth)
{
	return rd->hw->object(rd->from, depth, 0);
}

static void *room(const struct reading *rd, int depth, size_t size)
{
	return disagg_arena_array(rd->arena, rd->hw->count(rd->from, depth), size);
}

static int by_index(const void *a, const void *b)
{
	const struct disagg_topo_numa *left = a, *right = b;

	return (left->index > right->index) - (left->index < right->index);
}

/* Memory beside that of the CPUs shows with the CPUs that it is near.  Linux
 * numbers nodes with CPUs of their own before it. */
static void keep_cpus_own(struct disagg_topo *topo)
{
	unsigned kept = 0;

	qsort(topo->numa, topo->numa_count, sizeof(*topo->numa), by_index);
	for (unsigned i = 0; i < topo->numa_count; i++) {
		bool own = true;

		for (unsigned j = 0; j < kept; j++)
			own = own && !disagg_topo_overlap(&topo->numa[j].cpus, &topo->numa[i].cpus);
		if (own)
			topo->numa[kept++] = topo->numa[i];
	}
	topo->numa_count = kept;
}

static int read_numa(struct reading *rd)
{
	struct disagg_topo *topo = rd->topo;

	topo->numa = room(rd, HWLOC_TYPE_DEPTH_NUMANODE, sizeof(*topo->numa));
	if (!topo->numa)
		return -1;
	for (hwloc_obj_t obj = first(rd, HWLOC_TYPE_DEPTH_NUMANODE); obj; obj = obj->next_cousin) {
		struct disagg_topo_numa *numa = &topo->numa[topo->numa_count];

		if (obj->subtype && strcmp(obj->subtype, "GPUMemory") == 0)
			continue;
		numa->index = obj->os_index;
		copy_cpus(rd, obj->cpuset, &numa->cpus);
		topo->numa_count += CPU_COUNT(&numa->cpus) > 0;
	}
	keep_cpus_own(topo);
	return 0;
}

/* Only I/O objects have no CPUs of their own. */
static int read_place(const struct reading *rd, hwloc_obj_t pci, struct disagg_topo_device *device)
{
	const struct hwloc_pcidev_attr_s *at = &pci->attr->pcidev;
	hwloc_obj_t up;
	uint64_t *bridge;
	unsigned count = 0;

	for (up = pci->parent; up && !up->cpuset; up = up->parent)
		count += up->type == HWLOC_OBJ_BRIDGE;
	if (up)
		copy_cpus(rd, up->cpuset, &device->cpus);
	bridge = disagg_arena_array(rd->arena, count ? count : 1, sizeof(*bridge));
	device->pci = disagg_arena_printf(
		rd->arena, "%04x:%02x:%02x.%x", at->domain, at->bus, at->dev, at->func);
	if (!bridge || !device->pci)
		return -1;
	device->bridge = bridge;
	device->bridge_count = count;
	for (up = pci->parent; up && !up->cpuset; up = up->parent) {
		if (up->type == HWLOC_OBJ_BRIDGE)
			bridge[--count] = up->gp_index;
	}
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct disagg_topo_device *left = a, *right = b;

	return strcmp(left->pci, right->pci);
}

static int read_gpus(struct reading *rd)
{
	struct disagg_topo *topo = rd->topo;

	topo->gpu = room(rd, HWLOC_TYPE_DEPTH_PCI_DEVICE, sizeof(*topo->gpu));
	if (!topo->gpu)
		return -1;
	for (hwloc_obj_t obj = first(rd, HWLOC_TYPE_DEPTH_PCI_DEVICE); obj;
		obj = obj->next_cousin) {
		struct disagg_topo_device *gpu = &topo->gpu[topo->gpu_count];

		if (obj->attr->pcidev.vendor_id != VENDOR_NVIDIA ||
			obj->attr->pcidev.class_id >> 8 != CLASS_DISPLAY)
			continue;
		if (read_place(rd, obj, gpu))
			return -1;
		gpu->name = gpu->pci;
		topo->gpu_count++;
	}
	qsort(topo->gpu, topo->gpu_count, sizeof(*topo->gpu), by_address);
	return 0;
}

/* As in /sys/class/infiniband: state 4 is ACTIVE. */
static uint32_t active_ports(hwloc_obj_t obj)
{
	uint32_t active = 0;
	char name[32];

	for (unsigned port = 1; port <= LAST_PORT; port++) {
		const char *state;

		snprintf(name, sizeof(name), "Port%uState", port);
		state = hwloc_obj_get_info_by_name(obj, name);
		if (state && state[0] == '4')
			active |= UINT32_C(1) << port;
	}
	return active;
}

/* Amazon's EFA has verbs but no reliable connections: UCX and NCCL do not take
 * it by a name in their lists. */
static int read_nics(struct reading *rd)
{
	struct disagg_topo *topo = rd->topo;

	topo->nic = room(rd, HWLOC_TYPE_DEPTH_OS_DEVICE, sizeof(*topo->nic));
	if (!topo->nic)
		return -1;
	for (hwloc_obj_t obj = first(rd, HWLOC_TYPE_DEPTH_OS_DEVICE); obj; obj = obj->next_cousin) {
		struct disagg_topo_device *nic = &topo->nic[topo->nic_count];
		hwloc_obj_t pci = obj->parent;

		if (obj->attr->osdev.type != HWLOC_OBJ_OSDEV_OPENFABRICS || !obj->name || !pci ||
			pci->type != HWLOC_OBJ_PCI_DEVICE ||
			pci->attr->pcidev.vendor_id == VENDOR_AMAZON)
			continue;
		nic->name = disagg_arena_strdup(rd->arena, obj->name);
		if (!nic->name || read_place(rd, pci, nic))
			return -1;
		nic->active = active_ports(obj);
		topo->nic_count++;
	}
	return 0;
}

/* ---- loading ---- */

static int topology_open(
	const struct hwloc *hw, const char *xml, hwloc_topology_t *ret, struct disagg_err *err)
{
	if (hw->init(ret))
		return disagg_err_nomem(err);
	for (size_t i = 0; i < COUNT(unwanted); i++)
		(void)hw->set_components(
			*ret, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, unwanted[i]);
	/* a cgroup hides CPUs: without them a GPU would seem near all that is left */
	if ((!xml || hw->set_xml(*ret, xml) == 0) &&
		hw->set_flags(*ret, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) == 0 &&
		hw->set_io(*ret, HWLOC_TYPE_FILTER_KEEP_IMPORTANT) == 0 && hw->load(*ret) == 0)
		return 0;
	hw->destroy(*ret);
	return disagg_err_set(err, DISAGG_CONFIG, "hwloc cannot read %s%s%s",
		xml ? "the topology '" : "this machine's topology", xml ? xml : "", xml ? "'" : "");
}

static int read_all(const struct hwloc *hw, hwloc_topology_t from, struct disagg_arena *arena,
	struct disagg_topo **ret, struct disagg_err *err)
{
	struct reading rd = {.hw = hw,
		.from = from,
		.arena = arena,
		.topo = disagg_arena_alloc(arena, sizeof(*rd.topo))};

	if (!rd.topo || read_numa(&rd) || read_gpus(&rd) || read_nics(&rd))
		return disagg_err_nomem(err);
	rd.topo->here = hw->is_here(from);
	*ret = rd.topo;
	return 0;
}

int disagg_topo_load(struct disagg_arena *arena, const char *xml, struct disagg_topo **ret,
	struct disagg_err *err)
{
	struct hwloc hw;
	hwloc_topology_t from;
	int rc;

	if (library_open(&hw, err))
		return -1;
	rc = topology_open(&hw, xml, &from, err);
	if (rc == 0) {
		rc = read_all(&hw, from, arena, ret, err);
		hw.destroy(from);
	}
	dlclose(hw.library);
	return rc;
}

const struct disagg_topo_device *disagg_topo_gpu(const struct disagg_topo *topo, const char *pci)
{
	for (unsigned i = 0; i < topo->gpu_count; i++) {
		if (strcmp(topo->gpu[i].pci, pci) == 0)
			return &topo->gpu[i];
	}
	return NULL;
}

bool disagg_topo_overlap(const cpu_set_t *a, const cpu_set_t *b)
{
	cpu_set_t both;

	CPU_AND(&both, a, b);
	return CPU_COUNT(&both) > 0;
}

void disagg_topo_cpus_text(struct disagg_strbuf *out, const cpu_set_t *cpus)
{
	const char *comma = "";

	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		size_t last = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		disagg_strbuf_printf(out, "%s%zu", comma, cpu);
		if (last > cpu)
			disagg_strbuf_printf(out, "-%zu", last);
		comma = ",";
		cpu = last;
	}
}
