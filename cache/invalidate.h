/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/invalidate.h: what a successful unsafe request takes out of the cache. RFC 9111 §4.4.
 * Threads: pure function. */
#ifndef CACHE_INVALIDATE_H
#define CACHE_INVALIDATE_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/http/message.h"

enum { INVALIDATE_MAX_URLS = 3, INVALIDATE_MAX_URL_BYTES = 8192 };

/* True when answering with that status says that the target may have changed: 2xx or 3xx to a
 * method that is not known to be safe. */
bool invalidate_is_due(enum http_method method, int status);

/* Absolute URLs, one a line (LF), each once: url itself (scheme://authority/path...), and those of
 * Location and Content-Location with the same origin (scheme and authority), resolved against it.
 * Appends to out; what does not fit is left out. */
void invalidate_urls(struct str url, const struct http_response *response, struct buf *out);

/* Does the response's Content-Location name url itself? (RFC 9110 §8.7) */
bool invalidate_is_own_location(struct str url, const struct http_response *response);

#endif
