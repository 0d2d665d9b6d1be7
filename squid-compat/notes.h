/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/notes.h: the annotations of a transaction or of a client's connection: KEY: VALUE,
 * what helpers, `note` lines and annotate_* ACLs say, for logs (%note), headers and ACLs.
 *
 * Zeroed, there are none. Keys compare with case, may come several times, and keep their order.
 * Memory: texts and the table lie in the arena given. One thread's. */
#ifndef SQUID_COMPAT_NOTES_H
#define SQUID_COMPAT_NOTES_H
#include <stdbool.h>

#include "lib/base/arena.h"
#include "squid-compat/log/log_facts.h"

enum { NOTES_MAX = 1000 }; /* further ones are dropped */

struct notes {
	struct log_note *at;
	unsigned n;
	unsigned cap_;
};

/* Behind all others. */
void notes_add(struct notes *notes, struct arena *arena, struct str key, struct str value);
void notes_remove(struct notes *notes, struct str key);
/* In place of all that the key has. */
void notes_set(struct notes *notes, struct arena *arena, struct str key, struct str value);
bool notes_has(const struct notes *notes, struct str key, struct str value);

/* Annotations that outlive their transaction: a client connection's. */
struct notes_kept {
	struct notes notes;
	struct arena arena;
};

/* Beside what the key has (is_more), or in its place. *slot NULL: there are none yet. */
void notes_kept_set(struct notes_kept **slot, struct str key, struct str value, bool is_more);
void notes_kept_free(struct notes_kept *kept); /* accepts NULL */

#endif
