/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/hash.h: keyed 64-bit hashes of bytes (XXH3). Not a MAC: the seed keeps strangers from
 * aiming at one bucket. Threads: any. */
#ifndef BASE_HASH_H
#define BASE_HASH_H
#include <stdint.h>

#include "lib/base/str.h"

uint64_t hash_str(struct str s, uint64_t seed);

/* CRC-32C (Castagnoli), as the database keeps it for each piece of a body. */
uint32_t hash_crc32c(const void *bytes, size_t len);

#endif
