/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/log_target.h: where log records go that is not a file: a log daemon, a TCP or UDP
 * collector, syslog. Squid: cf.data.pre, access_log, logfile_daemon.
 *
 * Nothing here waits: what a target does not take is kept, at most LOG_TARGET_MAX_BYTES of it, and
 * what comes beyond is dropped, counted, and said once a minute. A target that goes away is tried
 * again after 0.1 s, 0.2 s ... 30 s.
 * Threads: the log thread's, but for log_target_create. */
#ifndef PROXY_LOG_TARGET_H
#define PROXY_LOG_TARGET_H
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct log_target; /* opaque */

enum {
	LOG_TARGET_MAX_BYTES = 4 << 20,
	LOG_VIEW_BYTES = 200,
};

enum log_target_kind {
	LOG_TARGET_DAEMON, /* place: argv[1] of program */
	LOG_TARGET_TCP,    /* place: HOST:PORT */
	LOG_TARGET_UDP,    /* place: HOST:PORT */
	LOG_TARGET_SYSLOG, /* place: the socket's path; NULL: /dev/log */
};

/* Texts are borrowed by log_target_create. */
struct log_target_options {
	enum log_target_kind kind;
	const char *name;    /* in messages: "daemon:/var/log/access.log" */
	const char *place;
	const char *program; /* of a daemon */
	int keep;            /* old logs that a daemon's rotation keeps */
	/* buffered_logs: a daemon flushes at will; datagrams hold several records */
	bool is_buffered;
	int priority;        /* of syslog: facility | severity */
};

/* Looks up HOST (this may block), opens nothing. ERR_IO and why when it has no address. */
enum err log_target_create(const struct log_target_options *options, struct log_target **out,
			   struct err_text *why);
/* Waits a second at most for what is left to be taken, and for a daemon to end. Accepts NULL. */
void log_target_destroy(struct log_target *target);

/* record: one line with its newline. */
void log_target_add(struct log_target *target, struct str record);
/* Sends what it takes now; opens it, or opens it again, if that is due. */
void log_target_flush(struct log_target *target);
/* Is anything left to be sent? Then *fd says what to poll for (fd -1: nothing, try again later). */
bool log_target_is_pending(const struct log_target *target, struct pollfd *fd);
void log_target_rotate(struct log_target *target);
/* How many records it has not taken, ever. */
uint64_t log_target_lost(const struct log_target *target);

/* What a log daemon does, as of the last flush. Texts that are longer are cut. */
struct log_daemon_view {
	char place[LOG_VIEW_BYTES], program[LOG_VIEW_BYTES];
	pid_t pid;             /* 0: none runs */
	uint64_t nstarts, nrecords, nlost;
	size_t nwaiting;       /* bytes that it has not taken */
	unsigned nfailures;    /* in a row */
	int64_t retry_ms; /* clock_mono_ms() of the next start; 0: it runs, or none is needed yet */
	char note[LOG_VIEW_BYTES]; /* the last line of its stderr: any bytes; "": none */
	int64_t note_us;       /* when, monotonic; 0: never */
};
/* False: it is no daemon. */
bool log_target_view(const struct log_target *target, struct log_daemon_view *out);

#endif
