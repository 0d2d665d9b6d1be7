/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/support/h1_splits.h: reads a head in one piece and in many, for tests and fuzzers.
 *
 * What the parser is shown lies in memory of just that size, so a sanitizer sees each byte too far.
 */
#ifndef TESTS_SUPPORT_H1_SPLITS_H
#define TESTS_SUPPORT_H1_SPLITS_H
#include "lib/http/h1.h"

struct h1_subject {
	struct h1_limits limits;
	bool is_response;
	enum http_method method; /* that a response answers */
};

struct h1_reading {
	enum h1_verdict verdict;
	enum h1_error error;
	struct http_request request;
	struct http_response response;
	char *bytes_; /* the head points into them */
};

void h1_reading_fini(struct h1_reading *reading);

/* In one piece. */
void h1_read_whole(const struct h1_subject *subject, const char *bytes, size_t len,
                   struct h1_reading *out);

/* In pieces of step bytes after a first piece of first bytes, ending at the first verdict. */
void h1_read_split(const struct h1_subject *subject, const char *bytes, size_t len, size_t first,
                   size_t step, struct h1_reading *out);

/* The same verdict, fields and meaning? */
bool h1_is_same_reading(const struct h1_subject *subject, const struct h1_reading *a,
                        const struct h1_reading *b);

/* Is the verdict the same for one piece, for two (cut anywhere), for single bytes? And is the
 * verdict on each beginning the same, whether read at once or byte by byte? Takes time: len
 * squared. */
bool h1_is_split_proof(const struct h1_subject *subject, const char *bytes, size_t len);

/* A quicker look, for fuzzers: one piece, single bytes, two pieces cut at `cut`; and of the first
 * cut bytes, one piece and single bytes. whole: what h1_read_whole made of the bytes. */
bool h1_is_split_proof_at(const struct h1_subject *subject, const struct h1_reading *whole,
                          const char *bytes, size_t len, size_t cut);

/* Likewise for a chunked body: the same data, the same end, the same error. */
bool h1_is_split_proof_body(const char *bytes, size_t len);

struct h1_body {
	enum h1_verdict verdict;
	enum h1_error error;
	size_t used;
	size_t data_len;
	char *data; /* at least one byte; freed by the caller */
};
/* Decodes bytes shown in pieces of step bytes after a first piece of first. */
void h1_read_body(const char *bytes, size_t len, size_t first, size_t step, struct h1_body *out);

#endif
