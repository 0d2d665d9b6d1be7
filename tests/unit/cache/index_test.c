/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/heap.h"
#include "tests/support/messages.h"

static const struct http_request no_fields;

static struct str url_of(unsigned n, char text[40])
{
	snprintf(text, 40, "http://www.example/%u", n);
	return str_of(text);
}

static struct object *whole(struct str url, const char *vary, size_t body_bytes)
{
	struct object_head head = {.status = 200, .url = url, .vary = str_of(vary)};
	char *body = mem_zalloc(body_bytes);
	struct object *object = object_create_whole(&head, (struct str){body, body_bytes});

	mem_free(body);
	return object;
}

/* Inserts and lets go. */
static bool put(struct index *index, struct str url, const char *vary, size_t body_bytes)
{
	struct object *object = whole(url, vary, body_bytes);
	bool ok = index_insert(index, index_key(index, url), object);

	object_unref(object);
	return ok;
}

static struct object *find(struct index *index, struct str url, const char *lines)
{
	char text[1000];
	struct http_request request;
	struct object *object;

	message_request("GET", lines, text, sizeof(text), &request);
	object = index_find(index, index_key(index, url), url, &request.head);
	object_unref(object); /* the index has it still */
	return object;
}

static void what_was_put_in_is_found(void **state)
{
	struct index *index = index_create(4, 1 << 20, 7);
	struct index_stats stats;
	char text[40];

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		assert_true(put(index, url_of(i, text), "", 10));
	for (unsigned i = 0; i < 500; i++)
		assert_non_null(find(index, url_of(i, text), ""));
	assert_null(find(index, url_of(500, text), ""));
	index_stats(index, &stats);
	assert_int_equal(stats.nobjects, 500);
	assert_int_equal(stats.nevicted, 0);
	index_set_max_bytes(index, 0);
	index_stats(index, &stats);
	assert_int_equal(stats.nobjects + stats.bytes, 0);
	index_destroy(index);
	index_destroy(NULL);
}

static void the_text_decides_when_fingerprints_collide(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct object *one = whole(STR("http://a/"), "", 1), *two = whole(STR("http://b/"), "", 1);

	(void)state;
	assert_true(index_insert(index, 5, one));
	assert_true(index_insert(index, 5, two));
	assert_ptr_equal(index_find(index, 5, STR("http://a/"), &no_fields.head), one);
	assert_null(index_find(index, 5, STR("http://c/"), &no_fields.head));
	assert_int_equal(index_remove_all(index, 5, STR("http://a/")), 1);
	assert_ptr_equal(index_find(index, 5, STR("http://b/"), &no_fields.head), two);
	object_unref(one);
	object_unref(one);
	object_unref(two);
	object_unref(two);
	index_destroy(index);
}

