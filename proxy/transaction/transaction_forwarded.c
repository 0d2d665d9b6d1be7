/* SPDX-License-Identifier: BSD-2-Clause */
/* follow_x_forwarded_for: who the client is behind proxies that are believed. X-Forwarded-For is
 * walked from its end: as long as the rules allow the address reached so far, the one that it gave
 * takes its place. Squid: cf.data.pre, follow_x_forwarded_for. */
#include "proxy/transaction/transaction_internal.h"
#include "squid-compat/config.h"

enum { MAX_HOPS = 64 };

struct forwarded {
	unsigned n; /* elements not yet taken; the last is next */
	struct str elements[MAX_HOPS];
};

/* The last MAX_HOPS elements, in order. */
static struct forwarded *read_elements(struct transaction *t)
{
	struct forwarded *forwarded = arena_zalloc(&t->arena, sizeof(*forwarded));
	struct http_list list = {0};
	struct str element;

	while (http_list_next(&transaction_request(t)->head, FIELD_X_FORWARDED_FOR, &list,
			      &element)) {
		if (forwarded->n == MAX_HOPS) {
			memmove(forwarded->elements, forwarded->elements + 1,
				(MAX_HOPS - 1) * sizeof(element));
			forwarded->n--;
		}
		forwarded->elements[forwarded->n++] = element;
	}
	return forwarded;
}

/* False: there is no further address to believe. */
static bool take_one(struct transaction *t)
{
	struct forwarded *forwarded = t->forwarded;
	struct addr addr = {0};

	if (forwarded->n == 0 || !addr_parse(forwarded->elements[forwarded->n - 1], 0, &addr))
		return false;
	forwarded->n--;
	addr_unmap(&addr);
	t->indirect = addr;
	t->is_indirect = true;
	t->facts.indirect = &t->indirect;
	t->facts.client_name = (struct acl_host_name){0};
	return true;
}

static enum transaction_state finish(struct transaction *t)
{
	if (!transaction_config(t)->acl_uses_indirect_client) {
		t->facts.indirect = NULL;
		t->facts.client_name = (struct acl_host_name){0};
	}
	return TRANSACTION_HTTP_ACCESS;
}

enum transaction_state transaction_run_forwarded(struct transaction *t)
{
	const struct access_list *list = transaction_config(t)->follow_x_forwarded_for;
	struct acl_result result = {0};

	if (access_list_is_empty(list) ||
	    !http_has(&transaction_request(t)->head, FIELD_X_FORWARDED_FOR))
		return TRANSACTION_HTTP_ACCESS;
	if (!t->forwarded)
		t->forwarded = read_elements(t);
	for (;;) {
		switch (access_ask(t, list, ACL_DENY, &result)) {
		case ACL_NEED:
			return TRANSACTION_FORWARDED;
		case ACL_DENY:
			return finish(t);
		case ACL_ALLOW:
			break;
		}
		if (!take_one(t))
			return finish(t);
	}
}
