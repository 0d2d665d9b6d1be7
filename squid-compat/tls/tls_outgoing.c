/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/tls/tls_outgoing.h"

#include "lib/net/tls_certificate.h"
#include "squid-compat/tls/tls_priority.h"

/* A certificate of our own that cannot be used: nobody would know us by it. */
static void check_certificate(const struct tls_outgoing *outgoing, struct report *report)
{
	const struct tls_pair_files *pair = outgoing->files.pairs;
	struct tls_certificate *certificate;
	struct tls_pem pem;
	struct err_text why;

	if (!pair || pair->cert.error || pair->key.error)
		return; /* there is none, or tls_options_check said so */
	pem = (struct tls_pem){.cert = pair->cert.bytes,
			       .key = pair->key.bytes,
			       .password = pair->password.at};
	if (tls_certificate_create(&pem, &certificate, &why) == ERR_OK)
		tls_certificate_unref(certificate);
	else
		report_say(report, REPORT_FATAL, "Failed to acquire SSL certificate '%s': %s",
			   pair->cert.path.at, why.at);
}

void tls_outgoing_finish(struct tls_outgoing *outgoing, const struct world *world,
			 struct arena *arena, struct report *report)
{
	tls_options_check(&outgoing->options, TLS_LINE_PEER, world, report);
	outgoing->priorities = tls_priority(&outgoing->options, TLS_LINE_PEER, arena, report);
	tls_files_read(&outgoing->options, world, arena, &outgoing->files);
	check_certificate(outgoing, report);
}

void tls_outgoing_take(struct tls_outgoing *outgoing, struct str word, struct arena *arena,
		       struct report *report)
{
	if (str_eq(word, STR("disable"))) {
		outgoing->is_off = true;
		return;
	}
	/* The options of cache_peer, without their "tls-". */
	if (!str_starts_with(word, STR("tls-")))
		word = arena_printf(arena, "tls-%.*s", STR_ARG(word));
	tls_options_take(&outgoing->options, TLS_LINE_PEER, word, "tls_outgoing_options", arena,
			 report);
}

void tls_outgoing_parse(struct tls_outgoing *outgoing, const struct words *words,
			const struct world *world, struct arena *arena, struct report *report)
{
	if (words->n < 2)
		report_say(report, REPORT_FATAL, "tls_outgoing_options needs a value");
	for (size_t i = 1; i < words->n; i++)
		tls_outgoing_take(outgoing, words_text(words, i), arena, report);
	tls_outgoing_finish(outgoing, world, arena, report);
}
