/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/histogram.h"

uint64_t histogram_least(unsigned bin)
{
	unsigned log2 = bin / 4 + 1;

	return bin < 4 ? bin : (uint64_t)(4 + bin % 4) << (log2 - 2);
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
		to->counts[i] += from->counts[i];
}

void histogram_subtract(struct histogram *from, const struct histogram *earlier)
{
	for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
		from->counts[i] -= earlier->counts[i];
}

/* Values below 4 have a bin each. */
static double middle(unsigned bin)
{
	uint64_t least = histogram_least(bin);

	return bin < 4 ? (double)least : ((double)least + (double)histogram_least(bin + 1)) / 2;
}

double histogram_quantile(const struct histogram *histogram, double share)
{
	uint64_t total = 0, seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BINS; i++)
		total += histogram->counts[i];
	for (unsigned i = 0; total > 0 && i < HISTOGRAM_BINS; i++) {
		seen += histogram->counts[i];
		if ((double)seen >= share * (double)total && seen > 0)
			return middle(i);
	}
	return 0;
}
