/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/fetch/peer_queue.h"
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

static void fail_times(struct rig *rig, unsigned n)
{
	while (n-- > 0)
		peer_state_failed(rig->peer, LIMIT, "late", false);
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
	fail_times(&rig, LIMIT - 1);
	assert_true(peer_state_is_up(rig.peer));
	assert_int_equal(log_count("DEAD"), 0);
	fail_times(&rig, 1);
	assert_false(peer_state_is_up(rig.peer));
	assert_int_equal(log_count("Detected DEAD Parent: app\n"), 1);
	end(&rig);
}

static void a_success_between_failures_starts_the_count_anew(void **state)
{
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT - 1);
	peer_state_succeeded(rig.peer, NOW_MS);
	fail_times(&rig, LIMIT - 1);
	assert_true(peer_state_is_up(rig.peer));
	assert_int_equal(log_count("Detected"), 0);
	end(&rig);
}

static void death_and_revival_are_said_once(void **state)
{
	struct rig rig = make();

	(void)state;
	fail_times(&rig, LIMIT + 4);
	peer_state_succeeded(rig.peer, NOW_MS);
	peer_state_succeeded(rig.peer, NOW_MS);
	assert_true(peer_state_is_up(rig.peer));
	assert_int_equal(log_count("Detected DEAD Parent: app\n"), 1);
	assert_int_equal(log_count("Detected REVIVED Parent: app\n"), 1);
	end(&rig);
}

/* Who refuses costs nothing to try, so this is told apart from who makes requests wait. */
static void who_only_refused_is_down_for_that(void **state)
{
	struct rig rig = make();

	(void)state;
	for (unsigned i = 0; i < LIMIT; i++)
		peer_state_failed(rig.peer, LIMIT, "refused", true);
	assert_int_equal(rig.peer->down, PEER_FAULT_REFUSED);
	fail_times(&rig, 1);
	assert_int_equal(rig.peer->down, PEER_FAULT_CONNECT);
	peer_state_failed(rig.peer, LIMIT, "refused", true); /* another address of it may be late */
	assert_int_equal(rig.peer->down, PEER_FAULT_CONNECT);
	peer_state_refused(rig.peer);
	assert_int_equal(rig.peer->down, PEER_FAULT_REFUSED);
	peer_state_succeeded(rig.peer, NOW_MS);
	assert_true(peer_state_is_up(rig.peer));
	peer_state_refused(rig.peer);
	assert_true(peer_state_is_up(rig.peer));
	fail_times(&rig, 1);
	for (unsigned i = 1; i < LIMIT; i++)
		peer_state_failed(rig.peer, LIMIT, "refused", true);
	assert_int_equal(rig.peer->down, PEER_FAULT_CONNECT);
	end(&rig);
}

static void reasons_and_times_of_changes_are_kept(void **state)
{
	struct rig rig = make();
	char why[PEER_REASON_BYTES];

	(void)state;
	assert_int_equal(rig.peer->since_us, 0);
	fail_times(&rig, LIMIT);
	assert_string_equal(peer_state_reason(rig.peer, why), "3 connects in a row failed: late");
	assert_true(rig.peer->since_us > 0);
	peer_state_checked(rig.peer, "no answer in time", NOW_MS);
	assert_string_equal(peer_state_reason(rig.peer, why), "3 connects in a row failed: late");
	peer_state_succeeded(rig.peer, NOW_MS);
	assert_false(peer_state_is_up(rig.peer)); /* the check still fails */
	peer_state_checked(rig.peer, NULL, NOW_MS);
	assert_true(peer_state_is_up(rig.peer));
	assert_string_equal(peer_state_reason(rig.peer, why), "its checks succeed");
	assert_int_equal(rig.peer->revived_ms, NOW_MS);
	assert_int_equal(log_count("Detected"), 2);
	end(&rig);
}

static void what_does_not_answer_is_tried_less_and_less_often(void **state)
{
	static const struct {
		int64_t at_ms;
		bool may;
	} cases[] = {
		{NOW_MS, false},        {NOW_MS + 900, false},  {NOW_MS + 1000, true},
		{NOW_MS + 1000, false}, {NOW_MS + 1999, false}, {NOW_MS + 2000, true},
		{NOW_MS + 3999, false}, {NOW_MS + 4000, true},  {NOW_MS + 7900, false},
	};
	struct rig rig = make();

	(void)state;
	for (unsigned i = 0; i < LIMIT + 5; i++)
		peer_state_unanswered(rig.peer, LIMIT, "a timeout", NOW_MS);
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (peer_state_may_try(rig.peer, cases[i].at_ms) != cases[i].may)
			fail_msg("at %d ms", (int)(cases[i].at_ms - NOW_MS));
		if (cases[i].may)
			peer_state_unanswered(rig.peer, LIMIT, "again",
					      cases[i].at_ms + (i == 2 ? 1000 : 2000));
	}
	peer_state_answered(rig.peer, 1000, NOW_MS + 9000);
	assert_true(peer_state_is_up(rig.peer));
	assert_int_equal(log_count("Detected"), 2);
	end(&rig);
}

