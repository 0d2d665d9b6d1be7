/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include <gnutls/gnutls.h>

#include "lib/base/check.h"
#include "squid-compat/tls/tls_priority.h"
#include "squid-compat/tls/tls_suites.h"

/* The words of a line as the options of a port; the priorities that they make. */
static struct str make(struct config_lines *lines, const char *line, enum tls_line kind)
{
	const struct words *words = config_line(lines, line);
	struct tls_options options;

	tls_options_init(&options, kind);
	for (size_t i = 0; i < words->n; i++)
		tls_options_take(&options, kind, words_text(words, i), "https_port",
				 &lines->arena, lines->report);
	return tls_priority(&options, kind, &lines->arena, lines->report);
}

/* Is part one of the words between colons? */
static bool has(struct str priorities, const char *part)
{
	struct str word;

	while (str_split(&priorities, ':', &word))
		if (str_eq(word, str_of(part)))
			return true;
	return false;
}

static void openssl_words_become_gnutls_priorities(void **state)
{
	static const struct {
		const char *line;
		const char *has[6], *lacks[6];
	} cases[] = {
		{"tls-cert=/ok/c",
		 {"+VERS-TLS1.3", "+VERS-TLS1.2", "+ECDHE-RSA", "+AES-128-GCM", "+GROUP-X25519"},
		 {"+VERS-TLS1.1", "+RSA", "+DHE-RSA", "+AES-128-CBC", "+SHA1", "+3DES-CBC"}},
		{"options=NO_TLSv1_3", {"+VERS-TLS1.2"}, {"+VERS-TLS1.3"}},
		{"options=NO_TLSv1_2:NO_SSLv3", {"+VERS-TLS1.3"}, {"+VERS-TLS1.2"}},
		{"options=0x20000000", {"+VERS-TLS1.2"}, {"+VERS-TLS1.3"}},
		{"options=NO_TLSv1_3,!NO_TLSv1_3", {"+VERS-TLS1.3"}, {NULL}},
		{"options=!NO_TLSv1_1", {"+VERS-TLS1.1", "+AES-128-CBC", "+SHA1"}, {"+VERS-TLS1.0"}},
		{"tls-min-version=1.3", {"+VERS-TLS1.3"}, {"+VERS-TLS1.2"}},
		{"tls-min-version=1.0", {"+VERS-TLS1.0", "+VERS-TLS1.3", "+SHA1"}, {NULL}},
		{"version=6", {"+VERS-TLS1.2"}, {"+VERS-TLS1.3", "+VERS-TLS1.1"}},
		{"cipher=ECDHE-RSA-AES256-GCM-SHA384",
		 {"+ECDHE-RSA", "+AES-256-GCM", "+AEAD"},
		 {"+ECDHE-ECDSA", "+RSA", "+AES-256-CBC"}},
		{"cipher=ECDHE-RSA-AES128-SHA tls-min-version=1.0",
		 {"+AES-128-CBC", "+SHA1", "+AES-128-GCM"}, {"+SHA256"}},
		{"cipher=HIGH:!aNULL:!MD5:!RC4",
		 {"+RSA", "+DHE-RSA", "+ECDHE-ECDSA", "+GROUP-FFDHE2048"}, {"+3DES-CBC"}},
		{"cipher=HIGH:!kRSA:!DHE:!SHA1:!SHA256:!SHA384", {"+ECDHE-RSA", "+AEAD"},
		 {"+RSA", "+DHE-RSA", "+SHA1", "+SHA384"}},
		{"cipher=EECDH+AESGCM:EDH+AESGCM", {"+ECDHE-RSA", "+DHE-RSA", "+AES-256-GCM"},
		 {"+RSA", "+AES-256-CBC"}},
		{"cipher=DES-CBC3-SHA options=NO_TLSv1_3", {"+3DES-CBC", "+RSA"},
		 {"+AES-128-GCM", "+AEAD"}},
		{"cipher=DEFAULT:-AES128:AES128-SHA", {"+AES-256-GCM", "+AES-128-CBC"}, {NULL}},
		{"cipher=ALL:!ALL:AES128-SHA:HIGH:AES128+AESGCM", {NULL}, {NULL}},
		{"tls-dh=prime256v1:/ok/dh", {"+GROUP-SECP256R1"}, {"+GROUP-X25519"}},
		{"tls-dh=secp521r1:", {"+GROUP-SECP521R1"}, {"+GROUP-SECP256R1"}},
		{"tls-dh=/ok/dh", {"+GROUP-X25519"}, {NULL}},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str made = make(&lines, cases[i].line, TLS_LINE_PORT);

		for (size_t j = 0; j < COUNT(cases[i].has); j++) {
			if (cases[i].has[j] && !has(made, cases[i].has[j]))
				fail_msg("%s: without %s: %s", cases[i].line, cases[i].has[j],
					 made.at ? made.at : "(none)");
			if (cases[i].lacks[j] && has(made, cases[i].lacks[j]))
				fail_msg("%s: with %s: %s", cases[i].line, cases[i].lacks[j],
					 made.at);
		}
	}
	config_lines_fini(&lines);
}

