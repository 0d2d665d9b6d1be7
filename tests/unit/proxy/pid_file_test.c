/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "proxy/process/pid_file.h"
#include "tests/support/scratch.h"

static void only_a_number_is_a_pid(void **state)
{
	static const struct {
		const char *text;
		enum err err;
		pid_t pid;
	} cases[] = {
		{"123\n", ERR_OK, 123},
		{"123", ERR_OK, 123},
		{"123 \r\n\n", ERR_OK, 123},
		{"2147483647\n", ERR_OK, 2147483647},
		{"", ERR_INPUT, 0},
		{"\n", ERR_INPUT, 0},
		{"0\n", ERR_INPUT, 0},
		{"1\n", ERR_INPUT, 0},  /* kill would reach everybody, or init */
		{"-5\n", ERR_INPUT, 0}, /* or a group */
		{"12x\n", ERR_INPUT, 0},
		{"x12\n", ERR_INPUT, 0},
		{"12 13\n", ERR_INPUT, 0},
		{"2147483648\n", ERR_INPUT, 0},
		{"99999999999999999999\n", ERR_INPUT, 0},
		{"12                                                             \n", ERR_OK, 12},
	};
	struct scratch scratch;

	(void)state;
	scratch_init(&scratch);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err_text why;
		pid_t pid = 0;

		scratch_write(&scratch, "pid", cases[i].text);
		if (pid_file_read(scratch_path(&scratch, "pid"), &pid, &why) != cases[i].err ||
		    pid != cases[i].pid)
			fail_msg("'%s' is %d", cases[i].text, (int)pid);
		if (cases[i].err != ERR_OK)
			assert_non_null(strstr(why.at, "Malformed PID file ("));
	}
	scratch_fini(&scratch);
}

static void a_missing_file_is_told_from_a_bad_one(void **state)
{
	struct scratch scratch;
	struct err_text why;
	pid_t pid = 7;

	(void)state;
	scratch_init(&scratch);
	assert_int_equal(pid_file_read(scratch_path(&scratch, "pid"), &pid, &why), ERR_IO);
	assert_non_null(strstr(why.at, "failed to open "));
	assert_non_null(strstr(why.at, "/pid: (2) No such file or directory"));
	assert_int_equal(pid, 7);
	scratch_fini(&scratch);
}

static void write_number(struct scratch *scratch, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d\n", (int)pid);
	scratch_write(scratch, "pid", text);
}

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	check(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return pid;
}

static pid_t live_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	check(pid > 0);
	return pid;
}

static void a_live_instance_is_noticed_and_a_stale_file_is_not(void **state)
{
	pid_t other = live_pid();
	struct scratch scratch;
	struct err_text why;
	const char *path;
	char *wanted;

	(void)state;
	scratch_init(&scratch);
	assert_true(pid_file_is_free(scratch_path(&scratch, "pid"), &why)); /* there is none */
	write_number(&scratch, dead_pid());
	assert_true(pid_file_is_free(scratch_path(&scratch, "pid"), &why));
	write_number(&scratch, getpid());
	assert_true(pid_file_is_free(scratch_path(&scratch, "pid"), &why));
	scratch_write(&scratch, "pid", "rubbish\n");
	assert_true(pid_file_is_free(scratch_path(&scratch, "pid"), &why));
	write_number(&scratch, other);
	path = scratch_path(&scratch, "pid");
	assert_false(pid_file_is_free(path, &why));
	wanted = mem_printf("Squid is already running: Found fresh instance PID file (%s) with "
	                    "PID %d",
	                    path, (int)other);
	assert_string_equal(why.at, wanted);
	check(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other);
	mem_free(wanted);
	scratch_fini(&scratch);
}

static void what_is_written_names_this_process(void **state)
{
	struct scratch scratch;
	struct pid_file file;
	struct stat stat_of;
	pid_t pid;

	(void)state;
	scratch_init(&scratch);
	umask(077);
	scratch_write(&scratch, "pid", "123 and a long text that was there before\n");
	assert_int_equal(pid_file_write(&file, scratch_path(&scratch, "pid"), NULL), ERR_OK);
	assert_int_equal(pid_file_read(scratch_path(&scratch, "pid"), &pid, NULL), ERR_OK);
	assert_int_equal(pid, getpid());
	assert_int_equal(stat(scratch_path(&scratch, "pid"), &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, 0644);
	assert_null(scratch_read(&scratch, "pid.new"));
	pid_file_remove(&file);
	assert_null(scratch_read(&scratch, "pid"));
	pid_file_remove(&file); /* again: nothing */
	scratch_fini(&scratch);
}

static void a_link_left_in_its_way_is_not_followed(void **state)
{
	struct scratch scratch;
	struct pid_file file;

	(void)state;
	scratch_init(&scratch);
	scratch_write(&scratch, "precious", "keep me\n");
	assert_int_equal(
		symlink(scratch_path(&scratch, "precious"), scratch_path(&scratch, "pid.new")), 0);
	assert_int_equal(symlink(scratch_path(&scratch, "precious"), scratch_path(&scratch, "pid")),
	                 0);
	assert_int_equal(pid_file_write(&file, scratch_path(&scratch, "pid"), NULL), ERR_OK);
	assert_string_equal(scratch_read(&scratch, "precious"), "keep me\n");
	pid_file_remove(&file);
	assert_string_equal(scratch_read(&scratch, "precious"), "keep me\n");
	scratch_fini(&scratch);
}

static void another_instances_file_is_left_alone(void **state)
{
	struct scratch scratch;
	struct pid_file file;

	(void)state;
	scratch_init(&scratch);
	assert_int_equal(pid_file_write(&file, scratch_path(&scratch, "pid"), NULL), ERR_OK);
	write_number(&scratch, dead_pid());
	pid_file_remove(&file);
	assert_non_null(scratch_read(&scratch, "pid"));
	scratch_fini(&scratch);
}

static void without_a_name_there_is_no_file(void **state)
{
	struct pid_file file;
	struct scratch scratch;
	struct err_text why;

	(void)state;
	assert_int_equal(pid_file_write(&file, NULL, NULL), ERR_OK);
	pid_file_remove(&file);
	scratch_init(&scratch);
	assert_int_equal(pid_file_write(&file, scratch_path(&scratch, "no/pid"), &why), ERR_IO);
	assert_int_equal(pid_file_try(scratch_path(&scratch, "no/pid"), &why), ERR_IO);
	assert_int_equal(pid_file_try(scratch_path(&scratch, "pid"), &why), ERR_OK);
	assert_int_equal(access(scratch_path(&scratch, "pid.new"), F_OK), -1);
	assert_non_null(strstr(why.at, "failed to open "));
	assert_null(file.path);
	pid_file_remove(&file);
	scratch_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_number_is_a_pid),
		cmocka_unit_test(a_missing_file_is_told_from_a_bad_one),
		cmocka_unit_test(a_live_instance_is_noticed_and_a_stale_file_is_not),
		cmocka_unit_test(what_is_written_names_this_process),
		cmocka_unit_test(a_link_left_in_its_way_is_not_followed),
		cmocka_unit_test(another_instances_file_is_left_alone),
		cmocka_unit_test(without_a_name_there_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
