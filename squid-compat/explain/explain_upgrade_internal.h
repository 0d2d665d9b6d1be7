/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/explain/explain_upgrade_internal.h: what the files of explain --upgrade share. */
#ifndef SQUID_COMPAT_EXPLAIN_UPGRADE_INTERNAL_H
#define SQUID_COMPAT_EXPLAIN_UPGRADE_INTERNAL_H
#include "squid-compat/explain/explain_internal.h"

/* One line being written anew. */
struct upgrading {
	const struct explanation *explanation;
	const struct explain_line *line;
	struct buf *out;
	const char *why;
};

/* The next line of a directive at i or behind it; NULL: none. *i is its place. */
const struct explain_line *upgrade_next(const struct explanation *explanation, const char *name,
					size_t *i);

/* explain_upgrade_lines.c: lines whose words have other names today. False: it may stay, and
 * nothing was added to out. */
bool upgrade_port(struct upgrading *upgrading);
bool upgrade_peer(struct upgrading *upgrading);
bool upgrade_acl(struct upgrading *upgrading);
bool upgrade_refresh_pattern(struct upgrading *upgrading);
bool upgrade_access_log(struct upgrading *upgrading);
bool upgrade_flag(struct upgrading *upgrading);

/* explain_upgrade_old.c: directives that Squid has dropped, and those that they change. */
bool upgrade_translated(struct upgrading *upgrading);
bool upgrade_peer_access(struct upgrading *upgrading);
bool upgrade_children(struct upgrading *upgrading);
/* What httpd_accel_* make of an http_port: options with a blank in front; false: nothing. */
bool upgrade_accel_options(const struct explanation *explanation, struct buf *out);
/* emulate_httpd_log is on. */
bool upgrade_logs_are_common(const struct explanation *explanation);

#endif
