/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/refresh_values.h"

#include <assert.h>

#include "proxy/snapshot.h"
#include "squid-compat/config.h"
#include "squid-compat/refresh_pattern.h"

/* The layers below do not know each other, but they number the options alike. */
static_assert((int)REFRESH_OPTION_OVERRIDE_EXPIRE == (int)REFRESH_OVERRIDE_EXPIRE &&
		      (int)REFRESH_OPTION_OVERRIDE_LASTMOD == (int)REFRESH_OVERRIDE_LASTMOD &&
		      (int)REFRESH_OPTION_RELOAD_INTO_IMS == (int)REFRESH_RELOAD_INTO_IMS &&
		      (int)REFRESH_OPTION_IGNORE_RELOAD == (int)REFRESH_IGNORE_RELOAD &&
		      (int)REFRESH_OPTION_IGNORE_NO_STORE == (int)REFRESH_IGNORE_NO_STORE &&
		      (int)REFRESH_OPTION_IGNORE_PRIVATE == (int)REFRESH_IGNORE_PRIVATE &&
		      (int)REFRESH_OPTION_REFRESH_IMS == (int)REFRESH_REFRESH_IMS &&
		      (int)REFRESH_OPTION_STORE_STALE == (int)REFRESH_STORE_STALE,
	      "refresh options differ");

void refresh_values_for(const struct snapshot *snapshot, struct str url,
			struct refresh_rule_values *out)
{
	const struct config *config = snapshot_config(snapshot);
	const struct refresh_rule *rule = refresh_rules_find(config->refresh, url);

	*out = (struct refresh_rule_values){
		.min_s = rule->min_s,
		.max_s = rule->max_s,
		.percent = (uint32_t)rule->percent,
		.flags = rule->options,
	};
	if (rule->max_stale_s >= 0) {
		out->max_stale_s = rule->max_stale_s;
		out->flags |= REFRESH_HAS_MAX_STALE;
	}
}

void refresh_values_policy(const struct snapshot *snapshot, struct freshness_policy *out)
{
	const struct config *config = snapshot_config(snapshot);

	*out = (struct freshness_policy){
		.max_stale_s = config->max_stale_ms / 1000,
		.has_reload_option = snapshot->has_reload_option,
		.reload_into_ims = config->reload_into_ims,
		.refresh_all_ims = config->refresh_all_ims,
		.is_offline = config->offline_mode,
	};
}
