/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host/http.h"

#include "lib/base/strbuf.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_CONNECTIONS 1024u
#define DEFAULT_CONNECT_MS  2000u
#define DEFAULT_TIMEOUT_MS  5000u
#define DEFAULT_BODY	    (1024u * 1024u)
#define HEADER_LIMIT	    (64u * 1024u) /* of one answer, all lines together */
#define KEPT_BODY	    (64u * 1024u) /* a larger buffer is not kept for the next one */
#define MOST_WATCHED	    8
#define MOST_EVENTS	    64

/* The upper half of epoll's data; the lower half is the fd. */
enum tag { TAG_CURL = 1, TAG_GREETING };

/* One request, from disagg_http_add to its on_done. */
struct exchange {
	struct exchange *next, *prev;
	struct disagg_http *http;
	struct disagg_http_request ask;
	struct disagg_http_response answer;
	struct curl_slist *header;
	struct disagg_strbuf body;
	CURL *easy;
	bool is_tcp;
	int greeting_fd;
	int64_t deadline_ns; /* of the greeting; before, curl keeps the time */
	size_t header_bytes;
	const char *broken; /* why this side ended it */
	char text[96];	    /* what answer.error points at, where it is made up */
	char copies[];	    /* the URL and the body */
};

struct list {
	struct exchange *first, *last;
	unsigned count;
};

struct disagg_http {
	CURLM *multi;
	int epoll_fd;
	unsigned connections;
	struct list waiting, active;
	unsigned greetings; /* of the active ones */
	CURL **spare;
	unsigned spare_count;
	int64_t timer_ns; /* when curl wants to be called; INT64_MAX: never */
	int watched[MOST_WATCHED];
	unsigned watched_count;
	bool stirred; /* a callback was called, or a watched fd is readable */
	bool closing;
};

int64_t disagg_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- lists ---- */

static void list_add(struct list *list, struct exchange *exchange)
{
	exchange->next = NULL;
	exchange->prev = list->last;
	if (list->last)
		list->last->next = exchange;
	else
		list->first = exchange;
	list->last = exchange;
	list->count++;
}

static void list_remove(struct list *list, struct exchange *exchange)
{
	if (exchange->prev)
		exchange->prev->next = exchange->next;
	else
		list->first = exchange->next;
	if (exchange->next)
		exchange->next->prev = exchange->prev;
	else
		list->last = exchange->prev;
	list->count--;
}

/* ---- what curl calls ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
	struct disagg_http *http = context;
	struct epoll_event event = {
		.data.u64 = (uint64_t)TAG_CURL << 32 | (uint32_t)fd,
	};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	if (what != CURL_POLL_OUT)
		event.events |= EPOLLIN;
	if (what != CURL_POLL_IN)
		event.events |= EPOLLOUT;
	if (epoll_ctl(http->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event)) {
		/* the number may be another socket's by now */
		int other = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

		if (epoll_ctl(http->epoll_fd, other, fd, &event))
			return -1;
	}
	curl_multi_assign(http->multi, fd, http);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct disagg_http *http = context;

	(void)multi;
	http->timer_ns = INT64_MAX;
	if (timeout_ms >= 0)
		http->timer_ns = disagg_monotonic_ns() + (int64_t)timeout_ms * 1000000;
	return 0;
}

/* Children of this process inherit no connection. */
static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)context;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The length that is not `len` ends the transfer. */
static size_t refuse(struct exchange *exchange, const char *why, size_t len)
{
	exchange->broken = why;
	return len ? 0 : 1;
}

static bool is_header(const char *line, size_t len, const char *name)
{
	size_t size = strlen(name);

	return len > size && line[size] == ':' && strncasecmp(line, name, size) == 0;
}

