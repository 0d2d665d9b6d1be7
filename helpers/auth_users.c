/* SPDX-License-Identifier: BSD-2-Clause */
/* A known user with the same MAC and time left is an answer at once. Otherwise the question becomes a
 * flight: one request to the helper, in its shard's list while it is under way, and a wait for each
 * query that hangs on it. A flight is nobody's: it goes on when the one who began it is cancelled. */
#include "helpers/auth_users.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"

enum {
	NSHARDS = 16,
	NBUCKETS = 256,
	CHAIN_MAX = 64, /* users in a bucket: more push the oldest out */
	DEFAULT_GARBAGE_MS = 3600 * 1000,
};

/* One who was let in. Guarded by its shard's lock. */
struct user {
	struct user *next;
	uint64_t hash;
	uint8_t mac[AUTH_MAC_BYTES]; /* of the secret, keyed by the table's */
	int64_t answered_ms, expires_ms, used_ms, idle_ms, stale_ms;
	struct auth_answer *answer;
	size_t key_len;
	char key[];
};

struct shard {
	struct lock lock;
	struct { /* guarded by lock */
		struct user *users[NBUCKETS];
		struct list flights;
		int64_t swept_ms;
	} shared;
};

struct auth_users {
	atomic_uint nrefs;
	_Atomic int64_t garbage_ms;
	uint64_t seed; /* immutable, like secret */
	uint8_t secret[AUTH_MAC_BYTES];
	struct shard shards[NSHARDS];
};

/* One question to the helper: immutable but for its node and waits, which the shard's lock guards;
 * user is the table's once the flight is off the list. */
struct flight {
	struct list node; /* of shared.flights */
	struct list waits;
	struct mail mail; /* to the pool's home */
	struct auth_users *users;
	struct helper_pool *pool;
	struct helper_request request; /* of the pool's home, which outlives all that ask */
	struct str line;               /* until it is asked */
	size_t user_len;
	int64_t ttl_ms;
	auth_keep_fn *keep;
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

/* ---- what is counted */

struct auth_answer *auth_answer_ref(struct auth_answer *answer)
{
	atomic_fetch_add_explicit(&answer->nrefs_, 1, memory_order_relaxed); /* pairs with unref */
	return answer;
}

/* The line may hold what stands for a password (ha1=, password=). */
static void free_reply(struct helper_reply *reply)
{
	for (unsigned i = 0; reply && i < reply->npairs; i++)
		if (reply->pairs[i].value.len > 0)
			gnutls_memset((void *)(uintptr_t)reply->pairs[i].value.at, 0,
			              reply->pairs[i].value.len);
	mem_free(reply);
}

void auth_answer_unref(struct auth_answer *answer)
{
	if (!answer || atomic_fetch_sub_explicit(&answer->nrefs_, 1, memory_order_acq_rel) != 1)
		return;
	free_reply(answer->reply);
	mem_free(answer);
}

struct auth_answer *auth_answer_create(struct str user, struct helper_reply *reply)
{
	struct auth_answer *answer = mem_zalloc(sizeof(*answer) + user.len + 1);
	char *text = (char *)(answer + 1);

	if (user.len > 0)
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
	atomic_init(&users->garbage_ms, DEFAULT_GARBAGE_MS);
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

void auth_users_set_garbage_interval(struct auth_users *users, int64_t ms)
{
	/* relaxed: nothing hangs on when a worker sees it */
	atomic_store_explicit(&users->garbage_ms, ms, memory_order_relaxed);
}

/* ---- what is asked */

static bool make_mac(const struct auth_users *users, struct auth_question *question,
                     struct str secret)
{
	gnutls_hmac_hd_t mac;

