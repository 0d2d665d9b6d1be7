/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/peer_dial.h: a connection to a peer that is made for no request: to look whether it
 * is there (peer_watch.h), or to have one ready (peer_standby.h). Its addresses are tried one after
 * the other.
 *     RESOLVE → CONNECT → HANDSHAKE (where it speaks TLS) → ready
 * Threads: one worker's. */
#ifndef PROXY_PEER_DIAL_H
#define PROXY_PEER_DIAL_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/resolver.h"

struct origin_conn; /* proxy/fetch/origin_pool.h */
struct peer;        /* squid-compat/peers.h */
struct peer_state;
struct snapshot;
struct worker;

enum dial_step { DIAL_RESOLVE, DIAL_CONNECT, DIAL_HANDSHAKE, DIAL_READY };

enum dial_result {
	DIAL_DONE, /* conn is ready: the caller's from now on, who sets it to NULL when he gives it away */
	DIAL_WAIT, /* woke comes */
	DIAL_FAILED, /* why says it */
};

/* Embedded; the caller sets these, and begins with peer_dial_begin. */
struct peer_dial {
	struct worker *worker;
	struct snapshot *snapshot; /* the caller's */
	const struct peer *peer;   /* of that snapshot */
	struct peer_state *counts; /* counted there as a connection; NULL: nowhere */
	uint64_t key;              /* the connection's (origin_pool.h) */
	void (*woke)(void *owner); /* from the loop: peer_dial_run is due; the connection's owner, too */
	void *owner;
	/* outcomes */
	struct origin_conn *conn;
	const char *why; /* until the next call */
	/* its own */
	struct resolver_query query_;
	enum dial_step step_;
	unsigned addr_, nrefused_;
	bool is_resolving_;
};

/* Starts; then peer_dial_run, at once and whenever woke came. */
void peer_dial_begin(struct peer_dial *dial);
enum dial_result peer_dial_run(struct peer_dial *dial);
/* What it waits for, if it is not there in time. */
const char *peer_dial_late(const struct peer_dial *dial);
/* It failed since all addresses refused, at once. */
bool peer_dial_was_refused(const struct peer_dial *dial);
/* Lets go of all that it has; fine in zeroed memory. */
void peer_dial_end(struct peer_dial *dial);

#endif
