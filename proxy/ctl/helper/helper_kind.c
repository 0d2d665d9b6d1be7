/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers are judged by the functions that the proxy itself reads them with, as far as there are
 * some. */
#include "proxy/ctl/helper/helper_kind.h"

#include <stdio.h>

#include "helpers/store_id.h"
#include "helpers/url_rewrite.h"

enum { MD5_HEX = 32 };

/* ---- which answers make sense */

static enum helper_fault fault(enum helper_fault verdict, struct err_text *why, const char *text)
{
	err_say(why, "%s", text);
	return verdict;
}

/* OK or ERR, and nothing else but BH. */
static enum helper_fault judge_plain(const struct helper_reply *reply, struct err_text *why)
{
	if (reply->code == HELPER_OK || reply->code == HELPER_ERR || reply->code == HELPER_BH)
		return HELPER_FAULT_NONE;
	return fault(HELPER_FAULT_WRONG, why,
	             "an answer begins with OK, ERR or BH, in capitals, and a blank or the end of "
	             "the line behind it");
}

static enum helper_fault judge_rewrite(const struct helper_reply *reply, struct err_text *why)
{
	struct url_rewrite_verdict verdict;

	if (reply->code == HELPER_BH)
		return HELPER_FAULT_NONE;
	url_rewrite_read(reply, STR("GET"), NULL, &verdict);
	if (verdict.complaint.at[0] == '\0')
		return HELPER_FAULT_NONE;
	*why = verdict.complaint;
	return verdict.complaint_level == 1 ? HELPER_FAULT_WRONG : HELPER_FAULT_ODD;
}

static enum helper_fault judge_store_id(const struct helper_reply *reply, struct err_text *why)
{
	if (reply->code == HELPER_BH)
		return HELPER_FAULT_NONE;
	store_id_read(reply, why);
	return why->at[0] ? HELPER_FAULT_WRONG : HELPER_FAULT_NONE;
}

static bool is_hash(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (ascii_hex(text.at[i]) < 0)
			return false;
	return text.len == MD5_HEX;
}

static enum helper_fault judge_digest(const struct helper_reply *reply, struct err_text *why)
{
	if (reply->code == HELPER_OK && !is_hash(helper_reply_value(reply, STR("ha1"))))
		return fault(HELPER_FAULT_WRONG, why,
		             "OK wants ha1=\"...\": 32 hexadecimal digits, the MD5 of "
		             "USER:REALM:PASSWORD");
	if (reply->code == HELPER_UNKNOWN && is_hash(str_trim(reply->rest)))
		return fault(HELPER_FAULT_ODD, why,
		             "a hash alone is the form of old: write OK ha1=\"HASH\"");
	return judge_plain(reply, why);
}

static enum helper_fault judge_bearer(const struct helper_reply *reply, struct err_text *why)
{
	struct str user = helper_reply_value(reply, STR("user"));

	if (reply->code == HELPER_OK && (user.len == 0 || !helper_value_is_clean(user)))
		return fault(HELPER_FAULT_WRONG, why, "OK wants user=NAME: the token is refused");
	return judge_plain(reply, why);
}

static enum helper_fault judge_turn(const struct helper_reply *reply, struct err_text *why)
{
	static const bool is_turn[HELPER_CODE_COUNT] = {
		[HELPER_TT] = true, [HELPER_AF] = true,  [HELPER_NA] = true,
		[HELPER_OK] = true, [HELPER_ERR] = true, [HELPER_BH] = true,
	};

	if (!is_turn[reply->code])
		return fault(HELPER_FAULT_WRONG, why,
		             "an answer is TT TOKEN, AF [TOKEN] USER, NA or BH with a reason");
	if (reply->code == HELPER_TT && helper_reply_value(reply, STR("token")).len == 0)
		return fault(HELPER_FAULT_WRONG, why, "TT wants a token behind it");
	if ((reply->code == HELPER_AF || reply->code == HELPER_OK) &&
	    helper_reply_value(reply, STR("user")).len == 0)
		return fault(HELPER_FAULT_WRONG, why, "AF wants a user: nobody is let in");
	return HELPER_FAULT_NONE;
}

/* ---- the table */

#define EXTRAS " 192.0.2.1/- - GET myip=192.0.2.80 myport=80"

