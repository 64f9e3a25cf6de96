/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/probe/mesh.h"

#include "lib/host/http.h"
#include "lib/probe/serving.h"
#include "lib/probe/stats.h"
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- on a node ---- */

#define CONNECTS  16
#define PINGS	  32
#define TRANSFERS 4
#define TRANSFER  (1u << 20)
#define NAMES_NS  5000000000ll /* for all names: a dead name server takes 10 s each */

struct peer_result {
	bool reached;
	char why[512];
	double connect_ms, ping_us, rate; /* slowest, slowest, median of GB/s */
	int mtu;
};

struct mesh {
	struct disagg_probe_run *run;
	struct disagg_peer *peer;
	struct peer_result *result;
	size_t count;
	double *connect, *ping; /* all samples */
	size_t connects, pings;
};

static int transfers(struct mesh *mesh, struct disagg_caller *caller, struct peer_result *result,
	struct disagg_err *err)
{
	double rate[TRANSFERS], seconds;

	for (int i = 0; i < PINGS; i++) {
		if (disagg_caller_get(caller, 1, true, &seconds, err) < 0)
			return -1;
		mesh->ping[mesh->pings++] = seconds * 1e6;
		result->ping_us = fmax(result->ping_us, seconds * 1e6);
	}
	for (int i = 0; i < TRANSFERS; i++) {
		if (disagg_caller_put(caller, TRANSFER, &seconds, err) < 0)
			return disagg_err_wrap(err,
				"one byte passes, 1 MiB does not (is an MTU on the way below %d?)",
				disagg_caller_mtu(caller));
		rate[i] = TRANSFER / seconds / 1e9;
	}
	disagg_stats_sort(rate, TRANSFERS);
	result->rate = disagg_stats_percentile(rate, TRANSFERS, 0.5);
	result->mtu = disagg_caller_mtu(caller);
	return 0;
}

static int ask(struct mesh *mesh, size_t at, struct disagg_err *err)
{
	struct peer_result *result = &mesh->result[at];
	struct disagg_caller_target target = mesh->peer[at].target;
	struct disagg_caller caller = {.fd = -1};
	int rc;

	target.mtu_discover = IP_PMTUDISC_DO;
	for (int i = 0; i < CONNECTS; i++) {
		disagg_caller_close(&caller);
		if (disagg_caller_open(&caller, &target, err) < 0)
			return -1;
		mesh->connect[mesh->connects++] = caller.connect_ms;
		result->connect_ms = fmax(result->connect_ms, caller.connect_ms);
	}
	rc = transfers(mesh, &caller, result, err);
	disagg_caller_close(&caller);
	return rc;
}

static void ask_all(struct mesh *mesh)
{
	for (size_t i = 0; i < mesh->count; i++) {
		struct disagg_err err = DISAGG_ERR_INIT;

		mesh->result[i].reached = ask(mesh, i, &err) == 0;
		if (!mesh->result[i].reached)
			snprintf(mesh->result[i].why, sizeof(mesh->result[i].why), "%s", err.text);
	}
}

/* The record of one quantity, with its value at each peer; the worst one's name. */
static void tell(struct mesh *mesh, struct disagg_probe_record *record, size_t offset)
{
	bool more = record->better == DISAGG_BETTER_MORE;
	double worst = 0;

	for (size_t i = 0; i < mesh->count; i++) {
		const char *at = (const char *)&mesh->result[i] + offset;
		double value = *(const double *)at;

		if (!mesh->result[i].reached)
			continue;
		if (record->raw_count < DISAGG_PROBE_RAW_MAX)
			record->raw[record->raw_count++] = value;
		if (!record->peer || (more ? value < worst : value > worst)) {
			worst = value;
			record->peer = mesh->peer[i].name;
		}
	}
	record->has_value = record->peer != NULL;
	if (record->has_value)
		mesh->run->emit(mesh->run, record);
}

static double percentile(double *sample, size_t count, double part)
{
	disagg_stats_sort(sample, count);
	return disagg_stats_percentile(sample, count, part);
}

