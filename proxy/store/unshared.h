/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/store/unshared.h: URLs whose last answer could not be shared (private, not to be stored, at
 * once stale): for a minute nobody waits for another's fetch of them. Approximate: a fixed table,
 * in which one URL may displace another. Threads: one worker's. */
#ifndef PROXY_UNSHARED_H
#define PROXY_UNSHARED_H
#include <stdbool.h>
#include <stdint.h>

struct unshared; /* opaque */

struct unshared *unshared_create(void);
void unshared_destroy(struct unshared *unshared); /* accepts NULL */

/* key: index_key of the URL. */
void unshared_add(struct unshared *unshared, uint64_t key, int64_t now_s);
/* It will be asked for soon: what takes a while begins now. */
void unshared_expect(const struct unshared *unshared, uint64_t key);
bool unshared_has(const struct unshared *unshared, uint64_t key, int64_t now_s);

#endif