	if (gnutls_hmac_init(&mac, GNUTLS_MAC_SHA256, users->secret, sizeof(users->secret)) != 0)
		return false;
	gnutls_hmac(mac, question->key.at, question->key.len);
	if (secret.len > 0)
		gnutls_hmac(mac, secret.at, secret.len);
	gnutls_hmac_deinit(mac, question->mac);
	return true;
}

bool auth_question_init(struct auth_question *question, const struct auth_users *users, char space,
                        struct str user, struct str extras, struct str secret)
{
	char *at = question->key_bytes;

	if (user.len > 2 * AUTH_MAX_BYTES || extras.len > AUTH_MAX_BYTES ||
	    !helper_value_is_clean(user) || !helper_value_is_clean(extras))
		return false;
	*at++ = space;
	if (user.len > 0)
		memcpy(at, user.at, user.len);
	at += user.len;
	*at++ = '\0';
	if (extras.len > 0)
		memcpy(at, extras.at, extras.len);
	at += extras.len;
	*at++ = '\0'; /* before the secret, in the MAC */
	question->key = (struct str){question->key_bytes, (size_t)(at - question->key_bytes)};
	question->hash = hash_str(question->key, users->seed);
	question->user_len = user.len;
	question->pool = NULL;
	question->not_before_ms = question->ttl_ms = question->stale_ms = 0;
	question->idle_ms = INT64_MAX;
	question->keep = NULL;
	return make_mac(users, question, secret);
}

/* In a key a MAC is hex, as keys are texts. */
bool auth_question_init_hidden(struct auth_question *question, const struct auth_users *users,
                               char space, struct str secret, struct str extras)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t mac[AUTH_MAC_BYTES];
	char text[2 * AUTH_MAC_BYTES];

	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, users->secret, sizeof(users->secret), secret.at,
	                     secret.len, mac) != 0)
		return false;
	for (size_t i = 0; i < sizeof(mac); i++) {
		text[2 * i] = digits[mac[i] >> 4];
		text[2 * i + 1] = digits[mac[i] & 15];
	}
	if (!auth_question_init(question, users, space, (struct str){text, sizeof(text)}, extras,
	                        secret))
		return false;
	question->user_len = 0;
	return true;
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

static bool has_expired(const struct user *user, int64_t now_ms)
{
	return user->expires_ms <= now_ms || now_ms - user->used_ms >= user->idle_ms;
}

/* Not even good for when no helper answers. */
static bool is_over(const struct user *user, int64_t now_ms)
{
	return has_expired(user, now_ms - user->stale_ms);
}

static bool has_key(const struct user *user, uint64_t hash, struct str key)
{
	return user->hash == hash && str_eq((struct str){user->key, user->key_len}, key);
}

/* With these very credentials; NULL: there is none. */
static struct user *find_user_locked(struct shard *shard, uint64_t hash, struct str key,
                                     const uint8_t *mac)
{
	struct user *user = *bucket_locked(shard, hash);

	while (user && !has_key(user, hash, key))
		user = user->next;
	return user && gnutls_memcmp(user->mac, mac, AUTH_MAC_BYTES) == 0 ? user : NULL;
}

/* A new reference to what is known; NULL: nothing, or no more. */
static struct auth_answer *find_answer_locked(struct shard *shard,
                                              const struct auth_question *question, int64_t now_ms)
{
	struct user *user =
		find_user_locked(shard, question->hash, question->key, question->mac);

	if (!user || has_expired(user, now_ms) || user->answered_ms < question->not_before_ms)
		return NULL;
	user->used_ms = now_ms;
	return auth_answer_ref(user->answer);
}

static enum auth_verdict answer_now(struct auth_query *query, struct auth_answer *answer)
{
	query->answer = answer;
	query->verdict = answer ? AUTH_OK : AUTH_FAILED;
	return query->verdict;
}

enum auth_verdict auth_users_find(struct auth_users *users, const struct auth_question *question,
                                  struct auth_query *query)
{
	struct shard *shard = shard_of(users, question->hash);
	struct auth_answer *answer;

	lock_take(&shard->lock);
	answer = find_answer_locked(shard, question, loop_now_ms(query->loop));
	lock_drop(&shard->lock);
	return answer_now(query, answer);
}

