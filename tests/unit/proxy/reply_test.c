/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client gets: whole transactions on a worker whose loop turns by hand. */
#include "tests/unit/proxy/server_fixture.h"

#include "cache/object.h"
#include "lib/http/h1.h"
#include "proxy/session/exchange.h"
#include "proxy/transaction/transaction.h"
#include "tests/unit/proxy/loopback.h"

#define GET "GET /x HTTP/1.1\nHost: w.example\n"
#define OK_HEAD "HTTP/1.1 200 OK\r\nServer: s\r\nETag: \"e\"\r\n"

struct rig {
	struct server_fixture base;
	struct transaction *transaction;
	struct buf request, head, body; /* the last reply; NUL-terminated, the head without CR */
	struct reply *reply;            /* of the transaction */
	struct addr origin_addr;
	int origin, far; /* listening; the connection accepted there. -1: none */
	const char *answer;
};

static void init(struct rig *rig, const char *lines)
{
	memset(rig, 0, sizeof(*rig));
	server_fixture_init(&rig->base, lines);
	buf_init(&rig->request, 1 << 20);
	buf_init(&rig->head, 1 << 20);
	buf_init(&rig->body, 1 << 20);
	rig->origin = rig->far = -1;
}

/* Behind an origin that gives answer to one request. */
static void init_with_origin(struct rig *rig, const char *answer)
{
	struct addr addr;
	int fd = loopback_listen("127.0.0.1", &addr);
	char *lines = mem_printf("cache_peer 127.0.0.1 parent %u 0 no-query originserver\n",
	                         addr_port(&addr));

	init(rig, lines);
	rig->origin = fd;
	rig->answer = answer;
	mem_free(lines);
}

static void end_transaction(struct rig *rig)
{
	if (rig->transaction)
		transaction_end(rig->transaction, true);
	rig->transaction = NULL;
}

static void fini(struct rig *rig)
{
	end_transaction(rig);
	if (rig->far >= 0)
		close(rig->far);
	if (rig->origin >= 0)
		close(rig->origin);
	worker_turn(rig->base.worker);
	worker_turn(rig->base.worker);
	buf_fini(&rig->request);
	buf_fini(&rig->head);
	buf_fini(&rig->body);
	server_fixture_fini(&rig->base);
}

/* What lies in memory for http://w.example/x: fresh, 10 seconds old. */
static void store(struct rig *rig, int status, const char *lines, const char *body)
{
	struct index *index = rig->base.server.index;
	int64_t now_s = worker_now_s(rig->base.worker);
	const struct object_head head = {
		.status = status,
		.head = str_of(lines),
		.head_once = STR("Set-Cookie: a=1\r\n"),
		.url = STR("http://w.example/x"),
		.body_bytes = (int64_t)strlen(body),
		.facts = {.date_s = now_s - 10,
	                  .expires_s = now_s + 1000,
	                  .arrived_s = now_s - 10,
	                  .flags = FACT_HAS_ETAG},
	};
	struct object *object = object_create_whole(&head, str_of(body));

	assert_true(index_insert(index, index_key(index, head.url), object));
	object_unref(object);
}

/* ---- the session's part */

static ssize_t read_body(struct exchange *exchange, void *into, size_t size)
{
	(void)exchange;
	(void)into;
	(void)size;
	return 0;
}

static void reply_ready(struct exchange *exchange)
{
	(void)exchange;
}

static void send_continue(struct exchange *exchange)
{
	(void)exchange;
}

static void send_interim(struct exchange *exchange, struct str head)
{
	(void)exchange;
	(void)head;
}

static const struct exchange_ops ops = {
	.read_body = read_body,
	.reply_ready = reply_ready,
	.send_continue = send_continue,
	.send_interim = send_interim,
};

