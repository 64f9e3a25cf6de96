/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/fingerprint.h"
#include "lib/probe/sysfile.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

struct taker {
	struct disagg_arena *arena;
	const char *root;
	const char *const *envp;
	struct disagg_fingerprint *print;
	bool no_memory;
};

static void add(
	struct taker *taker, enum disagg_fingerprint_part part, const char *key, const char *value)
{
	if (value && (!key || disagg_fingerprint_add(taker->arena, taker->print, part, key, value)))
		taker->no_memory = true;
}

static const char *env_of(const struct taker *taker, const char *name)
{
	size_t len = strlen(name);

	for (const char *const *entry = taker->envp; *entry; entry++)
		if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
			return *entry + len + 1;
	return NULL;
}

/* ---- single files ---- */

static const struct {
	enum disagg_fingerprint_part part;
	const char *key, *path;
} files[] = {
	{DISAGG_ENV_KERNEL, "release", "/proc/sys/kernel/osrelease"},
	{DISAGG_ENV_KERNEL, "version", "/proc/sys/kernel/version"},
	{DISAGG_ENV_DRIVER, "version", "/sys/module/nvidia/version"},
	{DISAGG_ENV_DRIVER, "peermem", "/sys/module/nvidia_peermem/version"},
	{DISAGG_ENV_DRIVER, "fabric_manager", "/proc/driver/nvidia-nvswitch/version"},
	{DISAGG_ENV_FABRIC, "mlx5", "/sys/module/mlx5_core/version"},
	{DISAGG_ENV_FABRIC, "efa", "/sys/module/efa/version"},
	{DISAGG_ENV_HOST, "huge_pages_transparent", "/sys/kernel/mm/transparent_hugepage/enabled"},
	{DISAGG_ENV_HOST, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
	{DISAGG_ENV_HOST, "smt", "/sys/devices/system/cpu/smt/control"},
	{DISAGG_ENV_HOST, "cpus", "/sys/devices/system/cpu/online"},
	{DISAGG_ENV_HOST, "numa", "/sys/devices/system/node/online"},
	{DISAGG_ENV_HOST, "clocksource",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource"},
	{DISAGG_ENV_HOST, "bios", "/sys/class/dmi/id/bios_version"},
	{DISAGG_ENV_HOST, "product", "/sys/class/dmi/id/product_name"},
};

/* as sysctl(8) names them */
static const char *const sysctls[] = {"vm.overcommit_memory", "vm.overcommit_ratio",
	"vm.max_map_count", "vm.swappiness", "vm.zone_reclaim_mode", "vm.nr_hugepages",
	"vm.min_free_kbytes", "kernel.numa_balancing", "kernel.pid_max", "kernel.threads-max",
	"kernel.core_pattern", "kernel.yama.ptrace_scope", "kernel.unprivileged_userns_clone",
	"kernel.shmmax", "fs.file-max", "fs.nr_open", "net.core.somaxconn", "net.core.rmem_max",
	"net.core.wmem_max", "net.core.netdev_max_backlog", "net.ipv4.ip_local_port_range",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_congestion_control",
	"net.ipv4.tcp_mtu_probing", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.arp_ignore"};

static void take_files(struct taker *taker)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		add(taker, files[i].part, files[i].key,
			disagg_sysfile_line(taker->arena, taker->root, "%s", files[i].path));
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(*sysctls); i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s", sysctls[i]);
		for (char *c = path; *c; c++)
			*c = *c == '.' ? '/' : *c;
		add(taker, DISAGG_ENV_SYSCTL, sysctls[i],
			disagg_sysfile_line(taker->arena, taker->root, "/proc/sys/%s", path));
	}
}

/* ---- kernel, system ---- */

/* What of the kernel's command line changes how a node works; the rest names disks. */
static const char *const boot_words[] = {"iommu", "intel_iommu", "amd_iommu", "pci", "pcie_aspm",
	"isolcpus", "nohz_full", "rcu_nocbs", "hugepages", "hugepagesz", "default_hugepagesz",
	"transparent_hugepage", "mitigations", "numa_balancing", "nosmt", "cgroup_no_v1",
	"systemd.unified_cgroup_hierarchy", "processor.max_cstate", "intel_idle.max_cstate",
	"modprobe.blacklist", "init_on_alloc"};

static void take_command_line(struct taker *taker)
{
	const char *text = disagg_sysfile_line(taker->arena, taker->root, "/proc/cmdline");

	for (const char *word = text; word && *word;) {
		size_t len = strcspn(word, " "), name = strcspn(word, "= ");
		char *own = disagg_arena_strndup(taker->arena, word, len);

		for (size_t i = 0; own && i < sizeof(boot_words) / sizeof(*boot_words); i++) {
			if (strlen(boot_words[i]) != name || strncmp(own, boot_words[i], name) != 0)
				continue;
			char key[64];

			snprintf(key, sizeof(key), "cmdline.%s", boot_words[i]);
			add(taker, DISAGG_ENV_KERNEL, key, own[name] ? own + name + 1 : "(set)");
		}
		word += len + strspn(word + len, " ");
	}
}

static const char *unquoted(struct disagg_arena *arena, const char *value)
{
	size_t len = value ? strlen(value) : 0;

	if (len >= 2 && value[0] == '"' && value[len - 1] == '"')
		return disagg_arena_strndup(arena, value + 1, len - 2);
	return value;
}

static void take_system(struct taker *taker)
{
	const char *release = disagg_sysfile_text(taker->arena, taker->root, "/etc/os-release");
	struct utsname name;

	add(taker, DISAGG_ENV_OS, "name",
		unquoted(taker->arena, disagg_sysfile_value(taker->arena, release, "PRETTY_NAME")));
	add(taker, DISAGG_ENV_OS, "glibc", gnu_get_libc_version());
	if (uname(&name) == 0)
		add(taker, DISAGG_ENV_OS, "machine", name.machine);
	add(taker, DISAGG_ENV_OS, "cgroup",
		disagg_sysfile_exists(taker->root, "/sys/fs/cgroup/cgroup.controllers") ? "2"
											: "1");
	add(taker, DISAGG_ENV_PROGRAM, "version", DISAGG_VERSION);
}

static void take_host(struct taker *taker)
{
	const char *cpu = disagg_sysfile_text(taker->arena, taker->root, "/proc/cpuinfo");
	const char *memory = disagg_sysfile_text(taker->arena, taker->root, "/proc/meminfo");
	const char *total = disagg_sysfile_value(taker->arena, memory, "MemTotal");

	add(taker, DISAGG_ENV_HOST, "cpu", disagg_sysfile_value(taker->arena, cpu, "model name"));
	add(taker, DISAGG_ENV_HOST, "microcode",
		disagg_sysfile_value(taker->arena, cpu, "microcode"));
	/* the last digits differ from boot to boot: "2113929216 kB" is 2113 GB */
	if (total && strcspn(total, " ") > 6)
		add(taker, DISAGG_ENV_HOST, "memory_gb",
			disagg_arena_printf(
				taker->arena, "%.*s", (int)(strcspn(total, " ") - 6), total));
}

/* ---- NVIDIA's driver ---- */

/* The first line says "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06 ...". */
static void take_driver(struct taker *taker)
{
	const char *version =
		disagg_sysfile_line(taker->arena, taker->root, "/proc/driver/nvidia/version");
	struct disagg_sysfile_names gpus =
		disagg_sysfile_list(taker->arena, taker->root, "/proc/driver/nvidia/gpus");
	static const char *const wanted[][2] = {
		{"firmware", "GPU Firmware"}, {"vbios", "Video BIOS"}};

	if (version)
		add(taker, DISAGG_ENV_DRIVER, "module",
			strstr(version, "Open Kernel") ? "open" : "proprietary");
	if (gpus.count)
		add(taker, DISAGG_ENV_DRIVER, "gpus",
			disagg_arena_printf(taker->arena, "%zu", gpus.count));
	for (size_t i = 0; i < gpus.count; i++) {
		const char *text = disagg_sysfile_text(taker->arena, taker->root,
			"/proc/driver/nvidia/gpus/%s/information", gpus.name[i]);

		add(taker, DISAGG_ENV_DRIVER, disagg_arena_printf(taker->arena, "gpu%zu.model", i),
			disagg_sysfile_value(taker->arena, text, "Model"));
		for (size_t k = 0; k < 2; k++) {
			const char *key =
				disagg_arena_printf(taker->arena, "gpu%zu.%s", i, wanted[k][0]);

			if (key)
				add(taker, DISAGG_ENV_DRIVER, key,
					disagg_sysfile_value(taker->arena, text, wanted[k][1]));
		}
	}
}

/* ---- libraries ---- */

static const struct {
	enum disagg_fingerprint_part part;
	const char *soname;
} libraries[] = {
	{DISAGG_ENV_DRIVER, "libcuda.so.1"},
	{DISAGG_ENV_DRIVER, "libnvidia-ml.so.1"},
	{DISAGG_ENV_CUDA, "libcudart.so.12"},
	{DISAGG_ENV_CUDA, "libcudart.so.13"},
	{DISAGG_ENV_CUDA, "libcublas.so.12"},
	{DISAGG_ENV_CUDA, "libcublas.so.13"},
	{DISAGG_ENV_CUDA, "libcudnn.so.9"},
	{DISAGG_ENV_CUDA, "libnccl.so.2"},
	{DISAGG_ENV_CUDA, "libnccl-net.so"},
	{DISAGG_ENV_CUDA, "libnvshmem_host.so.3"},
	{DISAGG_ENV_FABRIC, "libibverbs.so.1"},
	{DISAGG_ENV_FABRIC, "libucp.so.0"},
	{DISAGG_ENV_FABRIC, "libfabric.so.1"},
};

static const char *const folders[] = {"/usr/local/cuda/lib64", "/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/usr/local/lib", "/opt/hpcx/ucx/lib"};

/* libnccl.so.2 is a link to libnccl.so.2.27.5: the version without loading half a gigabyte. */
static const char *library_in(struct taker *taker, const char *folder, const char *soname)
{
	const char *to;

	if (folder[0] != '/')
		return NULL;
	to = disagg_sysfile_link(taker->arena, taker->root, "%s/%s", folder, soname);
	if (to)
		return to;
	return disagg_sysfile_exists(taker->root, "%s/%s", folder, soname) ? "a file" : NULL;
}

static const char *library_in_path(struct taker *taker, const char *path, const char *soname)
{
	for (const char *at = path; at && *at;) {
		size_t len = strcspn(at, ":");
		const char *folder = disagg_arena_strndup(taker->arena, at, len);
		const char *found = folder && len ? library_in(taker, folder, soname) : NULL;

		if (found)
			return found;
		at += len + (at[len] == ':');
	}
	return NULL;
}

static void take_libraries(struct taker *taker)
{
	const char *path = env_of(taker, "LD_LIBRARY_PATH");

	for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
		const char *found = library_in_path(taker, path, libraries[i].soname);

		for (size_t k = 0; !found && k < sizeof(folders) / sizeof(*folders); k++)
			found = library_in(taker, folders[k], libraries[i].soname);
		add(taker, libraries[i].part, libraries[i].soname, found);
	}
}

