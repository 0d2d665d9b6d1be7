/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/fetch/origin_pool.h"

#include <errno.h>
#include <stdatomic.h>

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/net/unix_socket.h"
#include "proxy/fetch/peer_queue.h"
#include "proxy/fetch/peer_table.h"
#include "proxy/server.h"
#include "proxy/worker.h"

enum { BUCKET_BITS = 8, NBUCKETS = 1 << BUCKET_BITS };

/* One worker's. */
struct origin_pool {
	struct worker *worker;
	unsigned nidle;
	struct list idle[NBUCKETS];
};

struct origin_pool *origin_pool_create(struct worker *worker)
{
	struct origin_pool *pool = mem_zalloc(sizeof(*pool));

	pool->worker = worker;
	for (int i = 0; i < NBUCKETS; i++)
		list_init(&pool->idle[i]);
	return pool;
}

void origin_pool_drain(struct origin_pool *pool)
{
	for (int i = 0; i < NBUCKETS; i++)
		while (!list_is_empty(&pool->idle[i]))
			origin_close(CONTAINER(pool->idle[i].next, struct origin_conn, node_));
}

unsigned origin_pool_shed(struct origin_pool *pool, unsigned max)
{
	unsigned n = 0;

	for (int i = 0; i < NBUCKETS && n < max && pool->nidle > 0; i++)
		for (; n < max && !list_is_empty(&pool->idle[i]); n++)
			origin_close(CONTAINER(pool->idle[i].prev, struct origin_conn, node_));
	return n;
}

bool origin_pool_has_idle(const struct origin_pool *pool)
{
	return pool->nidle > 0;
}

void origin_pool_destroy(struct origin_pool *pool)
{
	if (!pool)
		return;
	origin_pool_drain(pool);
	mem_free(pool);
}

/* Counts it as idle, or not. */
static void set_idle(struct origin_conn *conn, bool is_idle)
{
	if (conn->is_idle_ == is_idle)
		return;
	conn->is_idle_ = is_idle;
	conn->pool_->nidle += is_idle ? 1 : -1U;
	if (conn->state)
		atomic_fetch_add_explicit(&conn->state->nidle, is_idle ? 1 : -1,
					  memory_order_relaxed);
}

static struct list *bucket(struct origin_pool *pool, uint64_t key)
{
	/* Addresses, mostly: alike in their upper bits, and multiples of 16. */
	return &pool->idle[(key * 0x9E3779B97F4A7C15U) >> (64 - BUCKET_BITS)];
}

/* What came with the last answer, or since, would pass for the next one. */
static bool is_usable(struct origin_conn *conn, bool is_last_chance)
{
	return (!is_last_chance && stream_was_quiet(&conn->stream)) ||
	       !stream_is_stale(&conn->stream);
}

struct origin_conn *origin_pool_take(struct origin_pool *pool, uint64_t key, bool is_last_chance)
{
	LIST_EACH_SAFE(node, bucket(pool, key)) {
		struct origin_conn *conn = CONTAINER(node, struct origin_conn, node_);

		if (conn->key != key)
			continue;
		if (!is_usable(conn, is_last_chance)) {
			origin_close(conn);
			continue;
		}
		list_remove(&conn->node_);
		timer_cancel(&conn->idle_timer_);
		set_idle(conn, false);
		conn->is_reused = true;
		return conn;
	}
	return NULL;
}

unsigned origin_pool_count(struct origin_pool *pool, uint64_t key)
{
	unsigned n = 0;

	LIST_EACH(node, bucket(pool, key))
		n += CONTAINER(node, struct origin_conn, node_)->key == key;
	return n;
}

/* It closed, or spoke without being asked: of no use in either case (response queue poisoning). */
static void idle_woke(void *owner)
{
	struct origin_conn *conn = owner;

	if (stream_is_stale(&conn->stream))
		origin_close(conn);
}

static void idle_too_long(struct timer *timer)
{
	origin_close(CONTAINER(timer, struct origin_conn, idle_timer_));
}

