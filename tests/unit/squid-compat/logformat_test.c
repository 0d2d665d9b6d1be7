/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/check.h"
#include "squid-compat/log/logformat.h"
#include "tests/support/heads.h"

enum { MAX_LINE = 65536 };

struct rig {
	struct config_lines lines;
	struct logformats formats;
	struct addr client, server, local;
	struct http_head request, reply;
	struct log_options options;
	struct log_facts facts;
	struct buf out;
};

static struct log_request request(const char *url, const char *path, unsigned minor)
{
	return (struct log_request){
		.method = STR("GET"), .url = str_of(url),       .scheme = STR("http"),
		.host = STR("w.example"), .path = str_of(path), .port = 80,
		.major = 1,               .minor = (uint8_t)minor,
	};
}

/* As Squid 5.7 logged it: TCP_MISS/200 341 GET http://w.example/fresh? */
static void init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	config_lines_init(&rig->lines);
	logformats_init(&rig->formats, &rig->lines.arena);
	buf_init(&rig->out, MAX_LINE);
	assert_true(addr_parse(STR("127.0.0.1"), 40000, &rig->client));
	assert_true(addr_parse(STR("127.0.0.1"), 8080, &rig->server));
	assert_true(addr_parse(STR("127.0.0.1"), 28080, &rig->local));
	head_of_lines(&rig->request, "Host: w.example\nReferer: http://ref/\n"
				     "User-Agent: UA/1 \"q\"\n"
				     "X: a b\"c\\d%[e]\t\xe9\nTwo: 1\nTwo: 2\n"
				     "Cookie: s=1; session=abc; t=2\n"
				     "List: M=0, q=\"x, m=1; m=2\"; m=3 , n= 4;o=\"open, p=5\n");
	head_of_lines(&rig->reply, "Content-Type: text/plain\n");
	rig->facts = (struct log_facts){
		.options = &rig->options,
		.start_us = INT64_C(1795296655292000),
		.end_us = INT64_C(1795296655293000),
		.response_ms = 1,
		.client = &rig->client,
		.client_local = &rig->local,
		.server = &rig->server,
		.server_name = STR("peer1"),
		.client_request = request("http://w.example/fresh?a=1", "/fresh?a=1", 1),
		.request = request("http://w.example/fresh?a=1", "/fresh?a=1", 1),
		.status = 200,
		.server_status = 200,
		.tag = LOG_TCP_MISS,
		.hier = LOG_HIER_FIRSTUP_PARENT,
		.bytes_in = 100,
		.bytes_out = 341,
		.head_bytes_out = 300,
		.mime_type = STR("text/plain; charset=x"),
		.request_head = &rig->request,
		.reply_head = &rig->reply,
	};
}

static void fini(struct rig *rig)
{
	buf_fini(&rig->out);
	config_lines_fini(&rig->lines);
}

static const char *line_of(struct rig *rig, const char *name)
{
	const struct logformat_name *format = logformats_find(&rig->formats, str_of(name));

	assert_non_null(format);
	buf_clear(&rig->out);
	logformat_render_line(format, &rig->facts, &rig->out);
	buf_add_char(&rig->out, '\0');
	return rig->out.at;
}

static const char *render(struct rig *rig, const char *text)
{
	const struct logformat *format =
		logformat_compile(str_of(text), &rig->lines.arena, rig->lines.report);

	if (!format)
		return "(unsupported)";
	buf_clear(&rig->out);
	logformat_render(format, &rig->facts, &rig->out);
	buf_add_char(&rig->out, '\0');
	return rig->out.at;
}

