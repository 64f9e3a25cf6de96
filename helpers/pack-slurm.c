/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/num.h"
#include "lib/host/proc.h"
#include "lib/host/rundir.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CALL_MS	   5000
#define CALL_BYTES (256u * 1024u)

extern char **environ;

void pack_ask_slurm(struct pack *pack)
{
	const char *scontrol = disagg_proc_find(&pack->arena, "scontrol", getenv("PATH"));
	const char *const argv[] = {scontrol, "show", "job", pack->job_id, NULL};
	const struct disagg_proc_call call = {.argv = argv,
		.envp = (const char *const *)environ,
		.timeout_ms = CALL_MS,
		.cancel_fd = -1,
		.limit = CALL_BYTES};
	struct disagg_proc_result result;
	char tag[32];
	int64_t number;

	if (!scontrol || disagg_num_int(pack->job_id, 1, UINT32_MAX, &number) != 0 ||
		disagg_proc_run(&pack->arena, &call, &result, NULL) != 0 || result.status != 0)
		return;
	snprintf(tag, sizeof(tag), "%d", (int)getpid());
	disagg_rundir_write(
		&pack->arena, pack->run_dir, PACK_SLURM, tag, result.out, result.len, NULL);
}
