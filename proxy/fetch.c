/* SPDX-License-Identifier: BSD-2-Clause */
/* One request to an origin. SELECT takes the next destination (an idle connection, or an address of
 * the next candidate); HEAD and BODY send what is left of the request's body while they read the
 * answer. Whatever fails before the answer's head is tried at the next destination where that is
 * safe (RFC 9110 §9.2.2), else becomes an error for the client. */
#include "proxy/fetch.h"

#include <errno.h>

#include "cache/disk.h"
#include "cache/index.h"
#include "cache/object.h"
#include "cache/revalidate.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/http/h1.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"
#include "proxy/exchange.h"
#include "proxy/fetch_store.h"
#include "proxy/origin_pool.h"
#include "proxy/peer_select.h"
#include "proxy/peer_table.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/peers.h"

enum fetch_state {
	FETCH_SELECT,
	FETCH_RESOLVE,
	FETCH_CONNECT,
	FETCH_SEND,
	FETCH_HEAD,
	FETCH_BODY,
	FETCH_ENDED,
};

enum {
	REQUEST_HEAD_MAX_BYTES = 1 << 20,
	UPLOAD_BYTES = 32768,
	MAX_INTERIM = 16,        /* 1xx answers before the final one */
	MIN_GAP_BYTES = 65536,
	READS_A_TURN = 16,       /* of one origin, before others have their turn */
};

/* The request's body on its way to the origin. */
struct upload {
	char *bytes;           /* UPLOAD_BYTES; NULL: there is no body, or it is done */
	bool is_chunked, is_started, is_done;
	uint64_t nbytes;       /* taken from the client so far */
	char chunk_head[24];
};

/* One worker's. */
struct fetch {
	struct list node; /* worker->fetches */
	struct fetch_order order;
	struct loop_task wake_task; /* tells the owner */
	struct loop_task run_task;
	struct timer timer;
	enum fetch_state state;
	enum fetch_outcome outcome;
	struct fetch_failure failure;
	struct fetch_report report;
	struct object *object;
	struct origin_conn *conn;
	struct buf head;       /* the request's */
	struct buf input;      /* an unfinished answer's head */
	struct upload upload;
	struct resolver_query query;
	bool is_resolving, is_running, is_producing, is_broken_upload, is_behind_interim;
	size_t ncandidates, candidate; /* candidate: the one in use, ncandidates + 1 based */
	unsigned naddrs, addr;
	unsigned ninterim, ntries;
	int64_t deadline_ms;   /* forward_timeout */
	/* the answer's body */
	struct h1_parser parser;
	struct h1_chunks chunks;
	uint64_t body_left;
	enum http_body body;
	bool keeps_conn;
	struct fetch_storing storing;
	struct peer_candidate candidates[PEER_MAX_CANDIDATES];
	struct http_response response; /* valid while its bytes are: within one call */
};

static void fetch_run(struct fetch *fetch);

static const struct config *config_of(const struct fetch *fetch)
{
	return snapshot_config(fetch->order.snapshot);
}

static struct loop *loop_of(const struct fetch *fetch)
{
	return fetch->order.worker->loop;
}

static const struct http_request *request_of(const struct fetch *fetch)
{
	return &fetch->order.exchange->request;
}

static const struct peer_candidate *candidate_of(const struct fetch *fetch)
{
	return &fetch->candidates[fetch->candidate - 1];
}

static void set_deadline(struct fetch *fetch, int64_t wait_ms)
{
	timer_set(loop_of(fetch), &fetch->timer, loop_now_ms(loop_of(fetch)) + wait_ms);
}

/* ---- ends */

