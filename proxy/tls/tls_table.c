/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/tls_table.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/health.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/tls.h"
#include "proxy/tls/tls_loads.h"
#include "squid-compat/ports.h"
#include "squid-compat/tls/tls_outgoing.h"
#include "squid-compat/tls/tls_priority.h"

enum { SECRET_BYTES = 64, MAX_CONTEXT_BYTES = 64 << 20 };

struct tls_port {
	struct list node;
	char *spec;
	bool is_https;
	struct tls_loads loads; /* whoever renews: one thread at a time */
	uint64_t hash;          /* of the files it was made of */
	struct health_note health; /* while a certificate or more cannot be used */
	struct {
		struct lock lock;
		struct tls_server *server;
	} shared;
};

struct tls_peer {
	struct list node;
	char *name;
	struct tls_loads loads;
	uint64_t hash;
	struct {
		struct lock lock;
		struct tls_client *client; /* NULL: nothing that could be trusted */
	} shared;
};

struct tls_table {
	struct list ports, peers;
	uint8_t secret[SECRET_BYTES]; /* of which the keys of tickets are made */
};

struct tls_table *tls_table_create(void)
{
	struct tls_table *table = mem_zalloc(sizeof(*table));

	list_init(&table->ports);
	list_init(&table->peers);
	random_fill(table->secret, sizeof(table->secret));
	return table;
}

void tls_table_destroy(struct tls_table *table)
{
	if (!table)
		return;
	LIST_EACH_SAFE(node, &table->ports) {
		struct tls_port *entry = CONTAINER(node, struct tls_port, node);

		health_good(&entry->health);
		tls_loads_fini(&entry->loads);
		tls_server_unref(entry->shared.server);
		lock_fini(&entry->shared.lock);
		mem_free(entry->spec);
		mem_free(entry);
	}
	LIST_EACH_SAFE(node, &table->peers) {
		struct tls_peer *entry = CONTAINER(node, struct tls_peer, node);

		tls_loads_fini(&entry->loads);
		tls_client_unref(entry->shared.client);
		lock_fini(&entry->shared.lock);
		mem_free(entry->name);
		mem_free(entry);
	}
	gnutls_memset(table->secret, 0, sizeof(table->secret));
	mem_free(table);
}

static struct tls_port *get_port(struct tls_table *table, const struct port *port)
{
	struct tls_port *entry;

	LIST_EACH(node, &table->ports) {
		entry = CONTAINER(node, struct tls_port, node);
		if (entry->is_https == port->is_https_line &&
		    str_eq(str_of(entry->spec), port->spec))
			return entry;
	}
	entry = mem_zalloc(sizeof(*entry));
	entry->spec = str_dup(port->spec);
	entry->is_https = port->is_https_line;
	lock_init(&entry->shared.lock);
	list_push_back(&table->ports, &entry->node);
	return entry;
}

/* ---- ports */

/* Squid: DELAYED_AUTH asks nobody either. */
static enum tls_ask ask_of(const struct tls_options *options)
{
	if (!options->clientca.at || options->flags & (TLS_DELAYED_AUTH | TLS_DONT_VERIFY_PEER))
		return TLS_ASK_NONE;
	return options->flags & TLS_CONDITIONAL_AUTH ? TLS_ASK_MAY : TLS_ASK_MUST;
}

/* A session may go on where the same clients would be let in: with the same port, context, CAs,
 * and CRL. */
static void make_ticket_key(const struct tls_table *table, const struct port *port,
                            const struct tls_files *files, uint8_t out[TLS_TICKET_KEY_BYTES])
{
	struct buf facts;

	_Static_assert(TLS_TICKET_KEY_BYTES == 64, "what SHA-512 gives");
	buf_init(&facts, MAX_CONTEXT_BYTES);
	buf_printf(&facts, "%s\n%d\n%u\n", port->spec.at, port->is_https_line, port->tls.flags);
	buf_add_str(&facts, port->tls.context);
	for (size_t i = 0; i < files->ncas; i++)
		buf_add_str(&facts, files->cas[i].bytes);
	buf_add_str(&facts, files->crl.bytes);
	check(gnutls_hmac_fast(GNUTLS_MAC_SHA512, table->secret, sizeof(table->secret), facts.at,
	                       facts.len, out) == 0);
	buf_fini(&facts);
}

/* A file that cannot be read is an empty text: whoever is to believe it finds nothing there, and
 * fails. */
static struct str text_of(const struct tls_file *file)
{
	if (!file->path.at)
		return STR_NONE;
	return file->error == 0 && file->bytes.len > 0 ? file->bytes : STR("");
}

