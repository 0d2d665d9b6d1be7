/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/reply_internal.h"

#include <stdatomic.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "squid-compat/config.h"

enum {
	MAX_LANGUAGE_TAG = 40,
	MISSING_LANGUAGE_MS = 60000,
};

/* error_log_languages: one line a minute for all; the tag is the client's. */
static void note_missing_language(const struct transaction *t, struct str missing)
{
	static atomic_llong said_ms; /* relaxed: a line too many does no harm */
	long long now_ms = clock_mono_ms();

	if (missing.len == 0 || !snapshot_config(t->snapshot)->error_log_languages ||
	    now_ms - atomic_load_explicit(&said_ms, memory_order_relaxed) < MISSING_LANGUAGE_MS)
		return;
	atomic_store_explicit(&said_ms, now_ms, memory_order_relaxed);
	log_say(1, "WARNING: Error Pages Missing Language: %.*s",
		STR_ARG(str_first(missing, MAX_LANGUAGE_TAG)));
}

enum error_language reply_page_language(const struct transaction *t)
{
	enum error_language language, otherwise = snapshot_config(t->snapshot)->error_language;
	struct str missing;

	if (t->is_refused)
		return otherwise;
	language = error_language_choose(
		http_value(&t->exchange.request.head, FIELD_ACCEPT_LANGUAGE), otherwise, &missing);
	note_missing_language(t, missing);
	return language;
}
