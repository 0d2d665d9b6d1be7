/* SPDX-License-Identifier: BSD-2-Clause */
/* A response head, to GET or HEAD: any bytes, any split. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "tests/support/h1_splits.h"

static void check_response(const struct http_response *response, size_t len)
{
	const struct http_head *head = &response->head;

	check(head->len <= len);
	check(response->status >= 100 && response->status <= 599);
	check(response->body != HTTP_BODY_CLOSE || !response->keep_alive);
	check(!memchr(head->base + response->reason.at, '\r', response->reason.len));
	for (const struct http_field *f = head->fields; f < head->fields + head->nfields; f++) {
		check(f->value_at + f->value_len + 4 <= head->len);
		check(!memchr(head->base + f->value_at, '\r', f->value_len));
		check(!memchr(head->base + f->value_at, '\n', f->value_len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};
	uint64_t hash = hash_str(text, 0);
	struct h1_subject subject = {
		.limits = {.head_bytes = 3000},
		.is_response = true,
		.method = hash >> 63 ? HTTP_HEAD : HTTP_GET,
	};
	struct h1_reading whole;

	h1_read_whole(&subject, text.at, len, &whole);
	if (whole.verdict == H1_DONE)
		check_response(&whole.response, len);
	check((whole.verdict == H1_ERROR) == (whole.error != H1_OK));
	if (len > 0)
		check(h1_is_split_proof_at(&subject, &whole, text.at, len, 1 + hash % len));
	h1_reading_fini(&whole);
	return 0;
}
