/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/transaction/act_as_origin.h"

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/http/date.h"

enum { HEAD_MAX_BYTES = 1 << 20 };

static bool take_line(struct str *rest, struct str *line)
{
	*line = str_first(*rest, str_find_char(*rest, '\n') + 1);
	*rest = str_from(*rest, line->len);
	return line->len > 0;
}

static bool is_field(struct str line, struct str name, struct str *value)
{
	if (!str_starts_with_nocase(line, name))
		return false;
	*value = str_trim(str_from(str_first(line, line.len - 2), name.len)); /* less CRLF */
	return true;
}

static void add_date(struct buf *out, struct str name, int64_t time_s)
{
	char text[DATE_SIZE];

	date_format(time_s, text);
	buf_add_str(out, name);
	buf_add_char(out, ' ');
	buf_add_str(out, str_of(text));
	buf_add_str(out, STR("\r\n"));
}

static void add_origin(struct buf *out, struct str line)
{
	buf_add_str(out, STR("X-Origin-"));
	buf_add_str(out, line);
}

/* now_s when there is none that can be read: nothing is shifted then. */
static int64_t date_of(struct str head, int64_t now_s)
{
	struct str line, value;
	int64_t date_s = now_s;

	while (take_line(&head, &line))
		if (is_field(line, STR("Date:"), &value))
			date_parse(value, now_s, &date_s);
	return date_s;
}

struct str act_as_origin(struct str head, int64_t now_s, struct arena *arena)
{
	int64_t shift_s = now_s - date_of(head, now_s), time_s;
	struct str line, value, made;
	struct buf out;

	buf_init(&out, HEAD_MAX_BYTES);
	while (take_line(&head, &line)) {
		if (is_field(line, STR("Date:"), &value)) {
			add_date(&out, STR("Date:"), now_s);
			add_origin(&out, line);
		} else if (is_field(line, STR("Expires:"), &value) &&
		           date_parse(value, now_s, &time_s)) {
			add_date(&out, STR("Expires:"), time_s + shift_s);
			add_origin(&out, line);
		} else {
			buf_add_str(&out, line);
		}
	}
	made = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return made;
}
