/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/fetch/origin_pool.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/limits/overload.h"
#include "proxy/limits/worker_load.h"
#include "tests/unit/proxy/loopback.h"

enum { KEY = 1, SAME_BUCKET = KEY + 233, LONG_MS = 100000, NO_LIMIT = 0, MAX_CONNS = 8 };

struct rig {
	struct server_fixture base;
	struct origin_pool *pool; /* the worker's */
	struct peer_state *peer;
	struct addr addr;
	int listening;
	int far[MAX_CONNS]; /* the origin's end of each connection, in their order */
	unsigned nfar;
};

static void init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, "workers 1\n");
	rig->pool = rig->base.worker->origins;
	rig->peer = peer_table_get(rig->base.server.peers, STR("app"));
	rig->listening = loopback_listen("127.0.0.1", &rig->addr);
}

static void fini(struct rig *rig)
{
	for (unsigned i = 0; i < rig->nfar; i++)
		close(rig->far[i]);
	close(rig->listening);
	origin_pool_drain(rig->pool);
	assert_int_equal(rig->peer->nconns, 0);
	server_fixture_fini(&rig->base);
}

static void woke(void *owner)
{
	(void)owner;
}

static bool is_connected(void *arg)
{
	struct origin_conn *conn = arg;

	return stream_connect_result(&conn->stream) == 0;
}

static struct origin_conn *connect_one(struct rig *rig, uint64_t key)
{
	const struct origin_target target = {
		.key = key, .state = rig->peer, .addr = &rig->addr, .wake = woke};
	struct origin_conn *conn = NULL;

	assert_int_equal(origin_connect(rig->pool, &target, &conn), 0);
	assert_false(conn->is_reused);
	turn_until(rig->base.worker, is_connected, conn);
	rig->far[rig->nfar] = accept(rig->listening, NULL, NULL);
	assert_true(rig->far[rig->nfar++] >= 0);
	return conn;
}

static void keep(struct origin_conn *conn)
{
	origin_keep(conn, LONG_MS, NO_LIMIT);
}

/* How many are open now; a turn of the loop may change it. */
static int nconns(const struct rig *rig)
{
	return rig->peer->nconns;
}

static bool has_none(void *arg)
{
	return nconns(arg) == 0;
}

static bool has_one(void *arg)
{
	return nconns(arg) == 1;
}

static void the_last_one_given_back_is_taken_first(void **state)
{
	struct origin_conn *a, *b;
	struct rig rig;

	(void)state;
	init(&rig);
	a = connect_one(&rig, KEY);
	b = connect_one(&rig, KEY);
	keep(a);
	keep(b);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), b);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), a);
	assert_null(origin_pool_take(rig.pool, KEY, false));
	assert_true(a->is_reused);
	origin_close(a);
	origin_close(b);
	origin_close(NULL);
	fini(&rig);
}

static void a_connection_serves_its_own_key_only(void **state)
{
	struct origin_conn *a;
	struct rig rig;

	(void)state;
	init(&rig);
	a = connect_one(&rig, KEY);
	keep(a);
	assert_null(origin_pool_take(rig.pool, SAME_BUCKET, false));
	assert_null(origin_pool_take(rig.pool, KEY + 1, false));
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), a);
	origin_close(a);
	fini(&rig);
}

/* For max-conn: idle ones count too. */
static void open_connections_are_counted_for_their_peer(void **state)
{
	struct origin_conn *a, *b;
	struct rig rig;

	(void)state;
	init(&rig);
	a = connect_one(&rig, KEY);
	b = connect_one(&rig, KEY);
	assert_int_equal(nconns(&rig), 2);
	keep(a);
	assert_int_equal(nconns(&rig), 2);
	origin_close(b);
	assert_int_equal(nconns(&rig), 1);
	origin_pool_drain(rig.pool);
	assert_int_equal(nconns(&rig), 0);
	fini(&rig);
}

static void what_is_in_use_is_not_drained(void **state)
{
	struct origin_conn *used;
	struct rig rig;

	(void)state;
	init(&rig);
	used = connect_one(&rig, KEY);
	keep(connect_one(&rig, KEY));
	keep(connect_one(&rig, SAME_BUCKET));
	origin_pool_drain(rig.pool);
	assert_int_equal(nconns(&rig), 1);
	origin_close(used);
	fini(&rig);
}

