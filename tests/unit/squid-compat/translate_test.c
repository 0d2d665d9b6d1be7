/* SPDX-License-Identifier: BSD-2-Clause */
/* What Squid has dropped, and is honoured all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/rewrite_config.h"
#include "tests/support/config_files.h"

#define RULE "http_access allow all\n"

/* The snapshot of a text; *printed, which the caller frees, is all that was said. */
static struct config *read_text(const char *text, char **printed)
{
	struct config_file files[] = {{"squid.conf", text, 0}, {NULL, NULL, 0}};
	struct source source = {files, config_files_read, config_files_expand};
	struct config_options options = {
		.is_parse_only = true, .source = &source, .memory_bytes = 1 << 30};
	struct report *report = report_create();
	struct config *config = config_read("squid.conf", &options, report);

	*printed = config_files_printed(report);
	report_destroy(report);
	if (!config)
		fail_msg("%s", *printed);
	return config;
}

static void lines_are_taken_for_those_of_today(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{"useragent_log /tmp/ua", "it is taken for 'access_log /tmp/ua useragent'"},
		{"referer_log /tmp/r", "it is taken for 'access_log /tmp/r referrer'"},
		{"header_access X-A deny all", "taken for 'reply_header_access X-A deny all'"},
		{"storeurl_access deny all", "it is taken for 'store_id_access deny all'"},
		{"authenticate_program /bin/true -x",
		 "it is taken for 'auth_param basic program /bin/true -x'"},
		{"proxy_auth_realm of ours", "it is taken for 'auth_param basic realm of ours'"},
		{"sslproxy_flags DONT_VERIFY_PEER",
		 "it is taken for 'tls_outgoing_options flags=DONT_VERIFY_PEER'"},
		{"redirect_concurrency 7", "Directive 'redirect_concurrency' is obsolete."},
		{"emulate_httpd_log on", "logs that name no format are written as 'common'"},
		{"acl old proto cache_object", "is taken for the cache manager"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("http_port 8080 accel\n" RULE "%s\n", cases[i].line);
		char *printed;
		struct config *config = read_text(text, &printed);

		if (!strstr(printed, cases[i].said) || !strstr(printed, "(squid.conf line 3)"))
			fail_msg("%s: said %s", cases[i].line, printed);
		config_unref(config);
		mem_free(printed);
		mem_free(text);
	}
}

static void translated_lines_take_effect(void **state)
{
	char *printed;
	struct config *config = read_text("http_port 8080 accel\n" RULE
					  "useragent_log /tmp/ua\nreferer_log none\n"
					  "redirect_program /bin/cat\nredirect_children 3\n"
					  "redirect_concurrency 7\nstoreurl_rewrite_concurrency 9\n"
					  "authenticate_program /bin/true -x\n",
					  &printed);
	const struct access_log *log = config->logs->logs.first;

	(void)state;
	/* beside the default one, which no access_log line has replaced */
	assert_int_equal(config->logs->logs.n, 2);
	assert_true(str_eq(log->format->name, STR("useragent")));
	assert_int_equal(config->url_rewrite->children.max, 3);
	assert_int_equal(config->url_rewrite->children.concurrency, 7);
	assert_int_equal(config->store_id->children.concurrency, 9);
	assert_int_equal(config->auth->schemes[AUTH_BASIC].command.argc, 2);
	config_unref(config);
	mem_free(printed);
}

/* ---- Squid 2.5 and 2.6 */

static void httpd_accel_makes_accelerators_of_all_ports(void **state)
{
	static const struct {
		const char *lines;
		const char *site; /* NULL: none */
		bool has_vhost;
		int vport;      /* -1: the local one; 0: none */
		int peer_port;  /* 0: there is no peer */
	} cases[] = {
		{"httpd_accel_host a.example\n", "a.example", false, 0, 80},
		{"httpd_accel_host a.example\nhttpd_accel_port 8000\n", "a.example", false, 8000, 8000},
		{"httpd_accel_host a.example\nhttpd_accel_uses_host_header on\n", "a.example", true, 0,
		 80},
		{"httpd_accel_host virtual\nhttpd_accel_port 0\n", NULL, true, -1, 0},
		{"httpd_accel_host virtual\ncache_peer 127.0.0.1 parent 81 0\n", NULL, true, 0, 81},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("http_port 8080\nhttp_port 8081\n" RULE "%s", cases[i].lines);
		char *printed;
		struct config *config = read_text(text, &printed);
		const struct port *port = config->ports->first->next;
		const struct peer *peer = config->peers->first;

		if (!port->is_accel || port->has_vhost != cases[i].has_vhost ||
		    !str_eq(port->site_host, str_of(cases[i].site)) ||
		    port->has_vport != (cases[i].vport != 0) ||
		    port->vport != (cases[i].vport > 0 ? cases[i].vport : 0) ||
		    (peer ? peer->port : 0) != cases[i].peer_port)
			fail_msg("%s: %s", cases[i].lines, printed);
		config_unref(config);
		mem_free(printed);
		mem_free(text);
	}
}

