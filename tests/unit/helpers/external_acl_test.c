/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of the helper of an external ACL, and what is known without asking. The helper numbers
 * its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "helpers/external_acl.h"
#include "lib/base/check.h"
#include "tests/support/pool_runner.h"

enum { PATIENCE_MS = 20000, MAX_QUERIES = 8 };

static const char *const helper_argv[] = {
	"/usr/bin/perl", "-e",
	"$|=1; my $n=0; while(<STDIN>){chomp; $n++; my $r=/no/ ? 'ERR' : /broken/ && $n>1 ? 'BH' : "
	"'OK'; print \"$r n=$n user=joe line=\\\"$_\\\"\\n\"}",
	NULL};

struct scene {
	struct runner runner;
	struct external_acl_tables *tables;
	struct external_acl_config config;
	struct external_acl *acl;
	/* the step under way */
	const char *question;
	struct external_acl_query queries[MAX_QUERIES];
	unsigned nqueries, nleft;
	bool is_known, does_cancel;
	enum external_acl_verdict verdict;
	struct external_acl_answer *answer;
};

static struct scene *scene_of(struct runner *runner)
{
	return CONTAINER(runner, struct scene, runner);
}

static void begin(struct scene *scene)
{
	*scene = (struct scene){.tables = external_acl_tables_create()};
	runner_init(&scene->runner, helper_argv);
	runner_start(&scene->runner);
	scene->config = (struct external_acl_config){
		.pool = scene->runner.pool,
		.tables = scene->tables,
		.identity = STR("one"),
		.name = "one",
		.max_entries = 100,
		.ttl_ms = 3600000,
		.negative_ttl_ms = 3600000,
	};
}

static void create(struct scene *scene)
{
	scene->acl = external_acl_create(&scene->config);
}

static void end(struct scene *scene)
{
	external_acl_unref(scene->acl);
	runner_fini(&scene->runner);
	external_acl_tables_destroy(scene->tables);
}

static struct scene *asking; /* the scene whose queries are under way */

static void on_done(struct external_acl_query *query)
{
	(void)query;
	if (--asking->nleft == 0)
		loop_stop(asking->runner.loop);
}

static void step_ask(struct runner *runner)
{
	struct scene *scene = scene_of(runner);

	for (unsigned i = 0; i < scene->nqueries; i++) {
		scene->queries[i].loop = runner->loop;
		scene->queries[i].done = on_done;
		if (external_acl_ask(scene->acl, str_of(scene->question), &scene->queries[i]) ==
		    EXTERNAL_ACL_PENDING)
			scene->nleft++;
	}
	if (scene->does_cancel) {
		external_acl_query_cancel(&scene->queries[0]);
		scene->nleft--;
	}
}

static void step_known(struct runner *runner)
{
	struct scene *scene = scene_of(runner);

	scene->answer = NULL;
	scene->is_known = external_acl_known(scene->acl, str_of(scene->question), runner->loop,
					     &scene->verdict, &scene->answer);
}

/* n queries with that question, to their ends. */
static void ask(struct scene *scene, const char *question, unsigned n)
{
	asking = scene;
	scene->question = question;
	scene->nqueries = n;
	scene->nleft = 0;
	runner_do(&scene->runner, step_ask);
	if (scene->nleft > 0)
		runner_idle(&scene->runner, PATIENCE_MS);
	assert_int_equal(scene->nleft, 0);
}

static void drop(struct scene *scene)
{
	for (unsigned i = 0; i < MAX_QUERIES; i++)
		external_acl_query_fini(&scene->queries[i]);
}

/* Asks alone, and compares: number is the answer's, "-" for none. */
static void expect(struct scene *scene, const char *question, enum external_acl_verdict verdict,
		   const char *number)
{
	struct external_acl_answer *answer;

	ask(scene, question, 1);
	answer = scene->queries[0].answer;
	assert_int_equal(scene->queries[0].verdict, verdict);
	if (!answer)
		assert_string_equal(number, "-");
	else
		assert_true(str_eq(external_acl_answer_value(answer, STR("n")), str_of(number)));
	drop(scene);
}

static bool is_known(struct scene *scene, const char *question)
{
	scene->question = question;
	runner_do(&scene->runner, step_known);
	external_acl_answer_unref(scene->answer);
	return scene->is_known;
}

static void one_question_serves_all_who_ask_the_same(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	create(&scene);
	assert_false(is_known(&scene, "a"));
	ask(&scene, "a", MAX_QUERIES);
	for (unsigned i = 0; i < MAX_QUERIES; i++) {
		assert_int_equal(scene.queries[i].verdict, EXTERNAL_ACL_MATCH);
		assert_ptr_equal(scene.queries[i].answer, scene.queries[0].answer);
	}
	assert_true(str_eq(external_acl_answer_value(scene.queries[0].answer, STR("user")),
			   STR("joe")));
	drop(&scene);
	expect(&scene, "no", EXTERNAL_ACL_MISMATCH, "2");
	expect(&scene, "a", EXTERNAL_ACL_MATCH, "1");
	expect(&scene, "no", EXTERNAL_ACL_MISMATCH, "2");
	assert_true(is_known(&scene, "a"));
	end(&scene);
}

