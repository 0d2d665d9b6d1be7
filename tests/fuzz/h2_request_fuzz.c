/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection's bytes to nghttp2 with the callbacks' part of a request: whatever list of fields comes
 * out, the head made of it is one that HTTP/1's parser reads to its end and no further, with as many
 * lines as there were fields at most, or it is refused. */
#include "tests/fuzz/fuzz.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/http/h1.h"
#include "lib/http/h2.h"

enum { HEAD_MAX_BYTES = 8192 };

struct feed {
	struct h2_request request;
	unsigned nfields;
	bool is_refused;
};

static int begin(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
	struct feed *feed = user;

	(void)h2, (void)frame;
	h2_request_begin(&feed->request, HEAD_MAX_BYTES);
	feed->nfields = 0;
	feed->is_refused = false;
	return 0;
}

static int take(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	struct feed *feed = user;

	(void)h2, (void)frame, (void)flags;
	feed->nfields++;
	feed->is_refused |= h2_request_add(&feed->request, (struct str){(const char *)name, name_len},
	                                   (struct str){(const char *)value, value_len}) ==
	                    H2_MALFORMED;
	return 0;
}

static void judge(struct feed *feed)
{
	const struct h1_limits limits = {.head_bytes = HEAD_MAX_BYTES,
	                                 .target_bytes = HEAD_MAX_BYTES,
	                                 .allow_no_host = true};
	static struct http_request out;
	struct h1_parser parser = {0};
	struct buf *text = &feed->request.text;

	if (h2_request_end(&feed->request) != H2_OK)
		return;
	check(text->len >= 4 && memcmp(text->at + text->len - 4, "\r\n\r\n", 4) == 0);
	switch (h1_parse_request(&parser, text->at, text->len, &limits, &out)) {
	case H1_DONE:
		check(out.head.len == text->len && out.head.nfields <= feed->nfields);
		check(out.minor == 1 && out.body != HTTP_BODY_CHUNKED);
		break;
	case H1_ERROR:
		break;
	case H1_MORE:
		check(!"a whole head");
	}
}

static int took(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
	struct feed *feed = user;

	(void)h2;
	if (frame->hd.type == NGHTTP2_HEADERS && !feed->is_refused)
		judge(feed);
	return 0;
}

/* Lists of fields without nghttp2's judgement as well: lines "name=value". */
static void feed_lines(struct feed *feed, struct str text)
{
	struct str line;

	begin(NULL, NULL, feed);
	while (!feed->is_refused && str_split(&text, '\n', &line)) {
		size_t at = str_find_char(line, '=');
		struct str name = str_first(line, at), value = str_from(line, at + 1);

		take(NULL, NULL, (const uint8_t *)name.at, name.len, (const uint8_t *)value.at,
		     value.len, 0, feed);
	}
	if (!feed->is_refused)
		judge(feed);
}

static void feed_frames(struct feed *feed, const uint8_t *bytes, size_t len)
{
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *h2;
	nghttp2_option *options;
	const uint8_t *out;

	check(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&options) == 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, take);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, took);
	nghttp2_option_set_no_http_messaging(options, 1); /* ours has to do alone */
	nghttp2_option_set_no_recv_client_magic(options, 1);
	check(nghttp2_session_server_new2(&h2, callbacks, feed, options) == 0);
	nghttp2_submit_settings(h2, NGHTTP2_FLAG_NONE, NULL, 0);
	nghttp2_session_mem_recv(h2, bytes, len);
	while (nghttp2_session_mem_send(h2, &out) > 0)
		continue;
	nghttp2_session_del(h2);
	nghttp2_option_del(options);
	nghttp2_session_callbacks_del(callbacks);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct feed feed = {0};

	feed_lines(&feed, (struct str){(const char *)bytes, len});
	feed_frames(&feed, bytes, len);
	h2_request_fini(&feed.request);
	return 0;
}
