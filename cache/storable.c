/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/storable.h"

#include "cache/cache_control.h"
#include "cache/range.h"
#include "cache/targeted_control.h"
#include "lib/base/check.h"

enum status_class {
	CLASS_EXPLICIT,  /* with an explicit expiry only; all that the table does not name */
	CLASS_CACHEABLE, /* by explicit expiry, rule or validator */
	CLASS_NEGATIVE,  /* by explicit expiry, or for negative_ttl */
	CLASS_DATED,     /* the same, or by its Last-Modified */
	CLASS_NEVER,     /* part of something, or about this request or this client alone */
};

/* clang-format off */
/* RFC 9110 §15; RFC 6585 for 428, 429, 431 and 511. What stands here is understood, as
 * must-understand has it. */
static const struct status_row {
	uint16_t status;
	uint8_t class;
	bool displaces; /* the stored answer, even when it is not stored itself (Squid) */
} statuses[] = {
	{200, CLASS_CACHEABLE, true},  {203, CLASS_CACHEABLE, true},  {204, CLASS_DATED, false},
	{206, CLASS_CACHEABLE, false}, {300, CLASS_CACHEABLE, true},  {301, CLASS_CACHEABLE, true},
	{302, CLASS_EXPLICIT, true},   {303, CLASS_EXPLICIT, true},   {304, CLASS_NEVER, false},
	{305, CLASS_NEGATIVE, false},  {307, CLASS_EXPLICIT, false},  {308, CLASS_CACHEABLE, false},
	{400, CLASS_NEGATIVE, false},  {401, CLASS_NEVER, false},     {403, CLASS_NEGATIVE, true},
	{404, CLASS_DATED, true},      {405, CLASS_DATED, true},      {407, CLASS_NEVER, false},
	{410, CLASS_CACHEABLE, true},  {412, CLASS_NEVER, false},     {414, CLASS_DATED, false},
	{416, CLASS_NEVER, false},     {417, CLASS_NEVER, false},     {421, CLASS_NEGATIVE, false},
	{426, CLASS_NEVER, false},     {428, CLASS_NEVER, false},     {429, CLASS_NEVER, false},
	{431, CLASS_NEVER, false},     {500, CLASS_NEGATIVE, false},  {501, CLASS_DATED, false},
	{502, CLASS_NEGATIVE, false},  {503, CLASS_NEGATIVE, false},  {504, CLASS_NEGATIVE, false},
	{511, CLASS_NEVER, false},
};
/* clang-format on */

static const struct status_row *find_status(int status)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].status == status)
			return &statuses[i];
	return NULL;
}

bool storable_status_displaces(int status)
{
	const struct status_row *row = find_status(status);

	return row && row->displaces;
}

static enum status_class class_of(int status)
{
	const struct status_row *row = find_status(status);

	if (status < 200)
		return CLASS_NEVER;
	return row ? row->class : CLASS_EXPLICIT;
}

struct candidate {
	const struct http_request *request;
	const struct http_response *response;
	const struct freshness_facts *facts;
	const struct storable_policy *policy;
	struct cache_control wishes; /* the request's */
};

/* ---- what speaks against it, whatever the status */

/* RFC 9110 §9.3.3: an answer to POST that is what a GET of its URL would give, and says for how
 * long. */
static bool is_like_get(const struct candidate *c)
{
	return c->request->method == HTTP_POST && c->response->status == 200 &&
	       c->policy->names_target && c->facts->expires_s != 0;
}

static bool is_not_get(const struct candidate *c)
{
	return c->request->method != HTTP_GET && !is_like_get(c);
}

static bool is_never_stored(const struct candidate *c)
{
	return class_of(c->response->status) == CLASS_NEVER;
}

/* RFC 9111 §5.2.2.3 */
static bool is_not_understood(const struct candidate *c)
{
	return c->policy->control & CC_MUST_UNDERSTAND && !find_status(c->response->status);
}

static bool client_forbids(const struct candidate *c)
{
	return c->wishes.flags & CC_NO_STORE && !c->policy->ignore_cc;
}

