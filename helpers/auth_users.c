/* SPDX-License-Identifier: BSD-2-Clause */
/* Who was let in, in shards by the key's hash: a known user with the same MAC and time left is an
 * answer at once. What is not known becomes a flight (auth_flight.c). */
#include "helpers/auth_users_internal.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/random.h"

enum {
	CHAIN_MAX = 64, /* users in a bucket: more push the oldest out */
	DEFAULT_GARBAGE_MS = 3600 * 1000,
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

void auth_user_free(struct auth_user *user)
{
	if (!user)
		return;
	auth_answer_unref(user->answer);
	mem_free(user);
}

void auth_user_free_all(struct auth_user *users)
{
	while (users) {
		struct auth_user *next = users->next;

		auth_user_free(users);
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
	for (size_t i = 0; i < AUTH_SHARDS; i++) {
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
	for (size_t i = 0; i < AUTH_SHARDS; i++) {
		for (size_t j = 0; j < AUTH_BUCKETS; j++)
			auth_user_free_all(users->shards[i].shared.users[j]);
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

struct auth_shard *auth_shard_of(struct auth_users *users, uint64_t hash)
{
	return &users->shards[hash % AUTH_SHARDS];
}

static struct auth_user **bucket_locked(struct auth_shard *shard, uint64_t hash)
{
	lock_check_held(&shard->lock);
	return &shard->shared.users[hash / AUTH_SHARDS % AUTH_BUCKETS];
}

static bool has_expired(const struct auth_user *user, int64_t now_ms)
{
	return user->expires_ms <= now_ms || now_ms - user->used_ms >= user->idle_ms;
}

bool auth_user_is_over(const struct auth_user *user, int64_t now_ms)
{
	return has_expired(user, now_ms - user->stale_ms);
}

bool auth_user_has_key(const struct auth_user *user, uint64_t hash, struct str key)
{
	return user->hash == hash && str_eq((struct str){user->key, user->key_len}, key);
}

struct auth_user *auth_find_user_locked(struct auth_shard *shard, uint64_t hash, struct str key,
                                        const uint8_t *mac)
{
	struct auth_user *user = *bucket_locked(shard, hash);

	while (user && !auth_user_has_key(user, hash, key))
		user = user->next;
	return user && gnutls_memcmp(user->mac, mac, AUTH_MAC_BYTES) == 0 ? user : NULL;
}

struct auth_answer *auth_find_answer_locked(struct auth_shard *shard,
                                            const struct auth_question *question, int64_t now_ms)
{
	struct auth_user *user =
		auth_find_user_locked(shard, question->hash, question->key, question->mac);

	if (!user || has_expired(user, now_ms) || user->answered_ms < question->not_before_ms)
		return NULL;
	user->used_ms = now_ms;
	return auth_answer_ref(user->answer);
}

enum auth_verdict auth_answer_now(struct auth_query *query, struct auth_answer *answer)
{
	query->answer = answer;
	query->verdict = answer ? AUTH_OK : AUTH_FAILED;
	return query->verdict;
}

enum auth_verdict auth_users_find(struct auth_users *users, const struct auth_question *question,
                                  struct auth_query *query)
{
	struct auth_shard *shard = auth_shard_of(users, question->hash);
	struct auth_answer *answer;

	lock_take(&shard->lock);
	answer = auth_find_answer_locked(shard, question, loop_now_ms(query->loop));
	lock_drop(&shard->lock);
	return auth_answer_now(query, answer);
}

/* Takes out what is over, what has like's key (NULL: nothing has) and, from the end, what is too
 * much; returns these, with others before them. */
static struct auth_user *sweep_bucket(struct auth_user **at, const struct auth_user *like,
                                      int64_t now_ms, struct auth_user *others)
{
	unsigned n = 0;

	while (*at) {
		struct auth_user *user = *at;
		bool is_same = like && auth_user_has_key(user, like->hash,
		                                         (struct str){like->key, like->key_len});

		if (is_same || auth_user_is_over(user, now_ms) || ++n > CHAIN_MAX) {
			*at = user->next;
			user->next = others;
			others = user;
		} else {
			at = &user->next;
		}
	}
	return others;
}

struct auth_user *auth_replace_user_locked(struct auth_users *users, struct auth_shard *shard,
                                           struct auth_user *user, int64_t now_ms)
{
	struct auth_user **bucket = bucket_locked(shard, user->hash);
	struct auth_user *out = sweep_bucket(bucket, user, now_ms, NULL);

	user->next = *bucket;
	*bucket = user;
	if (now_ms - shard->shared.swept_ms <
	    atomic_load_explicit(&users->garbage_ms, memory_order_relaxed))
		return out;
	shard->shared.swept_ms = now_ms;
	for (size_t i = 0; i < AUTH_BUCKETS; i++)
		out = sweep_bucket(&shard->shared.users[i], NULL, now_ms, out);
	return out;
}
