/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/digest_file_auth/digest_users.h: the users of a password file for Digest.
 * Threads: one. */
#ifndef DIGEST_FILE_AUTH_DIGEST_USERS_H
#define DIGEST_FILE_AUTH_DIGEST_USERS_H
#include <stdbool.h>

struct digest_user {
	const char *name;
	const char *realm;  /* NULL: any */
	const char *secret; /* the password, or HA1 in hex */
	const char *sha256; /* HA1 by SHA-256 in hex; NULL: there is none */
};

struct digest_users; /* opaque */

/* program: for messages; borrowed. is_hashed: lines have HA1, no passwords. */
struct digest_users *digest_users_create(const char *program, bool is_hashed);
void digest_users_destroy(struct digest_users *users); /* accepts NULL */

/* Takes the lines of text (mem_alloc'ed; its owner now) in place of those it has. */
void digest_users_take(struct digest_users *users, char *text);

/* Of several the last, as Squid's program does; NULL: there is none. Good until the next take. */
const struct digest_user *digest_users_find(const struct digest_users *users, const char *name,
                                            const char *realm);

#endif
