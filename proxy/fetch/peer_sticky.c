/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/peer_sticky.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "squid-compat/peers.h"

enum { VALUE_BYTES = 17 };

static void write_value(const struct peer *peer, char out[VALUE_BYTES])
{
	snprintf(out, VALUE_BYTES, "%016" PRIx64, hash_str(peer->name, 0));
}

/* RFC 6265 §4.2.1: NAME=VALUE; NAME=VALUE. The first of them; false: there are no more. */
static bool next_pair(struct str *cookies, struct str *name, struct str *value)
{
	struct str pair;
	size_t equals;

	if (!str_split(cookies, ';', &pair))
		return false;
	pair = str_trim(pair);
	equals = str_find_char(pair, '=');
	*name = str_first(pair, equals);
	*value = str_from(pair, equals + 1);
	return true;
}

static bool has_pair(struct str cookies, struct str name, struct str value)
{
	struct str its_name, its_value;

	while (next_pair(&cookies, &its_name, &its_value))
		if (str_eq(its_name, name) && str_eq(its_value, value))
			return true;
	return false;
}

bool peer_sticky_has(const struct peer *peer, const struct http_head *head)
{
	const struct http_field *field = NULL;
	char value[VALUE_BYTES];

	if (!peer->sticky.at || !http_has(head, FIELD_COOKIE))
		return false;
	write_value(peer, value);
	while ((field = http_find_next(head, FIELD_COOKIE, field)))
		if (has_pair(http_field_value(head, field), peer->sticky, str_of(value)))
			return true;
	return false;
}

/* ---- all peers */

struct entry {
	char value[VALUE_BYTES];
	const struct peer *peer;
};

struct peer_sticky {
	size_t n;
	struct entry entries[]; /* by value */
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return memcmp(x->value, y->value, VALUE_BYTES);
}

struct peer_sticky *peer_sticky_create(const struct peers *peers)
{
	struct peer_sticky *sticky;
	size_t n = 0;

	for (const struct peer *peer = peers->first; peer; peer = peer->next)
		n += peer->sticky.at != NULL;
	if (n == 0)
		return NULL;
	sticky = mem_alloc(sizeof(*sticky) + n * sizeof(struct entry));
	sticky->n = 0;
	for (const struct peer *peer = peers->first; peer; peer = peer->next) {
		if (!peer->sticky.at)
			continue;
		sticky->entries[sticky->n].peer = peer;
		write_value(peer, sticky->entries[sticky->n++].value);
	}
	qsort(sticky->entries, n, sizeof(struct entry), compare_entries);
	return sticky;
}

void peer_sticky_destroy(struct peer_sticky *sticky)
{
	mem_free(sticky);
}

/* NULL: nobody's. */
static const struct peer *peer_of(const struct peer_sticky *sticky, struct str name,
                                  struct str value)
{
	struct entry wanted;
	const struct entry *found;

	if (value.len != VALUE_BYTES - 1)
		return NULL;
	str_copy(value, wanted.value, VALUE_BYTES);
	found = bsearch(&wanted, sticky->entries, sticky->n, sizeof(wanted), compare_entries);
	return found && str_eq(found->peer->sticky, name) ? found->peer : NULL;
}

static bool offer(const struct peer_sticky *sticky, struct str cookies,
		  bool (*take)(void *owner, const struct peer *peer), void *owner)
{
	struct str name, value;

	while (next_pair(&cookies, &name, &value)) {
		const struct peer *peer = peer_of(sticky, name, value);

		if (peer && take(owner, peer))
			return true;
	}
	return false;
}

bool peer_sticky_offer(const struct peer_sticky *sticky, const struct http_head *head,
		       bool (*take)(void *owner, const struct peer *peer), void *owner)
{
	const struct http_field *field = NULL;

	if (!http_has(head, FIELD_COOKIE))
		return false;
	while ((field = http_find_next(head, FIELD_COOKIE, field)))
		if (offer(sticky, http_field_value(head, field), take, owner))
			return true;
	return false;
}

/* ---- the reply */

void peer_sticky_add(const struct peer *peer, bool is_secure, struct buf *out)
{
	char value[VALUE_BYTES];

	write_value(peer, value);
	buf_printf(out, "Set-Cookie: %.*s=%s; Path=/; HttpOnly; SameSite=Lax%s\r\n",
		   STR_ARG(peer->sticky), value, is_secure ? "; Secure" : "");
}