static void tell_times(struct mesh *mesh)
{
	struct disagg_probe_record connect = DISAGG_PROBE_RECORD_INIT, ping = connect;
	char reason[128];

	connect.param = "connect";
	connect.unit = "ms";
	connect.better = DISAGG_BETTER_LESS;
	connect.value = percentile(mesh->connect, mesh->connects, 0.99);
	if (connect.value >= DISAGG_MESH_CONNECT_MS) {
		snprintf(reason, sizeof(reason),
			"1 of 100 connections takes %.1f ms or more, expected less than %.0f ms",
			connect.value, DISAGG_MESH_CONNECT_MS);
		connect.status = DISAGG_PROBE_WARN;
		connect.reason = reason;
	}
	tell(mesh, &connect, offsetof(struct peer_result, connect_ms));
	ping.param = "1 byte";
	ping.unit = "us";
	ping.better = DISAGG_BETTER_LESS;
	ping.value = percentile(mesh->ping, mesh->pings, 0.5);
	tell(mesh, &ping, offsetof(struct peer_result, ping_us));
}

static void tell_rate(struct mesh *mesh)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	double rate[DISAGG_MESH_PEERS];
	size_t count = 0;

	for (size_t i = 0; i < mesh->count; i++)
		if (mesh->result[i].reached)
			rate[count++] = mesh->result[i].rate;
	record.param = "1M";
	record.unit = "GB/s";
	record.better = DISAGG_BETTER_MORE;
	record.value = percentile(rate, count, 0.5);
	tell(mesh, &record, offsetof(struct peer_result, rate));
}

/* The same on all paths, or a jumbo frame is lost on one. */
static void tell_mtu(struct mesh *mesh)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	const struct disagg_peer *least_peer = NULL;
	int least = 0, most = 0;
	char reason[128];

	for (size_t i = 0; i < mesh->count; i++) {
		int mtu = mesh->result[i].mtu;

		if (!mesh->result[i].reached || mtu <= 0)
			continue;
		most = mtu > most ? mtu : most;
		if (!least_peer || mtu < least) {
			least = mtu;
			least_peer = &mesh->peer[i];
		}
	}
	if (!least_peer)
		return;
	record.param = "mtu";
	record.unit = "bytes";
	record.has_value = true;
	record.value = least;
	if (least < most) {
		snprintf(reason, sizeof(reason), "the path's MTU is %d to this peer, %d to another",
			least, most);
		record.status = DISAGG_PROBE_WARN;
		record.reason = reason;
		record.peer = least_peer->name;
	}
	mesh->run->emit(mesh->run, &record);
}

/* ---- names ---- */

struct name_result {
	bool known, right, back;
};

static bool same_address(const struct addrinfo *a, const struct addrinfo *b)
{
	return a->ai_family == b->ai_family && a->ai_addrlen == b->ai_addrlen &&
	       memcmp(a->ai_addr, b->ai_addr, a->ai_addrlen) == 0;
}

static bool names_back(const struct addrinfo *address, const char *name)
{
	size_t label = strcspn(name, ".");
	char host[NI_MAXHOST];

	return getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), NULL, 0,
		       NI_NAMEREQD) == 0 &&
	       strncasecmp(host, name, label) == 0 && (host[label] == '.' || !host[label]);
}

static struct name_result look_up(const struct disagg_peer *peer)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *of_name = NULL, *address = NULL;
	struct name_result result = {false, false, false};

	result.known = getaddrinfo(peer->name, NULL, &hints, &of_name) == 0;
	hints.ai_flags = AI_NUMERICHOST;
	if (getaddrinfo(peer->target.address, NULL, &hints, &address) == 0) {
		for (struct addrinfo *at = of_name; result.known && at; at = at->ai_next)
			result.right |= same_address(at, address);
		result.back = names_back(address, peer->name);
		freeaddrinfo(address);
	}
	if (result.known)
		freeaddrinfo(of_name);
	return result;
}

