/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams over plain TCP, on edge-triggered epoll.
 *
 * A descriptor is registered when an operation has to wait for the first time, and epoll then tells
 * how it stands; from there on it tells of each change. So a read that gave less than was asked for
 * has emptied the socket, and the next one need not try before an edge has come; unless the end was
 * announced already, since then there is no further edge. */
#include "lib/net/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/socket.h"
#include "lib/net/stream_internal.h"

/* Without the C library: its recv and sendmsg may be cancelled, which costs a program with threads
 * two atomic operations each time; nobody cancels ours. */
static ssize_t receive(int fd, void *into, size_t size)
{
	ssize_t n;

	do
		n = syscall(SYS_recvfrom, fd, into, size, 0, NULL, NULL);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t send_pieces(int fd, const struct iovec *iov, int niov, int flags)
{
	const struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)niov};
	ssize_t n;

	do
		n = niov == 1 ? syscall(SYS_sendto, fd, iov->iov_base, iov->iov_len, flags, NULL, 0)
		              : syscall(SYS_sendmsg, fd, &message, flags);
	while (n < 0 && errno == EINTR);
	return n;
}

static ssize_t tcp_read(struct stream *stream, void *into, size_t size)
{
	ssize_t n;

	if (!stream->is_readable_)
		return stream_wait_for_edge(stream);
	n = receive(stream->watch_.fd, into, size);
	if (n < 0 && errno != EAGAIN)
		return -errno;
	if (n == 0)
		stream->has_ended_ = true;
	if (n < (ssize_t)size && !stream->has_ended_)
		stream->is_readable_ = false;
	return n < 0 ? stream_wait_for_edge(stream) : n;
}

/* How many bytes the kernel takes now, 0 if none; or -errno. */
static ssize_t send_some(struct stream *stream, const struct iovec *iov, int niov, int flags)
{
	ssize_t n = send_pieces(stream->watch_.fd, iov, niov, MSG_NOSIGNAL | flags);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	return n;
}

