/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls_table.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/log.h"
#include "lib/base/random.h"
#include "lib/net/tls.h"
#include "lib/net/tls_certificate.h"
#include "squid-compat/ports.h"
#include "squid-compat/tls_priority.h"

enum { SECRET_BYTES = 64, MAX_CONTEXT_BYTES = 64 << 20 };

/* A certificate in use, and what it was made of. */
struct loaded {
	char *path;
	uint64_t hash; /* of its files */
	struct tls_certificate *certificate;
};

struct loads {
	struct loaded *at;
	size_t n;
};

struct tls_port {
	struct list node;
	char *spec;
	bool is_https;
	struct loads loads; /* whoever renews: one thread at a time */
	struct {
		struct lock lock;
		struct tls_server *server;
	} shared;
};

struct tls_table {
	struct list ports;
	uint8_t secret[SECRET_BYTES]; /* of which the keys of tickets are made */
};

struct tls_table *tls_table_create(void)
{
	struct tls_table *table = mem_zalloc(sizeof(*table));

	list_init(&table->ports);
	random_fill(table->secret, sizeof(table->secret));
	return table;
}

static void loads_fini(struct loads *loads)
{
	for (size_t i = 0; i < loads->n; i++) {
		mem_free(loads->at[i].path);
		tls_certificate_unref(loads->at[i].certificate);
	}
	mem_free(loads->at);
	*loads = (struct loads){NULL, 0};
}

void tls_table_destroy(struct tls_table *table)
{
	if (!table)
		return;
	LIST_EACH_SAFE(node, &table->ports) {
		struct tls_port *entry = CONTAINER(node, struct tls_port, node);

		loads_fini(&entry->loads);
		tls_server_unref(entry->shared.server);
		lock_fini(&entry->shared.lock);
		mem_free(entry->spec);
		mem_free(entry);
	}
	gnutls_memset(table->secret, 0, sizeof(table->secret));
	mem_free(table);
}

static struct tls_port *get(struct tls_table *table, const struct port *port)
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

/* ---- certificates */

static const struct loaded *find(const struct loads *loads, const char *path)
{
	for (size_t i = 0; i < loads->n; i++)
		if (strcmp(loads->at[i].path, path) == 0)
			return &loads->at[i];
	return NULL;
}

/* An OCSP answer that cannot be used is no reason not to use the certificate. */
static struct tls_certificate *load(const struct tls_pair_files *pair, bool is_renewal)
{
	const struct tls_pem pem = {pair->cert.bytes, pair->key.bytes, pair->ocsp.bytes};
	struct tls_certificate *certificate = NULL;
	struct err_text why = {""};
	int error = pair->cert.error ? pair->cert.error : pair->key.error;

	if (error)
		err_say(&why, "%s", strerror(error));
	else if (tls_certificate_create(&pem, &certificate, &why) == ERR_OK && why.at[0])
		log_say(1, "WARNING: certificate '%s': %s", pair->cert.path.at, why.at);
	if (!certificate && is_renewal)
		log_say(0, "ERROR: unable to load certificate file '%s': %s", pair->cert.path.at,
		        why.at);
	return certificate;
}

static uint64_t hash_pair(const struct tls_pair_files *pair)
{
	return hash_str(pair->ocsp.bytes,
	                hash_str(pair->key.bytes, hash_str(pair->cert.bytes, 1)));
}

/* The certificate of pair: what is there if the files are the same, or if the new ones are broken.
 */
static void load_pair(const struct loads *old, const struct tls_pair_files *pair, bool is_renewal,
                      struct loads *out)
{
	const struct loaded *before = find(old, pair->cert.path.at);
	struct loaded loaded = {.hash = hash_pair(pair)};

	if (before && before->hash == loaded.hash) {
		loaded.certificate = tls_certificate_ref(before->certificate);
	} else {
		loaded.certificate = load(pair, is_renewal);
		if (loaded.certificate && is_renewal)
			log_say(1, "certificate '%s' has been renewed", pair->cert.path.at);
	}
	if (!loaded.certificate && before) {
		log_say(0, "going on with the certificate that '%s' held before",
		        pair->cert.path.at);
		loaded.hash = before->hash;
		loaded.certificate = tls_certificate_ref(before->certificate);
	}
	if (!loaded.certificate)
		return;
	loaded.path = mem_strdup(pair->cert.path.at);
	out->at[out->n++] = loaded;
}

static struct loads load_all(const struct loads *old, const struct tls_files *files,
                             bool is_renewal)
{
	struct loads loads = {NULL, 0};
	size_t n = 0;

	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next)
		n++;
	loads.at = mem_array(n, sizeof(*loads.at));
	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next)
		load_pair(old, pair, is_renewal, &loads);
	return loads;
}

/* ---- the rest of what a port speaks TLS with */

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

static struct tls_server *make_server(const struct tls_table *table, const struct port *port,
                                      const struct tls_files *files,
                                      struct tls_certificate *const *certificates,
                                      size_t ncertificates, struct err_text *why)
{
	static const char *const alpn[] = {"http/1.1"};
	const struct tls_options *options = &port->tls;
	uint8_t ticket_key[TLS_TICKET_KEY_BYTES];
	struct str cas[TLS_MAX_CA_FILES + 1];
	struct tls_server *server = NULL;
	struct tls_server_config config = {
		.priorities = port->tls_priorities.at,
		.certificates = certificates,
		.ncertificates = ncertificates,
		.ask = ask_of(options),
		.trust = {.cas = cas,
	                  .ca_dir = options->ca_path.at,
	                  .crl = files->crl.bytes,
	                  .has_system = options->default_ca},
		.alpn = alpn,
		.nalpn = options->no_npn ? 0 : sizeof(alpn) / sizeof(alpn[0]),
	};

	for (size_t i = 0; i < files->ncas; i++)
		if (files->cas[i].error == 0)
			cas[config.trust.ncas++] = files->cas[i].bytes;
	if (config.ask == TLS_ASK_NONE)
		config.trust = (struct tls_trust){.cas = cas};
	make_ticket_key(table, port, files, ticket_key);
	if (!(options->flags & TLS_NO_SESSION_REUSE) && !tls_priority_has_no_ticket(options))
		config.ticket_key = ticket_key;
	tls_server_create(&config, &server, why);
	gnutls_memset(ticket_key, 0, sizeof(ticket_key));
	return server;
}

static void put(struct tls_port *entry, struct tls_server *server)
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

struct tls_port *tls_table_set_port(struct tls_table *table, const struct port *port,
                                    const struct tls_files *files, bool is_renewal)
{
	struct tls_port *entry = get(table, port);
	struct loads loads = load_all(&entry->loads, files, is_renewal);
	struct tls_certificate **certificates = mem_array(loads.n, sizeof(*certificates));
	struct tls_server *server;
	struct err_text why = {""};

	for (size_t i = 0; i < loads.n; i++)
		certificates[i] = loads.at[i].certificate;
	server = make_server(table, port, files, certificates, loads.n, &why);
	mem_free(certificates);
	if (!server)
		log_say(0, "ERROR: HTTPS_port %s: %s; %s", entry->spec, why.at,
		        entry->shared.server ? "going on as before"
		                             : "each handshake ends with an alert");
	if (!server && entry->shared.server) {
		loads_fini(&loads);
		return entry;
	}
	put(entry, server ? server : make_refuser(port));
	loads_fini(&entry->loads);
	entry->loads = loads;
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
