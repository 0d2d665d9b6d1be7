/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/tls_files.h: the files that the TLS options of a line name, found and read:
 * certificates with their keys, CAs, revocation lists.
 *
 * tls-cert-dir=DIR (ours) takes what ACME clients leave: in DIR, and in each folder in it,
 *     NAME.pem                       certificate, chain and key in one, or with NAME.key beside it
 *     NAME.crt NAME.key              (lego)
 *     fullchain.pem privkey.pem      (certbot)
 *     fullchain.cer *.key            (acme.sh)
 * in the order of their names. Everything lies in the arena given. One thread's while made. */
#ifndef SQUID_COMPAT_TLS_FILES_H
#define SQUID_COMPAT_TLS_FILES_H
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "squid-compat/world.h"

struct tls_options;

enum { TLS_MAX_FILE_BYTES = 4 << 20 };

struct tls_file {
	struct str path;  /* with a NUL behind it; STR_NONE: there is none */
	struct str bytes; /* empty if error */
	int error;        /* errno of reading it */
};

struct tls_pair_files {
	struct tls_file cert, key, ocsp;
	struct str password; /* of the key, with a NUL behind it; STR_NONE: none was told */
	struct tls_pair_files *next;
};

struct tls_files {
	struct tls_pair_files *pairs; /* in their order; those of tls-cert-dir last */
	struct tls_file *cas;         /* clientca= first */
	size_t ncas;
	struct tls_file crl;
	struct str cert_dir; /* as of the options */
	int dir_error;       /* errno of listing it */
};

/* Which files there are, and what is in them. A file of tls-cert-dir without a key is left out. */
void tls_files_read(const struct tls_options *options, const struct world *world,
                    struct arena *arena, struct tls_files *out);

/* A number that changes when one of the files does, or comes, or goes; by stat(2), so for the
 * system's world only. */
uint64_t tls_files_stamp(const struct tls_options *options, struct arena *scratch);

#endif
