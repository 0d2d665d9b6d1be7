/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/config_lines.h"

#include <stdio.h>

#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/peers.h"

struct rig {
	struct config_lines lines;
	struct peers peers;
};

static void init(struct rig *rig)
{
	config_lines_init(&rig->lines);
	peers_init(&rig->peers, &rig->lines.arena, &test_world);
}

static void fini(struct rig *rig)
{
	peers_fini(&rig->peers);
	config_lines_fini(&rig->lines);
}

/* Reads a line on its own; the peer it made, or NULL. */
static struct peer *parse(struct rig *rig, const char *line)
{
	peers_fini(&rig->peers);
	peers_init(&rig->peers, &rig->lines.arena, &test_world);
	peers_parse(&rig->peers, config_line(&rig->lines, line), rig->lines.report);
	return rig->peers.first;
}

static void lines_are_judged_as_squid_does(void **state)
{
	static const struct line_case cases[] = {
		{"cache_peer h parent 80 0", true, 0, NULL},
		{"cache_peer h parent http 0 no-query originserver", true, 0, NULL},
		{"cache_peer h parent 80 7 no-query", true, 0, NULL},
		{"cache_peer h parent 80", false, REPORT_FATAL, "needs a host"},
		{"cache_peer h parent 0 0", false, REPORT_FATAL, "no port"},
		{"cache_peer h parent gopher 0", false, REPORT_FATAL, "no port"},
		{"cache_peer h parent 65536 0", false, REPORT_FATAL, "no port"},
		{"cache_peer unix:/run/app.sock parent 0 0 originserver", true, 0, NULL},
		{"cache_peer unix:/run/app.sock parent 80 0", false, REPORT_FATAL, "port 0"},
		{"cache_peer unix:app.sock parent 0 0", false, REPORT_FATAL, "absolute path"},
		{"cache_peer h parent 80 0 proxy-protocol=v1", true, 0, NULL},
		{"cache_peer h parent 80 0 proxy-protocol=v2", true, 0, NULL},
		{"cache_peer h parent 80 0 proxy-protocol=v3", false, REPORT_FATAL, "invalid"},
		{"cache_peer h Parent 80 0", true, REPORT_WARNING, "Unknown neighbor type: Parent"},
		{"cache_peer h parent 80 0 foo", true, REPORT_ERROR,
		 "Ignoring unknown cache_peer option 'foo'"},
		{"cache_peer h parent 80 0 cert=/x", true, REPORT_ERROR,
		 "Ignoring unknown cache_peer option 'cert=/x'"},
		{"cache_peer h parent 80 0 max-conn=2 standby=3", false, REPORT_FATAL, "standby=3"},
		{"cache_peer h sibling 80 0 carp", false, REPORT_FATAL, "non-parent"},
		{"cache_peer h sibling 80 0 sourcehash", false, REPORT_FATAL, "non-parent"},
		{"cache_peer h parent 80 0 carp-key=host carp", false, REPORT_FATAL, "carp-key"},
		{"cache_peer h parent 80 0 carp carp-key=host,bogus", false, REPORT_FATAL, "bogus"},
		{"cache_peer h parent 80 0 carp carp-key=host,port", true, 0, NULL},
		{"cache_peer h parent 80 0 userhash", true, 0, NULL},
		{"cache_peer h parent 80 0 standby=3", true, 0, NULL},
		{"cache_peer h parent 80 0 least-conn backup", true, 0, NULL},
		{"cache_peer h parent 80 0 sticky=srv", true, 0, NULL},
		{"cache_peer h parent 80 0 sticky=a;b", false, REPORT_FATAL, "sticky=a;b"},
		{"cache_peer h parent 80 0 sticky=", false, REPORT_FATAL, "sticky="},
		{"cache_peer h parent 80 0 slow-start=x", false, REPORT_FATAL, "slow-start=x"},
		{"cache_peer h parent 80 0 health=up", false, REPORT_FATAL, "health=up"},
		{"cache_peer h parent 80 0 health=/ health-status=99", false, REPORT_FATAL, "=99"},
		{"cache_peer h parent 80 0 health=/ health-status=299-200", false, REPORT_FATAL,
		 "299-200"},
		{"cache_peer h parent 80 0 health=/ health-fall=0", false, REPORT_FATAL, "fall=0"},
		{"cache_peer h parent 80 0 health-fall=2", true, REPORT_WARNING,
		 "nothing is checked"},
		{"cache_peer h parent 80 0 monitorurl=ftp://h/", false, REPORT_FATAL, "ftp:"},
		{"cache_peer h parent 80 0 monitorsize=x", false, REPORT_FATAL, "=x"},
		{"cache_peer h sibling 80 0", true, REPORT_NOTE, "asks no siblings yet"},
		{"cache_peer h parent 80 0 weight=x", false, REPORT_FATAL, "weight=x"},
		{"cache_peer h parent 80 0 login=NEGOTIATE", true, REPORT_WARNING, "not used"},
		{"cache_peer h parent 443 0 ssl", true, 0, NULL},
		{"cache_peer h parent 443 0 tls-min-version=1.2", true, 0, NULL},
		{"cache_peer h parent 443 0 tls tls-options=BOGUS", true, REPORT_ERROR,
		 "Unknown TLS option BOGUS"},
		{"cache_peer h parent 443 0 ssl tls-disable", true, 0, NULL},
		{"cache_peer h parent 443 0 ssl sslflags=DONT_VERIFY_PEER", true, REPORT_WARNING,
		 "Peer certificates are not verified for validity!"},
		{"cache_peer h parent 443 0 ssl sslcafile=/etc/ca", true, REPORT_WARNING,
		 "Ignoring error setting CA certificate location /etc/ca"},
		{"cache_peer h parent 443 0 ssl sslcert=/etc/c", false, REPORT_FATAL,
		 "Failed to acquire SSL certificate '/etc/c'"},
		{"cache_peer h parent 80 0 htcp=no-clr digest-url=x", true, REPORT_NOTE,
		 "htcp has no effect here"},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++)
		config_lines_judge(&rig.lines, &cases[i], parse(&rig, cases[i].line) != NULL);
	fini(&rig);
}