static void read_request(struct rig *rig, struct exchange *exchange, const char *text)
{
	const struct h1_limits limits = {.head_bytes = 65536, .target_bytes = 65536};
	struct h1_parser parser = {0};

	buf_clear(&rig->request);
	for (; *text; text++) {
		if (*text == '\n')
			buf_add_char(&rig->request, '\r');
		buf_add_char(&rig->request, *text);
	}
	buf_add_str(&rig->request, STR("\r\n"));
	assert_int_equal(h1_parse_request(&parser, rig->request.at, rig->request.len, &limits,
	                                  &exchange->request),
	                 H1_DONE);
	exchange->ops = &ops;
	exchange->port = fixture_config(&rig->base)->ports->first;
	exchange->may_keep_alive = exchange->request.keep_alive;
	exchange->is_body_read = true;
	assert_true(addr_parse(STR("192.0.2.1"), 40000, &exchange->client));
	assert_true(addr_parse(STR("198.51.100.1"), 80, &exchange->local));
}

static bool serve_origin(struct rig *rig)
{
	char bytes[4096];

	if (rig->origin < 0 || !rig->answer)
		return false;
	if (rig->far < 0)
		rig->far = accept(rig->origin, NULL, NULL);
	if (rig->far < 0 || recv(rig->far, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
		return false;
	check(write(rig->far, rig->answer, strlen(rig->answer)) == (ssize_t)strlen(rig->answer));
	return true;
}

static bool has_reply(void *arg)
{
	struct rig *rig = arg;

	serve_origin(rig);
	return transaction_has_reply(rig->transaction);
}

/* The pieces, in two parts at the empty line. */
static void take_head(struct rig *rig)
{
	const struct reply *reply = rig->reply;
	bool is_head = true;

	buf_clear(&rig->head);
	buf_clear(&rig->body);
	for (int i = 0; i < reply->nhead; i++) {
		const char *bytes = reply->head[i].iov_base;

		for (size_t k = 0; k < reply->head[i].iov_len; k++) {
			if (!is_head)
				buf_add_char(&rig->body, bytes[k]);
			else if (bytes[k] != '\r')
				buf_add_char(&rig->head, bytes[k]);
			if (is_head && rig->head.len >= 2 &&
			    memcmp(rig->head.at + rig->head.len - 2, "\n\n", 2) == 0)
				is_head = false;
		}
	}
	buf_add_char(&rig->head, '\0');
}

static bool take_body(void *arg)
{
	struct rig *rig = arg;
	struct iovec iov[4];
	int niov = 0;

	for (;;) {
		switch (object_read(&rig->reply->reader, iov, 4, 65536, &niov)) {
		case OBJECT_READ_DATA:
			break;
		case OBJECT_READ_WAIT:
			return false;
		default:
			return true;
		}
		for (int i = 0; i < niov; i++) {
			buf_add(&rig->body, iov[i].iov_base, iov[i].iov_len);
			object_reader_advance(&rig->reply->reader, iov[i].iov_len);
		}
	}
}

/* Up to the reply's head. */
static void begin(struct rig *rig, const char *request)
{
	struct exchange *exchange;

	end_transaction(rig);
	rig->transaction = transaction_create(rig->base.worker, rig->base.snapshot);
	exchange = transaction_exchange(rig->transaction);
	read_request(rig, exchange, request);
	rig->reply = &exchange->reply;
	transaction_begin(rig->transaction);
	turn_until(rig->base.worker, has_reply, rig);
	take_head(rig);
}

/* The whole life of a request, but for its end. Returns the status. */
static int ask(struct rig *rig, const char *request)
{
	begin(rig, request);
	if (rig->reply->has_body)
		turn_until(rig->base.worker, take_body, rig);
	buf_add_char(&rig->body, '\0');
	return rig->reply->status;
}

/* Is that whole line in the reply's head? */
static bool has(const struct rig *rig, const char *line)
{
	char *text = mem_printf("\n%s\n", line);
	bool is_there = strstr(rig->head.at, text) != NULL;

	mem_free(text);
	return is_there;
}

static bool has_field(const struct rig *rig, const char *name)
{
	char *text = mem_printf("\n%s: ", name);
	bool is_there = strstr(rig->head.at, text) != NULL;

	mem_free(text);
	return is_there;
}

/* ---- what is stored */

static void a_hit_is_what_was_stored_with_its_age(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, GET), 200);
	assert_int_equal(strncmp(rig.head.at, "HTTP/1.1 200 OK\nServer: s\nETag: \"e\"\n", 36), 0);
	assert_true(has(&rig, "Age: 10") || has(&rig, "Age: 11"));
	assert_true(has(&rig, "X-Cache: HIT from rig.example"));
	assert_true(has(&rig, "X-Cache-Lookup: HIT from rig.example:80"));
	assert_true(has(&rig, "Content-Length: 4"));
	assert_true(has(&rig, "Connection: keep-alive"));
	assert_false(has_field(&rig, "Set-Cookie"));
	assert_false(has_field(&rig, "Warning"));
	assert_string_equal(rig.body.at, "body");
	assert_false(rig.reply->close_after);
	fini(&rig);
}

