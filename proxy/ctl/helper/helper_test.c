/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/heap.h"
#include "proxy/ctl/helper/helper.h"
#include "proxy/ctl/helper/helper_exam.h"

enum {
	KIND,
	CONCURRENCY,
	ASK,
	TIMEOUT,
	MAX_QUESTIONS = 32,
	MAX_ARGUMENTS = 256,
	DEFAULT_TIMEOUT_S = 5,
	MAX_TIMEOUT_S = 600,
	MAX_NOTES_BYTES = 1 << 20,
};

const struct ctl_option ctl_helper_test_options[] = {
	[KIND] = {"kind", 'k', "KIND", "what it is for; without it: url_rewrite"},
	[CONCURRENCY] = {"concurrency", 'c', "N", "channel ids, as with concurrency=N; without it: none"},
	[ASK] = {"ask", 'a', "LINE", "a question of your own instead of the built-in ones (may be repeated)", true},
	[TIMEOUT] = {"timeout", 't', "SECONDS", "for an answer, and for its end; without it: 5"},
	{0},
};

const char ctl_helper_test_help[] =
	"Starts PROGRAM as the proxy would, asks it what the proxy might, and says what is wrong\n"
	"and why it matters. KIND is url_rewrite, store_id, external, basic, digest, bearer, ntlm,\n"
	"negotiate or log. Each check has a process of its own; a check ends in time whatever the\n"
	"program does. bobtail-helpers(7) has the protocol.\n"
	"The exit status is 0 when nothing is WRONG; what is \"odd\" works, but has its price.\n";

/* ---- what was asked for */

static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
	return str_to_u64(str_of(text), out) && *out <= max;
}

static int refuse_kind(const char *name)
{
	char names[160];

	helper_kind_names(names, sizeof(names));
	return ctl_fail("no such kind: %s (there are %s)", name, names);
}

static int read_options(const struct ctl_args *args, struct exam *exam)
{
	const char *kind = ctl_given(args, KIND), *concurrency = ctl_given(args, CONCURRENCY);
	const char *timeout = ctl_given(args, TIMEOUT);
	uint64_t n = 0, seconds = DEFAULT_TIMEOUT_S;

	exam->kind = helper_kind_find(kind ? kind : "url_rewrite");
	if (!exam->kind)
		return refuse_kind(kind);
	if (concurrency && !read_number(concurrency, 1000000, &n))
		return ctl_fail("--concurrency wants a number: %s", concurrency);
	if (n > 0 && exam->kind->talk != HELPER_ANSWERS)
		return ctl_fail("there are no channel ids in the protocol of %s", exam->kind->name);
	if (timeout && (!read_number(timeout, MAX_TIMEOUT_S, &seconds) || seconds == 0))
		return ctl_fail("--timeout wants a number of seconds: %s", timeout);
	exam->concurrency = (unsigned)n;
	exam->timeout_ms = (int64_t)seconds * 1000;
	return CTL_OK;
}

/* The user's questions, or the kind's. False: too many, or a line end in one. */
static bool read_questions(const struct ctl_args *args, const struct exam *exam, const char **out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < args->ngiven; i++) {
		if (args->given[i].option != ASK)
			continue;
		if (n == MAX_QUESTIONS || strchr(args->given[i].value, '\n'))
			return false;
		out[n++] = args->given[i].value;
	}
	if (n == 0)
		while (n < HELPER_KIND_SAMPLES && exam->kind->samples[n]) {
			out[n] = exam->kind->samples[n];
			n++;
		}
	return true;
}

/* ---- the report */

static void run_check(struct exam *exam, const struct exam_check *check)
{
	exam->check = check->name;
	exam->has_complaint = false;
	if (!exam_begin(exam))
		return;
	check->run(exam);
	exam_end(exam);
	if (!exam->has_complaint && check->what)
		printf("ok    %-14s  %s\n", check->name, check->what);
	fflush(stdout);
}