static void a_slow_answer_is_not_forgotten_at_once(void **state)
{
	struct rig rig = make();

	(void)state;
	assert_int_equal(peer_state_answer_us(rig.peer, NOW_MS), 0);
	peer_state_answered(rig.peer, 1000, NOW_MS);
	peer_state_answered(rig.peer, 80000, NOW_MS);
	assert_int_equal(peer_state_answer_us(rig.peer, NOW_MS), 80000);
	peer_state_answered(rig.peer, 0, NOW_MS);
	assert_in_range(peer_state_answer_us(rig.peer, NOW_MS), 70000, 70001);
	assert_in_range(peer_state_answer_us(rig.peer, NOW_MS + 7000), 35000, 35001);
	assert_int_equal(peer_state_answer_us(rig.peer, NOW_MS + 7000000), 1);
	end(&rig);
}

/* ---- places and who waits for one */

static unsigned nlet_in;

static void let_in(void *owner)
{
	(void)owner;
	nlet_in++;
}

static bool has_let_in(void *arg)
{
	return nlet_in == *(unsigned *)arg;
}

static void places_go_to_who_waits_longest(void **state)
{
	struct server_fixture fixture;
	struct peer_state *app;
	struct peer_ticket *tickets[2];
	struct loop *loop;

	(void)state;
	server_fixture_init(&fixture, "cache_peer 127.0.0.1 parent 1 0 name=app\n");
	app = fixture.snapshot->peers[0];
	loop = fixture.worker->loop;
	nlet_in = 0;
	assert_true(peer_enter(app, 2));
	assert_true(peer_enter(app, 2));
	assert_false(peer_enter(app, 2));
	tickets[0] = peer_wait(app, 2, 2, loop, let_in, &fixture);
	tickets[1] = peer_wait(app, 2, 2, loop, let_in, &fixture);
	assert_null(peer_wait(app, 2, 2, loop, let_in, &fixture));
	peer_ticket_cancel(tickets[0]);
	assert_int_equal(app->nwaiting, 1);
	peer_leave(app);
	assert_int_equal(app->nactive, 2); /* the place was passed on */
	turn_until(fixture.worker, has_let_in, &(unsigned){1});
	peer_leave(app);
	peer_leave(app);
	assert_int_equal(app->nactive, 0);
	server_fixture_fini(&fixture);
}

/* Its mail is under way when it gives up: the next one has the place. */
static void a_place_that_is_not_wanted_any_more_is_passed_on(void **state)
{
	struct server_fixture fixture;
	struct peer_state *app;
	struct peer_ticket *first;
	struct loop *loop;

	(void)state;
	server_fixture_init(&fixture, "cache_peer 127.0.0.1 parent 1 0 name=app\n");
	app = fixture.snapshot->peers[0];
	loop = fixture.worker->loop;
	nlet_in = 0;
	assert_true(peer_enter(app, 1));
	first = peer_wait(app, 1, 5, loop, let_in, &fixture);
	assert_non_null(peer_wait(app, 1, 5, loop, let_in, &fixture));
	peer_leave(app);
	peer_ticket_cancel(first);
	turn_until(fixture.worker, has_let_in, &(unsigned){1});
	assert_int_equal(app->nactive, 1);
	peer_leave(app);
	assert_int_equal(app->nactive, 0);
	server_fixture_fini(&fixture);
}

static void retries_are_bounded_by_what_was_asked_of_late(void **state)
{
	struct rig rig = make();
	struct retry_budget *budget = &rig.peer->budget;
	unsigned n = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		retry_budget_note(budget, NOW_MS + i);
	while (retry_budget_take(budget, NOW_MS + 2000) && n < 10000)
		n++;
	assert_int_equal(n, 100 + 200);
	assert_false(retry_budget_take(budget, NOW_MS + 9000));
	for (n = 0; retry_budget_take(budget, NOW_MS + 30000) && n < 10000;)
		n++;
	assert_int_equal(n, 100); /* ten a second, whatever came */
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

/* The first thing that is not well; NULL: all is. */
static const char *ill(struct health_entry *entry)
{
	return health_list(entry, 1) > 0 ? entry->reason : NULL;
}

static void health_knows_at_once_of_peers_that_are_used(void **state)
{
	struct rig rig = make();
	struct health_entry entry;

	(void)state;
	fail_times(&rig, LIMIT);
	assert_null(ill(&entry));
	peer_state_list(rig.peer, true);
	assert_string_equal(ill(&entry), "3 connects in a row failed: late");
	assert_string_equal(entry.what, "cache_peer app");
	peer_state_succeeded(rig.peer, NOW_MS);
	assert_null(ill(&entry));
	fail_times(&rig, LIMIT);
	assert_non_null(ill(&entry));
	peer_state_list(rig.peer, false);
	assert_null(ill(&entry));
	peer_state_list(rig.peer, true);
	end(&rig);
	assert_null(ill(&entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_one_state_whatever_its_case),
		cmocka_unit_test(a_peer_is_dead_after_that_many_failures_in_a_row),
		cmocka_unit_test(a_success_between_failures_starts_the_count_anew),
		cmocka_unit_test(death_and_revival_are_said_once),
		cmocka_unit_test(who_only_refused_is_down_for_that),
		cmocka_unit_test(reasons_and_times_of_changes_are_kept),
		cmocka_unit_test(what_does_not_answer_is_tried_less_and_less_often),
		cmocka_unit_test(a_slow_answer_is_not_forgotten_at_once),
		cmocka_unit_test(places_go_to_who_waits_longest),
		cmocka_unit_test(a_place_that_is_not_wanted_any_more_is_passed_on),
		cmocka_unit_test(retries_are_bounded_by_what_was_asked_of_late),
		cmocka_unit_test(what_is_known_of_a_peer_outlives_its_configuration),
		cmocka_unit_test(health_knows_at_once_of_peers_that_are_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
