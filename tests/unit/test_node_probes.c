/* SPDX-License-Identifier: Apache-2.0 */
/* The probes that read a node, on made-up roots and on the stub of NVML. */
#include "lib/probe/health.h"
#include "lib/probe/node.h"
#include "tap.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char top[] = "/tmp/test_node_XXXXXX";

/* ---- what a probe said ---- */

struct said {
	char text[32768]; /* "param|status|value|reason\n" */
};

static void emit(struct disagg_probe_run *run, const struct disagg_probe_record *record)
{
	struct said *said = run->host;
	size_t len = strlen(said->text);
	char value[32] = "";

	if (record->has_value)
		snprintf(value, sizeof(value), "%g", record->value);
	snprintf(said->text + len, sizeof(said->text) - len, "%s%s%.*d|%s|%s|%s|%s\n",
		record->param ? record->param : "", record->gpu >= 0 ? " gpu" : "",
		record->gpu >= 0 ? 1 : 0, record->gpu >= 0 ? record->gpu : 0,
		disagg_probe_status_name(record->status), value,
		record->digest ? record->digest : "", record->reason ? record->reason : "");
}

struct scene {
	struct disagg_arena arena;
	struct disagg_probe_options options;
	struct disagg_probe_run run;
	struct disagg_err err;
	char root[256];
	struct said said;
	int rc;
};

static void play(struct scene *scene, const char *root,
	int (*run)(struct disagg_probe_run *run, struct disagg_err *err))
{
	snprintf(scene->root, sizeof(scene->root), "%s/%s", top, root);
	scene->options.sysroot = scene->options.device_root = scene->root;
	scene->run.node = "n1";
	scene->run.options = &scene->options;
	scene->run.arena = &scene->arena;
	scene->run.emit = emit;
	scene->run.host = &scene->said;
	scene->said.text[0] = '\0';
	scene->rc = run(&scene->run, &scene->err);
}

static void put(const char *root, const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s%s", top, root, path);
	for (char *c = whole + 1; *c; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(whole, 0700);
			*c = '/';
		}
	file = fopen(whole, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		printf("Bail out! cannot write %s\n", whole);
}

/* ---- rdma.port ---- */

static void put_port(const char *root, const char *device, const char *state, const char *rate)
{
	char path[128];
	static const char *const files[][2] = {
		{"counters/link_downed", "3\n"}, {"counters/symbol_error", "0\n"}};

	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/hca_type", device);
	put(root, path, "MT4129\n");
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/state", device);
	put(root, path, state);
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/phys_state", device);
	put(root, path, "5: LinkUp\n");
	snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/rate", device);
	put(root, path, rate);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/class/infiniband/%s/ports/1/%s", device,
			files[i][0]);
		put(root, path, files[i][1]);
	}
}

static void test_rdma(void)
{
	static struct scene scene;

	play(&scene, "empty", disagg_rdma_run);
	ok(scene.rc && scene.err.code == DISAGG_SKIPPED, "no adapter: skip");
	put_port("ib", "mlx5_0", "4: ACTIVE\n", "400 Gb/sec (4X NDR)\n");
	put_port("ib", "mlx5_1", "4: ACTIVE\n", "100 Gb/sec (1X NDR)\n");
	put_port("ib", "mlx5_2", "1: DOWN\n", "10 Gb/sec (4X SDR)\n");
	play(&scene, "ib", disagg_rdma_run);
	is_int(scene.rc, 0, "three ports");
	has_str(scene.said.text, "mlx5_0/1|pass|400||\n", "one at its rate");
	has_str(scene.said.text, "mlx5_1/1|fail|100||100 Gb/s, and 400 on another port of the node",
		"one below");
	has_str(scene.said.text, "mlx5_2/1|warn|||the port is DOWN, LinkUp", "one down");
	has_str(scene.said.text, "mlx5_0/1 link_downed|pass|3||", "how often links went down");
	disagg_arena_release(&scene.arena);
}

/* ---- kmsg.xid ---- */

