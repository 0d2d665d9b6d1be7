/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/transaction/transaction_internal.h: the struct that transaction.c, access.c, reply.c and
 * transaction_log.c share. */
#ifndef PROXY_TRANSACTION_INTERNAL_H
#define PROXY_TRANSACTION_INTERNAL_H
#include "cache/cache_control.h"
#include "cache/disk/disk.h"
#include "cache/freshness.h"
#include "helpers/auth_users.h"
#include "helpers/external_acl.h"
#include "helpers/pool.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/list.h"
#include "lib/net/resolver.h"
#include "proxy/fetch/fetch.h"
#include "proxy/session/exchange.h"
#include "proxy/snapshot.h"
#include "proxy/transaction/cache_status.h"
#include "proxy/transaction/transaction.h"
#include "squid-compat/acl/acl.h"
#include "squid-compat/log/log_tags.h"
#include "squid-compat/pages/error_page.h"
#include "squid-compat/ports_url.h"

enum transaction_state {
	TRANSACTION_START,
	TRANSACTION_FORWARDED,
	TRANSACTION_HTTP_ACCESS,
	TRANSACTION_REWRITE,
	TRANSACTION_ADAPTED_ACCESS,
	TRANSACTION_STORE_ID,
	TRANSACTION_CACHE_ACCESS,
	TRANSACTION_LOOKUP,
	TRANSACTION_JOIN,
	TRANSACTION_DECIDE,
	TRANSACTION_FETCH,
	TRANSACTION_REPLY_ACCESS,
	TRANSACTION_REPLIED,
	TRANSACTION_STATES
};

enum { TRANSACTION_ARENA_BYTES = 4096, TRANSACTION_URL_BYTES = 1 << 20 };

/* What a state waits for; the answer's arrival runs the state again. */
enum waiting {
	WAIT_NOTHING = 0,
	WAIT_AUTH = 1 << 0,
	WAIT_NAME = 1 << 1,
	WAIT_REWRITE = 1 << 2,
	WAIT_DISK = 1 << 3,
	WAIT_EXTERNAL = 1 << 4,
	WAIT_STORE_ID = 1 << 5,
	WAIT_FORM = 1 << 15, /* the body of a request to ourselves */
};

struct rewrite_config; /* squid-compat/helper_config.h */
struct transaction_trace;

/* Bytes span of length, which lie in an object from offset on. */
struct transaction_part {
	struct partial_span span;
	uint64_t offset, length;
};

/* One worker's. From the worker's spare ones: what a request leaves unset is zero. */
struct transaction {
	struct list node; /* worker->transactions */
	struct worker *worker;
	struct snapshot *snapshot; /* a reference, from its beginning on */
	enum transaction_state state;
	unsigned waiting; /* enum waiting */
	bool is_begun, is_reply_ready, is_running, is_refused;
	bool was_rewritten, may_cache, may_lead, has_joined, is_loop, is_hit, is_from_disk;
	bool is_via_open;       /* the reply's head so far ends in a Via without its CRLF */
	bool is_range_withheld; /* the origin did not see the client's Range */
	bool is_revalidation_due, must_revalidate;
	uint64_t purges_seen;      /* purge_list_now when the disk was asked, */
	unsigned removals_seen;    /* and index_removals */
	unsigned ndisks_asked;
	bool has_looked_again;
	bool was_guarded; /* what rate_limit and ban say is known */
	bool was_disk_asked;
	int64_t retry_after_s; /* for Retry-After of a page made here; 0: none */
	int64_t start_us, began_us; /* by the wall clock; monotonic */

