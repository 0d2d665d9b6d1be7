/* SPDX-License-Identifier: BSD-2-Clause */
/* cache/purge.h: what is to go, when it is said by a pattern instead of a URL; and which such
 * purges there were lately, so that what was fetched before one of them is not stored after it.
 *
 * A purge is put on the list first; then what is there is walked through, in memory and on disk.
 * Who puts an object in afterwards compares: it was asked for at purge_list_now; purge_list_effect
 * then says whether a purge since then means it. So nothing slips through between. A soft purge
 * leaves what is under way: who puts that in marks it stale.
 *
 * Threads: a purge is immutable and counted; the list may be used from any. Matching takes no
 * lock. */
#ifndef CACHE_PURGE_H
#define CACHE_PURGE_H
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum purge_kind {
	PURGE_URL,    /* this URL: all its variants */
	PURGE_HOST,   /* of the URL, any scheme, any port unless text names one; case does not count */
	PURGE_PREFIX, /* what the URL begins with */
	PURGE_REGEX,  /* what the URL matches */
	PURGE_TAG,    /* one of its tags (cache/tags.h) */
	PURGE_KINDS
};

struct purge {
	enum purge_kind kind;
	struct str text;
	/* REGEX: does it match? regex is freed with the purge. */
	bool (*matches)(const void *regex, struct str url);
	void (*free_regex)(void *regex);
	void *regex;
	bool is_soft; /* marks stale instead */
	bool is_dry;  /* counts only */
	unsigned refs_; /* atomic */
};

/* One reference, the caller's. text is copied. For REGEX the caller sets matches, free_regex and
 * regex. */
struct purge *purge_create(enum purge_kind kind, struct str text);
struct purge *purge_ref(struct purge *purge);
void purge_unref(struct purge *purge); /* accepts NULL */

/* head: a stored one's status line and fields. */
bool purge_matches(const struct purge *purge, struct str url, struct str head);

struct purge_list; /* opaque */

struct purge_list *purge_list_create(void);
void purge_list_destroy(struct purge_list *list); /* accepts NULL */

/* From now on. Keeps a reference for as long as it is one of the newest. */
void purge_list_add(struct purge_list *list, struct purge *purge);

/* Grows with each purge; never 0. */
uint64_t purge_list_now(const struct purge_list *list);

enum purge_effect {
	PURGE_MISSES, /* none since then means it */
	PURGE_MARKS,  /* soft ones alone: it is stale */
	PURGE_REMOVES,
};
/* What the purges since then make of it; PURGE_REMOVES also when there were too many to know. Cheap
 * when there was none. */
enum purge_effect purge_list_effect(struct purge_list *list, uint64_t since, struct str url,
				    struct str head);
/* Does any of them mean it? */
static inline bool purge_list_hits(struct purge_list *list, uint64_t since, struct str url,
				   struct str head)
{
	return purge_list_effect(list, since, url, head) != PURGE_MISSES;
}

#endif
