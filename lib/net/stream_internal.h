/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/stream_internal.h: what the transports share. */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H
#include "lib/net/stream.h"

/* A write that the kernel did not take whole. One stream's; there until its result is collected. */
struct stream_rest {
	size_t total; /* of the whole write */
	size_t left;  /* bytes to go; 0 when done or failed */
	size_t queued; /* made of those that have gone, and not sent yet (TLS) */
	int error;    /* -errno, or 0 */
	struct stream_file file; /* what is left of it, behind the pieces; len 0: nothing */
	int first, niov;
	struct iovec iov[]; /* from first to niov: what is left */
};

/* A write of total bytes of which sent are gone already; the iov array is copied. */
struct stream_rest *stream_rest_create(const struct iovec *iov, int niov, size_t total,
                                       size_t sent);
/* Takes n bytes off the front of what is left. The file has moved on by itself. */
void stream_rest_advance(struct stream_rest *rest, size_t n);

/* The result of a write that had to wait (STREAM_WAIT: it still does), once; 0: there is none. */
ssize_t stream_rest_collect(struct stream *stream);

/* Registers with the loop, if that is not done: STREAM_WAIT, or -errno. */
ssize_t stream_wait_for_edge(struct stream *stream);

/* Takes note of what epoll said of the socket. True: there may be something to read, or its end. */
bool stream_note_events(struct stream *stream, uint32_t events);

/* The transport is plain TCP from now on; the descriptor and what is known of it stay. */
void stream_use_tcp(struct stream *stream);

/* The stream lies where it is now. */
void stream_tls_moved(struct stream *stream);

#endif
