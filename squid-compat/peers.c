/* SPDX-License-Identifier: BSD-2-Clause */
/* A line is four words and then options, each a row of one table; a row either sets a flag or has a
 * handler. */
#include "squid-compat/peers.h"

#include "lib/base/check.h"
#include "lib/net/unix_socket.h"
#include "squid-compat/acl.h"
#include "squid-compat/translate.h"

enum {
	CONNECT_FAIL_LIMIT = 10, /* Squid's default */
	MAX_NUMBER = 1000000000,
	MAX_DOMAIN_CHANGES = 32, /* of cache_peer_domain */
};

/* One line being read. */
struct reading_peer {
	struct peers *peers;
	struct peer *peer;
	struct report *report;
	struct str word, name, value; /* the current option, and its parts */
	bool has_value;
	bool is_tls_off; /* tls-disable */
};

static struct str keep(struct reading_peer *reading, struct str text)
{
	return arena_str(reading->peers->arena_, text);
}

static void bad_value(struct reading_peer *reading)
{
	report_say(reading->report, REPORT_FATAL, "cache_peer %.*s: invalid '%.*s'",
		   STR_ARG(reading->peer->host), STR_ARG(reading->word));
}

static bool read_number(struct reading_peer *reading, unsigned *out)
{
	uint64_t number;

	if (!str_to_u64(reading->value, &number) || number > MAX_NUMBER) {
		bad_value(reading);
		return false;
	}
	*out = (unsigned)number;
	return true;
}

/* ---- login= */

/* "%20" is a blank, "%%" a percent sign; any other % stays. NUL bytes do too. */
static struct str unescape(struct reading_peer *reading, struct str text)
{
	char *out = arena_alloc(reading->peers->arena_, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		struct str rest = str_from(text, i);
		int high = rest.len > 2 ? ascii_hex(rest.at[1]) : -1;
		int low = rest.len > 2 ? ascii_hex(rest.at[2]) : -1;

		out[n] = text.at[i];
		if (text.at[i] == '%' && rest.len > 1 && rest.at[1] == '%') {
			i++;
		} else if (text.at[i] == '%' && high >= 0 && low >= 0 && high + low > 0) {
			out[n] = (char)(high * 16 + low);
			i += 2;
		}
		n++;
	}
	out[n] = '\0';
	return (struct str){out, n};
}

static void leave_unused(struct reading_peer *reading, const char *what)
{
	reading->peer->is_unusable = true;
	report_say(reading->report, REPORT_WARNING,
		   "cache_peer %.*s: %s is not yet done: the peer is not used",
		   STR_ARG(reading->peer->host), what);
}

static void take_login(struct reading_peer *reading)
{
	static const struct {
		struct str word;
		enum peer_login login;
	} words[] = {
		{STR("PASS"), PEER_LOGIN_PASS},
		{STR("PASSTHRU"), PEER_LOGIN_PASSTHRU},
		{STR("PROXYPASS"), PEER_LOGIN_PROXYPASS},
		{STR("NEGOTIATE"), PEER_LOGIN_NEGOTIATE},
	};
	struct peer *peer = reading->peer;
	struct str value = reading->value;

	peer->login = PEER_LOGIN_FIXED;
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(value, words[i].word))
			peer->login = words[i].login;
	if (str_starts_with(value, STR("NEGOTIATE:"))) {
		peer->login = PEER_LOGIN_NEGOTIATE;
		peer->login_text = keep(reading, str_from(value, sizeof("NEGOTIATE:") - 1));
	} else if (value.len > 0 && value.at[0] == '*') {
		peer->login = PEER_LOGIN_USER;
		peer->login_text = unescape(reading, str_from(value, 1));
	} else if (peer->login == PEER_LOGIN_FIXED) {
		peer->login_text = unescape(reading, value);
	}
	if (peer->login == PEER_LOGIN_NEGOTIATE)
		leave_unused(reading, "login=NEGOTIATE");
}

