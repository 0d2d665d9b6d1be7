/* SPDX-License-Identifier: BSD-2-Clause */
/* A request becomes a job, which travels: asker's loop → (mail) → home: queue, child, queue again
 * ... → (mail) → asker's loop. Only pool_complete ends a job, and only its arrival at the asker
 * frees it; so a request may be cancelled at any moment by cutting the job's pointer to it. */
#include "helpers/pool_internal.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/base/random.h"

enum {
	DEFAULT_GRACE_MS = 2000,
	DEFAULT_RESERVATION_MS = 60000,
	BROKEN_AFTER = 3, /* failures in a row */
	OVERLOAD_MAX_MS = 180000,
	WARN_EVERY_MS = 600000,
};

/* ---- the pool's own life */

static const char *const *copy_argv(const char *const *argv)
{
	size_t n = 0;
	const char **copy;

	while (argv[n])
		n++;
	check(n > 0);
	copy = mem_array(n + 1, sizeof(*copy));
	for (size_t i = 0; i < n; i++)
		copy[i] = mem_strdup(argv[i]);
	return copy;
}

static void free_argv(const char *const *argv)
{
	for (size_t i = 0; argv[i]; i++)
		mem_free((char *)argv[i]);
	mem_free((void *)argv);
}

static unsigned at_most(unsigned value, unsigned max)
{
	return value < max ? value : max;
}

static void copy_config(struct helper_pool *pool, const struct helper_pool_config *from)
{
	struct helper_pool_config *config = &pool->config;
	const char *slash = strrchr(from->argv[0], '/');

	*config = *from;
	config->kind = mem_strdup(from->kind);
	config->argv = copy_argv(from->argv);
	config->squid_debug = mem_strdup(from->squid_debug);
	config->max = from->max > 0 ? from->max : 1;
	config->startup = at_most(from->startup, config->max);
	config->idle = at_most(from->idle > 0 ? from->idle : 1, config->max);
	config->grace_ms = from->grace_ms > 0 ? from->grace_ms : DEFAULT_GRACE_MS;
	config->reservation_ms =
		from->reservation_ms > 0 ? from->reservation_ms : DEFAULT_RESERVATION_MS;
	pool->name = config->argv[0] + (slash ? slash + 1 - from->argv[0] : 0);
}

static void free_pool(struct helper_pool *pool)
{
	void (*gone)(void *arg) = pool->config.gone;
	void *gone_arg = pool->config.gone_arg;

	timer_cancel(&pool->retry);
	health_good(&pool->health);
	free_argv(pool->config.argv);
	mem_free((char *)pool->config.kind);
	mem_free((char *)pool->config.squid_debug);
	mem_free(pool);
	if (gone)
		gone(gone_arg);
}

void pool_drop_hold(struct helper_pool *pool)
{
	/* acquire: whoever added a hold on another thread has done with the pool */
	if (atomic_fetch_sub_explicit(&pool->nholds, 1, memory_order_acq_rel) == 1)
		free_pool(pool);
}

/* What another thread wants of the home loop. */
struct command {
	struct mail mail;
	struct helper_pool *pool;
	void (*run)(struct helper_pool *pool);
};

static void deliver_command(struct mail *mail)
{
	struct command *command = CONTAINER(mail, struct command, mail);
	struct helper_pool *pool = command->pool;

	command->run(pool);
	mem_free(command);
	pool_drop_hold(pool);
}

/* Always by mail, also at home: what it does may not happen within a call that is under way. */
static void tell_home(struct helper_pool *pool, void (*run)(struct helper_pool *pool))
{
	struct command *command = mem_zalloc(sizeof(*command));

	command->mail.deliver = deliver_command;
	command->pool = pool;
	command->run = run;
	atomic_fetch_add_explicit(&pool->nholds, 1,
	                          memory_order_relaxed); /* the caller has a ref */
	loop_post(pool->home, &command->mail);
}

static void run_start(struct helper_pool *pool)
{
	pool->is_started = true;
	if (pool->config.startup == 0) {
		log_say(1, "helperOpenServers: Starting 0/%u '%s' processes", pool->config.max,
		        pool->name);
		log_say(1, "helperOpenServers: No '%s' processes needed.", pool->name);
		member_look_for_program(pool);
	}
	pool_pump(pool);
}

