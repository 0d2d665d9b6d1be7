/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/basic_ncsa_auth/users.h: a password file in memory, read again when it changes.
 *     LINE = USER ":" STORED [":" whatever] | "#" whatever
 * Threads: one. */
#ifndef BASIC_NCSA_AUTH_USERS_H
#define BASIC_NCSA_AUTH_USERS_H
#include "lib/base/err.h"

struct users; /* opaque */

/* NULL and why if the file cannot be read. */
struct users *users_open(const char *path, struct err_text *why);
void users_close(struct users *users);

/* Reads the file again if it has changed. On failure the old users stay; why, and once standard error, say so. */
enum err users_refresh(struct users *users, struct err_text *why);

/* What is stored for name (of several, the first); NULL: no such user. Good until the next refresh.
 */
const char *users_find(const struct users *users, const char *name);

#endif
