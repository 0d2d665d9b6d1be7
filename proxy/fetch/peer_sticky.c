/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_sticky.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "squid-compat/peers.h"

enum { VALUE_BYTES = 17 };

static void write_value(const struct peer *peer, char out[VALUE_BYTES])
{
	snprintf(out, VALUE_BYTES, "%016" PRIx64, hash_str(peer->name, 0));
}

/* RFC 6265 §4.2.1: NAME=VALUE; NAME=VALUE */
static bool has_pair(struct str cookies, struct str name, struct str value)
{
	struct str pair;

	while (str_split(&cookies, ';', &pair)) {
		size_t equals;

		pair = str_trim(pair);
		equals = str_find_char(pair, '=');
		if (str_eq(str_first(pair, equals), name) &&
		    str_eq(str_from(pair, equals + 1), value))
			return true;
	}
	return false;
}

bool peer_sticky_has(const struct peer *peer, const struct http_head *head)
{
	const struct http_field *field = NULL;
	char value[VALUE_BYTES];

	if (!peer->sticky.at || !http_has(head, FIELD_COOKIE))
		return false;
	write_value(peer, value);
	while ((field = http_find_next(head, FIELD_COOKIE, field)))
		if (has_pair(http_field_value(head, field), peer->sticky, str_of(value)))
			return true;
	return false;
}

void peer_sticky_add(const struct peer *peer, bool is_secure, struct buf *out)
{
	char value[VALUE_BYTES];

	write_value(peer, value);
	buf_printf(out, "Set-Cookie: %.*s=%s; Path=/; HttpOnly; SameSite=Lax%s\r\n",
		   STR_ARG(peer->sticky), value, is_secure ? "; Secure" : "");
}
