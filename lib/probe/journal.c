/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/journal.h"

#include "lib/base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int disagg_journal_open(struct disagg_journal *journal, const char *path, struct disagg_err *err)
{
	*journal = (struct disagg_journal){.fd = -1};
	if (snprintf(journal->path, sizeof(journal->path), "%s", path) >=
		(int)sizeof(journal->path))
		return disagg_err_set(err, DISAGG_SYSTEM, "the path '%s' is too long", path);
	journal->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (journal->fd < 0)
		return disagg_err_sys(err, "cannot create '%s'", path);
	return 0;
}

/* A part of a line would be read as a broken record. */
static int give_up(struct disagg_journal *journal, struct disagg_err *err)
{
	int why = errno;

	journal->failed = true;
	if (ftruncate(journal->fd, journal->length))
		why = errno;
	errno = why;
	return disagg_err_sys(
		err, "cannot write '%s', records are kept in memory from here", journal->path);
}

int disagg_journal_add(struct disagg_journal *journal, const struct disagg_probe_record *record,
	struct disagg_err *err)
{
	struct disagg_strbuf line;
	int rc = 0;

	if (journal->fd < 0 || journal->failed)
		return 0;
	disagg_strbuf_init(&line, 0);
	disagg_probe_record_put(&line, record);
	if (line.failed)
		errno = ENOMEM;
	if (line.failed || disagg_fd_write_all(journal->fd, line.text, line.len))
		rc = give_up(journal, err);
	else
		journal->length += (long)line.len;
	disagg_strbuf_release(&line);
	return rc;
}

void disagg_journal_close(struct disagg_journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal->fd = -1;
}
