/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include <stdlib.h>
#include <time.h>

#include "lib/base/check.h"
#include "squid-compat/pages/error_page_internal.h"

struct rig {
	struct config_lines lines;
	struct error_pages pages;
	struct error_facts facts;
	struct log_request request;
	struct addr client, local;
	struct buf out;
};

static void init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	config_lines_init(&rig->lines);
	error_pages_init(&rig->pages, &rig->lines.arena, &test_world);
	buf_init(&rig->out, ERROR_PAGE_MAX_BYTES);
	assert_true(addr_parse(STR("127.0.0.1"), 40000, &rig->client));
	assert_true(addr_parse(STR("127.0.0.1"), 28080, &rig->local));
	rig->request = (struct log_request){
		.method = STR("GET"),
		.url = STR("http://w.example:81/a?b=<script>&\"'"),
		.scheme = STR("http"),
		.host = STR("w.example"),
		.path = STR("/a?b=<script>&\"'"),
		.port = 81,
		.major = 1,
		.minor = 1,
	};
	rig->facts = (struct error_facts){
		.name = ERROR_ACCESS_DENIED,
		.client = &rig->client,
		.local = &rig->local,
		.visible_hostname = STR("rig.example"),
		.software = STR("squid/5.7"),
		.request = &rig->request,
		.now_us = INT64_C(1795296655000000),
	};
}

static void fini(struct rig *rig)
{
	buf_fini(&rig->out);
	config_lines_fini(&rig->lines);
}

static const char *expand(struct rig *rig, const char *text)
{
	const struct error_template page = {.text = str_of(text)};

	buf_clear(&rig->out);
	error_template_render(&rig->pages, &page, &rig->facts, &rig->out);
	buf_add_char(&rig->out, '\0');
	return rig->out.at;
}

/* The usual status of each error. */
static void errors_have_squids_status(void **state)
{
	static const struct {
		const char *name;
		int status;
	} cases[] = {
		{"ERR_ACCESS_DENIED", 403},     {"ERR_FORWARDING_DENIED", 403},
		{"ERR_READ_ERROR", 502},        {"ERR_ZERO_SIZE_OBJECT", 502},
		{"ERR_INVALID_RESP", 502},      {"ERR_READ_TIMEOUT", 504},
		{"ERR_CONNECT_FAIL", 503},      {"ERR_TOO_BIG", 403},
		{"ERR_INVALID_REQ", 400},       {"ERR_UNSUP_REQ", 501},
		{"ERR_INVALID_URL", 400},       {"ERR_PROTOCOL_UNKNOWN", 400},
		{"ERR_UNSUP_HTTPVERSION", 505}, {"ERR_ONLY_IF_CACHED_MISS", 504},
		{"ERR_SHUTTING_DOWN", 503},     {"ERR_CONFLICT_HOST", 409},
		{"ERR_CACHE_ACCESS_DENIED", 401}, {"ERR_PRECONDITION_FAILED", 412},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		enum error_name name = error_name_of(str_of(cases[i].name));

		if (name == ERROR_NONE || error_status(name) != cases[i].status)
			fail_msg("%s: %d", cases[i].name, error_status(name));
	}
	assert_int_equal(error_name_of(STR("ERR_BOGUS")), ERROR_NONE);
}

static void render(struct rig *rig, enum error_name name, enum error_language language)
{
	const struct error_template *page =
		error_template_in(rig->pages.builtin[name], language);

	buf_clear(&rig->out);
	rig->facts.name = name;
	error_template_render(&rig->pages, page, &rig->facts, &rig->out);
	buf_add_char(&rig->out, '\0');
	rig->out.len--;
}

static void check_page(struct rig *rig, enum error_name name, enum error_language language)
{
	render(rig, name, language);
	if (strncmp(rig->out.at, "<!DOCTYPE html>\n", 16) != 0 ||
	    !strstr(rig->out.at, "</html>\n") || rig->out.len > 2048)
		fail_msg("%s: %zu bytes", error_name_text(name), rig->out.len);
	if (!strstr(rig->out.at, error_name_text(name)) || strstr(rig->out.at, "<script>") ||
	    strchr(rig->out.at, '%'))
		fail_msg("%s: %s", error_name_text(name), rig->out.at);
}

