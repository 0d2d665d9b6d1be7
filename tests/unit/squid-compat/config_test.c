/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/config.h"
#include "squid-compat/log/access_log.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/rewrite_config.h"
#include "tests/support/config_files.h"

#define PORT "http_port 8080 accel\n"
#define RULE "http_access allow all\n"

/* What came of a text. */
struct outcome {
	struct config *config; /* NULL: refused */
	int status;
	char *printed;
};

static struct outcome read_text(const char *text, bool is_parse_only)
{
	struct config_file files[] = {{"squid.conf", text, 0}, {NULL, NULL, 0}};
	struct source source = {files, config_files_read, config_files_expand};
	struct config_options options = {
		.is_parse_only = is_parse_only, .source = &source, .memory_bytes = 1 << 30};
	struct report *report = report_create();
	struct outcome outcome = {.config = config_read("squid.conf", &options, report)};

	outcome.status = report_exit_status(report, !is_parse_only);
	outcome.printed = config_files_printed(report);
	report_destroy(report);
	return outcome;
}

static void outcome_fini(struct outcome *outcome)
{
	config_unref(outcome->config);
	mem_free(outcome->printed);
}

/* The snapshot of a text that draws no message; the caller drops its reference. */
static struct config *read_good(const char *text)
{
	struct outcome outcome = read_text(text, false);

	if (!outcome.config || *outcome.printed)
		fail_msg("%s", outcome.printed);
	mem_free(outcome.printed);
	return outcome.config;
}

static void without_a_line_values_are_squids(void **state)
{
	struct config *config = read_good(PORT RULE);

	(void)state;
	assert_int_equal(config->cache_mem_bytes, 128 << 20); /* an eighth of the memory */
	assert_int_equal(config->maximum_object_size_bytes, 4 << 20);
	assert_int_equal(config->maximum_object_size_in_memory_bytes, 512 << 10);
	assert_int_equal(config->connect_timeout_ms, 60000);
	assert_int_equal(config->peer_connect_timeout_ms, 30000);
	assert_int_equal(config->read_timeout_ms, 900000);
	assert_int_equal(config->client_lifetime_ms, 86400000);
	assert_int_equal(config->request_header_max_bytes, 65536);
	assert_int_equal(config->request_body_max_bytes, 0);
	assert_int_equal(config->forward_max_tries, 25);
	assert_int_equal(config->quick_abort_percent, 95);
	assert_int_equal(config->logfile_rotate, 10);
	assert_int_equal(config->umask_bits, 027);
	assert_int_equal(config->debug_level, 1);
	assert_int_equal(config->forwarded_for, FORWARDED_FOR_ON);
	assert_int_equal(config->uri_whitespace, URI_WHITESPACE_DENY);
	assert_true(config->via && config->strip_query_terms && config->collapsed_forwarding);
	assert_true(config->cache_miss_revalidate && config->email_err_data);
	assert_false(config->log_mime_hdrs || config->offline_mode || config->retry_on_error);
	assert_string_equal(config->cache_mgr, "webmaster");
	assert_string_equal(config->pid_filename, "/run/squid.pid");
	assert_string_equal(config->cache_log, "/var/log/squid/cache.log");
	assert_true(config->nworkers >= 1 && config->nworkers <= 4);
	assert_non_null(config->visible_hostname);
	assert_string_equal(config->unique_hostname, config->visible_hostname);
	assert_string_equal(config->surrogate_id, config->visible_hostname);
	assert_null(config->coredump_dir);
	assert_null(config->miss_access);
	assert_int_equal(config->ports->n, 1);
	assert_int_equal(config->logs->logs.n, 1);
	assert_int_equal(config->url_rewrite->children.max, 20);
	assert_true(config->url_rewrite->rewrites_host);
	config_unref(config);
}

