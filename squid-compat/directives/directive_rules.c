/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers of directives that other modules read: they join those with the snapshot. */
#include <stdlib.h>
#include <string.h>

#include "lib/net/tls_certificate.h"
#include "lib/net/unix_socket.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/auth_config.h"
#include "squid-compat/auth_schemes.h"
#include "squid-compat/cache_dir.h"
#include "squid-compat/cachemgr_passwd.h"
#include "squid-compat/external_acl_config.h"
#include "squid-compat/header_rules.h"
#include "squid-compat/log/access_log.h"
#include "squid-compat/log/logformat.h"
#include "squid-compat/note_rules.h"
#include "squid-compat/pages/deny_info.h"
#include "squid-compat/peers.h"
#include "squid-compat/ports.h"
#include "squid-compat/reading.h"
#include "squid-compat/refresh_pattern.h"
#include "squid-compat/rewrite_config.h"
#include "squid-compat/size_rules.h"
#include "squid-compat/socket_rules.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/upgrade_rules.h"
#include "squid-compat/values.h"
#include "squid-compat/world.h"

/* What the row's slot points to. */
#define SLOT_POINTER(reading, directive, type)                                                     \
	(*(type **)(void *)((char *)(reading)->config + (directive)->slot))

/* ---- ACLs ---- */

void parse_acl(struct reading *reading, const struct directive *directive,
               const struct words *words)
{
	(void)directive;
	acl_parse(reading->config->acls, words, reading->world, reading->report);
}

/* Rules of a directive that nothing acts on are read, and dropped. */
static void check_access(struct reading *reading, const struct words *words, size_t first_word,
                         bool allows_slow)
{
	struct access_list *list = access_list_create();

	access_list_parse(list, reading->config->acls, words, first_word, allows_slow,
	                  reading->report);
	access_list_destroy(list);
}

static void add_access(struct reading *reading, const struct directive *directive,
                       const struct words *words, bool allows_slow)
{
	struct access_list **list;

	if (!directive->slot) {
		check_access(reading, words, 1, allows_slow);
		return;
	}
	list = &SLOT_POINTER(reading, directive, struct access_list);
	if (!*list)
		*list = access_list_create();
	access_list_parse(*list, reading->config->acls, words, 1, allows_slow, reading->report);
}

void parse_access(struct reading *reading, const struct directive *directive,
                  const struct words *words)
{
	add_access(reading, directive, words, true);
}

void parse_fast_access(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	add_access(reading, directive, words, false);
}

/* Says so when there is no word 1. */
static bool has_name(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	if (words->n > 1)
		return true;
	report_say(reading->report, REPORT_FATAL, "%s needs a value", directive->name);
	return false;
}

void parse_upgrade_rule(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	upgrade_rules_parse(SLOT_POINTER(reading, directive, struct upgrade_rules),
	                    reading->config->acls, words, reading->report);
}

/* The slot's rules, made with their first line. */
static struct socket_rules *socket_rules_of(struct reading *reading,
                                            const struct directive *directive)
{
	struct socket_rules **rules = &SLOT_POINTER(reading, directive, struct socket_rules);

	if (!*rules)
		*rules = socket_rules_create();
	return *rules;
}

void parse_outgoing_address(struct reading *reading, const struct directive *directive,
                            const struct words *words)
{
	if (has_name(reading, directive, words))
		socket_rules_parse_address(socket_rules_of(reading, directive),
		                           reading->config->acls, words, reading->world,
		                           reading->report);
}

void parse_tos(struct reading *reading, const struct directive *directive,
               const struct words *words)
{
	if (has_name(reading, directive, words))
		socket_rules_parse_tos(socket_rules_of(reading, directive), reading->config->acls,
		                       words, reading->report);
}

static void check_condition(struct reading *reading, const struct words *words, size_t first_word)
{
	acl_condition_destroy(
		acl_condition_create(reading->config->acls, words, first_word, reading->report));
}

/* NUMBER or NUMBER/MASK, decimal or 0x of base 16. */
static bool is_mark(struct str text)
{
	struct str part;
	unsigned nparts = 0;

	while (str_split(&text, '/', &part)) {
		char digits[16], *end;

		if (++nparts > 2 || part.len == 0 || part.len >= sizeof(digits) ||
		    ascii_hex(part.at[0]) < 0)
			return false;
		if (strtoull(str_copy(part, digits, sizeof(digits)), &end, 0) > UINT32_MAX || *end)
			return false;
	}
	return nparts > 0;
}

void parse_mark(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	if (!has_name(reading, directive, words))
		return;
	if (is_mark(words->at[1].text))
		check_condition(reading, words, 2);
	else
		report_say(reading->report, REPORT_FATAL,
		           "configuration error: NfMarkConfig: invalid value '%.*s' in '%.*s'",
		           STR_ARG(words->at[1].text), STR_ARG(words->at[1].text));
}

