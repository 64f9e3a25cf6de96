/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/exec.h"
#include "lib/host/namespaces.h"

int exec_enter(const struct task *task, struct disagg_err *err)
{
	if (task->living < 0 || disagg_namespaces_enter(task->living, err) == 0)
		return 0;
	return disagg_err_wrap(err,
		"cannot enter the container of '%s' (--no-container gives a shell on its node)",
		task->name);
}
