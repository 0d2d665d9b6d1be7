/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of a run in which lines are kept has them all in order, and behind each what was said
 * of it: that is cut into lines here. The class comes from the row of the directive, and gets worse
 * by what was said. */
#include "squid-compat/explain/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/config.h"
#include "squid-compat/directives/directives.h"
#include "squid-compat/explain/explain_internal.h"
#include "squid-compat/report.h"
#include "squid-compat/word_cutter.h"

/* ---- names */

static const struct {
	const char *name, *text;
} class_names[EXPLAIN_CLASSES] = {
	[EXPLAIN_SAME] = {"same", "works the same"},
	[EXPLAIN_HARMLESS] = {"harmless", "has no effect, and none is missed"},
	[EXPLAIN_DIFFERS] = {"differs", "works, in another way"},
	[EXPLAIN_IGNORED] = {"ignored", "ignored: the proxy behaves otherwise"},
	[EXPLAIN_REFUSED] = {"refused", "refused: the configuration cannot be used"},
};

const char *explain_class_name(enum explain_class what)
{
	check((unsigned)what < EXPLAIN_CLASSES);
	return class_names[what].name;
}

const char *explain_class_text(enum explain_class what)
{
	check((unsigned)what < EXPLAIN_CLASSES);
	return class_names[what].text;
}

/* Honoured directives of which docs/DIFFERENCES.md tells something that hardly anyone expects. */
static const struct {
	const char *name, *text;
} differences[] = {
	{"cache_dir",
         "whatever its type, it is one SQLite file, PATH/cache.db; L1 and L2 say nothing"},
	{"chroot", "a reload looks for the configuration file within the new root"},
	{"client_delay_pools", "buckets are shared by groups of addresses, chosen by a hash"},
	{"minimum_expiry_time", "concerns heuristic lifetimes only: max-age is taken at its word"},
	{"workers", "threads of one process: ${process_number} is always 1"},
};

/* ---- lines */

struct str explain_word(const struct explain_line *line, size_t i)
{
	return i < line->nwords ? line->words[i].text : STR_NONE;
}

static struct explain_line *add_line(struct explanation *explanation)
{
	struct explain_line *line;

	if (explanation->nlines == explanation->room_) {
		explanation->room_ = explanation->room_ ? 2 * explanation->room_ : 64;
		explanation->lines = mem_realloc(explanation->lines, explanation->room_ *
								     sizeof(*explanation->lines));
	}
	line = &explanation->lines[explanation->nlines++];
	*line = (struct explain_line){.text = ""};
	return line;
}

static const char *keep(struct explanation *explanation, const char *text)
{
	return text ? arena_str(&explanation->arena, str_of(text)).at : NULL;
}

void explain_remark(struct explanation *explanation, struct explain_line *line, bool is_warning,
		    const char *format, ...)
{
	struct explain_remark **last = &line->remarks, *remark;
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	while (*last)
		last = &(*last)->next;
	remark = arena_zalloc(&explanation->arena, sizeof(*remark));
	remark->is_warning = is_warning;
	remark->text = keep(explanation, text);
	*last = remark;
}

static void make_worse(struct explain_line *line, enum explain_class what)
{
	if (line->what < what)
		line->what = what;
}

/* ---- words */

struct cutting {
	struct explanation *explanation;
	struct word_cutter *cutter;
	struct report *unheard;
	bool quoted_values;
};

static void cut_words(struct cutting *cutting, struct explain_line *line)
{
	struct arena *arena = &cutting->explanation->arena;
	struct words words;

	if (!word_cutter_cut(cutting->cutter, str_of(line->text), cutting->quoted_values, &words,
			     cutting->unheard))
		return;
	line->words = arena_zalloc(arena, (words.n + 1) * sizeof(*line->words));
	line->nwords = words.n;
	for (size_t i = 0; i < words.n; i++) {
		line->words[i].text = arena_str(arena, words.at[i].text);
		line->words[i].is_file = words.at[i].is_file;
	}
	line->directive = directive_find(explain_word(line, 0));
	if (str_eq(explain_word(line, 0), STR("include")))
		line->directive = NULL;
	if (str_eq(explain_word(line, 0), STR("configuration_includes_quoted_values")))
		cutting->quoted_values = str_eq(explain_word(line, 1), STR("on"));
}

/* ---- classes */

/* What is said behind the directive is its default. */
static bool is_default(const struct explain_line *line)
{
	struct str rest = str_of(line->directive->otherwise), word;
	size_t i = 1;

	if (rest.len == 0)
		return false;
	while (str_word(&rest, &word))
		if (!str_eq(explain_word(line, i++), word))
			return false;
	return i >= line->nwords;
}

