/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/support/disk_fixture.h"
#include "tests/unit/proxy/order_fixture.h"

#include <errno.h>

#include "cache/object.h"
#include "lib/http/date.h"
#include "proxy/fetch/fetch_store.h"
#include "tests/support/messages.h"

#define PEER "cache_peer 127.0.0.1 parent 1 0 no-query originserver name=app "
#define FRESH "Cache-Control: max-age=300\r\nContent-Length: 4\r\n"

struct rig {
	struct order_fixture base;
	char text[4096];
	struct http_response response;
	struct fetch_report report;
	struct fetch_storing storing;
	struct object *object;
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	order_fixture_init(&rig->base, lines);
}

static void forget_object(struct rig *rig)
{
	if (rig->object && object_state(rig->object) < OBJECT_COMPLETE)
		fetch_store_abort(&rig->storing, &rig->base.order, rig->object, ECANCELED);
	object_unref(rig->object);
	rig->object = NULL;
}

static void fini(struct rig *rig)
{
	forget_object(rig);
	order_fixture_fini(&rig->base);
}

/* The head of an answer to a request that left some time ago. */
static void answer(struct rig *rig, int status, const char *lines)
{
	struct loop *loop = rig->base.base.worker->loop;

	forget_object(rig);
	message_response(status, lines, rig->text, sizeof(rig->text), &rig->response);
	rig->report = (struct fetch_report){
		.peer = rig->report.peer,
		.started_us = loop_wall_us(loop),
		.answered_us = loop_wall_us(loop),
	};
	rig->storing = (struct fetch_storing){0};
	rig->object = object_create(loop, NULL, NULL, 1 << 20);
	fetch_store_begin(&rig->storing, &rig->base.order, &rig->response, rig->object,
	                  &rig->report);
}

static void begin(struct rig *rig, int status, const char *lines)
{
	fetch_store_note_removals(&rig->base.order);
	answer(rig, status, lines);
}

static void purge(struct rig *rig)
{
	index_remove_all(rig->base.base.server.index, rig->base.order.key, rig->base.order.url);
}

static void finish(struct rig *rig, struct str body)
{
	object_append(rig->object, body);
	fetch_store_grew(&rig->storing, &rig->base.order, rig->object);
	fetch_store_finish(&rig->storing, &rig->base.order, rig->object);
}

/* Does the index have an answer to the request, in whatever state? */
static bool is_indexed(struct rig *rig)
{
	const struct fetch_order *order = &rig->base.order;
	struct object *object = index_find(rig->base.base.server.index, order->key, order->url,
	                                   &rig->base.exchange.request.head);

	object_unref(object);
	return object != NULL;
}

static bool has(struct str text, const char *part)
{
	return memmem(text.at, text.len, part, strlen(part)) != NULL;
}

static void readers_share_what_is_for_all_and_the_first_has_the_rest(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	begin(&rig, 200,
	      "Server: s\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nSet-Cookie: a=1\r\n"
	      "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nAge: 7\r\nX-Own: 2\r\n"
	      "Surrogate-Control: max-age=99999999\r\nSet-Cookie: b=2\r\n"
	      "Cache-Control: max-age=99999999\r\nContent-Length: 4\r\n");
	assert_true(rig.report.is_storable);
	assert_true(
		str_eq(rig.object->head, STR("HTTP/1.1 200 OK\r\nServer: s\r\n"
	                                     "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nX-Own: 2\r\n"
	                                     "Cache-Control: max-age=99999999\r\n")));
	assert_true(str_eq(rig.object->head_once,
	                   STR("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nAge: 7\r\n")));
	assert_int_equal(rig.object->body_bytes, 4);
	assert_true(str_eq(rig.object->url, STR("http://w.example/")));
	fini(&rig);
}

/* RFC 9111 §5.2.2.4, §5.2.2.7 */
static void fields_that_the_answer_keeps_from_caches_are_not_stored(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	begin(&rig, 200,
	      "Cache-Control: max-age=300, no-cache=\"X-One\"\r\nX-One: 1\r\n"
	      "X-Two: 2\r\nETag: \"x\"\r\nContent-Length: 4\r\n");
	assert_true(rig.report.is_storable);
	assert_false(has(rig.object->head, "X-One: 1"));
	assert_true(has(rig.object->head_once, "X-One: 1\r\n"));
	assert_true(has(rig.object->head, "X-Two: 2\r\n"));
	fini(&rig);
}

