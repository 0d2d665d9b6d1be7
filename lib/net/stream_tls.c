/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of a stream, over GnuTLS's session. */
#include "lib/net/stream_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/stream_internal.h"
#include "lib/net/stream_tls_internal.h"
#include "lib/net/tls_identity.h"

enum {
	RECORD_BYTES = 16384,
	GATHER_BYTES = 65536, /* of records in one write */
	OUT_MAX_BYTES = 1 << 20,
	KEPT_MAX_BYTES = 1 << 20,
	MAX_IN_BETWEEN = 64, /* messages of TLS itself between two of the peer's */
};

/* ---- errors */

int stream_tls_fail(struct stream_tls *tls, int tls_error)
{
	if (!tls->error) {
		bool is_cut = tls_error == GNUTLS_E_PREMATURE_TERMINATION;

		if (!is_cut && tls_error != GNUTLS_E_FATAL_ALERT_RECEIVED)
			gnutls_alert_send_appropriate(tls->session, tls_error);
		tls_wire_flush(tls);
		tls->error = is_cut ? -ECONNRESET : -EPROTO;
	}
	tls->tls_error = tls_error;
	return tls->error;
}

const char *stream_tls_why(const struct stream *stream)
{
	const struct stream_tls *tls = stream->tls_;
	const char *alert;

	if (!tls)
		return "it is no TLS connection";
	if (tls->side.why)
		return tls->side.why;
	alert = tls->tls_error == GNUTLS_E_FATAL_ALERT_RECEIVED
	                ? gnutls_alert_get_name(gnutls_alert_get(tls->session))
	                : NULL;
	if (alert)
		return alert;
	return tls->tls_error ? gnutls_strerror(tls->tls_error) : strerror(-tls->error);
}

/* ---- reading */

bool stream_tls_is_pause(ssize_t n)
{
	return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

int stream_tls_wait(struct stream_tls *tls)
{
	if (tls->stream->has_ended_)
		return tls->error = -ECONNRESET;
	return (int)stream_wait_for_edge(tls->stream);
}

/* The next record's bytes. Tickets and the like come between: GnuTLS returns after each. */
static ssize_t decrypt_one(struct stream_tls *tls, char *into, size_t size)
{
	ssize_t n;

	tls->is_dry = false;
	for (int i = 0; i < MAX_IN_BETWEEN; i++) {
		n = gnutls_record_recv(tls->session, into, size);
		if (!stream_tls_is_pause(n) || tls->is_dry)
			return n;
	}
	return GNUTLS_E_TOO_MANY_EMPTY_PACKETS;
}

/* As many records as are at hand and have room; at least one, if there is one. */
static ssize_t decrypt(struct stream_tls *tls, char *into, size_t size)
{
	size_t got = 0;
	ssize_t n;

	do {
		n = decrypt_one(tls, into + got, size - got);
		if (n > 0)
			got += (size_t)n;
	} while (n > 0 && tls->in.len > 0 && size - got >= RECORD_BYTES);
	if (n < 0 && !stream_tls_is_pause(n))
		stream_tls_fail(tls, (int)n);
	if (n == 0)
		tls->stream->has_ended_ = true; /* it said that it is done */
	return got > 0 ? (ssize_t)got : n;
}

static ssize_t tls_read(struct stream *stream, void *into, size_t size)
{
	struct stream_tls *tls = stream->tls_;
	ssize_t n;

	check(tls->is_shaken);
	if (tls->error)
		return tls->error;
	n = decrypt(tls, into, size);
	tls_wire_keep_rest(tls);
	if (n > 0 && tls->side.client && !tls->is_remembered) {
		tls->is_remembered = true;
		tls_session_remember(tls->session, &tls->side);
	}
	if (n >= 0)
		return n;
	if (!stream->rest_)
		tls_wire_flush(tls);
	return tls->error ? tls->error : stream_tls_wait(tls);
}

/* Does anything of use to the owner, or its end, wait? Tickets and the like are none. */
static bool tls_is_stale(struct stream *stream)
{
	struct stream_tls *tls = stream->tls_;
	char byte;
	ssize_t n;

	if (tls->error)
		return true;
	stream->is_readable_ = true;
	n = decrypt_one(tls, &byte, 1);
	tls_wire_keep_rest(tls);
	return !stream_tls_is_pause(n) || tls->error || stream->has_ended_;
}

/* ---- writing */

/* Where encrypting stands in the pieces of a write. */
struct cursor {
	const struct iovec *iov;
	size_t offset; /* in *iov */
};

/* The next len bytes in one piece: where they are, or copied to the scratch. */
static const char *next_piece(struct cursor *cursor, size_t len, char *scratch)
{
	const char *at = (const char *)cursor->iov->iov_base + cursor->offset;
	size_t done = 0;

	if (cursor->iov->iov_len - cursor->offset >= len) {
		cursor->offset += len;
		return at;
	}
	while (done < len) {
		size_t n = cursor->iov->iov_len - cursor->offset;

		if (n == 0) {
			cursor->iov++;
			cursor->offset = 0;
			continue;
		}
		if (n > len - done)
			n = len - done;
		memcpy(scratch + done, (const char *)cursor->iov->iov_base + cursor->offset, n);
		cursor->offset += n;
		done += n;
	}
	return scratch;
}

/* A peer that takes no more may have said why: an alert came before the end. */
static ssize_t hear_last_words(struct stream_tls *tls)
{
	int error = tls->error;
	char byte;
	ssize_t n;

	tls->error = 0;
	tls->stream->is_readable_ = true;
	n = decrypt_one(tls, &byte, 1);
	tls_wire_keep_rest(tls);
	tls->error = error;
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		tls->tls_error = (int)n;
		tls->error = -EPROTO;
	}
	return tls->error;
}

