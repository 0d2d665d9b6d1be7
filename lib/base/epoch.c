/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/epoch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/check.h"
#include "lib/base/lock.h"

enum { CACHE_LINE = 64 };

/* A reading thread's own cache line. */
struct reader {
	_Alignas(CACHE_LINE) atomic_uint entered; /* the epoch it saw when it entered; 0: outside */
	atomic_bool is_taken;
};

/* docs/ARCHITECTURE.md, shared state. Epochs are odd numbers, so that none is 0; they are compared
 * by their difference, so that they may wrap. */
static struct {
	struct reader readers[EPOCH_READERS];
	struct {
		struct lock lock;
		struct epoch_item *first, **last; /* oldest first */
	} shared;
	atomic_uint epoch;
	atomic_uint nreaders; /* slots ever taken: the others need no look */
	pthread_once_t once;
	pthread_key_t at_exit;
	atomic_bool has_waiting;
} epochs = {.epoch = 1, .once = PTHREAD_ONCE_INIT};

static _Thread_local struct reader *own;

/* ---- readers */

static void give_slot(void *slot)
{
	struct reader *reader = slot;

	own = NULL;
	atomic_store_explicit(&reader->is_taken, false, memory_order_release);
}

static void set_up(void)
{
	lock_init(&epochs.shared.lock);
	epochs.shared.last = &epochs.shared.first;
	check(pthread_key_create(&epochs.at_exit, give_slot) == 0);
}

static void raise_nreaders(unsigned n)
{
	unsigned old = atomic_load(&epochs.nreaders);

	while (old < n && !atomic_compare_exchange_weak(&epochs.nreaders, &old, n))
		continue;
}

static bool take_slot(void)
{
	pthread_once(&epochs.once, set_up);
	for (unsigned i = 0; i < EPOCH_READERS; i++) {
		struct reader *reader = &epochs.readers[i];

		if (atomic_exchange_explicit(&reader->is_taken, true, memory_order_acquire))
			continue;
		if (pthread_setspecific(epochs.at_exit, reader) != 0) {
			give_slot(reader);
			return false;
		}
		raise_nreaders(i + 1); /* before the first enter: sequentially consistent too */
		own = reader;
		return true;
	}
	return false;
}

bool epoch_enter(void)
{
	if (!own && !take_slot())
		return false;
	/* Acquire: who sees the epoch of a retirement sees what was unlinked before it. The store
	 * and the walk's loads pair with the unlinking and the look in oldest_locked. */
	atomic_store(&own->entered, atomic_load_explicit(&epochs.epoch, memory_order_acquire));
	return true;
}

void epoch_leave(void)
{
	/* Release: pairs with the look in oldest_locked, after which things are freed. */
	atomic_store_explicit(&own->entered, 0, memory_order_release);
}

/* ---- freeing */

static bool is_before(unsigned a, unsigned b)
{
	return (int)(a - b) < 0;
}

/* The epoch before which nobody reads any more. */
static unsigned oldest_locked(void)
{
	unsigned oldest = atomic_load(&epochs.epoch);
	unsigned n = atomic_load(&epochs.nreaders);

	lock_check_held(&epochs.shared.lock);
	for (unsigned i = 0; i < n; i++) {
		unsigned entered = atomic_load(&epochs.readers[i].entered);

		if (entered != 0 && is_before(entered, oldest))
			oldest = entered;
	}
	return oldest;
}

/* Takes off what nobody can see any more. */
static struct epoch_item *cut_locked(void)
{
	struct epoch_item *first = epochs.shared.first, **end = &epochs.shared.first;
	unsigned oldest = oldest_locked();

	while (*end && !is_before(oldest, (*end)->stamp_))
		end = &(*end)->next;
	if (end == &epochs.shared.first)
		return NULL;
	epochs.shared.first = *end;
	if (!*end)
		epochs.shared.last = &epochs.shared.first;
	*end = NULL;
	atomic_store_explicit(&epochs.has_waiting, epochs.shared.first != NULL,
			      memory_order_relaxed);
	return first;
}

static void free_all(struct epoch_item *item)
{
	while (item) {
		struct epoch_item *next = item->next;

		item->free(item);
		item = next;
	}
}

static void append_locked(struct epoch_item *chain)
{
	unsigned stamp = atomic_fetch_add(&epochs.epoch, 2) + 2;

	*epochs.shared.last = chain;
	for (struct epoch_item *item = chain; item; item = item->next) {
		item->stamp_ = stamp;
		epochs.shared.last = &item->next;
	}
	atomic_store_explicit(&epochs.has_waiting, true, memory_order_relaxed);
}

void epoch_retire(struct epoch_item *chain)
{
	struct epoch_item *free;

	if (!chain)
		return;
	pthread_once(&epochs.once, set_up);
	lock_take(&epochs.shared.lock);
	append_locked(chain);
	free = cut_locked();
	lock_drop(&epochs.shared.lock);
	free_all(free);
}

void epoch_reclaim(void)
{
	struct epoch_item *free;

	if (!atomic_load_explicit(&epochs.has_waiting, memory_order_relaxed))
		return;
	lock_take(&epochs.shared.lock);
	free = cut_locked();
	lock_drop(&epochs.shared.lock);
	free_all(free);
}
