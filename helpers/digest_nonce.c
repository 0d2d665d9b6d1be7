/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/digest_nonce.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/base/heap.h"
#include "lib/base/list.h"
#include "lib/base/lock.h"
#include "lib/base/random.h"

enum {
	NSHARDS = 16,
	NBUCKETS = 256,
	SHARD_MAX = 4096, /* nonces in use */
	TIME_BYTES = 6,
	CHANCE_BYTES = 8,
	MAC_BYTES = 16,
	BODY_BYTES = TIME_BYTES + CHANCE_BYTES,
	NONCE_BYTES = BODY_BYTES + MAC_BYTES,
	SECRET_BYTES = 32,
	WINDOW = 64, /* counts behind the highest one that may still come, once */
};

/* One that has been used. Guarded by its shard's lock. */
struct nonce {
	struct list node; /* shared.all: by first use */
	struct nonce *next;
	int64_t made_ms;
	uint64_t chance;
	unsigned nuses;
	uint32_t top;  /* the highest count */
	uint64_t seen; /* bit i: top - i was used */
};

struct shard {
	struct lock lock;
	struct { /* guarded by lock */
		struct nonce *buckets[NBUCKETS];
		struct list all;
		unsigned n;
		int64_t forgotten_ms; /* of those made until then some are no longer in it */
		int64_t swept_ms;
	} shared;
};

struct digest_nonces {
	atomic_uint nrefs;
	uint8_t secret[SECRET_BYTES]; /* immutable */
	struct shard shards[NSHARDS];
};

struct digest_nonces *digest_nonces_create(void)
{
	struct digest_nonces *nonces = mem_zalloc(sizeof(*nonces));

	atomic_init(&nonces->nrefs, 1);
	random_fill(nonces->secret, sizeof(nonces->secret));
	for (unsigned i = 0; i < NSHARDS; i++) {
		lock_init(&nonces->shards[i].lock);
		list_init(&nonces->shards[i].shared.all);
		nonces->shards[i].shared.forgotten_ms = -1;
	}
	return nonces;
}

struct digest_nonces *digest_nonces_ref(struct digest_nonces *nonces)
{
	atomic_fetch_add_explicit(&nonces->nrefs, 1, memory_order_relaxed); /* pairs with unref */
	return nonces;
}

void digest_nonces_unref(struct digest_nonces *nonces)
{
	struct list *node;

	if (!nonces || atomic_fetch_sub_explicit(&nonces->nrefs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < NSHARDS; i++) {
		while ((node = list_pop_front(&nonces->shards[i].shared.all)) != NULL)
			mem_free(CONTAINER(node, struct nonce, node));
		lock_fini(&nonces->shards[i].lock);
	}
	gnutls_memset(nonces->secret, 0, sizeof(nonces->secret));
	mem_free(nonces);
}

/* ---- their text */

static void put_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
}

