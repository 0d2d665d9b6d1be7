/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/zipf.h: a stream of requests as sites have them: the n-th most popular of nobjects
 * is asked for in proportion to n^-0.9; sizes are 1 to 256 KiB, log-uniform. Always the same
 * stream. */
#ifndef TESTS_ZIPF_H
#define TESTS_ZIPF_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/heap.h"

struct zipf {
	uint64_t state;
	unsigned nobjects;
	double *sums;
};

static inline double zipf_draw(struct zipf *zipf)
{
	zipf->state ^= zipf->state << 13;
	zipf->state ^= zipf->state >> 7;
	zipf->state ^= zipf->state << 17;
	return (double)(zipf->state >> 11) / 9007199254740992.0;
}

static inline void zipf_init(struct zipf *zipf, unsigned nobjects)
{
	double sum = 0;

	*zipf = (struct zipf){88172645463325252u, nobjects, mem_array(nobjects, sizeof(double))};
	for (unsigned i = 0; i < nobjects; i++)
		zipf->sums[i] = sum += pow(i + 1, -0.9);
	for (unsigned i = 0; i < nobjects; i++)
		zipf->sums[i] /= sum;
}

static inline void zipf_fini(struct zipf *zipf)
{
	mem_free(zipf->sums);
}

/* The number of the next one that is asked for, below nobjects. */
static inline unsigned zipf_next(struct zipf *zipf)
{
	unsigned low = 0, high = zipf->nobjects - 1;
	double r = zipf_draw(zipf);

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (zipf->sums[middle] < r)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Of its body; fixed by the number. */
static inline size_t zipf_size(unsigned n)
{
	uint64_t x = (n + 1) * 0x9e3779b97f4a7c15u;

	x ^= x >> 31;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	return (size_t)(1024 * exp2(8.0 * (double)(x >> 11) / 9007199254740992.0));
}

#endif
