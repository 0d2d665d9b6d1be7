/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/translate.h: what directives that Squid has dropped say, in those of today.
 *
 * Used twice: to honour them while a file is read, and by `bobtailctl explain --upgrade`, which
 * writes the lines. One thread's. */
#ifndef SQUID_COMPAT_TRANSLATE_H
#define SQUID_COMPAT_TRANSLATE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

/* ---- a line by itself ---- */

/* Appends the lines that say the same, each with its LF, to out; none if there is nothing to say.
 * False: the directive has no such translation, and nothing was added. */
bool translate_line(const struct words *words, struct buf *out);

/* ---- httpd_accel_*: Squid 2.5's accelerator, spread over several lines ---- */

struct httpd_accel {
	bool is_said;     /* httpd_accel_host is there: nothing happens without it */
	char host[256];   /* "virtual": each request says its own */
	uint16_t port;    /* of the origin, and of the URLs; 0: the one that was connected to */
	bool uses_host;   /* httpd_accel_uses_host_header: the Host field makes the URL */
	bool is_single;   /* httpd_accel_single_host */
	bool with_proxy;  /* httpd_accel_with_proxy */
};

void httpd_accel_init(struct httpd_accel *accel); /* as without any line */

/* One line of the family; what is wrong with it is said to report. */
void httpd_accel_parse(struct httpd_accel *accel, const struct words *words,
		       struct report *report);

/* The Host field of a request chooses the site. */
bool httpd_accel_is_virtual(const struct httpd_accel *accel);

/* What stands behind the address of http_port, with a blank in front: " accel defaultsite=…". */
void httpd_accel_port_options(const struct httpd_accel *accel, struct buf *out);

/* The cache_peer line of the origin, without LF; nothing if each request names its own. */
void httpd_accel_peer_line(const struct httpd_accel *accel, struct buf *out);

/* ---- cache_peer_domain PEER [!]DOMAIN...: which sites a peer gets ---- */

struct peer_domain {
	struct str domain; /* ".example.com": those below it too */
	bool is_negated;
};

/* As Squid 3.4 reads the domains of a peer: the first that matches decides, and if none does, the
 * opposite of the last. Appends `acl` lines, whose names begin with acl_prefix, and
 * `cache_peer_access PEER deny` lines; together with further ones of that peer behind them, they
 * let pass what both do. */
void translate_peer_domains(struct str peer, struct str acl_prefix,
			    const struct peer_domain *domains, size_t n, struct buf *out);

#endif
