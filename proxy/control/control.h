/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control/control.h: the administrator's door: a Unix socket that only the effective user
 * (and root) may open. One line in, VERB [WORD...] LF (control_words.h: how a word may hold
 * anything); lines out, each with a character in front that says what it is, and the connection
 * closed:
 *
 *     "=" TEXT LF           a line of the answer
 *     "~" DONE SP TOTAL LF  how far it is; TOTAL 0: not known
 *     "." LF                the end: done
 *     "!" REASON LF         the end: it failed
 *     "?" REASON LF         the end: a successor knows; ask again, and it hears it
 *
 * An answer without its end is no answer. Lines, connections and their time are bounded; an answer
 * of any length is made as the client takes it. What a verb sees: control_call.h.
 *
 * Threads: the main thread's loop. */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct config;
struct control; /* opaque */
struct loop;
struct serve;

enum {
	CONTROL_MAX_LINE_BYTES = 16384,
	CONTROL_MAX_ANSWER_BYTES = 1 << 20, /* not sent yet */
	CONTROL_MAX_CONNECTIONS = 16,
	CONTROL_WAIT_MS = 30000, /* for a line, or until an answer goes on */
};

/* The first character of a line of an answer. */
enum {
	CONTROL_TEXT = '=',
	CONTROL_PROGRESS = '~',
	CONTROL_END = '.',
	CONTROL_ERROR = '!',
	CONTROL_AGAIN = '?',
};

/* A listening socket at path, mode 0600, owned by the effective user of config. A socket on which
 * nobody listens is replaced. For whoever still has the right to make it. */
enum err control_listen(const char *path, const struct config *config, int *fd,
                        struct err_text *why);

struct control_options {
	struct loop *loop;
	struct serve *serve;
	int fd; /* taken over */
	/* What the process that runs it does. */
	void (*reload)(void *owner);   /* answered by control_reload_done */
	void (*shutdown)(void *owner);
	void (*rollback)(void *owner); /* answered by control_rollback_done */
	void (*upgrade)(void *owner);  /* answered by control_upgrade_done; NULL: cannot be */
	void *owner;
};

struct control *control_create(const struct control_options *options);
void control_destroy(struct control *control); /* accepts NULL */

/* For who asked before the file was read (read_us, of clock_mono_us); others, who may have changed
 * it since, go on waiting: for the next reload. Accepts NULL. */
void control_reload_done(struct control *control, bool is_ok, int64_t read_us);
/* For all who ask for one. why and control may be NULL. */
void control_rollback_done(struct control *control, bool is_ok, const char *why);
void control_upgrade_done(struct control *control, bool is_ok, const char *why); /* the same */

/* A successor has the socket too: no new calls; those that there are go on, but for who waits for a
 * reload, which is the successor's now. Accepts NULL. */
void control_close_door(struct control *control);

#endif
