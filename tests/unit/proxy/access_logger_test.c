/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/order_fixture.h"

#include "proxy/log/access_logger.h"
#include "squid-compat/log/log_facts.h"
#include "tests/support/scratch.h"

struct rig {
	struct scratch scratch;
	struct order_fixture base;
};

/* lines: DIR stands for a directory of its own. */
static void init(struct rig *rig, const char *lines)
{
	struct buf text;

	memset(rig, 0, sizeof(*rig));
	scratch_init(&rig->scratch);
	buf_init(&text, 65536);
	for (const char *at = lines; *at; at++) {
		bool is_directory = strncmp(at, "DIR", 3) == 0;

		buf_add_str(&text,
		            is_directory ? str_of(rig->scratch.directory) : (struct str){at, 1});
		at += is_directory ? 2 : 0;
	}
	buf_add_char(&text, '\0');
	order_fixture_init(&rig->base, text.at);
	buf_fini(&text);
}

/* What was logged is in the files after that. */
static void stop(struct rig *rig)
{
	order_fixture_fini(&rig->base);
}

static void fini(struct rig *rig)
{
	scratch_fini(&rig->scratch);
}

/* A GET for http://HOST/?q=1 ends. */
static void log_one(struct rig *rig, const char *host, int64_t end_us)
{
	char *url = mem_printf("http://%s/?q=1", host);
	char *request = mem_printf("GET /?q=1 HTTP/1.1\nHost: %s\n", host);
	struct log_facts facts = {
		.end_us = end_us,
		.client_request = {.url = str_of(url)},
		.request = {.url = str_of(url)},
	};

	order_fixture_request(&rig->base, request);
	access_logger_write(rig->base.base.snapshot->logger, rig->base.base.worker,
	                    &rig->base.facts, &facts);
	mem_free(request);
	mem_free(url);
}

static bool is_on(const struct rig *rig)
{
	return access_logger_is_on(rig->base.base.snapshot->logger);
}

static void each_line_whose_acls_match_gets_a_record(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat url %ru\n"
	           "acl a dstdomain a.example\nacl b dstdomain b.example\n"
	           "access_log stdio:DIR/a logformat=url a\n"
	           "access_log stdio:DIR/all logformat=url\n"
	           "access_log stdio:DIR/b logformat=url b\n");
	assert_true(is_on(&rig));
	log_one(&rig, "a.example", 1);
	log_one(&rig, "b.example", 2);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "a"), "http://a.example/?\n");
	assert_string_equal(scratch_read(&rig.scratch, "b"), "http://b.example/?\n");
	assert_string_equal(scratch_read(&rig.scratch, "all"),
	                    "http://a.example/?\nhttp://b.example/?\n");
	fini(&rig);
}

static void none_keeps_what_matches_from_later_lines(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat url %ru\nacl a dstdomain a.example\n"
	           "access_log stdio:DIR/first logformat=url\n"
	           "access_log none a\n"
	           "access_log stdio:DIR/last logformat=url\n");
	log_one(&rig, "a.example", 1);
	log_one(&rig, "b.example", 2);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "first"),
	                    "http://a.example/?\nhttp://b.example/?\n");
	assert_string_equal(scratch_read(&rig.scratch, "last"), "http://b.example/?\n");
	fini(&rig);
}

static void queries_are_kept_when_asked_for(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat url %ru\nstrip_query_terms off\n"
	           "access_log stdio:DIR/log logformat=url\n");
	log_one(&rig, "a.example", 1);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "log"), "http://a.example/?q=1\n");
	fini(&rig);
}

static void transactions_are_numbered(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat n %sn %ru\naccess_log stdio:DIR/x logformat=n\n"
	           "access_log stdio:DIR/y logformat=n\n");
	log_one(&rig, "a.example", 1);
	log_one(&rig, "b.example", 2);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "x"),
	                    "0 http://a.example/?\n1 http://b.example/?\n");
	assert_string_equal(scratch_read(&rig.scratch, "y"),
	                    "0 http://a.example/?\n1 http://b.example/?\n");
	fini(&rig);
}

static void two_lines_may_share_a_file(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat a A\nlogformat b B\naccess_log stdio:DIR/log logformat=a\n"
	           "access_log daemon:DIR/log logformat=b\n");
	log_one(&rig, "a.example", 1);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "log"), "A\nB\n");
	fini(&rig);
}

static void a_file_that_cannot_be_opened_keeps_others_from_nothing(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "logformat url %ru\naccess_log stdio:DIR/no/log logformat=url\n"
	           "access_log stdio:DIR/log logformat=url\n");
	assert_true(is_on(&rig));
	assert_int_equal(log_count("ERROR: access_log: Cannot open "), 1);
	assert_int_equal(log_count("/no/log: (2) No such file or directory; nothing is logged"), 1);
	log_one(&rig, "a.example", 1);
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "log"), "http://a.example/?\n");
	fini(&rig);
}

static void without_a_line_to_write_logging_is_off(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "access_log none\n");
	assert_false(is_on(&rig));
	log_one(&rig, "a.example", 1);
	stop(&rig);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_whose_acls_match_gets_a_record),
		cmocka_unit_test(none_keeps_what_matches_from_later_lines),
		cmocka_unit_test(queries_are_kept_when_asked_for),
		cmocka_unit_test(transactions_are_numbered),
		cmocka_unit_test(two_lines_may_share_a_file),
		cmocka_unit_test(a_file_that_cannot_be_opened_keeps_others_from_nothing),
		cmocka_unit_test(without_a_line_to_write_logging_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
