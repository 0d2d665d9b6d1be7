/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/recorded.h: a recording of `bobtailctl helper record`, read: each question of a
 * kind once, and which answers it got. Threads: one. */
#ifndef PROXY_CTL_RECORDED_H
#define PROXY_CTL_RECORDED_H
#include "proxy/ctl/helper/recording.h"

struct recorded {
	struct recording file;
	char *kind;
	struct secrets secrets; /* hashed as in the file */
	sqlite3_stmt *questions, *answers;
};

/* kind: NULL, if there is one only. False: why has the reason, and there is nothing to close. */
bool recorded_open(struct recorded *recorded, const char *path, const char *kind,
                   struct err_text *why);
void recorded_close(struct recorded *recorded);

/* The next question in the order in which they were asked first; *question is valid until the next
 * call. nsecrets: how many of its words are hashed. False: that was the last one. */
bool recorded_next(struct recorded *recorded, struct str *question, unsigned *nsecrets);

/* Hashes the secrets of an answer, into out. */
void recorded_hide(struct recorded *recorded, struct str answer, struct buf *out);

/* Was that answer (NULL: none; its secrets are hashed) among those to that question? was: what it
 * was, several are apart by " | "; an answer that never came is "no answer". */
bool recorded_knows(struct recorded *recorded, struct str question, const struct str *answer,
                    struct buf *was);

/* All latencies in µs, in ascending order; the caller frees *out. */
size_t recorded_latencies(struct recorded *recorded, int64_t **out);

#endif
