/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/h1_splits.h"

#include "lib/base/heap.h"

static char *copy_of(const char *bytes, size_t len)
{
	char *copy = mem_alloc(len > 0 ? len : 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

void h1_reading_fini(struct h1_reading *reading)
{
	mem_free(reading->bytes_);
	reading->bytes_ = NULL;
}

static void read_more(const struct h1_subject *subject, struct h1_parser *parser, size_t len,
                      struct h1_reading *out)
{
	if (subject->is_response)
		out->verdict = h1_parse_response(parser, out->bytes_, len, &subject->limits,
		                                 subject->method, &out->response);
	else
		out->verdict =
			h1_parse_request(parser, out->bytes_, len, &subject->limits, &out->request);
	out->error = parser->error;
}

void h1_read_whole(const struct h1_subject *subject, const char *bytes, size_t len,
                   struct h1_reading *out)
{
	struct h1_parser parser = {0};

	memset(out, 0xa5, sizeof(*out));
	out->bytes_ = copy_of(bytes, len);
	read_more(subject, &parser, len, out);
}

void h1_read_split(const struct h1_subject *subject, const char *bytes, size_t len, size_t first,
                   size_t step, struct h1_reading *out)
{
	struct h1_parser parser = {0};
	size_t shown = 0, n = first < len ? first : len;

	memset(out, 0x5a, sizeof(*out));
	out->bytes_ = NULL;
	do {
		char *grown = copy_of(bytes, n);

		/* What the parser changed stays changed. */
		if (shown > 0)
			memcpy(grown, out->bytes_, shown);
		mem_free(out->bytes_);
		out->bytes_ = grown;
		memset(&out->request, 0x5a, sizeof(out->request));
		read_more(subject, &parser, n, out);
		shown = n;
		n = len - n < step ? len : n + step;
	} while (out->verdict == H1_MORE && shown < len);
}

static bool is_same_head(const struct http_head *a, const struct http_head *b)
{
	return a->len == b->len && a->nfields == b->nfields &&
	       memcmp(a->present_, b->present_, sizeof(a->present_)) == 0 &&
	       memcmp(a->fields, b->fields, a->nfields * sizeof(a->fields[0])) == 0 &&
	       memcmp(a->base, b->base, a->len) == 0;
}

static bool is_same_span(struct http_span a, struct http_span b)
{
	return a.at == b.at && a.len == b.len;
}

static bool is_same_request(const struct http_request *a, const struct http_request *b)
{
	return is_same_head(&a->head, &b->head) && a->method == b->method &&
	       is_same_span(a->method_text, b->method_text) && is_same_span(a->target, b->target) &&
	       a->target_form == b->target_form && a->minor == b->minor && a->body == b->body &&
	       a->content_length == b->content_length && a->keep_alive == b->keep_alive &&
	       a->expect_continue == b->expect_continue;
}

static bool is_same_response(const struct http_response *a, const struct http_response *b)
{
	return is_same_head(&a->head, &b->head) && a->status == b->status &&
	       is_same_span(a->reason, b->reason) && a->minor == b->minor && a->body == b->body &&
	       a->content_length == b->content_length && a->keep_alive == b->keep_alive;
}

bool h1_is_same_reading(const struct h1_subject *subject, const struct h1_reading *a,
                        const struct h1_reading *b)
{
	if (a->verdict != b->verdict || a->error != b->error)
		return false;
	if (a->verdict != H1_DONE)
		return true;
	return subject->is_response ? is_same_response(&a->response, &b->response)
	                            : is_same_request(&a->request, &b->request);
}

/* Does reading in these pieces agree with whole? */
static bool agrees(const struct h1_subject *subject, const struct h1_reading *whole,
                   const char *bytes, size_t len, size_t first, size_t step)
{
	struct h1_reading split;
	bool is_same;

	h1_read_split(subject, bytes, len, first, step, &split);
	is_same = h1_is_same_reading(subject, whole, &split);
	h1_reading_fini(&split);
	return is_same;
}

bool h1_is_split_proof(const struct h1_subject *subject, const char *bytes, size_t len)
{
	struct h1_reading whole;
	bool is_proof = true;

	for (size_t n = 1; n <= len && is_proof; n++) {
		h1_read_whole(subject, bytes, n, &whole);
		is_proof = agrees(subject, &whole, bytes, n, 1, 1);
		h1_reading_fini(&whole);
	}
	h1_read_whole(subject, bytes, len, &whole);
	for (size_t cut = 1; cut < len && is_proof; cut++)
		is_proof = agrees(subject, &whole, bytes, len, cut, len);
	h1_reading_fini(&whole);
	return is_proof;
}

bool h1_is_split_proof_at(const struct h1_subject *subject, const struct h1_reading *whole,
                          const char *bytes, size_t len, size_t cut)
{
	struct h1_reading start;
	bool is_proof;

	h1_read_whole(subject, bytes, cut, &start);
	is_proof = agrees(subject, &start, bytes, cut, 1, 1) &&
	           agrees(subject, whole, bytes, len, 1, 1) &&
	           agrees(subject, whole, bytes, len, cut, len);
	h1_reading_fini(&start);
	return is_proof;
}

void h1_read_body(const char *bytes, size_t len, size_t first, size_t step, struct h1_body *out)
{
	struct h1_chunks chunks = {0};
	size_t used = 1, shown = 0, n = first < len ? first : len;

	*out = (struct h1_body){.data = mem_alloc(len + 1)};
	do {
		char *piece = copy_of(bytes + out->used, n - out->used);
		struct str data;

		out->verdict = h1_decode_chunks(&chunks, piece, n - out->used, &used, &data);
		if (data.len > 0)
			memcpy(out->data + out->data_len, data.at, data.len);
		out->data_len += data.len;
		out->used += used;
		mem_free(piece);
		shown = n;
		if (out->used == shown)
			n = len - n < step ? len : n + step;
	} while (out->verdict == H1_MORE && out->used < len);
	out->error = chunks.error;
}

static bool is_same_body(const char *bytes, size_t len, size_t first, size_t step,
                         const struct h1_body *whole)
{
	struct h1_body body;
	bool is_same;

	h1_read_body(bytes, len, first, step, &body);
	is_same = body.verdict == whole->verdict && body.error == whole->error &&
	          body.used == whole->used && body.data_len == whole->data_len &&
	          memcmp(body.data, whole->data, body.data_len) == 0;
	mem_free(body.data);
	return is_same;
}

bool h1_is_split_proof_body(const char *bytes, size_t len)
{
	struct h1_body whole;
	bool is_proof;

	h1_read_body(bytes, len, len, len, &whole);
	is_proof = is_same_body(bytes, len, 1, 1, &whole);
	for (size_t cut = 1; cut < len && is_proof; cut++)
		is_proof = is_same_body(bytes, len, cut, len, &whole);
	mem_free(whole.data);
	return is_proof;
}