/* Takes out what is over, what has like's key (NULL: nothing has) and, from the end, what is too much;
 * returns these, with others before them. */
static struct user *sweep_bucket(struct user **at, const struct user *like, int64_t now_ms,
                                 struct user *others)
{
	unsigned n = 0;

	while (*at) {
		struct user *user = *at;
		bool is_same =
			like && has_key(user, like->hash, (struct str){like->key, like->key_len});

		if (is_same || is_over(user, now_ms) || ++n > CHAIN_MAX) {
			*at = user->next;
			user->next = others;
			others = user;
		} else {
			at = &user->next;
		}
	}
	return others;
}

/* Puts user in; returns what the caller is to free. */
static struct user *replace_user_locked(struct auth_users *users, struct shard *shard,
                                        struct user *user, int64_t now_ms)
{
	struct user **bucket = bucket_locked(shard, user->hash);
	struct user *out = sweep_bucket(bucket, user, now_ms, NULL);

	user->next = *bucket;
	*bucket = user;
	if (now_ms - shard->shared.swept_ms <
	    atomic_load_explicit(&users->garbage_ms, memory_order_relaxed))
		return out;
	shard->shared.swept_ms = now_ms;
	for (size_t i = 0; i < NBUCKETS; i++)
		out = sweep_bucket(&shard->shared.users[i], NULL, now_ms, out);
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
	helper_pool_unref(flight->pool);
	auth_users_unref(flight->users);
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
	if (query->judge_)
		query->verdict = query->judge_(query);
	if (query->verdict != AUTH_PENDING)
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

/* As asked, or as the helper says. */
static struct str user_of(const struct flight *flight, const struct helper_reply *reply)
{
	struct str user = {flight->user->key + 1, flight->user_len};

	if (user.len > 0)
		return user;
	user = helper_reply_value(reply, STR("user"));
	return helper_value_is_clean(user) ? user : STR_NONE;
}

static int64_t keep_ms(const struct flight *flight, const struct helper_reply *reply)
{
	if (flight->keep)
		return flight->keep(reply, flight->ttl_ms);
	return reply->code == HELPER_OK ? flight->ttl_ms : 0;
}

/* Is it worth keeping? Then user is ready for the table. */
static bool fill_user(const struct flight *flight, struct auth_answer *answer, int64_t now_ms)
{
	struct user *user = flight->user;
	int64_t ms = keep_ms(flight, answer->reply);

	if (ms <= 0)
		return false;
	user->answer = auth_answer_ref(answer);
	user->answered_ms = user->used_ms = now_ms;
	user->expires_ms = ms < INT64_MAX - now_ms ? now_ms + ms : INT64_MAX;
	return true;
}

/* Of what was known until lately, when no helper says anything; NULL: nothing was. */
static struct auth_answer *find_stale(const struct flight *flight, int64_t now_ms)
{
	static const bool is_silence[HELPER_CODE_COUNT] = {
		[HELPER_BH] = true,
		[HELPER_TIMEOUT] = true,
		[HELPER_GONE] = true,
		[HELPER_BUSY] = true,
	};
	const struct user *like = flight->user;
	struct shard *shard = shard_of(flight->users, like->hash);
	struct auth_answer *answer = NULL;
	struct user *user;

	if (like->stale_ms == 0 || !is_silence[flight->request.reply->code])
		return NULL;
	lock_take(&shard->lock);
	user = find_user_locked(shard, like->hash, (struct str){like->key, like->key_len}, like->mac);
	if (user && !is_over(user, now_ms))
		answer = auth_answer_ref(user->answer);
	lock_drop(&shard->lock);
	return answer;
}

static struct auth_answer *take_answer(struct flight *flight)
{
	struct auth_answer *answer = auth_answer_create(user_of(flight, flight->request.reply),
	                                                flight->request.reply);

