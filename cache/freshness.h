/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/freshness.h: how old a response is and how long it may serve. RFC 9111 §4.2, with Squid's
 * refresh_pattern where it asks for something else. Pure functions: values in, verdict out. */
#ifndef CACHE_FRESHNESS_H
#define CACHE_FRESHNESS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct cache_control;  /* cache/cache_control.h */
struct control_reader; /* cache/targeted_control.h */
struct http_response;  /* lib/http/message.h */

/* The values are written to the disk tier: never renumber. */
enum freshness_fact {
	FACT_REVALIDATE_ALWAYS = 1 << 0, /* no-cache, or private and stored all the same */
	FACT_REVALIDATE_STALE = 1 << 1,  /* must-revalidate, proxy-revalidate, s-maxage */
	FACT_IMMUTABLE = 1 << 2,         /* RFC 8246 */
	FACT_HAS_ETAG = 1 << 3,
	FACT_STALE_IF_ERROR = 1 << 4,         /* stale_if_error_s counts */
	FACT_STALE_WHILE_REVALIDATE = 1 << 5, /* stale_while_revalidate_s counts */
	FACT_NEGATIVE = 1 << 6,               /* lives for negative_ttl and is never revalidated */
	FACT_MARKED_STALE = 1 << 8,           /* by a purge: override-expire does not revive it */
	FACT_SURROGATE = 1 << 7,              /* by Surrogate-Control, which is not stored */
};

/* What a response said about its own times and use, read once when it arrived. */
struct freshness_facts {
	int64_t date_s; /* Squid's DATE: when it was made, so that its age is now - date_s. It may
			   lie before 1970: Age is saturated at 2^31. */
	int64_t expires_s;  /* on the same scale (date_s + lifetime); 0: no explicit expiry */
	int64_t modified_s; /* Last-Modified; 0: none */
	int64_t arrived_s;  /* when it came */
	uint32_t flags;     /* FACT_* */
	uint32_t stale_if_error_s, stale_while_revalidate_s; /* RFC 5861 */
};

/* A response that came. A reader that ignores_vary_expires passes over an Expires that equals Date
 * when there is a Vary (Squid: vary_ignore_expire). */
struct freshness_arrival {
	const struct http_response *response;
	const struct control_reader *reader;
	int64_t request_time_s;  /* when the request was sent */
	int64_t response_time_s; /* when the head had come */
};
/* Returns the directives (CC_* bits) of the field that decides about it here: see
 * cache/targeted_control.h. */
uint32_t freshness_facts_read(const struct freshness_arrival *arrival,
                              struct freshness_facts *facts);

/* It is stale from now on, by a soft purge. */
void freshness_mark_stale(struct freshness_facts *facts, int64_t now_s);

/* The matching refresh_pattern line, as plain values. */
enum refresh_flag {
	REFRESH_OVERRIDE_EXPIRE = 1 << 0,
	REFRESH_OVERRIDE_LASTMOD = 1 << 1,
	REFRESH_RELOAD_INTO_IMS = 1 << 2,
	REFRESH_IGNORE_RELOAD = 1 << 3,
	REFRESH_IGNORE_NO_STORE = 1 << 4,
	REFRESH_IGNORE_PRIVATE = 1 << 5,
	REFRESH_REFRESH_IMS = 1 << 6,
	REFRESH_STORE_STALE = 1 << 7,
	REFRESH_HAS_MAX_STALE = 1 << 8, /* max_stale_s counts, instead of the policy's */
};
struct refresh_rule_values {
	int64_t min_s, max_s;
	uint32_t percent;
	uint32_t flags; /* REFRESH_* */
	int64_t max_stale_s;
};

/* The rest of squid.conf that takes part. */
struct freshness_policy {
	int64_t max_stale_s;    /* directive max_stale, default a week */
	bool has_reload_option; /* any refresh_pattern has reload-into-ims or ignore-reload, or
				   reload_into_ims is on */
	bool reload_into_ims, refresh_all_ims, is_offline;
};

/* May the response of these facts serve that request now? */
struct freshness_question {
	const struct freshness_facts *facts;
	const struct refresh_rule_values *rule;
	const struct freshness_policy *policy;
	const struct cache_control *wishes; /* the client's; NULL: none, or ignore-cc */
	bool is_conditional; /* If-Modified-Since or If-None-Match, and no ignore-cc */
	int64_t now_s;
};

enum freshness_verdict {
	FRESHNESS_FRESH,           /* serve it */
	FRESHNESS_SERVE_STALE,     /* serve it: the client or a rule takes it stale (Warning 110) */
	FRESHNESS_SERVE_AND_RENEW, /* serve it stale, and ask the origin meanwhile (RFC 5861 §3) */
	FRESHNESS_REVALIDATE,      /* ask the origin; if that fails, the old one may serve */
	FRESHNESS_MUST_REVALIDATE, /* ask the origin; if that fails, pass the error on */
	FRESHNESS_MISS,            /* do not use it, fetch anew without a condition */
};

struct freshness_answer {
	enum freshness_verdict verdict;
	const char *reason; /* one phrase, static: "expires", "older than the rule's MAX", ... */
	int64_t age_s;      /* as the Age field shows it: 0 to 2^31 */
	int64_t left_s;     /* freshness left; negative: stale for so long */
};

/* Squid: refreshCheck, with the order of its steps. */
void freshness_decide(const struct freshness_question *question, struct freshness_answer *answer);

/* The rules that freshness_decide would ask, in their order, each with where it comes from (an
 * RFC's section, or "squid.conf"); the last one holds and decides. The texts are static. */
typedef void freshness_tell_fn(void *user, bool holds, const char *rule, const char *source);
void freshness_explain(const struct freshness_question *question, freshness_tell_fn *tell,
		       void *user);

/* Seconds of freshness left at now_s, by the response and the rule alone; negative: stale for so
 * long. For "is it worth storing" (minimum_expiry_time) and for expiry times on disk. */
int64_t freshness_left_s(const struct freshness_facts *facts,
			 const struct refresh_rule_values *rule, int64_t now_s);

/* What the Age field says: 0 to 2^31. RFC 9111 §4.2.3, §5.1. */
int64_t freshness_age_s(const struct freshness_facts *facts, int64_t now_s);

#endif
