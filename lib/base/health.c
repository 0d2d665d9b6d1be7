/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"

/* docs/ARCHITECTURE.md, shared state. */
static struct {
	struct lock lock;
	struct list notes; /* in the order of their times */
} shared = {
	.lock = LOCK_INIT,
	.notes = {&shared.notes, &shared.notes},
};

void health_bad(struct health_note *note, const char *what, const char *format, ...)
{
	struct health_entry *fresh = mem_zalloc(sizeof(*fresh));
	va_list args;

	snprintf(fresh->what, sizeof(fresh->what), "%s", what);
	va_start(args, format);
	vsnprintf(fresh->reason, sizeof(fresh->reason), format, args);
	va_end(args);
	fresh->since_us = clock_mono_us();
	lock_take(&shared.lock);
	if (!note->entry_) {
		note->entry_ = fresh;
		list_push_back(&shared.notes, &note->node_);
		fresh = NULL;
	} else {
		memcpy(note->entry_->reason, fresh->reason, sizeof(fresh->reason));
	}
	lock_drop(&shared.lock);
	mem_free(fresh);
}

void health_good(struct health_note *note)
{
	struct health_entry *entry;

	lock_take(&shared.lock);
	entry = note->entry_;
	note->entry_ = NULL;
	if (entry)
		list_remove(&note->node_);
	lock_drop(&shared.lock);
	mem_free(entry);
}

static bool is_listed(const struct health_entry *list, size_t n, const struct health_entry *entry)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].what, entry->what) == 0)
			return true;
	return false;
}

size_t health_list(struct health_entry *out, size_t max)
{
	size_t n = 0;

	lock_take(&shared.lock);
	LIST_EACH(node, &shared.notes) {
		struct health_note *note = CONTAINER(node, struct health_note, node_);

		if (n == max)
			break;
		if (!is_listed(out, n, note->entry_))
			out[n++] = *note->entry_;
	}
	lock_drop(&shared.lock);
	return n;
}
