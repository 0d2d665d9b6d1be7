/* SPDX-License-Identifier: BSD-2-Clause */
/* Credentials are read on the asker's stack. A known user with the same MAC and time left is an
 * answer at once. Otherwise the question becomes a flight: one request to the helper, in its
 * shard's list while it is under way, and a wait for each query that hangs on it. A flight is
 * nobody's: it goes on when the one who began it is cancelled. */
#include "helpers/auth_basic.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "helpers/credentials.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"
#include "lib/http/uri.h"

enum { NSHARDS = 16, NBUCKETS = 256, MAC_BYTES = 32 };

/* One who gave the right password. Guarded by its shard's lock. */
struct user {
	struct user *next;
	uint64_t hash;
	uint8_t mac[MAC_BYTES]; /* of user and password, keyed by the table's secret */
	int64_t expires_ms;
	struct auth_answer *answer;
	size_t key_len;
	char key[]; /* user NUL extras */
};

struct shard {
	struct lock lock;
	struct { /* guarded by lock */
		struct user *users[NBUCKETS];
		struct list flights;
	} shared;
};

struct auth_users {
	atomic_uint nrefs;
	uint64_t seed; /* immutable, like secret */
	uint8_t secret[MAC_BYTES];
	struct shard shards[NSHARDS];
};

struct auth_basic { /* immutable but for nrefs */
	atomic_uint nrefs;
	struct auth_basic_config config; /* realm is not kept */
	char *challenge;
};

/* One question to the helper: immutable but for its node and waits, which the shard's lock guards;
 * user is the table's once the flight is off the list. */
struct flight {
	struct list node; /* of shared.flights */
	struct list waits;
	struct mail mail; /* to the pool's home */
	struct auth_basic *auth;
	struct helper_request request; /* of the pool's home, which outlives all that ask */
	struct str line;               /* until it is asked */
	size_t user_len;
	struct user *user; /* ready to be put into the table */
};

/* One query that hangs on a flight. */
struct auth_wait {
	struct list node;
	struct mail mail;
	struct loop *loop;
	struct auth_query *query; /* its loop's; NULL: cancelled */
	struct auth_answer *answer;
};

/* A question as it lies on its asker's stack. */
struct asked {
	struct credentials credentials;
	struct str key; /* in key_bytes: user NUL extras */
	uint64_t hash;
	uint8_t mac[MAC_BYTES];
	char key_bytes[3 * AUTH_BASIC_MAX_BYTES];
};

/* ---- what is counted */

struct auth_answer *auth_answer_ref(struct auth_answer *answer)
{
	atomic_fetch_add_explicit(&answer->nrefs_, 1, memory_order_relaxed); /* pairs with unref */
	return answer;
}

void auth_answer_unref(struct auth_answer *answer)
{
	if (!answer || atomic_fetch_sub_explicit(&answer->nrefs_, 1, memory_order_acq_rel) != 1)
		return;
	mem_free(answer->reply);
	mem_free(answer);
}

/* With one reference; takes reply. */
static struct auth_answer *make_answer(struct str user, struct helper_reply *reply)
{
	struct auth_answer *answer = mem_zalloc(sizeof(*answer) + user.len + 1);
	char *text = (char *)(answer + 1);

	memcpy(text, user.at, user.len);
	answer->user = (struct str){text, user.len};
	answer->reply = reply;
	atomic_init(&answer->nrefs_, 1);
	return answer;
}

static void free_user(struct user *user)
{
	if (!user)
		return;
	auth_answer_unref(user->answer);
	mem_free(user);
}

static void free_users(struct user *users)
{
	while (users) {
		struct user *next = users->next;

		free_user(users);
		users = next;
	}
}

struct auth_users *auth_users_create(void)
{
	struct auth_users *users = mem_zalloc(sizeof(*users));

	atomic_init(&users->nrefs, 1);
	users->seed = random_u64();
	random_fill(users->secret, sizeof(users->secret));
	for (size_t i = 0; i < NSHARDS; i++) {
		lock_init(&users->shards[i].lock);
		list_init(&users->shards[i].shared.flights);
	}
	return users;
}

