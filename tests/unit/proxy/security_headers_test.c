/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "proxy/transaction/security_headers.h"

static bool has(struct str lines, const char *line)
{
	return strstr(lines.at, line) != NULL;
}

/* RFC 6797 §7.2: never over plain HTTP. */
static void transport_security_is_for_tls_alone(void **state)
{
	struct security_headers *headers = security_headers_create(SECURITY_HEADERS_ON);
	struct str plain = security_headers_lines(headers, NULL, false);
	struct str secure = security_headers_lines(headers, NULL, true);

	(void)state;
	assert_false(has(plain, "Strict-Transport-Security"));
	assert_true(has(plain, "X-Frame-Options: SAMEORIGIN\r\n"));
	assert_true(has(secure, "Strict-Transport-Security: max-age=31536000\r\n"));
	assert_true(has(secure, "X-Content-Type-Options: nosniff\r\n"));
	security_headers_destroy(headers);
}

static void strict_says_more(void **state)
{
	struct security_headers *headers = security_headers_create(SECURITY_HEADERS_STRICT);
	struct str secure = security_headers_lines(headers, NULL, true);

	(void)state;
	assert_true(has(secure, "includeSubDomains\r\n"));
	assert_true(has(secure, "X-Frame-Options: DENY\r\n"));
	assert_true(has(secure, "Referrer-Policy: no-referrer\r\n"));
	security_headers_destroy(headers);
}

static void off_is_nothing(void **state)
{
	(void)state;
	assert_null(security_headers_create(SECURITY_HEADERS_OFF));
	assert_int_equal(security_headers_lines(NULL, NULL, true).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transport_security_is_for_tls_alone),
		cmocka_unit_test(strict_says_more),
		cmocka_unit_test(off_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
