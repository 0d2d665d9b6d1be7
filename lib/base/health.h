/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/health.h: what does not work as configured, why and since when: for `bobtailctl health`.
 * A module embeds a note for each thing of its own that may be missing for a while, says so when it
 * is, and takes it back when it has healed.
 *
 * Threads: any; a note is said and taken back by one at a time. A call holds one leaf lock for a
 * copy. */
#ifndef BASE_HEALTH_H
#define BASE_HEALTH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/list.h"

enum { HEALTH_WHAT_BYTES = 160, HEALTH_REASON_BYTES = 240 };

/* As seen by who asks. */
struct health_entry {
	char what[HEALTH_WHAT_BYTES]; /* "cache_dir /var/spool/squid" */
	char reason[HEALTH_REASON_BYTES];
	int64_t since_us; /* monotonic */
};

/* Zeroed: all is well. */
struct health_note {
	struct list node_;
	struct health_entry *entry_; /* NULL: well */
};

/* It does not work. what names it, as squid.conf does; a new reason leaves the time as it is. */
void health_bad(struct health_note *note, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* It works again, or is not wanted any more: before its memory goes. */
void health_good(struct health_note *note);

/* The first max of them into out, oldest first; what is said of one thing by several (each
 * worker's, an old and a new configuration's) comes once. Returns how many. */
size_t health_list(struct health_entry *out, size_t max);

#endif