static void nothing_left_is_fatal(void **state)
{
	static const char *const hopeless[] = {
		"cipher=aNULL", "cipher=ALL:!ALL:AES128-SHA", "cipher=RC4-SHA", "cipher=:::",
		"options=NO_TLSv1_2,NO_TLSv1_3", "version=4 options=NO_TLSv1",
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(hopeless); i++) {
		config_lines_forget(&lines);
		assert_null(make(&lines, hopeless[i], TLS_LINE_PORT).at);
		if (report_count(lines.report, REPORT_FATAL) != 1)
			fail_msg("%s is not fatal", hopeless[i]);
	}
	config_lines_fini(&lines);
}

static void what_is_not_understood_is_said(void **state)
{
	static const struct {
		const char *line;
		enum report_class what;
		const char *says;
	} cases[] = {
		{"cipher=HIGH:NO-SUCH-SUITE", REPORT_WARNING, "'NO-SUCH-SUITE' is no suite"},
		{"cipher=TLS_AES_128_GCM_SHA256:HIGH", REPORT_WARNING, "no suite of TLS 1.2"},
		{"cipher=DEFAULT@SECLEVEL=1", REPORT_NOTE, "@SECLEVEL=1 has no effect"},
		{"cipher=HIGH:@SECLEVEL=1", REPORT_NOTE, "@SECLEVEL=1 has no effect"},
		{"tls-dh=brainpoolP256r1:", REPORT_ERROR, "Unknown EC curve 'brainpoolP256r1'"},
		{"tls-dh=/ok/dh", REPORT_NOTE, "the file is not used"},
		{"cipher=HIGH:!aNULL:!eNULL:!EXPORT:!DES:!MD5:!PSK:!RC4:@STRENGTH", 0, NULL},
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < COUNT(cases); i++) {
		config_lines_forget(&lines);
		assert_non_null(make(&lines, cases[i].line, TLS_LINE_PORT).at);
		if (!config_lines_said(&lines, cases[i].what, cases[i].says))
			fail_msg("%s: said %s", cases[i].line, config_lines_first(&lines));
	}
	config_lines_fini(&lines);
}

static void gnutls_takes_what_is_made(void **state)
{
	static const char *const made_of[] = {
		"tls-cert=/ok/c", "tls-cipher=ALL", "tls-cipher=ALL tls-min-version=1.0",
		"tls-cipher=AESCCM:AESCCM8:CAMELLIA:3DES:CHACHA20", "tls-options=NO_TLSv1_3",
		"tls-min-version=1.3 tls-cipher=DES-CBC3-SHA",
	};
	struct config_lines lines;

	(void)state;
	config_lines_init(&lines);
	for (size_t i = 0; i < 2 * COUNT(made_of); i++) {
		enum tls_line kind = i % 2 ? TLS_LINE_PEER : TLS_LINE_PORT;
		struct str made = make(&lines, made_of[i / 2], kind);
		gnutls_priority_t priorities;
		const char *fault;

		if (gnutls_priority_init(&priorities, made.at, &fault) != 0)
			fail_msg("%s: '%s' at %s", made_of[i / 2], made.at, fault);
		gnutls_priority_deinit(priorities);
	}
	config_lines_fini(&lines);
}

static void suites_are_called_as_openssl_does(void **state)
{
	(void)state;
	assert_string_equal(
		tls_suites_name("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
		"ECDHE-RSA-AES256-GCM-SHA384");
	assert_string_equal(tls_suites_name("TLS_AES_128_GCM_SHA256"),
			    "TLS_AES_128_GCM_SHA256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_words_become_gnutls_priorities),
		cmocka_unit_test(nothing_left_is_fatal),
		cmocka_unit_test(what_is_not_understood_is_said),
		cmocka_unit_test(gnutls_takes_what_is_made),
		cmocka_unit_test(suites_are_called_as_openssl_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
