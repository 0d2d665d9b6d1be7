/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls_certificate.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/net/tls_ocsp.h"

enum { MAX_NAMES = 1024, MAX_NAME_BYTES = 256 };

struct tls_certificate {
	atomic_uint refs_;
	gnutls_pcert_st chain[TLS_MAX_CHAIN];
	unsigned nchain;
	gnutls_privkey_t key;
	struct str *names;
	size_t nnames;
	gnutls_pk_algorithm_t algorithm;
	int64_t expires_s;
	struct {
		struct lock lock;
		struct tls_staple *staple; /* NULL: there is none */
	} shared;
};

static gnutls_datum_t datum(struct str text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text.at, (unsigned)text.len};
}

/* ---- the parts */

static enum err take_chain(struct tls_certificate *certificate, struct str pem,
                           struct err_text *why)
{
	gnutls_datum_t text = datum(pem);
	unsigned n = TLS_MAX_CHAIN;
	int status = gnutls_pcert_list_import_x509_raw(certificate->chain, &n, &text,
	                                               GNUTLS_X509_FMT_PEM, 0);

	if (status < 0) {
		err_say(why, "no certificate in it can be read: %s", gnutls_strerror(status));
		return ERR_INPUT;
	}
	certificate->nchain = n;
	return ERR_OK;
}

static enum err take_key(struct tls_certificate *certificate, const struct tls_pem *pem,
                         struct err_text *why)
{
	gnutls_datum_t text = datum(pem->key);
	int status = gnutls_privkey_init(&certificate->key);

	check(status == 0);
	status = gnutls_privkey_import_x509_raw(certificate->key, &text, GNUTLS_X509_FMT_PEM,
	                                        pem->password, 0);
	if (status == GNUTLS_E_DECRYPTION_FAILED)
		err_say(why, "the private key needs %s password",
		        pem->password ? "another" : "a");
	else if (status < 0)
		err_say(why, "no private key can be read: %s", gnutls_strerror(status));
	return status < 0 ? ERR_INPUT : ERR_OK;
}

/* Do the key and the first of the chain belong together? */
static enum err match(const struct tls_certificate *certificate, struct err_text *why)
{
	unsigned char of_key[64], of_chain[64];
	size_t key_len = sizeof(of_key), chain_len = sizeof(of_chain);
	gnutls_pubkey_t half;
	bool is_pair;

	check(gnutls_pubkey_init(&half) == 0);
	is_pair = gnutls_pubkey_import_privkey(half, certificate->key, 0, 0) == 0 &&
	          gnutls_pubkey_get_key_id(half, 0, of_key, &key_len) == 0 &&
	          gnutls_pubkey_get_key_id(certificate->chain[0].pubkey, 0, of_chain, &chain_len) ==
	                  0 &&
	          key_len == chain_len && memcmp(of_key, of_chain, key_len) == 0;
	gnutls_pubkey_deinit(half);
	if (!is_pair)
		err_say(why, "the private key is not that of the certificate");
	return is_pair ? ERR_OK : ERR_INPUT;
}

/* ---- what the first of the chain says of itself */

static void add_name(struct tls_certificate *certificate, const char *text, size_t len)
{
	certificate->names = mem_realloc(certificate->names, (certificate->nnames + 1) *
	                                                             sizeof(*certificate->names));
	certificate->names[certificate->nnames++] =
		(struct str){str_dup((struct str){text, len}), len};
}

static void take_names(struct tls_certificate *certificate, gnutls_x509_crt_t crt)
{
	char name[MAX_NAME_BYTES];
	size_t len;

	for (unsigned i = 0; i < MAX_NAMES; i++) {
		int type;

		len = sizeof(name);
		type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);
		if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (type == GNUTLS_SAN_DNSNAME)
			add_name(certificate, name, len);
	}
	len = sizeof(name);
	if (certificate->nnames == 0 &&
	    gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &len) == 0)
		add_name(certificate, name, len);
}

static enum err take_rest(struct tls_certificate *certificate, struct err_text *why)
{
	gnutls_x509_crt_t crt;
	int status = gnutls_pcert_export_x509(&certificate->chain[0], &crt);

