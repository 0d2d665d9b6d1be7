/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/invalidate.h"

#include "lib/http/uri.h"

bool invalidate_is_due(enum http_method method, int status)
{
	return status >= 200 && status < 400 && !http_method_is_safe(method);
}

static bool has_line(struct str lines, struct str line)
{
	struct str one;

	while (str_split(&lines, '\n', &one))
		if (one.len > 0 && str_eq(one, line))
			return true;
	return false;
}

/* What was appended since from becomes a line, unless it is there already or did not fit. */
static void end_line(struct buf *out, size_t start, size_t from, bool ok)
{
	struct str line;

	if (ok && out->len > from) {
		line = (struct str){out->at + from, out->len - from};
		ok = line.len <= INVALIDATE_MAX_URL_BYTES &&
		     !has_line((struct str){out->at + start, from - start}, line) &&
		     buf_add_char(out, '\n');
	}
	if (!ok)
		out->len = from;
}

static bool is_same_origin(const struct uri *a, const struct uri *b)
{
	char host_a[URI_MAX_HOST], host_b[URI_MAX_HOST];

	return a->is_https == b->is_https && a->port == b->port &&
	       str_eq(uri_normal_host(a->host, host_a), uri_normal_host(b->host, host_b));
}

/* The bytes of s up to and with the last slash. */
static size_t directory_len(struct str s)
{
	while (s.len > 0 && s.at[s.len - 1] != '/')
		s.len--;
	return s.len;
}

/* Takes the last segment off what out holds from floor (a slash) on. */
static void drop_segment(struct buf *out, size_t floor)
{
	struct str path = {out->at + floor, out->len - floor};

	path.len = path.len > 1 ? directory_len(str_first(path, path.len - 1)) : path.len;
	out->len = floor + (path.len > 0 ? path.len : 1);
}

/* RFC 3986 §5.2.3, §5.2.4: the reference behind base's directory, "." and ".." worked off. */
static bool add_relative(struct buf *out, struct str base_path, struct str reference)
{
	size_t query = str_find_char(reference, '?'), floor = out->len;
	struct str path = str_first(reference, query), segment;
	size_t directory = directory_len(str_first(base_path, str_find_char(base_path, '?')));
	bool ok = buf_add_str(out, directory > 0 ? str_first(base_path, directory) : STR("/"));

	while (ok && str_split(&path, '/', &segment)) {
		if (str_eq(segment, STR("..")))
			drop_segment(out, floor);
		else if (!str_eq(segment, STR(".")))
			ok = buf_add_str(out, segment) && (!path.at || buf_add_char(out, '/'));
	}
	return ok && buf_add_str(out, str_from(reference, query));
}

static bool has_scheme(struct str reference)
{
	size_t colon = str_find_char(reference, ':');

	return colon < reference.len && colon < str_find_char(reference, '/') &&
	       colon < str_find_char(reference, '?');
}

/* RFC 3986 §5.2.2, for references that are not empty and have no fragment. */
static bool add_target(struct buf *out, const struct uri *base, struct str reference)
{
	struct str path = base->path_and_query;
	bool ok;

	if (has_scheme(reference))
		return buf_add_str(out, reference);
	ok = buf_add_str(out, base->is_https ? STR("https:") : STR("http:"));
	if (str_starts_with(reference, STR("//")))
		return ok && buf_add_str(out, reference);
	ok = ok && buf_add_str(out, STR("//")) && uri_add_authority(out, base->host, base->port, 0);
	if (reference.at[0] == '/')
		return ok && buf_add_str(out, reference);
	if (reference.at[0] == '?')
		return ok && buf_add_str(out, str_first(path, str_find_char(path, '?'))) &&
		       buf_add_str(out, reference);
	return ok && add_relative(out, path, reference);
}

/* The reference of a field, resolved against base, if it has the same origin. */
static bool add_resolved(struct buf *out, const struct uri *base, struct str reference)
{
	struct buf target;
	struct uri uri;
	bool ok;

	reference = str_trim(str_first(reference, str_find_char(reference, '#')));
	if (reference.len == 0)
		return false;
	buf_init(&target, INVALIDATE_MAX_URL_BYTES);
	ok = add_target(&target, base, reference) && uri_parse(buf_str(&target), &uri) &&
	     is_same_origin(base, &uri) && uri_add(out, &uri);
	buf_fini(&target);
	return ok;
}

bool invalidate_is_own_location(struct str url, const struct http_response *response)
{
	struct str value = http_value(&response->head, FIELD_CONTENT_LOCATION);
	struct uri base;
	struct buf named, own;
	bool is_own;

	if (!value.at || !uri_parse(url, &base))
		return false;
	buf_init(&named, INVALIDATE_MAX_URL_BYTES);
	buf_init(&own, INVALIDATE_MAX_URL_BYTES);
	is_own = add_resolved(&named, &base, value) && uri_add(&own, &base) &&
		 str_eq(buf_str(&named), buf_str(&own));
	buf_fini(&named);
	buf_fini(&own);
	return is_own;
}

void invalidate_urls(struct str url, const struct http_response *response, struct buf *out)
{
	static const enum http_field_id fields[] = {FIELD_LOCATION, FIELD_CONTENT_LOCATION};
	size_t start = out->len;
	struct uri base;

	end_line(out, start, start, buf_add_str(out, url));
	if (!uri_parse(url, &base))
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct str value = http_value(&response->head, fields[i]);
		size_t from = out->len;

		if (value.at)
			end_line(out, start, from, add_resolved(out, &base, value));
	}
}
