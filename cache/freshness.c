/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/freshness.h"

#include "cache/cache_control.h"
#include "cache/targeted_control.h"
#include "lib/http/date.h"
#include "lib/http/message.h"

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t clamp_seconds(int64_t seconds)
{
	return max64(0, min64(seconds, DELTA_SECONDS_MAX));
}

/* ---- what a response says */

/* RFC 9111 §5.1: the first member counts, an invalid one does not, 2^31 and more saturates. */
static int64_t read_age(const struct http_head *head)
{
	struct str value = http_value(head, FIELD_AGE);
	uint64_t age;

	value = str_trim(str_first(value, str_find_char(value, ',')));
	for (size_t i = 0; i < value.len; i++)
		if (value.at[i] < '0' || value.at[i] > '9')
			return 0;
	if (value.len == 0)
		return 0;
	if (!str_to_u64(value, &age) || age > DELTA_SECONDS_MAX)
		return DELTA_SECONDS_MAX;
	return (int64_t)age;
}

static bool read_date(const struct http_head *head, enum http_field_id id, int64_t now_s,
		      int64_t *out)
{
	struct str value = http_value(head, id);

	return value.at && date_parse(value, now_s, out);
}

/* Squid: vary_ignore_expire. Some origins say that what varies expires at once, since HTTP/1.0
 * caches know no Vary. */
static bool is_ignored_expires(const struct http_head *head, const struct control_reader *reader)
{
	return reader->ignores_vary_expires && http_has(head, FIELD_VARY) &&
	       str_eq(http_value(head, FIELD_EXPIRES), http_value(head, FIELD_DATE));
}

/* RFC 9111 §4.2.1. Without a Date, Expires counts from the arrival. may_expire: Expires counts at
 * all (RFC 9213 §2.2). */
static bool explicit_lifetime(const struct freshness_arrival *arrival, bool may_expire,
			      const struct cache_control *control, int64_t date_s,
			      int64_t *lifetime_s)
{
	const struct http_head *head = &arrival->response->head;
	int64_t expires_s;

	if (control->flags & CC_S_MAXAGE)
		*lifetime_s = control->s_maxage_s;
	else if (control->flags & CC_MAX_AGE)
		*lifetime_s = control->max_age_s;
	else if (!may_expire || !http_has(head, FIELD_EXPIRES) ||
		 is_ignored_expires(head, arrival->reader))
		return false;
	else if (!read_date(head, FIELD_EXPIRES, arrival->response_time_s, &expires_s))
		*lifetime_s = 0; /* RFC 9111 §5.3: "0" and the like are in the past */
	else
		*lifetime_s =
			max64(-DELTA_SECONDS_MAX, min64(expires_s - date_s, DELTA_SECONDS_MAX));
	return true;
}

static const struct {
	uint32_t control, fact;
} fact_of_control[] = {
	/* With a list of fields neither concerns the rest, which is stored without them: RFC 9111
	 * §5.2.2.4, §5.2.2.7. */
	{CC_NO_CACHE, FACT_REVALIDATE_ALWAYS},
	{CC_PRIVATE, FACT_REVALIDATE_ALWAYS},
	{CC_MUST_REVALIDATE, FACT_REVALIDATE_STALE},
	{CC_PROXY_REVALIDATE, FACT_REVALIDATE_STALE},
	{CC_S_MAXAGE, FACT_REVALIDATE_STALE},
	{CC_IMMUTABLE, FACT_IMMUTABLE},
	{CC_STALE_IF_ERROR, FACT_STALE_IF_ERROR},
	{CC_STALE_WHILE_REVALIDATE, FACT_STALE_WHILE_REVALIDATE},
};

static uint32_t read_flags(const struct http_head *head, const struct cache_control *control)
{
	uint32_t flags = http_has(head, FIELD_ETAG) ? FACT_HAS_ETAG : 0;

	for (size_t i = 0; i < sizeof(fact_of_control) / sizeof(fact_of_control[0]); i++)
		if (control->flags & fact_of_control[i].control)
			flags |= fact_of_control[i].fact;
	return flags;
}

uint32_t freshness_facts_read(const struct freshness_arrival *arrival,
                              struct freshness_facts *facts)
{
	const struct http_head *head = &arrival->response->head;
	int64_t came_s = arrival->response_time_s, date_s = came_s, lifetime_s = 0, age_s;
	struct cache_control control;
	enum control_source source = targeted_control_read(head, arrival->reader, &control);

