/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines that filters and screens pass over are lines that would not have matched. */
#include <stdio.h>

#include "tests/unit/squid-compat/acl_fixture.h"

enum { NLISTS = 2000, NRULES = 6, NREQUESTS = 12 };

static const char *const values[] = {
	"src 192.0.2.0/24 10.0.0.0/8",
	"src 192.0.2.77",
	"src 10.63.255.255-10.65.0.1",
	"src 2001:db8::/32",
	"src 2001:db8:1:ffff::-2001:db8:3::1",
	"src ::/64",
	"src ffff:ffff:ffff::/48 0.0.0.0",
	"src ipv6",
	"dstdomain .example.com",
	"dstdomain www.example.org .example.net",
	"dstdomain a.b.c.example.com com",
	"dstdomain -n .EXAMPLE.org 192.0.2.80",
	"method GET HEAD",
	"method post",
	"method PURGE",
	"port 80 443",
	"port 1-1023",
	"port 8000-8001 65535",
	"urlpath_regex ^/images/",
	"urlpath_regex -i ^/IMAGES/a",
	"urlpath_regex [.]php cgi-bin",
	"url_regex -i [.]ASP(x)?$",
	"url_regex example[.](com|org)",
	"url_regex ^http",
};

static const char *const clients[] = {
	"192.0.2.1",    "192.0.2.77", "10.64.3.2",         "203.0.113.9",     "2001:db8::1",
	"2001:db8:2::", "::1",        "ffff:ffff:ffff::5", "::ffff:10.1.1.1", "0.0.0.0",
};
static const char *const hosts[] = {
	"example.com", "www.example.org", "a.b.c.example.com", "com", "x.example.net", "192.0.2.80",
	"a..b",        "b.c.example.com",
};
static const char *const methods[] = {"GET", "get", "POST", "PURGE", "BREW"};
static const char *const paths[] = {"/", "/images/a.png", "/Images/A", "/x.php?y",
                                    "/cgi-bin/x.aspx"};
static const uint16_t ports[] = {80, 443, 8001, 65535, 1024};

#define ANY_OF(list) (list)[draw(COUNT(list))]

/* The same draws in each run. */
static unsigned draw(size_t below)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005 + 1442695040888963407;
	return (unsigned)((state >> 33) % below);
}

static void draw_request(struct fixture *fixture, char *url, size_t room)
{
	const char *host = ANY_OF(hosts), *path = ANY_OF(paths);
	uint16_t port = ANY_OF(ports);

	fixture_request(fixture);
	fixture_address(&fixture->client, ANY_OF(clients), 1);
	fixture->facts.method = str_of(ANY_OF(methods));
	snprintf(url, room, "http://%s:%u%s", host, port, path);
	acl_facts_set_url(&fixture->facts, str_of(url), STR("http"), str_of(host), port,
	                  str_of(path));
	fixture->facts.host_name.is_known = true; /* what a filter spares is not asked for */
}

static void draw_rules(struct fixture *fixture)
{
	char line[200];

	for (size_t i = 0; i < COUNT(values); i++) {
		snprintf(line, sizeof(line), "acl a%zu %s", i, values[i]);
		fixture_line(fixture, line);
	}
	for (int i = 0; i < NRULES; i++) {
		int len =
			snprintf(line, sizeof(line), "http_access %s", draw(2) ? "allow" : "deny");

		for (unsigned n = 1 + draw(3); n > 0; n--)
			len += snprintf(line + len, sizeof(line) - (size_t)len, " %sa%u",
			                draw(4) ? "" : "!", draw(COUNT(values)));
		fixture_line(fixture, line);
	}
	acl_set_seal(fixture->set, fixture->lines.report);
}

static void tell_nobody(void *user, const char *line, bool matches, const char *last_acl)
{
	(void)user;
	(void)line;
	(void)matches;
	(void)last_acl;
}

/* access_list_explain looks at each line. */
static void filters_change_no_verdict(void **state)
{
	unsigned nallowed = 0;

	(void)state;
	for (int i = 0; i < NLISTS; i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		draw_rules(&fixture);
		for (int j = 0; j < NREQUESTS; j++) {
			struct acl_result result;
			enum acl_verdict verdict;
			char url[100];

			draw_request(&fixture, url, sizeof(url));
			verdict = access_list_explain(fixture.list, ACL_DENY, &fixture.facts,
			                              &result, tell_nobody, NULL);
			assert_int_equal(fixture_check(&fixture), verdict);
			assert_ptr_equal(fixture.result.line, result.line);
			assert_string_equal(fixture.result.last_acl, result.last_acl);
			nallowed += verdict == ACL_ALLOW;
		}
		fixture_fini(&fixture);
	}
	assert_in_range(nallowed, NLISTS, NLISTS * (NREQUESTS - 1)); /* some of both */
}

/* What is denied by several patterns is what one of them alone denies. */
static void screens_let_all_matches_through(void **state)
{
	static const char *const patterns[] = {
		"url_regex [.](php|asp)0$", "url_regex -i CGI-BIN x0", "urlpath_regex ^/a+0",
		"urlpath_regex (a)(b)\\2",  "urlpath_regex -i [?]q=",  "url_regex ^http://bad/",
	};
	static const struct {
		const char *url;
		bool is_denied;
	} cases[] = {
		{"http://h/x.php0", true},  {"http://h/x.php1", false}, {"http://h/cgi-bin/", true},
		{"http://h/x0", true},      {"http://h/aaa0", true},    {"http://h/xabb", true},
		{"http://h/xab", false},    {"http://h/?Q=1", true},    {"http://bad/", true},
		{"http://h/http:/", false}, {"http://h/%61%610", true},
	};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	for (size_t i = 0; i < COUNT(patterns); i++) {
		char line[100];

		snprintf(line, sizeof(line), "acl a%zu %s", i, patterns[i]);
		fixture_line(&fixture, line);
		snprintf(line, sizeof(line), "http_access deny a%zu", i);
		fixture_line(&fixture, line);
	}
	fixture_lines(&fixture, "http_access allow all");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str url = str_of(cases[i].url), host = STR("h");

		acl_facts_set_url(&fixture.facts, url, STR("http"), host, 80,
		                  str_from(url, str_find_char(str_from(url, 7), '/') + 7));
		if (fixture_check(&fixture) != (cases[i].is_denied ? ACL_DENY : ACL_ALLOW))
			fail_msg("%s", cases[i].url);
	}
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_change_no_verdict),
		cmocka_unit_test(screens_let_all_matches_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
