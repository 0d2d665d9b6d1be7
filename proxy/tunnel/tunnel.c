/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tunnel/tunnel.h"

#include <errno.h>

#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "lib/net/stream_tls.h"
#include "proxy/fetch/origin_pool.h"
#include "proxy/session/exchange.h"
#include "proxy/worker.h"

enum {
	GAP_BYTES = 65536,  /* that the client may be behind the origin */
	CHUNK_BYTES = 4096, /* one of these is what an idle tunnel holds */
	UP_BYTES = 16384,   /* of the client's in one write */
	READS_A_TURN = 16,  /* then others have theirs */
	HALF_CLOSED_MS = 60000, /* at most: who has ended is likely to be gone */
};

/* One worker's. */
struct tunnel {
	struct worker *worker;
	struct exchange *exchange;
	struct origin_conn *conn; /* NULL: done with */
	struct object *object;    /* a reference */
	struct timer timer;
	struct loop_task run_task, over_task;
	char *up; /* bytes that wait to be written; NULL: none */
	int64_t idle_ms, active_ms, ends_ms;
	bool is_started, is_running;
	bool is_up_over;   /* no more goes to the origin */
	bool is_down_over; /* the object has ended */
};

static int64_t now_ms(const struct tunnel *tunnel)
{
	return loop_now_ms(tunnel->worker->loop);
}

/* ---- the end */

static void close_origin(struct tunnel *tunnel, bool is_broken)
{
	if (tunnel->conn && is_broken)
		stream_reset(&tunnel->conn->stream);
	origin_close(tunnel->conn);
	tunnel->conn = NULL;
	mem_free(tunnel->up);
	tunnel->up = NULL;
}

/* Both directions are over: the session ends once it has sent what is left. */
static void end(struct tunnel *tunnel, bool is_broken)
{
	timer_cancel(&tunnel->timer);
	close_origin(tunnel, is_broken);
	tunnel->exchange->reply.is_tunnel_over = true;
	loop_defer(tunnel->worker->loop, &tunnel->over_task);
}

static void break_off(struct tunnel *tunnel, int error)
{
	if (!tunnel->is_down_over)
		object_abort(tunnel->object, error);
	tunnel->is_down_over = tunnel->is_up_over = true;
	end(tunnel, true);
}

static void tell_session(struct loop_task *task)
{
	struct tunnel *tunnel = CONTAINER(task, struct tunnel, over_task);

	tunnel->exchange->ops->reply_ready(tunnel->exchange);
}

/* ---- limits */

/* When the present wait is too long. */
static int64_t deadline_ms(const struct tunnel *tunnel)
{
	bool is_half = tunnel->is_up_over || tunnel->is_down_over;
	int64_t idle_ms = is_half && tunnel->idle_ms > HALF_CLOSED_MS ? HALF_CLOSED_MS
								      : tunnel->idle_ms;
	int64_t at_ms = tunnel->active_ms + idle_ms;

	return at_ms < tunnel->ends_ms ? at_ms : tunnel->ends_ms;
}

static void set_timer(struct tunnel *tunnel)
{
	timer_set(tunnel->worker->loop, &tunnel->timer, deadline_ms(tunnel));
}

static void timer_fired(struct timer *timer)
{
	struct tunnel *tunnel = CONTAINER(timer, struct tunnel, timer);

	if (now_ms(tunnel) < deadline_ms(tunnel))
		set_timer(tunnel); /* something has moved since it was set */
	else
		break_off(tunnel, ETIMEDOUT);
}

/* ---- from the client to the origin */

/* The write that waits; false: it goes on waiting, or failed. */
static bool collect_write(struct tunnel *tunnel, ssize_t n)
{
	if (n == STREAM_WAIT)
		return false;
	mem_free(tunnel->up);
	tunnel->up = NULL;
	if (n < 0) { /* what the origin has said before is still to be read */
		tunnel->is_up_over = true;
		return false;
	}
	tunnel->worker->counters.server_bytes_out += (uint64_t)n;
	tunnel->active_ms = now_ms(tunnel);
	return true;
}

static void end_up(struct tunnel *tunnel)
{
	tunnel->is_up_over = true;
	stream_shutdown_write(&tunnel->conn->stream);
	set_timer(tunnel);
}

/* One piece; false: there is no more to do now. */
static bool move_up_once(struct tunnel *tunnel)
{
	struct exchange *exchange = tunnel->exchange;
	char *bytes = mem_alloc(UP_BYTES);
	ssize_t n = exchange->ops->read_body(exchange, bytes, UP_BYTES);

	if (n <= 0) {
		mem_free(bytes);
		if (n == 0)
			end_up(tunnel);
		else if (n != STREAM_WAIT)
			break_off(tunnel, (int)-n);
		return false;
	}
	tunnel->active_ms = now_ms(tunnel);
	tunnel->up = bytes;
	return collect_write(tunnel, stream_writev(&tunnel->conn->stream,
						   &(struct iovec){bytes, (size_t)n}, 1));
}

