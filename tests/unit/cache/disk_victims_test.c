/* SPDX-License-Identifier: BSD-2-Clause */
/* Who leaves a full disk, and who is let in, under each policy: the modules that decide it, without
 * the file. */
#include "cache/disk/disk_victims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cache/disk/disk_admission.h"
#include "cache/disk/disk_index.h"
#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "tests/support/zipf.h"

enum { KIB = 1024, MIB = 1 << 20 };

static uint64_t key_of(uint64_t n)
{
	return hash_str((struct str){(const char *)&n, sizeof(n)}, 7);
}

static void lru_takes_the_least_recently_used_first(void **state)
{
	/* Rows 1 to 8 are stored an age after the other, then used an age after the other. */
	static const uint64_t uses[] = {3, 1, 8, 3};
	static const uint64_t order[] = {2, 4, 5, 6, 7, 1, 8, 3};
	struct disk_index *index = disk_index_create();
	struct disk_victim rows[COUNT(order)];

	(void)state;
	disk_index_keep_ages(index);
	for (uint64_t id = 1; id <= COUNT(order); id++, disk_index_grow_older(index)) {
		disk_index_insert(index, key_of(id), id, 1000 * id);
		rows[id - 1] = (struct disk_victim){.id = id, .key = key_of(id), .size = 1000 * id};
	}
	for (size_t i = 0; i < COUNT(uses); i++, disk_index_grow_older(index))
		disk_index_hit(index, key_of(uses[i]), uses[i], 1);
	assert_int_equal(disk_index_age(index, key_of(3), 3), 1);
	assert_int_equal(disk_index_age(index, key_of(9), 9), -1);
	assert_int_equal(disk_victims_choose(EVICTION_LRU, index, NULL, rows, COUNT(order)), 1);
	for (size_t i = 0; i < COUNT(order); i++)
		assert_int_equal(rows[i].id, order[i]);
	disk_index_destroy(index);
}

static void the_oldest_stay_the_oldest(void **state)
{
	struct disk_index *index = disk_index_create();
	struct disk_victim rows[] = {{.id = 1, .key = key_of(1), .used_s = 200},
				     {.id = 2, .key = key_of(2), .used_s = 100},
				     {.id = 3, .key = key_of(3), .used_s = 50}};

	(void)state;
	disk_index_keep_ages(index);
	disk_index_insert(index, key_of(1), 1, 1000);
	disk_index_insert(index, key_of(2), 2, 1000);
	for (int i = 0; i < 3 * DISK_INDEX_AGES; i++)
		disk_index_grow_older(index);
	assert_int_equal(disk_index_age(index, key_of(1), 1), DISK_INDEX_AGES - 1);
	disk_index_insert(index, key_of(3), 3, 1000);
	disk_victims_choose(EVICTION_LRU, index, NULL, rows, COUNT(rows));
	assert_int_equal(rows[0].id, 2); /* of one age: by the row's time */
	assert_int_equal(rows[1].id, 1);
	assert_int_equal(rows[2].id, 3);
	disk_index_destroy(index);
}

static void lru_lets_everything_in(void **state)
{
	static const enum eviction policies[] = {EVICTION_LRU, EVICTION_LFUDA, EVICTION_GDSF};

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		struct disk_admission *admission = disk_admission_create(64 * MIB, policies[i]);

		for (int n = 0; n < 10; n++)
			disk_admission_note(admission, key_of(1));
		disk_admission_note(admission, key_of(2));
		for (int n = 0; n < 300; n++)
			disk_admission_evicted(admission, key_of(1), 64 * KIB);
		assert_int_equal(disk_admission_allows(admission, key_of(2), 64 * KIB),
				 policies[i] == EVICTION_LRU);
		assert_int_equal(disk_admission_allows(admission, key_of(2), KIB),
				 policies[i] != EVICTION_LFUDA);
		disk_admission_destroy(admission);
	}
}

/* ---- on a stream of requests */

enum { NOBJECTS = 10000, NREQUESTS = 60000, NWARM = 30000, MAX_BYTES = 96 * MIB, AGES = 16 };

struct world {
	enum eviction policy;
	struct disk_index *index;
	struct disk_admission *admission;
	uint64_t where[NOBJECTS]; /* the row's id; 0: it is not stored */
	unsigned of[NREQUESTS + 1]; /* the object of a row */
	uint64_t next_id, hand, used, aged, written;
};

static void drop(struct world *world, const struct disk_victim *victim)
{
	disk_index_remove(world->index, victim->key, victim->id);
	disk_admission_evicted(world->admission, victim->key, victim->size);
	world->where[world->of[victim->id]] = 0;
	world->used -= victim->size;
}

