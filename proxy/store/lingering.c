/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/store/lingering.h"

#include <errno.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "proxy/server.h"

struct lingering {
	struct index *index;
	/* for whom its beginning is gone (struct object: stands_for_disk); or NULL */
	struct object *stand_in;
};

static void let_go(void *owner, struct object *object)
{
	struct lingering *lingering = owner;

	index_remove(lingering->index, object);
	if (lingering->stand_in) {
		index_remove(lingering->index, lingering->stand_in);
		object_abort(lingering->stand_in, ECONNABORTED); /* who waits looks again */
		object_unref(lingering->stand_in);
	}
	mem_free(lingering);
}

static struct object *stand_in_for(struct index *index, const struct object *object)
{
	struct object *stand_in = object_create(NULL, NULL, NULL, 0);

	stand_in->stands_for_disk = true;
	if (index_insert_inflight(index, object->key, object->url, stand_in))
		return stand_in;
	object_unref(stand_in);
	return NULL;
}

void lingering_begin(struct server *server, struct object *object)
{
	struct lingering *lingering;

	if (object_state(object) != OBJECT_COMPLETE || !index_settle(server->index, object)) {
		index_remove(server->index, object);
		return;
	}
	lingering = mem_zalloc(sizeof(*lingering));
	lingering->index = server->index;
	if (!object_has_beginning(object))
		lingering->stand_in = stand_in_for(server->index, object);
	if (!object_linger(object, let_go, lingering))
		let_go(lingering, object);
}
