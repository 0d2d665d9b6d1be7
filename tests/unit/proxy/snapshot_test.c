/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include <build-config.h>

#include "lib/http/h1.h"
#include "proxy/fetch/peer_table.h"

#define SOFTWARE "bobtail/" PACKAGE_VERSION

static void assert_str(struct str is, const char *wanted)
{
	if (!str_eq(is, str_of(wanted)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(is), wanted);
}

static void lines_that_many_messages_have_are_ready_made(void **state)
{
	struct server_fixture fixture;
	const struct snapshot *snapshot;

	(void)state;
	server_fixture_init(&fixture, "");
	snapshot = fixture.snapshot;
	assert_str(snapshot->software, SOFTWARE);
	assert_str(snapshot->via_value, "1.1 rig.example (" SOFTWARE ")");
	assert_str(snapshot->via_line, "Via: 1.1 rig.example (" SOFTWARE ")\r\n");
	assert_str(snapshot->via_mark, " rig.example (");
	assert_str(snapshot->surrogate_line,
	           "Surrogate-Capability: rig.example=\"Surrogate/1.0\"\r\n");
	assert_str(snapshot->reply_lines[true][LOOKUP_HIT],
	           "X-Cache: HIT from rig.example\r\n"
	           "X-Cache-Lookup: HIT from rig.example:80\r\n");
	assert_str(snapshot->reply_lines[false][LOOKUP_HIT],
	           "X-Cache: MISS from rig.example\r\n"
	           "X-Cache-Lookup: HIT from rig.example:80\r\n");
	assert_str(snapshot->reply_lines[false][LOOKUP_NONE],
	           "X-Cache: MISS from rig.example\r\n"
	           "X-Cache-Lookup: NONE from rig.example:80\r\n");
	server_fixture_fini(&fixture);
}

static void names_and_versions_follow_their_directives(void **state)
{
	struct server_fixture fixture;

	(void)state;
	server_fixture_init(&fixture, "unique_hostname one\nhttpd_suppress_version_string on\n"
	                              "httpd_accel_surrogate_id edge\n");
	assert_str(fixture.snapshot->via_value, "1.1 one (bobtail)");
	assert_str(fixture.snapshot->via_mark, " one (");
	assert_str(fixture.snapshot->surrogate_line,
	           "Surrogate-Capability: edge=\"Surrogate/1.0\"\r\n");
	assert_str(fixture.snapshot->reply_lines[false][LOOKUP_MISS],
	           "X-Cache: MISS from rig.example\r\n"
	           "X-Cache-Lookup: MISS from rig.example:80\r\n");
	assert_str(fixture.snapshot->via_line, "Via: 1.1 one (bobtail)\r\n");
	assert_str(fixture.snapshot->via_joint, ", 1.1 one (bobtail)\r\n");
	server_fixture_fini(&fixture);
}

static void without_via_a_loop_is_still_known(void **state)
{
	struct server_fixture fixture;

	(void)state;
	server_fixture_init(&fixture, "via off\n");
	assert_str(fixture.snapshot->via_line, "");
	assert_str(fixture.snapshot->via_mark, " rig.example (");
	assert_str(fixture.snapshot->reply_lines[false][LOOKUP_MISS],
	           "X-Cache: MISS from rig.example\r\n"
	           "X-Cache-Lookup: MISS from rig.example:80\r\n");
	server_fixture_fini(&fixture);
}

static void what_takes_the_slow_way_is_known_beforehand(void **state)
{
	static const struct {
		const char *lines;
		bool reply_rules, request_rules, reply_adds, request_adds, purge;
	} cases[] = {
		{"", false, false, false, false, false},
		{"acl p method PURGE\n", false, false, false, false, true},
		{"acl p method GET POST purge\n", false, false, false, false, true},
		{"acl p method GET\n", false, false, false, false, false},
		{"reply_header_access Server deny all\n", true, false, false, false, false},
		{"request_header_access Cookie deny all\n", false, true, false, false, false},
		{"reply_header_add X-A \"1\" all\n", false, false, true, false, false},
		{"request_header_add X-A \"1\" all\n", false, false, false, true, false},
	};
	struct server_fixture fixture;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct snapshot *s;

		server_fixture_init(&fixture, cases[i].lines);
		s = fixture.snapshot;
		if (s->has_reply_rules != cases[i].reply_rules ||
		    s->has_request_rules != cases[i].request_rules ||
		    (s->reply_additions != NULL) != cases[i].reply_adds ||
		    (s->request_additions != NULL) != cases[i].request_adds ||
		    s->has_purge != cases[i].purge)
			fail_msg("%s", cases[i].lines);
		server_fixture_fini(&fixture);
	}
}

static void each_peer_has_its_state_by_index(void **state)
{
	struct server_fixture fixture;

	(void)state;
	server_fixture_init(&fixture, "cache_peer 127.0.0.1 parent 1 0 name=one\n"
	                              "cache_peer 127.0.0.1 parent 2 0 name=two\n");
	assert_string_equal(fixture.snapshot->peers[0]->name, "one");
	assert_string_equal(fixture.snapshot->peers[1]->name, "two");
	server_fixture_fini(&fixture);
}

static void a_snapshot_lives_as_long_as_somebody_has_it(void **state)
{
	struct server_fixture fixture;
	struct snapshot *old;

	(void)state;
	server_fixture_init(&fixture, "visible_hostname old.example\n");
	old = snapshot_ref(fixture.snapshot);
	server_fixture_reconfigure(&fixture, "visible_hostname new.example\n");
	assert_ptr_not_equal(fixture.snapshot, old);
	assert_str(old->via_mark, " old.example (");
	assert_str(fixture.snapshot->via_mark, " new.example (");
	assert_string_equal(snapshot_config(old)->visible_hostname, "old.example");
	snapshot_unref(old);
	snapshot_unref(NULL);
	server_fixture_fini(&fixture);
}

static void limits_of_requests_are_those_of_the_port(void **state)
{
	struct server_fixture fixture;
	const struct port *port;

	(void)state;
	server_fixture_init(&fixture, "http_port 81 accel defaultsite=d.example\n"
	                              "request_header_max_size 10 KB\n");
	port = fixture_config(&fixture)->ports->first;
	assert_int_equal(snapshot_request_limits(fixture.snapshot, port).head_bytes, 10240);
	assert_false(snapshot_request_limits(fixture.snapshot, port).allow_no_host);
	assert_true(snapshot_request_limits(fixture.snapshot, port->next).allow_no_host);
	assert_false(snapshot_request_limits(fixture.snapshot, NULL).allow_no_host);
	server_fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_many_messages_have_are_ready_made),
		cmocka_unit_test(names_and_versions_follow_their_directives),
		cmocka_unit_test(without_via_a_loop_is_still_known),
		cmocka_unit_test(what_takes_the_slow_way_is_known_beforehand),
		cmocka_unit_test(each_peer_has_its_state_by_index),
		cmocka_unit_test(a_snapshot_lives_as_long_as_somebody_has_it),
		cmocka_unit_test(limits_of_requests_are_those_of_the_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