/* RFC 9111 §4.1 */
static void variants_stand_side_by_side_and_the_newest_of_one_record_wins(void **state)
{
	struct index *index = index_create(2, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	struct object *old, *fresh;

	(void)state;
	put(index, url, "accept-language: fi\n", 1);
	put(index, url, "accept-language: en\n", 1);
	old = find(index, url, "Accept-Language: fi\r\n");
	assert_non_null(old);
	assert_ptr_not_equal(find(index, url, "Accept-Language: en\r\n"), old);
	assert_null(find(index, url, "Accept-Language: sv\r\n"));
	fresh = whole(url, "accept-language: fi\n", 2);
	index_insert(index, index_key(index, url), fresh);
	assert_ptr_equal(find(index, url, "Accept-Language: fi\r\n"), fresh);
	assert_true(index_remove(index, fresh));
	assert_false(index_remove(index, fresh));
	assert_null(find(index, url, "Accept-Language: fi\r\n"));
	object_unref(fresh);
	put(index, url, "accept-language: fi\n", 1);
	assert_int_equal(index_remove_all(index, index_key(index, url), url), 2);
	assert_null(find(index, url, "Accept-Language: en\r\n"));
	index_destroy(index);
}

static void a_variant_replaces_what_had_no_vary(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");

	(void)state;
	put(index, url, "", 1);
	put(index, url, "x: 1\n", 1);
	assert_non_null(find(index, url, "X: 1\r\n"));
	assert_null(find(index, url, "X: 2\r\n"));
	index_destroy(index);
}

/* O43: variants are bounded for each URL. */
static void the_oldest_of_too_many_variants_goes(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	struct index_stats stats;

	(void)state;
	for (int i = 0; i < INDEX_MAX_VARIANTS + 10; i++) {
		char vary[20];

		snprintf(vary, sizeof(vary), "x: %d\n", i);
		put(index, url, vary, 1);
	}
	index_stats(index, &stats);
	assert_int_equal(stats.nobjects, INDEX_MAX_VARIANTS);
	assert_null(find(index, url, "X: 9\r\n"));
	assert_non_null(find(index, url, "X: 10\r\n"));
	index_destroy(index);
}

static void memory_is_bounded_and_hits_protect(void **state)
{
	struct index *index = index_create(4, 200000, 7);
	struct index_stats stats;
	char text[40];

	(void)state;
	assert_false(put(index, STR("http://big/"), "", 200001));
	for (unsigned i = 0; i < 2000; i++) {
		assert_true(put(index, url_of(i, text), "", 1000));
		find(index, url_of(0, text), "");
		index_stats(index, &stats);
		assert_true(stats.bytes <= 200000);
	}
	assert_non_null(find(index, url_of(0, text), ""));
	assert_null(find(index, url_of(1, text), ""));
	assert_true(stats.nobjects > 50);
	assert_int_equal(stats.nobjects + stats.nevicted, 2000);
	index_set_max_bytes(index, 10000);
	index_stats(index, &stats);
	assert_true(stats.bytes <= 10000);
	index_destroy(index);
}

static void a_scan_pushes_out_nothing_that_is_asked_for(void **state)
{
	struct index *index = index_create(1, 400000, 7);
	char text[40];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		assert_true(put(index, url_of(100 + i, text), "", 1000));
		for (unsigned k = 0; i % 100 == 0 && k < 50; k++)
			if (!find(index, url_of(k, text), ""))
				assert_true(i == 0 && put(index, url_of(k, text), "", 1000));
	}
	index_destroy(index);
}

static void small_ones_outlive_large_ones(void **state)
{
	struct index *index = index_create(1, 4 << 20, 7);
	char text[40];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_true(put(index, url_of(i, text), "", 1000));
	for (unsigned i = 0; i < 100; i++)
		assert_true(put(index, url_of(100 + i, text), "", 200000));
	for (unsigned i = 0; i < 100; i++)
		assert_non_null(find(index, url_of(i, text), ""));
	assert_null(find(index, url_of(100, text), ""));
	index_destroy(index);
}

static void what_is_fetched_can_be_joined(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	uint64_t key = index_key(index, url);
	struct object_head head = {.status = 200, .url = url, .vary = STR("a: 1\n"), .body_bytes = 4};
	struct object *object = object_create(NULL, NULL, NULL, 1000);
	bool has_head;

	(void)state;
	object_keep(object, true);
	assert_true(index_insert_inflight(index, key, url, object));
	assert_ptr_equal(index_find_told(index, key, url, &no_fields.head, &has_head), object);
	assert_false(has_head); /* may turn out to match */
	object_unref(object);
	object_set_head(object, &head);
	assert_null(find(index, url, ""));
	assert_ptr_equal(find(index, url, "A: 1\r\n"), object);
	object_append(object, STR("body"));
	object_finish(object);
	assert_true(index_insert(index, key, object));
	assert_true(index_insert(index, key, object)); /* once more does nothing */
	assert_ptr_equal(find(index, url, "A: 1\r\n"), object);
	object_unref(object);
	index_destroy(index);
}

static void a_stored_answer_is_preferred_to_waiting_for_a_head(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	uint64_t key = index_key(index, url);
	struct object *old = whole(url, "", 4), *next = object_create(NULL, NULL, NULL, 1000);

	(void)state;
	index_insert(index, key, old);
	index_insert_inflight(index, key, url, next);
	assert_ptr_equal(find(index, url, ""), old);
	index_remove(index, old);
	assert_ptr_equal(find(index, url, ""), next);
	object_unref(next);
	object_unref(old);
	index_destroy(index);
}