	struct str url; /* effective; NUL-terminated, in the arena */
	struct port_url parts;
	struct str client_url; /* before rewriting */
	struct port_url client_parts;
	struct str cache_url; /* what the cache knows it by: url, or the store id */
	const char *error_url; /* instead of an URL, for the log */
	bool is_internal;      /* for ourselves: transaction_manager.c */
	struct str form;             /* of a POST to the manager; at is NULL: not read yet */
	struct loop_task form_task;  /* more of it may be there */
	struct str manager_password; /* from the URL; STR_NONE: there was none */
	struct str challenge;  /* WWW-Authenticate of a 401 made here; STR_NONE: the scheme's */
	struct h1_request_line refused; /* with is_refused; zeroed: it was not readable */
	uint64_t key;          /* 0: the method has none, or the cache is not used */
	struct acl_facts facts;
	struct forwarded *forwarded; /* what X-Forwarded-For still has; in the arena */
	struct addr indirect; /* with is_indirect: the client behind proxies that are believed */
	bool is_indirect;
	bool lacks_helper; /* one that would have decided cannot be started: 503 instead of a denial */
	struct cache_control control; /* the request's */
	struct str user;
	struct auth_answer *auth_answer;
	enum auth_kind auth_scheme; /* of the credentials, unless facts.auth is UNKNOWN or NONE */
	struct str auth_line;       /* goes into a reply that lets the client in; empty: none */
	bool is_auth_stale;         /* they were good, but for an old nonce */
	struct notes notes;
	/* What external ACLs said: in their answers, which externals holds. */
	struct external_fact *externals;
	struct str external_password, external_log, external_message;
	struct external_acl_query external;
	const struct acl_external *external_asked; /* by it */
	struct str external_question; /* of the ACL that was not known last; at NULL: too long */
	unsigned nuser_ips;           /* of the user; 0: not counted yet */

	struct object *object; /* what the reply is made of; a reference */
	struct object *known;  /* for HEAD: what is stored, though it does not answer; a reference */
	struct object_reader hold; /* keeps the beginning of object until the reply reads it */
	struct freshness_answer freshness;
	struct fetch *fetch;
	struct tunnel *tunnel;     /* what the fetch became; NULL: nothing of the kind */
	struct str upgrade;        /* protocols that the origin is offered; empty: none */
	struct str websocket_key;  /* ours, to it; STR_NONE: the client's own */
	struct helper_request rewrite, store_id;
	struct auth_query auth;
	struct resolver_query name;
	struct acl_host_name *host_wanted; /* of facts: what name is asked about */
	struct disk_query disk;
	bool is_promotion_due; /* into memory, once all of the body has come from disk */
	struct timer disk_timer; /* while its answer is awaited */
	struct timer join_timer; /* while another's fetch is waited for */
	struct object *given_up; /* and was waited for too long; a reference */
	struct transaction_variants *variants; /* transaction_variants.c's; NULL: none so far */
	bool may_recode;       /* compress allows it */
	struct object *uncoded; /* what object is another coding of; a reference, or NULL */
	struct recoder *recoder; /* of object, before its reader is there; NULL: none */
	struct http_field hidden[4]; /* Accept-Encoding, while the origin is not to see it */
	unsigned nhidden;
	struct str vary_line; /* of a reply that might have been in another coding; empty: none */
	struct transaction_part part; /* object has these bytes of a response: part.span.len > 0 */
	struct fetch_fill fill;       /* what the fetch is to complete; a reference */

	enum log_tag tag;
	enum lookup_outcome lookup;
	enum forward_reason forward;
	enum error_name error;
	int error_number;
	const struct deny_info *deny_info; /* the line that a denial was answered by; NULL: none */
	struct fetch_report report; /* of the fetch, once it is let go */
	struct str reply_head;      /* as sent, for the log and its ACLs */

	struct transaction_trace *trace; /* transaction_trace.h; NULL: nobody looks */
	bool is_background; /* without a client: background.h */
	struct arena arena;
	struct exchange exchange; /* not zeroed beyond what exchange.c of it needs */
	char arena_first[TRANSACTION_ARENA_BYTES];
};

static inline const struct config *transaction_config(const struct transaction *t)
{
	return snapshot_config(t->snapshot);
}

static inline const struct http_request *transaction_request(const struct transaction *t)
{
	return &t->exchange.request;
}

/* Runs the states from here; tells the session if that made a reply. From the loop only. */
void transaction_resume(struct transaction *transaction);

