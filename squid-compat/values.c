/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/values.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"

enum { MAX_NUMBER_BYTES = 63 };

/* Far beyond any sense, and safe to add to a clock: 1000 years. */
#define MAX_TIME_MS (INT64_C(1000) * 366 * 86400 * 1000)
#define MAX_SIZE_BYTES (INT64_C(1) << 60)

struct unit {
	struct str name;
	double factor;
};

/* In milliseconds. A unit may have more letters behind it ("seconds", even "secondary"). */
static const struct unit time_units[] = {
	{STR("nanosecond"), 1e-6},
	{STR("microsecond"), 1e-3},
	{STR("millisecond"), 1},
	{STR("second"), 1e3},
	{STR("minute"), 60e3},
	{STR("hour"), 3600e3},
	{STR("day"), 86400e3},
	{STR("week"), 7 * 86400e3},
	{STR("fortnight"), 14 * 86400e3},
	{STR("month"), 30 * 86400e3},
	{STR("year"), 365.2522 * 86400e3},
	{STR("decade"), 3652.522 * 86400e3},
};

static const struct unit size_units[] = {
	{STR("bytes"), 1},    {STR("byte"), 1},     {STR("KB"), 1 << 10},
	{STR("MB"), 1 << 20}, {STR("GB"), 1 << 30},
};

static const struct unit *find_time_unit(struct str text)
{
	for (size_t i = 0; i < COUNT(time_units); i++)
		if (str_starts_with_nocase(text, time_units[i].name))
			return &time_units[i];
	return NULL;
}

static const struct unit *find_size_unit(struct str text)
{
	for (size_t i = 0; i < COUNT(size_units); i++)
		if (str_eq_nocase(text, size_units[i].name))
			return &size_units[i];
	return NULL;
}

/* A plain decimal, perhaps with a fraction; nothing behind it. */
static bool to_number(struct str text, double *out)
{
	char copy[MAX_NUMBER_BYTES + 1], *end;

	if (text.len == 0 || text.len > MAX_NUMBER_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!(text.at[i] >= '0' && text.at[i] <= '9') && text.at[i] != '.' &&
		    !(i == 0 && (text.at[i] == '+' || text.at[i] == '-')))
			return false;
	str_copy(text, copy, sizeof(copy));
	*out = strtod(copy, &end);
	return end == copy + text.len && isfinite(*out);
}

/* The word at *i; false, with Squid's silence behind "Bungled", when there is none. */
static bool take(const struct words *words, size_t i, struct report *report, const char *what,
                 struct str *text)
{
	if (i >= words->n) {
		report_say(report, REPORT_FATAL, "%s is missing", what);
		return false;
	}
	*text = words->at[i].text;
	return true;
}

bool value_on_off(const struct words *words, size_t *i, struct report *report, bool *out)
{
	static const struct {
		struct str word;
		bool value;
		const char *instead; /* of a deprecated word */
	} choices[] = {
		{STR("on"), true, NULL},
		{STR("off"), false, NULL},
		{STR("enable"), true, "on"},
		{STR("disable"), false, "off"},
	};
	struct str text;

	if (!take(words, *i, report, "on or off", &text))
		return false;
	for (size_t c = 0; c < COUNT(choices); c++) {
		if (!str_eq(text, choices[c].word))
			continue;
		if (choices[c].instead)
			report_say(report, REPORT_WARNING,
			           "'%s' is deprecated. Please update to use '%s'.",
			           choices[c].word.at, choices[c].instead);
		*out = choices[c].value;
		(*i)++;
		return true;
	}
	report_say(report, REPORT_FATAL,
	           "Invalid option: Boolean options can only be 'on' or 'off'.");
	return false;
}

/* As strtoll reads it with base 0, all of it. */
static bool to_int(struct str text, int64_t *out)
{
	char copy[MAX_NUMBER_BYTES + 1], *end;
	long long value;

	if (text.len == 0 || text.len > MAX_NUMBER_BYTES || text.at[0] == ' ')
		return false;
	str_copy(text, copy, sizeof(copy));
	errno = 0;
	value = strtoll(copy, &end, 0);
	if (end != copy + text.len || errno != 0)
		return false;
	*out = value;
	return true;
}

bool value_int(const struct words *words, size_t *i, struct report *report, int64_t min,
               int64_t max, int64_t *out)
{
	struct str text;
	int64_t value;

	if (!take(words, *i, report, "a number", &text))
		return false;
	if (!to_int(text, &value)) {
		report_say(report, REPORT_FATAL, "'%.*s' is not a number",
		           STR_ARG(str_first(text, 200)));
		return false;
	}
	if (value < min || value > max) {
		report_say(report, REPORT_FATAL, "the number %lld is out of range (%lld to %lld)",
		           (long long)value, (long long)min, (long long)max);
		return false;
	}
	*out = value;
	(*i)++;
	return true;
}

