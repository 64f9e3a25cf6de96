/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/report_build.h"

#include "lib/base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_BYTES ((size_t)1 << 30) /* of a format that is not sent on the way */

static int (*const writers[])(
	const struct disagg_report *report, struct disagg_strbuf *out, int fd) = {
	[DISAGG_REPORT_TEXT] = report_put_text,
	[DISAGG_REPORT_JSON] = report_put_json,
	[DISAGG_REPORT_MARKDOWN] = report_put_markdown,
	[DISAGG_REPORT_HTML] = report_put_html,
	[DISAGG_REPORT_JUNIT] = report_put_junit,
	[DISAGG_REPORT_PROMETHEUS] = report_put_prometheus,
};

int disagg_report_put(const struct disagg_report *report, enum disagg_report_format format,
	struct disagg_strbuf *out, struct disagg_err *err)
{
	if (writers[format](report, out, -1) != 0 || out->failed)
		return disagg_err_nomem(err);
	return 0;
}

int disagg_report_write(const struct disagg_report *report, enum disagg_report_format format,
	int fd, struct disagg_err *err)
{
	struct disagg_strbuf out;
	int rc;

	disagg_strbuf_init(&out, MOST_BYTES);
	errno = 0;
	rc = writers[format](report, &out, fd);
	if (out.failed || (rc != 0 && errno == 0))
		rc = disagg_err_nomem(err);
	else if (rc != 0 || disagg_fd_write_all(fd, out.text, out.len) != 0)
		rc = disagg_err_sys(err, "cannot write the report");
	disagg_strbuf_release(&out);
	return rc;
}

static int save_one(const struct disagg_report *report, int dir, const char *name,
	enum disagg_report_format format, struct disagg_err *err)
{
	char temporary[64];
	int fd, rc;

	snprintf(temporary, sizeof(temporary), ".%s.%ld", name, (long)getpid());
	unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return disagg_err_sys(err, "cannot create '%s'", name);
	rc = disagg_report_write(report, format, fd, err);
	if (close(fd) != 0 && rc == 0)
		rc = disagg_err_sys(err, "cannot write '%s'", name);
	if (rc == 0 && renameat(dir, temporary, dir, name) != 0)
		rc = disagg_err_sys(err, "cannot rename to '%s'", name);
	if (rc != 0)
		unlinkat(dir, temporary, 0);
	return rc;
}

int disagg_report_save(const struct disagg_report *report, const char *dir, struct disagg_err *err)
{
	static const struct {
		const char *name;
		enum disagg_report_format format;
	} files[] = {
		{"report.json", DISAGG_REPORT_JSON},
		{"report.md", DISAGG_REPORT_MARKDOWN},
		{"report.html", DISAGG_REPORT_HTML},
		{"report.xml", DISAGG_REPORT_JUNIT},
		{"report.prom", DISAGG_REPORT_PROMETHEUS},
	};
	int fd, rc = 0;

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return disagg_err_sys(err, "cannot make the folder '%s'", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return disagg_err_sys(err, "cannot open the folder '%s'", dir);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files) && rc == 0; i++)
		rc = save_one(report, fd, files[i].name, files[i].format, err);
	close(fd);
	return rc == 0 ? 0 : disagg_err_wrap(err, "saving the report in '%s'", dir);
}
