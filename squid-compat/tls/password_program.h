/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/password_program.h: sslpassword_program: asked for the password of a private
 * key.
 *
 * Squid: it is run with the key's file as its argument, and the first line of what it writes is the
 * password. Here it is run without a shell, and given PASSWORD_WAIT_MS. Threads: any; it blocks. */
#ifndef SQUID_COMPAT_PASSWORD_PROGRAM_H
#define SQUID_COMPAT_PASSWORD_PROGRAM_H
#include "lib/base/buf.h"

enum { PASSWORD_MAX_BYTES = 1024, PASSWORD_WAIT_MS = 10000 };

/* Appends the line, without its end, to out. 0 or an errno: ETIMEDOUT, or EIO when it wrote
 * nothing. */
int password_program_ask(const char *program, const char *key_path, struct buf *out);

#endif
