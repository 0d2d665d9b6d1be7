/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proxy/log/log_writer.h"
#include "tests/support/scratch.h"

enum { NBATCHES = 3 };

struct rig {
	struct scratch scratch;
	struct log_writer *writer;
	struct log_file *file; /* "X" */
};

static void init(struct rig *rig, int keep)
{
	*rig = (struct rig){0};
	scratch_init(&rig->scratch);
	rig->writer = log_writer_create(NBATCHES);
	assert_int_equal(log_writer_file(rig->writer, scratch_path(&rig->scratch, "X"), keep,
	                                 &rig->file, NULL),
	                 ERR_OK);
}

/* Writes all. The thread need not run for that. */
static void stop(struct rig *rig)
{
	log_writer_destroy(rig->writer);
	rig->writer = NULL;
}

static void fini(struct rig *rig)
{
	stop(rig);
	scratch_fini(&rig->scratch);
}

static void add(struct rig *rig, unsigned batch, int64_t time_us, const char *line)
{
	log_writer_add(rig->writer, batch, rig->file, time_us, str_of(line));
}

static void records_of_all_workers_are_written_by_their_time(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, 0);
	add(&rig, 0, 10, "10\n");
	add(&rig, 0, 40, "forty, and a text of some length\n");
	add(&rig, 1, 20, "20\n");
	add(&rig, 1, 30, "30\n");
	add(&rig, 2, 5, "5\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"),
	                    "5\n10\n20\n30\nforty, and a text of some length\n");
	fini(&rig);
}

static void records_of_one_worker_stay_in_their_order(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, 0);
	add(&rig, 1, 7, "a\n");
	add(&rig, 1, 3, "b\n");
	add(&rig, 1, 7, "c\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "a\nb\nc\n");
	fini(&rig);
}

static void each_file_gets_its_own_behind_what_it_had(void **state)
{
	struct log_file *other, *same;
	struct rig rig;

	(void)state;
	init(&rig, 0);
	scratch_write(&rig.scratch, "Y", "old\n");
	assert_int_equal(
		log_writer_file(rig.writer, scratch_path(&rig.scratch, "Y"), 0, &other, NULL),
		ERR_OK);
	assert_int_equal(
		log_writer_file(rig.writer, scratch_path(&rig.scratch, "X"), 0, &same, NULL),
		ERR_OK);
	assert_ptr_equal(same, rig.file);
	assert_ptr_not_equal(other, rig.file);
	add(&rig, 0, 1, "for X\n");
	log_writer_add(rig.writer, 0, other, 1, STR("for Y\n"));
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "for X\n");
	assert_string_equal(scratch_read(&rig.scratch, "Y"), "old\nfor Y\n");
	fini(&rig);
}

static void a_running_writer_writes_before_it_is_stopped(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, 0);
	assert_int_equal(log_writer_start(rig.writer, NULL), ERR_OK);
	add(&rig, 0, 1, "one\n");
	assert_true(scratch_comes_to(&rig.scratch, "X", "one\n"));
	add(&rig, 1, 1, "two\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "one\ntwo\n");
	fini(&rig);
}

