/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/http/h1_internal.h"

#include "lib/base/check.h"
#include "lib/http/scan_internal.h"

const struct h1_error_info *h1_error_info(enum h1_error error)
{
	static const struct h1_error_info infos[H1_ERROR_COUNT] = {
		[H1_OK] = {200, "ERR_NONE", "no error"},
		[H1_BAD_REQUEST_LINE] = {400, "ERR_PROTOCOL_UNKNOWN", "bad request line"},
		[H1_BAD_METHOD] = {400, "ERR_PROTOCOL_UNKNOWN", "bad method"},
		[H1_BAD_TARGET] = {400, "ERR_INVALID_URL", "bad request target"},
		[H1_TARGET_TOO_LONG] = {414, "ERR_TOO_BIG", "request target too long"},
		[H1_BAD_VERSION] = {400, "ERR_PROTOCOL_UNKNOWN", "bad HTTP version"},
		[H1_UNSUPPORTED_VERSION] = {505, "ERR_UNSUP_HTTPVERSION",
	                                    "HTTP version not supported"},
		[H1_BAD_LINE_END] = {400, "ERR_INVALID_REQ", "line not ended by CRLF"},
		[H1_BAD_FIELD_NAME] = {400, "ERR_INVALID_REQ", "bad field name"},
		[H1_BAD_FIELD_VALUE] = {400, "ERR_INVALID_REQ", "control byte in a field value"},
		[H1_FOLDED_FIELD] = {400, "ERR_INVALID_REQ", "field line begins with a blank"},
		[H1_HEAD_TOO_LARGE] = {431, "ERR_TOO_BIG", "head too large"},
		[H1_BAD_CONTENT_LENGTH] = {400, "ERR_INVALID_REQ", "bad Content-Length"},
		[H1_CONFLICTING_FRAMING] = {400, "ERR_INVALID_REQ", "conflicting body lengths"},
		[H1_BAD_TRANSFER_ENCODING] = {400, "ERR_INVALID_REQ", "bad Transfer-Encoding"},
		[H1_UNSUPPORTED_TRANSFER_ENCODING] = {501, "ERR_UNSUP_REQ",
	                                              "transfer coding not supported"},
		[H1_BAD_HOST] = {400, "ERR_INVALID_REQ", "bad, missing or second Host"},
		[H1_DUPLICATE_FIELD] = {400, "ERR_INVALID_REQ", "second field of a kind"},
		[H1_BAD_CONNECTION] = {400, "ERR_INVALID_REQ", "Connection names a framing field"},
		[H1_BAD_EXPECT] = {417, "ERR_INVALID_REQ", "unknown expectation"},
		[H1_NOT_HTTP] = {400, "ERR_PROTOCOL_UNKNOWN", "not HTTP"},
		[H1_BAD_STATUS_LINE] = {502, "ERR_INVALID_RESP", "bad status line"},
		[H1_BAD_CHUNK] = {400, "ERR_INVALID_REQ", "bad chunk"},
		[H1_CHUNK_OVERHEAD] = {413, "ERR_TOO_BIG", "chunks too small"},
		[H1_TRAILERS_TOO_LARGE] = {431, "ERR_TOO_BIG", "trailers too large"},
	};

	check(error < H1_ERROR_COUNT);
	return &infos[error];
}

bool h1_is_worth_reading(struct h1_parser *parser, const char *bytes, size_t len)
{
	size_t from = parser->scanned_;

	if (from == 0 || len >= parser->wake_)
		return true;
	/* The last byte again: what follows a CR or LF may decide. */
	if (len > from && (memchr(bytes + from - 1, '\n', len - from + 1) ||
	                   memchr(bytes + from - 1, '\r', len - from + 1)))
		return true;
	parser->scanned_ = (uint32_t)len;
	return false;
}

void h1_open(struct h1_cursor *cursor, struct http_head *head, const char *bytes, size_t len,
             uint32_t limit)
{
	*cursor = (struct h1_cursor){.at = bytes, .end = bytes + (len < limit ? len : limit)};
	head->base = bytes;
	head->len = 0;
	head->present_[0] = head->present_[1] = 0;
	head->nfields = 0;
}

