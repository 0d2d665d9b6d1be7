/* SPDX-License-Identifier: BSD-2-Clause */
/* GnuTLS between a socket and plain bytes. It asks for ciphertext by `pull`, which gives what the
 * last recv brought into the loop's scratch; what is left of that when an operation ends is kept, so
 * between operations nothing points into the scratch. It gives ciphertext by `push`, which either
 * gathers it in `out` or sends it behind what is there; push takes everything, so a socket that is
 * full never stops GnuTLS midway: what did not go out waits in `out`, and no more is encrypted until
 * that is gone. */
#include "lib/net/stream_tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/stream_internal.h"
#include "lib/net/tls_identity.h"
#include "lib/net/tls_internal.h"

enum {
	RECORD_BYTES = 16384,
	GATHER_BYTES = 65536, /* of records in one write */
	OUT_MAX_BYTES = 1 << 20,
	KEPT_MAX_BYTES = 1 << 20,
	PUSH_MAX_IOV = 64,
	MAX_IN_BETWEEN = 64, /* messages of TLS itself between two of the peer's */
};

struct stream_tls {
	struct tls_side side;     /* the session's pointer */
	gnutls_session_t session; /* NULL: the client has said nothing yet */
	struct stream *stream;
	struct tls_peer *peer; /* NULL: no certificate */
	struct tls_gate *gate; /* NULL: a client */
	struct tls_pass pass;
	struct str in;   /* ciphertext at hand: in the loop's scratch, or in kept */
	struct buf kept; /* what an operation left of it */
	struct buf out;  /* ciphertext to be sent */
	int error;       /* -errno of what broke it; 0: it is whole */
	int tls_error;   /* GnuTLS's; 0: none */
	bool is_dry; /* pull had nothing to give: GnuTLS has seen all that there is */
	bool is_shaken, is_gathering, has_said_bye, is_remembered;
};

/* ---- ciphertext in */

/* More ciphertext, by one recv. 1: there is some; 0: the peer ended; -1: none now, or an error,
 * which stands in tls->error. */
static int refill(struct stream_tls *tls)
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
		int got = refill(tls);

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

/* At the end of each operation that may have pulled: the scratch is others' too. */
static void keep_rest(struct stream_tls *tls)
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

/* ---- ciphertext out */

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

static void flush(struct stream_tls *tls)
{
	if (tls->out.len > 0 && !tls->error)
		send_behind_out(tls, NULL, 0);
}

/* ---- errors */

