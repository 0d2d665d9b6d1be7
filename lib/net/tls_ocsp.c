/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls_ocsp.h"

#include <gnutls/ocsp.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/tls_certificate.h"

enum { MAX_ACCESS_DESCRIPTIONS = 16, MAX_CLOCK_SKEW_S = 300 };

struct tls_staple {
	atomic_uint refs_;
	gnutls_ocsp_data_st data;
	int64_t from_s, until_s;
};

/* The certificate and who issued it. */
struct pair {
	gnutls_x509_crt_t own, issuer; /* issuer NULL: it is not in the chain */
};

static void pair_fini(struct pair *pair)
{
	if (pair->own)
		gnutls_x509_crt_deinit(pair->own);
	if (pair->issuer)
		gnutls_x509_crt_deinit(pair->issuer);
}

static gnutls_x509_crt_t export_crt(gnutls_pcert_st *one)
{
	gnutls_x509_crt_t crt;

	return gnutls_pcert_export_x509(one, &crt) == 0 ? crt : NULL;
}

static struct pair pair_of(const struct tls_certificate *certificate)
{
	struct pair pair = {NULL, NULL};
	gnutls_privkey_t key;
	gnutls_pcert_st *chain;
	unsigned nchain;

	tls_certificate_show(certificate, &chain, &nchain, &key);
	pair.own = export_crt(&chain[0]);
	for (unsigned i = 1; i < nchain && pair.own && !pair.issuer; i++) {
		pair.issuer = export_crt(&chain[i]);
		if (!pair.issuer || gnutls_x509_crt_check_issuer(pair.own, pair.issuer))
			continue;
		gnutls_x509_crt_deinit(pair.issuer);
		pair.issuer = NULL;
	}
	return pair;
}

/* ---- the question */

