/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/stream_internal.h"

ssize_t stream_wait_for_edge(struct stream *stream)
{
	if (!stream->watch_.is_watched_ && !loop_watch(stream->loop, &stream->watch_))
		return -errno;
	return STREAM_WAIT;
}

void stream_rest_advance(struct stream_rest *rest, size_t n)
{
	rest->left -= n;
	while (rest->first < rest->niov && n >= rest->iov[rest->first].iov_len)
		n -= rest->iov[rest->first++].iov_len;
	if (n > 0 && rest->first < rest->niov) {
		struct iovec *iov = &rest->iov[rest->first];

		iov->iov_base = (char *)iov->iov_base + n;
		iov->iov_len -= n;
	}
}

struct stream_rest *stream_rest_create(const struct iovec *iov, int niov, size_t total,
                                       size_t sent)
{
	struct stream_rest *rest = mem_alloc(sizeof(*rest) + (size_t)niov * sizeof(*iov));

	*rest = (struct stream_rest){.total = total, .left = total, .niov = niov};
	memcpy(rest->iov, iov, (size_t)niov * sizeof(*iov));
	stream_rest_advance(rest, sent);
	return rest;
}

ssize_t stream_rest_collect(struct stream *stream)
{
	struct stream_rest *rest = stream->rest_;
	ssize_t result;

	if (!rest)
		return 0;
	if (rest->left + rest->queued > 0)
		return STREAM_WAIT;
	result = rest->error ? rest->error : (ssize_t)rest->total;
	stream->rest_ = NULL;
	mem_free(rest);
	return result;
}

ssize_t stream_read(struct stream *stream, void *into, size_t size)
{
	check(stream->ops && size > 0);
	return stream->ops->read(stream, into, size);
}

ssize_t stream_writev(struct stream *stream, const struct iovec *iov, int niov)
{
	check(stream->ops && niov >= 0 && niov <= STREAM_MAX_IOV);
	return stream->ops->writev(stream, iov, niov);
}

ssize_t stream_send_file(struct stream *stream, const struct iovec *iov, int niov,
                         const struct stream_file *file)
{
	check(stream_can_send_file(stream) && niov >= 0 && niov <= STREAM_MAX_IOV);
	check(file->len > 0);
	return stream->ops->send_file(stream, iov, niov, file);
}

bool stream_is_writing(const struct stream *stream)
{
	return stream->rest_ != NULL;
}

size_t stream_unsent(const struct stream *stream)
{
	int queued = 0;

	if (!stream->rest_ || stream->rest_->left + stream->rest_->queued == 0)
		return 0;
	/* The kernel takes more only when a third of its queue is free: too coarse a sign of
	 * life. */
	if (ioctl(stream->watch_.fd, SIOCOUTQ, &queued) < 0)
		queued = 0;
	return stream->rest_->left + stream->rest_->queued + (size_t)queued;
}

int stream_connect_result(struct stream *stream)
{
	return stream->is_connecting_ ? STREAM_WAIT : stream->connect_error_;
}

void stream_set_owner(struct stream *stream, void (*wake)(void *owner), void *owner)
{
	stream->wake = wake;
	stream->owner = owner;
}

void stream_move(struct stream *from, struct stream *to, void (*wake)(void *owner), void *owner)
{
	bool is_watched = from->watch_.is_watched_;

	check(from->ops && !from->rest_);
	loop_unwatch(from->loop, &from->watch_);
	*to = *from;
	*from = (struct stream){.watch_.fd = -1};
	stream_set_owner(to, wake, owner);
	if (to->tls_)
		stream_tls_moved(to);
	if (is_watched)
		stream_watch(to);
}

bool stream_is_stale(struct stream *stream)
{
	check(stream->ops);
	return stream->has_ended_ || stream->has_hung_up_ || stream->ops->is_stale(stream);
}

bool stream_was_quiet(const struct stream *stream)
{
	return stream->watch_.is_watched_ && !stream->is_readable_ && !stream->has_ended_ &&
	       !stream->has_hung_up_ && !loop_has_event(stream->loop, &stream->watch_);
}

void stream_watch(struct stream *stream)
{
	check(stream->ops);
	/* Without a registration nothing would tell of its end: better none than one for ever. */
	if (!stream->watch_.is_watched_ && !loop_watch(stream->loop, &stream->watch_))
		stream->has_ended_ = stream->has_hung_up_ = true;
}

bool stream_has_ended(const struct stream *stream)
{
	return stream->has_ended_;
}

bool stream_has_hung_up(const struct stream *stream)
{
	return stream->has_hung_up_;
}

void stream_close(struct stream *stream)
{
	if (!stream->ops)
		return;
	stream->ops->close(stream);
	check(!stream->ops);
}

void stream_reset(struct stream *stream)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (!stream->ops)
		return;
	/* If it fails, the peer gets an orderly end instead. */
	setsockopt(stream->watch_.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	stream->has_hung_up_ = true; /* no orderly end before it */
	stream_close(stream);
}

void stream_shutdown_write(struct stream *stream)
{
	check(stream->ops && !stream->rest_);
	stream->ops->shutdown_write(stream);
}

int stream_fd(const struct stream *stream)
{
	return stream->watch_.fd;
}
