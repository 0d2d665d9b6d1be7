/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread keeps the memory of a few objects that were its own all the time
 * (object_create_private), with the block for their heads and a small body: who passes responses on
 * takes it for the next one, instead of asking the heap for pieces of ever other sizes. */
#include <pthread.h>
#include <string.h>

#include "cache/object_internal.h"
#include "lib/base/check.h"
#include "lib/base/heap.h"

enum {
	SPARES = 256,       /* of a thread */
	HEADS_BYTES = 2048, /* of a block that is kept: a usual head and a small body */
};

/* docs/ARCHITECTURE.md, shared state: a thread's own. */
static _Thread_local struct {
	struct object *at[SPARES];
	unsigned n;
	bool ends; /* its end is known of */
} spare;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;

static void drop_all(void *unused)
{
	(void)unused;
	while (spare.n > 0) {
		struct object *object = spare.at[--spare.n];

		mem_free(object->heads_);
		mem_free(object);
	}
}

static void set_up(void)
{
	check(pthread_key_create(&at_exit, drop_all) == 0);
}

/* So that drop_all runs at this thread's end. */
static bool may_keep(void)
{
	if (!spare.ends) {
		pthread_once(&once, set_up);
		spare.ends = pthread_setspecific(at_exit, &spare) == 0;
	}
	return spare.ends;
}

struct object *object_take_spare(void)
{
	struct object *object;
	char *heads;

	if (spare.n == 0)
		return mem_zalloc(sizeof(*object));
	object = spare.at[--spare.n];
	heads = object->heads_;
	memset(object, 0, sizeof(*object));
	object->heads_ = heads;
	object->has_spare_heads_ = true;
	return object;
}

bool object_keep_spare(struct object *object)
{
	if (!object->has_spare_heads_ || spare.n == SPARES || !may_keep())
		return false;
	spare.at[spare.n++] = object;
	return true;
}

char *object_take_heads(struct object *object, size_t bytes)
{
	bool is_spare = object_is_private(object) && bytes <= HEADS_BYTES;

	if (is_spare && object->has_spare_heads_)
		return object->heads_;
	mem_free(object->heads_);
	object->has_spare_heads_ = is_spare;
	return mem_alloc(is_spare ? HEADS_BYTES : bytes);
}
