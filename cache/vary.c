/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/vary.h"

#include "lib/base/check.h"

/* ---- lists whose order says nothing. No heap: vary_matches is asked under a lock. */

enum { SET_MAX_BYTES = 512, SET_MAX_PARTS = 32 };

struct set {
	struct str parts[SET_MAX_PARTS]; /* sorted without case */
	unsigned nparts;
	char text[SET_MAX_BYTES];
	size_t len;
};

static bool is_set(struct str name)
{
	static const struct str names[] = {{"accept-encoding", 15}, {"accept-language", 15}};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	return false;
}

static bool insert_part(struct set *set, struct str part)
{
	unsigned at = set->nparts;

	if (set->nparts == SET_MAX_PARTS)
		return false;
	while (at > 0 && str_cmp_nocase(set->parts[at - 1], part) > 0) {
		set->parts[at] = set->parts[at - 1];
		at--;
	}
	set->parts[at] = part;
	set->nparts++;
	return true;
}

static bool collect_parts(struct set *set, const struct http_head *request, struct str name)
{
	const struct http_field *field = NULL;
	struct str value, part;

	while ((field = http_find_name(request, name, field)) != NULL) {
		value = http_field_value(request, field);
		while (str_split(&value, ',', &part)) {
			part = str_trim(part);
			if (part.len > 0 && !insert_part(set, part))
				return false;
		}
	}
	return true;
}

static bool write_part(struct set *set, struct str part)
{
	if (set->len + part.len + 1 > sizeof(set->text))
		return false;
	if (set->len > 0)
		set->text[set->len++] = ',';
	for (size_t i = 0; i < part.len; i++)
		if (part.at[i] != ' ' && part.at[i] != '\t')
			set->text[set->len++] = ascii_lower(part.at[i]);
	return true;
}

/* False: too many or too long, to be taken as it stands. */
static bool read_set(struct set *set, const struct http_head *request, struct str name)
{
	set->nparts = 0;
	set->len = 0;
	if (!collect_parts(set, request, name))
		return false;
	for (unsigned i = 0; i < set->nparts; i++) {
		bool is_again = i > 0 && str_eq_nocase(set->parts[i - 1], set->parts[i]);

		if (!is_again && !write_part(set, set->parts[i]))
			return false;
	}
	return true;
}

/* ---- writing a record */

/* Writes s without the blanks around commas, at the start and at the end. */
static bool add_normal_value(struct buf *out, struct str s)
{
	struct str part;
	bool is_first = true;

	while (str_split(&s, ',', &part)) {
		if (!is_first && !buf_add_char(out, ','))
			return false;
		if (!buf_add_str(out, str_trim(part)))
			return false;
		is_first = false;
	}
	return true;
}

static bool add_lower(struct buf *out, struct str name)
{
	char *room = buf_reserve(out, name.len);

	if (!room)
		return false;
	for (size_t i = 0; i < name.len; i++)
		room[i] = ascii_lower(name.at[i]);
	out->len += name.len;
	return true;
}

/* RFC 9110 §5.6.2. */
static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return s.len > 0;
}

static bool add_line(struct buf *out, struct str name, const struct http_head *request)
{
	const struct http_field *field = http_find_name(request, name, NULL);
	bool ok = add_lower(out, name);
	struct set set;

	if (ok && field && is_set(name) && read_set(&set, request, name))
		return buf_add_str(out, STR(": ")) && buf_add(out, set.text, set.len) &&
		       buf_add_char(out, '\n');
	for (bool is_first = true; field && ok; is_first = false) {
		ok = buf_add_str(out, is_first ? STR(": ") : STR(",")) &&
		     add_normal_value(out, http_field_value(request, field));
		field = http_find_name(request, name, field);
	}
	return ok && buf_add_char(out, '\n');
}

/* The field name of a record's line and, if the request had the field, its value. */
static struct str line_name(struct str line)
{
	return str_first(line, str_find_char(line, ':'));
}

static bool has_line(struct str record, struct str name)
{
	struct str line;

	while (str_split(&record, '\n', &line))
		if (line.len > 0 && str_eq_nocase(line_name(line), name))
			return true;
	return false;
}

static bool add_name(struct buf *out, size_t from, struct str name, const struct http_head *request,
                     unsigned *nnames)
{
	if (!is_token(name) || str_eq(name, STR("*")))
		return false;
	if (out->len > from && has_line((struct str){out->at + from, out->len - from}, name))
		return true;
	return ++*nnames <= VARY_MAX_NAMES && add_line(out, name, request) &&
	       out->len - from <= VARY_MAX_BYTES;
}

bool vary_record(const struct http_response *response, const struct http_head *request,
                 struct buf *out)
{
	struct http_list list = {0};
	struct str name;
	size_t from = out->len;
	unsigned nnames = 0;

	while (http_list_next(&response->head, FIELD_VARY, &list, &name)) {
		if (!add_name(out, from, name, request, &nnames)) {
			out->len = from;
			return false;
		}
	}
	return true;
}

bool vary_record_again(struct str record, const struct http_head *request, struct buf *out)
{
	size_t from = out->len;
	struct str line;

	while (record.len > 0 && str_split(&record, '\n', &line)) {
		if (line.len > 0 && (!add_line(out, line_name(line), request) ||
		                     out->len - from > VARY_MAX_BYTES)) {
			out->len = from;
			return false;
		}
	}
	return true;
}

/* Cuts want, a normal value, off *rest if the normal form of s is what it begins with. */
static bool skip_normal_value(struct str *rest, struct str s)
{
	struct str part;
	bool is_first = true;

	while (str_split(&s, ',', &part)) {
		part = str_trim(part);
		if (!is_first) {
			if (!str_starts_with(*rest, STR(",")))
				return false;
			*rest = str_from(*rest, 1);
		}
		if (!str_starts_with(*rest, part))
			return false;
		*rest = str_from(*rest, part.len);
		is_first = false;
	}
	return true;
}

/* As add_line writes it, compared without writing. */
static bool line_matches(struct str line, const struct http_head *request)
{
	struct str name = line_name(line);
	struct str rest = str_from(line, name.len);
	const struct http_field *field = http_find_name(request, name, NULL);

	struct set set;

	if (!field)
		return rest.len == 0;
	if (is_set(name) && read_set(&set, request, name))
		return str_starts_with(rest, STR(": ")) &&
		       str_eq(str_from(rest, 2), (struct str){set.text, set.len});
	for (bool is_first = true; field; is_first = false) {
		struct str sep = is_first ? STR(": ") : STR(",");

		if (!str_starts_with(rest, sep))
			return false;
		rest = str_from(rest, sep.len);
		if (!skip_normal_value(&rest, http_field_value(request, field)))
			return false;
		field = http_find_name(request, name, field);
	}
	return rest.len == 0;
}

bool vary_matches(struct str record, const struct http_head *request)
{
	struct str line;

	while (record.len > 0 && str_split(&record, '\n', &line))
		if (line.len > 0 && !line_matches(line, request))
			return false;
	return true;
}
