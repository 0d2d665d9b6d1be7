/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/revalidate.h"

#include "cache/cache_control.h"
#include "cache/head_line.h"
#include "cache/object.h"
#include "cache/storable.h"
#include "lib/base/check.h"
#include "lib/http/date.h"
#include "lib/http/h1.h"

enum { HEAD_MAX_BYTES = 1 << 20 };

static struct str stored_value(const struct object *object, enum http_field_id id)
{
	return head_line_value(object->head, http_field_id_name(id));
}

/* ---- entity tags, RFC 9110 §8.8.3 */

struct etag {
	struct str opaque; /* with its quotes; at NULL: none */
	bool is_weak;
};

static struct etag read_etag(struct str text)
{
	struct etag etag = {.is_weak = str_starts_with(text, STR("W/"))};

	if (etag.is_weak)
		text = str_from(text, 2);
	if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
		etag.opaque = text;
	return etag;
}

static bool is_same_etag(struct etag a, struct etag b, bool strongly)
{
	return a.opaque.at && b.opaque.at && str_eq(a.opaque, b.opaque) &&
	       !(strongly && (a.is_weak || b.is_weak));
}

static bool list_has_etag(const struct http_head *head, enum http_field_id id, struct etag etag,
			  bool strongly)
{
	struct http_list list = {0};
	struct str element;

	while (http_list_next(head, id, &list, &element))
		if (str_eq(element, STR("*")) || is_same_etag(read_etag(element), etag, strongly))
			return true;
	return false;
}

/* ---- a client's conditions */

/* One date alone counts: RFC 9110 §13.1.3, §13.1.4. */
static bool request_date(const struct http_request *request, enum http_field_id id,
			 const struct object *object, int64_t *out)
{
	const struct http_field *field = http_find(&request->head, id);

	return field && !http_find_next(&request->head, id, field) &&
	       date_parse(http_field_value(&request->head, field), object->facts.arrived_s, out);
}

/* RFC 9111 §4.3.2: without a Last-Modified, the date it was made. */
static bool is_unmodified_since(const struct object *object, int64_t date_s)
{
	int64_t modified_s = object->facts.modified_s;

	return (modified_s != 0 ? modified_s : object->facts.date_s) <= date_s;
}

enum revalidate_answer revalidate_answer(const struct http_request *request,
					 const struct object *object)
{
	const struct http_head *head = &request->head;
	int64_t date_s;
	struct etag etag;

	if (object->status != 200)
		return REVALIDATE_SEND_WHOLE;
	etag = read_etag(stored_value(object, FIELD_ETAG));
	if (http_has(head, FIELD_IF_MATCH)) {
		if (!list_has_etag(head, FIELD_IF_MATCH, etag, true))
			return REVALIDATE_SEND_412;
	} else if (object->facts.modified_s != 0 &&
		   request_date(request, FIELD_IF_UNMODIFIED_SINCE, object, &date_s)) {
		if (!is_unmodified_since(object, date_s))
			return REVALIDATE_SEND_412;
	}
	if (http_has(head, FIELD_IF_NONE_MATCH))
		return list_has_etag(head, FIELD_IF_NONE_MATCH, etag, false)
			       ? REVALIDATE_SEND_304
			       : REVALIDATE_SEND_WHOLE;
	if (request_date(request, FIELD_IF_MODIFIED_SINCE, object, &date_s) &&
	    is_unmodified_since(object, date_s))
		return REVALIDATE_SEND_304;
	return REVALIDATE_SEND_WHOLE;
}

/* A date is strong enough if it is over when the response was made (RFC 9110 §8.8.2.2). */
static bool has_strong_date(const struct object *object)
{
	return object->facts.modified_s != 0 && object->facts.modified_s < object->facts.date_s;
}

bool revalidate_range_holds(const struct http_request *request, const struct object *object)
{
	struct str value = http_value(&request->head, FIELD_IF_RANGE);
	struct etag etag = read_etag(value);
	int64_t date_s;

	if (stored_value(object, FIELD_CONTENT_RANGE).at)
		return false;
	if (!value.at)
		return true;
	if (etag.opaque.at)
		return is_same_etag(etag, read_etag(stored_value(object, FIELD_ETAG)), true);
	return request_date(request, FIELD_IF_RANGE, object, &date_s) &&
	       date_s == object->facts.modified_s && has_strong_date(object);
}

