/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/ext_session_acl/sessions.h: who has a session, and until when; in an SQLite file
 * that several programs may share, or in memory.
 *
 * Threads: one. Times are of the wall clock, so that they outlive a restart. */
#ifndef EXT_SESSION_ACL_SESSIONS_H
#define EXT_SESSION_ACL_SESSIONS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

struct sessions; /* opaque */

/* path: a file, a folder (its file "session" is meant), or NULL: in memory. timeout_s: how long a
 * session lives, from its beginning or, if is_idle, from when it was asked for last. */
struct sessions *sessions_create(const char *path, int64_t timeout_s, bool is_idle);
void sessions_destroy(struct sessions *sessions); /* accepts NULL */

/* Each of these opens the file if it is not open yet. ERR_IO and why if it cannot be used. */
enum err sessions_begin(struct sessions *sessions, const char *key, struct err_text *why);
enum err sessions_end(struct sessions *sessions, const char *key, struct err_text *why);
enum err sessions_find(struct sessions *sessions, const char *key, bool *is_there,
                       struct err_text *why);

#endif