/* Lines observed on Squid 5.7; the combined one with its quotes escaped. */
static void builtin_formats_are_byte_exact(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	assert_string_equal(line_of(&rig, "squid"),
			    "1795296655.293      1 127.0.0.1 TCP_MISS/200 341 GET "
			    "http://w.example/fresh? - FIRSTUP_PARENT/127.0.0.1 text/plain");
	assert_string_equal(line_of(&rig, "common"),
			    "127.0.0.1 - - [21/Nov/2026:21:30:55 +0000] \"GET "
			    "http://w.example/fresh? HTTP/1.1\" 200 341 TCP_MISS:FIRSTUP_PARENT");
	assert_string_equal(line_of(&rig, "combined"),
			    "127.0.0.1 - - [21/Nov/2026:21:30:55 +0000] \"GET "
			    "http://w.example/fresh? HTTP/1.1\" 200 341 \"http://ref/\" "
			    "\"UA/1 \\\"q\\\"\" TCP_MISS:FIRSTUP_PARENT");
	assert_string_equal(line_of(&rig, "referrer"),
			    "1795296655.293 127.0.0.1 http://ref/ http://w.example/fresh?");
	assert_string_equal(line_of(&rig, "useragent"),
			    "127.0.0.1 [21/Nov/2026:21:30:55 +0000] \"UA/1 \\\"q\\\"\"");
	fini(&rig);
}

static void json_escapes_what_is_not_plain(void **state)
{
	struct rig rig;
	const char *line;

	(void)state;
	init(&rig);
	rig.facts.client_request.host = STR("w\"\\\x1b\n\xc3\xa9\xf0\x9f\x98\x80\xff\xc3");
	line = line_of(&rig, "json");
	assert_non_null(strstr(line, "{\"time\":\"2026-11-21T21:30:55Z\",\"timestamp\":1795296655.293,"
				     "\"duration_ms\":1,\"client\":\"127.0.0.1\","));
	assert_non_null(strstr(line, "\"host\":\"w\\\"\\\\\\u001b\\u000a\\u00e9\\ud83d\\ude00"
				     "\\ufffd\\ufffd\","));
	assert_non_null(strstr(line, "\"user\":null,"));
	assert_non_null(strstr(line, "\"user_agent\":\"UA/1 \\\"q\\\"\","));
	assert_int_equal(line[strlen(line) - 1], '}');
	fini(&rig);
}

static void a_connection_without_a_request_has_a_line_too(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts = (struct log_facts){
		.end_us = INT64_C(1795296654989000),
		.client = &rig.client,
		.request.url = STR("error:transaction-end-before-headers"),
	};
	assert_string_equal(line_of(&rig, "squid"),
			    "1795296654.989      0 127.0.0.1 NONE_NONE/000 0 - "
			    "error:transaction-end-before-headers - HIER_NONE/- -");
	assert_string_equal(line_of(&rig, "common"),
			    "127.0.0.1 - - [21/Nov/2026:21:30:54 +0000] \"- "
			    "error:transaction-end-before-headers NONE/0.0\" 0 0 "
			    "NONE_NONE:HIER_NONE");
	fini(&rig);
}

static void tags_carry_their_suffixes_in_order(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.tag_suffixes = LOG_SUFFIX_ABORTED | LOG_SUFFIX_CF | LOG_SUFFIX_TIMEDOUT;
	assert_string_equal(render(&rig, "%Ss %Sh"),
			    "TCP_MISS_CF_TIMEDOUT_ABORTED FIRSTUP_PARENT");
	fini(&rig);
}