/* ---- selection */

static bool is_parent(struct reading_peer *reading)
{
	if (reading->peer->type == PEER_PARENT)
		return true;
	report_say(reading->report, REPORT_FATAL,
		   "non-parent cache_peer %.*s cannot have the option %.*s",
		   STR_ARG(reading->peer->host), STR_ARG(reading->word));
	return false;
}

static void take_round_robin(struct reading_peer *reading)
{
	reading->peer->select |= PEER_SELECT_ROUND_ROBIN;
}

static void take_weighted(struct reading_peer *reading)
{
	reading->peer->select |= PEER_SELECT_WEIGHTED;
}

static void take_default(struct reading_peer *reading)
{
	reading->peer->select |= PEER_SELECT_DEFAULT;
}

static void take_carp(struct reading_peer *reading)
{
	if (is_parent(reading))
		reading->peer->select |= PEER_SELECT_CARP;
}

static void take_sourcehash(struct reading_peer *reading)
{
	if (is_parent(reading))
		reading->peer->select |= PEER_SELECT_SOURCEHASH;
}

static void take_userhash(struct reading_peer *reading)
{
	if (is_parent(reading))
		reading->peer->select |= PEER_SELECT_USERHASH;
}

static void take_carp_key(struct reading_peer *reading)
{
	static const struct {
		struct str name;
		enum peer_carp_key key;
	} keys[] = {
		{STR("scheme"), PEER_CARP_SCHEME}, {STR("host"), PEER_CARP_HOST},
		{STR("port"), PEER_CARP_PORT},     {STR("path"), PEER_CARP_PATH},
		{STR("params"), PEER_CARP_PARAMS},
	};
	struct str rest = reading->value, part;

	if (!(reading->peer->select & PEER_SELECT_CARP)) {
		report_say(reading->report, REPORT_FATAL,
			   "carp-key specified on non-carp peer %.*s",
			   STR_ARG(reading->peer->host));
		return;
	}
	while (str_split(&rest, ',', &part)) {
		size_t i = 0;

		while (i < COUNT(keys) && !str_eq(part, keys[i].name))
			i++;
		if (i == COUNT(keys)) {
			report_say(reading->report, REPORT_FATAL, "invalid carp-key '%.*s'",
				   STR_ARG(part));
			return;
		}
		reading->peer->carp_key |= keys[i].key;
	}
}

static void take_weight(struct reading_peer *reading)
{
	if (read_number(reading, &reading->peer->weight) && reading->peer->weight == 0)
		reading->peer->weight = 1;
}

/* ---- the rest */

static void take_name(struct reading_peer *reading)
{
	if (reading->value.len == 0)
		bad_value(reading);
	else
		reading->peer->name = keep(reading, reading->value);
}

static void take_forceddomain(struct reading_peer *reading)
{
	if (reading->value.len > 0)
		reading->peer->forceddomain = keep(reading, reading->value);
}

static void take_basetime(struct reading_peer *reading)
{
	read_number(reading, &reading->peer->basetime_ms);
}

static void take_max_conn(struct reading_peer *reading)
{
	read_number(reading, &reading->peer->max_conn);
}

static void take_standby(struct reading_peer *reading)
{
	read_number(reading, &reading->peer->standby);
}

static void take_connect_timeout(struct reading_peer *reading)
{
	unsigned seconds;

	if (read_number(reading, &seconds))
		reading->peer->connect_timeout_ms = (int64_t)seconds * 1000;
}

static void take_connect_fail_limit(struct reading_peer *reading)
{
	if (read_number(reading, &reading->peer->connect_fail_limit) &&
	    reading->peer->connect_fail_limit == 0)
		reading->peer->connect_fail_limit = CONNECT_FAIL_LIMIT;
}