static void an_answer_without_date_gets_one(void **state)
{
	struct rig rig;
	char *line;

	(void)state;
	init(&rig, "");
	begin(&rig, 200, "X-Own: 1\r\nContent-Length: 4\r\n");
	line = mem_printf("\r\nDate: %s\r\n", worker_date(rig.base.base.worker).at);
	assert_true(has(rig.object->head, line));
	mem_free(line);
	fini(&rig);
}

static void the_length_of_what_was_not_sent_is_for_the_asker(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	order_fixture_request(&rig.base, "HEAD / HTTP/1.1\nHost: w.example\n");
	begin(&rig, 200, FRESH);
	assert_true(has(rig.object->head_once, "Content-Length: 4\r\n"));
	assert_false(has(rig.object->head, "Content-Length"));
	fini(&rig);
}

/* Whether it is found under way, and when it is whole. */
static void what_may_be_stored_is_found_at_once_and_stays(void **state)
{
	struct rig rig;
	struct object *found;

	(void)state;
	init(&rig, "");
	begin(&rig, 200, FRESH);
	assert_true(rig.report.is_storable);
	assert_true(is_indexed(&rig));
	finish(&rig, STR("body"));
	found = index_find(rig.base.base.server.index, rig.base.order.key, rig.base.order.url,
	                   &rig.base.exchange.request.head);
	assert_ptr_equal(found, rig.object);
	assert_true(object_is_whole(found));
	object_unref(found);
	fini(&rig);
}

static void what_may_be_stored_is_a_matter_of_many(void **state)
{
	static const char *const get = "GET / HTTP/1.1\nHost: w.example\n";
	static const struct {
		const char *what, *lines, *request;
		int status;
		const char *answer;
		bool is_storable;
	} cases[] = {
		{"fresh", "", get, 200, FRESH, true},
		{"no-store", "", get, 200, "Cache-Control: no-store\r\nContent-Length: 4\r\n",
	         false},
		{"private", "", get, 200, "Cache-Control: private\r\nContent-Length: 4\r\n", false},
		{"the request says no-store", "",
	         "GET / HTTP/1.1\nHost: w.example\nCache-Control: no-store\n", 200, FRESH, false},
		{"Authorization", "",
	         "GET / HTTP/1.1\nHost: w.example\nAuthorization: Basic YTpi\n", 200, FRESH, false},
		{"POST", "", "POST / HTTP/1.1\nHost: w.example\nContent-Length: 0\n", 200, FRESH,
	         false},
		{"a rule's ignore-no-store", "refresh_pattern . 10 20% 20 ignore-no-store\n", get,
	         200, "Cache-Control: no-store\r\nContent-Length: 4\r\n", true},
		{"too large for disks alone", "maximum_object_size 3 bytes\n", get, 200, FRESH, true},
		{"too small", "minimum_object_size 1 KB\n", get, 200, FRESH, false},
		{"an error", "", get, 500, "Content-Length: 4\r\n", false},
		{"negative_ttl", "negative_ttl 1 minute\n", get, 404, "Content-Length: 4\r\n",
	         true},
		{"Vary", "", get, 200, FRESH "Vary: Accept\r\n", true},
		{"Vary: *", "", get, 200, FRESH "Vary: *\r\n", false},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		init(&rig, cases[i].lines);
		order_fixture_request(&rig.base, cases[i].request);
		begin(&rig, cases[i].status, cases[i].answer);
		if (rig.report.is_storable != cases[i].is_storable ||
		    is_indexed(&rig) != cases[i].is_storable)
			fail_msg("%s: %s", cases[i].what, rig.report.storable_reason);
		fini(&rig);
	}
}

static void a_port_with_ignore_cc_does_not_hear_the_client(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "http_port 81 accel ignore-cc\n");
	order_fixture_request(&rig.base,
	                      "GET / HTTP/1.1\nHost: w.example\nCache-Control: no-store\n");
	begin(&rig, 200, FRESH);
	assert_false(is_indexed(&rig));
	rig.base.exchange.port = rig.base.exchange.port->next;
	begin(&rig, 200, FRESH);
	assert_true(is_indexed(&rig));
	fini(&rig);
}

