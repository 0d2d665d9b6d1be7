/* SPDX-License-Identifier: BSD-2-Clause */
/* The children of a pool: what each has been sent, which answer belongs to what, and what its death
 * means for the others.
 *
 * A slot stays after its job timed out, so that a late answer is known for what it is and the child
 * counts as busy. A child that stays silent, answers what was not asked or mixes up channels is
 * replaced: its open requests go to another one, once. */
#include "helpers/pool_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"

enum {
	SILENT_MAX = 3, /* time-outs in a row */
	WRONG_MAX = 3,  /* answers on unknown channels */
	BH_RESENDS = 2,
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 60000,
	BACKOFF_MISSING_MS = 2000, /* a look whether the program is there costs nothing */
	SHORT_LIFE_MS = 30000, /* dying younger without an answer is a failure */
	SHOWN_BYTES = 80,
};

static void on_line(void *owner, char *text, size_t len);
static void on_ended(void *owner, const char *why);
static void on_note(void *owner, const char *text, size_t len);
static void on_reaped(void *owner);
static void on_reservation_over(struct timer *timer);

static unsigned capacity_of(const struct helper_pool *pool)
{
	return pool->config.concurrency > 0 ? pool->config.concurrency : 1;
}

/* ---- starting, and not starting too often */

static void say_good(struct helper_pool *pool)
{
	pool->nfailures = 0;
	atomic_store_explicit(&pool->is_down, false, memory_order_relaxed);
	health_good(&pool->health);
}

/* What Squid calls the helpers, and the program, as health has them. */
static void say_bad(struct helper_pool *pool, const char *reason)
{
	char *what = mem_printf("%s %s", pool->config.kind, pool->config.argv[0]);

	atomic_store_explicit(&pool->is_down, true, memory_order_relaxed);
	health_bad(&pool->health, what, "%s", reason);
	mem_free(what);
}

static void say_missing(struct helper_pool *pool, const char *why)
{
	if (!pool->is_missing)
		log_say(0, "ERROR: %s %s: %s; requests that need it fail until it is there",
		        pool->config.kind, pool->config.argv[0], why);
	pool->is_missing = true;
	say_bad(pool, why);
}

