/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/diag/kmsg.h"

#include "lib/base/fd.h"
#include "lib/base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEVICE	"/dev/kmsg"
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Overwritten records are told one at a time: a reader that is slower than the
 * writers ends here. */
#define MOST_LOST 1000u

static double clock_s(clockid_t id)
{
	struct timespec now = {0};

	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_boot_id(char *ret, size_t size)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ret, size - 1);

	ret[got > 0 ? (size_t)got : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

static int open_device(struct disagg_kmsg *log, struct disagg_err *err)
{
	log->fd = open(DEVICE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd >= 0)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return disagg_err_set(err, DISAGG_MISSING,
			"cannot read '" DEVICE "': it takes root or CAP_SYSLOG "
			"(kernel.dmesg_restrict)");
	disagg_err_sys(err, "cannot open '" DEVICE "'");
	if (err)
		err->code = DISAGG_MISSING;
	return -1;
}

int disagg_kmsg_open(struct disagg_kmsg *log, struct disagg_arena *arena, const char *path,
	struct disagg_err *err)
{
	char *bytes;
	size_t len;

	log->fd = -1;
	log->at = log->end = NULL;
	log->from_seq = log->next_seq = 0;
	log->foreign = log->lost = 0;
	log->offset_s = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_MONOTONIC);
	read_boot_id(log->boot_id, sizeof(log->boot_id));
	if (!path)
		return open_device(log, err);
	if (disagg_fd_read_file(arena, path, DISAGG_KMSG_FILE_MAX, &bytes, &len, err)) {
		if (err && err->code == DISAGG_CONFIG)
			err->code = DISAGG_MISSING;
		return -1;
	}
	log->at = bytes;
	log->end = bytes + len;
	return 0;
}

void disagg_kmsg_close(struct disagg_kmsg *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	log->at = log->end = NULL;
}

void disagg_kmsg_seek(struct disagg_kmsg *log, const struct disagg_kmsg_cursor *cursor)
{
	if (log->boot_id[0] && strcmp(log->boot_id, cursor->boot_id) == 0)
		log->from_seq = log->next_seq = cursor->seq;
}

void disagg_kmsg_tell(const struct disagg_kmsg *log, struct disagg_kmsg_cursor *ret)
{
	memcpy(ret->boot_id, log->boot_id, sizeof(ret->boot_id));
	ret->seq = log->next_seq;
}

/* ---- one record ---- */

/* The digits at *at, which then stands behind them and the byte `behind`. */
static bool take_number(const char **at, const char *end, char behind, uint64_t *ret)
{
	const char *from = *at, *to = from;
	char digits[24];
	int64_t value;

	while (to < end && *to >= '0' && *to <= '9' && to - from < 20)
		to++;
	if (to == from || to == end || *to != behind)
		return false;
	memcpy(digits, from, (size_t)(to - from));
	digits[to - from] = '\0';
	if (disagg_num_int(digits, 0, INT64_MAX, &value))
		return false;
	*ret = (uint64_t)value;
	*at = to + 1;
	return true;
}

enum form { RECORD, FOREIGN, NO_RECORD };

static enum form set_priority(uint64_t number, struct disagg_kmsg_record *ret)
{
	ret->priority = (int)(number & 7);
	ret->from_kernel = true;
	return number >> 3 ? FOREIGN : RECORD;
}

/* "6,12,345678,-[,caller=T1];text" */
static enum form read_kmsg(const struct disagg_kmsg *log, const char *at, const char *end,
	struct disagg_kmsg_record *ret)
{
	const char *text = memchr(at, ';', (size_t)(end - at));
	uint64_t number, microseconds;

	if (!text || !take_number(&at, text, ',', &number) ||
		!take_number(&at, text, ',', &ret->seq) ||
		!take_number(&at, text, ',', &microseconds))
		return NO_RECORD;
	ret->has_time = true;
	ret->time_s = (double)microseconds / 1e6 + log->offset_s;
	ret->text = text + 1;
	ret->len = (size_t)(end - ret->text);
	return set_priority(number, ret);
}