static void run_retire(struct helper_pool *pool)
{
	pool->is_retired = true;
	pool_pump(pool);
}

static void run_renew(struct helper_pool *pool)
{
	LIST_EACH(node, &pool->members) {
		CONTAINER(node, struct member, node)->is_leaving = true;
	}
	pool->nactive = 0;
	pool_pump(pool);
}

static void run_abandon(struct helper_pool *pool)
{
	pool->is_closed = true;
	timer_cancel(&pool->retry);
	member_stop_all(pool);
	pool_pump(pool);
}

static void run_close(struct helper_pool *pool)
{
	run_abandon(pool);
	pool_drop_hold(pool); /* the owners' */
}

static void on_retry(struct timer *timer)
{
	struct helper_pool *pool = CONTAINER(timer, struct helper_pool, retry);

	if (pool->is_missing)
		member_look_for_program(pool);
	pool_pump(pool);
}

struct helper_pool *helper_pool_create(struct loop *home, const struct helper_pool_config *config)
{
	struct helper_pool *pool = mem_zalloc(sizeof(*pool));

	copy_config(pool, config);
	pool->home = home;
	pool->seed = random_u64();
	atomic_init(&pool->nrefs, 1);
	atomic_init(&pool->nholds, 1);
	list_init(&pool->members);
	list_init(&pool->queue);
	timer_init(&pool->retry, on_retry);
	if (loop_is_current(home))
		run_start(pool);
	else
		tell_home(pool, run_start);
	return pool;
}

struct helper_pool *helper_pool_ref(struct helper_pool *pool)
{
	atomic_fetch_add_explicit(&pool->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return pool;
}

void helper_pool_unref(struct helper_pool *pool)
{
	if (pool && atomic_fetch_sub_explicit(&pool->nrefs, 1, memory_order_acq_rel) == 1)
		tell_home(pool, run_close);
}

void helper_pool_retire(struct helper_pool *pool)
{
	tell_home(pool, run_retire);
}

void helper_pool_renew(struct helper_pool *pool)
{
	tell_home(pool, run_renew);
}

void helper_pool_abandon(struct helper_pool *pool)
{
	tell_home(pool, run_abandon);
}

struct loop *helper_pool_home(const struct helper_pool *pool)
{
	return pool->home;
}

bool helper_pool_is_down(const struct helper_pool *pool)
{
	return atomic_load_explicit(&pool->is_down, memory_order_relaxed);
}

bool pool_is_broken(const struct helper_pool *pool)
{
	return (pool->is_missing || pool->nfailures >= BROKEN_AFTER) && pool->nactive == 0 &&
	       loop_now_ms(pool->home) < pool->retry_ms;
}

/* ---- jobs at home */

static void deliver_answer(struct mail *mail);

static void unqueue(struct helper_job *job)
{
	list_remove(&job->node);
	job->pool->nqueued--;
}

/* Of a job that is in no slot and not in the queue; it is the asker's from here on. */
void pool_complete_reply(struct helper_job *job, struct helper_reply *reply)
{
	struct helper_pool *pool = job->pool;

	check(job->slot == NULL);
	timer_cancel(&job->timer);
	job->reply = reply;
	job->pool = NULL;
	job->mail.deliver = deliver_answer;
	loop_post(job->asker, &job->mail);
	pool_drop_hold(pool);
}

void pool_complete(struct helper_job *job, enum helper_code code)
{
	struct helper_reply *reply = mem_alloc(sizeof(*reply));

	helper_reply_set(reply, code);
	pool_complete_reply(job, reply);
}

void pool_requeue(struct helper_job *job)
{
	check(job->slot == NULL);
	list_push_front(&job->pool->queue, &job->node);
	job->pool->nqueued++;
}

static void start_timer(struct helper_job *job)
{
	const struct helper_pool *pool = job->pool;

	if (pool->config.timeout_ms > 0)
		timer_set(pool->home, &job->timer,
		          loop_now_ms(pool->home) + pool->config.timeout_ms);
}

static void on_deadline(struct timer *timer)
{
	struct helper_job *job = CONTAINER(timer, struct helper_job, timer);
	struct helper_pool *pool = job->pool;
	struct slot *slot = job->slot;

	pool->counters.ntimeouts++;
	atomic_fetch_add_explicit(&pool->nholds, 1, memory_order_relaxed); /* dropped below */
	if (slot)
		member_timed_out(slot);
	else
		unqueue(job);
	if (job->ntimeouts < pool->config.timeout_resends) {
		job->ntimeouts++;
		start_timer(job);
		pool_requeue(job);
	} else {
		pool_complete(job, HELPER_TIMEOUT);
	}
	pool_pump(pool);
	pool_drop_hold(pool);
}

/* How many children a request that finds none idle calls for. */
static unsigned wanted_more(const struct helper_pool *pool)
{
	const struct helper_pool_config *config = &pool->config;

	if (pool->nactive < config->startup && !pool->is_retired)
		return config->startup - pool->nactive;
	if (pool->nactive + config->idle < config->max)
		return config->idle;
	return config->max - pool->nactive;
}

static struct member *find_member(struct helper_pool *pool)
{
	struct member *member = member_pick(pool);
	unsigned n = member && member->nslots == 0 ? 0 : wanted_more(pool);

