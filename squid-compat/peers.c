/* SPDX-License-Identifier: BSD-2-Clause */
/* A line is four words and then options, which peer_options.c reads. */
#include "squid-compat/peers.h"

#include "lib/base/check.h"
#include "lib/net/unix_socket.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/peers_internal.h"
#include "squid-compat/translate.h"

enum {
	QUEUE_TIMEOUT_MS = 5000,
	MAX_DOMAIN_CHANGES = 32, /* of cache_peer_domain */
};

/* ---- the line */

static void read_type(struct reading_peer *reading, struct str word)
{
	static const struct {
		struct str name;
		enum peer_type type;
	} types[] = {
		{STR("parent"), PEER_PARENT},     {STR("sibling"), PEER_SIBLING},
		{STR("neighbor"), PEER_SIBLING},  {STR("neighbour"), PEER_SIBLING},
		{STR("multicast"), PEER_MULTICAST},
	};

	for (size_t i = 0; i < COUNT(types); i++)
		if (str_eq(word, types[i].name)) {
			reading->peer->type = types[i].type;
			return;
		}
	report_say(reading->report, REPORT_WARNING, "Unknown neighbor type: %.*s", STR_ARG(word));
	reading->peer->type = PEER_SIBLING;
}

/* A number, or the name of a service. */
static bool read_port(struct reading_peer *reading, struct str word, uint16_t *out)
{
	uint64_t number;

	if (str_to_u64(word, &number)) {
		*out = (uint16_t)number;
		return number <= UINT16_MAX;
	}
	*out = reading->peers->world_->service(peer_keep(reading, word).at);
	return *out != 0;
}

/* unix:PATH, whose HTTP-PORT says nothing. */
static void read_unix_path(struct reading_peer *reading)
{
	static const struct str prefix = {"unix:", 5};
	struct peer *peer = reading->peer;
	struct str path = str_from(peer->host, prefix.len);

	if (!str_starts_with(peer->host, prefix))
		return;
	peer->unix_path = peer_keep(reading, path);
	if (!unix_socket_is_path(path))
		report_say(reading->report, REPORT_FATAL,
			   "cache_peer %.*s: unix: needs an absolute path of up to %d bytes",
			   STR_ARG(peer->host), UNIX_SOCKET_MAX_PATH);
}

static void read_ports(struct reading_peer *reading, struct str http, struct str icp)
{
	bool is_unix = reading->peer->unix_path.at;

	if (!read_port(reading, http, &reading->peer->port) ||
	    (reading->peer->port == 0) != is_unix)
		report_say(reading->report, REPORT_FATAL, "cache_peer %.*s: %s: '%.*s'",
			   STR_ARG(reading->peer->host),
			   is_unix ? "a unix: socket has port 0" : "no port", STR_ARG(http));
	if (!read_port(reading, icp, &reading->peer->icp_port))
		report_say(reading->report, REPORT_FATAL, "cache_peer %.*s: no ICP port: '%.*s'",
			   STR_ARG(reading->peer->host), STR_ARG(icp));
}

/* Whose certificate it must have (Squid: ssldomain, else the host). */
static struct str tls_name(const struct peer *peer)
{
	struct addr addr;

	if (peer->tls.options.domain.at)
		return peer->tls.options.domain;
	if (peer->forceddomain.at && (peer->unix_path.at || addr_parse(peer->host, 0, &addr)))
		return peer->forceddomain;
	return peer->unix_path.at ? STR_NONE : peer->host;
}

/* What follows from the options together. */
static void finish(struct reading_peer *reading)
{
	struct peer *peer = reading->peer;

	if (peers_find(reading->peers, peer->name))
		report_say(reading->report, REPORT_FATAL, "ERROR: cache_peer %.*s specified twice",
			   STR_ARG(peer->name));
	if (peer->max_conn > 0 && peer->max_conn < peer->standby)
		report_say(reading->report, REPORT_FATAL,
			   "cache_peer %.*s max-conn=%u is lower than standby=%u",
			   STR_ARG(peer->host), peer->max_conn, peer->standby);
	peer_finish_check(reading);
	peer->is_tls = (peer->is_tls || peer->tls.options.is_required) && !reading->is_tls_off;
	if (!peer->is_tls)
		return;
	peer->tls.is_peer = true;
	peer->tls.options.password_program = reading->peers->password_program_;
	peer->tls.name = tls_name(peer);
	tls_outgoing_finish(&peer->tls, reading->peers->world_, reading->peers->arena_,
			    reading->report);
}

void peers_init(struct peers *peers, struct arena *arena, const struct world *world)
{
	*peers = (struct peers){.last_ = &peers->first, .arena_ = arena, .world_ = world};
}

void peers_fini(struct peers *peers)
{
	for (struct peer *peer = peers->first; peer; peer = peer->next) {
		access_list_destroy(peer->access);
		peer->access = NULL;
	}
}