static size_t on_header(char *bytes, size_t one, size_t len, void *context)
{
	struct exchange *exchange = context;
	const char *mark = exchange->ask.mark;

	if (mark && is_header(bytes, len, mark))
		exchange->answer.marked = true;
	if (!exchange->answer.first_byte_ns)
		exchange->answer.first_byte_ns = disagg_monotonic_ns();
	exchange->header_bytes += len;
	if (exchange->header_bytes > HEADER_LIMIT)
		return refuse(exchange, "the answer's headers have no end", len);
	return one * len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *context)
{
	struct exchange *exchange = context;
	const struct disagg_http_request *ask = &exchange->ask;

	if (ask->on_data) {
		exchange->http->stirred = true;
		if (ask->on_data(ask->context, bytes, one * len, disagg_monotonic_ns()))
			return refuse(exchange, "ended by the reader", len);
		return one * len;
	}
	if (exchange->body.len + len > ask->body_limit) {
		snprintf(exchange->text, sizeof(exchange->text), "the body has more than %zu bytes",
			ask->body_limit);
		return refuse(exchange, exchange->text, len);
	}
	disagg_strbuf_add(&exchange->body, bytes, len);
	if (exchange->body.failed)
		return refuse(exchange, "out of memory for the body", len);
	return one * len;
}

/* ---- open and close ---- */

static int open_parts(struct disagg_http *http, struct disagg_err *err)
{
	http->multi = curl_multi_init();
	http->spare = disagg_raw_realloc(NULL, http->connections * sizeof(CURL *));
	if (!http->multi || !http->spare)
		return disagg_err_nomem(err);
	http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (http->epoll_fd < 0)
		return disagg_err_sys(err, "cannot make an epoll descriptor");
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->connections);
	return 0;
}

int disagg_http_open(struct disagg_http **ret, unsigned connections, struct disagg_err *err)
{
	struct disagg_http *http = disagg_raw_realloc(NULL, sizeof(*http));

	if (!http)
		return disagg_err_nomem(err);
	*http = (struct disagg_http){
		.epoll_fd = -1,
		.connections = connections ? connections : DEFAULT_CONNECTIONS,
		.timer_ns = INT64_MAX,
	};
	if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
		free(http);
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot start libcurl");
	}
	if (open_parts(http, err)) {
		disagg_http_close(http);
		return -1;
	}
	*ret = http;
	return 0;
}

static void free_exchange(struct exchange *exchange)
{
	curl_slist_free_all(exchange->header);
	disagg_strbuf_release(&exchange->body);
	free(exchange);
}

/* The easy handle goes back for the next request: its allocations stay. */
static void put_back(struct disagg_http *http, struct exchange *exchange)
{
	if (exchange->easy) {
		curl_multi_remove_handle(http->multi, exchange->easy);
		http->spare[http->spare_count++] = exchange->easy;
		exchange->easy = NULL;
	}
	if (exchange->greeting_fd >= 0) {
		close(exchange->greeting_fd);
		exchange->greeting_fd = -1;
		http->greetings--;
	}
}

/* The exchange is on no list when its owner hears of it, who may add another. */
static void finish(
	struct disagg_http *http, struct list *list, struct exchange *exchange, const char *error)
{
	struct disagg_http_response *answer = &exchange->answer;

	put_back(http, exchange);
	list_remove(list, exchange);
	answer->error = error;
	answer->body = exchange->body.text;
	answer->len = exchange->body.len;
	answer->done_ns = disagg_monotonic_ns();
	http->stirred = true;
	if (exchange->ask.on_done)
		exchange->ask.on_done(exchange->ask.context, answer);
	free_exchange(exchange);
}

void disagg_http_close(struct disagg_http *http)
{
	if (!http)
		return;
	http->closing = true;
	while (http->waiting.first)
		finish(http, &http->waiting, http->waiting.first, "cancelled");
	while (http->active.first)
		finish(http, &http->active, http->active.first, "cancelled");
	while (http->spare_count)
		curl_easy_cleanup(http->spare[--http->spare_count]);
	free(http->spare);
	if (http->multi)
		curl_multi_cleanup(http->multi);
	if (http->epoll_fd >= 0)
		close(http->epoll_fd);
	free(http);
	curl_global_cleanup();
}

/* ---- adding ---- */

static int copy_headers(struct exchange *exchange, const struct disagg_http_request *request)
{
	/* an empty Expect keeps curl from waiting for "100 Continue" */
	static const char *const of_post[] = {"Content-Type: application/json", "Expect:", NULL};
	const char *const *lists[] = {request->body ? of_post : NULL, request->header};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		for (const char *const *line = lists[i]; line && *line; line++) {
			struct curl_slist *longer = curl_slist_append(exchange->header, *line);

			if (!longer)
				return -1;
			exchange->header = longer;
		}
	}
	return 0;
}

