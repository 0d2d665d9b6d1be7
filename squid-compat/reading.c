/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/reading.h"

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/word_cutter.h"

const char *reading_keep(struct reading *reading, struct str text)
{
	return arena_str(&reading->config->arena_, text).at;
}

void reading_expect_end(struct reading *reading, const struct words *words, size_t i)
{
	if (i < words->n)
		report_say(reading->report, REPORT_WARNING, "'%.*s' behind the value is ignored",
		           STR_ARG(str_first(words_rest(words, i), 200)));
}

bool reading_has_seen(const struct reading *reading, const char *name)
{
	return reading->has_seen[directive_number(directive_find(str_of(name)))];
}

/* What the verdict itself has to say, once for a directive. */
static void tell_verdict(struct reading *reading, const struct directive *directive)
{
	switch (directive->verdict) {
	case ACCEPTED:
		report_say(reading->report, REPORT_NOTE, "'%s' has no effect: %s", directive->name,
		           directive->help);
		break;
	case WARNED:
		report_say(reading->report, REPORT_WARNING, "'%s' is ignored: %s", directive->name,
		           directive->help);
		break;
	case OBSOLETE:
	case TRANSLATED:
		if (directive->help)
			report_say(reading->report, REPORT_NOTE, "%s : %s", directive->name,
			           directive->help);
		break;
	case HONOURED:
	case REFUSED:
	case UNKNOWN:
	case VERDICTS:
		break;
	}
}

/* One copy of its name for all lines of a file that follow each other. */
static const char *keep_file(struct reading *reading, const char *file)
{
	if (!file || (reading->file && str_eq(str_of(file), str_of(reading->file))))
		return file ? reading->file : NULL;
	reading->file = reading_keep(reading, str_of(file));
	return reading->file;
}

static void keep_line(struct reading *reading, size_t number, const struct words *words)
{
	struct config_line *line = arena_zalloc(&reading->config->arena_, sizeof(*line));
	struct config_line *last = reading->last_lines[number];
	const char *file;

	report_place(reading->report, &file, &line->number);
	line->text = reading_keep(reading, words->line);
	line->file = keep_file(reading, file);
	reading->last_lines[number] = line;
	if (last)
		last->next = line;
	else
		reading->config->lines[number] = line;
}

/* Squid takes the last one without a word. */
static void warn_of_replaced(struct reading *reading, const struct directive *directive,
                             size_t number, const struct words *words)
{
	const struct config_line *last = reading->last_lines[number];

	if (!last || directive->verdict != HONOURED || !directive_is_single(directive) ||
	    str_eq(str_of(last->text), words->line))
		return;
	report_say(reading->report, REPORT_WARNING,
	           "'%s' replaces what %s:%d says: the last line counts", directive->name,
	           last->file ? last->file : "the default", last->number);
}

static void say_unrecognized(struct reading *reading, const struct directive *directive,
                             struct str name)
{
	struct str nearest = directive ? STR_NONE : directive_nearest(name);

	report_say(reading->report, REPORT_UNRECOGNIZED, "%.*s", STR_ARG(str_first(name, 200)));
	if (directive)
		report_say(reading->report, REPORT_NOTE, "%s : %s", directive->name,
		           directive->help);
	else if (nearest.len > 0)
		report_say(reading->report, REPORT_NOTE, "is '%.*s' meant?", STR_ARG(nearest));
}

static enum bare bare_of(const struct directive *directive)
{
	return directive->bare == BARE_IS_PARSED && directive->verdict == TRANSLATED
	               ? BARE_IS_IGNORED
	               : directive->bare;
}

static void take_bare(struct reading *reading, const struct directive *directive)
{
	if (bare_of(directive) == BARE_IS_FATAL)
		report_say(reading->report, REPORT_FATAL, "%s needs a value", directive->name);
	else
		report_say(reading->report, REPORT_ERROR, "'%s' without a value is ignored",
		           directive->name);
}

void reading_take_line(void *user, const struct words *words)
{
	struct reading *reading = user;
	struct str name = words->at[0].text;
	const struct directive *directive = directive_find(name);
	size_t number;
	bool *has_seen;

	if (!directive || directive->verdict == UNKNOWN) {
		say_unrecognized(reading, directive, name);
		return;
	}
	if (directive->verdict == OBSOLETE || directive->verdict == TRANSLATED)
		report_say(reading->report, REPORT_ERROR, "Directive '%.*s' is obsolete.",
		           STR_ARG(name));
	number = directive_number(directive);
	warn_of_replaced(reading, directive, number, words);
	keep_line(reading, number, words);
	has_seen = &reading->has_seen[number];
	if (!*has_seen)
		tell_verdict(reading, directive);
	*has_seen = true;
	if (words->n < 2 && bare_of(directive) != BARE_IS_PARSED)
		take_bare(reading, directive);
	else if (directive->parse)
		directive->parse(reading, directive, words);
}

static void set_default(struct reading *reading, struct word_cutter *cutter,
                        const struct directive *directive)
{
	char *line = mem_printf("%s %s", directive->name, directive->otherwise);
	struct words words;

	check(word_cutter_cut(cutter, str_of(line), false, &words, reading->report));
	directive->parse(reading, directive, &words);
	mem_free(line);
}

void reading_set_defaults(struct reading *reading)
{
	struct word_cutter *cutter = word_cutter_create();
	size_t nmessages = report_nmessages(reading->report);
	const struct directive *directive;

	for (size_t i = 0; (directive = directive_at(i)); i++)
		if (directive->otherwise && directive->slot)
			set_default(reading, cutter, directive);
	check(report_nmessages(reading->report) == nmessages);
	word_cutter_destroy(cutter);
}
