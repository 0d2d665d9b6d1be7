/* SPDX-License-Identifier: BSD-2-Clause */
/* A reply as HEADERS and DATA. The head that HTTP/1 would send is copied once, its names made lower
 * case, and given to nghttp2 where it lies. For each DATA frame a plan names the pieces of the
 * body, which the flight then takes without a copy: the reader stays before them until they are
 * sent. */
#include "cache/object.h"
#include "lib/base/check.h"
#include "proxy/session/bandwidth.h"
#include "proxy/session/session_h2_internal.h"
#include "squid-compat/config.h"

enum {
	MAX_FIELDS = HTTP_MAX_FIELDS + 64, /* of an origin, and those that are added here */
	READ_IOV = 16, /* pieces of an object: those in flight and the next ones */
	TRAILERS_MAX = 64,
};

static nghttp2_nv make_field(const struct h2_field *field)
{
	return (nghttp2_nv){
		.name = (uint8_t *)field->name,
		.namelen = field->name_len,
		.value = (uint8_t *)(uintptr_t)field->value.at,
		.valuelen = field->value.len,
		.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
	};
}

/* Fields of text[0..len), which is changed in place, into nv[n..max): their number with n, or
 * -1. */
static int add_fields(char *text, size_t len, nghttp2_nv *nv, int n, int max)
{
	struct h2_field field;
	char *at = text;

	while (h2_response_next(&at, text + len, &field)) {
		if (n == max)
			return -1;
		nv[n++] = make_field(&field);
	}
	return n;
}

static nghttp2_nv status_field(struct h2_stream *stream, int status)
{
	for (int i = 2; i >= 0; i--, status /= 10)
		stream->status[i] = (char)('0' + status % 10);
	return (nghttp2_nv){
		.name = (uint8_t *)":status",
		.namelen = 7,
		.value = (uint8_t *)stream->status,
		.valuelen = sizeof(stream->status),
		.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME,
	};
}

static size_t skip_line(const char *text, size_t len)
{
	const char *lf = memchr(text, '\n', len);

	return lf ? (size_t)(lf + 1 - text) : len;
}

/* :status and the fields of a head, which must last. Their number, or -1. */
static int read_head(struct h2_stream *stream, int status, char *text, size_t len, nghttp2_nv *nv)
{
	size_t line = skip_line(text, len);

	nv[0] = status_field(stream, status);
	return add_fields(text + line, len - line, nv, 1, MAX_FIELDS);
}

/* ---- DATA */

/* Does the body end with these bytes of the reader? */
static bool ends_body(const struct h2_stream *stream, uint64_t bytes)
{
	const struct reply *reply = &stream->exchange->reply;
	const struct object *object = reply->reader.object;

	if (reply->body_left != UINT64_MAX)
		return reply->body_left - stream->in_flight == bytes;
	return object_state(object) == OBJECT_COMPLETE &&
	       reply->reader.offset + stream->in_flight + bytes == object_length(object);
}

