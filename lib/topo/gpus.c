/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/topo/gpus.h"
#include "lib/base/fd.h"
#include "lib/base/limits.h"
#include "lib/base/num.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GPUS		"/proc/driver/nvidia/gpus"
#define MAX_INFORMATION 8192
#define MAX_MINOR	4095

/* The first word behind "KEY:" at the start of a line of an information file. */
static bool field(const char *text, const char *key, char *ret, size_t size)
{
	size_t len = strlen(key), word;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		word = strcspn(line, " \t\r\n");
		if (word >= size)
			return false;
		memcpy(ret, line, word);
		ret[word] = '\0';
		return true;
	}
	return false;
}

/* access() asks the device cgroup, as open() does, without waking a GPU that
 * nobody uses, which takes seconds. */
static int look_at_device(struct disagg_arena *arena, const char *root, int64_t minor,
	struct disagg_gpu *gpu, struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s/dev/nvidia%" PRId64, root, minor);

	if (!path)
		return disagg_err_nomem(err);
	gpu->allowed = access(path, R_OK | W_OK) == 0;
	return 0;
}

/* One that is left out would shift the numbers of those behind it: only the
 * driver may exclude a GPU. */
static int read_gpu(struct disagg_arena *arena, const char *root, const char *pci,
	struct disagg_gpus *gpus, struct disagg_err *err)
{
	struct disagg_gpu *gpu = &gpus->v[gpus->count];
	const char *path = disagg_arena_printf(arena, "%s" GPUS "/%s/information", root, pci);
	char minor[16], uuid[64] = "", excluded[8] = "";
	char *text;
	size_t len;
	int64_t number;

	if (gpus->count == DISAGG_MAX_GPUS_PER_NODE)
		return disagg_err_set(err, DISAGG_CONFIG,
			"there are more than %u GPUs, the most that are looked at", gpus->count);
	if (!path)
		return disagg_err_nomem(err);
	if (disagg_fd_read_file(arena, path, MAX_INFORMATION, &text, &len, err))
		return -1;
	if (field(text, "GPU Excluded", excluded, sizeof(excluded)) && !strcmp(excluded, "Yes"))
		return 0;
	if (!field(text, "Device Minor", minor, sizeof(minor)) ||
		disagg_num_int(minor, 0, MAX_MINOR, &number))
		return disagg_err_set(
			err, DISAGG_CONFIG, "'%s' tells no device minor of a GPU", path);
	(void)field(text, "GPU UUID", uuid, sizeof(uuid));
	gpu->pci = disagg_arena_strdup(arena, pci);
	gpu->uuid = disagg_arena_strdup(arena, uuid);
	if (!gpu->pci || !gpu->uuid)
		return disagg_err_nomem(err);
	gpus->count++;
	return look_at_device(arena, root, number, gpu, err);
}

static int by_address(const void *a, const void *b)
{
	const struct disagg_gpu *left = a, *right = b;

	return strcmp(left->pci, right->pci);
}

int disagg_gpus_read(struct disagg_arena *arena, const char *root, struct disagg_gpus *ret,
	struct disagg_err *err)
{
	const char *path = disagg_arena_printf(arena, "%s" GPUS, root);
	struct disagg_gpus gpus = {
		.v = disagg_arena_array(arena, DISAGG_MAX_GPUS_PER_NODE, sizeof(*gpus.v))};
	const struct dirent *entry;
	DIR *dir;
	int rc = 0;

	if (!path || !gpus.v)
		return disagg_err_nomem(err);
	dir = opendir(path);
	if (!dir)
		return disagg_err_set(
			err, DISAGG_MISSING, "there is no NVIDIA driver here: no '%s'", path);
	while (rc == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			rc = read_gpu(arena, root, entry->d_name, &gpus, err);
	}
	closedir(dir);
	if (rc)
		return -1;
	qsort(gpus.v, gpus.count, sizeof(*gpus.v), by_address);
	*ret = gpus;
	return 0;
}

/* ---- CUDA_VISIBLE_DEVICES ---- */

static const struct disagg_gpu *by_number(const struct disagg_gpus *gpus, int64_t number)
{
	for (unsigned i = 0; i < gpus->count; i++) {
		if (gpus->v[i].allowed && number-- == 0)
			return &gpus->v[i];
	}
	return NULL;
}

/* CUDA takes the beginning of a UUID where it fits one GPU only. */
static const struct disagg_gpu *by_uuid(const struct disagg_gpus *gpus, const char *word)
{
	const struct disagg_gpu *found = NULL;

	for (unsigned i = 0; i < gpus->count; i++) {
		if (strncmp(gpus->v[i].uuid, word, strlen(word)) != 0)
			continue;
		if (found)
			return NULL;
		found = &gpus->v[i];
	}
	return found;
}

static int find_gpu(const struct disagg_gpus *gpus, const char *word, const char **ret_pci,
	struct disagg_err *err)
{
	const struct disagg_gpu *gpu = NULL;
	int64_t number;

	if (strncmp(word, "MIG-", 4) == 0)
		return disagg_err_set(err, DISAGG_MISSING, "'%s' is a part of a GPU", word);
	if (disagg_num_int(word, 0, INT32_MAX, &number) == 0)
		gpu = by_number(gpus, number);
	else if (strncmp(word, "GPU-", 4) == 0)
		gpu = by_uuid(gpus, word);
	if (!gpu)
		return disagg_err_set(err, DISAGG_MISSING,
			"which GPU '%s' of CUDA_VISIBLE_DEVICES is cannot be told", word);
	*ret_pci = gpu->pci;
	return 0;
}

int disagg_gpus_visible(struct disagg_arena *arena, const struct disagg_gpus *gpus,
	const char *visible, const char ***ret_pci, unsigned *ret_count, struct disagg_err *err)
{
	const char **pci = disagg_arena_array(arena, DISAGG_MAX_GPUS_PER_NODE, sizeof(*pci));
	char *word = disagg_arena_strdup(arena, visible ? visible : "");
	unsigned count = 0;

	if (!pci || !word)
		return disagg_err_nomem(err);
	if (!*word)
		return disagg_err_set(err, DISAGG_MISSING, "CUDA_VISIBLE_DEVICES is %s",
			visible ? "empty" : "not set");
	for (char *next = word; next; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		if (count == DISAGG_MAX_GPUS_PER_NODE)
			return disagg_err_set(err, DISAGG_CONFIG,
				"CUDA_VISIBLE_DEVICES names more than %u GPUs", count);
		if (find_gpu(gpus, word, &pci[count++], err))
			return -1;
	}
	*ret_pci = pci;
	*ret_count = count;
	return 0;
}