static struct tls_server *make_server(const struct tls_table *table, const struct port *port,
                                      const struct tls_files *files,
                                      struct tls_certificate *const *certificates,
                                      size_t ncertificates, struct err_text *why)
{
	static const char *const alpn[] = {"h2", "http/1.1"};
	bool no_http2 = port->no_http2;
	const struct tls_options *options = &port->tls;
	uint8_t ticket_key[TLS_TICKET_KEY_BYTES];
	struct str cas[TLS_MAX_CA_FILES + 1];
	struct tls_server *server = NULL;
	struct tls_server_config config = {
		.priorities = port->tls_priorities.at,
		.certificates = certificates,
		.ncertificates = ncertificates,
		.ask = ask_of(options),
		.ticket_s = port->session_ttl_s,
		.trust = {.cas = cas,
	                  .ca_dir = options->ca_path.at,
	                  .crl = text_of(&files->crl),
	                  .has_system = options->default_ca},
		.alpn = alpn + no_http2,
		.nalpn = options->no_npn ? 0 : COUNT(alpn) - no_http2,
	};

	for (size_t i = 0; i < files->ncas; i++)
		cas[config.trust.ncas++] = text_of(&files->cas[i]);
	if (config.ask == TLS_ASK_NONE)
		config.trust = (struct tls_trust){.cas = cas};
	make_ticket_key(table, port, files, ticket_key);
	if (port->session_ttl_s > 0 && !(options->flags & TLS_NO_SESSION_REUSE) &&
	    !tls_priority_has_no_ticket(options))
		config.ticket_key = ticket_key;
	tls_server_create(&config, &server, why);
	gnutls_memset(ticket_key, 0, sizeof(ticket_key));
	return server;
}

static void put_server(struct tls_port *entry, struct tls_server *server)
{
	struct tls_server *old;

	lock_take(&entry->shared.lock);
	old = entry->shared.server;
	entry->shared.server = server;
	lock_drop(&entry->shared.lock);
	tls_server_unref(old);
}

/* One that refuses everybody: there is nothing it could be trusted with. */
static struct tls_server *make_refuser(const struct port *port)
{
	const struct tls_server_config config = {.priorities = port->tls_priorities.at};
	struct tls_server *server = NULL;

	check(tls_server_create(&config, &server, NULL) == ERR_OK);
	return server;
}

/* False: it stays as it was. */
static bool renew_port(struct tls_table *table, struct tls_port *entry, const struct port *port,
                       const struct tls_files *files, const struct tls_loads *loads)
{
	struct tls_certificate **certificates = mem_array(loads->n, sizeof(*certificates));
	struct tls_server *server;
	struct err_text why = {""};

	for (size_t i = 0; i < loads->n; i++)
		certificates[i] = loads->at[i].certificate;
	server = make_server(table, port, files, certificates, loads->n, &why);
	mem_free(certificates);
	if (!server)
		log_say(0, "ERROR: HTTPS_port %s: %s; %s", entry->spec, why.at,
		        entry->shared.server ? "going on as before"
		                             : "each handshake ends with an alert");
	if (!server && entry->shared.server)
		return false;
	put_server(entry, server ? server : make_refuser(port));
	return true;
}

/* The first certificate that cannot be used. NULL: all can. */
static const struct tls_pair_files *find_unusable(const struct tls_files *files,
                                                  const struct tls_loads *loads)
{
	size_t i = 0;

	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next) {
		bool is_loaded = i < loads->n && strcmp(loads->at[i].path, pair->cert.path.at) == 0;

		if (!is_loaded || pair->cert.error || pair->key.error)
			return pair;
		i++;
	}
	return NULL;
}

static void tell_health(struct tls_port *entry, const struct tls_files *files)
{
	const struct tls_pair_files *pair = find_unusable(files, &entry->loads);
	int error = pair && pair->cert.error ? pair->cert.error : pair ? pair->key.error : 0;
	char *what;

	if (!pair && entry->loads.n > 0) {
		health_good(&entry->health);
		return;
	}
	what = mem_printf("%s_port %s", entry->is_https ? "https" : "http", entry->spec);
	if (pair)
		health_bad(&entry->health, what, "certificate '%s': %s; %s", pair->cert.path.at,
			   error ? strerror(error) : "not one that can be used",
			   entry->loads.n > 0 ? "the others, or an older one, are in use"
					      : "each handshake ends with an alert");
	else
		health_bad(&entry->health, what,
			   "no certificate yet; each handshake ends with an alert");
	mem_free(what);
}

