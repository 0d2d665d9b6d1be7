/* SPDX-License-Identifier: BSD-2-Clause */
/* What is complete, but whole neither in memory nor on disk yet: until when it is of use. */
#include "cache/object_internal.h"
#include "lib/base/check.h"

static bool is_on_disk(const struct object *object)
{
	return atomic_load_explicit(&object->disk_id, memory_order_relaxed) != 0;
}

static bool is_needed_locked(const struct object *object)
{
	lock_check_held(&object->shared.lock);
	if (is_on_disk(object))
		return false;
	return object->shared.nstores > 0 ||
	       (object->shared.nreaders > 0 && object_has_beginning(object));
}

struct object_let_go object_take_let_go_locked(struct object *object)
{
	struct object_let_go let_go = {object->shared.let_go, object->shared.let_go_owner};

	if (!let_go.call || is_needed_locked(object))
		return (struct object_let_go){0};
	object->shared.let_go = NULL;
	return let_go;
}

bool object_linger(struct object *object, void (*let_go)(void *owner, struct object *object),
		   void *owner)
{
	bool is_needed;

	check(object_state(object) == OBJECT_COMPLETE);
	lock_take(&object->shared.lock);
	is_needed = is_needed_locked(object);
	if (is_needed) {
		object->shared.let_go = let_go;
		object->shared.let_go_owner = owner;
	}
	lock_drop(&object->shared.lock);
	return is_needed;
}

void object_begin_store(struct object *object)
{
	lock_take(&object->shared.lock);
	object->shared.nstores++;
	lock_drop(&object->shared.lock);
}

void object_end_store(struct object *object)
{
	struct object_let_go let_go;

	lock_take(&object->shared.lock);
	object->shared.nstores--;
	let_go = object_take_let_go_locked(object);
	lock_drop(&object->shared.lock);
	object_tell_let_go(object, &let_go);
}
