/* SPDX-License-Identifier: BSD-2-Clause */
/* Responses: VERSION SP STATUS [SP REASON] CRLF, fields, and what they mean together. RFC 9112 §4.
 */
#include "lib/http/h1.h"

#include "lib/http/h1_internal.h"
#include "lib/http/scan_internal.h"

enum {
	PREFIX_LEN = 5,       /* "HTTP/" */
	STATUS_LINE_MIN = 12, /* "HTTP/1.1 200" */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* line: at least STATUS_LINE_MIN bytes. HTTP/1.D SP DDD, then a blank or the end; 100 to 599. */
static bool read_status(struct str line, struct http_response *out)
{
	const char *at = line.at;

	if (memcmp(at, "HTTP/1.", 7) != 0 || !is_digit(at[7]) || at[8] != ' ')
		return false;
	if (at[9] < '1' || at[9] > '5' || !is_digit(at[10]) || !is_digit(at[11]))
		return false;
	out->minor = at[7] > '0';
	out->status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
	return line.len == STATUS_LINE_MIN || at[12] == ' ';
}

static enum h1_verdict read_status_line(struct h1_parser *parser, struct h1_cursor *cursor,
                                        struct http_response *out)
{
	const char *at = cursor->at, *stop;
	size_t len = (size_t)(cursor->end - at);
	struct str line;

	/* Another protocol may never end its line. */
	if (memcmp(at, "HTTP/", len < PREFIX_LEN ? len : PREFIX_LEN) != 0)
		return h1_fail(cursor, H1_BAD_STATUS_LINE);
	if (len < PREFIX_LEN) {
		parser->wake_ = (uint32_t)len + 1;
		return H1_MORE;
	}
	stop = scan_control(at, cursor->end);
	line = (struct str){at, (size_t)(stop - at)};
	if (cursor->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n' ||
	    line.len < STATUS_LINE_MIN || !read_status(line, out))
		return h1_refuse_line(cursor, H1_BAD_STATUS_LINE);
	out->reason.at = line.len > STATUS_LINE_MIN ? STATUS_LINE_MIN + 1 : STATUS_LINE_MIN;
	out->reason.len = (uint32_t)line.len - out->reason.at;
	cursor->at = stop + 2;
	return H1_DONE;
}

static bool has_no_body(int status, enum http_method method)
{
	return method == HTTP_HEAD || status < 200 || status == 204 || status == 304;
}

static enum h1_verdict check_response(struct h1_cursor *cursor, enum http_method method,
                                      struct http_response *out)
{
	struct h1_framing framing;
	enum h1_error error = h1_read_framing(cursor, &out->head, out->minor, true, &framing);

	if (error != H1_OK)
		return h1_fail(cursor, error);
	out->content_length = framing.length;
	out->body = has_no_body(out->status, method) ? HTTP_BODY_NONE
	            : framing.is_chunked             ? HTTP_BODY_CHUNKED
	            : framing.has_length             ? HTTP_BODY_LENGTH
	                                             : HTTP_BODY_CLOSE;
	out->claims_keep_alive = h1_keeps_alive(&out->head, out->minor);
	out->keep_alive = out->body != HTTP_BODY_CLOSE && out->claims_keep_alive;
	return H1_DONE;
}

enum h1_verdict h1_parse_response(struct h1_parser *parser, char *bytes, size_t len,
                                  const struct h1_limits *limits, enum http_method method,
                                  struct http_response *out)
{
	struct h1_cursor cursor;
	enum h1_verdict verdict;

	if (!h1_is_worth_reading(parser, bytes, len))
		return H1_MORE;
	h1_open(&cursor, &out->head, bytes, len, limits->head_bytes);
	cursor.foldable = bytes;
	verdict = read_status_line(parser, &cursor, out);
	if (verdict == H1_DONE)
		verdict = h1_read_fields(&cursor, &out->head);
	if (verdict == H1_DONE)
		verdict = check_response(&cursor, method, out);
	return h1_close(parser, &cursor, verdict, len, limits->head_bytes);
}
