/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK	   (4u << 20)
#define ALIGN	   4096u
#define MOST_BYTES (4ll << 30)
#define MOST_S	   5.0 /* of one way of reading */
#define LEAST_GB_S 1.0 /* of a node: a model of 700 GB then takes 12 minutes */

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of a folder its largest regular file. */
static const char *model_file(struct disagg_probe_run *run, struct disagg_err *err)
{
	const char *path = run->options->model_path, *best = NULL;
	long long most = -1;
	struct stat about;
	DIR *dir;

	if (stat(path, &about)) {
		disagg_err_sys(err, "cannot read the model '%s'", path);
		return NULL;
	}
	if (S_ISREG(about.st_mode))
		return path;
	dir = S_ISDIR(about.st_mode) ? opendir(path) : NULL;
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		const char *name = disagg_arena_printf(run->arena, "%s/%s", path, entry->d_name);

		if (name && stat(name, &about) == 0 && S_ISREG(about.st_mode) &&
			about.st_size > most) {
			most = about.st_size;
			best = name;
		}
	}
	if (dir)
		closedir(dir);
	if (!best)
		disagg_err_set(err, DISAGG_MISSING, "there is no file in the model '%s'", path);
	return best;
}

struct reading {
	long long bytes;
	double seconds;
};

/* -1 with errno */
static int read_file(const char *path, int flags, void *block, struct reading *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
	double start;
	ssize_t got = 0;

	if (fd < 0)
		return -1;
	if (!(flags & O_DIRECT))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	start = now_s();
	do {
		got = read(fd, block, BLOCK);
		if (got > 0)
			ret->bytes += got;
		ret->seconds = now_s() - start;
	} while ((got > 0 || (got < 0 && errno == EINTR)) && ret->bytes < MOST_BYTES &&
		 ret->seconds < MOST_S);
	close(fd);
	return got < 0 ? -1 : 0;
}

static void emit_reading(
	struct disagg_probe_run *run, const char *param, const struct reading *reading)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;

	record.param = param;
	record.has_value = true;
	record.value = (double)reading->bytes / 1e9 / reading->seconds;
	record.unit = "GB/s";
	record.better = DISAGG_BETTER_MORE;
	record.duration_ms = reading->seconds * 1e3;
	if (record.value < LEAST_GB_S) {
		record.status = DISAGG_PROBE_WARN;
		record.reason = disagg_arena_printf(run->arena,
			"%.2f GB/s: a model of 700 GB takes %.0f minutes to load", record.value,
			700 / record.value / 60);
		record.hint = "look at the mount and at other load on the file system";
	}
	run->emit(run, &record);
}

static void measure(struct disagg_probe_run *run, const char *path, void *block)
{
	static const struct {
		const char *param;
		int flags;
	} ways[] = {{"direct", O_DIRECT}, {"buffered", 0}};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct reading reading = {0};

		if (read_file(path, ways[i].flags, block, &reading))
			disagg_node_finding(run, ways[i].param,
				errno == EINVAL ? DISAGG_PROBE_SKIP : DISAGG_PROBE_UNKNOWN,
				disagg_arena_printf(run->arena, "cannot read '%s': %s", path,
					errno == EINVAL ? "its file system has no O_DIRECT"
							: strerror(errno)),
				NULL);
		else if (reading.bytes < (long long)BLOCK)
			disagg_node_finding(run, ways[i].param, DISAGG_PROBE_SKIP,
				disagg_arena_printf(run->arena, "'%s' has %lld bytes: too few",
					path, reading.bytes),
				NULL);
		else
			emit_reading(run, ways[i].param, &reading);
	}
}

int disagg_storage_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	const char *path;
	void *block;

	if (!run->options->model_path)
		return disagg_err_set(err, DISAGG_SKIPPED, "no model was named");
	path = model_file(run, err);
	if (!path)
		return -1;
	if (posix_memalign(&block, ALIGN, BLOCK))
		return disagg_err_nomem(err);
	measure(run, path, block);
	free(block);
	return 0;
}
