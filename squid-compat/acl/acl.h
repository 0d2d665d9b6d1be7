/* SPDX-License-Identifier: BSD-2-Clause */
/* squid-compat/acl/acl.h: `acl` lines, and the rule lists made of them.
 *
 * An ACL is a name, a type (a row of a table, acl_types.c) and its values. A rule list is what the
 * lines of a directive such as http_access say. Evaluation is pure: it reads a struct of facts on
 * one transaction and answers, or names the fact that it lacks; the caller fetches the fact, sets
 * it and evaluates again from the top. So an answer never depends on when it was asked.
 *
 * Threads: sets, lists and conditions are built by one thread, sealed, and immutable after that:
 * shared by all. Lists point into their set: destroy them first. Facts are one transaction's. */
#ifndef SQUID_COMPAT_ACL_H
#define SQUID_COMPAT_ACL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/http/message.h"
#include "lib/net/addr.h"
#include "lib/net/tls_identity.h"
#include "squid-compat/notes.h"
#include "squid-compat/report.h"
#include "squid-compat/words.h"
#include "squid-compat/world.h"

/* ---- facts ---- */

enum acl_auth {
	ACL_AUTH_UNKNOWN, /* nobody looked yet, or the helper was not asked: see ACL_NEED_AUTH */
	ACL_AUTH_NONE,    /* the request has no usable credentials */
	ACL_AUTH_FAILED,  /* it has, and they are wrong */
	ACL_AUTH_OK,      /* user is who it is */
};

/* What patterns of ACLs are most often about. */
enum acl_subject { ACL_SUBJECT_URL, ACL_SUBJECT_PATH, ACL_SUBJECTS };

/* A reverse name: known once the resolver answered; empty when there is none. */
struct acl_host_name {
	bool is_known;
	struct str name; /* lower case, no dot at its end */
};

/* ---- what others know: asked while a check runs, and never waited for ---- */

/* An ACL of type external. Immutable, and lives as long as its set. */
struct acl_external {
	unsigned type;    /* which call of acl_set_add_external named it, from 0 */
	const char *name; /* of the ACL */
	const struct str *args;
	size_t nargs;
};

enum acl_external_state {
	ACL_EXTERNAL_UNKNOWN, /* the helper has to be asked: see ACL_NEED_EXTERNAL */
	ACL_EXTERNAL_MATCH,
	ACL_EXTERNAL_MISMATCH,
	ACL_EXTERNAL_UNDECIDED, /* denies */
	/* Undecided in the request's favour: whatever keeps a line that allows, and not one that
	 * denies. Outside of access lists a mismatch. */
	ACL_EXTERNAL_FAVOURS,
};

struct acl_facts;

/* Given by whoever evaluates. What one says of an ACL must not change while a check is under
 * way. */
struct acl_hooks {
	/* What the helper said, as far as that is known by now. */
	enum acl_external_state (*external)(struct acl_facts *facts,
	                                    const struct acl_external *acl);
	/* Is the user seen at more than max addresses? If so he is forgotten there: at this one
	 * (is_strict), or at all of them. */
	bool (*has_too_many_ips)(struct acl_facts *facts, unsigned max, bool is_strict);
};

/* Zero it, set what is known. A fact that stays zero is one that the context does not have: an ACL
 * that asks for it does not match. All is borrowed, for as long as the facts are used. */
struct acl_facts {
	struct arena *arena; /* required: decoded and joined subjects are kept here */
	bool is_fast;        /* the caller may not wait: a need counts as a mismatch */

	const struct addr *client;   /* as accepted, or from the PROXY header */
	const struct addr *indirect; /* from follow_x_forwarded_for; NULL: client. src uses it */
	const struct addr *local;    /* what the client connected to, with the port */
	struct str port_name;        /* name= of the http_port, or its address as written */
	struct acl_host_name client_name;
	unsigned client_connections; /* that its address has open now, this one with them */
	bool is_secure;              /* all that came of this transaction came by TLS */

	const struct http_request *request; /* header fields; NULL: none has come */
	const struct http_response *reply;  /* NULL: none yet */
	int status;                         /* of the reply; 0: reply->status */
	struct str method;                  /* as received */

	/* The effective request URI. Whoever changes it (a rewriter) calls acl_facts_set_url. */
	struct str url;    /* absolute, as bytes came */
	struct str scheme; /* lower case */
	struct str host;   /* lower case, without brackets and without one dot at its end */
	struct str path;   /* path and query, as bytes came */
	uint16_t port;     /* of the URL, the scheme's own if it names none */
	struct acl_host_name host_name; /* reverse name of a host that is an address */
	bool has_dst_addrs;             /* the resolver answered about host */
	const struct addr *dst_addrs;
	unsigned ndst_addrs;

	enum acl_auth auth;
	struct str user;
	struct str external_user, external_tag; /* user= and tag= of external ACLs */
	const struct acl_hooks *hooks;          /* NULL: nothing is known */
	void *hooks_owner;
	struct notes *notes; /* of the transaction; NULL: none, and none are made */
	struct notes_kept **client_notes;       /* of the connection; NULL: likewise */

	const struct tls_peer *tls_peer; /* the client's certificate; NULL: none */

	struct str peer_name; /* of the cache_peer used */
	struct str hierarchy; /* FIRSTUP_PARENT and so on */
	struct str error;     /* ERR_ACCESS_DENIED and so on: the reply was made here */

	int64_t now_s;        /* wall clock; one reading for the whole transaction */
	uint64_t random_seed; /* 0: drawn when asked for, kept while a check answers ACL_NEED */

