/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tunnel/websocket.h"

#include <gnutls/crypto.h>

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/random.h"

enum { KEY_BYTES = 16, SHA1_BYTES = 20, KEY_MAX_BYTES = 64 };

/* base64 of bytes into exactly len characters. */
static void encode(const void *bytes, size_t nbytes, char *out, size_t len)
{
	struct buf text;

	buf_init(&text, len);
	base64_add(&text, (struct str){bytes, nbytes});
	check(text.len == len && !text.is_full);
	memcpy(out, text.at, len);
	buf_fini(&text);
}

void websocket_make_key(char out[WEBSOCKET_KEY_LEN])
{
	unsigned char bytes[KEY_BYTES];

	random_fill(bytes, sizeof(bytes));
	encode(bytes, sizeof(bytes), out, WEBSOCKET_KEY_LEN);
}

bool websocket_accepts(struct str key, struct str accept)
{
	static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[KEY_MAX_BYTES + sizeof(suffix)], wanted[WEBSOCKET_ACCEPT_LEN];
	unsigned char digest[SHA1_BYTES];

	if (key.len > KEY_MAX_BYTES)
		return false;
	memcpy(text, key.at, key.len);
	memcpy(text + key.len, suffix, sizeof(suffix) - 1);
	if (gnutls_hash_fast(GNUTLS_DIG_SHA1, text, key.len + sizeof(suffix) - 1, digest) != 0)
		return false;
	encode(digest, sizeof(digest), wanted, sizeof(wanted));
	return str_eq(accept, (struct str){wanted, sizeof(wanted)});
}
