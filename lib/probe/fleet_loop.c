/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/fleet_build.h"

#include "lib/host/http.h"
#include "lib/probe/agent.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define EVENTS_MOST 256

void fleet_say(struct disagg_fleet *fleet, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	if (!fleet->spec.say)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	disagg_text_tame(text);
	fleet->spec.say(fleet->spec.context, text);
}

/* ---- peers ---- */

static void lose_peer(struct disagg_fleet *fleet, struct fleet_peer *peer, const char *why)
{
	if (peer->node)
		fleet_lose(fleet, peer->node, why);
	fleet_drop(fleet, peer);
}

static void hear(struct disagg_fleet *fleet, struct fleet_peer *peer)
{
	struct disagg_err err = DISAGG_ERR_INIT;
	struct disagg_message message;
	int got = disagg_link_fill(&peer->link, &err);
	int more = 0;

	while (got == 0 && !peer->closed &&
		(more = disagg_link_next(&peer->link, &message, &err)) > 0) {
		if (!peer->node) {
			fleet_hello(fleet, peer, &message);
			continue;
		}
		peer->node->heard_ns = disagg_monotonic_ns();
		fleet_take(fleet, peer->node, &message);
	}
	if ((got != 0 || more < 0) && !peer->closed)
		lose_peer(fleet, peer, err.text);
}

/* Only a peer for which something waits is watched for that. */
static void watch_writes(struct disagg_fleet *fleet, struct fleet_peer *peer)
{
	bool wants = !peer->closed && disagg_link_queued(&peer->link) > 0;
	struct epoll_event event = {
		.events = wants ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = peer};

	if (peer->closed || wants == peer->wants_write)
		return;
	if (epoll_ctl(fleet->epoll_fd, EPOLL_CTL_MOD, peer->link.fd, &event) == 0)
		peer->wants_write = wants;
}

static void take_event(struct disagg_fleet *fleet, const struct epoll_event *event)
{
	struct fleet_peer *peer = event->data.ptr;

	if (peer->closed)
		return;
	if ((event->events & EPOLLOUT) && disagg_link_flush(&peer->link))
		lose_peer(fleet, peer, "the connection has ended");
	if (!peer->closed && (event->events & ~(unsigned)EPOLLOUT))
		hear(fleet, peer);
	watch_writes(fleet, peer);
}

/* ---- time ---- */

static void tick_peers(struct disagg_fleet *fleet, int64_t now_ns, bool tell_alive)
{
	for (struct fleet_peer *peer = fleet->peer; peer; peer = peer->next) {
		if (peer->closed)
			continue;
		if (!peer->node && now_ns - peer->since_ns > FLEET_HELLO_NS) {
			fleet_drop(fleet, peer);
			continue;
		}
		if (peer->node && now_ns - peer->node->heard_ns > DISAGG_LEAD_SILENT_NS) {
			lose_peer(fleet, peer, "silent for 30 s");
			continue;
		}
		if (peer->node && tell_alive)
			disagg_link_send(&peer->link, "alive", 0, "", 0);
		watch_writes(fleet, peer);
	}
}

static void tick_tasks(struct disagg_fleet *fleet, int64_t now_ns)
{
	for (size_t i = 0; i < fleet->slots; i++)
		if (fleet->slot[i].task && now_ns > fleet->slot[i].until_ns)
			fleet_end_task(fleet, &fleet->slot[i], DISAGG_TASK_FAILED,
				"its agent did not end it at its deadline");
}

static void tick(struct disagg_fleet *fleet)
{
	int64_t now_ns = disagg_monotonic_ns();
	bool tell_alive = now_ns - fleet->alive_ns > DISAGG_AGENT_ALIVE_NS;

	if (now_ns - fleet->tick_ns < FLEET_TICK_NS)
		return;
	fleet->tick_ns = now_ns;
	if (tell_alive)
		fleet->alive_ns = now_ns;
	tick_peers(fleet, now_ns, tell_alive);
	tick_tasks(fleet, now_ns);
	if (fleet->spec.tick)
		fleet->spec.tick(fleet->spec.context);
}

static void take_signal(struct disagg_fleet *fleet)
{
	struct signalfd_siginfo info;

	if (read(fleet->spec.signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info) ||
		fleet->cancelled)
		return;
	fleet->cancelled = disagg_arena_printf(&fleet->arena, "cancelled by signal %u (%s)",
		info.ssi_signo, strsignal((int)info.ssi_signo));
	if (!fleet->cancelled)
		fleet->cancelled = "cancelled by a signal";
}

/* ---- a turn ---- */

void fleet_turn(struct disagg_fleet *fleet, int64_t until_ns)
{
	struct epoll_event event[EVENTS_MOST];
	int64_t now_ns = disagg_monotonic_ns(), next = fleet->tick_ns + FLEET_TICK_NS;
	int count;

	if (until_ns < next)
		next = until_ns;
	count = epoll_wait(fleet->epoll_fd, event, EVENTS_MOST,
		next <= now_ns ? 0 : (int)((next - now_ns) / 1000000) + 1);
	for (int i = 0; i < count; i++) {
		if (event[i].data.ptr == &fleet->spec.listen_fd)
			fleet_accept(fleet);
		else if (event[i].data.ptr == &fleet->spec.signal_fd)
			take_signal(fleet);
		else
			take_event(fleet, &event[i]);
	}
	tick(fleet);
	fleet_free_closed(fleet);
}

static size_t awaited(const struct disagg_fleet *fleet)
{
	size_t count = 0;

	for (size_t i = 0; i < fleet->spec.count; i++)
		count += fleet->node[i].state == FLEET_NODE_AWAITED ||
			 fleet->node[i].state == FLEET_NODE_JOINED;
	return count;
}

int disagg_fleet_gather(struct disagg_fleet *fleet, struct disagg_err *err)
{
	int64_t until = disagg_monotonic_ns() + (int64_t)fleet->spec.join_ms * 1000000;
	char reason[128];

	while (awaited(fleet) && !fleet->cancelled && disagg_monotonic_ns() < until)
		fleet_turn(fleet, until);
	if (fleet->cancelled)
		return disagg_err_set(err, DISAGG_TIMEOUT, "%s", fleet->cancelled);
	for (size_t i = 0; i < fleet->spec.count; i++) {
		bool joined = fleet->node[i].state == FLEET_NODE_JOINED;

		if (!joined && fleet->node[i].state != FLEET_NODE_AWAITED)
			continue;
		snprintf(reason, sizeof(reason), "%s within %u s",
			joined ? "did not tell its GPUs" : "did not join",
			fleet->spec.join_ms / 1000);
		fleet_lose(fleet, &fleet->node[i], reason);
	}
	return 0;
}
