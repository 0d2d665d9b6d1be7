/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/fetch/peer_table.h"

enum { LIMIT = 3, NOW_MS = 50000 };

struct rig {
	struct peer_table *table;
	struct peer_state *peer;
};

static struct rig make(void)
{
	struct rig rig = {.table = peer_table_create()};

	hear_log();
	rig.peer = peer_table_get(rig.table, STR("app"));
	return rig;
}

static void end(struct rig *rig)
{
	peer_table_destroy(rig->table);
	log_set_sink(NULL);
}

static void fail_times(struct rig *rig, unsigned n, int64_t now_ms)
{
	while (n-- > 0)
		peer_state_failed(rig->peer, LIMIT, now_ms);
}

static void a_name_has_one_state_whatever_its_case(void **state)
{
	struct rig rig = make();

	(void)state;
	assert_string_equal(rig.peer->name, "app");
	assert_ptr_equal(peer_table_get(rig.table, STR("APP")), rig.peer);
	assert_ptr_not_equal(peer_table_get(rig.table, STR("app2")), rig.peer);
	assert_ptr_equal(peer_table_get(rig.table, STR("app")), rig.peer);
	end(&rig);
}

static void a_peer_is_dead_after_that_many_failures_in_a_row(void **state)
{
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT - 1, NOW_MS);
	assert_true(peer_state_may_try(rig.peer, NOW_MS));
	assert_int_equal(log_count("DEAD"), 0);
	fail_times(&rig, 1, NOW_MS);
	assert_false(peer_state_may_try(rig.peer, NOW_MS));
	assert_int_equal(log_count("Detected DEAD Parent: app\n"), 1);
	end(&rig);
}

static void a_success_between_failures_starts_the_count_anew(void **state)
{
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT - 1, NOW_MS);
	peer_state_succeeded(rig.peer);
	fail_times(&rig, LIMIT - 1, NOW_MS);
	assert_true(peer_state_may_try(rig.peer, NOW_MS));
	assert_int_equal(log_count("Detected"), 0);
	end(&rig);
}

static void death_and_revival_are_said_once(void **state)
{
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT + 4, NOW_MS);
	peer_state_succeeded(rig.peer);
	peer_state_succeeded(rig.peer);
	assert_true(peer_state_may_try(rig.peer, NOW_MS));
	assert_int_equal(log_count("Detected DEAD Parent: app\n"), 1);
	assert_int_equal(log_count("Detected REVIVED Parent: app\n"), 1);
	end(&rig);
}

/* Squid probes a dead peer at most once a second, when a request looks at it. */
static void a_dead_peer_is_tried_once_a_second(void **state)
{
	static const struct {
		int64_t at_ms;
		bool may;
	} cases[] = {
		{NOW_MS, false},        {NOW_MS + 900, false},  {NOW_MS + 1000, true},
		{NOW_MS + 1000, false}, {NOW_MS + 1999, false}, {NOW_MS + 2000, true},
		{NOW_MS + 2500, false}, {NOW_MS + 9000, true},  {NOW_MS + 9001, false},
	};
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT, NOW_MS);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (peer_state_may_try(rig.peer, cases[i].at_ms) != cases[i].may)
			fail_msg("at %d ms", (int)(cases[i].at_ms - NOW_MS));
	end(&rig);
}

static void what_is_known_of_a_peer_outlives_its_configuration(void **state)
{
	struct server_fixture fixture;
	struct peer_state *app;

	(void)state;
	server_fixture_init(&fixture, "cache_peer 127.0.0.1 parent 1 0 name=app\n");
	app = fixture.snapshot->peers[0];
	app->nfails = 2;
	server_fixture_reconfigure(&fixture, "cache_peer 127.0.0.2 parent 1 0 name=new\n"
	                                     "cache_peer 127.0.0.1 parent 1 0 name=APP\n");
	assert_ptr_equal(fixture.snapshot->peers[1], app);
	assert_ptr_not_equal(fixture.snapshot->peers[0], app);
	assert_int_equal(app->nfails, 2);
	server_fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_one_state_whatever_its_case),
		cmocka_unit_test(a_peer_is_dead_after_that_many_failures_in_a_row),
		cmocka_unit_test(a_success_between_failures_starts_the_count_anew),
		cmocka_unit_test(death_and_revival_are_said_once),
		cmocka_unit_test(a_dead_peer_is_tried_once_a_second),
		cmocka_unit_test(what_is_known_of_a_peer_outlives_its_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
