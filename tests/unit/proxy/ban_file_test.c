/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/net/loop.h"
#include "proxy/limits/ban_file.h"
#include "proxy/limits/ban_table.h"
#include "tests/support/scratch.h"

struct fixture {
	struct scratch scratch;
	struct loop *loop;
	struct ban_table *table;
	struct ban_file *file;
};

static int set_up(void **state)
{
	struct fixture *f = mem_zalloc(sizeof(*f));
	struct err_text why;

	scratch_init(&f->scratch);
	f->loop = loop_create(4096, &why);
	f->table = ban_table_create();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ban_file_stop(f->file);
	ban_table_destroy(f->table);
	loop_destroy(f->loop);
	scratch_fini(&f->scratch);
	mem_free(f);
	return 0;
}

static void start(struct fixture *f)
{
	f->file = ban_file_start(f->table, scratch_path(&f->scratch, "bans"), f->loop);
}

/* The last look: what is there is read, and what is not is written. */
static void stop(struct fixture *f)
{
	ban_file_stop(f->file);
	f->file = NULL;
}

static void add(struct fixture *f, const char *text)
{
	struct ban ban = {.until_s = INT64_MAX, .rule = "test"};

	assert_true(ban_prefix_parse(str_of(text), &ban.prefix));
	assert_true(ban_table_add(f->table, &ban));
}

static bool has(struct fixture *f, const char *text)
{
	struct addr addr = {0};

	assert_true(addr_parse(str_of(text), 0, &addr));
	addr_unmap(&addr);
	return ban_table_has(f->table, &addr, 1000);
}

static bool file_has(struct fixture *f, const char *text)
{
	const char *lines = scratch_read(&f->scratch, "bans");

	return lines && strstr(lines, text);
}

static void bans_outlive_the_process(void **state)
{
	struct fixture *f = *state;

	start(f);
	add(f, "192.0.2.1");
	stop(f);
	assert_true(file_has(f, "192.0.2.1 forever test\n"));
	ban_table_forget(f->table, UINT64_MAX);
	assert_false(has(f, "192.0.2.1"));
	start(f);
	assert_true(has(f, "192.0.2.1"));
}

static void an_edit_takes_effect_and_loses_no_new_ban(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->scratch, "bans", "192.0.2.1 forever\n192.0.2.2 forever\n");
	start(f);
	add(f, "192.0.2.3");
	scratch_write(&f->scratch, "bans", "192.0.2.2 forever mine\n192.0.2.4/32 forever # too\n");
	stop(f);
	assert_false(has(f, "192.0.2.1"));
	assert_true(has(f, "192.0.2.2"));
	assert_true(has(f, "192.0.2.3"));
	assert_true(has(f, "192.0.2.4"));
	assert_true(file_has(f, "192.0.2.2 forever mine\n"));
	assert_true(file_has(f, "192.0.2.3 forever test\n"));
	assert_false(file_has(f, "192.0.2.1"));
}

/* What the program has nothing to add to stays as somebody wrote it. */
static void a_file_that_says_all_is_left_alone(void **state)
{
	static const char text[] = "# ours\n192.0.2.1 forever\nno ban at all\n";
	struct fixture *f = *state;

	scratch_write(&f->scratch, "bans", text);
	start(f);
	assert_true(has(f, "192.0.2.1"));
	stop(f);
	assert_string_equal(scratch_read(&f->scratch, "bans"), text);
}

static void a_file_that_is_gone_is_written_anew(void **state)
{
	struct fixture *f = *state;

	scratch_write(&f->scratch, "bans", "192.0.2.1 forever\n");
	start(f);
	unlink(scratch_path(&f->scratch, "bans"));
	add(f, "192.0.2.2");
	stop(f);
	assert_true(file_has(f, "192.0.2.1 forever manual\n"));
	assert_true(file_has(f, "192.0.2.2 forever test\n"));
	assert_null(scratch_read(&f->scratch, "bans.new"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bans_outlive_the_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_edit_takes_effect_and_loses_no_new_ban, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_says_all_is_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_gone_is_written_anew, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
