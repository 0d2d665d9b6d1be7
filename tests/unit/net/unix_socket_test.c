/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/net/unix_socket.h"
#include "tests/support/scratch.h"

struct rig {
	struct scratch scratch;
	const char *path;
	struct unix_socket_file file;
	struct err_text why;
};

static void init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	scratch_init(&rig->scratch);
	rig->path = scratch_path(&rig->scratch, "socket");
}

static void fini(struct rig *rig)
{
	scratch_fini(&rig->scratch);
}

static int must_listen(struct rig *rig, mode_t mode)
{
	int fd;

	assert_int_equal(unix_socket_listen(rig->path, mode, &fd, &rig->file, &rig->why), ERR_OK);
	return fd;
}

static bool is_there(const struct rig *rig)
{
	struct stat status;

	return lstat(rig->path, &status) == 0;
}

static void a_path_is_absolute_and_fits(void **state)
{
	static const struct {
		struct str path;
		bool is_good;
	} cases[] = {
		{STR("/run/a"), true},
		{STR("/"), false},
		{STR("run/a"), false},
		{STR(""), false},
		{STR("/a\0b"), false},
		{STR("/234567890123456789012345678901234567890123456789012345678901234567890"
		     "1234567890123456789012345678901234567"), true},
		{STR("/234567890123456789012345678901234567890123456789012345678901234567890"
		     "12345678901234567890123456789012345678"), false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (unix_socket_is_path(cases[i].path) != cases[i].is_good)
			fail_msg("%s", cases[i].path.at);
}

static void the_file_has_its_mode_and_goes_at_the_end(void **state)
{
	struct stat status;
	struct rig rig;
	int fd, to;

	(void)state;
	init(&rig);
	fd = must_listen(&rig, 0620);
	assert_int_equal(stat(rig.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0620);
	to = unix_socket_connect(rig.path);
	assert_true(to >= 0);
	assert_true(fcntl(to, F_GETFL) & O_NONBLOCK);
	close(to);
	close(fd);
	unix_socket_remove(rig.path, &rig.file);
	assert_false(is_there(&rig));
	assert_int_equal(unix_socket_connect(rig.path), -ENOENT);
	fini(&rig);
}

static void a_stale_file_makes_way(void **state)
{
	struct rig rig;
	int fd;

	(void)state;
	init(&rig);
	close(must_listen(&rig, 0600)); /* as after a crash */
	assert_int_equal(unix_socket_connect(rig.path), -ECONNREFUSED);
	fd = must_listen(&rig, 0600);
	close(fd);
	fini(&rig);
}

static void what_is_in_use_stays(void **state)
{
	struct unix_socket_file file;
	struct rig rig;
	int fd, other = -1, to;

	(void)state;
	init(&rig);
	fd = must_listen(&rig, 0600);
	assert_int_equal(unix_socket_listen(rig.path, 0600, &other, &file, &rig.why), ERR_IO);
	assert_non_null(strstr(rig.why.at, strerror(EADDRINUSE)));
	assert_int_equal(other, -1);
	to = unix_socket_connect(rig.path);
	assert_true(to >= 0);
	close(to);
	close(fd);
	fini(&rig);
}

static void another_file_is_never_removed(void **state)
{
	struct rig rig;
	int fd, other = -1;

	(void)state;
	init(&rig);
	fd = open(rig.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(unix_socket_listen(rig.path, 0600, &other, &rig.file, &rig.why), ERR_IO);
	assert_non_null(strstr(rig.why.at, "no socket"));
	assert_true(is_there(&rig));
	/* nor one that came later in place of ours */
	unlink(rig.path);
	fd = must_listen(&rig, 0600);
	rig.file.inode++;
	unix_socket_remove(rig.path, &rig.file);
	assert_true(is_there(&rig));
	close(fd);
	fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_is_absolute_and_fits),
		cmocka_unit_test(the_file_has_its_mode_and_goes_at_the_end),
		cmocka_unit_test(a_stale_file_makes_way),
		cmocka_unit_test(what_is_in_use_stays),
		cmocka_unit_test(another_file_is_never_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