bool value_percent(const struct words *words, size_t *i, struct report *report, int *out)
{
	struct str text;
	int64_t value;

	if (!take(words, *i, report, "a percentage", &text))
		return false;
	if (text.len && text.at[text.len - 1] == '%')
		text.len--;
	if (!to_int(text, &value) || value < 0 || value > 100) {
		report_say(report, REPORT_FATAL, "'%.*s' is not a percentage",
		           STR_ARG(str_first(text, 200)));
		return false;
	}
	*out = (int)value;
	(*i)++;
	return true;
}

bool value_port(const struct words *words, size_t *i, struct report *report, uint16_t *out)
{
	int64_t value;

	if (!value_int(words, i, report, 0, 65535, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool to_time(double number, const struct unit *unit, int64_t *out_ms)
{
	double ms = number * unit->factor;

	if (number < 0 || ms > (double)MAX_TIME_MS)
		return false;
	*out_ms = (int64_t)ms;
	if ((double)*out_ms < ms)
		(*out_ms)++;
	return true;
}

/* Squid insists on the unit; nothing is nothing in any. */
static bool take_time_unit(const struct words *words, size_t i, struct report *report,
                           double number, const struct unit **unit)
{
	struct str text = words_text(words, i + 1);

	*unit = find_time_unit(text);
	if (*unit)
		return true;
	if (text.len == 0 && number == 0) {
		*unit = &time_units[0];
		return true;
	}
	if (text.len == 0)
		report_say(report, REPORT_FATAL, "configuration error: missing time unit");
	else
		report_say(report, REPORT_FATAL, "configuration error: unknown time unit '%.*s'",
		           STR_ARG(str_first(text, 200)));
	return false;
}

bool value_time_ms(const struct words *words, size_t *i, struct report *report, int64_t *out)
{
	const struct unit *unit;
	struct str text;
	double number;

	if (!take(words, *i, report, "a time", &text))
		return false;
	if (!to_number(text, &number)) {
		report_say(report, REPORT_FATAL,
		           "configuration error: '%.*s' is no number of time units (a blank stands "
		           "before the unit)",
		           STR_ARG(str_first(text, 200)));
		return false;
	}
	if (!take_time_unit(words, *i, report, number, &unit))
		return false;
	if (!to_time(number, unit, out)) {
		report_say(report, REPORT_FATAL, "configuration error: the time is %s",
		           number < 0 ? "negative" : "too long");
		return false;
	}
	*i += *i + 1 < words->n ? 2 : 1;
	return true;
}

static bool to_size(double number, const struct unit *unit, int64_t *out_bytes)
{
	double bytes = number * unit->factor;

	if (number < 0 || bytes > (double)MAX_SIZE_BYTES)
		return false;
	*out_bytes = (int64_t)bytes;
	return true;
}

bool value_size_text(struct str number, struct str unit, int64_t *out_bytes)
{
	const struct unit *found = find_size_unit(unit);
	double value;

	return found && to_number(number, &value) && to_size(value, found, out_bytes);
}

static bool take_size_unit(const struct words *words, size_t i, struct report *report,
                           double number, const char *default_unit, const struct unit **unit)
{
	struct str text = words_text(words, i + 1);

	*unit = find_size_unit(text.len ? text : str_of(default_unit));
	if (!*unit) {
		report_say(report, REPORT_FATAL, "Unknown bytes unit '%.*s'",
		           STR_ARG(str_first(text, 200)));
		return false;
	}
	if (text.len == 0 && number != 0)
		report_say(report, REPORT_WARNING, "No units on '%.*s %.*s', assuming %.2f %s",
		           STR_ARG(words_text(words, 0)), STR_ARG(words_text(words, i)), number,
		           default_unit);
	return true;
}

bool value_size(const struct words *words, size_t *i, struct report *report,
                const char *default_unit, int64_t *out)
{
	const struct unit *unit;
	struct str text;
	double number;

	if (!take(words, *i, report, "a size", &text))
		return false;
	if (str_eq(text, STR("none")) || str_eq(text, STR("-1"))) {
		*out = VALUE_UNLIMITED;
		(*i)++;
		return true;
	}
	if (!to_number(text, &number)) {
		report_say(report, REPORT_FATAL,
		           "'%.*s' is no size (a blank stands between number and unit)",
		           STR_ARG(str_first(text, 200)));
		return false;
	}
	if (!take_size_unit(words, *i, report, number, default_unit, &unit))
		return false;
	if (!to_size(number, unit, out)) {
		report_say(report, REPORT_FATAL, "the size is %s",
		           number < 0 ? "negative" : "too large");
		return false;
	}
	*i += *i + 1 < words->n ? 2 : 1;
	return true;
}
