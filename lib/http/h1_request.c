/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests: METHOD SP TARGET SP VERSION CRLF, fields, and what they mean together. RFC 9112 §3. */
#include "lib/http/h1.h"

#include "lib/base/check.h"
#include "lib/http/h1_internal.h"
#include "lib/http/scan_internal.h"
#include "lib/http/uri.h"

enum {
	MAX_METHOD = 64,
	VERSION_LEN = 8, /* "HTTP/1.1" */
	/* A request line without its target, at most. */
	MAX_AROUND_TARGET = MAX_METHOD + VERSION_LEN + 4,
};

static enum http_method method_of(struct str name)
{
	static const struct {
		struct str name;
		enum http_method method;
	} methods[] = {
		{{"GET", 3}, HTTP_GET},       {{"HEAD", 4}, HTTP_HEAD},
		{{"POST", 4}, HTTP_POST},     {{"PUT", 3}, HTTP_PUT},
		{{"DELETE", 6}, HTTP_DELETE}, {{"OPTIONS", 7}, HTTP_OPTIONS},
		{{"TRACE", 5}, HTTP_TRACE},   {{"CONNECT", 7}, HTTP_CONNECT},
		{{"PATCH", 5}, HTTP_PATCH},   {{"PURGE", 5}, HTTP_PURGE},
	};

	for (size_t i = 0; i < COUNT(methods); i++)
		if (str_eq(methods[i].name, name))
			return methods[i].method;
	return HTTP_OTHER;
}

/* HTTP/D.D. Only major version 1 is spoken here, and of it 1.0 and (whatever is higher) 1.1. */
static enum h1_error read_version(struct str text, uint8_t *minor)
{
	if (text.len != VERSION_LEN || memcmp(text.at, "HTTP/", 5) != 0 || text.at[6] != '.' ||
	    text.at[5] < '0' || text.at[5] > '9' || text.at[7] < '0' || text.at[7] > '9')
		return H1_BAD_VERSION;
	if (text.at[5] != '1')
		return H1_UNSUPPORTED_VERSION;
	*minor = text.at[7] > '0';
	return H1_OK;
}

/* What is wrong with a whole request line that did not scan. */
static enum h1_error explain_line(struct str line)
{
	const char *end = line.at + line.len;
	const char *method_end = scan_while(line.at, end, BYTE_TOKEN);
	const char *space = memrchr(line.at, ' ', line.len);
	enum h1_error error;
	uint8_t minor;

	if (method_end == line.at || method_end == end || *method_end != ' ' ||
	    method_end - line.at > MAX_METHOD)
		return H1_BAD_METHOD;
	if (space == method_end)
		return H1_BAD_REQUEST_LINE;
	error = read_version((struct str){space + 1, (size_t)(end - space - 1)}, &minor);
	return error != H1_OK ? error : H1_BAD_TARGET;
}

static enum h1_verdict refuse_request_line(struct h1_cursor *cursor)
{
	enum h1_verdict verdict = h1_refuse_line(cursor, H1_BAD_REQUEST_LINE);

	if (verdict == H1_ERROR && cursor->error == H1_BAD_REQUEST_LINE) {
		const char *lf = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));

		cursor->error =
			explain_line((struct str){cursor->at, (size_t)(lf - 1 - cursor->at)});
	}
	return verdict;
}

static bool is_loose_target(const char *at, const char *end)
{
	for (; at < end; at++)
		if (*at != ' ' && *at != '\t' && !byte_is(*at, BYTE_TARGET))
			return false;
	return true;
}

/* A whole line whose target has blanks: it lies between the first and the last one of the line. */
static bool scan_loose_line(struct h1_cursor *cursor, struct http_request *out)
{
	const char *base = out->head.base, *method = cursor->at;
	const char *lf = memchr(method, '\n', (size_t)(cursor->end - method));
	const char *end = lf && lf > method && lf[-1] == '\r' ? lf - 1 : method;
	const char *method_end = scan_while(method, end, BYTE_TOKEN);
	const char *space = memrchr(method, ' ', (size_t)(end - method));

	if (method_end == method || method_end - method > MAX_METHOD || !space ||
	    *method_end != ' ' || space <= method_end + 1 ||
	    !is_loose_target(method_end + 1, space) ||
	    read_version((struct str){space + 1, (size_t)(end - space - 1)}, &out->minor) != H1_OK)
		return false;
	out->method_text =
		(struct http_span){(uint32_t)(method - base), (uint32_t)(method_end - method)};
	out->target = (struct http_span){(uint32_t)(method_end + 1 - base),
	                                 (uint32_t)(space - method_end - 1)};
	out->has_blanks = true;
	cursor->at = lf + 1;
	return true;
}

