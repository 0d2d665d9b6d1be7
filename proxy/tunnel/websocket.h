/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/tunnel/websocket.h: the two fields by which a WebSocket server shows that it is one (RFC
 * 6455 §1.3, §4.1), for handshakes that begin here: HTTP/2 has none of its own. Threads: any. */
#ifndef PROXY_WEBSOCKET_H
#define PROXY_WEBSOCKET_H
#include <stdbool.h>

#include "lib/base/str.h"

enum { WEBSOCKET_KEY_LEN = 24, WEBSOCKET_ACCEPT_LEN = 28 };

/* A Sec-WebSocket-Key that nobody guesses. out is not terminated. */
void websocket_make_key(char out[WEBSOCKET_KEY_LEN]);

/* Is that the Sec-WebSocket-Accept that belongs to the key? */
bool websocket_accepts(struct str key, struct str accept);

#endif