/* With must-understand, no-store is for caches that do not know the status (§5.2.2.3). */
static bool origin_forbids(const struct candidate *c)
{
	return c->policy->control & CC_NO_STORE && !(c->policy->control & CC_MUST_UNDERSTAND) &&
	       !(c->policy->rule->flags & REFRESH_IGNORE_NO_STORE);
}

static bool is_private(const struct candidate *c)
{
	return c->policy->control & CC_PRIVATE &&
	       !(c->policy->rule->flags & REFRESH_IGNORE_PRIVATE);
}

/* RFC 9111 §3.5. (Squid counts no-cache among them as well.) */
static bool is_for_one_user(const struct candidate *c)
{
	return (c->policy->has_login || http_has(&c->request->head, FIELD_AUTHORIZATION)) &&
	       !(c->policy->control & (CC_PUBLIC | CC_MUST_REVALIDATE | CC_S_MAXAGE));
}

static bool varies_by_all(const struct candidate *c)
{
	return http_list_has(&c->response->head, FIELD_VARY, STR("*"));
}

static bool never_ends(const struct candidate *c)
{
	return str_starts_with_nocase(http_value(&c->response->head, FIELD_CONTENT_TYPE),
	                              STR("multipart/x-mixed-replace"));
}

/* A Content-Range means nothing with a 200 (RFC 9110 §14.4). Where it is one, though, an origin
 * took the wrong status. */
static bool is_partial(const struct candidate *c)
{
	struct str value = http_value(&c->response->head, FIELD_CONTENT_RANGE);
	struct content_range range;

	if (c->response->status == 206)
		return !c->policy->takes_parts || c->request->method != HTTP_GET;
	return value.at && (c->response->status != 200 || content_range_read(value, &range));
}

static bool is_too_large(const struct candidate *c)
{
	return c->response->body == HTTP_BODY_LENGTH && c->policy->max_body_bytes > 0 &&
	       c->response->content_length > c->policy->max_body_bytes;
}

static bool is_too_small(const struct candidate *c)
{
	return c->response->body == HTTP_BODY_LENGTH &&
	       c->response->content_length < c->policy->min_body_bytes;
}

static bool has_validator(const struct candidate *c)
{
	return c->facts->modified_s != 0 || c->facts->flags & FACT_HAS_ETAG;
}

static bool is_never_usable(const struct candidate *c)
{
	return c->facts->flags & FACT_REVALIDATE_ALWAYS && !has_validator(c);
}

static const struct {
	bool (*holds)(const struct candidate *c);
	const char *reason;
} refusals[] = {
	{is_not_get, "only answers to GET are stored, and to POST with its own URL and an expiry"},
	{is_never_stored, "a status that is never stored"},
	{is_not_understood, "must-understand, and the status is unknown"},
	{client_forbids, "the request says no-store"},
	{origin_forbids, "the response says no-store"},
	{is_private, "private"},
	{is_for_one_user, "the request has Authorization, and nothing says it is for all"},
	{varies_by_all, "Vary: *"},
	{never_ends, "multipart/x-mixed-replace"},
	{is_partial, "a part of a response"},
	{is_too_large, "larger than maximum_object_size"},
	{is_too_small, "smaller than minimum_object_size"},
	{is_never_usable, "to be revalidated always, but without a validator"},
};

/* ---- what speaks for it */

static bool is_fresh_in(const struct candidate *c, int64_t seconds)
{
	return freshness_left_s(c->facts, c->policy->rule, c->facts->arrived_s + seconds) > 0;
}

/* RFC 5861: what is stale at once may still serve, while it is renewed or when that fails. */
static bool may_serve_stale(const struct candidate *c)
{
	const struct freshness_facts *facts = c->facts;
	uint32_t longest_s = 0;

	if (facts->flags & (FACT_REVALIDATE_ALWAYS | FACT_REVALIDATE_STALE))
		return false;
	if (facts->flags & FACT_STALE_WHILE_REVALIDATE)
		longest_s = facts->stale_while_revalidate_s;
	if (facts->flags & FACT_STALE_IF_ERROR && facts->stale_if_error_s > longest_s)
		longest_s = facts->stale_if_error_s;
	return longest_s > 0 &&
	       freshness_left_s(facts, c->policy->rule, facts->arrived_s) + longest_s > 0;
}

