/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/directives/directives_internal.h: what the files that hold the rows of the table
 * share. */
#ifndef SQUID_COMPAT_DIRECTIVES_INTERNAL_H
#define SQUID_COMPAT_DIRECTIVES_INTERNAL_H
#include <stddef.h>
#include <stdint.h>

#include "squid-compat/config.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/reading.h"

/* clang-format off */
/* A slot, which must have the type that its handler writes: an array of -1 says that it has not. */
#define SLOT_OF(field, type) \
	(offsetof(struct config, field) + \
	 0 * sizeof(char[_Generic(((struct config *)0)->field, type : 1, default : -1)]))
/* clang-format on */

#define ON_OFF(field) .parse = parse_on_off, .slot = SLOT_OF(field, bool)
#define TIME_MS(field) .parse = parse_time, .slot = SLOT_OF(field, int64_t)
#define SIZE_BYTES(field) .parse = parse_size, .slot = SLOT_OF(field, int64_t)
#define BOUNDED_BYTES(field) .parse = parse_bounded_size, .slot = SLOT_OF(field, int64_t)
#define SIZE_KB_BYTES(field) .parse = parse_size_kb, .slot = SLOT_OF(field, int64_t)
#define PERCENT(field) .parse = parse_percent, .slot = SLOT_OF(field, int)
#define NUMBER(field, least, most)                                                                 \
	.parse = parse_int, .slot = SLOT_OF(field, int), .min = (least), .max = (most)
#define TEXT(field) .parse = parse_text, .slot = SLOT_OF(field, const char *)
#define REST(field) .parse = parse_rest, .slot = SLOT_OF(field, const char *)
#define WORDS(field) .parse = parse_words, .slot = SLOT_OF(field, struct config_words)
#define CHOICE(field, words)                                                                       \
	.parse = parse_choice, .choices = (words), .slot = SLOT_OF(field, unsigned)
#define ACCESS(field) .parse = parse_access, .slot = SLOT_OF(field, struct access_list *)
#define FAST_ACCESS(field) .parse = parse_fast_access, .slot = SLOT_OF(field, struct access_list *)
#define HEADERS(field, handler)                                                                    \
	.parse = parse_header_##handler, .slot = SLOT_OF(field, struct header_rules *)
#define REWRITE(field, handler)                                                                    \
	.parse = parse_rewrite_##handler, .slot = SLOT_OF(field, struct rewrite_config *)

/* Each ends with a row without a name. */
extern const struct directive directives_access[];  /* who may do what, and who one is */
extern const struct directive directives_cache[];   /* what is kept, where, how long */
extern const struct directive directives_forward[]; /* what only forward proxies do */
extern const struct directive directives_gone[];    /* what Squid has dropped */
extern const struct directive directives_message[]; /* requests, replies, error pages */
extern const struct directive directives_network[]; /* ports, peers, connections, names */
extern const struct directive directives_program[]; /* the process, its logs and helpers */
extern const struct directive directives_unused[];  /* what has no effect here, by design */

#endif
