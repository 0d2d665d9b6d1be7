/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/order_fixture.h"

#include <build-config.h>

#include "cache/object.h"
#include "lib/base/buf.h"
#include "proxy/fetch/fetch.h"
#include "squid-compat/log/log_facts.h"

#define ORIGIN "cache_peer 127.0.0.1 parent 1 0 no-query originserver name=app "
#define PROXY "cache_peer 127.0.0.1 parent 1 0 no-query name=app "
#define SOFTWARE "bobtail/" PACKAGE_VERSION
#define GET "GET /x HTTP/1.1\nHost: w.example\n"
#define TO_US "Authorization: Basic Y2xpZW50OnNpdGU=\n"
#define TO_PROXY "Proxy-Authorization: Basic Y2xpZW50OnByb3h5\n"
#define POST "POST /x HTTP/1.1\nHost: w.example\n"
#define CHUNKED "Transfer-Encoding: chunked\n"

struct rig {
	struct order_fixture base;
	struct buf head; /* as sent, without the CR; NUL-terminated */
};

static void init(struct rig *rig, const char *lines)
{
	order_fixture_init(&rig->base, lines);
	buf_init(&rig->head, 1 << 20);
}

static void fini(struct rig *rig)
{
	buf_fini(&rig->head);
	order_fixture_fini(&rig->base);
}

/* The head for the first peer; direct when there is none. */
static const char *head_for(struct rig *rig, const char *request)
{
	struct buf sent;

	buf_init(&sent, 1 << 20);
	order_fixture_request(&rig->base, request);
	fetch_write_head(&rig->base.order, fixture_config(&rig->base.base)->peers->first, &sent);
	buf_clear(&rig->head);
	for (size_t i = 0; i < sent.len; i++)
		if (sent.at[i] != '\r')
			buf_add_char(&rig->head, sent.at[i]);
		else
			assert_int_equal(sent.at[i + 1], '\n');
	buf_add_char(&rig->head, '\0');
	buf_fini(&sent);
	return rig->head.at;
}

/* Is that line (without its newline) in the head? */
static bool has_line(const char *head, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = head; (at = strstr(at, line)); at++)
		if ((at == head || at[-1] == '\n') && at[len] == '\n')
			return true;
	return false;
}

/* A row: these lines of squid.conf, this request: that line is sent, or the one that begins so is
 * not. */
struct row {
	const char *what, *lines, *request;
	const char *has;    /* a whole line; NULL: nothing is asked */
	const char *has_no; /* the beginning of a line */
};

static void check_row(const struct row *row)
{
	struct rig rig;
	const char *head;
	char begin[64];

	init(&rig, row->lines);
	head = head_for(&rig, row->request);
	if (row->has && !has_line(head, row->has))
		fail_msg("%s: no line '%s' in\n%s", row->what, row->has, head);
	snprintf(begin, sizeof(begin), "\n%s", row->has_no ? row->has_no : "no such line");
	if (strstr(head, begin))
		fail_msg("%s: a line '%s' in\n%s", row->what, row->has_no, head);
	fini(&rig);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i]);
}

/* What Squid 5.7 was seen to send, but for its name; Via and what follows it come behind the
 * client's fields. */
