/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/base/num.h"
#include "lib/probe/node.h"
#include "lib/probe/sysfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define FULL_WARN   90.0 /* percent of what users may fill */
#define FULL_FAIL   98.0
#define LEAST_SHM   (1ull << 30) /* NCCL and engines share host memory there */
#define LEAST_FILES 4096u
#define PAUSE_NS    300000000L
#define MOST_TASKS  32u

static const char *root_of(const struct disagg_probe_run *run)
{
	return run->options->sysroot ? run->options->sysroot : "";
}

/* ---- file systems ---- */

static double percent(unsigned long long used, unsigned long long all)
{
	return all ? 100.0 * (double)used / (double)all : 0;
}

static void check_full(struct disagg_probe_run *run, const char *path, const struct statvfs *fs)
{
	unsigned long long used = fs->f_blocks - fs->f_bfree;
	double space = percent(used, used + fs->f_bavail);
	double inodes = percent(fs->f_files - fs->f_ffree, fs->f_files);
	double worst = space > inodes ? space : inodes;
	const char *param = disagg_arena_printf(run->arena, "full %s", path);
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	if (!param)
		return;
	record.param = param;
	record.has_value = true;
	record.value = worst;
	record.unit = "%";
	if (worst >= FULL_WARN) {
		record.status = worst >= FULL_FAIL ? DISAGG_PROBE_FAIL : DISAGG_PROBE_WARN;
		record.reason = disagg_arena_printf(run->arena, "%.0f %% of the %s of %s are used",
			worst, space > inodes ? "space" : "inodes", path);
		record.hint = "clean it up";
	}
	run->emit(run, &record);
}

/* Each file system once.  A network file system may hang here: the probe has a deadline. */
static void check_filesystems(struct disagg_probe_run *run)
{
	static const char *const paths[] = {"/", "/var", "/tmp", "/dev/shm", "/run", "/local"};
	dev_t seen[sizeof(paths) / sizeof(*paths) + 1];
	size_t count = 0;
	const char *own = getenv("TMPDIR");

	for (size_t i = 0; i <= sizeof(paths) / sizeof(*paths); i++) {
		const char *path = i < sizeof(paths) / sizeof(*paths) ? paths[i] : own;
		const char *whole =
			path ? disagg_arena_printf(run->arena, "%s%s", root_of(run), path) : NULL;
		struct statvfs fs;
		struct stat about;
		bool known = false;

		if (!whole || stat(whole, &about) || statvfs(whole, &fs))
			continue;
		for (size_t k = 0; k < count; k++)
			known = known || seen[k] == about.st_dev;
		if (known)
			continue;
		seen[count++] = about.st_dev;
		check_full(run, path, &fs);
	}
}

static void check_shm(struct disagg_probe_run *run)
{
	const char *path = disagg_arena_printf(run->arena, "%s/dev/shm", root_of(run));
	struct statvfs fs;
	unsigned long long bytes;

	if (!path || statvfs(path, &fs))
		return;
	bytes = (unsigned long long)fs.f_blocks * fs.f_frsize;
	if (bytes < LEAST_SHM)
		disagg_node_finding(run, "shm", DISAGG_PROBE_WARN,
			disagg_arena_printf(run->arena,
				"/dev/shm has %llu MiB: NCCL and engines need more", bytes >> 20),
			"in a container, a larger --shm-size or --ipc=host");
}

/* ---- limits ---- */

static void check_limits(struct disagg_probe_run *run)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
		bool free = limit.rlim_cur == RLIM_INFINITY;

		disagg_node_fact(run, "memlock",
			free ? "unlimited"
			     : disagg_arena_printf(run->arena, "%llu KiB",
				       (unsigned long long)limit.rlim_cur >> 10));
		if (!free && disagg_sysfile_list(run->arena, root_of(run), "/sys/class/infiniband")
				     .count)
			disagg_node_finding(run, "memlock", DISAGG_PROBE_WARN,
				"the memlock limit is not unlimited: RDMA cannot register memory",
				"raise it for slurmd: PropagateResourceLimitsExcept=MEMLOCK");
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < LEAST_FILES)
		disagg_node_finding(run, "files", DISAGG_PROBE_WARN,
			disagg_arena_printf(run->arena, "a process may open %llu files",
				(unsigned long long)limit.rlim_cur),
			"ulimit -n 65536");
}

