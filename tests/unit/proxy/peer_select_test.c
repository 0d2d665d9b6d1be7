/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "lib/base/buf.h"
#include "lib/http/h1.h"
#include "proxy/fetch/peer_select.h"
#include "proxy/fetch/peer_sticky.h"
#include "proxy/fetch/peer_table.h"

#define PEER(name, options)                                                                        \
	"cache_peer 127.0.0.1 parent 1 0 no-query originserver name=" name " " options "\n"

struct rig {
	struct server_fixture base;
	struct arena arena;
	bool may_go_direct;
	struct addr client;
	struct str user;
	char cookie[128]; /* the request's Cookie field; empty: none */
	struct peer_selection found;
	char names[1024]; /* of the last selection: "a b DIRECT" */
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, lines);
	arena_init(&rig->arena, NULL, 0);
	assert_true(addr_parse(STR("192.0.2.1"), 40000, &rig->client));
}

static void fini(struct rig *rig)
{
	arena_fini(&rig->arena);
	server_fixture_fini(&rig->base);
}

static struct peer_state *peer_state(const struct rig *rig, unsigned index)
{
	return rig->base.snapshot->peers[index];
}

static void write_names(struct rig *rig)
{
	rig->names[0] = '\0';
	for (size_t i = 0; i < rig->found.n; i++) {
		const struct peer_candidate *at = &rig->found.at[i];
		struct str name = at->peer ? at->peer->name : STR("DIRECT");

		snprintf(rig->names + strlen(rig->names), 64, "%s%.*s%s", i > 0 ? " " : "",
		         STR_ARG(name), at->waits ? "?" : "");
	}
}

/* Who would be asked for that URL; all of them, or the first one. */
static const char *select_url(struct rig *rig, struct str host, const char *path, bool is_first)
{
	const struct h1_limits limits = {.head_bytes = 4096, .target_bytes = 4096};
	struct acl_facts facts = {.arena = &rig->arena, .client = &rig->client, .user = rig->user};
	struct peer_request wants = {rig->may_go_direct, &facts};
	struct h1_parser parser = {0};
	struct http_request request;
	char head[512], url[256];

	snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nHost: h\r\n%s%s\r\n",
	         rig->cookie[0] ? "Cookie: " : "", rig->cookie);
	assert_int_equal(h1_parse_request(&parser, head, strlen(head), &limits, &request), H1_DONE);
	facts.request = &request;
	snprintf(url, sizeof(url), "http://%.*s%s", STR_ARG(host), path);
	acl_facts_set_url(&facts, str_of(url), STR("http"), host, 80, str_of(path));
	peer_selection_begin(&rig->found, rig->base.worker, rig->base.snapshot, &wants);
	while (peer_selection_next(&rig->found) && !is_first)
		;
	write_names(rig);
	return rig->names;
}

static const char *select_for(struct rig *rig, struct str host)
{
	return select_url(rig, host, "/", false);
}

static const char *select_any(struct rig *rig)
{
	return select_for(rig, STR("www.example"));
}

/* The first choices of n requests, a letter each. */
static const char *first_choices(struct rig *rig, unsigned n, char text[64])
{
	for (unsigned i = 0; i < n; i++)
		text[i] = *select_url(rig, STR("www.example"), "/", true);
	text[n] = '\0';
	return text;
}

static void peers_are_asked_in_the_order_of_the_file(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "") PEER("b", "") PEER("c", ""));
	assert_string_equal(select_any(&rig), "a b c");
	assert_string_equal(select_any(&rig), "a b c");
	assert_int_equal(rig.found.at[0].hier, LOG_HIER_FIRSTUP_PARENT);
	assert_int_equal(rig.found.at[1].hier, LOG_HIER_ANY_OLD_PARENT);
	assert_int_equal(rig.found.at[2].hier, LOG_HIER_ANY_OLD_PARENT);
	assert_ptr_equal(rig.found.at[1].state, peer_state(&rig, 1));
	fini(&rig);
}

/* As Squid 5.7 was seen to choose. */
static void round_robin_goes_by_weight_and_ties_go_to_the_later(void **state)
{
	struct rig rig;
	char text[64];

	(void)state;
	init(&rig, PEER("a", "round-robin weight=1") PEER("b", "round-robin weight=2"));
	assert_string_equal(first_choices(&rig, 12, text), "bbbabbabbabb");
	assert_int_equal(rig.found.at[0].hier, LOG_HIER_ROUNDROBIN_PARENT);
	assert_string_equal(select_any(&rig), "a b");
	fini(&rig);
}

