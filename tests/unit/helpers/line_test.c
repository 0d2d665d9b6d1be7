/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "helpers/line.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"

/* Code, pairs and rest as one text: "OK [user=joe][tag=T1] rest". */
static void show(const struct helper_reply *reply, struct buf *out)
{
	buf_printf(out, "%s ", helper_code_name(reply->code));
	for (unsigned i = 0; i < reply->npairs; i++) {
		buf_add_char(out, '[');
		buf_add_str(out, reply->pairs[i].key);
		buf_add_char(out, '=');
		buf_add_str(out, reply->pairs[i].value);
		buf_add_char(out, ']');
	}
	buf_add_char(out, ' ');
	buf_add_str(out, reply->rest);
}

/* Squid 5.7, as seen: section 2 of its helper protocol, and what its helpers print. */
static void replies_read_as_squid_reads_them(void **state)
{
	static const struct {
		const char *line, *shown;
	} cases[] = {
		{"OK", "OK  "},
		{"OK ", "OK  "},
		{"ERR", "ERR  "},
		{"", "ERR  "},
		{" ", "ERR  "},
		{"BH", "BH  "},
		{"ok", "Unknown  ok"},
		{"OKAY", "Unknown  OKAY"},
		{"OKfoo", "Unknown  OKfoo"},
		{"OK bare user=x", "OK  bare user=x"},
		{"OK user=joe password=sec tag=T1", "OK [user=joe][password=sec][tag=T1] "},
		{"OK user=renamed tag=T1 group=g1 group=g2",
		 "OK [user=renamed][tag=T1][group=g1][group=g2] "},
		{"ERR message=\"not today\" tag=denied", "ERR [message=not today][tag=denied] "},
		{"OK a=\"q \\\" \\\\ \\x \\n \\r %41\"", "OK [a=q \" \\ x \n \r %41] "},
		{"OK rewrite-url=http%3A%2F%2Fesc.example%2F", "OK [rewrite-url=http://esc.example/] "},
		{"OK a=%41 b=%4 c=%zz d=%00x e=%", "OK [a=A][b=%4][c=%zz][d=%00x][e=%] "},
		{"OK a= b", "OK  a= b"},
		{"OK a=", "OK [a=] "},
		{"OK a=\"\"", "OK [a=] "},
		{"OK =v a=1", "OK [a=1] "},
		{"OK a=\"no end", "OK  a=\"no end"},
		{"OK a=\"no end\\\"", "OK  a=\"no end\\\""},
		{"OK a=\"x\"y b=1", "OK  a=\"x\"y b=1"},
		{"OK a.b=1", "OK  a.b=1"},
		{"OK a =1", "OK  a =1"},
		{"OK store-id=http://d.x/y 1.1.1.1/- - GET", "OK [store-id=http://d.x/y] 1.1.1.1/- - GET"},
		{"http://new.example/ 127.0.0.1/- - GET", "Unknown  http://new.example/ 127.0.0.1/- - GET"},
		{"rewrite-url=http://x/", "Unknown [rewrite-url=http://x/] "},
		{"BH all is lost", "BH [message=all is lost] all is lost"},
		{"BH message=kept other words", "BH [message=kept] other words"},
		{"TT TlRMTVNTUAACAAAA", "TT [token=TlRMTVNTUAACAAAA] TlRMTVNTUAACAAAA"},
		{"AF joe", "AF [user=joe] joe"},
		{"AF xyz== joe@REALM", "AF [token=xyz==][user=joe@REALM] xyz== joe@REALM"},
		{"TT xyz==", "TT [token=xyz==] xyz=="},
		{"AF token=xyz== user=joe", "AF [token=xyz==][user=joe] "},
		{"AF xyz= joe@REALM", "AF [token=xyz=][user=joe@REALM] xyz= joe@REALM"},
		{"NA go away", "NA [message=go away] go away"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *line = str_dup(str_of(cases[i].line));
		struct helper_reply reply;
		struct buf shown;

		buf_init(&shown, 4096);
		helper_reply_parse(line, strlen(line), &reply);
		show(&reply, &shown);
		if (!str_eq(buf_str(&shown), str_of(cases[i].shown)))
			fail_msg("'%s' reads as '%.*s'", cases[i].line, STR_ARG(buf_str(&shown)));
		buf_fini(&shown);
		free(line);
	}
}

static void first_of_repeated_keys_wins(void **state)
{
	char line[] = "OK user=a user=b";
	struct helper_reply reply;

	(void)state;
	helper_reply_parse(line, strlen(line), &reply);
	assert_true(str_eq(helper_reply_value(&reply, STR("user")), STR("a")));
	assert_null(helper_reply_value(&reply, STR("use")).at);
}

/* H22 */
static void ten_thousand_keys_are_64(void **state)
{
	struct helper_reply reply;
	struct buf line;

	(void)state;
	buf_init(&line, 1 << 20);
	buf_add_str(&line, STR("OK"));
	for (unsigned i = 0; i < 10000; i++)
		buf_printf(&line, " k%u=v", i);
	helper_reply_parse(line.at, line.len, &reply);
	assert_int_equal(reply.npairs, HELPER_MAX_PAIRS);
	assert_int_equal(reply.rest.len, 0);
	buf_fini(&line);
}

/* H9, and the forms of section 1.2. */
static void channel_ids_are_plain_numbers(void **state)
{
	static const struct {
		const char *line;
		bool ok;
		uint64_t id;
		const char *rest;
	} cases[] = {
		{"1 OK", true, 1, "OK"},
		{"8   OK a", true, 8, "OK a"},
		{"5", true, 5, ""},
		{"5 ", true, 5, ""},
		{"0 ERR", true, 0, "ERR"},
		{"9223372036854775807 OK", true, INT64_MAX, "OK"},
		{"9223372036854775808 OK", false, 0, NULL},
		{"99999999999999999999 OK", false, 0, NULL},
		{"-1 OK", false, 0, NULL},
		{"+1 OK", false, 0, NULL},
		{"007 OK", false, 0, NULL},
		{"1x OK", false, 0, NULL},
		{" 1 OK", false, 0, NULL},
		{"OK", false, 0, NULL},
		{"", false, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str line = str_of(cases[i].line);
		uint64_t id = 77;
		bool ok = helper_line_take_id(&line, &id);

		if (ok != cases[i].ok || id != (ok ? cases[i].id : 77) ||
		    !str_eq(line, str_of(ok ? cases[i].rest : cases[i].line)))
			fail_msg("'%s'", cases[i].line);
	}
}

/* H17, H23 */
static void control_bytes_make_a_value_unclean(void **state)
{
	(void)state;
	assert_true(helper_value_is_clean(STR("http://x/\xc3\xa9 y")));
	assert_false(helper_value_is_clean(STR("a\r\nb")));
	assert_false(helper_value_is_clean(STR("a\x1b[31m")));
	assert_false(helper_value_is_clean(STR("a\0b")));
	assert_false(helper_value_is_clean(STR("\x7f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_read_as_squid_reads_them),
		cmocka_unit_test(first_of_repeated_keys_wins),
		cmocka_unit_test(ten_thousand_keys_are_64),
		cmocka_unit_test(channel_ids_are_plain_numbers),
		cmocka_unit_test(control_bytes_make_a_value_unclean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
