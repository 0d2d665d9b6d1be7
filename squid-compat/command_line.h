/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/command_line.h: the arguments that squid takes, read as squid reads them. Pure:
 * nothing is printed and nothing is done. */
#ifndef SQUID_COMPAT_COMMAND_LINE_H
#define SQUID_COMPAT_COMMAND_LINE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* In the order in which Squid tries a prefix: "r" is reconfigure, "s" is shutdown. */
enum control_action {
	CONTROL_NONE,
	CONTROL_RECONFIGURE,
	CONTROL_ROTATE,
	CONTROL_DEBUG,
	CONTROL_SHUTDOWN,
	CONTROL_INTERRUPT,
	CONTROL_KILL,
	CONTROL_RESTART,
	CONTROL_CHECK,
	CONTROL_PARSE,
};

struct command_line {
	const char *config_path;     /* -f, the last one; NULL: the built-in default */
	const char *service_name;    /* -n; "squid" when absent */
	int syslog_facility;         /* LOG_DAEMON or the like; Squid's default: LOG_LOCAL4 */
	const char *kid;             /* --kid; NULL: not given */
	enum control_action control; /* -k */
	int stderr_level;    /* -d: messages up to this level go to stderr too; -1: absent */
	bool no_daemon;      /* -N: one process in the foreground */
	bool foreground;     /* --foreground: parent in the foreground */
	bool create_caches;  /* -z */
	bool full_debug;     /* -X */
	bool to_syslog;      /* -s or -l */
	bool wants_version;  /* -v */
	bool wants_help;     /* -h; exit 1, as Squid does */
	bool has_obsolete_d; /* -D: WARNING: -D command-line option is obsolete. */
};

/* Reads argv[1] on. Pointers in *out are borrowed from argv. False: *out is untouched, and why
 * holds Squid's sentence without "FATAL: " (empty for an unknown -k word: show the usage alone). */
bool command_line_parse(int argc, char *const *argv, struct command_line *out,
                        struct err_text *why);

/* The signal of a -k action; 0 for check, -1 for parse and none. */
int control_signal(enum control_action action);

/* What -h shows. */
const char *command_line_usage(void);

#endif
