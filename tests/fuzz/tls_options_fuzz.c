/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS options, a word a line, of a port if the first byte is even, else of a peer: whatever they
 * say, GnuTLS takes the priorities that are made of them, or there are none and that is fatal. */
#include "tests/fuzz/fuzz.h"

#include <gnutls/gnutls.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "squid-compat/tls/tls_priority.h"

static void try_priorities(const char *made)
{
	gnutls_priority_t priorities;

	check(gnutls_priority_init(&priorities, made, NULL) == 0);
	gnutls_priority_deinit(priorities);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct str rest = {(const char *)bytes, len}, word, made;
	enum tls_line line = len > 0 && bytes[0] % 2 ? TLS_LINE_PEER : TLS_LINE_PORT;
	struct report *report = report_create();
	struct tls_options options;
	struct arena arena;

	arena_init(&arena, NULL, 0);
	tls_options_init(&options, line);
	rest = str_from(rest, 1);
	while (str_split(&rest, '\n', &word))
		tls_options_take(&options, line, word, "https_port", &arena, report);
	made = tls_priority(&options, line, &arena, report);
	check((made.at != NULL) || report_count(report, REPORT_FATAL) > 0);
	if (made.at)
		try_priorities(made.at);
	tls_priority_has_no_ticket(&options);
	arena_fini(&arena);
	report_destroy(report);
	return 0;
}
