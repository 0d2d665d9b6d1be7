/* SPDX-License-Identifier: BSD-2-Clause */
/* A question whose answer is kept and has time left is answered at once. Otherwise it becomes a
 * flight: one request to the helper, in its shard's list while it is under way, and a wait for each
 * query that hangs on it. A flight is nobody's: it goes on when the one who began it is cancelled.
 * A renewal is a flight without waits. */
#include "helpers/external_acl.h"

#include "helpers/external_acl_internal.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	RENEW_EVERY_MS = 1000, /* one answer is not renewed more often */
	SAY_EVERY_MS = 60000,
	SHOWN_BYTES = 200, /* of a question, in the log */
};

struct external_acl { /* immutable but for what is atomic */
	atomic_uint nrefs;
	struct external_acl_config config; /* identity is not kept */
	char *name;
	struct external_acl_table *table;
	_Atomic int64_t said_ms; /* when a question without answer was last spoken of */
	atomic_uint nundecided;  /* since then */
};

/* One question to the helper: immutable but for node and waits, which the shard's lock guards. */
struct flight {
	struct list node; /* of shared.flights */
	struct list waits;
	struct mail mail; /* to the pool's home */
	struct external_acl *acl;
	struct helper_request request; /* of the pool's home, which outlives all that ask */
	struct external_acl_key key;
	char bytes[]; /* of key.text */
};

/* One query that hangs on a flight. */
struct external_acl_wait {
	struct list node;
	struct mail mail;
	struct loop *loop;
	struct external_acl_query *query; /* its loop's; NULL: cancelled */
	enum external_acl_verdict verdict;
	struct external_acl_answer *answer;
};

/* ---- what is counted */

struct external_acl_answer *external_acl_answer_ref(struct external_acl_answer *answer)
{
	atomic_fetch_add_explicit(&answer->nrefs_, 1, memory_order_relaxed); /* pairs with unref */
	return answer;
}

void external_acl_answer_unref(struct external_acl_answer *answer)
{
	if (answer &&
	    atomic_fetch_sub_explicit(&answer->nrefs_, 1, memory_order_acq_rel) == 1)
		mem_free(answer);
}

struct str external_acl_answer_value(const struct external_acl_answer *answer, struct str key)
{
	for (unsigned i = 0; i < answer->npairs; i++)
		if (str_eq(answer->pairs[i].key, key))
			return answer->pairs[i].value;
	return STR_NONE;
}

static struct str copy_text(char **at, struct str text)
{
	struct str copy = {*at, text.len};

	memcpy(*at, text.at, text.len);
	*at += text.len;
	return copy;
}

/* A copy of what the reply says, as small as can be; with one reference. */
static struct external_acl_answer *make_answer(const struct helper_reply *reply)
{
	struct external_acl_answer *answer;
	size_t bytes = sizeof(*answer) + reply->npairs * sizeof(answer->pairs[0]);
	char *at;

	for (unsigned i = 0; i < reply->npairs; i++)
		bytes += reply->pairs[i].key.len + reply->pairs[i].value.len;
	answer = mem_alloc(bytes);
	atomic_init(&answer->nrefs_, 1);
	answer->is_match = reply->code == HELPER_OK;
	answer->npairs = reply->npairs;
	answer->bytes_ = bytes;
	at = (char *)&answer->pairs[reply->npairs];
	for (unsigned i = 0; i < reply->npairs; i++) {
		answer->pairs[i].key = copy_text(&at, reply->pairs[i].key);
		answer->pairs[i].value = copy_text(&at, reply->pairs[i].value);
	}
	return answer;
}

struct external_acl *external_acl_create(const struct external_acl_config *config)
{
	struct external_acl *acl = mem_zalloc(sizeof(*acl));

	atomic_init(&acl->nrefs, 1);
	acl->config = *config;
	acl->config.identity = STR_NONE;
	acl->config.name = acl->name = mem_strdup(config->name);
	acl->table = external_acl_table_get(config->tables, config->identity, config->max_entries);
	helper_pool_ref(config->pool);
	return acl;
}

