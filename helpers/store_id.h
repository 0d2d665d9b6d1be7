/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/store_id.h: what the answer of a store_id_program means. It is asked as url_rewrite.h
 * says.
 *     answer: OK store-id=KEY | OK, ERR or nothing (the URL is the key)
 * Whatever is wrong with an answer leaves the URL as the key, with a sentence for the log.
 * Threads: pure functions. */
#ifndef HELPERS_STORE_ID_H
#define HELPERS_STORE_ID_H
#include "helpers/line.h"
#include "lib/base/err.h"

enum { STORE_ID_MAX_BYTES = 32768 };

/* The key, in the reply's line; at NULL: the URL. complaint is "" when there is nothing to say. */
struct str store_id_read(const struct helper_reply *reply, struct err_text *complaint);

#endif
