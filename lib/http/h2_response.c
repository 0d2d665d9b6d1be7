/* SPDX-License-Identifier: BSD-2-Clause */
/* A response's lines, one at a time. */
#include "lib/http/h2.h"

#include "lib/http/message.h"

/* The length of the name decides most of them. */
static bool is_of_connection(const char *name, size_t len)
{
	static const struct str names[] = {
		STR("connection"),       STR("transfer-encoding"), STR("keep-alive"),
		STR("proxy-connection"), STR("upgrade"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].len == len && memcmp(names[i].at, name, len) == 0)
			return true;
	return false;
}

static void make_lower(char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		name[i] = ascii_lower(name[i]);
}

bool h2_response_next(char **at, char *end, struct h2_field *out)
{
	while (*at < end) {
		char *line = *at, *lf = memchr(line, '\n', (size_t)(end - line));
		char *line_end = lf ? lf : end, *colon;

		*at = lf ? lf + 1 : end;
		if (line_end > line && line_end[-1] == '\r')
			line_end--;
		if (line_end == line)
			return false;
		colon = memchr(line, ':', (size_t)(line_end - line));
		if (!colon || colon == line)
			continue;
		make_lower(line, (size_t)(colon - line));
		if (is_of_connection(line, (size_t)(colon - line)))
			continue;
		out->name = line;
		out->name_len = (size_t)(colon - line);
		out->value = str_trim((struct str){colon + 1, (size_t)(line_end - colon - 1)});
		return true;
	}
	return false;
}
