/* SPDX-License-Identifier: BSD-2-Clause */
/* lib/base/check.h: broken invariants of our own end the program, in release builds too.
 *
 * Threads: any. For faults of the world (network, input, disk) use enum err or a verdict. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define check(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__))

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Says what was expected, and where, on stderr and in the log, then aborts. */
_Noreturn void check_failed(const char *expr, const char *file, int line);

#endif