#define URL_QUESTIONS                                                                              \
	.samples = {"http://www.example/" EXTRAS,                                                  \
	            "http://www.example/a/page.html?id=1&x=2" EXTRAS,                              \
	            "https://shop.example:8443/p%20q/old/thing.jpg"                                \
	            " 2001:db8::1/client.example alice HEAD myip=- myport=443",                    \
	            "http://www.example/docs/" EXTRAS},                                            \
	.hostile = {"http://www.example/%e9\"<>{}|\\^`'()[];$(id)&*?q=%20%22" EXTRAS,                \
	            "http://www.example/OK/ERR?OK=ERR" EXTRAS, "http://1.example/7" EXTRAS},       \
	.long_begin = "http://www.example/", .long_end = EXTRAS, .max_bytes = 32768

#define TOKENS                                                                                     \
	.samples = {"YR TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAGAbEdAAAADw==",                 \
	            "KK TlRMTVNTUAADAAAAGAAYAAAAAAA="},                                            \
	.hostile = {"YR", "YR !!!", "YR OK="}, .long_begin = "YR TlRMTVNTUAAB", .long_end = "",        \
	.max_bytes = 16384

static const struct helper_kind kinds[] = {
	{.name = "url_rewrite", .directive = "url_rewrite_program", URL_QUESTIONS,
	 .judge = judge_rewrite},
	{.name = "store_id", .directive = "store_id_program", URL_QUESTIONS,
	 .judge = judge_store_id},
	{.name = "external", .directive = "external_acl_type",
	 .samples = {"192.0.2.1 alice http://www.example/p%20q?R=1 group", "192.0.2.1 - - -",
	             "2001:db8::1 bob http://www.example/ -"},
	 .hostile = {"192.0.2.1 va%22l%20u%5Ce%%E9,%20two http://w.example/%zz two%2520x",
	             "- - - -", "OK ERR user=x BH"},
	 .long_begin = "192.0.2.1 alice http://www.example/", .long_end = " -", .max_bytes = 32768,
	 .judge = judge_plain},
	{.name = "basic", .directive = "auth_param basic program",
	 .samples = {"alice secret", "bob p%20w%25", "nobody wrong"},
	 .hostile = {"al%20ice p%25:%22%C3%A9", "%5C%22'%60$(id) ..%2F..%2F", "OK ERR"},
	 .long_begin = "alice ", .long_end = "", .max_bytes = 8192, .judge = judge_plain},
	{.name = "digest", .directive = "auth_param digest program",
	 .samples = {"\"alice\":\"Realm\"", "\"bob\":\"My Realm\"", "\"nobody\":\"Realm\""},
	 .hostile = {"\"\xc3\xa9:x\":\"Realm\"", "\"\":\"\"", "\"a b\":\"R'$(id)\""},
	 .long_begin = "\"", .long_end = "\":\"Realm\"", .max_bytes = 8192, .judge = judge_digest},
	{.name = "bearer", .directive = "auth_param bearer program",
	 .samples = {"mF_9.B5f-4.1JqM", "bm90aGluZw==",
	             "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"},
	 .hostile = {"....", "====", "eyJhbGciOiJub25lIn0.e30."},
	 .long_begin = "eyJ", .long_end = "", .max_bytes = 8192, .judge = judge_bearer},
	{.name = "ntlm", .directive = "auth_param ntlm program", .talk = HELPER_CONVERSES, TOKENS,
	 .judge = judge_turn},
	{.name = "negotiate", .directive = "auth_param negotiate program", .talk = HELPER_CONVERSES,
	 TOKENS, .judge = judge_turn},
	{.name = "log", .directive = "logfile_daemon", .talk = HELPER_LISTENS,
	 .samples = {"L1795295185.224      0 192.0.2.1 TCP_MISS/200 1 GET http://w.example/ -"},
	 .hostile = {"L\xe9\xff %s%n \"quoted\" \\n", "L", ""},
	 .long_begin = "L", .long_end = "", .max_bytes = 32768},
};

const struct helper_kind *helper_kind_at(unsigned i)
{
	return i < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[i] : NULL;
}

const struct helper_kind *helper_kind_find(const char *name)
{
	for (unsigned i = 0; helper_kind_at(i); i++)
		if (str_eq(str_of(name), str_of(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

void helper_kind_names(char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; helper_kind_at(i) && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "",
		                        kinds[i].name);
}
