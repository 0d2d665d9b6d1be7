/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/str.h"

static void numbers_are_digits_only_and_never_overflow(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"", false, 0},
		{"+5", false, 0},
		{"-5", false, 0},
		{"0x5", false, 0},
		{" 5", false, 0},
		{"5 ", false, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 0;

		if (str_to_u64(str_of(cases[i].text), &value) != cases[i].ok ||
		    value != cases[i].value)
			fail_msg("'%s'", cases[i].text);
	}
}

static void splitting_keeps_empty_parts(void **state)
{
	static const char *const expected[] = {"a", "", "b", ""};
	struct str rest = STR("a,,b,"), part;
	size_t n = 0;

	(void)state;
	/* The part behind the last separator counts, so four come of three separators. */
	while (n < COUNT(expected) && str_split(&rest, ',', &part))
		assert_true(str_eq(part, str_of(expected[n++])));
	assert_int_equal(n, COUNT(expected));
	assert_false(str_split(&rest, ',', &part));
}

static void buffers_refuse_what_passes_their_bound(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 5);
	assert_true(buf_add_str(&buf, STR("abc")));
	assert_false(buf_add_str(&buf, STR("def")));
	assert_true(buf.is_full);
	assert_true(str_eq(buf_str(&buf), STR("abc")));
	buf_consume(&buf, 2);
	assert_true(str_eq(buf_str(&buf), STR("c")));
	assert_true(buf_prepend(&buf, STR("ab")));
	assert_true(str_eq(buf_str(&buf), STR("abc")));
	assert_false(buf_prepend(&buf, STR("123")));
	buf_fini(&buf);
}

static void numbers_are_written_in_decimal(void **state)
{
	static const uint64_t edges[] = {9999, 10000, 99999, 1000000, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
	char expected[32];
	struct buf buf;

	(void)state;
	buf_init(&buf, sizeof(expected));
	for (uint64_t i = 0; i < 1100 + COUNT(edges); i++) {
		uint64_t value = i < 1100 ? i : edges[i - 1100];

		buf_clear(&buf);
		assert_true(buf_add_u64(&buf, value));
		snprintf(expected, sizeof(expected), "%" PRIu64, value);
		assert_true(str_eq(buf_str(&buf), str_of(expected)));
	}
	buf_fini(&buf);
}

static void arenas_give_aligned_memory_beyond_their_first_block(void **state)
{
	char first[64];
	struct arena arena;

	(void)state;
	arena_init(&arena, first + 1, sizeof(first) - 1);
	for (size_t size = 1; size < 9000; size = size * 2 + 1) {
		char *memory = arena_alloc(&arena, size);

		assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
		memset(memory, 0x5a, size);
	}
	assert_true(str_eq(arena_printf(&arena, "%d-%s", 7, "x"), STR("7-x")));
	arena_fini(&arena);
}

/* RFC 3720 B.4 has these. */
static void crc32c_matches_the_published_values(void **state)
{
	unsigned char bytes[32] = {0};

	(void)state;
	assert_int_equal(hash_crc32c(bytes, 32), 0x8A9136AAu);
	memset(bytes, 0xff, 32);
	assert_int_equal(hash_crc32c(bytes, 32), 0x62A8AB43u);
	assert_int_equal(hash_crc32c("123456789", 9), 0xE3069283u);
}

static uint32_t crc32c_by_bits(const unsigned char *at, size_t len)
{
	uint32_t crc = ~0u;

	for (; len > 0; at++, len--) {
		crc ^= *at;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
	}
	return ~crc;
}

/* Long ones are summed in parts side by side. */
static void crc32c_of_any_length_is_that_of_its_bits(void **state)
{
	static const size_t lengths[] = {0, 1, 7, 8, 3071, 3072, 3073, 6144, 9999, 20000};
	static unsigned char bytes[20000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	for (size_t i = 0; i < COUNT(lengths); i++)
		assert_int_equal(hash_crc32c(bytes, lengths[i]), crc32c_by_bits(bytes, lengths[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_digits_only_and_never_overflow),
		cmocka_unit_test(splitting_keeps_empty_parts),
		cmocka_unit_test(buffers_refuse_what_passes_their_bound),
		cmocka_unit_test(numbers_are_written_in_decimal),
		cmocka_unit_test(arenas_give_aligned_memory_beyond_their_first_block),
		cmocka_unit_test(crc32c_matches_the_published_values),
		cmocka_unit_test(crc32c_of_any_length_is_that_of_its_bits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
