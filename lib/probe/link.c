/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/link.h"

#include "lib/base/num.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_VERB 16u

void disagg_link_open(struct disagg_link *link, int fd, size_t limit)
{
	*link = (struct disagg_link){.fd = fd, .in = {.limit = limit ? limit : DISAGG_LINK_LINE}};
	disagg_strbuf_init(&link->out, DISAGG_LINK_QUEUE);
}

void disagg_link_close(struct disagg_link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	disagg_lines_release(&link->in);
	disagg_strbuf_release(&link->out);
	link->sent = 0;
}

int disagg_link_fill(struct disagg_link *link, struct disagg_err *err)
{
	if (link->fd < 0)
		return disagg_err_set(err, DISAGG_DIED, "the connection is closed");
	switch (disagg_lines_fill(&link->in, link->fd)) {
	case DISAGG_LINES_END:
		return disagg_err_set(err, DISAGG_DIED, "the connection has ended");
	case DISAGG_LINES_FULL:
		return disagg_err_set(
			err, DISAGG_DIED, "a message is longer than %zu bytes", link->in.limit);
	default:
		return 0;
	}
}

int disagg_link_next(struct disagg_link *link, struct disagg_message *ret, struct disagg_err *err)
{
	size_t len, verb_len;
	char *line = disagg_lines_next(&link->in, &len), *number, *body;
	int64_t value;

	if (!line)
		return 0;
	verb_len = strcspn(line, " ");
	number = line + verb_len + 1;
	if (strlen(line) != len || verb_len == 0 || verb_len > MOST_VERB || verb_len == len)
		return disagg_err_set(err, DISAGG_INVALID, "a line that is no message");
	line[verb_len] = '\0';
	body = number + strcspn(number, " ");
	if (*body)
		*body++ = '\0';
	if (disagg_num_int(number, 0, INT64_MAX, &value))
		return disagg_err_set(err, DISAGG_INVALID, "a message without a number");
	*ret = (struct disagg_message){.verb = line,
		.number = (uint64_t)value,
		.body = body,
		.len = len - (size_t)(body - line)};
	return 1;
}

int disagg_link_flush(struct disagg_link *link)
{
	ssize_t put;

	while (link->fd >= 0 && link->sent < link->out.len) {
		put = send(link->fd, link->out.text + link->sent, link->out.len - link->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		link->sent += (size_t)put;
	}
	if (link->out.failed || link->fd < 0)
		return -1;
	disagg_strbuf_release(&link->out);
	disagg_strbuf_init(&link->out, DISAGG_LINK_QUEUE);
	link->sent = 0;
	return 0;
}

/* What is sent already makes room. */
static void compact(struct disagg_link *link)
{
	if (link->sent < link->out.len / 2 || link->sent == 0)
		return;
	memmove(link->out.text, link->out.text + link->sent, link->out.len - link->sent + 1);
	link->out.len -= link->sent;
	link->sent = 0;
}

int disagg_link_send(
	struct disagg_link *link, const char *verb, uint64_t number, const char *body, size_t len)
{
	if (link->fd < 0)
		return -1;
	compact(link);
	disagg_strbuf_printf(&link->out, "%s %llu ", verb, (unsigned long long)number);
	disagg_strbuf_add(&link->out, body, len);
	disagg_strbuf_putc(&link->out, '\n');
	if (link->out.failed)
		return -1;
	return disagg_link_flush(link);
}

size_t disagg_link_queued(const struct disagg_link *link)
{
	return link->out.len - link->sent;
}