struct external_acl *external_acl_ref(struct external_acl *acl)
{
	atomic_fetch_add_explicit(&acl->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return acl;
}

void external_acl_unref(struct external_acl *acl)
{
	if (!acl || atomic_fetch_sub_explicit(&acl->nrefs, 1, memory_order_acq_rel) != 1)
		return;
	external_acl_table_put(acl->config.tables, acl->table);
	helper_pool_unref(acl->config.pool);
	mem_free(acl->name);
	mem_free(acl);
}

/* ---- what is kept */

size_t external_acl_count(const struct external_acl *acl)
{
	return external_acl_table_count(acl->table);
}

static int64_t ttl_ms(const struct external_acl *acl, const struct external_acl_answer *answer)
{
	return answer->is_match ? acl->config.ttl_ms : acl->config.negative_ttl_ms;
}

static enum external_acl_verdict verdict_of(const struct external_acl_answer *answer)
{
	return answer->is_match ? EXTERNAL_ACL_MATCH : EXTERNAL_ACL_MISMATCH;
}

/* A new reference to an answer that is no older than its ttl and extra_ms; NULL: there is none.
 * *is_due: it ought to be renewed, which the caller does. */
static struct external_acl_answer *find_answer_locked(struct external_acl *acl,
						      const struct external_acl_key *key,
						      int64_t now_ms, int64_t extra_ms,
						      bool *is_due)
{
	struct external_acl_shard *shard = external_acl_shard_of(acl->table, key);
	struct external_acl_entry *entry = external_acl_find_locked(acl->table, shard, key);
	int64_t lifetime_ms, left_ms;

	*is_due = false;
	if (!entry)
		return NULL;
	lifetime_ms = ttl_ms(acl, entry->answer);
	left_ms = entry->answered_ms + lifetime_ms - now_ms;
	if (left_ms + extra_ms <= 0)
		return NULL;
	if (left_ms < lifetime_ms * acl->config.grace_percent / 100 &&
	    (entry->renewed_ms == 0 || now_ms - entry->renewed_ms >= RENEW_EVERY_MS)) {
		*is_due = true;
		entry->renewed_ms = now_ms;
	}
	return external_acl_answer_ref(entry->answer);
}

/* ---- flights */

static void free_flight(struct flight *flight)
{
	helper_request_fini(&flight->request);
	external_acl_unref(flight->acl);
	mem_free(flight);
}

static void deliver_wait(struct mail *mail)
{
	struct external_acl_wait *wait = CONTAINER(mail, struct external_acl_wait, mail);
	struct external_acl_query *query = wait->query;

	if (!query) {
		external_acl_answer_unref(wait->answer);
		mem_free(wait);
		return;
	}
	query->wait_ = NULL;
	query->answer = wait->answer;
	query->verdict = wait->verdict;
	mem_free(wait);
	query->done(query);
}

static void post_waits(struct list *waits, enum external_acl_verdict verdict,
		       struct external_acl_answer *answer)
{
	struct list *node;

