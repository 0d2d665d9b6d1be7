/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks access lists on behalf of a transaction. Evaluation is pure (squid-compat/acl/acl.h): when
 * it lacks a fact, the fact is fetched here, and the state that asked runs again from the top. */
#include "lib/base/check.h"
#include "lib/http/message.h"
#include "proxy/transaction/transaction_internal.h"
#include "proxy/transaction/transaction_trace.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

void access_init_facts(struct transaction *t)
{
	struct exchange *exchange = &t->exchange;
	struct acl_facts *facts = &t->facts;

	facts->arena = &t->arena;
	facts->hooks = &transaction_acl_hooks;
	facts->hooks_owner = t;
	transaction_take_client_notes(t);
	facts->client = &exchange->client;
	facts->local = &exchange->local;
	facts->port_name = exchange->port ? exchange->port->name : STR_NONE;
	facts->tls_peer = exchange->tls_peer;
	facts->client_connections = exchange->client_connections;
	facts->is_secure = exchange->port && exchange->port->is_tls;
	facts->now_s = t->start_us / 1000000;
	if (t->is_refused)
		return;
	facts->request = &exchange->request;
	facts->method = http_span(&exchange->request.head, exchange->request.method_text);
}

static struct str url_span(const struct transaction *t, struct http_span span)
{
	return (struct str){t->url.at + span.at, span.len};
}

void access_set_url_facts(struct transaction *t)
{
	acl_facts_set_url(&t->facts, t->url, url_span(t, t->parts.scheme),
			  url_span(t, t->parts.host), t->parts.port, url_span(t, t->parts.path));
}

/* ---- addresses of the URL's host */

static void take_addrs(struct transaction *t)
{
	t->facts.has_dst_addrs = true;
	t->facts.dst_addrs = t->name.addrs;
	t->facts.ndst_addrs = t->name.naddrs;
}

static void name_done(struct resolver_query *query)
{
	struct transaction *t = CONTAINER(query, struct transaction, name);

	t->waiting &= ~(unsigned)WAIT_NAME;
	take_addrs(t);
	transaction_resume(t);
}

static bool fetch_addrs(struct transaction *t)
{
	t->name.done = name_done;
	if (!resolver_ask(t->worker->resolver, t->facts.host, t->facts.port, &t->name)) {
		t->waiting |= WAIT_NAME;
		return false;
	}
	take_addrs(t);
	return true;
}

/* ---- names of addresses: the client's, or a host's that is one */

static void take_host(struct transaction *t)
{
	*t->host_wanted = (struct acl_host_name){
		.is_known = true,
		.name = arena_str(&t->arena, (struct str){t->name.host, t->name.host_len}),
	};
}

static void host_done(struct resolver_query *query)
{
	struct transaction *t = CONTAINER(query, struct transaction, name);

	t->waiting &= ~(unsigned)WAIT_NAME;
	take_host(t);
	transaction_resume(t);
}

static bool fetch_host(struct transaction *t, const struct addr *addr, struct acl_host_name *wanted)
{
	t->host_wanted = wanted;
	t->name.done = host_done;
	if (!resolver_ask_host(t->worker->resolver, addr, &t->name)) {
		t->waiting |= WAIT_NAME;
		return false;
	}
	take_host(t);
	return true;
}

static bool fetch_client_name(struct transaction *t)
{
	struct acl_facts *facts = &t->facts;

	return fetch_host(t, facts->indirect ? facts->indirect : facts->client,
			  &facts->client_name);
}

static bool fetch_dst_name(struct transaction *t)
{
	struct addr addr = {0};

	addr_parse(t->facts.host, 0, &addr);
	return fetch_host(t, &addr, &t->facts.host_name);
}

static bool fetch_fact(struct transaction *t, const struct acl_result *result)
{
	switch (result->need) {
	case ACL_NEED_AUTH:
		return transaction_fetch_auth(t);
	case ACL_NEED_DST_ADDRS:
		return fetch_addrs(t);
	case ACL_NEED_CLIENT_NAME:
		return fetch_client_name(t);
	case ACL_NEED_DST_NAME:
		return fetch_dst_name(t);
	case ACL_NEED_EXTERNAL:
		return transaction_ask_external(t, result->external);
	case ACL_NEED_NOTHING:
		break;
	}
	check(!"a need without a name");
	return false;
}

enum acl_verdict access_ask(struct transaction *t, const struct access_list *list,
			    enum acl_verdict otherwise, struct acl_result *result)
{
	if (t->waiting)
		return ACL_NEED;
	for (;;) {
		enum acl_verdict verdict =
			t->trace ? transaction_trace_access(t, list, otherwise, result)
				 : access_list_check(list, otherwise, &t->facts, result);

		if (verdict != ACL_NEED || !fetch_fact(t, result))
			return verdict;
	}
}

void access_cancel(struct transaction *t)
{
	if (t->waiting & WAIT_NAME)
		resolver_cancel(&t->name);
	transaction_drop_externals(t);
	auth_query_fini(&t->auth);
	auth_answer_unref(t->auth_answer);
	t->auth_answer = NULL;
}
