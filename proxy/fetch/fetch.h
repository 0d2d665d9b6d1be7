/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/fetch/fetch.h: one request to an origin, with its retries, whose answer becomes an object.
 *
 *     SELECT → RESOLVE → CONNECT → SEND → HEAD → BODY → ENDED      (retries go back to SELECT)
 * A fetch belongs to a worker. Until the answer's head is there it needs its transaction, and ends
 * with it; after that it lives by itself, as the object's producer, and quick_abort decides what
 * becomes of it when nobody reads any more.
 *
 * Threads: one worker's. */
#ifndef PROXY_FETCH_H
#define PROXY_FETCH_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/http/message.h"
#include "lib/net/addr.h"
#include "proxy/fetch/fetch_part.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/log/log_tags.h"
#include "squid-compat/pages/error_page.h"
#include "squid-compat/ports_url.h"

struct exchange;
struct log_facts;
struct fetch; /* opaque */
struct fetch_report;
struct object;
struct object_reader;
struct origin_conn; /* proxy/fetch/origin_pool.h */
struct peer;
struct snapshot;
struct worker;

enum { FETCH_MAX_VARIANTS = 8, FETCH_MAX_HEAD_BYTES = 1 << 20 };

/* What to fetch. All is borrowed until the head is there (fetch_outcome says other than PENDING) or
 * fetch_detach; exchange until the request's body was read. */
struct fetch_order {
	struct worker *worker;
	struct snapshot *snapshot;
	struct exchange *exchange; /* the client's head and body */
	struct str url;
	struct str cache_url; /* what the cache knows the answer by: url, or a store id */
	const struct port_url *parts; /* spans of url */
	struct acl_facts *facts;
	const struct log_facts *log_facts; /* for request_header_add; NULL where it adds nothing */
	struct str client_host; /* the Host field instead of the URL's (url_rewrite_host_header
	                           off); STR_NONE: the URL's */
	struct str user;        /* for login=*:pass */
	struct str external_user, external_password; /* for login=PASS */
	struct object *stored;  /* to be revalidated; NULL: none */
	/* Other variants, whose ETags go along: a 304 may name one of them. */
	struct object *variants[FETCH_MAX_VARIANTS];
	unsigned nvariants;
	/* Closed, the caller's: opened where a 304 names what is being stored again, so that its
	 * beginning is there when the caller reads. */
	struct object_reader *hold;
	struct object *known;   /* for HEAD: stored, though it does not answer; NULL: none */
	bool withholds_range;   /* Range and If-Range are not passed on */
	struct fetch_fill fill; /* to be filled: asked for by a Range of ours */
	struct str upgrade;       /* protocols to offer; empty: none (proxy/tunnel/upgrade.h) */
	struct str websocket_key; /* ours, of a handshake that the client does not make; STR_NONE: its own */
	uint64_t key;           /* 0: neither stored nor shared */
	bool may_store;
	uint64_t lead_key; /* under it others wait for this answer's head; 0: nobody does */
	struct object *placeholder; /* fetch_lead's; the fetch's, while it leads; NULL: it leads nobody */
	unsigned removals; /* index_removals(key) as the request left; the fetch's */
	uint64_t since;    /* purge_list_now by then */
	void (*woke)(void *owner); /* from the loop: fetch_outcome may have changed */
	/* Of each step that it comes to; NULL: nobody wants to know. */
	void (*tell)(void *owner, const char *step, const struct fetch_report *report);
	void *owner;
};

enum fetch_outcome {
	FETCH_PENDING,
	FETCH_ANSWERED,     /* fetch_object has its head */
	FETCH_NOT_MODIFIED, /* stored holds: fetch_object is it, with a renewed head */
	FETCH_SWITCHED,     /* 101, to what was offered: fetch_take_switched */
	FETCH_FAILED,       /* fetch_failure says how to answer */
};

struct fetch_failure {
	int status;
	enum error_name error;
	int error_number; /* errno, 0: none */
};

/* What the log wants to know; filled as the fetch goes on. */
struct fetch_report {
	enum log_hier hier;
	const struct peer *peer; /* of the snapshot; NULL: direct or none */
	struct addr server;      /* has_server */
	struct addr local;       /* our end of that connection; has_server */
	bool has_server;
	int status; /* of the origin's answer; 0: none */
	bool is_storable;
	const char *storable_reason;
	int64_t started_us, answered_us; /* wall clock; 0: not yet */
	int64_t began_us, head_us, end_us; /* the same and the body's end, monotonic */
	bool has_resolved;
	int64_t resolving_us; /* how long it waited for names; has_resolved: it had to */
	const char *dns_error; /* why the last one has no address; static; NULL: it has some */
	char tls_error[96]; /* why a server was not spoken to; empty: nothing of the kind */
};

/* Puts an object where who asks for the same finds it, under key (order->lead_key): it stands for a
 * fetch that begins now, until its head is there (order->placeholder). NULL: too many are under way
 * or, of one that is_first, there is something under that URL already. */
struct object *fetch_lead(struct worker *worker, uint64_t key, struct str cache_url, bool is_first);
/* A worker's next fetch: zeroed, to be filled in, and then fetch_start's or fetch_order_drop's. */
struct fetch_order *fetch_order_create(struct worker *worker);
void fetch_order_drop(struct fetch_order *order);
/* Starts; outcomes come later, never from within this call. */
struct fetch *fetch_start(struct fetch_order *order);

enum fetch_outcome fetch_outcome(const struct fetch *fetch);
struct object *fetch_object(const struct fetch *fetch); /* borrowed */
const struct fetch_failure *fetch_failure(const struct fetch *fetch);
const struct fetch_report *fetch_report(const struct fetch *fetch);

/* Once, of a switched fetch: its connection, which is the caller's from now on, whose wakes it
 * sets; the head for the client as upgrade_write_head makes it, and what came behind the origin's:
 * both are the fetch's, until fetch_detach. */
struct fetch_switched {
	struct origin_conn *conn;
	struct str head, rest;
};
void fetch_take_switched(struct fetch *fetch, struct fetch_switched *out);

/* The owner follows fetch_object with a reader of its own, or does without: what it and others have
 * passed may be freed. Until then, the body is kept from its beginning on. */
void fetch_release_body(struct fetch *fetch);

/* More of the request's body may be there. */
void fetch_body_wake(struct fetch *fetch);

/* The transaction is done with it: an answered fetch goes on for its object's readers, any other
 * one ends. Accepts NULL. */
void fetch_detach(struct fetch *fetch);

/* The worker stops: fetches that nobody waits for end, and their objects are cut short. */
void fetch_stop_all(struct worker *worker);
/* Frees a worker's spare fetches. */
void fetch_free_spare(struct worker *worker);

/* Does the request go out with conditions of ours? */
static inline bool fetch_order_is_conditional(const struct fetch_order *order)
{
	return order->stored || order->nvariants > 0;
}

/* The head of the request for that peer (NULL: direct), up to and with the empty line. */
struct buf;
void fetch_write_head(const struct fetch_order *order, const struct peer *peer, struct buf *out);

#endif
