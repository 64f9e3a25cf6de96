/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/stubs/nccl_hub.h"

#include "lib/probe/nccl.h"
#include "tests/stubs/nccl_model.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_LINKS 4096

struct item {
	struct stub_entry entry;
	char *bytes, *result;
	bool done;
};

struct link { /* a process */
	int fd;
	char node[STUB_NODE_NAME];
	uint32_t pid, count;
	struct stub_rank *ranks;
	struct item *items; /* the batch that is not answered */
	char *body;
	uint32_t entries;
};

struct hub {
	int listen_fd;
	uint64_t key;
	uint32_t nranks, joined;
	struct link links[MOST_LINKS];
	size_t count;
	struct link **owner; /* of each rank */
	struct stub_model model;
	bool ready, broken;
};

/* ---- the work ---- */

static struct item *next_collective(struct link *link)
{
	for (uint32_t i = 0; i < link->entries; i++)
		if (!link->items[i].done && link->items[i].entry.kind < STUB_SEND)
			return &link->items[i];
	return NULL;
}

static bool same(const struct stub_entry *a, const struct stub_entry *b)
{
	return a->kind == b->kind && a->type == b->type && a->count == b->count &&
	       a->root == b->root;
}

/* What all processes of a collective put in, as one: a sum, all parts, or the root's. */
static char *combine(struct hub *hub, struct item **items, uint64_t *ret_len)
{
	const struct stub_entry *entry = &items[0]->entry;
	uint64_t size = stub_type_size(entry->type), count = entry->count;
	bool whole = entry->kind == STUB_ALL_REDUCE || entry->kind == STUB_BROADCAST;
	char *all;

	*ret_len = (whole ? count : count * hub->nranks) * size;
	all = calloc(1, *ret_len + 1);
	for (size_t i = 0; all && i < hub->count; i++) {
		if (entry->kind == STUB_ALL_GATHER)
			for (uint32_t r = 0; r < hub->links[i].count; r++)
				memcpy(all + hub->links[i].ranks[r].number * count * size,
					items[i]->bytes + r * count * size, count * size);
		else if (entry->kind == STUB_BROADCAST && items[i]->entry.bytes)
			memcpy(all, items[i]->bytes, *ret_len);
		else if (entry->kind != STUB_BROADCAST)
			stub_add(entry->type, all, items[i]->bytes, *ret_len / size);
	}
	return all;
}

static int hand_out(const struct link *link, struct item *item, const char *all, uint64_t len)
{
	uint64_t part = item->entry.count * stub_type_size(item->entry.type);

	if (item->entry.kind == STUB_REDUCE_SCATTER)
		len = part * link->count;
	item->result = malloc(len + 1);
	if (!item->result)
		return -1;
	if (item->entry.kind == STUB_REDUCE_SCATTER)
		for (uint32_t r = 0; r < link->count; r++)
			memcpy(item->result + r * part, all + link->ranks[r].number * part, part);
	else
		memcpy(item->result, all, len);
	item->entry.result_bytes = len;
	item->done = true;
	return 0;
}

/* 1: one was done, 0: not all are there, -1: they do not agree. */
static int do_collective(struct hub *hub)
{
	struct item *items[MOST_LINKS] = {NULL};
	double seconds;
	uint64_t len;
	char *all;
	int result = 1;

	for (size_t i = 0; i < hub->count; i++) {
		items[i] = next_collective(&hub->links[i]);
		if (!items[i])
			return 0;
	}
	for (size_t i = 1; i < hub->count; i++)
		if (!same(&items[0]->entry, &items[i]->entry))
			return -1;
	all = combine(hub, items, &len);
	if (!all)
		return -1;
	seconds = stub_model_collective(&hub->model, items[0]->entry.kind, len);
	for (size_t i = 0; i < hub->count; i++) {
		items[i]->entry.seconds = seconds;
		if (hand_out(&hub->links[i], items[i], all, len) != 0)
			result = -1;
	}
	free(all);
	return result;
}

static struct item *find_recv(struct link *link, const struct stub_entry *send)
{
	for (uint32_t i = 0; i < link->entries; i++) {
		const struct stub_entry *entry = &link->items[i].entry;

		if (!link->items[i].done && entry->kind == STUB_RECV && entry->src == send->src &&
			entry->dst == send->dst)
			return &link->items[i];
	}
	return NULL;
}