/* ---- fabric ---- */

static void take_fabric(struct taker *taker)
{
	struct disagg_sysfile_names hcas =
		disagg_sysfile_list(taker->arena, taker->root, "/sys/class/infiniband");
	struct disagg_sysfile_names nets =
		disagg_sysfile_list(taker->arena, taker->root, "/sys/class/net");
	static const char *const facts[] = {"fw_ver", "hca_type", "board_id"};

	for (size_t i = 0; i < hcas.count; i++)
		for (size_t k = 0; k < sizeof(facts) / sizeof(*facts); k++) {
			const char *key =
				disagg_arena_printf(taker->arena, "%s.%s", hcas.name[i], facts[k]);

			if (key)
				add(taker, DISAGG_ENV_FABRIC, key,
					disagg_sysfile_line(taker->arena, taker->root,
						"/sys/class/infiniband/%s/%s", hcas.name[i],
						facts[k]));
		}
	for (size_t i = 0; i < nets.count; i++) {
		const char *key = disagg_arena_printf(taker->arena, "%s.mtu", nets.name[i]);

		/* real adapters and bonds; not what containers come and go with */
		if (!key || !(disagg_sysfile_exists(
				      taker->root, "/sys/class/net/%s/device", nets.name[i]) ||
				    disagg_sysfile_exists(taker->root, "/sys/class/net/%s/bonding",
					    nets.name[i])))
			continue;
		add(taker, DISAGG_ENV_FABRIC, key,
			disagg_sysfile_line(
				taker->arena, taker->root, "/sys/class/net/%s/mtu", nets.name[i]));
	}
}

