/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib/base/check.h"
#include "lib/net/stream_internal.h"

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

	if (!stream->rest_ || stream->rest_->left == 0)
		return 0;
	/* The kernel takes more only when a third of its queue is free: too coarse a sign of life. */
	if (ioctl(stream->watch_.fd, SIOCOUTQ, &queued) < 0)
		queued = 0;
	return stream->rest_->left + (size_t)queued;
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

bool stream_is_stale(struct stream *stream)
{
	char byte;

	check(stream->ops);
	if (stream->has_ended_ || stream->has_hung_up_)
		return true;
	return recv(stream->watch_.fd, &byte, 1, MSG_PEEK) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
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
	stream_close(stream);
}

void stream_shutdown_write(struct stream *stream)
{
	check(stream->ops && !stream->rest_);
	/* Fails only on a connection that is gone already, as the next read tells. */
	shutdown(stream->watch_.fd, SHUT_WR);
}

int stream_fd(const struct stream *stream)
{
	return stream->watch_.fd;
}
