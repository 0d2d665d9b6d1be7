/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/targeted_control.h"

#include "cache/cache_control.h"
#include "lib/http/structured_field.h"

/* ---- CDN-Cache-Control: a dictionary, RFC 9213 §2.1 */

static enum cache_control_value value_kind(const struct sf_member *member)
{
	switch (member->type) {
	case SF_BOOLEAN:
		return member->integer ? CACHE_CONTROL_BARE : CACHE_CONTROL_OFF;
	case SF_INTEGER:
		return CACHE_CONTROL_SECONDS;
	default:
		return CACHE_CONTROL_TEXT;
	}
}

static bool add_dictionary(struct cache_control *control, struct str value)
{
	struct sf_member member;
	enum sf_verdict verdict;

	while ((verdict = sf_next_member(&value, &member)) == SF_MEMBER) {
		control->flags |= CC_PRESENT;
		if (!cache_control_set(control, member.key, value_kind(&member), member.integer))
			return false;
	}
	return verdict == SF_END;
}

static bool read_cdn(const struct http_head *head, struct cache_control *out)
{
	const struct http_field *field = NULL;
	struct cache_control control = {0};

	while ((field = http_find_next(head, FIELD_CDN_CACHE_CONTROL, field)) != NULL)
		if (!add_dictionary(&control, http_field_value(head, field)))
			return false;
	if (!(control.flags & CC_PRESENT))
		return false;
	*out = control;
	return true;
}

/* ---- Surrogate-Control: `max-age=600+60;our-id, no-store` */

/* N or N+M: so long it is fresh, and so much longer it may stand in. What is no number leaves no
 * lifetime. */
static void add_surrogate_age(struct cache_control *control, struct str value)
{
	size_t plus = str_find_char(value, '+');
	uint64_t fresh_s = 0, stale_s = 0;

	if (!str_to_u64(str_first(value, plus), &fresh_s))
		fresh_s = 0;
	cache_control_set(control, STR("max-age"), CACHE_CONTROL_SECONDS,
	                  fresh_s < DELTA_SECONDS_MAX ? (int64_t)fresh_s : DELTA_SECONDS_MAX);
	if (plus == value.len || !str_to_u64(str_from(value, plus + 1), &stale_s))
		return;
	if (stale_s > DELTA_SECONDS_MAX)
		stale_s = DELTA_SECONDS_MAX;
	cache_control_set(control, STR("stale-while-revalidate"), CACHE_CONTROL_SECONDS,
	                  (int64_t)stale_s);
	cache_control_set(control, STR("stale-if-error"), CACHE_CONTROL_SECONDS, (int64_t)stale_s);
}

static void add_surrogate_directive(struct cache_control *control,
                                    const struct control_reader *reader, struct str directive)
{
	size_t equals = str_find_char(directive, '=');
	struct str name = str_trim(str_first(directive, equals));

	if (str_eq_nocase(name, STR("no-store")) ||
	    (reader->is_remote_surrogate && str_eq_nocase(name, STR("no-store-remote"))))
		control->flags |= CC_NO_STORE | CC_PRESENT;
	if (!str_eq_nocase(name, STR("max-age")))
		return;
	control->flags |= CC_PRESENT;
	add_surrogate_age(control, str_trim(str_from(directive, equals + 1)));
}

/* target empty: the directives that are for all surrogates. */
static void add_surrogate(const struct http_head *head, const struct control_reader *reader,
                          struct str target, struct cache_control *control)
{
	struct http_list list = {0};
	struct str element;

	while (http_list_next(head, FIELD_SURROGATE_CONTROL, &list, &element)) {
		size_t semicolon = str_find_char(element, ';');

		if (str_eq(str_trim(str_from(element, semicolon + 1)), target))
			add_surrogate_directive(control, reader, str_first(element, semicolon));
	}
}

static bool read_surrogate(const struct http_head *head, const struct control_reader *reader,
                           struct cache_control *out)
{
	struct cache_control control = {0};

	add_surrogate(head, reader, STR(""), &control);
	if (reader->surrogate_id.len > 0)
		add_surrogate(head, reader, reader->surrogate_id, &control);
	if (!(control.flags & CC_PRESENT))
		return false;
	*out = control;
	return true;
}

enum control_source targeted_control_read(const struct http_head *head,
                                          const struct control_reader *reader,
                                          struct cache_control *out)
{
	if (http_has(head, FIELD_SURROGATE_CONTROL) && read_surrogate(head, reader, out))
		return CONTROL_SURROGATE;
	if (http_has(head, FIELD_CDN_CACHE_CONTROL) && read_cdn(head, out))
		return CONTROL_CDN;
	cache_control_read(head, out);
	return CONTROL_FOR_ALL;
}