/* RFC 9111 §4.4: what was asked for before a purge or a POST must not come back after it. */
static void what_was_removed_in_flight_is_not_stored(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	uint64_t key = index_key(index, url);
	struct object_head head = {.status = 200, .url = url, .body_bytes = 4};
	struct object *object = object_create(NULL, NULL, NULL, 1000);

	(void)state;
	object_keep(object, true);
	index_insert_inflight(index, key, url, object);
	assert_int_equal(index_remove_all(index, key, url), 1);
	object_set_head(object, &head);
	object_append(object, STR("body"));
	object_finish(object);
	assert_false(index_insert(index, key, object));
	assert_null(find(index, url, ""));
	object_unref(object);
	index_destroy(index);
}

/* In flight, and all of it came, but memory does not keep it. */
static struct object *ended(struct index *index, struct str url)
{
	struct object *object = object_create(NULL, NULL, NULL, 0);
	struct object_head head = {.status = 200, .url = url, .body_bytes = -1};

	assert_true(index_insert_inflight(index, index_key(index, url), url, object));
	object_set_head(object, &head);
	object_append(object, STR("body"));
	object_finish(object);
	return object;
}

static void what_has_ended_takes_the_place_of_older_ones(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://a/");
	struct object *first, *second;

	(void)state;
	put(index, url, "", 10);
	first = ended(index, url);
	assert_true(index_settle(index, first));
	assert_ptr_equal(find(index, url, ""), first);
	second = ended(index, url);
	assert_true(index_settle(index, second));
	assert_false(index_settle(index, first));
	assert_true(index_remove(index, second));
	assert_null(find(index, url, "")); /* nothing older comes back */
	put(index, url, "", 10);
	object_unref(first);
	first = ended(index, url);
	index_remove_all(index, index_key(index, url), url);
	assert_false(index_settle(index, first));
	object_unref(first);
	object_unref(second);
	index_destroy(index);
}

static void an_aborted_fetch_is_neither_found_nor_stored(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	uint64_t key = index_key(index, url);
	struct object *object = object_create(NULL, NULL, NULL, 1000);

	(void)state;
	index_insert_inflight(index, key, url, object);
	object_abort(object, 1);
	assert_null(find(index, url, ""));
	assert_false(index_insert(index, key, object));
	assert_false(index_remove(index, object)); /* insert took it out */
	object_unref(object);
	index_destroy(index);
}

static void fetches_of_one_url_are_bounded(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	struct object *objects[INDEX_MAX_VARIANTS + 1];

	(void)state;
	for (int i = 0; i <= INDEX_MAX_VARIANTS; i++) {
		objects[i] = object_create(NULL, NULL, NULL, 1000);
		assert_int_equal(index_insert_inflight(index, index_key(index, url), url, objects[i]),
				 i < INDEX_MAX_VARIANTS);
		object_unref(objects[i]);
	}
	index_destroy(index);
}

static void a_row_removed_on_disk_is_forgotten(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	struct object *object = whole(url, "", 4);

	(void)state;
	object->disk_id = 77;
	index_insert(index, index_key(index, url), object);
	assert_false(index_remove_stored(index, index_key(index, url), 78));
	assert_true(index_remove_stored(index, index_key(index, url), 77));
	assert_null(find(index, url, ""));
	object_unref(object);
	index_destroy(index);
}