static void round_robin_starts_anew_with_a_new_configuration(void **state)
{
	static const char *const lines =
		PEER("a", "round-robin") PEER("b", "round-robin") PEER("c", "round-robin");
	struct rig rig;
	char text[64];

	(void)state;
	init(&rig, lines);
	assert_string_equal(first_choices(&rig, 5, text), "cbacb");
	server_fixture_reconfigure(&rig.base, lines);
	assert_string_equal(first_choices(&rig, 5, text), "cbacb");
	fini(&rig);
}

static void a_peer_out_of_the_round_is_asked_after_it(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("plain", "") PEER("a", "round-robin") PEER("b", "round-robin"));
	assert_string_equal(select_any(&rig), "b plain a");
	assert_string_equal(select_any(&rig), "a plain b");
	fini(&rig);
}

static void a_peer_at_its_limit_of_connections_is_left_out(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "max-conn=2") PEER("b", ""));
	peer_state(&rig, 0)->nactive = 1;
	peer_state(&rig, 0)->nconns = 2;
	peer_state(&rig, 1)->nactive = 1000;
	assert_string_equal(select_any(&rig), "a b");
	peer_state(&rig, 0)->nactive = 2;
	assert_string_equal(select_any(&rig), "b");
	peer_state(&rig, 1)->down = PEER_FAULT_CHECK;
	assert_string_equal(select_any(&rig), "");
	assert_true(rig.found.is_overloaded);
	fini(&rig);
}

static void a_dead_peer_gets_no_request(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "connect-fail-limit=1") PEER("b", ""));
	peer_state_failed(peer_state(&rig, 0), 1, "late", false);
	assert_string_equal(select_any(&rig), "b");
	assert_string_equal(select_any(&rig), "b");
	peer_state_succeeded(peer_state(&rig, 0), 1);
	assert_string_equal(select_any(&rig), "a b");
	fini(&rig);
}

/* What has no answers is asked now and then, and when there is nobody else. */
static void a_peer_that_does_not_answer_is_the_last_resort(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "") PEER("b", "health=/up") PEER("c", "backup"));
	for (unsigned i = 0; i < 2; i++) {
		peer_state(&rig, i)->down = PEER_FAULT_ANSWER;
		peer_state(&rig, i)->patience_s = 30;
	}
	assert_string_equal(select_any(&rig), "a c b"); /* b has checks: no request tries it */
	assert_string_equal(select_any(&rig), "c a b");
	fini(&rig);
}

/* As soon as it listens, it has the next request. */
static void a_peer_that_refuses_is_tried_when_there_is_nobody_else(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "") PEER("b", ""));
	peer_state(&rig, 0)->down = PEER_FAULT_REFUSED;
	assert_string_equal(select_any(&rig), "b a");
	peer_state(&rig, 1)->down = PEER_FAULT_REFUSED | PEER_FAULT_ANSWER;
	assert_string_equal(select_any(&rig), "a b");
	peer_state(&rig, 1)->down = PEER_FAULT_REFUSED | PEER_FAULT_CHECK;
	assert_string_equal(select_any(&rig), "a");
	fini(&rig);
}

/* When all have failed, each gets its share of what may find it mended. */
static void those_that_fail_share_by_their_method(void **state)
{
	struct rig rig;
	char text[64];

	(void)state;
	init(&rig, PEER("a", "round-robin weight=1") PEER("b", "round-robin weight=2"));
	for (unsigned i = 0; i < 2; i++)
		peer_state(&rig, i)->down = PEER_FAULT_REFUSED | PEER_FAULT_ANSWER;
	peer_state(&rig, 0)->patience_s = peer_state(&rig, 1)->patience_s = 30;
	select_any(&rig); /* each is tried out once in its time */
	assert_string_equal(first_choices(&rig, 6, text), "bbabba");
	assert_string_equal(select_any(&rig), "b a");
	fini(&rig);
}

static void a_backup_comes_behind_all_others(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("spare", "round-robin backup") PEER("a", "round-robin") PEER("b", ""));
	assert_string_equal(select_any(&rig), "a b spare");
	peer_state(&rig, 1)->down = PEER_FAULT_CONNECT;
	assert_string_equal(select_any(&rig), "b spare");
	peer_state(&rig, 2)->down = PEER_FAULT_CONNECT;
	assert_string_equal(select_any(&rig), "spare");
	fini(&rig);
}