struct auth_users *auth_users_ref(struct auth_users *users)
{
	atomic_fetch_add_explicit(&users->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return users;
}

void auth_users_unref(struct auth_users *users)
{
	if (!users || atomic_fetch_sub_explicit(&users->nrefs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < NSHARDS; i++) {
		for (size_t j = 0; j < NBUCKETS; j++)
			free_users(users->shards[i].shared.users[j]);
		lock_fini(&users->shards[i].lock);
	}
	gnutls_memset(users->secret, 0, sizeof(users->secret));
	mem_free(users);
}

/* Quotes and backslashes of a realm are escaped (RFC 9110 §5.6.4; Squid sends them as they are). */
static char *make_challenge(const struct auth_basic_config *config)
{
	struct str realm = config->realm.at ? config->realm : STR("Squid proxy-caching web server");
	struct buf text;
	char *challenge;

	buf_init(&text, 2 * realm.len + 64);
	buf_add_str(&text, STR("Basic realm=\""));
	for (size_t i = 0; i < realm.len; i++) {
		if (realm.at[i] == '"' || realm.at[i] == '\\')
			buf_add_char(&text, '\\');
		buf_add_char(&text, realm.at[i]);
	}
	buf_add_str(&text, config->is_utf8 ? STR("\", charset=\"UTF-8\"") : STR("\""));
	challenge = str_dup(buf_str(&text));
	buf_fini(&text);
	return challenge;
}

struct auth_basic *auth_basic_create(const struct auth_basic_config *config)
{
	struct auth_basic *auth = mem_zalloc(sizeof(*auth));

	atomic_init(&auth->nrefs, 1);
	auth->config = *config;
	auth->config.realm = STR_NONE;
	auth->challenge = make_challenge(config);
	helper_pool_ref(config->pool);
	auth_users_ref(config->users);
	return auth;
}

struct auth_basic *auth_basic_ref(struct auth_basic *auth)
{
	atomic_fetch_add_explicit(&auth->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return auth;
}

void auth_basic_unref(struct auth_basic *auth)
{
	if (!auth || atomic_fetch_sub_explicit(&auth->nrefs, 1, memory_order_acq_rel) != 1)
		return;
	helper_pool_unref(auth->config.pool);
	auth_users_unref(auth->config.users);
	mem_free(auth->challenge);
	mem_free(auth);
}

struct str auth_basic_challenge(const struct auth_basic *auth)
{
	return str_of(auth->challenge);
}

/* ---- what is asked */

static enum credentials_options reading_options(const struct auth_basic *auth)
{
	return (auth->config.is_case_sensitive ? 0 : CREDENTIALS_FOLD_USER) |
	       (auth->config.is_utf8 ? CREDENTIALS_TO_UTF8 : 0);
}

/* key and its hash, and the MAC over user NUL password. */
static bool make_key(const struct auth_basic *auth, struct str extras, struct asked *out)
{
	const struct auth_users *users = auth->config.users;
	struct credentials *credentials = &out->credentials;
	struct str user = credentials->user;

	if (extras.len > AUTH_BASIC_MAX_BYTES || !helper_value_is_clean(extras))
		return false;
	memcpy(out->key_bytes, user.at, user.len);
	out->key_bytes[user.len] = '\0';
	if (extras.len > 0)
		memcpy(out->key_bytes + user.len + 1, extras.at, extras.len);
	out->key = (struct str){out->key_bytes, user.len + 1 + extras.len};
	out->hash = hash_str(out->key, users->seed);
	credentials->bytes[user.len] = '\0'; /* where the colon was */
	return gnutls_hmac_fast(GNUTLS_MAC_SHA256, users->secret, sizeof(users->secret),
	                        credentials->bytes, user.len + 1 + credentials->pass.len,
	                        out->mac) == 0;
}

/* ---- the table */

static struct shard *shard_of(struct auth_users *users, uint64_t hash)
{
	return &users->shards[hash % NSHARDS];
}

static struct user **bucket_locked(struct shard *shard, uint64_t hash)
{
	lock_check_held(&shard->lock);
	return &shard->shared.users[hash / NSHARDS % NBUCKETS];
}

/* A new reference to what is known of these very credentials; NULL: nothing, or no more. */
static struct auth_answer *find_answer_locked(struct shard *shard, const struct asked *asked,
                                              int64_t now_ms)
{
	struct user *user = *bucket_locked(shard, asked->hash);

	while (user && (user->hash != asked->hash ||
	                !str_eq((struct str){user->key, user->key_len}, asked->key)))
		user = user->next;
	if (!user || user->expires_ms <= now_ms ||
	    gnutls_memcmp(user->mac, asked->mac, MAC_BYTES) != 0)
		return NULL;
	return auth_answer_ref(user->answer);
}

static struct auth_answer *find_answer(struct auth_users *users, const struct asked *asked,
                                       int64_t now_ms)
{
	struct shard *shard = shard_of(users, asked->hash);
	struct auth_answer *answer;

	lock_take(&shard->lock);
	answer = find_answer_locked(shard, asked, now_ms);
	lock_drop(&shard->lock);
	return answer;
}

/* Puts user in, and takes its forerunner and what has expired nearby out; the caller frees these.
 */
static struct user *replace_user_locked(struct shard *shard, struct user *user, int64_t now_ms)
{
	struct user **at = bucket_locked(shard, user->hash), *out = NULL;

	while (*at) {
		struct user *other = *at;
		bool is_same = other->hash == user->hash && other->key_len == user->key_len &&
		               memcmp(other->key, user->key, user->key_len) == 0;

		if (is_same || other->expires_ms <= now_ms) {
			*at = other->next;
			other->next = out;
			out = other;
		} else {
			at = &other->next;
		}
	}
	*at = user;
	return out;
}

/* ---- flights */

static void drop_line(struct flight *flight)
{
	if (!flight->line.at)
		return;
	gnutls_memset((void *)(uintptr_t)flight->line.at, 0, flight->line.len);
	mem_free((void *)(uintptr_t)flight->line.at);
	flight->line = STR_NONE;
}

static void free_flight(struct flight *flight)
{
	if (!flight)
		return;
	drop_line(flight);
	helper_request_fini(&flight->request);
	free_user(flight->user);
	auth_basic_unref(flight->auth);
	mem_free(flight);
}

static void deliver_wait(struct mail *mail)
{
	struct auth_wait *wait = CONTAINER(mail, struct auth_wait, mail);
	struct auth_query *query = wait->query;

	if (!query) {
		auth_answer_unref(wait->answer);
		mem_free(wait);
		return;
	}
	query->wait_ = NULL;
	query->answer = wait->answer;
	query->verdict = wait->answer->reply->code == HELPER_OK ? AUTH_OK : AUTH_FAILED;
	mem_free(wait);
	query->done(query);
}

static void post_waits(struct list *waits, struct auth_answer *answer)
{
	struct list *node;

	while ((node = list_pop_front(waits)) != NULL) {
		struct auth_wait *wait = CONTAINER(node, struct auth_wait, node);

		wait->answer = auth_answer_ref(answer);
		loop_post(wait->loop, &wait->mail);
	}
}

/* The helper has answered; at home. */
static void land(struct helper_request *request)
{
	struct flight *flight = CONTAINER(request, struct flight, request);
	struct auth_basic *auth = flight->auth;
	struct shard *shard = shard_of(auth->config.users, flight->user->hash);
	struct user *user = flight->user, *old = NULL;
	struct auth_answer *answer =
		make_answer((struct str){user->key, flight->user_len}, request->reply);
	int64_t now_ms = loop_now_ms(request->loop);
	bool is_kept = answer->reply->code == HELPER_OK && auth->config.ttl_ms > 0;
	struct list waits;

	request->reply = NULL; /* the answer's now */
	list_init(&waits);
	if (is_kept) {
		user->answer = auth_answer_ref(answer);
		user->expires_ms = now_ms + auth->config.ttl_ms;
	}
	lock_take(&shard->lock);
	if (is_kept)
		old = replace_user_locked(shard, user, now_ms);
	list_remove(&flight->node);
	list_splice(&waits, &flight->waits);
	lock_drop(&shard->lock);
	if (is_kept)
		flight->user = NULL;
	free_users(old);
	post_waits(&waits, answer);
	auth_answer_unref(answer);
	free_flight(flight);
}

/* At home. */
static void deliver_flight(struct mail *mail)
{
	struct flight *flight = CONTAINER(mail, struct flight, mail);

	helper_pool_ask(flight->auth->config.pool, &flight->request, flight->line);
	drop_line(flight);
}

static struct flight *make_flight(struct auth_basic *auth, const struct asked *asked,
                                  struct str line)
{
	struct flight *flight = mem_zalloc(sizeof(*flight));
	struct user *user = mem_zalloc(sizeof(*user) + asked->key.len);

	memcpy(user->key, asked->key.at, asked->key.len);
	user->key_len = asked->key.len;
	user->hash = asked->hash;
	memcpy(user->mac, asked->mac, MAC_BYTES);
	list_init(&flight->node);
	list_init(&flight->waits);
	flight->auth = auth_basic_ref(auth);
	flight->mail.deliver = deliver_flight;
	flight->request.loop = helper_pool_home(auth->config.pool);
	flight->line = (struct str){str_dup(line), line.len};
	flight->request.done = land;
	flight->user_len = asked->credentials.user.len;
	flight->user = user;
	return flight;
}

/* Under way to the same pool, about the same credentials? */
static bool is_same_flight(const struct flight *flight, const struct auth_basic *auth,
                           const struct asked *asked)
{
	const struct user *user = flight->user;

	return flight->auth == auth && user->hash == asked->hash &&
	       str_eq((struct str){user->key, user->key_len}, asked->key) &&
	       gnutls_memcmp(user->mac, asked->mac, MAC_BYTES) == 0;
}

static struct flight *find_flight_locked(struct shard *shard, const struct auth_basic *auth,
                                         const struct asked *asked)
{
	lock_check_held(&shard->lock);
	LIST_EACH(node, &shard->shared.flights) {
		struct flight *flight = CONTAINER(node, struct flight, node);

		if (is_same_flight(flight, auth, asked))
			return flight;
	}
	return NULL;
}

/* Adds wait to the flight under way, or to ours, which then is it (and *is_new). An answer that
 * came in the meantime is returned instead, and nothing is done. */
static struct auth_answer *board(struct shard *shard, struct flight *ours, struct auth_wait *wait,
                                 const struct asked *asked, bool *is_new)
{
	struct auth_answer *answer;
	struct flight *flight = NULL;

	lock_take(&shard->lock);
	answer = find_answer_locked(shard, asked, loop_now_ms(wait->loop));
	if (!answer) {
		flight = find_flight_locked(shard, ours->auth, asked);
		*is_new = flight == NULL;
		if (*is_new) {
			flight = ours;
			list_push_back(&shard->shared.flights, &flight->node);
		}
		list_push_back(&flight->waits, &wait->node);
	}
	lock_drop(&shard->lock);
	return answer;
}

static bool make_line(const struct asked *asked, struct str extras, struct buf *line)
{
	return uri_escape_1738(line, asked->credentials.user) && buf_add_char(line, ' ') &&
	       uri_escape_1738(line, asked->credentials.pass) &&
	       (extras.len == 0 || (buf_add_char(line, ' ') && buf_add_str(line, extras)));
}

static enum auth_verdict answer_now(struct auth_query *query, struct auth_answer *answer)
{
	query->answer = answer;
	query->verdict = AUTH_OK;
	return query->verdict;
}

/* Asks the helper, or joins those that have. */
static enum auth_verdict wait_for_helper(struct auth_basic *auth, const struct asked *asked,
                                         struct str line, struct auth_query *query)
{
	struct shard *shard = shard_of(auth->config.users, asked->hash);
	struct flight *flight = make_flight(auth, asked, line);
	struct auth_wait *wait = mem_zalloc(sizeof(*wait));
	struct auth_answer *answer;
	bool is_new = false;

	list_init(&wait->node);
	wait->mail.deliver = deliver_wait;
	wait->loop = query->loop;
	wait->query = query;
	query->wait_ = wait;
	query->verdict = AUTH_PENDING;
	answer = board(shard, flight, wait, asked, &is_new);
	if (answer) {
		query->wait_ = NULL;
		mem_free(wait);
		answer_now(query, answer);
	}
	if (is_new)
		loop_post(flight->request.loop, &flight->mail);
	else
		free_flight(flight);
	return query->verdict;
}

enum auth_verdict auth_basic_check(struct auth_basic *auth, struct str credentials,
                                   struct str extras, struct auth_query *query)
{
	struct asked asked;
	struct auth_answer *answer;
	struct buf line;

	auth_query_fini(query);
	query->verdict = AUTH_FAILED;
	if (!credentials_read(credentials, reading_options(auth), &asked.credentials) ||
	    !make_key(auth, extras, &asked))
		return query->verdict;
	answer = find_answer(auth->config.users, &asked, loop_now_ms(query->loop));
	if (answer)
		return answer_now(query, answer);
	buf_init(&line, AUTH_BASIC_MAX_BYTES);
	if (make_line(&asked, extras, &line))
		wait_for_helper(auth, &asked, buf_str(&line), query);
	gnutls_memset(&asked, 0, sizeof(asked));
	buf_fini(&line);
	return query->verdict;
}

void auth_query_cancel(struct auth_query *query)
{
	if (!query->wait_)
		return;
	check(loop_is_current(query->loop));
	query->wait_->query = NULL;
	query->wait_ = NULL;
}

void auth_query_fini(struct auth_query *query)
{
	auth_query_cancel(query);
	auth_answer_unref(query->answer);
	query->answer = NULL;
}