/* rss-idle: an empty index costs a few KiB. */
/* Also when tables double between two calls. */
static void a_walk_sees_all_that_stays(void **state)
{
	enum { FIRST = 2000, MORE = 20000 };
	struct index *index = index_create(4, 64 << 20, 1);
	static unsigned char seen[FIRST];
	struct object *objects[INDEX_VISIT];
	uint64_t cursor = 0;
	char text[40];
	unsigned n, added = FIRST;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (unsigned i = 0; i < FIRST; i++)
		assert_true(put(index, url_of(i, text), "", 1));
	do {
		n = index_visit(index, &cursor, objects, INDEX_VISIT);
		for (unsigned i = 0; i < n; i++) {
			unsigned number = 0;

			/* url_of ends in the number. */
			for (size_t at = 0; at < objects[i]->url.len; at++)
				if (objects[i]->url.at[at] >= '0' && objects[i]->url.at[at] <= '9')
					number = number * 10 + (unsigned)(objects[i]->url.at[at] - '0');
				else
					number = 0;
			if (number < FIRST)
				seen[number] = 1;
			object_unref(objects[i]);
		}
		for (unsigned i = 0; i < 500 && added < MORE; i++)
			assert_true(put(index, url_of(added++, text), "", 1));
	} while (cursor != 0);
	for (unsigned i = 0; i < FIRST; i++)
		if (!seen[i])
			fail_msg("number %u was not seen", i);
	index_destroy(index);
}

static void an_empty_index_is_small(void **state)
{
	struct mallinfo2 before = mallinfo2(), after;
	struct index *index = index_create(16, 256 << 20, 7);

	(void)state;
	after = mallinfo2();
	/* Sanitizers count nothing here. */
	assert_true(after.uordblks - before.uordblks < 8192);
	index_destroy(index);
}

/* ---- threads */

struct hammer {
	struct index *index;
	uint64_t seed;
	_Atomic(struct object *) *handed_over;
};

enum { NOWNERS = 4, OWN_KEYS = 200, OWN_ROUNDS = 20000 };

static uint64_t draw(uint64_t *seed, uint64_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed % below;
}

static void fetch_in_flight(struct index *index, struct str url, uint64_t *seed)
{
	struct object_head head = {.status = 200, .url = url, .body_bytes = -1};
	struct object *object = object_create(NULL, NULL, NULL, 1000);
	uint64_t key = index_key(index, url);

	object_keep(object, true);
	index_insert_inflight(index, key, url, object);
	object_set_head(object, &head);
	object_append(object, STR("0123456789"));
	if (draw(seed, 4)) {
		object_finish(object);
		index_insert(index, key, object);
	} else {
		object_abort(object, 1);
		index_remove(index, object);
	}
	object_unref(object);
}

static void *hammer(void *arg)
{
	struct hammer *hammer = arg;
	struct index *index = hammer->index;

	for (int i = 0; i < 20000; i++) {
		char text[40];
		struct str url = url_of((unsigned)draw(&hammer->seed, 300), text);
		uint64_t key = index_key(index, url);
		struct object *object;

		switch (draw(&hammer->seed, 8)) {
		case 0:
			put(index, url, draw(&hammer->seed, 2) ? "" : "x: 1\n",
			    draw(&hammer->seed, 3000));
			break;
		case 1:
			fetch_in_flight(index, url, &hammer->seed);
			break;
		case 2:
			if (draw(&hammer->seed, 10) == 0)
				index_remove_all(index, key, url);
			break;
		default:
			object = index_find(index, key, url, &no_fields.head);
			check(!object || str_eq(object->url, url));
			object_unref(object);
		}
	}
	return NULL;
}

static void many_threads_may_use_it(void **state)
{
	struct index *index = index_create(4, 150000, 7);
	struct hammer hammers[4];
	pthread_t threads[COUNT(hammers)];
	struct index_stats stats;

	(void)state;
	for (size_t i = 0; i < COUNT(hammers); i++) {
		hammers[i] = (struct hammer){.index = index, .seed = 88172645463325252u + i * 7919};
		pthread_create(&threads[i], NULL, hammer, &hammers[i]);
	}
	for (size_t i = 0; i < COUNT(hammers); i++)
		pthread_join(threads[i], NULL);
	index_stats(index, &stats);
	assert_true(stats.bytes <= 150000);
	assert_true(stats.nobjects > 0);
	index_set_max_bytes(index, 0);
	index_stats(index, &stats);
	assert_int_equal(stats.bytes + stats.nobjects, 0);
	index_destroy(index);
}

/* Some keys of its own, which nobody else changes but everybody looks for: what it put in is found,
 * what it removed is not, however the chains move under the others' hands. */