	*facts = (struct freshness_facts){
		.arrived_s = came_s,
		.flags = read_flags(head, &control),
		.stale_if_error_s = (uint32_t)control.stale_if_error_s,
		.stale_while_revalidate_s = (uint32_t)control.stale_while_revalidate_s,
	};
	read_date(head, FIELD_DATE, came_s, &date_s);
	read_date(head, FIELD_LAST_MODIFIED, came_s, &facts->modified_s);
	/* RFC 9111 §4.2.3: max(apparent_age, Age + response_delay) */
	age_s = read_age(head) + max64(0, came_s - arrival->request_time_s);
	age_s = clamp_seconds(max64(age_s, came_s - date_s));
	facts->date_s = came_s - age_s;
	if (source == CONTROL_SURROGATE)
		facts->flags |= FACT_SURROGATE;
	if (!explicit_lifetime(arrival, source == CONTROL_FOR_ALL, &control, date_s, &lifetime_s))
		return control.flags;
	facts->expires_s = facts->date_s + lifetime_s;
	if (facts->expires_s == 0)
		facts->expires_s = -1; /* 0 is "none" */
	return control.flags;
}

/* ---- how fresh it is */

enum basis {
	BY_EXPIRES,
	BY_MAX,
	BY_LASTMOD,
	BY_MIN,
	BY_CLOCK,
};

enum { CLOCK_SLACK_S = 60 }; /* that the clock may be set back without consequences */

static const char *const fresh_reasons[] = {
	[BY_EXPIRES] = "its explicit expiry lies ahead",
	[BY_MAX] = "",
	[BY_LASTMOD] = "a fraction of its age when it was made (Last-Modified)",
	[BY_MIN] = "younger than the rule's MIN",
	[BY_CLOCK] = "",
};

static const char *const stale_reasons[] = {
	[BY_EXPIRES] = "its explicit expiry has passed",
	[BY_MAX] = "older than the rule's MAX",
	[BY_LASTMOD] = "older than a fraction of its age when it was made (Last-Modified)",
	[BY_MIN] = "no expiry, and not younger than the rule's MIN",
	[BY_CLOCK] = "from the future: the clock was set back",
};

struct staleness {
	enum basis basis;
	int64_t age_s, left_s; /* fresh: left_s > 0 */
};

/* Squid: refreshStaleness; extra_s: the client's min-fresh, or what it must still last. */
static struct staleness find_staleness(const struct freshness_facts *facts,
				       const struct refresh_rule_values *rule, int64_t now_s,
				       int64_t extra_s)
{
	int64_t age_s = max64(0, now_s - facts->date_s) + extra_s;
	int64_t lifetime_s;

	/* How old it is nobody knows: until the clock has caught up, the origin is asked. */
	if (facts->date_s > now_s + CLOCK_SLACK_S)
		return (struct staleness){BY_CLOCK, age_s, 0};
	if (facts->expires_s != 0)
		return (struct staleness){BY_EXPIRES, age_s, facts->expires_s - now_s - extra_s};
	if (age_s > rule->max_s)
		return (struct staleness){BY_MAX, age_s, rule->max_s - age_s};
	if (facts->modified_s != 0 && facts->date_s > facts->modified_s) {
		lifetime_s = min64(facts->date_s - facts->modified_s, DELTA_SECONDS_MAX);
		lifetime_s = lifetime_s * rule->percent / 100;
		return (struct staleness){BY_LASTMOD, age_s,
					  min64(lifetime_s, rule->max_s + 1) - age_s};
	}
	return (struct staleness){BY_MIN, age_s, rule->min_s - age_s};
}

int64_t freshness_left_s(const struct freshness_facts *facts,
			 const struct refresh_rule_values *rule, int64_t now_s)
{
	return find_staleness(facts, rule, now_s, 0).left_s;
}

void freshness_mark_stale(struct freshness_facts *facts, int64_t now_s)
{
	facts->flags |= FACT_MARKED_STALE;
	if (facts->expires_s == 0 || facts->expires_s > now_s)
		facts->expires_s = now_s;
}

int64_t freshness_age_s(const struct freshness_facts *facts, int64_t now_s)
{
	return clamp_seconds(now_s - facts->date_s);
}

/* ---- may it serve: Squid's refreshCheck, step by step; NULL: no verdict yet, go on */

