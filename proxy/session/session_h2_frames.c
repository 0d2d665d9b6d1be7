/* SPDX-License-Identifier: BSD-2-Clause */
/* What nghttp2 tells of the frames that come. It judges frames, HPACK, windows and the order of
 * things itself, and content-length against DATA; lists of fields are gathered here. Nothing is
 * begun or ended within its calls: streams are noted as due. */
#include "lib/base/check.h"
#include "proxy/session/session_h2_internal.h"
#include "squid-compat/config.h"
#include "squid-compat/upgrade_rules.h"

enum {
	/* A list of fields that is larger than this many times the limit ends the connection. */
	LIST_BYTES_FACTOR = 4,
	DEFLATE_TABLE_BYTES = 4096,
};

static void *stream_of(nghttp2_session *h2, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h2, id);
}

static void fail(struct h2_session *session, uint32_t code)
{
	session->is_failed = true;
	nghttp2_session_terminate_session(session->h2, code);
}

/* ---- lists of fields */

static int begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
	struct h2_session *session = user;
	struct h2_stream *stream;

	session->is_in_head = true;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	h2_request_begin(&session->request,
	                 snapshot_request_limits(session->snapshot, session->port).head_bytes);
	stream = h2_stream_create(session, frame->hd.stream_id);
	nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, stream);
	return 0;
}

static int refuse_stream(nghttp2_session *h2, int32_t id)
{
	nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, id, NGHTTP2_PROTOCOL_ERROR);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int take_field(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                      size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                      void *user)
{
	struct h2_session *session = user;
	struct str name_text = {(const char *)name, name_len};
	struct h2_request *request = &session->request;

	(void)flags;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return h2_may_be_trailer(name_text) ? 0 : refuse_stream(h2, frame->hd.stream_id);
	if (h2_request_add(request, name_text, (struct str){(const char *)value, value_len}) ==
	    H2_MALFORMED)
		return refuse_stream(h2, frame->hd.stream_id);
	if (request->list_bytes > LIST_BYTES_FACTOR * request->text.max_bytes)
		return NGHTTP2_ERR_CALLBACK_FAILURE; /* a small block may hold a very long list */
	return 0;
}

static int take_bad_field(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                          size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                          void *user)
{
	(void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)user;
	return refuse_stream(h2, frame->hd.stream_id);
}

/* The request's fields are whole, and nghttp2 finds nothing wrong with them. */
static void take_request(struct h2_session *session, struct h2_stream *stream)
{
	enum h2_verdict verdict = h2_request_end(&session->request);

	if (verdict == H2_MALFORMED) {
		h2_stream_reset(stream, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	stream->is_head_too_large = verdict == H2_TOO_LARGE;
	stream->is_extended_connect = session->request.is_extended_connect;
	stream->head = session->request.text;
	buf_init(&session->request.text, stream->head.max_bytes);
	h2_stream_is_due(stream);
}

static void end_by_client(struct h2_stream *stream)
{
	stream->is_ended_by_client = true;
	stream->has_body_news = true;
	h2_stream_is_due(stream);
}

static void take_headers(struct h2_session *session, const nghttp2_frame *frame)
{
	struct h2_stream *stream = stream_of(session->h2, frame->hd.stream_id);

	if (!stream)
		return;
	if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		take_request(session, stream);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		end_by_client(stream);
}

/* ---- other frames */

static int take_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
	struct h2_session *session = user;
	struct h2_stream *stream = stream_of(h2, frame->hd.stream_id);

	if (frame->hd.type == NGHTTP2_HEADERS) {
		session->is_in_head = false;
		take_headers(session, frame);
	} else if (frame->hd.type == NGHTTP2_DATA && stream &&
	           frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		end_by_client(stream);
	}
	return 0;
}

static int take_body(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes,
                     size_t len, void *user)
{
	struct h2_stream *stream = stream_of(h2, id);

	(void)flags, (void)user;
	if (!stream || stream->is_closed || (stream->is_end_sent && !h2_stream_is_tunnel(stream))) {
		nghttp2_session_consume_connection(h2, len);
		return 0;
	}
	if (!buf_add(&stream->body, bytes, len))
		return NGHTTP2_ERR_CALLBACK_FAILURE; /* the windows bound it */
	stream->has_body_news = true;
	h2_stream_is_due(stream);
	return 0;
}

static int sent_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
	struct h2_session *session = user;
	struct h2_stream *stream = stream_of(h2, frame->hd.stream_id);
	bool is_headers = frame->hd.type == NGHTTP2_HEADERS;

	if (frame->hd.type == NGHTTP2_RST_STREAM &&
	    frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
		h2_nuisance_reset(session); /* the client made us do it */
	if (!stream || (!is_headers && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (is_headers && stream->is_answered && stream->exchange->reply.sent_bytes == 0 &&
	    stream->sent == 0)
		stream->sent = stream->exchange->reply.head_bytes;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		stream->is_end_sent = true;
	h2_flight_board(stream);
	return 0;
}

static int close_stream(nghttp2_session *h2, int32_t id, uint32_t code, void *user)
{
	struct h2_stream *stream = stream_of(h2, id);
	struct h2_session *session = user;

	if (!stream)
		return 0;
	stream->was_cut = code != NGHTTP2_NO_ERROR;
	if (!stream->transaction && stream->head.len == 0)
		session->is_in_head = false; /* it was refused before its end */
	nghttp2_session_set_stream_user_data(h2, id, NULL);
	nghttp2_session_consume_connection(h2, stream->body.len - stream->body_taken);
	stream->is_closed = true;
	h2_stream_is_due(stream);
	return 0;
}

/* ---- life */

static nghttp2_session_callbacks *make_callbacks(void)
{
	nghttp2_session_callbacks *callbacks;

	check(nghttp2_session_callbacks_new(&callbacks) == 0);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, take_field);
	nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, take_bad_field);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, take_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, take_body);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, sent_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, close_stream);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_flight_add_data);
	return callbacks;
}

