/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/clock.h: the two clocks. Monotonic for waiting, wall for dates; 64 bits everywhere.
 * Threads: any. A loop keeps its own reading of both (lib/net/loop.h): ask that on a hot path. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_mono_coarse_ms(void); /* some ms behind, but nearly for nothing */
int64_t clock_wall_us(void); /* since 1970 */
/* When a moment (of clock_mono_us) was, by the wall clock as it is set now: what remembers moments
 * in this way is right about them even if they passed before a board without a battery learnt the
 * time. */
int64_t clock_wall_of(int64_t mono_us);

static inline int64_t clock_wall_s(void)
{
	return clock_wall_us() / 1000000;
}

#endif
