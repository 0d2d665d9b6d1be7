/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/net/stream_internal.h: what the transports share. */
#ifndef NET_STREAM_INTERNAL_H
#define NET_STREAM_INTERNAL_H
#include "lib/net/stream.h"

/* A write that the kernel did not take whole. One stream's; there until its result is collected. */
struct stream_rest {
	size_t total; /* of the whole write */
	size_t left;  /* bytes to go; 0 when done or failed */
	int error;    /* -errno, or 0 */
	struct stream_file file; /* what is left of it, behind the pieces; len 0: nothing */
	int first, niov;
	struct iovec iov[]; /* from first to niov: what is left */
};

#endif
