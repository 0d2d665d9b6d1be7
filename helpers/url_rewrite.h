/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/url_rewrite.h: what a url_rewrite_program is asked and what its answer means.
 *     ask:    URL [SP extras]
 *     answer: OK rewrite-url=U | OK [status=30x] url=U | OK, ERR or nothing (unchanged)
 *             old: U | 30x:U | !group!U, where only the first word counts
 * Whatever is wrong with an answer leaves the request unchanged, with a sentence for the log.
 * Threads: pure functions. */
#ifndef HELPERS_URL_REWRITE_H
#define HELPERS_URL_REWRITE_H
#include "helpers/line.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	URL_REWRITE_MAX_ASK_BYTES = 32768, /* longer: the client gets 414 */
	URL_REWRITE_MAX_URL_BYTES = 32768, /* of an answer */
};

enum url_rewrite_action {
	URL_REWRITE_UNCHANGED,
	URL_REWRITE_TO,       /* go on with url, an absolute http or https one */
	URL_REWRITE_REDIRECT, /* answer status with Location: url */
	URL_REWRITE_FAIL, /* 500 ERR_GATEWAY_FAILURE (url_rewrite_timeout on_timeout=fail, retry) */
};

struct url_rewrite_verdict {
	enum url_rewrite_action action;
	int status;                /* of a redirect: 301 302 303 307 308 */
	struct str url;            /* lies in the reply's line; safe for a header field as it is */
	struct str group;          /* the note "urlgroup" of an old answer; at NULL: none */
	struct err_text complaint; /* for the log; "": nothing to say */
	int complaint_level;       /* of that: 1, or 2 for what a helper does with every answer */
};

enum url_rewrite_on_timeout {
	URL_REWRITE_TIMEOUT_BYPASS,
	URL_REWRITE_TIMEOUT_FAIL, /* also for retry, whose sends the pool makes (timeout_resends) */
	URL_REWRITE_TIMEOUT_RESPONSE, /* use_configured_response */
};

struct url_rewrite_policy {
	enum url_rewrite_on_timeout on_timeout;
	const struct helper_reply *response; /* response="LINE", parsed once; for _RESPONSE */
};

/* "URL EXTRAS" into line. False if it is too long or holds a CR, LF or NUL. */
bool url_rewrite_line(struct str url, struct str extras, struct buf *line);

/* method is the client's, for the message. policy NULL: bypass. */
void url_rewrite_read(const struct helper_reply *reply, struct str method,
                      const struct url_rewrite_policy *policy, struct url_rewrite_verdict *out);

#endif