static void fetch_free(struct fetch *fetch)
{
	struct worker *worker = fetch->order.worker;

	check(fetch->state == FETCH_ENDED && !fetch->is_running);
	if (fetch->is_resolving)
		resolver_cancel(&fetch->query);
	loop_task_cancel(&fetch->wake_task);
	loop_task_cancel(&fetch->run_task);
	timer_cancel(&fetch->timer);
	origin_close(fetch->conn);
	if (fetch->object)
		object_forget_producer(fetch->object);
	object_unref(fetch->object);
	object_unref(fetch->order.stored);
	snapshot_unref(fetch->order.snapshot);
	buf_fini(&fetch->head);
	buf_fini(&fetch->input);
	mem_free(fetch->upload.bytes);
	list_remove(&fetch->node);
	mem_free(fetch);
	worker_session_ended(worker);
}

/* Ends the producing side; the struct goes when its transaction lets go of it too. */
static enum fetch_state finish(struct fetch *fetch)
{
	timer_cancel(&fetch->timer);
	origin_close(fetch->conn);
	fetch->conn = NULL;
	return FETCH_ENDED;
}

static void tell_owner(struct fetch *fetch, enum fetch_outcome outcome)
{
	fetch->outcome = outcome;
	if (fetch->order.owner)
		loop_defer(loop_of(fetch), &fetch->wake_task);
}

static void wake_owner(struct loop_task *task)
{
	struct fetch *fetch = CONTAINER(task, struct fetch, wake_task);

	if (fetch->order.owner)
		fetch->order.woke(fetch->order.owner);
}

static enum fetch_state fail(struct fetch *fetch)
{
	fetch->order.worker->counters.server_errors++;
	tell_owner(fetch, FETCH_FAILED);
	return finish(fetch);
}

static enum fetch_state fail_with(struct fetch *fetch, int status, enum error_name error, int number)
{
	fetch->failure = (struct fetch_failure){status, error, number};
	return fail(fetch);
}

/* ---- SELECT */

static bool may_resend(const struct fetch *fetch)
{
	return !fetch->upload.is_started && !fetch->upload.is_done &&
	       http_method_is_idempotent(request_of(fetch)->method);
}

/* What failed so far stands in fetch->failure: the next destination, or that is the answer. */
static enum fetch_state try_next(struct fetch *fetch)
{
	origin_close(fetch->conn);
	fetch->conn = NULL;
	buf_fini(&fetch->input);
	if (fetch->upload.is_started || loop_now_ms(loop_of(fetch)) >= fetch->deadline_ms)
		return fail(fetch);
	return FETCH_SELECT;
}

static uint64_t conn_key(const struct fetch *fetch)
{
	const struct peer_candidate *candidate = candidate_of(fetch);
	const struct port_url *parts = fetch->order.parts;

	if (candidate->state)
		return (uint64_t)(uintptr_t)candidate->state;
	return hash_str((struct str){fetch->order.url.at, parts->path.at}, 1) | 1;
}

static bool may_reuse(const struct fetch *fetch)
{
	return config_of(fetch)->server_persistent_connections &&
	       http_method_is_idempotent(request_of(fetch)->method) &&
	       request_of(fetch)->body == HTTP_BODY_NONE;
}

static void stream_woke(void *owner)
{
	fetch_run(owner);
}

static enum fetch_state begin_send(struct fetch *fetch)
{
	struct fetch_report *report = &fetch->report;

	report->server = fetch->conn->addr;
	report->has_server = true;
	report->started_us = loop_wall_us(loop_of(fetch));
	h1_parser_reset(&fetch->parser);
	buf_clear(&fetch->head);
	fetch_write_head(&fetch->order, candidate_of(fetch)->peer, &fetch->head);
	if (fetch->head.is_full)
		return fail_with(fetch, 431, ERROR_TOO_BIG, 0);
	fetch->order.worker->counters.server_requests++;
	return FETCH_SEND;
}

static enum fetch_state run_select(struct fetch *fetch)
{
	const struct peer_candidate *candidate;

	if (fetch->addr < fetch->naddrs)
		return FETCH_CONNECT;
	if (fetch->candidate == fetch->ncandidates)
		return fail(fetch);
	fetch->candidate++;
	fetch->naddrs = fetch->addr = 0;
	candidate = candidate_of(fetch);
	fetch->report.hier = candidate->hier;
	fetch->report.peer = candidate->peer;
	fetch->conn = may_reuse(fetch)
			      ? origin_pool_take(fetch->order.worker->origins, conn_key(fetch))
			      : NULL;
	if (!fetch->conn)
		return FETCH_RESOLVE;
	stream_set_owner(&fetch->conn->stream, stream_woke, fetch);
	return begin_send(fetch);
}

