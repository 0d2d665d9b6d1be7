/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#include "cache/object.h"
#include "cache/partial.h"
#include "cache/partial_table.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "tests/support/messages.h"

enum { MAX_LENGTH = 4 << 20 };

#define URL STR("http://www.example/film")
#define KEY 77

/* ---- bodies: a byte says where it stands, and which generation it is of */

static char byte_at(uint64_t at, int generation)
{
	return (char)(at * 7 + at / 251 + (uint64_t)generation * 101);
}

static struct object *make_head(const char *lines, const char *vary)
{
	const struct object_head head = {
		.status = 206,
		.head = str_of(lines),
		.url = URL,
		.vary = str_of(vary),
		.facts = {.date_s = 1000, .modified_s = 900},
	};

	return object_create_whole(&head, STR(""));
}

static struct object *tagged(const char *tag)
{
	char lines[200];

	snprintf(lines, sizeof(lines), "HTTP/1.1 206 Partial Content\r\nETag: %s\r\n", tag);
	return make_head(lines, "");
}

static struct object *make_stretch(uint64_t first, uint64_t len, int generation)
{
	const struct object_head head = {.status = 206, .head = STR("HTTP/1.1 206 \r\n"), .url = URL};
	char *bytes = mem_alloc(len);
	struct object *object;

	for (uint64_t i = 0; i < len; i++)
		bytes[i] = byte_at(first + i, generation);
	object = object_create_whole(&head, (struct str){bytes, len});
	mem_free(bytes);
	return object;
}

static struct partial *add(struct partial *old, uint64_t length, uint64_t first, uint64_t len,
			   int generation)
{
	struct object *about = tagged("\"a\""), *stretch = make_stretch(first, len, generation);
	const struct partial_addition addition = {about, length, 0, {first, len}, stretch};
	struct partial *partial = partial_create(old, &addition);

	object_unref(about);
	object_unref(stretch);
	partial_unref(old);
	return partial;
}

static void expect_bytes(struct object *object, uint64_t offset, uint64_t first, uint64_t len,
			 const char *generations)
{
	struct object_reader reader;
	struct iovec iov;
	int niov;

	object_reader_open(&reader, object, offset, NULL, NULL, NULL);
	while (len > 0) {
		assert_int_equal(object_read(&reader, &iov, 1, len, &niov), OBJECT_READ_DATA);
		for (size_t i = 0; i < iov.iov_len; i++, first++, len--) {
			int generation = generations ? generations[first] : 0;

			if (((char *)iov.iov_base)[i] != byte_at(first, generation))
				fail_msg("byte %" PRIu64 " is not of generation %d", first,
					 generation);
		}
		object_reader_advance(&reader, iov.iov_len);
	}
	object_reader_close(&reader);
}

static void describe(const struct partial *partial, char *out, size_t size)
{
	size_t n = 0;

	*out = '\0';
	for (unsigned i = 0; i < partial->nstretches; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%" PRIu64 "+%" PRIu64, i ? " " : "",
				      partial->stretches[i].span.first,
				      partial->stretches[i].span.len);
}

