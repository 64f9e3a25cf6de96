/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs of a driver's tree in a folder, and what CUDA_VISIBLE_DEVICES means. */
#include "lib/topo/gpus.h"
#include "lib/base/limits.h"
#include "tests/unit/tap.h"
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/disagg-gpus.XXXXXX";

static void put_file(const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *c = full + strlen(root) + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		mkdir(full, 0755);
		*c = '/';
	}
	file = fopen(full, "w");
	if (!file || fputs(text, file) < 0 || fclose(file))
		abort();
}

static void put_gpu(const char *pci, const char *uuid, unsigned minor, const char *excluded)
{
	char path[128], text[512];

	snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information", pci);
	snprintf(text, sizeof(text),
		"Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\nGPU UUID: \t %s\n"
		"Video BIOS: \t 96.00.74.00.01\nBus Type: \t PCIe\nBus Location: \t %s\n"
		"Device Minor: \t %u\nGPU Excluded:\t %s\n",
		uuid, pci, minor, excluded);
	put_file(path, text);
}

static void put_device(unsigned minor)
{
	char path[64];

	snprintf(path, sizeof(path), "dev/nvidia%u", minor);
	put_file(path, "");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void clear(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	mkdir(root, 0700);
}

/* Minors run against the addresses, as they do on some boards; the job may open
 * the GPUs at 18, 48 and 98. */
static void put_tree(void)
{
	clear();
	put_gpu("0000:18:00.0", "GPU-aaaaaaaa-0000-0000-0000-000000000001", 3, "No");
	put_gpu("0000:28:00.0", "GPU-aaaaaaaa-0000-0000-0000-000000000002", 2, "No");
	put_gpu("0000:38:00.0", "GPU-eeeeeeee-0000-0000-0000-000000000003", 9, "Yes");
	put_gpu("0000:48:00.0", "GPU-bbbbbbbb-0000-0000-0000-000000000004", 1, "No");
	put_gpu("0000:98:00.0", "GPU-cccccccc-0000-0000-0000-000000000005", 0, "No");
	put_device(3);
	put_device(1);
	put_device(0);
}

static void test_tree(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpus gpus = {NULL, 0};

	ok(disagg_gpus_read(&arena, root, &gpus, &err) == 0, "a driver's tree");
	if (ok(gpus.count == 4, "without the GPU that the driver excludes")) {
		is_str(gpus.v[0].pci, "0000:18:00.0", "by PCI address");
		is_str(gpus.v[3].pci, "0000:98:00.0", "to the last");
		is_str(gpus.v[0].uuid, "GPU-aaaaaaaa-0000-0000-0000-000000000001", "its UUID");
		ok(gpus.v[0].allowed && !gpus.v[1].allowed && gpus.v[2].allowed &&
				gpus.v[3].allowed,
			"those that this process may open");
	}
	disagg_arena_release(&arena);
}

static const struct {
	const char *visible, *want; /* addresses, or the error */
} words[] = {
	{"0", "0000:18:00.0"},
	{"1", "0000:48:00.0"},
	{"2,0", "0000:98:00.0 0000:18:00.0"},
	{"3", "which GPU '3' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"0,3", "which GPU '3' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"GPU-bbbbbbbb-0000-0000-0000-000000000004,0", "0000:48:00.0 0000:18:00.0"},
	{"GPU-cc", "0000:98:00.0"},
	{"GPU-aa", "which GPU 'GPU-aa' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"GPU-eeeeeeee", "which GPU 'GPU-eeeeeeee' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"MIG-41b3-22", "'MIG-41b3-22' is a part of a GPU"},
	{"-1", "which GPU '-1' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"0,,1", "which GPU '' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"NoDevFiles", "which GPU 'NoDevFiles' of CUDA_VISIBLE_DEVICES is cannot be told"},
	{"", "CUDA_VISIBLE_DEVICES is empty"},
	{NULL, "CUDA_VISIBLE_DEVICES is not set"},
};

static void test_visible(void)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpus gpus = {NULL, 0};
	char many[4 * DISAGG_MAX_GPUS_PER_NODE] = "0";
	const char **pci = NULL;
	unsigned count = 0;

	disagg_gpus_read(&arena, root, &gpus, &err);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct disagg_err why = DISAGG_ERR_INIT;
		char text[sizeof(why.text)] = "";

		count = 0;
		if (disagg_gpus_visible(&arena, &gpus, words[i].visible, &pci, &count, &why))
			snprintf(text, sizeof(text), "%s", why.text);
		for (unsigned n = 0; n < count; n++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				n ? " " : "", pci[n]);
		is_str(text, words[i].want, words[i].visible ? words[i].visible : "(not set)");
	}
	for (size_t i = 1; i <= DISAGG_MAX_GPUS_PER_NODE; i++)
		memcpy(many + 2 * i - 1, ",0", 3);
	ok(disagg_gpus_visible(&arena, &gpus, many, &pci, &count, &err) == -1, "too many");
	has_str(err.text, "more than 64 GPUs", "and it is said");
	disagg_arena_release(&arena);
}

