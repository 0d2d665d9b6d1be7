/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/fetch/peer_select.h"
#include "proxy/fetch/peer_table.h"

#define PEER(name, options)                                                                        \
	"cache_peer 127.0.0.1 parent 1 0 no-query originserver name=" name " " options "\n"

struct rig {
	struct server_fixture base;
	struct arena arena;
	bool may_go_direct;
	struct peer_candidate out[PEER_MAX_CANDIDATES];
	size_t n;
	char names[256]; /* of the last selection: "a b DIRECT" */
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, lines);
	arena_init(&rig->arena, NULL, 0);
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

/* Who would be asked for a URL of host. */
static const char *select_for(struct rig *rig, struct str host)
{
	struct addr client;
	struct acl_facts facts = {.arena = &rig->arena, .client = &client};
	struct peer_request request = {rig->may_go_direct, &facts};

	assert_true(addr_parse(STR("192.0.2.1"), 40000, &client));
	acl_facts_set_url(&facts, STR("http://x/"), STR("http"), host, 80, STR("/"));
	rig->n = peer_select(rig->base.worker, rig->base.snapshot, &request, rig->out);
	rig->names[0] = '\0';
	for (size_t i = 0; i < rig->n; i++) {
		struct str name = rig->out[i].peer ? rig->out[i].peer->name : STR("DIRECT");

		snprintf(rig->names + strlen(rig->names), 64, "%s%.*s", i > 0 ? " " : "",
		         STR_ARG(name));
	}
	return rig->names;
}

static const char *select_any(struct rig *rig)
{
	return select_for(rig, STR("www.example"));
}

/* The first choices of n requests, a letter each. */
static const char *first_choices(struct rig *rig, unsigned n, char text[64])
{
	for (unsigned i = 0; i < n; i++)
		text[i] = *select_any(rig);
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
	assert_int_equal(rig.out[0].hier, LOG_HIER_FIRSTUP_PARENT);
	assert_int_equal(rig.out[1].hier, LOG_HIER_ANY_OLD_PARENT);
	assert_int_equal(rig.out[2].hier, LOG_HIER_ANY_OLD_PARENT);
	assert_ptr_equal(rig.out[1].state, peer_state(&rig, 1));
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
	assert_int_equal(rig.out[0].hier, LOG_HIER_ROUNDROBIN_PARENT);
	assert_string_equal(rig.names, "b a");
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
	peer_state(&rig, 0)->nconns = 1;
	peer_state(&rig, 1)->nconns = 1000;
	assert_string_equal(select_any(&rig), "a b");
	peer_state(&rig, 0)->nconns = 2;
	assert_string_equal(select_any(&rig), "b");
	fini(&rig);
}

static void a_dead_peer_gets_one_request_a_second(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER("a", "connect-fail-limit=1") PEER("b", ""));
	peer_state(&rig, 0)->is_dead = true;
	assert_string_equal(select_any(&rig), "a b");
	assert_string_equal(select_any(&rig), "b");
	peer_state_succeeded(peer_state(&rig, 0));
	peer_state(&rig, 0)->is_dead = false;
	assert_string_equal(select_any(&rig), "a b");
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
	assert_int_equal(rig.out[0].hier, LOG_HIER_DIRECT);
	assert_null(rig.out[0].state);
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
		cmocka_unit_test(a_dead_peer_gets_one_request_a_second),
		cmocka_unit_test(cache_peer_access_says_which_sites_a_peer_has),
		cmocka_unit_test(only_parents_that_we_can_speak_to_are_asked),
		cmocka_unit_test(a_default_peer_does_not_come_before_others),
		cmocka_unit_test(there_may_be_nobody_to_ask),
		cmocka_unit_test(going_direct_needs_leave),
		cmocka_unit_test(no_more_are_tried_than_forward_max_tries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
