/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/stale_mark.h"

#include "cache/coding.h"
#include "cache/index.h"
#include "cache/object.h"
#include "cache/purge.h"
#include "lib/base/clock.h"
#include "proxy/server.h"

static struct object *stale_copy(const struct server *server, struct object *object)
{
	struct object_head head = {
		.status = object->status,
		.head = object->head,
		.url = object->url,
		.vary = object->vary,
		.body_bytes = object->body_bytes,
		.facts = object->facts,
		.decision = object->decision,
		.since = purge_list_now(server->purges),
	};
	struct object *stale;

	freshness_mark_stale(&head.facts, clock_wall_s());
	stale = object_create_renewed(object, &head);
	stale->disk_id = object->disk_id;
	coding_carry(object, stale);
	return stale;
}

struct object *stale_mark(struct server *server, struct object *object)
{
	struct object *stale = stale_copy(server, object);

	if (!object_is_whole(stale) || !index_replace(server->index, object, stale))
		index_remove(server->index, object);
	return stale;
}
