/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/unit/squid-compat/acl_fixture.h: a set of ACLs from lines, files in memory, and facts about
 * one request. */
#ifndef TESTS_UNIT_ACL_FIXTURE_H
#define TESTS_UNIT_ACL_FIXTURE_H
#include "lib/base/check.h"
#include "squid-compat/acl/acl.h"
#include "tests/support/config_lines.h"
#include "tests/support/heads.h"

struct fixture {
	struct config_lines lines;
	struct acl_set *set;
	struct access_list *list;
	struct arena arena;
	struct acl_facts facts;
	struct acl_result result;
	struct addr client, local, indirect, dst;
	struct http_request request;
	struct http_response reply;
};

/* What "FILE" holds, whatever its name; NULL: there is no file. */
static const char *fixture_file;

static inline int fixture_read_file(const char *path, struct buf *out)
{
	(void)path;
	if (fixture_file == NULL)
		return ENOENT;
	buf_add_str(out, str_of(fixture_file));
	return 0;
}

static const struct world fixture_world = {
	.resolve = test_resolve,
	.may = test_may,
	.read_file = fixture_read_file,
	.list = test_list,
	.ask_password = test_ask_password,
	.service = test_service,
};

static inline void fixture_address(struct addr *out, const char *text, uint16_t port)
{
	assert_true(addr_parse(str_of(text), port, out));
}

/* GET http://www.example.com/a%20b?x=1 from 192.0.2.1 to 198.51.100.1:80. */
static inline void fixture_request(struct fixture *fixture)
{
	struct acl_facts *facts = &fixture->facts;

	*facts = (struct acl_facts){.arena = &fixture->arena};
	fixture_address(&fixture->client, "192.0.2.1", 40000);
	fixture_address(&fixture->local, "198.51.100.1", 80);
	facts->client = &fixture->client;
	facts->local = &fixture->local;
	facts->port_name = STR("80");
	head_of_lines(&fixture->request.head, "Host: www.example.com\nUser-Agent: curl/7.88\n"
	                                      "X-Forwarded-For: 10.0.0.1\nCookie: a=1\n"
	                                      "X-Forwarded-For: 10.0.0.2\nX-Own: one\n"
	                                      "X-Own: two\nReferer: http://ref.example/\n"
	                                      "Content-Type: text/xml\n");
	facts->request = &fixture->request;
	facts->method = STR("GET");
	acl_facts_set_url(facts, STR("http://www.example.com/a%20b?x=1"), STR("http"),
	                  STR("www.example.com"), 80, STR("/a%20b?x=1"));
	facts->now_s = 1700000000;
}

static inline void fixture_reply(struct fixture *fixture, int status)
{
	head_of_lines(&fixture->reply.head, "Content-Type: image/png\nServer: origin\n");
	fixture->reply.status = status;
	fixture->facts.reply = &fixture->reply;
}

static inline void fixture_init(struct fixture *fixture)
{
	memset(fixture, 0, sizeof(*fixture));
	config_lines_init(&fixture->lines);
	arena_init(&fixture->arena, NULL, 0);
	fixture->set = acl_set_create();
	fixture->list = access_list_create();
	fixture_request(fixture);
	fixture_file = NULL;
}

static inline void fixture_fini(struct fixture *fixture)
{
	access_list_destroy(fixture->list);
	acl_set_destroy(fixture->set);
	arena_fini(&fixture->arena);
	config_lines_fini(&fixture->lines);
}

/* `acl ...` goes to the set, any other line to the list (a directive that may wait). */
static inline void fixture_line(struct fixture *fixture, const char *text)
{
	const struct words *words = config_line(&fixture->lines, text);

	if (str_eq(words_text(words, 0), STR("acl")))
		acl_parse(fixture->set, words, &fixture_world, fixture->lines.report);
	else
		access_list_parse(fixture->list, fixture->set, words, 1, true,
		                  fixture->lines.report);
}

/* Lines apart by newlines; then the set is sealed. */
static inline void fixture_lines(struct fixture *fixture, const char *text)
{
	struct str rest = str_of(text), line;

	while (str_split(&rest, '\n', &line))
		if (line.len > 0)
			fixture_line(fixture, arena_str(&fixture->arena, line).at);
	acl_set_seal(fixture->set, fixture->lines.report);
}

static inline enum acl_verdict fixture_check(struct fixture *fixture)
{
	return access_list_check(fixture->list, ACL_DENY, &fixture->facts, &fixture->result);
}

#endif