/* Says that no more will come, where that can still be said. */
static void say_bye(struct stream_tls *tls)
{
	if (!tls->is_shaken || tls->has_said_bye || tls->error)
		return;
	tls->has_said_bye = true;
	gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	tls_wire_flush(tls);
}

/* Encrypts and sends what the socket takes, and a little more, which is in out then. How many of
 * the bytes were taken; or -errno. */
static ssize_t encrypt(struct stream_tls *tls, const struct iovec *iov, size_t left)
{
	struct cursor cursor = {iov, 0};
	char *scratch = loop_scratch(tls->stream->loop);
	size_t taken = 0;

	while (left > 0) {
		size_t len = left < RECORD_BYTES ? left : RECORD_BYTES;
		bool is_last = len == left || tls->out.len + len >= GATHER_BYTES;
		bool is_end = len == left && tls->stream->ends_after_write_;
		const char *piece = next_piece(&cursor, len, scratch);
		ssize_t n;

		tls->is_gathering = !is_last || is_end;
		n = gnutls_record_send(tls->session, piece, len);
		if (n >= 0 && is_end)
			say_bye(tls);
		tls->is_gathering = false;
		if (n < 0)
			return stream_tls_fail(tls, (int)n);
		if (tls->error)
			return hear_last_words(tls);
		taken += len;
		left -= len;
		if (is_last && tls->out.len > 0)
			break;
	}
	return (ssize_t)taken;
}

static ssize_t tls_writev(struct stream *stream, const struct iovec *iov, int niov)
{
	struct stream_tls *tls = stream->tls_;
	size_t total = 0;
	ssize_t taken, result;

	if (niov == 0)
		return stream_rest_collect(stream);
	check(!stream->rest_ && tls->is_shaken);
	if (tls->error)
		return tls->error;
	for (int i = 0; i < niov; i++)
		total += iov[i].iov_len;
	taken = encrypt(tls, iov, total);
	if (taken < 0 || ((size_t)taken == total && tls->out.len == 0))
		return taken;
	result = stream_wait_for_edge(stream);
	if (result == STREAM_WAIT) {
		stream->rest_ = stream_rest_create(iov, niov, total, (size_t)taken);
		stream->rest_->queued = tls->out.len;
	}
	return result;
}