	flight->request.reply = NULL; /* the answer's now */
	return answer;
}

/* The helper has answered; at home. */
static void land(struct helper_request *request)
{
	struct flight *flight = CONTAINER(request, struct flight, request);
	struct shard *shard = shard_of(flight->users, flight->user->hash);
	struct user *old = NULL;
	int64_t now_ms = loop_now_ms(request->loop);
	struct auth_answer *answer = find_stale(flight, now_ms);
	bool is_kept = false;
	struct list waits;

	if (!answer) {
		answer = take_answer(flight);
		is_kept = fill_user(flight, answer, now_ms);
	}
	list_init(&waits);
	lock_take(&shard->lock);
	if (is_kept)
		old = replace_user_locked(flight->users, shard, flight->user, now_ms);
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

	helper_pool_ask(flight->pool, &flight->request, flight->line);
	drop_line(flight);
}

static struct flight *make_flight(struct auth_users *users, const struct auth_question *question,
                                  struct str line)
{
	struct flight *flight = mem_zalloc(sizeof(*flight));
	struct user *user = mem_zalloc(sizeof(*user) + question->key.len);

	memcpy(user->key, question->key.at, question->key.len);
	user->key_len = question->key.len;
	user->hash = question->hash;
	user->idle_ms = question->idle_ms;
	user->stale_ms = question->stale_ms;
	memcpy(user->mac, question->mac, AUTH_MAC_BYTES);
	list_init(&flight->node);
	list_init(&flight->waits);
	flight->users = auth_users_ref(users);
	flight->pool = helper_pool_ref(question->pool);
	flight->mail.deliver = deliver_flight;
	flight->request.loop = helper_pool_home(question->pool);
	flight->line = (struct str){str_dup(line), line.len};
	flight->request.done = land;
	flight->user_len = question->user_len;
	flight->ttl_ms = question->ttl_ms;
	flight->keep = question->keep;
	flight->user = user;
	return flight;
}

/* Under way to the same pool, about the same credentials? */
static struct flight *find_flight_locked(struct shard *shard, const struct auth_question *question)
{
	lock_check_held(&shard->lock);
	LIST_EACH(node, &shard->shared.flights) {
		struct flight *flight = CONTAINER(node, struct flight, node);

		if (flight->pool == question->pool &&
		    has_key(flight->user, question->hash, question->key) &&
		    gnutls_memcmp(flight->user->mac, question->mac, AUTH_MAC_BYTES) == 0)
			return flight;
	}
	return NULL;
}

/* Adds wait to the flight under way, or to ours, which then is it (and *is_new). An answer that
 * came in the meantime is returned instead, and nothing is done. */
static struct auth_answer *board(struct shard *shard, struct flight *ours, struct auth_wait *wait,
                                 const struct auth_question *question, bool *is_new)
{
	struct auth_answer *answer;
	struct flight *flight = NULL;

	lock_take(&shard->lock);
	answer = find_answer_locked(shard, question, loop_now_ms(wait->loop));
	if (!answer) {
		flight = find_flight_locked(shard, question);
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

static struct auth_wait *make_wait(struct auth_query *query)
{
	struct auth_wait *wait = mem_zalloc(sizeof(*wait));

	list_init(&wait->node);
	wait->mail.deliver = deliver_wait;
	wait->loop = query->loop;
	wait->query = query;
	return wait;
}

enum auth_verdict auth_users_ask(struct auth_users *users, const struct auth_question *question,
                                 struct str line, struct auth_query *query)
{
	struct flight *flight = make_flight(users, question, line);
	struct auth_wait *wait = make_wait(query);
	struct auth_answer *answer;
	bool is_new = false;

	query->wait_ = wait;
	query->verdict = AUTH_PENDING;
	answer = board(shard_of(users, question->hash), flight, wait, question, &is_new);
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
	if (query->drop_state_)
		query->drop_state_(query->state_);
	query->judge_ = NULL;
	query->drop_state_ = NULL;
	query->state_ = NULL;
	query->is_stale = false;
}
