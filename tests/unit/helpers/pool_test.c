/* SPDX-License-Identifier: BSD-2-Clause */
/* Pools with real processes that behave, and with ones that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "tests/support/pool_runner.h"

enum { MAX_ASKED = 8 };

struct scene {
	const char *what;
	const char *script;         /* of perl, unless program is set */
	const char *program;        /* argv[0] alone */
	unsigned concurrency, max, startup, queue_size, timeout_ms, nasked;
	bool bypass;
	struct {
		enum helper_code code;
		const char *rest; /* NULL: any */
	} expected[MAX_ASKED];
};

static void set_config(struct helper_pool_config *config, const struct scene *scene)
{
	config->concurrency = scene->concurrency;
	config->max = scene->max ? scene->max : 1;
	config->startup = scene->startup;
	config->bypass_when_full = scene->bypass;
	if (scene->queue_size)
		config->queue_size = scene->queue_size - 1; /* so that 0 can be said */
	if (scene->timeout_ms)
		config->timeout_ms = scene->timeout_ms;
}

static void play(const struct scene *scene)
{
	const char *const perl[] = {"/usr/bin/perl", "-e", scene->script, NULL};
	const char *const alone[] = {scene->program, NULL};
	struct runner runner;
	char text[32];

	print_message("  %s\n", scene->what);
	runner_init(&runner, scene->program ? alone : perl);
	set_config(&runner.config, scene);
	runner_start(&runner);
	for (unsigned i = 0; i < scene->nasked; i++) {
		snprintf(text, sizeof(text), "q%u", i + 1);
		runner_ask(&runner, text);
	}
	runner_wait(&runner);
	for (unsigned i = 0; i < scene->nasked; i++)
		runner_expect(&runner, i, scene->expected[i].code, scene->expected[i].rest);
	runner_fini(&runner);
}

static void play_all(const struct scene *scenes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		play(&scenes[i]);
}

/* What every script begins with: unbuffered output, and the question as $_ without its LF. */
#define LOOP "$|=1; while(<STDIN>){chomp; "
#define LOOP_IDS "$|=1; while(<STDIN>){chomp; my($id,$q)=split / /; "

static void answers_go_to_their_questions(void **state)
{
	static const struct scene scenes[] = {
		{.what = "one child, one at a time",
		 .script = LOOP "print \"OK $_\\n\"}",
		 .nasked = 3,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, "q2"}, {HELPER_OK, "q3"}}},
		{.what = "channel ids count up from 1",
		 .script = LOOP "my($id)=split / /; print \"$id OK $_\\n\"}",
		 .concurrency = 5,
		 .nasked = 3,
		 .expected = {{HELPER_OK, "1 q1"}, {HELPER_OK, "2 q2"}, {HELPER_OK, "3 q3"}}},
		{.what = "H11: out of order",
		 .script = "$|=1; my @l; while(<STDIN>){chomp; push @l,$_; if(@l==3){for(reverse "
			   "@l){my($id,$q)=split / /; print \"$id OK $q\\n\"}}}",
		 .concurrency = 5,
		 .nasked = 3,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, "q2"}, {HELPER_OK, "q3"}}},
		{.what = "H16, H18: CRLF, an empty line, trailing blanks",
		 .script = LOOP "print $_ eq 'q1' ? \"OK\\r\\n\" : $_ eq 'q2' ? \"\\n\" : \"OK \\n\"}",
		 .nasked = 3,
		 .expected = {{HELPER_OK, ""}, {HELPER_ERR, ""}, {HELPER_OK, ""}}},
		{.what = "H19: two lines in one write",
		 .script = "$|=1; my $a=<STDIN>; my $b=<STDIN>; print \"1 OK a\\n2 OK b\\n\"; <STDIN>",
		 .concurrency = 2,
		 .nasked = 2,
		 .expected = {{HELPER_OK, "a"}, {HELPER_OK, "b"}}},
		{.what = "H19: a byte at a time",
		 .script = LOOP "for(split //,\"OK slow $_\\n\"){print; select undef,undef,undef,.002}}",
		 .nasked = 1,
		 .expected = {{HELPER_OK, "slow q1"}}},
		{.what = "a helper that exits after each reply",
		 .script = "$|=1; $_=<STDIN>; print \"OK $_\"",
		 .nasked = 3,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, "q2"}, {HELPER_OK, "q3"}}},
		{.what = "a long answer, and one word for all that is not known (H21)",
		 .script = LOOP "print $_ eq 'q1' ? 'OK a='.('x' x 900000).\"\\n\" : \"OKAY\\n\"}",
		 .nasked = 2,
		 .expected = {{HELPER_OK, ""}, {HELPER_UNKNOWN, "OKAY"}}},
	};

	(void)state;
	play_all(scenes, COUNT(scenes));
}

