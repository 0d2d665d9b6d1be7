/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/control/control_words.h: words in one line of the control socket: apart by one SP, bytes up
 * to 0x20, 0x7f and '%' as %XX, so that a word may hold anything. Pure; any thread. */
#ifndef PROXY_CONTROL_WORDS_H
#define PROXY_CONTROL_WORDS_H
#include "lib/base/buf.h"

/* Behind what is there, with a SP if there is something. An empty word is "%". */
void control_words_add(struct buf *line, struct str word);

/* The next word of *rest, decoded into out (of at least rest->len bytes); false: there is none, or
 * it is malformed. */
bool control_words_next(struct str *rest, char *out, struct str *word);

#endif