/* The memory limit of the cgroup that this step is in, and of those above it. */
static void check_cgroup(struct disagg_probe_run *run)
{
	const char *own = disagg_sysfile_value(run->arena,
		disagg_sysfile_text(run->arena, root_of(run), "/proc/self/cgroup"), "0:");
	char *path = own ? disagg_arena_strdup(run->arena, own) : NULL;
	int64_t least = INT64_MAX, limit;

	while (path && path[0] == '/') {
		char *slash = strrchr(path, '/');

		if (disagg_sysfile_int(&limit, root_of(run), "/sys/fs/cgroup%s/memory.max", path) ==
				0 &&
			limit < least)
			least = limit;
		if (slash == path)
			break;
		*slash = '\0';
	}
	disagg_node_fact(run, "memory_limit",
		least == INT64_MAX
			? "none"
			: disagg_arena_printf(run->arena, "%lld MiB", (long long)(least >> 20)));
}

/* ---- kernel ---- */

static void check_governor(struct disagg_probe_run *run)
{
	struct disagg_sysfile_names cpus =
		disagg_sysfile_list(run->arena, root_of(run), "/sys/devices/system/cpu");
	const char *other = NULL;
	size_t slow = 0;

	for (size_t i = 0; i < cpus.count; i++) {
		const char *governor = disagg_sysfile_line(run->arena, root_of(run),
			"/sys/devices/system/cpu/%s/cpufreq/scaling_governor", cpus.name[i]);

		if (!governor || strcmp(governor, "performance") == 0)
			continue;
		slow++;
		other = governor;
	}
	if (slow)
		disagg_node_finding(run, "governor", DISAGG_PROBE_WARN,
			disagg_arena_printf(
				run->arena, "%zu CPUs have the governor '%s'", slow, other),
			"cpupower frequency-set -g performance");
	disagg_node_fact(run, "governor", slow ? other : "performance");
}

static void check_settings(struct disagg_probe_run *run)
{
	struct disagg_arena *arena = run->arena;
	const char *root = root_of(run);
	const char *huge = disagg_sysfile_value(
		arena, disagg_sysfile_text(arena, root, "/proc/meminfo"), "HugePages_Total");
	int64_t balancing = 0;

	if (disagg_sysfile_int(&balancing, root, "/proc/sys/kernel/numa_balancing") == 0 &&
		balancing)
		disagg_node_finding(run, "numa_balancing", DISAGG_PROBE_WARN,
			"automatic NUMA balancing moves pages under the engines",
			"sysctl kernel.numa_balancing=0");
	disagg_node_fact(run, "huge_pages", huge);
	disagg_node_fact(run, "core_pattern",
		disagg_sysfile_line(arena, root, "/proc/sys/kernel/core_pattern"));
}

/* GPUDirect RDMA takes nvidia_peermem, or DMA-BUF, which the open kernel modules have. */
static void check_peermem(struct disagg_probe_run *run)
{
	const char *root = root_of(run);
	const char *driver = disagg_sysfile_line(run->arena, root, "/proc/driver/nvidia/version");

	if (!driver || !disagg_sysfile_list(run->arena, root, "/sys/class/infiniband").count)
		return;
	if (disagg_sysfile_exists(root, "/sys/module/nvidia_peermem"))
		disagg_node_fact(run, "gpudirect", "nvidia_peermem");
	else if (strstr(driver, "Open Kernel"))
		disagg_node_fact(run, "gpudirect", "dma-buf");
	else
		disagg_node_finding(run, "gpudirect", DISAGG_PROBE_WARN,
			"neither nvidia_peermem nor the open kernel modules: RDMA copies over the host",
			"modprobe nvidia_peermem");
}

/* ---- PCIe ---- */

#define CONFIG_BYTES  4096
#define FIRST_EXT_CAP 0x100 /* PCI Express Base Specification, 7.7.1 */
#define CAP_ACS	      0x000d
#define ACS_CONTROL   6
#define ACS_REDIRECTS 0x2c /* P2P Request Redirect, Completion Redirect, Egress Control */

static bool acs_redirects(const unsigned char *config, size_t len)
{
	size_t at = FIRST_EXT_CAP;

	for (int steps = 0; at >= FIRST_EXT_CAP && at + ACS_CONTROL + 2 <= len && steps < 64;
		steps++) {
		unsigned id = config[at] | (unsigned)config[at + 1] << 8;
		unsigned next = (config[at + 2] | (unsigned)config[at + 3] << 8) >> 4;

		if (id == CAP_ACS)
			return (config[at + ACS_CONTROL] & ACS_REDIRECTS) != 0;
		at = next;
	}
	return false;
}

static ssize_t read_config(struct disagg_probe_run *run, const char *device, unsigned char *config)
{
	const char *path = disagg_arena_printf(
		run->arena, "%s/sys/bus/pci/devices/%s/config", root_of(run), device);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t got = fd < 0 ? -1 : read(fd, config, CONFIG_BYTES);

	if (fd >= 0)
		close(fd);
	return got;
}