static void a_head_is_written_anew_as_squid_does(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "login=user:pa%20ss front-end-https=on\n");
	assert_string_equal(head_for(&rig, "GET /x0 HTTP/1.1\n"
	                                   "Cookie: a=b\n"
	                                   "User-Agent: UA\n"
	                                   "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\n"
	                                   "If-None-Match: \"x\"\n"
	                                   "Range: bytes=0-2\n"
	                                   "Connection: close, X-Foo\n"
	                                   "X-Foo: 1\n"
	                                   "TE: trailers\n"
	                                   "Upgrade: websocket\n"
	                                   "Keep-Alive: 300\n"
	                                   "Proxy-Connection: keep-alive\n"
	                                   "X-Forwarded-For: 9.9.9.9\n"
	                                   "Via: 1.0 foo\n"
	                                   "Authorization: Basic Y2xpZW50OnNpdGU=\n"
	                                   "Front-End-Https: Off\n"
	                                   "Host: w.example\n"),
	                    "GET /x0 HTTP/1.1\n"
	                    "Cookie: a=b\n"
	                    "User-Agent: UA\n"
	                    "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\n"
	                    "If-None-Match: \"x\"\n"
	                    "Range: bytes=0-2\n"
	                    "Host: w.example\n"
	                    "Via: 1.0 foo, 1.1 rig.example (" SOFTWARE ")\n"
	                    "Surrogate-Capability: rig.example=\"Surrogate/1.0\"\n"
	                    "X-Forwarded-For: 9.9.9.9, 192.0.2.1\n"
	                    "Authorization: Basic dXNlcjpwYSBzcw==\n"
	                    "Cache-Control: max-age=259200\n"
	                    "Connection: keep-alive\n"
	                    "Front-End-Https: On\n"
	                    "\n");
	fini(&rig);
}

static void the_target_suits_who_is_asked(void **state)
{
	static const struct {
		const char *lines, *request, *line;
	} cases[] = {
		{ORIGIN "\n", "GET /a?b=c HTTP/1.1\nHost: W.example:81\n", "GET /a?b=c HTTP/1.1\n"},
		{ORIGIN "\n", "GET http://w.example/a HTTP/1.1\nHost: w.example\n",
	         "GET /a HTTP/1.1\n"},
		{ORIGIN "\n", "GET /a HTTP/1.0\nHost: w.example\n", "GET /a HTTP/1.1\n"},
		{ORIGIN "\n", "M-SEARCH /a HTTP/1.1\nHost: w.example\n", "M-SEARCH /a HTTP/1.1\n"},
		{PROXY "\n", "GET /a?b=c HTTP/1.1\nHost: W.example:81\n",
	         "GET http://w.example:81/a?b=c HTTP/1.1\n"},
		{"", "GET /a HTTP/1.1\nHost: w.example\n", "GET /a HTTP/1.1\n"},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		init(&rig, cases[i].lines);
		if (strncmp(head_for(&rig, cases[i].request), cases[i].line,
		            strlen(cases[i].line)) != 0)
			fail_msg("%s gave %s", cases[i].request, rig.head.at);
		fini(&rig);
	}
}

