/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control.h: the administrator's door: a Unix socket that only the effective user (and root)
 * may open. One line in, an answer out, the connection closed: COMMAND [ARGUMENT] LF  →  "OK" LF
 * TEXT...  or  "ERROR" SP REASON LF Lines, answers, connections and their time are bounded.
 *
 * Threads: the main thread's loop. */
#ifndef PROXY_CONTROL_H
#define PROXY_CONTROL_H
#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct config;
struct control; /* opaque */
struct loop;
struct serve;

enum {
	CONTROL_MAX_LINE_BYTES = 16384,
	CONTROL_MAX_ANSWER_BYTES = 1 << 20,
	CONTROL_MAX_CONNECTIONS = 16,
	CONTROL_WAIT_MS = 30000, /* for a line, or for an answer to be read */
};

/* A listening socket at path, mode 0600, owned by the effective user of config. A socket on which
 * nobody listens is replaced. For whoever still has the right to make it. */
enum err control_listen(const char *path, const struct config *config, int *fd,
                        struct err_text *why);

struct control_options {
	struct loop *loop;
	struct serve *serve;
	int fd; /* taken over */
	/* What the process that runs it does; reload is answered by control_reload_done. */
	void (*reload)(void *owner);
	void (*shutdown)(void *owner);
	void *owner;
};

struct control *control_create(const struct control_options *options);
void control_destroy(struct control *control); /* accepts NULL */

void control_reload_done(struct control *control, bool is_ok); /* accepts NULL */

#endif
