/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/heap.h"
#include "tests/unit/squid-compat/acl_fixture.h"

/* Squid: cf.data.pre, http_access. The request is a GET from 192.0.2.1. */
static void the_first_line_that_matches_decides(void **state)
{
	static const struct {
		const char *lines;
		enum acl_verdict verdict;
		const char *last;
	} cases[] = {
		{"", ACL_DENY, NULL},
		{"http_access allow all", ACL_ALLOW, "all"},
		{"http_access deny all", ACL_DENY, "all"},
		{"http_access deny CONNECT\nhttp_access allow all", ACL_ALLOW, "all"},
		{"http_access allow all\nhttp_access deny all", ACL_ALLOW, "all"},
		/* no line matched: the opposite of the last */
		{"http_access deny CONNECT", ACL_ALLOW, "CONNECT"},
		{"http_access allow CONNECT", ACL_DENY, "CONNECT"},
		{"http_access deny localhost\nhttp_access allow CONNECT", ACL_DENY, "CONNECT"},
		/* a line stops at its first mismatch */
		{"http_access deny CONNECT all\nhttp_access allow !all", ACL_DENY, "all"},
		{"http_access allow all !CONNECT", ACL_ALLOW, "CONNECT"},
		{"http_access deny all localhost CONNECT", ACL_ALLOW, "localhost"},
		/* the last one of a group is the leaf */
		{"acl g any-of localhost CONNECT\nhttp_access allow g", ACL_DENY, "CONNECT"},
		/* lines that are skipped are not there */
		{"http_access Deny all\nhttp_access deny\nhttp_access allow all", ACL_ALLOW, "all"},
		{"http_access ALLOW all", ACL_DENY, NULL},
		/* an empty ACL never matches */
		{"acl e src\nhttp_access deny e\nhttp_access allow all", ACL_ALLOW, "all"},
		{"acl e src\nhttp_access allow !e", ACL_ALLOW, "e"},
		/* names come as they were first written */
		{"acl Mine src 192.0.2.1\nhttp_access deny mINE", ACL_DENY, "Mine"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		enum acl_verdict verdict;

		fixture_init(&fixture);
		fixture_lines(&fixture, cases[i].lines);
		verdict = fixture_check(&fixture);
		if (verdict != cases[i].verdict ||
		    !str_eq(str_of(fixture.result.last_acl), str_of(cases[i].last)))
			fail_msg("'%s': %d, last %s", cases[i].lines, verdict,
			         fixture.result.last_acl ? fixture.result.last_acl : "-");
		assert_int_equal(fixture.result.need, ACL_NEED_NOTHING);
		fixture_fini(&fixture);
	}
}

static void without_lines_the_caller_decides(void **state)
{
	struct acl_facts facts = {0};
	struct acl_result result;

	(void)state;
	assert_int_equal(access_list_check(NULL, ACL_ALLOW, &facts, &result), ACL_ALLOW);
	assert_int_equal(access_list_check(NULL, ACL_DENY, &facts, &result), ACL_DENY);
	assert_true(access_list_allows(NULL, true, &facts));
	assert_false(access_list_allows(NULL, false, &facts));
}

/* A good password outside the list and then `deny all` is a 403, no password a 401. */
static void users_are_asked_for_only_where_it_can_help(void **state)
{
	enum { ASK = 1, FORBID = 2, ALLOW = 3 };
	static const struct {
		const char *rules;
		enum acl_auth auth;
		const char *user;
		int expected;
	} cases[] = {
		{"http_access allow u\nhttp_access deny all", ACL_AUTH_NONE, "", ASK},
		{"http_access allow u\nhttp_access deny all", ACL_AUTH_FAILED, "alice", ASK},
		{"http_access allow u\nhttp_access deny all", ACL_AUTH_OK, "alice", ALLOW},
		{"http_access allow u\nhttp_access deny all", ACL_AUTH_OK, "mallory", FORBID},
		{"http_access allow u", ACL_AUTH_OK, "mallory", ASK},
		{"http_access deny !u\nhttp_access allow all", ACL_AUTH_OK, "mallory", ASK},
		{"http_access deny !u\nhttp_access allow all", ACL_AUTH_NONE, "", ASK},
		{"http_access deny !u\nhttp_access allow all", ACL_AUTH_OK, "alice", ALLOW},
		{"http_access deny u all\nhttp_access allow all", ACL_AUTH_OK, "alice", FORBID},
		{"http_access allow all\nhttp_access deny u", ACL_AUTH_NONE, "", ALLOW},
		{"http_access allow !u\nhttp_access deny all", ACL_AUTH_NONE, "", ASK},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		enum acl_verdict verdict;
		int got = ALLOW;

		fixture_init(&fixture);
		fixture_line(&fixture, "acl u proxy_auth alice");
		fixture_lines(&fixture, cases[i].rules);
		fixture.facts.auth = cases[i].auth;
		fixture.facts.user = str_of(cases[i].user);
		verdict = fixture_check(&fixture);
		if (verdict == ACL_DENY)
			got = fixture.result.is_auth_required || fixture.result.is_rechallenge
			              ? ASK
			              : FORBID;
		if (got != cases[i].expected)
			fail_msg("'%s' for '%s': %d", cases[i].rules, cases[i].user, got);
		fixture_fini(&fixture);
	}
}

static void a_missing_fact_is_named_and_the_check_run_again(void **state)
{
	static const struct {
		const char *definition;
		enum acl_need need;
	} cases[] = {
		{"acl x proxy_auth alice", ACL_NEED_AUTH},
		{"acl x proxy_auth_regex alice", ACL_NEED_AUTH},
		{"acl x dst 203.0.113.9", ACL_NEED_DST_ADDRS},
		{"acl x srcdomain pc1.example", ACL_NEED_CLIENT_NAME},
		{"acl x srcdom_regex ^pc1", ACL_NEED_CLIENT_NAME},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		fixture_line(&fixture, cases[i].definition);
		fixture_lines(&fixture, "http_access allow x\nhttp_access deny all");
		assert_int_equal(fixture_check(&fixture), ACL_NEED);
		assert_int_equal(fixture.result.need, cases[i].need);
		fixture_address(&fixture.dst, "203.0.113.9", 80);
		fixture.facts.auth = ACL_AUTH_OK;
		fixture.facts.user = STR("alice");
		fixture.facts.client_name = (struct acl_host_name){true, STR("pc1.example")};
		fixture.facts.has_dst_addrs = true;
		fixture.facts.dst_addrs = &fixture.dst;
		fixture.facts.ndst_addrs = 1;
		assert_int_equal(fixture_check(&fixture), ACL_ALLOW);
		fixture_fini(&fixture);
	}
}

static void a_host_that_is_an_address_needs_its_name(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl x dstdomain .example.net\nhttp_access allow x");
	acl_facts_set_url(&fixture.facts, STR("http://203.0.113.9/"), STR("http"),
	                  STR("203.0.113.9"), 80, STR("/"));
	assert_int_equal(fixture_check(&fixture), ACL_NEED);
	assert_int_equal(fixture.result.need, ACL_NEED_DST_NAME);
	fixture.facts.host_name = (struct acl_host_name){true, STR("h.example.net")};
	assert_int_equal(fixture_check(&fixture), ACL_ALLOW);
	/* and for an address the resolver isn't asked */
	fixture.facts.host_name = (struct acl_host_name){true, STR_NONE};
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	fixture_fini(&fixture);
}

static void who_may_not_wait_takes_a_need_for_a_mismatch(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl u proxy_auth alice\nacl d dst 203.0.113.9\n"
	                        "http_access allow u\nhttp_access allow !d\nhttp_access deny all");
	fixture.facts.is_fast = true;
	assert_int_equal(fixture_check(&fixture), ACL_ALLOW); /* by !d */
	assert_string_equal(fixture.result.last_acl, "d");
	assert_true(access_list_allows(fixture.list, false, &fixture.facts));
	fixture_fini(&fixture);
}

