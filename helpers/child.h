/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/child.h: one helper process, as lines in and lines out.
 *
 * Its stdin and stdout are one end of a socketpair, its stderr a pipe; nothing else of ours is open
 * in it. argv[0] is "(basename)", the process group its own. Our ends never block: what it does not
 * read yet is kept, what it writes to stderr goes to the operator at a bounded rate.
 *
 * Threads: one loop's. Ownership: the owner keeps the pointer until it calls child_stop; the struct
 * then lives on by itself until the process has gone. The exit is seen by a pidfd: nobody else may
 * wait for the process, and SIGCHLD may not be ignored. */
#ifndef HELPERS_CHILD_H
#define HELPERS_CHILD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/net/loop.h"

struct child; /* opaque */

struct child_options {
	const char *const *argv; /* program path, then its arguments, NULL-terminated */
	const char *squid_debug; /* SQUID_DEBUG in its environment; NULL: not set */
	size_t max_line_bytes;   /* of a line from it */
	int64_t grace_ms;        /* from EOF to SIGTERM, and from SIGTERM to SIGKILL */
	/* A line from its stdout, without LF and CR; the bytes may be changed, and are gone when it
	 * returns. It may call child_send and child_stop. */
	void (*line)(void *owner, char *text, size_t len);
	/* It exited, closed its stdout or sent a line too long; why is the rest of the sentence
	 * "KIND #HlprN ...". Called once, and no line after it; the owner then calls child_stop. */
	void (*ended)(void *owner, const char *why);
	/* A line (or a part of one) from its stderr, without LF, also after child_stop. */
	void (*stderr_line)(void *owner, const char *text, size_t len);
	/* The process has been reaped and the struct is about to be freed; always the last call,
	 * from the loop, and never before child_stop. May be NULL. */
	void (*reaped)(void *owner);
	void *owner;
};

/* Starts the program; options are copied but for the strings in argv, which are not kept. NULL and
 * why (path and errno) when it cannot be started. */
struct child *child_start(struct loop *loop, const struct child_options *options,
                          struct err_text *why);

/* For people to read. */
pid_t child_pid(const struct child *child);
int child_fd(const struct child *child); /* our end of its stdin and stdout; -1: closed */

/* Sends the pieces and an LF: at the end of this turn of the loop, with what else is sent until
 * then, or when it reads. */
void child_send(struct child *child, const struct str *pieces, unsigned npieces);

/* The owner has done with it: no line, no ended any more. It gets EOF; what is still there of its
 * process group after the grace gets SIGTERM, then SIGKILL. is_urgent: SIGTERM at once. */
void child_stop(struct child *child, bool is_urgent);

#endif
