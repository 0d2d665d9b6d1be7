/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/ctl/helper/known_secrets.h: secrets that an operator has, found again by the hashes of a
 * recording. Threads: one. */
#ifndef PROXY_CTL_KNOWN_SECRETS_H
#define PROXY_CTL_KNOWN_SECRETS_H
#include "proxy/ctl/helper/helper_secrets.h"

enum { KNOWN_SECRETS_MAX_BYTES = 64 << 20 }; /* of the file */

struct known_secrets {             /* zeroed: none */
	struct known_secret *rows; /* by hash */
	size_t n;
};

/* A file with one in each line; hashed as secrets does. False: stderr has why. */
bool known_secrets_read(struct known_secrets *known, const char *path, struct secrets *secrets);
void known_secrets_fini(struct known_secrets *known);

/* Appends the question with its secrets to out; false: one of them is not known. */
bool known_secrets_restore(const struct known_secrets *known, struct str question, struct buf *out);

#endif
