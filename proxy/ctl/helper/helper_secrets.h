/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/helper_secrets.h: what a recording must not hold. Passwords, tokens and hashes
 * of passwords are replaced by `{hashed:HEX}`: PBKDF2 with the recording's salt, so that equal
 * secrets can be told to be equal, and guessing one costs something. Each kind has its places; all
 * kinds have values of pairs (password=, token=, ha1= ...). Threads: one at a time for each struct.
 */
#ifndef PROXY_CTL_HELPER_SECRETS_H
#define PROXY_CTL_HELPER_SECRETS_H
#include <stdint.h>

#include "lib/base/buf.h"

enum {
	SECRETS_SALT_BYTES = 16,
	SECRETS_MAX_WORD = 31, /* of a question that may be named as secret, from 1 */
	SECRETS_MEMO = 256,    /* secrets whose hash is remembered: a hash takes milliseconds */
	SECRETS_HEX = 32,
};

struct secrets_place; /* helper_secrets.c: where a kind has its secrets */

struct secrets {
	const struct secrets_place *place;
	uint32_t words; /* of questions: bit n stands for the n-th word */
	unsigned char salt[SECRETS_SALT_BYTES];
	struct secrets_memo {
		char *secret; /* NULL: empty */
		size_t len;
		char hex[SECRETS_HEX + 1];
	} memo[SECRETS_MEMO];
};

/* kind: as `--kind` has it. more_words: like words, besides those that the kind has. */
void secrets_init(struct secrets *secrets, const char *kind, uint32_t more_words);
void secrets_fini(struct secrets *secrets);

/* Appends the line with its secrets hashed to out; how many there were. Lines lack the channel id
 * and LF. */
unsigned secrets_hide_question(struct secrets *secrets, struct str question, struct buf *out);
unsigned secrets_hide_answer(struct secrets *secrets, struct str answer, struct buf *out);

/* The hash of one secret, without braces: SECRETS_HEX digits, valid until the next call. */
const char *secrets_hash(struct secrets *secrets, struct str secret);

/* Appends question with each {hashed:HEX} replaced by what find says for HEX. False: find knew one
 * of them not (returned NULL). */
bool secrets_restore(struct str question, const char *(*find)(void *user, struct str hex),
                     void *user, struct buf *out);

#endif