enum h1_verdict h1_close(struct h1_parser *parser, const struct h1_cursor *cursor,
                         enum h1_verdict verdict, size_t len, uint32_t limit)
{
	parser->error = cursor->error;
	if (verdict != H1_MORE)
		return verdict;
	if (len >= limit) {
		parser->error = H1_HEAD_TOO_LARGE;
		return H1_ERROR;
	}
	parser->scanned_ = (uint32_t)len;
	if (parser->wake_ <= len)
		parser->wake_ = limit;
	return H1_MORE;
}

enum h1_verdict h1_refuse_line(struct h1_cursor *cursor, enum h1_error otherwise)
{
	const char *at = cursor->at;
	const char *lf = memchr(at, '\n', (size_t)(cursor->end - at));
	const char *last = lf ? lf - 1 : cursor->end - 1; /* a CR here may be a good one */
	const char *cr = last > at ? memchr(at, '\r', (size_t)(last - at)) : NULL;

	if (cr)
		return h1_fail(cursor, H1_BAD_LINE_END);
	if (!lf)
		return H1_MORE;
	return h1_fail(cursor, last < at || *last != '\r' ? H1_BAD_LINE_END : otherwise);
}

static void count_field(struct h1_cursor *cursor, struct http_head *head)
{
	unsigned id = head->fields[head->nfields++].id;
	uint64_t bit = UINT64_C(1) << (id % 64);

	cursor->repeated[id / 64] |= head->present_[id / 64] & bit;
	head->present_[id / 64] |= bit;
}

/* NAME ":" BLANKS VALUE BLANKS CRLF. */
static enum h1_verdict read_field(struct h1_cursor *cursor, const char *base,
                                  struct http_field *out)
{
	const char *at = cursor->at, *end = cursor->end;
	const char *colon = scan_colon(at, end), *value, *stop;
	struct str name = {at, (size_t)(colon - at)};
	enum http_field_id id = http_field_id(name);

	if (colon == end || (id == FIELD_OTHER && !str_is_token(name)))
		return h1_refuse_line(cursor, *at == ' ' || *at == '\t' ? H1_FOLDED_FIELD
		                                                        : H1_BAD_FIELD_NAME);
	if (name.len > UINT16_MAX)
		return h1_refuse_line(cursor, H1_HEAD_TOO_LARGE);
	value = skip_blanks(colon + 1, end);
	stop = scan_control(value, end);
	if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
		return h1_refuse_line(cursor, H1_BAD_FIELD_VALUE);
	cursor->at = stop + 2;
	while (stop > value && (stop[-1] == ' ' || stop[-1] == '\t'))
		stop--;
	out->name_at = (uint32_t)(at - base);
	out->name_len = (uint16_t)name.len;
	out->value_at = (uint32_t)(value - base);
	out->value_len = (uint32_t)(stop - value);
	out->id = (uint16_t)id;
	return H1_DONE;
}

/* next is behind a good line. If the lines that follow begin with a blank, they are joined to it,
 * as far as they have arrived and up to the first bad one: the CRLF between becomes two blanks. */