static void who_began_may_leave(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	create(&scene);
	scene.does_cancel = true;
	ask(&scene, "a", 3);
	assert_int_equal(scene.queries[2].verdict, EXTERNAL_ACL_MATCH);
	drop(&scene);
	end(&scene);
}

static void nothing_is_kept_without_a_ttl_or_a_cache(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	scene.config.negative_ttl_ms = 0;
	create(&scene);
	expect(&scene, "no", EXTERNAL_ACL_MISMATCH, "1");
	expect(&scene, "no", EXTERNAL_ACL_MISMATCH, "2");
	expect(&scene, "yes", EXTERNAL_ACL_MATCH, "3");
	expect(&scene, "yes", EXTERNAL_ACL_MATCH, "3");
	external_acl_unref(scene.acl);
	scene.config.max_entries = 0;
	create(&scene);
	expect(&scene, "yes", EXTERNAL_ACL_MATCH, "4");
	expect(&scene, "yes", EXTERNAL_ACL_MATCH, "5");
	end(&scene);
}

static void the_table_is_bounded_and_keeps_what_is_asked_for(void **state)
{
	static const char *const many[] = {"b", "c", "d", "e", "f", "g", "h", "i"};
	unsigned nknown = 0;
	struct scene scene;

	(void)state;
	begin(&scene);
	scene.config.max_entries = 4;
	create(&scene);
	expect(&scene, "a", EXTERNAL_ACL_MATCH, "1");
	for (size_t i = 0; i < COUNT(many); i++) {
		assert_true(is_known(&scene, "a")); /* a hit: it stays */
		ask(&scene, many[i], 1);
		drop(&scene);
	}
	for (size_t i = 0; i < COUNT(many); i++)
		nknown += is_known(&scene, many[i]);
	assert_int_equal(nknown, 3);
	end(&scene);
}

static void answers_outlive_a_reload_of_the_same_line(void **state)
{
	struct external_acl *old;
	struct scene scene;

	(void)state;
	begin(&scene);
	create(&scene);
	expect(&scene, "a", EXTERNAL_ACL_MATCH, "1");
	old = scene.acl;
	create(&scene);
	external_acl_unref(old);
	assert_true(is_known(&scene, "a"));
	old = scene.acl;
	scene.config.identity = STR("another program");
	create(&scene);
	external_acl_unref(old);
	assert_false(is_known(&scene, "a"));
	end(&scene);
}

static void grace_renews_in_the_background(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	scene.config.grace_percent = 100;
	create(&scene);
	expect(&scene, "a", EXTERNAL_ACL_MATCH, "1");
	for (int i = 0; i < 400; i++) {
		assert_true(is_known(&scene, "a")); /* served meanwhile */
		ask(&scene, "a", 1);
		if (str_eq(external_acl_answer_value(scene.queries[0].answer, STR("n")),
			   STR("2"))) {
			drop(&scene);
			end(&scene);
			return;
		}
		drop(&scene);
		runner_idle(&scene.runner, 20);
	}
	fail_msg("no answer was renewed");
}

static void an_old_answer_serves_where_none_comes(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	scene.config.ttl_ms = 1;
	scene.config.stale_ms = 3600000;
	create(&scene);
	expect(&scene, "broken", EXTERNAL_ACL_MATCH, "1");
	runner_idle(&scene.runner, 100);
	assert_false(is_known(&scene, "broken"));
	expect(&scene, "broken", EXTERNAL_ACL_MATCH, "1");
	expect(&scene, "broken too", EXTERNAL_ACL_UNDECIDED, "-");
	end(&scene);
}

static void what_would_be_two_lines_is_not_asked(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene);
	create(&scene);
	expect(&scene, "a\nb", EXTERNAL_ACL_UNDECIDED, "-");
	expect(&scene, "a\rb", EXTERNAL_ACL_UNDECIDED, "-");
	expect(&scene, "a", EXTERNAL_ACL_MATCH, "1");
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_question_serves_all_who_ask_the_same),
		cmocka_unit_test(who_began_may_leave),
		cmocka_unit_test(nothing_is_kept_without_a_ttl_or_a_cache),
		cmocka_unit_test(the_table_is_bounded_and_keeps_what_is_asked_for),
		cmocka_unit_test(answers_outlive_a_reload_of_the_same_line),
		cmocka_unit_test(grace_renews_in_the_background),
		cmocka_unit_test(an_old_answer_serves_where_none_comes),
		cmocka_unit_test(what_would_be_two_lines_is_not_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
