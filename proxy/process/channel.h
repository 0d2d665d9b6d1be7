/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/process/channel.h: messages between the parent and the serving process (the kid), over a
 * socketpair that keeps them apart and in order, with descriptors where a message has some. The end
 * of one process is the end of the channel for the other. */
#ifndef PROXY_CHANNEL_H
#define PROXY_CHANNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/server.h"

/* Across an upgrade a parent talks to the kid of another version: the numbers and meanings of STOP,
 * LOG, UPGRADED and DRAIN stay as they are, new kinds come behind the others. */
enum channel_kind {
	/* from the parent */
	CHANNEL_LISTEN,      /* text: spec; value: is_https; a socket for each worker */
	CHANNEL_UNLISTEN,    /* text: spec; value: is_https */
	CHANNEL_SYNC,        /* answered by READY: all before it has been done */
	CHANNEL_RELOAD,      /* answered by RELOADED; a descriptor of the parent's transcript */
	/* value: when the file was read (clock_mono_us), negative if it came to nothing, on either
	 * side: it answers who asked before that */
	CHANNEL_RELOAD_DONE,
	/* certificates and the like have changed; a descriptor of a transcript */
	CHANNEL_TLS_FILES,
	CHANNEL_ROTATE,
	CHANNEL_DEBUG,
	CHANNEL_STOP, /* value: at once */
	CHANNEL_LOG,  /* text: a line for cache.log; value: its level */
	/* from the kid */
	CHANNEL_READY,
	CHANNEL_RELOADED,     /* value: did it work */
	CHANNEL_ASK_RELOAD,   /* bobtailctl's wish, as SIGHUP to the parent */
	CHANNEL_ASK_SHUTDOWN, /* as SIGTERM to the parent */
	CHANNEL_ASK_UPGRADE,  /* answered by UPGRADED */
	CHANNEL_ASK_ROLLBACK, /* answered by ROLLBACK_DONE, after a RELOAD or without one */
	/* from the parent */
	CHANNEL_UPGRADED, /* value: did it work; text: why not */
	CHANNEL_DRAIN,    /* a successor serves; value: ms for what is under way */
	CHANNEL_PING, /* answered by PONG: the main loop turns */
	/* from the kid */
	CHANNEL_PONG,
	/* from the parent */
	CHANNEL_MISSING, /* text: all ports that cannot be opened, lines for missing_ports.h */
	/* from the kid when they change, and from the parent to a new one before it gets sockets */
	/* text: what the operator said of peers (proxy/fetch/peer_wishes.h), all of it */
	CHANNEL_WISHES,
	/* from the parent */
	CHANNEL_ROLLBACK_DONE, /* value: did it work; text: why not */
	CHANNEL_KINDS
};

enum { CHANNEL_MAX_TEXT = 16384, CHANNEL_MAX_FDS = SERVER_MAX_WORKERS };

struct channel_message {
	enum channel_kind kind;
	int64_t value;
	char text[CHANNEL_MAX_TEXT + 1]; /* NUL-terminated */
	unsigned nfds;
	int fds[CHANNEL_MAX_FDS]; /* the receiver's own */
};

/* Both ends: non-blocking, close-on-exec. False: errno says why. */
bool channel_pair(int ends[2]);

/* text may be NULL; fds stay the caller's. Waits up to some seconds for a slow reader, unless
 * the kind is LOG, which is dropped instead. False: it was not sent. */
bool channel_send(int end, enum channel_kind kind, int64_t value, const char *text, const int *fds,
                  unsigned nfds);

/* The next message. 1: there is one; 0: none now; -1: the other side has gone. */
int channel_receive(int end, struct channel_message *message);

#endif
