/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/digest_fields.h: what stands in `Authorization: Digest ...`. RFC 7616 §3.4, RFC 9110
 * §11.4. Threads: pure functions. */
#ifndef HELPERS_DIGEST_FIELDS_H
#define HELPERS_DIGEST_FIELDS_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum {
	DIGEST_MAX_BYTES = 32768, /* of the field's value */
	DIGEST_HASH_CHARS = 64,   /* of a hash in hex, at most */
};

enum digest_algorithm {
	DIGEST_MD5,
	DIGEST_SHA256,
	DIGEST_ALGORITHMS
};

/* Texts lie in the bytes that digest_fields_read was given, without quotes; empty: not said. */
struct digest_fields {
	enum digest_algorithm algorithm;
	struct str username, realm, nonce, uri, cnonce;
	struct str nc_text; /* eight hex digits, as it came */
	uint32_t nc;        /* 0: neither qop nor nc was said (RFC 2069) */
	char response[DIGEST_HASH_CHARS]; /* as long as the algorithm's hash, lower case */
};

/* How many hex digits a hash has. */
size_t digest_hash_chars(enum digest_algorithm algorithm);
/* "MD5" */
const char *digest_algorithm_name(enum digest_algorithm algorithm);

/* value: of the field, copied into bytes (value.len of them) and taken apart there. False, with out
 * undefined: it is not Digest, it is broken, something comes twice or lacks, or it uses what is
 * never offered: algorithms but MD5 and SHA-256 (sessions too), qop but auth, userhash, username*,
 * control bytes in a value, a username with quotes in it (no helper could tell its end). */
bool digest_fields_read(struct str value, char *bytes, struct digest_fields *out);

#endif
