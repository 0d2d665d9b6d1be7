/* SPDX-License-Identifier: BSD-2-Clause */
/* The secrets of a session as lines of SSLKEYLOGFILE: LABEL SP CLIENT-RANDOM SP SECRET LF, in hex.
 * RFC 9850. */
#include "lib/net/tls_internal.h"

#include "lib/base/buf.h"

enum { LINE_MAX_BYTES = 1024 };

static void add_hex(struct buf *line, const gnutls_datum_t *bytes)
{
	for (unsigned i = 0; i < bytes->size; i++)
		buf_printf(line, "%02x", bytes->data[i]);
}

/* GnuTLS's labels are those of the format. */
static int hear(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
	const struct tls_side *side = gnutls_session_get_ptr(session);
	gnutls_datum_t client, server;
	struct buf line;

	gnutls_session_get_random(session, &client, &server);
	buf_init(&line, LINE_MAX_BYTES);
	buf_printf(&line, "%s ", label);
	add_hex(&line, &client);
	buf_add_char(&line, ' ');
	add_hex(&line, secret);
	if (buf_add_char(&line, '\n'))
		side->keys.add(side->keys.owner, buf_str(&line));
	gnutls_memset(line.at, 0, line.len);
	buf_fini(&line);
	return 0;
}

void tls_session_log_keys(gnutls_session_t session)
{
	const struct tls_side *side = gnutls_session_get_ptr(session);

	gnutls_session_set_keylog_function(session, side->keys.add ? hear : NULL);
}
