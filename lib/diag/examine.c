/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/examine.h"

static int gather(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_runfiles *files,
	struct disagg_err *err)
{
	if (disagg_runfiles_init(arena, files, err))
		return -1;
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
			"there are no logs in '%s', and no state.json: expected a run directory or "
			"a job's number",
			path[0] ? path[0] : "");
	return 0;
}

int disagg_examine(struct disagg_arena *arena, const char *const *path,
	const struct disagg_examine_options *options, struct disagg_examination *ret,
	struct disagg_err *err)
{
	struct disagg_diagnose_options wanted = {.utc_offset_s = options->utc_offset_s};
	struct disagg_examination result = {0};

	if (gather(arena, path, options, &result.files, err) ||
		disagg_signatures_load(arena, options->signatures, &result.signatures, err))
		return -1;
	result.scan.file = result.files.log;
	result.scan.file_count = result.files.log_count;
	/* signals point to signatures, which must not move */
	*ret = result;
	if (disagg_scan_logs(arena, &ret->signatures, &ret->scan, err))
		return -1;
	return disagg_diagnose(
		arena, &ret->signatures, &ret->files, &ret->scan, &wanted, &ret->diagnosis, err);
}
