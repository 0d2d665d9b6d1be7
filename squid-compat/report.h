/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/report.h: everything a configuration file has to be told, collected in one run.
 *
 * The parser sets where it stands; whoever handles a directive says what is wrong with it and goes
 * on. Messages are kept in order; nothing is printed here. One thread's. */
#ifndef SQUID_COMPAT_REPORT_H
#define SQUID_COMPAT_REPORT_H
#include <stdbool.h>
#include <stddef.h>

enum report_class {
	REPORT_NOTE,         /* worth knowing: no effect here, translated, ... */
	REPORT_WARNING,      /* works, though perhaps not as meant */
	REPORT_ERROR,        /* the line or a part of it is ignored; the start goes on (as in Squid) */
	REPORT_UNRECOGNIZED, /* an unknown directive: the exit status counts these */
	REPORT_FATAL,        /* the configuration cannot be used (Squid: Bungled) */
	REPORT_CLASSES
};

struct report_message {
	enum report_class what;
	const char *file; /* NULL: about the whole */
	int line;
	const char *directive_line; /* the text of the line, for Squid's "Bungled FILE line N: TEXT" */
	const char *text;
};

struct report; /* opaque */

struct report *report_create(void);
void report_destroy(struct report *report);

/* The place that following messages are about; file NULL: the whole. Texts are copied. */
void report_at(struct report *report, const char *file, int line, const char *directive_line);

/* The sentence, without class, file or line. */
void report_say(struct report *report, enum report_class what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

size_t report_count(const struct report *report, enum report_class what);
size_t report_nmessages(const struct report *report);
const struct report_message *report_message(const struct report *report, size_t i);

#endif
