/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/limits/ban_table.h: which addresses and prefixes are shut out, until when and why.
 *
 * Looking an address up costs a load while there are no bans, and a load for each length of prefix
 * in use while its bucket is empty, a walk of some entries otherwise. At most BAN_TABLE_MAX
 * entries; ends of bans are wall clock.
 *
 * Threads: any. Looking up takes no lock (an epoch); a leaf lock is held for a change, and for a
 * look along one bucket by who copies. */
#ifndef PROXY_BAN_TABLE_H
#define PROXY_BAN_TABLE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/net/addr.h"
#include "squid-compat/ban_lines.h"

enum { BAN_TABLE_MAX = 65536, BAN_PREFIX_TEXT_BYTES = 64 };

struct ban_table; /* opaque */

/* An address of which the first nbits count, as IPv6 (an IPv4 one is ::ffff:a.b.c.d). */
struct ban_prefix {
	uint8_t ip[16];
	unsigned nbits;
};

struct ban {
	struct ban_prefix prefix;
	int64_t until_s; /* wall clock; INT64_MAX: for good */
	char rule[BAN_NAME_MAX_BYTES + 1]; /* NAME of the ban line, or "manual" */
};

/* What is banned for an address: all of an IPv4 one (and of ::1), the /64 of an IPv6 one. False: it
 * has none. */
bool ban_prefix_of(const struct addr *addr, struct ban_prefix *out);
/* "ADDRESS" (as ban_prefix_of), or "ADDRESS/BITS": IPv4 from /8 on, IPv6 from /16 on. */
bool ban_prefix_parse(struct str text, struct ban_prefix *out);
char *ban_prefix_text(const struct ban_prefix *prefix, char out[BAN_PREFIX_TEXT_BYTES]);

struct ban_table *ban_table_create(void);
void ban_table_destroy(struct ban_table *table); /* accepts NULL */

/* Is addr, or a prefix that it lies in, banned now? */
bool ban_table_has(struct ban_table *table, const struct addr *addr, int64_t now_s);

/* Bans it, or changes the ban that there is. False: the table is full. */
bool ban_table_add(struct ban_table *table, const struct ban *ban);
/* False: it was not banned. */
bool ban_table_remove(struct ban_table *table, const struct ban_prefix *prefix);
/* Takes out what ended. */
void ban_table_sweep(struct ban_table *table, int64_t now_s);

/* Appends the struct ban of all, in no order. */
void ban_table_copy(struct ban_table *table, struct buf *out);

/* ---- for the file that has them
 *
 * The version is a number that grows with each ban that comes or goes: the file is to be written.
 * What follows makes no version by itself. */
uint64_t ban_table_version(const struct ban_table *table);
uint64_t ban_table_next_version(struct ban_table *table); /* makes one */
/* As ban_table_add; but there is room for as many again, which are to be forgotten next. */
bool ban_table_load(struct ban_table *table, const struct ban *ban);
/* Takes out what was last added or loaded at this version or an earlier one. */
void ban_table_forget(struct ban_table *table, uint64_t version);

#endif
