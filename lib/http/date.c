/* SPDX-License-Identifier: BSD-2-Clause */
/* The calendar is counted from 1 March of year 0, so that the leap day ends a year: the days before
 * a month are then (153 * months + 2) / 5, and 400 years are 146097 days. */
#include "lib/http/date.h"

#include "lib/base/check.h"

enum {
	SECONDS_A_DAY = 86400,
	DAYS_400_YEARS = 146097,
	DAYS_100_YEARS = 36524,
	DAYS_4_YEARS = 1461,
	DAYS_TO_1970 = 719468, /* from 1 March of year 0 */
};

static const int64_t min_time_s = INT64_C(-62167219200); /* 0000-01-01 */
static const int64_t max_time_s = INT64_C(253402300799); /* 9999-12-31 23:59:59 */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};

/* Rounds down. */
static int64_t divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t time_of(const struct date_civil *c)
{
	int months = (c->month + 9) % 12; /* since March */
	int64_t year = c->year - (c->month < 3);
	int64_t days = year * 365 + divide(year, 4) - divide(year, 100) + divide(year, 400) +
	               (153 * months + 2) / 5 + c->day - 1 - DAYS_TO_1970;

	return days * SECONDS_A_DAY + c->hour * 3600 + c->minute * 60 + c->second;
}

struct date_civil date_civil_of(int64_t time_s)
{
	int64_t days = divide(time_s, SECONDS_A_DAY);
	int64_t since_march_0 = days + DAYS_TO_1970;
	int64_t era = divide(since_march_0, DAYS_400_YEARS);
	int of_day = (int)(time_s - days * SECONDS_A_DAY);
	int of_era = (int)(since_march_0 - era * DAYS_400_YEARS);
	/* The last day of 4, 100 and 400 years would begin another year. */
	int year = (of_era - of_era / (DAYS_4_YEARS - 1) + of_era / DAYS_100_YEARS -
	            of_era / (DAYS_400_YEARS - 1)) /
	           365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int months = (5 * of_year + 2) / 153;

	return (struct date_civil){
		.year = era * 400 + year + (months >= 10),
		.month = months < 10 ? months + 3 : months - 9,
		.day = of_year - (153 * months + 2) / 5 + 1,
		.hour = of_day / 3600,
		.minute = of_day / 60 % 60,
		.second = of_day % 60,
		.weekday = (int)(days + 4 - divide(days + 4, 7) * 7),
	};
}

static int days_in(int64_t year, int month)
{
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool read_digits(struct str text, int64_t *out)
{
	uint64_t number;

	if (!str_to_u64(text, &number))
		return false;
	*out = (int64_t)number;
	return true;
}

static bool read_month(struct str text, int *out)
{
	for (int month = 1; month <= 12; month++)
		if (str_eq(text, (struct str){month_names + 3 * (month - 1), 3})) {
			*out = month;
			return true;
		}
	return false;
}

static bool is_weekday(struct str text, bool is_long)
{
	for (size_t i = 0; i < COUNT(weekdays); i++)
		if (str_eq(text, str_first(str_of(weekdays[i]), is_long ? 9 : 3)))
			return true;
	return false;
}

/* Does text have the shape? Of its bytes 'd' is a digit, '*' any byte, another itself. */
static bool has_shape(struct str text, const char *shape)
{
	if (text.len != strlen(shape))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool is_digit = text.at[i] >= '0' && text.at[i] <= '9';

		if (shape[i] == 'd' ? !is_digit : shape[i] != '*' && shape[i] != text.at[i])
			return false;
	}
	return true;
}

/* Where the parts of a form lie, behind its weekday. */
struct form {
	const char *shape;
	uint8_t day, month, year, year_len, clock;
	bool is_long; /* the weekday's name is */
};

/* RFC 9110 §5.6.7: IMF-fixdate, RFC 850, asctime (with two digits of a day, or one). */
static const struct form forms[] = {
	{", dd *** dddd dd:dd:dd GMT", 2, 5, 9, 4, 14, false},
	{", dd-***-dd dd:dd:dd GMT", 2, 5, 9, 2, 12, true},
	{" *** dd dd:dd:dd dddd", 5, 1, 17, 4, 8, false},
	{" ***  d dd:dd:dd dddd", 6, 1, 17, 4, 8, false},
};