static void login_has_its_forms(void **state)
{
	static const struct {
		const char *word;
		enum peer_login login;
		const char *text; /* NULL: none */
	} cases[] = {
		{"login=user:pa%20ss", PEER_LOGIN_FIXED, "user:pa ss"},
		{"login=a:b%%c%zz%4", PEER_LOGIN_FIXED, "a:b%c%zz%4"},
		{"login=a:%00x", PEER_LOGIN_FIXED, "a:%00x"},
		{"login=PASS", PEER_LOGIN_PASS, NULL},
		{"login=PASSTHRU", PEER_LOGIN_PASSTHRU, NULL},
		{"login=PROXYPASS", PEER_LOGIN_PROXYPASS, NULL},
		{"login=*:pass", PEER_LOGIN_USER, ":pass"},
		{"login=NEGOTIATE:me@R", PEER_LOGIN_NEGOTIATE, "me@R"},
		{"originserver", PEER_LOGIN_NONE, NULL},
	};
	struct rig rig;

	(void)state;
	init(&rig);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char line[128];
		const struct peer *peer;

		snprintf(line, sizeof(line), "cache_peer h parent 80 0 %s", cases[i].word);
		peer = parse(&rig, line);
		if (!peer || peer->login != cases[i].login ||
		    !str_eq(peer->login_text, str_of(cases[i].text)))
			fail_msg("%s", cases[i].word);
	}
	fini(&rig);
}

static void options_reach_their_fields(void **state)
{
	struct rig rig;
	const struct peer *peer;

	(void)state;
	init(&rig);
	peer = parse(&rig, "cache_peer Host.example parent 8080 0 no-query no-digest originserver "
			   "name=one forceddomain=www.example round-robin weight=3 default "
			   "max-conn=20 standby=2 connect-timeout=5 connect-fail-limit=4 "
			   "proxy-only allow-miss front-end-https=auto connection-auth=off");
	assert_non_null(peer);
	assert_string_equal(peer->host.at, "Host.example");
	assert_string_equal(peer->name.at, "one");
	assert_string_equal(peer->forceddomain.at, "www.example");
	assert_int_equal(peer->port, 8080);
	assert_int_equal(peer->select, PEER_SELECT_ROUND_ROBIN | PEER_SELECT_DEFAULT);
	assert_int_equal(peer->weight, 3);
	assert_int_equal(peer->max_conn, 20);
	assert_int_equal(peer->standby, 2);
	assert_int_equal(peer->connect_timeout_ms, 5000);
	assert_int_equal(peer->connect_fail_limit, 4);
	assert_true(peer->is_originserver && peer->is_no_query && peer->is_no_digest);
	assert_true(peer->is_proxy_only && peer->may_miss && !peer->is_unusable && !peer->is_tls);
	assert_int_equal(peer->front_end_https, PEER_FRONT_END_AUTO);
	assert_int_equal(peer->connection_auth, PEER_OFF);
	peer = parse(&rig, "cache_peer h parent 443 0 tls ssldomain=d weight=0");
	assert_non_null(peer);
	assert_true(peer->is_tls && !peer->is_unusable);
	assert_string_equal(peer->tls.name.at, "d");
	assert_int_equal(peer->weight, 1);
	assert_int_equal(peer->connect_timeout_ms, -1);
	fini(&rig);
}

