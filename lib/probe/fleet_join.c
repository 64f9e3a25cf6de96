/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/fleet_build.h"

#include "lib/host/http.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MOST 256 /* in one turn */

int fleet_watch_fd(struct disagg_fleet *fleet, int fd, void *what, unsigned events)
{
	struct epoll_event event = {.events = events, .data.ptr = what};

	return epoll_ctl(fleet->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* ---- addresses ---- */

/* The text of an address, an IPv4 one that IPv6 wraps as IPv4. */
static void address_text(const struct sockaddr_storage *address, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN + 20]; /* with a scope */
	socklen_t len = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						       : sizeof(struct sockaddr_in);

	buf[0] = '\0';
	if (getnameinfo((const struct sockaddr *)address, len, text, sizeof(text), NULL, 0,
		    NI_NUMERICHOST))
		return;
	snprintf(buf, size, "%.63s", strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text);
}

static void peer_address(int fd, char *buf, size_t size)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);

	buf[0] = '\0';
	if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
		address_text(&address, buf, size);
}

/* Once: our own address, as the first peer from elsewhere has reached it. */
static void learn_own_address(struct disagg_fleet *fleet, int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);
	char text[64];

	if (fleet->own_address || getsockname(fd, (struct sockaddr *)&address, &len))
		return;
	address_text(&address, text, sizeof(text));
	fleet->own_address = disagg_arena_strdup(&fleet->arena, text);
}

/* Whether the node's name has the address. */
static bool is_address_of(const char *name, const char *text)
{
	const struct addrinfo hint = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char buf[64];
	bool found = false;

	if (getaddrinfo(name, NULL, &hint, &list))
		return false;
	for (const struct addrinfo *at = list; at && !found; at = at->ai_next) {
		struct sockaddr_storage address = {0};

		memcpy(&address, at->ai_addr, at->ai_addrlen);
		address_text(&address, buf, sizeof(buf));
		found = strcmp(buf, text) == 0;
	}
	freeaddrinfo(list);
	return found;
}

/* ---- peers ---- */

static struct fleet_peer *add_peer(struct disagg_fleet *fleet, int fd, bool local)
{
	struct fleet_peer *peer = calloc(1, sizeof(*peer));

	if (!peer || fleet_watch_fd(fleet, fd, peer, EPOLLIN)) {
		free(peer);
		close(fd);
		return NULL;
	}
	disagg_link_open(&peer->link, fd, local ? 0 : FLEET_HELLO_BYTES);
	peer->local = local;
	peer->since_ns = disagg_monotonic_ns();
	peer->next = fleet->peer;
	if (peer->next)
		peer->next->prev = peer;
	fleet->peer = peer;
	fleet->strangers++;
	if (!local)
		peer_address(fd, peer->address, sizeof(peer->address));
	if (disagg_meet_greet(fleet->spec.meet, &peer->link, peer->nonce))
		fleet_drop(fleet, peer);
	return peer;
}

void fleet_drop(struct disagg_fleet *fleet, struct fleet_peer *peer)
{
	if (peer->closed)
		return;
	if (!peer->node)
		fleet->strangers--;
	else if (peer->node->peer == peer)
		peer->node->peer = NULL;
	disagg_link_close(&peer->link);
	peer->closed = true;
}

void fleet_free_closed(struct disagg_fleet *fleet)
{
	for (struct fleet_peer *peer = fleet->peer, *next; peer; peer = next) {
		next = peer->next;
		if (!peer->closed)
			continue;
		if (peer->prev)
			peer->prev->next = next;
		else
			fleet->peer = next;
		if (next)
			next->prev = peer->prev;
		free(peer);
	}
}

/* Makes room by the stranger that has waited longest. */
static void drop_oldest_stranger(struct disagg_fleet *fleet)
{
	struct fleet_peer *oldest = NULL;

	for (struct fleet_peer *peer = fleet->peer; peer; peer = peer->next)
		if (!peer->node && !peer->closed && !peer->local)
			oldest = peer; /* the newest is first */
	if (oldest)
		fleet_drop(fleet, oldest);
}