static void fill_defaults(struct disagg_http_request *ask)
{
	if (!ask->connect_timeout_ms)
		ask->connect_timeout_ms = DEFAULT_CONNECT_MS;
	if (!ask->timeout_ms)
		ask->timeout_ms = DEFAULT_TIMEOUT_MS;
	if (!ask->body_limit)
		ask->body_limit = DEFAULT_BODY;
}

static struct exchange *copy_request(
	struct disagg_http *http, const struct disagg_http_request *request, bool is_tcp)
{
	const char *scheme = is_tcp ? "http" : "";
	const char *url = is_tcp ? request->url + 3 : request->url;
	size_t url_size = strlen(scheme) + strlen(url) + 1;
	size_t body_size = request->body ? strlen(request->body) + 1 : 0;
	struct exchange *exchange =
		disagg_raw_realloc(NULL, sizeof(*exchange) + url_size + body_size);

	if (!exchange)
		return NULL;
	*exchange = (struct exchange){
		.http = http, .ask = *request, .is_tcp = is_tcp, .greeting_fd = -1};
	snprintf(exchange->copies, url_size, "%s%s", scheme, url);
	exchange->ask.url = exchange->copies;
	if (request->body)
		exchange->ask.body = memcpy(exchange->copies + url_size, request->body, body_size);
	fill_defaults(&exchange->ask);
	disagg_strbuf_init(&exchange->body, exchange->ask.body_limit + 1);
	if (copy_headers(exchange, request) == 0)
		return exchange;
	free_exchange(exchange);
	return NULL;
}

int disagg_http_add(
	struct disagg_http *http, const struct disagg_http_request *request, struct disagg_err *err)
{
	const char *url = request->url ? request->url : "";
	bool is_tcp = strncasecmp(url, "tcp://", 6) == 0;
	struct exchange *exchange;

	if (http->closing)
		return disagg_err_set(err, DISAGG_SYSTEM, "cannot ask '%s': it is closing", url);
	if (!is_tcp && strncasecmp(url, "http://", 7) != 0)
		return disagg_err_set(
			err, DISAGG_USAGE, "cannot ask '%s': expected http:// or tcp://", url);
	exchange = copy_request(http, request, is_tcp);
	if (!exchange)
		return disagg_err_nomem(err);
	list_add(&http->waiting, exchange);
	return 0;
}

/* ---- starting ---- */

/* What is the same for all; set once, when the handle is new. */
static CURL *new_easy(void)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
	/* nodes keep their addresses; any other age walks the whole cache each time */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	return easy;
}

/* What one request is; all of it is set each time, as the handle is used again. */
static void set_request(CURL *easy, struct exchange *exchange)
{
	const struct disagg_http_request *ask = &exchange->ask;

	curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	if (ask->body) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, ask->body);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(ask->body));
	}
	curl_easy_setopt(easy, CURLOPT_URL, ask->url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->header);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)ask->connect_timeout_ms);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ask->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, exchange->is_tcp ? 1L : 0L);
	/* a bare connection is never used again, but is there until its end is seen */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, ask->close && !exchange->is_tcp ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
}

static void start_one(struct disagg_http *http, struct exchange *exchange)
{
	CURL *easy = http->spare_count ? http->spare[--http->spare_count] : new_easy();

	list_remove(&http->waiting, exchange);
	list_add(&http->active, exchange);
	exchange->answer.started_ns = disagg_monotonic_ns();
	if (!easy) {
		finish(http, &http->active, exchange, "out of memory");
		return;
	}
	set_request(easy, exchange);
	if (curl_multi_add_handle(http->multi, easy)) {
		http->spare[http->spare_count++] = easy;
		finish(http, &http->active, exchange, "out of memory");
		return;
	}
	exchange->easy = easy;
}

static void start_waiting(struct disagg_http *http)
{
	while (http->waiting.first && http->active.count < http->connections)
		start_one(http, http->waiting.first);
}

/* ---- ending ---- */

static const struct {
	CURLcode code;
	const char *text;
} told[] = {
	{CURLE_URL_MALFORMAT, "the URL is malformed"},
	{CURLE_UNSUPPORTED_PROTOCOL, "the answer is not HTTP"}, /* HTTP/0.9 */
	{CURLE_WEIRD_SERVER_REPLY, "the answer is not HTTP"},
	{CURLE_COULDNT_RESOLVE_HOST, "the host name does not resolve"},
	{CURLE_GOT_NOTHING, "closed without an answer"},
	{CURLE_PARTIAL_FILE, "the body ended early"},
	{CURLE_RECV_ERROR, "the connection broke"},
	{CURLE_SEND_ERROR, "the connection broke"},
	{CURLE_OUT_OF_MEMORY, "out of memory"},
};