bool revalidate_range_is_dated(const struct http_request *request)
{
	struct str value = http_value(&request->head, FIELD_IF_RANGE);

	return value.at && !read_etag(value).opaque.at;
}

struct str revalidate_strong_validator(const struct object *object)
{
	struct str text = stored_value(object, FIELD_ETAG);
	struct etag etag = read_etag(text);

	if (text.at)
		return etag.is_weak ? STR_NONE : etag.opaque;
	return has_strong_date(object) ? stored_value(object, FIELD_LAST_MODIFIED) : STR_NONE;
}

bool revalidate_is_same_strongly(const struct object *object, const struct http_response *response)
{
	struct str validator = revalidate_strong_validator(object);
	struct str etag = http_value(&response->head, FIELD_ETAG);

	if (!validator.at)
		return false;
	if (stored_value(object, FIELD_ETAG).at)
		return str_eq(etag, validator);
	return !etag.at && str_eq(http_value(&response->head, FIELD_LAST_MODIFIED), validator);
}

/* ---- asking the origin */

static void add_field(struct buf *out, struct str name, struct str value)
{
	buf_add_str(out, name);
	buf_add_str(out, STR(": "));
	buf_add_str(out, value);
	buf_add_str(out, STR("\r\n"));
}

static void add_date(struct buf *out, struct str name, int64_t time_s)
{
	char text[DATE_SIZE];

	date_format(time_s, text);
	add_field(out, name, str_of(text));
}

bool revalidate_has_etag(const struct object *object)
{
	return read_etag(stored_value(object, FIELD_ETAG)).opaque.at;
}

/* Returns how many stand there by now. */
static unsigned add_etag(struct buf *out, const struct object *object, unsigned n)
{
	if (!revalidate_has_etag(object))
		return n;
	buf_add_str(out, n > 0 ? STR(", ") : STR("If-None-Match: "));
	buf_add_str(out, stored_value(object, FIELD_ETAG));
	return n + 1;
}

void revalidate_request_fields(const struct object *object, struct object *const *others,
			       unsigned nothers, struct buf *out)
{
	struct str modified = object ? stored_value(object, FIELD_LAST_MODIFIED) : STR_NONE;
	unsigned n = 0;

	if (modified.len > 0)
		add_field(out, STR("If-Modified-Since"), modified);
	else if (object)
		add_date(out, STR("If-Modified-Since"), object->facts.date_s);
	if (object)
		n = add_etag(out, object, n);
	for (unsigned i = 0; i < nothers; i++)
		n = add_etag(out, others[i], n);
	if (n > 0)
		buf_add_str(out, STR("\r\n"));
}

/* ---- a 304 of the origin */

/* These describe the stored bytes, or which requests they answer: the 304 may not change them. */
static bool is_kept_as_stored(enum http_field_id id)
{
	switch (id) {
	case FIELD_CONTENT_ENCODING:
	case FIELD_CONTENT_LENGTH:
	case FIELD_CONTENT_MD5:
	case FIELD_CONTENT_RANGE:
	case FIELD_SURROGATE_CONTROL:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_VARY:
	case FIELD_WARNING:
		return true;
	default:
		return false;
	}
}

/* What no-cache="..." or private="..." kept from being stored stays away: RFC 9111 §5.2.2.4. */
static bool is_left_out(const struct object *old, struct str name)
{
	struct str rest = old->head;
	struct head_line line;

	while (head_line_next(&rest, &line))
		if ((str_eq_nocase(line.name, STR("Cache-Control")) ||
		     str_eq_nocase(line.name, STR("CDN-Cache-Control"))) &&
		    cache_control_value_names_field(line.value, name))
			return true;
	return false;
}

