/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/base64.h: bytes as text, RFC 4648 §4. Threads: any. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H
#include "lib/base/buf.h"
#include "lib/base/str.h"

/* Adds the bytes, padded with "=", to out. */
void base64_add(struct buf *out, struct str bytes);

#endif
