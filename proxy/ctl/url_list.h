/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/url_list.h: the URLs that a file names, each once, in its order. Understood are a
 * sitemap (sitemaps.org: <loc> elements), an access log (Squid's own, common and combined format:
 * what was asked for by GET) and plain lists, a URL a line. What is none of these is passed over,
 * and so is a URL with white space or control characters in it. Fragments are left out.
 * Threads: one. */
#ifndef PROXY_CTL_URL_LIST_H
#define PROXY_CTL_URL_LIST_H
#include <stddef.h>

#include "lib/base/str.h"

enum {
	URL_LIST_MAX_BYTES = 256 << 20, /* of a file */
	URL_LIST_MAX_URL_BYTES = 16384, /* longer ones are passed over */
};

struct url_list {
	char **urls;
	size_t n, room_;
	uint64_t *seen_; /* hashes, open addressing; a power of two, at most half full */
	size_t nseen_, seen_room_;
};

void url_list_init(struct url_list *list);
void url_list_fini(struct url_list *list);

/* text: a whole file. site: "http://HOST[:PORT]", what stands before a path in a log that has none;
 * empty: such lines are passed over. */
void url_list_read(struct url_list *list, struct str text, struct str site);

#endif