static int two_digits(const char *at)
{
	return (at[0] - '0') * 10 + at[1] - '0';
}

/* The latest year that ends in these two digits and is not over 50 years ahead of now. */
static void choose_century(struct date_civil *c, int64_t now_s)
{
	struct date_civil limit = date_civil_of(now_s);

	limit.year += 50;
	c->year = limit.year - (limit.year - c->year) % 100;
	if (time_of(c) > time_of(&limit))
		c->year -= 100;
}

static bool read_form(const struct form *form, struct str text, int64_t now_s, int64_t *out_s)
{
	const char *clock = text.at + form->clock;
	struct date_civil c = {
		.hour = two_digits(clock),
		.minute = two_digits(clock + 3),
		.second = two_digits(clock + 6),
	};
	size_t day_len = text.at[form->day + 1] == ' ' || text.at[form->day + 1] == '-' ? 1 : 2;
	int64_t day;

	if (!read_digits((struct str){text.at + form->day, day_len}, &day) ||
	    !read_month((struct str){text.at + form->month, 3}, &c.month) ||
	    !read_digits((struct str){text.at + form->year, form->year_len}, &c.year))
		return false;
	c.day = (int)day;
	if (form->year_len == 2)
		choose_century(&c, now_s);
	if (c.day < 1 || c.day > days_in(c.year, c.month) || c.hour > 23 || c.minute > 59 ||
	    c.second > 60)
		return false;
	if (c.second == 60)
		c.second = 59; /* a leap second: the same day, and within four digits of a year */
	*out_s = time_of(&c);
	return true;
}

static bool parse(struct str text, int64_t now_s, int64_t *out_s)
{
	size_t name_len = 0;

	while (name_len < text.len && text.at[name_len] != ',' && text.at[name_len] != ' ')
		name_len++;
	for (size_t i = 0; i < COUNT(forms); i++)
		if (has_shape(str_from(text, name_len), forms[i].shape))
			return is_weekday(str_first(text, name_len), forms[i].is_long) &&
			       read_form(&forms[i], str_from(text, name_len), now_s, out_s);
	return false;
}

/* The same Date comes with every answer of a second. Of another form, the century depends on
 * now_s. */
bool date_parse(struct str text, int64_t now_s, int64_t *out_s)
{
	static _Thread_local struct {
		char text[DATE_SIZE - 1]; /* an IMF-fixdate, or zeros */
		int64_t time_s;
	} last;

	if (text.len == sizeof(last.text) && memcmp(text.at, last.text, sizeof(last.text)) == 0) {
		*out_s = last.time_s;
		return true;
	}
	if (!parse(text, now_s, out_s))
		return false;
	if (text.len == sizeof(last.text) && text.at[3] == ',') {
		memcpy(last.text, text.at, sizeof(last.text));
		last.time_s = *out_s;
	}
	return true;
}

static char *put_two(char *at, int number)
{
	at[0] = (char)('0' + number / 10);
	at[1] = (char)('0' + number % 10);
	return at + 2;
}

static char *put_text(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *put_clock(char *at, const struct date_civil *c)
{
	at = put_two(at, c->hour);
	*at++ = ':';
	at = put_two(at, c->minute);
	*at++ = ':';
	return put_two(at, c->second);
}

/* "06 Nov 1994" */
static char *put_date(char *at, const struct date_civil *c)
{
	at = put_two(at, c->day);
	*at++ = ' ';
	at = put_text(at, month_names + 3 * (c->month - 1), 3);
	*at++ = ' ';
	at = put_two(at, (int)(c->year / 100));
	return put_two(at, (int)(c->year % 100));
}

/* To the years 0 to 9999. */
static int64_t clamp(int64_t time_s)
{
	if (time_s < min_time_s)
		return min_time_s;
	return time_s > max_time_s ? max_time_s : time_s;
}

void date_format(int64_t time_s, char out[DATE_SIZE])
{
	struct date_civil c = date_civil_of(clamp(time_s));
	char *at = put_text(out, weekdays[c.weekday], 3);

	at = put_text(at, ", ", 2);
	at = put_date(at, &c);
	*at++ = ' ';
	at = put_clock(at, &c);
	put_text(at, " GMT", 5);
}