void fleet_accept(struct disagg_fleet *fleet)
{
	const int on = 1;

	for (int i = 0; i < ACCEPTS_MOST; i++) {
		int fd = accept4(fleet->spec.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
		if (fleet->strangers >= fleet->spec.count + FLEET_PENDING_MOST)
			drop_oldest_stranger(fleet);
		add_peer(fleet, fd, false);
	}
}

int fleet_add_local(struct disagg_fleet *fleet, int fd, struct disagg_err *err)
{
	return add_peer(fleet, fd, true) ? 0 : disagg_err_nomem(err);
}

/* ---- who they are ---- */

/* Why the peer is not the node it says; NULL: it is. */
static const char *why_not(const struct disagg_fleet *fleet, const struct fleet_peer *peer,
	const struct fleet_node *node)
{
	if (!node)
		return "it is not a node of this step";
	if (node->peer || node->state != FLEET_NODE_AWAITED)
		return "the node takes part already, or was given up";
	if (fleet->spec.check_address && !peer->local && !is_address_of(node->name, peer->address))
		return "it comes from an address that is not the node's; a DISAGG_PROBE_TOKEN "
		       "that srun passes on makes the address count for nothing";
	return NULL;
}

static void refuse(
	struct disagg_fleet *fleet, struct fleet_peer *peer, const char *name, const char *reason)
{
	fleet_say(fleet, "refused a connection from %s as '%s': %s",
		peer->address[0] ? peer->address : "this node", name, reason);
	disagg_meet_refuse(&peer->link, reason);
	fleet_drop(fleet, peer);
}

static void admit(struct disagg_fleet *fleet, struct fleet_peer *peer, struct fleet_node *node,
	const struct disagg_hello *hello)
{
	fleet->strangers--;
	peer->node = node;
	peer->link.in.limit = DISAGG_LINK_LINE;
	node->peer = peer;
	node->state = FLEET_NODE_JOINED;
	node->heard_ns = disagg_monotonic_ns();
	if (!peer->local) {
		node->address = disagg_arena_strdup(&fleet->arena, peer->address);
		learn_own_address(fleet, peer->link.fd);
	}
	if (disagg_meet_welcome(&peer->link, hello))
		fleet_lose(fleet, node, "the connection has ended");
	else if (hello->held[0])
		fleet_lose(fleet, node, hello->held);
}

void fleet_hello(
	struct disagg_fleet *fleet, struct fleet_peer *peer, const struct disagg_message *message)
{
	struct disagg_hello hello = {.node = "?"};
	struct disagg_err err = DISAGG_ERR_INIT;
	struct fleet_node *node;
	const char *reason;
	size_t index;

	if (disagg_meet_read(fleet->spec.meet, peer->nonce, message, &hello, &err) != 0) {
		if (err.code == DISAGG_CHECK)
			refuse(fleet, peer, hello.node, err.text);
		else
			fleet_drop(fleet, peer);
		return;
	}
	node = disagg_fleet_find(fleet, hello.node, &index) ? NULL : &fleet->node[index];
	reason = why_not(fleet, peer, node);
	if (reason)
		refuse(fleet, peer, hello.node, reason);
	else
		admit(fleet, peer, node, &hello);
}

void fleet_lose(struct disagg_fleet *fleet, struct fleet_node *node, const char *reason)
{
	if (node->state == FLEET_NODE_LOST)
		return;
	node->state = FLEET_NODE_LOST;
	node->reason = disagg_arena_strdup(&fleet->arena, reason);
	if (!node->reason)
		node->reason = "lost, and no memory to keep why";
	if (node->peer)
		fleet_drop(fleet, node->peer);
	for (size_t i = 0; i < fleet->slots; i++)
		if (fleet->slot[i].task && fleet->slot[i].node == node)
			fleet_end_task(fleet, &fleet->slot[i], DISAGG_TASK_FAILED, node->reason);
	if (!fleet->cancelled)
		fleet_say(fleet, "%s is lost: %s", node->name, node->reason);
}
