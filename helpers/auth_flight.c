/* SPDX-License-Identifier: BSD-2-Clause */
/* A question to the helper is a flight: one request, in its shard's list while it is under way, and
 * a wait for each query that hangs on it. A flight is nobody's: it goes on when the one who began
 * it is cancelled. */
#include <gnutls/gnutls.h>

#include "helpers/auth_users_internal.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

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
	struct auth_user *user; /* ready to be put into the table */
};

/* One query that hangs on a flight. */
struct auth_wait {
	struct list node;
	struct mail mail;
	struct loop *loop;
	struct auth_query *query; /* its loop's; NULL: cancelled */
	struct auth_answer *answer;
};

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
	auth_user_free(flight->user);
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
	struct auth_user *user = flight->user;
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
	const struct auth_user *like = flight->user;
	struct auth_shard *shard = auth_shard_of(flight->users, like->hash);
	struct auth_answer *answer = NULL;
	struct auth_user *user;

	if (like->stale_ms == 0 || !is_silence[flight->request.reply->code])
		return NULL;
	lock_take(&shard->lock);
	user = auth_find_user_locked(shard, like->hash, (struct str){like->key, like->key_len},
	                             like->mac);
	if (user && !auth_user_is_over(user, now_ms))
		answer = auth_answer_ref(user->answer);
	lock_drop(&shard->lock);
	return answer;
}

static struct auth_answer *take_answer(struct flight *flight)
{
	struct auth_answer *answer =
		auth_answer_create(user_of(flight, flight->request.reply), flight->request.reply);

	flight->request.reply = NULL; /* the answer's now */
	return answer;
}

/* The helper has answered; at home. */
static void land(struct helper_request *request)
{
	struct flight *flight = CONTAINER(request, struct flight, request);
	struct auth_shard *shard = auth_shard_of(flight->users, flight->user->hash);
	struct auth_user *old = NULL;
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
		old = auth_replace_user_locked(flight->users, shard, flight->user, now_ms);
	list_remove(&flight->node);
	list_splice(&waits, &flight->waits);
	lock_drop(&shard->lock);
	if (is_kept)
		flight->user = NULL;
	auth_user_free_all(old);
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
	struct auth_user *user = mem_zalloc(sizeof(*user) + question->key.len);

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
static struct flight *find_flight_locked(struct auth_shard *shard,
                                         const struct auth_question *question)
{
	lock_check_held(&shard->lock);
	LIST_EACH(node, &shard->shared.flights) {
		struct flight *flight = CONTAINER(node, struct flight, node);

		if (flight->pool == question->pool &&
		    auth_user_has_key(flight->user, question->hash, question->key) &&
		    gnutls_memcmp(flight->user->mac, question->mac, AUTH_MAC_BYTES) == 0)
			return flight;
	}
	return NULL;
}

/* Adds wait to the flight under way, or to ours, which then is it (and *is_new). An answer that
 * came in the meantime is returned instead, and nothing is done. */
static struct auth_answer *board(struct auth_shard *shard, struct flight *ours,
                                 struct auth_wait *wait, const struct auth_question *question,
                                 bool *is_new)
{
	struct auth_answer *answer;
	struct flight *flight = NULL;

	lock_take(&shard->lock);
	answer = auth_find_answer_locked(shard, question, loop_now_ms(wait->loop));
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
	answer = board(auth_shard_of(users, question->hash), flight, wait, question, &is_new);
	if (answer) {
		query->wait_ = NULL;
		mem_free(wait);
		auth_answer_now(query, answer);
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
	query->is_stale = query->is_nonce_ending = false;
}
