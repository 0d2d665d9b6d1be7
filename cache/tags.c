/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/tags.h"

#include "lib/base/check.h"

static const struct {
	struct str name;
	char separator; /* beside SP and HTAB around a tag */
} fields[] = {
	{{"Surrogate-Key", sizeof("Surrogate-Key") - 1}, ' '},
	{{"Cache-Tag", sizeof("Cache-Tag") - 1}, ','},
};

/* Where a head's tags are being read. */
struct cursor {
	struct str head;  /* the lines that follow */
	struct str value; /* the tags that follow on this one */
	char separator;
};

/* The next line that holds tags. */
static bool next_line(struct cursor *cursor)
{
	struct str line;

	while (str_split(&cursor->head, '\n', &line))
		for (size_t i = 0; i < COUNT(fields); i++) {
			struct str name = fields[i].name;

			if (line.len <= name.len || line.at[name.len] != ':' ||
			    !str_starts_with_nocase(line, name))
				continue;
			cursor->value = str_from(line, name.len + 1);
			if (cursor->value.len > 0 && line.at[line.len - 1] == '\r')
				cursor->value.len--;
			cursor->separator = fields[i].separator;
			return true;
		}
	return false;
}

static bool next_tag(struct cursor *cursor, struct str *tag)
{
	for (;;) {
		bool has_one = cursor->separator == ' '
				       ? str_word(&cursor->value, tag)
				       : str_split(&cursor->value, cursor->separator, tag);

		*tag = has_one ? str_trim(*tag) : STR_NONE;
		if (tag->len > 0)
			return true;
		if (!has_one && !next_line(cursor))
			return false;
	}
}

bool tags_read(struct str head, struct buf *out)
{
	struct cursor cursor = {.head = head, .separator = ' '};
	struct str tag;

	while (next_tag(&cursor, &tag)) {
		if (str_find_char(tag, ' ') < tag.len || str_find_char(tag, '\t') < tag.len)
			return false;
		buf_add_str(out, tag);
		buf_add_char(out, ' ');
	}
	return !out->is_full && out->len <= TAGS_MAX_BYTES;
}

bool tags_have(struct str head, struct str tag)
{
	struct cursor cursor = {.head = head, .separator = ' '};
	struct str one;

	while (next_tag(&cursor, &one))
		if (str_eq(one, tag))
			return true;
	return false;
}
