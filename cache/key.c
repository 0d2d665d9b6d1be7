/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/key.h"

#include "lib/base/hash.h"

uint64_t cache_key_fingerprint(struct str url, uint64_t seed)
{
	uint64_t key = hash_str(url, seed);

	return key ? key : 1;
}

bool cache_key_is_method_served(enum http_method method)
{
	return method == HTTP_GET || method == HTTP_HEAD;
}