static void a_drained_peer_serves_those_that_stick_to_it(void **state)
{
	struct buf line;
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "sticky=srv") PEER("b", "sticky=srv") PEER("c", "sticky=srv"));
	buf_init(&line, 1000);
	peer_sticky_add(rig.base.snapshot->config->peers->first->next, true, &line);
	buf_add_char(&line, '\0');
	assert_non_null(strstr(line.at, "Set-Cookie: srv="));
	assert_non_null(strstr(line.at, "; Path=/; HttpOnly; SameSite=Lax; Secure\r\n"));
	snprintf(rig.cookie, sizeof(rig.cookie), "x=1; %.20s;y=2\r\n",
	         line.at + strlen("Set-Cookie: "));
	buf_fini(&line);
	assert_string_equal(select_any(&rig), "b a c");
	peer_state_drain(peer_state(&rig, 1), true);
	assert_string_equal(select_any(&rig), "b a c");
	peer_state(&rig, 1)->down = PEER_FAULT_CONNECT;
	assert_string_equal(select_any(&rig), "a c");
	peer_state(&rig, 1)->down = 0;
	rig.cookie[7]++; /* of nobody */
	assert_string_equal(select_any(&rig), "a c");
	peer_state_drain(peer_state(&rig, 1), false);
	assert_string_equal(select_any(&rig), "a b c");
	fini(&rig);
}

static void write_cookie(struct rig *rig, const char *before, unsigned first, unsigned second)
{
	const struct peer *peers[3], *peer = rig->base.snapshot->config->peers->first;
	struct buf lines[2];

	for (unsigned i = 0; i < 3; i++, peer = peer->next)
		peers[i] = peer;
	for (unsigned i = 0; i < 2; i++) {
		buf_init(&lines[i], 1000);
		peer_sticky_add(peers[i == 0 ? first : second], false, &lines[i]);
	}
	snprintf(rig->cookie, sizeof(rig->cookie), "%s%.20s; %.20s\r\n", before,
		 lines[0].at + strlen("Set-Cookie: "), lines[1].at + strlen("Set-Cookie: "));
	buf_fini(&lines[0]);
	buf_fini(&lines[1]);
}

/* As a client that two sites of one name sent them to. */
static void of_two_cookies_the_first_that_can_be_used_counts(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "sticky=srv") PEER("b", "sticky=srv") PEER("c", "sticky=srv"));
	write_cookie(&rig, "", 2, 1);
	assert_string_equal(select_any(&rig), "c a b");
	peer_state(&rig, 2)->down = PEER_FAULT_CONNECT;
	assert_string_equal(select_any(&rig), "b a");
	write_cookie(&rig, "x", 1, 1);
	assert_string_equal(select_any(&rig), "b a");
	write_cookie(&rig, "x", 1, 2); /* another name: nobody's */
	assert_string_equal(select_any(&rig), "a b");
	fini(&rig);
}

static void who_finds_all_busy_waits_where_there_is_room(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "max-conn=1") PEER("b", "max-conn=1 max-conn-queue=2")
	                   PEER("c", "max-conn=1 max-conn-queue=2"));
	for (unsigned i = 0; i < 3; i++)
		peer_state(&rig, i)->nactive = 1;
	assert_string_equal(select_any(&rig), "b?");
	peer_state(&rig, 1)->nwaiting = 2;
	assert_string_equal(select_any(&rig), "c?");
	peer_state(&rig, 2)->nwaiting = 2;
	assert_string_equal(select_any(&rig), "");
	assert_true(rig.found.is_overloaded);
	fini(&rig);
}

/* ---- shares */

enum { ROUNDS = 12000 };

/* How many of ROUNDS requests each of a, b and c gets first; every one comes from another client and
 * asks for another URL. */
static void count_shares(struct rig *rig, unsigned counts[3])
{
	memset(counts, 0, 3 * sizeof(*counts));
	for (unsigned i = 0; i < ROUNDS; i++) {
		char path[32], ip[32];

		snprintf(path, sizeof(path), "/page/%u", i);
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_true(addr_parse(str_of(ip), 1, &rig->client));
		rig->user = str_of(ip);
		select_url(rig, STR("www.example"), path, true);
		assert_int_equal(rig->found.n, 1);
		counts[rig->names[0] - 'a']++;
		arena_reset(&rig->arena);
	}
}

/* CARP's hash is none of the best: URLs that differ by a number do not fall quite evenly. */
static int off_by(const char *what)
{
	return strcmp(what, "carp") == 0 ? ROUNDS / 20 : ROUNDS / 50;
}

