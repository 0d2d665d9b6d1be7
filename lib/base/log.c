/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

/* Set at start and on reload (docs/ARCHITECTURE.md, shared state). */
static atomic_int max_level = 1;
static log_sink_fn *sink;
static char role_mark[32];

void log_set_level(int level)
{
	atomic_store_explicit(&max_level, level, memory_order_relaxed); /* pairs with log_level */
}

int log_level(void)
{
	/* pairs with log_set_level */
	return atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_set_role(const char *role)
{
	snprintf(role_mark, sizeof(role_mark), role ? " %s" : "%s", role ? role : "");
}

void log_set_sink(log_sink_fn *new_sink)
{
	sink = new_sink;
}

static void to_stderr(const char *line, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, line, len);

		if (n <= 0)
			return;
		line += n;
		len -= (size_t)n;
	}
}

/* Shows control bytes, so that no input forges a line. Returns the length; ends with a newline. */
static size_t make_printable(const char *text, size_t len, char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < len && n + 6 < size; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 32 && c != 127) {
			out[n++] = (char)c;
			continue;
		}
		if (c == '\t') {
			out[n++] = '\t';
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = digits[c >> 4];
		out[n++] = digits[c & 15];
	}
	out[n++] = '\n';
	return n;
}

static void say(int level, const char *format, va_list args)
{
	char text[LOG_MAX_BYTES], line[LOG_MAX_BYTES + 64];
	time_t now = (time_t)clock_wall_s();
	struct tm tm;
	size_t n;
	int len;

	if (level > log_level())
		return;
	localtime_r(&now, &tm);
	n = strftime(line, sizeof(line), "%Y/%m/%d %H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s| ", role_mark);
	len = vsnprintf(text, sizeof(text), format, args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text))
		len = sizeof(text) - 1;
	n += make_printable(text, (size_t)len, line + n, sizeof(line) - n);
	if (sink)
		sink(level, line, n);
	else
		to_stderr(line, n);
}

void log_say(int level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(level, format, args);
	va_end(args);
}