static bool is_updating(const struct object *old, const struct http_head *head,
			const struct http_field *field, const struct control_reader *reader)
{
	return !is_kept_as_stored(field->id) && field->id != FIELD_VIA &&
	       storable_keeps_field(head, field, reader) &&
	       !is_left_out(old, http_field_name(head, field));
}

/* RFC 9111 §4.3.4: what names another representation updates nothing. */
static bool is_mismatch(const struct object *old, const struct http_head *head)
{
	struct etag etag = read_etag(http_value(head, FIELD_ETAG));
	struct etag stored = read_etag(stored_value(old, FIELD_ETAG));

	if (!etag.opaque.at)
		return false;
	if (stored.opaque.at)
		return !is_same_etag(etag, stored, false);
	return !etag.is_weak && !str_eq(http_value(head, FIELD_LAST_MODIFIED),
					stored_value(old, FIELD_LAST_MODIFIED));
}

bool revalidate_is_meant(const struct object *object, const struct http_response *not_modified)
{
	struct etag etag = read_etag(http_value(&not_modified->head, FIELD_ETAG));

	return is_same_etag(etag, read_etag(stored_value(object, FIELD_ETAG)), !etag.is_weak);
}

static bool is_older(const struct object *old, const struct http_head *head, int64_t now_s)
{
	int64_t stored_s, date_s;

	return date_parse(stored_value(old, FIELD_DATE), now_s, &stored_s) &&
	       date_parse(http_value(head, FIELD_DATE), now_s, &date_s) && date_s < stored_s;
}

static bool is_replaced(const struct object *old, const struct head_line *line,
			const struct http_head *head, const struct control_reader *reader)
{
	const struct http_field *field = http_find_name(head, line->name, NULL);

	if (str_eq_nocase(line->name, STR("Warning")))
		return str_starts_with(line->value, STR("1"));
	if (str_eq_nocase(line->name, STR("Date")))
		return true; /* by the 304's, or by its arrival */
	if (str_eq_nocase(line->name, STR("Via")))
		return true; /* written last */
	return field && is_updating(old, head, field, reader);
}

/* A Via stands last in a stored head: the 304's, or the stored one. */
static void add_via(const struct object *old, const struct http_head *head, struct buf *out)
{
	const struct http_field *field = NULL;
	struct str via = stored_value(old, FIELD_VIA);

	if (!http_has(head, FIELD_VIA) && via.at)
		add_field(out, STR("Via"), via);
	while ((field = http_find_next(head, FIELD_VIA, field)) != NULL) {
		buf_add_str(out, field == http_find(head, FIELD_VIA) ? STR("Via: ") : STR(", "));
		buf_add_str(out, http_field_value(head, field));
	}
	if (http_has(head, FIELD_VIA))
		buf_add_str(out, STR("\r\n"));
}

static void write_merged(const struct object *old, const struct http_head *head,
			 const struct control_reader *reader, int64_t now_s, struct buf *out)
{
	struct str rest = old->head;
	struct head_line line;

	if (head_line_next(&rest, &line)) /* the status line */
		buf_add_str(out, line.all);
	while (head_line_next(&rest, &line))
		if (!is_replaced(old, &line, head, reader))
			buf_add_str(out, line.all);
	if (!http_has(head, FIELD_DATE))
		add_date(out, STR("Date"), now_s);
	for (unsigned i = 0; i < head->nfields; i++)
		if (is_updating(old, head, &head->fields[i], reader))
			add_field(out, http_field_name(head, &head->fields[i]),
				  http_field_value(head, &head->fields[i]));
	add_via(old, head, out);
}

/* What counts once, and is not stored. */
static void add_passing(struct buf *out, const struct http_head *head, enum http_field_id id)
{
	const struct http_field *field = NULL;

	while ((field = http_find_next(head, id, field)) != NULL)
		add_field(out, http_field_id_name(id), http_field_value(head, field));
}

/* The Surrogate-Control that the stored response came with holds on: it lies in its facts alone. */
static void keep_surrogate_facts(const struct freshness_facts *old, struct freshness_facts *facts)
{
	facts->flags = old->flags;
	facts->stale_if_error_s = old->stale_if_error_s;
	facts->stale_while_revalidate_s = old->stale_while_revalidate_s;
	if (old->expires_s != 0)
		facts->expires_s = facts->date_s + (old->expires_s - old->date_s);
}

