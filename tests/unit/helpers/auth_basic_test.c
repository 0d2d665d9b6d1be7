/* SPDX-License-Identifier: BSD-2-Clause */
/* Workers on threads of their own ask about credentials; the helper says how often it was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>

#include "helpers/auth_basic.h"
#include "lib/base/check.h"

enum { NWORKERS = 2, MAX_QUERIES = 16 };

/* Each answer counts the lines so far and shows the one it answers. Slow enough for questions to
 * meet. */
static const char *const helper_argv[] = {
	"/usr/bin/perl", "-e",
	"$|=1; my $n=0; while(<STDIN>){chomp; $n++; select undef,undef,undef,.05; "
	"my $r=/ (p%20w|new|p%25:%22%C3%A9)( |$)/ ? 'OK' : 'ERR'; print \"$r n=$n "
	"line=\\\"$_\\\"\\n\"}",
	NULL};

struct worker;

struct question {
	struct auth_query query;
	struct worker *worker;
	enum auth_verdict at_once;
};

struct worker {
	struct loop *loop;
	struct mail go;
	struct question questions[MAX_QUERIES];
	unsigned nquestions, nleft;
	struct auth_basic *auth;
	const char *credentials, *extras;
	bool does_cancel; /* the first question */
};

struct scene {
	struct loop *home;
	pthread_t thread;
	struct helper_pool_config pool_config;
	struct auth_basic_config config;
	struct auth_basic *auth;
	struct worker workers[NWORKERS];
};

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void on_gone(void *arg)
{
	loop_stop(arg);
}

static void begin(struct scene *scene, const char *const *argv)
{
	struct err_text why;

	*scene = (struct scene){.home = loop_create(65536, &why)};
	scene->pool_config = (struct helper_pool_config){
		.kind = "basicauthenticator",
		.argv = argv,
		.max = 1,
		.queue_size = 100,
		.timeout_ms = 10000,
		.grace_ms = 100,
		.gone = on_gone,
		.gone_arg = scene->home,
	};
	scene->config.pool = helper_pool_create(scene->home, &scene->pool_config);
	scene->config.users = auth_users_create();
	scene->config.ttl_ms = 3600000;
	for (unsigned i = 0; i < NWORKERS; i++)
		scene->workers[i].loop = loop_create(65536, &why);
	assert_int_equal(pthread_create(&scene->thread, NULL, run_loop, scene->home), 0);
}

/* Loops go last: another thread may still be ringing at one. */
static void end(struct scene *scene)
{
	auth_basic_destroy(scene->auth);
	auth_users_unref(scene->config.users);
	helper_pool_unref(scene->config.pool);
	pthread_join(scene->thread, NULL);
	for (unsigned i = 0; i < NWORKERS; i++) {
		for (unsigned j = 0; j < MAX_QUERIES; j++)
			auth_query_fini(&scene->workers[i].questions[j].query);
		loop_destroy(scene->workers[i].loop);
	}
	loop_destroy(scene->home);
}

static void count_down(struct worker *worker)
{
	if (--worker->nleft == 0)
		loop_stop(worker->loop);
}

static void on_done(struct auth_query *query)
{
	count_down(CONTAINER(query, struct question, query)->worker);
}

static void ask_all(struct mail *mail)
{
	struct worker *worker = CONTAINER(mail, struct worker, go);

	for (unsigned i = 0; i < worker->nquestions; i++) {
		struct question *question = &worker->questions[i];

		question->worker = worker;
		question->query.loop = worker->loop;
		question->query.done = on_done;
		question->at_once =
			auth_basic_check(worker->auth, str_of(worker->credentials),
					 str_of(worker->extras), &question->query);
	}
	if (worker->does_cancel)
		auth_query_cancel(&worker->questions[0].query);
	for (unsigned i = 0; i < worker->nquestions; i++)
		if (worker->questions[i].at_once != AUTH_PENDING || (worker->does_cancel && i == 0))
			count_down(worker);
}

