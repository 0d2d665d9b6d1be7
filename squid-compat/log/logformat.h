/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/log/logformat.h: Squid's %-language: log lines, helper extras, header values.
 *
 *     %[encoding][-][0][width][.max][{arg}]code[{arg}]
 * A format is compiled once into a list of items and rendered from plain facts (log_facts.h).
 * Compiled formats live in the arena given and are immutable; rendering is pure, any thread. */
#ifndef SQUID_COMPAT_LOGFORMAT_H
#define SQUID_COMPAT_LOGFORMAT_H
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "squid-compat/log/log_facts.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"

struct logformat; /* opaque */

/* The longest thing one code renders: longer values are cut; in a question, which must not be taken
 * for another one, they make the buffer that it is rendered into full (buf.is_full). */
enum { LOGFORMAT_MAX_VALUE = 8192, LOGFORMAT_MAX_ASKED_VALUE = 65536 };

/* NULL: something in it is no code; REPORT_FATAL was said. Codes that are known and cannot be
 * filled here render "-", with a note. */
const struct logformat *logformat_compile(struct str text, struct arena *arena,
					  struct report *report);

/* A question to a helper of external ACLs: the codes _acl, _data,
 * _user_cert{ATTRIBUTE}, _ca_cert{ATTRIBUTE} and _certificate are known too. What
 * has no encoding of its own is quoted by %XX, so that it stays one word; what is escaped already
 * stays. (So it is in Squid with quote=shell, too.) */
const struct logformat *logformat_compile_question(struct str text, struct arena *arena,
						   struct report *report);

/* Appends; no newline. */
void logformat_render(const struct logformat *format, const struct log_facts *facts,
		      struct buf *out);

/* Does it say fields of the reply's head (%<h), so that facts->reply_head has to be there? */
bool logformat_wants_reply(const struct logformat *format);
/* logformat NAME ...: all formats by name, the built-in ones (squid, common, combined, referrer,
 * useragent; json is ours) among them. */
struct logformat_name {
	struct str name;
	const struct logformat *format;
	bool gives_way; /* to a logformat line of that name */
	bool appends_mime; /* log_mime_hdrs adds the heads to this one */
	struct logformat_name *next;
};

struct logformats {
	struct logformat_name *first;
	bool wants_mime; /* Squid's trap: %note, %>h or %<h without an argument in one of them turn
			    log_mime_hdrs on for all logs */
	/* private */
	struct arena *arena_;
};

void logformats_init(struct logformats *formats, struct arena *arena);
/* One logformat line; the first definition of a name stays. */
void logformats_parse(struct logformats *formats, const struct words *words,
		      struct report *report);
/* NULL: no such name. */
const struct logformat_name *logformats_find(const struct logformats *formats, struct str name);

/* The line of a format with what log_mime_hdrs adds to it. */
void logformat_render_line(const struct logformat_name *format, const struct log_facts *facts,
			   struct buf *out);

/* ---- encodings, also for others who write values into lines */
/* rfc1738: control, blank, 8-bit and "<>#{}|\^~[]'` as %XX, also % itself if escapes_percent. */
void log_quote_url(struct buf *out, struct str value, bool escapes_percent);

/* In quotes of its own where a blank asks for them. */
void log_quote_shell(struct buf *out, struct str value);

#endif
