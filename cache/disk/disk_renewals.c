/* SPDX-License-Identifier: BSD-2-Clause */
/* Heads that a 304 renewed, from then until the file has them: a look-up that reads the row
 * meanwhile finds the new head, so that nobody asks the origin about it once more. */
#include "cache/disk/disk_internal.h"
#include "lib/base/heap.h"

static struct list *bucket_of(struct disk *disk, uint64_t id)
{
	return &disk->shared.renewals[id % DISK_NRENEWALS];
}

struct disk_renewal *disk_renewal_begin(struct disk *disk, uint64_t id, struct object *object)
{
	struct disk_renewal *renewal = mem_alloc(sizeof(*renewal));

	*renewal = (struct disk_renewal){.id = id, .object = object_ref(object)};
	lock_take(&disk->shared.lock);
	list_push_front(bucket_of(disk, id), &renewal->node);
	lock_drop(&disk->shared.lock);
	atomic_fetch_add_explicit(&disk->nrenewals, 1, memory_order_relaxed);
	return renewal;
}

void disk_renewal_end(struct disk *disk, struct disk_renewal *renewal)
{
	atomic_fetch_sub_explicit(&disk->nrenewals, 1, memory_order_relaxed);
	lock_take(&disk->shared.lock);
	list_remove(&renewal->node);
	lock_drop(&disk->shared.lock);
	object_unref(renewal->object);
	mem_free(renewal);
}

struct object *disk_renewal_find(struct disk *disk, uint64_t id)
{
	struct object *found = NULL;

	/* Relaxed: who was told of a 304 has taken locks since it came. */
	if (atomic_load_explicit(&disk->nrenewals, memory_order_relaxed) == 0)
		return NULL;
	lock_take(&disk->shared.lock);
	LIST_EACH(node, bucket_of(disk, id)) {
		struct disk_renewal *renewal = CONTAINER(node, struct disk_renewal, node);

		if (!found && renewal->id == id)
			found = object_ref(renewal->object);
	}
	lock_drop(&disk->shared.lock);
	return found;
}

void disk_renewal_apply(const struct object *renewed, struct object_head *head)
{
	if (!renewed || !str_eq(renewed->url, head->url) || !str_eq(renewed->vary, head->vary) ||
	    renewed->body_bytes != head->body_bytes)
		return;
	head->head = renewed->head;
	head->facts = renewed->facts;
}