static void what_the_transaction_or_the_peer_forbids_is_not_stored(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, PEER "proxy-only\n");
	rig.report.peer = fixture_config(&rig.base.base)->peers->first;
	begin(&rig, 200, FRESH);
	assert_false(rig.report.is_storable);
	assert_string_equal(rig.report.storable_reason, "the peer is proxy-only");
	rig.report.peer = NULL;
	rig.base.order.may_store = false;
	begin(&rig, 200, FRESH);
	assert_false(rig.report.is_storable);
	assert_false(is_indexed(&rig));
	rig.base.order.may_store = true;
	begin(&rig, 200, FRESH);
	assert_true(is_indexed(&rig));
	fini(&rig);
}

static void variants_are_kept_apart(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	order_fixture_request(&rig.base, "GET / HTTP/1.1\nHost: w.example\nAccept-Language: fi\n");
	begin(&rig, 200, FRESH "Vary: Accept-Language\r\n");
	finish(&rig, STR("body"));
	assert_true(is_indexed(&rig));
	order_fixture_request(&rig.base, "GET / HTTP/1.1\nHost: w.example\nAccept-Language: en\n");
	assert_false(is_indexed(&rig));
	fini(&rig);
}

static void what_ends_short_is_not_found_any_more(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	begin(&rig, 200, FRESH);
	object_append(rig.object, STR("bo"));
	fetch_store_abort(&rig.storing, &rig.base.order, rig.object, ECONNRESET);
	assert_int_equal(object_state(rig.object), OBJECT_ABORTED);
	assert_false(is_indexed(&rig));
	begin(&rig, 200, FRESH);
	finish(&rig, STR("bod")); /* a byte is missing */
	assert_int_equal(object_state(rig.object), OBJECT_ABORTED);
	assert_false(is_indexed(&rig));
	fini(&rig);
}

/* It serves those who ask while it comes, and pushes out what was stored. */
static void what_is_too_large_for_every_store_is_shared_meanwhile(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "maximum_object_size_in_memory 4 bytes\n");
	begin(&rig, 200, FRESH);
	finish(&rig, STR("body"));
	assert_true(is_indexed(&rig));
	begin(&rig, 200, "Cache-Control: max-age=300\r\nContent-Length: 5\r\n");
	assert_false(rig.report.is_storable);
	assert_true(is_indexed(&rig));
	finish(&rig, STR("body+"));
	assert_false(is_indexed(&rig));
	fini(&rig);
}

/* Without a length it shows only as it comes. */
static void what_grows_too_large_leaves_memory(void **state)
{
	static const char *const endless =
		"Cache-Control: max-age=300\r\nTransfer-Encoding: chunked\r\n";
	struct rig rig;

	(void)state;
	init(&rig, "maximum_object_size_in_memory 4 bytes\n");
	begin(&rig, 200, endless);
	finish(&rig, STR("body"));
	assert_true(is_indexed(&rig));
	assert_int_equal(index_remove_all(rig.base.base.server.index, rig.base.order.key,
					  rig.base.order.url), 1);
	begin(&rig, 200, endless);
	object_append(rig.object, STR("body"));
	fetch_store_grew(&rig.storing, &rig.base.order, rig.object);
	assert_true(is_indexed(&rig));
	object_append(rig.object, STR("+"));
	fetch_store_grew(&rig.storing, &rig.base.order, rig.object);
	assert_true(is_indexed(&rig));
	assert_false(rig.storing.is_kept);
	fetch_store_finish(&rig.storing, &rig.base.order, rig.object);
	assert_false(is_indexed(&rig));
	fini(&rig);
}

static void what_was_purged_while_it_came_does_not_come_back(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	begin(&rig, 200, FRESH);
	purge(&rig);
	finish(&rig, STR("body"));
	assert_int_equal(object_state(rig.object), OBJECT_COMPLETE);
	assert_false(is_indexed(&rig));
	fini(&rig);
}

static struct disk_fixture fx;

static void init_with_disk(struct rig *rig, const char *lines)
{
	init(rig, lines);
	fixture_open(&fx, 64 << 20);
	fixture_wait_loaded(&fx);
	rig->base.base.server.disks[0] = fx.disk;
	rig->base.base.server.ndisks = 1;
}

/* Is it there once all that was handed over is written? */
static bool is_on_disk(struct rig *rig)
{
	fixture_settle(&fx);
	return disk_may_have(fx.disk, rig->base.order.key);
}

static void fini_with_disk(struct rig *rig)
{
	rig->base.base.server.ndisks = 0;
	fini(rig);
	fixture_close(&fx);
}