static void *own_keys(void *arg)
{
	struct hammer *hammer = arg;
	struct index *index = hammer->index;
	unsigned mine = (unsigned)hammer->seed * 1000;
	struct object *have[OWN_KEYS] = {0};

	for (unsigned i = 0; i < OWN_ROUNDS; i++) {
		unsigned which = (unsigned)draw(&hammer->seed, OWN_KEYS);
		unsigned others = (unsigned)draw(&hammer->seed, NOWNERS) * 1000 + 1000 + which;
		char text[40];
		struct str url = url_of(mine + which, text);
		uint64_t key = index_key(index, url);
		struct object *object = index_find(index, key, url, &no_fields.head);

		check(object == have[which]);
		object_unref(object);
		if (i % 4 == 0 && have[which]) {
			check(index_remove_all(index, key, url) == 1);
			object_unref(have[which]);
			have[which] = NULL;
		} else if (i % 4 == 1) {
			object_unref(have[which]);
			have[which] = whole(url, "", 20);
			check(index_insert(index, key, have[which]));
		}
		url = url_of(others, text);
		object = index_find(index, index_key(index, url), url, &no_fields.head);
		check(!object || str_eq(object->url, url));
		object_unref(object);
	}
	for (unsigned i = 0; i < OWN_KEYS; i++)
		object_unref(have[i]);
	return NULL;
}

static void no_look_up_misses_what_only_moved(void **state)
{
	struct index *index = index_create(1, 64 << 20, 7);
	struct hammer owners[NOWNERS];
	pthread_t threads[NOWNERS];

	(void)state;
	for (unsigned i = 0; i < NOWNERS; i++) {
		owners[i] = (struct hammer){.index = index, .seed = i + 1};
		pthread_create(&threads[i], NULL, own_keys, &owners[i]);
	}
	for (unsigned i = 0; i < NOWNERS; i++)
		pthread_join(threads[i], NULL);
	index_destroy(index);
}

/* References that a thread took in advance of one hot object, and dropped for others. */
static void *use_one(void *arg)
{
	struct hammer *hammer = arg;
	struct str url = STR("http://www.example/hot");
	uint64_t key = index_key(hammer->index, url);

	for (unsigned i = 0; i < OWN_ROUNDS; i++) {
		struct object *object = index_find(hammer->index, key, url, &no_fields.head);
		struct object *old = NULL;

		if (!object)
			put(hammer->index, url, "", 100);
		/* Another thread drops what this one took. */
		if (draw(&hammer->seed, 3))
			old = atomic_exchange(hammer->handed_over, object);
		else
			object_unref(object);
		object_unref(old);
		if (draw(&hammer->seed, 5000) == 0)
			index_remove_all(hammer->index, key, url);
	}
	return NULL;
}

static void references_may_be_dropped_by_other_threads(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	_Atomic(struct object *) handed_over = NULL;
	struct hammer hammers[NOWNERS];
	pthread_t threads[NOWNERS];

	(void)state;
	for (unsigned i = 0; i < NOWNERS; i++) {
		hammers[i] = (struct hammer){index, i + 1, &handed_over};
		pthread_create(&threads[i], NULL, use_one, &hammers[i]);
	}
	for (unsigned i = 0; i < NOWNERS; i++)
		pthread_join(threads[i], NULL);
	object_unref(handed_over);
	index_destroy(index); /* and no object is left: the sanitizer's leak check */
}

/* Of those that miss at the same time one fetches. */
static void one_is_the_first(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	uint64_t key = index_key(index, url);
	struct object *fetches[4];

	(void)state;
	for (size_t i = 0; i < COUNT(fetches); i++)
		fetches[i] = object_create(NULL, NULL, NULL, 0);
	assert_true(index_insert_first(index, key, url, fetches[0]));
	assert_false(index_insert_first(index, key, url, fetches[1]));
	assert_true(index_remove(index, fetches[0]));
	put(index, url, "", 100);
	assert_false(index_insert_first(index, key, url, fetches[2]));
	assert_true(index_insert_inflight(index, key, url, fetches[3]));
	for (size_t i = 0; i < COUNT(fetches); i++)
		object_unref(fetches[i]);
	index_destroy(index);
}

