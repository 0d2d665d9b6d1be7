/* SPDX-License-Identifier: BSD-2-Clause */
#include "squid-compat/notes.h"

#include <string.h>

#include "lib/base/heap.h"

static void grow(struct notes *notes, struct arena *arena)
{
	unsigned cap = notes->cap_ > 0 ? 2 * notes->cap_ : 8;
	struct log_note *at = arena_alloc(arena, cap * sizeof(*at));

	if (notes->n > 0)
		memcpy(at, notes->at, notes->n * sizeof(*at));
	notes->at = at;
	notes->cap_ = cap;
}

void notes_add(struct notes *notes, struct arena *arena, struct str key, struct str value)
{
	if (notes->n >= NOTES_MAX)
		return;
	if (notes->n == notes->cap_)
		grow(notes, arena);
	notes->at[notes->n++] = (struct log_note){
		.key = arena_str(arena, key),
		.value = value.len > 0 ? arena_str(arena, value) : STR(""),
	};
}

bool notes_has(const struct notes *notes, struct str key, struct str value)
{
	for (unsigned i = 0; i < notes->n; i++)
		if (str_eq(notes->at[i].key, key) && str_eq(notes->at[i].value, value))
			return true;
	return false;
}

void notes_remove(struct notes *notes, struct str key)
{
	unsigned n = 0;

	for (unsigned i = 0; i < notes->n; i++)
		if (!str_eq(notes->at[i].key, key))
			notes->at[n++] = notes->at[i];
	notes->n = n;
}

void notes_set(struct notes *notes, struct arena *arena, struct str key, struct str value)
{
	notes_remove(notes, key);
	notes_add(notes, arena, key, value);
}

/* What is there, in a new arena: values are set again and again, and the old ones' memory is to
 * go. */
static struct notes_kept *copy(const struct notes_kept *kept)
{
	struct notes_kept *fresh = mem_zalloc(sizeof(*fresh));

	arena_init(&fresh->arena, NULL, 0);
	for (unsigned i = 0; kept && i < kept->notes.n; i++)
		notes_add(&fresh->notes, &fresh->arena, kept->notes.at[i].key,
			  kept->notes.at[i].value);
	return fresh;
}

void notes_kept_set(struct notes_kept **slot, struct str key, struct str value, bool is_more)
{
	struct notes_kept *fresh;

	if (*slot && notes_has(&(*slot)->notes, key, value))
		return;
	fresh = copy(*slot);
	if (!is_more)
		notes_remove(&fresh->notes, key);
	notes_add(&fresh->notes, &fresh->arena, key, value);
	notes_kept_free(*slot);
	*slot = fresh;
}

void notes_kept_free(struct notes_kept *kept)
{
	if (!kept)
		return;
	arena_fini(&kept->arena);
	mem_free(kept);
}
