/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include "lib/base/check.h"
#include "squid-compat/ports_url.h"

enum { MAX_URL = 4096 };

static const char no_site[] = "(no site)";
static const char bad_scheme[] = "(bad scheme)";

struct rig {
	struct config_lines lines;
	struct buf out;
	struct port_url url;
	const struct port_url_rules *rules;
};

/* What becomes of a request on the port of that line: the URL, or one of the above. */
static const char *rebuild(struct rig *rig, const char *port_line, const char *target,
			   const char *host, const char *local)
{
	struct port_request request;
	struct ports ports;
	struct addr addr;

	ports_init(&ports, &rig->lines.arena, &test_world);
	ports_parse(&ports, config_line(&rig->lines, port_line), rig->lines.report);
	if (!ports.first)
		fail_msg("%s: %s", port_line, config_lines_first(&rig->lines));
	assert_true(addr_parse(str_of(local), 8000, &addr));
	request = (struct port_request){ports.first, str_of(target), str_of(host), &addr, rig->rules};
	switch (port_request_url(&request, &rig->out, &rig->url)) {
	case PORT_URL_OK:
		buf_add_char(&rig->out, '\0');
		return rig->out.at;
	case PORT_URL_NO_SITE:
		return no_site;
	case PORT_URL_BAD_SCHEME:
		return bad_scheme;
	}
	return "(?)";
}

