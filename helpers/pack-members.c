/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/pack.h"
#include "lib/base/fd.h"
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_PATH  "output.path"
#define OUTPUT_NAME  "output.log" /* the member */
#define MOST_MISSED  1000u
#define PIECE_BYTES  (8u * 1024u * 1024u)
#define HEAD_BYTES   (1024u * 1024u)
#define HEADING_SIZE 320u

void pack_miss(struct pack_run *run, const char *name, const char *why)
{
	struct disagg_arena *arena = &run->pack->arena;

	if (!run->missed)
		run->missed = disagg_arena_array(arena, MOST_MISSED, sizeof(*run->missed));
	if (!run->missed || run->missed_count == MOST_MISSED) {
		run->missed_over++;
		return;
	}
	run->missed[run->missed_count].name = name;
	run->missed[run->missed_count++].why = disagg_arena_strdup(arena, why);
}

/* ---- files of the run directory ---- */

/* What is never a member of its own, and why it is not worth a word (NULL) or is. */
static bool is_aside(const char *name, const char **ret_why)
{
	static const struct {
		const char *pattern, *why;
	} rules[] = {
		{"up/*", NULL}, /* marks of steps */
		{".*", NULL},
		{"*.tmp", NULL},
		{OUTPUT_PATH, NULL}, /* what it names is a member */
		{"environment.json", "holds what the job carries"},
		{"core", "a core file"},
		{"core.*", "a core file"},
		{"*/core.[0-9]*", "a core file"},
		{"job_*_success_*.tar.*", NULL},
		{"job_*_failure_*.tar.*", NULL},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (fnmatch(rules[i].pattern, name, 0) != 0)
			continue;
		*ret_why = rules[i].why;
		return true;
	}
	return false;
}

const char *pack_refuses(const struct disagg_tree_file *file)
{
	const char *why = NULL;

	if (is_aside(file->name, &why))
		return why ? why : "";
	return file->refused;
}

/* The file `entry` of a folder as the member `name`. */
static int put_entry(struct pack_run *run, int folder_fd, const char *entry, const char *name,
	struct disagg_err *err)
{
	struct pack *pack = run->pack;
	struct disagg_err why = DISAGG_ERR_INIT;
	struct disagg_bundle_file file = {.name = name, .filter = run->mask};
	uint64_t head = pack->file_bytes / 8 < HEAD_BYTES ? pack->file_bytes / 8 : HEAD_BYTES;
	int rc;

	file.fd = disagg_tree_open_file(folder_fd, entry, &pack->limits, &file.size, &why);
	if (file.fd < 0) {
		pack_miss(run, name, why.text);
		return 0;
	}
	if (file.size > pack->file_bytes) {
		file.head = head;
		file.tail = pack->file_bytes - head;
	}
	rc = disagg_bundle_add_file(run->bundle, &file, err);
	close(file.fd);
	return rc;
}

static int put_file(struct pack_run *run, const char *name, struct disagg_err *err)
{
	return put_entry(run, run->pack->run_fd, name, name, err);
}

/* The job script's own output, which disagg-run has left word of; anywhere, but a regular
 * file of the user's. */
static int put_output(struct pack_run *run, struct disagg_err *err)
{
	struct pack *pack = run->pack;
	struct disagg_err why = DISAGG_ERR_INIT;
	char path[4096];
	uint64_t size;
	char *slash;
	ssize_t len = -1;
	int fd = disagg_tree_open_file(pack->run_fd, OUTPUT_PATH, &pack->limits, &size, NULL), rc;

	if (fd >= 0) {
		len = read(fd, path, sizeof(path) - 1);
		close(fd);
	}
	if (len <= 0 || path[0] != '/')
		return 0;
	path[len] = '\0';
	slash = strrchr(path, '/');
	*slash = '\0';
	if (disagg_tree_open(*path ? path : "/", &fd, &why) != 0) {
		pack_miss(run, OUTPUT_NAME, why.text);
		return 0;
	}
	rc = put_entry(run, fd, slash + 1, OUTPUT_NAME, err);
	close(fd);
	return rc;
}

static bool is_late(const struct pack *pack)
{
	return pack->until_ns != 0 && pack_now_ns() > pack->until_ns;
}

/* The order of the archive: what tells most comes first. */
static int group_of(const char *name)
{
	static const char *const groups[] = {
		"config.yaml", "plan.json", "state.json", "exits.jsonl", "*.log", "*", NULL};
	int group = 0;

	while (fnmatch(groups[group], name, FNM_PATHNAME) != 0 && groups[group + 1])
		group++;
	return group;
}
#define GROUPS 6