/* ---- RESOLVE */

/* Direct fetches go where the URL says, so not to this machine itself. */
static bool is_own_machine(const struct addr *addr)
{
	uint8_t ip[16];
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	addr_ip_bytes(addr, ip);
	if (memcmp(ip, mapped, 12) == 0)
		return ip[12] == 127 || ip[12] == 0 || (ip[12] == 169 && ip[13] == 254);
	return IN6_IS_ADDR_LOOPBACK(&addr->as.v6.sin6_addr) ||
	       IN6_IS_ADDR_UNSPECIFIED(&addr->as.v6.sin6_addr) ||
	       IN6_IS_ADDR_LINKLOCAL(&addr->as.v6.sin6_addr);
}

static enum fetch_state resolved(struct fetch *fetch)
{
	const struct peer_candidate *candidate = candidate_of(fetch);
	unsigned n = 0;

	for (unsigned i = 0; i < fetch->query.naddrs; i++)
		if (candidate->peer || !is_own_machine(&fetch->query.addrs[i]))
			fetch->query.addrs[n++] = fetch->query.addrs[i];
	fetch->naddrs = n;
	fetch->addr = 0;
	if (n > 0)
		return FETCH_CONNECT;
	if (!candidate->peer)
		fetch->failure = (struct fetch_failure){503, ERROR_DNS_FAIL, 0};
	else
		log_say(2, "cache_peer %.*s has no address: %s", STR_ARG(candidate->peer->name),
			fetch->query.why ? fetch->query.why : "none is usable");
	return try_next(fetch);
}

static void resolve_done(struct resolver_query *query)
{
	struct fetch *fetch = CONTAINER(query, struct fetch, query);

	fetch->is_resolving = false;
	fetch_run(fetch);
}

static enum fetch_state run_resolve(struct fetch *fetch)
{
	const struct peer *peer = candidate_of(fetch)->peer;
	const struct port_url *parts = fetch->order.parts;
	struct str host = {fetch->order.url.at + parts->host.at, parts->host.len};

	if (fetch->query.done && !fetch->is_resolving) {
		fetch->query.done = NULL;
		return resolved(fetch);
	}
	if (fetch->is_resolving)
		return FETCH_RESOLVE;
	fetch->query.done = resolve_done;
	set_deadline(fetch, config_of(fetch)->dns_timeout_ms * 2);
	fetch->is_resolving = !resolver_ask(fetch->order.worker->resolver, peer ? peer->host : host,
					    peer ? peer->port : parts->port, &fetch->query);
	if (fetch->is_resolving)
		return FETCH_RESOLVE;
	fetch->query.done = NULL;
	return resolved(fetch);
}

/* ---- CONNECT */

static enum fetch_state connect_failed(struct fetch *fetch, int error)
{
	const struct peer_candidate *candidate = candidate_of(fetch);
	char text[ADDR_TEXT_BYTES];

	addr_text(&fetch->query.addrs[fetch->addr], text);
	fetch->addr++;
	fetch->failure = error == ETIMEDOUT
				 ? (struct fetch_failure){504, ERROR_READ_TIMEOUT, error}
				 : (struct fetch_failure){503, ERROR_CONNECT_FAIL, error};
	if (candidate->state) {
		log_say(1, "TCP connection to %.*s/%u failed (%s: %s)",
			STR_ARG(candidate->peer->host), candidate->peer->port, text,
			strerror(error));
		peer_state_failed(candidate->state, candidate->peer->connect_fail_limit,
				  loop_now_ms(loop_of(fetch)));
	}
	return try_next(fetch);
}