/* GnuTLS says it cannot go on: tell the peer, and remember it. Returns the -errno. */
static int fail(struct stream_tls *tls, int tls_error)
{
	if (!tls->error) {
		bool is_cut = tls_error == GNUTLS_E_PREMATURE_TERMINATION;

		if (!is_cut && tls_error != GNUTLS_E_FATAL_ALERT_RECEIVED)
			gnutls_alert_send_appropriate(tls->session, tls_error);
		flush(tls);
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

static bool is_pause(ssize_t n)
{
	return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

/* The next record's bytes. Tickets and the like come between: GnuTLS returns after each. */
static ssize_t decrypt_one(struct stream_tls *tls, char *into, size_t size)
{
	ssize_t n;

	tls->is_dry = false;
	for (int i = 0; i < MAX_IN_BETWEEN; i++) {
		n = gnutls_record_recv(tls->session, into, size);
		if (!is_pause(n) || tls->is_dry)
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
	if (n < 0 && !is_pause(n))
		fail(tls, (int)n);
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
	keep_rest(tls);
	if (n > 0 && tls->side.client && !tls->is_remembered) {
		tls->is_remembered = true;
		tls_session_remember(tls->session, &tls->side);
	}
	if (n >= 0)
		return n;
	if (!stream->rest_)
		flush(tls);
	return tls->error ? tls->error : stream_wait_for_edge(stream);
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
	keep_rest(tls);
	return !is_pause(n) || tls->error;
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
	keep_rest(tls);
	tls->error = error;
	if (n == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		tls->tls_error = (int)n;
		tls->error = -EPROTO;
	}
	return tls->error;
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
		const char *piece = next_piece(&cursor, len, scratch);
		ssize_t n;

		tls->is_gathering = !is_last;
		n = gnutls_record_send(tls->session, piece, len);
		tls->is_gathering = false;
		if (n < 0)
			return fail(tls, (int)n);
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
	flush(tls);
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

/* Says that no more will come, where that can still be said. */
static void say_bye(struct stream_tls *tls)
{
	if (!tls->is_shaken || tls->has_said_bye || tls->error || tls->stream->rest_)
		return;
	tls->has_said_bye = true;
	gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	flush(tls);
}

static void tls_shutdown_write(struct stream *stream)
{
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
	if (!stream->has_ended_ && !stream->has_hung_up_)
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
	bool is_news = false;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		is_news = stream->is_readable_ = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->has_ended_ = true;
	if (events & (EPOLLHUP | EPOLLERR))
		stream->has_hung_up_ = true;
	if (stream->rest_)
		is_news = rest_continue(stream) || is_news;
	else
		flush(stream->tls_);
	if (is_news)
		stream->wake(stream->owner); /* may close the stream, and free it */
}

static void pass_granted(struct tls_pass *pass)
{
	struct stream *stream = CONTAINER(pass, struct stream_tls, pass)->stream;

	stream->wake(stream->owner);
}

/* ---- the beginning */

static struct stream_tls *begin(struct stream *stream)
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

void stream_serve_tls(struct stream *stream, struct tls_server *server, struct tls_gate *gate,
                      struct str already)
{
	struct stream_tls *tls = begin(stream);

	tls->side.server = tls_server_ref(server);
	tls->gate = gate;
	tls->in = already;
	keep_rest(tls);
}

void stream_connect_tls(struct stream *stream, struct tls_client *client, struct str name)
{
	struct stream_tls *tls = begin(stream);

	tls->side.client = tls_client_ref(client);
	tls->side.name = str_dup(name);
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

static bool start_session(struct stream_tls *tls)
{
	tls->session = tls_session_create(&tls->side);
	if (!tls->session) {
		tls->error = -ENOMEM;
		return false;
	}
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_vec_push_function(tls->session, push);
	return true;
}

/* A client's first bytes: those of a TLS record, or a letter, as each HTTP method begins with. */
static bool is_plain(const struct stream_tls *tls)
{
	return !tls->session && tls->in.len > 0 && ascii_lower(tls->in.at[0]) >= 'a' &&
	       ascii_lower(tls->in.at[0]) <= 'z';
}

/* A server's part: 0 if there is something to work on now, and it is this connection's turn. */
static int wait_for_turn(struct stream_tls *tls)
{
	if (tls->in.len == 0) {
		int got = refill(tls);

		if (got == 0)
			return tls->error = -ECONNRESET;
		if (got < 0)
			return tls->error ? tls->error
			                  : (int)stream_wait_for_edge(tls->stream);
	}
	if (is_plain(tls))
		return STREAM_PLAIN;
	return tls_gate_enter(tls->gate, &tls->pass) ? 0 : STREAM_WAIT;
}

/* The ticket waits in out for the answer to go along with, or for the first wait. */
static int shaken(struct stream_tls *tls)
{
	tls->is_shaken = true;
	if (tls->side.server) {
		tls->is_gathering = true;
		tls_session_send_ticket(tls->session, &tls->side);
		tls->is_gathering = false;
		tls->peer = tls_peer_create(tls->session);
	} else {
		flush(tls);
	}
	return tls->error;
}

static int shake(struct stream_tls *tls)
{
	int n;

	tls->is_gathering = true;
	tls->is_dry = false;
	do
		n = gnutls_handshake(tls->session);
	while (n < 0 && !gnutls_error_is_fatal(n) && !tls->is_dry);
	tls->is_gathering = false;
	if (n == 0)
		return shaken(tls);
	if (!is_pause(n))
		return fail(tls, n);
	flush(tls);
	return tls->error ? tls->error : (int)stream_wait_for_edge(tls->stream);
}

int stream_handshake(struct stream *stream)
{
	struct stream_tls *tls = stream->tls_;
	int result = 0;

	if (!tls || tls->is_shaken)
		return 0;
	if (tls->error)
		return tls->error;
	if (tls->gate)
		result = wait_for_turn(tls);
	if (result == 0 && (tls->session || start_session(tls)))
		result = shake(tls);
	keep_rest(tls);
	return tls->error ? tls->error : result;
}

void stream_tls_moved(struct stream *stream)
{
	stream->tls_->stream = stream;
}

/* ---- what was agreed on */

bool stream_is_tls(const struct stream *stream)
{
	return stream->tls_ != NULL;
}

struct str stream_tls_alpn(const struct stream *stream)
{
	gnutls_datum_t chosen;

	if (!stream->tls_ || !stream->tls_->session ||
	    gnutls_alpn_get_selected_protocol(stream->tls_->session, &chosen) != 0)
		return STR_NONE;
	return (struct str){(const char *)chosen.data, chosen.size};
}

const struct tls_peer *stream_tls_peer(const struct stream *stream)
{
	return stream->tls_ ? stream->tls_->peer : NULL;
}

static const char *version_name(gnutls_protocol_t version)
{
	static const struct {
		gnutls_protocol_t version;
		const char *name;
	} names[] = {
		{GNUTLS_TLS1_3, "TLS/1.3"},
		{GNUTLS_TLS1_2, "TLS/1.2"},
		{GNUTLS_TLS1_1, "TLS/1.1"},
		{GNUTLS_TLS1_0, "TLS/1.0"},
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].version == version)
			return names[i].name;
	return "-";
}

bool stream_tls_facts(const struct stream *stream, struct tls_facts *out)
{
	const struct stream_tls *tls = stream->tls_;
	size_t len = sizeof(out->sni) - 1;
	unsigned type = GNUTLS_NAME_DNS;

	if (!tls || !tls->is_shaken)
		return false;
	out->version = version_name(gnutls_protocol_get_version(tls->session));
	out->cipher = gnutls_ciphersuite_get(tls->session);
	out->is_resumed = gnutls_session_is_resumed(tls->session) != 0;
	if (gnutls_server_name_get(tls->session, out->sni, &len, &type, 0) != 0)
		len = 0;
	out->sni[len] = '\0';
	return true;
}

bool stream_tls_may_serve(const struct stream *stream, struct str host)
{
	struct tls_facts facts;

	if (!stream_tls_facts(stream, &facts) || facts.sni[0] == '\0' || !stream->tls_->side.server)
		return true;
	return str_eq_nocase(str_of(facts.sni), host) ||
	       !tls_server_has_better(stream->tls_->side.server, str_of(facts.sni), host);
}