static const char *connect_error(struct exchange *exchange)
{
	long sys = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &sys);
	exchange->answer.refused = sys == ECONNREFUSED;
	if (exchange->answer.refused)
		return "connection refused";
	if (!sys)
		return "cannot connect";
	snprintf(exchange->text, sizeof(exchange->text), "cannot connect: %s", strerror((int)sys));
	return exchange->text;
}

static const char *timeout_error(const struct exchange *exchange)
{
	curl_off_t connected_us = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
	return connected_us ? "timed out" : "timed out while connecting";
}

static const char *error_of(struct exchange *exchange, CURLcode code)
{
	if (exchange->broken)
		return exchange->broken;
	if (code == CURLE_OK)
		return NULL;
	if (code == CURLE_COULDNT_CONNECT)
		return connect_error(exchange);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return timeout_error(exchange);
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		if (told[i].code == code)
			return told[i].text;
	}
	snprintf(exchange->text, sizeof(exchange->text), "%s", curl_easy_strerror(code));
	return exchange->text;
}

/* The connection stays open under a descriptor of ours; curl closes its own.
 * -1: errno. */
static int await_greeting(struct disagg_http *http, struct exchange *exchange)
{
	struct epoll_event event = {.events = EPOLLIN};
	curl_socket_t socket = CURL_SOCKET_BAD;
	int fd;

	curl_easy_getinfo(exchange->easy, CURLINFO_ACTIVESOCKET, &socket);
	fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	event.data.u64 = (uint64_t)TAG_GREETING << 32 | (uint32_t)fd;
	if (epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		return -1;
	}
	put_back(http, exchange);
	exchange->greeting_fd = fd;
	exchange->deadline_ns =
		exchange->answer.started_ns + (int64_t)exchange->ask.timeout_ms * 1000000;
	http->greetings++;
	return 0;
}

/* On the loopback a port nobody listens at can be the one that the kernel picks
 * for this end: the socket is then connected to itself. */
static bool is_own_echo(CURL *easy)
{
	char *here = NULL, *there = NULL;
	long local = 0, remote = 0;

	curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &local);
	curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &remote);
	if (!local || local != remote)
		return false;
	curl_easy_getinfo(easy, CURLINFO_LOCAL_IP, &here);
	curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &there);
	return here && there && strcmp(here, there) == 0;
}

static void end_transfer(struct disagg_http *http, CURL *easy, CURLcode code)
{
	struct exchange *exchange = NULL;
	const char *error;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	error = error_of(exchange, code);
	if (is_own_echo(easy)) {
		exchange->answer.refused = true;
		error = "connection refused";
	}
	exchange->answer.status = (int)status;
	exchange->answer.connected = exchange->is_tcp && !error;
	if (exchange->answer.connected && exchange->ask.greeting) {
		if (await_greeting(http, exchange) == 0)
			return;
		error = "cannot listen to the connection";
	}
	finish(http, &http->active, exchange, error);
}

static void end_transfers(struct disagg_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		if (message->msg == CURLMSG_DONE)
			end_transfer(http, message->easy_handle, message->data.result);
	}
}

/* ---- greetings ---- */

static void read_greeting(struct disagg_http *http, struct exchange *exchange)
{
	size_t wanted = exchange->ask.greeting - exchange->body.len;
	char bytes[256];
	ssize_t got = recv(exchange->greeting_fd, bytes,
		wanted < sizeof(bytes) ? wanted : sizeof(bytes), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(http, &http->active, exchange, got ? "the connection broke" : "closed");
		return;
	}
	if (!exchange->answer.first_byte_ns)
		exchange->answer.first_byte_ns = disagg_monotonic_ns();
	disagg_strbuf_add(&exchange->body, bytes, (size_t)got);
	if (exchange->body.failed || exchange->body.len >= exchange->ask.greeting)
		finish(http, &http->active, exchange,
			exchange->body.failed ? "out of memory" : NULL);
}

static void greeting_event(struct disagg_http *http, int fd)
{
	for (struct exchange *at = http->active.first; at; at = at->next) {
		if (at->greeting_fd == fd) {
			read_greeting(http, at);
			return;
		}
	}
}