/* Takes what lies behind the first skip bytes of the pieces, up to len. */
static void plan_pieces(struct h2_plan *plan, const struct iovec *iov, int niov, uint64_t skip,
                        size_t len)
{
	for (int i = 0; i < niov && len > 0 && plan->niov < H2_BODY_IOV; i++) {
		size_t n = iov[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n = n - skip < len ? n - (size_t)skip : len;
		plan->iov[plan->niov++] = (struct iovec){(char *)iov[i].iov_base + skip, n};
		plan->read += n;
		len -= n;
		skip = 0;
	}
}

static void plan_made(struct h2_stream *stream, size_t len)
{
	struct h2_plan *plan = &stream->plan;

	plan->made = stream->made.len < len ? stream->made.len : len;
	plan->iov[plan->niov++] = (struct iovec){(void *)(uintptr_t)stream->made.at, plan->made};
}

/* The next of several parts: its head is made here. False: not before the flight has landed. */
static bool begin_part(struct h2_stream *stream)
{
	struct reply *reply = &stream->exchange->reply;

	if (stream->in_flight > 0)
		return false;
	stream->made = reply->parts->head;
	reply->part_left = reply->parts->len;
	reply->body_left -= reply->parts->head.len;
	object_reader_skip(&reply->reader, reply->parts->offset);
	reply->parts++;
	return true;
}

/* How many more bytes of the reader this stretch of the body may have. */
static uint64_t stretch_left(const struct h2_stream *stream)
{
	const struct reply *reply = &stream->exchange->reply;
	uint64_t left = reply->parts ? reply->part_left : reply->body_left;

	return left == UINT64_MAX ? left : left - stream->in_flight;
}

/* How many of len bytes reply_body_max_size lets pass, then one that shows whether there are more;
 * and of these how many may go now. */
static size_t within_limits(const struct h2_stream *stream, size_t len)
{
	const struct reply *reply = &stream->exchange->reply;
	uint64_t at = reply->reader.offset + stream->in_flight;

	if (reply->cut_at > 0 && at >= reply->cut_at)
		len = 1;
	else if (reply->cut_at > 0 && len > reply->cut_at - at)
		len = (size_t)(reply->cut_at - at);
	return reply->pace ? (size_t)pace_may(reply->pace, len) : len;
}

/* Plans up to len bytes of the reader; what it said. */
static enum object_read plan_read(struct h2_stream *stream, size_t len)
{
	const struct reply *reply = &stream->exchange->reply;
	struct iovec iov[READ_IOV];
	uint64_t left = stretch_left(stream);
	int niov = 0;
	enum object_read got;

	if (left < len)
		len = (size_t)left;
	if (len > 0 && (len = within_limits(stream, len)) == 0)
		return OBJECT_READ_WAIT;
	got = object_read(&stream->exchange->reply.reader, iov, READ_IOV, stream->in_flight + len,
	                  &niov);
	if (got == OBJECT_READ_DATA)
		plan_pieces(&stream->plan, iov, niov, stream->in_flight, len);
	if (reply->cut_at > 0 &&
	    reply->reader.offset + stream->in_flight + stream->plan.read > reply->cut_at)
		return OBJECT_READ_ABORTED;
	return got;
}

static void submit_trailers(struct h2_stream *stream, uint32_t *flags)
{
	struct str lines = stream->exchange->reply.reader.object->trailers;
	char *text = transaction_alloc(stream->transaction, lines.len + 1);
	nghttp2_nv nv[TRAILERS_MAX];
	int n;

	memcpy(text, lines.at, lines.len);
	n = add_fields(text, lines.len, nv, 0, TRAILERS_MAX);
	if (n > 0 && nghttp2_submit_trailer(stream->session->h2, stream->id, nv, (size_t)n) == 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
}

static ssize_t defer(struct h2_stream *stream)
{
	stream->is_deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

/* The end, with what was planned. */
static ssize_t plan_end(struct h2_stream *stream, uint32_t *flags)
{
	const struct reply *reply = &stream->exchange->reply;

	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (reply->has_body && reply->takes_trailers && reply->reader.object->trailers.len > 0)
		submit_trailers(stream, flags);
	return (ssize_t)(stream->plan.made + stream->plan.read);
}

static ssize_t plan_body(struct h2_stream *stream, size_t len, uint32_t *flags)
{
	switch (plan_read(stream, len)) {
	case OBJECT_READ_ABORTED:
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* a reset shows that it was cut short */
	case OBJECT_READ_END:
		return stream->in_flight > 0 ? defer(stream) : plan_end(stream, flags);
	case OBJECT_READ_WAIT:
		return defer(stream);
	case OBJECT_READ_DATA:
		break;
	}
	if (stream->plan.read == 0)
		return defer(stream); /* all of it is in flight */
	return ends_body(stream, stream->plan.read) ? plan_end(stream, flags)
	                                            : (ssize_t)stream->plan.read;
}

/* nghttp2's read_callback: how many bytes, up to len, the next frame has. */
static ssize_t plan_data(nghttp2_session *h2, int32_t id, uint8_t *into, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct h2_stream *stream = source->ptr;
	struct reply *reply = &stream->exchange->reply;

	(void)h2, (void)id, (void)into, (void)user;
	stream->plan = (struct h2_plan){0};
	stream->is_deferred = false;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (stream->made.len == 0 && reply->parts && reply->part_left == 0 &&
	    reply->body_left > stream->in_flight && !begin_part(stream))
		return defer(stream);
	if (stream->made.len == 0)
		return plan_body(stream, len, flags);
	plan_made(stream, len);
	if (stream->plan.made < stream->made.len || (reply->has_body && reply->body_left > 0))
		return (ssize_t)stream->plan.made;
	return plan_end(stream, flags);
}

void h2_reply_commit(struct h2_stream *stream)
{
	const struct h2_plan *plan = &stream->plan;

	if (stream->exchange->reply.pace && plan->read > 0)
		pace_took(stream->exchange->reply.pace, plan->read);
	stream->made = str_from(stream->made, plan->made);
	stream->in_flight += plan->read;
	stream->sent += plan->made + plan->read;
}

static int64_t write_deadline(const struct h2_stream *stream)
{
	const struct h2_session *session = stream->session;

	return loop_now_ms(session->worker->loop) +
	       snapshot_config(session->snapshot)->write_timeout_ms;
}

void h2_reply_landed(struct h2_stream *stream)
{
	struct reply *reply = &stream->exchange->reply;

	reply->sent_bytes += stream->sent;
	stream->sent = 0;
	if (stream->is_answered)
		stream->deadline_ms = write_deadline(stream);
	if (stream->in_flight > 0) {
		object_reader_advance(&reply->reader, stream->in_flight);
		if (reply->body_left != UINT64_MAX)
			reply->body_left -= stream->in_flight;
		if (reply->parts)
			reply->part_left -= stream->in_flight;
		stream->in_flight = 0;
	}
	stream->has_object_news = true;
	h2_stream_is_due(stream);
}

/* ---- HEADERS */

/* The pieces of the head, one behind the other, to be changed; what follows them is made. */
static char *join_head(struct h2_stream *stream)
{
	struct reply *reply = &stream->exchange->reply;
	char *text = transaction_alloc(stream->transaction, reply->head_bytes + 1);
	size_t len = 0;

	for (int i = 0; i < reply->nhead; i++) {
		const struct iovec *piece = &reply->head[i];

		if (len >= reply->head_bytes) {
			stream->made = (struct str){piece->iov_base, piece->iov_len};
			break;
		}
		check(piece->iov_len <= reply->head_bytes - len);
		memcpy(text + len, piece->iov_base, piece->iov_len);
		len += piece->iov_len;
	}
	return text;
}

void h2_reply_submit(struct h2_stream *stream)
{
	struct reply *reply = &stream->exchange->reply;
	nghttp2_data_provider data = {.source = {.ptr = stream}, .read_callback = plan_data};
	nghttp2_nv nv[MAX_FIELDS];
	bool has_data;
	char *text;
	int n;

	stream->is_answered = true;
	stream->is_continue_due = false;
	stream->deadline_ms = write_deadline(stream);
	if (reply->reset) {
		h2_stream_reset(stream, NGHTTP2_CANCEL);
		return;
	}
	text = join_head(stream);
	n = read_head(stream, reply->status, text, reply->head_bytes, nv);
	has_data = stream->made.len > 0 || (reply->has_body && reply->body_left > 0);
	if (n < 0 || nghttp2_submit_response(stream->session->h2, stream->id, nv, (size_t)n,
	                                     has_data ? &data : NULL) != 0)
		h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

void h2_reply_send_interim(struct h2_stream *stream, struct str head)
{
	struct str kept = transaction_keep(stream->transaction, head), code = str_from(head, 9);
	char *text = (char *)(uintptr_t)kept.at;
	nghttp2_nv nv[MAX_FIELDS];
	uint64_t status;
	int n;

	if (!str_to_u64(str_first(code, 3), &status) || status < 100 || status > 199 ||
	    status == 101)
		return;
	n = read_head(stream, (int)status, text, kept.len, nv);
	if (n > 0 && nghttp2_submit_headers(stream->session->h2, NGHTTP2_FLAG_NONE, stream->id,
	                                    NULL, nv, (size_t)n, NULL) == 0)
		h2_stream_is_due(stream);
}