/* No auto window update: a body is consumed when its reader took it. */
static nghttp2_option *make_options(void)
{
	nghttp2_option *options;

	check(nghttp2_option_new(&options) == 0);
	nghttp2_option_set_no_auto_window_update(options, 1);
	nghttp2_option_set_no_closed_streams(options, 1);
	nghttp2_option_set_max_deflate_dynamic_table_size(options, DEFLATE_TABLE_BYTES);
	nghttp2_option_set_builtin_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
	return options;
}

static void submit_settings(struct h2_session *session)
{
	const struct config *config = snapshot_config(session->snapshot);
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_MAX_STREAMS},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)config->request_header_max_bytes},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* RFC 9218's instead */
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1}, /* RFC 8441, where it is of use */
	};
	size_t nsettings = COUNT(settings) - upgrade_rules_is_empty(config->upgrade_rules);

	check(nghttp2_submit_settings(session->h2, NGHTTP2_FLAG_NONE, settings, nsettings) == 0);
	check(nghttp2_session_set_local_window_size(session->h2, NGHTTP2_FLAG_NONE, 0,
	                                            H2_CONNECTION_WINDOW) == 0);
}

void h2_frames_start(struct h2_session *session)
{
	nghttp2_session_callbacks *callbacks = make_callbacks();
	nghttp2_option *options = make_options();

	h2_memory_init(&session->memory, session->worker->h2_pages);
	check(nghttp2_session_server_new3(&session->h2, callbacks, session, options,
	                                  &session->memory.calls) == 0);
	nghttp2_option_del(options);
	nghttp2_session_callbacks_del(callbacks);
	h2_nuisance_start(session);
	submit_settings(session);
}

bool h2_frames_feed(struct h2_session *session, const char *bytes, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(session->h2, (const uint8_t *)bytes, len);

	h2_nuisance_count(session, bytes, len);
	if (session->nuisance > H2_NUISANCE_MAX && !session->is_failed)
		fail(session, NGHTTP2_ENHANCE_YOUR_CALM);
	if (n == NGHTTP2_ERR_CALLBACK_FAILURE)
		fail(session, NGHTTP2_ENHANCE_YOUR_CALM);
	else if (n < 0)
		fail(session, NGHTTP2_PROTOCOL_ERROR);
	if (!session->is_in_head)
		h2_request_fini(&session->request);
	return !session->is_failed;
}
