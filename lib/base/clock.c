/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/clock.h"

#include <time.h>

enum { MS = 1000, US = 1000000 }; /* in a second */

static inline int64_t now(clockid_t clock, int64_t a_second)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * a_second + time.tv_nsec / (1000000000 / a_second);
}

int64_t clock_mono_ms(void)
{
	return now(CLOCK_MONOTONIC, MS);
}

int64_t clock_mono_coarse_ms(void)
{
	return now(CLOCK_MONOTONIC_COARSE, MS);
}

int64_t clock_mono_us(void)
{
	return now(CLOCK_MONOTONIC, US);
}

int64_t clock_wall_us(void)
{
	return now(CLOCK_REALTIME, US);
}

int64_t clock_wall_of(int64_t mono_us)
{
	return clock_wall_us() - (clock_mono_us() - mono_us);
}