/* "[    0.345678] " at *at */
static void read_stamp(const struct disagg_kmsg *log, const char **at, const char *end,
	struct disagg_kmsg_record *ret)
{
	const char *from = *at + 1, *to;
	char text[32];
	double seconds;

	if (*at == end || **at != '[')
		return;
	while (from < end && *from == ' ')
		from++;
	to = memchr(from, ']', (size_t)(end - from));
	if (!to || (size_t)(to - from) >= sizeof(text))
		return;
	memcpy(text, from, (size_t)(to - from));
	text[to - from] = '\0';
	if (disagg_num_real(text, &seconds))
		return;
	ret->has_time = true;
	ret->time_s = seconds + log->offset_s;
	*at = to + 1 + (to + 1 < end && to[1] == ' ');
}

/* What dmesg prints: "<6>[    0.345678] text", or less of it. */
static enum form read_dmesg(const struct disagg_kmsg *log, const char *at, const char *end,
	struct disagg_kmsg_record *ret)
{
	enum form form = RECORD;
	const char *behind = at + 1;
	uint64_t number;

	ret->priority = -1;
	if (at < end && *at == '<' && take_number(&behind, end, '>', &number)) {
		form = set_priority(number, ret);
		at = behind;
	}
	read_stamp(log, &at, end, ret);
	ret->text = at;
	ret->len = (size_t)(end - at);
	return form;
}

/* The next line of a file, without the lines of a record's dictionary. */
static bool next_line(struct disagg_kmsg *log, const char **ret_end)
{
	const char *end;
	size_t len;

	while (log->at < log->end && (*log->at == ' ' || *log->at == '\n')) {
		end = memchr(log->at, '\n', (size_t)(log->end - log->at));
		log->at = end ? end + 1 : log->end;
	}
	if (log->at == log->end)
		return false;
	end = memchr(log->at, '\n', (size_t)(log->end - log->at));
	end = end ? end : log->end;
	len = (size_t)(end - log->at);
	len = len < DISAGG_KMSG_RECORD_MAX ? len : DISAGG_KMSG_RECORD_MAX;
	memcpy(log->record, log->at, len);
	*ret_end = log->record + len;
	log->at = end < log->end ? end + 1 : end;
	return true;
}

/* 1: a record is in log->record, 0: no more */
static int next_read(struct disagg_kmsg *log, const char **ret_end, struct disagg_err *err)
{
	for (;;) {
		ssize_t got = read(log->fd, log->record, DISAGG_KMSG_RECORD_MAX);
		const char *line;

		if (got > 0) {
			line = memchr(log->record, '\n', (size_t)got);
			*ret_end = line ? line : log->record + got;
			return 1;
		}
		if (got == 0 || errno == EAGAIN)
			return 0;
		if (errno == EPIPE && ++log->lost > MOST_LOST)
			return disagg_err_set(err, DISAGG_SYSTEM,
				"the kernel log is written faster than it can be read");
		if (errno != EPIPE && errno != EINTR)
			return disagg_err_sys(err, "cannot read '" DEVICE "'");
	}
}

int disagg_kmsg_next(
	struct disagg_kmsg *log, struct disagg_kmsg_record *ret, struct disagg_err *err)
{
	for (;;) {
		struct disagg_kmsg_record record = {0};
		const char *end = NULL;
		enum form form;

		if (log->fd < 0) {
			if (!next_line(log, &end))
				return 0;
		} else {
			int got = next_read(log, &end, err);

			if (got <= 0)
				return got;
		}
		log->record[end - log->record] = '\0';
		form = read_kmsg(log, log->record, end, &record);
		if (form == NO_RECORD && log->fd < 0) {
			record = (struct disagg_kmsg_record){.seq = log->next_seq};
			form = read_dmesg(log, log->record, end, &record);
		}
		if (form != NO_RECORD && record.seq >= log->next_seq)
			log->next_seq = record.seq + 1;
		if (form == NO_RECORD || record.seq < log->from_seq)
			continue;
		if (form == FOREIGN) {
			log->foreign++;
			continue;
		}
		*ret = record;
		return 1;
	}
}