/* Each worker asks n times; returns when all is answered. */
static void ask(struct scene *scene, unsigned n, const char *credentials, const char *extras)
{
	pthread_t threads[NWORKERS];

	if (!scene->auth)
		scene->auth = auth_basic_create(&scene->config);
	for (unsigned i = 0; i < NWORKERS; i++) {
		struct worker *worker = &scene->workers[i];

		worker->auth = scene->auth;
		worker->credentials = credentials;
		worker->extras = extras;
		worker->nquestions = worker->nleft = n;
		worker->go.deliver = ask_all;
		loop_post(worker->loop, &worker->go);
		assert_int_equal(pthread_create(&threads[i], NULL, run_loop, worker->loop), 0);
	}
	for (unsigned i = 0; i < NWORKERS; i++)
		pthread_join(threads[i], NULL);
}

static const struct question *first_of(const struct scene *scene)
{
	return &scene->workers[0].questions[0];
}

static struct str note(const struct scene *scene, const char *key)
{
	const struct auth_answer *answer = first_of(scene)->query.answer;

	assert_non_null(answer);
	return helper_reply_value(answer->reply, str_of(key));
}

static void expect_note(const struct scene *scene, const char *key, const char *value)
{
	struct str got = note(scene, key);

	if (!str_eq(got, str_of(value)))
		fail_msg("%s is '%.*s', not '%s'", key, STR_ARG(got), value);
}

static void expect_verdicts(const struct scene *scene, enum auth_verdict verdict)
{
	for (unsigned i = 0; i < NWORKERS; i++)
		for (unsigned j = 0; j < scene->workers[i].nquestions; j++)
			assert_int_equal(scene->workers[i].questions[j].query.verdict, verdict);
}

#define JOE_P_W "Basic am9lOnAgdw==" /* joe:p w */
#define JOE_NEW "Basic am9lOm5ldw==" /* joe:new */
#define JOE_BAD "Basic am9lOmJhZA==" /* joe:bad */

static void equal_questions_are_asked_once_and_kept(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	ask(&scene, 5, JOE_P_W, "");
	expect_verdicts(&scene, AUTH_OK);
	expect_note(&scene, "n", "1");
	expect_note(&scene, "line", "joe p%20w");
	assert_true(str_eq(first_of(&scene)->query.answer->user, STR("joe")));
	ask(&scene, 5, JOE_P_W, "");
	assert_int_equal(first_of(&scene)->at_once, AUTH_OK);
	expect_verdicts(&scene, AUTH_OK);
	expect_note(&scene, "n", "1");
	end(&scene);
}

static void another_password_asks_again_and_replaces(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	ask(&scene, 1, JOE_P_W, "");
	ask(&scene, 1, JOE_NEW, "");
	expect_verdicts(&scene, AUTH_OK);
	expect_note(&scene, "n", "2");
	ask(&scene, 1, JOE_P_W, "");
	expect_note(&scene, "n", "3");
	end(&scene);
}

static void failures_are_never_kept(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	ask(&scene, 1, JOE_P_W, "");
	ask(&scene, 1, JOE_BAD, "");
	expect_verdicts(&scene, AUTH_FAILED);
	expect_note(&scene, "n", "2");
	ask(&scene, 1, JOE_BAD, "");
	expect_note(&scene, "n", "3");
	ask(&scene, 1, JOE_P_W, ""); /* a wrong guess takes nothing from the right one */
	expect_verdicts(&scene, AUTH_OK);
	expect_note(&scene, "n", "1");
	end(&scene);
}

static void extras_are_sent_and_tell_users_apart(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	ask(&scene, 1, JOE_P_W, "127.0.0.1 28080");
	expect_note(&scene, "line", "joe p%20w 127.0.0.1 28080");
	ask(&scene, 1, JOE_P_W, "127.0.0.2 28080");
	expect_note(&scene, "n", "2");
	ask(&scene, 1, JOE_P_W, "a\nb");
	expect_verdicts(&scene, AUTH_FAILED);
	end(&scene);
}