/* The URL by mode of the port, target and Host. */
static void urls_are_rebuilt_as_the_port_says(void **state)
{
	static const struct {
		const char *port, *target, *host, *url;
		const char *local; /* NULL: 192.0.2.9 */
	} cases[] = {
		/* absolute-form on a vhost port: as it is, scheme kept, Host ignored */
		{"http_port 80 accel", "http://a/x", "b", "http://a/x", NULL},
		{"http_port 80 accel", "https://a/x", NULL, "https://a/x", NULL},
		{"http_port 80 accel vport=81 defaultsite=d", "http://a:90/x", "b",
		 "http://a:90/x", NULL},
		{"http_port 80 accel", "HTTP://A.Example:80", NULL, "http://a.example/", NULL},
		{"http_port 80 accel", "http://a?q", NULL, "http://a/?q", NULL},
		{"http_port 80 accel", "http://[2001:DB8::1]:81/", NULL,
		 "http://[2001:db8::1]:81/", NULL},
		/* ... without vhost: stripped, then as origin-form */
		{"http_port 80 accel no-vhost defaultsite=d", "http://h/x?y", "b", "http://d/x?y",
		 NULL},
		{"http_port 80 accel no-vhost defaultsite=d", "http://h?x", "b", "http://d/?x",
		 NULL},
		{"http_port 80 accel no-vhost", "http://h/x", "b", no_site, NULL},
		/* origin-form with a usable Host */
		{"http_port 80 accel", "/p?q", "w.example", "http://w.example/p?q", NULL},
		{"http_port 80 accel", "/p", "W.Example:8080", "http://w.example:8080/p", NULL},
		{"http_port 80 accel", "/p", "w.example:80", "http://w.example/p", NULL},
		{"http_port 80 accel protocol=http", "/p", "w:443", "http://w:443/p", NULL},
		{"https_port 443 accel cert=/ok/c", "/p", "w:443", "https://w/p", NULL},
		{"https_port 443 accel cert=/ok/c", "/p", "w:80", "https://w:80/p", NULL},
		{"http_port 80 accel vport=81", "/p", "w:90", "http://w:81/p", NULL},
		{"http_port 80 accel vport=80", "/p", "w:90", "http://w/p", NULL},
		{"http_port 80 accel vport", "/p", "w:90", "http://w:8000/p", NULL},
		{"http_port 80 accel defaultsite=d", "/p", "w", "http://w/p", NULL},
		{"http_port 80 accel no-vhost defaultsite=d", "/p", "w", "http://d/p", NULL},
		{"http_port 80 accel no-vhost vport=81", "/p", "w", "http://192.0.2.9:81/p", NULL},
		/* no usable Host */
		{"http_port 80 accel", "/p", NULL, no_site, NULL},
		{"http_port 80 accel", "/p", "", no_site, NULL},
		{"http_port 80 accel defaultsite=D.example", "/p", NULL, "http://d.example/p",
		 NULL},
		{"http_port 80 accel defaultsite=d", "/p", "", "http://d/p", NULL},
		{"http_port 80 accel defaultsite=d", "/p", "a!b", "http://d/p", NULL},
		{"http_port 80 accel defaultsite=d:81", "/p", NULL, "http://d:81/p", NULL},
		{"http_port 80 accel defaultsite=d:81 vport=82", "/p", NULL, "http://d:82/p", NULL},
		{"http_port 80 accel defaultsite=d vport", "/p", NULL, "http://d:8000/p", NULL},
		{"http_port 80 accel vport=81", "/p", NULL, "http://192.0.2.9:81/p", NULL},
		{"http_port 80 accel vport", "/p", NULL, "http://192.0.2.9:8000/p", NULL},
		{"http_port 80 accel vport=81", "/p", NULL, "http://[::1]:81/p", "::1"},
		{"http_port 80 accel vport=77", "/p", "", "http://192.0.2.9:77/p", NULL},
		{"http_port known.example:80 accel", "/p", NULL, "http://known.example/p", NULL},
		/* neither form */
		{"http_port 80 accel defaultsite=d", "foo", "w", no_site, NULL},
		{"http_port 80 accel defaultsite=d", "*", "w", no_site, NULL},
		{"http_port 80 accel defaultsite=d", "a:80", "w", no_site, NULL},
		{"http_port 80 accel", "", "w", no_site, NULL},
		{"http_port 80 accel", "//evil/path", "w", "http://w//evil/path", NULL},
		/* hostile sites */
		{"http_port 80 accel", "http://u:p@a/", NULL, no_site, NULL},
		{"http_port 80 accel", "http://u@a/", NULL, no_site, NULL},
		{"http_port 80 accel", "ftp://a/", NULL, bad_scheme, NULL},
		{"http_port 80 accel", "http:///x", NULL, no_site, NULL},
		{"http_port 80 accel", "http://a:/x", NULL, "http://a/x", NULL},
		{"http_port 80 accel", "/p", "a:99999", no_site, NULL},
		{"http_port 80 accel", "/p", "a:0", no_site, NULL},
		{"http_port 80 accel", "/p", "[::1", no_site, NULL},
		{"http_port 80 accel", "/p", "[::1]x", no_site, NULL},
		{"http_port 80 accel", "/p", "[1.2.3.4]", no_site, NULL},
		{"http_port 80 accel", "/p", "A.", "http://a/p", NULL},
		{"http_port 80 accel", "/p", "a..", no_site, NULL},
		{"http_port 80 accel", "/p", ".a", no_site, NULL},
		{"http_port 80 accel", "/p", ".", no_site, NULL},
		{"http_port 80 accel", "/p", "a b", no_site, NULL},
		/* a port that is no accelerator serves absolute URLs only */
		{"http_port 3128", "http://a/x", NULL, "http://a/x", NULL},
		{"http_port 3128", "/x", "a", no_site, NULL},
	};
	struct rig rig = {0};

	(void)state;
	config_lines_init(&rig.lines);
	buf_init(&rig.out, MAX_URL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *url = rebuild(&rig, cases[i].port, cases[i].target, cases[i].host,
					  cases[i].local ? cases[i].local : "192.0.2.9");

		if (strcmp(url, cases[i].url) != 0)
			fail_msg("%s, %s, Host %s: %s instead of %s", cases[i].port,
				 cases[i].target, cases[i].host ? cases[i].host : "-", url,
				 cases[i].url);
	}
	buf_fini(&rig.out);
	config_lines_fini(&rig.lines);
}

static void assert_span(const struct rig *rig, struct http_span span, const char *text)
{
	assert_int_equal(span.len, strlen(text));
	assert_memory_equal(rig->out.at + span.at, text, span.len);
}

static void spans_name_the_parts(void **state)
{
	struct rig rig = {0};

	(void)state;
	config_lines_init(&rig.lines);
	buf_init(&rig.out, MAX_URL);
	rebuild(&rig, "http_port 80 accel", "/p?q", "W:81", "192.0.2.9");
	assert_span(&rig, rig.url.scheme, "http");
	assert_span(&rig, rig.url.authority, "w:81");
	assert_span(&rig, rig.url.host, "w");
	assert_span(&rig, rig.url.path, "/p?q");
	assert_int_equal(rig.url.port, 81);
	rebuild(&rig, "https_port 443 accel cert=/ok/c", "/", "[::A]", "192.0.2.9");
	assert_span(&rig, rig.url.scheme, "https");
	assert_span(&rig, rig.url.authority, "[::a]");
	assert_span(&rig, rig.url.host, "::a");
	assert_int_equal(rig.url.port, 443);
	assert_true(rig.url.is_https);
	buf_fini(&rig.out);
	config_lines_fini(&rig.lines);
}

