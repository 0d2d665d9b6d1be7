/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/digest_nonce.h: nonces of digest authentication: made, known again, used up. RFC 7616
 * §3.3, §5.4.
 *
 * A nonce says when it was made and bears a MAC, so that one which is only handed out costs no
 * memory. What has been used (by somebody who knew a password) is in a table of bounded size, with
 * the counts that were seen. What falls out of a full table counts as stale from then on, never as
 * new.
 *
 * Threads: any; a leaf lock a shard. It outlives configurations: a reload makes no nonce stale. */
#ifndef HELPERS_DIGEST_NONCE_H
#define HELPERS_DIGEST_NONCE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum { DIGEST_NONCE_CHARS = 60 }; /* hex: 6 bytes of time, 8 of chance, 16 of a MAC */

struct digest_nonces; /* opaque, counted */

struct digest_nonces *digest_nonces_create(void);
struct digest_nonces *digest_nonces_ref(struct digest_nonces *nonces);
void digest_nonces_unref(struct digest_nonces *nonces); /* accepts NULL */

/* auth_param digest's parameters of these names. */
struct digest_nonce_rules {
	int64_t max_duration_ms;
	int64_t garbage_interval_ms; /* how often what is over is looked for */
	unsigned max_count;          /* uses; 0: no limit */
	bool checks_count;           /* else a count may come again (a replay) */
	bool is_strict;              /* each count is the one before plus 1; else each comes once */
};

/* now_ms: the monotonic clock. out gets no NUL. */
void digest_nonce_make(struct digest_nonces *nonces, int64_t now_ms, char out[DIGEST_NONCE_CHARS]);

/* Uses it up by one, with that count (nc). False: it is not ours, too old, used too often, or the
 * count has been there: the client is to take a new one. Call it for whoever proved to know the
 * password. *is_ending: there is one more use at most, of a number that is limited. */
bool digest_nonce_use(struct digest_nonces *nonces, const struct digest_nonce_rules *rules,
                      struct str nonce, uint32_t count, int64_t now_ms, bool *is_ending);

/* How many are in the table. */
unsigned digest_nonces_count(struct digest_nonces *nonces);

#endif