static enum explain_class class_of(const struct explain_line *line)
{
	static const enum explain_class classes[VERDICTS] = {
		[HONOURED] = EXPLAIN_SAME,      [ACCEPTED] = EXPLAIN_HARMLESS,
		[WARNED] = EXPLAIN_IGNORED,     [REFUSED] = EXPLAIN_HARMLESS,
		[OBSOLETE] = EXPLAIN_HARMLESS,  [TRANSLATED] = EXPLAIN_DIFFERS,
		[UNKNOWN] = EXPLAIN_REFUSED,
	};
	enum explain_class what = classes[line->directive->verdict];

	return what == EXPLAIN_IGNORED && is_default(line) ? EXPLAIN_HARMLESS : what;
}

/* The sentence that the directive has for itself. */
static void say_verdict(struct explanation *explanation, struct explain_line *line)
{
	const struct directive *directive = line->directive;
	const char *reason = directive_reason(directive);

	for (size_t i = 0; i < COUNT(differences); i++)
		if (strcmp(directive->name, differences[i].name) == 0) {
			make_worse(line, EXPLAIN_DIFFERS);
			explain_remark(explanation, line, false, "%s", differences[i].text);
		}
	if (directive->verdict == HONOURED)
		return;
	if (directive->verdict == REFUSED)
		explain_remark(explanation, line, false, "as the others of its family: %s", reason);
	else
		explain_remark(explanation, line, false, "%s", reason);
}

static void begin_line(struct cutting *cutting, const struct report_message *message,
                       unsigned depth)
{
	struct explain_line *line = add_line(cutting->explanation);

	line->file = keep(cutting->explanation, message->file);
	line->number = message->line;
	line->text = keep(cutting->explanation, message->directive_line);
	line->depth = depth;
	cut_words(cutting, line);
	if (!line->directive)
		return;
	line->what = class_of(line);
	say_verdict(cutting->explanation, line);
}

/* "Processing Configuration File: PATH (depth N)" */
static void begin_file(struct explanation *explanation, const struct report_message *message,
		       unsigned *depth)
{
	struct explain_line *line = add_line(explanation);
	const char *paren = strrchr(message->text, '(');

	check(paren && sscanf(paren, "(depth %u)", depth) == 1);
	line->file = arena_str(&explanation->arena,
			       (struct str){message->text, (size_t)(paren - message->text) - 1})
			     .at;
	line->is_file = true;
	line->depth = *depth;
}

/* ---- messages */

static bool has_phrase(const char *text, const char *const *phrases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strstr(text, phrases[i]))
			return true;
	return false;
}

/* Faults of the machine that the file is read on rather than of the file. */
static bool is_of_machine(const char *text)
{
	static const char *const phrases[] = {
		"Failed to acquire",  "failed to resolve",        "Bad host/IP",
		"Unable to read ",    "getpwnam failed to",       "getgrnam failed to",
		"unable to load ",    "No valid signing certificate",
		"Can not open file ", "Unable to open configuration file",
		"until it is there",
	};

	return has_phrase(text, phrases, COUNT(phrases));
}

bool explain_is_useless(const char *text)
{
	static const char *const phrases[] = {
		"expecting 'allow' or 'deny'", "missing 'allow' or 'deny'",
		"Access line contains no ACL's", "is already defined. Ignoring.",
		"This proxy does not support the", "No cache_peer '",
		"is now a built-in ACL",
	};

	return has_phrase(text, phrases, COUNT(phrases));
}

/* The row's own sentence, which say_verdict has said. */
static bool is_of_verdict(const struct explain_line *line, const char *text)
{
	const char *name = line->directive ? line->directive->name : "";
	size_t len = strlen(name);

	if (strncmp(text, "Directive '", 11) == 0)
		return true;
	if (len == 0 || line->directive->verdict == HONOURED)
		return false;
	return (text[0] == '\'' && strncmp(text + 1, name, len) == 0 && text[len + 1] == '\'' &&
		strncmp(text + len + 2, " is refused", 11) != 0) ||
	       (strncmp(text, name, len) == 0 && strncmp(text + len, " : ", 3) == 0);
}

/* What Squid leaves out or puts right in the same way. */
static bool is_as_in_squid(const char *text)
{
	static const char *const phrases[] = {
		"Using 'all' instead", "Ignoring unknown cache_peer option",
		"Unsupported TLS option SINGLE_", /* of OpenSSL 3 too: it is always so */
	};

	return explain_is_useless(text) || has_phrase(text, phrases, COUNT(phrases));
}