struct tls_port *tls_table_set_port(struct tls_table *table, const struct port *port,
                                    const struct tls_files *files, bool is_renewal)
{
	struct tls_port *entry = get_port(table, port);
	uint64_t hash = tls_loads_hash(files);
	struct tls_loads loads, old = entry->loads;

	if (is_renewal && hash == entry->hash)
		return entry;
	loads = tls_loads_make(&old, files, is_renewal);
	entry->hash = hash;
	if (renew_port(table, entry, port, files, &loads))
		entry->loads = loads;
	else
		old = loads;
	tls_loads_fini(&old);
	tell_health(entry, files);
	return entry;
}

struct tls_server *tls_port_server(struct tls_port *entry)
{
	struct tls_server *server;

	lock_take(&entry->shared.lock);
	server = tls_server_ref(entry->shared.server);
	lock_drop(&entry->shared.lock);
	return server;
}

struct tls_certificate *tls_port_certificate(const struct tls_port *entry, size_t i,
					     const char **path)
{
	if (i >= entry->loads.n)
		return NULL;
	*path = entry->loads.at[i].path;
	return entry->loads.at[i].certificate;
}

/* ---- peers */

static struct tls_peer *get_peer(struct tls_table *table, struct str name)
{
	struct tls_peer *entry;

	LIST_EACH(node, &table->peers) {
		entry = CONTAINER(node, struct tls_peer, node);
		if (str_eq_nocase(str_of(entry->name), name))
			return entry;
	}
	entry = mem_zalloc(sizeof(*entry));
	entry->name = str_dup(name);
	lock_init(&entry->shared.lock);
	list_push_back(&table->peers, &entry->node);
	return entry;
}

static struct tls_client *make_client(const struct tls_outgoing *outgoing,
                                      const struct tls_files *files,
                                      struct tls_certificate *certificate, struct err_text *why)
{
	const struct tls_options *options = &outgoing->options;
	struct str cas[TLS_MAX_CA_FILES + 1];
	struct tls_client *client = NULL;
	struct tls_client_config config = {
		.priorities = outgoing->priorities.at,
		.certificate = certificate,
		.trust = {.cas = cas,
	                  .ca_dir = options->ca_path.at,
	                  .crl = text_of(&files->crl),
	                  .has_system = options->default_ca},
		.is_trusting = options->flags & TLS_DONT_VERIFY_PEER,
		.is_any_name = options->flags & TLS_DONT_VERIFY_DOMAIN,
		.keeps_session = outgoing->is_peer && !(options->flags & TLS_NO_SESSION_REUSE) &&
	                         !tls_priority_has_no_ticket(options),
	};

	for (size_t i = 0; i < files->ncas; i++)
		if (files->cas[i].error == 0)
			cas[config.trust.ncas++] = files->cas[i].bytes;
	tls_client_create(&config, &client, why);
	return client;
}

static void put_client(struct tls_peer *entry, struct tls_client *client)
{
	struct tls_client *old;

	lock_take(&entry->shared.lock);
	old = entry->shared.client;
	entry->shared.client = client;
	lock_drop(&entry->shared.lock);
	tls_client_unref(old);
}

struct tls_peer *tls_table_set_peer(struct tls_table *table, struct str name,
                                    const struct tls_outgoing *outgoing,
                                    const struct tls_files *files, bool is_renewal)
{
	struct tls_peer *entry = get_peer(table, name);
	uint64_t hash = tls_loads_hash(files);
	struct tls_loads loads, old = entry->loads;
	struct tls_client *client;
	struct err_text why = {""};

	if (is_renewal && hash == entry->hash)
		return entry;
	loads = tls_loads_make(&old, files, is_renewal);
	client = make_client(outgoing, files, loads.n > 0 ? loads.at[0].certificate : NULL, &why);
	entry->hash = hash;
	if (client) {
		put_client(entry, client);
		entry->loads = loads;
	} else {
		log_say(0, "ERROR: TLS to %s: %s; %s", entry->name, why.at,
		        entry->shared.client ? "going on as before" : "it is not used");
		old = loads;
	}
	tls_loads_fini(&old);
	return entry;
}

struct tls_client *tls_peer_client(struct tls_peer *entry)
{
	struct tls_client *client;

	lock_take(&entry->shared.lock);
	client = entry->shared.client ? tls_client_ref(entry->shared.client) : NULL;
	lock_drop(&entry->shared.lock);
	return client;
}
