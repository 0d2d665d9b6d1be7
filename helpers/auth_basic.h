/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_basic.h: HTTP Basic credentials, checked by a helper and remembered. RFC 7617.
 *     ask:    USER SP PASS [SP extras], both escaped as RFC 1738 has it
 *     answer: OK | ERR [message=...]; anything else is a failure too
 * A success is kept for credentialsttl under the user's name (and the extras), with a MAC of the
 * password; another password asks again and replaces it; failures are not kept. Equal questions
 * asked together, on any workers, are asked once.
 *
 * Threads: auth_basic and auth_users are shared by all workers; a query belongs to one loop. The
 * table's locks are leaf locks, held for a look-up or an insertion only. */
#ifndef HELPERS_AUTH_BASIC_H
#define HELPERS_AUTH_BASIC_H
#include <stdatomic.h>

#include "helpers/line.h"
#include "helpers/pool.h"

enum { AUTH_BASIC_MAX_BYTES = 8192 }; /* of the line to the helper, and of the credentials */

struct auth_users; /* who is known; opaque, counted */
struct auth_basic; /* one configuration of it; opaque, counted */

/* The table outlives configurations, so that a reload asks nobody again. */
struct auth_users *auth_users_create(void);
struct auth_users *auth_users_ref(struct auth_users *users);
void auth_users_unref(struct auth_users *users);

struct auth_basic_config {
	struct helper_pool *pool; /* gets a reference of its own */
	struct auth_users *users; /* likewise */
	struct str realm;         /* at NULL: Squid's default */
	int64_t ttl_ms;           /* credentialsttl */
	bool is_case_sensitive;   /* casesensitive: else user names are folded to lower case */
	bool is_utf8; /* utf8: ISO 8859-1 is turned into UTF-8, and the challenge says so */
};

struct auth_basic *auth_basic_create(const struct auth_basic_config *config); /* any thread */
struct auth_basic *auth_basic_ref(struct auth_basic *auth);
void auth_basic_unref(struct auth_basic *auth);

/* The value of WWW-Authenticate: `Basic realm="..."`, with `, charset="UTF-8"` for utf8. */
struct str auth_basic_challenge(const struct auth_basic *auth);

/* What the helper said; immutable, counted, shared by all requests of that user. */
struct auth_answer {
	struct str user;            /* as sent to the helper, before escaping: what %un shows */
	struct helper_reply *reply; /* its pairs become notes; code tells failures apart */
	atomic_uint nrefs_;
};
struct auth_answer *auth_answer_ref(struct auth_answer *answer);
void auth_answer_unref(struct auth_answer *answer); /* accepts NULL */

enum auth_verdict {
	AUTH_OK,
	AUTH_FAILED, /* challenge again; answer is NULL if the helper was not worth asking */
	AUTH_PENDING,
};

/* Embedded by who asks. Zeroed means: nothing asked. */
struct auth_query {
	struct loop *loop;                      /* set by the caller: its own */
	void (*done)(struct auth_query *query); /* from the loop, after AUTH_PENDING only */
	enum auth_verdict verdict;
	struct auth_answer *answer; /* until auth_query_fini or the next check */
	struct auth_wait *wait_;
};

/* credentials: the value of an Authorization field. extras: key_extras, expanded ("" or at NULL:
 * none). Not sent to the helper but failed at once: another scheme, bad base64, no colon, an empty
 * user or password, CR, LF or NUL inside, too long. query->verdict is what it returns. */
enum auth_verdict auth_basic_check(struct auth_basic *auth, struct str credentials,
                                   struct str extras, struct auth_query *query);

/* done will not be called; fine when nothing is asked. */
void auth_query_cancel(struct auth_query *query);
/* Cancels and drops the answer. */
void auth_query_fini(struct auth_query *query);

#endif
