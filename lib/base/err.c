/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/err.h"

#include <stdarg.h>
#include <stdio.h>

void err_say(struct err_text *why, const char *format, ...)
{
	va_list args;

	if (!why)
		return;
	va_start(args, format);
	vsnprintf(why->at, sizeof(why->at), format, args);
	va_end(args);
}