/* The next one, from *i on, that speaks of OCSP and fits. */
static bool next_url(gnutls_x509_crt_t crt, unsigned *i, char url[TLS_OCSP_URL_BYTES])
{
	gnutls_datum_t text = {NULL, 0};
	bool fits;

	while (*i < MAX_ACCESS_DESCRIPTIONS) {
		int status = gnutls_x509_crt_get_authority_info_access(
			crt, (*i)++, GNUTLS_IA_OCSP_URI, &text, NULL);

		if (status == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return false;
		if (status != 0)
			continue;
		fits = text.size < TLS_OCSP_URL_BYTES && !memchr(text.data, '\0', text.size);
		if (fits) {
			memcpy(url, text.data, text.size);
			url[text.size] = '\0';
		}
		gnutls_free(text.data);
		if (fits)
			return true;
	}
	return false;
}

bool tls_ocsp_responder(const struct tls_certificate *certificate, char url[TLS_OCSP_URL_BYTES])
{
	struct pair pair = pair_of(certificate);
	bool has_one = false;
	unsigned i = 0;

	while (pair.own && !has_one && next_url(pair.own, &i, url))
		has_one = str_starts_with(str_of(url), STR("http://"));
	pair_fini(&pair);
	return has_one;
}

enum err tls_ocsp_ask(const struct tls_certificate *certificate, struct buf *out,
                      struct err_text *why)
{
	struct pair pair = pair_of(certificate);
	gnutls_datum_t der = {NULL, 0};
	gnutls_ocsp_req_t question;
	int status = GNUTLS_E_NO_CERTIFICATE_FOUND;

	check(gnutls_ocsp_req_init(&question) == 0);
	/* By SHA-1, as RFC 5019 asks of those who want an answer that many get. */
	if (pair.issuer)
		status = gnutls_ocsp_req_add_cert(question, GNUTLS_DIG_SHA1, pair.issuer, pair.own);
	if (status == 0)
		status = gnutls_ocsp_req_export(question, &der);
	if (status == 0 && !buf_add(out, (char *)der.data, der.size))
		status = GNUTLS_E_MEMORY_ERROR;
	if (status != 0)
		err_say(why, "%s", pair.issuer ? gnutls_strerror(status)
		                               : "its issuer's certificate is not in its file");
	gnutls_free(der.data);
	gnutls_ocsp_req_deinit(question);
	pair_fini(&pair);
	return status == 0 ? ERR_OK : ERR_INPUT;
}

/* ---- answers */

static int import(gnutls_ocsp_resp_t answer, struct str bytes)
{
	gnutls_datum_t text = {(unsigned char *)(uintptr_t)bytes.at, (unsigned)bytes.len};

	return gnutls_ocsp_resp_import2(answer, &text,
	                                str_starts_with(bytes, STR("-----"))
	                                        ? GNUTLS_X509_FMT_PEM
	                                        : GNUTLS_X509_FMT_DER);
}

static bool is_signed(gnutls_ocsp_resp_t answer, const struct pair *pair)
{
	unsigned faults = 0;

	return !pair->issuer ||
	       (gnutls_ocsp_resp_verify_direct(answer, pair->issuer, &faults, 0) == 0 &&
	        faults == 0);
}

/* NULL: it is a good answer. */
static const char *judge(gnutls_ocsp_resp_t answer, const struct pair *pair,
                         struct tls_staple *out)
{
	time_t from, until, now = time(NULL);
	unsigned status;

	if (gnutls_ocsp_resp_get_status(answer) != GNUTLS_OCSP_RESP_SUCCESSFUL)
		return "it says that the responder failed";
	if (gnutls_ocsp_resp_check_crt(answer, 0, pair->own) != 0)
		return "it is about another certificate";
	if (gnutls_ocsp_resp_get_single(answer, 0, NULL, NULL, NULL, NULL, &status, &from, &until,
	                                NULL, NULL) != 0)
		return "it cannot be read";
	if (status != GNUTLS_OCSP_CERT_GOOD)
		return "it does not say that the certificate is good";
	if (until == (time_t)-1)
		return "it does not say until when it holds";
	if (from == (time_t)-1 || from > now + MAX_CLOCK_SKEW_S)
		return "it does not hold yet";
	if (until <= now)
		return "it has expired";
	if (!is_signed(answer, pair))
		return "its signature is not one of the issuer";
	out->from_s = from;
	out->until_s = until;
	return NULL;
}

enum err tls_ocsp_judge(const struct tls_certificate *certificate, struct str bytes,
                        struct tls_staple **out, struct err_text *why)
{
	struct tls_staple *staple = mem_zalloc(sizeof(*staple));
	struct pair pair = pair_of(certificate);
	const char *fault = "it cannot be read";
	gnutls_ocsp_resp_t answer;

	atomic_init(&staple->refs_, 1);
	check(gnutls_ocsp_resp_init(&answer) == 0);
	if (pair.own && bytes.len <= TLS_OCSP_MAX_BYTES && import(answer, bytes) == 0)
		fault = judge(answer, &pair, staple);
	if (!fault && gnutls_ocsp_resp_export2(answer, &staple->data.response,
	                                       GNUTLS_X509_FMT_DER) != 0)
		fault = "it cannot be read";
	gnutls_ocsp_resp_deinit(answer);
	pair_fini(&pair);
	if (!fault) {
		staple->data.exptime = (time_t)staple->until_s;
		*out = staple;
		return ERR_OK;
	}
	tls_staple_unref(staple);
	err_say(why, "the OCSP answer is not stapled: %s", fault);
	return ERR_INPUT;
}

struct tls_staple *tls_staple_ref(struct tls_staple *staple)
{
	atomic_fetch_add_explicit(&staple->refs_, 1, memory_order_relaxed);
	return staple;
}

void tls_staple_unref(struct tls_staple *staple)
{
	/* Release what this thread did with it; whoever is last acquires what all did. */
	if (!staple || atomic_fetch_sub_explicit(&staple->refs_, 1, memory_order_acq_rel) > 1)
		return;
	gnutls_free(staple->data.response.data);
	mem_free(staple);
}

int64_t tls_staple_from_s(const struct tls_staple *staple)
{
	return staple->from_s;
}

int64_t tls_staple_until_s(const struct tls_staple *staple)
{
	return staple->until_s;
}

gnutls_ocsp_data_st *tls_staple_show(struct tls_staple *staple)
{
	return &staple->data;
}