static void each_has_its_share(struct rig *rig, const char *what, const unsigned shares[3])
{
	unsigned counts[3], all = shares[0] + shares[1] + shares[2];

	count_shares(rig, counts);
	for (unsigned i = 0; i < 3; i++) {
		int wanted = (int)(ROUNDS * shares[i] / all), off = (int)counts[i] - wanted;

		if (off > off_by(what) || off < -off_by(what))
			fail_msg("%s: %c has %u of %d, not %d", what, 'a' + i, counts[i], ROUNDS,
			         wanted);
	}
}

static void shares_are_those_of_the_weights(void **state)
{
	static const struct {
		const char *method;
		enum log_hier hier;
		unsigned shares[3];
	} cases[] = {
		{"round-robin", LOG_HIER_ROUNDROBIN_PARENT, {1, 2, 3}},
		{"weighted-round-robin", LOG_HIER_ROUNDROBIN_PARENT, {1, 1, 1}},
		/* basetime is taken from round trips of ICP: without ICP there are none */
		{"weighted-round-robin basetime=50", LOG_HIER_ROUNDROBIN_PARENT, {1, 1, 1}},
		{"sourcehash", LOG_HIER_SOURCEHASH_PARENT, {1, 2, 3}},
		{"userhash", LOG_HIER_USERHASH_PARENT, {1, 2, 3}},
		{"carp", LOG_HIER_CARP, {1, 2, 3}},
		{"least-conn", LOG_HIER_ROUNDROBIN_PARENT, {1, 2, 3}},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *lines = mem_printf(PEER("a", "%s") PEER("b", "%s weight=2")
		                                 PEER("c", "%s weight=3"),
		                         cases[i].method, cases[i].method, cases[i].method);

		init(&rig, lines);
		/* Of two drawn, the second is never taken for its load: all are idle. */
		each_has_its_share(&rig, cases[i].method, cases[i].shares);
		assert_int_equal(rig.found.at[0].hier, cases[i].hier);
		fini(&rig);
		mem_free(lines);
	}
}

static void the_operator_may_change_a_weight(void **state)
{
	static const char *const methods[] = {"round-robin", "carp", "least-conn"};
	static const unsigned changed[] = {4, 1, 1};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(methods); i++) {
		char *lines = mem_printf(PEER("a", "%s") PEER("b", "%s") PEER("c", "%s"), methods[i],
		                         methods[i], methods[i]);

		init(&rig, lines);
		peer_state_set_weight(peer_state(&rig, 0), 4);
		each_has_its_share(&rig, methods[i], changed);
		fini(&rig);
		mem_free(lines);
	}
}

static void who_came_back_begins_with_a_tenth(void **state)
{
	unsigned counts[3];
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "round-robin slow-start=1000") PEER("b", "round-robin")
	                   PEER("c", "round-robin"));
	peer_state_failed(peer_state(&rig, 0), 1, "late", false);
	peer_state_succeeded(peer_state(&rig, 0), loop_now_ms(rig.base.worker->loop));
	count_shares(&rig, counts);
	assert_in_range(counts[0], ROUNDS / 27, ROUNDS / 17); /* 0.1 of 2.1 */
	peer_state(&rig, 0)->revived_ms -= 1000000;
	count_shares(&rig, counts);
	assert_in_range(counts[0], ROUNDS / 3 - 2, ROUNDS / 3 + 2); /* it does not catch up */
	fini(&rig);
}

static void the_busy_and_the_slow_get_less(void **state)
{
	unsigned counts[3];
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "least-conn") PEER("b", "least-conn") PEER("c", "least-conn"));
	peer_state(&rig, 0)->nactive = 5;
	count_shares(&rig, counts);
	assert_int_equal(counts[0], 0);
	fini(&rig);
	init(&rig, PEER("a", "peak-ewma") PEER("b", "peak-ewma") PEER("c", "peak-ewma"));
	for (unsigned i = 0; i < 3; i++)
		peer_state_answered(peer_state(&rig, i), i == 1 ? 90000 : 2000,
		                    loop_now_ms(rig.base.worker->loop));
	count_shares(&rig, counts);
	assert_int_equal(counts[1], 0);
	fini(&rig);
}

static void least_conn_counts_requests_for_the_weight(void **state)
{
	unsigned counts[3];
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "least-conn weight=2") PEER("b", "least-conn weight=6")
	                   PEER("c", "least-conn weight=2"));
	peer_state(&rig, 0)->nactive = 2;
	peer_state(&rig, 1)->nactive = 5;
	peer_state(&rig, 2)->nactive = 2;
	count_shares(&rig, counts);
	assert_in_range(counts[1], ROUNDS * 8 / 10, ROUNDS); /* wherever it was drawn */
	fini(&rig);
}

