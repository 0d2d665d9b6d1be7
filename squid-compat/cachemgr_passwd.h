/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/cachemgr_passwd.h: cachemgr_passwd lines: who may ask for which action of the cache
 * manager. Squid: cf.data.pre, cachemgr_passwd.
 *
 *     cachemgr_passwd PASSWORD|disable|none ACTION...
 * The first line that names the action, or "all", counts. Memory: the arena's. One thread's while
 * parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_CACHEMGR_PASSWD_H
#define SQUID_COMPAT_CACHEMGR_PASSWD_H
#include <stdbool.h>

#include "lib/base/arena.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

enum cachemgr_protection {
	CACHEMGR_PUBLIC,
	CACHEMGR_PROTECTED, /* by a password */
	CACHEMGR_HIDDEN,    /* needs a password, and there is none: cannot be asked for */
	CACHEMGR_DISABLED,
};

struct cachemgr_line;

struct cachemgr_passwds {
	struct cachemgr_line *first;
	/* private */
	struct cachemgr_line **last_;
	struct arena *arena_;
};

void cachemgr_passwds_init(struct cachemgr_passwds *passwds, struct arena *arena);
/* cachemgr_passwd PASSWORD ACTION...; what is wrong is said to report. */
void cachemgr_passwds_parse(struct cachemgr_passwds *passwds, const struct words *words,
			    struct report *report);

/* needs_password: without a line for it, the action is hidden. */
enum cachemgr_protection cachemgr_protection(const struct cachemgr_passwds *passwds,
					     struct str action, bool needs_password);
/* "public", "protected", "hidden", "disabled", as the manager's menu shows it. */
const char *cachemgr_protection_name(enum cachemgr_protection protection);

/* Is it the password of a protected action? Takes as long for a wrong one. */
bool cachemgr_password_is(const struct cachemgr_passwds *passwds, struct str action,
			  struct str password);

#endif