/* RFC 9110 §15.3.7.3: what is added joins what is there, whatever the overlap. */
static void stretches_are_joined(void **state)
{
	static const struct {
		uint64_t added[8][2]; /* first, len; len 0 ends them */
		const char *outcome;
	} cases[] = {
		{{{0, 5}}, "0+5"},
		{{{0, 5}, {5, 5}}, "0+10"},
		{{{5, 5}, {0, 5}}, "0+10"},
		{{{0, 5}, {6, 5}}, "0+5 6+5"},
		{{{6, 5}, {0, 5}}, "0+5 6+5"},
		{{{0, 5}, {6, 5}, {5, 1}}, "0+11"},
		{{{0, 10}, {0, 10}}, "0+10"},
		{{{0, 10}, {2, 3}}, "0+10"},
		{{{2, 3}, {0, 10}}, "0+10"},
		{{{0, 5}, {3, 5}}, "0+8"},
		{{{3, 5}, {0, 5}}, "0+8"},
		{{{0, 2}, {4, 2}, {8, 2}, {1, 8}}, "0+10"},
		{{{0, 2}, {4, 2}, {8, 2}, {3, 4}}, "0+2 3+4 8+2"},
		{{{99, 1}, {0, 1}}, "0+1 99+1"},
		{{{0, 100}}, "0+100"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct partial *partial = NULL;
		char text[200];

		for (int k = 0; k < 8 && cases[i].added[k][1] > 0; k++)
			partial = add(partial, 100, cases[i].added[k][0], cases[i].added[k][1], 0);
		describe(partial, text, sizeof(text));
		if (!str_eq(str_of(text), str_of(cases[i].outcome)))
			fail_msg("%zu: %s, not %s", i, text, cases[i].outcome);
		partial_unref(partial);
	}
}

/* One request to the origin fills a wish: from its first missing byte to its last. */
static void what_is_missing_is_one_span(void **state)
{
	static const struct {
		uint64_t first, len, missing_first, missing_len; /* missing_len 0: nothing */
	} cases[] = {
		{10, 10, 0, 0},  {12, 3, 0, 0},    {0, 10, 0, 10},  {0, 15, 0, 10},
		{15, 10, 20, 5}, {15, 20, 20, 10}, {15, 16, 20, 10}, {0, 100, 0, 100},
		{5, 30, 5, 25},  {20, 10, 20, 10}, {90, 10, 90, 10}, {35, 65, 40, 60},
	};
	struct partial *partial = add(add(NULL, 100, 10, 10, 0), 100, 30, 10, 0);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct partial_span wanted = {cases[i].first, cases[i].len};
		struct partial_span missing = {0};
		bool is_missing = partial_missing(partial, &wanted, &missing);

		if (is_missing != (cases[i].missing_len > 0) ||
		    missing.first != (is_missing ? cases[i].missing_first : 0) ||
		    missing.len != cases[i].missing_len)
			fail_msg("%zu: %" PRIu64 "+%" PRIu64, i, missing.first, missing.len);
	}
	partial_unref(partial);
}

/* Against a plain array, with stretches of all sizes. */
static void random_stretches_give_the_bytes_that_came_last(void **state)
{
	enum { LENGTH = 3000, ROUNDS = 60, STEPS = 40 };
	char generations[LENGTH], is_there[LENGTH];
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct partial *partial = NULL;

		memset(is_there, 0, sizeof(is_there));
		for (int step = 1; step <= STEPS; step++) {
			struct partial_span span, missing;
			bool is_all = true;

			seed = seed * 1103515245 + 12345;
			span.first = (seed >> 8) % LENGTH;
			seed = seed * 1103515245 + 12345;
			span.len = 1 + (seed >> 8) % (step % 3 ? 60 : 600);
			if (span.len > LENGTH - span.first)
				span.len = LENGTH - span.first;
			partial = add(partial, LENGTH, span.first, span.len, step);
			memset(is_there + span.first, 1, span.len);
			memset(generations + span.first, step, span.len);
			assert_true(partial->nstretches <= PARTIAL_MAX_STRETCHES);

			span.first = span.first > 50 ? span.first - 50 : 0;
			span.len = span.len + 20 < LENGTH - span.first ? span.len + 20 : span.len;
			for (uint64_t i = span.first; i < span.first + span.len; i++)
				is_all = is_all && is_there[i];
			assert_int_equal(!partial_missing(partial, &span, &missing), is_all);
			if (is_all) {
				uint64_t offset;
				struct object *object =
					partial_object(partial, 206, &span, &offset);

				expect_bytes(object, offset, span.first, span.len, generations);
				object_unref(object);
			} else {
				assert_false(is_there[missing.first]);
				assert_false(is_there[missing.first + missing.len - 1]);
			}
		}
		partial_unref(partial);
	}
}

static void too_many_stretches_leave_the_new_one(void **state)
{
	struct partial *partial = NULL;

	(void)state;
	for (uint64_t i = 0; i < PARTIAL_MAX_STRETCHES; i++)
		partial = add(partial, 1000, i * 2, 1, 0);
	assert_int_equal(partial->nstretches, PARTIAL_MAX_STRETCHES);
	partial = add(partial, 1000, 900, 1, 0);
	assert_int_equal(partial->nstretches, 1);
	assert_int_equal(partial->stretches[0].span.first, 900);
	partial_unref(partial);
}

static void large_neighbours_are_not_copied_but_read_as_one(void **state)
{
	uint64_t half = PARTIAL_JOIN_BYTES, offset;
	struct partial *partial = add(add(NULL, MAX_LENGTH, 0, half, 0), MAX_LENGTH, half, half, 0);
	const struct partial_span across = {half - 1000, 2000}, within = {half + 5, 100};
	struct object *object;

	(void)state;
	assert_int_equal(partial->nstretches, 2);
	object = partial_object(partial, 206, &across, &offset);
	expect_bytes(object, offset, across.first, across.len, NULL);
	object_unref(object);
	object = partial_object(partial, 206, &within, &offset);
	assert_int_equal(offset, 5);
	expect_bytes(object, offset, within.first, within.len, NULL);
	object_unref(object);
	partial_unref(partial);
}

