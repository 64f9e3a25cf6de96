/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/fd.h"
#include "lib/host/json.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART_BYTES   (8u * 1024u * 1024u) /* of one source */
#define KERNEL_BYTES (1u * 1024u * 1024u)
#define COMMAND_MS   10000

extern char **environ;

struct part {
	struct pack *pack;
	int parts_fd, fd;
	char temporary[300], name[280];
	struct disagg_strbuf manifest;
	struct disagg_json_writer json; /* into it */
	struct disagg_err *err;
};

static int put_file(struct part *part, const char *file, const char *text, size_t len)
{
	int fd = openat(part->fd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return disagg_err_sys(part->err, "cannot write '%s/%s'", part->name, file);
	rc = disagg_fd_write_all(fd, text, len);
	if (rc != 0)
		disagg_err_sys(part->err, "cannot write '%s/%s'", part->name, file);
	close(fd);
	return rc;
}

static int put_text(struct part *part, const char *file, const char *text, size_t len)
{
	char sum[DISAGG_BUNDLE_SHA256];

	if (put_file(part, file, text, len) != 0 ||
		disagg_bundle_sha256(text, len, sum, part->err) != 0)
		return -1;
	disagg_json_begin(&part->json, NULL, '{');
	disagg_json_put_text(&part->json, "name", file);
	disagg_json_put_int(&part->json, "size", (int64_t)len);
	disagg_json_put_text(&part->json, "sha256", sum);
	disagg_json_end(&part->json, '}');
	return 0;
}

static int put_source(struct part *part, const struct disagg_machine_source *source,
	const struct disagg_machine_look *look)
{
	struct disagg_strbuf out;
	int rc;

	disagg_strbuf_init(&out, PART_BYTES);
	rc = source->write(look, &out, part->err);
	/* over the bound: what there is */
	if (rc != 0 && out.len > 0)
		rc = 0;
	if (rc == 0)
		rc = put_text(part, source->file, out.text, out.len);
	disagg_strbuf_release(&out);
	return rc;
}

static bool has_data(const struct pack *pack)
{
	struct pollfd poll_fd = {.fd = pack->kernel_fd, .events = POLLIN};
	int64_t left = pack->until_ns ? (pack->until_ns - pack_now_ns()) / 1000000 : COMMAND_MS;

	return left > 0 && poll(&poll_fd, 1, left < COMMAND_MS ? (int)left : COMMAND_MS) == 1;
}

/* The kernel's lines come from a process that may read them. */
static int put_kernel(struct part *part)
{
	struct disagg_strbuf out;
	char block[4096];
	ssize_t got = 0;
	int rc;

	if (part->pack->kernel_fd < 0)
		return 0;
	disagg_strbuf_init(&out, KERNEL_BYTES);
	/* disagg-diagnose goes by this heading */
	disagg_strbuf_printf(&out, "==== %s, the kernel\n", part->pack->node);
	while (!out.failed && has_data(part->pack) &&
		(got = read(part->pack->kernel_fd, block, sizeof(block))) > 0)
		disagg_strbuf_add(&out, block, (size_t)got);
	if (got != 0)
		disagg_strbuf_puts(&out, "(the end is missing)\n");
	rc = put_text(part, "kernel.txt", out.text, out.len);
	disagg_strbuf_release(&out);
	return rc;
}

static int put_sources(struct part *part)
{
	const struct pack *pack = part->pack;
	struct disagg_machine_look look = {.mode = pack->mode,
		.root = "",
		.path = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin",
		.envp = (const char *const *)environ,
		.command_ms = COMMAND_MS,
		.until_ns = pack->until_ns};

	for (const struct disagg_machine_source *source = disagg_machine_sources; source->file;
		source++)
		if (source->from <= pack->mode && put_source(part, source, &look) != 0)
			return -1;
	return put_kernel(part);
}

/* ---- the manifest ---- */

static void begin_manifest(struct part *part)
{
	const struct pack *pack = part->pack;

	part->json = (struct disagg_json_writer){.out = &part->manifest};
	disagg_strbuf_init(&part->manifest, 0);
	disagg_json_begin(&part->json, NULL, '{');
	disagg_json_put_text(&part->json, "schema", "disagg.part/1");
	disagg_json_put_text(&part->json, "job_id", pack->job_id);
	disagg_json_put_int(&part->json, "restart", pack->restart);
	disagg_json_put_text(&part->json, "node", pack->node);
	disagg_json_put_text(&part->json, "stage", pack->stage);
	disagg_json_put_text(
		&part->json, "run_dir", pack->not_here ? pack->not_here : pack->run_dir);
	disagg_json_put_text(&part->json, "mode", disagg_machine_modes[pack->mode]);
	disagg_json_put_text(&part->json, "version", DISAGG_VERSION);
	disagg_json_begin(&part->json, "members", '[');
}

static int put_manifest(struct part *part)
{
	disagg_json_end(&part->json, ']');
	disagg_json_end(&part->json, '}');
	disagg_strbuf_putc(&part->manifest, '\n');
	if (part->manifest.failed)
		return disagg_err_nomem(part->err);
	return put_file(part, PACK_MANIFEST, part->manifest.text, part->manifest.len);
}

/* ---- its folder ---- */

static void drop_temporary(struct part *part)
{
	for (const struct disagg_machine_source *source = disagg_machine_sources; source->file;
		source++)
		unlinkat(part->fd, source->file, 0);
	unlinkat(part->fd, "kernel.txt", 0);
	unlinkat(part->fd, PACK_MANIFEST, 0);
	unlinkat(part->parts_fd, part->temporary, AT_REMOVEDIR);
}

/* In the user's folder as the user: what it may have been swapped for meanwhile is the
 * user's own affair. */
static int open_parts(struct part *part)
{
	const struct pack *pack = part->pack;

	if (mkdirat(pack->run_fd, PACK_PARTS, 0700) != 0 && errno != EEXIST)
		return disagg_err_sys(part->err, "cannot make '%s/%s'", pack->run_dir, PACK_PARTS);
	part->parts_fd =
		openat(pack->run_fd, PACK_PARTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part->parts_fd < 0 || mkdirat(part->parts_fd, part->temporary, 0700) != 0)
		return disagg_err_sys(
			part->err, "cannot write into '%s/%s'", pack->run_dir, PACK_PARTS);
	part->fd = openat(
		part->parts_fd, part->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (part->fd < 0)
		return disagg_err_sys(part->err, "cannot open '%s'", part->temporary);
	return 0;
}

static int publish_part(struct part *part)
{
	if (renameat(part->parts_fd, part->temporary, part->parts_fd, part->name) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY)
		return disagg_err_sys(part->err, "cannot put the part '%s' in place", part->name);
	pack_say(part->pack, "the part '%s' is there already; it stays", part->name);
	drop_temporary(part);
	return 0;
}

int pack_part(struct pack *pack, struct disagg_err *err)
{
	struct part part = {.pack = pack, .parts_fd = -1, .fd = -1, .err = err};
	int rc;

	snprintf(part.name, sizeof(part.name), "%s.%s", pack->node, pack->stage);
	snprintf(part.temporary, sizeof(part.temporary), ".%s.%d", part.name, (int)getpid());
	begin_manifest(&part);
	rc = open_parts(&part);
	if (rc == 0)
		rc = put_sources(&part);
	if (rc == 0)
		rc = put_manifest(&part);
	if (rc == 0)
		rc = publish_part(&part);
	else if (part.fd >= 0)
		drop_temporary(&part);
	if (part.fd >= 0)
		close(part.fd);
	if (part.parts_fd >= 0)
		close(part.parts_fd);
	disagg_strbuf_release(&part.manifest);
	return rc;
}
