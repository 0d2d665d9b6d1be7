/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/tls_outgoing.h: TLS towards servers: of one cache_peer, or of fetches without a
 * peer (tls_outgoing_options opt=val...|disable).
 *
 * Everything lies in the arena given. One thread's while parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_TLS_OUTGOING_H
#define SQUID_COMPAT_TLS_OUTGOING_H
#include <stdbool.h>

#include "squid-compat/tls/tls_files.h"
#include "squid-compat/tls/tls_options.h"
#include "squid-compat/words.h"

struct tls_outgoing {
	struct tls_options options;
	struct str priorities;  /* of GnuTLS; with a NUL behind it */
	struct tls_files files; /* as they were when the line was read */
	/* Asked for by SNI, and must be in the certificate: ssldomain=, else the peer's host, else,
	 * if that is an address, forceddomain=. STR_NONE: the host of the URL. */
	struct str name;
	bool is_peer;
	bool is_off; /* disable */
};

/* At the end of the line: checks and reads the files, makes the priorities. */
void tls_outgoing_finish(struct tls_outgoing *outgoing, const struct world *world,
			 struct arena *arena, struct report *report);

/* One option; tls_outgoing_finish follows the last. */
void tls_outgoing_take(struct tls_outgoing *outgoing, struct str word, struct arena *arena,
		       struct report *report);

/* One tls_outgoing_options line; a second one adds to the first. */
void tls_outgoing_parse(struct tls_outgoing *outgoing, const struct words *words,
			const struct world *world, struct arena *arena, struct report *report);

#endif
