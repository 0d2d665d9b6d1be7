/* SPDX-License-Identifier: BSD-2-Clause */
/* Files nest (include) and so do conditions within each; both stacks lie in C's own. A file is read
 * whole; its physical lines are joined into parser->joined, which is then one directive. */
#include "squid-compat/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/heap.h"
#include "squid-compat/word_cutter.h"

struct condition {
	bool is_outer_live; /* the lines around it count */
	bool is_true;
	bool has_else;
};

struct file {
	const char *path; /* as opened */
	char *shown_path; /* as messages name it: #line may have changed it */
	struct str rest;  /* not read yet */
	int line;         /* of what was read last */
	int first_line;   /* of the directive at hand */
	const struct file *from;
	unsigned depth;
	struct condition conditions[PARSER_MAX_CONDITIONS];
	unsigned nconditions;
};

struct parser {
	const struct source *source;
	const struct parser_options *options;
	struct report *report;
	parser_line_fn *line;
	void *user;
	struct word_cutter *cutter;
	struct buf joined; /* the directive at hand */
	struct buf filled; /* the same with its macros */
	unsigned nfiles;
	size_t nbytes;
	bool quoted_values;
};

static bool read_file(struct parser *parser, const char *path, const struct file *from);

static void place(struct parser *parser, const struct file *file, struct str text)
{
	char *line = str_dup(text);

	report_at(parser->report, file->shown_path, file->first_line, line);
	mem_free(line);
}

/* " included from F1 line 7 included from F0 line 2" */
static void place_includes(struct parser *parser, const struct file *file)
{
	struct buf chain;

	buf_init(&chain, 65536);
	for (const struct file *from = file->from; from; from = from->from)
		buf_printf(&chain, " included from %s line %d", from->shown_path, from->first_line);
	buf_add_char(&chain, '\0');
	report_included_from(parser->report, chain.is_full ? "" : chain.at);
	buf_fini(&chain);
}

/* ---- lines ---- */

