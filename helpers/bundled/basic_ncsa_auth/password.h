/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/basic_ncsa_auth/password.h: does a password fit what a password file has of it?
 *
 * Threads: one. Comparisons take the same time wherever the texts differ. */
#ifndef BASIC_NCSA_AUTH_PASSWORD_H
#define BASIC_NCSA_AUTH_PASSWORD_H

enum password_verdict {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_TOO_LONG, /* right in its first 8 bytes, of which alone DES made the hash */
};

/* stored: "$apr1$SALT$..." (Apache's MD5), "{SHA}BASE64", 32 hex digits (bare MD5), else what
 * crypt(3) reads: "$1$", "$2y$", "$5$", "$6$", "$y$" ... and DES. */
enum password_verdict password_check(const char *password, const char *stored);

#endif
