/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/net/tls_certificate.h"
#include "lib/net/tls_internal.h"
#include "lib/net/tls_names.h"
#include "lib/net/tls_ocsp.h"

enum { MAX_NAME_BYTES = 256 };

/* What both sides have. */
struct tls_common {
	atomic_uint refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities;
};

struct tls_server {
	struct tls_common common;
	struct tls_certificate **certificates;
	size_t ncertificates;
	struct tls_names *names; /* → index in certificates */
	enum tls_ask ask;
	bool has_tickets;
	uint8_t ticket_key[TLS_TICKET_KEY_BYTES];
	int ticket_s;
	char *alpn[TLS_MAX_ALPN];
	size_t nalpn;
};

struct tls_client {
	struct tls_common common;
	struct tls_certificate *certificate;
	bool is_trusting, is_any_name, keeps_session;
	struct {
		struct lock lock;
		gnutls_datum_t session; /* the last ticket and what belongs to it */
	} shared;
};

/* ---- common to both */

static gnutls_datum_t datum(struct str text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text.at, (unsigned)text.len};
}

static enum err add_ca(struct tls_common *common, struct str pem, struct err_text *why)
{
	gnutls_datum_t text = datum(pem);
	int n = gnutls_certificate_set_x509_trust_mem(common->credentials, &text,
	                                              GNUTLS_X509_FMT_PEM);

	if (n > 0)
		return ERR_OK;
	err_say(why, "the CA certificates cannot be read: %s",
	        n < 0 ? gnutls_strerror(n) : "there is none");
	return ERR_INPUT;
}

static enum err add_crl(struct tls_common *common, struct str pem, struct err_text *why)
{
	gnutls_datum_t text = datum(pem);
	int n = 0;

	if (pem.len > 0)
		n = gnutls_certificate_set_x509_crl_mem(common->credentials, &text,
		                                        GNUTLS_X509_FMT_PEM);
	if (n > 0)
		return ERR_OK;
	err_say(why, "the CRL cannot be read: %s", n < 0 ? gnutls_strerror(n) : "there is none");
	return ERR_INPUT;
}

static enum err trust(struct tls_common *common, const struct tls_trust *trust,
                      struct err_text *why)
{
	enum err err = ERR_OK;

	for (size_t i = 0; i < trust->ncas && err == ERR_OK; i++)
		err = add_ca(common, trust->cas[i], why);
	if (err == ERR_OK && trust->crl.at)
		err = add_crl(common, trust->crl, why);
	/* Without CAs the verification fails, and says so. */
	if (trust->ca_dir)
		gnutls_certificate_set_x509_trust_dir(common->credentials, trust->ca_dir,
		                                      GNUTLS_X509_FMT_PEM);
	if (trust->has_system)
		gnutls_certificate_set_x509_system_trust(common->credentials);
	return err;
}

static enum err begin(struct tls_common *common, const char *priorities, struct err_text *why)
{
	const char *at = priorities;
	int status = gnutls_priority_init(&common->priorities, priorities, &at);

	atomic_init(&common->refs, 1);
	check(gnutls_certificate_allocate_credentials(&common->credentials) == 0);
	if (status == 0)
		return ERR_OK;
	common->priorities = NULL;
	err_say(why, "the priorities cannot be used: %s at '%s'", gnutls_strerror(status), at);
	return ERR_INPUT;
}

static void end(struct tls_common *common)
{
	gnutls_certificate_free_credentials(common->credentials);
	if (common->priorities)
		gnutls_priority_deinit(common->priorities);
}

/* True: that was the last one. Release what this thread did; the last acquires what all did. */
static bool drop(struct tls_common *common)
{
	return atomic_fetch_sub_explicit(&common->refs, 1, memory_order_acq_rel) == 1;
}

static struct tls_side *side_of(gnutls_session_t session)
{
	return gnutls_session_get_ptr(session);
}

