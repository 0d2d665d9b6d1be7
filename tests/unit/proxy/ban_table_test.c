/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/check.h"
#include "proxy/limits/ban_table.h"
#include "proxy/limits/event_table.h"

enum { NOW_S = 1000 };

static struct addr addr_of(const char *text)
{
	struct addr addr = {0};

	assert_true(addr_parse(str_of(text), 0, &addr));
	addr_unmap(&addr);
	return addr;
}

static void prefixes_have_one_text(void **state)
{
	static const struct {
		const char *text, *shown; /* NULL: refused */
	} cases[] = {
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"192.0.2.7/24", "192.0.2.0/24"},
		{"192.0.2.7/32", "192.0.2.7"},
		{"2001:db8::1", "2001:db8::/64"},
		{"2001:db8::1/128", "2001:db8::1/128"},
		{"2001:db8::1/33", "2001:db8::/33"},
		{"::1", "::1/128"},
		{"0.0.0.0/0", NULL},
		{"10.0.0.0/7", NULL},
		{"10.0.0.0/33", NULL},
		{"::/0", NULL},
		{"::/64", NULL},
		{"2001::/15", NULL},
		{"2001::/129", NULL},
		{"192.0.2.7/", NULL},
		{"192.0.2.7/x", NULL},
		{"host.example", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[BAN_PREFIX_TEXT_BYTES];
		struct ban_prefix prefix;
		bool is_good = ban_prefix_parse(str_of(cases[i].text), &prefix);

		if (is_good != (cases[i].shown != NULL))
			fail_msg("%s", cases[i].text);
		if (is_good)
			assert_string_equal(ban_prefix_text(&prefix, text), cases[i].shown);
	}
}

static bool has(struct ban_table *table, const char *text, int64_t now_s)
{
	struct addr addr = addr_of(text);

	return ban_table_has(table, &addr, now_s);
}

static void add(struct ban_table *table, const char *text, int64_t until_s)
{
	struct ban ban = {.until_s = until_s, .rule = "test"};

	assert_true(ban_prefix_parse(str_of(text), &ban.prefix));
	assert_true(ban_table_add(table, &ban));
}

static void a_ban_holds_for_its_prefix_and_its_time(void **state)
{
	struct ban_table *table = ban_table_create();

	(void)state;
	assert_false(has(table, "192.0.2.7", NOW_S));
	add(table, "192.0.2.7", NOW_S + 10);
	add(table, "198.51.100.0/24", NOW_S + 10);
	add(table, "2001:db8::1", NOW_S + 10);
	add(table, "::1", NOW_S + 10);
	assert_true(has(table, "192.0.2.7", NOW_S));
	assert_false(has(table, "192.0.2.8", NOW_S));
	assert_true(has(table, "198.51.100.99", NOW_S));
	assert_false(has(table, "198.51.101.99", NOW_S));
	assert_true(has(table, "2001:db8::ffff", NOW_S));
	assert_false(has(table, "2001:db8:0:1::1", NOW_S));
	assert_false(has(table, "192.0.2.7", NOW_S + 10));
	ban_table_sweep(table, NOW_S + 10);
	assert_false(has(table, "198.51.100.99", NOW_S));
	ban_table_destroy(table);
}

static void what_is_taken_back_is_forgotten(void **state)
{
	struct ban_table *table = ban_table_create();
	struct ban_prefix prefix;
	uint64_t version;

	(void)state;
	add(table, "192.0.2.7", NOW_S + 10);
	add(table, "192.0.2.7", NOW_S + 20); /* again, for longer */
	assert_true(has(table, "192.0.2.7", NOW_S + 15));
	version = ban_table_version(table);
	assert_true(ban_prefix_parse(STR("192.0.2.7"), &prefix));
	assert_true(ban_table_remove(table, &prefix));
	assert_false(ban_table_remove(table, &prefix));
	assert_int_equal(ban_table_version(table), version + 1);
	assert_false(has(table, "192.0.2.7", NOW_S));
	ban_table_destroy(table);
}

static void the_table_is_bounded(void **state)
{
	struct ban_table *table = ban_table_create();
	struct ban ban = {.until_s = NOW_S + 10, .prefix.nbits = 128};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < BAN_TABLE_MAX + 10; i++) {
		memcpy(ban.prefix.ip + 12, &i, sizeof(i));
		n += ban_table_add(table, &ban);
	}
	assert_int_equal(n, BAN_TABLE_MAX);
	ban_table_destroy(table);
}

enum { NREADERS = 2, NCHANGES = 20000, NNEIGHBOURS = 64 };

struct crowd {
	struct ban_table *table;
	atomic_bool is_over;
	atomic_uint nmissed;
};

static void *look_up(void *user)
{
	struct crowd *crowd = user;

	while (!atomic_load(&crowd->is_over))
		if (!has(crowd->table, "192.0.2.7", NOW_S) || has(crowd->table, "192.0.2.8", NOW_S))
			atomic_fetch_add(&crowd->nmissed, 1);
	return NULL;
}

/* Neighbours come and go, and the ban itself is written again and again. */
static void change(struct ban_table *table)
{
	struct ban ban = {.until_s = NOW_S + 10, .prefix.nbits = 128};

	for (unsigned i = 0; i < NCHANGES; i++) {
		uint32_t n = i % NNEIGHBOURS;

		memcpy(ban.prefix.ip + 12, &n, sizeof(n));
		if (i / NNEIGHBOURS % 2 == 0)
			ban_table_add(table, &ban);
		else
			ban_table_remove(table, &ban.prefix);
		add(table, "192.0.2.7", NOW_S + 10 + i);
	}
}

static void look_ups_never_miss_what_is_there(void **state)
{
	struct crowd crowd = {.table = ban_table_create()};
	pthread_t readers[NREADERS];

	(void)state;
	add(crowd.table, "192.0.2.7", NOW_S + 10);
	for (unsigned i = 0; i < NREADERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, look_up, &crowd), 0);
	change(crowd.table);
	atomic_store(&crowd.is_over, true);
	for (unsigned i = 0; i < NREADERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&crowd.nmissed), 0);
	ban_table_destroy(crowd.table);
}

static void events_count_within_their_window(void **state)
{
	struct event_table *table = event_table_create();

	(void)state;
	assert_int_equal(event_table_count(table, 7, 1000, 5000), 1);
	assert_int_equal(event_table_count(table, 7, 1000, 5500), 2);
	assert_int_equal(event_table_count(table, 8, 1000, 5500), 1);
	assert_int_equal(event_table_count(table, 7, 1000, 5999), 3);
	assert_int_equal(event_table_count(table, 7, 1000, 6000), 1);
	event_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_have_one_text),
		cmocka_unit_test(a_ban_holds_for_its_prefix_and_its_time),
		cmocka_unit_test(what_is_taken_back_is_forgotten),
		cmocka_unit_test(the_table_is_bounded),
		cmocka_unit_test(look_ups_never_miss_what_is_there),
		cmocka_unit_test(events_count_within_their_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
