/* SPDX-License-Identifier: BSD-2-Clause */
/* The origin's answer: its head, which is published with the object, and its body, appended to it.
 */
#include <errno.h>

#include "cache/object.h"
#include "cache/partial_table.h"
#include "lib/base/check.h"
#include "proxy/fetch/fetch_internal.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/server.h"
#include "proxy/store/unshared.h"
#include "proxy/tunnel/upgrade.h"

/* ---- HEAD */

static enum fetch_state head_broken(struct fetch *fetch, enum error_name error)
{
	const struct fetch_failure failure = {502, error, 0};

	if (error == ERROR_INVALID_RESP && fetch_take_retry(fetch))
		return fetch_discard_answer(fetch, failure, "its answer could not be read");
	fetch->failure = failure;
	return fetch_fail(fetch);
}

/* The peer is there, and what it passes on is not. */
static bool is_from_behind(int status)
{
	return status == 502 || status == 504;
}

/* Squid: 502 and 504 are tried elsewhere, 403, 500, 501 and 503 with retry_on_error. */
static bool is_worth_another(struct fetch *fetch, int status)
{
	bool retriable = is_from_behind(status);

	if (fetch_config(fetch)->retry_on_error)
		retriable |= status == 403 || status == 500 || status == 501 || status == 503;
	return retriable && !fetch->upload.is_started && fetch_take_retry(fetch);
}

/* The body that follows the head, of which rest came along. */
static void begin_answer_body(struct fetch *fetch)
{
	const struct http_response *response = &fetch->response;

	fetch->body = response->body;
	fetch->body_left = response->body == HTTP_BODY_LENGTH ? response->content_length : 0;
	fetch->chunks = (struct h1_chunks){.trailers = &fetch->trailers};
	fetch->keeps_conn = response->keep_alive && response->body != HTTP_BODY_CLOSE &&
	                    fetch_config(fetch)->server_persistent_connections;
	fetch->body_patience_ms = fetch_config(fetch)->read_timeout_ms;
	if (fetch_config(fetch)->detect_broken_pconn && response->claims_keep_alive &&
	    response->body == HTTP_BODY_CLOSE) {
		fetch->body_patience_ms = BROKEN_PCONN_MS;
		fetch_set_deadline(fetch, fetch->body_patience_ms);
	}
}

static enum fetch_state take_body(struct fetch *fetch, struct str bytes);
static enum fetch_state end_of_body(struct fetch *fetch, bool is_clean);

static struct object *new_object(struct fetch *fetch)
{
	uint64_t gap = (uint64_t)fetch_config(fetch)->read_ahead_gap_bytes;

	/* Private until it is stored. */
	return object_create_private(fetch_loop(fetch), fetch_stream_woke, fetch,
	                             gap < MIN_GAP_BYTES ? MIN_GAP_BYTES : gap);
}

/* A 304 to our own condition: the stored object, with a new head. */
static enum fetch_state not_modified(struct fetch *fetch, struct str rest)
{
	struct object *renewed = fetch_renew_meant(&fetch->order, &fetch->response,
	                                            fetch->report.started_us / 1000000);

	if (!renewed) { /* it speaks of something else: ask without a condition */
		fetch_drop_conditions(fetch);
		fetch->candidate--; /* the same once more */
		fetch->naddrs = fetch->addr = 0;
		return fetch_try_next(fetch);
	}
	fetch->object = renewed;
	fetch_tell_owner(fetch, FETCH_NOT_MODIFIED);
	return end_of_body(fetch, rest.len == 0);
}

/* The origin has another representation by now than the one that was to be filled, or does not
 * send what it was asked for: asks for what the client asked for. */
static enum fetch_state not_filled(struct fetch *fetch)
{
	struct fetch_order *order = &fetch->order;

	partial_table_forget(order->worker->server->parts, order->key, order->cache_url);
	fetch_drop_fill(fetch);
	fetch->candidate--; /* the same once more */
	fetch->naddrs = fetch->addr = 0;
	return fetch_try_next(fetch);
}

static bool is_misfit(const struct fetch *fetch)
{
	const struct fetch_fill *fill = &fetch->order.fill;
	int status = fetch->response.status;

	return fill->partial &&
	       (status == 416 || (status == 206 && !fetch_part_fits(fill, &fetch->response)));
}

static void note_head(struct fetch *fetch)
{
	fetch->report.answered_us = loop_wall_us(fetch_loop(fetch));
	fetch->report.head_us = loop_mono_us(fetch_loop(fetch));
}

