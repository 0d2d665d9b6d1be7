/* SPDX-License-Identifier: BSD-2-Clause */
/* GnuTLS between a socket and plain bytes. It asks for ciphertext by `pull`, which gives what the
 * last recv brought into the loop's scratch; what is left of that when an operation ends is kept,
 * so between operations nothing points into the scratch. It gives ciphertext by `push`, which
 * either gathers it in `out` or sends it behind what is there; push takes everything, so a socket
 * that is full never stops GnuTLS midway: what did not go out waits in `out`, and no more is
 * encrypted until that is gone. */
#include "lib/net/stream_tls_internal.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/net/stream_internal.h"

enum { PUSH_MAX_IOV = 64 };

/* ---- in */

int tls_wire_refill(struct stream_tls *tls)
{
	struct stream *stream = tls->stream;
	char *scratch = loop_scratch(stream->loop);
	ssize_t n;

	buf_fini(&tls->kept); /* it was all taken */
	if (!stream->is_readable_)
		return -1;
	do
		n = recv(stream->watch_.fd, scratch, LOOP_SCRATCH_BYTES, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		tls->error = -errno;
	if (n == 0)
		stream->has_ended_ = true;
	if (n < (ssize_t)LOOP_SCRATCH_BYTES && !stream->has_ended_)
		stream->is_readable_ = false;
	if (n > 0)
		tls->in = (struct str){scratch, (size_t)n};
	return n > 0 ? 1 : n < 0 ? -1 : 0;
}

static ssize_t pull(gnutls_transport_ptr_t pointer, void *into, size_t size)
{
	struct stream_tls *tls = pointer;

	if (tls->in.len == 0) {
		int got = tls_wire_refill(tls);

		if (got <= 0) {
			tls->is_dry = true;
			gnutls_transport_set_errno(tls->session, tls->error ? EIO : EAGAIN);
			return got;
		}
	}
	if (size > tls->in.len)
		size = tls->in.len;
	memcpy(into, tls->in.at, size);
	tls->in = str_from(tls->in, size);
	return (ssize_t)size;
}

void tls_wire_keep_rest(struct stream_tls *tls)
{
	if (tls->in.len == 0) {
		buf_fini(&tls->kept);
		tls->in = STR_NONE;
	} else if (tls->kept.len > 0) {
		buf_consume(&tls->kept, tls->kept.len - tls->in.len);
		tls->in = buf_str(&tls->kept);
	} else {
		check(buf_add_str(&tls->kept, tls->in));
		tls->in = buf_str(&tls->kept);
	}
}

/* ---- out */

/* What is in out, then the pieces; what the socket does not take is in out afterwards. */
static void send_behind_out(struct stream_tls *tls, const struct iovec *iov, int niov)
{
	struct iovec pieces[PUSH_MAX_IOV + 1];
	struct msghdr message = {.msg_iov = pieces};
	size_t had = tls->out.len, sent = 0;
	ssize_t n;

	if (had > 0)
		pieces[message.msg_iovlen++] = (struct iovec){tls->out.at, had};
	for (int i = 0; i < niov; i++)
		pieces[message.msg_iovlen++] = iov[i];
	do
		n = sendmsg(tls->stream->watch_.fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		tls->error = -errno;
	sent = n > 0 ? (size_t)n : 0;
	buf_consume(&tls->out, sent < had ? sent : had);
	sent -= sent < had ? sent : had;
	for (int i = 0; i < niov; i++) {
		size_t gone = sent < iov[i].iov_len ? sent : iov[i].iov_len;

		sent -= gone;
		if (gone < iov[i].iov_len)
			check(buf_add(&tls->out, (char *)iov[i].iov_base + gone,
			              iov[i].iov_len - gone));
	}
	if (tls->out.len == 0)
		buf_fini(&tls->out);
}

static ssize_t push(gnutls_transport_ptr_t pointer, const giovec_t *iov, int niov)
{
	struct stream_tls *tls = pointer;
	ssize_t total = 0;

	for (int i = 0; i < niov; i++)
		total += (ssize_t)iov[i].iov_len;
	if (tls->is_gathering || tls->error || niov > PUSH_MAX_IOV) {
		for (int i = 0; i < niov; i++)
			check(buf_add(&tls->out, iov[i].iov_base, iov[i].iov_len));
		return total;
	}
	send_behind_out(tls, iov, niov);
	return total;
}

void tls_wire_flush(struct stream_tls *tls)
{
	if (tls->out.len > 0 && !tls->error)
		send_behind_out(tls, NULL, 0);
}

void tls_wire_attach(struct stream_tls *tls)
{
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_vec_push_function(tls->session, push);
}