struct question {
	const struct freshness_question *asked;
	const struct cache_control *wishes; /* never NULL */
	struct staleness staleness;
};

static bool has(const struct question *q, uint32_t control_flag)
{
	return q->wishes->flags & control_flag;
}

static bool rule_has(const struct question *q, uint32_t refresh_flag)
{
	return q->asked->rule->flags & refresh_flag;
}

static bool is_fresh(const struct question *q)
{
	return q->staleness.left_s > 0;
}

static bool is_reload_skipping_lookup(const struct question *q)
{
	return has(q, CC_NO_CACHE) && !q->asked->policy->has_reload_option;
}

static bool is_offline(const struct question *q)
{
	return q->asked->policy->is_offline;
}

static bool is_stale_offline(const struct question *q)
{
	return is_offline(q) && !is_fresh(q);
}

static bool must_always_ask(const struct question *q)
{
	return q->asked->facts->flags & FACT_REVALIDATE_ALWAYS;
}

static bool must_ask_when_stale(const struct question *q)
{
	return !is_fresh(q) && q->asked->facts->flags & FACT_REVALIDATE_STALE;
}

static bool is_spent_negative(const struct question *q)
{
	return !is_fresh(q) && q->asked->facts->flags & FACT_NEGATIVE;
}

static bool is_ims_refreshed(const struct question *q)
{
	return q->asked->is_conditional &&
	       (rule_has(q, REFRESH_REFRESH_IMS) || q->asked->policy->refresh_all_ims);
}

static bool is_reload_into_ims(const struct question *q)
{
	return has(q, CC_NO_CACHE) && !rule_has(q, REFRESH_IGNORE_RELOAD) &&
	       (rule_has(q, REFRESH_RELOAD_INTO_IMS) || q->asked->policy->reload_into_ims);
}

static bool is_reload(const struct question *q)
{
	return has(q, CC_NO_CACHE) && !rule_has(q, REFRESH_IGNORE_RELOAD);
}

static bool is_too_old_for_client(const struct question *q)
{
	if (!has(q, CC_MAX_AGE) || q->asked->facts->flags & FACT_IMMUTABLE)
		return false;
	if (q->wishes->max_age_s == 0)
		return !rule_has(q, REFRESH_IGNORE_RELOAD);
	return q->staleness.age_s > q->wishes->max_age_s;
}

static bool takes_client_stale(const struct question *q)
{
	return !is_fresh(q) && has(q, CC_MAX_STALE) &&
	       (q->wishes->max_stale_s == DELTA_SECONDS_MAX ||
		-q->staleness.left_s <= q->wishes->max_stale_s);
}

static bool is_beyond_max_stale(const struct question *q)
{
	int64_t max_stale_s = rule_has(q, REFRESH_HAS_MAX_STALE) ? q->asked->rule->max_stale_s
	                                                         : q->asked->policy->max_stale_s;

	return -q->staleness.left_s > max_stale_s;
}

static bool is_expiry_overridden(const struct question *q)
{
	return rule_has(q, REFRESH_OVERRIDE_EXPIRE) &&
	       !(q->asked->facts->flags & FACT_MARKED_STALE) && q->staleness.basis == BY_EXPIRES &&
	       q->staleness.age_s < q->asked->rule->min_s;
}

static bool is_lastmod_overridden(const struct question *q)
{
	return rule_has(q, REFRESH_OVERRIDE_LASTMOD) && q->staleness.basis == BY_LASTMOD &&
	       q->staleness.age_s < q->asked->rule->min_s;
}

/* RFC 5861 §4: it says how long after its end it may stand in for an error. */
static bool is_beyond_stale_if_error(const struct question *q)
{
	return q->asked->facts->flags & FACT_STALE_IF_ERROR &&
	       -q->staleness.left_s > q->asked->facts->stale_if_error_s;
}

static bool is_beyond_client_stale_if_error(const struct question *q)
{
	return has(q, CC_STALE_IF_ERROR) && -q->staleness.left_s > q->wishes->stale_if_error_s;
}

/* RFC 5861 §3. Who asks for more freshness than there is left waits for it. */
static bool may_renew_meanwhile(const struct question *q)
{
	return q->asked->facts->flags & FACT_STALE_WHILE_REVALIDATE && !has(q, CC_MIN_FRESH) &&
	       -q->staleness.left_s < q->asked->facts->stale_while_revalidate_s;
}