static void show_notes(const struct exam *exam)
{
	struct str rest = buf_str(&exam->notes), line;

	if (rest.len == 0)
		return;
	printf("stderr, which goes to cache.log (%llu bytes in all processes):\n",
	       (unsigned long long)exam->nnote_bytes);
	while (str_split(&rest, '\n', &line))
		if (line.len > 0)
			printf("      %s\n", exam_shown(line));
}

static int finish(struct exam *exam)
{
	exam->check = "stderr";
	if (exam->nnote_bytes > MAX_NOTES_BYTES)
		exam_odd(exam, "the proxy shows a few lines a second and drops the rest",
		         "%llu bytes on stderr", (unsigned long long)exam->nnote_bytes);
	show_notes(exam);
	if (exam->is_over)
		puts("The rest was not tried.");
	if (exam->nwrong == 0)
		printf("%s: fit for %s%s%s\n", exam->argv[0], exam->kind->directive,
		       exam->concurrency > 0 ? ", with concurrency=" : "",
		       exam->nodd > 0 ? ", with the oddities above" : "");
	else
		printf("%s: not fit for %s: %u wrong\n", exam->argv[0], exam->kind->directive,
		       exam->nwrong);
	return exam->nwrong == 0 ? CTL_OK : CTL_FAILED;
}

static bool applies(const struct exam *exam, const struct exam_check *check)
{
	if (!(check->talks & 1U << exam->kind->talk))
		return false;
	return check->ids == FOR_ALL || (check->ids == WITH_IDS) == (exam->concurrency > 0);
}

static int examine(struct exam *exam)
{
	int status;

	buf_init(&exam->notes, 2 * CANDIDATE_NOTES_BYTES);
	for (const struct exam_check *check = exam_checks(); check->name && !exam->is_over; check++)
		if (applies(exam, check))
			run_check(exam, check);
	status = finish(exam);
	buf_fini(&exam->notes);
	return status;
}

/* A log daemon's argument is the file; what it wrote there, and its rotated ones, go afterwards. */
static void remove_logs(const char *folder)
{
	static const char *const names[] = {"access.log", "access.log.0", "access.log.1",
	                                    "access.log.2", "access.log.3"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = mem_printf("%s/%s", folder, names[i]);

		unlink(path);
		mem_free(path);
	}
	rmdir(folder);
}

static int examine_log(struct exam *exam, const char **argv, int argc)
{
	const char *base = getenv("TMPDIR");
	char *folder = mem_printf("%s/bobtail-helper.XXXXXX", base ? base : "/tmp");
	char *path = NULL;
	int status = CTL_FAILED;

	if (!mkdtemp(folder)) {
		ctl_fail("no folder for its log: %s", folder);
	} else {
		path = mem_printf("%s/access.log", folder);
		argv[argc] = path;
		exam->log_path = path;
		status = examine(exam);
		remove_logs(folder);
	}
	mem_free(path);
	mem_free(folder);
	return status;
}

int ctl_run_helper_test(struct ctl *ctl, const struct ctl_args *args)
{
	const char *questions[MAX_QUESTIONS + HELPER_KIND_SAMPLES + 1] = {NULL};
	const char *argv[MAX_ARGUMENTS + 2] = {NULL};
	struct exam exam = {.questions = questions, .argv = argv};

	(void)ctl;
	if (read_options(args, &exam) != CTL_OK)
		return CTL_FAILED;
	if (args->nwords > MAX_ARGUMENTS)
		return ctl_fail("too many arguments");
	if (!read_questions(args, &exam, questions))
		return ctl_fail("--ask wants a line without its end, %d times at most",
		                MAX_QUESTIONS);
	unsetenv("PYTHONUNBUFFERED"); /* a helper that needs it would not work elsewhere */
	for (int i = 0; i < args->nwords; i++)
		argv[i] = args->words[i];
	if (exam.kind->talk == HELPER_LISTENS)
		return examine_log(&exam, argv, args->nwords);
	return examine(&exam);
}
