/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/log/access_log.h: access_log lines: where records go, in which format, which of
 * them. Squid: cf.data.pre, access_log.
 *
 *     access_log MODULE:PLACE [option=value ...] [acl ...]
 *     access_log PLACE [FORMATNAME [acl ...]]
 *     access_log none [acl ...]
 * Memory: the arena's, but for the conditions, which access_logs_fini frees. One thread's while
 * parsing, immutable afterwards. */
#ifndef SQUID_COMPAT_ACCESS_LOG_H
#define SQUID_COMPAT_ACCESS_LOG_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct acl_condition; /* squid-compat/acl/acl.h */
struct acl_set;       /* squid-compat/acl/acl.h */

enum access_log_module {
	ACCESS_LOG_STDIO,
	ACCESS_LOG_DAEMON,
	ACCESS_LOG_SYSLOG,
	ACCESS_LOG_UDP,
	ACCESS_LOG_TCP,
	ACCESS_LOG_NONE, /* what matches is not logged by later lines */
	ACCESS_LOG_MODULES
};

struct access_log {
	enum access_log_module module;
	struct str place;     /* behind "MODULE:", a path or HOST:PORT; with a NUL behind it */
	int priority;         /* of syslog: facility | severity, as syslog(3) has them */
	const struct logformat_name *format; /* NULL for none */
	bool names_format;
	size_t buffer_bytes;
	bool drops_on_error;  /* on-error=drop; else an error ends the program */
	int rotate;           /* rotate=N; -1: logfile_rotate */
	struct acl_condition *condition; /* all ACLs of the line; NULL: it always holds */
	struct access_log *next;
};

struct access_logs {
	const char *directive; /* whose lines they are */
	struct access_log *first;
	unsigned n; /* 0: no line at all, the default applies (access_logs_add_default) */
	/* private */
	struct access_log **last_;
	struct arena *arena_;
	const struct logformats *formats_;
	struct acl_set *acls_;
};

/* The whole of it, as a configuration holds it. */
struct log_config {
	struct logformats formats;
	struct access_logs logs;
	struct access_logs keys; /* tls_key_log: at most one line, whose format is not asked for */
};

/* What formats and acls hold when a line is read is known to it; all three must stay. */
void access_logs_init(struct access_logs *logs, const char *directive, struct arena *arena,
		      const struct logformats *formats, struct acl_set *acls);
void access_logs_fini(struct access_logs *logs); /* before the acl_set goes */
void access_logs_parse(struct access_logs *logs, const struct words *words, struct report *report);
/* tls_key_log MODULE:PLACE [option=value ...] [if acl ...]; Squid: cf.data.pre, tls_key_log. */
void access_logs_parse_keys(struct access_logs *logs, const struct words *words,
			    struct report *report);
/* emulate_httpd_log on: lines that name no format have "common". When the file has been read. */
void access_logs_emulate_httpd(struct access_logs *logs);
/* daemon:PATH squid, as Squid does when no line is there. */
void access_logs_add_default(struct access_logs *logs, struct str path);

#endif
