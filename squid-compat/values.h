/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/values.h: numbers, sizes, times and yes/no as squid.conf writes them.
 *
 * Each reads from word *i of a line on and moves *i behind what it took. False: the value is no
 * good, the report has a REPORT_FATAL that says why, and *out and *i are untouched. Pure but for
 * the report. */
#ifndef SQUID_COMPAT_VALUES_H
#define SQUID_COMPAT_VALUES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "squid-compat/report.h"
#include "squid-compat/words.h"

/* A size without limit ("none", "-1"). */
#define VALUE_UNLIMITED INT64_C(-1)

/* "on" or "off"; enable and disable draw a warning. */
bool value_on_off(const struct words *words, size_t *i, struct report *report, bool *out);

/* Decimal, 0x… or 0…, with a sign; within [min, max]. */
bool value_int(const struct words *words, size_t *i, struct report *report, int64_t min,
               int64_t max, int64_t *out);

/* "95" or "95%". */
bool value_percent(const struct words *words, size_t *i, struct report *report, int *out);

/* 0 to 65535. */
bool value_port(const struct words *words, size_t *i, struct report *report, uint16_t *out);

/* `NUMBER UNIT` in nanoseconds to decades; the unit is mandatory. Milliseconds, rounded up. */
bool value_time_ms(const struct words *words, size_t *i, struct report *report, int64_t *out);

/* `NUMBER [bytes|KB|MB|GB]`, or `none` or `-1` (VALUE_UNLIMITED). Without a unit: a warning, and
 * default_unit ("bytes" or "KB"). */
bool value_size(const struct words *words, size_t *i, struct report *report,
                const char *default_unit, int64_t *out);

/* The same on a text alone, for options like buffer-size=64KB. False: no good; nothing is said. */
bool value_size_text(struct str number, struct str unit, int64_t *out_bytes);

#endif