static void broken_helpers_harm_nobody(void **state)
{
	static const struct scene scenes[] = {
		{.what = "H1: never answers",
		 .script = "1 while <STDIN>",
		 .timeout_ms = 100,
		 .nasked = 2,
		 .expected = {{HELPER_TIMEOUT, ""}, {HELPER_TIMEOUT, ""}}},
		{.what = "H2: answers after the deadline, with ids: dropped, the next is right",
		 .script = LOOP_IDS "select undef,undef,undef,$q eq 'q1' ? .5 : 0; "
				    "print \"$id OK $q\\n\"}",
		 .concurrency = 1,
		 .max = 2,
		 .timeout_ms = 300,
		 .nasked = 2,
		 .expected = {{HELPER_TIMEOUT, ""}, {HELPER_OK, "q2"}}},
		{.what = "H3: answers twice: replaced, and nobody gets another's answer",
		 .script = LOOP "print \"OK $_\\nOK again\\n\"}",
		 .nasked = 3,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, NULL}, {HELPER_OK, NULL}}},
		{.what = "H5: channels that never were",
		 .script = LOOP_IDS "print 100+$id,\" OK\\n\"}",
		 .concurrency = 4,
		 .timeout_ms = 2000,
		 .nasked = 3,
		 .expected = {{HELPER_GONE, ""}, {HELPER_GONE, ""}, {HELPER_GONE, ""}}},
		{.what = "H7: no id although concurrency is set",
		 .script = LOOP "print \"OK\\n\"}",
		 .concurrency = 4,
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H8: an id although there is no concurrency",
		 .script = LOOP "print \"0 OK\\n\"}",
		 .nasked = 1,
		 .expected = {{HELPER_UNKNOWN, ""}}},
		{.what = "H9: -1",
		 .script = LOOP "print \"-1 OK\\n\"}",
		 .concurrency = 1,
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H9: 007",
		 .script = LOOP "print \"007 OK\\n\"}",
		 .concurrency = 1,
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H9: 99999999999999999999",
		 .script = LOOP "print \"99999999999999999999 OK\\n\"}",
		 .concurrency = 1,
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H9: 1x",
		 .script = LOOP "print \"1x OK\\n\"}",
		 .concurrency = 1,
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H10: the same channel again, later",
		 .script = LOOP_IDS "print \"$id OK $q\\n\"; print \"1 OK old\\n\" if $id==2}",
		 .concurrency = 1,
		 .nasked = 3,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, "q2"}, {HELPER_OK, "q3"}}},
		{.what = "H13, H14: a line without an end",
		 .script = LOOP "print 'x' x 65536 for 1..64; sleep 60}",
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H15: NUL",
		 .script = LOOP "print \"OK a=\\0b\\n\"}",
		 .nasked = 1,
		 .expected = {{HELPER_UNKNOWN, ""}}},
		{.what = "H20: half a line, then the end, is no answer",
		 .script = LOOP "print 'OK'; exit 0}",
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H29: exits at once",
		 .script = "exit 0",
		 .startup = 1,
		 .nasked = 2,
		 .expected = {{HELPER_GONE, ""}, {HELPER_GONE, ""}}},
		{.what = "H30: the program is missing",
		 .program = "/nonexistent/helper",
		 .nasked = 2,
		 .expected = {{HELPER_GONE, ""}, {HELPER_GONE, ""}}},
		{.what = "H30: the program is no program",
		 .program = "/etc/passwd",
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H31: a request that kills its helper, beside one that does not",
		 .script = LOOP "kill 9,$$ if $_ eq 'q1'; print \"OK $_\\n\"}",
		 .max = 2,
		 .nasked = 2,
		 .expected = {{HELPER_GONE, ""}, {HELPER_OK, "q2"}}},
		{.what = "H33: all die together",
		 .script = "my $q=<STDIN>; exit 1",
		 .max = 3,
		 .startup = 3,
		 .nasked = 5,
		 .expected = {{HELPER_GONE, ""},
			      {HELPER_GONE, ""},
			      {HELPER_GONE, ""},
			      {HELPER_GONE, ""},
			      {HELPER_GONE, ""}}},
		{.what = "H36: closes its output only",
		 .script = LOOP "close STDIN; close STDOUT; sleep 60}",
		 .nasked = 1,
		 .expected = {{HELPER_GONE, ""}}},
		{.what = "H38: ignores SIGTERM and the end of its input",
		 .script = "$SIG{TERM}='IGNORE'; $|=1; $_=<STDIN>; print \"OK $_\"; sleep 60 while 1",
		 .nasked = 1,
		 .expected = {{HELPER_OK, "q1"}}},
		{.what = "H40: slow, and a queue of one: the surplus goes on without it",
		 .script = LOOP "select undef,undef,undef,.2; print \"OK $_\\n\"}",
		 .queue_size = 2,
		 .bypass = true,
		 .nasked = 4,
		 .expected = {{HELPER_OK, "q1"}, {HELPER_OK, "q2"}, {HELPER_BUSY, ""}, {HELPER_BUSY, ""}}},
	};

	(void)state;
	play_all(scenes, COUNT(scenes));
}

