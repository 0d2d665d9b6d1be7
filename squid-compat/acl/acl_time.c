/* SPDX-License-Identifier: BSD-2-Clause */
/* `[SMTWHFAD] [h1:m1-h2:m2]...`: local time; the end counts to its minute; days hold for the next
 * range, days without one for the whole day, a range without days for every day. */
#include <time.h>

#include "lib/base/heap.h"
#include "squid-compat/acl/acl_internal.h"

enum {
	EVERY_DAY = 0x7f,
	WORK_DAYS = 0x3e, /* Monday to Friday */
	MINUTES_OF_DAY = 24 * 60,
};

struct span {
	unsigned days;  /* bit 0: Sunday */
	int start, end; /* minutes */
};

struct times {
	struct span *spans;
	size_t n, cap;
};

static void add_span(struct times *times, struct span span)
{
	if (times->n == times->cap) {
		times->cap = times->cap > 0 ? times->cap * 2 : 2;
		times->spans = mem_realloc(times->spans, times->cap * sizeof(*times->spans));
	}
	times->spans[times->n++] = span;
}

static unsigned parse_days(struct str word, struct report *report)
{
	static const char letters[] = "SMTWHFA";
	unsigned days = 0;

	for (size_t i = 0; i < word.len; i++) {
		const char *letter = strchr(letters, word.at[i]);

		if (word.at[i] == 'D')
			days |= WORK_DAYS;
		else if (letter != NULL && *letter != '\0')
			days |= 1u << (letter - letters);
		else
			report_say(report, REPORT_ERROR, "aclParseTimeSpec: Bad Day '%c'",
			           word.at[i]);
	}
	return days;
}

/* "h:m" with nothing behind. */
static bool parse_minute(struct str text, int *out)
{
	size_t colon = str_find_char(text, ':');
	uint64_t hour, minute;

	if (!str_to_u64(str_first(text, colon), &hour) ||
	    !str_to_u64(str_from(text, colon + 1), &minute))
		return false;
	if (hour > 24 || minute > 59 || hour * 60 + minute > MINUTES_OF_DAY)
		return false;
	*out = (int)(hour * 60 + minute);
	return true;
}

static bool parse_span(struct str word, struct span *out, struct report *report)
{
	size_t hyphen = str_find_char(word, '-');

	if (!parse_minute(str_first(word, hyphen), &out->start) ||
	    !parse_minute(str_from(word, hyphen + 1), &out->end)) {
		report_say(report, REPORT_FATAL, "aclParseTimeSpec: Bad time range '%.*s'",
		           STR_ARG(word));
		return false;
	}
	if (out->start > out->end) {
		report_say(report, REPORT_FATAL, "aclParseTimeSpec: Reversed time range '%.*s'",
		           STR_ARG(word));
		return false;
	}
	return true;
}

static void parse_times(struct acl *acl, struct acl_reader *reader)
{
	struct times *times = acl->values;
	unsigned days = 0;
	struct str word;

	while (acl_reader_next(reader, &word)) {
		struct span span;

		if (word.len > 0 && word.at[0] >= '0' && word.at[0] <= '9') {
			span.days = days != 0 ? days : EVERY_DAY;
			days = 0;
			if (parse_span(word, &span, reader->report))
				add_span(times, span);
		} else {
			days |= parse_days(word, reader->report);
		}
	}
	if (days != 0)
		add_span(times, (struct span){days, 0, MINUTES_OF_DAY});
}

static bool has_no_times(const void *values)
{
	return ((const struct times *)values)->n == 0;
}

static void free_times(void *values)
{
	mem_free(((struct times *)values)->spans);
}

enum acl_match acl_time_match(const struct acl *acl, struct acl_check *check)
{
	const struct times *times = acl->values;
	time_t now = (time_t)check->facts->now_s;
	struct tm tm;
	int minute;

	if (localtime_r(&now, &tm) == NULL)
		return ACL_MISMATCH;
	minute = tm.tm_hour * 60 + tm.tm_min;
	for (size_t i = 0; i < times->n; i++) {
		const struct span *span = &times->spans[i];

		if ((span->days >> tm.tm_wday & 1) && minute >= span->start && minute <= span->end)
			return ACL_MATCH;
	}
	return ACL_MISMATCH;
}

const struct acl_kind acl_kind_time = {
	.bytes = sizeof(struct times),
	.parse = parse_times,
	.is_empty = has_no_times,
	.fini = free_times,
};