static void while_the_drawn_are_busy_more_are_drawn(void **state)
{
	unsigned nidle = 0;
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "least-conn") PEER("b", "least-conn") PEER("c", "least-conn")
	                   PEER("d", "least-conn") PEER("e", "least-conn") PEER("f", "least-conn")
	                           PEER("g", "least-conn") PEER("h", "least-conn"));
	for (unsigned i = 1; i < 8; i++)
		peer_state(&rig, i)->nactive = 1;
	for (unsigned i = 0; i < 1000; i++) {
		nidle += *select_url(&rig, STR("www.example"), "/", true) == 'a';
		arena_reset(&rig.arena);
	}
	/* Two of eight have it in a quarter of all cases, six in more than half. */
	assert_in_range(nidle, 400, 900);
	fini(&rig);
}

/* Few of many may be used, behind those that may not: each has its share all the same. */
static void the_few_that_are_left_share_by_weight(void **state)
{
	static const char *const selects[] = {"least-conn", "peak-ewma"};
	static const char names[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	const unsigned n = sizeof(names) - 1;
	char lines[8192];
	unsigned counts[128];
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(selects); i++) {
		size_t len = 0;

		for (unsigned k = 0; k < n; k++)
			len += (size_t)snprintf(lines + len, sizeof(lines) - len,
						PEER("%c", "%s weight=%d"), names[k], selects[i],
						names[k] == 'z' ? 2 : 1);
		init(&rig, lines);
		for (unsigned k = 0; k < n - 3; k++)
			peer_state(&rig, k)->down = PEER_FAULT_CONNECT;
		memset(counts, 0, sizeof(counts));
		for (unsigned k = 0; k < 4000; k++) {
			counts[(unsigned char)*select_url(&rig, STR("www.example"), "/", true)]++;
			arena_reset(&rig.arena);
		}
		assert_in_range(counts['x'], 800, 1200);
		assert_in_range(counts['y'], 800, 1200);
		assert_in_range(counts['z'], 1800, 2200);
		fini(&rig);
	}
}

static void a_key_keeps_its_peer_while_others_come_and_go(void **state)
{
	static const char *const lines = PEER("a", "carp carp-key=host,path") PEER("b", "carp "
		"carp-key=host,path") PEER("c", "carp carp-key=host,path");
	char before[200], path[32];
	struct rig rig;

	(void)state;
	init(&rig, lines);
	for (unsigned i = 0; i < sizeof(before); i++) {
		snprintf(path, sizeof(path), "/%u?x=%u", i, i);
		before[i] = *select_url(&rig, STR("www.example"), path, true);
	}
	peer_state(&rig, 2)->down = PEER_FAULT_CONNECT;
	for (unsigned i = 0; i < sizeof(before); i++) {
		char now;

		snprintf(path, sizeof(path), "/%u?y=%u", i, i + 1); /* params do not count */
		now = *select_url(&rig, STR("www.example"), path, true);
		if (before[i] != 'c')
			assert_int_equal(now, before[i]);
		else
			assert_int_not_equal(now, 'c');
	}
	fini(&rig);
}

static void cache_peer_access_says_which_sites_a_peer_has(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig,
	     PEER("a", "") PEER("b", "")
	             PEER("c", "") "acl one dstdomain one.example\nacl two dstdomain two.example\n"
	                           "cache_peer_access a allow one\ncache_peer_access a deny all\n"
	                           "cache_peer_access b deny two\n");
	assert_string_equal(select_for(&rig, STR("one.example")), "a b c");
	assert_string_equal(select_for(&rig, STR("two.example")), "c");
	assert_string_equal(select_for(&rig, STR("three.example")), "b c");
	fini(&rig);
}

static void only_parents_that_we_can_speak_to_are_asked(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "cache_peer 127.0.0.1 sibling 1 0 no-query name=sibling\n"
	           "cache_peer 127.0.0.1 parent 1 0 no-query name=negotiate login=NEGOTIATE\n"
	           "cache_peer 127.0.0.1 parent 1 0 no-query name=ok\n"
	           "cache_peer 127.0.0.1 parent 1 0 no-query name=elsewhere\n"
	           "neighbor_type_domain elsewhere sibling .away.example\n"
	           "neighbor_type_domain sibling parent .away.example\n");
	assert_string_equal(select_any(&rig), "ok elsewhere");
	assert_string_equal(select_for(&rig, STR("www.away.example")), "sibling ok");
	fini(&rig);
}

