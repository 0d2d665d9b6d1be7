/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/squid-compat/acl_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* What an ACL says about the request of the fixture. */
static void expect_match(const char *what, struct fixture *fixture, bool expected)
{
	bool matched = fixture_check(fixture) == ACL_ALLOW;

	if (matched != expected)
		fail_msg("%s: %s (%s)", what, matched ? "matched" : "did not match",
		         config_lines_first(&fixture->lines));
}

static void match_one(const char *definition, const char *file, void (*prepare)(struct fixture *),
                      bool expected)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture_file = file;
	fixture_line(&fixture, definition);
	fixture_lines(&fixture, "http_access allow x\n");
	if (prepare != NULL)
		prepare(&fixture);
	expect_match(definition, &fixture, expected);
	fixture_fini(&fixture);
}

static enum acl_external_state any_external(struct acl_facts *facts, const struct acl_external *acl)
{
	(void)facts, (void)acl;
	return ACL_EXTERNAL_MATCH;
}

static bool has_three_ips(struct acl_facts *facts, unsigned max, bool is_strict)
{
	(void)facts, (void)is_strict;
	return max < 3;
}

static const struct acl_hooks hooks = {
	.external = any_external,
	.has_too_many_ips = has_three_ips,
};

static struct log_note note = {{"key", 3}, {"a,b", 3}};


