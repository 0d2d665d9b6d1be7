/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_users.h: what helpers said of credentials, whatever their scheme: asked once, kept
 * while it is good, shared by all workers and by the configurations that follow one another.
 *
 * An answer lies under a key (scheme, user ...), with a MAC of the secret that it was given for. A
 * question with another secret asks again, and a good answer replaces the old one; bad ones are not
 * kept. Equal questions asked together, on any workers, become one request to the helper.
 *
 * Threads: auth_users is shared by all workers; a query belongs to one loop. The table's locks are
 * leaf locks, held for a look-up or an insertion only. */
#ifndef HELPERS_AUTH_USERS_H
#define HELPERS_AUTH_USERS_H
#include <stdatomic.h>

#include "helpers/line.h"
#include "helpers/pool.h"

enum {
	AUTH_MAX_BYTES = 8192, /* of a line to a helper, but for its key_extras */
	AUTH_MAC_BYTES = 32,
	AUTH_KEY_BYTES = 3 * AUTH_MAX_BYTES,
};

struct auth_users; /* opaque, counted */

/* The table outlives configurations, so that a reload asks nobody again. */
struct auth_users *auth_users_create(void);
struct auth_users *auth_users_ref(struct auth_users *users);
void auth_users_unref(struct auth_users *users);

/* Squid: authenticate_cache_garbage_interval, how often what nobody asks for is looked through. */
void auth_users_set_garbage_interval(struct auth_users *users, int64_t ms);

/* What the helper said; immutable, counted, shared by all requests of that user. */
struct auth_answer {
	struct str user;            /* who it is: what %un shows */
	struct helper_reply *reply; /* its pairs become notes; code tells failures apart */
	atomic_uint nrefs_;
};
/* With one reference; takes reply. */
struct auth_answer *auth_answer_create(struct str user, struct helper_reply *reply);
struct auth_answer *auth_answer_ref(struct auth_answer *answer);
void auth_answer_unref(struct auth_answer *answer); /* accepts NULL */

enum auth_verdict {
	AUTH_OK,
	AUTH_FAILED, /* challenge again; answer is NULL if the helper was not worth asking */
	AUTH_PENDING,
};

struct auth_query;

/* How long an answer is kept; 0: not at all. */
typedef int64_t auth_keep_fn(const struct helper_reply *reply, int64_t ttl_ms);

/* Embedded by who asks. Zeroed means: nothing asked. */
struct auth_query {
	struct loop *loop;                      /* set by the caller: its own */
	void (*done)(struct auth_query *query); /* from the loop, after AUTH_PENDING only */
	enum auth_verdict verdict;
	struct auth_answer *answer; /* until auth_query_fini or the next check */
	bool is_stale; /* failed, but only as the nonce is too old (digest) */
	bool is_nonce_ending; /* good, and the client should have another nonce (digest) */
	/* private: of auth_users */
	struct auth_wait *wait_;
	/* private: of the scheme. judge_ sees an answer that has come, and says what it means; it
	 * may ask once more (AUTH_PENDING). NULL: OK is OK. */
	enum auth_verdict (*judge_)(struct auth_query *query);
	void (*drop_state_)(void *state);
	void *state_;
};

/* Of one scheme about one user. From auth_question_init on; all is borrowed. */
struct auth_question {
	struct helper_pool *pool;
	struct str key; /* in key_bytes: NAMESPACE user NUL extras */
	size_t user_len; /* 0: the answer's user= says who it is */
	uint64_t hash;
	uint8_t mac[AUTH_MAC_BYTES]; /* of the secret */
	int64_t not_before_ms;       /* an answer that is older does not do; 0: any */
	int64_t ttl_ms;              /* for keep */
	int64_t idle_ms;             /* kept while it is asked for at least so often */
	int64_t stale_ms;            /* an answer that old counts when none comes */
	auth_keep_fn *keep;
	char key_bytes[AUTH_KEY_BYTES + 4];
};

/* space: a letter a scheme. False: user or extras too long or not clean (control bytes). */
bool auth_question_init(struct auth_question *question, const struct auth_users *users, char space,
                        struct str user, struct str extras, struct str secret);
/* Likewise, of a secret that says who it is: it goes into the key as a MAC only. */
bool auth_question_init_hidden(struct auth_question *question, const struct auth_users *users,
                               char space, struct str secret, struct str extras);

/* AUTH_OK with query->answer if it is known; AUTH_FAILED, and nothing done, if not. */
enum auth_verdict auth_users_find(struct auth_users *users, const struct auth_question *question,
                                  struct auth_query *query);
/* Asks the helper, or joins those that have. AUTH_PENDING; or AUTH_OK as above, which came
 * meanwhile. */
enum auth_verdict auth_users_ask(struct auth_users *users, const struct auth_question *question,
                                 struct str line, struct auth_query *query);

/* done will not be called; fine when nothing is asked. */
void auth_query_cancel(struct auth_query *query);
/* Cancels and drops the answer. */
void auth_query_fini(struct auth_query *query);

#endif
