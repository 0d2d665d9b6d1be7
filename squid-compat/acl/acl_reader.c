/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of an `acl` line: its words, and for a word that names a file the lines of that file,
 * without blanks around, empty lines, lines that begin with # and comments behind " #". */
#include "squid-compat/acl/acl_internal.h"

#include "lib/base/heap.h"

/* A line's value; empty when it has none. */
static struct str file_value(struct str line)
{
	for (size_t i = 0; i < line.len; i++) {
		bool is_at_start = i == 0 || line.at[i - 1] == ' ' || line.at[i - 1] == '\t';

		if (line.at[i] == '#' && is_at_start)
			line.len = i;
	}
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return str_trim(line);
}

static bool next_of_file(struct acl_reader *reader, struct str *value)
{
	struct str line;

	while (str_split(&reader->file_rest, '\n', &line)) {
		*value = file_value(line);
		if (value->len > 0)
			return true;
	}
	return false;
}

/* A file that is missing is an empty one. */
static void open_file(struct acl_reader *reader, struct str path)
{
	char *name = str_dup(path);
	int error;

	buf_clear(&reader->file);
	reader->file_rest = STR_NONE;
	error = reader->world->read_file(name, &reader->file);
	if (error != 0)
		report_say(reader->report, REPORT_ERROR, "Can not open file %s for reading: %s",
		           name, strerror(error));
	else
		reader->file_rest = buf_str(&reader->file);
	mem_free(name);
}

bool acl_reader_next(struct acl_reader *reader, struct str *value)
{
	while (!next_of_file(reader, value)) {
		const struct word *word;

		if (reader->next_word >= reader->words->n)
			return false;
		word = &reader->words->at[reader->next_word++];
		if (!word->is_file) {
			*value = word->text;
			return true;
		}
		open_file(reader, word->text);
	}
	return true;
}

bool acl_reader_next_pattern(struct acl_reader *reader, struct str *value)
{
	while (acl_reader_next(reader, value)) {
		bool is_plus_i = str_eq(*value, STR("+i"));

		if (!is_plus_i && !str_eq(*value, STR("-i")))
			return true;
		reader->nocase = !is_plus_i;
	}
	return false;
}

void acl_reader_fini(struct acl_reader *reader)
{
	buf_fini(&reader->file);
}