static void options_of_ours_reach_their_fields(void **state)
{
	struct rig rig;
	const struct peer *peer;

	(void)state;
	init(&rig);
	peer = parse(&rig, "cache_peer h parent 80 0 peak-ewma backup sticky=srv slow-start=30 "
			   "max-conn=5 max-conn-queue=7 max-conn-queue-timeout=3");
	assert_non_null(peer);
	assert_int_equal(peer->select, PEER_SELECT_PEAK_EWMA);
	assert_true(peer->is_backup);
	assert_string_equal(peer->sticky.at, "srv");
	assert_int_equal(peer->slow_start_ms, 30000);
	assert_int_equal(peer->max_queue, 7);
	assert_int_equal(peer->queue_timeout_ms, 3000);
	assert_null(peer->check.target.at);
	fini(&rig);
}

static void a_check_has_its_defaults(void **state)
{
	struct rig rig;
	const struct peer_check *check;

	(void)state;
	init(&rig);
	check = &parse(&rig, "cache_peer h parent 80 0 monitorurl=http://w.example:81/up?x "
			     "monitorsize=10-20 monitorinterval=30")->check;
	assert_true(str_eq(check->host, STR("w.example:81")));
	assert_true(str_eq(check->target, STR("/up?x")));
	assert_int_equal(check->min_bytes, 10);
	assert_int_equal(check->max_bytes, 20);
	assert_int_equal(check->interval_ms, 30000);
	assert_int_equal(check->timeout_ms, 30000);
	assert_int_equal(check->status_max, 200);
	assert_int_equal(check->rise, 1);
	assert_int_equal(check->fall, 1);
	check = &parse(&rig, "cache_peer h parent 80 0 health-text=ok health=/up "
			     "health-status=204 forceddomain=f.example")->check;
	assert_true(str_eq(check->host, STR("f.example")));
	assert_true(str_eq(check->target, STR("/up")));
	assert_true(str_eq(check->text, STR("ok")));
	assert_int_equal(check->status_min, 204);
	assert_int_equal(check->status_max, 204);
	assert_int_equal(check->timeout_ms, 2000);
	assert_int_equal(check->fall, 3);
	assert_null(parse(&rig, "cache_peer h parent 80 0 monitorurl=/ monitorinterval=0")
			    ->check.target.at);
	fini(&rig);
}

static void a_name_is_taken_once(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	assert_non_null(parse(&rig, "cache_peer a parent 80 0 name=Web"));
	peers_parse(&rig.peers, config_line(&rig.lines, "cache_peer a parent 81 0"),
		    rig.lines.report);
	assert_int_equal(rig.peers.n, 2);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	peers_parse(&rig.peers, config_line(&rig.lines, "cache_peer b parent 80 0 name=wEB"),
		    rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_FATAL,
				      "ERROR: cache_peer wEB specified twice"));
	assert_int_equal(rig.peers.n, 2);
	assert_int_equal(peers_find(&rig.peers, STR("A"))->index, 1);
	fini(&rig);
}

static void access_lines_need_a_peer_above_them(void **state)
{
	struct acl_set *acls = acl_set_create();
	struct rig rig;
	struct peer *peer;

	(void)state;
	init(&rig);
	peer = parse(&rig, "cache_peer a parent 80 0");
	assert_non_null(peer);
	peers_parse_access(&rig.peers, acls,
			   config_line(&rig.lines, "cache_peer_access b allow all"),
			   rig.lines.report);
	assert_true(config_lines_said(&rig.lines, REPORT_ERROR, "No cache_peer 'b'"));
	assert_null(peer->access);
	config_lines_forget(&rig.lines);
	peers_parse_access(&rig.peers, acls,
			   config_line(&rig.lines, "cache_peer_access A deny all"),
			   rig.lines.report);
	assert_true(config_lines_said(&rig.lines, 0, NULL));
	assert_false(access_list_is_empty(peer->access));
	fini(&rig);
	acl_set_destroy(acls);
}

static void some_domains_may_see_another_type(void **state)
{
	struct rig rig;
	struct peer *peer;

	(void)state;
	init(&rig);
	peer = parse(&rig, "cache_peer a parent 80 0");
	assert_non_null(peer);
	peers_parse_domain_type(&rig.peers,
				config_line(&rig.lines,
					    "neighbor_type_domain a sibling .B.example c.example"),
				rig.lines.report);
	assert_int_equal(peer_type_for(peer, STR("b.example")), PEER_SIBLING);
	assert_int_equal(peer_type_for(peer, STR("x.b.example")), PEER_SIBLING);
	assert_int_equal(peer_type_for(peer, STR("xb.example")), PEER_PARENT);
	assert_int_equal(peer_type_for(peer, STR("x.c.example")), PEER_PARENT);
	assert_int_equal(peer_type_for(peer, STR("c.example")), PEER_SIBLING);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_judged_as_squid_does),
		cmocka_unit_test(login_has_its_forms),
		cmocka_unit_test(options_reach_their_fields),
		cmocka_unit_test(options_of_ours_reach_their_fields),
		cmocka_unit_test(a_check_has_its_defaults),
		cmocka_unit_test(a_name_is_taken_once),
		cmocka_unit_test(access_lines_need_a_peer_above_them),
		cmocka_unit_test(some_domains_may_see_another_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