/* ---- Python ---- */

/* "vllm-0.9.1.dist-info": what `pip list` says, without an interpreter. */
static void take_dist(struct taker *taker, const char *folder, const char *name)
{
	static const char tail[] = ".dist-info";
	size_t len = strlen(name), dash;
	char *key, *version;

	if (len <= sizeof(tail) - 1 || strcmp(name + len - sizeof(tail) + 1, tail) != 0)
		return;
	len -= sizeof(tail) - 1;
	for (dash = len; dash > 0 && name[dash - 1] != '-'; dash--)
		;
	if (dash < 2)
		return;
	key = disagg_arena_strndup(taker->arena, name, dash - 1);
	version = disagg_arena_strndup(taker->arena, name + dash, len - dash);
	if (!key || !version)
		return;
	for (char *c = key; *c; c++) /* PEP 503: one name, however it is written */
		*c = *c == '_' || *c == '.' ? '-' : *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	if (disagg_sysfile_exists(taker->root, "%s/%s/direct_url.json", folder, name)) {
		const char *url = disagg_sysfile_text(
			taker->arena, taker->root, "%s/%s/direct_url.json", folder, name);
		const char *commit = url ? strstr(url, "\"commit_id\"") : NULL;
		const char *quote = commit ? strchr(commit + 11, '"') : NULL;

		version = quote ? disagg_arena_printf(
					  taker->arena, "%s (commit %.12s)", version, quote + 1)
				: disagg_arena_printf(taker->arena, "%s (local)", version);
	}
	add(taker, DISAGG_ENV_PYTHON, key, version);
}