static void a_url_longer_than_the_buffer_has_no_site(void **state)
{
	struct rig rig = {0};

	(void)state;
	config_lines_init(&rig.lines);
	buf_init(&rig.out, 24);
	assert_string_equal(rebuild(&rig, "http_port 80 accel", "/0123456789", "site", "::1"),
			    no_site);
	assert_int_equal(rig.out.len, 0);
	buf_fini(&rig.out);
	config_lines_fini(&rig.lines);
}

static void a_rewriters_url_is_normalised_alike(void **state)
{
	static const struct {
		const char *text;
		enum port_url_verdict verdict;
		const char *url;
	} cases[] = {
		{"http://New.Example/p", PORT_URL_OK, "http://new.example/p"},
		{"HTTPS://n:443", PORT_URL_OK, "https://n/"},
		{"/rel", PORT_URL_NO_SITE, ""},
		{"garbage", PORT_URL_NO_SITE, ""},
		{"", PORT_URL_NO_SITE, ""},
		{"ftp://n/", PORT_URL_BAD_SCHEME, ""},
		{"://n/", PORT_URL_NO_SITE, ""},
	};
	struct port_url url;
	struct buf out;

	(void)state;
	buf_init(&out, MAX_URL);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (port_url_absolute(str_of(cases[i].text), NULL, &out, &url) != cases[i].verdict ||
		    !str_eq(buf_str(&out), str_of(cases[i].url)))
			fail_msg("%s: %.*s", cases[i].text, STR_ARG(buf_str(&out)));
	buf_fini(&out);
}

/* Squid: append_domain; check_hostnames with allow_underscore off. */
static void names_without_a_dot_are_completed(void **state)
{
	static const struct port_url_rules domain = {.append_domain = STR(".corp.example")};
	static const struct port_url_rules strict = {.refuses_underscore = true};
	static const struct {
		const struct port_url_rules *rules;
		const char *target, *host, *url;
	} cases[] = {
		{&domain, "/p", "www", "http://www.corp.example/p"},
		{&domain, "/p", "www:81", "http://www.corp.example:81/p"},
		{&domain, "http://www/p", "x", "http://www.corp.example/p"},
		{&domain, "/p", "www.example", "http://www.example/p"},
		{&domain, "/p", "192.0.2.1", "http://192.0.2.1/p"},
		{&domain, "/p", "[::1]", "http://[::1]/p"},
		{&domain, "/p", "my_app", "http://my_app.corp.example/p"},
		{&strict, "/p", "my_app", no_site},
		{&strict, "http://my_app.example/p", "x", no_site},
		{&strict, "/p_q", "www", "http://www/p_q"},
	};
	struct rig rig = {0};

	(void)state;
	config_lines_init(&rig.lines);
	buf_init(&rig.out, MAX_URL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *url;

		rig.rules = cases[i].rules;
		url = rebuild(&rig, "http_port 80 accel vhost", cases[i].target, cases[i].host,
			      "192.0.2.7");
		if (strcmp(url, cases[i].url) != 0)
			fail_msg("%s, %s: %s", cases[i].target, cases[i].host, url);
		if (strcmp(url, no_site) == 0)
			continue;
		assert_true(str_eq(str_first(str_from(buf_str(&rig.out), rig.url.host.at),
					     rig.url.host.len),
				   str_first(str_from(str_of(cases[i].url), rig.url.host.at),
					     rig.url.host.len)));
		assert_int_equal(rig.out.at[rig.url.path.at], '/');
	}
	buf_fini(&rig.out);
	config_lines_fini(&rig.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_rebuilt_as_the_port_says),
		cmocka_unit_test(spans_name_the_parts),
		cmocka_unit_test(a_url_longer_than_the_buffer_has_no_site),
		cmocka_unit_test(a_rewriters_url_is_normalised_alike),
		cmocka_unit_test(names_without_a_dot_are_completed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
