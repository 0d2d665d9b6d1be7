/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/freshness.h: how old a response is and how long it may serve. RFC 9111 §4.2, with Squid's
 * refresh_pattern where it asks for something else. Pure functions: values in, verdict out. */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H
#include <stdbool.h>
#include <stdint.h>

/* What a response said about its own times and use, read once when it arrived. */
struct freshness_facts {
	int64_t date_s;     /* Squid's DATE: Date corrected for Age and the time the answer took */
	int64_t expires_s;  /* 0: no explicit expiry */
	int64_t modified_s; /* Last-Modified; 0: none */
	int64_t arrived_s;  /* when it came */
	uint32_t flags;     /* FACT_* */
};

#endif