static void what_was_purged_while_it_was_handed_over_is_not_on_disk(void **state)
{
	static const char *const settings[] = {
		"cache_dir ufs /nowhere 64\n",
		"cache_dir ufs /nowhere 64\nmaximum_object_size_in_memory 1 bytes\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(settings); i++)
		for (unsigned npurges = 0; npurges < 2; npurges++) {
			struct rig rig;

			init_with_disk(&rig, settings[i]);
			begin(&rig, 200, FRESH);
			rig.storing.removals -= npurges; /* counted since the last look */
			/* What was on its way already: an origin out of step is forgotten. */
			if (npurges > 0 && rig.storing.is_on_disk)
				fetch_store_forget(&rig.storing, rig.object);
			finish(&rig, STR("body"));
			assert_int_equal(is_on_disk(&rig), npurges == 0);
			fini_with_disk(&rig);
		}
}

static void what_was_purged_while_it_was_asked_for_is_not_stored(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	fetch_store_note_removals(&rig.base.order);
	purge(&rig);
	answer(&rig, 200, FRESH);
	assert_false(is_indexed(&rig));
	finish(&rig, STR("body"));
	assert_int_equal(object_state(rig.object), OBJECT_COMPLETE);
	assert_false(is_indexed(&rig));
	fini(&rig);
}

/* Stores "/", then has another answer to it. */
static bool stays_after(struct rig *rig, const char *request, int status, const char *answer)
{
	order_fixture_request(&rig->base, "GET / HTTP/1.1\nHost: w.example\n");
	begin(rig, 200, FRESH);
	finish(rig, STR("body"));
	assert_true(is_indexed(rig));
	order_fixture_request(&rig->base, request);
	begin(rig, status, answer);
	forget_object(rig);
	order_fixture_request(&rig->base, "GET / HTTP/1.1\nHost: w.example\n");
	return is_indexed(rig);
}

static void an_answer_that_is_not_stored_may_displace_what_was(void **state)
{
	static const char *const get = "GET / HTTP/1.1\nHost: w.example\n";
	static const char *const post = "POST / HTTP/1.1\nHost: w.example\nContent-Length: 0\n";
	static const char *const elsewhere =
		"POST /form HTTP/1.1\nHost: w.example\nContent-Length: 0\n";
	static const char *const no_store = "Cache-Control: no-store\r\nContent-Length: 4\r\n";
	static const struct {
		const char *what;
		const char *const *request;
		int status;
		const char *answer;
		bool stays;
	} cases[] = {
		{"gone", &get, 404, "Content-Length: 0\r\n", false},
		{"another, not to be stored", &get, 200, "Cache-Control: no-store\r\n", false},
		{"trouble of the origin", &get, 503, "Content-Length: 0\r\n", true},
		{"changed by POST", &post, 200, no_store, false},
		{"POST failed", &post, 500, no_store, true},
		{"another URL changed", &elsewhere, 200, no_store, true},
		{"which names this one", &elsewhere, 201, "Location: /\r\nContent-Length: 0\r\n",
	         false},
		{"another site does not count", &elsewhere, 201,
	         "Location: http://x.example/\r\nContent-Length: 0\r\n", true},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		init(&rig, "");
		if (stays_after(&rig, *cases[i].request, cases[i].status, cases[i].answer) !=
		    cases[i].stays)
			fail_msg("%s", cases[i].what);
		fini(&rig);
	}
}

/* quick_abort: 16 KB left at most, or 95 % done. */
static void a_fetch_that_nobody_reads_goes_on_when_it_is_nearly_done(void **state)
{
	static const struct {
		const char *what, *lines, *answer;
		size_t have;
		bool goes_on;
	} cases[] = {
		{"little left", "", "Content-Length: 20000\r\n", 4000, true},
		{"much left", "", "Content-Length: 40000\r\n", 4000, false},
		{"too much left", "quick_abort_max 1 KB\nquick_abort_min 0 KB\n",
	         "Content-Length: 40000\r\n", 38900, false},
		{"most is here", "quick_abort_max 100 KB\nquick_abort_min 0 KB\n",
	         "Content-Length: 40000\r\n", 38900, true},
		{"not quite", "quick_abort_max 100 KB\nquick_abort_min 0 KB\n",
	         "Content-Length: 40000\r\n", 37000, false},
		{"always", "quick_abort_min -1 KB\n", "Content-Length: 400000\r\n", 10, true},
		{"no length", "", "Transfer-Encoding: chunked\r\n", 40000, false},
		{"not stored", "quick_abort_min -1 KB\n",
	         "Cache-Control: no-store\r\nContent-Length: 20000\r\n", 4000, false},
	};
	struct rig rig;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *body = mem_zalloc(cases[i].have);
		char *answer =
			mem_printf("Expires: Fri, 01 Jan 2100 00:00:00 GMT\r\n%s", cases[i].answer);

		init(&rig, cases[i].lines);
		begin(&rig, 200, answer);
		object_append(rig.object, (struct str){body, cases[i].have});
		if (fetch_store_goes_on(&rig.storing, &rig.base.order, rig.object) !=
		    cases[i].goes_on)
			fail_msg("%s", cases[i].what);
		fini(&rig);
		mem_free(answer);
		mem_free(body);
	}
}

