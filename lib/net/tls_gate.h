/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/tls_gate.h: handshakes take most of a millisecond each: a few in each turn of a loop, the
 * others wait for theirs, so that connections that are through are served in between.
 *
 * Threads: one loop's. */
#ifndef NET_TLS_GATE_H
#define NET_TLS_GATE_H
#include "lib/base/list.h"
#include "lib/net/loop.h"

struct tls_gate {
	struct loop *loop;
	struct loop_task task_;
	struct list waiting_; /* of struct tls_pass */
	unsigned left_;       /* in this turn */
};

/* One that wants to pass; lies in what wants to. */
struct tls_pass {
	struct list node_;
	bool is_granted_;
	void (*go)(struct tls_pass *pass); /* from the loop: ask again now */
};

void tls_gate_init(struct tls_gate *gate, struct loop *loop);
void tls_gate_fini(struct tls_gate *gate); /* nobody may wait any more */

void tls_pass_init(struct tls_pass *pass, void (*go)(struct tls_pass *pass));
void tls_pass_fini(struct tls_pass *pass); /* it waits no longer, if it does */

/* One step of a handshake may be done now; else go is called when it may. */
bool tls_gate_enter(struct tls_gate *gate, struct tls_pass *pass);

#endif