/* Encodings, widths, arguments, and what each code means. */
static void codes_render_as_in_squid(void **state)
{
	static const struct {
		const char *format, *text;
	} cases[] = {
		{"%{X}>h", "a%20b%22c%5Cd%%5Be%5D%09%E9"},
		{"%[{X}>h", "a b\"c\\\\d%25%5be%5d%09%e9"},
		{"%\"{X}>h", "a b\\\"c\\\\d%[e]\\t\xe9"},
		{"%#{X}>h", "a%20b%22c%5Cd%25%5Be%5D%09%E9"},
		{"%/{X}>h", "\"a b\\\"c\\\\d%[e]\t\xe9\""},
		{"%'{X}>h", "a b\"c\\d%[e]\t\xe9"},
		{"%>h{Referer}", "http://ref/"},
		{"\"%{User-Agent}>h\" %{User-Agent}>h", "\"UA/1 \\\"q\\\"\" UA/1%20%22q%22"},
		{"[%{X}>h]", "[a b\"c\\\\d%25%5be%5d%09%e9]"},
		{"%{Two}>h", "1,%202"},
		{"%{Cookie:;session}>h", "abc"},
		{"%{Cookie:;none}>h", "-"},
		/* A comma separates too, not within quotes. */
		{"%'{List:;m}>h %'{List:n}>h %'{List:;n}>h", "3  4;o=\"open, p=5  4"},
		{"%'{List:;q}>h %'{List:;p}>h", "\"x, m=1; m=2\" -"},
		{"%{Missing}>h|%8{Missing}>h|%-4{Missing}>h|", "-|-|-|"},
		{"%<h{content-type}", "text/plain"},
		{"%% 100%%", "% 100%"},
		{"%ts.%03tu", "1795296655.293"},
		{"%06tu", "293000"},
		{"%tu", "293"},
		{"%tS", "1795296655.292"},
		{"%tg", "21/Nov/2026:21:30:55"},
		{"%{%Y}tg %tl{%H}", "2026 21"},
		{"%6tr|%-6tr|%06tr", "     1|1     |000001"},
		{"%rm|%-6rm|%6rm|%.2rm|%6.2rm", "GET|GET   |   GET|GE|    GE"},
		{"%ru %rp %>ru", "http://w.example/fresh? /fresh?a=1 http://w.example/fresh?a=1"},
		{"%>rs %>rd %>rP %>rv", "http w.example 80 1.1"},
		{"%<rm %<rP", "- -"},
		{"%>a %>p %>A %>la %>lp %la %lp",
		 "127.0.0.1 40000 127.0.0.1 127.0.0.1 28080 127.0.0.1 28080"},
		{"%<a %<p %<A %<la", "127.0.0.1 8080 peer1 -"},
		{"%>Hs %03<Hs", "200 200"},
		{"%<st %<sh %>st %st", "341 300 100 441"},
		{"%<bs %<sS %dt %<pt %<tt", "- - - - -"},
		{"%mt", "text/plain"},
		{"%un %ul %ui %ue", "- - - -"},
		{"%sn", "0"},
		{"%ssl::>sni %tls::>negotiated_version", "- -"},
		{"%err_code/%err_detail", "-/-"},
		{"%{a}note", "-"},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *text = render(&rig, cases[i].format);

		if (strcmp(text, cases[i].text) != 0)
			fail_msg("%s: '%s' instead of '%s'", cases[i].format, text, cases[i].text);
	}
	fini(&rig);
}

/* As it was asked for, but for what would end the field; %>ru has more of it escaped. */
static void a_url_is_logged_as_it_is(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.request = request("http://[::1]/~u/a[1]|'<b", "/~u/a[1]|'<b", 1);
	assert_string_equal(render(&rig, "%ru"), "http://[::1]/~u/a[1]|'<b");
	assert_string_equal(render(&rig, "%rp"), "/%7Eu/a%5B1%5D%7C%27%3Cb");
	rig.facts.request = request("http://h/a b\n", "/a b\n", 1);
	assert_string_equal(render(&rig, "%ru"), "http://h/a%20b%0A");
	fini(&rig);
}

static void users_come_from_where_there_is_one(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.tls_user = STR("t");
	assert_string_equal(render(&rig, "%un"), "t");
	rig.facts.external_user = STR("ex ternal");
	assert_string_equal(render(&rig, "%un"), "ex%20ternal");
	rig.facts.auth_user = STR("login");
	assert_string_equal(render(&rig, "%un %ul %ue"), "login login ex%20ternal");
	fini(&rig);
}

