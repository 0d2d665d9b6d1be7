/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files that are wrong, or hostile: what is said of each has its file, its line and the
 * reason, and nothing crashes or is applied by halves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/check.h"
#include "squid-compat/config.h"
#include "tests/support/config_files.h"

#define GOOD "http_port 8080 accel\nhttp_access allow all\n"

/* The exit status of -k parse; *printed is the caller's. */
static int parse(const struct source *source, const char *path, char **printed)
{
	struct config_options options = {
		.is_parse_only = true, .source = source, .memory_bytes = 1 << 30};
	struct report *report = report_create();
	struct config *config = config_read(path, &options, report);
	int status = report_exit_status(report, false);

	assert_int_equal(config != NULL, status == 0);
	*printed = config_files_printed(report);
	config_unref(config);
	report_destroy(report);
	return status;
}

static void each_fault_is_told_with_place_and_reason(void **state)
{
	static const struct {
		const char *what, *text;
		int status;
		const char *says[3];
	} cases[] = {
		{"a file that includes itself", "include squid.conf\n", 1,
		 {"FATAL: squid.conf includes itself", "FATAL: Bungled squid.conf line 1: include"}},
		{"a ring of files", "include b.conf\n", 1,
		 {"FATAL: squid.conf includes itself",
		  "Bungled c.conf line 1 included from b.conf line 1 included from squid.conf line 1"}},
		{"a pattern without files", GOOD "include none-*\n", 1,
		 {"Unable to find configuration file: none-*: (2) No such file",
		  "Bungled squid.conf line 3: include none-*"}},
		{"an unknown directive", GOOD "cache_men 5 MB\nfoo\n", 2,
		 {"squid.conf(3): unrecognized: 'cache_men'",
		  "NOTE: is 'cache_mem' meant? (squid.conf line 3)",
		  "squid.conf(4): unrecognized: 'foo'"}},
		{"one that has no effect", GOOD "icp_port 3130\n", 0,
		 {"NOTE: 'icp_port' has no effect: there is no ICP (squid.conf line 3)"}},
		{"one of Squid 2", GOOD "server_http11 on\nuseragent_log /tmp/u\n", 0,
		 {"ERROR: Directive 'server_http11' is obsolete. (squid.conf line 3)",
		  "taken for 'access_log /tmp/u useragent' (squid.conf line 4)"}},
		{"a bad pattern", GOOD "acl a url_regex (x\n", 0,
		 {"ERROR: Skipping regular expression. Compile failed: '(x': Unmatched ( or \\( "
		  "(squid.conf line 3)"}},
		{"an ACL before its definition", GOOD "http_access deny z\nacl z src 192.0.2.1\n", 1,
		 {"FATAL: ACL not found: z", "FATAL: Bungled squid.conf line 3: http_access deny z"}},
		{"an ACL of two types", GOOD "acl z src 192.0.2.1\nacl z port 80\n", 1,
		 {"FATAL: ACL 'z' already exists with different type.",
		  "Bungled squid.conf line 4: acl z port 80"}},
		{"a file of values that is missing", GOOD "acl a src \"/nonexistent\"\n", 0,
		 {"ERROR: Can not open file /nonexistent for reading: No such file or directory "
		  "(squid.conf line 3)"}},
		{"a folder for a program", GOOD "url_rewrite_program /tmp\n", 0,
		 {"ERROR: redirect_program /tmp: (21) Is a directory; requests that need it fail"}},
		{"certificates in no folder", GOOD "https_port 443 accel tls-cert-dir=/nonexistent\n", 0,
		 {"ERROR: unable to list tls-cert-dir=/nonexistent: No such file or directory "
		  "(squid.conf line 3)",
		  "WARNING: No valid signing certificate configured for HTTPS_port [::]:443"}},
		{"a group within itself", GOOD "acl a any-of all\nacl a any-of a\n", 1,
		 {"ACL 'a' contains itself", "Bungled squid.conf line 4: acl a any-of a"}},
		{"a unit that is none", GOOD "cache_mem 10 GBB\n", 1,
		 {"FATAL: Unknown bytes unit 'GBB'", "Bungled squid.conf line 3: cache_mem 10 GBB"}},
		{"a number below its range", GOOD "logfile_rotate -1\n", 1,
		 {"-1 is out of range (0 to 1000)", "Bungled squid.conf line 3"}},
		{"a size that overflows", GOOD "maximum_object_size 99999999999999999999 GB\n", 1,
		 {"the size is too large", "Bungled squid.conf line 3"}},
		{"a time without a unit", GOOD "client_lifetime 08\n", 1,
		 {"missing time unit", "Bungled squid.conf line 3: client_lifetime 08"}},
		{"a value given twice", GOOD "via on\nvia off\n", 0,
		 {"WARNING: 'via' replaces what squid.conf:3 says: the last line counts "
		  "(squid.conf line 4)"}},
		{"a helper that is missing", GOOD "redirect_program /nonexistent x\n", 0,
		 {"redirect_program /nonexistent: (2) No such file or directory"}},
		{"the same listener twice", GOOD "http_port 8080 accel vport\n", 0,
		 {"ERROR: http_port 8080: a line above listens there already: this one is left out "
		  "(squid.conf line 3)"}},
		{"a certificate that is missing", GOOD "https_port 8443 accel cert=/nonexistent\n", 1,
		 {"unable to load certificate file '/nonexistent': No such file or directory",
		  "Bungled squid.conf line 3: https_port 8443"}},
		{"a peer without a port", GOOD "cache_peer h parent 0 0\ncache_peer h parent 99999 0\n", 1,
		 {"FATAL: cache_peer h: no port: '0'", "Bungled squid.conf line 3",
		  "Bungled squid.conf line 4"}},
		{"a peer twice", GOOD "cache_peer h parent 80 0\ncache_peer H parent 81 0\n", 1,
		 {"cache_peer H specified twice", "Bungled squid.conf line 4"}},
		{"else without if", GOOD "else\nendif\n", 1,
		 {"FATAL: 'else' without 'if'", "Bungled squid.conf line 3: else",
		  "Bungled squid.conf line 4: endif"}},
		{"if without endif", GOOD "if 1\nvia on\n", 1,
		 {"FATAL: 'if' without 'endif'", "Bungled squid.conf line 4"}},
		{"an unknown macro", GOOD "cache_mem ${x} MB\n", 1,
		 {"'${x}' is no size", "Bungled squid.conf line 3: cache_mem ${x} MB"}},
		{"a quote without its end",
		 "configuration_includes_quoted_values on\n" GOOD "visible_hostname \"abc\n", 1,
		 {"a quoted value has no closing quote", "Bungled squid.conf line 4"}},
		{"what no accelerator does", GOOD "ssl_bump bump all\nhttp_port 81 intercept\n"
						  "wccp_version 4\n", 1,
		 {"FATAL: 'ssl_bump' is refused", "Bungled squid.conf line 4: http_port 81 intercept",
		  "WARNING: 'wccp_version' is ignored: there is no WCCP (squid.conf line 5)"}},
		{"a backslash at the end", GOOD "via on\\", 0,
		 {"WARNING: the file ends in a backslash (squid.conf line 3)"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_file files[] = {{"squid.conf", cases[i].text, 0},
					      {"b.conf", "include c.conf\n", 0},
					      {"c.conf", "include squid.conf\n", 0},
					      {NULL, NULL, 0}};
		struct source source = {files, config_files_read, config_files_expand};
		char *printed;
		int status = parse(&source, "squid.conf", &printed);

		if (status != cases[i].status)
			fail_msg("%s: status %d:\n%s", cases[i].what, status, printed);
		for (size_t j = 0; j < COUNT(cases[i].says) && cases[i].says[j]; j++)
			if (!strstr(printed, cases[i].says[j]))
				fail_msg("%s: not said: %s\n%s", cases[i].what, cases[i].says[j],
					 printed);
		mem_free(printed);
	}
}

static void expect_bytes(const char *what, const struct buf *bytes, int want, const char *says)
{
	struct config_file files[] = {{"squid.conf", bytes->at, bytes->len}, {NULL, NULL, 0}};
	struct source source = {files, config_files_read, config_files_expand};
	char *printed;
	int status = parse(&source, "squid.conf", &printed);

	if (status != want || !strstr(printed, says) || (!*says && *printed))
		fail_msg("%s: status %d: %.2000s", what, status, printed);
	mem_free(printed);
}

static void bytes_of_any_kind_are_read_or_refused(void **state)
{
	struct buf bytes;

	(void)state;
	buf_init(&bytes, 4 << 20);
	buf_add_str(&bytes, STR("\xEF\xBB\xBFhttp_port 8080 accel\r\n# \xff\xfe\r\n"
				"http_access allow all\r\nvia on"));
	expect_bytes("BOM, CRLF, odd bytes in a comment, no end of line", &bytes, 0, "");
	buf_clear(&bytes);
	buf_add(&bytes, GOOD "via o\0n\n", sizeof(GOOD "via o\0n\n") - 1);
	expect_bytes("a NUL", &bytes, 1, "FATAL: the line has a NUL byte\nFATAL: Bungled squid.conf line 3");
	buf_clear(&bytes);
	buf_add_str(&bytes, STR(GOOD));
	for (int i = 0; i < 9000; i++)
		buf_add_char(&bytes, 'x');
	expect_bytes("a long line", &bytes, 1, "longer than 8191 bytes\nFATAL: Bungled squid.conf line 3");
	buf_clear(&bytes);
	buf_add_str(&bytes, STR(GOOD));
	for (int i = 0; i < 1000; i++)
		buf_add_str(&bytes, STR("if 1\n"));
	expect_bytes("conditions 1000 deep", &bytes, 1, "FATAL: more than 64 nested conditions");
	buf_fini(&bytes);
}

static void only_regular_files_are_read(void **state)
{
	char folder[] = "/tmp/bobtail-test.XXXXXX";
	char *fifo, *path, *printed;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	fifo = mem_printf("%s/fifo", folder);
	path = mem_printf("%s/squid.conf", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, GOOD "include /dev/zero\ninclude %s\ninclude %s\n", folder, fifo);
	fclose(file);
	assert_int_equal(parse(NULL, path, &printed), 1);
	for (int line = 3; line <= 5; line++) {
		char *bungled = mem_printf("not a regular file\nFATAL: Bungled %s line %d:", path, line);

		if (!strstr(printed, bungled))
			fail_msg("%s", printed);
		mem_free(bungled);
	}
	unlink(fifo);
	unlink(path);
	rmdir(folder);
	mem_free(printed);
	mem_free(path);
	mem_free(fifo);
}

static void passwords_that_anybody_may_read_are_warned_of(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		bool is_warned_of;
	} cases[] = {
		{"cachemgr_passwd x all\n", 0644, true},
		{"cachemgr_passwd x all\n", 0640, false},
		{"cachemgr_passwd none all\ncache_peer h parent 80 0 login=PASS\n", 0644, false},
		{"cache_peer h parent 80 0 login=a:b\n", 0644, true},
	};
	char path[] = "/tmp/bobtail-test.XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *printed;

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, cases[i].text, strlen(cases[i].text), 0),
				 strlen(cases[i].text));
		assert_int_equal(fchmod(fd, cases[i].mode), 0);
		parse(NULL, path, &printed);
		if (!!strstr(printed, "anybody may read the file (/tmp/bobtail-test") != cases[i].is_warned_of)
			fail_msg("%s%s", cases[i].text, printed);
		mem_free(printed);
	}
	close(fd);
	unlink(path);
}