	if (n == 0 || member_start(pool, n) == 0)
		return member;
	return member_pick(pool);
}

static void drop_queue(struct helper_pool *pool)
{
	while (!list_is_empty(&pool->queue)) {
		struct helper_job *job = CONTAINER(pool->queue.next, struct helper_job, node);

		unqueue(job);
		pool_complete(job, HELPER_GONE);
	}
}

static void hand_out(struct helper_pool *pool)
{
	while (!list_is_empty(&pool->queue)) {
		struct helper_job *job = CONTAINER(pool->queue.next, struct helper_job, node);
		bool is_cancelled = atomic_load_explicit(&job->is_cancelled, memory_order_relaxed);
		struct member *member = is_cancelled ? NULL : find_member(pool);

		if (!member && !is_cancelled)
			return;
		unqueue(job);
		if (is_cancelled)
			pool_complete(job, HELPER_GONE);
		else
			member_send(member, job);
	}
}

/* Calls nobody back: completions leave by mail. So it may be called from anywhere at home; only the
 * pool itself may be gone afterwards, if the caller has no hold. */
void pool_pump(struct helper_pool *pool)
{
	if (!pool->is_started)
		return;
	atomic_fetch_add_explicit(&pool->nholds, 1, memory_order_relaxed); /* dropped below */
	if (!pool->is_closed) {
		if (!pool->is_retired && pool->nactive < pool->config.startup)
			member_start(pool, pool->config.startup - pool->nactive);
		hand_out(pool);
	}
	if (pool->is_closed || pool_is_broken(pool))
		drop_queue(pool);
	member_stop_idle(pool, pool->is_retired && list_is_empty(&pool->queue));
	if (pool->nqueued <= pool->config.queue_size)
		pool->overload_ms = 0;
	pool_drop_hold(pool);
}

/* ---- overload */

static void warn_busy(struct helper_pool *pool, int64_t now)
{
	if (pool->warned_ms != 0 && now - pool->warned_ms < WARN_EVERY_MS)
		return;
	pool->warned_ms = now;
	log_say(0, "WARNING: All %u/%u %s processes are busy.", pool->nactive, pool->config.max,
	        pool->config.kind);
	log_say(0, "WARNING: %u pending requests queued", pool->nqueued);
	log_say(0, "WARNING: Consider increasing the number of %s processes in your config file.",
	        pool->config.kind);
}

/* Squid lets the queue grow for three minutes, then dies or answers ERR; we answer. */
static bool is_overload_too_long(struct helper_pool *pool, int64_t now)
{
	if (pool->overload_ms == 0)
		pool->overload_ms = now;
	if (now - pool->overload_ms <= OVERLOAD_MAX_MS)
		return false;
	if (pool->refused_ms == 0 || now - pool->refused_ms >= WARN_EVERY_MS) {
		pool->refused_ms = now;
		log_say(0,
		        "ERROR: Too many queued %s requests; see on-persistent-overload. New ones "
		        "go "
		        "on without the helper",
		        pool->config.kind);
	}
	return true;
}

/* Of a job just put at the end of the queue. */
static void check_overload(struct helper_pool *pool)
{
	int64_t now = loop_now_ms(pool->home);
	struct helper_job *last;

	if (pool->nqueued <= pool->config.queue_size)
		return;
	warn_busy(pool, now);
	if (!is_overload_too_long(pool, now) && !pool->config.bypass_when_full)
		return;
	last = CONTAINER(pool->queue.prev, struct helper_job, node);
	unqueue(last);
	pool->counters.nrefused++;
	pool_complete(last, HELPER_BUSY);
}

/* Nobody else is before it: its child is kept for it. */
static void go_on(struct helper_job *job)
{
	struct member *member = member_of(job->pool, job->conversation);

	if (!member || member->nslots > 0)
		pool_complete(job, HELPER_GONE);
	else
		member_send(member, job);
}

static void submit(struct helper_job *job)
{
	struct helper_pool *pool = job->pool;

	pool->counters.nrequests++;
	timer_init(&job->timer, on_deadline);
	start_timer(job);
	if (job->goes_on) {
		go_on(job);
		return;
	}
	list_push_back(&pool->queue, &job->node);
	pool->nqueued++;
	atomic_fetch_add_explicit(&pool->nholds, 1, memory_order_relaxed); /* dropped below */
	pool_pump(pool);
	check_overload(pool);
	pool_drop_hold(pool);
}

static void deliver_question(struct mail *mail)
{
	submit(CONTAINER(mail, struct helper_job, mail));
}

/* ---- the asker's side */

static void deliver_answer(struct mail *mail)
{
	struct helper_job *job = CONTAINER(mail, struct helper_job, mail);
	struct helper_request *request = job->request;

	if (request) {
		request->job_ = NULL;
		request->reply = job->reply;
	} else {
		mem_free(job->reply);
	}
	mem_free(job);
	if (request)
		request->done(request);
}

void helper_pool_ask(struct helper_pool *pool, struct helper_request *request, struct str text)
{
	struct helper_job *job = mem_zalloc(sizeof(*job) + text.len);

	check(request->job_ == NULL && loop_is_current(request->loop));
	check(memchr(text.at, '\n', text.len) == NULL && memchr(text.at, '\0', text.len) == NULL);
	helper_request_fini(request);
	memcpy(job->text, text.at, text.len);
	job->len = text.len;
	job->asker = request->loop;
	job->request = request;
	job->pool = pool;
	job->conversation = request->conversation;
	job->goes_on = request->goes_on;
	list_init(&job->node);
	request->job_ = job;
	atomic_fetch_add_explicit(&pool->nholds, 1,
	                          memory_order_relaxed); /* the caller has a ref */
	job->mail.deliver = deliver_question;
	if (pool->home == request->loop)
		submit(job);
	else
		loop_post(pool->home, &job->mail);
}

/* ---- conversations */

uint64_t helper_conversation_new(void)
{
	static _Atomic uint64_t last;

	/* relaxed: only that they differ matters */
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

struct ending {
	struct mail mail;
	struct helper_pool *pool; /* a hold */
	uint64_t conversation;
};

static void deliver_ending(struct mail *mail)
{
	struct ending *ending = CONTAINER(mail, struct ending, mail);
	struct helper_pool *pool = ending->pool;
	struct member *member = member_of(pool, ending->conversation);

	if (member)
		member_end_conversation(member);
	mem_free(ending);
	pool_pump(pool);
	pool_drop_hold(pool);
}

void helper_conversation_end(struct helper_pool *pool, uint64_t conversation)
{
	struct ending *ending = mem_zalloc(sizeof(*ending));

	ending->mail.deliver = deliver_ending;
	ending->pool = pool;
	ending->conversation = conversation;
	atomic_fetch_add_explicit(&pool->nholds, 1,
	                          memory_order_relaxed); /* the caller has a ref */
	loop_post(pool->home, &ending->mail);
}

void helper_request_cancel(struct helper_request *request)
{
	struct helper_job *job = request->job_;

	if (!job)
		return;
	check(loop_is_current(request->loop));
	job->request = NULL;
	atomic_store_explicit(&job->is_cancelled, true, memory_order_relaxed); /* see hand_out */
	request->job_ = NULL;
}

void helper_request_fini(struct helper_request *request)
{
	helper_request_cancel(request);
	mem_free(request->reply);
	request->reply = NULL;
}