static void head_gets_the_head_alone(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, "HEAD /x HTTP/1.1\nHost: w.example\n"), 200);
	assert_true(has(&rig, "Content-Length: 4"));
	assert_false(rig.reply->has_body);
	assert_string_equal(rig.body.at, "");
	fini(&rig);
}

static void a_client_that_has_it_gets_a_304(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, GET "If-None-Match: \"e\"\n"), 304);
	assert_true(has(&rig, "ETag: \"e\""));
	assert_false(has_field(&rig, "Content-Length"));
	assert_false(rig.reply->has_body);
	assert_int_equal(ask(&rig, GET "If-None-Match: \"other\"\n"), 200);
	assert_string_equal(rig.body.at, "body");
	assert_int_equal(ask(&rig, GET "If-Match: \"other\"\n"), 412);
	assert_true(has(&rig, "X-Squid-Error: ERR_PRECONDITION_FAILED 0"));
	fini(&rig);
}

static void a_204_has_neither_body_nor_length(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 204, "HTTP/1.1 204 No Content\r\n", "");
	assert_int_equal(ask(&rig, GET), 204);
	assert_false(has_field(&rig, "Content-Length"));
	assert_false(has_field(&rig, "Transfer-Encoding"));
	assert_false(rig.reply->has_body);
	fini(&rig);
}

static void an_empty_body_has_a_length(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 200, OK_HEAD, "");
	assert_int_equal(ask(&rig, GET), 200);
	assert_true(has(&rig, "Content-Length: 0"));
	assert_false(rig.reply->has_body);
	fini(&rig);
}

static void the_connection_goes_on_if_the_client_wants(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	store(&rig, 200, OK_HEAD, "body");
	ask(&rig, GET "Connection: close\n");
	assert_true(has(&rig, "Connection: close"));
	ask(&rig, "GET /x HTTP/1.0\nHost: w.example\n");
	assert_true(has(&rig, "Connection: close"));
	ask(&rig, "GET /x HTTP/1.0\nHost: w.example\nConnection: keep-alive\n");
	assert_true(has(&rig, "Connection: keep-alive"));
	fini(&rig);
}

/* ---- what an origin sent */

static void a_miss_is_what_the_origin_sent(void **state)
{
	struct rig rig;

	(void)state;
	init_with_origin(&rig, "HTTP/1.1 200 OK\r\nServer: o\r\nSet-Cookie: a=1\r\n"
	                       "Cache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nbody");
	assert_int_equal(ask(&rig, GET), 200);
	assert_true(has(&rig, "Server: o"));
	assert_true(has(&rig, "Set-Cookie: a=1"));
	assert_true(has(&rig, "X-Cache: MISS from rig.example"));
	assert_true(has(&rig, "X-Cache-Lookup: MISS from rig.example:80"));
	assert_true(has(&rig, "Content-Length: 4"));
	assert_false(has_field(&rig, "Age"));
	assert_string_equal(rig.body.at, "body");
	assert_int_equal(ask(&rig, GET), 200); /* the origin is not asked again */
	assert_true(has(&rig, "X-Cache: HIT from rig.example"));
	assert_string_equal(rig.body.at, "body");
	fini(&rig);
}

#define NO_LENGTH                                                                                  \
	"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"         \
	"4\r\nbody\r\n"