/* Goes on with a write; true when it ended, well or not. */
static bool rest_continue(struct stream *stream)
{
	struct stream_tls *tls = stream->tls_;
	struct stream_rest *rest = stream->rest_;
	ssize_t n = 0;

	if (!rest || rest->left + rest->queued == 0)
		return false;
	tls_wire_flush(tls);
	if (tls->out.len == 0 && !tls->error && rest->left > 0)
		n = encrypt(tls, rest->iov + rest->first, rest->left);
	if (n > 0)
		stream_rest_advance(rest, (size_t)n);
	rest->queued = tls->out.len;
	if (tls->error) {
		rest->error = (int)hear_last_words(tls);
		rest->left = rest->queued = 0;
	}
	return rest->left + rest->queued == 0;
}

/* ---- the end */

static void tls_shutdown_write(struct stream *stream)
{
	if (!stream->rest_)
		say_bye(stream->tls_);
	/* Fails only on a connection that is gone already, as the next read tells. */
	shutdown(stream->watch_.fd, SHUT_WR);
}

static void tls_free(struct stream_tls *tls)
{
	tls_pass_fini(&tls->pass);
	if (tls->session)
		gnutls_deinit(tls->session);
	tls_side_fini(&tls->side);
	tls_peer_destroy(tls->peer);
	buf_fini(&tls->kept);
	buf_fini(&tls->out);
	mem_free(tls);
}

static void tls_close(struct stream *stream)
{
	if (!stream->has_ended_ && !stream->has_hung_up_ && !stream->rest_)
		say_bye(stream->tls_);
	tls_free(stream->tls_);
	stream->tls_ = NULL;
	stream_use_tcp(stream);
	stream->ops->close(stream);
}

static const struct stream_ops tls_ops = {
	.read = tls_read,
	.writev = tls_writev,
	.is_stale = tls_is_stale,
	.shutdown_write = tls_shutdown_write,
	.close = tls_close,
};

/* ---- from the loop */

static void tls_ready(struct loop_fd *watch, uint32_t events)
{
	struct stream *stream = CONTAINER(watch, struct stream, watch_);
	bool is_news = stream_note_events(stream, events);

	if (stream->rest_)
		is_news |= rest_continue(stream);
	else
		tls_wire_flush(stream->tls_);
	if (is_news)
		stream->wake(stream->owner); /* may close the stream, and free it */
}

static void pass_granted(struct tls_pass *pass)
{
	struct stream *stream = CONTAINER(pass, struct stream_tls, pass)->stream;

	stream->wake(stream->owner);
}

/* ---- the beginning, and another transport */

struct stream_tls *stream_tls_begin(struct stream *stream)
{
	struct stream_tls *tls = mem_zalloc(sizeof(*tls));

	check(stream->ops && !stream->tls_ && !stream->rest_ && !stream->is_connecting_);
	tls->stream = stream;
	tls_pass_init(&tls->pass, pass_granted);
	buf_init(&tls->kept, KEPT_MAX_BYTES);
	buf_init(&tls->out, OUT_MAX_BYTES);
	stream->tls_ = tls;
	stream->ops = &tls_ops;
	stream->watch_.ready = tls_ready;
	return tls;
}

void stream_drop_tls(struct stream *stream, struct buf *unread)
{
	struct stream_tls *tls = stream->tls_;

	check(tls && !stream->rest_);
	if (unread)
		buf_add_str(unread, tls->in);
	tls_free(tls);
	stream->tls_ = NULL;
	stream_use_tcp(stream);
}

void stream_tls_moved(struct stream *stream)
{
	stream->tls_->stream = stream;
}

bool stream_is_tls(const struct stream *stream)
{
	return stream->tls_ != NULL;
}
