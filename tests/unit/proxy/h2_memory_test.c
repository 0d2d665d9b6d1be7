/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/base/check.h"
#include "lib/base/page_pool.h"
#include "proxy/session/session_h2_memory.h"

enum { BLOCK_PAGES_MAX = 64 };

/* A client and a server that hear each other. */
struct rig {
	struct page_pool *pool;
	struct h2_memory memory;
	nghttp2_session *client, *server;
	unsigned nrequests;
};

static int heard(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct rig *rig = user;

	(void)session;
	if (rig && frame->hd.type == NGHTTP2_HEADERS) /* the server */
		rig->nrequests++;
	return 0;
}

static void init(struct rig *rig)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *options;

	*rig = (struct rig){.pool = h2_memory_make_pool()};
	h2_memory_init(&rig->memory, rig->pool);
	check(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, heard);
	nghttp2_option_set_no_closed_streams(options, 1);
	assert_int_equal(nghttp2_session_server_new3(&rig->server, callbacks, rig, options,
						     &rig->memory.calls),
			 0);
	assert_int_equal(nghttp2_session_client_new(&rig->client, callbacks, NULL), 0);
	nghttp2_submit_settings(rig->client, 0, NULL, 0);
	nghttp2_submit_settings(rig->server, 0, NULL, 0);
	nghttp2_option_del(options);
	nghttp2_session_callbacks_del(callbacks);
}

static void fini(struct rig *rig)
{
	nghttp2_session_del(rig->client);
	nghttp2_session_del(rig->server);
	h2_memory_fini(&rig->memory);
	page_pool_destroy(rig->pool);
}

static void say(nghttp2_session *from, nghttp2_session *to)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(from, &bytes)) > 0)
		assert_int_equal(nghttp2_session_mem_recv(to, bytes, (size_t)n), n);
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), 0};
}

static int32_t ask(struct rig *rig)
{
	const nghttp2_nv fields[] = {field(":method", "GET"), field(":scheme", "http"),
				     field(":path", "/"), field(":authority", "a.example")};
	int32_t id = nghttp2_submit_request(rig->client, NULL, fields, COUNT(fields), NULL, NULL);

	say(rig->client, rig->server);
	return id;
}

static void answer(struct rig *rig, int32_t id)
{
	const nghttp2_nv status = field(":status", "204");

	assert_int_equal(nghttp2_submit_response(rig->server, id, &status, 1, NULL), 0);
	say(rig->server, rig->client);
	say(rig->client, rig->server);
}

static size_t resident_pages(const struct rig *rig)
{
	size_t page = page_round(1), len = page_round(4096) + page_round(16384 + 256), n = 0;
	unsigned char seen[BLOCK_PAGES_MAX];

	check(len / page <= COUNT(seen));
	assert_int_equal(mincore(rig->memory.block_, len, seen), 0);
	for (size_t i = 0; i < len / page; i++)
		n += seen[i] & 1;
	return n;
}

static void an_idle_session_gives_its_pages_back_and_goes_on(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig);
	for (unsigned i = 1; i <= 3; i++) {
		answer(&rig, ask(&rig));
		assert_int_equal(rig.nrequests, i);
		assert_true(resident_pages(&rig) > 0);
		h2_memory_rest(&rig.memory);
		assert_int_equal(resident_pages(&rig), 0);
	}
	fini(&rig);
}

static void a_table_with_streams_stays(void **state)
{
	struct rig rig;
	int32_t id;

	(void)state;
	init(&rig);
	id = ask(&rig);
	say(rig.server, rig.client);
	h2_memory_rest(&rig.memory);
	/* Where pointers have 32 bits it is smaller, and lies in the heap. */
	assert_true(!rig.memory.has_table_ || resident_pages(&rig) > 0);
	answer(&rig, id);
	answer(&rig, ask(&rig));
	assert_int_equal(rig.nrequests, 2);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_session_gives_its_pages_back_and_goes_on),
		cmocka_unit_test(a_table_with_streams_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