static bool has_four_bytes(void *arg)
{
	struct rig *rig = arg;

	serve_origin(rig);
	take_body(rig);
	return rig->body.len >= 4;
}

/* The answer's end is not there yet. */
static void ask_for_endless(struct rig *rig, const char *request)
{
	begin(rig, request);
	turn_until(rig->base.worker, has_four_bytes, rig);
}

static void without_a_length_a_body_goes_in_chunks(void **state)
{
	struct rig rig;

	(void)state;
	init_with_origin(&rig, NO_LENGTH);
	ask_for_endless(&rig, GET);
	assert_true(has(&rig, "Transfer-Encoding: chunked"));
	assert_true(has(&rig, "Connection: keep-alive"));
	assert_false(has_field(&rig, "Content-Length"));
	assert_true(rig.reply->is_chunked);
	assert_false(rig.reply->close_after);
	fini(&rig);
}

static void to_an_old_client_it_ends_with_the_connection(void **state)
{
	struct rig rig;

	(void)state;
	init_with_origin(&rig, NO_LENGTH);
	ask_for_endless(&rig, "GET /x HTTP/1.0\nHost: w.example\nConnection: keep-alive\n");
	assert_false(has_field(&rig, "Transfer-Encoding"));
	assert_false(has_field(&rig, "Content-Length"));
	assert_true(has(&rig, "Connection: close"));
	assert_false(rig.reply->is_chunked);
	assert_true(rig.reply->close_after);
	fini(&rig);
}

/* ---- made here */

static void assert_error(struct rig *rig, const char *request, int status, const char *error)
{
	char *line = mem_printf("X-Squid-Error: %s", error);
	char *length;

	if (ask(rig, request) != status || !has(rig, line))
		fail_msg("%s gave\n%s", request, rig->head.at);
	length = mem_printf("Content-Length: %zu", strlen(rig->body.at));
	if (!has(rig, length))
		fail_msg("no %s in\n%s", length, rig->head.at);
	assert_true(strlen(rig->body.at) > 0);
	mem_free(length);
	mem_free(line);
}

static void errors_have_a_page_and_a_name(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "acl no dstdomain no.example\nmiss_access deny no\n"
	           "acl p method PURGE\n");
	assert_error(&rig, "TRACE / HTTP/1.1\nHost: w.example\n", 405, "ERR_UNSUP_REQ 0");
	assert_error(&rig, "OPTIONS * HTTP/1.1\nHost: w.example\n", 501, "ERR_UNSUP_REQ 0");
	assert_error(&rig, GET "Cache-Control: only-if-cached\n", 504, "ERR_ONLY_IF_CACHED_MISS 0");
	assert_error(&rig, "GET / HTTP/1.1\nHost: no.example\n", 403, "ERR_FORWARDING_DENIED 0");
	assert_error(&rig, GET "Via: 1.1 rig.example (x)\n", 403, "ERR_ACCESS_DENIED 0");
	assert_error(&rig, GET, 502, "ERR_READ_ERROR 0"); /* there is no peer */
	assert_true(has(&rig, "X-Cache: MISS from rig.example"));
	assert_true(has(&rig, "Connection: keep-alive"));
	fini(&rig);
}

static void head_gets_no_page(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "");
	assert_int_equal(ask(&rig, "HEAD /x HTTP/1.1\nHost: w.example\n"), 502);
	assert_true(has(&rig, "X-Squid-Error: ERR_READ_ERROR 0"));
	assert_string_equal(rig.body.at, "");
	fini(&rig);
}

static void after_an_error_the_connection_may_have_to_close(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "persistent_connection_after_error off\n");
	assert_int_equal(ask(&rig, GET), 502);
	assert_true(has(&rig, "Connection: close"));
	assert_true(rig.reply->close_after);
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, GET), 200);
	assert_true(has(&rig, "Connection: keep-alive"));
	fini(&rig);
}

