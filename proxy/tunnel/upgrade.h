/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tunnel/upgrade.h: what is offered to an origin in Upgrade, and whether its 101 is an answer
 * to that. RFC 9110 §7.8; Squid: http_upgrade_request_protocols. Threads: any. */
#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H
#include <stdbool.h>

#include "lib/base/str.h"

struct acl_facts;
struct arena;
struct buf;
struct http_head;
struct http_request;
struct upgrade_rules;

/* May the request offer anything at all? One of HTTP/1.0, with a body, or whose Connection does not
 * name Upgrade may not: two servers could see its end in two places. */
bool upgrade_is_asked(const struct http_request *request);

/* Those of the offered protocols that the rules allow, joined by ", ", in the arena; empty: none.
 * An Upgrade that is no list of protocols offers none. */
struct str upgrade_offer(const struct http_request *request, const struct upgrade_rules *rules,
                         struct acl_facts *facts, struct arena *arena);

/* Does a 101 with that head take up what was offered, and nothing else? key: of a WebSocket
 * handshake that began here (websocket.h); STR_NONE: the client judges that. */
bool upgrade_is_confirmed(const struct http_head *answer, struct str offered, struct str key);

/* The lines of a 101's head that are for the client, without Connection. is_http2: RFC 8441 §5,
 * without what belongs to the handshake of HTTP/1. */
void upgrade_write_head(const struct http_head *answer, bool is_http2, struct buf *out);

#endif