void parse_unsupported_protocol(struct reading *reading, const struct directive *directive,
                                const struct words *words)
{
	struct str mode = words_text(words, 1);

	(void)directive;
	if (str_eq(mode, STR("tunnel")) || str_eq(mode, STR("respond")))
		check_condition(reading, words, 2);
	else
		report_say(reading->report, REPORT_FATAL,
		           "unknown on_unsupported_protocol mode: %.*s", STR_ARG(mode));
}

void parse_size_rule(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	size_rules_parse(SLOT_POINTER(reading, directive, struct size_rules),
	                 reading->config->acls, words, reading->report);
}

/* ---- messages ---- */

void parse_header_access(struct reading *reading, const struct directive *directive,
                         const struct words *words)
{
	header_rules_parse_access(SLOT_POINTER(reading, directive, struct header_rules),
	                          reading->config->acls, words, reading->report);
}

void parse_header_replace(struct reading *reading, const struct directive *directive,
                          const struct words *words)
{
	header_rules_parse_replace(SLOT_POINTER(reading, directive, struct header_rules), words,
	                           reading->report);
}

void parse_header_add(struct reading *reading, const struct directive *directive,
                      const struct words *words)
{
	header_rules_parse_add(SLOT_POINTER(reading, directive, struct header_rules),
	                       reading->config->acls, words, reading->report);
}

void parse_note(struct reading *reading, const struct directive *directive,
                const struct words *words)
{
	(void)directive;
	note_rules_parse(reading->config->notes, reading->config->acls, words, reading->report);
}

void parse_refresh_pattern(struct reading *reading, const struct directive *directive,
                           const struct words *words)
{
	(void)directive;
	refresh_rules_parse(reading->config->refresh, words, reading->report);
}

void parse_deny_info(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	(void)directive;
	deny_infos_parse(reading->config->deny_infos, words, reading->report);
}

void parse_cachemgr_passwd(struct reading *reading, const struct directive *directive,
                           const struct words *words)
{
	(void)directive;
	cachemgr_passwds_parse(reading->config->cachemgr_passwds, words, reading->report);
}

/* ---- ports and peers ---- */

static const struct port *last_port(const struct ports *ports)
{
	const struct port *port = ports->first;

	while (port && port->next)
		port = port->next;
	return port;
}

static enum err try_pair(const struct tls_pair_files *pair, struct err_text *why)
{
	const struct tls_pem pem = {
		.cert = pair->cert.bytes, .key = pair->key.bytes, .password = pair->password.at};
	struct tls_certificate *certificate;
	enum err err = tls_certificate_create(&pem, &certificate, why);

	if (err == ERR_OK)
		tls_certificate_unref(certificate);
	return err;
}

/* Squid does not start without the certificate. Here it may come later: one that an ACME client has
 * still to fetch, by way of this very program. -k parse says what Squid's does, but of
 * tls-cert-dir, which Squid does not know. */
static void miss_certificate(struct reading *reading, const struct port *port)
{
	char place[ADDR_TEXT_BYTES + UNIX_SOCKET_MAX_PATH];

	if (port->unix_path.at)
		str_copy(port->spec, place, sizeof(place));
	else
		addr_text(&port->addr, place);
	if (port->tls.pairs)
		report_say(reading->report, REPORT_WARNING,
		           "'HTTPS_port %s' missing certificate in '%s'", place,
		           port->tls.pairs->cert.at);
	if (reading->options->is_parse_only && !reading->options->may_lack_certificates &&
	    !port->tls.cert_dir.at)
		report_say(reading->report, REPORT_FATAL,
		           "No valid signing certificate configured for HTTPS_port %s", place);
	else
		report_say(reading->report, REPORT_WARNING,
		           "No valid signing certificate configured for HTTPS_port %s: until there "
		           "is one, each handshake there ends with an alert",
		           place);
}

static void check_certificates(struct reading *reading, const struct port *port)
{
	unsigned ngood = 0;

	for (const struct tls_pair_files *pair = port->tls_files.pairs; pair; pair = pair->next) {
		struct err_text why;

		if (pair->cert.error || pair->key.error)
			continue; /* tls_options_check said so */
		if (try_pair(pair, &why) == ERR_OK)
			ngood++;
		else
			report_say(reading->report, REPORT_ERROR,
			           "unable to load certificate file '%s': %s", pair->cert.path.at,
			           why.at);
	}
	if (port->tls_files.dir_error)
		report_say(reading->report, REPORT_ERROR, "unable to list tls-cert-dir=%s: %s",
		           port->tls.cert_dir.at, strerror(port->tls_files.dir_error));
	if (ngood == 0)
		miss_certificate(reading, port);
}

