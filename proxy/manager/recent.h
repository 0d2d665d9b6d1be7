/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/manager/recent.h: what a worker remembers for the status page: the last replies that
 * failed, and about which URLs are hit most lately. Of the hits one in RECENT_SAMPLE is looked at,
 * and a table of constant size keeps those that come again and again (space-saving: a new one takes
 * the place of the rarest).
 *
 * Threads: one worker's. */
#ifndef PROXY_RECENT_H
#define PROXY_RECENT_H
#include <stdint.h>

#include "lib/base/str.h"

enum {
	RECENT_ERRORS = 16,
	RECENT_HOT = 64,
	RECENT_SAMPLE = 16,
	RECENT_URL_BYTES = 240,
	RECENT_TEXT_BYTES = 64,
};

/* A line of some table; which fields mean something is the table's. */
struct recent_line {
	int64_t at_us; /* monotonic */
	uint64_t number; /* a status; how often; how long */
	char what[RECENT_TEXT_BYTES];
	char client[RECENT_TEXT_BYTES];
	char url[RECENT_URL_BYTES]; /* cut */
};

struct recent {
	uint64_t nerrors; /* the newest is the last one in the ring */
	struct recent_line errors[RECENT_ERRORS];
	unsigned nhot, nsamples, countdown;
	struct recent_line hot[RECENT_HOT];
};

/* Copies line, in place of the oldest one. */
void recent_add_error(struct recent *recent, const struct recent_line *line);
void recent_sample(struct recent *recent, struct str url);

/* A hit of that URL. */
static inline void recent_hit(struct recent *recent, struct str url)
{
	if (recent->countdown-- == 0)
		recent_sample(recent, url);
}

#endif