static enum fetch_state answered(struct fetch *fetch, struct str rest)
{
	struct http_response *response = &fetch->response;

	fetch->report.status = response->status;
	note_head(fetch);
	buf_shrink(&fetch->head, USUAL_HEAD_BYTES);
	fetch_forget_upload(fetch);
	begin_answer_body(fetch);
	if (response->status == 304 && fetch_order_is_conditional(&fetch->order))
		return not_modified(fetch, rest);
	if (is_misfit(fetch))
		return not_filled(fetch);
	if (response->status != 206)
		fetch_drop_fill(fetch);
	fetch->object = new_object(fetch);
	fetch->is_producing = true;
	object_reader_open(&fetch->first, fetch->object, 0, fetch_loop(fetch), NULL, NULL);
	fetch->storing.is_awaited =
		fetch->order.placeholder && object_nreaders(fetch->order.placeholder) > 0;
	fetch_store_begin(&fetch->storing, &fetch->order, response, fetch->object, &fetch->report);
	if (fetch->order.placeholder && !fetch->storing.is_shared)
		unshared_add(fetch->order.worker->unshared, fetch->order.lead_key,
		             worker_now_s(fetch->order.worker));
	if (fetch->order.fill.partial)
		fetch_part_append_before(&fetch->order.fill, fetch->object);
	fetch_tell_owner(fetch, FETCH_ANSWERED);
	return take_body(fetch, rest);
}

/* Neither we nor the client asked on a condition. */
static bool is_unasked_304(const struct fetch *fetch)
{
	const struct http_head *asked = &fetch_request(fetch)->head;

	return fetch->response.status == 304 && !fetch_order_is_conditional(&fetch->order) &&
	       !http_has(asked, FIELD_IF_NONE_MATCH) && !http_has(asked, FIELD_IF_MODIFIED_SINCE);
}

/* A part, and the whole was asked for: whoever takes it for the whole is deceived. RFC 9110
 * §15.3.7. */
static bool is_unasked_206(const struct fetch *fetch)
{
	const struct fetch_order *order = &fetch->order;

	return fetch->response.status == 206 && !order->fill.partial &&
	       (order->withholds_range || !http_has(&fetch_request(fetch)->head, FIELD_RANGE));
}

/* RFC 9110 §15.2: to the client that this fetch is for. */
static void pass_interim(struct fetch *fetch)
{
	const struct http_response *response = &fetch->response;
	const struct http_head *head = &response->head;
	struct exchange *exchange = fetch->order.exchange;
	struct buf text;

	buf_init(&text, REQUEST_HEAD_MAX_BYTES);
	buf_printf(&text, "HTTP/1.1 %d %s\r\n", response->status, http_reason(response->status));
	for (unsigned i = 0; i < head->nfields; i++) {
		const struct http_field *field = &head->fields[i];

		if (http_is_hop_by_hop(head, field) || field->id == FIELD_CONTENT_LENGTH)
			continue;
		buf_add_str(&text, http_field_name(head, field));
		buf_add_str(&text, STR(": "));
		buf_add_str(&text, http_field_value(head, field));
		buf_add_str(&text, STR("\r\n"));
	}
	buf_add_str(&text, STR("\r\n"));
	if (!text.is_full && exchange)
		exchange->ops->send_interim(exchange, buf_str(&text));
	buf_fini(&text);
}

/* The connection speaks another protocol from now on: it is the owner's to take. */
static enum fetch_state switched(struct fetch *fetch, struct str rest)
{
	const struct exchange *exchange = fetch->order.exchange;

	fetch->report.status = fetch->response.status;
	note_head(fetch);
	buf_clear(&fetch->head);
	upgrade_write_head(&fetch->response.head, exchange->is_extended_connect, &fetch->head);
	if (fetch->input.len > 0)
		buf_consume(&fetch->input, fetch->response.head.len);
	else
		buf_add_str(&fetch->input, rest);
	if (fetch->head.is_full || fetch->input.is_full)
		return head_broken(fetch, ERROR_TOO_BIG);
	timer_cancel(&fetch->timer);
	fetch_tell_owner(fetch, FETCH_SWITCHED);
	return FETCH_ENDED;
}

