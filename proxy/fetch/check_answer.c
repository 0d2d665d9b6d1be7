/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/check_answer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { HEAD_MAX_BYTES = 65536, TEXT_MAX_BYTES = 65536 };

void check_answer_init(struct check_answer *answer, const struct peer_check *check)
{
	*answer = (struct check_answer){.check = check};
	buf_init(&answer->bytes_, HEAD_MAX_BYTES);
}

void check_answer_fini(struct check_answer *answer)
{
	buf_fini(&answer->bytes_);
}

__attribute__((format(printf, 2, 3))) static enum check_verdict
bad(struct check_answer *answer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(answer->why, sizeof(answer->why), format, args);
	va_end(args);
	return CHECK_BAD;
}

static bool has_text(const struct check_answer *answer)
{
	struct str text = answer->check->text;

	return !text.at || memmem(answer->bytes_.at, answer->bytes_.len, text.at, text.len);
}

/* The whole body was there. */
static enum check_verdict whole(struct check_answer *answer)
{
	const struct peer_check *check = answer->check;

	if (answer->nbody_ < check->min_bytes)
		return bad(answer, "the answer has only %" PRIu64 " bytes", answer->nbody_);
	if (!has_text(answer))
		return bad(answer, "the answer lacks the text '%.60s'", check->text.at);
	return CHECK_GOOD;
}

/* A piece of the body, without its framing. */
static enum check_verdict take(struct check_answer *answer, struct str data)
{
	const struct peer_check *check = answer->check;

	answer->nbody_ += data.len;
	if (check->max_bytes > 0 && answer->nbody_ > check->max_bytes)
		return bad(answer, "the answer has more than %" PRIu64 " bytes", check->max_bytes);
	if (check->text.at && answer->bytes_.len < TEXT_MAX_BYTES)
		buf_add_str(&answer->bytes_,
			    str_first(data, TEXT_MAX_BYTES - answer->bytes_.len));
	return CHECK_MORE;
}

static enum check_verdict take_chunked(struct check_answer *answer, struct str bytes)
{
	while (bytes.len > 0) {
		struct str data;
		size_t used;
		enum h1_verdict verdict =
			h1_decode_chunks(&answer->chunks_, bytes.at, bytes.len, &used, &data);

		if (verdict == H1_ERROR)
			return bad(answer, "the answer is malformed");
		if (take(answer, data) == CHECK_BAD)
			return CHECK_BAD;
		if (verdict == H1_DONE)
			return whole(answer);
		if (used == 0)
			break;
		bytes = str_from(bytes, used);
	}
	return CHECK_MORE;
}

static enum check_verdict take_body(struct check_answer *answer, struct str bytes)
{
	switch (answer->body_) {
	case HTTP_BODY_NONE:
		return whole(answer);
	case HTTP_BODY_CHUNKED:
		return take_chunked(answer, bytes);
	case HTTP_BODY_LENGTH:
		bytes = str_first(bytes, (size_t)answer->left_);
		answer->left_ -= bytes.len;
		if (take(answer, bytes) == CHECK_BAD)
			return CHECK_BAD;
		return answer->left_ == 0 ? whole(answer) : CHECK_MORE;
	case HTTP_BODY_CLOSE:
		break;
	}
	return take(answer, bytes);
}

static enum check_verdict take_head(struct check_answer *answer,
				     const struct http_response *response)
{
	const struct peer_check *check = answer->check;
	unsigned status = (unsigned)response->status;
	size_t head_bytes = response->head.len;
	enum check_verdict verdict;
	struct buf all;

	if (status < 200) {
		buf_consume(&answer->bytes_, head_bytes);
		h1_parser_reset(&answer->parser_);
		return answer->bytes_.len > 0 ? check_answer_feed(answer, STR_NONE) : CHECK_MORE;
	}
	if (status < check->status_min || status > check->status_max)
		return bad(answer, "the answer's status is %u", status);
	if (!check->text.at && check->min_bytes == 0 && check->max_bytes == 0)
		return CHECK_GOOD;
	answer->has_head_ = true;
	answer->body_ = response->body;
	answer->left_ = response->content_length;
	all = answer->bytes_;
	buf_init(&answer->bytes_, TEXT_MAX_BYTES);
	verdict = take_body(answer, str_from(buf_str(&all), head_bytes));
	buf_fini(&all);
	return verdict;
}

enum check_verdict check_answer_feed(struct check_answer *answer, struct str bytes)
{
	const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES};
	struct http_response response;

	if (answer->has_head_)
		return take_body(answer, bytes);
	if (!buf_add_str(&answer->bytes_, bytes))
		return bad(answer, "the answer's head is too large");
	switch (h1_parse_response(&answer->parser_, answer->bytes_.at, answer->bytes_.len, &limits,
				  HTTP_GET, &response)) {
	case H1_DONE:
		return take_head(answer, &response);
	case H1_ERROR:
		return bad(answer, "the answer is malformed");
	case H1_MORE:
		break;
	}
	return CHECK_MORE;
}

enum check_verdict check_answer_end(struct check_answer *answer)
{
	if (answer->has_head_ && answer->body_ == HTTP_BODY_CLOSE)
		return whole(answer);
	return bad(answer, "it closed the connection within the answer");
}
