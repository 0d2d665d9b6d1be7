/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/disks.h"

#include "cache/disk/disk.h"
#include "cache/object.h"
#include "proxy/server.h"

static bool is_better(struct disk *disk, struct disk *than)
{
	return !than || disk_fill(disk) < disk_fill(than);
}

struct disk *disks_choose(struct server *server, uint64_t key, int64_t body_bytes)
{
	struct disk *best = NULL;
	unsigned turn = 0;

	if (server->takes_turns && server->ndisks > 1)
		turn = atomic_fetch_add_explicit(&server->disk_turn, 1, memory_order_relaxed);
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk *disk = server->disks[(turn + i) % server->ndisks];

		if (!disk_takes(disk, body_bytes))
			continue;
		if (disk_may_have(disk, key) && !disk_is_loading(disk))
			return disk;
		if (server->takes_turns ? !best : is_better(disk, best))
			best = disk;
	}
	return best;
}

static int64_t body_bytes(const struct object *object)
{
	return object_state(object) == OBJECT_COMPLETE ? (int64_t)object_length(object)
						       : object->body_bytes;
}

/* One that is away may hold an older one as well. */
static void remove_elsewhere(struct server *server, struct disk *stored, uint64_t key)
{
	for (unsigned i = 0; i < server->ndisks; i++) {
		struct disk *disk = server->disks[i];

		if (disk != stored && (disk_may_have(disk, key) || !disk_is_there(disk)))
			disk_remove_all(disk, key);
	}
}

struct disk *disks_store(struct server *server, struct object *object, uint64_t key)
{
	struct disk *disk = disks_choose(server, key, body_bytes(object));

	if (!disk || !disk_store(disk, object, key))
		return NULL;
	if (server->ndisks > 1)
		remove_elsewhere(server, disk, key);
	return disk;
}

struct disk *disks_of(const struct server *server, uint64_t disk_id)
{
	unsigned number = disk_number(disk_id);

	return disk_id != 0 && number < server->ndisks ? server->disks[number] : NULL;
}

bool disks_may_have(struct server *server, uint64_t key)
{
	for (unsigned i = 0; i < server->ndisks; i++)
		if (disk_may_have(server->disks[i], key))
			return true;
	return false;
}

unsigned disks_remove_all(struct server *server, uint64_t key)
{
	unsigned n = 0;

	for (unsigned i = 0; i < server->ndisks; i++)
		n += disk_remove_all(server->disks[i], key);
	return n;
}
