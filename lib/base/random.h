/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/random.h: bytes that nobody guesses, from the kernel. Threads: any. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H
#include <stddef.h>
#include <stdint.h>

void random_fill(void *out, size_t len);
uint64_t random_u64(void);

#endif
