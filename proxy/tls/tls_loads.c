/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/tls_loads.h"

#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/tls_certificate.h"
#include "squid-compat/tls/tls_files.h"

void tls_loads_fini(struct tls_loads *loads)
{
	for (size_t i = 0; i < loads->n; i++) {
		mem_free(loads->at[i].path);
		tls_certificate_unref(loads->at[i].certificate);
	}
	mem_free(loads->at);
	*loads = (struct tls_loads){NULL, 0};
}

static const struct tls_loaded *find(const struct tls_loads *loads, const char *path)
{
	for (size_t i = 0; i < loads->n; i++)
		if (strcmp(loads->at[i].path, path) == 0)
			return &loads->at[i];
	return NULL;
}

/* An OCSP answer that cannot be used is no reason not to use the certificate. */
static struct tls_certificate *load(const struct tls_pair_files *pair, bool is_renewal)
{
	const struct tls_pem pem = {pair->cert.bytes, pair->key.bytes, pair->ocsp.bytes,
				    pair->password.at};
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
static void load_pair(const struct tls_loads *old, const struct tls_pair_files *pair,
                      bool is_renewal, struct tls_loads *out)
{
	const struct tls_loaded *before = find(old, pair->cert.path.at);
	struct tls_loaded loaded = {.hash = hash_pair(pair)};

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

struct tls_loads tls_loads_make(const struct tls_loads *old, const struct tls_files *files,
                                bool is_renewal)
{
	struct tls_loads loads = {NULL, 0};
	size_t n = 0;

	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next)
		n++;
	loads.at = mem_array(n, sizeof(*loads.at));
	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next)
		load_pair(old, pair, is_renewal, &loads);
	return loads;
}

uint64_t tls_loads_hash(const struct tls_files *files)
{
	uint64_t hash = hash_str(files->crl.bytes, 1);

	for (const struct tls_pair_files *pair = files->pairs; pair; pair = pair->next)
		hash = hash * 31 + hash_str(pair->cert.path, hash_pair(pair));
	for (size_t i = 0; i < files->ncas; i++)
		hash = hash_str(files->cas[i].bytes, hash);
	return hash;
}