/* A denial comes before what is stored. */
static void denials_are_answered_as_deny_info_says(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "acl a urlpath_regex ^/a\nacl b urlpath_regex ^/b\n"
	           "acl c urlpath_regex ^/c\nacl d urlpath_regex ^/d\n"
	           "adapted_http_access deny a\nadapted_http_access deny b\n"
	           "adapted_http_access deny c\nadapted_http_access deny d\n"
	           "deny_info TCP_RESET b\ndeny_info 307:http://login.example/?%s c\n"
	           "deny_info 410:ERR_ACCESS_DENIED d\n");
	assert_error(&rig, "GET /a HTTP/1.1\nHost: w.example\n", 403, "ERR_ACCESS_DENIED 0");
	ask(&rig, "GET /b HTTP/1.1\nHost: w.example\n");
	assert_true(rig.reply->reset);
	assert_int_equal(ask(&rig, "GET /c HTTP/1.1\nHost: w.example\n"), 307);
	assert_true(has_field(&rig, "Location"));
	assert_true(has(&rig, "Content-Length: 0"));
	assert_int_equal(ask(&rig, "GET /d HTTP/1.1\nHost: w.example\n"), 410);
	fini(&rig);
}

static void purge_tells_whether_there_was_anything(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "acl p method PURGE\n");
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, "PURGE /x HTTP/1.1\nHost: w.example\n"), 200);
	assert_true(has(&rig, "Content-Length: 0"));
	assert_int_equal(ask(&rig, "PURGE /x HTTP/1.1\nHost: w.example\n"), 404);
	fini(&rig);
	init(&rig, ""); /* no ACL names the method */
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, "PURGE /x HTTP/1.1\nHost: w.example\n"), 403);
	assert_int_equal(ask(&rig, GET), 200);
	fini(&rig);
}

/* ---- reply_header_access and its family */

static void reply_header_rules_have_the_last_word(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "reply_header_access Server deny all\nreply_header_access ETag deny all\n"
	           "reply_header_replace ETag \"none\"\nreply_header_access X-Cache deny all\n"
	           "reply_header_access Content-Length deny all\n"
	           "reply_header_access Connection deny all\n"
	           "reply_header_add X-Added \"to %>a\" all\n");
	store(&rig, 200, OK_HEAD, "body");
	assert_int_equal(ask(&rig, GET), 200);
	assert_int_equal(strncmp(rig.head.at, "HTTP/1.1 200 OK\n", 16), 0);
	assert_false(has_field(&rig, "Server"));
	assert_false(has(&rig, "ETag: \"e\""));
	assert_true(has_field(&rig, "ETag"));
	assert_false(has_field(&rig, "X-Cache"));
	assert_true(has(&rig, "Content-Length: 4"));
	assert_true(has(&rig, "Connection: keep-alive"));
	assert_true(has(&rig, "X-Added: to 192.0.2.1"));
	assert_string_equal(rig.body.at, "body");
	fini(&rig);
}

static void errors_pass_the_rules_too(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, "reply_header_access X-Squid-Error deny all\n");
	assert_int_equal(ask(&rig, GET), 502);
	assert_false(has_field(&rig, "X-Squid-Error"));
	assert_true(strlen(rig.body.at) > 0);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hit_is_what_was_stored_with_its_age),
		cmocka_unit_test(head_gets_the_head_alone),
		cmocka_unit_test(a_client_that_has_it_gets_a_304),
		cmocka_unit_test(a_204_has_neither_body_nor_length),
		cmocka_unit_test(an_empty_body_has_a_length),
		cmocka_unit_test(the_connection_goes_on_if_the_client_wants),
		cmocka_unit_test(a_miss_is_what_the_origin_sent),
		cmocka_unit_test(without_a_length_a_body_goes_in_chunks),
		cmocka_unit_test(to_an_old_client_it_ends_with_the_connection),
		cmocka_unit_test(errors_have_a_page_and_a_name),
		cmocka_unit_test(head_gets_no_page),
		cmocka_unit_test(after_an_error_the_connection_may_have_to_close),
		cmocka_unit_test(denials_are_answered_as_deny_info_says),
		cmocka_unit_test(purge_tells_whether_there_was_anything),
		cmocka_unit_test(reply_header_rules_have_the_last_word),
		cmocka_unit_test(errors_pass_the_rules_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