static enum storable_verdict decide_cacheable(const struct candidate *c, const char **reason)
{
	bool has_body = c->response->body != HTTP_BODY_LENGTH || c->response->content_length > 0;

	/* Squid asks minimum_expiry_time of these too, and does not store what lives for a minute.
	 */
	*reason = "explicit expiry";
	if (c->facts->expires_s != 0 && is_fresh_in(c, 0))
		return STORABLE_YES;
	*reason = "fresh for minimum_expiry_time";
	if (is_fresh_in(c, c->policy->minimum_expiry_s))
		return STORABLE_YES;
	*reason = "fresh for less than minimum_expiry_time";
	if (has_body && is_fresh_in(c, 0))
		return STORABLE_YES;
	*reason = "not fresh for minimum_expiry_time, but with a validator";
	if (has_validator(c) && has_body)
		return STORABLE_YES;
	*reason = "it may be served stale";
	if (may_serve_stale(c))
		return STORABLE_YES;
	*reason = "store-stale";
	if (c->policy->rule->flags & REFRESH_STORE_STALE)
		return STORABLE_YES;
	*reason = "offline_mode";
	if (c->policy->is_offline)
		return STORABLE_YES;
	*reason = "not fresh for minimum_expiry_time, and without a validator";
	return STORABLE_NO;
}

/* RFC 9111 §4.2.2: any status, where the response says that it is public. */
static bool is_fresh_by_date(const struct candidate *c)
{
	return (class_of(c->response->status) == CLASS_DATED || c->policy->control & CC_PUBLIC) &&
	       c->facts->expires_s == 0 && c->facts->modified_s != 0 &&
	       is_fresh_in(c, c->policy->minimum_expiry_s);
}

static enum storable_verdict decide_explicit(const struct candidate *c, const char **reason)
{
	*reason = "explicit expiry";
	if (c->facts->expires_s != 0 && is_fresh_in(c, 0))
		return STORABLE_YES;
	*reason = "fresh by its Last-Modified";
	if (is_fresh_by_date(c))
		return STORABLE_YES;
	*reason = "a status that is stored with an explicit expiry only";
	return STORABLE_NO;
}

static enum storable_verdict decide_negative(const struct candidate *c, const char **reason)
{
	if (c->facts->expires_s != 0)
		return decide_explicit(c, reason);
	*reason = "negative_ttl";
	if (c->policy->negative_ttl_s > 0)
		return STORABLE_NEGATIVE;
	*reason = "fresh by its Last-Modified";
	if (is_fresh_by_date(c))
		return STORABLE_YES;
	*reason = "an error without an explicit expiry, and negative_ttl is 0";
	return STORABLE_NO;
}

enum storable_verdict storable_decide(const struct http_request *request,
                                      const struct http_response *response,
                                      const struct freshness_facts *facts,
                                      const struct storable_policy *policy, const char **reason)
{
	struct candidate c = {
		.request = request, .response = response, .facts = facts, .policy = policy};

	cache_control_read(&request->head, &c.wishes);
	for (size_t i = 0; i < COUNT(refusals); i++) {
		if (refusals[i].holds(&c)) {
			*reason = refusals[i].reason;
			return STORABLE_NO;
		}
	}
	switch (class_of(response->status)) {
	case CLASS_CACHEABLE:
		return decide_cacheable(&c, reason);
	case CLASS_NEGATIVE:
	case CLASS_DATED:
		return decide_negative(&c, reason);
	default:
		return decide_explicit(&c, reason);
	}
}

void storable_make_negative(struct freshness_facts *facts, int64_t negative_ttl_s)
{
	facts->expires_s = facts->arrived_s + negative_ttl_s;
	facts->flags |= FACT_NEGATIVE;
}

bool storable_keeps_field(const struct http_head *head, const struct http_field *field,
			  const struct control_reader *reader)
{
	switch (field->id) {
	case FIELD_AGE:
		return false;
	case FIELD_SET_COOKIE: /* Set-Cookie2 is a field like any other: RFC 6265 §9.4, Squid */
		if (!reader->keeps_cookies)
			return false;
		/* fall through */
	default:
		return !http_is_hop_by_hop(head, field) &&
		       !cache_control_names_field(head, http_field_name(head, field));
	}
}
