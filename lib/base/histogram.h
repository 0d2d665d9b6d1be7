/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/histogram.h: how often a duration was about so long: four bins to each doubling, so that
 * a value is known within 12 %. Counting is a shift and an increment.
 *
 * Threads: one owner's. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H
#include <stdint.h>

enum { HISTOGRAM_BINS = 128 };

struct histogram {
	uint64_t counts[HISTOGRAM_BINS];
};

/* The bin of a value; all from 2^33 on (in microseconds: more than two hours) are in the last
 * one. */
static inline unsigned histogram_bin(uint64_t value)
{
	unsigned log2, bin;

	if (value < 4)
		return (unsigned)value;
	log2 = 63 - (unsigned)__builtin_clzll(value);
	bin = (log2 - 1) * 4 + (unsigned)(value >> (log2 - 2) & 3);
	return bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1;
}

/* The least value that falls into the bin. */
uint64_t histogram_least(unsigned bin);

/* Durations with their sum. */
struct timings {
	uint64_t sum_us;
	struct histogram times;
};

static inline void timings_note(struct timings *timings, uint64_t took_us)
{
	timings->sum_us += took_us;
	timings->times.counts[histogram_bin(took_us)]++;
}

/* Adds all that from has counted. */
void histogram_add(struct histogram *to, const struct histogram *from);
/* What came between two readings. */
void histogram_subtract(struct histogram *from, const struct histogram *earlier);

/* The value that a share of all (0 to 1) do not exceed: the middle of its bin; 0 if there are
 * none. */
double histogram_quantile(const struct histogram *histogram, double share);

#endif