/* DEFAULT does not come before first-up: Squid's order of methods. */
static void a_default_peer_does_not_come_before_others(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "default") PEER("b", ""));
	assert_string_equal(select_any(&rig), "a b");
	fini(&rig);
}

static void there_may_be_nobody_to_ask(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	assert_string_equal(select_any(&rig), "");
	rig.may_go_direct = true;
	assert_string_equal(select_any(&rig), "DIRECT");
	assert_int_equal(rig.found.at[0].hier, LOG_HIER_DIRECT);
	assert_null(rig.found.at[0].state);
	fini(&rig);
}

static void going_direct_needs_leave(void **state)
{
	static const struct {
		const char *what, *lines;
		bool port_allows;
		const char *names;
	} cases[] = {
		{"an accelerator stays with its peers", "", false, "a b"},
		{"allow-direct: after them", "", true, "a b DIRECT"},
		{"prefer_direct: before them", "prefer_direct on\n", true, "DIRECT a b"},
		{"prefer_direct alone is no leave", "prefer_direct on\n", false, "a b"},
		{"never_direct", "never_direct allow all\n", true, "a b"},
		{"never_direct has the last word", "never_direct allow all\nprefer_direct on\n",
	         true, "a b"},
		{"never_direct denied", "never_direct deny all\n", true, "a b DIRECT"},
		{"always_direct", "always_direct allow all\n", false, "DIRECT"},
		{"always_direct comes first", "always_direct allow all\nnever_direct allow all\n",
	         false, "DIRECT"},
		{"always_direct denied", "always_direct deny all\n", false, "a b"},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *lines = mem_printf("%s%s", PEER("a", "") PEER("b", ""), cases[i].lines);

		init(&rig, lines);
		rig.may_go_direct = cases[i].port_allows;
		if (strcmp(select_any(&rig), cases[i].names) != 0)
			fail_msg("%s: %s", cases[i].what, rig.names);
		fini(&rig);
		mem_free(lines);
	}
}

static void no_more_are_tried_than_forward_max_tries(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "") PEER("b", "") PEER("c", "") "forward_max_tries 2\n");
	assert_string_equal(select_any(&rig), "a b");
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers_are_asked_in_the_order_of_the_file),
		cmocka_unit_test(round_robin_goes_by_weight_and_ties_go_to_the_later),
		cmocka_unit_test(round_robin_starts_anew_with_a_new_configuration),
		cmocka_unit_test(a_peer_out_of_the_round_is_asked_after_it),
		cmocka_unit_test(a_peer_at_its_limit_of_connections_is_left_out),
		cmocka_unit_test(a_dead_peer_gets_no_request),
		cmocka_unit_test(a_peer_that_does_not_answer_is_the_last_resort),
		cmocka_unit_test(a_peer_that_refuses_is_tried_when_there_is_nobody_else),
		cmocka_unit_test(those_that_fail_share_by_their_method),
		cmocka_unit_test(a_backup_comes_behind_all_others),
		cmocka_unit_test(a_drained_peer_serves_those_that_stick_to_it),
		cmocka_unit_test(of_two_cookies_the_first_that_can_be_used_counts),
		cmocka_unit_test(who_finds_all_busy_waits_where_there_is_room),
		cmocka_unit_test(shares_are_those_of_the_weights),
		cmocka_unit_test(the_operator_may_change_a_weight),
		cmocka_unit_test(who_came_back_begins_with_a_tenth),
		cmocka_unit_test(the_busy_and_the_slow_get_less),
		cmocka_unit_test(least_conn_counts_requests_for_the_weight),
		cmocka_unit_test(while_the_drawn_are_busy_more_are_drawn),
		cmocka_unit_test(the_few_that_are_left_share_by_weight),
		cmocka_unit_test(a_key_keeps_its_peer_while_others_come_and_go),
		cmocka_unit_test(cache_peer_access_says_which_sites_a_peer_has),
		cmocka_unit_test(only_parents_that_we_can_speak_to_are_asked),
		cmocka_unit_test(a_default_peer_does_not_come_before_others),
		cmocka_unit_test(there_may_be_nobody_to_ask),
		cmocka_unit_test(going_direct_needs_leave),
		cmocka_unit_test(no_more_are_tried_than_forward_max_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