static void take_front_end_https(struct reading_peer *reading)
{
	if (!reading->has_value || str_eq(reading->value, STR("on")))
		reading->peer->front_end_https = PEER_FRONT_END_ON;
	else if (str_eq(reading->value, STR("auto")))
		reading->peer->front_end_https = PEER_FRONT_END_AUTO;
	else
		bad_value(reading);
}

static void take_connection_auth(struct reading_peer *reading)
{
	static const struct {
		struct str word;
		enum peer_switch value;
	} words[] = {{STR("on"), PEER_ON}, {STR("off"), PEER_OFF}, {STR("auto"), PEER_AUTO}};

	if (!reading->has_value) {
		reading->peer->connection_auth = PEER_ON;
		return;
	}
	for (size_t i = 0; i < COUNT(words); i++)
		if (str_eq(reading->value, words[i].word)) {
			reading->peer->connection_auth = words[i].value;
			return;
		}
	bad_value(reading);
}

static void take_proxy_protocol(struct reading_peer *reading)
{
	if (str_eq(reading->value, STR("v1")))
		reading->peer->proxy_protocol = 1;
	else if (str_eq(reading->value, STR("v2")))
		reading->peer->proxy_protocol = 2;
	else
		bad_value(reading);
}

static void take_tls(struct reading_peer *reading)
{
	reading->peer->is_tls = true;
}

static void take_tls_disable(struct reading_peer *reading)
{
	reading->is_tls_off = true;
}

/* For proxies that ask each other, or pools of theirs. */
static void take_nothing(struct reading_peer *reading)
{
	report_say(reading->report, REPORT_NOTE, "cache_peer %.*s: %.*s has no effect here",
		   STR_ARG(reading->peer->host), STR_ARG(reading->name));
}

enum value_rule {
	VALUE_NONE,
	VALUE_MUST,
	VALUE_MAY,
};

#define FLAG(member) NULL, offsetof(struct peer, member)

#define FIRST_UP "the first peer that is up is chosen"

static const struct peer_option {
	const char *name;
	enum value_rule value;
	void (*take)(struct reading_peer *reading);
	size_t flag; /* without a handler: the bool to set */
	const char *instead; /* read, not acted on yet: what happens instead */
} options[] = {
	{"originserver", VALUE_NONE, FLAG(is_originserver), NULL},
	{"name", VALUE_MUST, take_name, 0, NULL},
	{"login", VALUE_MUST, take_login, 0, NULL},
	{"auth-no-keytab", VALUE_NONE, take_nothing, 0, NULL},
	{"forceddomain", VALUE_MUST, take_forceddomain, 0, NULL},
	{"weight", VALUE_MUST, take_weight, 0, NULL},
	{"basetime", VALUE_MUST, take_basetime, 0, NULL},
	{"default", VALUE_NONE, take_default, 0, NULL},
	{"round-robin", VALUE_NONE, take_round_robin, 0, NULL},
	{"weighted-round-robin", VALUE_NONE, take_weighted, 0, NULL},
	{"carp", VALUE_NONE, take_carp, 0, FIRST_UP},
	{"carp-key", VALUE_MUST, take_carp_key, 0, NULL},
	{"sourcehash", VALUE_NONE, take_sourcehash, 0, FIRST_UP},
	{"userhash", VALUE_NONE, take_userhash, 0, FIRST_UP},
	{"max-conn", VALUE_MUST, take_max_conn, 0, NULL},
	{"standby", VALUE_MUST, take_standby, 0, "connections are opened when needed"},
	{"connect-timeout", VALUE_MUST, take_connect_timeout, 0, NULL},
	{"connect-fail-limit", VALUE_MUST, take_connect_fail_limit, 0, NULL},
	{"proxy-only", VALUE_NONE, FLAG(is_proxy_only), NULL},
	{"proxy-protocol", VALUE_MUST, take_proxy_protocol, 0, NULL},
	{"no-query", VALUE_NONE, FLAG(is_no_query), NULL},
	{"no-digest", VALUE_NONE, FLAG(is_no_digest), NULL},
	{"digest-url", VALUE_MUST, take_nothing, 0, NULL},
	{"no-netdb-exchange", VALUE_NONE, take_nothing, 0, NULL},
	{"no-delay", VALUE_NONE, FLAG(is_no_delay), NULL},
	{"no-tproxy", VALUE_NONE, take_nothing, 0, NULL},
	{"closest-only", VALUE_NONE, take_nothing, 0, NULL},
	{"background-ping", VALUE_NONE, take_nothing, 0, NULL},
	{"multicast-responder", VALUE_NONE, take_nothing, 0, NULL},
	{"multicast-siblings", VALUE_NONE, take_nothing, 0, NULL},
	{"ttl", VALUE_MUST, take_nothing, 0, NULL},
	{"htcp", VALUE_MAY, take_nothing, 0, NULL},
	{"htcp-oldsquid", VALUE_NONE, take_nothing, 0, NULL},
	{"allow-miss", VALUE_NONE, FLAG(may_miss), NULL},
	{"front-end-https", VALUE_MAY, take_front_end_https, 0, NULL},
	{"connection-auth", VALUE_MAY, take_connection_auth, 0, NULL},
	{"tls", VALUE_NONE, take_tls, 0, NULL},
	{"ssl", VALUE_NONE, take_tls, 0, NULL},
	{"tls-disable", VALUE_NONE, take_tls_disable, 0, NULL},
};