static void lines_reach_their_fields(void **state)
{
	struct config *config = read_good(
		PORT RULE
		"cache_mem 64 MB\nmaximum_object_size none\nrequest_body_max_size 1.5 MB\n"
		"quick_abort_min -1\nconnect_timeout 1.5 minutes\npconn_timeout 3 seconds\n"
		"forwarded_for truncate\nuri_whitespace encode\nvia off\numask 022\n"
		"debug_options 33,9 ALL,2\nworkers 3\nconnect_retries 0x2\n"
		"visible_hostname www.example\nhttpd_accel_surrogate_id edge\n"
		"unique_hostname one\npid_filename none\ncache_log stdio:/tmp/c.log\n"
		"err_html_text call  <b>us</b> # now\ncollapsed_forwarding off\n"
		"dns_nameservers 192.0.2.1 192.0.2.2\ndns_nameservers 192.0.2.3\n"
		"logfile_rotate 4\nshutdown_lifetime 0 seconds\n"
		"miss_access deny all\nclient_lifetime 2 hours\nmax_filedesc 4096\n"
		"url_rewrite_bypass on\nurl_rewrite_host_header off\n"
		"url_rewrite_children 5 startup=1 concurrency=10\n"
		"cache_dir ufs /tmp/cache 100 16 256\n"
		"cache_peer 192.0.2.9 parent 80 0 originserver name=wiki\n"
		"cache_peer_access wiki deny all\n");

	(void)state;
	assert_int_equal(config->cache_mem_bytes, 64 << 20);
	assert_int_equal(config->maximum_object_size_bytes, -1);
	assert_int_equal(config->request_body_max_bytes, 3 << 19);
	assert_int_equal(config->quick_abort_min_bytes, -1);
	assert_int_equal(config->connect_timeout_ms, 90000);
	assert_int_equal(config->server_idle_pconn_timeout_ms, 3000);
	assert_int_equal(config->forwarded_for, FORWARDED_FOR_TRUNCATE);
	assert_int_equal(config->uri_whitespace, URI_WHITESPACE_ENCODE);
	assert_false(config->via || config->collapsed_forwarding);
	assert_int_equal(config->umask_bits, 022);
	assert_int_equal(config->debug_level, 2);
	assert_int_equal(config->nworkers, 3);
	assert_int_equal(config->connect_retries, 2);
	assert_string_equal(config->visible_hostname, "www.example");
	assert_string_equal(config->surrogate_id, "edge");
	assert_string_equal(config->unique_hostname, "one");
	assert_null(config->pid_filename);
	assert_string_equal(config->cache_log, "/tmp/c.log");
	assert_string_equal(config->err_html_text, "call  <b>us</b> # now");
	assert_int_equal(config->dns_nameservers.n, 3);
	assert_string_equal(config->dns_nameservers.at[2], "192.0.2.3");
	assert_int_equal(config->logfile_rotate, 4);
	assert_int_equal(config->shutdown_lifetime_ms, 0);
	assert_int_equal(config->max_filedescriptors, 4096);
	assert_non_null(config->miss_access);
	assert_true(config->url_rewrite->is_bypass_on);
	assert_false(config->url_rewrite->rewrites_host);
	assert_int_equal(config->url_rewrite->children.max, 5);
	assert_int_equal(config->cache_dirs->n, 1);
	assert_non_null(peers_find(config->peers, STR("WIKI"))->access);
	config_unref(config);
}

static void one_swap_mark_brings_squids_other(void **state)
{
	static const struct {
		const char *text;
		int low, high;
	} cases[] = {
		{PORT RULE, 100, 100},
		{PORT RULE "cache_swap_low 80\n", 80, 95},
		{PORT RULE "cache_swap_high 99\n", 90, 99},
		{PORT RULE "cache_swap_low 0\ncache_swap_high 50\n", 1, 50},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = read_good(cases[i].text);

		assert_int_equal(config->cache_swap_low_percent, cases[i].low);
		assert_int_equal(config->cache_swap_high_percent, cases[i].high);
		config_unref(config);
	}
}