static int64_t connect_timeout(const struct fetch *fetch)
{
	const struct peer *peer = candidate_of(fetch)->peer;

	if (!peer)
		return config_of(fetch)->connect_timeout_ms;
	return peer->connect_timeout_ms >= 0 ? peer->connect_timeout_ms
					     : config_of(fetch)->peer_connect_timeout_ms;
}

static enum fetch_state run_connect(struct fetch *fetch)
{
	const struct peer_candidate *candidate = candidate_of(fetch);
	const struct addr *addr = &fetch->query.addrs[fetch->addr];
	int error;

	if (!fetch->conn) {
		error = origin_connect(fetch->order.worker->origins, conn_key(fetch),
				       candidate->state, addr, stream_woke, fetch, &fetch->conn);
		if (error != 0)
			return connect_failed(fetch, -error);
		set_deadline(fetch, connect_timeout(fetch));
	}
	error = stream_connect_result(&fetch->conn->stream);
	if (error == STREAM_WAIT)
		return FETCH_CONNECT;
	if (error != 0)
		return connect_failed(fetch, -error);
	if (candidate->state)
		peer_state_succeeded(candidate->state);
	return begin_send(fetch);
}

/* ---- SEND and the request's body */

/* A connection that idled may have been closed as we wrote: try again on a new one, to the same
 * peer. Nothing of the request can have been answered. */
static enum fetch_state lost_before_answer(struct fetch *fetch, struct fetch_failure failure)
{
	bool was_reused = fetch->conn->is_reused;

	fetch->failure = failure;
	if (!may_resend(fetch))
		return fail(fetch);
	if (was_reused) {
		origin_close(fetch->conn);
		fetch->conn = NULL;
		buf_fini(&fetch->input);
		return FETCH_RESOLVE;
	}
	fetch->addr++;
	return try_next(fetch);
}

static enum fetch_state run_send(struct fetch *fetch)
{
	struct stream *stream = &fetch->conn->stream;
	struct iovec iov = {fetch->head.at, fetch->head.len};
	ssize_t n = stream_is_writing(stream) ? stream_writev(stream, NULL, 0)
					      : stream_writev(stream, &iov, 1);

	if (n == STREAM_WAIT) {
		set_deadline(fetch, config_of(fetch)->write_timeout_ms);
		return FETCH_SEND;
	}
	if (n < 0)
		return lost_before_answer(
			fetch, (struct fetch_failure){502, ERROR_WRITE_ERROR, (int)-n});
	fetch->order.worker->counters.server_bytes_out += (uint64_t)n;
	set_deadline(fetch, config_of(fetch)->read_timeout_ms);
	return FETCH_HEAD;
}

static bool has_upload(const struct fetch *fetch)
{
	return fetch->order.exchange && !fetch->upload.is_done &&
	       request_of(fetch)->body != HTTP_BODY_NONE;
}

/* One piece to the origin, with chunked framing if the client's length is not known. n 0: the end. */
static ssize_t send_piece(struct fetch *fetch, size_t n)
{
	struct upload *upload = &fetch->upload;
	struct iovec iov[3];
	int niov = 0;

	if (!upload->is_chunked) {
		iov[niov++] = (struct iovec){upload->bytes, n};
		return n > 0 ? stream_writev(&fetch->conn->stream, iov, niov) : 0;
	}
	iov[niov++] = (struct iovec){upload->chunk_head, h1_encode_chunk_head(n, upload->chunk_head)};
	if (n > 0)
		iov[niov++] = (struct iovec){upload->bytes, n};
	iov[niov++] = (struct iovec){"\r\n", 2};
	return stream_writev(&fetch->conn->stream, iov, niov);
}

static void upload_is_done(struct fetch *fetch)
{
	fetch->upload.is_done = true;
	mem_free(fetch->upload.bytes);
	fetch->upload.bytes = NULL;
}

/* request_body_max_size, where the client did not say the length first. */
static bool is_too_large(const struct fetch *fetch)
{
	int64_t max = config_of(fetch)->request_body_max_bytes;

	return max > 0 && fetch->upload.nbytes > (uint64_t)max;
}

