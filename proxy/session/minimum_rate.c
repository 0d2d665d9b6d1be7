/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/session/minimum_rate.h"

#include "squid-compat/config.h"

enum { MS_OF_S = 1000 };

static bool is_on(const struct config *config)
{
	return config->client_minimum_rate_bytes > 0 && config->client_minimum_rate_time_ms > 0;
}

static int64_t waited_ms(const struct minimum_rate *rate, int64_t now_ms)
{
	return rate->waited_ms + (rate->since_ms != 0 ? now_ms - rate->since_ms : 0);
}

bool minimum_rate_is_missed(struct minimum_rate *rate, const struct config *config, uint64_t moved,
			    unsigned share, int64_t now_ms)
{
	int64_t ms = waited_ms(rate, now_ms);
	uint64_t since = moved > rate->moved ? moved - rate->moved : 0;
	double least = (double)config->client_minimum_rate_bytes * (double)ms / MS_OF_S;

	if (!is_on(config) || ms < config->client_minimum_rate_time_ms)
		return false;
	if ((double)since * (share > 1 ? share : 1) < least)
		return true;
	rate->moved = moved;
	rate->waited_ms = 0;
	if (rate->since_ms != 0)
		rate->since_ms = now_ms;
	return false;
}

int64_t minimum_rate_look_ms(const struct minimum_rate *rate, const struct config *config,
			     int64_t now_ms, int64_t max_ms)
{
	int64_t left_ms = config->client_minimum_rate_time_ms - waited_ms(rate, now_ms);

	if (!is_on(config) || left_ms > max_ms)
		return max_ms;
	return left_ms > 0 ? left_ms : 1;
}
