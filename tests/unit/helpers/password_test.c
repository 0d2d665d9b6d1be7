/* SPDX-License-Identifier: BSD-2-Clause */
/* What basic_ncsa_auth knows of passwords and files. The hashes come from htpasswd, openssl and
 * crypt(3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "helpers/bundled/basic_ncsa_auth/password.h"
#include "helpers/bundled/basic_ncsa_auth/users.h"
#include "lib/base/check.h"

static void every_format_is_checked(void **state)
{
	static const struct {
		const char *password, *stored;
		enum password_verdict verdict;
	} cases[] = {
		{"s3cret", "$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy..", PASSWORD_RIGHT},
		{"s3creT", "$apr1$P8usp7pN$6yMJQ8Cb5wGbShVsAQVy..", PASSWORD_WRONG},
		{"s3cret",
		 "$2y$05$5ZXBkYbRiIbPKPP7e1dT4eol0oA4G1.rBUnc0E.8CZ6Jm47Kfg9yy",
		 PASSWORD_RIGHT},
		{"s3creT",
		 "$2y$05$5ZXBkYbRiIbPKPP7e1dT4eol0oA4G1.rBUnc0E.8CZ6Jm47Kfg9yy",
		 PASSWORD_WRONG},
		{"s3cret", "{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=", PASSWORD_RIGHT},
		{"s3creT", "{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=", PASSWORD_WRONG},
		{"s3cret", "0NbVDQlZmD24U", PASSWORD_RIGHT},
		{"s3creT", "0NbVDQlZmD24U", PASSWORD_WRONG},
		{"s3cret", "$1$FqnXEPTR$5eslhrvWOISG/sMDTIPUJ0", PASSWORD_RIGHT},
		{"s3creT", "$1$FqnXEPTR$5eslhrvWOISG/sMDTIPUJ0", PASSWORD_WRONG},
		{"s3cret",
		 "$5$nDc1KXzNCK9hEhkr$AM.ir4VDDSct.6vjtJTi6LIlcGSi9m3kE.NoViusti.",
		 PASSWORD_RIGHT},
		{"s3creT",
		 "$5$nDc1KXzNCK9hEhkr$AM.ir4VDDSct.6vjtJTi6LIlcGSi9m3kE.NoViusti.",
		 PASSWORD_WRONG},
		{"s3cret",
		 "$6$B0T/X7us6hNRea7N$IRaGT/BA1xDMYnws0GWh.PpCfKiRTGctuiXuW81QBcfUZkxh.jtkY.qiAlfgr72iI0bLEYdZCK66y.0KNAbzw1",
		 PASSWORD_RIGHT},
		{"s3creT",
		 "$6$B0T/X7us6hNRea7N$IRaGT/BA1xDMYnws0GWh.PpCfKiRTGctuiXuW81QBcfUZkxh.jtkY.qiAlfgr72iI0bLEYdZCK66y.0KNAbzw1",
		 PASSWORD_WRONG},
		{"s3cret", "33e1b232a4e6fa0028a6670753749a17", PASSWORD_RIGHT},
		{"s3creT", "33e1b232a4e6fa0028a6670753749a17", PASSWORD_WRONG},
		{"s3cret",
		 "$y$j9T$abcdefgh$nyA1ZOtfGJiqAwJaBxVcNq4xNz.VYzkd/RRc67bosdA",
		 PASSWORD_RIGHT},
		{"s3creT",
		 "$y$j9T$abcdefgh$nyA1ZOtfGJiqAwJaBxVcNq4xNz.VYzkd/RRc67bosdA",
		 PASSWORD_WRONG},
		{"p w%:\"averyverylongpasswordindeed",
		 "$apr1$Str6ZQ3U$4VpOTF5QLIIipJERgg8f/.",
		 PASSWORD_RIGHT},
		{"longpasswd", "iu6eFiSLlJYwo", PASSWORD_TOO_LONG},
		{"longpass", "iu6eFiSLlJYwo", PASSWORD_RIGHT},
		{"x", "", PASSWORD_WRONG},
		{"x", "*", PASSWORD_WRONG},
		{"x", "*0", PASSWORD_WRONG},
		{"x", "!", PASSWORD_WRONG},
		{"x", "$apr1$", PASSWORD_WRONG},
		{"x", "$apr1$saltsaltsalt$x", PASSWORD_WRONG},
		{"x", "{SHA}", PASSWORD_WRONG},
		{"x", "$99$nothing$like$this", PASSWORD_WRONG},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (password_check(cases[i].password, cases[i].stored) != cases[i].verdict)
			fail_msg("'%s' against '%s'", cases[i].password, cases[i].stored);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void file_is_read_again_when_it_changes(void **state)
{
	char path[] = "/tmp/bobtail-passwd-XXXXXX";
	int fd = mkstemp(path);
	struct err_text why;
	struct users *users;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	write_file(path, "# comment:x\njoe:first:Joe\njoe:second\r\nempty:\nno colon\n:x\n"
			 "ann:a \nlast:l");
	users = users_create(path);
	assert_false(users_are_known(users));
	assert_int_equal(users_refresh(users, &why), ERR_OK);
	assert_true(users_are_known(users));
	assert_string_equal(users_find(users, "joe"), "first");
	assert_string_equal(users_find(users, "ann"), "a");
	assert_string_equal(users_find(users, "last"), "l");
	assert_null(users_find(users, "empty"));
	assert_null(users_find(users, "# comment"));
	assert_null(users_find(users, ""));
	assert_int_equal(users_refresh(users, &why), ERR_OK);
	write_file(path, "joe:another one\n");
	assert_int_equal(users_refresh(users, &why), ERR_OK);
	assert_string_equal(users_find(users, "joe"), "another");
	assert_null(users_find(users, "ann"));
	unlink(path);
	assert_int_equal(users_refresh(users, &why), ERR_IO);
	assert_string_equal(users_find(users, "joe"), "another");
	users_destroy(users);
	users = users_create("/nonexistent/passwd");
	assert_int_equal(users_refresh(users, &why), ERR_IO);
	assert_false(users_are_known(users));
	users_destroy(users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_format_is_checked),
		cmocka_unit_test(file_is_read_again_when_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
