/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/meet.h"

#include "lib/host/http.h"
#include "lib/host/json.h"
#include "lib/probe/siphash.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_PORT     20000
#define LAST_PORT      32000
#define BACKLOG	       4096
#define ANSWER_NS      5000000000ll /* of the lead, which may be greeting thousands */
#define CONNECT_MS     2000
#define FIRST_PAUSE_MS 50
#define LAST_PAUSE_MS  800

static const unsigned char no_key[16];

void disagg_meet_set_token(struct disagg_meet *meet, const char *token)
{
	meet->has_key = token && token[0];
	for (unsigned i = 0; meet->has_key && i < 2; i++) {
		const unsigned char salt[16] = {(unsigned char)i};
		uint64_t half = disagg_siphash(salt, token, strlen(token));

		memcpy(meet->key + 8 * i, &half, sizeof(half));
	}
}

void disagg_meet_ports(const struct disagg_meet *meet, int ret[DISAGG_MEET_PORTS])
{
	char text[128];

	for (unsigned i = 0; i < DISAGG_MEET_PORTS; i++) {
		snprintf(text, sizeof(text), "%.40s.%.40s %u", meet->job, meet->step, i);
		ret[i] = FIRST_PORT + (int)(disagg_siphash(no_key, text, strlen(text)) %
					      (LAST_PORT - FIRST_PORT));
	}
}

static void prove(const struct disagg_meet *meet, const char *who, const char *const part[3],
	char ret[DISAGG_MEET_PROOF])
{
	char text[512];

	ret[0] = '\0';
	if (!meet->has_key)
		return;
	snprintf(text, sizeof(text), "%s %s %s %.255s", who, part[0], part[1], part[2]);
	snprintf(ret, DISAGG_MEET_PROOF, "%016llx",
		(unsigned long long)disagg_siphash(meet->key, text, strlen(text)));
}

