/* SPDX-License-Identifier: BSD-2-Clause */
/* How a peer is asked whether it can serve: the options of Squid 2.7 (monitorurl=, which is one
 * failure or success away from a change) and ours (health=, with rise and fall). */
#include "lib/base/check.h"
#include "lib/http/uri.h"
#include "squid-compat/peers_internal.h"

enum {
	MONITOR_INTERVAL_S = 300, /* Squid 2.7's default */
	HEALTH_INTERVAL_S = 5,
	HEALTH_TIMEOUT_S = 2,
	HEALTH_RISE = 2,
	HEALTH_FALL = 3,
	MAX_SECONDS = 86400,
	MAX_IN_A_ROW = 1000,
};

static const struct peer_check monitor_defaults = {
	.status_min = 200,
	.status_max = 200,
	.interval_ms = MONITOR_INTERVAL_S * 1000,
	.rise = 1,
	.fall = 1,
};

static const struct peer_check health_defaults = {
	.status_min = 200,
	.status_max = 399,
	.interval_ms = HEALTH_INTERVAL_S * 1000,
	.timeout_ms = HEALTH_TIMEOUT_S * 1000,
	.rise = HEALTH_RISE,
	.fall = HEALTH_FALL,
};

/* Options may stand in any order: the first of either kind puts its defaults. */
static void put_defaults(struct peer_check *check, const struct peer_check *defaults)
{
	if (check->fall == 0)
		*check = *defaults;
}

static bool take_seconds(struct reading_peer *reading, unsigned min, int64_t *out_ms)
{
	unsigned seconds;

	if (!peer_read_number(reading, min, MAX_SECONDS, &seconds))
		return false;
	*out_ms = (int64_t)seconds * 1000;
	return true;
}

/* "A-B", or "A", which is both ends. */
static bool read_range(struct str text, uint64_t *min, uint64_t *max)
{
	size_t dash = str_find_char(text, '-');

	if (!str_to_u64(str_first(text, dash), min))
		return false;
	if (dash == text.len)
		*max = *min;
	else if (!str_to_u64(str_from(text, dash + 1), max))
		return false;
	return *min <= *max;
}

/* ---- Squid 2.7 */

static void take_monitorurl(struct reading_peer *reading)
{
	struct peer_check *check = &reading->peer->check;
	struct str text = peer_keep(reading, reading->value);
	struct uri uri;

	if (text.len > 0 && text.at[0] == '/' && uri_is_path_and_query(text)) {
		check->target = text;
	} else if (uri_parse(text, &uri)) {
		size_t at = (size_t)(uri.host.at - text.at);
		size_t end = at + str_find_char(str_from(text, at), '/');

		check->host = str_first(str_from(text, at), end - at);
		check->target = uri.path_and_query.len > 0 ? uri.path_and_query : STR("/");
	} else {
		peer_bad_value(reading);
	}
}

static void take_monitorsize(struct reading_peer *reading)
{
	struct peer_check *check = &reading->peer->check;
	uint64_t min, max;

	if (!read_range(reading->value, &min, &max)) {
		peer_bad_value(reading);
		return;
	}
	check->min_bytes = min;
	check->max_bytes = str_find_char(reading->value, '-') < reading->value.len ? max : 0;
}

static void take_monitorinterval(struct reading_peer *reading)
{
	take_seconds(reading, 0, &reading->peer->check.interval_ms);
}

static void take_timeout(struct reading_peer *reading)
{
	take_seconds(reading, 0, &reading->peer->check.timeout_ms);
}

/* ---- ours */

static void take_health(struct reading_peer *reading)
{
	if (reading->value.len > 0 && reading->value.at[0] == '/' &&
	    uri_is_path_and_query(reading->value))
		reading->peer->check.target = peer_keep(reading, reading->value);
	else
		peer_bad_value(reading);
}

static void take_health_host(struct reading_peer *reading)
{
	struct str host;
	uint16_t port;
	bool has_port;

	if (uri_parse_authority(reading->value, &host, &port, &has_port))
		reading->peer->check.host = peer_keep(reading, reading->value);
	else
		peer_bad_value(reading);
}

static void take_health_status(struct reading_peer *reading)
{
	struct peer_check *check = &reading->peer->check;
	uint64_t min, max;

	if (!read_range(reading->value, &min, &max) || min < 100 || max > 599) {
		peer_bad_value(reading);
		return;
	}
	check->status_min = (unsigned)min;
	check->status_max = (unsigned)max;
}

static void take_health_text(struct reading_peer *reading)
{
	if (reading->value.len > 0)
		reading->peer->check.text = peer_keep(reading, reading->value);
	else
		peer_bad_value(reading);
}

static void take_health_interval(struct reading_peer *reading)
{
	take_seconds(reading, 1, &reading->peer->check.interval_ms);
}

static void take_health_rise(struct reading_peer *reading)
{
	peer_read_number(reading, 1, MAX_IN_A_ROW, &reading->peer->check.rise);
}

static void take_health_fall(struct reading_peer *reading)
{
	peer_read_number(reading, 1, MAX_IN_A_ROW, &reading->peer->check.fall);
}

static const struct check_option {
	struct str name;
	void (*take)(struct reading_peer *reading);
	const struct peer_check *defaults;
} options[] = {
	{{"monitorurl", 10}, take_monitorurl, &monitor_defaults},
	{{"monitorsize", 11}, take_monitorsize, &monitor_defaults},
	{{"monitorinterval", 15}, take_monitorinterval, &monitor_defaults},
	{{"monitortimeout", 14}, take_timeout, &monitor_defaults},
	{{"health", 6}, take_health, &health_defaults},
	{{"health-host", 11}, take_health_host, &health_defaults},
	{{"health-status", 13}, take_health_status, &health_defaults},
	{{"health-text", 11}, take_health_text, &health_defaults},
	{{"health-interval", 15}, take_health_interval, &health_defaults},
	{{"health-timeout", 14}, take_timeout, &health_defaults},
	{{"health-rise", 11}, take_health_rise, &health_defaults},
	{{"health-fall", 11}, take_health_fall, &health_defaults},
};

bool peer_read_check_option(struct reading_peer *reading)
{
	for (size_t i = 0; i < COUNT(options); i++) {
		if (!reading->has_value || !str_eq(reading->name, options[i].name))
			continue;
		put_defaults(&reading->peer->check, options[i].defaults);
		options[i].take(reading);
		return true;
	}
	return false;
}

void peer_finish_check(struct reading_peer *reading)
{
	struct peer *peer = reading->peer;
	struct peer_check *check = &peer->check;

	if (check->fall > 0 && !check->target.at)
		report_say(reading->report, REPORT_WARNING,
			   "cache_peer %.*s: without health= or monitorurl= nothing is checked",
			   STR_ARG(peer->host));
	if (check->interval_ms == 0) /* as in Squid 2.7: no monitoring */
		check->target = STR_NONE;
	if (check->timeout_ms == 0 || check->timeout_ms > check->interval_ms)
		check->timeout_ms = check->interval_ms;
	if (!check->host.at)
		check->host = peer->forceddomain.at ? peer->forceddomain
			      : peer->unix_path.at  ? STR("localhost")
						    : peer->host;
}
