/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/act_as_origin.h: http_port ... act-as-origin: a hit looks as if its origin had
 * made it now. Squid: cf.data.pre, http_port. Threads: any. */
#ifndef PROXY_ACT_AS_ORIGIN_H
#define PROXY_ACT_AS_ORIGIN_H
#include <stdint.h>

#include "lib/base/str.h"

struct arena;

/* head, a status line and field lines, each with its CRLF: Date becomes now_s, an Expires lies as
 * far behind it as before, and what they were goes into X-Origin-Date and X-Origin-Expires. The
 * text lies in the arena. */
struct str act_as_origin(struct str head, int64_t now_s, struct arena *arena);

#endif
