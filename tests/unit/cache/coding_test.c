/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/coding.h"
#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/check.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void a_head_tells_of_its_coding(void **state)
{
	static const struct {
		const char *head, *type;
		enum content_coding coding;
		bool must_stay, has_vary;
	} cases[] = {
		{OK, "", CODING_IDENTITY, false, false},
		{OK "Content-Type: text/html ; charset=x\r\n", "text/html", CODING_IDENTITY, false, false},
		{OK "content-encoding: X-GZIP\r\nVary: a, accept-encoding\r\n", "", CODING_GZIP, false, true},
		{OK "Content-Encoding: gzip, br\r\nVary: *\r\n", "", CODING_OTHER, false, true},
		{OK "Content-Encoding: gzip\r\nContent-Encoding: br\r\n", "", CODING_OTHER, false, false},
		{OK "Cache-Control: max-age=1 , No-Transform\r\nVary: a\r\n", "", CODING_IDENTITY, true, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct coding_facts facts;

		coding_facts_read(str_of(cases[i].head), &facts);
		assert_true(str_eq(facts.type, str_of(cases[i].type)));
		assert_int_equal(facts.coding, cases[i].coding);
		assert_int_equal(facts.must_stay, cases[i].must_stay);
		assert_int_equal(facts.has_vary, cases[i].has_vary);
	}
}

/* RFC 9110 §8.8.3.3: what is transformed has a strong tag of its own. */
static void a_head_becomes_that_of_another_coding(void **state)
{
	static const struct {
		const char *head;
		enum content_coding coding;
		const char *expected;
	} cases[] = {
		{OK "ETag: \"x\"\r\nVia: 1.1 a\r\n", CODING_GZIP,
		 OK "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nETag: \"x-gzip\"\r\nVia: 1.1 a\r\n"},
		{OK "ETag: W/\"x\"\r\nVary: Accept-Encoding, b\r\n", CODING_BROTLI,
		 OK "Content-Encoding: br\r\nETag: W/\"x\"\r\nVary: Accept-Encoding, b\r\n"},
		{OK "Content-Encoding: gzip\r\netag: \"\"\r\nVary: b\r\n", CODING_IDENTITY,
		 OK "Vary: Accept-Encoding\r\nETag: \"-identity\"\r\nVary: b\r\n"},
		{OK "Content-MD5: a\r\nDigest: b\r\nContent-Digest: c\r\nRepr-Digest: d\r\n"
		    "Accept-Ranges: bytes\r\nContent-Length: 1\r\nX: y\r\nETag: odd\r\n", CODING_GZIP,
		 OK "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nX: y\r\nETag: odd\r\n"},
		{"", CODING_GZIP, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf out;

		buf_init(&out, 4096);
		coding_write_head(str_of(cases[i].head), cases[i].coding, &out);
		if (!str_eq(buf_str(&out), str_of(cases[i].expected)))
			fail_msg("%s: %.*s", cases[i].head, STR_ARG(buf_str(&out)));
		buf_fini(&out);
	}
}

static struct object *create(const char *head, struct str body)
{
	const struct object_head heads = {
		.status = 200, .head = str_of(head), .url = STR("http://a/")};

	return object_create_whole(&heads, body);
}

static void codings_count_and_go_with_their_object(void **state)
{
	struct index *index = index_create(1, 1 << 20, 1);
	uint64_t key = index_key(index, STR("http://a/"));
	struct object *object = create(OK "ETag: \"x\"\r\n", STR("body"));
	struct object *coded = create(OK "ETag: \"x-gzip\"\r\n", STR("packed"));
	struct index_stats before, after;

	(void)state;
	assert_true(index_insert(index, key, object));
	index_stats(index, &before);
	assert_null(object_coded(object, CODING_GZIP));
	assert_true(object_add_coded(object, CODING_GZIP, coded));
	assert_false(object_add_coded(object, CODING_GZIP, coded));
	assert_ptr_equal(object_coded(object, CODING_GZIP), coded);
	index_note_growth(index, object);
	index_stats(index, &after);
	assert_int_equal(after.bytes - before.bytes, object_memory_bytes(coded));
	assert_true(object_is_shared(coded));
	assert_int_equal(index_remove_all(index, key, STR("http://a/")), 1);
	index_stats(index, &after);
	assert_int_equal(after.bytes, 0);
	object_unref(object);
	index_destroy(index);
	assert_false(object_is_shared(coded));
	object_unref(coded);
}

static void a_renewed_object_has_them_with_its_own_head(void **state)
{
	struct object *object = create(OK "ETag: \"x\"\r\nDate: a\r\n", STR("body"));
	struct object *coded = create(OK "ETag: \"x-gzip\"\r\nDate: a\r\n", STR("packed"));
	const struct object_head head = {.status = 200,
					 .head = STR(OK "ETag: \"x\"\r\nDate: b\r\n"),
					 .url = STR("http://a/")};
	struct object *renewed = object_create_renewed(object, &head), *again;

	(void)state;
	object_add_coded(object, CODING_GZIP, coded);
	coding_carry(object, renewed);
	again = object_coded(renewed, CODING_GZIP);
	assert_non_null(again);
	assert_null(object_coded(renewed, CODING_BROTLI));
	assert_true(str_eq(again->head, STR(OK "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"
					       "ETag: \"x-gzip\"\r\nDate: b\r\n")));
	assert_int_equal(object_length(again), 6);
	object_unref(object);
	object_unref(coded);
	object_unref(renewed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_tells_of_its_coding),
		cmocka_unit_test(a_head_becomes_that_of_another_coding),
		cmocka_unit_test(codings_count_and_go_with_their_object),
		cmocka_unit_test(a_renewed_object_has_them_with_its_own_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