static int do_send(struct hub *hub, struct item *item)
{
	struct link *to = hub->owner[item->entry.dst];
	struct item *recv = find_recv(to, &item->entry);

	if (!recv)
		return 0;
	if (recv->entry.count != item->entry.count || recv->entry.type != item->entry.type)
		return -1;
	recv->result = malloc(item->entry.bytes + 1);
	if (!recv->result)
		return -1;
	memcpy(recv->result, item->bytes, item->entry.bytes);
	recv->entry.result_bytes = item->entry.bytes;
	item->entry.seconds = recv->entry.seconds =
		stub_model_send(&hub->model, item->entry.src, item->entry.dst, item->entry.bytes);
	item->done = recv->done = true;
	return 1;
}

static int do_sends(struct hub *hub)
{
	int result = 0;

	for (size_t i = 0; i < hub->count; i++)
		for (uint32_t j = 0; j < hub->links[i].entries; j++) {
			struct item *item = &hub->links[i].items[j];
			int sent = item->done || item->entry.kind != STUB_SEND ? 0
									       : do_send(hub, item);

			if (sent < 0)
				return -1;
			result |= sent;
		}
	return result;
}

/* ---- the processes ---- */

static void forget(struct link *link)
{
	for (uint32_t i = 0; i < link->entries; i++)
		free(link->items[i].result);
	free(link->items);
	free(link->body);
	link->items = NULL;
	link->body = NULL;
	link->entries = 0;
}

static int answer(struct link *link, uint32_t failed)
{
	struct stub_batch reply = {.entries = failed ? 0 : link->entries, .failed = failed};
	int result = stub_send_all(link->fd, &reply, sizeof(reply));

	for (uint32_t i = 0; i < reply.entries && result == 0; i++)
		result = stub_send_all(
			link->fd, &link->items[i].entry, sizeof(link->items[i].entry));
	for (uint32_t i = 0; i < reply.entries && result == 0; i++)
		result = stub_send_all(
			link->fd, link->items[i].result, link->items[i].entry.result_bytes);
	forget(link);
	return result;
}

static bool complete(const struct link *link)
{
	for (uint32_t i = 0; i < link->entries; i++)
		if (!link->items[i].done)
			return false;
	return link->entries > 0;
}

static void fail_all(struct hub *hub, uint32_t why)
{
	hub->broken = true;
	for (size_t i = 0; i < hub->count; i++)
		if (hub->links[i].entries)
			answer(&hub->links[i], why);
}

static void work(struct hub *hub)
{
	int done;

	do {
		done = do_collective(hub);
		if (done >= 0)
			done |= do_sends(hub);
	} while (done > 0);
	if (done < 0) {
		fail_all(hub, ncclInvalidUsage);
		return;
	}
	/* its own process last: it may end as soon as it has its answer */
	for (int own = 0; own <= 1; own++)
		for (size_t i = 0; i < hub->count; i++)
			if (complete(&hub->links[i]) &&
				own == (hub->links[i].pid == (uint32_t)getpid()))
				answer(&hub->links[i], 0);
}

static void lose(struct hub *hub, struct link *link)
{
	close(link->fd);
	link->fd = -1;
	forget(link);
	fail_all(hub, ncclRemoteError);
}

static void take_batch(struct hub *hub, struct link *link)
{
	struct stub_batch batch;
	char *at;

	if (stub_recv_all(link->fd, &batch, sizeof(batch)) != 0) {
		lose(hub, link);
		return;
	}
	link->items = calloc(batch.entries + 1, sizeof(*link->items));
	link->body = malloc(batch.bytes + 1);
	if (!link->items || !link->body)
		abort();
	for (uint32_t i = 0; i < batch.entries; i++)
		if (stub_recv_all(link->fd, &link->items[i].entry, sizeof(struct stub_entry)) != 0)
			return lose(hub, link);
	if (stub_recv_all(link->fd, link->body, batch.bytes) != 0)
		return lose(hub, link);
	at = link->body;
	for (uint32_t i = 0; i < batch.entries; i++) {
		link->items[i].bytes = at;
		at += link->items[i].entry.bytes;
	}
	link->entries = batch.entries;
	if (hub->broken)
		answer(link, ncclRemoteError);
	else
		work(hub);
}

static void all_joined(struct hub *hub)
{
	uint32_t ready = 0;

	hub->ready = true;
	for (size_t i = 0; i < hub->count; i++)
		for (uint32_t r = 0; r < hub->links[i].count; r++)
			stub_model_place(&hub->model, hub->links[i].ranks[r].number,
				hub->links[i].node, hub->links[i].ranks[r].gpu);
	stub_model_start(&hub->model);
	for (size_t i = 0; i < hub->count; i++)
		stub_send_all(hub->links[i].fd, &ready, sizeof(ready));
}

