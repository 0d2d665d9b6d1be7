/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/log/log_target_internal.h: what log_target.c asks of each kind of target. */
#ifndef PROXY_LOG_TARGET_INTERNAL_H
#define PROXY_LOG_TARGET_INTERNAL_H
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/health.h"
#include "lib/net/addr.h"
#include "proxy/log/log_target.h"

struct log_target_ops {
	/* Sets fd, non-blocking. 0 or an errno. */
	int (*open)(struct log_target *target);
	/* Puts the record into out, as it goes over the wire; what out has no room for is
	 * dropped. */
	void (*add)(struct log_target *target, struct str record);
	/* Behind the records of one flush. NULL: nothing is said. */
	void (*end_batch)(struct log_target *target);
	/* Sends the beginning of what is left: how many bytes have gone, or a negative errno. */
	ssize_t (*send)(struct log_target *target, struct str left);
	void (*rotate)(struct log_target *target); /* NULL: there is nothing to rotate */
	/* Reads and forgets what comes back. False: the other side has gone. NULL: nothing does. */
	bool (*read)(struct log_target *target);
	/* Before and after fd is closed. is_last: nothing will be opened again. NULL: nothing to
	 * do. */
	void (*closed)(struct log_target *target, bool is_last);
};

struct log_target {
	const struct log_target_ops *ops;
	char *name, *place, *program;
	int keep, priority;
	bool is_buffered;
	struct health_note health; /* while it cannot be reached */
	struct addr addr;
	int fd;           /* -1: closed */
	struct buf out;   /* records, as they go over the wire */
	size_t sent;      /* of out */
	size_t line;      /* where the line begins that sent lies in */
	bool is_batch_open; /* records came since the last flush */
	int64_t opened_ms, retry_ms;
	unsigned nfailures; /* in a row */
	uint64_t ndropped; /* since that was said */
	uint64_t nlost, nrecords; /* ever */
	int64_t said_ms;
	/* of a daemon */
	pid_t pid;
	int notes; /* its stderr; -1: none */
	uint64_t nstarts;
	char note[LOG_VIEW_BYTES]; /* what it wrote there last, */
	int64_t note_us;           /* and when; monotonic */
};

extern const struct log_target_ops log_target_daemon, log_target_tcp, log_target_udp,
	log_target_syslog;

/* Reads what there is and forgets it; false: the other side closed. */
bool log_target_discard(struct log_target *target);
/* send() with the flags that all need. */
ssize_t log_target_send(struct log_target *target, struct str bytes);

#endif
