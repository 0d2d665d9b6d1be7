/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/serve.h: the process that serves: logs, server, listeners, reload, rotation, the end of it.
 * Whoever runs it (solo.c with -N, kid.c behind a parent) owns the main thread's loop and says
 * when.
 *
 * Threads: the main thread's. */
#ifndef PROXY_SERVE_H
#define PROXY_SERVE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct command_line;
struct config;
struct loop;
struct server;
struct statistics;
struct transcript; /* proxy/process/transcript.h */

struct serve; /* opaque */

struct serve_options {
	const struct command_line *line;
	struct config *config; /* a reference of its own is taken */
	struct loop *loop;     /* the main thread's */
	const char *role;      /* as the start line has it */
	void (*stopped)(
		void *owner); /* from the loop, once: all has ended; serve_destroy is next */
	/* What the process that runs it does about these; from the loop. */
	void (*reload)(void *owner);
	void (*shutdown)(void *owner);
	void (*keep_wishes)(void *owner); /* NULL: they end with this process */
	void *owner;
};

/* The log, then the server with its threads. On failure *out is untouched and why, which the caller
 * logs, is the reason: the process has to end. */
enum err serve_start(const struct serve_options *options, struct serve **out, struct err_text *why);
void serve_destroy(struct serve *serve); /* after stopped; accepts NULL */

const struct config *serve_config(const struct serve *serve);
struct config *serve_config_ref(const struct serve *serve); /* a reference to keep */
struct server *serve_server(struct serve *serve);
const struct statistics *serve_statistics(const struct serve *serve);
const char *serve_service_name(const struct serve *serve);

/* Asks the process for a reload, or for its end. */
void serve_want_reload(struct serve *serve);
void serve_want_shutdown(struct serve *serve);
/* What the operator said of peers has changed: the next process is to go on with it. */
void serve_keep_wishes(struct serve *serve);

/* Takes over the sockets, one for each worker. */
void serve_listen(struct serve *serve, const char *spec, bool is_https, const int *fds,
                  unsigned nfds);
void serve_unlisten(struct serve *serve, const char *spec, bool is_https);

/* Reads the file anew, which transcript keeps, or what was read of it before (is_replay): NULL when
 * it cannot be used (said in the log). Then, or never: take it over. */
struct config *serve_read_config(struct serve *serve, struct transcript *transcript,
                                 bool is_replay);
void serve_take_config(struct serve *serve, struct config *config); /* takes over the reference */

/* New log files, new helpers; nothing while it stops. */
void serve_rotate(struct serve *serve);
void serve_toggle_debug(struct serve *serve);

/* No new connections; what is under way has shutdown_lifetime, or no time (is_fast). May be said
 * again. */
void serve_stop(struct serve *serve, bool is_fast);
/* A successor serves already: what is under way has wait_ms. */
void serve_drain(struct serve *serve, int64_t wait_ms);
bool serve_is_stopping(const struct serve *serve);

#endif