static void test_kernel(void)
{
	static struct scene scene;
	static const struct disagg_gpu gpu = {
		.index = 4, .uuid = "GPU-5a", .name = "NVIDIA H200", .pci = "0000:1b:00.0"};
	char path[320];
	struct timespec now, mono;

	put("log", "/sys/module/nvidia/version", "580.65.06\n");
	put("log", "/kmsg",
		"3,1,1000,-;NVRM: Xid (PCI:0000:1b:00): 79, pid=1, name=a, GPU has fallen off\n"
		"3,2,1001,-;NVRM: Xid (PCI:0000:1c:00): 31, pid=2, name=b, fault\n"
		"3,3,1002,-;NVRM: Xid (PCI:0000:1c:00): 45, pid=2, name=b, teardown\n"
		"11,4,1003,-;NVRM: Xid (PCI:0000:1d:00): 64, of user space\n"
		"3,5,1004,-;nvidia 0000:1b:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal)\n");
	snprintf(path, sizeof(path), "%s/log/kmsg", top);
	scene.options.kernel_log = path;
	scene.run.gpus = &gpu;
	scene.run.gpu_count = 1;
	play(&scene, "log", disagg_kernel_run);
	is_int(scene.rc, 0, "a kernel log");
	has_str(scene.said.text, "xid 79 gpu4|fail|||GPU has fallen off the bus: NVRM: Xid", "79");
	has_str(scene.said.text, "xid 31|warn|||GPU memory page fault: ", "31 is a warning");
	has_str(scene.said.text, "aer gpu4|fail|||a fatal PCIe error", "a PCIe error of that GPU");
	ok(!strstr(scene.said.text, "xid 45"), "45 is no finding");
	ok(!strstr(scene.said.text, "xid 64"), "user space is not believed");
	has_str(scene.said.text, "\n|pass|4||\n", "how many there were");

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	scene.options.since_s = (double)(now.tv_sec - mono.tv_sec) + 5;
	play(&scene, "log", disagg_kernel_run);
	is_str(scene.said.text, "|pass|0||\n", "since then there was nothing");
	scene.options.kernel_log = "/no/such/log";
	play(&scene, "log", disagg_kernel_run);
	ok(scene.rc && scene.err.code == DISAGG_SKIPPED, "no log: skip");
	disagg_arena_release(&scene.arena);
}

/* ---- host.state ---- */

