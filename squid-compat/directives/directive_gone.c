/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of directives that Squid has dropped, and that are honoured all the same. Each says what
 * it is taken for. */
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/reading.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/word_cutter.h"

enum { MAX_TRANSLATION_BYTES = 1 << 22 };

/* Reads a line that stands for one of the file. The directives of today are not seen by it
 * (reading_has_seen). */
static void take_translation(struct reading *reading, struct str line)
{
	struct word_cutter *cutter = word_cutter_create();
	const struct directive *directive;
	struct words words;

	if (word_cutter_cut(cutter, line, false, &words, reading->report) && words.n > 0) {
		directive = directive_find(words.at[0].text);
		check(directive && directive->parse);
		directive->parse(reading, directive, &words);
	}
	word_cutter_destroy(cutter);
}

void parse_translated(struct reading *reading, const struct directive *directive,
		      const struct words *words)
{
	struct buf lines;
	struct str rest, line;

	(void)directive;
	buf_init(&lines, MAX_TRANSLATION_BYTES);
	check(translate_line(words, &lines));
	rest = buf_str(&lines);
	while (rest.len && str_split(&rest, '\n', &line)) {
		if (line.len == 0)
			continue;
		report_say(reading->report, REPORT_NOTE, "it is taken for '%.*s'",
			   STR_ARG(str_first(line, 500)));
		take_translation(reading, line);
	}
	buf_fini(&lines);
}

/* Options of which some need others: the whole is looked at behind the last line. */
void parse_sslproxy(struct reading *reading, const struct directive *directive,
		    const struct words *words)
{
	static const struct str prefix = {"tls_outgoing_options ", 21};
	struct config *config = reading->config;
	struct buf line;

	(void)directive;
	buf_init(&line, MAX_TRANSLATION_BYTES);
	check(translate_line(words, &line));
	if (line.len > prefix.len + 1) {
		struct str option = str_from(buf_str(&line), prefix.len);

		option.len--;
		report_say(reading->report, REPORT_NOTE, "it is taken for '%.*s%.*s'",
			   STR_ARG(prefix), STR_ARG(str_first(option, 500)));
		tls_outgoing_take(config->tls_outgoing, option, &config->arena_, reading->report);
		reading->has_sslproxy = true;
	}
	buf_fini(&line);
}

void parse_cache_peer_domain(struct reading *reading, const struct directive *directive,
			     const struct words *words)
{
	(void)directive;
	peers_parse_domains(reading->config->peers, words, reading->report);
}

void parse_httpd_accel(struct reading *reading, const struct directive *directive,
		       const struct words *words)
{
	(void)directive;
	httpd_accel_parse(&reading->accel, words, reading->report);
}

/* ---- behind the last line */

static void finish_peer_domains(struct reading *reading, struct peer *peer)
{
	struct config *config = reading->config;
	char *prefix = mem_printf("domains_of_peer_%u", peer->index);
	struct access_list *further = peer->access;
	struct str rest, line;
	struct buf lines;

	buf_init(&lines, MAX_TRANSLATION_BYTES);
	while (acl_set_has(config->acls, str_of(prefix))) {
		char *longer = mem_printf("%s_", prefix);

		mem_free(prefix);
		prefix = longer;
	}
	translate_peer_domains(peer->name, str_of(prefix), peer->domains, peer->ndomains, &lines);
	if (lines.is_full)
		report_say(reading->report, REPORT_FATAL,
			   "cache_peer_domain %.*s: too many domains", STR_ARG(peer->name));
	peer->access = NULL;
	rest = buf_str(&lines);
	while (rest.len && str_split(&rest, '\n', &line))
		if (line.len)
			take_translation(reading, line);
	if (!peer->access)
		peer->access = further;
	else if (further)
		access_list_join(peer->access, further);
	report_say(reading->report, REPORT_NOTE,
		   "cache_peer_domain %.*s: the peer gets the %u named domain%s alone, as by "
		   "cache_peer_access with an ACL of type dstdomain",
		   STR_ARG(peer->name), (unsigned)peer->ndomains, peer->ndomains == 1 ? "" : "s");
	buf_fini(&lines);
	mem_free(prefix);
}

static void finish_httpd_accel(struct reading *reading)
{
	const struct httpd_accel *accel = &reading->accel;
	struct buf options, line;

	if (!accel->is_said || !ports_accelerate(reading->config->ports, accel))
		return;
	buf_init(&options, MAX_TRANSLATION_BYTES);
	buf_init(&line, MAX_TRANSLATION_BYTES);
	httpd_accel_port_options(accel, &options);
	report_say(reading->report, REPORT_NOTE,
	           "httpd_accel_*: each http_port is taken for one with '%.*s'",
	           STR_ARG(str_from(buf_str(&options), 1)));
	if (reading->config->peers->n == 0)
		httpd_accel_peer_line(accel, &line);
	if (line.len > 0) {
		report_say(reading->report, REPORT_NOTE, "httpd_accel_*: with '%.*s'",
			   STR_ARG(buf_str(&line)));
		take_translation(reading, buf_str(&line));
	} else if (reading->config->peers->n == 0) {
		report_say(reading->report, REPORT_WARNING,
			   "httpd_accel_host virtual: no cache_peer says where the sites are, so "
			   "nothing can be fetched");
	}
	if (accel->with_proxy)
		report_say(reading->report, REPORT_WARNING,
			   "httpd_accel_with_proxy on: requests of a proxy's clients are not served");
	buf_fini(&options);
	buf_fini(&line);
}

void reading_finish_gone(struct reading *reading)
{
	finish_httpd_accel(reading);
	for (struct peer *peer = reading->config->peers->first; peer; peer = peer->next)
		if (peer->ndomains > 0)
			finish_peer_domains(reading, peer);
}
