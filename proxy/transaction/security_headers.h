/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/security_headers.h: the lines that security_headers (ours) adds to replies, for
 * those of its fields that the origin did not set: Strict-Transport-Security (over TLS only, RFC
 * 6797 §7.2), X-Content-Type-Options, Referrer-Policy, X-Frame-Options.
 *
 * All lines are made once, for each set of fields; which of them an object's head has is found at
 * its first reply and kept with it.
 *
 * Threads: immutable, any. */
#ifndef PROXY_SECURITY_HEADERS_H
#define PROXY_SECURITY_HEADERS_H
#include <stdbool.h>

#include "lib/base/str.h"
#include "squid-compat/config.h"

struct object;
struct security_headers; /* opaque */

/* NULL: level is SECURITY_HEADERS_OFF. */
struct security_headers *security_headers_create(enum security_level level);
void security_headers_destroy(struct security_headers *headers); /* accepts NULL */

/* What object's head lacks (NULL: a head of ours, which lacks all), each with its CRLF; headers
 * NULL: nothing. is_secure: the client came by TLS. Lives as long as headers. */
struct str security_headers_lines(const struct security_headers *headers, struct object *object,
                                  bool is_secure);

#endif
