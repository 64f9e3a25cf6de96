/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_NS 100000000L
#define TREE_DEPTH    6u
#define PARTS_FILES   500000u		    /* two dozen a node of DISAGG_MAX_NODES */
#define SPARE_BYTES   (64u * 1024u * 1024u) /* that stay free */
#define SMALL_BYTES   (1024u * 1024u)	    /* of a file where there is little space */

int pack_open(struct pack *pack, struct disagg_err *err)
{
	char *path = disagg_arena_printf(&pack->arena, "%s/state.json", pack->run_dir);
	struct stat st;

	if (!path)
		return disagg_err_nomem(err);
	/* a stand-in is open: under its name there may be another by now */
	if (pack->run_fd < 0 && disagg_tree_open(pack->run_dir, &pack->run_fd, err) != 0)
		return -1;
	pack->limits = (struct disagg_tree_limits){.depth = TREE_DEPTH,
		.files = pack->files,
		.skip = PACK_PARTS,
		.check_owner = true,
		.owner = geteuid()};
	/* read like every other file of the user's; the reader takes a path */
	pack->has_state = !pack->not_here &&
			  fstatat(pack->run_fd, "state.json", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			  S_ISREG(st.st_mode) &&
			  disagg_state_read(&pack->arena, path, &pack->state, NULL) == 0;
	if (!pack->job_id && pack->has_state)
		pack->job_id = pack->state.job_id;
	pack_read_name(pack);
	if (!pack->job_id)
		pack->job_id = "unknown";
	pack->run_id = pack->restart ? disagg_arena_printf(&pack->arena, "%.100s.%d", pack->job_id,
					       pack->restart)
				     : disagg_arena_printf(&pack->arena, "%.100s", pack->job_id);
	return pack->run_id ? 0 : disagg_err_nomem(err);
}

/* ---- parts ---- */

static bool has_part(int parts_fd, const char *node, const char *stage)
{
	char name[512];
	struct stat st;

	snprintf(name, sizeof(name), "%s.%s", node, stage);
	return fstatat(parts_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_here(const struct pack *pack, const char *node)
{
	return pack->parts_fd >= 0 &&
	       (has_part(pack->parts_fd, node, pack->stage) ||
		       (pack->any_stage && has_part(pack->parts_fd, node, "run")));
}

static size_t count_missing(struct pack_run *run)
{
	struct pack *pack = run->pack;

	if (pack->parts_fd < 0)
		pack->parts_fd = openat(
			pack->run_fd, PACK_PARTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	run->missing_count = 0;
	for (unsigned i = 0; i < pack->nodes.count; i++)
		if (!is_here(pack, pack->nodes.name[i]))
			run->missing_node[run->missing_count++] = pack->nodes.name[i];
	return run->missing_count;
}

static int wait_for_parts(struct pack_run *run, struct disagg_err *err)
{
	const struct timespec pause = {.tv_nsec = LOOK_EVERY_NS};
	struct pack *pack = run->pack;
	int64_t until = pack_now_ns() + (int64_t)pack->wait_s * 1000000000;
	/* a third of the time is for the packing itself */
	int64_t latest = pack->until_ns - (pack->until_ns - pack_now_ns()) / 3;

	run->missing_node =
		disagg_arena_array(&pack->arena, pack->nodes.count + 1, sizeof(*run->missing_node));
	if (!run->missing_node)
		return disagg_err_nomem(err);
	if (pack->until_ns && until > latest)
		until = latest;
	while (count_missing(run) > 0 && pack_now_ns() < until)
		nanosleep(&pause, NULL);
	return 0;
}

/* ---- the archive ---- */

static void settle(struct pack_run *run)
{
	const struct pack *pack = run->pack;
	const struct disagg_state_verdict *verdict = &pack->state.verdict;
	bool told = pack->has_state && verdict->set;

	switch (pack->status) {
	case PACK_SUCCESS:
		run->success = true;
		break;
	case PACK_FAILURE:
		run->success = false;
		break;
	default:
		/* Slurm's code of a run that it requeues is 0 too */
		run->success = told ? verdict->code == 0
				    : pack->job_exit && strcmp(pack->job_exit, "0") == 0 &&
					       pack->restarts <= pack->restart;
	}
	run->end_s = told && verdict->at > 0 ? (int64_t)verdict->at : (int64_t)time(NULL);
}

static void name_archive(const struct pack_run *run, char *name, size_t size)
{
	time_t end = (time_t)run->end_s;
	char date[16] = "00000000";
	struct tm tm;

	if (gmtime_r(&end, &tm))
		strftime(date, sizeof(date), "%Y%m%d", &tm);
	snprintf(name, size, "job_%s_%s_%s.%s", run->pack->run_id,
		run->success ? "success" : "failure", date,
		disagg_bundle_suffix[run->pack->format]);
}

static int write_members(struct pack_run *run, struct disagg_err *err)
{
	if (pack_summary(run, err) != 0)
		return -1;
	pack_mask_text(run, run->summary.text, run->summary.len);
	if (disagg_bundle_add_text(
		    run->bundle, "summary.txt", run->summary.text, run->summary.len, err) != 0 ||
		pack_put_diagnosis(run, err) != 0 || pack_members(run, err) != 0)
		return -1;
	return pack_manifest(run, err);
}

static int write_archive(struct pack_run *run, int fd, struct disagg_err *err)
{
	char folder[128];
	struct disagg_bundle_spec spec = {
		.fd = fd, .format = run->pack->format, .folder = folder, .time_s = run->end_s};

	snprintf(folder, sizeof(folder), "job_%s", run->pack->run_id);
	disagg_strbuf_clear(&run->summary);
	run->missed_count = run->missed_over = 0;
	if (pack_mask_begin(run, err) != 0 || disagg_bundle_new(&run->bundle, &spec, err) != 0)
		return -1;
	if (write_members(run, err) != 0) {
		disagg_bundle_drop(run->bundle);
		return -1;
	}
	return disagg_bundle_close(run->bundle, err);
}

static uint64_t wanted_bytes(const struct pack *pack)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < pack->tree.count; i++) {
		uint64_t size = pack->tree.file[i].size;

		if (!pack->tree.file[i].refused)
			bytes += size < pack->file_bytes ? size : pack->file_bytes;
	}
	return bytes < pack->total_bytes ? bytes : pack->total_bytes;
}

/* Where there is no space for all: what says most, and that it is not all. */
static int write_smaller(struct pack_run *run, int fd, struct disagg_err *err)
{
	run->small = true;
	run->pack->file_bytes = SMALL_BYTES;
	run->pack->total_bytes = 16 * SMALL_BYTES;
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return disagg_err_sys(err, "cannot begin anew");
	return write_archive(run, fd, err);
}

static int write_target(struct pack_run *run, struct pack_target *target, struct disagg_err *err)
{
	struct disagg_err first = DISAGG_ERR_INIT;
	uint64_t bytes_free = pack_free_bytes(target);

	/* logs become a fifth or less */
	if (bytes_free > SPARE_BYTES && bytes_free - SPARE_BYTES > wanted_bytes(run->pack) / 4) {
		if (write_archive(run, target->fd, &first) == 0)
			return 0;
		pack_say(run->pack, "%s; once more, smaller", first.text);
	} else {
		pack_say(
			run->pack, "little space in '%s': large files are cut", run->pack->out_dir);
	}
	return write_smaller(run, target->fd, err);
}

static int list_all(struct pack *pack, struct disagg_err *err)
{
	struct disagg_tree_limits limits = pack->limits;

	if (disagg_tree_list(&pack->arena, pack->run_fd, &pack->limits, &pack->tree, err) != 0)
		return -1;
	limits.depth = 1;
	limits.files = PARTS_FILES;
	return pack->parts_fd < 0
		       ? 0
		       : disagg_tree_list(&pack->arena, pack->parts_fd, &limits, &pack->parts, err);
}

static int write_out(struct pack_run *run, struct disagg_err *err)
{
	struct pack *pack = run->pack;
	struct pack_target target;
	char name[256];
	int rc;

	name_archive(run, name, sizeof(name));
	if (pack_target_open(pack, name, &target, err) != 0)
		return -1;
	rc = write_target(run, &target, err);
	if (rc == 0)
		rc = pack_target_publish(pack, &target, err);
	if (rc == 0 && (pack->keep > 0 || pack->keep_days > 0))
		pack_retire(pack, &target);
	pack_target_drop(&target);
	return rc;
}

static int merge(struct pack_run *run, struct disagg_err *err)
{
	struct pack *pack = run->pack;
	struct disagg_err first = DISAGG_ERR_INIT;
	uint64_t file_bytes = pack->file_bytes, total_bytes = pack->total_bytes;

	if (wait_for_parts(run, err) != 0 || list_all(pack, err) != 0)
		return -1;
	settle(run);
	if (!pack->spare || strcmp(pack->spare, pack->out_dir) == 0)
		return write_out(run, err);
	if (write_out(run, &first) == 0)
		return 0;
	pack_say(pack, "%s; once more, into '%s'", first.text, pack->spare);
	pack->out_dir = pack->spare;
	pack->file_bytes = file_bytes;
	pack->total_bytes = total_bytes;
	run->small = false;
	return write_out(run, err);
}

int pack_merge(struct pack *pack, struct disagg_err *err)
{
	struct pack_run run = {.pack = pack};
	int rc;

	disagg_strbuf_init(&run.summary, 0);
	rc = merge(&run, err);
	pack_mask_end(&run);
	disagg_strbuf_release(&run.summary);
	return rc;
}