static int join(struct hub *hub, struct link *link)
{
	struct stub_hello hello;

	if (stub_recv_all(link->fd, &hello, sizeof(hello)) != 0 || hello.magic != STUB_NCCL_MAGIC ||
		hello.key != hub->key || hello.count == 0 || hello.nranks > STUB_MOST_RANKS ||
		hello.count > hello.nranks)
		return -1;
	if (hub->nranks == 0) {
		hub->nranks = hello.nranks;
		hub->owner = calloc(hello.nranks, sizeof(struct link *));
		if (!hub->owner || stub_model_init(&hub->model, hello.nranks) != 0)
			abort();
	}
	link->ranks = calloc(hello.count, sizeof(*link->ranks));
	if (!link->ranks || hello.nranks != hub->nranks ||
		stub_recv_all(link->fd, link->ranks, hello.count * sizeof(*link->ranks)) != 0)
		return -1;
	memcpy(link->node, hello.node, sizeof(link->node));
	link->node[STUB_NODE_NAME - 1] = '\0';
	link->count = hello.count;
	link->pid = hello.pid;
	for (uint32_t r = 0; r < hello.count; r++) {
		if (link->ranks[r].number >= hub->nranks || hub->owner[link->ranks[r].number])
			return -1;
		hub->owner[link->ranks[r].number] = link;
	}
	hub->joined += hello.count;
	return 0;
}

static void welcome(struct hub *hub)
{
	int fd = accept4(hub->listen_fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
	struct link *link = &hub->links[hub->count];
	uint32_t refused = ncclInvalidArgument;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*link = (struct link){.fd = fd};
	if (hub->count == MOST_LINKS - 1 || join(hub, link) != 0) {
		stub_send_all(fd, &refused, sizeof(refused));
		close(fd);
		return;
	}
	hub->count++;
	if (hub->joined == hub->nranks)
		all_joined(hub);
}

/* Ends when all have left; whoever made the id waits for that by its own link. */
static void *serve(void *arg)
{
	struct hub *hub = arg;
	struct pollfd fds[MOST_LINKS + 1];
	size_t open = 0;

	do {
		size_t links = hub->count;

		fds[0] = (struct pollfd){.fd = hub->ready ? -1 : hub->listen_fd, .events = POLLIN};
		for (size_t i = 0; i < links; i++)
			fds[i + 1] = (struct pollfd){.fd = hub->links[i].fd, .events = POLLIN};
		if (poll(fds, links + 1, -1) < 0)
			continue;
		if (fds[0].revents)
			welcome(hub);
		for (size_t i = 0; i < links; i++)
			if (fds[i + 1].revents && hub->links[i].fd >= 0)
				take_batch(hub, &hub->links[i]);
		open = 0;
		for (size_t i = 0; i < hub->count; i++)
			open += hub->links[i].fd >= 0;
	} while (open || !hub->ready);
	close(hub->listen_fd);
	return NULL;
}

/* ---- where it listens ---- */

static bool is_wanted(const struct ifaddrs *at, const char *name)
{
	if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || !(at->ifa_flags & IFF_UP))
		return false;
	if (!name || !*name)
		return !(at->ifa_flags & IFF_LOOPBACK);
	return *name == '=' ? strcmp(at->ifa_name, name + 1) == 0
			    : strncmp(at->ifa_name, name, strlen(name)) == 0;
}

static struct in_addr own_address(void)
{
	struct in_addr address = {.s_addr = htonl(INADDR_LOOPBACK)};
	const char *name = getenv("NCCL_SOCKET_IFNAME");
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) != 0)
		return address;
	for (struct ifaddrs *at = all; at; at = at->ifa_next)
		if (is_wanted(at, name)) {
			address = ((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr;
			break;
		}
	freeifaddrs(all);
	return address;
}

int stub_hub_start(struct stub_id *ret)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = own_address()};
	socklen_t len = sizeof(at);
	struct hub *hub = calloc(1, sizeof(*hub));
	pthread_t thread;

	if (!hub)
		return -1;
	hub->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (hub->listen_fd < 0 || bind(hub->listen_fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
		listen(hub->listen_fd, MOST_LINKS) != 0 ||
		getsockname(hub->listen_fd, (struct sockaddr *)&at, &len) != 0 ||
		getrandom(&hub->key, sizeof(hub->key), 0) != (ssize_t)sizeof(hub->key) ||
		pthread_create(&thread, NULL, serve, hub) != 0)
		return -1;
	pthread_detach(thread);
	*ret = (struct stub_id){.magic = STUB_NCCL_MAGIC,
		.port = ntohs(at.sin_port),
		.pid = (uint16_t)getpid(),
		.key = hub->key};
	memcpy(ret->address, &at.sin_addr, sizeof(ret->address));
	return 0;
}
