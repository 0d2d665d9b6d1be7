/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/limits/memory_room.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/sysinfo.h>

#include "cache/index.h"
#include "lib/base/check.h"
#include "lib/base/control_group.h"
#include "lib/base/heap.h"
#include "lib/base/heap_idle.h"
#include "lib/net/loop.h"
#include "proxy/limits/overload.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/worker.h"
#include "squid-compat/config.h"

enum {
	LOOK_MS = 1000,
	LOOK_OFTEN_MS = 250,    /* while half or less is left */
	LOOK_RARELY_MS = 30000, /* for a limit, while there is none */
	RETURN_PARTS = 16,      /* of cache_mem, one in each look */
	IDLE_LOOK_MS = 10000,   /* for memory that nobody needs */
};

struct memory_room {
	struct server *server;
	struct loop *loop;
	struct timer timer, idle_timer;
	uint64_t taken; /* from cache_mem */
	struct heap_idle idle;
};

/* ---- what there is */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t less(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

/* What of it could be swapped out. */
static uint64_t swap_room(const char *folder)
{
	uint64_t max = control_group_number(folder, "memory.swap.max");
	uint64_t current = control_group_number(folder, "memory.swap.current");
	struct sysinfo info;

	if (current == UINT64_MAX || sysinfo(&info) != 0)
		return 0;
	return least(less(max, current), (uint64_t)info.freeswap * info.mem_unit);
}

/* What the system can take back at once. */
static uint64_t reclaimable(const char *folder)
{
	static const char *const fields[] = {"active_file", "inactive_file", "slab_reclaimable"};
	uint64_t bytes = swap_room(folder);

	for (size_t i = 0; i < COUNT(fields); i++)
		bytes += control_group_field(folder, "memory.stat", fields[i]);
	return bytes;
}

static void measure_group(const char *folder, void *arg)
{
	struct memory_use *tightest = arg;
	uint64_t current = control_group_number(folder, "memory.current");
	struct memory_use use;

	use.limit = least(control_group_number(folder, "memory.max"),
	                  control_group_number(folder, "memory.high"));
	if (use.limit == UINT64_MAX || current == UINT64_MAX)
		return;
	use.used = less(current, reclaimable(folder));
	if (less(use.limit, use.used) < less(tightest->limit, tightest->used))
		*tightest = use;
}

struct memory_use memory_room_measure(const char *root)
{
	struct memory_use use = {UINT64_MAX, 0};

	control_groups_each(root, measure_group, &use);
	return use;
}

/* ---- what is done about it */

/* What the cache has to do without: twice what is too much, so that it is enough for a while. */
static uint64_t wanted_of_cache(const struct memory_room *room, const struct memory_use *use,
                                uint64_t cache_mem)
{
	uint64_t excess = less(use->used, use->limit - use->limit / 8);
	struct index_stats stats;

	if (excess > 0) {
		index_stats(room->server->index, &stats);
		return less(cache_mem, less(stats.bytes, 2 * excess));
	}
	if (use->used >= use->limit - use->limit / 4)
		return room->taken;
	return less(room->taken, cache_mem / RETURN_PARTS + 1);
}

static void resize_cache(struct memory_room *room, const struct memory_use *use)
{
	const struct config *config = snapshot_config(room->server->current);
	uint64_t cache_mem = (uint64_t)config->cache_mem_bytes, taken = room->taken;

	room->taken = wanted_of_cache(room, use, cache_mem);
	if (room->taken > 0 || taken > 0)
		index_set_max_bytes(room->server->index, (size_t)less(cache_mem, room->taken));
	if (room->taken > taken)
		malloc_trim(0);
}

static void sign(struct memory_room *room, const struct memory_use *use)
{
	char why[96];

	snprintf(why, sizeof(why), "%" PRIu64 " of %" PRIu64 " KB of the control group are in use",
	         use->used / 1024, use->limit / 1024);
	overload_sign(room->server->overload, OVERLOAD_MEMORY, loop_now_ms(room->loop), why);
	for (unsigned i = 0; i < room->server->nworkers; i++)
		worker_post_shed(room->server->workers[i]);
}

/* Until the next look, in milliseconds. */
static int64_t look(struct memory_room *room)
{
	struct memory_use use = memory_room_measure(CONTROL_GROUP_ROOT);

	resize_cache(room, &use);
	if (use.used >= use.limit - use.limit / 16)
		sign(room, &use);
	overload_look(room->server->overload, loop_now_ms(room->loop));
	if (use.limit == UINT64_MAX)
		return LOOK_RARELY_MS;
	return use.used >= use.limit / 2 ? LOOK_OFTEN_MS : LOOK_MS;
}

static void look_due(struct timer *timer)
{
	struct memory_room *room = CONTAINER(timer, struct memory_room, timer);

	timer_set(room->loop, timer, loop_now_ms(room->loop) + look(room));
}

static void idle_look_due(struct timer *timer)
{
	struct memory_room *room = CONTAINER(timer, struct memory_room, idle_timer);

	heap_idle_look(&room->idle);
	timer_set(room->loop, timer, loop_now_ms(room->loop) + IDLE_LOOK_MS);
}

struct memory_room *memory_room_start(struct server *server, struct loop *loop)
{
	struct memory_room *room = mem_zalloc(sizeof(*room));

	room->server = server;
	room->loop = loop;
	timer_init(&room->timer, look_due);
	look_due(&room->timer);
	timer_init(&room->idle_timer, idle_look_due);
	idle_look_due(&room->idle_timer);
	return room;
}

void memory_room_stop(struct memory_room *room)
{
	if (!room)
		return;
	timer_cancel(&room->timer);
	timer_cancel(&room->idle_timer);
	mem_free(room);
}
