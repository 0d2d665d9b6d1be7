/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/tls/tls_priority.h: OpenSSL's words for versions, cipher suites and curves
 * (options=, cipher=, tls-min-version=, version=, tls-dh=) as a priority string of GnuTLS.
 *
 * GnuTLS chooses key exchange, cipher and MAC one by one, so of a list of suites the algorithms
 * are kept and not their pairing. As in OpenSSL, cipher= does not reach TLS 1.3. Pure. */
#ifndef SQUID_COMPAT_TLS_PRIORITY_H
#define SQUID_COMPAT_TLS_PRIORITY_H
#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "squid-compat/report.h"
#include "squid-compat/tls/tls_options.h"

/* The string, NUL-terminated, in arena; what cannot be had is said to report. STR_NONE, and
 * REPORT_FATAL said, when no suite or no version is left. */
struct str tls_priority(const struct tls_options *options, enum tls_line line, struct arena *arena,
			struct report *report);

/* options= has NO_TICKET. */
bool tls_priority_has_no_ticket(const struct tls_options *options);

#endif
