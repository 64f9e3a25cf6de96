/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG		 1024
#define MOST_CONNECTIONS 8192u
#define POOL_BYTES	 8192u /* a connection's: bounds what headers may take */
#define IDLE_S		 60u
#define BLOCK_BYTES	 4096u

struct request {
	struct sim_call call; /* first: a call is its request */
	struct sim_server *server;
	struct MHD_Connection *connection;
	struct request *next, *previous;
	struct disagg_strbuf in, out;
	size_t sent; /* of out */
	struct MHD_Response *response;
	unsigned status;
	bool is_large, handed, inside; /* inside: the handler runs */
	bool answered, suspended, ended, whole;
};

struct sim_server {
	struct MHD_Daemon *daemon;
	sim_handler *handler;
	void *context;
	struct request *first;
	unsigned calls;
	int epoll_fd;
	bool quiet;
};

static int bind_one(const struct addrinfo *address)
{
	int one = 1, keep;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	keep = errno;
	close(fd);
	errno = keep;
	return -1;
}

int sim_bind(const char *host, uint16_t port, int *ret_fd, struct disagg_err *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list;
	char service[8];
	int result, fd = -1;

	snprintf(service, sizeof(service), "%u", port);
	result = getaddrinfo(host, service, &hints, &list);
	if (result)
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot listen on '%s:%u': %s", host,
			port, gai_strerror(result));
	for (struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		fd = bind_one(at);
	freeaddrinfo(list);
	if (fd < 0)
		return disagg_err_sys(err, "cannot listen on '%s:%u'", host, port);
	*ret_fd = fd;
	return 0;
}

uint16_t sim_bound_port(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size))
		return 0;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int sim_listen(int fd, struct disagg_err *err)
{
	if (listen(fd, BACKLOG) == 0)
		return 0;
	return disagg_err_sys(err, "cannot listen on port %u", sim_bound_port(fd));
}

static struct request *request_new(struct sim_server *server, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->server = server;
	request->connection = connection;
	disagg_strbuf_init(&request->in, SIM_MAX_BODY + 1);
	disagg_strbuf_init(&request->out, SIM_MAX_STREAM);
	request->next = server->first;
	if (server->first)
		server->first->previous = request;
	server->first = request;
	server->calls++;
	return request;
}

static void request_free(struct request *request)
{
	struct sim_server *server = request->server;

	if (request->previous)
		request->previous->next = request->next;
	else
		server->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	server->calls--;
	if (request->response)
		MHD_destroy_response(request->response);
	disagg_strbuf_release(&request->in);
	disagg_strbuf_release(&request->out);
	free(request);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode why)
{
	struct request *request = *state;

	(void)context;
	(void)connection;
	(void)why;
	*state = NULL;
	if (!request)
		return;
	if (request->call.on_gone)
		request->call.on_gone(request->call.context);
	request_free(request);
}

static enum MHD_Result send_response(struct request *request)
{
	struct MHD_Response *response = request->response;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, "X-Disagg-Simulation", "1");
	return MHD_queue_response(request->connection, request->status, response);
}

static bool declares_large(struct MHD_Connection *connection)
{
	const char *text =
		MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
	int64_t size;

	return text && (disagg_num_int(text, 0, INT64_MAX, &size) < 0 || size > SIM_MAX_BODY);
}

static enum MHD_Result take_upload(struct request *request, const char *bytes, size_t *size)
{
	/* one who sends without end loses the connection */
	if (request->in.failed && request->sent++ > SIM_MAX_BODY / POOL_BYTES)
		return MHD_NO;
	disagg_strbuf_add(&request->in, bytes, *size);
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result hand_over(struct request *request)
{
	request->handed = true;
	request->sent = 0;
	request->call.body = request->in.text;
	request->call.len = request->in.len;
	request->inside = true;
	if (request->is_large || request->in.failed)
		sim_call_error(&request->call, MHD_HTTP_CONTENT_TOO_LARGE,
			"the body has more than %u bytes", SIM_MAX_BODY);
	else
		request->server->handler(request->server->context, &request->call);
	request->inside = false;
	if (request->answered)
		return send_response(request);
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **state)
{
	struct request *request = *state;

	(void)version;
	if (!request) {
		request = request_new(context, connection);
		if (!request)
			return MHD_NO;
		*state = request;
		request->call.method = method;
		request->call.path = url;
		request->is_large = declares_large(connection);
		return request->is_large ? hand_over(request) : MHD_YES;
	}
	if (*upload_size)
		return take_upload(request, upload, upload_size);
	if (!request->handed)
		return hand_over(request);
	return send_response(request);
}

static ssize_t read_stream(void *context, uint64_t position, char *buf, size_t size)
{
	struct request *request = context;
	size_t left = request->out.len - request->sent;

	(void)position;
	if (request->out.failed)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (left) {
		if (left < size)
			size = left;
		memcpy(buf, request->out.text + request->sent, size);
		request->sent += size;
		if (request->sent == request->out.len) {
			disagg_strbuf_clear(&request->out);
			request->sent = 0;
		}
		return (ssize_t)size;
	}
	if (request->ended)
		return request->whole ? MHD_CONTENT_READER_END_OF_STREAM
				      : MHD_CONTENT_READER_END_WITH_ERROR;
	request->suspended = true;
	MHD_suspend_connection(request->connection);
	return 0;
}

static void wake(struct request *request)
{
	if (!request->suspended || request->inside)
		return;
	request->suspended = false;
	MHD_resume_connection(request->connection);
}

static void answer(
	struct request *request, unsigned status, struct MHD_Response *response, const char *type)
{
	request->answered = true;
	request->status = status;
	request->response = response;
	if (response && type)
		MHD_add_response_header(response, "Content-Type", type);
	wake(request);
}

void sim_call_reply(
	struct sim_call *call, unsigned status, const char *type, const char *bytes, size_t len)
{
	struct request *request = (struct request *)call;
	char *copy = malloc(len + 1);