/* buffered_logs: what is rotated or ends has them; another file is not held up. */
static void what_may_be_held_is_written_later(void **state)
{
	struct rig rig;
	struct log_file *other;

	(void)state;
	init(&rig, 1);
	log_writer_hold(rig.file, true);
	assert_int_equal(log_writer_file(rig.writer, scratch_path(&rig.scratch, "Y"), 1, &other, NULL),
			 ERR_OK);
	assert_int_equal(log_writer_start(rig.writer, NULL), ERR_OK);
	add(&rig, 0, 1, "held\n");
	log_writer_add(rig.writer, 0, other, 2, STR("at once\n"));
	assert_true(scratch_comes_to(&rig.scratch, "Y", "at once\n"));
	assert_string_equal(scratch_read(&rig.scratch, "X"), "");
	log_writer_rotate(rig.writer);
	assert_true(scratch_comes_to(&rig.scratch, "X.0", "held\n"));
	add(&rig, 0, 3, "until the end\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "until the end\n");
	fini(&rig);
}

static void rotation_moves_files_up_and_drops_the_oldest(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, 2);
	assert_int_equal(log_writer_start(rig.writer, NULL), ERR_OK);
	add(&rig, 0, 1, "one\n");
	log_writer_rotate(rig.writer);
	assert_true(scratch_comes_to(&rig.scratch, "X.0", "one\n"));
	add(&rig, 0, 2, "two\n");
	log_writer_rotate(rig.writer);
	assert_true(scratch_comes_to(&rig.scratch, "X.0", "two\n"));
	assert_true(scratch_comes_to(&rig.scratch, "X.1", "one\n"));
	add(&rig, 0, 3, "three\n");
	log_writer_rotate(rig.writer);
	assert_true(scratch_comes_to(&rig.scratch, "X.0", "three\n"));
	assert_true(scratch_comes_to(&rig.scratch, "X", ""));
	add(&rig, 0, 4, "four\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "four\n");
	assert_string_equal(scratch_read(&rig.scratch, "X.1"), "two\n");
	assert_null(scratch_read(&rig.scratch, "X.2"));
	fini(&rig);
}

/* logfile_rotate 0: somebody else (logrotate) has renamed the file. */
static void rotation_may_only_open_files_anew(void **state)
{
	struct rig rig;

	(void)state;
	init(&rig, 0);
	assert_int_equal(log_writer_start(rig.writer, NULL), ERR_OK);
	assert_int_equal(
		rename(scratch_path(&rig.scratch, "X"), scratch_path(&rig.scratch, "moved")), 0);
	add(&rig, 0, 1, "before\n");
	log_writer_rotate(rig.writer);
	assert_true(scratch_comes_to(&rig.scratch, "X", ""));
	add(&rig, 0, 2, "after\n");
	stop(&rig);
	assert_string_equal(scratch_read(&rig.scratch, "X"), "after\n");
	assert_string_equal(scratch_read(&rig.scratch, "moved"), "before\n");
	assert_null(scratch_read(&rig.scratch, "X.0"));
	fini(&rig);
}

static void what_is_too_much_is_dropped_and_counted(void **state)
{
	enum { RECORD_BYTES = LOG_WRITER_MAX_BATCH_BYTES / 4 };
	char *record = mem_alloc(RECORD_BYTES + 1);
	struct rig rig;
	int was;

	(void)state;
	init(&rig, 0);
	memset(record, 'x', RECORD_BYTES);
	record[RECORD_BYTES - 1] = '\n';
	record[RECORD_BYTES] = '\0';
	for (int i = 0; i < 6; i++) /* each has a head: three fit */
		add(&rig, 0, i, record);
	add(&rig, 0, 9, "small enough\n");
	add(&rig, 1, 9, "another worker's\n");
	was = scratch_take_stderr(&rig.scratch, "stderr");
	stop(&rig);
	scratch_give_stderr_back(was);
	assert_string_equal(scratch_read(&rig.scratch, "X") + 3 * RECORD_BYTES,
	                    "small enough\nanother worker's\n");
	assert_string_equal(scratch_read(&rig.scratch, "stderr"),
	                    "WARNING: 3 log records were dropped: the log could not keep up\n");
	fini(&rig);
	mem_free(record);
}

static void a_file_that_cannot_be_opened_is_refused(void **state)
{
	struct log_file *untouched = NULL;
	struct err_text why;
	struct rig rig;
	char *text;

	(void)state;
	init(&rig, 0);
	assert_int_equal(log_writer_file(rig.writer, scratch_path(&rig.scratch, "no/where"), 0,
	                                 &untouched, &why),
	                 ERR_IO);
	assert_null(untouched);
	text = mem_printf("Cannot open %s: (2) No such file or directory",
	                  scratch_path(&rig.scratch, "no/where"));
	assert_string_equal(why.at, text);
	mem_free(text);
	fini(&rig);
}

static void there_is_a_bound_on_files(void **state)
{
	struct log_file *file;
	struct rig rig;
	char name[16];

	(void)state;
	init(&rig, 0);
	for (int i = 0; i < 63; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		assert_int_equal(log_writer_file(rig.writer, scratch_path(&rig.scratch, name), 0,
		                                 &file, NULL),
		                 ERR_OK);
	}
	assert_int_equal(
		log_writer_file(rig.writer, scratch_path(&rig.scratch, "more"), 0, &file, NULL),
		ERR_LIMIT);
	assert_int_equal(
		log_writer_file(rig.writer, scratch_path(&rig.scratch, "X"), 0, &file, NULL),
		ERR_OK);
	fini(&rig);
}

static void a_file_that_takes_no_more_is_said_once(void **state)
{
	struct log_file *full;
	struct rig rig;
	int was;

	(void)state;
	init(&rig, 0);
	assert_int_equal(log_writer_file(rig.writer, "/dev/full", 0, &full, NULL), ERR_OK);
	assert_int_equal(log_writer_start(rig.writer, NULL), ERR_OK);
	was = scratch_take_stderr(&rig.scratch, "stderr");
	for (int i = 0; i < 2; i++) {
		log_writer_add(rig.writer, 0, full, i, STR("lost\n"));
		add(&rig, 0, i, "+\n");
		assert_true(scratch_comes_to(&rig.scratch, "X", &"+\n+\n"[i == 0 ? 2 : 0]));
	}
	stop(&rig);
	scratch_give_stderr_back(was);
	assert_string_equal(scratch_read(&rig.scratch, "stderr"),
	                    "ERROR: cannot write to /dev/full: No space left on device; 1 "
	                    "records are lost so far\n");
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_all_workers_are_written_by_their_time),
		cmocka_unit_test(records_of_one_worker_stay_in_their_order),
		cmocka_unit_test(each_file_gets_its_own_behind_what_it_had),
		cmocka_unit_test(a_running_writer_writes_before_it_is_stopped),
		cmocka_unit_test(what_may_be_held_is_written_later),
		cmocka_unit_test(rotation_moves_files_up_and_drops_the_oldest),
		cmocka_unit_test(rotation_may_only_open_files_anew),
		cmocka_unit_test(what_is_too_much_is_dropped_and_counted),
		cmocka_unit_test(a_file_that_cannot_be_opened_is_refused),
		cmocka_unit_test(there_is_a_bound_on_files),
		cmocka_unit_test(a_file_that_takes_no_more_is_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