static void the_whole_has_the_head_of_a_200(void **state)
{
	struct partial *partial = add(add(NULL, 20, 0, 10, 0), 20, 10, 10, 0);
	const struct partial_span all = partial_all(partial);
	uint64_t offset;
	struct object *object = partial_object(partial, 200, &all, &offset);

	(void)state;
	assert_true(object_is_whole(object));
	assert_int_equal(object->status, 200);
	assert_int_equal(object_length(object), 20);
	assert_int_equal(offset, 0);
	assert_true(str_eq(object->head, STR("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n")));
	object_unref(object);
	partial_unref(partial);
}

/* ---- the table */

static struct partial *put(struct partial_table *table, struct object *about, uint64_t length,
			   unsigned removals, uint64_t first, uint64_t len)
{
	struct object *stretch = make_stretch(first, len, 0);
	const struct partial_addition addition = {about, length, removals, {first, len}, stretch};
	struct partial *partial = partial_table_add(table, KEY, &addition);

	object_unref(stretch);
	object_unref(about);
	return partial;
}

static struct partial *look_up(struct partial_table *table, const char *lines, unsigned removals)
{
	static struct http_request request;
	static char text[1000];

	message_request("GET", lines, text, sizeof(text), &request);
	return partial_table_find(table, KEY, URL, &request.head, removals);
}

/* RFC 9111 §3.4: by a strong validator alone. */
static void only_the_same_representation_is_joined(void **state)
{
	static const struct {
		const char *first, *second;
		uint64_t length;
		unsigned nstretches;
	} cases[] = {
		{"ETag: \"a\"\r\n", "ETag: \"a\"\r\n", 100, 2},
		{"ETag: \"a\"\r\n", "ETag: \"b\"\r\n", 100, 1},
		{"ETag: \"a\"\r\n", "ETag: \"a\"\r\n", 101, 1},
		{"ETag: W/\"a\"\r\n", "ETag: W/\"a\"\r\n", 100, 1},
		{"ETag: \"a\"\r\n", "ETag: W/\"a\"\r\n", 100, 1},
		{"", "", 100, 1},
		{"Last-Modified: Thu, 01 Jan 1970 00:15:00 GMT\r\n",
		 "Last-Modified: Thu, 01 Jan 1970 00:15:00 GMT\r\n", 100, 2},
		{"Last-Modified: Thu, 01 Jan 1970 00:15:00 GMT\r\n",
		 "Last-Modified: Thu, 01 Jan 1970 00:15:01 GMT\r\n", 100, 1},
		{"Last-Modified: Thu, 01 Jan 1970 00:15:00 GMT\r\nETag: W/\"a\"\r\n",
		 "Last-Modified: Thu, 01 Jan 1970 00:15:00 GMT\r\nETag: W/\"a\"\r\n", 100, 1},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct partial_table *table = partial_table_create(1 << 20);
		struct partial *partial;
		char head[300];

		snprintf(head, sizeof(head), "HTTP/1.1 206 Partial Content\r\n%s", cases[i].first);
		partial_unref(put(table, make_head(head, ""), 100, 0, 0, 10));
		snprintf(head, sizeof(head), "HTTP/1.1 206 Partial Content\r\n%s", cases[i].second);
		partial = put(table, make_head(head, ""), cases[i].length, 0, 50, 10);
		if (partial->nstretches != cases[i].nstretches)
			fail_msg("%zu: %u stretches", i, partial->nstretches);
		partial_unref(partial);
		partial_table_destroy(table);
	}
}

/* RFC 9111 §4.1 */
static void variants_stand_apart(void **state)
{
	static const char head[] = "HTTP/1.1 206 Partial Content\r\nETag: \"a\"\r\n";
	struct partial_table *table = partial_table_create(1 << 20);
	struct partial *partial;

	(void)state;
	partial_unref(put(table, make_head(head, "x-a: 1\n"), 100, 0, 0, 10));
	partial_unref(put(table, make_head(head, "x-a: 2\n"), 200, 0, 0, 10));
	partial = look_up(table, "X-A: 1\r\n", 0);
	assert_int_equal(partial->length, 100);
	partial_unref(partial);
	partial = look_up(table, "X-A: 2\r\n", 0);
	assert_int_equal(partial->length, 200);
	partial_unref(partial);
	assert_null(look_up(table, "X-A: 3\r\n", 0));
	assert_int_equal(partial_table_forget(table, KEY, URL), 2);
	assert_int_equal(partial_table_forget(table, KEY, URL), 0);
	assert_null(look_up(table, "X-A: 2\r\n", 0));
	assert_int_equal(partial_table_bytes(table), 0);
	partial_table_destroy(table);
}

