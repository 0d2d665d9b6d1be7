/* SPDX-License-Identifier: BSD-2-Clause */
/* The helper programs of Debian's Squid packages, and ours, asked by a pool.
 *
 * Debian's are looked for where they are installed, or below $SQUID_ROOT (a package unpacked by
 * dpkg -x); what is not there is skipped, and said. Ours lie in the build and source folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "tests/support/pool_runner.h"

enum { NASKED = 4, PATH_BYTES = 512 };

static char folder[] = "/tmp/bobtail-helpers-XXXXXX";

/* "@/" begins a path in the test's folder, "+/" one in the source folder. */
static char *expand(const char *word, char out[PATH_BYTES])
{
	const char *srcdir = getenv("srcdir");

	if (word[0] == '@' && word[1] == '/')
		snprintf(out, PATH_BYTES, "%s%s", folder, word + 1);
	else if (word[0] == '+' && word[1] == '/')
		snprintf(out, PATH_BYTES, "%s%s", srcdir ? srcdir : ".", word + 1);
	else
		snprintf(out, PATH_BYTES, "%s", word);
	return out;
}

/* The program below $SQUID_ROOT if it is there, else as it is. False: neither. */
static bool find_program(const char *word, char out[PATH_BYTES])
{
	const char *root = getenv("SQUID_ROOT");

	if (root && word[0] == '/') {
		snprintf(out, PATH_BYTES, "%s%s", root, word);
		if (access(out, X_OK) == 0)
			return true;
	}
	return access(expand(word, out), X_OK) == 0;
}

struct talk {
	const char *argv[4];
	unsigned concurrency;
	struct {
		const char *question;
		enum helper_code code;
		const char *key, *value; /* a pair of the answer; NULL: any */
	} asked[NASKED];
};

static void check_answer(const struct runner *runner, const struct talk *talk, unsigned i)
{
	const char *key = talk->asked[i].key;

	runner_expect(runner, i, talk->asked[i].code, NULL);
	if (key && !str_eq(helper_reply_value(runner_reply(runner, i), str_of(key)),
			   str_of(talk->asked[i].value)))
		fail_msg("%s: answer %u has %s=%.*s", talk->argv[0], i, key,
			 STR_ARG(helper_reply_value(runner_reply(runner, i), str_of(key))));
}

static void hold(const struct talk *talk)
{
	char words[4][PATH_BYTES];
	const char *argv[5] = {NULL};
	struct runner runner;
	unsigned n = 0;

	if (!find_program(talk->argv[0], words[0])) {
		print_message("  SKIPPED: %s is not there\n", talk->argv[0]);
		return;
	}
	argv[0] = words[0];
	for (unsigned i = 1; i < COUNT(talk->argv) && talk->argv[i]; i++)
		argv[i] = expand(talk->argv[i], words[i]);
	runner_init(&runner, argv);
	runner.config.concurrency = talk->concurrency;
	runner_start(&runner);
	for (; n < NASKED && talk->asked[n].question; n++)
		runner_ask(&runner, talk->asked[n].question);
	runner_wait(&runner);
	for (unsigned i = 0; i < n; i++)
		check_answer(&runner, talk, i);
	runner_fini(&runner);
}

#define NCSA_QUESTIONS \
	{ \
		{"joe p%20w%25", HELPER_OK, NULL, NULL}, {"joe wrong", HELPER_ERR, NULL, NULL}, \
			{"nobody x", HELPER_ERR, NULL, NULL}, \
		{ \
			"joe", HELPER_ERR, NULL, NULL \
		} \
	}

static void basic_helpers(void **state)
{
	static const struct talk talks[] = {
		{{"/usr/lib/squid/basic_ncsa_auth", "@/passwd"}, 0, NCSA_QUESTIONS},
		{{"./basic_ncsa_auth", "@/passwd"}, 0, NCSA_QUESTIONS},
		{{"/usr/lib/squid/basic_fake_auth"}, 0, {{"any body", HELPER_OK, NULL, NULL}}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(talks); i++)
		hold(&talks[i]);
}

#define LINE(url) url " 127.0.0.1/- - GET myip=127.0.0.1 myport=8080"
#define SAMPLE_QUESTIONS \
	{ \
		{LINE("http://a.example/old/x?y=%20"), HELPER_OK, "url", "http://a.example/new/x?y=%20"}, \
			{LINE("http://a.example/old/"), HELPER_OK, "status", "301"}, \
			{LINE("http://a.example/docs/z"), HELPER_OK, "rewrite-url", \
			 "http://a.example/manual/z"}, \
		{ \
			LINE("http://a.example/"), HELPER_ERR, NULL, NULL \
		} \
	}

static void rewriters(void **state)
{
	static const struct talk talks[] = {
		{{"/usr/lib/squid/url_fake_rewrite"}, 0, {{LINE("http://a/"), HELPER_ERR, NULL, NULL}}},
		{{"/usr/lib/squid/url_fake_rewrite"}, 5, {{LINE("http://a/"), HELPER_ERR, NULL, NULL}}},
		{{"/usr/lib/squid/url_fake_rewrite.sh"}, 0, {{LINE("http://a/"), HELPER_ERR, NULL, NULL}}},
		{{"/usr/lib/squid/url_fake_rewrite.sh", "-c"},
		 5,
		 {{LINE("http://a/"), HELPER_ERR, NULL, NULL}, {LINE("http://b/"), HELPER_ERR, NULL, NULL}}},
		{{"/usr/lib/squid/storeid_file_rewrite", "@/storeid"},
		 5,
		 {{LINE("http://a.example/x"), HELPER_OK, "store-id", "http://key.example/x"},
		  {LINE("http://b.example/x"), HELPER_ERR, NULL, NULL}}},
		{{"/usr/bin/squidGuard", "-c", "@/squidguard.conf"},
		 0,
		 {{LINE("http://badsite.example/x"), HELPER_OK, "url", "http://block.example/"},
		  {LINE("http://good.example/"), HELPER_ERR, NULL, NULL}}},
		{{"+/helpers/bundled/url_rewrite_sample.py"}, 0, SAMPLE_QUESTIONS},
		{{"+/helpers/bundled/url_rewrite_sample.py"}, 5, SAMPLE_QUESTIONS},
		{{"+/helpers/bundled/url_rewrite_sample.sh"}, 0, SAMPLE_QUESTIONS},
		{{"+/helpers/bundled/url_rewrite_sample.sh"}, 5, SAMPLE_QUESTIONS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(talks); i++)
		hold(&talks[i]);
}

static void write_file(const char *name, const char *format, const char *word)
{
	char path[PATH_BYTES];
	FILE *file = fopen(expand(name, path), "we");

	assert_non_null(file);
	fprintf(file, format, word);
	fclose(file);
}

static int make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	/* "p w%" */
	write_file("@/passwd", "joe:%s\n", "$apr1$mMVNRHxg$KJkhqpbLowEEkhJVnT0f4/");
	write_file("@/storeid", "%s", "^http:\\/\\/a\\.example\\/(.*)\thttp://key.example/$1\n");
	write_file("@/badsites", "%s", "badsite.example\n");
	write_file("@/squidguard.conf",
		   "dbhome %1$s\nlogdir %1$s\ndest bad { domainlist badsites }\nacl { default { pass "
		   "!bad all redirect 302:http://block.example/ } }\n",
		   folder);
	return 0;
}

static int remove_files(void **state)
{
	char command[PATH_BYTES];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(basic_helpers),
		cmocka_unit_test(rewriters),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
