/* SPDX-License-Identifier: BSD-2-Clause */
/* Who leaves memory under each policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "cache/index.h"
#include "cache/object.h"
#include "lib/base/check.h"
#include "lib/http/message.h"
#include "tests/support/zipf.h"

enum { TICK_MS = 64 };

static int64_t now_ms;

static int64_t tell_now(void)
{
	return now_ms;
}

static struct index *create(unsigned nshards, size_t max_bytes, enum eviction policy)
{
	struct index *index = index_create(nshards, max_bytes, 1);

	index_set_policy(index, policy, tell_now);
	return index;
}

/* Was it there? If not, it is put in; it only says how large it is. */
static bool ask(struct index *index, unsigned n, size_t bytes)
{
	static const struct http_request no_fields;
	char text[40];
	struct object_head head = {.status = 200};
	struct object *object;
	uint64_t key;

	snprintf(text, sizeof(text), "http://www.example/%u", n);
	head.url = str_of(text);
	key = index_key(index, head.url);
	object = index_find(index, key, head.url, &no_fields.head);
	if (object) {
		object_unref(object);
		return true;
	}
	object = object_create_whole(&head, STR(""));
	atomic_fetch_add(&object->memory_bytes_, bytes);
	index_insert(index, key, object);
	object_unref(object);
	return false;
}

static bool has(struct index *index, unsigned n)
{
	char text[40];
	struct str url;

	snprintf(text, sizeof(text), "http://www.example/%u", n);
	url = str_of(text);
	return index_has_url(index, index_key(index, url), url);
}

static void expect_order(struct index *index, const unsigned *order, unsigned n)
{
	struct index_stats stats;

	for (unsigned i = 0; i < n; i++) {
		for (unsigned j = i; j < n; j++)
			assert_true(has(index, order[j]));
		index_stats(index, &stats);
		index_set_max_bytes(index, stats.bytes - 1);
		if (has(index, order[i]))
			fail_msg("%u was to leave as number %u", order[i], i);
	}
	index_stats(index, &stats);
	assert_int_equal(stats.nobjects, 0);
}

static void lru_lets_go_of_the_least_recently_used_first(void **state)
{
	static const unsigned uses[] = {3, 0, 5, 3, 7, 0, 1};
	static const unsigned order[] = {2, 4, 6, 8, 9, 5, 3, 7, 0, 1};
	struct index *index = create(1, 1 << 20, EVICTION_LRU);

	(void)state;
	now_ms = 1000000;
	for (unsigned i = 0; i < 10; i++, now_ms += TICK_MS)
		ask(index, i, i % 3 * 1000);
	for (size_t i = 0; i < COUNT(uses); i++, now_ms += 1000 * TICK_MS)
		assert_true(ask(index, uses[i], 0));
	expect_order(index, order, COUNT(order));
	index_destroy(index);
}

/* So it is whatever bits of the time change. */
static void lru_is_exact_for_long(void **state)
{
	enum { N = 200, ROUNDS = 5000 };
	struct index *index = create(1, SIZE_MAX / 2, EVICTION_LRU);
	struct zipf zipf;
	int64_t used_ms[N] = {0};

	(void)state;
	zipf_init(&zipf, N);
	now_ms = 0;
	for (unsigned i = 0; i < N; i++)
		ask(index, i, 1000);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = zipf_next(&zipf), oldest = N;
		struct index_stats stats;

		now_ms += TICK_MS << (i % 9);
		ask(index, n, 1000);
		used_ms[n] = now_ms;
		if (i % 3 != 0)
			continue;
		for (unsigned j = 0; j < N; j++)
			if (has(index, j) && (oldest == N || used_ms[j] < used_ms[oldest]))
				oldest = j;
		index_stats(index, &stats);
		index_set_max_bytes(index, stats.bytes - 1);
		index_set_max_bytes(index, SIZE_MAX / 2);
		if (used_ms[oldest] > 0)
			assert_false(has(index, oldest));
	}
	zipf_fini(&zipf);
	index_destroy(index);
}

static void gdsf_lets_go_of_the_large_and_lfuda_of_the_unused(void **state)
{
	static const struct {
		enum eviction policy;
		unsigned order[4];
	} cases[] = {
		{EVICTION_GDSF, {3, 2, 1, 0}},
		{EVICTION_LFUDA, {0, 1, 3, 2}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct index *index = create(1, 1 << 20, cases[i].policy);

		ask(index, 0, 1000);
		ask(index, 1, 30000);
		ask(index, 2, 200000);
		ask(index, 3, 250000);
		for (unsigned use = 0; use < 3; use++)
			assert_true(ask(index, 2, 0) && (use > 0 || ask(index, 3, 0)));
		expect_order(index, cases[i].order, 4);
		index_destroy(index);
	}
}

/* What was used a lot, once, leaves after a while: what comes later is filed above it. */
static void old_fame_fades(void **state)
{
	static const enum eviction policies[] = {EVICTION_GDSF, EVICTION_LFUDA};

	(void)state;
	for (size_t i = 0; i < COUNT(policies); i++) {
		struct index *index = create(1, 100000, policies[i]);
		unsigned n = 1;

		for (unsigned use = 0; use < 50; use++)
			ask(index, 0, 1000);
		while (has(index, 0) && n < 100000)
			ask(index, n++, 1000);
		assert_true(n > 1000 && n < 10000);
		index_destroy(index);
	}
}

struct ratios {
	double objects, bytes;
};

static struct ratios replay(enum eviction policy)
{
	enum { NOBJECTS = 10000, NREQUESTS = 30000, NWARM = 15000, MAX_BYTES = 40 << 20 };
	struct index *index = create(4, MAX_BYTES, policy);
	double nhits = 0, hit_bytes = 0, bytes = 0;
	struct zipf zipf;

	now_ms = 0;
	zipf_init(&zipf, NOBJECTS);
	for (unsigned i = 0; i < NREQUESTS; i++, now_ms += TICK_MS) {
		unsigned n = zipf_next(&zipf);
		bool is_hit = ask(index, n, zipf_size(n));

		if (i < NWARM)
			continue;
		bytes += (double)zipf_size(n);
		nhits += is_hit;
		hit_bytes += is_hit ? (double)zipf_size(n) : 0;
	}
	zipf_fini(&zipf);
	index_destroy(index);
	return (struct ratios){nhits / (NREQUESTS - NWARM), hit_bytes / bytes};
}

static void each_policy_does_what_it_is_for(void **state)
{
	struct ratios of[EVICTIONS];

	(void)state;
	for (int policy = 0; policy < EVICTIONS; policy++) {
		of[policy] = replay((enum eviction)policy);
		print_message("%-6s hits %.3f, bytes %.3f\n", eviction_name((enum eviction)policy),
			      of[policy].objects, of[policy].bytes);
	}
	assert_true(of[EVICTION_GDSF].objects > of[EVICTION_LFUDA].objects + 0.05);
	assert_true(of[EVICTION_LFUDA].bytes > of[EVICTION_GDSF].bytes + 0.02);
	assert_true(of[EVICTION_GDSF].objects > of[EVICTION_LRU].objects);
	assert_true(of[EVICTION_LFUDA].bytes > of[EVICTION_LRU].bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lru_lets_go_of_the_least_recently_used_first),
		cmocka_unit_test(lru_is_exact_for_long),
		cmocka_unit_test(gdsf_lets_go_of_the_large_and_lfuda_of_the_unused),
		cmocka_unit_test(old_fame_fades),
		cmocka_unit_test(each_policy_does_what_it_is_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