/* Moves the body on. False: it broke (the client's fault or the origin's). */
static bool pump_upload(struct fetch *fetch)
{
	struct upload *upload = &fetch->upload;
	struct exchange *exchange = fetch->order.exchange;
	struct stream *stream = &fetch->conn->stream;

	if (!upload->bytes) {
		upload->bytes = mem_alloc(UPLOAD_BYTES);
		upload->is_chunked = request_of(fetch)->body == HTTP_BODY_CHUNKED;
		exchange->ops->send_continue(exchange);
	}
	for (;;) {
		ssize_t n;

		if (stream_is_writing(stream)) {
			n = stream_writev(stream, NULL, 0);
			if (n < 0)
				return n == STREAM_WAIT;
			set_deadline(fetch, config_of(fetch)->read_timeout_ms);
		}
		if (exchange->is_body_read && upload->is_started) {
			if (!upload->is_chunked || upload->is_done)
				return upload_is_done(fetch), true;
			upload->is_done = true;
			n = send_piece(fetch, 0);
			if (n == STREAM_WAIT)
				continue;
			return n >= 0 ? (upload_is_done(fetch), true) : false;
		}
		n = exchange->ops->read_body(exchange, upload->bytes, UPLOAD_BYTES);
		if (n == STREAM_WAIT)
			return true;
		if (n < 0) {
			fetch->is_broken_upload = true;
			return false;
		}
		upload->is_started = true;
		upload->nbytes += (uint64_t)n;
		if (is_too_large(fetch)) {
			fetch->is_broken_upload = true;
			return false;
		}
		if (n > 0)
			n = send_piece(fetch, (size_t)n);
		if (n < 0 && n != STREAM_WAIT)
			return false;
	}
}

/* ---- HEAD */

static enum fetch_state head_broken(struct fetch *fetch, enum error_name error)
{
	fetch->failure = (struct fetch_failure){502, error, 0};
	return fail(fetch);
}

static bool is_last_destination(const struct fetch *fetch)
{
	return fetch->candidate == fetch->ncandidates && fetch->addr + 1 >= fetch->naddrs;
}

/* Squid: 502 and 504 are tried elsewhere, 403, 500, 501 and 503 with retry_on_error. */
static bool is_worth_another(const struct fetch *fetch, int status)
{
	bool retriable = status == 502 || status == 504;

	if (config_of(fetch)->retry_on_error)
		retriable |= status == 403 || status == 500 || status == 501 || status == 503;
	return retriable && !is_last_destination(fetch) && may_resend(fetch);
}

/* The body that follows the head, of which rest came along. */
static void begin_answer_body(struct fetch *fetch)
{
	const struct http_response *response = &fetch->response;

	fetch->body = response->body;
	fetch->body_left = response->body == HTTP_BODY_LENGTH ? response->content_length : 0;
	fetch->chunks = (struct h1_chunks){0};
	fetch->keeps_conn = response->keep_alive && response->body != HTTP_BODY_CLOSE &&
			    config_of(fetch)->server_persistent_connections;
}

static enum fetch_state take_body(struct fetch *fetch, struct str bytes);
static enum fetch_state end_of_body(struct fetch *fetch, bool is_clean);

static void object_woke(void *producer)
{
	fetch_run(producer);
}

static struct object *new_object(struct fetch *fetch)
{
	uint64_t gap = (uint64_t)config_of(fetch)->read_ahead_gap_bytes;

	return object_create(loop_of(fetch), object_woke, fetch,
			     gap < MIN_GAP_BYTES ? MIN_GAP_BYTES : gap);
}

/* A 304 to our own condition: the stored object, with a new head. */
static enum fetch_state not_modified(struct fetch *fetch, struct str rest)
{
	struct object *renewed = fetch_renew_stored(&fetch->order, &fetch->response,
						    fetch->report.started_us / 1000000);