void parse_http_port(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	struct ports *ports = reading->config->ports;
	unsigned nports = ports->n;
	const struct port *port;

	(void)directive;
	ports->password_program_ = reading->config->sslpassword_program;
	ports_parse(ports, words, reading->report);
	port = last_port(ports);
	if (ports->n > nports && port->is_tls)
		check_certificates(reading, port);
}

void parse_tls_outgoing(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	(void)directive;
	reading->config->tls_outgoing->options.password_program =
		reading->config->sslpassword_program;
	tls_outgoing_parse(reading->config->tls_outgoing, words, reading->world,
	                   &reading->config->arena_, reading->report);
}

void parse_cache_peer(struct reading *reading, const struct directive *directive,
                      const struct words *words)
{
	(void)directive;
	reading->config->peers->password_program_ = reading->config->sslpassword_program;
	peers_parse(reading->config->peers, words, reading->report);
}

void parse_cache_peer_access(struct reading *reading, const struct directive *directive,
                             const struct words *words)
{
	(void)directive;
	peers_parse_access(reading->config->peers, reading->config->acls, words, reading->report);
}

void parse_neighbor_type_domain(struct reading *reading, const struct directive *directive,
                                const struct words *words)
{
	(void)directive;
	peers_parse_domain_type(reading->config->peers, words, reading->report);
}

void parse_cache_dir(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	(void)directive;
	reading->config->cache_dirs->replacement = reading->config->cache_replacement;
	cache_dirs_parse(reading->config->cache_dirs, words,
	                 reading->config->maximum_object_size_bytes, reading->report);
}

/* ---- logs ---- */

void parse_logformat(struct reading *reading, const struct directive *directive,
                     const struct words *words)
{
	(void)directive;
	logformats_parse(&reading->config->logs->formats, words, reading->report);
}

void parse_access_log(struct reading *reading, const struct directive *directive,
                      const struct words *words)
{
	(void)directive;
	access_logs_parse(&reading->config->logs->logs, words, reading->report);
}

void parse_tls_key_log(struct reading *reading, const struct directive *directive,
                       const struct words *words)
{
	(void)directive;
	access_logs_parse_keys(&reading->config->logs->keys, words, reading->report);
}

/* ---- helpers ---- */

void parse_auth_param(struct reading *reading, const struct directive *directive,
                      const struct words *words)
{
	(void)directive;
	auth_parse(reading->config->auth, words, reading->report);
}

void parse_auth_schemes(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	(void)directive;
	auth_schemes_parse(reading->config->auth_schemes, reading->config->acls, words,
	                   reading->report);
}

void parse_external_acl_type(struct reading *reading, const struct directive *directive,
                             const struct words *words)
{
	(void)directive;
	external_acl_types_parse(reading->config->external_acls, reading->config->acls, words,
	                         reading->report);
}

void parse_rewrite_program(struct reading *reading, const struct directive *directive,
                           const struct words *words)
{
	rewrite_parse_program(SLOT_POINTER(reading, directive, struct rewrite_config), words,
	                      reading->report);
}

void parse_rewrite_children(struct reading *reading, const struct directive *directive,
                            const struct words *words)
{
	rewrite_parse_children(SLOT_POINTER(reading, directive, struct rewrite_config), words,
	                       reading->report);
}

void parse_rewrite_concurrency(struct reading *reading, const struct directive *directive,
                               const struct words *words)
{
	rewrite_parse_concurrency(SLOT_POINTER(reading, directive, struct rewrite_config), words,
	                          reading->report);
}

void parse_rewrite_extras(struct reading *reading, const struct directive *directive,
                          const struct words *words)
{
	rewrite_parse_extras(SLOT_POINTER(reading, directive, struct rewrite_config), words,
	                     reading->report);
}

void parse_rewrite_timeout(struct reading *reading, const struct directive *directive,
                           const struct words *words)
{
	rewrite_parse_timeout(SLOT_POINTER(reading, directive, struct rewrite_config), words,
	                      reading->report);
}

static void parse_flag(struct reading *reading, const struct words *words, bool *out)
{
	size_t i = 1;

	if (value_on_off(words, &i, reading->report, out))
		reading_expect_end(reading, words, i);
}

void parse_rewrite_bypass(struct reading *reading, const struct directive *directive,
                          const struct words *words)
{
	parse_flag(reading, words,
	           &SLOT_POINTER(reading, directive, struct rewrite_config)->is_bypass_on);
}

void parse_rewrite_host(struct reading *reading, const struct directive *directive,
                        const struct words *words)
{
	parse_flag(reading, words,
	           &SLOT_POINTER(reading, directive, struct rewrite_config)->rewrites_host);
}