/* A good line for sure, but for the meaning of its parts; else the verdict on what it is. */
static enum h1_verdict scan_request_line(struct h1_cursor *cursor, const struct h1_limits *limits,
                                         struct http_request *out)
{
	const char *base = out->head.base, *method = cursor->at, *end = cursor->end;
	const char *method_end = scan_while(method, end, BYTE_TOKEN);
	const char *target, *target_end;

	out->has_blanks = false;
	if (end - method_end < 2 || *method_end != ' ' || method_end == method ||
	    method_end - method > MAX_METHOD)
		return refuse_request_line(cursor);
	target = method_end + 1;
	target_end = scan_target(target, end);
	if (end - target_end < VERSION_LEN + 3 || *target_end != ' ' || target_end == target ||
	    target_end[VERSION_LEN + 1] != '\r' || target_end[VERSION_LEN + 2] != '\n' ||
	    read_version((struct str){target_end + 1, VERSION_LEN}, &out->minor) != H1_OK)
		return limits->allow_blanks && scan_loose_line(cursor, out)
		               ? H1_DONE
		               : refuse_request_line(cursor);
	out->method_text =
		(struct http_span){(uint32_t)(method - base), (uint32_t)(method_end - method)};
	out->target =
		(struct http_span){(uint32_t)(target - base), (uint32_t)(target_end - target)};
	cursor->at = target_end + VERSION_LEN + 3;
	return H1_DONE;
}

/* CONNECT's HOST:PORT. */
static bool is_authority_with_port(struct str target)
{
	struct str host;
	uint16_t port;
	bool has_port;

	return uri_parse_authority(target, &host, &port, &has_port) && has_port;
}

/* cache_object://HOST[:PORT]/ACTION: how tools that watch Squid 2 to 6 ask for its reports. */
static bool is_cache_object(struct str target)
{
	const struct str scheme = STR("cache_object://");
	struct str rest = str_from(target, scheme.len), host, authority;
	uint16_t port;
	bool has_port;

	authority = str_first(rest, str_find_char(rest, '/'));
	return str_starts_with_nocase(target, scheme) &&
	       uri_parse_authority(authority, &host, &port, &has_port) &&
	       uri_is_path_and_query(str_from(rest, authority.len));
}

static bool is_good_target(struct http_request *out)
{
	struct str target = http_span(&out->head, out->target);
	struct uri uri;

	if (out->has_blanks) {
		out->target_form = HTTP_TARGET_ORIGIN;
		return out->method != HTTP_CONNECT;
	}
	if (out->method == HTTP_CONNECT) {
		out->target_form = HTTP_TARGET_AUTHORITY;
		return is_authority_with_port(target);
	}
	if (target.at[0] == '/') {
		out->target_form = HTTP_TARGET_ORIGIN;
		/* Its bytes have been scanned; only escapes are left to be checked. */
		return !memchr(target.at, '%', target.len) || uri_is_path_and_query(target);
	}
	if (str_eq(target, STR("*"))) {
		out->target_form = HTTP_TARGET_ASTERISK;
		return out->method == HTTP_OPTIONS;
	}
	out->target_form = HTTP_TARGET_ABSOLUTE;
	return uri_parse(target, &uri) || is_cache_object(target);
}

/* The first byte may refuse at once: TLS and other protocols may wait for an answer to it. */
static enum h1_error judge_first_byte(char c)
{
	if (byte_is(c, BYTE_TOKEN))
		return H1_OK;
	if (c == '\r' || c == '\n')
		return H1_BAD_LINE_END;
	return byte_is(c, BYTE_TARGET) || c == ' ' ? H1_BAD_METHOD : H1_NOT_HTTP;
}

/* A line that fills its limit: whose fault is it? */
static enum h1_error explain_long_line(const struct h1_cursor *cursor)
{
	const char *method_end = scan_while(cursor->at, cursor->end, BYTE_TOKEN);

