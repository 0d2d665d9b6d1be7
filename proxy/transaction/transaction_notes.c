/* SPDX-License-Identifier: BSD-2-Clause */
/* The annotations of a transaction, and what helpers add to them. */
#include "proxy/transaction/transaction_internal.h"
#include "squid-compat/notes.h"

enum { NOTE_MAX_BYTES = 65536 }; /* of a value; longer ones are left out */

/* Passwords and what does for one are for nobody else. */
static bool is_secret(struct str key)
{
	static const char *const secrets[] = {"password", "ha1", "ha1-sha256", "token"};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (str_eq(key, str_of(secrets[i])))
			return true;
	return false;
}

static bool is_noted(const struct helper_pair *pair)
{
	return pair->key.len > 0 && pair->value.len <= NOTE_MAX_BYTES && !is_secret(pair->key);
}

/* Squid: a key that comes again replaces what an earlier helper said, and keeps all its values. */
void transaction_add_notes(struct transaction *t, const struct helper_pair *pairs, unsigned npairs)
{
	for (unsigned i = 0; i < npairs; i++)
		notes_remove(&t->notes, pairs[i].key);
	for (unsigned i = 0; i < npairs; i++) {
		if (!is_noted(&pairs[i]))
			continue;
		notes_add(&t->notes, &t->arena, pairs[i].key, pairs[i].value);
		if (str_eq(pairs[i].key, STR("clt_conn_tag")) && t->exchange.client_notes)
			notes_kept_set(t->exchange.client_notes, pairs[i].key, pairs[i].value,
				       false);
	}
}

void transaction_take_client_notes(struct transaction *t)
{
	const struct notes_kept *kept = t->exchange.client_notes ? *t->exchange.client_notes : NULL;

	t->facts.notes = &t->notes;
	t->facts.client_notes = t->exchange.client_notes;
	for (unsigned i = 0; kept && i < kept->notes.n; i++)
		notes_add(&t->notes, &t->arena, kept->notes.at[i].key, kept->notes.at[i].value);
}
