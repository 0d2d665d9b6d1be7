/* SPDX-License-Identifier: BSD-2-Clause */
/* What a recording keeps of questions and answers: no secret, and enough to compare. */
#include "proxy/ctl/helper/helper_secrets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/check.h"
#include "proxy/ctl/helper/helper_difference.h"

/* kept: each hash as `#`. */
static const struct {
	const char *kind, *text, *kept;
	bool is_answer;
	uint32_t words;
} cases[] = {
	{"url_rewrite", "http://a/x 192.0.2.1/- - GET", "http://a/x 192.0.2.1/- - GET", false, 0},
	{"url_rewrite", "OK rewrite-url=\"http://b/token=1\"",
         "OK rewrite-url=\"http://b/token=1\"", true, 0},
	{"basic", "alice p%20w", "alice #", false, 0},
	{"basic", "alice pw 192.0.2.1 80", "alice # 192.0.2.1 80", false, 0},
	{"basic", "alice", "alice", false, 0},
	{"basic", "", "", false, 0},
	{"bearer", "mF_9.B5f-4.1JqM 192.0.2.1", "# 192.0.2.1", false, 0},
	{"digest", "\"alice\":\"My Realm\"", "\"alice\":\"My Realm\"", false, 0},
	{"digest", "OK ha1=\"343fba82b0f7f235260edbfa6547e296\" x=y", "OK ha1=# x=y", true, 0},
	{"digest", "343fba82b0f7f235260edbfa6547e296", "#", true, 0},
	{"ntlm", "YR TlRMTVNTUAABAAAA", "YR #", false, 0},
	{"ntlm", "YR", "YR", false, 0},
	{"ntlm", "TT TlRMTVNTUAACAAAA", "TT #", true, 0},
	{"ntlm", "AF alice", "AF alice", true, 0},
	{"negotiate", "AF token alice@REALM", "AF # alice@REALM", true, 0},
	{"external", "192.0.2.1 key gold", "192.0.2.1 # gold", false, 1u << 2},
	{"external", "192.0.2.1 \"a b\" gold", "192.0.2.1 # gold", false, 1u << 2},
	{"external", "OK user=joe password=\"a \\\" b\" tag=x", "OK user=joe password=# tag=x",
         true, 0},
	{"external", "OK message=\"password=x y\" PASSWORD=x",
         "OK message=\"password=x y\" PASSWORD=#", true, 0},
	{"external", "OK password=\"open end", "OK password=#", true, 0},
	{"external", "OK password= password=\"", "OK password= password=", true, 0},
};

/* Hashes become #. */
static void shorten(const struct buf *text, char *out)
{
	struct str rest = buf_str(text);

	while (rest.len > 0) {
		bool is_hash = str_starts_with(rest, STR("{hashed:"));

		*out++ = is_hash ? '#' : rest.at[0];
		rest = str_from(rest, is_hash ? strlen("{hashed:}") + SECRETS_HEX : 1);
	}
	*out = '\0';
}

static void keeps_no_secret(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct secrets secrets;
		struct buf out;
		char kept[256];

		secrets_init(&secrets, cases[i].kind, cases[i].words);
		buf_init(&out, 4096);
		(cases[i].is_answer ? secrets_hide_answer
		                    : secrets_hide_question)(&secrets, str_of(cases[i].text), &out);
		shorten(&out, kept);
		if (strcmp(kept, cases[i].kept) != 0)
			fail_msg("%s: '%s', not '%s'", cases[i].text, kept, cases[i].kept);
		buf_fini(&out);
		secrets_fini(&secrets);
	}
}

static const char *give_secret(void *user, struct str hex)
{
	return str_eq(hex, str_of(user)) ? "secret" : NULL;
}

static void equal_secrets_have_equal_hashes(void **state)
{
	struct secrets secrets, salted;
	struct buf out;
	char hex[SECRETS_HEX + 1];

	(void)state;
	secrets_init(&secrets, "basic", 0);
	secrets_init(&salted, "basic", 0);
	memset(salted.salt, 1, sizeof(salted.salt));
	str_copy(str_of(secrets_hash(&secrets, STR("secret"))), hex, sizeof(hex));
	assert_string_equal(secrets_hash(&secrets, STR("secret")), hex);
	assert_string_not_equal(secrets_hash(&secrets, STR("other")), hex);
	assert_string_not_equal(secrets_hash(&salted, STR("secret")), hex);

	buf_init(&out, 4096);
	assert_int_equal(secrets_hide_question(&secrets, STR("u secret -"), &out), 1);
	buf_add_char(&out, ' ');
	assert_true(secrets_restore(buf_str(&out), give_secret, hex, &out));
	assert_true(str_ends_with_nocase(buf_str(&out), STR("} - u secret - ")));
	assert_false(secrets_restore(STR("u {hashed:00} -"), give_secret, hex, &out));
	assert_false(secrets_restore(STR("u {hashed:"), give_secret, hex, &out));
	buf_fini(&out);
	secrets_fini(&secrets);
	secrets_fini(&salted);
}

static void tells_answers_that_say_the_same(void **state)
{
	static const struct {
		const char *one, *other;
		bool is_same;
	} pairs[] = {
		{"OK", "OK", true},
		{"", "ERR", true},
		{"OK", "ERR", false},
		{"OK user=a", "OK user=\"a\" ", true},
		{"OK user=a%20b", "OK user=\"a b\"", true},
		{"OK user=a tag=b", "OK tag=b user=a", true},
		{"OK user=a tag=b", "OK tag=b", false},
		{"OK tag=a tag=b", "OK tag=b tag=a", false},
		{"OK tag=a tag=a", "OK tag=a x=a", false},
		{"OK a=", "OK a=\"\"", true},
		{"http://a/", "http://a/", true},
		{"http://a/", "http://b/", false},
		{"ERR no", "ERR never", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++)
		if (helper_says_the_same(str_of(pairs[i].one), str_of(pairs[i].other)) !=
		    pairs[i].is_same)
			fail_msg("'%s' and '%s'", pairs[i].one, pairs[i].other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_no_secret),
		cmocka_unit_test(equal_secrets_have_equal_hashes),
		cmocka_unit_test(tells_answers_that_say_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