/* The next of their deadlines; what is over its own ends. */
static int64_t end_silent(struct disagg_http *http, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;
	struct exchange *after;

	if (!http->greetings)
		return next_ns;
	for (struct exchange *at = http->active.first; at; at = after) {
		after = at->next;
		if (at->greeting_fd < 0)
			continue;
		if (at->deadline_ns <= now_ns)
			finish(http, &http->active, at, "timed out");
		else if (at->deadline_ns < next_ns)
			next_ns = at->deadline_ns;
	}
	return next_ns;
}

/* ---- running ---- */

static int milliseconds_until(int64_t when_ns, int64_t now_ns)
{
	int64_t left_ns = when_ns - now_ns;

	if (left_ns <= 0)
		return 0;
	if (left_ns > (int64_t)60 * 1000000000)
		return 60 * 1000;
	return (int)((left_ns + 999999) / 1000000);
}

/* How long to sleep; 0 also when a watched fd has something. */
static int wait_watched(struct disagg_http *http, int timeout_ms)
{
	struct pollfd slot[MOST_WATCHED + 1] = {{.fd = http->epoll_fd, .events = POLLIN}};

	if (!http->watched_count)
		return timeout_ms;
	for (unsigned i = 0; i < http->watched_count; i++)
		slot[i + 1] = (struct pollfd){.fd = http->watched[i], .events = POLLIN};
	if (poll(slot, http->watched_count + 1, timeout_ms) > 0) {
		for (unsigned i = 0; i < http->watched_count; i++) {
			if (slot[i + 1].revents)
				http->stirred = true;
		}
	}
	return 0;
}

static int dispatch(struct disagg_http *http, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	int mask = 0, running;

	if (event->data.u64 >> 32 == TAG_GREETING) {
		greeting_event(http, fd);
		return 0;
	}
	if (event->events & EPOLLIN)
		mask |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		mask |= CURL_CSELECT_OUT;
	if (event->events & (EPOLLERR | EPOLLHUP))
		mask |= CURL_CSELECT_ERR;
	return curl_multi_socket_action(http->multi, fd, mask, &running) ? -1 : 0;
}

static int run_timer(struct disagg_http *http)
{
	int running;

	if (http->timer_ns > disagg_monotonic_ns())
		return 0;
	http->timer_ns = INT64_MAX;
	return curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running) ? -1 : 0;
}

/* One sleep and what woke it. */
static int turn(struct disagg_http *http, int64_t end_ns)
{
	struct epoll_event event[MOST_EVENTS];
	int64_t now_ns = disagg_monotonic_ns(), wake_ns = end_silent(http, now_ns);
	int timeout_ms, count, failed = 0;

	if (http->timer_ns < wake_ns)
		wake_ns = http->timer_ns;
	if (end_ns < wake_ns)
		wake_ns = end_ns;
	timeout_ms = http->stirred ? 0 : milliseconds_until(wake_ns, now_ns);
	timeout_ms = wait_watched(http, timeout_ms);
	count = epoll_wait(http->epoll_fd, event, MOST_EVENTS, timeout_ms);
	if (count < 0 && errno != EINTR)
		return -1;
	for (int i = 0; i < count; i++)
		failed |= dispatch(http, &event[i]);
	failed |= run_timer(http);
	end_transfers(http);
	return failed;
}

int disagg_http_run(struct disagg_http *http, int timeout_ms, struct disagg_err *err)
{
	int64_t end_ns = INT64_MAX;

	if (timeout_ms >= 0)
		end_ns = disagg_monotonic_ns() + (int64_t)timeout_ms * 1000000;
	http->stirred = false;
	do {
		start_waiting(http);
		if (turn(http, end_ns))
			return disagg_err_set(
				err, DISAGG_SYSTEM, "the event loop of libcurl failed");
	} while (!http->stirred && disagg_monotonic_ns() < end_ns);
	/* what callbacks added goes out now, not at the next call */
	start_waiting(http);
	return (int)(http->waiting.count + http->active.count);
}

void disagg_http_watch(struct disagg_http *http, const int *fds)
{
	http->watched_count = 0;
	while (fds && http->watched_count < MOST_WATCHED && *fds >= 0)
		http->watched[http->watched_count++] = *fds++;
}
