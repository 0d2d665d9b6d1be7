/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/purge.h"

#include <stdatomic.h>

#include "cache/tags.h"
#include "lib/base/heap.h"
#include "lib/base/lock.h"

enum { KEPT = 64 }; /* of the newest purges */

struct purge_list {
	_Atomic(uint64_t) now;
	struct {
		struct lock lock;
		struct purge *newest[KEPT]; /* number n at n % KEPT */
	} shared;
};

struct purge *purge_create(enum purge_kind kind, struct str text)
{
	struct purge *purge = mem_zalloc(sizeof(*purge));

	purge->kind = kind;
	purge->text = (struct str){str_dup(text), text.len};
	purge->refs_ = 1;
	return purge;
}

struct purge *purge_ref(struct purge *purge)
{
	__atomic_fetch_add(&purge->refs_, 1, __ATOMIC_RELAXED);
	return purge;
}

void purge_unref(struct purge *purge)
{
	/* Release what was done with it, acquire what others did: the last one frees. */
	if (!purge || __atomic_sub_fetch(&purge->refs_, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (purge->free_regex)
		purge->free_regex(purge->regex);
	mem_free((char *)purge->text.at);
	mem_free(purge);
}

/* ---- matching */

static struct str authority_of(struct str url)
{
	for (size_t i = 0; i + 2 < url.len; i++)
		if (memcmp(url.at + i, "://", 3) == 0) {
			struct str rest = str_from(url, i + 3);

			return str_first(rest, str_find_char(rest, '/'));
		}
	return STR_NONE;
}

/* Without its port; of an IPv6 address in brackets too. */
static struct str host_of(struct str authority)
{
	size_t end = authority.len;

	while (end > 0 && authority.at[end - 1] >= '0' && authority.at[end - 1] <= '9')
		end--;
	return end > 0 && authority.at[end - 1] == ':' ? str_first(authority, end - 1) : authority;
}

static bool is_host(const struct purge *purge, struct str url)
{
	struct str authority = authority_of(url);

	return str_eq_nocase(authority, purge->text) ||
	       str_eq_nocase(host_of(authority), purge->text);
}

bool purge_matches(const struct purge *purge, struct str url, struct str head)
{
	switch (purge->kind) {
	case PURGE_URL:
		return str_eq(url, purge->text);
	case PURGE_HOST:
		return is_host(purge, url);
	case PURGE_PREFIX:
		return str_starts_with(url, purge->text);
	case PURGE_REGEX:
		return purge->matches(purge->regex, url);
	case PURGE_TAG:
		return tags_have(head, purge->text);
	case PURGE_KINDS:
		break;
	}
	return false;
}

/* ---- the list */

struct purge_list *purge_list_create(void)
{
	struct purge_list *list = mem_zalloc(sizeof(*list));

	atomic_init(&list->now, 1);
	lock_init(&list->shared.lock);
	return list;
}

void purge_list_destroy(struct purge_list *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < KEPT; i++)
		purge_unref(list->shared.newest[i]);
	lock_fini(&list->shared.lock);
	mem_free(list);
}

void purge_list_add(struct purge_list *list, struct purge *purge)
{
	struct purge *oldest, **place;

	purge_ref(purge);
	lock_take(&list->shared.lock);
	place = &list->shared.newest[atomic_load(&list->now) % KEPT];
	oldest = *place;
	*place = purge;
	/* In one order with the walk that follows, and with what others put in before they
	 * compare. */
	atomic_fetch_add(&list->now, 1);
	lock_drop(&list->shared.lock);
	purge_unref(oldest);
}

uint64_t purge_list_now(const struct purge_list *list)
{
	return atomic_load(&list->now);
}

/* Purge number n, with a reference; NULL: it is not kept any more. */
static struct purge *purge_number(struct purge_list *list, uint64_t n)
{
	struct purge *purge = NULL;

	lock_take(&list->shared.lock);
	if (atomic_load(&list->now) <= n + KEPT && list->shared.newest[n % KEPT])
		purge = purge_ref(list->shared.newest[n % KEPT]);
	lock_drop(&list->shared.lock);
	return purge;
}

static enum purge_effect effect_of(const struct purge *purge, struct str url, struct str head)
{
	if (!purge)
		return PURGE_REMOVES;
	if (!purge_matches(purge, url, head))
		return PURGE_MISSES;
	return purge->is_soft ? PURGE_MARKS : PURGE_REMOVES;
}

enum purge_effect purge_list_effect(struct purge_list *list, uint64_t since, struct str url,
				    struct str head)
{
	enum purge_effect strongest = PURGE_MISSES;
	uint64_t now;

	atomic_thread_fence(memory_order_seq_cst); /* pairs with purge_list_add: put in, compare */
	now = purge_list_now(list);
	for (uint64_t n = since > 0 ? since : 1; n < now && strongest != PURGE_REMOVES; n++) {
		struct purge *purge = purge_number(list, n);
		enum purge_effect effect = effect_of(purge, url, head);

		purge_unref(purge);
		strongest = effect > strongest ? effect : strongest;
	}
	return strongest;
}