static int refuse(struct tls_side *side, gnutls_session_t session, unsigned status)
{
	gnutls_datum_t text = {NULL, 0};

	mem_free(side->why);
	gnutls_certificate_verification_status_print(
		status, gnutls_certificate_type_get(session), &text, 0);
	side->why = text.data ? str_dup(str_trim((struct str){(char *)text.data, text.size}))
	                      : mem_strdup("it cannot be verified");
	gnutls_free(text.data);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

/* The staple stays as long as the side, since GnuTLS comes back to it. */
static int show(struct tls_side *side, const struct tls_certificate *certificate,
                gnutls_pcert_st **chain, unsigned *nchain, gnutls_ocsp_data_st **ocsp,
                unsigned *nocsp, gnutls_privkey_t *key)
{
	tls_certificate_show(certificate, chain, nchain, key);
	tls_staple_unref(side->staple);
	side->staple = tls_certificate_staple(certificate);
	*nocsp = side->staple && tls_staple_until_s(side->staple) > time(NULL) ? 1 : 0;
	*ocsp = *nocsp > 0 ? tls_staple_show(side->staple) : NULL;
	return 0;
}

/* ---- servers */

/* Can the client verify signatures of that key? One that does not say (TLS 1.1) knows RSA alone. */
static bool is_wanted(const struct tls_certificate *certificate, gnutls_session_t session)
{
	gnutls_pk_algorithm_t algorithm = tls_certificate_algorithm(certificate);
	gnutls_sign_algorithm_t signature;
	size_t i;

	for (i = 0; gnutls_sign_algorithm_get_requested(session, i, &signature) == 0; i++)
		if (gnutls_sign_supports_pk_algorithm(signature, algorithm))
			return true;
	return i == 0 && algorithm == GNUTLS_PK_RSA;
}

/* Of several for one name (RSA and ECDSA), the first with a key that the client can verify. */
static const struct tls_certificate *choose(const struct tls_server *server, struct str host,
                                            gnutls_session_t session)
{
	const struct tls_name *first = tls_names_find(server->names, host), *name = first;

	if (server->ncertificates == 0)
		return NULL;
	if (!first)
		return server->certificates[0];
	while (name && !is_wanted(server->certificates[name->value], session))
		name = tls_names_next(name);
	return server->certificates[name ? name->value : first->value];
}

static bool covers(const struct tls_certificate *certificate, struct str host)
{
	for (size_t i = 0; i < tls_certificate_count_names(certificate); i++)
		if (tls_name_means(tls_certificate_name(certificate, i), host))
			return true;
	return false;
}

bool tls_server_has_name(const struct tls_server *server, struct str host)
{
	const struct tls_name *name = tls_names_find(server->names, host);

	return name && name->text.at[0] != '*';
}

bool tls_server_has_better(const struct tls_server *server, struct str sni, struct str host)
{
	const struct tls_name *name = tls_names_find(server->names, sni);

	if (!tls_names_find(server->names, host))
		return false;
	if (!name)
		return !covers(server->certificates[0], host);
	for (; name; name = tls_names_next(name))
		if (covers(server->certificates[name->value], host))
			return false;
	return true;
}

static int show_server(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                       gnutls_pcert_st **chain, unsigned *nchain, gnutls_ocsp_data_st **ocsp,
                       unsigned *nocsp, gnutls_privkey_t *key, unsigned *flags)
{
	const struct tls_certificate *certificate;
	char name[MAX_NAME_BYTES];
	size_t len = sizeof(name);
	unsigned type = GNUTLS_NAME_DNS;

	(void)info;
	(void)flags;
	if (gnutls_server_name_get(session, name, &len, &type, 0) != 0)
		len = 0;
	certificate = choose(side_of(session)->server, (struct str){name, len}, session);
	if (!certificate)
		return GNUTLS_E_INSUFFICIENT_CREDENTIALS;
	return show(side_of(session), certificate, chain, nchain, ocsp, nocsp, key);
}

/* Called also when the client has shown none. */
static int verify_client(gnutls_session_t session)
{
	unsigned status, n = 0;
	int error;

	if (!gnutls_certificate_get_peers(session, &n) || n == 0)
		return side_of(session)->server->ask == TLS_ASK_MUST
		               ? GNUTLS_E_CERTIFICATE_REQUIRED
		               : 0;
	error = gnutls_certificate_verify_peers3(session, NULL, &status);
	if (error < 0)
		return error;
	return status == 0 ? 0 : refuse(side_of(session), session, status);
}

static void add_certificate(struct tls_server *server, struct tls_certificate *certificate)
{
	unsigned index = (unsigned)server->ncertificates++;

	server->certificates[index] = tls_certificate_ref(certificate);
	for (size_t i = 0; i < tls_certificate_count_names(certificate); i++)
		tls_names_add(server->names, tls_certificate_name(certificate, i), index);
}

static void add_certificates(struct tls_server *server, const struct tls_server_config *config)
{
	size_t nnames = 0;

	for (size_t i = 0; i < config->ncertificates; i++)
		nnames += tls_certificate_count_names(config->certificates[i]);
	server->names = tls_names_create(nnames);
	server->certificates = mem_array(config->ncertificates, sizeof(struct tls_certificate *));
	for (size_t i = 0; i < config->ncertificates; i++)
		add_certificate(server, config->certificates[i]);
}

enum err tls_server_create(const struct tls_server_config *config, struct tls_server **out,
                           struct err_text *why)
{
	struct tls_server *server = mem_zalloc(sizeof(*server));
	enum err err = begin(&server->common, config->priorities, why);

	check(config->nalpn <= TLS_MAX_ALPN);
	add_certificates(server, config);
	server->ask = config->ask;
	if (config->ticket_key) {
		server->has_tickets = true;
		server->ticket_s = config->ticket_s;
		memcpy(server->ticket_key, config->ticket_key, TLS_TICKET_KEY_BYTES);
	}
	for (; server->nalpn < config->nalpn; server->nalpn++)
		server->alpn[server->nalpn] = mem_strdup(config->alpn[server->nalpn]);
	gnutls_certificate_set_retrieve_function3(server->common.credentials, show_server);
	if (config->ask != TLS_ASK_NONE)
		gnutls_certificate_set_verify_function(server->common.credentials, verify_client);
	if (err == ERR_OK)
		err = trust(&server->common, &config->trust, why);
	if (err == ERR_OK)
		*out = server;
	else
		tls_server_unref(server);
	return err;
}

struct tls_server *tls_server_ref(struct tls_server *server)
{
	atomic_fetch_add_explicit(&server->common.refs, 1, memory_order_relaxed);
	return server;
}

void tls_server_unref(struct tls_server *server)
{
	if (!server || !drop(&server->common))
		return;
	end(&server->common);
	for (size_t i = 0; i < server->ncertificates; i++)
		tls_certificate_unref(server->certificates[i]);
	for (size_t i = 0; i < server->nalpn; i++)
		mem_free(server->alpn[i]);
	mem_free(server->certificates);
	tls_names_destroy(server->names);
	gnutls_memset(server->ticket_key, 0, sizeof(server->ticket_key));
	mem_free(server);
}

static void prepare_server(gnutls_session_t session, const struct tls_server *server)
{
	static const gnutls_certificate_request_t requests[] = {
		[TLS_ASK_NONE] = GNUTLS_CERT_IGNORE,
		[TLS_ASK_MAY] = GNUTLS_CERT_REQUEST,
		[TLS_ASK_MUST] = GNUTLS_CERT_REQUIRE,
	};
	const gnutls_datum_t ticket_key = {(unsigned char *)(uintptr_t)server->ticket_key,
	                                   TLS_TICKET_KEY_BYTES};
	gnutls_datum_t alpn[TLS_MAX_ALPN];

	for (size_t i = 0; i < server->nalpn; i++)
		alpn[i] = datum(str_of(server->alpn[i]));
	if (server->nalpn > 0)
		gnutls_alpn_set_protocols(session, alpn, (unsigned)server->nalpn,
		                          GNUTLS_ALPN_SERVER_PRECEDENCE);
	if (server->has_tickets) {
		gnutls_db_set_cache_expiration(session, server->ticket_s); /* of tickets too */
		gnutls_session_ticket_enable_server(session, &ticket_key);
	}
	gnutls_certificate_server_set_request(session, requests[server->ask]);
}

void tls_session_send_ticket(gnutls_session_t session, const struct tls_side *side)
{
	if (side->server->has_tickets &&
	    gnutls_protocol_get_version(session) == GNUTLS_TLS1_3)
		gnutls_session_ticket_send(session, 1, 0);
}

/* ---- clients */

static int show_client(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                       gnutls_pcert_st **chain, unsigned *nchain, gnutls_ocsp_data_st **ocsp,
                       unsigned *nocsp, gnutls_privkey_t *key, unsigned *flags)
{
	const struct tls_certificate *certificate = side_of(session)->client->certificate;

	(void)info;
	(void)flags;
	*nchain = *nocsp = 0;
	return certificate ? show(side_of(session), certificate, chain, nchain, ocsp, nocsp, key)
	                   : 0;
}

static int verify_server(gnutls_session_t session)
{
	struct tls_side *side = side_of(session);
	const struct tls_client *client = side->client;
	unsigned status;
	int error;

	if (client->is_trusting)
		return 0;
	error = gnutls_certificate_verify_peers3(session, client->is_any_name ? NULL : side->name,
	                                         &status);
	if (error < 0)
		return error;
	return status == 0 ? 0 : refuse(side, session, status);
}

enum err tls_client_create(const struct tls_client_config *config, struct tls_client **out,
                           struct err_text *why)
{
	struct tls_client *client = mem_zalloc(sizeof(*client));
	enum err err = begin(&client->common, config->priorities, why);

	lock_init(&client->shared.lock);
	client->is_trusting = config->is_trusting;
	client->is_any_name = config->is_any_name;
	client->keeps_session = config->keeps_session;
	if (config->certificate)
		client->certificate = tls_certificate_ref(config->certificate);
	gnutls_certificate_set_retrieve_function3(client->common.credentials, show_client);
	gnutls_certificate_set_verify_function(client->common.credentials, verify_server);
	if (err == ERR_OK)
		err = trust(&client->common, &config->trust, why);
	if (err == ERR_OK)
		*out = client;
	else
		tls_client_unref(client);
	return err;
}

struct tls_client *tls_client_ref(struct tls_client *client)
{
	atomic_fetch_add_explicit(&client->common.refs, 1, memory_order_relaxed);
	return client;
}

void tls_client_unref(struct tls_client *client)
{
	if (!client || !drop(&client->common))
		return;
	end(&client->common);
	tls_certificate_unref(client->certificate);
	gnutls_free(client->shared.session.data);
	lock_fini(&client->shared.lock);
	mem_free(client);
}

static bool is_address(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* A copy, since the lock is not held across a call that allocates. */
static size_t last_session(struct tls_client *client, unsigned char *out, size_t size)
{
	size_t len;

	lock_take(&client->shared.lock);
	len = client->shared.session.size;
	if (len > size)
		len = 0;
	if (len > 0)
		memcpy(out, client->shared.session.data, len);
	lock_drop(&client->shared.lock);
	return len;
}

static void prepare_client(gnutls_session_t session, const struct tls_side *side)
{
	unsigned char bytes[8192];
	size_t len = 0;

	if (side->name && !is_address(side->name))
		gnutls_server_name_set(session, GNUTLS_NAME_DNS, side->name, strlen(side->name));
	if (side->client->keeps_session)
		len = last_session(side->client, bytes, sizeof(bytes));
	if (len > 0)
		gnutls_session_set_data(session, bytes, len);
}

void tls_session_remember(gnutls_session_t session, const struct tls_side *side)
{
	struct tls_client *client = side->client;
	gnutls_datum_t newest = {NULL, 0}, old;

	if (!client->keeps_session ||
	    (gnutls_protocol_get_version(session) == GNUTLS_TLS1_3 &&
	     !(gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET)) ||
	    gnutls_session_get_data2(session, &newest) != 0)
		return;
	lock_take(&client->shared.lock);
	old = client->shared.session;
	client->shared.session = newest;
	lock_drop(&client->shared.lock);
	gnutls_free(old.data);
}

/* ---- sessions */

gnutls_session_t tls_session_create(struct tls_side *side)
{
	const struct tls_common *common =
		side->server ? &side->server->common : &side->client->common;
	unsigned flags = side->server ? GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_CLIENT;
	gnutls_session_t session;

	if (gnutls_init(&session, flags | GNUTLS_NONBLOCK) != 0)
		return NULL;
	gnutls_session_set_ptr(session, side);
	if (gnutls_priority_set(session, common->priorities) != 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, common->credentials) != 0) {
		gnutls_deinit(session);
		return NULL;
	}
	if (side->server)
		prepare_server(session, side->server);
	else
		prepare_client(session, side);
	return session;
}

void tls_side_fini(struct tls_side *side)
{
	tls_server_unref(side->server);
	tls_client_unref(side->client);
	mem_free(side->name);
	mem_free(side->why);
	tls_staple_unref(side->staple);
}