static void fast_directives_never_wait_and_warn_of_it(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_line(&fixture, "acl u proxy_auth alice");
	fixture_line(&fixture, "acl g any-of localhost u");
	access_list_parse(fixture.list, fixture.set,
	                  config_line(&fixture.lines, "cache_peer_access p allow g"), 2, false,
	                  fixture.lines.report);
	assert_true(config_lines_said(&fixture.lines, REPORT_WARNING,
	                              "cache_peer_access can't wait for ACL 'g'"));
	acl_set_seal(fixture.set, fixture.lines.report);
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	fixture_fini(&fixture);
}

/* Whatever the line would say: an ACL that can't be decided denies, negated or not. */
static void what_is_undecided_denies(void **state)
{
	static const char *const rules[] = {
		"http_access allow x\nhttp_access allow all",
		"http_access allow !x\nhttp_access allow all",
		"http_access deny x\nhttp_access allow all",
	};
	char path[64];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = 'b';
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		fixture_line(&fixture, "acl x urlpath_regex ^((a|aa)+)+\\1$");
		fixture_lines(&fixture, rules[i]);
		fixture.facts.path = (struct str){path, sizeof(path)};
		assert_int_equal(fixture_check(&fixture), ACL_DENY);
		assert_true(fixture.result.is_undecided);
		assert_false(fixture.result.is_auth_required);
		fixture_fini(&fixture);
	}
}