/* The next physical line without its end; false at the end of the file. */
static bool next_physical_line(struct file *file, struct str *line)
{
	size_t len = str_find_char(file->rest, '\n');

	if (file->rest.len == 0)
		return false;
	*line = str_first(file->rest, len);
	file->rest = str_from(file->rest, len + 1);
	file->line++;
	while (line->len && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* `#line N "file"`: what follows comes from there. */
static bool is_line_marker(struct file *file, struct str line)
{
	struct str word, rest = line;
	uint64_t number;

	if (!str_starts_with(line, STR("#line ")))
		return false;
	str_word(&rest, &word);
	if (!str_word(&rest, &word) || !str_to_u64(word, &number) || number < 1 ||
	    number > 1u << 30)
		return true;
	file->line = (int)number - 1;
	rest = str_trim(rest);
	if (rest.len > 2 && rest.at[0] == '"' && rest.at[rest.len - 1] == '"') {
		mem_free(file->shown_path);
		file->shown_path = str_dup(str_first(str_from(rest, 1), rest.len - 2));
	}
	return true;
}

/* A line that nobody can have meant. */
static bool is_hostile(struct parser *parser, struct file *file, struct str line)
{
	const char *what = NULL;

	if (line.len > PARSER_MAX_LINE_BYTES)
		what = "the line is longer than 8191 bytes";
	else if (str_find_char(line, '\0') < line.len)
		what = "the line has a NUL byte";
	if (!what)
		return false;
	file->first_line = file->line;
	place(parser, file, str_first(line, 80));
	report_say(parser->report, REPORT_FATAL, "%s", what);
	return true;
}

/* The next directive, continuations joined, into parser->joined; false at the end of the file.
 * Comments and empty lines between the parts of a continued line are left out, as Squid does. */
static bool next_line(struct parser *parser, struct file *file)
{
	struct str line;

	buf_clear(&parser->joined);
	while (next_physical_line(file, &line)) {
		bool is_continued;

		line.len = is_hostile(parser, file, line) ? 0 : line.len;
		while (line.len && (line.at[0] == ' ' || line.at[0] == '\t'))
			line = str_from(line, 1);
		if (is_line_marker(file, line) || line.len == 0 || line.at[0] == '#')
			continue;
		if (parser->joined.len == 0)
			file->first_line = file->line;
		is_continued = line.at[line.len - 1] == '\\';
		if (is_continued)
			line.len--;
		if (!buf_add_str(&parser->joined, line)) {
			place(parser, file, STR(""));
			report_say(parser->report, REPORT_FATAL,
			           "the line and its continuations are longer than %d bytes",
			           PARSER_MAX_JOINED_BYTES);
			return false;
		}
		if (!is_continued)
			return true;
	}
	if (parser->joined.len == 0)
		return false;
	place(parser, file, str_first(buf_str(&parser->joined), PARSER_MAX_LINE_BYTES));
	report_say(parser->report, REPORT_WARNING, "the file ends in a backslash");
	return true;
}

/* ---- macros ---- */

/* The value of the macro that text begins with, and its length; an unknown one stays as it is. */
static bool find_macro(const struct parser *parser, struct str text, struct str *value, size_t *len)
{
	const char *service = parser->options->service_name;
	const struct {
		struct str name, value;
	} macros[] = {
		{STR("${service_name}"), str_of(service ? service : "squid")},
		{STR("${process_name}"), STR("squid-1")},
		{STR("${process_number}"), STR("1")},
	};

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (!str_starts_with(text, macros[i].name))
			continue;
		*value = macros[i].value;
		*len = macros[i].name.len;
		return true;
	}
	return false;
}

/* parser->joined with its macros filled in; false when that is too long. */
static bool fill_macros(struct parser *parser, struct str *line)
{
	struct str rest = str_trim(buf_str(&parser->joined)), value;
	size_t len;

	if (str_find_char(rest, '$') == rest.len) {
		*line = rest;
		return true;
	}
	buf_clear(&parser->filled);
	while (rest.len) {
		size_t plain = str_find_char(rest, '$');

		buf_add_str(&parser->filled, str_first(rest, plain));
		rest = str_from(rest, plain);
		if (rest.len == 0)
			break;
		if (!find_macro(parser, rest, &value, &len)) {
			value = str_first(rest, 1);
			len = 1;
		}
		buf_add_str(&parser->filled, value);
		rest = str_from(rest, len);
	}
	*line = buf_str(&parser->filled);
	return !parser->filled.is_full;
}

/* ---- conditions ---- */

static bool is_live(const struct file *file)
{
	const struct condition *inner;

	if (file->nconditions == 0)
		return true;
	inner = &file->conditions[file->nconditions - 1];
	return inner->is_outer_live && inner->is_true != inner->has_else;
}

static bool take_int(struct str *text, int64_t *out)
{
	size_t len = 0;

	*text = str_trim(*text);
	while (len < text->len &&
	       (text->at[len] == '-' || (text->at[len] >= '0' && text->at[len] <= '9')))
		len++;
	if (!str_to_i64(str_first(*text, len), out))
		return false;
	*text = str_trim(str_from(*text, len));
	return true;
}

/* true, false, INT, INT = INT */
static bool evaluate(struct str text, bool *out)
{
	int64_t left, right;

	if (str_eq(text, STR("true")) || str_eq(text, STR("false"))) {
		*out = text.len == 4;
		return true;
	}
	if (!take_int(&text, &left))
		return false;
	if (text.len == 0) {
		*out = left != 0;
		return true;
	}
	if (text.at[0] != '=')
		return false;
	text = str_from(text, 1);
	if (!take_int(&text, &right) || text.len)
		return false;
	*out = left == right;
	return true;
}

static void begin_if(struct parser *parser, struct file *file, struct str condition)
{
	struct condition *inner;
	bool is_outer_live = is_live(file), is_true = false;

	if (file->nconditions == PARSER_MAX_CONDITIONS) {
		report_say(parser->report, REPORT_FATAL, "more than %d nested conditions",
		           PARSER_MAX_CONDITIONS);
		file->rest = STR_NONE;
		file->nconditions = 0;
		return;
	}
	if (is_outer_live && !evaluate(condition, &is_true))
		report_say(parser->report, REPORT_FATAL, "bad condition: '%.*s'",
		           STR_ARG(str_first(condition, 200)));
	inner = &file->conditions[file->nconditions++];
	*inner = (struct condition){.is_outer_live = is_outer_live, .is_true = is_true};
}

static void begin_else(struct parser *parser, struct file *file)
{
	struct condition *inner =
		file->nconditions ? &file->conditions[file->nconditions - 1] : NULL;

	if (!inner || inner->has_else)
		report_say(parser->report, REPORT_FATAL, "'else' without 'if'");
	else
		inner->has_else = true;
}

/* if, else and endif; false: the line is something else. */
static bool take_condition(struct parser *parser, struct file *file, struct str line)
{
	struct str keyword, rest = line;

	if (!str_word(&rest, &keyword))
		return false;
	rest = str_trim(str_first(rest, str_find_char(rest, '#')));
	if (str_eq(keyword, STR("if"))) {
		begin_if(parser, file, rest);
		return true;
	}
	if (rest.len)
		return false;
	if (str_eq(keyword, STR("else"))) {
		begin_else(parser, file);
		return true;
	}
	if (!str_eq(keyword, STR("endif")))
		return false;
	if (file->nconditions)
		file->nconditions--;
	else
		report_say(parser->report, REPORT_FATAL, "'endif' without 'if'");
	return true;
}

/* ---- include ---- */

/* Says why path may not be opened here; true: it may. */
static bool may_include(struct parser *parser, const char *path, const struct file *from)
{
	if (from && from->depth >= PARSER_MAX_INCLUDES) {
		report_say(parser->report, REPORT_FATAL,
		           "can't include %s: more than %d levels deep", path, PARSER_MAX_INCLUDES);
		return false;
	}
	for (const struct file *outer = from; outer; outer = outer->from) {
		if (strcmp(outer->path, path) != 0)
			continue;
		report_say(parser->report, REPORT_FATAL, "%s includes itself", path);
		return false;
	}
	if (parser->nfiles >= PARSER_MAX_FILES || parser->nbytes >= PARSER_MAX_BYTES) {
		report_say(parser->report, REPORT_FATAL,
		           "can't include %s: more than %d files or %d MB in all", path,
		           PARSER_MAX_FILES, PARSER_MAX_BYTES >> 20);
		return false;
	}
	return true;
}

static void include_pattern(struct parser *parser, struct file *file, struct str pattern)
{
	struct source_names names = {NULL, 0};
	char *text = str_dup(pattern);
	struct err_text why;

	if (parser->source->expand(parser->source->user, text, &names, &why) != ERR_OK)
		report_say(parser->report, REPORT_FATAL,
		           "Unable to find configuration file: %.500s: %.200s", text, why.at);
	for (size_t i = 0; i < names.n; i++)
		read_file(parser, names.at[i], file);
	source_names_fini(&names);
	mem_free(text);
}

/* The words are copied first: the files included use the same cutter. */
static void include(struct parser *parser, struct file *file, const struct words *words)
{
	size_t n = words->n - 1;
	char **patterns = mem_array(n, sizeof(*patterns));
	char *line = str_dup(words->line);

	if (n == 0)
		report_say(parser->report, REPORT_FATAL, "include needs the name of a file");
	for (size_t i = 0; i < n; i++)
		patterns[i] = str_dup(words->at[i + 1].text);
	for (size_t i = 0; i < n; i++) {
		include_pattern(parser, file, str_of(patterns[i]));
		place_includes(parser, file);
		report_at(parser->report, file->shown_path, file->first_line, line);
		mem_free(patterns[i]);
	}
	mem_free(patterns);
	mem_free(line);
}

/* ---- directives ---- */

/* The parser's own directive: how words are cut from the next line on. */
static void note_quoted_values(struct parser *parser, const struct words *words)
{
	if (!str_eq(words->at[0].text, STR("configuration_includes_quoted_values")))
		return;
	parser->quoted_values = str_eq(words_text(words, 1), STR("on")) ||
	                        str_eq(words_text(words, 1), STR("enable"));
}

static void handle_line(struct parser *parser, struct file *file)
{
	struct words words;
	struct str line;

	if (!fill_macros(parser, &line)) {
		place(parser, file, STR(""));
		report_say(parser->report, REPORT_FATAL, "the line is too long with its macros");
		return;
	}
	place(parser, file, str_first(line, PARSER_MAX_LINE_BYTES));
	if (take_condition(parser, file, line) || !is_live(file))
		return;
	if (parser->options->keep_lines)
		report_say(parser->report, REPORT_LINE, "%s", "");
	if (!word_cutter_cut(parser->cutter, line, parser->quoted_values, &words, parser->report) ||
	    words.n == 0)
		return;
	if (str_eq(words.at[0].text, STR("include"))) {
		include(parser, file, &words);
		return;
	}
	parser->line(parser->user, &words);
	note_quoted_values(parser, &words);
}

static void read_lines(struct parser *parser, struct file *file)
{
	if (str_starts_with(file->rest, STR("\xEF\xBB\xBF")))
		file->rest = str_from(file->rest, 3);
	place_includes(parser, file);
	while (!report_is_hopeless(parser->report) && next_line(parser, file))
		handle_line(parser, file);
	if (file->nconditions == 0)
		return;
	file->first_line = file->line;
	place(parser, file, STR(""));
	report_say(parser->report, REPORT_FATAL, "'if' without 'endif'");
}

/* from: the file that includes it; NULL: nobody. False: it was not read. */
static bool read_file(struct parser *parser, const char *path, const struct file *from)
{
	struct file *file;
	struct err_text why = {""};
	struct buf bytes;

	if (!may_include(parser, path, from))
		return false;
	buf_init(&bytes, SOURCE_MAX_BYTES);
	parser->nfiles++;
	if (parser->source->read(parser->source->user, path, &bytes, &why) != ERR_OK) {
		report_say(parser->report, REPORT_FATAL,
		           "Unable to open configuration file: %.500s: %.200s", path, why.at);
		buf_fini(&bytes);
		return false;
	}
	parser->nbytes += bytes.len;
	file = mem_zalloc(sizeof(*file));
	file->path = path;
	file->shown_path = mem_strdup(path);
	file->rest = buf_str(&bytes);
	file->from = from;
	file->depth = from ? from->depth + 1 : 0;
	if (parser->options->keep_lines)
		report_say(parser->report, REPORT_FILE, "%s (depth %u)", path, file->depth);
	read_lines(parser, file);
	buf_fini(&bytes);
	mem_free(file->shown_path);
	mem_free(file);
	return true;
}

bool parser_read(const char *path, const struct parser_options *options, struct report *report,
                 parser_line_fn *line, void *user)
{
	struct parser parser = {
		.source = options->source ? options->source : &source_disk,
		.options = options,
		.report = report,
		.line = line,
		.user = user,
		.cutter = word_cutter_create(),
	};
	bool is_read;

	buf_init(&parser.joined, PARSER_MAX_JOINED_BYTES);
	buf_init(&parser.filled, PARSER_MAX_JOINED_BYTES);
	is_read = read_file(&parser, path, NULL);
	report_at(report, NULL, 0, NULL);
	report_included_from(report, NULL);
	word_cutter_destroy(parser.cutter);
	buf_fini(&parser.joined);
	buf_fini(&parser.filled);
	return is_read;
}