/* Squid: three sends in all, with a message at the first two. */
static void bh_is_sent_three_times(void **state)
{
	static const struct scene scenes[] = {
		{.what = "the third one says OK",
		 .script = "$|=1; my $n=0; while(<STDIN>){chomp; print ++$n<3 ? \"BH no\\n\" : \"OK $_ "
			   "$n\\n\"}",
		 .nasked = 1,
		 .expected = {{HELPER_OK, "q1 3"}}},
		{.what = "never",
		 .script = LOOP "print \"BH message=x\\n\"}",
		 .nasked = 1,
		 .expected = {{HELPER_BH, ""}}},
	};

	(void)state;
	play_all(scenes, COUNT(scenes));
}

/* H4 as DESIGN has it: what comes before the first request is dropped, the helper kept. */
static void banner_before_the_first_request_is_dropped(void **state)
{
	static const char *const argv[] = {"/usr/bin/perl", "-e",
					   "$|=1; print \"hello, ready\\n\"; while(<STDIN>){print "
					   "\"OK $$ $_\"}",
					   NULL};
	struct runner runner;

	(void)state;
	runner_init(&runner, argv);
	runner.config.startup = 1;
	runner_start(&runner);
	runner_idle(&runner, 300);
	runner_ask(&runner, "q");
	runner_wait(&runner);
	runner_expect(&runner, 0, HELPER_OK, NULL);
	assert_true(str_ends_with_nocase(runner_reply(&runner, 0)->rest, STR(" q")));
	runner_fini(&runner);
}

