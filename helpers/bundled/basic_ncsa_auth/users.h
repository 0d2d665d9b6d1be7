/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/basic_ncsa_auth/users.h: a password file in memory, read again when it changes.
 *     LINE = USER ":" STORED [":" whatever] | "#" whatever
 * Threads: one. */
#ifndef BASIC_NCSA_AUTH_USERS_H
#define BASIC_NCSA_AUTH_USERS_H
#include <stdbool.h>

#include "lib/base/err.h"

struct users; /* opaque */

/* Nothing is read yet. */
struct users *users_create(const char *path);
void users_destroy(struct users *users);

/* Reads the file if it has not been read or has changed. On failure the old users stay; why, and
 * once standard error, say so. */
enum err users_refresh(struct users *users, struct err_text *why);

/* Has the file been read at least once? */
bool users_are_known(const struct users *users);

/* What is stored for name (of several, the first); NULL: no such user. Good until the next refresh.
 */
const char *users_find(const struct users *users, const char *name);

#endif