static int put_listed(
	struct pack_run *run, const struct disagg_tree_file *file, struct disagg_err *err)
{
	const char *why = pack_refuses(file);

	if (why) {
		if (*why)
			pack_miss(run, file->name, why);
		return 0;
	}
	if (disagg_bundle_bytes(run->bundle) >= run->pack->total_bytes) {
		pack_miss(run, file->name, "the archive had reached its size");
		return 0;
	}
	if (is_late(run->pack)) {
		pack_miss(run, file->name, "no time was left");
		return 0;
	}
	return put_file(run, file->name, err);
}

static int put_tree(struct pack_run *run, struct disagg_err *err)
{
	const struct disagg_tree *tree = &run->pack->tree;

	for (int group = 0; group < GROUPS; group++)
		for (size_t i = 0; i < tree->count; i++)
			if (group_of(tree->file[i].name) == group &&
				put_listed(run, &tree->file[i], err) != 0)
				return -1;
	return 0;
}

/* ---- parts, by source ---- */

struct piece {
	const char *name;	    /* "parts/n1.end/processes.txt" */
	char heading[HEADING_SIZE]; /* "==== n1, after the job\n" */
	uint64_t size;
};

/* "NODE.STAGE/FILE" */
static bool is_piece(const char *name, const char *file, struct piece *ret)
{
	const char *slash = strchr(name, '/'), *dot;
	char node[200];

	if (*name == '.' || !slash || strcmp(slash + 1, file) != 0)
		return false;
	dot = memrchr(name, '.', (size_t)(slash - name));
	if (!dot)
		return false;
	snprintf(node, sizeof(node), "%.*s", (int)(dot - name < 199 ? dot - name : 199), name);
	disagg_text_tame(node);
	ret->name = name;
	if (strcmp(file, "kernel.txt") == 0) { /* it has its own */
		snprintf(ret->heading, sizeof(ret->heading), "\n");
		return true;
	}
	snprintf(ret->heading, sizeof(ret->heading), "\n==== %s, %s\n", node,
		strncmp(dot + 1, "end/", 4) == 0 ? "after the job" : "while the job ran");
	return true;
}

static int put_piece(struct pack_run *run, const struct piece *piece, struct disagg_err *err)
{
	struct pack *pack = run->pack;
	struct disagg_bundle_file file = {.name = piece->name, .filter = run->mask};
	uint64_t size;
	int rc;

	file.fd = disagg_tree_open_file(pack->parts_fd, piece->name, &pack->limits, &size, NULL);
	file.size = piece->size;
	/* what has gone meanwhile is newlines */
	rc = disagg_bundle_put_file(run->bundle, &file, err);
	if (file.fd >= 0)
		close(file.fd);
	return rc;
}

static int put_pieces(struct pack_run *run, const char *file, const struct piece *pieces,
	size_t count, struct disagg_err *err)
{
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += strlen(pieces[i].heading) + pieces[i].size;
	if (disagg_bundle_begin(run->bundle, file, size, err) != 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (disagg_bundle_put(
			    run->bundle, pieces[i].heading, strlen(pieces[i].heading), err) != 0 ||
			put_piece(run, &pieces[i], err) != 0)
			return -1;
	return disagg_bundle_end(run->bundle, err);
}

static int put_source(struct pack_run *run, const char *file, struct disagg_err *err)
{
	const struct disagg_tree *tree = &run->pack->parts;
	struct disagg_arena arena = DISAGG_ARENA_INIT;
	struct piece *pieces = disagg_arena_array(&arena, tree->count + 1, sizeof(*pieces));
	size_t count = 0;
	int rc = 0;

	if (!pieces)
		return disagg_err_nomem(err);
	for (size_t i = 0; i < tree->count; i++) {
		if (!is_piece(tree->file[i].name, file, &pieces[count]))
			continue;
		if (tree->file[i].refused) {
			pack_miss(run, tree->file[i].name, tree->file[i].refused);
			continue;
		}
		pieces[count].size =
			tree->file[i].size < PIECE_BYTES ? tree->file[i].size : PIECE_BYTES;
		count++;
	}
	if (count > 0)
		rc = put_pieces(run, file, pieces, count, err);
	disagg_arena_release(&arena);
	return rc;
}

int pack_members(struct pack_run *run, struct disagg_err *err)
{
	if (put_output(run, err) != 0 || put_tree(run, err) != 0)
		return -1;
	for (const struct disagg_machine_source *source = disagg_machine_sources; source->file;
		source++)
		if (put_source(run, source->file, err) != 0)
			return -1;
	return put_source(run, "kernel.txt", err);
}