static const struct peer_option *find_option(struct str name, bool has_value)
{
	for (size_t i = 0; i < COUNT(options); i++)
		if (str_eq(name, str_of(options[i].name)) &&
		    (options[i].value == VALUE_MAY ||
		     has_value == (options[i].value == VALUE_MUST)))
			return &options[i];
	return NULL;
}

static void read_option(struct reading_peer *reading, struct str word)
{
	size_t equals = str_find_char(word, '=');
	const struct peer_option *option;

	reading->word = word;
	reading->name = str_first(word, equals);
	reading->value = str_from(word, equals + 1);
	reading->has_value = equals < word.len;
	option = find_option(reading->name, reading->has_value);
	if (option && option->instead)
		report_say(reading->report, REPORT_NOTE,
			   "cache_peer %.*s: %.*s is read, but Bobtail does not act on it yet: %s",
			   STR_ARG(reading->peer->host), STR_ARG(reading->name), option->instead);
	if (option && option->take)
		option->take(reading);
	else if (option)
		*(bool *)((char *)reading->peer + option->flag) = true;
	else if (tls_options_take(&reading->peer->tls.options, TLS_LINE_PEER, word, "cache_peer",
				  reading->peers->arena_, reading->report) == TLS_OPTION_UNKNOWN)
		report_say(reading->report, REPORT_ERROR,
			   "Ignoring unknown cache_peer option '%.*s'", STR_ARG(word));
}

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
	*out = reading->peers->world_->service(keep(reading, word).at);
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
	peer->unix_path = keep(reading, path);
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
	peer->is_tls = (peer->is_tls || peer->tls.options.is_required) && !reading->is_tls_off;
	if (!peer->is_tls)
		return;
	peer->tls.is_peer = true;
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
	peer->host = peer->name = keep(&reading, words_text(words, 1));
	peer->index = peers->n;
	peer->weight = 1;
	peer->connect_timeout_ms = -1;
	peer->connect_fail_limit = CONNECT_FAIL_LIMIT;
	peer->connection_auth = PEER_AUTO;
	read_type(&reading, words_text(words, 2));
	read_unix_path(&reading);
	read_ports(&reading, words_text(words, 3), words_text(words, 4));
	for (size_t i = 5; i < words->n; i++)
		read_option(&reading, words_text(words, i));
	finish(&reading);
	if (peer->type != PEER_PARENT)
		report_say(report, REPORT_NOTE,
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
