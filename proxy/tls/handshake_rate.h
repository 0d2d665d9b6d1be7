/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tls/handshake_rate.h: tls_handshake_limit (ours): how many TLS handshakes one client may
 * begin in a second; an IPv6 client is its /64.
 *
 * Threads: all workers share one table, of atomics; two clients that fall on one slot share its
 * count, which is rare. */
#ifndef PROXY_HANDSHAKE_RATE_H
#define PROXY_HANDSHAKE_RATE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/addr.h"

enum { HANDSHAKE_RATE_SLOTS = 4096 };

/* Zeroed with its seed set it is ready. */
struct handshake_rate {
	uint64_t seed;
	/* second << 32 | handshakes in it; relaxed: a count of its own */
	atomic_uint_least64_t slots[HANDSHAKE_RATE_SLOTS];
};

/* Counts one more in the second of now_ms (monotonic); false: that is more than limit. */
bool handshake_rate_may(struct handshake_rate *rate, const struct addr *client, unsigned limit,
                        int64_t now_ms);

#endif
