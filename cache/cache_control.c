/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/cache_control.h"

#include <stddef.h>

#include "lib/base/check.h"

enum argument {
	TAKES_NONE,
	TAKES_SECONDS,
	MAY_TAKE_SECONDS, /* without: DELTA_SECONDS_MAX */
	MAY_TAKE_FIELDS,  /* with: the flag after this one */
};

#define SLOT(field) offsetof(struct cache_control, field)

/* clang-format off */
static const struct directive {
	struct str name;
	uint32_t flag;
	enum argument argument;
	size_t slot;          /* of its value in struct cache_control */
	bool stricter_is_more; /* which of two different values wins */
} directives[] = {
	{{"max-age", 7}, CC_MAX_AGE, TAKES_SECONDS, SLOT(max_age_s), false},
	{{"s-maxage", 8}, CC_S_MAXAGE, TAKES_SECONDS, SLOT(s_maxage_s), false},
	{{"no-cache", 8}, CC_NO_CACHE, MAY_TAKE_FIELDS, 0, false},
	{{"no-store", 8}, CC_NO_STORE, TAKES_NONE, 0, false},
	{{"private", 7}, CC_PRIVATE, MAY_TAKE_FIELDS, 0, false},
	{{"public", 6}, CC_PUBLIC, TAKES_NONE, 0, false},
	{{"must-revalidate", 15}, CC_MUST_REVALIDATE, TAKES_NONE, 0, false},
	{{"proxy-revalidate", 16}, CC_PROXY_REVALIDATE, TAKES_NONE, 0, false},
	{{"must-understand", 15}, CC_MUST_UNDERSTAND, TAKES_NONE, 0, false},
	{{"no-transform", 12}, CC_NO_TRANSFORM, TAKES_NONE, 0, false},
	{{"immutable", 9}, CC_IMMUTABLE, TAKES_NONE, 0, false},
	{{"only-if-cached", 14}, CC_ONLY_IF_CACHED, TAKES_NONE, 0, false},
	{{"min-fresh", 9}, CC_MIN_FRESH, TAKES_SECONDS, SLOT(min_fresh_s), true},
	{{"max-stale", 9}, CC_MAX_STALE, MAY_TAKE_SECONDS, SLOT(max_stale_s), false},
	{{"stale-if-error", 14}, CC_STALE_IF_ERROR, TAKES_SECONDS, SLOT(stale_if_error_s), false},
	{{"stale-while-revalidate", 22}, CC_STALE_WHILE_REVALIDATE, TAKES_SECONDS,
	 SLOT(stale_while_revalidate_s), false},
};
/* clang-format on */

static const struct directive *find_directive(struct str name)
{
	for (size_t i = 0; i < COUNT(directives); i++) {
		struct str known = directives[i].name;

		/* Length and fourth letter tell most of them apart. */
		if (known.len == name.len && known.at[3] == (name.at[3] | 0x20) &&
		    str_eq_nocase(known, name))
			return &directives[i];
	}
	return NULL;
}

/* RFC 9111 §5.2: recipients ought to take either form. Quoted pairs have no place in a number. */
static struct str unquoted(struct str value)
{
	if (value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"')
		return (struct str){value.at + 1, value.len - 2};
	return value;
}

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	return s.len > 0;
}

/* RFC 9111 §1.2.2: what overflows is 2^31. §4.2.1: what is invalid is stale, hence 0. */
static int64_t delta_seconds(struct str value)
{
	uint64_t seconds = 0;

	value = unquoted(value);
	if (!is_digits(value))
		return 0;
	if (!str_to_u64(value, &seconds) || seconds > DELTA_SECONDS_MAX)
		return DELTA_SECONDS_MAX;
	return (int64_t)seconds;
}

static void set_seconds(struct cache_control *control, const struct directive *directive,
			int64_t seconds)
{
	int64_t *slot = (int64_t *)((char *)control + directive->slot);

	if (!(control->flags & directive->flag) || *slot == seconds)
		*slot = seconds;
	else if (directive->stricter_is_more)
		*slot = seconds > *slot ? seconds : *slot;
	else
		*slot = 0; /* two minds: nothing left */
	control->flags |= directive->flag;
}

/* An empty list is no list, nor is one whose quotes never end. */
static bool has_fields(struct str value)
{
	struct str fields = unquoted(value);

	return fields.len > 0 && fields.at[0] != '"';
}