static bool take_hex(struct str text, uint8_t *out)
{
	for (size_t i = 0; i < text.len; i += 2) {
		int high = ascii_hex(text.at[i]), low = ascii_hex(text.at[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool put_mac(const struct digest_nonces *nonces, const uint8_t *body, uint8_t *out)
{
	uint8_t mac[32];

	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, nonces->secret, sizeof(nonces->secret), body,
	                     BODY_BYTES, mac) != 0)
		return false;
	memcpy(out, mac, MAC_BYTES);
	return true;
}

void digest_nonce_make(struct digest_nonces *nonces, int64_t now_ms, char out[DIGEST_NONCE_CHARS])
{
	uint8_t bytes[NONCE_BYTES] = {0};

	for (int i = 0; i < TIME_BYTES; i++)
		bytes[i] = (uint8_t)((uint64_t)now_ms >> (8 * (TIME_BYTES - 1 - i)));
	random_fill(bytes + TIME_BYTES, CHANCE_BYTES);
	put_mac(nonces, bytes, bytes + BODY_BYTES); /* without one it will not be known again */
	put_hex(bytes, NONCE_BYTES, out);
}

static bool read_nonce(const struct digest_nonces *nonces, struct str text, int64_t *made_ms,
                       uint64_t *chance)
{
	uint8_t bytes[NONCE_BYTES], mac[MAC_BYTES];

	if (text.len != DIGEST_NONCE_CHARS || !take_hex(text, bytes) ||
	    !put_mac(nonces, bytes, mac) || gnutls_memcmp(mac, bytes + BODY_BYTES, MAC_BYTES) != 0)
		return false;
	*made_ms = 0;
	for (int i = 0; i < TIME_BYTES; i++)
		*made_ms = *made_ms << 8 | bytes[i];
	memcpy(chance, bytes + TIME_BYTES, CHANCE_BYTES);
	return true;
}

/* ---- the table */

static struct nonce **bucket_locked(struct shard *shard, uint64_t chance)
{
	lock_check_held(&shard->lock);
	return &shard->shared.buckets[chance / NSHARDS % NBUCKETS];
}

static struct nonce *find_locked(struct shard *shard, uint64_t chance, int64_t made_ms)
{
	struct nonce *nonce = *bucket_locked(shard, chance);

	while (nonce && (nonce->chance != chance || nonce->made_ms != made_ms))
		nonce = nonce->next;
	return nonce;
}

/* Into the list of what the caller frees. */
static void forget_locked(struct shard *shard, struct nonce *nonce, struct list *out)
{
	struct nonce **at = bucket_locked(shard, nonce->chance);

	while (*at != nonce)
		at = &(*at)->next;
	*at = nonce->next;
	list_remove(&nonce->node);
	list_push_back(out, &nonce->node);
	shard->shared.n--;
	if (nonce->made_ms > shard->shared.forgotten_ms)
		shard->shared.forgotten_ms = nonce->made_ms;
}

/* What is too old, now and then; and the one that was first, if there is no room. */
static void make_room_locked(struct shard *shard, const struct digest_nonce_rules *rules,
                             int64_t now_ms, struct list *out)
{
	if (now_ms - shard->shared.swept_ms >= rules->garbage_interval_ms) {
		shard->shared.swept_ms = now_ms;
		LIST_EACH_SAFE(node, &shard->shared.all) {
			struct nonce *nonce = CONTAINER(node, struct nonce, node);

			if (now_ms - nonce->made_ms >= rules->max_duration_ms)
				forget_locked(shard, nonce, out);
		}
	}
	if (shard->shared.n >= SHARD_MAX)
		forget_locked(shard, CONTAINER(shard->shared.all.next, struct nonce, node), out);
}

static void insert_locked(struct shard *shard, struct nonce *nonce)
{
	struct nonce **bucket = bucket_locked(shard, nonce->chance);

	nonce->next = *bucket;
	*bucket = nonce;
	list_push_back(&shard->shared.all, &nonce->node);
	shard->shared.n++;
}

/* ---- counts */

static bool note_count(struct nonce *nonce, const struct digest_nonce_rules *rules, uint32_t count)
{
	uint32_t ahead = count - nonce->top, behind = nonce->top - count;

	if (!rules->checks_count)
		return true;
	if (rules->is_strict && (count <= nonce->top || ahead != 1))
		return false;
	if (count > nonce->top) {
		nonce->seen = ahead < WINDOW ? nonce->seen << ahead | 1 : 1;
		nonce->top = count;
		return true;
	}
	if (behind >= WINDOW || (nonce->seen >> behind & 1))
		return false;
	nonce->seen |= (uint64_t)1 << behind;
	return true;
}

static bool use_locked(struct nonce *nonce, const struct digest_nonce_rules *rules, uint32_t count)
{
	if (rules->max_count > 0 && nonce->nuses >= rules->max_count)
		return false;
	if (!note_count(nonce, rules, count))
		return false;
	nonce->nuses++;
	return true;
}

bool digest_nonce_use(struct digest_nonces *nonces, const struct digest_nonce_rules *rules,
                      struct str text, uint32_t count, int64_t now_ms, bool *is_ending)
{
	struct nonce *fresh, *nonce;
	struct shard *shard;
	struct list old, *node;
	int64_t made_ms;
	uint64_t chance;
	bool is_good = false;

	*is_ending = false;
	if (!read_nonce(nonces, text, &made_ms, &chance) ||
	    now_ms - made_ms >= rules->max_duration_ms)
		return false;
	list_init(&old);
	fresh = mem_zalloc(sizeof(*fresh));
	list_init(&fresh->node);
	fresh->made_ms = made_ms;
	fresh->chance = chance;
	shard = &nonces->shards[chance % NSHARDS];
	lock_take(&shard->lock);
	nonce = find_locked(shard, chance, made_ms);
	if (!nonce && made_ms > shard->shared.forgotten_ms) {
		make_room_locked(shard, rules, now_ms, &old);
		nonce = fresh;
		insert_locked(shard, nonce);
	}
	if (nonce) {
		is_good = use_locked(nonce, rules, count);
		*is_ending = rules->max_count > 0 && nonce->nuses + 1 >= rules->max_count;
	}
	lock_drop(&shard->lock);
	if (nonce != fresh)
		mem_free(fresh);
	while ((node = list_pop_front(&old)) != NULL)
		mem_free(CONTAINER(node, struct nonce, node));
	return is_good;
}

unsigned digest_nonces_count(struct digest_nonces *nonces)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NSHARDS; i++) {
		lock_take(&nonces->shards[i].lock);
		n += nonces->shards[i].shared.n;
		lock_drop(&nonces->shards[i].lock);
	}
	return n;
}
