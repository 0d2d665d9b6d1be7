/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/refresh_values.h: the refresh_pattern line for an URL and the policy of
 * squid.conf, as the cache's plain values. Pure; any thread. */
#ifndef PROXY_REFRESH_VALUES_H
#define PROXY_REFRESH_VALUES_H
#include "cache/freshness.h"
#include "lib/base/str.h"

struct snapshot;

/* The refresh_pattern line for url, as the cache wants it. */
void refresh_values_for(const struct snapshot *snapshot, struct str url,
			struct refresh_rule_values *out);
/* The other directives that freshness_decide asks. */
void refresh_values_policy(const struct snapshot *snapshot, struct freshness_policy *out);

#endif