	return method_end < cursor->end && *method_end == ' ' &&
	                       method_end - cursor->at <= MAX_METHOD
	               ? H1_TARGET_TOO_LONG
	               : H1_BAD_REQUEST_LINE;
}

/* The longest request line that may begin at at: the head's limit bounds it too. */
static size_t max_line_len(const char *at, const struct h1_limits *limits,
                           const struct http_request *out)
{
	size_t before = (size_t)(at - out->head.base);
	size_t room = limits->head_bytes > before ? limits->head_bytes - before : 0;
	size_t max_len = (size_t)limits->target_bytes + MAX_AROUND_TARGET;

	return max_len < room ? max_len : room;
}

static enum h1_verdict read_request_line(struct h1_cursor *cursor, const struct h1_limits *limits,
                                         struct http_request *out)
{
	const char *end = cursor->end;
	size_t max_len = max_line_len(cursor->at, limits, out);
	bool is_cut = (size_t)(end - cursor->at) >= max_len;
	enum h1_verdict verdict;

	if (is_cut)
		cursor->end = cursor->at + max_len;
	verdict = scan_request_line(cursor, limits, out);
	if (verdict == H1_MORE && is_cut)
		verdict = h1_fail(cursor, explain_long_line(cursor));
	cursor->end = end;
	if (verdict != H1_DONE)
		return verdict;
	if (out->target.len > limits->target_bytes)
		return h1_fail(cursor, H1_TARGET_TOO_LONG);
	out->method = method_of(http_span(&out->head, out->method_text));
	return is_good_target(out) ? H1_DONE : h1_fail(cursor, H1_BAD_TARGET);
}

/* The request line with the empty line that may precede it. */
static enum h1_verdict read_start(struct h1_parser *parser, struct h1_cursor *cursor,
                                  const struct h1_limits *limits, struct http_request *out)
{
	const char *at = cursor->at;
	enum h1_verdict verdict;
	enum h1_error error;

	if (cursor->end - at >= 2 && at[0] == '\r' && at[1] == '\n')
		cursor->at = at += 2;
	else if (cursor->end - at == 1 && at[0] == '\r')
		return H1_MORE;
	if (at == cursor->end)
		return H1_MORE;
	error = judge_first_byte(*at);
	if (error != H1_OK)
		return h1_fail(cursor, error);
	verdict = read_request_line(cursor, limits, out);
	if (verdict == H1_MORE)
		parser->wake_ =
			(uint32_t)(at - out->head.base + max_line_len(at, limits, out));
	return verdict;
}

static enum h1_error check_host(const struct h1_cursor *cursor, const struct http_request *request,
                                const struct h1_limits *limits)
{
	struct str value = http_value(&request->head, FIELD_HOST), host;
	uint16_t port;
	bool has_port;

	if (h1_is_repeated(cursor, FIELD_HOST))
		return H1_BAD_HOST;
	if (!value.at)
		return request->minor == 0 || limits->allow_no_host ? H1_OK : H1_BAD_HOST;
	if (value.len > 0 && !uri_parse_authority(value, &host, &port, &has_port))
		return H1_BAD_HOST;
	return H1_OK;
}

static enum h1_error check_framing(struct h1_cursor *cursor, struct http_request *request)
{
	struct h1_framing framing;
	enum h1_error error =
		h1_read_framing(cursor, &request->head, request->minor, false, &framing);

	request->content_length = framing.length;
	request->body = framing.is_chunked   ? HTTP_BODY_CHUNKED
	                : framing.has_length ? HTTP_BODY_LENGTH
	                                     : HTTP_BODY_NONE;
	return error;
}

/* A client may not strip what frames or routes its request. RFC 9110 §7.6.1. */
static enum h1_error check_connection(struct http_request *request)
{
	static const enum http_field_id refused[] = {FIELD_CONTENT_LENGTH, FIELD_HOST,
	                                             FIELD_TRANSFER_ENCODING};
	struct http_list list = {0};
	struct str option;

	while (http_list_next(&request->head, FIELD_CONNECTION, &list, &option))
		for (size_t i = 0; i < COUNT(refused); i++)
			if (http_field_id(option) == refused[i])
				return H1_BAD_CONNECTION;
	request->keep_alive = h1_keeps_alive(&request->head, request->minor);
	return H1_OK;
}

