/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/ban_lines.h: ban (ours): which addresses are shut out for a while, and for what.
 *
 *     ban NAME auth-failures N WINDOW DURATION
 *     ban NAME acl N WINDOW DURATION [!]ACL...
 *
 * Threads: built by one, immutable and shared after that. Strings lie in the arena given. */
#ifndef SQUID_COMPAT_BAN_LINES_H
#define SQUID_COMPAT_BAN_LINES_H
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct acl_condition;
struct acl_set;

enum { BAN_MAX_LINES = 64, BAN_NAME_MAX_BYTES = 31 };

struct ban_line {
	struct list node;
	struct str name; /* [A-Za-z0-9_.-]{1,31} */
	unsigned n;      /* so many within the window, and the address is banned */
	int64_t window_ms, duration_ms;
	struct acl_condition *condition; /* NULL: auth-failures */
};

struct ban_lines {
	struct list all; /* struct ban_line, in the order of the file */
	unsigned n;
	struct arena *arena_;
};

void ban_lines_init(struct ban_lines *lines, struct arena *arena);
void ban_lines_fini(struct ban_lines *lines);

/* A line, whole. What is wrong with it is said to report. */
void ban_lines_parse(struct ban_lines *lines, struct acl_set *set, const struct words *words,
                     struct report *report);

#endif