static void move_up(struct tunnel *tunnel)
{
	if (tunnel->is_up_over)
		return;
	if (tunnel->up && !collect_write(tunnel, stream_writev(&tunnel->conn->stream, NULL, 0)))
		return;
	for (int i = 0; i < READS_A_TURN; i++)
		if (!move_up_once(tunnel))
			return;
	loop_defer(tunnel->worker->loop, &tunnel->run_task);
}

/* ---- from the origin to the client */

static void end_down(struct tunnel *tunnel, bool is_deaf)
{
	tunnel->is_down_over = true;
	tunnel->is_up_over |= is_deaf;
	object_finish(tunnel->object);
	set_timer(tunnel);
}

static bool move_down_once(struct tunnel *tunnel)
{
	size_t size;
	char *at = loop_read_buffer(tunnel->worker->loop, &size);
	ssize_t n = stream_read(&tunnel->conn->stream, at, size);

	if (n == STREAM_WAIT)
		return false;
	if (n <= 0) {
		if (tunnel_has_ended(&tunnel->conn->stream, n, tunnel->is_up_over))
			end_down(tunnel, n < 0);
		else
			break_off(tunnel, (int)-n);
		return false;
	}
	tunnel->active_ms = now_ms(tunnel);
	tunnel->worker->counters.server_bytes_in += (uint64_t)n;
	object_append(tunnel->object, (struct str){at, (size_t)n});
	return true;
}

static void move_down(struct tunnel *tunnel)
{
	for (int i = 0; i < READS_A_TURN; i++)
		if (tunnel->is_down_over || !object_may_append(tunnel->object) ||
		    !move_down_once(tunnel))
			return;
	loop_defer(tunnel->worker->loop, &tunnel->run_task);
}

bool tunnel_has_ended(const struct stream *stream, ssize_t n, bool has_shut_down)
{
	return n == 0 || (n == -ECONNRESET && stream_is_tls(stream) && stream_has_ended(stream) &&
			  (has_shut_down || !stream_has_hung_up(stream)));
}

/* ---- turns */

static void run(struct tunnel *tunnel)
{
	if (!tunnel->is_started || tunnel->is_running || !tunnel->conn)
		return;
	tunnel->is_running = true;
	move_up(tunnel);
	if (tunnel->conn)
		move_down(tunnel);
	if (tunnel->conn && tunnel->is_up_over && tunnel->is_down_over)
		end(tunnel, false);
	tunnel->is_running = false;
}

/* The origin's stream, or the object's slowest reader. */
static void woke(void *owner)
{
	run(owner);
}

static void run_again(struct loop_task *task)
{
	run(CONTAINER(task, struct tunnel, run_task));
}

void tunnel_wake(struct tunnel *tunnel)
{
	run(tunnel);
}

/* ---- life */

struct tunnel *tunnel_create(const struct tunnel_order *order)
{
	struct tunnel *tunnel = mem_zalloc(sizeof(*tunnel));
	struct loop *loop = order->worker->loop;
	const struct object_head head = {
		.status = order->status,
		.head = order->head,
		.body_bytes = -1,
	};

	tunnel->worker = order->worker;
	tunnel->exchange = order->exchange;
	tunnel->conn = order->conn;
	tunnel->idle_ms = order->idle_ms;
	tunnel->active_ms = loop_now_ms(loop);
	tunnel->ends_ms = tunnel->active_ms + order->lifetime_ms;
	tunnel->run_task.run = run_again;
	tunnel->over_task.run = tell_session;
	timer_init(&tunnel->timer, timer_fired);
	tunnel->object = object_create(loop, woke, tunnel, GAP_BYTES);
	object_limit_chunks(tunnel->object, CHUNK_BYTES);
	object_set_head(tunnel->object, &head);
	object_append(tunnel->object, order->rest);
	stream_set_owner(&tunnel->conn->stream, woke, tunnel);
	return tunnel;
}

void tunnel_destroy(struct tunnel *tunnel)
{
	if (!tunnel)
		return;
	check(!tunnel->is_running);
	timer_cancel(&tunnel->timer);
	loop_task_cancel(&tunnel->run_task);
	loop_task_cancel(&tunnel->over_task);
	close_origin(tunnel, true);
	if (!tunnel->is_down_over)
		object_abort(tunnel->object, ECANCELED);
	object_forget_producer(tunnel->object);
	object_unref(tunnel->object);
	mem_free(tunnel);
}

struct object *tunnel_object(const struct tunnel *tunnel)
{
	return tunnel->object;
}

void tunnel_start(struct tunnel *tunnel)
{
	tunnel->is_started = true;
	tunnel->exchange->is_body_read = false;
	set_timer(tunnel);
	loop_defer(tunnel->worker->loop, &tunnel->run_task);
}