static void test_host(void)
{
	static struct scene scene;

	put("host", "/proc/meminfo", "MemTotal: 1000 kB\nHugePages_Total:      64\n");
	put("host", "/proc/self/cgroup", "0::/a/b\n");
	put("host", "/sys/fs/cgroup/a/b/memory.max", "max\n");
	put("host", "/sys/fs/cgroup/a/memory.max", "1073741824\n");
	put("host", "/proc/sys/kernel/numa_balancing", "1\n");
	put("host", "/proc/sys/kernel/core_pattern", "core.%p\n");
	put("host", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
	put("host", "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n");
	put("host", "/proc/driver/nvidia/version",
		"NVRM version: NVIDIA UNIX x86_64 Kernel Module\n");
	put("host", "/sys/class/infiniband/mlx5_0/fw_ver", "1\n");
	put("host", "/sys/kernel/iommu_groups/7/type", "DMA-FQ\n");
	put("host", "/proc/77/stat", "77 (a) D (b) D 1 1 0\n");
	put("host", "/proc/78/stat", "78 (kworker) D 2 1 0\n");
	put("host", "/proc/79/stat", "79 (runs) R 1 1 0\n");
	play(&scene, "host", disagg_host_run);
	is_int(scene.rc, 0, "a host");
	has_str(scene.said.text, "huge_pages|pass||64|", "its huge pages");
	has_str(scene.said.text, "memory_limit|pass||1024 MiB|", "the least limit of its cgroups");
	has_str(scene.said.text, "numa_balancing|warn|", "NUMA balancing");
	has_str(scene.said.text, "core_pattern|pass||core.%p|", "where cores go");
	has_str(scene.said.text, "governor|warn|||1 CPUs have the governor 'powersave'",
		"governor");
	has_str(scene.said.text, "gpudirect|warn|||neither nvidia_peermem", "no GPUDirect");
	has_str(scene.said.text, "iommu|warn|||the IOMMU translates", "an IOMMU that translates");
	has_str(scene.said.text, "tasks|warn|||1 processes wait in the kernel: 77 (a) D (b)",
		"a task that hangs, whatever its name; no thread of the kernel's");
	put("host", "/sys/module/nvidia_peermem/version", "1\n");
	put("host", "/sys/kernel/iommu_groups/7/type", "identity\n");
	play(&scene, "host", disagg_host_run);
	has_str(scene.said.text, "gpudirect|pass||nvidia_peermem|", "with nvidia_peermem");
	has_str(scene.said.text, "iommu|pass||pass-through|", "an IOMMU that does not");
	disagg_arena_release(&scene.arena);
}

/* The configuration of a PCIe bridge with ACS. */
static void test_acs(void)
{
	static struct scene scene;
	unsigned char config[4096] = {0};
	char path[320];
	FILE *file;

	put("acs", "/sys/bus/pci/devices/0000:00:01.0/class", "0x060400\n");
	snprintf(path, sizeof(path), "%s/acs/sys/bus/pci/devices/0000:00:01.0/config", top);
	config[0x100] = 0x01; /* AER, then ACS at 0x148 */
	config[0x102] = 0x01 | 0x80;
	config[0x103] = 0x14;
	config[0x148] = 0x0d;
	for (int redirect = 0; redirect < 2; redirect++) {
		config[0x14e] = redirect ? 0x0c : 0x01;
		file = fopen(path, "w");
		if (!file || fwrite(config, sizeof(config), 1, file) != 1 || fclose(file))
			return;
		play(&scene, "acs", disagg_host_run);
		is_int(strstr(scene.said.text, "acs|warn|||ACS of 1 PCIe bridges") != NULL,
			redirect, redirect ? "a bridge that redirects" : "one that does not");
	}
	disagg_arena_release(&scene.arena);
}

/* ---- storage.model, service.wait ---- */

static void test_storage(void)
{
	static struct scene scene;
	char path[320];
	int fd;

	play(&scene, "empty", disagg_storage_run);
	ok(scene.rc && scene.err.code == DISAGG_SKIPPED, "no model was named: skip");
	put("model", "/config.json", "{}");
	put("model", "/a.safetensors", "");
	snprintf(path, sizeof(path), "%s/model/a.safetensors", top);
	fd = open(path, O_WRONLY);
	ok(fd >= 0 && ftruncate(fd, 16 << 20) == 0, "a model");
	close(fd);
	snprintf(path, sizeof(path), "%s/model", top);
	scene.options.model_path = path;
	play(&scene, "empty", disagg_storage_run);
	is_int(scene.rc, 0, "a folder is read by its largest file");
	has_str(scene.said.text, "buffered|", "through the page cache");
	has_str(scene.said.text, "direct|", "and past it");
	scene.options.model_path = "/no/such/model";
	play(&scene, "empty", disagg_storage_run);
	ok(scene.rc && scene.err.code == DISAGG_SYSTEM, "no such model: not measured");
	has_str(scene.err.text, "/no/such/model", "by its name");
	disagg_arena_release(&scene.arena);
}

static void test_service(void)
{
	static struct scene scene;

	play(&scene, "empty", disagg_service_run);
	ok(scene.rc && scene.err.code == DISAGG_SKIPPED, "no service was named: skip");
	disagg_arena_release(&scene.arena);
}

/* ---- NVML ---- */

/* In a process of its own, with the stub's faults in its environment. */
static int look(void)
{
	static struct scene scene;
	struct disagg_gpu *gpus = NULL;
	struct disagg_err err = DISAGG_ERR_INIT;
	size_t count = 0;

	if (disagg_devices_list(&scene.arena, getenv("CUDA_VISIBLE_DEVICES"), &gpus, &count, &err))
		printf("list: %s\n", err.text);
	scene.run.gpus = gpus;
	scene.run.gpu_count = count;
	play(&scene, getenv("TEST_ROOT"), disagg_inventory_run);
	printf("inventory %d %s\n%s", scene.rc, scene.rc ? scene.err.text : "", scene.said.text);
	play(&scene, getenv("TEST_ROOT"), disagg_health_run);
	printf("health %d %s\n%s", scene.rc, scene.rc ? scene.err.text : "", scene.said.text);
	disagg_arena_release(&scene.arena);
	return 0;
}

static const struct {
	const char *faults, *said;
} faults[] = {
	{"", "gpus|pass|4|4 x NVIDIA H200|"},
	{"", "gpu0|pass|||\n gpu1|pass|||\n gpu2|pass|||\n gpu3|pass|||\n"},
	{"", "nvlink|pass||4 x 18 of 18 links"},
	{"missing-gpu", "gpus|fail|3|3 x NVIDIA H200|4 GPUs are on the PCI bus, the driver has 3"},
	{"ecc gpu=1 count=2", "ecc gpu1|fail|||2 uncorrected memory errors"},
	{"remap-pending gpu=2", "remap gpu2|warn|||a memory row is to be remapped"},
	{"remap-failure gpu=2", "remap gpu2|fail|||a memory row could not be remapped"},
	{"recovery gpu=0 action=2",
		"recovery gpu0|fail|||the driver asks for a recovery action: 2"},
	{"recovery gpu=0 action=5", "an action that this table does not know"},
	{"retired gpu=3 count=2", "pages gpu3|warn|||2 memory pages"},
	{"throttle gpu=1 reasons=72",
		"throttle gpu1|fail|||the hardware slows the GPU down for its"},
	{"throttle gpu=1 reasons=136", "throttle gpu1|fail|||the power supply's brake"},
	{"hot gpu=1 degrees=120", "temperature gpu1|fail|||120 C"},
	{"power-limit watts=500 gpu=1", "power gpu1|warn|||the power limit is 500 W"},
	{"nvlink-down gpu=1 link=3",
		"nvlink gpu1|fail|||17 NVLinks of 18 are active, 18 on another"},
	{"nvlink-down gpu=1 link=3", "nvlink|warn|||the node's GPUs differ"},
	{"nvlink-errors gpu=1 count=1000", "nvlink_errors gpu1|warn|||NVLink 0: "},
	{"pcie-narrow gpu=1 width=8", "pcie gpu1|fail|||the PCIe link has 8 of 16 lanes"},
	{"persistence-off", "persistence gpu3|warn|"},
	{"fabric clique=3", "nvlink_domain|pass||4 x clique 3 of "},
	{"fabric", "imex|warn|||its GPUs are in an NVLink domain, and there is no IMEX channel"},
	{"fabric gpu=1",
		"nvlink_domain|warn|||the node's GPUs differ: 3 x no domain, 1 x clique 1"},
	{"fabric state=2", "fabric gpu0|fail|||not taken into its NVLink domain: in progress"},
	{"lost gpu=2", "lost gpu2|fail|||"},
	{"no-driver", "health -1 "},
};

static void look_at(const char *self, const char *build, const char *stub_faults, const char *said)
{
	char command[1024], text[16384];
	FILE *pipe;
	size_t len;

	setenv("STUB_FAULTS", stub_faults, 1);
	snprintf(command, sizeof(command), "LD_LIBRARY_PATH=%s/stubs %s look %s", build, self, top);
	pipe = popen(command, "r");
	if (!pipe)
		return;
	len = fread(text, 1, sizeof(text) - 1, pipe);
	text[len] = '\0';
	is_int(pclose(pipe), 0, *stub_faults ? stub_faults : "healthy GPUs");
	has_str(text, said, "are told so");
}

/* A session of its own, as another job's: its process is waited for by a pipe. */
static void test_busy(const char *self, const char *build)
{
	char fault[64], said[64];
	int ready[2];
	pid_t other;
	char byte;

	snprintf(fault, sizeof(fault), "busy gpu=1 pid=%d", (int)getpid());
	look_at(self, build, fault, " gpu0|pass|||\n gpu1|pass|||\n");
	if (pipe(ready))
		return;
	other = fork();
	if (other == 0) {
		setsid();
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	is_int(read(ready[0], &byte, 1), 1, "another session is there");
	snprintf(fault, sizeof(fault), "busy gpu=1 pid=%d", (int)other);
	snprintf(said, sizeof(said), "processes|warn|||GPU 1: process %d (", (int)other);
	look_at(self, build, fault, said);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static void test_nvml(const char *self, const char *build)
{
	setenv("STUB_GPUS", "4", 1);
	setenv("TEST_ROOT", "bus", 1);
	unsetenv("CUDA_VISIBLE_DEVICES");
	for (int i = 0; i < 4; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:0%d:00.0/vendor", i);
		put("bus", path, "0x10de\n");
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:0%d:00.0/class", i);
		put("bus", path, "0x030200\n");
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		look_at(self, build, faults[i].faults, faults[i].said);
	put("bus", "/dev/nvidia-caps-imex-channels/channel0", "");
	look_at(self, build, "fabric", "0000-000000000000|\nhealth 0");
	/* where the bus has none either, what Slurm gave decides */
	setenv("TEST_ROOT", "empty", 1);
	setenv("CUDA_VISIBLE_DEVICES", "0,1", 1);
	look_at(self, build, "no-driver",
		"gpus|unknown|0|none|Slurm gave the step 2 GPUs, and none of them is found");
	setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles", 1);
	look_at(self, build, "no-driver", "gpus|pass|0|none|");
	unsetenv("CUDA_VISIBLE_DEVICES");
}

int main(int argc, char **argv)
{
	char command[64], build[512];
	int rc;

	if (argc > 2 && strcmp(argv[1], "look") == 0) {
		snprintf(top, sizeof(top), "%s", argv[2]);
		return look();
	}
	if (!mkdtemp(top))
		return 1;
	snprintf(build, sizeof(build), "%.*s/..", (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
	test_rdma();
	test_kernel();
	test_host();
	test_acs();
	test_storage();
	test_service();
	test_nvml(argv[0], build);
	test_busy(argv[0], build);
	snprintf(command, sizeof(command), "rm -rf %s", top);
	rc = system(command);
	return tap_done() || rc;
}