static void add_directive(struct cache_control *control, struct str element)
{
	size_t equals = str_find_char(element, '=');
	bool has_value = equals < element.len;
	struct str value = str_trim(str_from(element, equals + 1));
	const struct directive *directive = find_directive(str_trim(str_first(element, equals)));

	if (!directive)
		return;
	switch (directive->argument) {
	case TAKES_NONE:
		control->flags |= directive->flag;
		break;
	case TAKES_SECONDS:
		set_seconds(control, directive, delta_seconds(value));
		break;
	case MAY_TAKE_SECONDS:
		set_seconds(control, directive,
			    has_value ? delta_seconds(value) : DELTA_SECONDS_MAX);
		break;
	case MAY_TAKE_FIELDS:
		control->flags |= has_fields(value) ? directive->flag << 1 : directive->flag;
		break;
	}
}

/* Where the next comma outside of quotes is. One that never ends is none, lest it hide a no-store
 * behind it. */
static size_t end_of_element(struct str s)
{
	size_t comma = str_find_char(s, ',');
	bool is_quoted = false;

	if (str_find_char(str_first(s, comma), '"') == comma)
		return comma;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (c == '"')
			is_quoted = !is_quoted;
		else if (is_quoted && c == '\\')
			i++;
		else if (!is_quoted && c == ',')
			return i;
	}
	return is_quoted ? comma : s.len;
}

static struct str cut_element(struct str *rest)
{
	size_t end = end_of_element(*rest);
	struct str element = str_trim(str_first(*rest, end));

	*rest = str_from(*rest, end + 1);
	return element;
}

void cache_control_add(struct cache_control *control, struct str value)
{
	control->flags |= CC_PRESENT;
	while (value.len > 0) {
		struct str element = cut_element(&value);

		if (element.len > 0)
			add_directive(control, element);
	}
}

static int64_t clamp(int64_t seconds)
{
	if (seconds < 0)
		return 0;
	return seconds < DELTA_SECONDS_MAX ? seconds : DELTA_SECONDS_MAX;
}

/* Which kinds of value an argument may be, as bits of enum cache_control_value. */
static const unsigned kinds_of[] = {
	[TAKES_NONE] = 1 << CACHE_CONTROL_BARE,
	[TAKES_SECONDS] = 1 << CACHE_CONTROL_SECONDS,
	[MAY_TAKE_SECONDS] = 1 << CACHE_CONTROL_BARE | 1 << CACHE_CONTROL_SECONDS,
	[MAY_TAKE_FIELDS] = 1 << CACHE_CONTROL_BARE | 1 << CACHE_CONTROL_TEXT,
};

bool cache_control_set(struct cache_control *control, struct str name,
		       enum cache_control_value kind, int64_t seconds)
{
	const struct directive *directive = find_directive(name);

	if (!directive)
		return true;
	if (kind != CACHE_CONTROL_OFF && !(kinds_of[directive->argument] & 1U << kind))
		return false;
	control->flags &= ~directive->flag;
	if (kind == CACHE_CONTROL_OFF)
		return true;
	if (kind == CACHE_CONTROL_TEXT) {
		control->flags |= directive->flag << 1;
		return true;
	}
	if (directive->argument == TAKES_SECONDS || directive->argument == MAY_TAKE_SECONDS)
		set_seconds(control, directive,
			    kind == CACHE_CONTROL_BARE ? DELTA_SECONDS_MAX : clamp(seconds));
	control->flags |= directive->flag;
	return true;
}

void cache_control_read(const struct http_head *head, struct cache_control *out)
{
	const struct http_field *field = NULL;

	*out = (struct cache_control){0};
	if (http_has(head, FIELD_CACHE_CONTROL)) {
		while ((field = http_find_next(head, FIELD_CACHE_CONTROL, field)) != NULL)
			cache_control_add(out, http_field_value(head, field));
	} else if (http_list_has(head, FIELD_PRAGMA, STR("no-cache"))) {
		out->flags |= CC_NO_CACHE;
	}
}

/* element: `no-cache="a, b"`. */
static bool list_names(struct str element, struct str name)
{
	size_t equals = str_find_char(element, '=');
	const struct directive *directive = find_directive(str_trim(str_first(element, equals)));
	struct str rest = unquoted(str_trim(str_from(element, equals + 1))), part;

	if (!directive || directive->argument != MAY_TAKE_FIELDS)
		return false;
	while (str_split(&rest, ',', &part))
		if (str_eq_nocase(str_trim(part), name))
			return true;
	return false;
}

bool cache_control_value_names_field(struct str value, struct str name)
{
	while (value.len > 0)
		if (list_names(cut_element(&value), name))
			return true;
	return false;
}

bool cache_control_names_field(const struct http_head *head, struct str name)
{
	static const enum http_field_id ids[] = {FIELD_CACHE_CONTROL, FIELD_CDN_CACHE_CONTROL};

	for (size_t i = 0; i < COUNT(ids); i++) {
		const struct http_field *field = NULL;

		while ((field = http_find_next(head, ids[i], field)) != NULL)
			if (cache_control_value_names_field(http_field_value(head, field), name))
				return true;
	}
	return false;
}
