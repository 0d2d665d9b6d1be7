/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/word_cutter.h"

#include "lib/base/arena.h"
#include "lib/base/heap.h"

struct word_cutter {
	struct arena texts; /* of words whose escapes were resolved */
	struct word *words;
	size_t nwords, room;
};

/* Where the cutter stands in a line. */
struct cut {
	struct word_cutter *cutter;
	struct report *report;
	struct str line;
	size_t at;
	bool keeps_escaped_blanks;
};

struct word_cutter *word_cutter_create(void)
{
	struct word_cutter *cutter = mem_zalloc(sizeof(*cutter));

	arena_init(&cutter->texts, NULL, 0);
	return cutter;
}

void word_cutter_destroy(struct word_cutter *cutter)
{
	if (!cutter)
		return;
	arena_fini(&cutter->texts);
	mem_free(cutter->words);
	mem_free(cutter);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* Does a word end at offset at of the line? */
static bool ends_at(const struct cut *cut, size_t at)
{
	return at == cut->line.len || is_blank(cut->line.at[at]);
}

static struct word *add_word(struct cut *cut)
{
	struct word_cutter *cutter = cut->cutter;

	if (cutter->nwords == cutter->room) {
		cutter->room = cutter->room ? cutter->room * 2 : 16;
		cutter->words = mem_realloc(cutter->words, cutter->room * sizeof(struct word));
	}
	cutter->words[cutter->nwords] = (struct word){.raw_at = cut->at};
	return &cutter->words[cutter->nwords++];
}

static struct str span(const struct cut *cut, size_t from, size_t to)
{
	return str_first(str_from(cut->line, from), to - from);
}

/* To the next blank, or past it behind a backslash where that is a part of the word. */
static void cut_plain(struct cut *cut, struct word *word)
{
	size_t end = cut->at;

	while (!ends_at(cut, end)) {
		if (cut->line.at[end] == '\\' && cut->keeps_escaped_blanks &&
		    end + 1 < cut->line.len)
			end++;
		end++;
	}
	word->text = span(cut, cut->at, end);
	cut->at = end;
}

/* "FILE": to the same quote if a blank or the end follows it, else to the next blank. */
static void cut_file_name(struct cut *cut, struct word *word)
{
	size_t from = cut->at + 1, end = from;

	while (end < cut->line.len && cut->line.at[end] != cut->line.at[cut->at])
		end++;
	if (end < cut->line.len && ends_at(cut, end + 1)) {
		word->text = span(cut, from, end);
		cut->at = end + 1;
	} else {
		cut->at = from;
		cut_plain(cut, word);
	}
	word->is_file = true;
}

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

/* Where the string that begins at the cut ends: its closing quote, or the end of the line. */
static size_t find_closing_quote(const struct cut *cut)
{
	size_t at = cut->at + 1;

	while (at < cut->line.len && cut->line.at[at] != cut->line.at[cut->at])
		at += cut->line.at[at] == '\\' ? 2 : 1;
	return at < cut->line.len ? at : cut->line.len;
}

/* A string in quotes with its escapes; false when it never ends. */
static bool cut_string(struct cut *cut, struct str *text)
{
	size_t end = find_closing_quote(cut);
	char *out = arena_alloc(&cut->cutter->texts, end - cut->at + 1);
	size_t len = 0;

	if (end == cut->line.len) {
		report_say(cut->report, REPORT_FATAL, "a quoted value has no closing quote");
		return false;
	}
	for (size_t at = cut->at + 1; at < end; at++) {
		char c = cut->line.at[at];

		out[len++] = c == '\\' ? unescape(cut->line.at[++at]) : c;
	}
	*text = (struct str){out, len};
	cut->at = end + 1;
	return true;
}

static bool cut_quoted(struct cut *cut, struct word *word)
{
	if (!cut_string(cut, &word->text))
		return false;
	word->is_quoted = true;
	if (ends_at(cut, cut->at))
		return true;
	report_say(cut->report, REPORT_FATAL, "a quoted value must be followed by a blank");
	return false;
}

/* parameters("FILE") */
static bool cut_parameters(struct cut *cut, struct word *word)
{
	cut->at += STR("parameters(").len;
	if (cut->at == cut->line.len || !is_quote(cut->line.at[cut->at])) {
		report_say(cut->report, REPORT_FATAL, "parameters() needs a file name in quotes");
		return false;
	}
	if (!cut_string(cut, &word->text))
		return false;
	word->is_file = true;
	if (cut->at < cut->line.len && cut->line.at[cut->at] == ')' && ends_at(cut, cut->at + 1)) {
		cut->at++;
		return true;
	}
	report_say(cut->report, REPORT_FATAL, "parameters(\"FILE\" has no closing parenthesis");
	return false;
}

static bool cut_word(struct cut *cut, bool quoted_values)
{
	bool is_first = cut->cutter->nwords == 0;
	struct word *word = add_word(cut);
	bool opens = !is_first && is_quote(cut->line.at[cut->at]);

	if (opens && quoted_values)
		return cut_quoted(cut, word);
	if (quoted_values && str_starts_with(str_from(cut->line, cut->at), STR("parameters(")))
		return cut_parameters(cut, word);
	if (opens)
		cut_file_name(cut, word);
	else
		cut_plain(cut, word);
	return true;
}

/* The directives whose words are patterns. */
static bool has_patterns(struct str directive)
{
	return str_eq(directive, STR("acl")) || str_eq(directive, STR("refresh_pattern"));
}

bool word_cutter_cut(struct word_cutter *cutter, struct str line, bool quoted_values,
                     struct words *out, struct report *report)
{
	struct cut cut = {.cutter = cutter, .report = report, .line = line};

	arena_reset(&cutter->texts);
	cutter->nwords = 0;
	for (;;) {
		while (cut.at < line.len && is_blank(line.at[cut.at]))
			cut.at++;
		if (cut.at == line.len || line.at[cut.at] == '#')
			break;
		if (!cut_word(&cut, quoted_values))
			return false;
		if (cutter->nwords == 1)
			cut.keeps_escaped_blanks =
				!quoted_values && has_patterns(cutter->words[0].text);
	}
	*out = (struct words){line, cutter->words, cutter->nwords, quoted_values};
	return true;
}