static bool is_switch(const struct fetch *fetch)
{
	const struct fetch_order *order = &fetch->order;
	const struct http_response *response = &fetch->response;

	return order->upgrade.len > 0 && response->minor > 0 && order->exchange &&
	       upgrade_is_confirmed(&response->head, order->upgrade, order->websocket_key);
}

void fetch_count_in(struct fetch *fetch, size_t n)
{
	struct peer_state *state = fetch_candidate(fetch)->state;

	fetch->order.worker->counters.server_bytes_in += n;
	if (state)
		atomic_fetch_add_explicit(&state->bytes_in, n, memory_order_relaxed);
}

void fetch_count_out(struct fetch *fetch, size_t n)
{
	struct peer_state *state = fetch_candidate(fetch)->state;

	fetch->order.worker->counters.server_bytes_out += n;
	if (state)
		atomic_fetch_add_explicit(&state->bytes_out, n, memory_order_relaxed);
}

/* The peer answers, whatever it says. */
static void note_answer(struct fetch *fetch)
{
	struct peer_state *state = fetch_candidate(fetch)->state;
	struct loop *loop = fetch_loop(fetch);

	if (state)
		peer_state_answered(state, loop_mono_us(loop) - fetch->report.began_us,
				    loop_now_ms(loop));
}

/* Who answers nothing but 502 while others do better is as good as one that does not answer. */
static enum fetch_state another(struct fetch *fetch, int status)
{
	const struct fetch_failure failure = {status, ERROR_READ_ERROR, 0};

	if (!is_from_behind(status))
		note_answer(fetch);
	return fetch_discard_answer(fetch, failure,
				    is_from_behind(status) ? "it answered 502 or 504" : NULL);
}

/* A whole head of head_len bytes at at, and what came behind it. */
static enum fetch_state take_head(struct fetch *fetch, char *at, size_t len)
{
	const struct http_response *response = &fetch->response;
	struct str rest = {at + response->head.len, len - response->head.len};

	if (response->status == 101 && is_switch(fetch))
		return switched(fetch, rest);
	if (response->status == 101 || is_unasked_304(fetch) || is_unasked_206(fetch))
		return head_broken(fetch, ERROR_INVALID_RESP);
	if (response->status >= 200) {
		enum fetch_state next;

		if (is_worth_another(fetch, response->status))
			return another(fetch, response->status);
		note_answer(fetch);
		next = answered(fetch, rest);
		buf_fini(&fetch->input);
		return next;
	}
	if (++fetch->ninterim > MAX_INTERIM)
		return head_broken(fetch, ERROR_INVALID_RESP);
	if (response->status != 100) /* a 100 is ours to say */
		pass_interim(fetch);
	h1_parser_reset(&fetch->parser);
	if (fetch->input.len > 0)
		buf_consume(&fetch->input, response->head.len);
	else if (rest.len > 0)
		check(buf_add_str(&fetch->input, rest));
	fetch->is_behind_interim = fetch->input.len > 0;
	return FETCH_HEAD;
}

static enum fetch_state parse_head(struct fetch *fetch, char *at, size_t len)
{
	const struct h1_limits limits = {
		.head_bytes = (uint32_t)fetch_config(fetch)->reply_header_max_bytes};

	switch (h1_parse_response(&fetch->parser, at, len, &limits, fetch_request(fetch)->method,
	                          &fetch->response)) {
	case H1_DONE:
		return take_head(fetch, at, len);
	case H1_ERROR:
		return head_broken(fetch, fetch->parser.error == H1_HEAD_TOO_LARGE
		                                  ? ERROR_TOO_BIG
		                                  : ERROR_INVALID_RESP);
	case H1_MORE:
		break;
	}
	if (fetch->input.len == 0 && !buf_add(&fetch->input, at, len))
		return head_broken(fetch, ERROR_TOO_BIG);
	return FETCH_HEAD;
}

static enum fetch_state read_head(struct fetch *fetch, bool *wait)
{
	size_t size;
	char *shared = loop_read_buffer(fetch_loop(fetch), &size);
	ssize_t n = stream_read(&fetch->conn->stream, shared, size);

	*wait = n == STREAM_WAIT;
	if (*wait)
		return FETCH_HEAD;
	if (n < 0)
		return fetch_lost(fetch, (struct fetch_failure){502, ERROR_READ_ERROR, (int)-n});
	if (n == 0 && fetch->input.len > 0)
		return head_broken(fetch, ERROR_INVALID_RESP);
	if (n == 0)
		return fetch_lost(fetch, (struct fetch_failure){502, ERROR_ZERO_SIZE_OBJECT, 0});
	fetch_count_in(fetch, (size_t)n);
	if (fetch->input.len == 0)
		return parse_head(fetch, shared, (size_t)n);
	if (!buf_add(&fetch->input, shared, (size_t)n))
		return head_broken(fetch, ERROR_TOO_BIG);
	return parse_head(fetch, fetch->input.at, fetch->input.len);
}

