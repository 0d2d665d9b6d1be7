/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/net/tls_identity.h"

#include <gnutls/x509.h>

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum { MAX_PARTS = 64, MAX_DN_BYTES = 16384 };

static struct str keep(struct arena *arena, const gnutls_datum_t *text)
{
	return arena_str(arena, (struct str){(const char *)text->data, text->size});
}

/* One line of text, whatever bytes there are: it goes to logs and helpers. */
static void add_printable(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];

		if (c < 0x20 || c == 0x7f)
			buf_printf(out, "\\x%02X", c);
		else
			buf_add_char(out, (char)c);
	}
}

static void add_part(struct tls_identity *identity, struct arena *arena,
                     const gnutls_x509_ava_st *part, struct buf *line)
{
	struct tls_attribute *attribute = &identity->at[identity->n++];
	const char *name;

	attribute->oid = keep(arena, &part->oid);
	name = gnutls_x509_dn_oid_name(attribute->oid.at, GNUTLS_X509_DN_OID_RETURN_OID);
	attribute->name = arena_str(arena, str_of(name));
	attribute->value = keep(arena, &part->value);
	buf_printf(line, "/%s=", attribute->name.at);
	add_printable(line, attribute->value);
}

/* In the order of the certificate; of the parts of one step all. */
static void read_dn(struct tls_identity *identity, struct arena *arena, gnutls_x509_dn_t dn)
{
	gnutls_x509_ava_st part;
	struct buf line;

	buf_init(&line, MAX_DN_BYTES);
	identity->at = arena_alloc(arena, MAX_PARTS * sizeof(*identity->at));
	for (int step = 0; identity->n < MAX_PARTS &&
	                   gnutls_x509_dn_get_rdn_ava(dn, step, 0, &part) == 0;
	     step++)
		for (int i = 0; identity->n < MAX_PARTS &&
		                gnutls_x509_dn_get_rdn_ava(dn, step, i, &part) == 0;
		     i++)
			add_part(identity, arena, &part, &line);
	identity->dn = arena_str(arena, buf_str(&line));
	buf_fini(&line);
}

static bool read_certificate(struct tls_peer *peer, gnutls_x509_crt_t crt,
                             const gnutls_datum_t *der)
{
	gnutls_x509_dn_t dn;

	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) != 0 ||
	    gnutls_x509_crt_get_subject(crt, &dn) != 0)
		return false;
	read_dn(&peer->subject, &peer->arena_, dn);
	if (gnutls_x509_crt_get_issuer(crt, &dn) != 0)
		return false;
	read_dn(&peer->issuer, &peer->arena_, dn);
	return true;
}

struct tls_peer *tls_peer_create(gnutls_session_t session)
{
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
	struct tls_peer *peer;
	gnutls_x509_crt_t crt;
	bool is_read;

	if (!chain || n == 0)
		return NULL;
	peer = mem_zalloc(sizeof(*peer));
	arena_init(&peer->arena_, NULL, 0);
	check(gnutls_x509_crt_init(&crt) == 0);
	is_read = read_certificate(peer, crt, &chain[0]);
	gnutls_x509_crt_deinit(crt);
	if (is_read)
		return peer;
	tls_peer_destroy(peer);
	return NULL;
}

void tls_peer_destroy(struct tls_peer *peer)
{
	if (!peer)
		return;
	arena_fini(&peer->arena_);
	mem_free(peer);
}

const struct str *tls_identity_next(const struct tls_identity *identity, struct str name,
                                    const struct str *after)
{
	bool is_behind = after == NULL;

	if (str_eq_nocase(name, STR("DN")))
		return after ? NULL : &identity->dn;
	for (size_t i = 0; i < identity->n; i++) {
		const struct tls_attribute *attribute = &identity->at[i];

		if (is_behind && (str_eq_nocase(attribute->name, name) ||
		                  str_eq(attribute->oid, name)))
			return &attribute->value;
		if (&attribute->value == after)
			is_behind = true;
	}
	return NULL;
}