	if (request->answered) {
		free(copy);
		return;
	}
	if (!copy) {
		answer(request, 0, NULL, NULL);
		return;
	}
	memcpy(copy, bytes, len);
	answer(request, status, MHD_create_response_from_buffer(len, copy, MHD_RESPMEM_MUST_FREE),
		type);
}

void sim_call_json(struct sim_call *call, unsigned status, struct disagg_strbuf *body)
{
	sim_call_reply(
		call, body->failed ? 500 : status, "application/json", body->text, body->len);
	disagg_strbuf_release(body);
}

void sim_call_error(struct sim_call *call, unsigned status, const char *fmt, ...)
{
	struct disagg_strbuf body;
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	disagg_strbuf_init(&body, 0);
	disagg_strbuf_puts(&body, "{\"object\":\"error\",\"message\":");
	disagg_strbuf_json(&body, text);
	disagg_strbuf_printf(&body, ",\"code\":%u}", status);
	sim_call_json(call, status, &body);
}

void sim_call_stream(struct sim_call *call, const char *bytes, size_t len)
{
	struct request *request = (struct request *)call;

	disagg_strbuf_add(&request->out, bytes, len);
	if (request->answered) {
		wake(request);
		return;
	}
	answer(request, 200,
		MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, request, NULL),
		"text/event-stream");
}

void sim_call_end(struct sim_call *call, bool whole)
{
	struct request *request = (struct request *)call;

	request->ended = true;
	request->whole = whole;
	wake(request);
}

int sim_server_open(struct sim_server **ret, int fd, sim_handler *handler, void *context,
	struct disagg_err *err)
{
	struct sim_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;

	if (!server || sim_listen(fd, err) < 0) {
		close(fd);
		if (!server)
			disagg_err_nomem(err);
		free(server);
		return -1;
	}
	server->handler = handler;
	server->context = context;
	server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_SUSPEND_RESUME | MHD_USE_TURBO, 0,
		NULL, NULL, on_access, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, MOST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	info = server->daemon ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
			      : NULL;
	if (!info) {
		close(fd);
		free(server);
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot start the HTTP server");
	}
	server->epoll_fd = info->epoll_fd;
	*ret = server;
	return 0;
}

int sim_server_fd(const struct sim_server *server)
{
	return server->epoll_fd;
}

int64_t sim_server_next(struct sim_server *server, int64_t now)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(server->daemon, &ms) != MHD_YES)
		return SIM_NEVER;
	return now + (int64_t)ms * 1000000;
}

void sim_server_run(struct sim_server *server)
{
	MHD_run(server->daemon);
}

void sim_server_quiesce(struct sim_server *server)
{
	int fd;

	if (server->quiet)
		return;
	server->quiet = true;
	fd = MHD_quiesce_daemon(server->daemon);
	if (fd >= 0)
		close(fd);
}

unsigned sim_server_calls(const struct sim_server *server)
{
	return server->calls;
}

void sim_server_close(struct sim_server *server)
{
	if (!server)
		return;
	/* MHD ends the process when a suspended connection is left to it */
	for (struct request *at = server->first; at; at = at->next) {
		if (!at->answered)
			sim_call_error(&at->call, 503, "the server is shutting down");
		else
			sim_call_end(&at->call, at->ended && at->whole);
	}
	MHD_run(server->daemon);
	sim_server_quiesce(server);
	MHD_stop_daemon(server->daemon);
	free(server);
}