static bool join_folded(const struct h1_cursor *cursor, const char *base, const char *next)
{
	bool is_joined = false;

	while (next < cursor->end && (*next == ' ' || *next == '\t')) {
		const char *stop = scan_control(next, cursor->end);

		memset(cursor->foldable + (next - base) - 2, ' ', 2);
		is_joined = true;
		if (cursor->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
			break;
		next = stop + 2;
	}
	return is_joined;
}

/* As read_field, with the folded lines behind it. A line has ended when the byte behind it is
 * known. */
static enum h1_verdict read_foldable_field(struct h1_cursor *cursor, const char *base,
                                           struct http_field *out)
{
	const char *start = cursor->at;

	for (;;) {
		enum h1_verdict verdict = read_field(cursor, base, out);

		if (verdict != H1_DONE)
			return verdict;
		if (cursor->at == cursor->end)
			return H1_MORE;
		if (!join_folded(cursor, base, cursor->at))
			return H1_DONE;
		cursor->at = start;
	}
}

static enum h1_verdict read_empty_line(struct h1_cursor *cursor, struct http_head *head)
{
	if (cursor->end - cursor->at < 2)
		return H1_MORE;
	if (cursor->at[1] != '\n')
		return h1_fail(cursor, H1_BAD_LINE_END);
	cursor->at += 2;
	head->len = (size_t)(cursor->at - head->base);
	return H1_DONE;
}

enum h1_verdict h1_read_fields(struct h1_cursor *cursor, struct http_head *head)
{
	while (cursor->at < cursor->end) {
		struct http_field *field = &head->fields[head->nfields];
		enum h1_verdict verdict;

		if (*cursor->at == '\r')
			return read_empty_line(cursor, head);
		if (head->nfields == HTTP_MAX_FIELDS)
			return h1_fail(cursor, H1_HEAD_TOO_LARGE);
		verdict = cursor->foldable ? read_foldable_field(cursor, head->base, field)
		                           : read_field(cursor, head->base, field);
		if (verdict != H1_DONE)
			return verdict;
		count_field(cursor, head);
	}
	return H1_MORE;
}

void h1_drop_field(struct http_head *head, const struct http_field *field)
{
	size_t i = (size_t)(field - head->fields);

	head->nfields--;
	memmove(&head->fields[i], &head->fields[i + 1], (head->nfields - i) * sizeof(*field));
}

/* A number of at most 63 bits in digits alone; leading zeros do no harm. */
static bool read_length(struct str text, uint64_t *out)
{
	uint64_t length;

	if (!str_to_u64(text, &length) || length > INT64_MAX)
		return false;
	*out = length;
	return true;
}

static enum h1_error read_content_length(const struct h1_cursor *cursor, struct http_head *head,
                                         bool may_merge, uint64_t *out)
{
	const struct http_field *first = http_find(head, FIELD_CONTENT_LENGTH), *next;
	uint64_t length, again;

	if (!read_length(http_field_value(head, first), &length))
		return H1_BAD_CONTENT_LENGTH;
	*out = length;
	if (!h1_is_repeated(cursor, FIELD_CONTENT_LENGTH))
		return H1_OK;
	while ((next = http_find_next(head, FIELD_CONTENT_LENGTH, first))) {
		if (!read_length(http_field_value(head, next), &again))
			return H1_BAD_CONTENT_LENGTH;
		if (!may_merge || again != length)
			return H1_CONFLICTING_FRAMING;
		h1_drop_field(head, next);
	}
	return H1_OK;
}

/* One field whose last coding, and no other, is chunked. Codings that we do not know are refused in
 * another way than what is no list of tokens. */
static enum h1_error read_transfer_encoding(const struct h1_cursor *cursor,
                                            const struct http_head *head)
{
	struct str rest = http_value(head, FIELD_TRANSFER_ENCODING), coding;
	bool is_chunked = false, is_known = true;

	if (str_eq_nocase(rest, STR("chunked")) && !h1_is_repeated(cursor, FIELD_TRANSFER_ENCODING))
		return H1_OK;
	if (h1_is_repeated(cursor, FIELD_TRANSFER_ENCODING))
		return H1_BAD_TRANSFER_ENCODING;
	while (str_split(&rest, ',', &coding)) {
		coding = str_trim(coding);
		if (!str_is_token(coding) || is_chunked)
			return H1_BAD_TRANSFER_ENCODING;
		is_chunked = str_eq_nocase(coding, STR("chunked"));
		is_known = is_known && is_chunked;
	}
	return is_known ? H1_OK : H1_UNSUPPORTED_TRANSFER_ENCODING;
}

enum h1_error h1_read_framing(struct h1_cursor *cursor, struct http_head *head, unsigned minor,
                              bool may_merge, struct h1_framing *out)
{
	enum h1_error error = H1_OK;

	*out = (struct h1_framing){
		.has_length = http_has(head, FIELD_CONTENT_LENGTH),
		.is_chunked = http_has(head, FIELD_TRANSFER_ENCODING),
	};
	if (out->is_chunked && (out->has_length || minor == 0))
		return H1_CONFLICTING_FRAMING;
	if (out->has_length)
		error = read_content_length(cursor, head, may_merge, &out->length);
	else if (out->is_chunked)
		error = read_transfer_encoding(cursor, head);
	return error;
}

bool h1_keeps_alive(const struct http_head *head, unsigned minor)
{
	if (!http_has(head, FIELD_CONNECTION))
		return minor > 0;
	if (http_list_has(head, FIELD_CONNECTION, STR("close")))
		return false;
	return minor > 0 || http_list_has(head, FIELD_CONNECTION, STR("keep-alive"));
}