static enum h1_error check_expect(struct http_request *request)
{
	struct http_list list = {0};
	struct str expectation;

	request->expect_continue = false;
	while (http_list_next(&request->head, FIELD_EXPECT, &list, &expectation)) {
		if (!str_eq_nocase(expectation, STR("100-continue")))
			return H1_BAD_EXPECT;
		request->expect_continue = request->minor > 0;
	}
	return H1_OK;
}

/* Two readers could believe in different credentials or types. An equal type is merged. */
static enum h1_error check_singletons(const struct h1_cursor *cursor, struct http_head *head)
{
	const struct http_field *first, *next;

	if (h1_is_repeated(cursor, FIELD_AUTHORIZATION))
		return H1_DUPLICATE_FIELD;
	if (!h1_is_repeated(cursor, FIELD_CONTENT_TYPE))
		return H1_OK;
	first = http_find(head, FIELD_CONTENT_TYPE);
	while ((next = http_find_next(head, FIELD_CONTENT_TYPE, first))) {
		if (!str_eq(http_field_value(head, first), http_field_value(head, next)))
			return H1_DUPLICATE_FIELD;
		h1_drop_field(head, next);
	}
	return H1_OK;
}

/* What the lines mean together; the first fault found is the verdict. */
static enum h1_verdict check_request(struct h1_cursor *cursor, const struct h1_limits *limits,
                                     struct http_request *request)
{
	enum h1_error error = check_host(cursor, request, limits);

	if (error == H1_OK)
		error = check_framing(cursor, request);
	if (error == H1_OK)
		error = check_connection(request);
	if (error == H1_OK)
		error = check_expect(request);
	if (error == H1_OK)
		error = check_singletons(cursor, &request->head);
	return error == H1_OK ? H1_DONE : h1_fail(cursor, error);
}

/* TARGET SP VERSION, with or without blanks in the target. */
static bool read_rest_of_line(struct str rest, struct h1_request_line *out)
{
	const char *end = rest.at + rest.len, *space = memrchr(rest.at, ' ', rest.len);
	const char *version = space ? space + 1 : end;
	enum h1_error error;
	uint8_t minor;

	if (!space || space == rest.at || !is_loose_target(rest.at, space))
		return false;
	error = read_version((struct str){version, (size_t)(end - version)}, &minor);
	if (error != H1_OK && error != H1_UNSUPPORTED_VERSION)
		return false;
	out->target = (struct str){rest.at, (size_t)(space - rest.at)};
	out->major = (uint8_t)(version[5] - '0');
	out->minor = (uint8_t)(version[7] - '0');
	return true;
}

bool h1_read_request_line(const char *bytes, size_t len, struct h1_request_line *out)
{
	bool has_empty_line = len >= 2 && bytes[0] == '\r' && bytes[1] == '\n';
	const char *at = has_empty_line ? bytes + 2 : bytes, *end = bytes + len;
	const char *method_end = scan_while(at, end, BYTE_TOKEN);
	const char *lf = memchr(at, '\n', (size_t)(end - at));
	struct h1_request_line line = {.method = {at, (size_t)(method_end - at)}};

	if (method_end == at || method_end - at > MAX_METHOD || method_end == end ||
	    *method_end != ' ')
		return false;
	if (lf) {
		const char *rest = method_end + 1, *rest_end = lf[-1] == '\r' ? lf - 1 : lf;

		if (rest_end < rest ||
		    !read_rest_of_line((struct str){rest, (size_t)(rest_end - rest)}, &line))
			return false;
	}
	*out = line;
	return true;
}

enum h1_verdict h1_parse_request(struct h1_parser *parser, const char *bytes, size_t len,
                                 const struct h1_limits *limits, struct http_request *out)
{
	struct h1_cursor cursor;
	enum h1_verdict verdict;

	if (!h1_is_worth_reading(parser, bytes, len))
		return H1_MORE;
	h1_open(&cursor, &out->head, bytes, len, limits->head_bytes);
	verdict = read_start(parser, &cursor, limits, out);
	if (verdict == H1_DONE)
		verdict = h1_read_fields(&cursor, &out->head);
	if (verdict == H1_DONE)
		verdict = check_request(&cursor, limits, out);
	return h1_close(parser, &cursor, verdict, len, limits->head_bytes);
}