static int make_nonce(char ret[DISAGG_MEET_NONCE])
{
	unsigned char bytes[(DISAGG_MEET_NONCE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* ---- the lead ---- */

static int listen_at(bool v6, bool loopback, int port)
{
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	const int on = 1, off = 0;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -1;
	in4.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	rc = v6 ? bind(fd, (const struct sockaddr *)&in6, sizeof(in6))
		: bind(fd, (const struct sockaddr *)&in4, sizeof(in4));
	if (rc == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rc = errno;
	close(fd);
	errno = rc;
	return -1;
}

/* Both families where the kernel has both. */
static int listen_any(bool loopback, int port)
{
	int fd = loopback ? -1 : listen_at(true, false, port);

	return fd >= 0 ? fd : listen_at(false, loopback, port);
}

static int port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;
	if (address.ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

int disagg_meet_listen(const struct disagg_meet *meet, bool loopback, int *ret_fd, int *ret_port,
	struct disagg_err *err)
{
	int ports[DISAGG_MEET_PORTS] = {0}; /* 0: any */
	int fd = -1;

	if (!loopback)
		disagg_meet_ports(meet, ports);
	for (unsigned i = 0; fd < 0 && i < (loopback ? 1 : DISAGG_MEET_PORTS); i++)
		fd = listen_any(loopback, ports[i]);
	if (fd < 0)
		return disagg_err_sys(err,
			"cannot listen for the other nodes, the ports of this step (%d, ...) are taken",
			ports[0]);
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return 0;
}

static int send_object(
	struct disagg_link *link, const char *verb, const char *const (*member)[2], size_t count)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	int rc;

	disagg_strbuf_init(&text, DISAGG_LINK_LINE);
	disagg_json_begin(&writer, NULL, '{');
	for (size_t i = 0; i < count; i++)
		if (member[i][1])
			disagg_json_put_text(&writer, member[i][0], member[i][1]);
	disagg_json_end(&writer, '}');
	rc = text.failed ? -1
			 : disagg_link_send(link, verb, DISAGG_MEET_PROTOCOL, text.text, text.len);
	disagg_strbuf_release(&text);
	return rc;
}

int disagg_meet_greet(
	const struct disagg_meet *meet, struct disagg_link *link, char nonce[DISAGG_MEET_NONCE])
{
	const char *const member[][2] = {{"job", meet->job}, {"step", meet->step},
		{"version", DISAGG_VERSION}, {"nonce", nonce}};

	if (make_nonce(nonce))
		return -1;
	return send_object(link, "lead", member, 4);
}

/* Time that does not tell how much of it is right. */
static bool equal(const char *a, const char *b, size_t len)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < len; i++)
		differ = (unsigned char)(differ | (a[i] ^ b[i]));
	return differ == 0;
}

static bool is_proof(const char *given, const char *right)
{
	size_t len = strlen(right);

	return len == 0 || (given && strlen(given) == len && equal(given, right, len));
}

static const char *text_of(const struct disagg_json *json, const char *name)
{
	const char *text = disagg_json_text(disagg_json_at(json, name));

	return text ? text : "";
}

static int read_hello(const struct disagg_meet *meet, const char *nonce,
	const struct disagg_json *json, struct disagg_hello *ret, struct disagg_err *err)
{
	const char *node = text_of(json, "node"), *theirs = text_of(json, "nonce");
	const char *version = text_of(json, "version");
	char proof[DISAGG_MEET_PROOF];

	if (!node[0] || strlen(node) >= sizeof(ret->node) || strlen(theirs) >= DISAGG_MEET_NONCE)
		return disagg_err_set(err, DISAGG_INVALID, "a greeting that is none");
	if (strcmp(version, DISAGG_VERSION) != 0)
		return disagg_err_set(err, DISAGG_CHECK,
			"it is disagg-probe %.32s there and %s on the lead; install one version",
			version, DISAGG_VERSION);
	prove(meet, "agent", (const char *const[]){nonce, theirs, node}, proof);
	if (!is_proof(text_of(json, "proof"), proof))
		return disagg_err_set(err, DISAGG_CHECK, "it does not know the run's token");
	prove(meet, "lead", (const char *const[]){theirs, nonce, node}, ret->proof);
	snprintf(ret->node, sizeof(ret->node), "%s", node);
	snprintf(ret->held, sizeof(ret->held), "%s", text_of(json, "held"));
	disagg_text_tame(ret->node);
	disagg_text_tame(ret->held);
	return 0;
}

int disagg_meet_read(const struct disagg_meet *meet, const char *nonce,
	const struct disagg_message *message, struct disagg_hello *ret, struct disagg_err *err)
{
	struct disagg_json *json = NULL;
	int rc;

	if (strcmp(message->verb, "hello") != 0)
		return disagg_err_set(err, DISAGG_INVALID, "a greeting that is none");
	if (message->number != DISAGG_MEET_PROTOCOL)
		return disagg_err_set(
			err, DISAGG_CHECK, "it speaks another protocol; install one version");
	if (disagg_json_parse(&json, message->body, message->len, err) != 0)
		return -1;
	rc = read_hello(meet, nonce, json, ret, err);
	disagg_json_free(json);
	return rc;
}

int disagg_meet_welcome(struct disagg_link *link, const struct disagg_hello *hello)
{
	const char *const member[][2] = {{"proof", hello->proof}};

	return send_object(link, "welcome", member, 1);
}

int disagg_meet_refuse(struct disagg_link *link, const char *reason)
{
	const char *const member[][2] = {{"reason", reason}};

	return send_object(link, "refused", member, 1);
}

/* ---- an agent ---- */

/* The next message within the time; DISAGG_DIED: none came. */
static int await_message(struct disagg_link *link, int64_t until_ns, struct disagg_message *ret,
	struct disagg_err *err)
{
	for (;;) {
		struct pollfd wait = {.fd = link->fd, .events = POLLIN};
		int64_t left = until_ns - disagg_monotonic_ns();
		int rc = disagg_link_next(link, ret, err);

		if (rc)
			return rc < 0 ? -1 : 0;
		if (left <= 0)
			return disagg_err_set(err, DISAGG_DIED, "no answer");
		if (poll(&wait, 1, (int)(left / 1000000) + 1) > 0 &&
			disagg_link_fill(link, err) != 0)
			return -1;
	}
}

static int read_lead(const struct disagg_meet *meet, const struct disagg_message *message,
	char nonce[DISAGG_MEET_NONCE], struct disagg_err *err)
{
	struct disagg_json *json = NULL;
	int rc = 0;

	if (strcmp(message->verb, "lead") != 0 ||
		disagg_json_parse(&json, message->body, message->len, NULL) != 0)
		return disagg_err_set(err, DISAGG_DIED, "another program listens there");
	if (strcmp(text_of(json, "job"), meet->job) != 0 ||
		strcmp(text_of(json, "step"), meet->step) != 0)
		rc = disagg_err_set(err, DISAGG_DIED, "the lead of another step listens there");
	else
		snprintf(nonce, DISAGG_MEET_NONCE, "%s", text_of(json, "nonce"));
	disagg_json_free(json);
	return rc;
}

static int read_answer(
	const struct disagg_message *message, const char *proof, struct disagg_err *err)
{
	struct disagg_json *json = NULL;
	int rc = 0;

	if (disagg_json_parse(&json, message->body, message->len, err) != 0)
		return -1;
	if (strcmp(message->verb, "refused") == 0)
		rc = disagg_err_set(err, DISAGG_CHECK, "the lead refuses this node: %s",
			text_of(json, "reason"));
	else if (strcmp(message->verb, "welcome") != 0 || !is_proof(text_of(json, "proof"), proof))
		rc = disagg_err_set(err, DISAGG_DIED, "the lead does not know the run's token");
	disagg_json_free(json);
	return rc;
}

static int shake_hands(
	const struct disagg_meet_self *self, struct disagg_link *link, struct disagg_err *err)
{
	const struct disagg_meet *meet = self->meet;
	int64_t until = disagg_monotonic_ns() + ANSWER_NS;
	char theirs[DISAGG_MEET_NONCE], nonce[DISAGG_MEET_NONCE];
	char proof[DISAGG_MEET_PROOF], wanted[DISAGG_MEET_PROOF];
	struct disagg_message message;
	const char *const member[][2] = {{"node", self->node}, {"version", DISAGG_VERSION},
		{"nonce", nonce}, {"proof", proof}, {"held", self->held}};

	if (make_nonce(nonce))
		return disagg_err_sys(err, "no random numbers");
	if (await_message(link, until, &message, err) || read_lead(meet, &message, theirs, err))
		return -1;
	prove(meet, "agent", (const char *const[]){theirs, nonce, self->node}, proof);
	prove(meet, "lead", (const char *const[]){nonce, theirs, self->node}, wanted);
	if (send_object(link, "hello", member, 5))
		return disagg_err_set(err, DISAGG_DIED, "the connection has ended");
	if (await_message(link, until, &message, err))
		return -1;
	return read_answer(&message, wanted, err);
}

int disagg_meet_join(const struct disagg_meet_self *self, int fd, struct disagg_link *ret,
	struct disagg_err *err)
{
	disagg_link_open(ret, fd, 0);
	if (shake_hands(self, ret, err) == 0)
		return 0;
	disagg_link_close(ret);
	return -1;
}

/* A connected descriptor, or -1. */
static int connect_to(const struct addrinfo *at, int port)
{
	struct sockaddr_storage address;
	struct pollfd wait = {.events = POLLOUT};
	int failed = 0;
	socklen_t len = sizeof(failed);

	memcpy(&address, at->ai_addr, at->ai_addrlen);
	if (at->ai_family == AF_INET6)
		((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
	else
		((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
	wait.fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (wait.fd < 0)
		return -1;
	if (connect(wait.fd, (const struct sockaddr *)&address, at->ai_addrlen) == 0)
		return wait.fd;
	if (errno == EINPROGRESS && poll(&wait, 1, CONNECT_MS) > 0 &&
		getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 && !failed)
		return wait.fd;
	close(wait.fd);
	return -1;
}

/* The ports of one address; a refusal ends the search. */
static int try_address(const struct addrinfo *at, const struct disagg_meet_self *self,
	const struct disagg_meet_where *where, struct disagg_link *ret, struct disagg_err *err)
{
	int rc = -1, fd;

	for (unsigned i = 0; i < where->ports && rc && err->code != DISAGG_CHECK; i++) {
		fd = connect_to(at, where->port[i]);
		if (fd >= 0)
			rc = disagg_meet_join(self, fd, ret, err);
	}
	return rc;
}

static int try_host(const char *host, const struct disagg_meet_self *self,
	const struct disagg_meet_where *where, struct disagg_link *ret, struct disagg_err *err)
{
	const struct addrinfo hint = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, NULL, &hint, &list);

	if (rc)
		return disagg_err_set(err, DISAGG_MISSING, "no address of the lead's node '%s': %s",
			host, gai_strerror(rc));
	rc = -1;
	disagg_err_set(err, DISAGG_DIED, "the lead does not listen on '%s'", host);
	for (const struct addrinfo *at = list; at && rc && err->code != DISAGG_CHECK;
		at = at->ai_next)
		rc = try_address(at, self, where, ret, err);
	freeaddrinfo(list);
	return rc;
}

static int try_all(const struct disagg_meet_self *self, const struct disagg_meet_where *where,
	struct disagg_link *ret, struct disagg_err *err)
{
	struct disagg_err second = DISAGG_ERR_INIT;

	if (try_host(where->host[0], self, where, ret, err) == 0)
		return 0;
	if (!where->host[1] || err->code == DISAGG_CHECK)
		return -1;
	if (try_host(where->host[1], self, where, ret, &second) == 0)
		return 0;
	if (second.code == DISAGG_CHECK)
		*err = second;
	return -1;
}

int disagg_meet_find(const struct disagg_meet_self *self, const struct disagg_meet_where *where,
	struct disagg_link *ret, struct disagg_err *err)
{
	int64_t until = disagg_monotonic_ns() + (int64_t)where->wait_ms * 1000000;
	struct pollfd cancel = {.fd = where->cancel_fd, .events = POLLIN};
	struct disagg_err last = DISAGG_ERR_INIT;

	for (int pause = FIRST_PAUSE_MS;; pause = pause < LAST_PAUSE_MS ? 2 * pause : pause) {
		last.code = DISAGG_OK;
		if (try_all(self, where, ret, &last) == 0)
			return 0;
		if (last.code == DISAGG_CHECK || disagg_monotonic_ns() > until)
			break;
		if (poll(&cancel, 1, pause) > 0)
			return disagg_err_set(err, DISAGG_TIMEOUT, "cancelled");
	}
	*err = last;
	return -1;
}
