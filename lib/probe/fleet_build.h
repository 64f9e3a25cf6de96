/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_PROBE_FLEET_BUILD_H
#define DISAGG_PROBE_FLEET_BUILD_H

#include "lib/probe/gpulist.h"
#include "lib/probe/lead.h"

/* What fleet.c (tasks), fleet_join.c (who takes part) and fleet_loop.c share. */
#define FLEET_PENDING_MOST  256u  /* connections that are not a node's yet, beside the nodes */
#define FLEET_HELLO_BYTES   4096u /* of what a stranger may say */
#define FLEET_HELLO_NS	    10000000000ll /* within which it must say who it is */
#define FLEET_TASK_SLACK_NS 20000000000ll /* beyond its deadline, for its agent to tell */
#define FLEET_TICK_NS	    200000000ll

enum fleet_node_state {
	FLEET_NODE_AWAITED,
	FLEET_NODE_JOINED, /* has not told its GPUs yet */
	FLEET_NODE_READY,
	FLEET_NODE_LOST,
};

struct fleet_node {
	const char *name;
	enum fleet_node_state state;
	const char *reason; /* LOST */
	const char *address;
	struct disagg_gpu_list gpus;
	struct fleet_peer *peer; /* NULL: none */
	int64_t heard_ns;
};

/* A connection; `node` NULL until it has proved to be one. */
struct fleet_peer {
	struct fleet_peer *next, *prev;
	struct disagg_link link;
	struct fleet_node *node;
	bool local; /* our own, over a socket pair */
	bool wants_write;
	bool closed; /* is freed at the end of a turn */
	int64_t since_ns;
	char nonce[DISAGG_MEET_NONCE];
	char address[64];
};

/* What is kept of a task, also after it has ended. */
struct fleet_slot {
	struct disagg_fleet_task *task; /* NULL: it has ended */
	struct fleet_node *node;
	const struct disagg_probe_record **record;
	size_t records, size;
	unsigned messages; /* so far */
	int64_t until_ns;
};

struct disagg_fleet {
	struct disagg_fleet_spec spec;
	struct disagg_arena arena;
	struct fleet_node *node;
	struct fleet_node **by_name; /* sorted */
	struct fleet_peer *peer;     /* list */
	unsigned strangers;
	int epoll_fd;
	struct fleet_slot *slot; /* by id - 1 */
	size_t slots, slot_size, ended;
	const struct disagg_probe_record **record;
	size_t records, record_size;
	int64_t alive_ns, tick_ns;
	const struct disagg_probe *leading; /* NULL: none */
	double leading_s;		    /* since when */
	const char *cancelled;
	const char *own_address; /* as others reach this node; NULL: not known yet */
	bool out_of_memory;
};

/* ---- fleet_loop.c ---- */
/* Waits at most until then for something to happen, and takes it. */
void fleet_turn(struct disagg_fleet *fleet, int64_t until_ns);
void fleet_say(struct disagg_fleet *fleet, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- fleet_join.c ---- */
int fleet_watch_fd(struct disagg_fleet *fleet, int fd, void *what, unsigned events);
void fleet_accept(struct disagg_fleet *fleet);
int fleet_add_local(struct disagg_fleet *fleet, int fd, struct disagg_err *err);
/* The first message of a peer. */
void fleet_hello(
	struct disagg_fleet *fleet, struct fleet_peer *peer, const struct disagg_message *message);
void fleet_drop(struct disagg_fleet *fleet, struct fleet_peer *peer);
void fleet_free_closed(struct disagg_fleet *fleet);
/* The node's tasks end as failed; reason is copied. */
void fleet_lose(struct disagg_fleet *fleet, struct fleet_node *node, const char *reason);

/* ---- fleet.c ---- */
/* A message of a node's agent. */
void fleet_take(
	struct disagg_fleet *fleet, struct fleet_node *node, const struct disagg_message *message);
void fleet_end_task(struct disagg_fleet *fleet, struct fleet_slot *slot,
	enum disagg_task_state state, const char *reason);
void fleet_send(struct disagg_fleet *fleet, struct fleet_node *node, const char *verb,
	uint64_t number, const struct disagg_strbuf *body);

#endif
