/* SPDX-License-Identifier: Apache-2.0 */
#include "helpers/sim.h"
#include "lib/base/num.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Decode connects to prefill and names a request; prefill sends that request's
 * bytes and a checksum:
 *   "KV1 <request, 19 digits> <tokens, 10 digits>\n"	decode
 *   the same with "OK1", or "NO1" and the end		prefill
 *   tokens * 64 bytes, 8 bytes checksum		prefill
 * The bytes follow from the request, so decode knows each of them beforehand:
 * a byte of another request or one that is lost, doubled or changed is noticed.
 */
#define GREETING_BYTES 35u
#define WORD	       sizeof(uint64_t)
#define BLOCK_BYTES    8192u
#define DEADLINE_NS    INT64_C(10000000000)
#define OFFER_NS       INT64_C(60000000000)
#define MOST_OFFERS    8192u
#define MOST_EVENTS    64
#define HASH_START     UINT64_C(0xcbf29ce484222325)
#define HASH_FACTOR    UINT64_C(0x100000001b3)

enum stage {
	SERVE_GREETING, /* prefill reads what is asked for */
	SERVE_BYTES,
	FETCH_GREETING, /* decode connects and asks */
	FETCH_ANSWER,
	FETCH_BYTES,
};

struct link {
	struct link *next;
	int fd;
	enum stage stage;
	int64_t deadline_ns;
	uint64_t request, hash, word, words; /* word: the next one to make or to check */
	uint64_t cut_at, bend_at;	     /* faults: UINT64_MAX is never */
	unsigned char buf[BLOCK_BYTES];
	size_t start, end; /* of what is in buf */
	bool finished, ended_well;
	const char *problem;
	sim_kv_done *done;
	void *context;
};

struct offer {
	uint64_t request;
	uint32_t tokens;
	int64_t until_ns;
	struct offer *next;
};

struct sim_kv {
	int epoll_fd, listen_fd;
	struct link *first;
	struct offer *offer;
	unsigned offers;
	uint64_t bytes;
	struct sim_fault *fault;
};