static void port_options_of_2_6_imply_accel(void **state)
{
	static const struct {
		const char *line;
		bool has_vhost;
	} cases[] = {
		{"http_port 80 defaultsite=a.example", false},
		{"http_port 80 defaultsite=a.example vhost", true},
		{"http_port 80 vport", false},
		{"http_port 80 vhost vport=81", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("%s\n" RULE, cases[i].line), *printed;
		struct config *config = read_text(text, &printed);

		if (!config->ports->first->is_accel || !strstr(printed, "(squid.conf line 1)") ||
		    config->ports->first->has_vhost != cases[i].has_vhost)
			fail_msg("%s: %s", cases[i].line, printed);
		config_unref(config);
		mem_free(printed);
		mem_free(text);
	}
}

/* ---- cache_peer_domain */

static bool peer_gets(const struct config *config, const char *host)
{
	struct arena arena;
	struct addr client;
	struct http_request request = {0};
	struct acl_facts facts = {.arena = &arena, .client = &client, .request = &request};
	bool gets;

	arena_init(&arena, NULL, 0);
	assert_true(addr_parse(STR("192.0.2.1"), 1234, &client));
	acl_facts_set_url(&facts, STR("http://x/"), STR("http"), str_of(host), 80, STR("/"));
	gets = access_list_allows(config->peers->first->access, true, &facts);
	arena_fini(&arena);
	return gets;
}

/* Squid 3.4: the first domain that matches decides; if none does, the opposite of the last. */
static void peers_get_their_domains_alone(void **state)
{
	static const struct {
		const char *lines, *gets, *lacks; /* hosts apart by blanks */
	} cases[] = {
		{"cache_peer_domain p a.example .b.example\n", "a.example b.example x.b.example",
		 "x.a.example c.example"},
		{"cache_peer_domain p www.b.example .b.example\n", "www.b.example b.example", "c"},
		{"cache_peer_domain p !a.example\n", "b.example", "a.example"},
		{"cache_peer_domain p a.example\ncache_peer_domain P !.example\n", "a.example z",
		 "b.example"},
		{"cache_peer_domain p !a.b .b\n", "c.b", "a.b z"},
		{"cache_peer_domain p .b !a.b\n", "a.b c.b z", ""},
		{"cache_peer_access p deny c\ncache_peer_domain p .b\n", "a.b", "c.b z"},
		{"cache_peer_access p allow c\ncache_peer_access p deny all\n"
		 "cache_peer_domain p .b\n", "c.b", "a.b c.z"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("http_port 80 accel\n" RULE "acl c dstdomain c.b c.z\n"
					"cache_peer 127.0.0.1 parent 81 0 name=p\n%s",
					cases[i].lines);
		char *printed, *hosts;
		struct config *config = read_text(text, &printed);

		for (unsigned gets = 0; gets < 2; gets++) {
			hosts = mem_strdup(gets ? cases[i].gets : cases[i].lacks);
			for (char *host = strtok(hosts, " "); host; host = strtok(NULL, " "))
				if (peer_gets(config, host) != gets)
					fail_msg("%s: %s", cases[i].lines, host);
			mem_free(hosts);
		}
		if (!strstr(printed, "ERROR: Directive 'cache_peer_domain' is obsolete.") ||
		    !strstr(printed, "the peer gets the"))
			fail_msg("%s", printed);
		config_unref(config);
		mem_free(printed);
		mem_free(text);
	}
}

/* acl X proto cache_object, whatever X is called, is about the manager as it is asked today. */
static void the_scheme_of_old_is_the_cache_manager(void **state)
{
	char *printed;
	struct config *config = read_text("http_port 80 accel\nacl old proto cache_object\n"
					  "http_access deny old\n" RULE,
					  &printed);
	struct arena arena;
	struct addr client;
	struct http_request request = {0};
	struct acl_facts facts = {.arena = &arena, .client = &client, .request = &request};

	(void)state;
	arena_init(&arena, NULL, 0);
	assert_true(addr_parse(STR("192.0.2.1"), 1234, &client));
	acl_facts_set_url(&facts, STR("http://h/squid-internal-mgr/info"), STR("http"), STR("h"), 80,
			  STR("/squid-internal-mgr/info"));
	assert_false(access_list_allows(config->http_access, false, &facts));
	acl_facts_set_url(&facts, STR("http://h/info"), STR("http"), STR("h"), 80, STR("/info"));
	assert_true(access_list_allows(config->http_access, false, &facts));
	arena_fini(&arena);
	config_unref(config);
	mem_free(printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_taken_for_those_of_today),
		cmocka_unit_test(translated_lines_take_effect),
		cmocka_unit_test(httpd_accel_makes_accelerators_of_all_ports),
		cmocka_unit_test(port_options_of_2_6_imply_accel),
		cmocka_unit_test(peers_get_their_domains_alone),
		cmocka_unit_test(the_scheme_of_old_is_the_cache_manager),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
