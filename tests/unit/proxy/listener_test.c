/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "lib/base/list.h"
#include "proxy/session/listener.h"
#include "proxy/session/session_h1_internal.h"
#include "tests/unit/proxy/loopback.h"

struct rig {
	struct server_fixture base;
	struct addr addr;
	int client;
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, lines);
	rig->client = -1;
}

static void fini(struct rig *rig)
{
	if (rig->client >= 0)
		close(rig->client);
	listener_stop_all(rig->base.worker);
	session_h1_stop_all(rig->base.worker, true);
	worker_turn(rig->base.worker);
	server_fixture_fini(&rig->base);
}

static void start(struct rig *rig, const char *ip, const char *spec, bool is_https)
{
	listener_start(rig->base.worker, spec, is_https, loopback_listen(ip, &rig->addr));
}

static bool has_session(void *arg)
{
	struct rig *rig = arg;

	return !list_is_empty(&rig->base.worker->sessions);
}

/* Of the one client, once it was accepted. */
static struct session *session_of(struct rig *rig)
{
	rig->client = loopback_connect(&rig->addr);
	assert_true(rig->client >= 0);
	turn_until(rig->base.worker, has_session, rig);
	return CONTAINER(rig->base.worker->sessions.next, struct session, node);
}

/* The name= of its port in the current snapshot; NULL: there is no such port. */
static const char *port_name(const struct rig *rig, const struct session *session)
{
	const struct port *port = listener_port(session->listener, rig->base.snapshot);

	return port ? port->name.at : NULL;
}

static void a_port_is_found_again_in_a_new_configuration(void **state)
{
	struct session *session;
	struct rig rig;

	(void)state;
	init(&rig, "http_port 127.0.0.1:81 accel name=old\n");
	start(&rig, "127.0.0.1", "127.0.0.1:81", false);
	session = session_of(&rig);
	assert_string_equal(port_name(&rig, session), "old");
	server_fixture_reconfigure(&rig.base, "http_port 82 accel name=other\n"
	                                      "http_port 127.0.0.1:81 accel name=new\n");
	assert_string_equal(port_name(&rig, session), "new");
	server_fixture_reconfigure(&rig.base, "http_port 82 accel name=other\n");
	assert_null(port_name(&rig, session));
	fini(&rig);
}

static bool is_closed(void *arg)
{
	struct rig *rig = arg;
	char byte;

	return recv(rig->client, &byte, 1, MSG_DONTWAIT) == 0;
}

static bool was_accepted(void *arg)
{
	struct rig *rig = arg;

	return rig->base.worker->counters.connections_accepted == 1;
}

static void who_comes_to_a_port_that_is_gone_is_sent_away(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "http_port 81 accel\n");
	start(&rig, "127.0.0.1", "81", true); /* the http_port 81 is another one */
	rig.client = loopback_connect(&rig.addr);
	turn_until(rig.base.worker, was_accepted, &rig);
	turn_until(rig.base.worker, is_closed, &rig);
	assert_false(has_session(&rig));
	fini(&rig);
}

static void a_session_outlives_its_listener(void **state)
{
	struct session *session;
	struct rig rig;

	(void)state;
	init(&rig, "http_port 81 accel name=x\n");
	start(&rig, "127.0.0.1", "81", false);
	session = session_of(&rig);
	listener_stop(rig.base.worker, "81", true);
	listener_stop(rig.base.worker, "82", false);
	assert_false(list_is_empty(&rig.base.worker->listeners));
	listener_stop(rig.base.worker, "81", false);
	assert_true(list_is_empty(&rig.base.worker->listeners));
	assert_int_equal(loopback_connect(&rig.addr), -1);
	assert_true(has_session(&rig));
	assert_string_equal(port_name(&rig, session), "x");
	fini(&rig);
}

static void assert_local(const struct session *session, int fd, const char *ip, uint16_t port)
{
	char text[ADDR_TEXT_BYTES];
	struct addr local;

	listener_local(session->listener, fd, &local);
	assert_string_equal(addr_ip_text(&local, text), ip);
	assert_int_equal(addr_port(&local), port);
}

static void a_connection_to_a_wildcard_has_an_address_of_its_own(void **state)
{
	struct session *session;
	struct rig rig;

	(void)state;
	init(&rig, "http_port 81 accel\n");
	start(&rig, "0.0.0.0", "81", false);
	session = session_of(&rig);
	assert_local(session, stream_fd(&session->stream), "127.0.0.1", addr_port(&rig.addr));
	fini(&rig);
}

/* No descriptor is asked. */
static void a_connection_to_one_address_has_that(void **state)
{
	struct session *session;
	struct rig rig;

	(void)state;
	init(&rig, "http_port 81 accel\n");
	start(&rig, "127.0.0.1", "81", false);
	session = session_of(&rig);
	assert_local(session, -1, "127.0.0.1", addr_port(&rig.addr));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_is_found_again_in_a_new_configuration),
		cmocka_unit_test(who_comes_to_a_port_that_is_gone_is_sent_away),
		cmocka_unit_test(a_session_outlives_its_listener),
		cmocka_unit_test(a_connection_to_a_wildcard_has_an_address_of_its_own),
		cmocka_unit_test(a_connection_to_one_address_has_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
