/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages lie in one arena, in order. Most places get no message, so a place is copied there with
 * the first one. */
#include "squid-compat/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/heap.h"
#include "lib/base/str.h"

struct report {
	struct arena arena;
	struct report_message *messages;
	size_t nmessages, room;
	size_t counts[REPORT_CLASSES];
	/* the place of what follows: our own copies, and those that messages share once there are
	 * some */
	char *file, *included_from, *directive_line;
	int line;
	struct report_message kept;
	bool is_kept;
};

struct report *report_create(void)
{
	struct report *report = mem_zalloc(sizeof(*report));

	arena_init(&report->arena, NULL, 0);
	return report;
}

void report_destroy(struct report *report)
{
	if (!report)
		return;
	arena_fini(&report->arena);
	mem_free(report->file);
	mem_free(report->included_from);
	mem_free(report->directive_line);
	mem_free(report->messages);
	mem_free(report);
}

static const char *keep(struct report *report, const char *text)
{
	if (!text || !*text)
		return "";
	return arena_str(&report->arena, str_of(text)).at;
}

static void replace(char **old, const char *text)
{
	char *copy = mem_strdup(text);

	mem_free(*old);
	*old = copy;
}

void report_at(struct report *report, const char *file, int line, const char *directive_line)
{
	if (!file || !report->file || strcmp(report->file, file) != 0)
		replace(&report->file, file);
	replace(&report->directive_line, directive_line);
	report->line = line;
	report->is_kept = false;
}

void report_place(const struct report *report, const char **file, int *line)
{
	*file = report->file;
	*line = report->line;
}

void report_included_from(struct report *report, const char *included_from)
{
	replace(&report->included_from, included_from);
	report->is_kept = false;
}

/* The place, as messages hold it. */
static const struct report_message *keep_place(struct report *report)
{
	if (report->is_kept)
		return &report->kept;
	report->kept = (struct report_message){
		.file = report->file ? keep(report, report->file) : NULL,
		.line = report->line,
		.included_from = keep(report, report->included_from),
		.directive_line = keep(report, report->directive_line),
	};
	report->is_kept = true;
	return &report->kept;
}

/* What is fatal is kept though all the room for others is taken. */
static bool has_room(const struct report *report, enum report_class what)
{
	size_t nlines = report->counts[REPORT_FILE] + report->counts[REPORT_LINE];
	size_t room = what == REPORT_FATAL ? 2 * REPORT_MAX_MESSAGES : REPORT_MAX_MESSAGES;

	return report->nmessages < nlines + room;
}

char *report_copy_line(const struct report *report, struct str text)
{
	const char *file;
	int line;

	report_place(report, &file, &line);
	return mem_printf("%s:%d: %.*s", file ? file : "configuration", line, STR_ARG(text));
}

void report_say(struct report *report, enum report_class what, const char *format, ...)
{
	struct report_message *message;
	char text[1024];
	va_list args;

	report->counts[what]++;
	if (!has_room(report, what))
		return;
	if (report->nmessages == report->room) {
		report->room = report->room ? report->room * 2 : 32;
		report->messages =
			mem_realloc(report->messages, report->room * sizeof(*report->messages));
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	message = &report->messages[report->nmessages++];
	*message = *keep_place(report);
	message->what = what;
	message->text = keep(report, text);
}

bool report_is_hopeless(const struct report *report)
{
	return report->counts[REPORT_FATAL] + report->counts[REPORT_UNRECOGNIZED] >=
	       REPORT_MAX_MESSAGES;
}

size_t report_count(const struct report *report, enum report_class what)
{
	return report->counts[what];
}

size_t report_nmessages(const struct report *report)
{
	return report->nmessages;
}

const struct report_message *report_message(const struct report *report, size_t i)
{
	return i < report->nmessages ? &report->messages[i] : NULL;
}

int report_exit_status(const struct report *report, bool is_start)
{
	size_t nunrecognized = report->counts[REPORT_UNRECOGNIZED];

	if (report->counts[REPORT_FATAL] || (is_start && report->counts[REPORT_FATAL_AT_START]))
		return 1;
	return nunrecognized < 255 ? (int)nunrecognized : 255;
}

struct printer {
	report_line_fn *line;
	void *user;
};

static void print(const struct printer *printer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void print(const struct printer *printer, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text)
		return;
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			*c = '?';
	printer->line(printer->user, text);
	free(text);
}

/* "WARNING: TEXT (FILE line N)" */
static void print_placed(const struct printer *printer, const char *class_name,
                         const struct report_message *message)
{
	if (!message->file)
		print(printer, "%s: %s", class_name, message->text);
	else
		print(printer, "%s: %s (%s line %d%s)", class_name, message->text, message->file,
		      message->line, message->included_from);
}

/* Squid says the reason, then which line cannot be used. */
static void print_fatal(const struct printer *printer, const struct report_message *message)
{
	if (*message->text)
		print(printer, "FATAL: %s", message->text);
	if (message->file)
		print(printer, "FATAL: Bungled %s line %d%s: %s", message->file, message->line,
		      message->included_from, message->directive_line);
}

static void print_message(const struct printer *printer, const struct report_message *message)
{
	switch (message->what) {
	case REPORT_NOTE:
	case REPORT_HARMLESS:
	case REPORT_UNMET:
		print_placed(printer, "NOTE", message);
		break;
	case REPORT_IGNORED:
	case REPORT_WARNING:
		print_placed(printer, "WARNING", message);
		break;
	case REPORT_ERROR:
		print_placed(printer, "ERROR", message);
		break;
	case REPORT_UNRECOGNIZED:
		print(printer, "%s(%d): unrecognized: '%s'", message->file, message->line,
		      message->text);
		break;
	case REPORT_FATAL:
		print_fatal(printer, message);
		break;
	case REPORT_FATAL_AT_START:
		print_placed(printer, "FATAL", message);
		break;
	case REPORT_FILE:
		print(printer, "Processing Configuration File: %s", message->text);
		break;
	case REPORT_LINE:
		print(printer, "Processing: %s", message->directive_line);
		break;
	case REPORT_CLASSES:
		break;
	}
}

void report_print(const struct report *report, report_line_fn *line, void *user)
{
	const struct printer printer = {line, user};
	size_t ntold = 0;

	for (size_t i = 0; i < report->nmessages; i++)
		print_message(&printer, &report->messages[i]);
	for (size_t i = 0; i < REPORT_CLASSES; i++)
		ntold += report->counts[i];
	if (ntold > report->nmessages)
		print(&printer, "NOTE: %zu more messages are not shown", ntold - report->nmessages);
}