/* A crowd has gone, and left connections to origins behind, which may idle for a minute. */
static void what_idles_makes_room_before_anybody_is_refused(void **state)
{
	enum { FILES = 100, FD = 90 }; /* all but the reserve are in use */
	struct origin_conn *used;
	struct worker *worker;
	struct rig rig;

	(void)state;
	init(&rig);
	worker = rig.base.worker;
	overload_destroy(rig.base.server.overload);
	rig.base.server.overload = overload_create(FILES);
	used = connect_one(&rig, KEY);
	keep(connect_one(&rig, KEY));
	keep(connect_one(&rig, SAME_BUCKET));
	worker_load_accepted(worker, FD);
	assert_int_equal(nconns(&rig), 1);
	assert_false(overload_is_on(rig.base.server.overload, OVERLOAD_DESCRIPTORS));
	worker_load_accepted(worker, FD);
	assert_true(overload_is_on(rig.base.server.overload, OVERLOAD_DESCRIPTORS));
	assert_true(worker_load_refuses_fetch(worker, snapshot_config(rig.base.snapshot)));
	keep(used); /* needs no descriptor more */
	assert_false(worker_load_refuses_fetch(worker, snapshot_config(rig.base.snapshot)));
	worker_load_stop(worker);
	fini(&rig);
}

static void the_one_that_idles_longest_is_shed_first(void **state)
{
	struct origin_conn *old, *young;
	struct rig rig;

	(void)state;
	init(&rig);
	old = connect_one(&rig, KEY);
	young = connect_one(&rig, KEY);
	keep(old);
	keep(young);
	assert_int_equal(origin_pool_shed(rig.pool, 1), 1);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), young);
	assert_int_equal(origin_pool_shed(rig.pool, 1), 0);
	origin_close(young);
	fini(&rig);
}

static void an_idle_origin_that_speaks_is_closed(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	keep(connect_one(&rig, KEY));
	assert_int_equal(write(rig.far[0], "HTTP/1.1 200 OK\r\n", 17), 17);
	turn_until(rig.base.worker, has_none, &rig);
	fini(&rig);
}

static void an_idle_origin_that_closes_is_closed(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	keep(connect_one(&rig, KEY));
	assert_int_equal(shutdown(rig.far[0], SHUT_WR), 0);
	turn_until(rig.base.worker, has_none, &rig);
	fini(&rig);
}

/* It need not have been told by the loop yet. */
static void what_came_unasked_is_never_taken_for_an_answer(void **state)
{
	struct origin_conn *good;
	struct rig rig;

	(void)state;
	init(&rig);
	good = connect_one(&rig, KEY);
	keep(good);
	keep(connect_one(&rig, KEY));
	assert_int_equal(write(rig.far[1], "x", 1), 1);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, true), good);
	assert_int_equal(nconns(&rig), 1);
	origin_close(good);
	fini(&rig);
}

static void an_idle_connection_ends_with_its_time(void **state)
{
	struct origin_conn *taken;
	struct rig rig;
	char byte;

	(void)state;
	init(&rig);
	taken = connect_one(&rig, KEY);
	origin_keep(taken, 1, NO_LIMIT);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), taken);
	origin_keep(connect_one(&rig, KEY), 1, NO_LIMIT);
	turn_until(rig.base.worker, has_one, &rig); /* the one taken in time stays */
	assert_int_equal(read(rig.far[1], &byte, 1), 0);
	assert_null(origin_pool_take(rig.pool, KEY, false));
	origin_close(taken);
	fini(&rig);
}

/* pconn_lifetime */
static void an_old_connection_is_not_kept(void **state)
{
	struct origin_conn *conn;
	struct rig rig;

	(void)state;
	init(&rig);
	conn = connect_one(&rig, KEY);
	conn->opened_ms -= 5000;
	origin_keep(conn, LONG_MS, 5001 + LONG_MS);
	assert_ptr_equal(origin_pool_take(rig.pool, KEY, false), conn);
	origin_keep(conn, LONG_MS, 5000);
	assert_int_equal(nconns(&rig), 0);
	assert_null(origin_pool_take(rig.pool, KEY, false));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_one_given_back_is_taken_first),
		cmocka_unit_test(a_connection_serves_its_own_key_only),
		cmocka_unit_test(open_connections_are_counted_for_their_peer),
		cmocka_unit_test(what_is_in_use_is_not_drained),
		cmocka_unit_test(what_idles_makes_room_before_anybody_is_refused),
		cmocka_unit_test(the_one_that_idles_longest_is_shed_first),
		cmocka_unit_test(an_idle_origin_that_speaks_is_closed),
		cmocka_unit_test(an_idle_origin_that_closes_is_closed),
		cmocka_unit_test(what_came_unasked_is_never_taken_for_an_answer),
		cmocka_unit_test(an_idle_connection_ends_with_its_time),
		cmocka_unit_test(an_old_connection_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
