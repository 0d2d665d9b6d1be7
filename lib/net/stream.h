/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/stream.h: bytes to and from a peer, over plain TCP or TLS (stream_tls.h), as operations
 * that end at once or later. State machines see this and no file descriptors.
 *
 * An operation that cannot end at once returns STREAM_WAIT; when it may go on, the owner's wake is
 * called from the loop, never from within a call here, and the owner repeats the same call to
 * collect the result. wake may also be called once too often: the repeated call says STREAM_WAIT.
 * Several completions in one turn of the loop give one wake.
 *
 * Threads: one loop's. Errors are negative errno values. A descriptor is registered once. */
#ifndef NET_STREAM_H
#define NET_STREAM_H
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/net/addr.h"
#include "lib/net/loop.h"

enum { STREAM_WAIT = -100000 }; /* no errno has this value */
enum { STREAM_MAX_IOV = 16 };

struct stream_file;
struct stream_rest; /* what an unfinished write has left; from the heap */
struct stream_tls;

struct stream {
	const struct stream_ops *ops; /* NULL: not open */
	struct loop *loop;
	void (*wake)(void *owner);
	void *owner;
	/* private to the implementations */
	struct loop_fd watch_;
	struct stream_rest *rest_; /* NULL when no write waits or is to be collected */
	struct stream_tls *tls_;   /* NULL: plain TCP */
	int connect_error_;        /* -errno */
	bool is_readable_;         /* a read may find something: false once one came up short */
	bool has_ended_, has_hung_up_;
	bool ends_after_write_;
	bool is_connecting_;
};

/* What a transport implements (stream_tcp.c, stream_tls.c). */
struct stream_ops {
	ssize_t (*read)(struct stream *stream, void *into, size_t size);
	ssize_t (*writev)(struct stream *stream, const struct iovec *iov, int niov);
	/* NULL: this transport cannot. */
	ssize_t (*send_file)(struct stream *stream, const struct iovec *iov, int niov,
	                     const struct stream_file *file);
	bool (*is_stale)(struct stream *stream);
	void (*shutdown_write)(struct stream *stream);
	void (*close)(struct stream *stream);
};

/* Takes a connected, non-blocking stream socket (from accept4). Registering with the loop is put
 * off until an operation has to wait, so a connection that is answered at once never costs an
 * epoll_ctl. Owner and wake stay as given until stream_close. */
void stream_open_tcp(struct stream *stream, struct loop *loop, int fd, void (*wake)(void *owner),
                     void *owner);

/* How a connection begins. Zero: as the system does it. */
struct stream_connect_options {
	const struct addr *local; /* from where; NULL: the system chooses */
	int tos;                  /* of the packets (IP_TOS, IPV6_TCLASS) */
	int recv_bytes;           /* SO_RCVBUF */
};

/* Starts to connect to addr; options may be NULL. 0 when the operation began: the
 * first stream_connect_result that is not STREAM_WAIT tells how it ended; ask at once, and again in
 * each wake. On -errno nothing is open. */
int stream_connect_tcp(struct stream *stream, struct loop *loop, const struct addr *addr,
                       const struct stream_connect_options *options, void (*wake)(void *owner),
                       void *owner);

/* 0: connected; STREAM_WAIT; or -errno (-ECONNREFUSED ...). */
int stream_connect_result(struct stream *stream);

/* Reads up to size bytes into into: the number read; 0 at the end of what the peer sends;
 * STREAM_WAIT; or -errno. Makes one system call at most, and none when the last one drained the
 * socket and nothing has come since. */
ssize_t stream_read(struct stream *stream, void *into, size_t size);

/* Sends all of the pieces: the number of bytes when all were taken; STREAM_WAIT while some are left
 * (repeat with niov 0 to collect: the number of bytes of the whole write, or -errno). The bytes
 * must stay until then; the iov array itself is copied. At most STREAM_MAX_IOV pieces; one write at
 * a time. */
ssize_t stream_writev(struct stream *stream, const struct iovec *iov, int niov);

/* Nothing is written behind the next write: what the transport has to say at the end goes with it
 * (TLS: close_notify). The connection is closed by stream_close all the same. */
static inline void stream_end_after_write(struct stream *stream)
{
	stream->ends_after_write_ = true;
}
static inline bool stream_ends_after_write(const struct stream *stream)
{
	return stream->ends_after_write_;
}

/* How many bytes the peer has not taken yet, the kernel's queue included, while a write waits; 0
 * when none does. It falls as the peer reads, without a wake: compare it when a write times out. */
size_t stream_unsent(const struct stream *stream);

/* As stream_writev, with bytes of a file behind the pieces, sent without a copy where the transport
 * can (stream_can_send_file). The file's bytes must stay until the result is collected, which is
 * done by stream_writev with niov 0, and, since the kernel may still send its pages then, must not
 * change afterwards either. */
struct stream_file {
	int fd;
	int64_t offset;
	size_t len; /* not 0 */
};
ssize_t stream_send_file(struct stream *stream, const struct iovec *iov, int niov,
                         const struct stream_file *file);
static inline bool stream_can_send_file(const struct stream *stream)
{
	return stream->ops && stream->ops->send_file;
}

/* True while an earlier stream_writev has not been collected. */
bool stream_is_writing(const struct stream *stream);

/* True if the peer has closed, reset, or sent bytes that nobody asked for: an idle pooled
 * connection for which this holds must not be used. Makes one system call at most (recv with
 * MSG_PEEK). */
bool stream_is_stale(struct stream *stream);

/* Without a system call: true if nothing of the kind had happened when the loop asked for events
 * last. */
bool stream_was_quiet(const struct stream *stream);

/* Another owner for the same connection (an idle one that is taken from a pool). */
void stream_set_owner(struct stream *stream, void (*wake)(void *owner), void *owner);

/* The connection goes on in another struct, with what is known of it, for another owner; from is
 * not open afterwards. No write may wait. Where it was registered it is so again, and what is there
 * to be read is told. */
void stream_move(struct stream *from, struct stream *to, void (*wake)(void *owner), void *owner);

/* Asks for a wake when the peer sends or closes, without reading (for idle pooled connections and
 * for watching a client while its answer is awaited). What came before and was told already is not
 * told again. */
void stream_watch(struct stream *stream);

/* As far as seen, without a system call. Ended: the peer will send no more than what waits to be
 * read. Hung up: nothing can be sent to it either (reset, or closed both ways). */
bool stream_has_ended(const struct stream *stream);
bool stream_has_hung_up(const struct stream *stream);

/* Ends it; pending operations are forgotten, wake is not called again. Fine on one never opened. */
void stream_close(struct stream *stream);
/* As above with a reset (SO_LINGER 0), so that the peer sees that its answer was cut short. */
void stream_reset(struct stream *stream);

/* No more will be written; reading goes on (for a lingering close). */
void stream_shutdown_write(struct stream *stream);

int stream_fd(const struct stream *stream);

#endif