/* H2 without ids: after a time-out the child is replaced, so the answers do not shift. */
static void late_answer_without_ids_shifts_nothing(void **state)
{
	static const char *const argv[] = {"/usr/bin/perl", "-e",
					   LOOP "select undef,undef,undef,.4 if /slow/; print "
						"\"OK $_\\n\"}",
					   NULL};
	struct runner runner;

	(void)state;
	runner_init(&runner, argv);
	runner.config.timeout_ms = 200;
	runner_start(&runner);
	runner_ask(&runner, "slow");
	runner_wait(&runner);
	runner_expect(&runner, 0, HELPER_TIMEOUT, "");
	for (unsigned i = 1; i <= 3; i++) {
		char text[16];

		snprintf(text, sizeof(text), "q%u", i);
		runner_idle(&runner, 200);
		runner_ask(&runner, text);
		runner_wait(&runner);
		runner_expect(&runner, i, HELPER_OK, text);
	}
	runner_fini(&runner);
}

static unsigned nnotes;
static char last_note[64];

static void count_note(const char *text, size_t len)
{
	nnotes++;
	str_copy((struct str){text, len}, last_note, sizeof(last_note));
}

/* H34: it is not blocked, the operator sees a share and the last words. */
static void stderr_flood_is_read_and_cut(void **state)
{
	static const char *const argv[] = {
		"/usr/bin/perl", "-e",
		"$|=1; $_=<STDIN>; print STDERR \"noise $_\\n\" for 1..200000; print STDERR \"last "
		"words\"; print \"OK done\\n\"",
		NULL};
	struct runner runner;

	(void)state;
	nnotes = 0;
	runner_init(&runner, argv);
	runner.config.stderr_line = count_note;
	runner_start(&runner);
	runner_ask(&runner, "q");
	runner_wait(&runner);
	runner_expect(&runner, 0, HELPER_OK, "done");
	runner_fini(&runner);
	assert_in_range(nnotes, 50, 1500);
	assert_string_equal(last_note, "last words");
}

/* H35: requests are kept for it, the deadline runs from the asking. */
static void helper_that_does_not_read_blocks_nobody(void **state)
{
	static const char *const argv[] = {"/usr/bin/perl", "-e", "sleep 60", NULL};
	static char text[30000];
	struct runner runner;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	runner_init(&runner, argv);
	runner.config.concurrency = 60;
	runner.config.timeout_ms = 300;
	runner_start(&runner);
	for (unsigned i = 0; i < 40; i++)
		runner_ask(&runner, text);
	runner_wait(&runner);
	for (unsigned i = 0; i < 40; i++)
		runner_expect(&runner, i, HELPER_TIMEOUT, NULL);
	runner_fini(&runner);
}

/* H37: what the helper leaves behind in its group goes too. */
static void group_of_a_dead_helper_is_ended(void **state)
{
	static const char *const argv[] = {
		"/usr/bin/perl", "-e",
		"$|=1; $_=<STDIN>; my $p=fork; if(!$p){$SIG{TERM}='IGNORE'; sleep 60 while 1} select "
		"undef,undef,undef,.1; print \"OK $p\\n\"",
		NULL};
	struct runner runner;
	char pid[32];

	(void)state;
	runner_init(&runner, argv);
	runner_start(&runner);
	runner_ask(&runner, "q");
	runner_wait(&runner);
	runner_expect(&runner, 0, HELPER_OK, NULL);
	str_copy(runner_reply(&runner, 0)->rest, pid, sizeof(pid));
	runner_fini(&runner);
	for (unsigned i = 0; i < 50 && kill(atoi(pid), 0) == 0; i++) {
		FILE *stat;
		char path[64], line[256] = "";

		snprintf(path, sizeof(path), "/proc/%s/stat", pid);
		stat = fopen(path, "re");
		if (!stat || !fgets(line, sizeof(line), stat) || strstr(line, ") Z"))
			i = 50; /* gone, or waiting for init */
		if (stat)
			fclose(stat);
		usleep(20000);
		if (i == 49)
			fail_msg("process %s still lives", pid);
	}
}