	if (!renewed) { /* it speaks of something else: ask without a condition */
		object_unref(fetch->order.stored);
		fetch->order.stored = NULL;
		fetch->candidate--; /* the same once more */
		fetch->naddrs = fetch->addr = 0;
		return try_next(fetch);
	}
	fetch->object = renewed;
	tell_owner(fetch, FETCH_NOT_MODIFIED);
	return end_of_body(fetch, rest.len == 0);
}

static enum fetch_state answered(struct fetch *fetch, struct str rest)
{
	struct http_response *response = &fetch->response;

	fetch->report.status = response->status;
	fetch->report.answered_us = loop_wall_us(loop_of(fetch));
	buf_fini(&fetch->head);
	begin_answer_body(fetch);
	if (response->status == 304 && fetch->order.stored)
		return not_modified(fetch, rest);
	fetch->object = new_object(fetch);
	fetch->is_producing = true;
	fetch_store_begin(&fetch->storing, &fetch->order, response, fetch->object,
			  &fetch->report);
	tell_owner(fetch, FETCH_ANSWERED);
	return take_body(fetch, rest);
}

/* A whole head of head_len bytes at at, and what came behind it. */
static enum fetch_state take_head(struct fetch *fetch, char *at, size_t len)
{
	const struct http_response *response = &fetch->response;
	struct str rest = {at + response->head.len, len - response->head.len};