/* 3,000 sites of ten lines each. */
static void many_sites_are_read_soon(void **state)
{
	struct timespec begin, end;
	struct buf text;

	(void)state;
	buf_init(&text, 16 << 20);
	buf_add_str(&text, STR(GOOD));
	for (int i = 0; i < 3000; i++)
		buf_printf(&text,
			   "# site %d\nacl s%d dstdomain .s%d.example\n"
			   "cache_peer 127.0.0.1 parent 81 0 no-query originserver name=p%d\n"
			   "cache_peer_access p%d allow s%d\ncache_peer_access p%d deny all\n"
			   "acl i%d urlpath_regex \\.s%d$\nhttp_access deny s%d i%d\n"
			   "http_access allow s%d\ncache deny i%d\n"
			   "refresh_pattern ^http://s%d/ 10 20%% 100\n",
			   i, i, i, i, i, i, i, i, i, i, i, i, i, i);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	expect_bytes("3,000 sites", &text, 0, "");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	print_message("30,000 lines: %.2f s\n", (double)(end.tv_sec - begin.tv_sec) +
							(double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	assert_true(end.tv_sec - begin.tv_sec < 30); /* sanitized, on a loaded machine */
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_is_told_with_place_and_reason),
		cmocka_unit_test(bytes_of_any_kind_are_read_or_refused),
		cmocka_unit_test(only_regular_files_are_read),
		cmocka_unit_test(passwords_that_anybody_may_read_are_warned_of),
		cmocka_unit_test(many_sites_are_read_soon),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
