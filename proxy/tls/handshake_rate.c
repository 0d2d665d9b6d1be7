/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/handshake_rate.h"

#include "lib/base/hash.h"

static atomic_uint_least64_t *slot_of(struct handshake_rate *rate, const struct addr *client)
{
	uint8_t ip[16];
	struct str who = {(const char *)ip, sizeof(ip)};

	addr_client_bytes(client, ip);
	return &rate->slots[hash_str(who, rate->seed) % HANDSHAKE_RATE_SLOTS];
}

bool handshake_rate_may(struct handshake_rate *rate, const struct addr *client, unsigned limit,
                        int64_t now_ms)
{
	atomic_uint_least64_t *slot = slot_of(rate, client);
	uint64_t second = (uint64_t)(now_ms / 1000) & UINT32_MAX;
	uint_least64_t seen = atomic_load_explicit(slot, memory_order_relaxed);
	uint_least64_t next;

	do {
		next = seen >> 32 == second ? seen + 1 : (second << 32 | 1);
		if ((next & UINT32_MAX) > limit)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(slot, &seen, next, memory_order_relaxed,
	                                                memory_order_relaxed));
	return true;
}