	if (response->status == 101)
		return head_broken(fetch, ERROR_INVALID_RESP);
	if (response->status >= 200) {
		enum fetch_state next;

		if (is_worth_another(fetch, response->status)) {
			fetch->failure = (struct fetch_failure){response->status,
								ERROR_READ_ERROR, 0};
			fetch->addr++;
			return try_next(fetch);
		}
		next = answered(fetch, rest);
		buf_fini(&fetch->input);
		return next;
	}
	if (++fetch->ninterim > MAX_INTERIM)
		return head_broken(fetch, ERROR_INVALID_RESP);
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
		.head_bytes = (uint32_t)config_of(fetch)->reply_header_max_bytes};

	switch (h1_parse_response(&fetch->parser, at, len, &limits, request_of(fetch)->method,
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
	char *shared = loop_read_buffer(loop_of(fetch), &size);
	ssize_t n = stream_read(&fetch->conn->stream, shared, size);

	*wait = n == STREAM_WAIT;
	if (*wait)
		return FETCH_HEAD;
	if (n < 0)
		return lost_before_answer(
			fetch, (struct fetch_failure){502, ERROR_READ_ERROR, (int)-n});
	if (n == 0 && fetch->input.len > 0)
		return head_broken(fetch, ERROR_INVALID_RESP);
	if (n == 0)
		return lost_before_answer(
			fetch, (struct fetch_failure){502, ERROR_ZERO_SIZE_OBJECT, 0});
	fetch->order.worker->counters.server_bytes_in += (uint64_t)n;
	if (fetch->input.len == 0)
		return parse_head(fetch, shared, (size_t)n);
	if (!buf_add(&fetch->input, shared, (size_t)n))
		return head_broken(fetch, ERROR_TOO_BIG);
	return parse_head(fetch, fetch->input.at, fetch->input.len);
}

static enum fetch_state run_head(struct fetch *fetch)
{
	enum fetch_state next = FETCH_HEAD;
	bool wait = false;

	if (has_upload(fetch) && !pump_upload(fetch)) {
		if (fetch->is_broken_upload)
			return is_too_large(fetch) ? fail_with(fetch, 413, ERROR_TOO_BIG, 0)
						   : fail_with(fetch, 400, ERROR_INVALID_REQ, 0);
		/* The origin takes no more of it: it may have answered why. */
		upload_is_done(fetch);
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
	if (fetch->is_producing)
		fetch_store_finish(&fetch->storing, &fetch->order, fetch->object);
	fetch->is_producing = false;
	if (is_clean && fetch->keeps_conn && !has_upload(fetch) &&
	    !stream_is_writing(&fetch->conn->stream)) {
		timer_cancel(&fetch->timer);
		origin_keep(fetch->conn, config_of(fetch)->server_idle_pconn_timeout_ms);
		fetch->conn = NULL;
	}
	return finish(fetch);
}

/* Cut short: visible to readers, never stored. */
static enum fetch_state body_broken(struct fetch *fetch, int error)
{
	if (fetch->is_producing)
		fetch_store_abort(&fetch->storing, &fetch->order, fetch->object, error);
	fetch->is_producing = false;
	return finish(fetch);
}

static enum fetch_state take_chunked(struct fetch *fetch, struct str bytes)
{
	while (bytes.len > 0) {
		struct str data;
		size_t used;
		enum h1_verdict verdict =
			h1_decode_chunks(&fetch->chunks, bytes.at, bytes.len, &used, &data);

		if (verdict == H1_ERROR)
			return body_broken(fetch, EPROTO);
		if (data.len > 0)
			object_append(fetch->object, data);
		bytes = str_from(bytes, used);
		if (verdict == H1_DONE)
			return end_of_body(fetch, bytes.len == 0);
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
			      : loop_read_buffer(loop_of(fetch), &size);
	ssize_t n;

	if (fetch->body == HTTP_BODY_LENGTH && size > fetch->body_left)
		size = (size_t)fetch->body_left;
	n = stream_read(&fetch->conn->stream, into, size);
	*wait = n == STREAM_WAIT;
	if (n == STREAM_WAIT)
		return FETCH_BODY;
	if (n == 0 && fetch->body == HTTP_BODY_CLOSE)
		return end_of_body(fetch, false);
	if (n <= 0)
		return body_broken(fetch, n == 0 ? ECONNRESET : (int)-n);
	fetch->order.worker->counters.server_bytes_in += (uint64_t)n;
	set_deadline(fetch, config_of(fetch)->read_timeout_ms);
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

static enum fetch_state run_body(struct fetch *fetch)
{
	enum fetch_state next = FETCH_BODY;
	bool wait = false;

	if (is_abandoned(fetch))
		return body_broken(fetch, ECANCELED);
	if (has_upload(fetch) && !pump_upload(fetch)) {
		upload_is_done(fetch);
		fetch->keeps_conn = false;
	}
	for (int i = 0; next == FETCH_BODY && !wait; i++) {
		if (!object_may_append(fetch->object)) {
			timer_cancel(&fetch->timer); /* the reader's timeouts bound this wait */
			return FETCH_BODY;
		}
		if (i == READS_A_TURN) {
			loop_defer(loop_of(fetch), &fetch->run_task);
			return FETCH_BODY;
		}
		next = read_body_once(fetch, &wait);
	}
	if (next == FETCH_BODY && fetch->timer.deadline_ms == 0)
		set_deadline(fetch, config_of(fetch)->read_timeout_ms);
	return next;
}

/* ---- the table */

static enum fetch_state run_ended(struct fetch *fetch)
{
	(void)fetch;
	return FETCH_ENDED;
}

static const struct {
	const char *name;
	enum fetch_state (*run)(struct fetch *fetch);
} steps[] = {
	[FETCH_SELECT] = {"select", run_select},
	[FETCH_RESOLVE] = {"resolve", run_resolve},
	[FETCH_CONNECT] = {"connect", run_connect},
	[FETCH_SEND] = {"send", run_send},
	[FETCH_HEAD] = {"head", run_head},
	[FETCH_BODY] = {"body", run_body},
	[FETCH_ENDED] = {"ended", run_ended},
};

static void fetch_run(struct fetch *fetch)
{
	if (fetch->is_running)
		return; /* an object's wake in the midst of an append: the loop below sees it */
	fetch->is_running = true;
	for (;;) {
		enum fetch_state next = steps[fetch->state].run(fetch);

		if (next == fetch->state)
			break;
		fetch->state = next;
	}
	fetch->is_running = false;
	if (fetch->state == FETCH_ENDED && !fetch->order.owner)
		fetch_free(fetch);
}

static void run_again(struct loop_task *task)
{
	fetch_run(CONTAINER(task, struct fetch, run_task));
}

static enum fetch_state timed_out(struct fetch *fetch)
{
	switch (fetch->state) {
	case FETCH_RESOLVE:
		resolver_cancel(&fetch->query);
		fetch->is_resolving = false;
		fetch->query.done = NULL;
		fetch->failure = (struct fetch_failure){504, ERROR_DNS_FAIL, ETIMEDOUT};
		return try_next(fetch);
	case FETCH_CONNECT:
		return connect_failed(fetch, ETIMEDOUT);
	case FETCH_BODY:
		return body_broken(fetch, ETIMEDOUT);
	default:
		return fail_with(fetch, 504, ERROR_READ_TIMEOUT, ETIMEDOUT);
	}
}

static void timer_fired(struct timer *timer)
{
	struct fetch *fetch = CONTAINER(timer, struct fetch, timer);

	fetch->state = timed_out(fetch);
	fetch_run(fetch);
}

struct fetch *fetch_start(const struct fetch_order *order)
{
	struct fetch *fetch = mem_alloc(sizeof(*fetch));
	const struct peer_request wants = {
		.may_go_direct = order->exchange->port && order->exchange->port->may_go_direct,
		.facts = order->facts,
	};

	memset(fetch, 0, offsetof(struct fetch, candidates));
	fetch->order = *order;
	snapshot_ref(order->snapshot);
	if (order->stored)
		object_ref(order->stored);
	fetch->wake_task.run = wake_owner;
	fetch->run_task.run = run_again;
	timer_init(&fetch->timer, timer_fired);
	buf_init(&fetch->head, REQUEST_HEAD_MAX_BYTES);
	buf_init(&fetch->input, REQUEST_HEAD_MAX_BYTES);
	fetch->failure = (struct fetch_failure){502, ERROR_READ_ERROR, 0};
	fetch->deadline_ms = loop_now_ms(loop_of(fetch)) + config_of(fetch)->forward_timeout_ms;
	fetch->ncandidates =
		peer_select(order->worker, order->snapshot, &wants, fetch->candidates);
	list_push_back(&order->worker->fetches, &fetch->node);
	fetch_run(fetch);
	return fetch;
}

void fetch_stop_all(struct worker *worker)
{
	LIST_EACH_SAFE(node, &worker->fetches) {
		struct fetch *fetch = CONTAINER(node, struct fetch, node);

		if (fetch->order.owner)
			continue;
		fetch->state = body_broken(fetch, ECANCELED);
		fetch_free(fetch);
	}
}

enum fetch_outcome fetch_outcome(const struct fetch *fetch)
{
	return fetch->outcome;
}

struct object *fetch_object(const struct fetch *fetch)
{
	return fetch->object;
}

const struct fetch_failure *fetch_failure(const struct fetch *fetch)
{
	return &fetch->failure;
}

const struct fetch_report *fetch_report(const struct fetch *fetch)
{
	return &fetch->report;
}

void fetch_body_wake(struct fetch *fetch)
{
	if (has_upload(fetch) && fetch->conn &&
	    (fetch->state == FETCH_HEAD || fetch->state == FETCH_BODY))
		fetch_run(fetch);
}

void fetch_detach(struct fetch *fetch)
{
	bool is_uploading;

	if (!fetch)
		return;
	check(!fetch->is_running);
	is_uploading = has_upload(fetch);
	loop_task_cancel(&fetch->wake_task);
	fetch->order.owner = NULL;
	if (fetch->state != FETCH_ENDED && (fetch->outcome == FETCH_PENDING || is_uploading)) {
		if (fetch->is_producing)
			fetch_store_abort(&fetch->storing, &fetch->order, fetch->object,
					  ECANCELED);
		fetch->is_producing = false;
		fetch->state = finish(fetch);
	}
	if (fetch->state == FETCH_ENDED) {
		fetch_free(fetch);
		return;
	}
	fetch->order.exchange = NULL;
	fetch->order.url = STR_NONE;
	loop_defer(loop_of(fetch), &fetch->run_task); /* is anybody reading? */
}
