/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/acme_challenge.h: acme_challenge_dir (ours): the files by which an ACME client
 * shows that a site is its own, RFC 8555 §8.3: /.well-known/acme-challenge/TOKEN is DIR/TOKEN.
 *
 * Threads: any. It reads a small file that was just written: the one place where a worker asks the
 * file system itself. */
#ifndef PROXY_ACME_CHALLENGE_H
#define PROXY_ACME_CHALLENGE_H
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum { ACME_MAX_BYTES = 4096 };

/* path: of the URL. True: it names a challenge that is there, and its bytes were added to out.
 * Names of other characters than tokens have, links and all but small plain files are never
 * read. */
bool acme_challenge_read(const char *dir, struct str path, struct buf *out);

#endif
