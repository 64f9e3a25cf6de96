/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/examine.h"

static int gather(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_runfiles *files,
	struct disagg_err *err)
{
	if (disagg_runfiles_init(arena, files, err))
		return -1;
	files->spool.folder = options->tmp_dir;
	for (unsigned i = 0; path[i]; i++) {
		if (disagg_runfiles_add(arena, files, path[i], err))
			return -1;
	}
	if (options->slurm_state) {
		files->slurm_state = options->slurm_state;
		files->slurm_reason = options->slurm_reason;
	}
	if (!files->log_count && !files->has_state && !files->exits.count && !files->kernel.count &&
		!files->full)
		return disagg_err_set(err, DISAGG_MISSING,
			"there are no logs in '%s', and no state.json: expected a run directory, "
			"an archive of disagg-pack or a job's number",
			path[0] ? path[0] : "");
	return 0;
}

static int examine(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_examination *ret,
	struct disagg_err *err)
{
	struct disagg_diagnose_options wanted = {.utc_offset_s = options->utc_offset_s};

	if (gather(arena, path, options, &ret->files, err) ||
		disagg_signatures_load(arena, options->signatures, &ret->signatures, err))
		return -1;
	ret->scan.file = ret->files.log;
	ret->scan.file_count = ret->files.log_count;
	if (disagg_scan_logs(arena, &ret->signatures, &ret->scan, err))
		return -1;
	return disagg_diagnose(
		arena, &ret->signatures, &ret->files, &ret->scan, &wanted, &ret->diagnosis, err);
}

int disagg_examine(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_examination *ret,
	struct disagg_err *err)
{
	int rc;

	/* in place: signals point to signatures, which must not move */
	*ret = (struct disagg_examination){0};
	rc = examine(arena, path, options, ret, err);
	disagg_spool_close(&ret->files.spool);
	return rc;
}