static void forwarded_for_has_five_values(void **state)
{
	static const char *const request =
		GET "X-Forwarded-For: 9.9.9.9\nX-Forwarded-For: 8.8.8.8\n";
	static const struct row rows[] = {
		{"on", ORIGIN "\n", request, "X-Forwarded-For: 9.9.9.9, 8.8.8.8, 192.0.2.1",
	         "X-Forwarded-For: 8"},
		{"on, the first to say it", ORIGIN "\n", GET, "X-Forwarded-For: 192.0.2.1", NULL},
		{"off", ORIGIN "\nforwarded_for off\n", request,
	         "X-Forwarded-For: 9.9.9.9, 8.8.8.8, unknown", NULL},
		{"transparent", ORIGIN "\nforwarded_for transparent\n", request,
	         "X-Forwarded-For: 8.8.8.8", "X-Forwarded-For: 9.9.9.9,"},
		{"transparent adds none", ORIGIN "\nforwarded_for transparent\n", GET, NULL,
	         "X-Forwarded-For"},
		{"truncate", ORIGIN "\nforwarded_for truncate\n", request,
	         "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 9"},
		{"delete", ORIGIN "\nforwarded_for delete\n", request, NULL, "X-Forwarded-For"},
		{"delete, whatever else is said",
	         ORIGIN "\nforwarded_for delete\nrequest_header_access X-Forwarded-For deny all\n"
	                "request_header_replace X-Forwarded-For x\n",
	         GET, NULL, "X-Forwarded-For"},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void credentials_go_by_the_peers_login(void **state)
{
	static const char *const request = GET TO_US TO_PROXY;
	static const struct row rows[] = {
		{"none: not the client's", ORIGIN "\n", request, NULL, "Authorization"},
		{"none: not the proxy's", ORIGIN "\n", request, NULL, "Proxy-Authorization"},
		{"PASS", ORIGIN "login=PASS\n", request,
	         "Authorization: Basic Y2xpZW50OnNpdGU=", "Proxy-Authorization"},
		{"PASSTHRU", ORIGIN "login=PASSTHRU\n", request,
	         "Authorization: Basic Y2xpZW50OnNpdGU=", NULL},
		{"fixed", ORIGIN "login=a:b\n", request, "Authorization: Basic YTpi",
	         "Authorization: Basic Y2"},
		{"fixed, to a proxy", PROXY "login=a:b\n", GET, "Proxy-Authorization: Basic YTpi",
	         "Authorization"},
		{"one byte more", ORIGIN "login=ab:c\n", GET,
	         "Authorization: Basic YWI6Yw==", NULL},
		{"two bytes more", ORIGIN "login=ab:cd\n", GET,
	         "Authorization: Basic YWI6Y2Q=", NULL},
		{"nobody's name", ORIGIN "login=*:b\n", request, "Authorization: Basic LTpi",
	         "Authorization: Basic Y2"},
		{"a proxy keeps what is for the site", PROXY "\n", request,
	         "Authorization: Basic Y2xpZW50OnNpdGU=", "Proxy-Authorization"},
		{"direct, to the site", "", request,
	         "Authorization: Basic Y2xpZW50OnNpdGU=", "Proxy-Authorization"},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void the_users_name_goes_with_a_fixed_password(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "login=*:b\n");
	rig.base.order.user = STR("ann");
	assert_true(has_line(head_for(&rig, GET), "Authorization: Basic YW5uOmI="));
	fini(&rig);
}

static void host_names_the_site(void **state)
{
	static const struct row rows[] = {
		{"the URL's", ORIGIN "\n", "GET / HTTP/1.1\nHost: W.Example:8080\n",
	         "Host: w.example:8080", NULL},
		{"not the client's", ORIGIN "\n",
	         "GET http://a.example/ HTTP/1.1\nHost: b.example\n", "Host: a.example", "Host: b"},
		{"forceddomain", ORIGIN "forceddomain=in.example\n", GET, "Host: in.example",
	         "Host: w"},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void host_is_there_once_even_if_the_client_said_none(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "\n");
	head_for(&rig, "GET http://w.example/ HTTP/1.0\nCookie: a\n");
	assert_ptr_equal(strstr(rig.head.at, "\nHost: w.example\n"),
	                 strstr(rig.head.at, "Cookie: a") + strlen("Cookie: a"));
	fini(&rig);
}

/* url_rewrite_host_header off */
static void the_clients_host_may_stay_with_a_rewritten_url(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "\n");
	rig.base.order.client_host = STR("asked.example");
	assert_true(has_line(head_for(&rig, GET), "Host: asked.example"));
	fini(&rig);
	init(&rig, ORIGIN "forceddomain=in.example\n");
	rig.base.order.client_host = STR("asked.example");
	assert_true(has_line(head_for(&rig, GET), "Host: in.example"));
	fini(&rig);
}

static void cache_control_is_added_where_the_client_wants_nothing(void **state)
{
	static const struct row rows[] = {
		{"none", ORIGIN "\n", GET, "Cache-Control: max-age=259200", NULL},
		{"HEAD", ORIGIN "\n", "HEAD / HTTP/1.1\nHost: w.example\n",
	         "Cache-Control: max-age=259200", NULL},
		{"the rule's MAX", ORIGIN "\nrefresh_pattern /x 0 20% 10\n", GET,
	         "Cache-Control: max-age=600", NULL},
		{"max-age", ORIGIN "\n", GET "Cache-Control: max-age=5\n",
	         "Cache-Control: max-age=5", "Cache-Control: max-age=25"},
		{"no-cache", ORIGIN "\n", GET "Cache-Control: no-cache\n",
	         "Cache-Control: no-cache", "Cache-Control: max-age"},
		{"another wish stays too", ORIGIN "\n", GET "Cache-Control: no-transform\n",
	         "Cache-Control: no-transform", NULL},
		{"another wish", ORIGIN "\n", GET "Cache-Control: no-transform\n",
	         "Cache-Control: max-age=259200", NULL},
		{"of any method", ORIGIN "\n", POST "Content-Length: 0\n",
	         "Cache-Control: max-age=259200", NULL},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void what_is_between_two_hops_goes_no_further(void **state)
{
	static const struct row rows[] = {
		{"named", ORIGIN "\n", GET "Connection: X-Own\nX-Own: 1\n", NULL, "X-Own"},
		{"named in another case", ORIGIN "\n", GET "Connection: a, x-own\nX-Own: 1\n", NULL,
	         "X-Own"},
		{"not named", ORIGIN "\n", GET "Connection: close\nX-Own: 1\n", "X-Own: 1",
	         "Connection: close"},
		{"Cookie cannot be named away", ORIGIN "\n", GET "Connection: Cookie\nCookie: a\n",
	         "Cookie: a", NULL},
		{"Keep-Alive", ORIGIN "\n", GET "Keep-Alive: 5\n", NULL, "Keep-Alive"},
		{"TE", ORIGIN "\n", GET "TE: gzip\n", NULL, "TE"},
		{"Trailer", ORIGIN "\n", GET "Trailer: X\n", NULL, "Trailer"},
		{"Upgrade", ORIGIN "\n", GET "Upgrade: h2c\n", NULL, "Upgrade"},
		{"HTTP2-Settings", ORIGIN "\n", GET "HTTP2-Settings: AAMAAABk\n", NULL, "HTTP2"},
		{"Proxy", ORIGIN "\n", GET "Proxy: http://evil.example/\n", NULL, "Proxy"},
		{"Proxy-Connection", ORIGIN "\n", GET "Proxy-Connection: close\n", NULL, "Proxy"},
		{"Expect", ORIGIN "\n", POST "Content-Length: 5\nExpect: 100-continue\n", NULL,
	         "Expect"},
		{"Surrogate-Capability is ours", ORIGIN "\n", GET "Surrogate-Capability: x=\"y\"\n",
	         "Surrogate-Capability: rig.example=\"Surrogate/1.0\"", "Surrogate-Capability: x"},
		{"its name", ORIGIN "\nhttpd_accel_surrogate_id own\n", GET,
	         "Surrogate-Capability: own=\"Surrogate/1.0\"", NULL},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void the_body_is_framed_anew(void **state)
{
	static const struct row rows[] = {
		{"a length", ORIGIN "\n", POST "Content-Length: 0042\n", "Content-Length: 42",
	         "Content-Length: 00"},
		{"an empty body", ORIGIN "\n", POST "Content-Length: 0\n", "Content-Length: 0",
	         NULL},
		{"no body", ORIGIN "\n", GET, NULL, "Content-Length"},
		{"chunks", ORIGIN "\n", POST CHUNKED, "Transfer-Encoding: chunked",
	         "Content-Length"},
	};
	struct rig rig;

	(void)state;
	check_rows(rows, COUNT(rows));
	init(&rig, ORIGIN "\n");
	head_for(&rig, POST "Content-Length: 42\n");
	assert_null(strstr(strstr(rig.head.at, "Content-Length") + 1, "Content-Length"));
	fini(&rig);
}

static void options_count_hops_down(void **state)
{
	static const struct row rows[] = {
		{"OPTIONS", ORIGIN "\n", "OPTIONS / HTTP/1.1\nHost: w.example\nMax-Forwards: 5\n",
	         "Max-Forwards: 4", "Max-Forwards: 5"},
		{"GET", ORIGIN "\n", GET "Max-Forwards: 5\n", NULL, "Max-Forwards"},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void via_and_the_connection_follow_their_directives(void **state)
{
	static const struct row rows[] = {
		{"via off: as it came", ORIGIN "\nvia off\n", GET "Via: 1.0 foo\n", "Via: 1.0 foo",
	         "Via: 1.1"},
		{"via off: none of ours", ORIGIN "\nvia off\n", GET, NULL, "Via"},
		{"nobody before us", ORIGIN "\n", GET, "Via: 1.1 rig.example (" SOFTWARE ")", NULL},
		{"a client of HTTP/1.0", ORIGIN "\n", "GET /x HTTP/1.0\nHost: w.example\nVia: 1.1 a\n",
	         "Via: 1.1 a, 1.0 rig.example (" SOFTWARE ")", NULL},
		{"unique_hostname", ORIGIN "\nunique_hostname one\n", GET,
	         "Via: 1.1 one (" SOFTWARE ")", NULL},
		{"keep-alive", ORIGIN "\n", GET "Connection: close\n", "Connection: keep-alive",
	         NULL},
		{"close", ORIGIN "\nserver_persistent_connections off\n", GET, "Connection: close",
	         "Connection: keep-alive"},
		{"https only", ORIGIN "front-end-https=auto\n", GET, NULL, "Front-End-Https"},
		{"the client's", ORIGIN "\n", GET "Front-End-Https: x\n", "Front-End-Https: x",
	         NULL},
		{"ours", ORIGIN "front-end-https\n", GET "Front-End-Https: x\n",
	         "Front-End-Https: On", "Front-End-Https: x"},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void request_header_rules_have_the_last_word(void **state)
{
	static const struct row rows[] = {
		{"denied", ORIGIN "\nrequest_header_access Cookie deny all\n", GET "Cookie: a\n",
	         NULL, "Cookie"},
		{"another stays", ORIGIN "\nrequest_header_access Cookie deny all\n",
	         GET "X-Own: a\n", "X-Own: a", NULL},
		{"replaced",
	         ORIGIN "\nrequest_header_access User-Agent deny all\n"
	                "request_header_replace User-Agent Nobody/1.0\n",
	         GET "User-Agent: UA\n", "User-Agent: Nobody/1.0", "User-Agent: UA"},
		{"nothing to replace",
	         ORIGIN "\nrequest_header_access User-Agent deny all\n"
	                "request_header_replace User-Agent Nobody/1.0\n",
	         GET, NULL, "User-Agent"},
		{"by the ACL",
	         ORIGIN "\nacl other dstdomain other.example\n"
	                "request_header_access Cookie deny other\n",
	         GET "Cookie: a\n", "Cookie: a", NULL},
		{"Other", ORIGIN "\nrequest_header_access Other deny all\n", GET "X-Own: a\n", NULL,
	         "X-Own"},
		{"what we add: Via", ORIGIN "\nrequest_header_access Via deny all\n", GET, NULL,
	         "Via"},
		{"X-Forwarded-For", ORIGIN "\nrequest_header_access X-Forwarded-For deny all\n",
	         GET, NULL, "X-Forwarded-For"},
		{"Cache-Control", ORIGIN "\nrequest_header_access Cache-Control deny all\n", GET,
	         NULL, "Cache-Control"},
		{"Surrogate-Capability",
	         ORIGIN "\nrequest_header_access Surrogate-Capability deny all\n", GET, NULL,
	         "Surrogate-Capability"},
		{"the login", ORIGIN "login=a:b\nrequest_header_access Authorization deny all\n",
	         GET, NULL, "Authorization"},
		{"never the framing", ORIGIN "\nrequest_header_access All deny all\n",
	         POST "Content-Length: 7\n", "Content-Length: 7", NULL},
		{"nor Host", ORIGIN "\nrequest_header_access All deny all\n", GET,
	         "Host: w.example", NULL},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void request_header_add_comes_behind(void **state)
{
	struct log_facts facts = {0};
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "\nacl w dstdomain w.example\nacl v dstdomain v.example\n"
	                  "request_header_add X-Client \"from %>a\" w\n"
	                  "request_header_add X-Never \"1\" v\n");
	facts.client = &rig.base.exchange.client;
	rig.base.order.log_facts = &facts;
	head_for(&rig, GET);
	assert_true(has_line(rig.head.at, "X-Client: from 192.0.2.1"));
	assert_null(strstr(rig.head.at, "X-Never"));
	fini(&rig);
}

static void what_is_stored_is_asked_for_by_its_own_marks(void **state)
{
	static const char *const request =
		GET "If-None-Match: \"theirs\"\nIf-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT\n"
		    "If-Match: \"theirs\"\nIf-Unmodified-Since: Mon, 01 Jan 2024 00:00:00 GMT\n";
	struct object_head head = {
		.status = 200,
		.head = STR("HTTP/1.1 200 OK\r\nETag: \"ours\"\r\n"
	                    "Last-Modified: Tue, 02 Jan 2024 00:00:00 GMT\r\n"),
		.facts = {.modified_s = 1704153600, .flags = FACT_HAS_ETAG},
	};
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "\n");
	rig.base.order.stored = object_create_whole(&head, STR("body"));
	head_for(&rig, request);
	assert_true(has_line(rig.head.at, "If-None-Match: \"ours\""));
	assert_true(has_line(rig.head.at, "If-Modified-Since: Tue, 02 Jan 2024 00:00:00 GMT"));
	assert_null(strstr(rig.head.at, "theirs"));
	assert_null(strstr(rig.head.at, "Mon, 01 Jan"));
	object_unref(rig.base.order.stored);
	rig.base.order.stored = NULL;
	head_for(&rig, request);
	assert_true(has_line(rig.head.at, "If-None-Match: \"theirs\""));
	assert_null(strstr(rig.head.at, "ours"));
	fini(&rig);
}

static void a_range_is_passed_on_unless_the_whole_is_wanted(void **state)
{
	static const char *const request = GET "Range: bytes=0-1\nIf-Range: \"x\"\n";
	struct rig rig;

	(void)state;
	init(&rig, ORIGIN "\n");
	head_for(&rig, request);
	assert_true(has_line(rig.head.at, "Range: bytes=0-1"));
	assert_true(has_line(rig.head.at, "If-Range: \"x\""));
	rig.base.order.withholds_range = true;
	head_for(&rig, request);
	assert_null(strstr(rig.head.at, "Range"));
	fini(&rig);
}

/* cache_miss_revalidate off: a miss is fetched whole, so that it can be stored. */
static void validators_of_the_client_follow_cache_miss_revalidate(void **state)
{
	static const char *const off = ORIGIN "login=PASS\ncache_miss_revalidate off\n";
	const struct row rows[] = {
		{"off", off, GET "If-None-Match: \"x\"\n", NULL, "If-None-Match"},
		{"a range stays", off, GET "Range: bytes=0-1\n", "Range: bytes=0-1", NULL},
		{"not to be stored", off, GET TO_US "If-None-Match: \"x\"\n",
	         "If-None-Match: \"x\"", NULL},
		{"not a method that is", off, POST "Content-Length: 0\nIf-None-Match: \"x\"\n",
	         "If-None-Match: \"x\"", NULL},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_written_anew_as_squid_does),
		cmocka_unit_test(the_target_suits_who_is_asked),
		cmocka_unit_test(forwarded_for_has_five_values),
		cmocka_unit_test(credentials_go_by_the_peers_login),
		cmocka_unit_test(the_users_name_goes_with_a_fixed_password),
		cmocka_unit_test(host_names_the_site),
		cmocka_unit_test(host_is_there_once_even_if_the_client_said_none),
		cmocka_unit_test(the_clients_host_may_stay_with_a_rewritten_url),
		cmocka_unit_test(cache_control_is_added_where_the_client_wants_nothing),
		cmocka_unit_test(what_is_between_two_hops_goes_no_further),
		cmocka_unit_test(the_body_is_framed_anew),
		cmocka_unit_test(options_count_hops_down),
		cmocka_unit_test(via_and_the_connection_follow_their_directives),
		cmocka_unit_test(request_header_rules_have_the_last_word),
		cmocka_unit_test(request_header_add_comes_behind),
		cmocka_unit_test(what_is_stored_is_asked_for_by_its_own_marks),
		cmocka_unit_test(a_range_is_passed_on_unless_the_whole_is_wanted),
		cmocka_unit_test(validators_of_the_client_follow_cache_miss_revalidate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