/* Each random ACL draws for itself, once for a check, also when that is evaluated twice. */
static void a_draw_lasts_for_one_check(void **state)
{
	struct fixture fixture;
	unsigned nallowed = 0, nkept = 0;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl half random 0.5\nacl third random 1/3\nacl d dst 203.0.113.9\n"
	                        "http_access deny half\nhttp_access deny third\n"
	                        "http_access deny d\nhttp_access allow all");
	for (int i = 0; i < 3000; i++) {
		fixture.facts.has_dst_addrs = false;
		if (fixture_check(&fixture) != ACL_NEED)
			continue;
		nkept++;
		fixture.facts.has_dst_addrs = true;
		nallowed += fixture_check(&fixture) == ACL_ALLOW;
	}
	/* 1/2 of 2/3; ten deviations away */
	assert_in_range(nkept, 750, 1250);
	assert_int_equal(nallowed, nkept);
	assert_int_equal(fixture.facts.random_seed, 0);
	fixture_fini(&fixture);
}

static void conditions_are_lines_without_an_action(void **state)
{
	static const struct {
		const char *line;
		bool holds;
	} cases[] = {
		{"access_log stdio:/x squid", true},
		{"access_log stdio:/x squid all", true},
		{"access_log stdio:/x squid all !CONNECT", true},
		{"access_log stdio:/x squid all CONNECT", false},
		{"access_log stdio:/x squid nobody", false},
		{"access_log stdio:/x squid !nobody", false},
	};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	acl_set_seal(fixture.set, fixture.lines.report);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct acl_condition *condition = acl_condition_create(
			fixture.set, config_line(&fixture.lines, cases[i].line), 3,
			fixture.lines.report);

		if (acl_condition_holds(condition, &fixture.facts) != cases[i].holds)
			fail_msg("%s", cases[i].line);
		acl_condition_destroy(condition);
	}
	assert_int_equal(report_count(fixture.lines.report, REPORT_FATAL), 2);
	fixture_fini(&fixture);
}

/* A rewriter changed the URL: nothing of the old one may answer. */
static void a_new_url_forgets_the_old_ones_facts(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl x url_regex a\\sb\nhttp_access allow x");
	assert_int_equal(fixture_check(&fixture), ACL_ALLOW);
	fixture.facts.has_dst_addrs = true;
	acl_facts_set_url(&fixture.facts, STR("http://other/%20"), STR("http"), STR("other"), 80,
	                  STR("/%20"));
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	assert_false(fixture.facts.has_dst_addrs);
	fixture_fini(&fixture);
}