static void values_match_as_squid_matches_them(void **state)
{
	static const struct {
		const char *definition;
		bool matches;
	} cases[] = {
		{"acl x src 192.0.2.1", true},
		{"acl x src 192.0.2.2", false},
		{"acl x src 192.0.2.0/24", true},
		{"acl x src 192.0.2.0/255.255.255.0", true},
		{"acl x src 192.0.2.77/24", true},
		{"acl x src 10.0.0.1-192.0.2.1", true},
		{"acl x src 10.0.0.1-192.0.2.0", false},
		{"acl x src 192.0.0.0-192.0.1.0/23", false},
		{"acl x src 192.0.0.0-192.0.2.0/24", true},
		{"acl x src all", true},
		{"acl x src 0/0", true},
		{"acl x src 0.0.0.0/0.0.0.0", true},
		{"acl x src ::/0", true},
		{"acl x src ipv4", true},
		{"acl x src ipv6", false},
		{"acl x src ::ffff:192.0.2.0/120", true},
		{"acl x src 2001:db8::/32 192.0.2.1 10.0.0.0/8", true},
		{"acl x src known.example", false},
		{"acl x localip 198.51.100.1", true},
		{"acl x myip 198.51.100.0/24", true},
		{"acl x localport 80", true},
		{"acl x myport 1-79 81", false},
		{"acl x myportname 80", true},
		{"acl x myportname 8", false},
		{"acl x port 80", true},
		{"acl x port 0-65535", true},
		{"acl x port 443 1025-65535", false},
		{"acl x proto HTTP", true},
		{"acl x proto http", true},
		{"acl x proto HTTPS FTP", false},
		{"acl x method GET", true},
		{"acl x method post get", true},
		{"acl x method PURGE", false},
		{"acl x dstdomain www.example.com", true},
		{"acl x dstdomain WWW.Example.COM", true},
		{"acl x dstdomain example.com", false},
		{"acl x dstdomain .example.com", true},
		{"acl x dstdomain .www.example.com", true},
		{"acl x dstdomain .com", true},
		{"acl x dstdomain .xample.com", false},
		{"acl x dstdomain .ww.example.com", false},
		{"acl x dstdomain *.example.com", false},
		{"acl x dstdomain www.example.com:80", false},
		{"acl x dstdomain a.www.example.com", false},
		{"acl x dstdom_regex ^www\\.", true},
		{"acl x dstdom_regex ^WWW\\.", false},
		{"acl x dstdom_regex -i ^WWW\\.", true},
		{"acl x url_regex /a%20b", false},
		{"acl x url_regex /a\\sb", true},
		{"acl x url_regex /a\\ b", true},
		{"acl x url_regex ^http://www\\.example\\.com/", true},
		{"acl x url_regex x=1$", true},
		{"acl x urlpath_regex ^/a\\ b\\?x=1$", true},
		{"acl x urlpath_regex example", false},
		{"acl x urlpath_regex -i EXAMPLE +i X=1", false},
		{"acl x urlpath_regex -i nothing X=1", true},
		{"acl x urlpath_regex (?:x) x=1", true},
		{"acl x query_regex ^x=1$", true},
		{"acl x query_regex a", false},
		{"acl x query_size 2", true},
		{"acl x query_size 3", false},
		{"acl x req_header_count 8", true},
		{"acl x req_header_count 9", false},
		{"acl x req_head_size 100", true},
		{"acl x req_head_size 1000", false},
		{"acl x req_body_size 1", false},
		{"acl x browser ^curl/", true},
		{"acl x browser Mozilla", false},
		{"acl x referer_regex ref\\.example", true},
		{"acl x req_header Cookie a=1", true},
		{"acl x req_header cookie b=1", false},
		{"acl x req_header X-Forwarded-For ^10\\.0\\.0\\.1,\\ 10\\.0\\.0\\.2$", true},
		{"acl x req_header X-Own ^one,\\ two$", true},
		{"acl x req_header X-Own -i TWO", true},
		{"acl x req_header X-Absent .", false},
		{"acl x req_mime_type ^text/xml$", true},
		{"acl x rep_mime_type ^image/", true},
		{"acl x rep_header Server origin", true},
		{"acl x maxconn 2", true},
		{"acl x maxconn 3", false},
		{"acl x has request", true},
		{"acl x has response", true},
		{"acl x has ALE", true},
		{"acl x squid_error ERR_TOO_BIG ERR_ACCESS_DENIED", true},
		{"acl x squid_error ERR_TOO_BIG", false},
		{"acl x connections_encrypted", false},
		{"acl x transaction_initiator internal client", true},
		{"acl x transaction_initiator internal", false},
		{"acl x ident alice", false},
		{"acl x http_status 404", true},
		{"acl x http_status 400-499", true},
		{"acl x http_status 400-", true},
		{"acl x http_status 200 500-", false},
		{"acl x proxy_auth alice", false},
		{"acl x proxy_auth -i alice", true},
		{"acl x proxy_auth REQUIRED", true},
		{"acl x proxy_auth bob Alice", true},
		{"acl x proxy_auth_regex -i ^ali", true},
		{"acl x proxy_auth_regex ^ali", false},
		{"acl x peername backend", true},
		{"acl x peername_regex ^back", true},
		{"acl x hier_code FIRSTUP_PARENT", true},
		{"acl x hier_code HIER_NONE", false},
		{"acl x srcdomain .client.example", true},
		{"acl x srcdom_regex ^pc1\\.", true},
		{"acl x dst 203.0.113.0/24", true},
		{"acl x dst -n 203.0.113.0/24", false},
		{"acl x any-of localhost CONNECT all", true},
		{"acl x any-of localhost CONNECT", false},
		{"acl x any-of !localhost", true},
		{"acl x all-of all !localhost !CONNECT", true},
		{"acl x all-of all localhost", false},
		{"acl x random 1/4294967295", false},
		{"acl x random 4294967294/4294967295", true},
		{"acl x external type", true},
		{"acl x ext_user joe", true},
		{"acl x ext_user JOE", false},
		{"acl x ext_user -i JOE", true},
		{"acl x ext_user REQUIRED", true},
		{"acl x ext_user_regex ^j.e$", true},
		{"acl x tag T1", true},
		{"acl x tag t1 T", false},
		{"acl x note key", true},
		{"acl x note Key", false},
		{"acl x note key a,b", true},
		{"acl x note key a", false},
		{"acl x note -m key b c", true},
		{"acl x note -m=; key b", false},
		{"acl x note none", false},
		{"acl x annotate_transaction new=value", true},
		{"acl x max_user_ip 2", true},
		{"acl x max_user_ip -s 3", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct notes notes;
		struct fixture fixture;

		fixture_init(&fixture);
		assert_true(acl_set_add_external(fixture.set, STR("type"), false));
		fixture_line(&fixture, cases[i].definition);
		fixture_lines(&fixture, "http_access allow x\n");
		fixture_reply(&fixture, 404);
		fixture.facts.client_connections = 3;
		fixture.facts.error = STR("ERR_ACCESS_DENIED");
		fixture_address(&fixture.dst, "203.0.113.9", 80);
		fixture.facts.auth = ACL_AUTH_OK;
		fixture.facts.user = STR("Alice");
		fixture.facts.external_user = STR("joe");
		fixture.facts.external_tag = STR("T1");
		fixture.facts.hooks = &hooks;
		notes = (struct notes){.at = &note, .n = 1, .cap_ = 1};
		fixture.facts.notes = &notes;
		fixture.facts.peer_name = STR("backend");
		fixture.facts.hierarchy = STR("FIRSTUP_PARENT");
		fixture.facts.client_name = (struct acl_host_name){true, STR("pc1.client.example")};
		fixture.facts.has_dst_addrs = true;
		fixture.facts.dst_addrs = &fixture.dst;
		fixture.facts.ndst_addrs = 1;
		expect_match(cases[i].definition, &fixture, cases[i].matches);
		fixture_fini(&fixture);
	}
}

static void resolve_client(struct fixture *fixture)
{
	fixture_address(&fixture->client, "192.0.2.7", 1);
}

static void come_through_a_proxy(struct fixture *fixture)
{
	fixture_address(&fixture->indirect, "10.9.8.7", 0);
	fixture->facts.indirect = &fixture->indirect;
}

static void ask_for_an_address(struct fixture *fixture)
{
	acl_facts_set_url(&fixture->facts, STR("http://203.0.113.9/"), STR("http"),
	                  STR("203.0.113.9"), 80, STR("/"));
	fixture->facts.host_name = (struct acl_host_name){true, STR("host.example.net")};
}

static void ask_for_a_nameless_address(struct fixture *fixture)
{
	ask_for_an_address(fixture);
	fixture->facts.host_name = (struct acl_host_name){true, STR_NONE};
}

static void ask_for_odd_escapes(struct fixture *fixture)
{
	acl_facts_set_url(&fixture->facts, STR("http://h/%%41%00%4x%41%2"), STR("http"), STR("h"),
	                  80, STR("/%%41%00%4x%41%2"));
}

static void send_nothing(struct fixture *fixture)
{
	fixture->facts = (struct acl_facts){
		.arena = &fixture->arena,
		.client = &fixture->client,
	};
}

static void facts_are_read_as_squid_reads_them(void **state)
{
	static const struct {
		const char *definition;
		void (*prepare)(struct fixture *);
		bool matches;
	} cases[] = {
		{"acl x src known.example", resolve_client, true},
		{"acl x src 192.0.2.1", come_through_a_proxy, false},
		{"acl x src 10.0.0.0/8", come_through_a_proxy, true},
		{"acl x dst 203.0.113.9", ask_for_an_address, true},
		{"acl x dst -n 203.0.113.9", ask_for_an_address, true},
		{"acl x dstdomain 203.0.113.9", ask_for_an_address, true},
		{"acl x dstdomain .example.net", ask_for_an_address, true},
		{"acl x dstdomain -n .example.net", ask_for_an_address, false},
		{"acl x dstdomain none", ask_for_a_nameless_address, true},
		{"acl x dstdomain -n none", ask_for_a_nameless_address, false},
		{"acl x dstdom_regex ^host", ask_for_an_address, true},
		{"acl x dstdom_regex -n ^host", ask_for_an_address, false},
		{"acl x dstdom_regex ^203", ask_for_an_address, true},
		{"acl x url_regex ^http://h/%41%00%4xA%2$", ask_for_odd_escapes, true},
		{"acl x src 192.0.2.1", send_nothing, true},
		{"acl x url_regex .", send_nothing, false},
		{"acl x method GET", send_nothing, false},
		{"acl x dstdomain www.example.com", send_nothing, false},
		{"acl x http_status 0-65535", NULL, false},
		{"acl x rep_mime_type .", NULL, false},
		{"acl x localport 80", send_nothing, false},
		{"acl x myportname 80", send_nothing, false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		match_one(cases[i].definition, NULL, cases[i].prepare, cases[i].matches);
}

/* Squid: cf.data.pre, acl. */
static void files_hold_one_value_a_line(void **state)
{
	static const struct {
		const char *definition, *file;
		bool matches;
	} cases[] = {
		{"acl x src \"f\"", "10.0.0.1\n192.0.2.1\n", true},
		{"acl x src \"f\"", "  192.0.2.1 \r\n", true},
		{"acl x src \"f\"", "# 192.0.2.1\n", false},
		{"acl x src \"f\"", "192.0.2.1 # me", true},
		{"acl x src \"f\"", "\n\n\n", false},
		{"acl x src \"f\" 192.0.2.1", NULL, true},
		{"acl x src \"f\"", NULL, false},
		{"acl x browser \"f\"", "curl/7.88 Mozilla\n", false},
		{"acl x browser -i \"f\"", "nothing\nCURL\n", true},
		{"acl x urlpath_regex \"f\"", "^/a b\n", true},
		{"acl x browser \"f\"", "-i\nCURL\n", true},
		{"acl x urlpath_regex \"f\"", "x=1#y\n", false},
		{"acl x dstdomain \"f\"", ".a\n.example.com\n", true},
		{"acl x method \"f\" POST", "get", true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		match_one(cases[i].definition, cases[i].file, NULL, cases[i].matches);
}

/* Messages and their class; what is not fatal goes on. */
static void lines_are_answered_as_squid_answers_them(void **state)
{
	static const struct {
		const char *lines;
		enum report_class what;
		const char *said; /* NULL: nothing at all */
	} cases[] = {
		{"acl a src 10.0.0.1", REPORT_NOTE, NULL},
		{"acl a dstdomain -n www.a", REPORT_NOTE, NULL},
		{"acl a dstdomain -- -i", REPORT_NOTE, NULL},
		{"acl a foo bar", REPORT_FATAL, "Invalid ACL type 'foo'"},
		{"acl a SRC 10.0.0.1", REPORT_FATAL, "Invalid ACL type 'SRC'"},
		{"acl a dst_regex x", REPORT_FATAL, "Invalid ACL type 'dst_regex'"},
		{"acl a", REPORT_FATAL, "missing ACL type"},
		{"acl", REPORT_FATAL, "missing ACL name"},
		{"acl a src 10.0.0.1\nacl A method GET", REPORT_FATAL,
	         "ACL 'A' already exists with different type."},
		{"acl a src", REPORT_WARNING, "empty ACL: acl a src"},
		{"acl a browser", REPORT_WARNING, "empty ACL: acl a browser"},
		{"acl a proxy_auth", REPORT_WARNING, "empty ACL"},
		{"acl a src \"f\"", REPORT_ERROR, "Can not open file f for reading"},
		{"acl a dstdomain -i x", REPORT_FATAL,
	         "configuration error: unsupported ACL option: -i"},
		{"acl a method -n x", REPORT_FATAL, "unsupported ACL option: -n"},
		{"acl a url_regex +n x", REPORT_FATAL, "unsupported ACL option: +n"},
		{"acl manager proto cache_object", REPORT_WARNING,
	         "UPGRADE: ACL 'manager' is now a built-in ACL. Remove it from your config file."},
		{"acl a myip 10.0.0.1", REPORT_WARNING,
	         "UPGRADE: ACL 'myip' type has been renamed to 'localip'."},
		{"acl all src all", REPORT_WARNING, "(B) '::/0' is a subnetwork of (A) '::/0'"},
		{"acl a src 10.1.0.0/16 10.0.0.0/8", REPORT_WARNING,
		 "(B) '10.1.0.0/16' is a subnetwork of (A) '10.0.0.0/8'"},
		{"acl a src 10.0.0.1-10.0.0.9 10.0.0.7", REPORT_WARNING,
		 "(B) '10.0.0.7' is a subnetwork of (A) '10.0.0.1-10.0.0.9'"},
		{"acl localhost src 127.0.0.1", REPORT_WARNING, "ACL named 'localhost'"},
		{"acl a src 10.0.0.0/8 10.1.0.0/16", REPORT_WARNING, "is a subnetwork of"},
		{"acl a src 0/0", REPORT_ERROR, "'0/0' needs to be replaced by the term 'all'"},
		{"acl a src 0.0.0.0/0", REPORT_ERROR, "Using 'all' instead"},
		{"acl a src 10.0.0.1/8", REPORT_WARNING, "masks away part of the specified IP"},
		{"acl a src 10.0.0.0/255.0.0.0", REPORT_WARNING, "Netmasks are deprecated"},
		{"acl a src 10.0.0.0/255.0.255.0", REPORT_FATAL, "unknown netmask"},
		{"acl a src 10.0.0.0/33", REPORT_FATAL, "unknown netmask '33'"},
		{"acl a src 10.0.0.0/", REPORT_FATAL, "unknown netmask ''"},
		{"acl a src nowhere.invalid", REPORT_FATAL, "Bad host/IP: 'nowhere.invalid'"},
		{"acl a src 10.0.0.9-10.0.0.1", REPORT_FATAL, "Bad host/IP"},
		{"acl a src 10.0.0.9-", REPORT_FATAL, "Bad host/IP"},
		{"acl a src 10.0.0.9-::1", REPORT_FATAL, "Bad host/IP"},
		{"acl a port http", REPORT_FATAL, "'http' is no number"},
		{"acl a port 65536", REPORT_FATAL, "'65536' is no number"},
		{"acl a port 90-80", REPORT_FATAL, "'90-80' is no number"},
		{"acl a port 80-", REPORT_FATAL, "'80-' is no number"},
		{"acl a proto foo", REPORT_WARNING, "unknown protocol 'foo'"},
		{"acl a hier_code DIRECT", REPORT_FATAL, "No such hier_code 'DIRECT'"},
		{"acl a random 1.0", REPORT_FATAL, "Invalid ACL: acl a random 1.0"},
		{"acl a random 2", REPORT_FATAL, "Invalid ACL"},
		{"acl a random 0/3", REPORT_FATAL, "Invalid ACL"},
		{"acl a random 0.333", REPORT_NOTE, NULL},
		{"acl a random 3:5", REPORT_NOTE, NULL},
		{"acl a time 17:00-9:00", REPORT_FATAL, "Reversed time range"},
		{"acl a time 9:00", REPORT_FATAL, "Bad time range"},
		{"acl a time 9:00-24:01", REPORT_FATAL, "Bad time range"},
		{"acl a time X 9:00-24:00", REPORT_ERROR, "Bad Day 'X'"},
		{"acl a url_regex (?:x)", REPORT_ERROR,
	         "Skipping regular expression. Compile failed: '(?:x)'"},
		{"acl a url_regex .*foo", REPORT_WARNING, "unneeded wildcard prefix"},
		{"acl a url_regex ^.*foo", REPORT_WARNING, "using 'foo' instead"},
		{"acl a url_regex .*", REPORT_NOTE, NULL},
		{"acl a url_regex \\d+", REPORT_NOTE, "stands for that letter alone"},
		{"acl a dstdomain .b.c a.b.c", REPORT_WARNING, "'a.b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain a.b.c .b.c", REPORT_FATAL, "'a.b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain .b.c\nacl a dstdomain b.c", REPORT_WARNING,
	         "'b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain b.c\nacl a dstdomain .b.c", REPORT_FATAL,
	         "'b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain .x.b.c .b.c", REPORT_FATAL, "'.x.b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain .b.c .x.b.c", REPORT_WARNING,
	         "'.x.b.c' is a subdomain of '.b.c'"},
		{"acl a dstdomain .b.c .b.c b.d b.d ab.c", REPORT_NOTE, NULL},
		{"acl a req_header", REPORT_FATAL, "names no header field"},
		{"acl a req_header X y\nacl a req_header Z y", REPORT_FATAL, "about X already"},
		{"acl a req_header X", REPORT_WARNING, "empty ACL"},
		{"acl a any-of b", REPORT_FATAL, "ACL not found: b"},
		{"acl a any-of all\nacl a any-of a", REPORT_FATAL, "contains itself"},
		{"acl a any-of all\nacl b all-of a\nacl a any-of !b", REPORT_FATAL,
	         "contains itself"},
		{"acl a maxconn 5", REPORT_NOTE, NULL},
		{"acl a maxconn 5 6", REPORT_FATAL, "takes one number"},
		{"acl a maxconn 0", REPORT_FATAL, "takes one number"},
		{"acl a query_size 5000000000", REPORT_FATAL, "takes one number"},
		{"acl a req_body_size", REPORT_FATAL, ""},
		{"acl a has request\nacl a has ALE", REPORT_NOTE, NULL},
		{"acl a has request ALE", REPORT_FATAL, "multiple components not supported"},
		{"acl a has reply", REPORT_FATAL, "unsupported 'has' component: reply"},
		{"acl a squid_error ERR_TOO_BIG", REPORT_NOTE, NULL},
		{"acl a squid_error ERR_FOO", REPORT_FATAL, "Invalid squid error type: ERR_FOO"},
		{"acl a connections_encrypted", REPORT_NOTE, NULL},
		{"acl a transaction_initiator client", REPORT_NOTE, NULL},
		{"acl a transaction_initiator me", REPORT_FATAL, "unknown transaction initiator: me"},
		{"acl a arp 00:11:22:33:44:55", REPORT_FATAL, "can't be decided here"},
		{"acl a ident alice", REPORT_WARNING, "of what no accelerator does"},
		{"acl a external c", REPORT_FATAL, "no external_acl_type 'c' before this line"},
		{"acl a external", REPORT_FATAL, "Invalid ACL: acl a external"},
		{"acl a note", REPORT_FATAL, "Invalid ACL: acl a note"},
		{"acl a annotate_client key", REPORT_FATAL, "neither KEY=VALUE nor KEY+=VALUE"},
		{"acl a max_user_ip many", REPORT_FATAL, "Invalid ACL: acl a max_user_ip many"},
		{"acl a maxconn", REPORT_FATAL, "Invalid ACL: acl a maxconn"},
		{"acl a random", REPORT_FATAL, "Invalid ACL: acl a random"},
		{"acl a ssl_error", REPORT_WARNING, "empty ACL: acl a ssl_error"},
		{"acl a ssl_error X", REPORT_WARNING, "it never matches"},
		{"acl a server_cert_fingerprint AA", REPORT_WARNING, "it never matches"},
		{"http_access allow all", REPORT_NOTE, NULL},
		{"acl A src 10.0.0.1\nhttp_access allow a", REPORT_NOTE, NULL},
		{"http_access allow nobody", REPORT_FATAL, "ACL not found: nobody"},
		{"http_access deny ! all", REPORT_FATAL, "ACL not found: "},
		{"http_access Allow all", REPORT_ERROR,
	         "expecting 'allow' or 'deny', got 'Allow'."},
		{"http_access", REPORT_ERROR, "missing 'allow' or 'deny'"},
		{"http_access deny", REPORT_ERROR,
	         "aclParseAccessLine: Access line contains no ACL's, skipping"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		fixture_lines(&fixture, cases[i].lines);
		if (!config_lines_said(&fixture.lines, cases[i].what, cases[i].said))
			fail_msg("'%s': '%s'", cases[i].lines, config_lines_first(&fixture.lines));
		fixture_fini(&fixture);
	}
}

static void patterns_are_refused_where_quotes_are_strings(void **state)
{
	struct fixture fixture;
	struct words words;

	(void)state;
	fixture_init(&fixture);
	words = *config_line(&fixture.lines, "acl a url_regex x");
	words.quoted_values = true;
	acl_parse(fixture.set, &words, &fixture_world, fixture.lines.report);
	assert_true(
		config_lines_said(&fixture.lines, REPORT_FATAL, "Can not read regex expression"));
	fixture_fini(&fixture);
}

/* Lines of one name add up; a Wednesday in UTC. */
static void times_are_local_and_end_with_their_minute(void **state)
{
	static const struct {
		const char *definition;
		int hour, minute;
		bool matches;
	} cases[] = {
		{"acl x time 9:00-17:00", 9, 0, true},
		{"acl x time 9:00-17:00", 17, 0, true},
		{"acl x time 9:00-17:00", 17, 1, false},
		{"acl x time 9:00-17:00", 8, 59, false},
		{"acl x time W", 0, 0, true},
		{"acl x time D", 23, 59, true},
		{"acl x time SMTHFA", 12, 0, false},
		{"acl x time H", 12, 0, false},
		{"acl x time MTW 9:00-10:00 11:00-12:00", 11, 30, true},
		{"acl x time M 9:00-10:00 11:00-12:00", 9, 30, false},
		{"acl x time M 9:00-10:00 11:00-12:00", 11, 30, true},
		{"acl x time M 9:00-10:00 W", 3, 0, true},
		{"acl x time 20:00-24:00", 23, 59, true},
	};
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		fixture_line(&fixture, cases[i].definition);
		fixture_lines(&fixture, "http_access allow x\n");
		fixture.facts.now_s = 1700006400 + cases[i].hour * 3600 + cases[i].minute * 60 + 59;
		expect_match(cases[i].definition, &fixture, cases[i].matches);
		fixture_fini(&fixture);
	}
}

static void a_million_domains_and_addresses_load_in_seconds(void **state)
{
	enum { N = 1000000 };
	struct fixture fixture;
	struct buf domains, addresses;
	clock_t start;

	(void)state;
	buf_init(&domains, 64 << 20);
	buf_init(&addresses, 64 << 20);
	for (unsigned i = 0; i < N; i++)
		buf_printf(&domains, ".host%u.zone%u.example\n", i, i % 5000);
	for (unsigned i = 0; i < 100000; i++)
		buf_printf(&addresses, "%u.%u.%u.0/25\n", 1 + i * 7 % 200, i / 256 % 256, i % 256);
	buf_add_char(&domains, '\0');
	buf_add_char(&addresses, '\0');
	fixture_init(&fixture);
	start = clock();
	fixture_file = domains.at;
	fixture_line(&fixture, "acl x dstdomain \"f\"");
	fixture_file = addresses.at;
	fixture_line(&fixture, "acl y src \"f\"");
	fixture_lines(&fixture, "http_access allow x y\n");
	print_message("loaded in %.2f s\n", (double)(clock() - start) / CLOCKS_PER_SEC);
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	fixture.facts.host = STR("www.host777.zone777.example");
	fixture_address(&fixture.client, "8.0.1.1", 1);
	assert_int_equal(fixture_check(&fixture), ACL_ALLOW);
	fixture_address(&fixture.client, "8.0.1.200", 1);
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	fixture_fini(&fixture);
	buf_fini(&domains);
	buf_fini(&addresses);
}

/* Its cost may not grow with the square of its length, nor may its length hide its end. */
static void a_host_of_thousands_of_labels_still_matches_its_domain(void **state)
{
	static char host[64 * 1024];
	struct fixture fixture;

	(void)state;
	memset(host, '.', sizeof(host));
	for (size_t i = 0; i < sizeof(host); i += 2)
		host[i] = 'a';
	memcpy(host + sizeof(host) - 12, ".example.com", 12);
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl x dstdomain .example.com\nhttp_access allow x");
	fixture.facts.host = (struct str){host, sizeof(host)};
	expect_match("long host", &fixture, true);
	fixture_fini(&fixture);
}

static void names_of_methods_are_known_to_the_set(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_false(acl_set_names_method(fixture.set, STR("PURGE")));
	assert_false(acl_set_uses_auth(fixture.set));
	fixture_lines(&fixture, "acl p method purge\nacl u proxy_auth REQUIRED");
	assert_true(acl_set_names_method(fixture.set, STR("PURGE")));
	assert_true(acl_set_uses_auth(fixture.set));
	assert_true(acl_set_has(fixture.set, STR("connect")));
	assert_false(acl_set_has(fixture.set, STR("nobody")));
	fixture_fini(&fixture);
}

/* Groups in groups: bounded, and not slower than they are many. */
static void groups_nest_to_a_bound(void **state)
{
	struct fixture fixture;
	char line[64];

	(void)state;
	fixture_init(&fixture);
	fixture_line(&fixture, "acl g0 any-of CONNECT");
	for (int i = 1; i <= 70; i++) {
		snprintf(line, sizeof(line), "acl g%d any-of g%d g%d", i, i - 1, i - 1);
		fixture_line(&fixture, line);
	}
	assert_true(config_lines_said(&fixture.lines, REPORT_FATAL, "nested more than"));
	config_lines_forget(&fixture.lines);
	fixture_line(&fixture, "acl g1 any-of g0");
	assert_true(config_lines_said(&fixture.lines, REPORT_NOTE, NULL));
	fixture_line(&fixture, "acl g0 any-of localhost");
	assert_true(config_lines_said(&fixture.lines, REPORT_NOTE, NULL));
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_match_as_squid_matches_them),
		cmocka_unit_test(facts_are_read_as_squid_reads_them),
		cmocka_unit_test(files_hold_one_value_a_line),
		cmocka_unit_test(lines_are_answered_as_squid_answers_them),
		cmocka_unit_test(patterns_are_refused_where_quotes_are_strings),
		cmocka_unit_test(times_are_local_and_end_with_their_minute),
		cmocka_unit_test(a_million_domains_and_addresses_load_in_seconds),
		cmocka_unit_test(a_host_of_thousands_of_labels_still_matches_its_domain),
		cmocka_unit_test(names_of_methods_are_known_to_the_set),
		cmocka_unit_test(groups_nest_to_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
