/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/index.h"
#include "cache/object.h"
#include "proxy/manager/status_page.h"

/* Takes over the reference, of the object or of the one that it pushes out. */
static void offer(struct object_walk *walk, struct object *object)
{
	unsigned at = walk->n;

	while (at > 0 && object_length(walk->biggest[at - 1]) < object_length(object))
		at--;
	if (at == STATUS_TOP) {
		object_unref(object);
		return;
	}
	if (walk->n == STATUS_TOP)
		object_unref(walk->biggest[--walk->n]);
	for (unsigned i = walk->n++; i > at; i--)
		walk->biggest[i] = walk->biggest[i - 1];
	walk->biggest[at] = object;
}

/* A walk may come by twice. */
static bool has(const struct object_walk *walk, const struct object *object)
{
	for (unsigned i = 0; i < walk->n; i++)
		if (walk->biggest[i] == object)
			return true;
	return false;
}

bool object_walk_step(struct object_walk *walk, struct index *index)
{
	struct object *objects[INDEX_VISIT];
	unsigned n;

	if (walk->is_done)
		return false;
	n = index_visit(index, &walk->cursor, objects, INDEX_VISIT);
	for (unsigned i = 0; i < n; i++)
		if (has(walk, objects[i]))
			object_unref(objects[i]);
		else
			offer(walk, objects[i]);
	walk->is_done = walk->cursor == 0;
	return !walk->is_done;
}

void object_walk_fini(struct object_walk *walk)
{
	while (walk->n > 0)
		object_unref(walk->biggest[--walk->n]);
}