/* casesensitive and utf8; the reply is as Squid's transcript shows it. */
static void names_are_folded_and_characters_turned(void **state)
{
	static const struct {
		const char *credentials, *line;
		bool is_case_sensitive, is_utf8;
	} cases[] = {
		{"Basic T0tVU0VSOnAlOiLDqQ==", "okuser p%25:%22%C3%A9", false, false},
		{"Basic T0tVU0VSOnAlOiLDqQ==", "OKUSER p%25:%22%C3%A9", true, false},
		{"Basic T0tVU0VSOnAlOiLDqQ==", "okuser p%25:%22%C3%A9", false, true},
		{"Basic T0tVU0VSOnAlOiLp", "okuser p%25:%22%C3%A9", false, true}, /* 8859-1 */
		{"basic   am9lOnAgdw==  ", "joe p%20w", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct scene scene;

		begin(&scene, helper_argv);
		scene.config.is_case_sensitive = cases[i].is_case_sensitive;
		scene.config.is_utf8 = cases[i].is_utf8;
		ask(&scene, 1, cases[i].credentials, "");
		expect_verdicts(&scene, AUTH_OK);
		/* the helper shows the line in quotes, where nothing is decoded */
		expect_note(&scene, "line", cases[i].line);
		end(&scene);
	}
}

static void helper_is_not_asked_about_nonsense(void **state)
{
	static const char *const cases[] = {
		"",
		"Basic",
		"Basic ",
		"Bearer am9lOnAgdw==",
		"Basicam9lOnAgdw==",
		"Basic am9l",         /* no colon */
		"Basic am9lOg==",     /* empty password */
		"Basic OnA=",         /* empty user */
		"Basic am9lOnAgdw",   /* no padding */
		"Basic am9lOnAgdw=",
		"Basic am9lOnAgdx==", /* stray bits */
		"Basic ====",
		"Basic am9lOnA!dw==",
		"Basic am9l OnAgdw==",
		"Basic am9lOnAKdw==", /* LF */
		"Basic am9lOnANdw==", /* CR */
		"Basic am9lOnAAdw==", /* NUL */
	};
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	for (size_t i = 0; i < COUNT(cases); i++) {
		ask(&scene, 1, cases[i], "");
		if (first_of(&scene)->at_once != AUTH_FAILED || first_of(&scene)->query.answer)
			fail_msg("'%s'", cases[i]);
	}
	ask(&scene, 1, JOE_P_W, "");
	expect_note(&scene, "n", "1");
	end(&scene);
}

static void one_who_leaves_spoils_nothing_for_others(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	for (unsigned i = 0; i < NWORKERS; i++)
		scene.workers[i].does_cancel = true;
	ask(&scene, 4, JOE_P_W, "");
	assert_null(first_of(&scene)->query.answer);
	for (unsigned i = 0; i < NWORKERS; i++)
		for (unsigned j = 1; j < 4; j++)
			assert_int_equal(scene.workers[i].questions[j].query.verdict, AUTH_OK);
	end(&scene);
}

static void known_users_survive_a_reload(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	ask(&scene, 1, JOE_P_W, "");
	auth_basic_destroy(scene.auth);
	scene.auth = NULL;
	scene.config.realm = STR("a \"new\" realm");
	ask(&scene, 1, JOE_P_W, "");
	assert_int_equal(first_of(&scene)->at_once, AUTH_OK);
	assert_true(str_eq(auth_basic_challenge(scene.auth),
			   STR("Basic realm=\"a \\\"new\\\" realm\"")));
	end(&scene);
}

static void dead_helper_fails_closed(void **state)
{
	static const char *const argv[] = {"/bin/false", NULL};
	struct scene scene;

	(void)state;
	begin(&scene, argv);
	ask(&scene, 2, JOE_P_W, "");
	expect_verdicts(&scene, AUTH_FAILED);
	assert_int_equal(first_of(&scene)->query.answer->reply->code, HELPER_GONE);
	end(&scene);
}

static void challenge_names_realm_and_charset(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, helper_argv);
	scene.config.is_utf8 = true;
	scene.auth = auth_basic_create(&scene.config);
	assert_true(str_eq(auth_basic_challenge(scene.auth),
			   STR("Basic realm=\"Squid proxy-caching web server\", charset=\"UTF-8\"")));
	end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_questions_are_asked_once_and_kept),
		cmocka_unit_test(another_password_asks_again_and_replaces),
		cmocka_unit_test(failures_are_never_kept),
		cmocka_unit_test(extras_are_sent_and_tell_users_apart),
		cmocka_unit_test(names_are_folded_and_characters_turned),
		cmocka_unit_test(helper_is_not_asked_about_nonsense),
		cmocka_unit_test(one_who_leaves_spoils_nothing_for_others),
		cmocka_unit_test(known_users_survive_a_reload),
		cmocka_unit_test(dead_helper_fails_closed),
		cmocka_unit_test(challenge_names_realm_and_charset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