void peers_parse(struct peers *peers, const struct words *words, struct report *report)
{
	struct peer *peer = arena_zalloc(peers->arena_, sizeof(*peer));
	struct reading_peer reading = {.peers = peers, .peer = peer, .report = report};
	size_t nfatal = report_count(report, REPORT_FATAL);

	if (words->n < 5) {
		report_say(report, REPORT_FATAL,
			   "cache_peer needs a host, a type, an HTTP port and an ICP port");
		return;
	}
	tls_options_init(&peer->tls.options, TLS_LINE_PEER);
	peer->host = peer->name = peer_keep(&reading, words_text(words, 1));
	peer->index = peers->n;
	peer->weight = 1;
	peer->connect_timeout_ms = -1;
	peer->queue_timeout_ms = QUEUE_TIMEOUT_MS;
	peer->connect_fail_limit = PEER_CONNECT_FAIL_LIMIT;
	peer->connection_auth = PEER_AUTO;
	read_type(&reading, words_text(words, 2));
	read_unix_path(&reading);
	read_ports(&reading, words_text(words, 3), words_text(words, 4));
	for (size_t i = 5; i < words->n; i++)
		peer_read_option(&reading, words_text(words, i));
	finish(&reading);
	if (peer->type != PEER_PARENT)
		report_say(report, REPORT_UNMET,
			   "cache_peer %.*s: Bobtail asks no siblings yet; it is used only where "
			   "neighbor_type_domain makes it a parent",
			   STR_ARG(peer->host));
	if (report_count(report, REPORT_FATAL) != nfatal)
		return;
	*peers->last_ = peer;
	peers->last_ = &peer->next;
	peers->n++;
}

struct peer *peers_find(const struct peers *peers, struct str name)
{
	for (struct peer *peer = peers->first; peer; peer = peer->next)
		if (str_eq_nocase(peer->name, name))
			return peer;
	return NULL;
}

/* ---- cache_peer_access, neighbor_type_domain */

static struct peer *find_or_say(struct peers *peers, struct str name, struct report *report)
{
	struct peer *peer = peers_find(peers, name);

	if (!peer)
		report_say(report, REPORT_ERROR, "No cache_peer '%.*s'", STR_ARG(name));
	return peer;
}

void peers_parse_access(struct peers *peers, struct acl_set *acls, const struct words *words,
			struct report *report)
{
	struct peer *peer;

	if (words->n < 2) {
		report_say(report, REPORT_FATAL, "cache_peer_access needs the name of a peer");
		return;
	}
	peer = find_or_say(peers, words_text(words, 1), report);
	if (!peer)
		return;
	if (!peer->access)
		peer->access = access_list_create();
	access_list_parse(peer->access, acls, words, 2, false, report);
}

static struct str lower_case(struct arena *arena, struct str text)
{
	char *copy = arena_alloc(arena, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		copy[i] = ascii_lower(text.at[i]);
	copy[text.len] = '\0';
	return (struct str){copy, text.len};
}

void peers_parse_domain_type(struct peers *peers, const struct words *words,
			     struct report *report)
{
	struct peer *peer = words->n < 4 ? NULL
					 : find_or_say(peers, words_text(words, 1), report);
	struct reading_peer reading = {.peers = peers, .report = report};
	struct peer_domain_type **last;
	struct peer typed;

	if (words->n < 4)
		report_say(report, REPORT_FATAL,
			   "neighbor_type_domain needs a peer, a type and domains");
	if (!peer)
		return;
	reading.peer = &typed;
	read_type(&reading, words_text(words, 2));
	last = &peer->domain_types;
	while (*last)
		last = &(*last)->next;
	for (size_t i = 3; i < words->n; i++) {
		struct peer_domain_type *entry = arena_zalloc(peers->arena_, sizeof(*entry));

		entry->domain = lower_case(peers->arena_, words_text(words, i));
		entry->type = typed.type;
		*last = entry;
		last = &entry->next;
	}
}

static void add_domain(struct peers *peers, struct peer *peer, struct str word)
{
	struct peer_domain *domain;

	if (peer->ndomains == peer->room_for_domains_) {
		size_t room = peer->room_for_domains_ ? 2 * peer->room_for_domains_ : 8;
		struct peer_domain *more = arena_zalloc(peers->arena_, room * sizeof(*more));

		for (size_t i = 0; i < peer->ndomains; i++)
			more[i] = peer->domains[i];
		peer->domains = more;
		peer->room_for_domains_ = room;
	}
	domain = &peer->domains[peer->ndomains++];
	domain->is_negated = word.len > 0 && word.at[0] == '!';
	domain->domain = lower_case(peers->arena_, str_from(word, domain->is_negated));
}

/* Each change from domains to exceptions costs an ACL with all that came before. */
static bool alternates_too_often(const struct peer *peer)
{
	unsigned nchanges = 0;

	for (size_t i = 1; i < peer->ndomains; i++)
		nchanges += peer->domains[i].is_negated != peer->domains[i - 1].is_negated;
	return nchanges > MAX_DOMAIN_CHANGES;
}

void peers_parse_domains(struct peers *peers, const struct words *words, struct report *report)
{
	struct peer *peer;

	if (words->n < 3) {
		report_say(report, REPORT_FATAL, "%.*s needs a peer and domains",
			   STR_ARG(words_text(words, 0)));
		return;
	}
	peer = find_or_say(peers, words_text(words, 1), report);
	if (!peer)
		return;
	for (size_t i = 2; i < words->n; i++)
		add_domain(peers, peer, words_text(words, i));
	if (alternates_too_often(peer))
		report_say(report, REPORT_FATAL, "cache_peer %.*s: more than %d changes between "
			   "domains and exceptions", STR_ARG(peer->name), MAX_DOMAIN_CHANGES);
}

static bool is_in_domain(struct str host, struct str domain)
{
	if (domain.len > 0 && domain.at[0] == '.')
		return str_eq(host, str_from(domain, 1)) || str_ends_with_nocase(host, domain);
	return str_eq(host, domain);
}

enum peer_type peer_type_for(const struct peer *peer, struct str host)
{
	for (const struct peer_domain_type *entry = peer->domain_types; entry; entry = entry->next)
		if (is_in_domain(host, entry->domain))
			return entry->type;
	return peer->type;
}