/* The request was made here: straight to the fetch. */
void transaction_begin_fetch(struct transaction *transaction);

/* ---- transaction_forwarded.c */
enum transaction_state transaction_run_forwarded(struct transaction *transaction);

/* ---- transaction_guard.c: with snapshot->has_guard */
/* Before http_access; HTTP_ACCESS: nothing is against it. */
enum transaction_state transaction_run_guard(struct transaction *transaction);
/* Behind it, when it is known who the user is; REWRITE: likewise. */
enum transaction_state transaction_run_user_guard(struct transaction *transaction);
/* At its end. */
void transaction_count_for_bans(struct transaction *transaction);
/* Says in cache.log (level 2) and the note denied_by what refuses the request: "DIRECTIVE RULE". */
void transaction_note_denial(struct transaction *transaction, const char *directive,
                             struct str rule);

/* ---- transaction_rewrite.c */
enum transaction_state transaction_run_rewrite(struct transaction *transaction);
/* Asks about the URL, in the rewriters' protocol; the caller has set request->done. False: the line
 * would be too long. */
bool transaction_ask_of_url(struct transaction *transaction, struct helper_pool *pool,
			    const struct rewrite_config *config, struct helper_request *request);
/* No helper answered, and on-error= of its children wants that refused: true, and *next is the
 * state then. */
bool transaction_fails_without(struct transaction *transaction, const struct rewrite_config *config,
			       const struct helper_reply *reply, enum transaction_state *next);
enum transaction_state transaction_run_adapted_access(struct transaction *transaction);

/* ---- transaction_store_id.c */
enum transaction_state transaction_run_store_id(struct transaction *transaction);

/* ---- transaction_notes.c */
/* What a helper said: the pairs of its answer, but for passwords. */
void transaction_add_notes(struct transaction *transaction, const struct helper_pair *pairs,
                           unsigned npairs);
/* At its beginning: those of the connection. */
void transaction_take_client_notes(struct transaction *transaction);

/* ---- transaction_external.c */
extern const struct acl_hooks transaction_acl_hooks;
/* ACL_NEED_EXTERNAL. True: it is known now; false: it comes later. */
bool transaction_ask_external(struct transaction *transaction, const struct acl_external *acl);
/* Questions have changed: all of them, or (is_for_reply) those that speak of the reply. */
void transaction_forget_externals(struct transaction *transaction, bool is_for_reply);
/* At its end: whatever is asked or kept. */
void transaction_drop_externals(struct transaction *transaction);

/* ---- transaction_cache.c */
enum transaction_state transaction_run_cache_access(struct transaction *transaction);
enum transaction_state transaction_run_lookup(struct transaction *transaction);
enum transaction_state transaction_run_decide(struct transaction *transaction);
/* t->disk, where disk_lookup_now would have to wait: WAIT_DISK, for a second at most; its done
 * first calls transaction_disk_answered. */
void transaction_ask_disk(struct transaction *transaction, struct disk *disk);
void transaction_disk_answered(struct transaction *transaction);
/* At its end: what came from disk, and was hit there before, goes to memory. */
void transaction_promote(struct transaction *transaction);

/* ---- transaction_join.c: one fetch for all who ask at the same time */
enum transaction_state transaction_run_join(struct transaction *transaction);
/* collapsed_forwarding_access: may it share a fetch, its own or another's? */
bool transaction_may_collapse(struct transaction *transaction);
/* Once is enough, and not for what is seldom shared: a fetch of key, or a renewal. */
bool transaction_may_join(struct transaction *transaction, uint64_t key);
/* Under which a fetch that renews transaction->object, this variant, is led and joined, beside what
 * is stored. */
uint64_t transaction_renewal_key(const struct transaction *transaction);
/* What is never fresh is asked about for each request. */
bool transaction_may_share_renewal(struct transaction *transaction);
/* True: somebody renews it (JOIN). What is stored then is looked up when the origin has
 * answered. */
bool transaction_join_renewal(struct transaction *transaction);

