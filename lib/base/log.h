/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/log.h: what the program tells its operator: cache.log. Squid's levels and line shape:
 * `YYYY/MM/DD HH:MM:SS| TEXT`, level 0 for what matters most, 1 for what is worth knowing.
 *
 * Threads: any. A message is formatted by the caller and handed to the sink (stderr until
 * log_set_sink); it is cut at LOG_MAX_BYTES, and control bytes in it are shown as \xHH. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stddef.h>

enum { LOG_MAX_BYTES = 2048 };

/* Text goes out if level <= the level set (1 by default). No newline at its end. */
void log_say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

void log_set_level(int level);
int log_level(void);

/* "kid1" puts ` kid1|` into each line, NULL leaves it out (as Squid's daemon mode does). */
void log_set_role(const char *role);

/* Where finished lines (with newline) go. Called from any thread; it may not block, call log_say or
 * keep the line. NULL: back to stderr. Set it while only one thread runs. */
typedef void log_sink_fn(int level, const char *line, size_t len);
void log_set_sink(log_sink_fn *sink);

#endif
