/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/work.h"

#include "lib/base/fd.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct host {
	const struct disagg_work *work;
	int fd;
	double since_s; /* the start, or the last record */
};

static double wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* One write, so that what other processes of the probe say is whole too. */
static void say(int fd, char kind, const char *text, size_t len)
{
	struct disagg_strbuf line;

	disagg_strbuf_init(&line, 0);
	disagg_strbuf_putc(&line, kind);
	disagg_strbuf_add(&line, text, len);
	if (line.text[line.len - 1] != '\n')
		disagg_strbuf_putc(&line, '\n');
	if (!line.failed)
		disagg_fd_write_all(fd, line.text, line.len);
	disagg_strbuf_release(&line);
}

static void emit(struct disagg_probe_run *run, const struct disagg_probe_record *given)
{
	struct host *host = run->host;
	struct disagg_probe_record record = *given;
	struct disagg_strbuf text;
	double now_s = wall_s();

	if (!record.probe)
		record.probe = host->work->probe->name;
	if (!record.node)
		record.node = run->node;
	if (record.gpu < 0 && run->gpu)
		record.gpu = run->gpu->index;
	for (size_t i = 0; i < run->gpu_count; i++) {
		if (run->gpus[i].index != record.gpu)
			continue;
		if (!record.gpu_uuid)
			record.gpu_uuid = run->gpus[i].uuid;
		if (!record.gpu_name)
			record.gpu_name = run->gpus[i].name;
		if (!record.cohort)
			record.cohort = run->gpus[i].cohort;
	}
	if (!record.cohort)
		record.cohort = record.gpu_name;
	if (record.start_s <= 0) {
		record.start_s = host->since_s;
		record.duration_ms = (now_s - host->since_s) * 1e3;
	}
	host->since_s = now_s;
	disagg_strbuf_init(&text, 0);
	disagg_probe_record_put(&text, &record);
	if (!text.failed)
		say(host->fd, 'r', text.text, text.len);
	disagg_strbuf_release(&text);
}

static void note(struct disagg_probe_run *run, const char *json)
{
	const struct host *host = run->host;

	say(host->fd, 'n', json, strcspn(json, "\n"));
}

static void say_done(int fd, const struct disagg_err *err)
{
	struct disagg_strbuf text;

	disagg_strbuf_init(&text, 0);
	disagg_strbuf_printf(&text, "%d %s", (int)err->code, err->code ? err->text : "");
	say(fd, 'd', text.text, text.len);
	disagg_strbuf_release(&text);
}

static int list_gpus(const struct disagg_work *work, int fd, struct disagg_arena *arena)
{
	struct disagg_gpu_list list = {0};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_strbuf text;

	if (work->agent->devices(arena, work->agent->options, &list, &err) != 0)
		list = (struct disagg_gpu_list){.reason = err.text};
	disagg_strbuf_init(&text, 0);
	disagg_gpu_list_put(&text, &list);
	if (!text.failed)
		say(fd, 'g', text.text, text.len);
	disagg_strbuf_release(&text);
	return 0;
}

static void probe(const struct disagg_work *work, int fd, struct disagg_arena *arena)
{
	struct host host = {.work = work, .fd = fd, .since_s = wall_s()};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_probe_run run = {
		.node = work->agent->node,
		.options = work->agent->options,
		.gpus = work->gpus->gpu,
		.gpu_count = work->gpus->count,
		.gpu = work->gpu,
		.args = work->args,
		.arena = arena,
		.emit = emit,
		.note = note,
		.host = &host,
	};

	if (work->gpu && work->probe->kind != DISAGG_PROBE_NODE)
		setenv("CUDA_VISIBLE_DEVICES", work->gpu->uuid, 1);
	if (work->probe->run(&run, &err) != 0 && err.code == DISAGG_OK)
		disagg_err_set(&err, DISAGG_SYSTEM, "it does not say why");
	say_done(fd, &err);
}

int disagg_work_run(void *context, int fd)
{
	const struct disagg_work *work = context;
	struct disagg_arena arena = DISAGG_ARENA_INIT;

	if (work->probe)
		probe(work, fd, &arena);
	else
		list_gpus(work, fd, &arena);
	return 0;
}
