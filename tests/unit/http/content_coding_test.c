/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/http/content_coding.h"
#include "lib/http/h1.h"

enum { ALL = (1 << CODINGS) - 1, WITHOUT_BROTLI = ALL & ~(1 << CODING_BROTLI) };

static void read_fields(const char *fields, struct coding_wishes *wishes)
{
	static const struct h1_limits limits = {.head_bytes = 65536, .target_bytes = 100};
	struct h1_parser parser = {0};
	struct http_request request;
	char text[512];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
	assert_int_equal(h1_parse_request(&parser, text, strlen(text), &limits, &request), H1_DONE);
	coding_wishes_read(&request.head, wishes);
}

/* RFC 9110 §12.5.3, with examples of its own. */
static void each_field_has_its_choice(void **state)
{
	static const struct {
		const char *fields;
		enum content_coding choice, without_brotli;
	} cases[] = {
		{"", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding:\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: x-gzip\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: BR\r\n", CODING_BROTLI, CODING_IDENTITY},
		{"Accept-Encoding: compress, gzip\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: gzip, deflate, br, zstd\r\n", CODING_BROTLI, CODING_GZIP},
		{"Accept-Encoding: *\r\n", CODING_BROTLI, CODING_GZIP},
		{"Accept-Encoding: compress;q=0.5, gzip;q=1.0\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: gzip;q=1.0, identity; q=0.5, *;q=0\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: gzip, br;q=0.999\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: gzip;q=0.1, identity;q=0.2\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=0.5, identity;q=0.5\r\n", CODING_GZIP, CODING_GZIP},
		{"Accept-Encoding: gzip;q=0\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=0.000, br;q=0\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=0, *;q=0.3\r\n", CODING_BROTLI, CODING_IDENTITY},
		{"Accept-Encoding: identity;q=0\r\n", CODING_OTHER, CODING_OTHER},
		{"Accept-Encoding: *;q=0\r\n", CODING_OTHER, CODING_OTHER},
		{"Accept-Encoding: *;q=0, identity\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: identity;q=0, br\r\n", CODING_BROTLI, CODING_OTHER},
		{"Accept-Encoding: deflate, zstd\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n", CODING_BROTLI, CODING_GZIP},
		{"Accept-Encoding: gzip;q=0, gzip\r\n", CODING_IDENTITY, CODING_IDENTITY},
		/* elements that say nothing */
		{"Accept-Encoding: gzip;q=2\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=1.001\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=0.1234\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;q=-1, br;q=, deflate;;\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip;level=1, ,;q=1\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip br\r\n", CODING_IDENTITY, CODING_IDENTITY},
		{"Accept-Encoding: gzip ; Q=0.5 , br;q=0.4\r\n", CODING_GZIP, CODING_GZIP},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct coding_wishes wishes;

		read_fields(cases[i].fields, &wishes);
		if (coding_choose(&wishes, ALL) != cases[i].choice ||
		    coding_choose(&wishes, WITHOUT_BROTLI) != cases[i].without_brotli)
			fail_msg("%s: %d, %d", cases[i].fields, coding_choose(&wishes, ALL),
				 coding_choose(&wishes, WITHOUT_BROTLI));
	}
}

static void names_are_read_as_they_are_written(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CODINGS; i++)
		assert_int_equal(content_coding_of(content_coding_name(i)), i);
	assert_int_equal(content_coding_of(STR(" GZip ")), CODING_GZIP);
	assert_int_equal(content_coding_of(STR("")), CODING_IDENTITY);
	assert_int_equal(content_coding_of(STR("gzip, br")), CODING_OTHER);
	assert_int_equal(content_coding_of(STR("zstd")), CODING_OTHER);
}

static void wanted_is_what_has_a_weight(void **state)
{
	struct coding_wishes wishes;

	(void)state;
	read_fields("Accept-Encoding: gzip;q=0.001\r\n", &wishes);
	assert_true(coding_is_wanted(&wishes, CODING_GZIP));
	assert_true(coding_is_wanted(&wishes, CODING_IDENTITY));
	assert_false(coding_is_wanted(&wishes, CODING_BROTLI));
	assert_false(coding_is_wanted(&wishes, CODING_OTHER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_has_its_choice),
		cmocka_unit_test(names_are_read_as_they_are_written),
		cmocka_unit_test(wanted_is_what_has_a_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
