/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/overload.h: signs that there is more to do than this process can. Each kind is told
 * of when it begins, and when no sign of it was seen for OVERLOAD_CALM_MS, in cache.log and
 * `bobtailctl health`.
 *
 * Threads: all workers share one; atomics, and a leaf lock for changes of state. Times are
 * monotonic. */
#ifndef PROXY_OVERLOAD_H
#define PROXY_OVERLOAD_H
#include <stdbool.h>
#include <stdint.h>

enum overload_kind {
	OVERLOAD_DELAY,       /* a worker does not keep up with what comes (overload_delay) */
	OVERLOAD_REQUESTS,    /* too many requests are with origins (overload_requests) */
	/* nearly all descriptors are in use, and no idle connection is left to close */
	OVERLOAD_DESCRIPTORS,
	OVERLOAD_MEMORY,      /* nearly all memory of our control group is in use (memory_room.h) */
	OVERLOAD_KINDS
};

enum { OVERLOAD_CALM_MS = 2000 };

struct overload; /* opaque */

/* max_files: how many descriptors this process may have. */
struct overload *overload_create(unsigned long max_files);
void overload_destroy(struct overload *overload); /* accepts NULL */

/* It was seen. why, in a few words, is said if nothing of the kind was known before. */
void overload_sign(struct overload *overload, enum overload_kind kind, int64_t now_ms,
		   const char *why);
bool overload_is_on(const struct overload *overload, enum overload_kind kind);
/* To be called once in a while: what has had no sign is over. False: nothing is on any more. */
bool overload_look(struct overload *overload, int64_t now_ms);

/* What the number of a descriptor that was just opened, which is the lowest free one, tells of
 * all. */
enum overload_files {
	OVERLOAD_FILES_PLENTY,
	OVERLOAD_FILES_FEW,  /* what is left is for origins, files and helpers */
	OVERLOAD_FILES_LAST, /* half of that is in use */
};
enum overload_files overload_files(const struct overload *overload, int fd);

#endif
