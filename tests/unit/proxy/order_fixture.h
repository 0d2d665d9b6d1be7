/* SPDX-License-Identifier: BSD-2-Clause */
/* tests/unit/proxy/order_fixture.h: a request that came in on the first port, and what to fetch for
 * it (struct fetch_order), without anybody being asked. */
#ifndef TESTS_UNIT_PROXY_ORDER_FIXTURE_H
#define TESTS_UNIT_PROXY_ORDER_FIXTURE_H
#include "lib/http/h1.h"
#include "proxy/fetch/fetch.h"
#include "proxy/session/exchange.h"
#include "tests/unit/proxy/server_fixture.h"

struct order_fixture {
	struct server_fixture base;
	struct arena arena;
	struct exchange exchange;
	struct acl_facts facts;
	struct port_url parts;
	struct fetch_order order;
};

/* The order of another request on the same port, from 192.0.2.1. text: its whole head, lines ended
 * by LF (which become CRLF), with the empty line at its end left out. */
static inline void order_fixture_request(struct order_fixture *fixture, const char *text)
{
	static const struct h1_limits limits = {
		.head_bytes = 65536, .target_bytes = 65536, .allow_no_host = true};
	struct exchange *exchange = &fixture->exchange;
	struct h1_parser parser = {0};
	struct buf bytes, url;

	buf_init(&bytes, 65536);
	buf_init(&url, 65536);
	for (const char *at = text; *at; at++) {
		if (*at == '\n')
			buf_add_char(&bytes, '\r');
		buf_add_char(&bytes, *at);
	}
	buf_add_str(&bytes, STR("\r\n"));
	*exchange = (struct exchange){.port = fixture_config(&fixture->base)->ports->first};
	assert_true(addr_parse(STR("192.0.2.1"), 40000, &exchange->client));
	assert_true(addr_parse(STR("198.51.100.1"), 80, &exchange->local));
	if (h1_parse_request(&parser, arena_str(&fixture->arena, buf_str(&bytes)).at, bytes.len,
	                     &limits, &exchange->request) != H1_DONE)
		fail_msg("not a request (%s): %s", h1_error_info(parser.error)->text, text);
	assert_int_equal(
		port_request_url(
			&(struct port_request){
				.port = exchange->port,
				.target = http_span(&exchange->request.head, exchange->request.target),
				.host = http_value(&exchange->request.head, FIELD_HOST),
				.local = &exchange->local,
			},
			&url, &fixture->parts),
		PORT_URL_OK);
	fixture->facts = (struct acl_facts){
		.arena = &fixture->arena,
		.client = &exchange->client,
		.local = &exchange->local,
		.request = &exchange->request,
		.method = http_span(&exchange->request.head, exchange->request.method_text),
	};
	fixture->order.url = arena_str(&fixture->arena, buf_str(&url));
	fixture->order.cache_url = fixture->order.url;
	fixture->order.key = index_key(fixture->base.server.index, fixture->order.url);
	acl_facts_set_url(
		&fixture->facts, fixture->order.url, STR("http"),
		http_span(&(struct http_head){.base = fixture->order.url.at}, fixture->parts.host),
		fixture->parts.port,
		http_span(&(struct http_head){.base = fixture->order.url.at}, fixture->parts.path));
	buf_fini(&bytes);
	buf_fini(&url);
}

static inline void order_fixture_init(struct order_fixture *fixture, const char *lines)
{
	memset(fixture, 0, sizeof(*fixture));
	server_fixture_init(&fixture->base, lines);
	arena_init(&fixture->arena, NULL, 0);
	fixture->order = (struct fetch_order){
		.worker = fixture->base.worker,
		.snapshot = fixture->base.snapshot,
		.exchange = &fixture->exchange,
		.parts = &fixture->parts,
		.facts = &fixture->facts,
		.may_store = true,
	};
	order_fixture_request(fixture, "GET / HTTP/1.1\nHost: w.example\n");
}

static inline void order_fixture_fini(struct order_fixture *fixture)
{
	arena_fini(&fixture->arena);
	server_fixture_fini(&fixture->base);
}

#endif