	while ((node = list_pop_front(waits)) != NULL) {
		struct external_acl_wait *wait = CONTAINER(node, struct external_acl_wait, node);

		wait->verdict = verdict;
		wait->answer = answer ? external_acl_answer_ref(answer) : NULL;
		loop_post(wait->loop, &wait->mail);
	}
}

/* Nothing was decided: said once a minute, and counted. */
static void say_undecided(struct flight *flight, const struct helper_reply *reply)
{
	struct external_acl *acl = flight->acl;
	int64_t now_ms = loop_now_ms(flight->request.loop);
	int64_t said_ms = atomic_load_explicit(&acl->said_ms, memory_order_relaxed);
	unsigned n = atomic_fetch_add_explicit(&acl->nundecided, 1, memory_order_relaxed) + 1;
	struct str shown = str_first(flight->key.text, SHOWN_BYTES);

	/* relaxed: whoever wins the exchange says it, nothing else hangs on the values */
	if ((said_ms != 0 && now_ms - said_ms < SAY_EVERY_MS) ||
	    !atomic_compare_exchange_strong_explicit(&acl->said_ms, &said_ms, now_ms,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	atomic_store_explicit(&acl->nundecided, 0, memory_order_relaxed);
	if (reply->code == HELPER_BUSY)
		log_say(1, "WARNING: external ACL '%s' queue full. Request rejected '%.*s'.",
			acl->name, STR_ARG(shown));
	else
		log_say(1,
			"WARNING: external ACL '%s': no answer to '%.*s' (%s); %u questions without "
			"one since the last such line",
			acl->name, STR_ARG(shown), helper_code_name(reply->code), n);
}

/* How a flight ended, and what is kept of it. */
struct landing {
	struct external_acl_answer *answer;
	struct external_acl_entry *entry; /* to be put in; NULL: none */
	int64_t stale_ms;                 /* how long an old answer may serve in its place */
};

static void read_reply(struct flight *flight, struct landing *out)
{
	struct external_acl *acl = flight->acl;
	const struct helper_reply *reply = flight->request.reply;

	*out = (struct landing){.stale_ms = acl->config.stale_ms};
	if (reply->code != HELPER_OK && reply->code != HELPER_ERR) {
		say_undecided(flight, reply);
		if (reply->code == HELPER_BUSY) /* Squid: any that there is */
			out->stale_ms = INT64_MAX / 2;
		return;
	}
	out->answer = make_answer(reply);
	if (acl->config.max_entries > 0 && ttl_ms(acl, out->answer) > 0)
		out->entry = external_acl_entry_create(&flight->key, out->answer,
						       loop_now_ms(flight->request.loop));
}

/* The helper has answered; at home. */
static void land(struct helper_request *request)
{
	struct flight *flight = CONTAINER(request, struct flight, request);
	struct external_acl *acl = flight->acl;
	struct external_acl_shard *shard = external_acl_shard_of(acl->table, &flight->key);
	struct external_acl_entry *gone = NULL;
	struct landing landing;
	struct list waits;
	bool is_due;

	list_init(&waits);
	read_reply(flight, &landing);
	lock_take(&shard->lock);
	if (landing.entry)
		gone = external_acl_insert_locked(acl->table, shard, landing.entry);
	else if (!landing.answer)
		landing.answer = find_answer_locked(acl, &flight->key, loop_now_ms(request->loop),
						    landing.stale_ms, &is_due);
	list_remove(&flight->node);
	list_splice(&waits, &flight->waits);
	lock_drop(&shard->lock);
	external_acl_entries_free(gone);
	post_waits(&waits,
		   landing.answer ? verdict_of(landing.answer) : EXTERNAL_ACL_UNDECIDED,
		   landing.answer);
	external_acl_answer_unref(landing.answer);
	free_flight(flight);
}

/* At home. */
static void deliver_flight(struct mail *mail)
{
	struct flight *flight = CONTAINER(mail, struct flight, mail);

	helper_pool_ask(flight->acl->config.pool, &flight->request, flight->key.text);
}

static void start(struct flight *flight)
{
	loop_post(flight->request.loop, &flight->mail);
}

static struct flight *make_flight(struct external_acl *acl, const struct external_acl_key *key)
{
	struct flight *flight = mem_zalloc(sizeof(*flight) + key->text.len);

	list_init(&flight->node);
	list_init(&flight->waits);
	flight->acl = external_acl_ref(acl);
	flight->mail.deliver = deliver_flight;
	flight->request.loop = helper_pool_home(acl->config.pool);
	flight->request.done = land;
	memcpy(flight->bytes, key->text.at, key->text.len);
	flight->key = (struct external_acl_key){{flight->bytes, key->text.len}, key->hash};
	return flight;
}

static struct list *flights_locked(struct external_acl_shard *shard,
				   const struct external_acl_key *key)
{
	lock_check_held(&shard->lock);
	return &shard->shared.flights[(key->hash >> 32) % EXTERNAL_ACL_FLIGHT_BUCKETS];
}

/* The same question, under way to the same helper. */
static struct flight *find_flight_locked(struct external_acl_shard *shard,
					 const struct flight *ours)
{
	LIST_EACH(node, flights_locked(shard, &ours->key)) {
		struct flight *flight = CONTAINER(node, struct flight, node);

		if (flight->acl == ours->acl && flight->key.hash == ours->key.hash &&
		    str_eq(flight->key.text, ours->key.text))
			return flight;
	}
	return NULL;
}

/* Adds wait (NULL: a renewal) to the flight under way, or to ours, which then is it: true. An
 * answer that came in the meantime is returned in *answer instead, and nothing is done. */
static bool board(struct flight *ours, struct external_acl_wait *wait,
		  struct external_acl_answer **answer)
{
	struct external_acl *acl = ours->acl;
	struct external_acl_shard *shard = external_acl_shard_of(acl->table, &ours->key);
	struct flight *flight = NULL;
	bool is_due;

	lock_take(&shard->lock);
	if (wait)
		*answer = find_answer_locked(acl, &ours->key, loop_now_ms(wait->loop), 0, &is_due);
	if (!*answer) {
		if (acl->config.max_entries > 0)
			flight = find_flight_locked(shard, ours);
		if (!flight)
			list_push_back(flights_locked(shard, &ours->key), &ours->node);
		if (wait)
			list_push_back(flight ? &flight->waits : &ours->waits, &wait->node);
	}
	lock_drop(&shard->lock);
	return !*answer && !flight;
}

static void renew(struct external_acl *acl, const struct external_acl_key *key)
{
	struct flight *flight = make_flight(acl, key);
	struct external_acl_answer *none = NULL;

	if (board(flight, NULL, &none))
		start(flight);
	else
		free_flight(flight);
}

/* ---- questions */

static bool is_askable(struct str question)
{
	return question.len <= EXTERNAL_ACL_MAX_ASK_BYTES &&
	       (question.len == 0 ||
		(!memchr(question.at, '\n', question.len) &&
		 !memchr(question.at, '\r', question.len) &&
		 !memchr(question.at, '\0', question.len)));
}

bool external_acl_known(struct external_acl *acl, struct str question, struct loop *loop,
			enum external_acl_verdict *verdict, struct external_acl_answer **answer)
{
	const struct external_acl_key key = {question, hash_str(question, acl->table->seed)};
	struct external_acl_shard *shard = external_acl_shard_of(acl->table, &key);
	struct external_acl_answer *found;
	bool is_due;

	lock_take(&shard->lock);
	found = find_answer_locked(acl, &key, loop_now_ms(loop), 0, &is_due);
	lock_drop(&shard->lock);
	if (!found)
		return false;
	if (is_due)
		renew(acl, &key);
	*answer = found;
	*verdict = verdict_of(found);
	return true;
}

enum external_acl_verdict external_acl_ask(struct external_acl *acl, struct str question,
					   struct external_acl_query *query)
{
	const struct external_acl_key key = {question, hash_str(question, acl->table->seed)};
	struct external_acl_wait *wait;
	struct flight *flight;

	external_acl_query_fini(query);
	query->verdict = EXTERNAL_ACL_UNDECIDED;
	if (!is_askable(question))
		return query->verdict;
	flight = make_flight(acl, &key);
	wait = mem_zalloc(sizeof(*wait));
	list_init(&wait->node);
	wait->mail.deliver = deliver_wait;
	wait->loop = query->loop;
	wait->query = query;
	query->wait_ = wait;
	query->verdict = EXTERNAL_ACL_PENDING;
	if (board(flight, wait, &query->answer)) {
		start(flight);
		return query->verdict;
	}
	free_flight(flight);
	if (query->answer) {
		query->wait_ = NULL;
		mem_free(wait);
		query->verdict = verdict_of(query->answer);
	}
	return query->verdict;
}

void external_acl_query_cancel(struct external_acl_query *query)
{
	if (!query->wait_)
		return;
	check(loop_is_current(query->loop));
	query->wait_->query = NULL;
	query->wait_ = NULL;
}

void external_acl_query_fini(struct external_acl_query *query)
{
	external_acl_query_cancel(query);
	external_acl_answer_unref(query->answer);
	query->answer = NULL;
}
