/* SPDX-License-Identifier: BSD-2-Clause */
/* The verb objects [host|prefix|tag TEXT]: what is in memory, a stretch at a time, so that a
 * million objects hold neither the loop nor memory. */
#include <inttypes.h>

#include "cache/index.h"
#include "cache/object.h"
#include "cache/purge.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"
#include "proxy/control/control_verbs.h"
#include "proxy/server.h"

struct walk {
	struct purge *filter; /* NULL: all */
	uint64_t cursor;
};

static void free_walk(void *state)
{
	struct walk *walk = state;

	purge_unref(walk->filter);
	mem_free(walk);
}

static void say_object(struct control_call *call, const struct walk *walk, struct object *object)
{
	uint64_t id = atomic_load_explicit(&object->disk_id, memory_order_relaxed);

	if (!object_is_whole(object) ||
	    (walk->filter && !purge_matches(walk->filter, object->url, object->head)))
		return;
	control_say(call, "%d\t%" PRIu64 "\t%s\t%.*s", object->status, object_length(object),
		    id != 0 ? "disk" : "memory", STR_ARG(object->url));
}

static void step(struct control_call *call)
{
	struct walk *walk = control_state(call);
	struct object *objects[INDEX_VISIT];
	unsigned n = index_visit(control_server(call)->index, &walk->cursor, objects, INDEX_VISIT);

	for (unsigned i = 0; i < n; i++) {
		say_object(call, walk, objects[i]);
		object_unref(objects[i]);
	}
	if (walk->cursor == 0)
		control_end(call);
}

void control_run_objects(struct control_call *call)
{
	static const struct {
		const char *name;
		enum purge_kind kind;
	} filters[] = {
		{"host", PURGE_HOST}, {"prefix", PURGE_PREFIX}, {"tag", PURGE_TAG}};
	struct walk *walk = mem_zalloc(sizeof(*walk));
	struct str kind = control_word(call, 0), text = control_word(call, 1);

	for (size_t i = 0; i < COUNT(filters); i++)
		if (kind.at && text.at && str_eq(kind, str_of(filters[i].name)))
			walk->filter = purge_create(filters[i].kind, text);
	control_set_state(call, walk, free_walk);
	if (kind.at && !walk->filter)
		control_fail(call, "objects may be chosen by host, prefix or tag");
	else
		control_continue(call, step);
}