/* The client's body is too large, wrong in its framing, or cut short. */
static enum fetch_state upload_broken(struct fetch *fetch)
{
	enum h1_error error = fetch->order.exchange->body_error;
	const struct h1_error_info *info = h1_error_info(error);

	if (fetch_is_too_large(fetch))
		return fetch_fail_with(fetch, 413, ERROR_TOO_BIG, 0);
	if (error == H1_OK)
		return fetch_fail_with(fetch, 400, ERROR_INVALID_REQ, 0);
	return fetch_fail_with(fetch, info->status, error_name_of(str_of(info->squid_error)), 0);
}

enum fetch_state fetch_run_head(struct fetch *fetch)
{
	enum fetch_state next = FETCH_HEAD;
	bool wait = false;

	if (fetch_has_upload(fetch) && !fetch_pump_upload(fetch)) {
		if (fetch->is_broken_upload)
			return upload_broken(fetch);
		/* The origin takes no more of it: it may have answered why. */
		fetch_end_upload(fetch);
		fetch->keeps_conn = false;
	}
	while (next == FETCH_HEAD && !wait) {
		next = read_head(fetch, &wait);
		while (next == FETCH_HEAD && fetch->is_behind_interim) {
			fetch->is_behind_interim = false;
			next = parse_head(fetch, fetch->input.at, fetch->input.len);
		}
	}
	return next;
}

/* ---- BODY */

/* The answer is whole. Its connection may serve again if nothing follows and all was sent. */
static enum fetch_state end_of_body(struct fetch *fetch, bool is_clean)
{
	if (fetch->is_producing && !is_clean)
		fetch_store_forget(&fetch->storing, fetch->object); /* an origin out of step */
	if (fetch->is_producing)
		fetch_store_finish(&fetch->storing, &fetch->order, fetch->object);
	fetch->is_producing = false;
	if (is_clean && fetch->keeps_conn && !fetch_has_upload(fetch) &&
	    !fetch->upload.wants_crlf && !stream_is_writing(&fetch->conn->stream)) {
		timer_cancel(&fetch->timer);
		origin_keep(fetch->conn, fetch_config(fetch)->server_idle_pconn_timeout_ms,
		            fetch_config(fetch)->pconn_lifetime_ms);
		fetch->conn = NULL;
	}
	return fetch_finish(fetch);
}

/* Cut short: visible to readers, never stored. */
enum fetch_state fetch_body_broken(struct fetch *fetch, int error)
{
	if (fetch->is_producing)
		fetch_store_abort(&fetch->storing, &fetch->order, fetch->object, error);
	fetch->is_producing = false;
	fetch->failure = (struct fetch_failure){
		502, error == EPROTO ? ERROR_INVALID_RESP : ERROR_READ_ERROR, error};
	return fetch_finish(fetch);
}

/* RFC 9110 §6.5.1: what has a meaning in a head (framing, routing, caching, the content) has none
 * behind a body. */
static void keep_trailers(struct fetch *fetch)
{
	struct str rest = buf_str(&fetch->trailers), line;
	struct buf kept;

	buf_init(&kept, H1_MAX_TRAILER_BYTES);
	while (rest.len > 0 && str_split(&rest, '\n', &line)) {
		struct str name = str_first(line, str_find_char(line, ':'));

		if (name.len == line.len || http_field_id(name) != FIELD_OTHER)
			continue;
		buf_add_str(&kept, line);
		buf_add_char(&kept, '\n');
	}
	object_set_trailers(fetch->object, buf_str(&kept));
	buf_fini(&kept);
}

static enum fetch_state take_chunked(struct fetch *fetch, struct str bytes)
{
	while (bytes.len > 0) {
		struct str data;
		size_t used;
		enum h1_verdict verdict =
			h1_decode_chunks(&fetch->chunks, bytes.at, bytes.len, &used, &data);

		if (verdict == H1_ERROR)
			return fetch_body_broken(fetch, EPROTO);
		if (data.len > 0)
			object_append(fetch->object, data);
		bytes = str_from(bytes, used);
		if (verdict == H1_DONE) {
			keep_trailers(fetch);
			return end_of_body(fetch, bytes.len == 0);
		}
		if (used == 0)
			break;
	}
	fetch_store_grew(&fetch->storing, &fetch->order, fetch->object);
	return FETCH_BODY;
}