static uint64_t make_word(uint64_t request, uint64_t index)
{
	uint64_t word = request + (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

	word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
	return word ^ (word >> 31);
}

static void link_end(struct link *link, const char *problem)
{
	if (link->finished)
		return;
	link->finished = true;
	link->problem = problem;
}

static struct link *link_new(struct sim_kv *kv, int fd, enum stage stage, uint32_t events)
{
	struct link *link = calloc(1, sizeof(*link));
	struct epoll_event event = {.events = events, .data.ptr = link};

	if (!link || epoll_ctl(kv->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		free(link);
		close(fd);
		return NULL;
	}
	link->fd = fd;
	link->stage = stage;
	link->deadline_ns = disagg_monotonic_ns() + DEADLINE_NS;
	link->hash = HASH_START;
	link->cut_at = link->bend_at = UINT64_MAX;
	link->next = kv->first;
	kv->first = link;
	return link;
}

static void watch(struct sim_kv *kv, struct link *link, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = link};

	if (epoll_ctl(kv->epoll_fd, EPOLL_CTL_MOD, link->fd, &event))
		link_end(link, "epoll_ctl failed");
}

static void greet(struct link *link, const char *word, uint64_t request, uint64_t words)
{
	char text[GREETING_BYTES + 1];

	snprintf(text, sizeof(text), "%.3s %019llu %010u\n", word,
		(unsigned long long)(request & INT64_MAX),
		(unsigned)(words * WORD / SIM_KV_TOKEN_BYTES));
	memcpy(link->buf, text, GREETING_BYTES);
	link->start = 0;
	link->end = GREETING_BYTES;
}

static bool read_greeting(
	struct link *link, const char *word, uint64_t *ret_request, uint32_t *ret_tokens)
{
	int64_t request, tokens;

	if (memcmp(link->buf, word, 3) != 0 || link->buf[GREETING_BYTES - 1] != '\n')
		return false;
	link->buf[23] = link->buf[GREETING_BYTES - 1] = '\0';
	if (disagg_num_int((char *)link->buf + 4, 0, INT64_MAX, &request) < 0 ||
		disagg_num_int((char *)link->buf + 24, 0, UINT32_MAX, &tokens) < 0)
		return false;
	*ret_request = (uint64_t)request;
	*ret_tokens = (uint32_t)tokens;
	return true;
}

/* Takes the offer away: a request's bytes are sent once. */
static bool take_offer(struct sim_kv *kv, uint64_t request, uint32_t tokens)
{
	for (struct offer **at = &kv->offer; *at; at = &(*at)->next) {
		struct offer *offer = *at;

		if (offer->request != request || offer->tokens != tokens)
			continue;
		*at = offer->next;
		kv->offers--;
		free(offer);
		return true;
	}
	return false;
}

/* Each end bends a word of its own: bent by both, one would be whole again. */
static void plan_faults(struct sim_kv *kv, struct link *link)
{
	if (sim_fault_nth(kv->fault->drop_every, &kv->fault->transfers))
		link->cut_at = link->words / 2;
	else if (sim_fault_nth(kv->fault->corrupt_every, &kv->fault->transfers))
		link->bend_at = link->words / (link->stage == FETCH_GREETING ? 4 : 2);
}

/* More bytes into buf; false when there are none. */
static bool fill(struct link *link)
{
	link->start = link->end = 0;
	while (link->word < link->words && link->end + WORD <= BLOCK_BYTES) {
		uint64_t word = make_word(link->request, link->word);

		if (link->word == link->cut_at)
			return link->end > 0;
		link->hash = (link->hash ^ word) * HASH_FACTOR;
		if (link->word == link->bend_at)
			word ^= 1;
		memcpy(link->buf + link->end, &word, WORD);
		link->end += WORD;
		link->word++;
	}
	if (link->word == link->words && link->end + WORD <= BLOCK_BYTES && !link->ended_well) {
		memcpy(link->buf + link->end, &link->hash, WORD);
		link->end += WORD;
		link->ended_well = true;
	}
	return link->end > 0;
}

/* false: nothing can be sent now, or the link has ended */
static bool send_some(struct link *link)
{
	ssize_t len =
		send(link->fd, link->buf + link->start, link->end - link->start, MSG_NOSIGNAL);

	if (len < 0) {
		if (errno != EAGAIN && errno != EINTR)
			link_end(link, strerror(errno));
		return false;
	}
	link->start += (size_t)len;
	return link->start == link->end;
}

/* false: there is nothing now, or the link has ended */
static bool receive_some(struct link *link, size_t wanted)
{
	ssize_t len = recv(link->fd, link->buf + link->end, wanted - link->end, 0);

	if (len == 0) {
		link_end(link, "the connection was closed before the last byte");
		return false;
	}
	if (len < 0) {
		if (errno != EAGAIN && errno != EINTR)
			link_end(link, strerror(errno));
		return false;
	}
	link->end += (size_t)len;
	return true;
}

static void serve_greeting(struct sim_kv *kv, struct link *link)
{
	uint64_t request;
	uint32_t tokens;

	while (link->end < GREETING_BYTES) {
		if (!receive_some(link, GREETING_BYTES))
			return;
	}
	if (!read_greeting(link, "KV1", &request, &tokens)) {
		link_end(link, "not a KV transfer");
		return;
	}
	link->request = request;
	link->words = (uint64_t)tokens * SIM_KV_TOKEN_BYTES / WORD;
	link->stage = SERVE_BYTES;
	if (take_offer(kv, request, tokens)) {
		plan_faults(kv, link);
		greet(link, "OK1", request, link->words);
	} else {
		greet(link, "NO1", request, link->words);
		link->ended_well = true;
		link->word = link->words;
	}
	watch(kv, link, EPOLLOUT);
}

static void serve_bytes(struct sim_kv *kv, struct link *link)
{
	while (!link->finished && send_some(link)) {
		uint64_t before = link->word;

		if (!fill(link))
			link_end(link, NULL);
		kv->bytes += (link->word - before) * WORD;
	}
}

static void fetch_greeting(struct sim_kv *kv, struct link *link)
{
	int problem = 0;
	socklen_t size = sizeof(problem);

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &problem, &size) || problem) {
		link_end(link, strerror(problem));
		return;
	}
	if (!send_some(link))
		return;
	link->stage = FETCH_ANSWER;
	link->start = link->end = 0;
	watch(kv, link, EPOLLIN);
}

static void fetch_answer(struct link *link)
{
	uint64_t request;
	uint32_t tokens;

	while (link->end < GREETING_BYTES) {
		if (!receive_some(link, GREETING_BYTES))
			return;
	}
	if (!read_greeting(link, "OK1", &request, &tokens)) {
		link_end(link, "the prefill worker does not have this request");
		return;
	}
	if (request != link->request || tokens * (SIM_KV_TOKEN_BYTES / WORD) != link->words) {
		link_end(link, "these are the bytes of another request");
		return;
	}
	link->end = 0;
	link->stage = FETCH_BYTES;
}

static void check_words(struct sim_kv *kv, struct link *link)
{
	size_t at = 0;

	for (; link->end - at >= WORD && !link->finished; at += WORD) {
		uint64_t word;

		memcpy(&word, link->buf + at, WORD);
		if (link->word == link->bend_at)
			word ^= 1;
		if (link->word == link->cut_at)
			link_end(link, "the transfer was dropped");
		else if (link->word == link->words)
			link_end(link, word == link->hash ? NULL : "the checksum is wrong");
		else if (word != make_word(link->request, link->word))
			link_end(link, "a byte is wrong");
		else
			kv->bytes += WORD;
		link->hash = (link->hash ^ word) * HASH_FACTOR;
		link->word++;
	}
	memmove(link->buf, link->buf + at, link->end - at);
	link->end -= at;
}

static void fetch_bytes(struct sim_kv *kv, struct link *link)
{
	while (!link->finished && receive_some(link, BLOCK_BYTES))
		check_words(kv, link);
}