static int open_unix(struct stream *stream, struct loop *loop, const struct origin_target *target)
{
	int fd = unix_socket_connect(target->unix_path);

	if (fd < 0)
		return fd;
	stream_open_tcp(stream, loop, fd, target->wake, target->owner);
	return 0;
}

/* Its stream is open. */
static void count_in(struct origin_pool *pool, struct origin_conn *conn,
		     const struct origin_target *target)
{
	list_init(&conn->node_);
	timer_init(&conn->idle_timer_, idle_too_long);
	conn->pool_ = pool;
	conn->key = target->key;
	conn->state = target->state;
	conn->opened_ms = loop_now_ms(pool->worker->loop);
	if (target->unix_path)
		conn->addr.as.any.sa_family = AF_UNIX;
	else
		conn->addr = *target->addr;
	if (conn->state)
		atomic_fetch_add_explicit(&conn->state->nconns, 1, memory_order_relaxed);
}

int origin_connect(struct origin_pool *pool, const struct origin_target *target,
		   struct origin_conn **out)
{
	struct origin_conn *conn = mem_zalloc(sizeof(*conn));
	struct loop *loop = pool->worker->loop;
	int error = target->unix_path
	                    ? open_unix(&conn->stream, loop, target)
	                    : stream_connect_tcp(&conn->stream, loop, target->addr, target->options,
	                                         target->wake, target->owner);

	if (error != 0) {
		mem_free(conn);
		return error;
	}
	count_in(pool, conn, target);
	*out = conn;
	return 0;
}

/* ENOENT: a Unix socket whose program has not begun to listen. */
bool origin_has_refused(int error)
{
	return error == ECONNREFUSED || error == ENOENT;
}

void origin_keep(struct origin_conn *conn, int64_t idle_ms, int64_t lifetime_ms)
{
	struct origin_pool *pool = conn->pool_;
	struct loop *loop = pool->worker->loop;

	if (lifetime_ms > 0 && loop_now_ms(loop) - conn->opened_ms >= lifetime_ms) {
		origin_close(conn);
		return;
	}
	stream_set_owner(&conn->stream, idle_woke, conn);
	stream_watch(&conn->stream);
	set_idle(conn, true);
	list_push_front(bucket(pool, conn->key), &conn->node_);
	timer_set(loop, &conn->idle_timer_, loop_now_ms(loop) + idle_ms);
}

void origin_close(struct origin_conn *conn)
{
	if (!conn)
		return;
	list_remove(&conn->node_);
	timer_cancel(&conn->idle_timer_);
	set_idle(conn, false);
	stream_close(&conn->stream);
	if (conn->state)
		atomic_fetch_sub_explicit(&conn->state->nconns, 1, memory_order_relaxed);
	if (conn->entered)
		peer_leave(conn->entered);
	mem_free(conn);
}

/* ---- max-conn */

struct eviction {
	struct mail mail;
	struct worker *worker;
	struct peer_state *state;
};

static bool close_idle(struct origin_pool *pool, const struct peer_state *state)
{
	for (int i = 0; i < NBUCKETS; i++)
		LIST_EACH(node, &pool->idle[i]) {
			struct origin_conn *conn = CONTAINER(node, struct origin_conn, node_);

			if (conn->state != state)
				continue;
			origin_close(conn);
			return true;
		}
	return false;
}

static void evict(struct mail *mail)
{
	struct eviction *eviction = CONTAINER(mail, struct eviction, mail);

	close_idle(eviction->worker->origins, eviction->state);
	mem_free(eviction);
}

void origin_pool_make_room(struct origin_pool *pool, struct peer_state *state, unsigned max)
{
	const struct server *server = pool->worker->server;

	if (atomic_load_explicit(&state->nconns, memory_order_relaxed) < (int)max ||
	    atomic_load_explicit(&state->nidle, memory_order_relaxed) == 0 ||
	    close_idle(pool, state))
		return;
	for (unsigned i = 0; i < server->nworkers; i++) {
		struct eviction *eviction;

		if (server->workers[i] == pool->worker)
			continue;
		eviction = mem_alloc(sizeof(*eviction));
		*eviction = (struct eviction){{.deliver = evict}, server->workers[i], state};
		loop_post(server->workers[i]->loop, &eviction->mail);
	}
}