/* Body bytes that lie elsewhere than in the object: behind the head, or chunked. */
static enum fetch_state take_body(struct fetch *fetch, struct str bytes)
{
	switch (fetch->body) {
	case HTTP_BODY_NONE:
		return end_of_body(fetch, bytes.len == 0);
	case HTTP_BODY_CHUNKED:
		return take_chunked(fetch, bytes);
	case HTTP_BODY_LENGTH:
		if (bytes.len >= fetch->body_left) {
			bool is_clean = bytes.len == fetch->body_left;

			object_append(fetch->object, str_first(bytes, (size_t)fetch->body_left));
			fetch->body_left = 0;
			return end_of_body(fetch, is_clean);
		}
		fetch->body_left -= bytes.len;
		break;
	case HTTP_BODY_CLOSE:
		break;
	}
	if (bytes.len > 0)
		object_append(fetch->object, bytes);
	fetch_store_grew(&fetch->storing, &fetch->order, fetch->object);
	return FETCH_BODY;
}

/* Reads once; straight into the object where the bytes need no decoding. */
static enum fetch_state read_body_once(struct fetch *fetch, bool *wait)
{
	bool is_plain = fetch->body != HTTP_BODY_CHUNKED;
	size_t size;
	char *into = is_plain ? object_reserve(fetch->object, &size)
	                      : loop_read_buffer(fetch_loop(fetch), &size);
	ssize_t n;

	if (fetch->body == HTTP_BODY_LENGTH && size > fetch->body_left)
		size = (size_t)fetch->body_left;
	n = stream_read(&fetch->conn->stream, into, size);
	*wait = n == STREAM_WAIT;
	if (n == STREAM_WAIT)
		return FETCH_BODY;
	if (n == 0 && fetch->body == HTTP_BODY_CLOSE)
		return end_of_body(fetch, true);
	if (n <= 0)
		return fetch_body_broken(fetch, n == 0 ? ECONNRESET : (int)-n);
	fetch_count_in(fetch, (size_t)n);
	fetch_set_deadline(fetch, fetch->body_patience_ms);
	if (!is_plain)
		return take_chunked(fetch, (struct str){into, (size_t)n});
	object_commit(fetch->object, (size_t)n);
	fetch_store_grew(&fetch->storing, &fetch->order, fetch->object);
	if (fetch->body == HTTP_BODY_LENGTH) {
		fetch->body_left -= (uint64_t)n;
		if (fetch->body_left == 0)
			return end_of_body(fetch, true);
	}
	return FETCH_BODY;
}

static bool is_abandoned(const struct fetch *fetch)
{
	return !fetch->order.owner && object_nreaders(fetch->object) == 0 &&
	       !fetch_store_goes_on(&fetch->storing, &fetch->order, fetch->object);
}

/* False: the readers have to get on first. Their own timeouts bound this wait. */
static bool may_append(struct fetch *fetch)
{
	bool may = object_may_append(fetch->object);

	if (may == fetch->is_paced)
		timer_cancel(&fetch->timer);
	fetch->is_paced = !may;
	if (!may && fetch->timer.deadline_ms == 0)
		fetch_set_deadline(fetch, OBJECT_SHED_MS);
	return may;
}

enum fetch_state fetch_run_body(struct fetch *fetch)
{
	enum fetch_state next = FETCH_BODY;
	bool wait = false;

	if (is_abandoned(fetch))
		return fetch_body_broken(fetch, ECANCELED);
	if (fetch_has_upload(fetch) && !fetch_pump_upload(fetch)) {
		fetch_end_upload(fetch);
		fetch->keeps_conn = false;
	}
	for (int i = 0; next == FETCH_BODY && !wait; i++) {
		if (!may_append(fetch))
			return FETCH_BODY;
		if (i == READS_A_TURN) {
			loop_defer(fetch_loop(fetch), &fetch->run_task);
			return FETCH_BODY;
		}
		next = read_body_once(fetch, &wait);
	}
	if (next == FETCH_BODY && fetch->timer.deadline_ms == 0)
		fetch_set_deadline(fetch, fetch->body_patience_ms);
	return next;
}
