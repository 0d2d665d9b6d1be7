/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/head_line.h"

static bool is_line_end(char c)
{
	return c == '\r' || c == '\n';
}

bool head_line_next(struct str *rest, struct head_line *line)
{
	size_t colon;

	if (rest->len == 0)
		return false;
	line->all = str_first(*rest, str_find_char(*rest, '\n') + 1);
	*rest = str_from(*rest, line->all.len);
	colon = str_find_char(line->all, ':');
	line->name = str_first(line->all, colon);
	line->value = str_from(line->all, colon + 1);
	while (line->value.len > 0 && is_line_end(line->value.at[line->value.len - 1]))
		line->value.len--;
	line->value = str_trim(line->value);
	return true;
}

struct str head_line_value(struct str head, struct str name)
{
	struct head_line line;

	while (head_line_next(&head, &line))
		if (str_eq_nocase(line.name, name))
			return line.value;
	return STR_NONE;
}