static void take_error(struct explain_line *line, const char *text)
{
	if (!is_as_in_squid(text) && !is_of_machine(text))
		make_worse(line, EXPLAIN_IGNORED);
}

static void take_message(struct explanation *explanation, struct explain_line *line,
			 const struct report_message *message)
{
	static const struct {
		enum explain_class worse;
		bool is_warning;
	} effects[REPORT_CLASSES] = {
		[REPORT_NOTE] = {EXPLAIN_DIFFERS, false},
		[REPORT_HARMLESS] = {EXPLAIN_HARMLESS, false},
		[REPORT_UNMET] = {EXPLAIN_IGNORED, false},
		[REPORT_IGNORED] = {EXPLAIN_IGNORED, false},
		[REPORT_WARNING] = {EXPLAIN_SAME, true},
		[REPORT_ERROR] = {EXPLAIN_SAME, true},
		[REPORT_UNRECOGNIZED] = {EXPLAIN_REFUSED, false},
		[REPORT_FATAL] = {EXPLAIN_REFUSED, false},
		[REPORT_FATAL_AT_START] = {EXPLAIN_SAME, true},
	};
	const char *text = message->text;

	if (is_of_verdict(line, text))
		return;
	make_worse(line, effects[message->what].worse);
	if (message->what == REPORT_ERROR)
		take_error(line, text);
	if (message->what == REPORT_FATAL && is_of_machine(text))
		line->has_file_fault = true;
	if (message->what == REPORT_UNRECOGNIZED)
		text = "neither Squid nor Bobtail has such a directive";
	explain_remark(explanation, line, effects[message->what].is_warning, "%s", text);
}

/* The line that a message is about, most often the last one; a new one for what has no line, such
 * as a missing endif. */
static struct explain_line *line_of(struct explanation *explanation,
				    const struct report_message *message)
{
	struct explain_line *line;

	for (size_t i = explanation->nlines; i-- > 0;) {
		line = &explanation->lines[i];
		if (line->is_file)
			continue;
		if (!message->file ? !line->file
				   : line->file && line->number == message->line &&
					     strcmp(line->file, message->file) == 0)
			return line;
	}
	line = add_line(explanation);
	line->file = keep(explanation, message->file);
	line->number = message->file ? message->line : 0;
	line->text = keep(explanation, message->directive_line);
	return line;
}

static void take_messages(struct explanation *explanation, const struct report *report)
{
	struct cutting cutting = {explanation, word_cutter_create(), report_create(), false};
	unsigned depth = 0;

	for (size_t i = 0; i < report_nmessages(report); i++) {
		const struct report_message *message = report_message(report, i);

		if (message->what == REPORT_FILE)
			begin_file(explanation, message, &depth);
		else if (message->what == REPORT_LINE)
			begin_line(&cutting, message, depth);
		else
			take_message(explanation, line_of(explanation, message), message);
	}
	report_destroy(cutting.unheard);
	word_cutter_destroy(cutting.cutter);
}

void explain_read(struct explanation *explanation, const char *path, const struct source *source,
		  const char *service_name)
{
	const struct config_options options = {
		.service_name = service_name, .keep_lines = true, .source = source};
	struct report *report = report_create();

	*explanation = (struct explanation){0};
	arena_init(&explanation->arena, NULL, 0);
	config_unref(config_read(path, &options, report));
	explanation->is_read = report_count(report, REPORT_FILE) > 0;
	take_messages(explanation, report);
	report_destroy(report);
	explain_rules(explanation);
}

void explain_fini(struct explanation *explanation)
{
	mem_free(explanation->lines);
	arena_fini(&explanation->arena);
}

/* ---- sums */

static bool counts(const struct explain_line *line)
{
	return !line->is_file && (line->file || line->what != EXPLAIN_SAME);
}

size_t explain_count(const struct explanation *explanation, enum explain_class what)
{
	size_t n = 0;

	for (size_t i = 0; i < explanation->nlines; i++)
		n += counts(&explanation->lines[i]) && explanation->lines[i].what == what;
	return n;
}

size_t explain_warnings(const struct explanation *explanation)
{
	size_t n = 0;

	for (size_t i = 0; i < explanation->nlines; i++)
		for (const struct explain_remark *remark = explanation->lines[i].remarks; remark;
		     remark = remark->next)
			n += remark->is_warning;
	return n;
}

enum explain_class explain_worst(const struct explanation *explanation)
{
	enum explain_class worst = EXPLAIN_SAME;

	for (size_t i = 0; i < explanation->nlines; i++)
		if (explanation->lines[i].what > worst)
			worst = explanation->lines[i].what;
	return worst;
}