static void every_page_is_small_html_and_echoes_nothing_raw(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	for (unsigned i = ERROR_NONE + 1; i < ERROR_NAMES; i++)
		for (unsigned j = 0; j < ERROR_LANGUAGES; j++)
			check_page(&rig, (enum error_name)i, (enum error_language)j);
	fini(&rig);
}

/* Which codes a text has, in their order. */
static void list_codes(const char *text, char out[64])
{
	size_t n = 0;

	for (; text && *text && n < 62; text++)
		if (*text == '%')
			out[n++] = text[1];
	out[n] = '\0';
}

static void languages_say_the_same(void **state)
{
	(void)state;
	for (unsigned i = ERROR_NONE + 1; i < ERROR_NAMES; i++) {
		const char *ours = error_entries[i].words.message;

		for (unsigned j = ERROR_ENGLISH + 1; j < ERROR_LANGUAGES; j++) {
			const struct error_words *words =
				error_words_in((enum error_language)j, (enum error_name)i);
			char english[64], other[64];

			/* All languages have a page, or none has. */
			if (!words->title != !error_words_de[i].title)
				fail_msg("%s: %u", error_entries[i].name, j);
			if (!words->title)
				continue;
			list_codes(ours, english);
			list_codes(words->message, other);
			assert_string_equal(english, other);
			if (!words->advice != !error_entries[i].words.advice)
				fail_msg("%s: advice in %s", error_entries[i].name,
					 error_language_tag((enum error_language)j));
		}
	}
}

static void a_page_is_in_the_language_that_is_asked_for(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	render(&rig, ERROR_ACCESS_DENIED, ERROR_GERMAN);
	assert_non_null(strstr(rig.out.at, "<html lang=\"de\">"));
	assert_non_null(strstr(rig.out.at, "<h1>Kein Zugriff</h1>"));
	render(&rig, ERROR_FTP_DISABLED, ERROR_JAPANESE); /* not translated */
	assert_non_null(strstr(rig.out.at, "<html lang=\"en\">"));
	fini(&rig);
}

static void codes_expand_as_in_squid(void **state)
{
	static const struct {
		const char *text, *page;
	} cases[] = {
		{"%c %e %E", "ERR_ACCESS_DENIED 0 [No Error]"},
		{"%a|%i|%I|%A|%b", "-|127.0.0.1|[unknown]|127.0.0.1|28080"},
		{"%h %H %M %P %p", "rig.example w.example GET http 81"},
		{"%u", "http://w.example:81/a?b=&lt;script&gt;&amp;&quot;&#39;"},
		{"%R", "GET /a?b=&lt;script&gt;&amp;&quot;&#39; HTTP/1.1\n"},
		{"%s %T", "squid/5.7 Sat, 21 Nov 2026 21:30:55 GMT"},
		{"%o%O%g%f%F", ""},
		{"%L %x %z %m", "[not available] - [unavailable] [not available]"},
		{"100%% %q 5% ;%", "100% %q 5% ;%"},
		{"a@b @Squid{%ts} @Squid{%zz} @Squid{", "a@b - - @Squid{"},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *page = expand(&rig, cases[i].text);

		if (strcmp(page, cases[i].page) != 0)
			fail_msg("%s: '%s'", cases[i].text, page);
	}
	rig.facts.error_number = 111;
	assert_string_equal(expand(&rig, "%e %E %x"), "111 (111) Connection refused errno=111");
	rig.facts.external_message = STR("<b>no</b>\x80");
	assert_string_equal(expand(&rig, "%o"), "&lt;b&gt;no&lt;/b&gt;&#128;");
	rig.facts.err_html_text = STR("<i>call us</i>");
	assert_string_equal(expand(&rig, "%L"), "<i>call us</i>");
	rig.facts = (struct error_facts){.name = ERROR_INVALID_REQ};
	assert_string_equal(expand(&rig, "%u|%M|%R|%i|%p"),
			    "[no URL]|[unknown method]|[no request]|-|");
	fini(&rig);
}

static void logformat_codes_can_stand_in_pages(void **state)
{
	struct log_facts facts = {.end_us = INT64_C(1795296655000000),
				  .err_code = STR("ERR_<X>")};
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.log = &facts;
	assert_string_equal(expand(&rig, "[@Squid{%ts}] @Squid{%'err_code}"),
			    "[1795296655] ERR_&lt;X&gt;");
	fini(&rig);
}

