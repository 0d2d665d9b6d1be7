/* SPDX-License-Identifier: BSD-2-Clause */
/* A chunked body: any bytes, any split. What was decoded, written anew, decodes to the same. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "tests/support/h1_splits.h"

enum { MAX_ROUND_TRIP = 1 << 21 };

static void check_same(const char *bytes, size_t len, size_t first, size_t step,
                       const struct h1_body *expected)
{
	struct h1_body body;

	h1_read_body(bytes, len, first, step, &body);
	check(body.verdict == expected->verdict && body.error == expected->error);
	check(body.used == expected->used && body.data_len == expected->data_len);
	check(memcmp(body.data, expected->data, body.data_len) == 0);
	mem_free(body.data);
}

static void check_round_trip(const struct h1_body *body)
{
	struct h1_body expected = *body;
	struct buf buf;
	char head[20];

	buf_init(&buf, MAX_ROUND_TRIP);
	if (body->data_len > 0) {
		buf_add(&buf, head, h1_encode_chunk_head(body->data_len, head));
		buf_add(&buf, body->data, body->data_len);
		buf_add_str(&buf, STR("\r\n"));
	}
	buf_add_str(&buf, STR("0\r\n\r\n"));
	expected.used = buf.len;
	check_same(buf.at, buf.len, buf.len, 1, &expected);
	buf_fini(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};
	struct h1_body whole;

	h1_read_body(text.at, len, len, 1, &whole);
	check(whole.used <= len && whole.data_len <= whole.used);
	check(whole.verdict != H1_MORE || whole.used == len);
	if (whole.verdict == H1_DONE)
		check_round_trip(&whole);
	check_same(text.at, len, 1, 1, &whole);
	if (len > 0)
		check_same(text.at, len, 1 + hash_str(text, 0) % len, len, &whole);
	mem_free(whole.data);
	return 0;
}