static void refused(const char *what, enum disagg_code code, const char *want)
{
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_gpus gpus = {NULL, 77};

	ok(disagg_gpus_read(&arena, root, &gpus, &err) == -1 && gpus.count == 77, what);
	is_int(err.code, code, "its code");
	has_str(err.text, want, "its text");
	disagg_arena_release(&arena);
}

static void test_refused(void)
{
	char pci[32];

	clear();
	refused("no driver", DISAGG_MISSING, "there is no NVIDIA driver here");
	put_file("proc/driver/nvidia/gpus/0000:18:00.0/information", "");
	refused("an empty file", DISAGG_CONFIG, "tells no device minor");
	put_file("proc/driver/nvidia/gpus/0000:18:00.0/information", "Device Minor: \t -3\n");
	refused("no minor", DISAGG_CONFIG, "tells no device minor");
	put_file("proc/driver/nvidia/gpus/0000:18:00.0/information",
		"Device Minor: \t 00000000000000000001\n");
	refused("a long minor", DISAGG_CONFIG, "tells no device minor");
	clear();
	put_file("proc/driver/nvidia/gpus/0000:18:00.0/other", "");
	refused("a GPU of which nothing is told", DISAGG_CONFIG, "cannot open");
	clear();
	for (unsigned i = 0; i <= DISAGG_MAX_GPUS_PER_NODE; i++) {
		snprintf(pci, sizeof(pci), "0000:%02x:00.0", i);
		put_gpu(pci, "GPU-1", i, "No");
	}
	refused("more than are looked at", DISAGG_CONFIG, "more than 64 GPUs");
}

static void test_no_memory(void)
{
	int rc = -1;
	long at;

	for (at = 0; rc == -1 && at < 1000; at++) {
		struct disagg_arena arena = DISAGG_ARENA_INIT;
		struct disagg_err err = DISAGG_ERR_INIT;
		struct disagg_gpus gpus;
		const char **pci;
		unsigned count;

		disagg_alloc_fail_after(at);
		if (disagg_gpus_read(&arena, root, &gpus, &err) == 0 &&
			disagg_gpus_visible(&arena, &gpus, "0,2", &pci, &count, &err) == 0)
			rc = count == 2 ? 0 : -2;
		else if (err.code != DISAGG_SYSTEM)
			rc = -2;
		disagg_alloc_fail_after(-1);
		disagg_arena_release(&arena);
	}
	ok(rc == 0 && at > 1, "out of memory is told, wherever it is");
}

int main(void)
{
	if (!mkdtemp(root))
		abort();
	put_tree();
	test_tree();
	test_visible();
	test_no_memory();
	test_refused();
	clear();
	ok(rmdir(root) == 0, "nothing is left behind");
	return tap_done();
}