/* The same for a file, which moves on by what was taken. */
static ssize_t send_file_some(struct stream *stream, struct stream_file *file)
{
	ssize_t total = 0;

	while (file->len > 0) {
		off_t offset = (off_t)file->offset;
		ssize_t n = sendfile(stream->watch_.fd, file->fd, &offset, file->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? total : -errno;
		if (n == 0)
			return -EIO; /* the file is shorter than it was said to be */
		file->offset += n;
		file->len -= (size_t)n;
		total += n;
	}
	return total;
}

/* The pieces, then the file as far as the kernel takes them now. */
static ssize_t send_both(struct stream *stream, const struct iovec *iov, int niov,
                         struct stream_file *file)
{
	size_t bytes = 0;
	ssize_t sent = 0, n;

	for (int i = 0; i < niov; i++)
		bytes += iov[i].iov_len;
	if (bytes > 0)
		sent = send_some(stream, iov, niov, file->len > 0 ? MSG_MORE : 0);
	if (sent < 0 || (size_t)sent < bytes || file->len == 0)
		return sent;
	n = send_file_some(stream, file);
	return n < 0 ? n : sent + n;
}

/* Goes on with a write; true when it ended, well or not. */
static bool rest_continue(struct stream *stream)
{
	struct stream_rest *rest = stream->rest_;
	ssize_t n;

	if (!rest || rest->left == 0)
		return false;
	n = send_both(stream, rest->iov + rest->first, rest->niov - rest->first, &rest->file);
	if (n < 0) {
		rest->error = (int)n;
		rest->left = 0;
	} else {
		stream_rest_advance(rest, (size_t)n);
	}
	return rest->left == 0;
}

static ssize_t tcp_writev(struct stream *stream, const struct iovec *iov, int niov)
{
	size_t total = 0;
	ssize_t sent, result;

	if (niov == 0)
		return stream_rest_collect(stream);
	check(!stream->rest_);
	for (int i = 0; i < niov; i++)
		total += iov[i].iov_len;
	sent = send_some(stream, iov, niov, 0);
	if (sent < 0 || (size_t)sent == total)
		return sent;
	result = stream_wait_for_edge(stream);
	if (result == STREAM_WAIT)
		stream->rest_ = stream_rest_create(iov, niov, total, (size_t)sent);
	return result;
}

static ssize_t tcp_send_file(struct stream *stream, const struct iovec *iov, int niov,
                             const struct stream_file *file)
{
	struct stream_file left = *file;
	size_t total = file->len;
	ssize_t sent, result;

	check(!stream->rest_);
	for (int i = 0; i < niov; i++)
		total += iov[i].iov_len;
	sent = send_both(stream, iov, niov, &left);
	if (sent < 0 || (size_t)sent == total)
		return sent;
	result = stream_wait_for_edge(stream);
	if (result == STREAM_WAIT) {
		stream->rest_ = stream_rest_create(iov, niov, total, (size_t)sent);
		stream->rest_->file = left;
	}
	return result;
}

static bool tcp_is_stale(struct stream *stream)
{
	char byte;

	return recv(stream->watch_.fd, &byte, 1, MSG_PEEK) >= 0 ||
	       (errno != EAGAIN && errno != EINTR);
}

static void tcp_shutdown_write(struct stream *stream)
{
	/* Fails only on a connection that is gone already, as the next read tells. */
	shutdown(stream->watch_.fd, SHUT_WR);
}

static void tcp_close(struct stream *stream)
{
	loop_unwatch(stream->loop, &stream->watch_);
	close(stream->watch_.fd);
	mem_free(stream->rest_);
	*stream = (struct stream){.watch_.fd = -1};
}

static const struct stream_ops tcp_ops = {
	.read = tcp_read,
	.writev = tcp_writev,
	.send_file = tcp_send_file,
	.is_stale = tcp_is_stale,
	.shutdown_write = tcp_shutdown_write,
	.close = tcp_close,
};

static void connect_ended(struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(stream->watch_.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	stream->connect_error_ = -error;
	stream->is_connecting_ = false;
}

bool stream_note_events(struct stream *stream, uint32_t events)
{
	bool is_news = events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);

	if (is_news)
		stream->is_readable_ = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		stream->has_ended_ = true;
	if (events & (EPOLLHUP | EPOLLERR))
		stream->has_hung_up_ = true;
	return is_news;
}

static void tcp_ready(struct loop_fd *watch, uint32_t events)
{
	struct stream *stream = CONTAINER(watch, struct stream, watch_);
	bool is_news = false;

	if (stream->is_connecting_) {
		connect_ended(stream);
		is_news = true;
	}
	is_news |= stream_note_events(stream, events);
	is_news |= rest_continue(stream);
	if (is_news)
		stream->wake(stream->owner); /* may close the stream, and free it */
}

void stream_use_tcp(struct stream *stream)
{
	stream->ops = &tcp_ops;
	stream->watch_.ready = tcp_ready;
}

void stream_open_tcp(struct stream *stream, struct loop *loop, int fd, void (*wake)(void *owner),
                     void *owner)
{
	*stream = (struct stream){
		.loop = loop,
		.wake = wake,
		.owner = owner,
		.watch_ = {.fd = fd},
		.is_readable_ = true, /* perhaps: the first read tells */
	};
	stream_use_tcp(stream);
}

/* A socket that has begun to connect; *is_connected if that is all. -1: errno says why. */
static int start_connect(const struct addr *addr, const struct stream_connect_options *options,
                         bool *is_connected)
{
	const struct addr *local = options->local;
	const int on = 1;
	int fd = socket(addr->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	/* Without these it is only slower, or shorter of ports. */
	socket_hasten(fd, addr);
	if (options->tos > 0)
		socket_set_tos(fd, options->tos);
	if (options->recv_bytes > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->recv_bytes,
		           sizeof(options->recv_bytes));
	if (local && addr_port(local) == 0)
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (local && bind(fd, &local->as.any, addr_len(local)) < 0)
		goto fail;
	*is_connected = connect(fd, &addr->as.any, addr_len(addr)) == 0;
	if (*is_connected || errno == EINPROGRESS)
		return fd;
fail:
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int stream_connect_tcp(struct stream *stream, struct loop *loop, const struct addr *addr,
                       const struct stream_connect_options *options, void (*wake)(void *owner),
                       void *owner)
{
	static const struct stream_connect_options no_options;
	bool is_connected;
	int fd = start_connect(addr, options ? options : &no_options, &is_connected);
	ssize_t result;

	if (fd < 0)
		return -errno;
	stream_open_tcp(stream, loop, fd, wake, owner);
	if (is_connected)
		return 0;
	stream->is_readable_ = false;
	stream->is_connecting_ = true;
	result = stream_wait_for_edge(stream);
	if (result == STREAM_WAIT)
		return 0;
	stream_close(stream);
	return (int)result;
}
