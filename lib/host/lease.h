/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISAGG_HOST_LEASE_H
#define DISAGG_HOST_LEASE_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/plan/portset.h"

/*
 * The ports of a deployment on this node, held as long as the process lives.
 * A port is held by the name of a socket in the abstract namespace, which
 * belongs to the network namespace as ports do, goes with the process however
 * that ends, and leaves the port itself to the engine that is to listen on it.
 * Only deployments know these names, so each port is also tried: whatever else
 * listens there is found before a lease is given.
 */
struct disagg_lease {
	int *fd;
	unsigned count, size;
};

/* Why a port could not be had. */
enum disagg_lease_why {
	DISAGG_LEASE_HELD, /* by another deployment */
	DISAGG_LEASE_OPEN, /* a program that holds no lease listens there */
};

struct disagg_lease_conflict {
	int port;
	enum disagg_lease_why why;
};

/* All ports of the set beside what the lease has; each is an open file.  0: they
 * are held; 1: one is taken (*ret); -1: DISAGG_SYSTEM, for lack of files or memory.
 * After 1 and -1 the lease is empty. */
int disagg_lease_take(struct disagg_lease *lease, const struct disagg_portset *set,
	struct disagg_lease_conflict *ret, struct disagg_err *err);
/* Gives all back; accepts an empty one. */
void disagg_lease_release(struct disagg_lease *lease);

#endif
