/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/json.h: values of JSON (RFC 8259), written. Pure; any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H
#include "lib/base/buf.h"

/* Appends text as a string with its quotes, in printable ASCII alone: control characters and what
 * is not ASCII are escaped; each byte that is no UTF-8 becomes U+FFFD. */
void json_add_str(struct buf *out, struct str text);

#endif