static void link_run(struct sim_kv *kv, struct link *link)
{
	if (link->stage == SERVE_GREETING)
		serve_greeting(kv, link);
	else if (link->stage == SERVE_BYTES)
		serve_bytes(kv, link);
	else if (link->stage == FETCH_GREETING)
		fetch_greeting(kv, link);
	if (link->stage == FETCH_ANSWER && !link->finished)
		fetch_answer(link);
	if (link->stage == FETCH_BYTES && !link->finished)
		fetch_bytes(kv, link);
}

static void accept_all(struct sim_kv *kv)
{
	int fd;

	while ((fd = accept4(kv->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		link_new(kv, fd, SERVE_GREETING, EPOLLIN);
}

static void drop_old_offers(struct sim_kv *kv, int64_t now)
{
	struct offer **at = &kv->offer;

	while (*at) {
		struct offer *offer = *at;

		if (offer->until_ns > now) {
			at = &offer->next;
			continue;
		}
		*at = offer->next;
		kv->offers--;
		free(offer);
	}
}

/* Links that have ended are told of and freed; no event names them any more. */
static void reap(struct sim_kv *kv, int64_t now)
{
	struct link **at = &kv->first;

	while (*at) {
		struct link *link = *at;

		if (!link->finished && now >= link->deadline_ns)
			link_end(link, "timed out");
		if (!link->finished) {
			at = &link->next;
			continue;
		}
		*at = link->next;
		close(link->fd);
		if (link->done)
			link->done(link->context, link->problem);
		free(link);
	}
}

void sim_kv_run(struct sim_kv *kv, int64_t now)
{
	struct epoll_event event[MOST_EVENTS];
	int count = epoll_wait(kv->epoll_fd, event, MOST_EVENTS, 0);

	for (int i = 0; i < count; i++) {
		if (event[i].data.ptr)
			link_run(kv, event[i].data.ptr);
		else
			accept_all(kv);
	}
	reap(kv, now);
	drop_old_offers(kv, now);
}

int sim_kv_open(struct sim_kv **ret, int bound_fd, struct sim_fault *fault, struct disagg_err *err)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct sim_kv *kv = calloc(1, sizeof(*kv));

	if (!kv) {
		if (bound_fd >= 0)
			close(bound_fd);
		return disagg_err_nomem(err);
	}
	kv->fault = fault;
	kv->listen_fd = bound_fd;
	kv->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (bound_fd >= 0 && sim_listen(bound_fd, err) < 0) {
		sim_kv_close(kv);
		return -1;
	}
	if (kv->epoll_fd < 0 ||
		(bound_fd >= 0 && epoll_ctl(kv->epoll_fd, EPOLL_CTL_ADD, bound_fd, &event))) {
		disagg_err_sys(err, "cannot watch the KV port");
		sim_kv_close(kv);
		return -1;
	}
	*ret = kv;
	return 0;
}

int sim_kv_fd(const struct sim_kv *kv)
{
	return kv->epoll_fd;
}

uint16_t sim_kv_port(const struct sim_kv *kv)
{
	return kv->listen_fd >= 0 ? sim_bound_port(kv->listen_fd) : 0;
}

int sim_kv_offer(struct sim_kv *kv, uint64_t request, uint32_t tokens)
{
	struct offer *offer = kv->offers < MOST_OFFERS ? calloc(1, sizeof(*offer)) : NULL;

	if (!offer)
		return -1;
	offer->request = request;
	offer->tokens = tokens;
	offer->until_ns = disagg_monotonic_ns() + OFFER_NS;
	offer->next = kv->offer;
	kv->offer = offer;
	kv->offers++;
	return 0;
}

static int connect_to(const char *host, uint16_t port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	char service[8];
	int fd = -1;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &list))
		return -1;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, list->ai_addr, list->ai_addrlen) && errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

int sim_kv_fetch(
	struct sim_kv *kv, const struct sim_kv_source *from, sim_kv_done *done, void *context)
{
	int fd = connect_to(from->host, from->port);
	struct link *link = fd >= 0 ? link_new(kv, fd, FETCH_GREETING, EPOLLOUT) : NULL;

	if (!link)
		return -1;
	link->request = from->request;
	link->words = (uint64_t)from->tokens * SIM_KV_TOKEN_BYTES / WORD;
	link->done = done;
	link->context = context;
	plan_faults(kv, link);
	greet(link, "KV1", link->request, link->words);
	return 0;
}

int64_t sim_kv_next(const struct sim_kv *kv)
{
	int64_t next = SIM_NEVER;

	for (const struct link *at = kv->first; at; at = at->next) {
		if (at->deadline_ns < next)
			next = at->deadline_ns;
	}
	return next;
}

uint64_t sim_kv_bytes(const struct sim_kv *kv)
{
	return kv->bytes;
}

void sim_kv_close(struct sim_kv *kv)
{
	if (!kv)
		return;
	for (struct link *at = kv->first; at; at = at->next)
		link_end(at, "the server is shutting down");
	reap(kv, 0);
	drop_old_offers(kv, SIM_NEVER);
	if (kv->listen_fd >= 0)
		close(kv->listen_fd);
	if (kv->epoll_fd >= 0)
		close(kv->epoll_fd);
	free(kv);
}
