/* SPDX-License-Identifier: BSD-2-Clause */
/* How far ahead of its readers the producer of a body may be, and how it is woken when they have
 * come nearer. */
#include "cache/object_internal.h"

/* ---- how far ahead */

static bool is_near(uint64_t offset, uint64_t length, uint64_t gap_bytes)
{
	return offset >= length || length - offset < gap_bytes;
}

/* A reader may be ahead of what there is: it wants a later part. */
static bool is_within_gap_locked(const struct object *object, uint64_t length)
{
	enum { SPOOL_GAP_BYTES = 262144 }; /* so that who spools does not hold up the others */
	uint64_t slowest = object_slowest_locked(object), gap_bytes = object->gap_bytes_;

	if (slowest < object->shared.spooled_to)
		slowest = object->shared.spooled_to;
	if (!object->shared.spooler)
		return is_near(slowest, length, gap_bytes);
	if (gap_bytes < SPOOL_GAP_BYTES)
		gap_bytes = SPOOL_GAP_BYTES;
	return is_near(slowest, length, gap_bytes) &&
	       is_near(object_fastest_locked(object), length, gap_bytes);
}

bool object_may_append(struct object *object)
{
	uint64_t length = atomic_load_explicit(&object->length_, memory_order_relaxed);
	bool may;

	if (object_is_kept(object))
		return true;
	lock_take(&object->shared.lock);
	may = is_within_gap_locked(object, length);
	object->shared.is_producer_waiting = !may;
	lock_drop(&object->shared.lock);
	return may;
}

void object_await_reader(struct object *object)
{
	lock_take(&object->shared.lock);
	object->shared.is_producer_waiting = true;
	lock_drop(&object->shared.lock);
}

/* ---- waking the producer; each wake under way holds a reference */

static void wake_producer_now(struct object *object)
{
	void (*wake)(void *);

	lock_take(&object->shared.lock);
	object->shared.is_producer_woken = false;
	wake = object->producer_wake_;
	lock_drop(&object->shared.lock);
	if (wake)
		wake(object->producer_);
	object_unref(object);
}

static void run_producer_task(struct loop_task *task)
{
	wake_producer_now(CONTAINER(task, struct object, producer_task_));
}

static void deliver_producer_mail(struct mail *mail)
{
	wake_producer_now(CONTAINER(mail, struct object, producer_mail_));
}

void object_set_producer(struct object *object, struct loop *loop, void (*wake)(void *producer),
			 void *producer)
{
	object->producer_loop_ = loop;
	object->producer_wake_ = wake;
	object->producer_ = producer;
	object->producer_task_.run = run_producer_task;
	object->producer_mail_.deliver = deliver_producer_mail;
}

void object_forget_producer(struct object *object)
{
	lock_take(&object->shared.lock);
	object->producer_wake_ = NULL;
	object->shared.is_producer_waiting = false;
	lock_drop(&object->shared.lock);
	if (object->producer_task_.is_queued_) {
		loop_task_cancel(&object->producer_task_);
		object_unref(object); /* the task's reference; the caller has one */
	}
}

bool object_producer_is_due_locked(struct object *object, bool has_last_reader_left)
{
	uint64_t length = atomic_load_explicit(&object->length_, memory_order_relaxed);
	bool is_due = has_last_reader_left;

	lock_check_held(&object->shared.lock);
	if (!object->producer_wake_ || object->shared.is_producer_woken)
		return false;
	if (object->shared.is_producer_waiting &&
	    (object_is_kept(object) || is_within_gap_locked(object, length)))
		is_due = true;
	if (!is_due)
		return false;
	object->shared.is_producer_waiting = false;
	if (!object->producer_loop_) {
		object->producer_wake_(object->producer_); /* signals, no more */
		return false;
	}
	object->shared.is_producer_woken = true;
	return true;
}

void object_wake_producer(struct object *object, struct loop *from)
{
	object_ref(object);
	if (from == object->producer_loop_)
		loop_defer(from, &object->producer_task_);
	else
		loop_post(object->producer_loop_, &object->producer_mail_);
}