/* A stored answer is asked for again. */
static void ask_again(struct rig *rig)
{
	begin(rig, 200, FRESH "ETag: \"one\"\r\nX-Old: 1\r\n");
	finish(rig, STR("body"));
	rig->base.order.stored = rig->object;
	fetch_store_note_removals(&rig->base.order);
}

/* What comes of a 304 with these lines. The caller drops it. */
static struct object *renew(struct rig *rig, const char *lines)
{
	message_response(304, lines, rig->text, sizeof(rig->text), &rig->response);
	return fetch_renew_meant(&rig->base.order, &rig->response,
	                          worker_now_s(rig->base.base.worker));
}

static void a_304_renews_what_is_stored_where_it_is(void **state)
{
	struct object *renewed, *found;
	struct rig rig;

	(void)state;
	init(&rig, "");
	ask_again(&rig);
	renewed = renew(&rig, "ETag: \"one\"\r\nCache-Control: max-age=900\r\n");
	assert_non_null(renewed);
	assert_ptr_not_equal(renewed, rig.object);
	assert_true(has(renewed->head, "Cache-Control: max-age=900\r\n"));
	assert_true(has(renewed->head, "X-Old: 1\r\n"));
	assert_int_equal(object_length(renewed), 4);
	found = index_find(rig.base.base.server.index, rig.base.order.key, rig.base.order.url,
	                   &rig.base.exchange.request.head);
	assert_ptr_equal(found, renewed);
	object_unref(found);
	object_unref(renewed);
	fini(&rig);
}

static void a_304_does_not_bring_back_what_was_purged(void **state)
{
	struct object *renewed;
	struct rig rig;

	(void)state;
	init(&rig, "");
	ask_again(&rig);
	purge(&rig);
	renewed = renew(&rig, "ETag: \"one\"\r\n");
	assert_non_null(renewed); /* for who asked */
	assert_false(is_indexed(&rig));
	object_unref(renewed);
	fini(&rig);
}

static void a_304_about_something_else_renews_nothing(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	ask_again(&rig);
	assert_null(renew(&rig, "ETag: \"two\"\r\n"));
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_share_what_is_for_all_and_the_first_has_the_rest),
		cmocka_unit_test(fields_that_the_answer_keeps_from_caches_are_not_stored),
		cmocka_unit_test(an_answer_without_date_gets_one),
		cmocka_unit_test(the_length_of_what_was_not_sent_is_for_the_asker),
		cmocka_unit_test(what_may_be_stored_is_found_at_once_and_stays),
		cmocka_unit_test(what_may_be_stored_is_a_matter_of_many),
		cmocka_unit_test(a_port_with_ignore_cc_does_not_hear_the_client),
		cmocka_unit_test(what_the_transaction_or_the_peer_forbids_is_not_stored),
		cmocka_unit_test(variants_are_kept_apart),
		cmocka_unit_test(what_ends_short_is_not_found_any_more),
		cmocka_unit_test(what_is_too_large_for_every_store_is_shared_meanwhile),
		cmocka_unit_test(what_grows_too_large_leaves_memory),
		cmocka_unit_test(what_was_purged_while_it_came_does_not_come_back),
		cmocka_unit_test(what_was_purged_while_it_was_handed_over_is_not_on_disk),
		cmocka_unit_test(what_was_purged_while_it_was_asked_for_is_not_stored),
		cmocka_unit_test(an_answer_that_is_not_stored_may_displace_what_was),
		cmocka_unit_test(a_fetch_that_nobody_reads_goes_on_when_it_is_nearly_done),
		cmocka_unit_test(a_304_renews_what_is_stored_where_it_is),
		cmocka_unit_test(a_304_does_not_bring_back_what_was_purged),
		cmocka_unit_test(a_304_about_something_else_renews_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