/* ---- transaction_part.c: what is stored of a response that is not whole */
/* Looks for it. True: all that the request asks for is there, and t->object with t->part is it.
 * False: t->fill says what the origin is to be asked for, if that helps. */
bool transaction_find_part(struct transaction *transaction);
/* Neither is to be used. */
void transaction_drop_part(struct transaction *transaction);

/* ---- transaction_fetch.c */
/* May the client's Range be kept from the origin, by range_offset_limit? */
bool transaction_withholds_range(struct transaction *transaction);
enum transaction_state transaction_run_fetch(struct transaction *transaction);

/* ---- transaction_variants.c: what the origin may name in a 304 */
/* Looks for them, if that helps the fetch that is to come. False: the disk is being asked
 * (WAIT_DISK). */
bool transaction_collect_variants(struct transaction *transaction);
/* Into order, which borrows them; and lets go of them, also where there are none. */
void transaction_order_variants(const struct transaction *transaction, struct fetch_order *order);
void transaction_drop_variants(struct transaction *transaction);

/* ---- transaction_compress.c */
/* If compress allows it, Accept-Encoding is taken out of the request, up to the reply. */
void transaction_hide_codings(struct transaction *transaction);
void transaction_show_codings(struct transaction *transaction);
/* The reply is to be made of t->object: puts the coding of it that the client gets in its place. */
void transaction_choose_coding(struct transaction *transaction);
/* The reply's reader comes now. */
void transaction_start_recoder(struct transaction *transaction);

/* ---- transaction_tunnel.c */
/* The request has an Upgrade: settles what of it the origin hears. CACHE_ACCESS: go on; or it was
 * refused. */
enum transaction_state transaction_offer_upgrade(struct transaction *transaction);
/* The origin took it up. */
enum transaction_state transaction_run_switched(struct transaction *transaction);

/* ---- transaction_manager.c */
/* Is the request-target one of our own (/squid-internal-…, cache_object:)? Then the URL is made. */
bool transaction_make_internal_url(struct transaction *transaction, struct str target);
/* Once http_access has allowed it. */
enum transaction_state transaction_run_manager(struct transaction *transaction);

/* ---- transaction_auth.c */
/* ACL_NEED_AUTH. True: it is known now; false: it comes later. */
bool transaction_fetch_auth(struct transaction *transaction);
/* WWW-Authenticate lines for a 401. */
void transaction_add_challenges(struct transaction *transaction, struct buf *head);

/* ---- access.c: asks an access list, fetching the facts it lacks. ACL_NEED: wait, run again. */
enum acl_verdict access_ask(struct transaction *transaction, const struct access_list *list,
                            enum acl_verdict otherwise, struct acl_result *result);
void access_set_url_facts(struct transaction *transaction);
void access_init_facts(struct transaction *transaction);
void access_cancel(struct transaction *transaction);

/* ---- reply.c: fills exchange.reply; the transaction is REPLIED then. */
enum transaction_state reply_error(struct transaction *transaction, int status,
                                   enum error_name error, int number);
static inline enum transaction_state transaction_refuse(struct transaction *t, int status,
                                                        enum error_name error)
{
	return reply_error(t, status, error, 0);
}
enum transaction_state reply_denied(struct transaction *transaction,
                                    const struct acl_result *result, enum log_tag tag,
                                    enum error_name error);
/* A text made here, which is copied; nobody may store it. */
enum transaction_state reply_text(struct transaction *transaction, int status, struct str body);
enum transaction_state reply_redirect(struct transaction *transaction, int status,
                                      struct str location);
enum transaction_state reply_empty(struct transaction *transaction, int status);
/* The object's status, head and body. */
enum transaction_state reply_object(struct transaction *transaction);
/* 101 (to an extended CONNECT 200), and the tunnel starts. */
enum transaction_state reply_tunnel(struct transaction *transaction);
/* 304 or 412 by the request's conditions, or the object. */
enum transaction_state reply_stored(struct transaction *transaction);

/* ---- transaction_log.c */
void transaction_log(struct transaction *transaction, bool is_complete);

#endif
