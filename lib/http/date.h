/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/http/date.h: dates of HTTP and of logs. Times are seconds since 1970 UTC, 64-bit everywhere.
 * RFC 9110 §5.6.7. Threads: pure functions; no locale, no time zone of the machine. */
#ifndef HTTP_DATE_H
#define HTTP_DATE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

/* A time of the proleptic Gregorian calendar. */
struct date_civil {
	int64_t year;
	int month, day;           /* 1-12, 1-31 */
	int hour, minute, second; /* 0-23, 0-59, 0-59 */
	int weekday;              /* 0 is Sunday */
};

/* time_s: since 1970, in UTC. */
struct date_civil date_civil_of(int64_t time_s);

/* All of text as IMF-fixdate, RFC 850 or asctime, by the letter (but any weekday's name does).
 * now_s decides the century of a two-digit year: the latest that is not over 50 years ahead.
 * False, and *out_s untouched, for anything else. */
bool date_parse(struct str text, int64_t now_s, int64_t *out_s);

enum { DATE_SIZE = 30 };

/* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL. Years outside 0 to 9999 are clamped. */
void date_format(int64_t time_s, char out[DATE_SIZE]);

#endif