/* Agents of a rehearsal have names that are of no host, and nobody is to be asked for. */
static bool is_rehearsed(const struct disagg_peer *peer)
{
	const char *address = peer->target.address;

	return (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0) &&
	       strcmp(peer->name, "localhost") != 0;
}

static void tell_names(struct mesh *mesh)
{
	struct disagg_probe_record record = DISAGG_PROBE_RECORD_INIT;
	int64_t start = disagg_monotonic_ns();
	size_t asked = 0, known = 0, right = 0, back = 0;
	const char *wrong = NULL;
	char reason[400];

	for (size_t i = 0; i < mesh->count && disagg_monotonic_ns() - start < NAMES_NS; i++) {
		struct name_result result;

		if (is_rehearsed(&mesh->peer[i]))
			continue;
		result = look_up(&mesh->peer[i]);
		asked++;
		known += result.known;
		right += result.right;
		back += result.back;
		if (!result.right && (!wrong || result.known))
			wrong = mesh->peer[i].name;
	}
	record.param = "names";
	record.unit = "names";
	record.has_value = true;
	record.value = (double)right;
	record.duration_ms = (double)(disagg_monotonic_ns() - start) / 1e6;
	if (right < asked) {
		snprintf(reason, sizeof(reason),
			"%zu of %zu peers' names lead to the address they are reached at, '%s' not",
			right, asked, wrong);
		record.reason = reason;
		/* names of nodes need not be names of hosts: then none is */
		record.status = known ? DISAGG_PROBE_WARN : DISAGG_PROBE_PASS;
		record.hint = known ? "see /etc/hosts and the name servers of both nodes"
				    : "no node's name is known here; engines are given addresses";
	} else if (back < asked) {
		record.hint = "some addresses do not lead back to their names";
	}
	if (asked)
		mesh->run->emit(mesh->run, &record);
}

/* ---- a node's part ---- */

static int note_failed(struct mesh *mesh, struct disagg_err *err)
{
	struct disagg_strbuf text;
	struct disagg_json_writer writer = {.out = &text};
	int rc = 0;

	disagg_strbuf_init(&text, 0);
	disagg_json_begin(&writer, NULL, '{');
	disagg_json_begin(&writer, "why", '[');
	for (size_t i = 0; i < mesh->count; i++)
		disagg_json_put_text(
			&writer, NULL, mesh->result[i].reached ? "" : mesh->result[i].why);
	disagg_json_end(&writer, ']');
	disagg_json_end(&writer, '}');
	if (text.failed)
		rc = disagg_err_nomem(err);
	else
		mesh->run->note(mesh->run, text.text);
	disagg_strbuf_release(&text);
	return rc;
}

int disagg_mesh_run(struct disagg_probe_run *run, struct disagg_err *err)
{
	struct disagg_responder responder = {.fd = -1};
	struct mesh mesh = {.run = run};

	if (disagg_serving_asked(run))
		return disagg_serving_answer(run, &responder, err);
	if (disagg_serving_peers(run, &mesh.peer, &mesh.count, err) < 0)
		return -1;
	if (mesh.count > DISAGG_MESH_PEERS)
		return disagg_err_set(err, DISAGG_INVALID, "%zu peers, expected %d at most",
			mesh.count, DISAGG_MESH_PEERS);
	mesh.result = disagg_arena_array(run->arena, mesh.count + 1, sizeof(*mesh.result));
	mesh.connect = disagg_arena_array(run->arena, mesh.count * CONNECTS + 1, sizeof(double));
	mesh.ping = disagg_arena_array(run->arena, mesh.count * PINGS + 1, sizeof(double));
	if (!mesh.result || !mesh.connect || !mesh.ping)
		return disagg_err_nomem(err);
	ask_all(&mesh);
	if (note_failed(&mesh, err) < 0)
		return -1;
	tell_times(&mesh);
	tell_rate(&mesh);
	tell_mtu(&mesh);
	tell_names(&mesh);
	return 0;
}
