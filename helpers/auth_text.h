/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_text.h: pieces of text that several schemes write or read. Pure functions. */
#ifndef HELPERS_AUTH_TEXT_H
#define HELPERS_AUTH_TEXT_H
#include "lib/base/buf.h"

/* A quoted-string; quotes and backslashes are escaped (RFC 9110 §5.6.4; Squid sends realms as they
 * are). */
bool auth_add_quoted(struct buf *out, struct str text);

/* What follows the scheme's name in the value of an Authorization field, trimmed. False: it is
 * another scheme. */
bool auth_take_scheme(struct str value, struct str scheme, struct str *rest);

/* Letters, digits and -._~+/ with = at its end only (RFC 9110 §11.2)? */
bool auth_is_token68(struct str text);

#endif