/* H41: 0, 1 and 2 and nothing else, whatever we have open, and by which flags. */
static void helper_sees_three_descriptors_and_its_name(void **state)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"read q; for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do [ -e /proc/self/fd/$i ] && "
		"s=\"$s $i\"; done; echo \"OK$s $SQUID_DEBUG $0 $(tr '\\0' '|' </proc/$$/cmdline | cut "
		"-d'|' -f1)\"",
		NULL};
	struct runner runner;
	int careless = dup(STDERR_FILENO);

	(void)state;
	runner_init(&runner, argv);
	runner.config.squid_debug = "ALL,1";
	runner_start(&runner);
	runner_ask(&runner, "q");
	runner_wait(&runner);
	runner_expect(&runner, 0, HELPER_OK, "0 1 2 ALL,1 (sh) (sh)");
	runner_fini(&runner);
	close(careless);
}

static void cancel_first(struct runner *runner)
{
	helper_request_cancel(&runner->questions[0].request);
	runner->ndone++;
}

static void cancelled_question_is_never_answered(void **state)
{
	static const char *const argv[] = {
		"/usr/bin/perl", "-e",
		LOOP "select undef,undef,undef,.1; print \"OK $_\\n\"}", NULL};
	struct runner runner;

	(void)state;
	runner_init(&runner, argv);
	runner_start(&runner);
	runner_ask(&runner, "q1");
	runner_ask(&runner, "q2");
	runner_do(&runner, cancel_first);
	runner_wait(&runner);
	assert_null(runner.questions[0].request.reply);
	assert_int_equal(runner.questions[0].place, 0);
	runner_expect(&runner, 1, HELPER_OK, "q2");
	runner_fini(&runner);
}

static void renew_pool(struct runner *runner)
{
	helper_pool_renew(runner->pool);
}

static void retire_pool(struct runner *runner)
{
	helper_pool_retire(runner->pool);
}

/* Rotation and reload: a busy child finishes, the next question goes to a fresh one. */
static void fresh_children_take_over(void **state)
{
	static const char *const argv[] = {
		"/usr/bin/perl", "-e",
		LOOP "select undef,undef,undef,.2; print \"OK $$\\n\"}", NULL};
	void (*const ways[])(struct runner *) = {renew_pool, retire_pool};

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct runner runner;

		runner_init(&runner, argv);
		runner_start(&runner);
		runner_ask(&runner, "q1");
		runner_do(&runner, ways[i]);
		runner_wait(&runner);
		runner_ask(&runner, "q2");
		runner_wait(&runner);
		runner_expect(&runner, 0, HELPER_OK, NULL);
		runner_expect(&runner, 1, HELPER_OK, NULL);
		assert_false(str_eq(runner_reply(&runner, 0)->rest, runner_reply(&runner, 1)->rest));
		runner_fini(&runner);
	}
}

static struct helper_pool_stats stats;

static void read_stats(struct runner *runner)
{
	helper_pool_stats(runner->pool, &stats);
}

/* H29: 0.1 s, 0.2 s, 0.4 s ... instead of a tight loop. */
static void dying_helpers_are_started_ever_more_slowly(void **state)
{
	static const char *const argv[] = {"/bin/false", NULL};
	struct runner runner;

	(void)state;
	runner_init(&runner, argv);
	runner.config.max = runner.config.startup = 2;
	runner_start(&runner);
	runner_idle(&runner, 1500);
	runner_do(&runner, read_stats);
	assert_in_range(stats.nstarts, 4, 10);
	assert_true(stats.is_broken);
	runner_fini(&runner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_go_to_their_questions),
		cmocka_unit_test(broken_helpers_harm_nobody),
		cmocka_unit_test(bh_is_sent_three_times),
		cmocka_unit_test(banner_before_the_first_request_is_dropped),
		cmocka_unit_test(late_answer_without_ids_shifts_nothing),
		cmocka_unit_test(stderr_flood_is_read_and_cut),
		cmocka_unit_test(helper_that_does_not_read_blocks_nobody),
		cmocka_unit_test(group_of_a_dead_helper_is_ended),
		cmocka_unit_test(helper_sees_three_descriptors_and_its_name),
		cmocka_unit_test(cancelled_question_is_never_answered),
		cmocka_unit_test(fresh_children_take_over),
		cmocka_unit_test(dying_helpers_are_started_ever_more_slowly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