/* Another form of what is stored takes its place, marks and all, but brings nothing back. */
static void what_was_removed_is_not_replaced(void **state)
{
	struct index *index = index_create(1, 1 << 20, 7);
	struct str url = STR("http://www.example/");
	struct object *old = whole(url, "", 100), *other = whole(url, "", 200);
	struct object *late = whole(url, "", 300), *newest = whole(url, "", 400);
	struct index_stats stats;

	(void)state;
	index_insert(index, index_key(index, url), old);
	assert_ptr_equal(find(index, url, ""), old);
	assert_true(index_is_hot(index, old));
	assert_true(index_replace(index, old, other));
	assert_ptr_equal(find(index, url, ""), other);
	assert_true(index_is_hot(index, other));
	index_stats(index, &stats);
	assert_int_equal(stats.nobjects, 1);
	assert_int_equal(stats.bytes, object_memory_bytes(other));
	assert_false(index_replace(index, old, late));
	index_insert(index, index_key(index, url), newest);
	assert_false(index_replace(index, other, late));
	assert_ptr_equal(find(index, url, ""), newest);
	index_remove_all(index, index_key(index, url), url);
	assert_false(index_replace(index, newest, late));
	assert_null(find(index, url, ""));
	object_unref(old);
	object_unref(other);
	object_unref(late);
	object_unref(newest);
	index_destroy(index);
}

/* A POST of one site makes void what is under way there, and seldom what others fetch. */
static void a_removal_seldom_means_others(void **state)
{
	struct index *index = index_create(4, 1 << 20, 7);
	unsigned before[1000], nmeant = 0;
	char text[40];

	(void)state;
	for (unsigned i = 0; i < COUNT(before); i++)
		before[i] = index_removals(index, index_key(index, url_of(i, text)));
	for (unsigned i = 5000; i < 6000; i++)
		index_remove_all(index, index_key(index, url_of(i, text)), url_of(i, text));
	for (unsigned i = 0; i < COUNT(before); i++)
		nmeant += before[i] != index_removals(index, index_key(index, url_of(i, text)));
	assert_in_range(nmeant, 0, 5);
	index_remove_all(index, index_key(index, url_of(7, text)), url_of(7, text));
	assert_int_not_equal(before[7], index_removals(index, index_key(index, url_of(7, text))));
	index_destroy(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_in_is_found),
		cmocka_unit_test(the_text_decides_when_fingerprints_collide),
		cmocka_unit_test(variants_stand_side_by_side_and_the_newest_of_one_record_wins),
		cmocka_unit_test(a_variant_replaces_what_had_no_vary),
		cmocka_unit_test(the_oldest_of_too_many_variants_goes),
		cmocka_unit_test(memory_is_bounded_and_hits_protect),
		cmocka_unit_test(a_scan_pushes_out_nothing_that_is_asked_for),
		cmocka_unit_test(small_ones_outlive_large_ones),
		cmocka_unit_test(what_is_fetched_can_be_joined),
		cmocka_unit_test(a_stored_answer_is_preferred_to_waiting_for_a_head),
		cmocka_unit_test(what_was_removed_in_flight_is_not_stored),
		cmocka_unit_test(what_has_ended_takes_the_place_of_older_ones),
		cmocka_unit_test(an_aborted_fetch_is_neither_found_nor_stored),
		cmocka_unit_test(fetches_of_one_url_are_bounded),
		cmocka_unit_test(one_is_the_first),
		cmocka_unit_test(what_was_removed_is_not_replaced),
		cmocka_unit_test(a_removal_seldom_means_others),
		cmocka_unit_test(a_row_removed_on_disk_is_forgotten),
		cmocka_unit_test(a_walk_sees_all_that_stays),
		cmocka_unit_test(an_empty_index_is_small),
		cmocka_unit_test(many_threads_may_use_it),
		cmocka_unit_test(no_look_up_misses_what_only_moved),
		cmocka_unit_test(references_may_be_dropped_by_other_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