static void heads_have_squids_order(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	rig.facts.error_number = 111;
	error_page_head(&rig.pages, rig.pages.builtin[ERROR_ACCESS_DENIED], &rig.facts, 42,
			&rig.out);
	buf_add_char(&rig.out, '\0');
	assert_string_equal(rig.out.at, "Server: squid/5.7\r\n"
					"Mime-Version: 1.0\r\n"
					"Date: Sat, 21 Nov 2026 21:30:55 GMT\r\n"
					"Content-Type: text/html;charset=utf-8\r\n"
					"Content-Length: 42\r\n"
					"X-Squid-Error: ERR_ACCESS_DENIED 111\r\n"
					"Vary: Accept-Language\r\n"
					"Content-Language: en\r\n");
	buf_clear(&rig.out);
	error_pages_load(&rig.pages, STR("/ok/errors"), rig.lines.report);
	error_page_head(&rig.pages, rig.pages.builtin[ERROR_ACCESS_DENIED], &rig.facts, 42,
			&rig.out);
	buf_add_char(&rig.out, '\0');
	assert_null(strstr(rig.out.at, "Vary"));
	fini(&rig);
}

static void the_administrators_pages_replace_ours(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	error_pages_load(&rig.pages, STR("/missing"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_NOTE, "ours are shown"));
	render(&rig, ERROR_ACCESS_DENIED, ERROR_GERMAN);
	assert_true(str_starts_with(buf_str(&rig.out), STR("<!DOCTYPE html>")));
	config_lines_forget(&rig.lines);
	error_pages_load(&rig.pages, STR("/ok/errors"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	buf_clear(&rig.out);
	render(&rig, ERROR_ACCESS_DENIED, ERROR_GERMAN);
	assert_true(str_eq(buf_str(&rig.out),
			   STR("<p>file /ok/errors/ERR_ACCESS_DENIED: ERR_ACCESS_DENIED %</p>\n")));
	fini(&rig);
}

static void other_pages_are_found_by_name_or_path(void **state)
{
	const struct error_template *page;
	struct rig rig;

	(void)state;
	init(&rig);
	assert_ptr_equal(error_pages_find(&rig.pages, STR("ERR_TOO_BIG"), rig.lines.report),
			 rig.pages.builtin[ERROR_TOO_BIG]);
	assert_null(error_pages_find(&rig.pages, STR("ERR_MINE"), rig.lines.report));
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR, "ERR_MINE"));
	page = error_pages_find(&rig.pages, STR("/ok/mine.html"), rig.lines.report);
	assert_non_null(page);
	assert_ptr_equal(error_pages_find(&rig.pages, STR("/ok/mine.html"), rig.lines.report),
			 page);
	assert_null(error_pages_find(&rig.pages, STR("/missing"), rig.lines.report));
	error_pages_load(&rig.pages, STR("/ok/errors"), rig.lines.report);
	assert_non_null(error_pages_find(&rig.pages, STR("ERR_MINE"), rig.lines.report));
	fini(&rig);
}

static void the_stylesheet_goes_into_the_page(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	error_pages_load_stylesheet(&rig.pages, STR("/ok/style.css"), rig.lines.report);
	assert_string_equal(expand(&rig, "[%l]"), "[<p>file /ok/style.css: %c %%</p>\n]");
	error_pages_load_stylesheet(&rig.pages, STR("/none.css"), rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_NOTE, "/none.css"));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_have_squids_status),
		cmocka_unit_test(every_page_is_small_html_and_echoes_nothing_raw),
		cmocka_unit_test(languages_say_the_same),
		cmocka_unit_test(a_page_is_in_the_language_that_is_asked_for),
		cmocka_unit_test(codes_expand_as_in_squid),
		cmocka_unit_test(logformat_codes_can_stand_in_pages),
		cmocka_unit_test(heads_have_squids_order),
		cmocka_unit_test(the_administrators_pages_replace_ours),
		cmocka_unit_test(other_pages_are_found_by_name_or_path),
		cmocka_unit_test(the_stylesheet_goes_into_the_page),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