static void the_manager_is_known_by_its_path(void **state)
{
	static const struct {
		const char *url;
		bool matches;
	} cases[] = {
		{"http://h/squid-internal-mgr/info", true},
		{"http://h:8080/squid-internal-mgr/", true},
		{"http://h/%73quid-internal-mgr/info", true},
		{"CACHE_OBJECT://h/info", true},
		{"http://h/x/squid-internal-mgr/info", false},
		{"http://h/squid-internal-mgr", false},
	};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "http_access allow manager");
	for (size_t i = 0; i < COUNT(cases); i++) {
		acl_facts_set_url(&fixture.facts, str_of(cases[i].url), STR("http"), STR("h"), 80,
		                  STR("/"));
		if ((fixture_check(&fixture) == ACL_ALLOW) != cases[i].matches)
			fail_msg("%s", cases[i].url);
	}
	fixture_fini(&fixture);
}

static enum acl_external_state state_of_external;
static struct str args_of_external;

static enum acl_external_state external(struct acl_facts *facts, const struct acl_external *acl)
{
	(void)facts;
	args_of_external = acl->nargs > 1 ? acl->args[1] : STR_NONE;
	return state_of_external;
}

/* Squid: an external ACL that is undecided denies, whatever the line's action. */
static void external_acls_are_asked_for_and_denied_when_undecided(void **state)
{
	static const struct acl_hooks hooks = {.external = external};
	static const struct {
		enum acl_external_state state;
		enum acl_verdict verdict, of_negated;
	} cases[] = {
		{ACL_EXTERNAL_UNKNOWN, ACL_NEED, ACL_NEED},
		{ACL_EXTERNAL_MATCH, ACL_ALLOW, ACL_DENY},
		{ACL_EXTERNAL_MISMATCH, ACL_DENY, ACL_ALLOW},
		{ACL_EXTERNAL_UNDECIDED, ACL_DENY, ACL_DENY},
	};
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		struct fixture fixture;

		fixture_init(&fixture);
		assert_true(acl_set_add_external(fixture.set, STR("type"), false));
		assert_false(acl_set_add_external(fixture.set, STR("type"), true));
		fixture_lines(&fixture, i % 2 ? "acl e external type one two\nhttp_access allow !e"
		                              : "acl e external type one two\nhttp_access allow e");
		fixture.facts.hooks = &hooks;
		state_of_external = cases[i / 2].state;
		assert_int_equal(fixture_check(&fixture),
		                 i % 2 ? cases[i / 2].of_negated : cases[i / 2].verdict);
		assert_true(str_eq(args_of_external, STR("two")));
		if (cases[i / 2].verdict == ACL_NEED) {
			assert_int_equal(fixture.result.need, ACL_NEED_EXTERNAL);
			assert_string_equal(fixture.result.external->name, "e");
			/* who may not wait: a mismatch */
			assert_int_equal(access_list_allows(fixture.list, false, &fixture.facts),
			                 i % 2);
		}
		fixture_fini(&fixture);
	}
}

/* on-error=allow: what the helper would have to say for the request. */
static void what_favours_the_request_fits_its_line(void **state)
{
	static const struct acl_hooks hooks = {.external = external};
	static const struct {
		const char *rules;
		enum acl_verdict verdict;
	} cases[] = {
		{"http_access allow e", ACL_ALLOW},
		{"http_access allow !e", ACL_ALLOW},
		{"http_access allow e none", ACL_DENY},
		{"http_access deny e\nhttp_access allow all", ACL_ALLOW},
		{"http_access deny !e\nhttp_access allow all", ACL_ALLOW},
		{"http_access deny both\nhttp_access allow all", ACL_ALLOW},
		{"http_access allow both", ACL_ALLOW},
		{"http_access allow neither", ACL_ALLOW},
	};

	(void)state;
	state_of_external = ACL_EXTERNAL_FAVOURS;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fixture fixture;
		char *lines = mem_printf("acl none src 0.0.0.0/32\nacl e external type one\n"
					 "acl both any-of e none\nacl neither all-of !e !none\n%s",
					 cases[i].rules);

		fixture_init(&fixture);
		assert_true(acl_set_add_external(fixture.set, STR("type"), false));
		fixture_lines(&fixture, lines);
		fixture.facts.hooks = &hooks;
		if (fixture_check(&fixture) != cases[i].verdict)
			fail_msg("%s", cases[i].rules);
		fixture_fini(&fixture);
		mem_free(lines);
	}
}