	if (status < 0) {
		err_say(why, "the certificate cannot be read: %s", gnutls_strerror(status));
		return ERR_INPUT;
	}
	take_names(certificate, crt);
	certificate->algorithm = gnutls_pubkey_get_pk_algorithm(certificate->chain[0].pubkey, NULL);
	certificate->expires_s = (int64_t)gnutls_x509_crt_get_expiration_time(crt);
	gnutls_x509_crt_deinit(crt);
	return ERR_OK;
}

/* ---- the whole */

enum err tls_certificate_create(const struct tls_pem *pem, struct tls_certificate **out,
                                struct err_text *why)
{
	struct tls_certificate *certificate = mem_zalloc(sizeof(*certificate));
	enum err err;

	atomic_init(&certificate->refs_, 1);
	lock_init(&certificate->shared.lock);
	err = take_chain(certificate, pem->cert, why);
	if (err == ERR_OK)
		err = take_key(certificate, pem, why);
	if (err == ERR_OK)
		err = match(certificate, why);
	if (err == ERR_OK)
		err = take_rest(certificate, why);
	if (err == ERR_OK && pem->ocsp.len > 0)
		tls_ocsp_judge(certificate, pem->ocsp, &certificate->shared.staple, why);
	if (err == ERR_OK)
		*out = certificate;
	else
		tls_certificate_unref(certificate);
	return err;
}

struct tls_certificate *tls_certificate_ref(struct tls_certificate *certificate)
{
	atomic_fetch_add_explicit(&certificate->refs_, 1, memory_order_relaxed);
	return certificate;
}

void tls_certificate_unref(struct tls_certificate *certificate)
{
	/* Release what this thread did with it; whoever is last acquires what all did. */
	if (!certificate ||
	    atomic_fetch_sub_explicit(&certificate->refs_, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < certificate->nchain; i++)
		gnutls_pcert_deinit(&certificate->chain[i]);
	if (certificate->key)
		gnutls_privkey_deinit(certificate->key);
	for (size_t i = 0; i < certificate->nnames; i++)
		mem_free((void *)(uintptr_t)certificate->names[i].at);
	mem_free(certificate->names);
	tls_staple_unref(certificate->shared.staple);
	lock_fini(&certificate->shared.lock);
	mem_free(certificate);
}

size_t tls_certificate_count_names(const struct tls_certificate *certificate)
{
	return certificate->nnames;
}

int64_t tls_certificate_expires_s(const struct tls_certificate *certificate)
{
	return certificate->expires_s;
}

struct str tls_certificate_name(const struct tls_certificate *certificate, size_t i)
{
	check(i < certificate->nnames);
	return certificate->names[i];
}

gnutls_pk_algorithm_t tls_certificate_algorithm(const struct tls_certificate *certificate)
{
	return certificate->algorithm;
}

/* GnuTLS takes pointers that are not const, and changes nothing. */
void tls_certificate_show(const struct tls_certificate *certificate, gnutls_pcert_st **chain,
                          unsigned *nchain, gnutls_privkey_t *key)
{
	struct tls_certificate *shown = (struct tls_certificate *)certificate;

	*chain = shown->chain;
	*nchain = shown->nchain;
	*key = shown->key;
}

struct tls_staple *tls_certificate_staple(const struct tls_certificate *certificate)
{
	struct tls_certificate *asked = (struct tls_certificate *)certificate;
	struct tls_staple *staple;

	lock_take(&asked->shared.lock);
	staple = asked->shared.staple ? tls_staple_ref(asked->shared.staple) : NULL;
	lock_drop(&asked->shared.lock);
	return staple;
}

void tls_certificate_set_staple(struct tls_certificate *certificate, struct tls_staple *staple)
{
	struct tls_staple *old;

	lock_take(&certificate->shared.lock);
	old = certificate->shared.staple;
	certificate->shared.staple = staple;
	lock_drop(&certificate->shared.lock);
	tls_staple_unref(old);
}
