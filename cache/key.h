/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/key.h: the cache key. RFC 9111 §2: here the target URI of a GET as text; a HEAD is answered
 * from the GET, other methods have no key. The fingerprint finds, the text decides.
 * Threads: pure. */
#ifndef CACHE_KEY_H
#define CACHE_KEY_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/http/message.h"

/* Never 0, which means "not indexed". The seed is random and lives as long as the store. */
uint64_t cache_key_fingerprint(struct str url, uint64_t seed);

/* May a request of that method be answered from the cache? */
bool cache_key_is_method_served(enum http_method method);

#endif