static void variants_are_bounded(void **state)
{
	struct partial_table *table = partial_table_create(16 << 20);
	char vary[40], lines[40];
	struct partial *partial;

	(void)state;
	for (int i = 0; i <= PARTIAL_MAX_VARIANTS + 3; i++) {
		snprintf(vary, sizeof(vary), "x-a: %d\n", i);
		partial_unref(put(table, make_head("HTTP/1.1 206 \r\n", vary), 100, 0, 0, 10));
	}
	assert_null(look_up(table, "X-A: 0\r\n", 0));
	snprintf(lines, sizeof(lines), "X-A: %d\r\n", PARTIAL_MAX_VARIANTS);
	partial = look_up(table, lines, 0);
	assert_non_null(partial);
	partial_unref(partial);
	partial_table_destroy(table);
}

static void a_removal_makes_it_void(void **state)
{
	struct partial_table *table = partial_table_create(1 << 20);

	(void)state;
	partial_unref(put(table, tagged("\"a\""), 100, 5, 0, 10));
	assert_null(look_up(table, "", 6));
	assert_int_equal(partial_table_bytes(table), 0);
	partial_table_destroy(table);
}

static void each_can_be_seen_and_taken_out(void **state)
{
	struct partial_table *table = partial_table_create(1 << 20);
	struct partial **all;
	size_t n;

	(void)state;
	partial_unref(put(table, make_head("HTTP/1.1 206 \r\n", "x-a: 1\n"), 100, 0, 0, 10));
	partial_unref(put(table, make_head("HTTP/1.1 206 \r\n", "x-a: 2\n"), 100, 0, 0, 10));
	all = partial_table_list(table, &n);
	assert_int_equal(n, 2);
	assert_true(partial_table_remove(table, all[0]));
	assert_false(partial_table_remove(table, all[0]));
	assert_null(look_up(table, "X-A: 1\r\n", 0));
	assert_true(partial_table_remove(table, all[1]));
	assert_int_equal(partial_table_bytes(table), 0);
	partial_unref(all[0]);
	partial_unref(all[1]);
	mem_free(all);
	partial_table_destroy(table);
}

static void memory_is_bounded(void **state)
{
	enum { MAX_BYTES = 256 << 10, STRETCH = 10000 };
	struct partial_table *table = partial_table_create(MAX_BYTES);
	struct partial *partial;

	(void)state;
	assert_true(partial_table_takes(table, STRETCH));
	assert_false(partial_table_takes(table, MAX_BYTES / PARTIAL_SHARE));
	/* one that grows beyond its share goes */
	for (uint64_t i = 0; i < 20; i++) {
		partial = put(table, tagged("\"a\""), MAX_LENGTH, 0, i * STRETCH, STRETCH);
		partial_unref(partial);
		assert_true(partial_table_bytes(table) < MAX_BYTES / PARTIAL_SHARE);
	}
	/* and many push out the oldest */
	for (int i = 0; i < 100; i++) {
		char vary[40];

		snprintf(vary, sizeof(vary), "x-a: %d\n", i);
		partial_unref(put(table, make_head("HTTP/1.1 206 \r\n", vary), MAX_LENGTH, 0, 0,
				  STRETCH * 3));
		assert_true(partial_table_bytes(table) <= MAX_BYTES);
	}
	partial = look_up(table, "X-A: 99\r\n", 0);
	assert_non_null(partial);
	partial_table_set_max_bytes(table, 0);
	assert_int_equal(partial_table_bytes(table), 0);
	partial_unref(partial);
	partial_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stretches_are_joined),
		cmocka_unit_test(what_is_missing_is_one_span),
		cmocka_unit_test(random_stretches_give_the_bytes_that_came_last),
		cmocka_unit_test(too_many_stretches_leave_the_new_one),
		cmocka_unit_test(large_neighbours_are_not_copied_but_read_as_one),
		cmocka_unit_test(the_whole_has_the_head_of_a_200),
		cmocka_unit_test(only_the_same_representation_is_joined),
		cmocka_unit_test(variants_stand_apart),
		cmocka_unit_test(variants_are_bounded),
		cmocka_unit_test(a_removal_makes_it_void),
		cmocka_unit_test(each_can_be_seen_and_taken_out),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