/* Only root reads more than 64 bytes of a device's configuration. */
static void check_acs(struct disagg_probe_run *run)
{
	struct disagg_sysfile_names devices =
		disagg_sysfile_list(run->arena, root_of(run), "/sys/bus/pci/devices");
	size_t redirecting = 0;

	for (size_t i = 0; i < devices.count; i++) {
		const char *class = disagg_sysfile_line(
			run->arena, root_of(run), "/sys/bus/pci/devices/%s/class", devices.name[i]);
		unsigned char config[CONFIG_BYTES];
		ssize_t len;

		if (!class || strncmp(class, "0x0604", 6) != 0)
			continue;
		len = read_config(run, devices.name[i], config);
		redirecting += len > FIRST_EXT_CAP && acs_redirects(config, (size_t)len);
	}
	if (redirecting)
		disagg_node_finding(run, "acs", DISAGG_PROBE_WARN,
			disagg_arena_printf(run->arena,
				"ACS of %zu PCIe bridges sends peer-to-peer over the root complex",
				redirecting),
			"disable ACS on them (setpci), unless guests use the devices");
}

/* How the kernel's IOMMU handles NVIDIA's and the adapters' DMA. */
static void check_iommu(struct disagg_probe_run *run)
{
	struct disagg_sysfile_names groups =
		disagg_sysfile_list(run->arena, root_of(run), "/sys/kernel/iommu_groups");
	size_t translated = 0;

	for (size_t i = 0; i < groups.count; i++) {
		const char *type = disagg_sysfile_line(run->arena, root_of(run),
			"/sys/kernel/iommu_groups/%s/type", groups.name[i]);

		translated += type && strncmp(type, "DMA", 3) == 0;
	}
	disagg_node_fact(run, "iommu",
		!groups.count ? "off"
		: translated  ? "translating"
			      : "pass-through");
	if (translated && disagg_sysfile_exists(root_of(run), "/proc/driver/nvidia/version"))
		disagg_node_finding(run, "iommu", DISAGG_PROBE_WARN,
			"the IOMMU translates DMA: peer-to-peer and GPUDirect are slow or fail",
			"boot with iommu=pt");
}

/* ---- tasks ---- */

struct task {
	long pid;
	char name[24];
};

/* Processes in state D, without the kernel's threads (children of 2). */
static size_t find_stuck(struct disagg_probe_run *run, struct task *task)
{
	struct disagg_sysfile_names all = disagg_sysfile_list(run->arena, root_of(run), "/proc");
	size_t count = 0;

	for (size_t i = 0; i < all.count && count < MOST_TASKS; i++) {
		const char *stat, *open, *close;
		int64_t pid;

		if (disagg_num_int(all.name[i], 1, INT32_MAX, &pid))
			continue;
		stat = disagg_sysfile_line(run->arena, root_of(run), "/proc/%s/stat", all.name[i]);
		open = stat ? strchr(stat, '(') : NULL;
		close = stat ? strrchr(stat, ')') : NULL; /* a name may hold one */
		if (!open || !close || close < open || strncmp(close, ") D ", 4) != 0 ||
			strncmp(close + 4, "2 ", 2) == 0)
			continue;
		task[count].pid = (long)pid;
		snprintf(task[count].name, sizeof(task[count].name), "%.*s",
			(int)(close - open - 1), open + 1);
		count++;
	}
	return count;
}

/* A task is in state D for a moment at each read of a disk: twice in 0.3 s is longer. */
static void check_stuck(struct disagg_probe_run *run)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct task first[MOST_TASKS], second[MOST_TASKS];
	size_t before = find_stuck(run, first), after, stuck = 0;
	const char *text = NULL;

	if (before == 0)
		return;
	nanosleep(&pause, NULL);
	after = find_stuck(run, second);
	for (size_t i = 0; i < before; i++)
		for (size_t k = 0; k < after; k++) {
			if (first[i].pid != second[k].pid)
				continue;
			if (stuck++ < 4)
				text = disagg_arena_printf(run->arena, "%s%s%ld (%s)",
					text ? text : "", text ? ", " : "", first[i].pid,
					first[i].name);
		}
	if (stuck)
		disagg_node_finding(run, "tasks", DISAGG_PROBE_WARN,
			disagg_arena_printf(
				run->arena, "%zu processes wait in the kernel: %s", stuck, text),
			"look for a disk or a network file system that does not answer");
}

static void (*const checks[])(struct disagg_probe_run *run) = {check_shm, check_limits,
	check_cgroup, check_governor, check_settings, check_peermem, check_iommu, check_acs,
	check_stuck, check_filesystems};

int disagg_host_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	(void)err;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](run);
	return 0;
}