static void masks_hide_the_end_of_client_addresses(void **state)
{
	static const struct {
		const char *line;
		uint8_t last[5]; /* of 16 bytes: the last of the IPv4 prefix, then the address */
	} cases[] = {
		{"client_netmask 255.255.255.0\n", {255, 255, 255, 255, 0}},
		{"client_netmask 24\n", {255, 255, 255, 255, 0}},
		{"client_netmask 20\n", {255, 255, 255, 240, 0}},
		{"client_netmask 64\n", {0, 0, 0, 0, 0}},
		{"client_netmask ffff:ffff::\n", {0, 0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *text = mem_printf("%s%s", PORT RULE, cases[i].line);
		struct config *config = read_good(text);

		assert_true(config->has_client_mask);
		assert_int_equal(config->client_mask[0], 255);
		assert_memory_equal(config->client_mask + 11, cases[i].last, 5);
		config_unref(config);
		mem_free(text);
	}
}

/* Squid 2's emulate_httpd_log, wherever it stands. */
static void httpd_logs_are_common_where_no_format_is_named(void **state)
{
	struct outcome outcome =
		read_text(PORT RULE "access_log /a\naccess_log /b combined\n"
				    "emulate_httpd_log on\n",
			  false);
	const struct access_log *log = outcome.config->logs->logs.first;

	(void)state;
	assert_true(str_eq(log->format->name, STR("common")));
	assert_true(str_eq(log->next->format->name, STR("combined")));
	outcome_fini(&outcome);
}

static void expect(const char *text, bool is_parse_only, int status, const char *printed)
{
	struct outcome outcome = read_text(text, is_parse_only);

	assert_string_equal(outcome.printed, printed);
	assert_int_equal(outcome.status, status);
	assert_int_equal(outcome.config != NULL, status == 0);
	outcome_fini(&outcome);
}

static void a_replacement_policy_is_that_of_the_directories_below(void **state)
{
	struct config *config = read_good(PORT RULE "cache_dir ufs /tmp/a 100\n"
						    "cache_replacement_policy heap LFUDA\n"
						    "cache_dir ufs /tmp/b 100\n"
						    "memory_replacement_policy lru\n");
	const struct cache_dir *dir = config->cache_dirs->first;

	(void)state;
	assert_int_equal(dir->replacement, REPLACEMENT_OWN);
	assert_int_equal(dir->next->replacement, REPLACEMENT_LFUDA);
	assert_int_equal(config->memory_replacement, REPLACEMENT_LRU);
	config_unref(config);
	expect(PORT RULE "cache_dir ufs /tmp/a 100\ncache_replacement_policy lru\n", false, 0,
	       "WARNING: cache_replacement_policy is that of cache_dir lines below it, and there are "
	       "none\n");
}

static void all_faults_are_told_in_one_run(void **state)
{
	(void)state;
	expect(PORT RULE "Via off\nvia maybe\ncache_men 5 MB\nread_timeout 5\nforwarded_for maybe\n"
	                 "http_access deny nobody\nvisible_hostname\ncache_mem none\n",
	       true, 1,
	       "squid.conf(3): unrecognized: 'Via'\n"
	       "FATAL: Invalid option: Boolean options can only be 'on' or 'off'.\n"
	       "FATAL: Bungled squid.conf line 4: via maybe\n"
	       "squid.conf(5): unrecognized: 'cache_men'\n"
	       "NOTE: is 'cache_mem' meant? (squid.conf line 5)\n"
	       "FATAL: configuration error: missing time unit\n"
	       "FATAL: Bungled squid.conf line 6: read_timeout 5\n"
	       "FATAL: forwarded_for is one of on|off|transparent|truncate|delete, not 'maybe'\n"
	       "FATAL: Bungled squid.conf line 7: forwarded_for maybe\n"
	       "FATAL: ACL not found: nobody\n"
	       "FATAL: Bungled squid.conf line 8: http_access deny nobody\n"
	       "FATAL: visible_hostname needs a value\n"
	       "FATAL: Bungled squid.conf line 9: visible_hostname\n"
	       "FATAL: cache_mem needs a size\n"
	       "FATAL: Bungled squid.conf line 10: cache_mem none\n");
}

static void unknown_directives_are_counted(void **state)
{
	(void)state;
	expect(PORT RULE "reference_age 1 day\nfoo\n", false, 2,
	       "squid.conf(3): unrecognized: 'reference_age'\n"
	       "NOTE: reference_age : the cache removes what is used least by itself "
	       "(squid.conf line 3)\n"
	       "squid.conf(4): unrecognized: 'foo'\n");
}

static void each_verdict_has_its_say_once(void **state)
{
	(void)state;
	expect(PORT RULE
	       "icp_port 0\nicp_port 3130\n"
	       "ftp_passive on\nhierarchy_stoplist cgi-bin ?\n",
	       false, 0,
	       "NOTE: 'icp_port' has no effect: there is no ICP (squid.conf line 3)\n"
	       "WARNING: nothing will listen on port 3130: there is no ICP (squid.conf line 4)\n"
	       "WARNING: 'ftp_passive' is ignored: there is no FTP (squid.conf line 5)\n"
	       "ERROR: Directive 'hierarchy_stoplist' is obsolete. (squid.conf line 6)\n"
	       "NOTE: hierarchy_stoplist : chose what was fetched without a peer; an accelerator asks "
	       "its peers for everything (squid.conf line 6)\n");
}

static void a_port_for_clients_of_a_forward_proxy_is_warned_of(void **state)
{
	(void)state;
	expect("http_port 127.0.0.1:3128\n" RULE, false, 0,
	       "WARNING: http_port 127.0.0.1:3128 is no accelerator: it serves the cache manager and PURGE, "
	       "and refuses the rest. For sites it needs 'accel vhost' or 'accel defaultsite=NAME'\n");
	expect("http_port 127.0.0.1:3128 accel\n" RULE, false, 0, "");
}

static void what_would_open_a_hole_is_refused(void **state)
{
	(void)state;
	expect(PORT RULE "icap_enable on\necap_enable off\nssl_bump none all\nssl_bump bump all\n"
	                 "log_icap on\n",
	       true, 1,
	       "FATAL: 'icap_enable' is refused: there is no ICAP: what it should filter would "
	       "pass "
	       "unseen\n"
	       "FATAL: Bungled squid.conf line 3: icap_enable on\n"
	       "FATAL: 'ssl_bump' is refused: would decrypt traffic of others: Bobtail does not "
	       "intercept TLS\n"
	       "FATAL: Bungled squid.conf line 6: ssl_bump bump all\n"
	       "ERROR: Directive 'log_icap' is obsolete. (squid.conf line 7)\n"
	       "NOTE: log_icap : use ACLs on icap_log lines (squid.conf line 7)\n"
	       "FATAL: Bungled squid.conf line 7: log_icap on\n");
}

static void the_whole_file_shows_what_is_missing(void **state)
{
	(void)state;
	expect(RULE, true, 0, "FATAL: No HTTP, HTTPS, or FTP ports configured\n");
	expect(RULE, false, 1, "FATAL: No HTTP, HTTPS, or FTP ports configured\n");
	expect(PORT, false, 0,
	       "WARNING: No http_access configuration found. This will block ALL traffic\n");
	expect(PORT RULE "acl users proxy_auth REQUIRED\nhttp_access deny users\n", true, 1,
	       "FATAL: Can't use proxy auth because no authentication schemes are fully "
	       "configured.\n");
	expect(PORT RULE "cache_effective_group no-such-group\n", true, 1,
	       "FATAL: getgrnam failed to find groupid for effective group 'no-such-group'\n");
}

/* A file of nonsense ends soon, and one of many warnings is read to its end. */
static void messages_are_bounded(void **state)
{
	struct buf text;
	struct outcome outcome;

	(void)state;
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 2 * REPORT_MAX_MESSAGES; i++)
		buf_add_str(&text, STR("x\n"));
	buf_add_char(&text, '\0');
	outcome = read_text(text.at, true);
	assert_int_equal(outcome.status, 255);
	assert_non_null(strstr(outcome.printed, "squid.conf(20000): unrecognized: 'x'\n"));
	assert_null(strstr(outcome.printed, "squid.conf(20001)"));
	outcome_fini(&outcome);

	buf_clear(&text);
	for (int i = 0; i < REPORT_MAX_MESSAGES + 10; i++)
		buf_add_str(&text, STR("via enable\n"));
	buf_add_str(&text, STR("via maybe\n"));
	buf_add_char(&text, '\0');
	outcome = read_text(text.at, true);
	assert_int_equal(outcome.status, 1);
	assert_non_null(
		strstr(outcome.printed, "FATAL: Bungled squid.conf line 20011: via maybe\n"));
	assert_non_null(strstr(outcome.printed, "more messages are not shown\n"));
	outcome_fini(&outcome);
	buf_fini(&text);
}

static void without_a_rule_nobody_is_served(void **state)
{
	struct outcome outcome = read_text(PORT, false);
	struct arena arena;
	struct addr client;
	struct acl_facts facts = {.arena = &arena, .client = &client};

	(void)state;
	assert_true(addr_parse(STR("192.0.2.1"), 1234, &client));
	arena_init(&arena, NULL, 0);
	assert_non_null(outcome.config);
	assert_false(access_list_allows(outcome.config->http_access, true, &facts));
	arena_fini(&arena);
	outcome_fini(&outcome);
}

static void the_last_reference_frees(void **state)
{
	struct config *config = read_good(PORT RULE);

	(void)state;
	assert_ptr_equal(config_ref(config), config);
	config_unref(config);
	assert_int_equal(config->ports->n, 1);
	config_unref(config);
	config_unref(NULL);
}

/* As Squid takes and refuses them. */
static void lines_about_sockets_and_names_are_checked(void **state)
{
	static const struct {
		const char *line;
		bool is_good;
		const char *said; /* NULL: nothing */
	} cases[] = {
		{"tcp_outgoing_tos 0x20 all", true, NULL},
		{"tcp_outgoing_dscp 32", true, NULL},
		{"tcp_outgoing_tos 256 all", false, "no TOS"},
		{"tcp_outgoing_tos af31 all", false, "no TOS"},
		{"tcp_outgoing_tos -1 all", false, "no TOS"},
		{"clientside_tos 0x21 all", true, "Tos value '33' adjusted to '32'"},
		{"clientside_tos 0x20 nobody", false, "ACL not found: nobody"},
		{"tcp_outgoing_address 127.0.0.2", true, NULL},
		{"tcp_outgoing_address ::1 !all", true, NULL},
		{"tcp_outgoing_address 300.1.1.1 all", false, "invalid IP address"},
		{"append_domain .example.com", true, NULL},
		{"append_domain example.com", false, "append_domain must begin with a '.'"},
		{"memory_cache_mode network", true, NULL},
		{"memory_cache_mode none", false, "memory_cache_mode is one of"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[200];
		struct outcome outcome;

		snprintf(text, sizeof(text), PORT RULE "%s\n", cases[i].line);
		outcome = read_text(text, true);
		if ((outcome.config != NULL) != cases[i].is_good ||
		    (cases[i].said ? !strstr(outcome.printed, cases[i].said) : *outcome.printed))
			fail_msg("%s: %s", cases[i].line, outcome.printed);
		outcome_fini(&outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_line_values_are_squids),
		cmocka_unit_test(lines_reach_their_fields),
		cmocka_unit_test(one_swap_mark_brings_squids_other),
		cmocka_unit_test(a_replacement_policy_is_that_of_the_directories_below),
		cmocka_unit_test(masks_hide_the_end_of_client_addresses),
		cmocka_unit_test(httpd_logs_are_common_where_no_format_is_named),
		cmocka_unit_test(all_faults_are_told_in_one_run),
		cmocka_unit_test(unknown_directives_are_counted),
		cmocka_unit_test(each_verdict_has_its_say_once),
		cmocka_unit_test(a_port_for_clients_of_a_forward_proxy_is_warned_of),
		cmocka_unit_test(what_would_open_a_hole_is_refused),
		cmocka_unit_test(the_whole_file_shows_what_is_missing),
		cmocka_unit_test(messages_are_bounded),
		cmocka_unit_test(without_a_rule_nobody_is_served),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(lines_about_sockets_and_names_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
