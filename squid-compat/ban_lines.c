/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/ban_lines.h"

#include "lib/base/heap.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/values.h"

enum { MAX_EVENTS = 1000000, FIRST_VALUE_WORD = 3 };
#define MAX_WINDOW_MS (INT64_C(30) * 86400 * 1000)

void ban_lines_init(struct ban_lines *lines, struct arena *arena)
{
	*lines = (struct ban_lines){.arena_ = arena};
	list_init(&lines->all);
}

void ban_lines_fini(struct ban_lines *lines)
{
	LIST_EACH_SAFE(node, &lines->all) {
		struct ban_line *line = CONTAINER(node, struct ban_line, node);

		acl_condition_destroy(line->condition);
		mem_free(line);
	}
}

/* It is written to a file of words. */
static bool is_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = ascii_lower(name.at[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' &&
		    c != '.')
			return false;
	}
	return name.len > 0 && name.len <= BAN_NAME_MAX_BYTES;
}

static bool parse_values(struct ban_line *line, const struct words *words, size_t *i,
                         struct report *report)
{
	int64_t n;

	if (!value_int(words, i, report, 1, MAX_EVENTS, &n) ||
	    !value_time_ms(words, i, report, &line->window_ms) ||
	    !value_time_ms(words, i, report, &line->duration_ms))
		return false;
	line->n = (unsigned)n;
	if (line->window_ms > 0 && line->window_ms <= MAX_WINDOW_MS && line->duration_ms > 0)
		return true;
	report_say(report, REPORT_FATAL, "ban: a window is up to 30 days, and no time is 0");
	return false;
}

void ban_lines_parse(struct ban_lines *lines, struct acl_set *set, const struct words *words,
                     struct report *report)
{
	struct str kind = words_text(words, 2);
	bool has_acls = str_eq(kind, STR("acl"));
	struct ban_line line = {0}, *kept;
	size_t i = FIRST_VALUE_WORD;

	if (!is_name(words_text(words, 1)) || (!has_acls && !str_eq(kind, STR("auth-failures")))) {
		report_say(report, REPORT_FATAL,
		           "ban needs NAME auth-failures|acl N WINDOW DURATION [ACL...]");
		return;
	}
	if (!parse_values(&line, words, &i, report))
		return;
	if (has_acls != (i < words->n) || lines->n == BAN_MAX_LINES) {
		report_say(report, REPORT_FATAL,
		           "ban: ACLs follow 'acl' and nothing else, and there are %d lines at most",
		           BAN_MAX_LINES);
		return;
	}
	line.name = arena_str(lines->arena_, words_text(words, 1));
	if (has_acls)
		line.condition = acl_condition_create(set, words, i, report);
	kept = mem_zalloc(sizeof(*kept));
	*kept = line;
	list_push_back(&lines->all, &kept->node);
	lines->n++;
}