/* A batch of children that die together is one failure. */
static void count_failure(struct helper_pool *pool)
{
	int64_t now = loop_now_ms(pool->home), wait = BACKOFF_MIN_MS;

	pool->failed_ms = now;
	if (now < pool->retry_ms)
		return;
	for (unsigned i = 0; i < pool->nfailures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	if (pool->is_missing && wait > BACKOFF_MISSING_MS)
		wait = BACKOFF_MISSING_MS;
	pool->nfailures++;
	pool->retry_ms = now + wait;
	timer_cancel(&pool->retry);
	timer_set(pool->home, &pool->retry, pool->retry_ms);
	if (pool->nfailures == 3 && !pool->is_missing)
		say_bad(pool, "its processes end as soon as they have begun");
	if (pool->nfailures == 3)
		log_say(1,
		        "ERROR: The %s helpers are crashing too rapidly, need help! Requests go on "
		        "without them until one lives",
		        pool->config.kind);
}

static void program_is_there(struct helper_pool *pool)
{
	if (!pool->is_missing)
		return;
	log_say(1, "%s %s can be started again", pool->config.kind, pool->config.argv[0]);
	pool->is_missing = pool->is_unfit = false;
	pool->retry_ms = 0;
	say_good(pool);
}

/* 0, or the errno that says why it cannot be run. A directory may be entered, which access calls
 * X_OK. */
static int look_at(const char *program)
{
	struct stat status;

	if (!strchr(program, '/'))
		return 0;
	if (access(program, X_OK) != 0 || stat(program, &status) != 0)
		return errno;
	return S_ISDIR(status.st_mode) ? EISDIR : 0;
}

void member_look_for_program(struct helper_pool *pool)
{
	int code = look_at(pool->config.argv[0]);

	if (code == 0) {
		if (!pool->is_unfit)
			program_is_there(pool);
		return;
	}
	pool->is_unfit = false;
	say_missing(pool, strerror(code));
	pool->failed_ms = loop_now_ms(pool->home);
	pool->retry_ms = pool->failed_ms + BACKOFF_MISSING_MS;
	timer_set(pool->home, &pool->retry, pool->retry_ms);
}

static bool start_one(struct helper_pool *pool)
{
	struct member *member = mem_zalloc(sizeof(*member));
	struct err_text why = {""};
	const struct child_options options = {
		.argv = pool->config.argv,
		.squid_debug = pool->config.squid_debug,
		.max_line_bytes = HELPER_MAX_REPLY_BYTES,
		.grace_ms = pool->config.grace_ms,
		.line = on_line,
		.ended = on_ended,
		.stderr_line = on_note,
		.reaped = on_reaped,
		.owner = member,
	};

	member->child = child_start(pool->home, &options, &why);
	if (!member->child) {
		say_missing(pool, why.at);
		pool->is_unfit = true;
		mem_free(member);
		return false;
	}
	member->pool = pool;
	member->number = ++pool->last_number;
	member->started_ms = loop_now_ms(pool->home);
	list_init(&member->slots);
	timer_init(&member->reservation, on_reservation_over);
	list_push_back(&pool->members, &member->node);
	pool->nactive++;
	pool->counters.nstarts++;
	atomic_fetch_add_explicit(&pool->nholds, 1, memory_order_relaxed); /* home adds and drops */
	return true;
}

unsigned member_start(struct helper_pool *pool, unsigned n)
{
	unsigned nstarted = 0;

	if (loop_now_ms(pool->home) < pool->retry_ms)
		return 0;
	if (!pool->is_missing)
		log_say(1, "helperOpenServers: Starting %u/%u '%s' processes", n, pool->config.max,
		        pool->name);
	while (nstarted < n && start_one(pool))
		nstarted++;
	if (nstarted < n)
		count_failure(pool);
	else
		program_is_there(pool);
	return nstarted;
}

/* ---- slots */

static void free_slot(struct slot *slot)
{
	list_remove(&slot->node);
	slot->member->nslots--;
	slot->member->pool->counters.nin_flight--;
	if (slot->job)
		slot->job->slot = NULL;
	mem_free(slot);
}

static struct slot *find_slot(struct member *member, uint64_t id)
{
	LIST_EACH(node, &member->slots) {
		struct slot *slot = CONTAINER(node, struct slot, node);

		if (slot->id == id)
			return slot;
	}
	return NULL;
}

struct member *member_pick(struct helper_pool *pool)
{
	struct member *best = NULL;

	LIST_EACH(node, &pool->members) {
		struct member *member = CONTAINER(node, struct member, node);

		if (member->is_leaving || member->conversation != 0 ||
		    member->nslots >= capacity_of(pool))
			continue;
		if (member->nslots == 0)
			return member;
		if (!best || member->nslots < best->nslots)
			best = member;
	}
	return best;
}

/* ---- conversations */

struct member *member_of(struct helper_pool *pool, uint64_t conversation)
{
	LIST_EACH(node, &pool->members) {
		struct member *member = CONTAINER(node, struct member, node);

		if (member->conversation == conversation && conversation != 0)
			return member;
	}
	return NULL;
}

void member_end_conversation(struct member *member)
{
	timer_cancel(&member->reservation);
	member->conversation = 0;
}

/* Whoever it was kept for does not come back in time. */
static void on_reservation_over(struct timer *timer)
{
	struct member *member = CONTAINER(timer, struct member, reservation);

	member_end_conversation(member);
	pool_pump(member->pool);
}

/* A TT wants to be answered, at that child; anything else ends it. */
static void follow_conversation(struct member *member, const struct helper_reply *reply)
{
	struct helper_pool *pool = member->pool;

	if (member->conversation == 0)
		return;
	timer_cancel(&member->reservation);
	if (reply->code == HELPER_TT)
		timer_set(pool->home, &member->reservation,
		          loop_now_ms(pool->home) + pool->config.reservation_ms);
	else
		member->conversation = 0;
}

void member_send(struct member *member, struct helper_job *job)
{
	struct slot *slot = mem_zalloc(sizeof(*slot));
	char id[24];
	struct str pieces[2] = {{id, 0}, {job->text, job->len}};
	unsigned first = member->pool->config.concurrency > 0 ? 0 : 1;

	slot->member = member;
	slot->id = ++member->last_id;
	slot->sent_us = clock_mono_us();
	slot->job = job;
	job->slot = slot;
	list_push_back(&member->slots, &slot->node);
	member->nslots++;
	member->pool->counters.nin_flight++;
	member->was_asked = true;
	timer_cancel(&member->reservation);
	member->conversation = job->conversation;
	pieces[0].len = (size_t)snprintf(id, sizeof(id), "%llu ", (unsigned long long)slot->id);
	child_send(member->child, pieces + first, 2 - first);
}

/* ---- ends */

/* Once more on another child; a request that was in work twice when a child died is given up. */
static void save_job(struct helper_job *job)
{
	if (job->goes_on) { /* no other child knows what it is about */
		pool_complete(job, HELPER_GONE);
		return;
	}
	if (++job->ndeaths < 2) {
		pool_requeue(job);
		return;
	}
	log_say(1, "WARNING: %s request %016llx was in work at two deaths of a helper: given up",
	        job->pool->config.kind,
	        (unsigned long long)hash_str((struct str){job->text, job->len}, job->pool->seed));
	pool_complete(job, HELPER_GONE);
}

/* From the last one sent, so that requeueing in front restores the order. */
static void empty_slots(struct member *member)
{
	while (!list_is_empty(&member->slots)) {
		struct slot *slot = CONTAINER(member->slots.prev, struct slot, node);
		struct helper_job *job = slot->job;

		free_slot(slot);
		if (job)
			save_job(job);
	}
}

/* Takes it off the list and lets its process go; on_reaped frees it. */
static void let_go(struct member *member, bool is_urgent)
{
	list_remove(&member->node);
	timer_cancel(&member->reservation);
	if (!member->is_leaving)
		member->pool->nactive--;
	member->pool->counters.nending++;
	child_stop(member->child, is_urgent);
}

static void say_too_few(const struct helper_pool *pool)
{
	if (pool->nactive >= pool->config.startup || pool->is_retired || pool->is_closed)
		return;
	log_say(1, "Too few %s processes are running (need %u/%u)", pool->config.kind,
	        pool->config.startup - pool->nactive, pool->config.max);
	if (loop_now_ms(pool->home) >= pool->retry_ms)
		log_say(1, "Starting new helpers");
}

static void end_member(struct member *member, bool is_failure, const char *why)
{
	struct helper_pool *pool = member->pool;

	log_say(1, "WARNING: %s #Hlpr%llu %s", pool->config.kind,
	        (unsigned long long)member->number, why);
	pool->counters.ndeaths++;
	pool_note_end(pool, why);
	let_go(member, true);
	if (is_failure)
		count_failure(pool);
	empty_slots(member);
	say_too_few(pool);
	pool_pump(pool);
}

static void on_ended(void *owner, const char *why)
{
	struct member *member = owner;
	int64_t age_ms = loop_now_ms(member->pool->home) - member->started_ms;

	end_member(member, !member->has_answered && (age_ms < SHORT_LIFE_MS || member->nslots > 0),
	           why);
}

static void on_note(void *owner, const char *text, size_t len)
{
	const struct member *member = owner;
	const struct helper_pool_config *config = &member->pool->config;

	pool_note_stderr(member->pool, member->number, (struct str){text, len});
	if (config->stderr_line)
		config->stderr_line(text, len);
	else
		log_say(1, "%.*s", (int)len, text);
}

static void on_reaped(void *owner)
{
	struct member *member = owner;
	struct helper_pool *pool = member->pool;

	pool->counters.nending--;
	mem_free(member);
	pool_drop_hold(pool);
}

void member_stop_idle(struct helper_pool *pool, bool is_all)
{
	LIST_EACH_SAFE(node, &pool->members) {
		struct member *member = CONTAINER(node, struct member, node);

		if (member->nslots == 0 && member->conversation == 0 &&
		    (is_all || member->is_leaving))
			let_go(member, false);
	}
}

void member_stop_all(struct helper_pool *pool)
{
	LIST_EACH_SAFE(node, &pool->members) {
		struct member *member = CONTAINER(node, struct member, node);

		while (!list_is_empty(&member->slots)) {
			struct slot *slot = CONTAINER(member->slots.next, struct slot, node);
			struct helper_job *job = slot->job;

			free_slot(slot);
			if (job)
				pool_complete(job, HELPER_GONE);
		}
		let_go(member, false);
	}
}

void member_timed_out(struct slot *slot)
{
	struct member *member = slot->member;
	unsigned capacity = capacity_of(member->pool);

	slot->job->slot = NULL;
	slot->job = NULL;
	member->ntimeouts++;
	if (++member->nsilent >= (capacity < SILENT_MAX ? capacity : SILENT_MAX))
		end_member(member, !member->has_answered, "does not answer in time: replaced");
}

/* ---- answers */

static void say_unexpected(const struct member *member, struct str text)
{
	log_say(1, "helperHandleRead: unexpected read from %s #Hlpr%llu, %zu bytes '%.*s'",
	        member->pool->config.kind, (unsigned long long)member->number, text.len,
	        STR_ARG(str_first(text, SHOWN_BYTES)));
}

/* A line for which nothing waits: forgiven as long as nothing has been asked. */
static struct slot *refuse_line(struct member *member, struct str text, const char *why)
{
	say_unexpected(member, text);
	if (member->was_asked)
		end_member(member, true, why);
	return NULL;
}

static struct slot *refuse_channel(struct member *member, uint64_t id, struct str text)
{
	if (id > 0 && id <= member->last_id)
		return refuse_line(member, text, "answered one request twice: replaced");
	log_say(1, "helperHandleRead: unexpected reply on channel %llu from %s #Hlpr%llu '%.*s'",
	        (unsigned long long)id, member->pool->config.kind,
	        (unsigned long long)member->number, STR_ARG(str_first(text, SHOWN_BYTES)));
	if (++member->nwrong >= WRONG_MAX)
		end_member(member, true, "keeps answering on channels that are not open: replaced");
	return NULL;
}

/* The slot that a line answers, its id taken off; NULL: none, and what follows has been done. */
static struct slot *match_slot(struct member *member, struct str *line)
{
	struct slot *slot;
	uint64_t id;

	if (member->pool->config.concurrency == 0) {
		if (list_is_empty(&member->slots))
			return refuse_line(member, *line, "printed what was not asked: replaced");
		return CONTAINER(member->slots.next, struct slot, node);
	}
	if (!helper_line_take_id(line, &id))
		return refuse_line(
			member, *line,
			"answers without a channel id (concurrency= is set, but the helper "
			"does not repeat the id): replaced");
	slot = find_slot(member, id);
	return slot ? slot : refuse_channel(member, id, *line);
}

/* "7 OK" without concurrency: the helper expects ids. */
static bool has_stray_id(const struct helper_reply *reply)
{
	struct str rest = reply->rest, word;
	uint64_t id;

	if (reply->code != HELPER_UNKNOWN || reply->npairs > 0 || !helper_line_take_id(&rest, &id))
		return false;
	return !str_word(&rest, &word) || str_eq(word, STR("OK")) || str_eq(word, STR("ERR")) ||
	       str_eq(word, STR("BH"));
}

/* A reply with the line's bytes behind it; freed with mem_free. */
static struct helper_reply *make_reply(struct str line)
{
	struct helper_reply *reply = mem_alloc(sizeof(*reply) + line.len + 1);
	char *text = (char *)(reply + 1);

	memcpy(text, line.at, line.len);
	text[line.len] = '\0';
	helper_reply_parse(text, line.len, reply);
	return reply;
}

static void take_reply(struct member *member, struct helper_job *job, struct str line)
{
	struct helper_pool *pool = member->pool;
	struct helper_reply *reply = make_reply(line);

	if (pool->config.concurrency == 0 && has_stray_id(reply)) {
		helper_reply_set(reply, HELPER_UNKNOWN);
		pool_complete_reply(job, reply);
		end_member(member, true,
		           "answers with a channel id, but concurrency= is not set: replaced");
		return;
	}
	follow_conversation(member, reply);
	if (reply->code == HELPER_BH && job->conversation == 0 && job->nbh < BH_RESENDS) {
		job->nbh++;
		log_say(1, "ERROR: helper: {result=BH}, attempt #%u of %u", job->nbh, BH_RESENDS);
		mem_free(reply);
		pool_requeue(job);
	} else {
		pool_complete_reply(job, reply);
	}
	pool_pump(pool);
}

static void count_time(struct member *member, const struct slot *slot)
{
	int64_t took_us = clock_mono_us() - slot->sent_us;
	unsigned bin = histogram_bin((uint64_t)took_us);

	member->latest_us = took_us;
	member->times.counts[bin]++;
	member->pool->counters.times.counts[bin]++;
	member->pool->counters.times_us += (uint64_t)took_us;
}

/* It lives: what happened before it was started is forgotten. */
static void note_answer(struct member *member)
{
	struct helper_pool *pool = member->pool;

	member->has_answered = true;
	member->nsilent = 0;
	member->nreplies++;
	pool->counters.nreplies++;
	if (member->started_ms >= pool->failed_ms)
		say_good(pool);
}

static void on_line(void *owner, char *text, size_t len)
{
	struct member *member = owner;
	struct str line = {text, len};
	struct slot *slot = match_slot(member, &line);
	struct helper_job *job;

	if (!slot)
		return;
	job = slot->job;
	count_time(member, slot);
	free_slot(slot);
	if (memchr(line.at, '\0', line.len) != NULL) {
		if (job)
			pool_complete(job, HELPER_UNKNOWN);
		end_member(member, true, "answers with a NUL byte: replaced");
		return;
	}
	note_answer(member);
	if (job)
		take_reply(member, job, line);
	else
		pool_pump(member->pool); /* too late: nobody waits for it */
}