/* As many rows behind the hand as a window has. */
static unsigned next_window(struct world *world, struct disk_victim *rows)
{
	unsigned n = 0;

	while (n < DISK_VICTIMS && ++world->hand < world->next_id) {
		unsigned object = world->of[world->hand];

		if (world->where[object] == world->hand)
			rows[n++] = (struct disk_victim){.id = world->hand,
							 .key = key_of(object),
							 .size = zipf_size(object)};
	}
	if (world->hand >= world->next_id)
		world->hand = 0;
	return n;
}

static void evict(struct world *world)
{
	struct disk_victim rows[DISK_VICTIMS];
	bool is_own = world->policy == EVICTION_OWN;

	while (world->used > MAX_BYTES) {
		unsigned n = next_window(world, rows);

		if (!is_own && n > 0)
			n = disk_victims_choose(world->policy, world->index, world->admission,
						rows, n);
		for (unsigned i = 0; i < n && world->used > MAX_BYTES; i++) {
			if (!is_own || disk_index_judge(world->index, rows[i].key, rows[i].id) ==
					       DISK_INDEX_DUE)
				drop(world, &rows[i]);
			if (is_own)
				world->hand = rows[i].id;
		}
	}
}

static void store(struct world *world, unsigned n, uint64_t size)
{
	uint64_t id = world->next_id++;

	world->where[n] = id;
	world->of[id] = n;
	world->used += size;
	world->written += size;
	disk_index_insert(world->index, key_of(n), id, size);
	world->aged += size;
	if (world->aged >= MAX_BYTES / AGES) {
		world->aged = 0;
		if (world->policy == EVICTION_LRU)
			disk_index_grow_older(world->index);
	}
	evict(world);
}

static bool ask(struct world *world, unsigned n)
{
	uint64_t key = key_of(n), id = world->where[n], size = zipf_size(n);

	disk_admission_note(world->admission, key);
	disk_admission_age(world->admission);
	if (id != 0) {
		disk_index_hit(world->index, key, id, 1);
		return true;
	}
	if (world->used + size < MAX_BYTES ||
	    disk_admission_allows(world->admission, key, size))
		store(world, n, size);
	return false;
}

struct ratios {
	double objects, bytes, written;
};

static struct ratios replay(enum eviction policy)
{
	static struct world world;
	double nhits = 0, hit_bytes = 0, bytes = 0;
	struct zipf zipf;

	world = (struct world){.policy = policy,
			       .index = disk_index_create(),
			       .admission = disk_admission_create(MAX_BYTES, policy),
			       .next_id = 1};
	if (policy == EVICTION_LRU)
		disk_index_keep_ages(world.index);
	zipf_init(&zipf, NOBJECTS);
	for (unsigned i = 0; i < NREQUESTS; i++) {
		unsigned n = zipf_next(&zipf);
		bool is_hit = ask(&world, n);

		if (i < NWARM)
			continue;
		bytes += (double)zipf_size(n);
		nhits += is_hit;
		hit_bytes += is_hit ? (double)zipf_size(n) : 0;
	}
	zipf_fini(&zipf);
	disk_index_destroy(world.index);
	disk_admission_destroy(world.admission);
	return (struct ratios){nhits / (NREQUESTS - NWARM), hit_bytes / bytes,
			       (double)world.written / MIB};
}

static void each_policy_does_what_it_is_for(void **state)
{
	struct ratios of[EVICTIONS];

	(void)state;
	for (int policy = 0; policy < EVICTIONS; policy++) {
		of[policy] = replay((enum eviction)policy);
		print_message("%-6s hits %.3f, bytes %.3f; written %.0f MiB\n",
			      eviction_name((enum eviction)policy), of[policy].objects,
			      of[policy].bytes, of[policy].written);
	}
	assert_true(of[EVICTION_GDSF].objects > of[EVICTION_LFUDA].objects + 0.02);
	assert_true(of[EVICTION_LFUDA].bytes > of[EVICTION_GDSF].bytes + 0.02);
	assert_true(of[EVICTION_GDSF].objects > of[EVICTION_LRU].objects);
	assert_true(of[EVICTION_LFUDA].bytes > of[EVICTION_LRU].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lru_takes_the_least_recently_used_first),
		cmocka_unit_test(the_oldest_stay_the_oldest),
		cmocka_unit_test(lru_lets_everything_in),
		cmocka_unit_test(each_policy_does_what_it_is_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
