/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/peers_internal.h: what reads a cache_peer line (peers.c) and what reads its options
 * (peer_options.c, peer_checks.c) share. */
#ifndef SQUID_COMPAT_PEERS_INTERNAL_H
#define SQUID_COMPAT_PEERS_INTERNAL_H
#include "squid-compat/peers.h"

enum { PEER_CONNECT_FAIL_LIMIT = 10 }; /* Squid's default */

/* One line being read. */
struct reading_peer {
	struct peers *peers;
	struct peer *peer;
	struct report *report;
	struct str word, name, value; /* the current option, and its parts */
	bool has_value;
	bool is_tls_off; /* tls-disable */
};

/* A copy that lives as long as the peers, with a NUL behind it. */
struct str peer_keep(struct reading_peer *reading, struct str text);

/* Says that the current option's value is none, which is fatal. */
void peer_bad_value(struct reading_peer *reading);

/* The value as a number from min to max; otherwise false, said, and *out untouched. */
bool peer_read_number(struct reading_peer *reading, unsigned min, unsigned max, unsigned *out);

/* One word behind the ports. */
void peer_read_option(struct reading_peer *reading, struct str word);

/* ---- peer_checks.c: the options that begin with health and monitor */
bool peer_read_check_option(struct reading_peer *reading); /* false: it is none of them */
void peer_finish_check(struct reading_peer *reading);

#endif