/* The times of the merged head, with the Age that the 304 came with. */
static bool read_merged_facts(const struct buf *merged,
			      const struct freshness_arrival *not_modified,
			      struct freshness_facts *facts)
{
	static const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES};
	const struct http_head *head = &not_modified->response->head;
	struct freshness_arrival arrival = *not_modified;
	struct http_response response;
	struct h1_parser parser = {0};
	struct buf text;
	bool ok;

	buf_init(&text, HEAD_MAX_BYTES);
	buf_add_str(&text, buf_str(merged));
	add_passing(&text, head, FIELD_AGE);
	add_passing(&text, head, FIELD_SURROGATE_CONTROL);
	buf_add_str(&text, STR("\r\n"));
	ok = !text.is_full && h1_parse_response(&parser, text.at, text.len, &limits, HTTP_HEAD,
						&response) == H1_DONE;
	if (ok) {
		arrival.response = &response;
		freshness_facts_read(&arrival, facts);
	}
	buf_fini(&text);
	return ok;
}

enum revalidate_merge revalidate_merge(const struct object *old,
				       const struct freshness_arrival *not_modified,
				       struct buf *new_head, struct freshness_facts *facts)
{
	const struct http_head *head = &not_modified->response->head;
	int64_t now_s = not_modified->response_time_s;
	enum revalidate_merge verdict = REVALIDATE_MISMATCH;
	struct buf merged;

	if (is_mismatch(old, head))
		return REVALIDATE_MISMATCH;
	if (is_older(old, head, now_s))
		return REVALIDATE_IGNORED;
	buf_init(&merged, HEAD_MAX_BYTES);
	write_merged(old, head, not_modified->reader, now_s, &merged);
	/* Too large, or too many fields by now: better a new answer than half a head. */
	if (!merged.is_full && buf_reserve(new_head, merged.len) &&
	    read_merged_facts(&merged, not_modified, facts)) {
		if (old->facts.flags & FACT_SURROGATE && !http_has(head, FIELD_SURROGATE_CONTROL))
			keep_surrogate_facts(&old->facts, facts);
		buf_add_str(new_head, buf_str(&merged));
		verdict = REVALIDATE_MERGED;
	}
	buf_fini(&merged);
	return verdict;
}

static uint64_t body_bytes_of(const struct object *object)
{
	return object->body_bytes >= 0 ? (uint64_t)object->body_bytes : object_length(object);
}

bool revalidate_head_matches(const struct object *old, const struct http_response *head_answer)
{
	const struct http_head *head = &head_answer->head;
	struct str modified = http_value(head, FIELD_LAST_MODIFIED);
	struct str length = http_value(head, FIELD_CONTENT_LENGTH);
	uint64_t bytes;

	if (old->status != head_answer->status || is_mismatch(old, head))
		return false;
	if (modified.at && !str_eq(modified, stored_value(old, FIELD_LAST_MODIFIED)))
		return false;
	return !length.at || (str_to_u64(length, &bytes) && bytes == body_bytes_of(old));
}

/* ---- a 304 to a client */

static bool is_in_304(struct str name)
{
	static const struct str names[] = {
		{"Cache-Control", 13},
		{"Content-Location", 16},
		{"CDN-Cache-Control", 17},
		{"Date", 4},
		{"ETag", 4},
		{"Expires", 7},
		{"Last-Modified", 13},
		{"Server", 6},
		{"Vary", 4},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq_nocase(name, names[i]))
			return true;
	/* Browsers check these on the 304 itself. */
	return str_starts_with_nocase(name, STR("Access-Control-"));
}

void revalidate_304_head(const struct object *object, struct buf *out)
{
	struct str rest = object->head;
	struct head_line line;

	head_line_next(&rest, &line); /* the status line */
	buf_add_str(out, STR("HTTP/1.1 304 Not Modified\r\n"));
	while (head_line_next(&rest, &line))
		if (is_in_304(line.name))
			buf_add_str(out, line.all);
}
