/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows that the writer leaves alone, since they are being read; and keys whose rows are on their
 * way out. */
#include "cache/disk/disk_internal.h"
#include "cache/disk/disk_writer.h"

void disk_pin(struct disk *disk, struct disk_pin *pin, uint64_t id)
{
	pin->id = id;
	lock_take(&disk->shared.lock);
	list_push_back(&disk->shared.pins, &pin->node);
	lock_drop(&disk->shared.lock);
}

void disk_unpin(struct disk *disk, struct disk_pin *pin)
{
	lock_take(&disk->shared.lock);
	list_remove(&pin->node);
	lock_drop(&disk->shared.lock);
}

bool disk_is_pinned(struct disk *disk, uint64_t id)
{
	bool found = false;

	lock_take(&disk->shared.lock);
	LIST_EACH(node, &disk->shared.pins)
		found = found || CONTAINER(node, struct disk_pin, node)->id == id;
	lock_drop(&disk->shared.lock);
	return found;
}

bool disk_doubt(struct disk *disk, struct disk_doubt *doubt, uint64_t key)
{
	bool may_wait;

	doubt->key = key;
	lock_take(&disk->shared.lock);
	may_wait = disk->shared.ndoubts < DISK_MAX_DOUBTS;
	if (!may_wait)
		atomic_store_explicit(&disk->is_void, true, memory_order_relaxed);
	doubt->seq = atomic_fetch_add_explicit(&disk->next_seq, 1, memory_order_relaxed);
	if (may_wait) {
		list_push_back(&disk->shared.doubts, &doubt->node);
		disk->shared.ndoubts++;
	}
	LIST_EACH(node, &disk->shared.stores) {
		struct disk_store *store = CONTAINER(node, struct disk_store, disk_node);

		if (store->key == key || !may_wait)
			atomic_store_explicit(&store->is_unwanted, true, memory_order_relaxed);
	}
	lock_drop(&disk->shared.lock);
	return may_wait;
}

void disk_doubt_end(struct disk *disk, struct disk_doubt *doubt)
{
	lock_take(&disk->shared.lock);
	list_remove(&doubt->node);
	disk->shared.ndoubts--;
	lock_drop(&disk->shared.lock);
}

bool disk_is_doubted(struct disk *disk, uint64_t key, uint64_t seq)
{
	bool found = false;

	lock_take(&disk->shared.lock);
	LIST_EACH(node, &disk->shared.doubts) {
		const struct disk_doubt *doubt = CONTAINER(node, struct disk_doubt, node);

		found = found || (doubt->key == key && doubt->seq > seq);
	}
	lock_drop(&disk->shared.lock);
	return found;
}