static bool always(const struct question *q)
{
	(void)q;
	return true;
}

/* The first that holds decides. reason NULL: what made it fresh or stale. */
static const struct step {
	bool (*holds)(const struct question *q);
	enum freshness_verdict verdict;
	const char *reason, *source;
} steps[] = {
	{is_stale_offline, FRESHNESS_SERVE_STALE, "offline_mode", "squid.conf"},
	{is_offline, FRESHNESS_FRESH, "offline_mode", "squid.conf"},
	{is_reload_skipping_lookup, FRESHNESS_MISS, "the client reloads (no-cache)",
	 "RFC 9111 5.2.1.4"},
	{must_always_ask, FRESHNESS_MUST_REVALIDATE, "no-cache, or private and kept",
	 "RFC 9111 5.2.2.4"},
	{must_ask_when_stale, FRESHNESS_MUST_REVALIDATE, "stale, with must-revalidate or s-maxage",
	 "RFC 9111 5.2.2.2, 5.2.2.8, 5.2.2.10"},
	{is_ims_refreshed, FRESHNESS_REVALIDATE, "refresh-ims", "squid.conf"},
	{is_reload_into_ims, FRESHNESS_REVALIDATE, "reload-into-ims", "squid.conf"},
	{is_reload, FRESHNESS_MISS, "the client reloads (no-cache)", "RFC 9111 5.2.1.4"},
	{is_too_old_for_client, FRESHNESS_REVALIDATE, "the client's max-age", "RFC 9111 5.2.1.1"},
	{is_spent_negative, FRESHNESS_MISS, "negative_ttl has passed", "squid.conf"},
	{takes_client_stale, FRESHNESS_SERVE_STALE, "the client's max-stale", "RFC 9111 5.2.1.2"},
	{is_fresh, FRESHNESS_FRESH, NULL, "RFC 9111 4.2"},
	{is_beyond_max_stale, FRESHNESS_MUST_REVALIDATE, "stale beyond max_stale", "squid.conf"},
	{may_renew_meanwhile, FRESHNESS_SERVE_AND_RENEW, "stale-while-revalidate", "RFC 5861 3"},
	{is_expiry_overridden, FRESHNESS_SERVE_STALE, "override-expire", "squid.conf"},
	{is_lastmod_overridden, FRESHNESS_SERVE_STALE, "override-lastmod", "squid.conf"},
	{is_beyond_stale_if_error, FRESHNESS_MUST_REVALIDATE, "stale beyond its stale-if-error",
	 "RFC 5861 4"},
	{is_beyond_client_stale_if_error, FRESHNESS_MUST_REVALIDATE,
	 "stale beyond the client's stale-if-error", "RFC 5861 4"},
	{always, FRESHNESS_REVALIDATE, NULL, "RFC 9111 4.3"},
};

static struct question ask(const struct freshness_question *asked)
{
	static const struct cache_control no_wishes;
	const struct cache_control *wishes = asked->wishes ? asked->wishes : &no_wishes;
	int64_t min_fresh_s = wishes->flags & CC_MIN_FRESH ? wishes->min_fresh_s : 0;

	return (struct question){
		.asked = asked,
		.wishes = wishes,
		.staleness = find_staleness(asked->facts, asked->rule, asked->now_s, min_fresh_s),
	};
}

static const char *reason_of(const struct question *q, const struct step *step)
{
	if (step->reason)
		return step->reason;
	return is_fresh(q) ? fresh_reasons[q->staleness.basis] : stale_reasons[q->staleness.basis];
}

void freshness_decide(const struct freshness_question *question, struct freshness_answer *answer)
{
	struct question q = ask(question);
	const struct step *step = steps;

	while (!step->holds(&q))
		step++;
	*answer = (struct freshness_answer){
		.verdict = step->verdict,
		.reason = reason_of(&q, step),
		.age_s = freshness_age_s(question->facts, question->now_s),
		.left_s = freshness_left_s(question->facts, question->rule, question->now_s),
	};
}

void freshness_explain(const struct freshness_question *question, freshness_tell_fn *tell,
		       void *user)
{
	struct question q = ask(question);
	const struct step *step = steps;

	for (; !step->holds(&q); step++)
		tell(user, false, reason_of(&q, step), step->source);
	tell(user, true, reason_of(&q, step), step->source);
}
