/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/report.h: everything a configuration file has to be told, collected in one run.
 *
 * The parser sets where it stands; whoever handles a directive says what is wrong with it and goes
 * on. Messages are kept in order and printed at the end (report_print). Beside
 * the lines that were read, at most REPORT_MAX_MESSAGES are kept, and as many that are fatal beyond
 * those; all are counted. One thread's. */
#ifndef SQUID_COMPAT_REPORT_H
#define SQUID_COMPAT_REPORT_H
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/str.h"

enum { REPORT_MAX_MESSAGES = 20000 };

enum report_class {
	REPORT_NOTE,    /* worth knowing: no effect here, translated, ... */
	REPORT_HARMLESS, /* a note: a part of the line has no effect, and nobody misses it */
	REPORT_UNMET,    /* a note: a part of the line does not do yet what it says */
	REPORT_IGNORED,  /* a warning: a part of the line, or all of it, is ignored */
	REPORT_WARNING, /* works, though perhaps not as meant */
	REPORT_ERROR,   /* the line or a part of it is ignored; the start goes on (as in Squid) */
	REPORT_UNRECOGNIZED,   /* an unknown directive: the exit status counts these */
	REPORT_FATAL,          /* the configuration cannot be used (Squid: Bungled) */
	REPORT_FATAL_AT_START, /* a start would fail, yet -k parse only says so (as in Squid) */
	REPORT_FILE,           /* "Processing Configuration File: F (depth N)" */
	REPORT_LINE,           /* "Processing: LINE" */
	REPORT_CLASSES
};

struct report_message {
	enum report_class what;
	const char *file; /* NULL: about the whole */
	int line;
	const char *included_from; /* "" or " included from F line N ..." */
	const char
		*directive_line; /* the text of the line, for Squid's "Bungled FILE line N: TEXT" */
	const char *text;        /* may be empty */
};

struct report; /* opaque */

struct report *report_create(void);
void report_destroy(struct report *report);

/* The place that following messages are about; file NULL: the whole. Texts are copied. */
void report_at(struct report *report, const char *file, int line, const char *directive_line);

/* What follows the line's number in Squid's "included from"; NULL or "": nothing. */
void report_included_from(struct report *report, const char *included_from);

/* The place that messages are about now; *file NULL: the whole. Borrowed until report_at. */
void report_place(const struct report *report, const char **file, int *line);

/* "FILE:LINE: TEXT", with the place that messages are about now. The caller frees it. */
char *report_copy_line(const struct report *report, struct str text);

/* The sentence, without class, file or line. */
void report_say(struct report *report, enum report_class what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* How many were said of that class, kept or not. */
size_t report_count(const struct report *report, enum report_class what);
/* So many lines cannot be used that reading on is of no use. */
bool report_is_hopeless(const struct report *report);
size_t report_nmessages(const struct report *report);
const struct report_message *report_message(const struct report *report, size_t i);

/* 1 when anything is fatal, else the number of unrecognized lines (at most 255), else 0. */
int report_exit_status(const struct report *report, bool is_start);

/* Each message as Squid words it, one call of line for each line (no newline in it). */
typedef void report_line_fn(void *user, const char *line);
void report_print(const struct report *report, report_line_fn *line, void *user);

#endif
