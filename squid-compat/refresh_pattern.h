/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/refresh_pattern.h: `refresh_pattern [-i] REGEX MIN PERCENT% MAX [option...]`.
 * Threads: built by one, immutable and shared after that. */
#ifndef SQUID_COMPAT_REFRESH_PATTERN_H
#define SQUID_COMPAT_REFRESH_PATTERN_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

enum refresh_option {
	REFRESH_OPTION_OVERRIDE_EXPIRE = 1 << 0,
	REFRESH_OPTION_OVERRIDE_LASTMOD = 1 << 1,
	REFRESH_OPTION_RELOAD_INTO_IMS = 1 << 2,
	REFRESH_OPTION_IGNORE_RELOAD = 1 << 3,
	REFRESH_OPTION_IGNORE_NO_STORE = 1 << 4,
	REFRESH_OPTION_IGNORE_PRIVATE = 1 << 5,
	REFRESH_OPTION_REFRESH_IMS = 1 << 6,
	REFRESH_OPTION_STORE_STALE = 1 << 7,
};

struct refresh_rule {
	int64_t min_s, max_s;
	double percent;      /* 20 for 20% */
	int64_t max_stale_s; /* -1: not given, the directive max_stale holds */
	unsigned options;    /* enum refresh_option, ored */
	const char *text;    /* "FILE:LINE: refresh_pattern ...", for people */
};

struct refresh_rules; /* opaque */

struct refresh_rules *refresh_rules_create(void);
void refresh_rules_destroy(struct refresh_rules *rules);

/* One refresh_pattern line. A line that cannot be used is said to report and left out. */
void refresh_rules_parse(struct refresh_rules *rules, const struct words *words,
                         struct report *report);

/* The first rule whose pattern matches the store id or URL; Squid's built-in one (0, 20 %, 3 days)
 * if none does. Never NULL; lives as long as rules (which may be NULL: the built-in one). */
const struct refresh_rule *refresh_rules_find(const struct refresh_rules *rules, struct str url);

/* Some rule has ignore-reload or reload-into-ims: a client's no-cache is then asked of the rule. */
bool refresh_rules_have_reload_option(const struct refresh_rules *rules);

#endif
