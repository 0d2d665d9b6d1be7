/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/uri_whitespace.h: what becomes of blanks in a request-target. Squid: cf.data.pre,
 * uri_whitespace. Threads: any. */
#ifndef SQUID_COMPAT_URI_WHITESPACE_H
#define SQUID_COMPAT_URI_WHITESPACE_H
#include <stdbool.h>

#include "lib/base/str.h"

struct buf;

enum uri_whitespace {
	URI_WHITESPACE_DENY, /* 400; also when not said (Squid: strip) */
	URI_WHITESPACE_STRIP,
	URI_WHITESPACE_ALLOW, /* as ENCODE: sent on raw, a blank would end the target for others */
	URI_WHITESPACE_ENCODE,
	URI_WHITESPACE_CHOP,
};

/* Appends target without blanks (SP, HTAB) to out. False: the result is no path and no absolute
 * URL, or does not fit. */
bool uri_whitespace_mend(enum uri_whitespace how, struct str target, struct buf *out);

#endif
