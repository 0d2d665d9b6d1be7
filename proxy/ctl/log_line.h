/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/log_line.h: a line of an access log in Squid's own format or in `json`, as its fields.
 *
 *     SECONDS.MS DURATION CLIENT TAG/STATUS BYTES METHOD URL USER HIER/SERVER TYPE
 * Pure; any thread. */
#ifndef PROXY_CTL_LOG_LINE_H
#define PROXY_CTL_LOG_LINE_H
#include <stdbool.h>

#include "lib/base/buf.h"

enum log_line_field {
	LOG_LINE_TIME, /* seconds since 1970, with a fraction */
	LOG_LINE_DURATION,
	LOG_LINE_CLIENT,
	LOG_LINE_RESULT,
	LOG_LINE_STATUS,
	LOG_LINE_BYTES,
	LOG_LINE_METHOD,
	LOG_LINE_URL,
	LOG_LINE_USER,
	LOG_LINE_HIERARCHY,
	LOG_LINE_SERVER,
	LOG_LINE_FIELDS
};

enum { LOG_LINE_MAX_BYTES = 1 << 20 };

/* What is missing, or "-", is empty. All point into the line, or into its scratch. */
struct log_line {
	struct str at[LOG_LINE_FIELDS];
};

/* text without its LF; scratch is emptied first, and large enough for a line. False: it is neither.
 * In a string of JSON, escapes are undone but for those with \u, which stay as they are. */
bool log_line_read(struct str text, struct buf *scratch, struct log_line *out);

#endif
