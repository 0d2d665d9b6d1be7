/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/proxy/server_fixture.h"

#include "proxy/control/control_path.h"

static void the_socket_lies_where_the_instance_has_its_files(void **state)
{
	static const struct {
		const char *lines, *path;
	} cases[] = {
		{"pid_filename /run/squid/one.pid\n", "/run/squid/one.pid.ctl"},
		{"pid_filename /run/one.pid\ncoredump_dir /var/spool\n", "/run/one.pid.ctl"},
		{"pid_filename none\ncoredump_dir /var/spool\n", "/var/spool/bobtail.ctl"},
		{"pid_filename none\ncoredump_dir none\n", "/run/bobtail.ctl"},
		{"pid_filename none\n", "/run/bobtail.ctl"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = config_of(cases[i].lines);
		char *path = control_path(config);

		assert_string_equal(path, cases[i].path);
		mem_free(path);
		config_unref(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_lies_where_the_instance_has_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