/* %LOGIN: the helper is told the user, who has to say who he is first. */
static void external_acls_about_users_ask_for_them(void **state)
{
	static const struct acl_hooks hooks = {.external = external};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	assert_true(acl_set_add_external(fixture.set, STR("type"), true));
	fixture_lines(&fixture, "acl e external type\nhttp_access allow e");
	assert_true(acl_set_uses_auth(fixture.set));
	fixture.facts.hooks = &hooks;
	state_of_external = ACL_EXTERNAL_MISMATCH;
	assert_int_equal(fixture_check(&fixture), ACL_NEED);
	assert_int_equal(fixture.result.need, ACL_NEED_AUTH);
	fixture.facts.auth = ACL_AUTH_NONE;
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	assert_true(fixture.result.is_auth_required);
	fixture.facts.auth = ACL_AUTH_OK;
	fixture.facts.user = STR("joe");
	assert_int_equal(fixture_check(&fixture), ACL_DENY);
	assert_true(fixture.result.is_rechallenge);
	fixture_fini(&fixture);
}

static struct str value_of(const struct notes *notes, const char *key)
{
	for (unsigned i = 0; i < notes->n; i++)
		if (str_eq(notes->at[i].key, str_of(key)))
			return notes->at[i].value;
	return STR_NONE;
}

static void annotations_replace_or_add_and_are_seen_by_what_follows(void **state)
{
	struct notes_kept *kept = NULL;
	struct notes notes = {0};
	struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	fixture_lines(&fixture, "acl one annotate_transaction key=a other=x\n"
	                        "acl two annotate_transaction key=b,d key+=c key+=c,d\n"
	                        "acl keep annotate_client site=s\n"
	                        "acl is_b note key b\nacl is_c note key c\nacl is_s note site s\n"
	                        "acl is_d note key d\n"
	                        "http_access allow one two keep is_b is_c is_s is_d");
	fixture.facts.notes = &notes;
	fixture.facts.client_notes = &kept;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fixture_check(&fixture), ACL_ALLOW);
	assert_true(str_eq(value_of(&notes, "key"), STR("b")));
	assert_true(str_eq(value_of(&notes, "other"), STR("x")));
	assert_int_equal(notes.n, 5);
	assert_int_equal(kept->notes.n, 1);
	assert_true(str_eq(value_of(&kept->notes, "site"), STR("s")));
	notes_kept_free(kept);
	fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_line_that_matches_decides),
		cmocka_unit_test(without_lines_the_caller_decides),
		cmocka_unit_test(users_are_asked_for_only_where_it_can_help),
		cmocka_unit_test(a_missing_fact_is_named_and_the_check_run_again),
		cmocka_unit_test(a_host_that_is_an_address_needs_its_name),
		cmocka_unit_test(who_may_not_wait_takes_a_need_for_a_mismatch),
		cmocka_unit_test(fast_directives_never_wait_and_warn_of_it),
		cmocka_unit_test(what_is_undecided_denies),
		cmocka_unit_test(a_draw_lasts_for_one_check),
		cmocka_unit_test(conditions_are_lines_without_an_action),
		cmocka_unit_test(a_new_url_forgets_the_old_ones_facts),
		cmocka_unit_test(the_manager_is_known_by_its_path),
		cmocka_unit_test(external_acls_are_asked_for_and_denied_when_undecided),
		cmocka_unit_test(what_favours_the_request_fits_its_line),
		cmocka_unit_test(external_acls_about_users_ask_for_them),
		cmocka_unit_test(annotations_replace_or_add_and_are_seen_by_what_follows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
