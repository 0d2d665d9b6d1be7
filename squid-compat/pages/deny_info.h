/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/pages/deny_info.h: deny_info lines: what a denied client gets instead of 403. Squid:
 * cf.data.pre, deny_info.
 *
 *     deny_info [NNN:]TEMPLATE | [3NN:]URL | TCP_RESET   ACL ...
 * The line is found by the last ACL that was checked on the rule that denied.
 * Memory: the arena's. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_DENY_INFO_H
#define SQUID_COMPAT_DENY_INFO_H
#include "lib/base/arena.h"
#include "squid-compat/pages/error_page.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

enum deny_kind {
	DENY_PAGE,     /* page, with status */
	DENY_REDIRECT, /* to url */
	DENY_RESET,    /* TCP_RESET: the connection is reset without a byte */
};

struct deny_info {
	enum deny_kind kind;
	int status;      /* 0: not said. See deny_info_status */
	struct str spec; /* as written: what X-Squid-Error says of a page with a status */
	struct str page_name;
	const struct error_template *page; /* set by deny_infos_resolve */
	struct str url;  /* with %-codes */
	struct deny_acl {
		struct str name;
		struct deny_acl *next;
	} *acls;
	struct deny_info *next;
};

struct deny_infos {
	struct deny_info *first;
	/* private */
	struct deny_info **last_;
	struct arena *arena_;
};

void deny_infos_init(struct deny_infos *infos, struct arena *arena);
/* deny_info PAGE|URL ACL...; what is wrong is said to report. */
void deny_infos_parse(struct deny_infos *infos, const struct words *words, struct report *report);
/* When the whole file has been read: finds (or reads) the pages that lines name. */
void deny_infos_resolve(struct deny_infos *infos, struct error_pages *pages,
			struct report *report);

/* The first line that names the ACL (without case); NULL: none. */
const struct deny_info *deny_infos_find(const struct deny_infos *infos, struct str acl);

/* The status to send for a request: pages 403 if not said; redirects 302, or 307 for methods other
 * than GET and HEAD on HTTP/1.1. */
int deny_info_status(const struct deny_info *info, enum http_method method, int minor);

/* The Location of a redirect: codes expanded, HTML-quoted, then URL-escaped (%R is not). */
void deny_info_location(const struct deny_info *info, const struct error_pages *pages,
			const struct error_facts *facts, struct buf *out);

/* The value of X-Squid-Error: "403 Access Denied" for a redirect, "404:ERR_X 0" for a page. */
void deny_info_error_value(const struct deny_info *info, struct buf *out);

#endif
