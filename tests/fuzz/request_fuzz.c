/* SPDX-License-Identifier: BSD-2-Clause */
/* A request head: any bytes, any split. */
#include "tests/fuzz/fuzz.h"

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/http/uri.h"
#include "tests/support/h1_splits.h"

enum { TARGET_BYTES = 500 };

static const struct h1_subject strict = {
	.limits = {.head_bytes = 3000, .target_bytes = TARGET_BYTES}};
static const struct h1_subject loose = {
	.limits = {.head_bytes = 3000, .target_bytes = TARGET_BYTES, .allow_blanks = true}};

static void check_fields(const struct http_head *head)
{
	for (const struct http_field *f = head->fields; f < head->fields + head->nfields; f++) {
		struct http_list list = {0};
		struct str element;

		check(f->name_len > 0 && f->name_at + f->name_len < f->value_at + f->value_len + 1);
		check(f->value_at + f->value_len + 4 <= head->len);
		check(!memchr(head->base + f->value_at, '\r', f->value_len));
		check(http_field_id(http_field_name(head, f)) == f->id);
		check(http_has(head, f->id));
		http_is_hop_by_hop(head, f);
		while (http_list_next(head, f->id, &list, &element))
			check(element.len > 0);
	}
}

static void check_request(const struct http_request *request, size_t len)
{
	struct str target = http_span(&request->head, request->target);
	struct uri uri;

	check(request->head.len <= len);
	check(target.len > 0 && target.len <= TARGET_BYTES);
	if (request->has_blanks) {
		check_fields(&request->head);
		return;
	}
	check(str_find_char(target, ' ') == target.len);
	check(request->target_form != HTTP_TARGET_ORIGIN || target.at[0] == '/');
	check(request->target_form != HTTP_TARGET_ABSOLUTE || uri_parse(target, &uri));
	check(request->body != HTTP_BODY_CLOSE);
	check(request->minor <= 1);
	check_fields(&request->head);
}

static void check_subject(const struct h1_subject *subject, struct str text)
{
	struct h1_reading whole;

	h1_read_whole(subject, text.at, text.len, &whole);
	if (whole.verdict == H1_DONE)
		check_request(&whole.request, text.len);
	check((whole.verdict == H1_ERROR) == (whole.error != H1_OK));
	if (text.len > 0)
		check(h1_is_split_proof_at(subject, &whole, text.at, text.len,
		                           1 + hash_str(text, 0) % text.len));
	h1_reading_fini(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str text = {(const char *)bytes, len};

	check_subject(&strict, text);
	check_subject(&loose, text);
	return 0;
}