static void take_folder(struct taker *taker, const char *folder)
{
	struct disagg_sysfile_names dists =
		disagg_sysfile_list(taker->arena, taker->root, "%s", folder);

	for (size_t i = 0; i < dists.count; i++)
		take_dist(taker, folder, dists.name[i]);
}

/* PREFIX/lib/python3.12/site-packages and Debian's dist-packages */
static void take_prefix(struct taker *taker, const char *prefix)
{
	static const char *const kinds[] = {"site-packages", "dist-packages"};
	struct disagg_sysfile_names lib;

	if (!prefix || prefix[0] != '/')
		return;
	lib = disagg_sysfile_list(taker->arena, taker->root, "%s/lib", prefix);
	for (size_t i = 0; i < lib.count; i++)
		for (size_t k = 0; strncmp(lib.name[i], "python3", 7) == 0 && k < 2; k++) {
			const char *folder = disagg_arena_printf(
				taker->arena, "%s/lib/%s/%s", prefix, lib.name[i], kinds[k]);

			if (folder)
				take_folder(taker, folder);
		}
}

/* The first folder of PATH that has a python3, without its "/bin". */
static const char *python_prefix(struct taker *taker)
{
	for (const char *at = env_of(taker, "PATH"); at && *at;) {
		size_t len = strcspn(at, ":");
		const char *folder = disagg_arena_strndup(taker->arena, at, len);

		if (folder && folder[0] == '/' &&
			disagg_sysfile_exists(taker->root, "%s/python3", folder)) {
			const char *slash = strrchr(folder, '/');

			return disagg_arena_strndup(taker->arena, folder, (size_t)(slash - folder));
		}
		at += len + (at[len] == ':');
	}
	return NULL;
}

static void take_python(struct taker *taker)
{
	for (const char *at = env_of(taker, "PYTHONPATH"); at && *at;) {
		size_t len = strcspn(at, ":");
		const char *folder = disagg_arena_strndup(taker->arena, at, len);

		if (folder && folder[0] == '/')
			take_folder(taker, folder);
		at += len + (at[len] == ':');
	}
	take_prefix(taker, env_of(taker, "VIRTUAL_ENV"));
	take_prefix(taker, env_of(taker, "CONDA_PREFIX"));
	take_prefix(taker, python_prefix(taker));
	take_prefix(taker, "/usr/local");
	take_prefix(taker, "/usr");
}

/* ---- environment ---- */

static void take_variable(struct taker *taker, const char *prefix, const char *entry)
{
	size_t len = strcspn(entry, "=");
	const char *name = disagg_arena_strndup(taker->arena, entry, len);
	const char *key = name ? disagg_arena_printf(taker->arena, "%s%s", prefix, name) : NULL;
	const char *value = entry + len + (entry[len] == '=');
	const char *host;

	if (!key || !disagg_fingerprint_env_shown(name))
		return;
	host = strstr(value, "://");
	add(taker, DISAGG_ENV_ENV, key, host && strchr(host, '@') ? "[a URL with a login]" : value);
}

static void take_environment(struct taker *taker)
{
	const char *conf = disagg_sysfile_text(taker->arena, taker->root, "/etc/nccl.conf");

	for (const char *const *entry = taker->envp; *entry; entry++)
		take_variable(taker, "", *entry);
	for (const char *line = conf; line && *line;) {
		size_t len = strcspn(line, "\n");
		const char *own = disagg_arena_strndup(taker->arena, line, len);

		if (own && own[0] != '#' && strchr(own, '='))
			take_variable(taker, "nccl.conf.", own);
		line += len + (line[len] == '\n');
	}
}

int disagg_fingerprint_take(struct disagg_arena *arena,
	const struct disagg_fingerprint_source *source, struct disagg_fingerprint *ret,
	struct disagg_err *err)
{
	static const char *const none[] = {NULL};
	struct disagg_fingerprint print = {0};
	struct taker taker = {arena, source->root ? source->root : "",
		source->envp ? source->envp : none, &print, false};

	take_files(&taker);
	take_command_line(&taker);
	take_system(&taker);
	take_host(&taker);
	take_driver(&taker);
	take_libraries(&taker);
	take_fabric(&taker);
	take_python(&taker);
	take_environment(&taker);
	if (taker.no_memory)
		return disagg_err_nomem(err);
	disagg_fingerprint_finish(&print);
	*ret = print;
	return 0;
}