	/* private: found once, when first asked for */
	struct str decoded_url_, decoded_path_, decoded_query_; /* %-decoded */
	uint64_t host_bits_;                                    /* 0: not yet */
	uint8_t screened_[ACL_SUBJECTS];                        /* acl_screen.c */
	bool is_host_known_, is_host_address_;
	struct addr host_address_;
};

/* Sets url, scheme, host, path and port, and forgets what was known about the old ones. */
void acl_facts_set_url(struct acl_facts *facts, struct str url, struct str scheme, struct str host,
                       uint16_t port, struct str path);

/* ---- answers ---- */

enum acl_verdict {
	ACL_DENY,
	ACL_ALLOW,
	ACL_NEED, /* fetch result.need, then check again from the top */
};

enum acl_need {
	ACL_NEED_NOTHING,
	ACL_NEED_AUTH,        /* look for credentials, check them with the helper: auth, user */
	ACL_NEED_DST_ADDRS,   /* resolve host: has_dst_addrs, dst_addrs, ndst_addrs */
	ACL_NEED_CLIENT_NAME, /* reverse look-up of client: client_name */
	ACL_NEED_DST_NAME,    /* reverse look-up of host, which is an address: host_name */
	ACL_NEED_EXTERNAL,    /* ask the helper about result.external; then the hook knows */
};

struct acl_result {
	enum acl_need need;
	const struct acl_external *external;
	const char *last_acl;  /* the last one checked, matched or not (deny_info); NULL: none */
	const char *line;      /* that decided: its place and text; NULL: none did */
	bool is_undecided;     /* denied because an ACL could not be decided */
	bool is_auth_required; /* denied for want of good credentials: 401 */
	bool is_rechallenge;   /* denied by an ACL about the user, whose password is good: 401 */
};

/* ---- sets ---- */

struct acl_set; /* opaque */

/* With Squid's own: all, manager, localhost, to_localhost, to_linklocal, CONNECT. */
struct acl_set *acl_set_create(void);
void acl_set_destroy(struct acl_set *set);

/* A name that ACLs of type external may give; numbers count from 0. is_about_user: its questions
 * hold the user's name, so that he has to say who he is. False: the name is taken. */
bool acl_set_add_external(struct acl_set *set, struct str name, bool is_about_user);

/* One line: `acl NAME TYPE [flags] VALUE...`. What is wrong with it is said to report; files of
 * values and host names are asked of world. */
void acl_parse(struct acl_set *set, const struct words *words, const struct world *world,
               struct report *report);

/* Behind the last line, once: sorts, merges and compiles. Nothing may be checked before. */
void acl_set_seal(struct acl_set *set, struct report *report);

/* A type that Squid has, and that is fatal here (arp). */
bool acl_type_is_refused(struct str name);
bool acl_set_has(const struct acl_set *set, struct str name);
/* Some ACL asks for a user: without an auth_param scheme the configuration is fatal. */
bool acl_set_uses_auth(const struct acl_set *set);
/* Some ACL of type method names it (any case): Squid answers PURGE only then. */
bool acl_set_names_method(const struct acl_set *set, struct str method);

/* "[!]NAME": does that ACL match (not match) these facts? Nothing is waited for. False if there is
 * none. */
bool acl_set_holds(const struct acl_set *set, struct str term, struct acl_facts *facts);

/* ---- rule lists: `DIRECTIVE allow|deny [!]ACL...` ---- */

struct access_list; /* opaque */

struct access_list *access_list_create(void);
void access_list_destroy(struct access_list *list);

/* Adds a line whose `allow` or `deny` is word first_word. allows_slow: the directive's checks may
 * wait; without it a slow ACL is warned of, and checks of this list never answer ACL_NEED. */
void access_list_parse(struct access_list *list, struct acl_set *set, const struct words *words,
                       size_t first_word, bool allows_slow, struct report *report);
/* Moves the lines of behind to the end of list; behind is gone. Both are of one set. */
void access_list_join(struct access_list *list, struct access_list *behind);
bool access_list_is_empty(const struct access_list *list); /* NULL is empty */
/* Does some line of it name that ACL? (NULL has none) */
bool access_list_names(const struct access_list *list, struct str acl);

/* The first line that matches decides; if none does, the opposite of the last; if there is none
 * (list NULL or empty), otherwise. */
enum acl_verdict access_list_check(const struct access_list *list, enum acl_verdict otherwise,
                                   struct acl_facts *facts, struct acl_result *result);

/* As access_list_check, and tells of each line that was looked at: its place and text, whether all
 * of it matches, and the ACL that was evaluated last. */
typedef void access_list_tell_fn(void *user, const char *line, bool matches, const char *last_acl);
enum acl_verdict access_list_explain(const struct access_list *list, enum acl_verdict otherwise,
                                     struct acl_facts *facts, struct acl_result *result,
                                     access_list_tell_fn *tell, void *user);

/* Evaluates for a caller that may not wait: is it allowed? */
bool access_list_allows(const struct access_list *list, bool otherwise, struct acl_facts *facts);

/* ---- conditions: the ACLs at the end of access_log, request_header_add and such lines ---- */

struct acl_condition; /* opaque */

/* From word first_word to the line's end; no words: it always holds. An unknown name is said to
 * report and gives a condition that never holds. */
struct acl_condition *acl_condition_create(struct acl_set *set, const struct words *words,
                                           size_t first_word, struct report *report);
void acl_condition_destroy(struct acl_condition *condition);
bool acl_condition_holds(const struct acl_condition *condition, struct acl_facts *facts);

#endif
