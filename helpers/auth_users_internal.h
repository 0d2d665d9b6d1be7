/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/auth_users_internal.h: what auth_users.c (who was let in) and auth_flight.c (questions
 * under way) share. */
#ifndef HELPERS_AUTH_USERS_INTERNAL_H
#define HELPERS_AUTH_USERS_INTERNAL_H
#include "helpers/auth_users.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"

enum { AUTH_SHARDS = 16, AUTH_BUCKETS = 256 };

/* One who was let in. Guarded by its shard's lock. */
struct auth_user {
	struct auth_user *next;
	uint64_t hash;
	uint8_t mac[AUTH_MAC_BYTES]; /* of the secret, keyed by the table's */
	int64_t answered_ms, expires_ms, used_ms, idle_ms, stale_ms;
	struct auth_answer *answer;
	size_t key_len;
	char key[];
};

struct auth_shard {
	struct lock lock;
	struct { /* guarded by lock */
		struct auth_user *users[AUTH_BUCKETS];
		struct list flights;
		int64_t swept_ms;
	} shared;
};

struct auth_users {
	atomic_uint nrefs;
	_Atomic int64_t garbage_ms;
	uint64_t seed; /* immutable, like secret */
	uint8_t secret[AUTH_MAC_BYTES];
	struct auth_shard shards[AUTH_SHARDS];
};

/* The shard that a user of that hash is in. */
struct auth_shard *auth_shard_of(struct auth_users *users, uint64_t hash);

void auth_user_free(struct auth_user *user);
/* All that hang together by next. */
void auth_user_free_all(struct auth_user *users);

/* Is it the user of that question? */
bool auth_user_has_key(const struct auth_user *user, uint64_t hash, struct str key);
/* Not even good for when no helper answers? */
bool auth_user_is_over(const struct auth_user *user, int64_t now_ms);

/* With these very credentials; NULL: there is none. */
struct auth_user *auth_find_user_locked(struct auth_shard *shard, uint64_t hash, struct str key,
                                        const uint8_t *mac);
/* A new reference to what is known; NULL: nothing, or no more. */
struct auth_answer *auth_find_answer_locked(struct auth_shard *shard,
                                            const struct auth_question *question, int64_t now_ms);
/* Puts user in; returns what the caller is to free. */
struct auth_user *auth_replace_user_locked(struct auth_users *users, struct auth_shard *shard,
                                           struct auth_user *user, int64_t now_ms);

/* The query has its answer, whose reference it takes; NULL: it failed. */
enum auth_verdict auth_answer_now(struct auth_query *query, struct auth_answer *answer);

#endif
