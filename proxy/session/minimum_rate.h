/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/session/minimum_rate.h: client_minimum_rate (ours): how fast a client has to send what it
 * began, and to take what it asked for. What counts is the time in which nothing but the client is
 * waited for: over each client_minimum_rate_time of it, whatever lay between, it has to move its
 * bytes.
 *
 * Threads: its owner's. Times are of the loop's monotonic clock. */
#ifndef PROXY_MINIMUM_RATE_H
#define PROXY_MINIMUM_RATE_H
#include <stdbool.h>
#include <stdint.h>

struct config;

/* One direction. Zeroed: nothing was waited for yet. */
struct minimum_rate {
	int64_t since_ms;  /* the client is waited for; 0: it is not */
	int64_t waited_ms; /* before that, in the present period */
	uint64_t moved;    /* bytes as the period began */
};

/* The client is waited for. May be said again and again. */
static inline void minimum_rate_wait(struct minimum_rate *rate, int64_t now_ms)
{
	if (rate->since_ms == 0)
		rate->since_ms = now_ms;
}

/* It is not, or no more. */
static inline void minimum_rate_rest(struct minimum_rate *rate, int64_t now_ms)
{
	if (rate->since_ms != 0)
		rate->waited_ms += now_ms - rate->since_ms;
	rate->since_ms = 0;
}

/* Has the client moved too little in a period that is over? moved: all bytes so far. Of share
 * streams that the client shares its line among, each needs that part of the rate. If not, and the
 * period is over, another one begins. False without client_minimum_rate. */
bool minimum_rate_is_missed(struct minimum_rate *rate, const struct config *config, uint64_t moved,
			    unsigned share, int64_t now_ms);

/* When to look again, at the earliest: never more than max_ms ahead, max_ms without
 * client_minimum_rate. */
int64_t minimum_rate_look_ms(const struct minimum_rate *rate, const struct config *config,
			     int64_t now_ms, int64_t max_ms);

#endif
