/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "lib/base/check.h"

void random_fill(void *out, size_t len)
{
	char *at = out;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		check(n > 0);
		at += n;
		len -= (size_t)n;
	}
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_fill(&value, sizeof(value));
	return value;
}