static void annotations_print_all_or_one(void **state)
{
	static const struct log_note notes[] = {
		{STR("a"), STR("1")}, {STR("b"), STR("x y")}, {STR("a"), STR("2")},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.notes = notes;
	rig.facts.nnotes = COUNT(notes);
	assert_string_equal(render(&rig, "%{a}note %{a:;}note %{b}note"), "1,2 1;2 x%20y");
	assert_string_equal(render(&rig, "[%note]"), "[a: 1\\r\\nb: x y\\r\\na: 2\\r\\n]");
	fini(&rig);
}

static void the_netmask_hides_the_end_of_an_address(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.options.has_client_mask = true;
	memset(rig.options.client_mask, 0xff, 15);
	assert_string_equal(render(&rig, "%>a"), "127.0.0.0");
	rig.options.keeps_query = true;
	assert_string_equal(render(&rig, "%ru"), "http://w.example/fresh?a=1");
	fini(&rig);
}

static void what_is_no_code_is_refused(void **state)
{
	static const char *const formats[] = {
		"%zz", "%", "%{Hdr}", "%{Hdr", "%>a %Q", "%99999ts", "%ts %icap::xx", "%{x}ts",
		"%_protocol", "%[",
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(formats); i++) {
		config_lines_forget(&rig.lines);
		if (strcmp(render(&rig, formats[i]), "(unsupported)") != 0 ||
		    !config_lines_said(&rig.lines, REPORT_FATAL, "Unsupported %code: '%"))
			fail_msg("%s", formats[i]);
	}
	fini(&rig);
}

static void formats_are_defined_once(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat mine %>a  \"%ru\" x"),
			 rig.lines.report);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	assert_string_equal(line_of(&rig, "mine"), "127.0.0.1  \"http://w.example/fresh?\" x");
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat mine %>p"),
			 rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR,
				      "logformat mine is already defined. Ignoring."));
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat combined %>p"),
			 rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR,
				      "logformat combined is already defined. Ignoring."));
	config_lines_forget(&rig.lines);
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat old %Hs %icap::tt"),
			 rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_WARNING, "deprecated"));
	assert_true(config_lines_said(&rig.lines, REPORT_NOTE, "%icap::tt has no value here"));
	assert_string_equal(line_of(&rig, "old"), "200 -");
	fini(&rig);
}

/* A trap of Squid: %>h without an argument makes the native format grow. */
static void all_headers_turn_log_mime_hdrs_on(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat one %{key}note %{A}>h"),
			 rig.lines.report);
	assert_false(rig.formats.wants_mime);
	logformats_parse(&rig.formats, config_line(&rig.lines, "logformat all %>h"),
			 rig.lines.report);
	assert_true(rig.formats.wants_mime);
	head_of_lines(&rig.request, "Host: w\n");
	rig.options.logs_mime_headers = true;
	assert_string_equal(line_of(&rig, "squid"),
			    "1795296655.293      1 127.0.0.1 TCP_MISS/200 341 GET "
			    "http://w.example/fresh? - FIRSTUP_PARENT/127.0.0.1 text/plain "
			    "[Host: w\\r\\n] [Content-Type: text/plain\\r\\n]");
	assert_string_equal(line_of(&rig, "referrer"),
			    "1795296655.293 127.0.0.1 - http://w.example/fresh?");
	fini(&rig);
}

static void hierarchy_names_are_found_as_logged(void **state)
{
	enum log_hier hier;

	(void)state;
	for (unsigned i = 0; i < LOG_HIER_COUNT; i++) {
		assert_true(log_hier_by_name(str_of(log_hier_name((enum log_hier)i)), &hier));
		assert_int_equal(hier, i);
	}
	assert_false(log_hier_by_name(STR("DIRECT"), &hier));
	for (unsigned i = 0; i < LOG_TAG_COUNT; i++)
		assert_non_null(log_tag_name((enum log_tag)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(builtin_formats_are_byte_exact),
		cmocka_unit_test(json_escapes_what_is_not_plain),
		cmocka_unit_test(a_connection_without_a_request_has_a_line_too),
		cmocka_unit_test(tags_carry_their_suffixes_in_order),
		cmocka_unit_test(codes_render_as_in_squid),
		cmocka_unit_test(a_url_is_logged_as_it_is),
		cmocka_unit_test(users_come_from_where_there_is_one),
		cmocka_unit_test(annotations_print_all_or_one),
		cmocka_unit_test(the_netmask_hides_the_end_of_an_address),
		cmocka_unit_test(what_is_no_code_is_refused),
		cmocka_unit_test(formats_are_defined_once),
		cmocka_unit_test(all_headers_turn_log_mime_hdrs_on),
		cmocka_unit_test(hierarchy_names_are_found_as_logged),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
