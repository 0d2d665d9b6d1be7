/* SPDX-License-Identifier: BSD-2-Clause */
/* What is examined, a row each; a fresh process for each, so that one fault does not hide
 * another. */
#include "proxy/ctl/helper/helper_exam.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/heap.h"

enum {
	START_MS = 250,     /* time for what is said at the start */
	QUIET_MS = 100,     /* time for what nobody asked for */
	PAUSE_MS = 500,     /* without reading */
	PIECE_MS = 2,       /* between bytes */
	MAX_PIECES = 200,
	MAX_AT_ONCE = 64,   /* channels */
	NSPEED = 300,       /* questions for the figures */
	SPEED_MS = 2000,    /* time for them */
	NLOG_LINES = 2000,
	LONG_BYTES = 8192 - 64, /* a long line; then the kind's own bound */
};

static void pause_ms(int64_t ms)
{
	const struct timespec time = {ms / 1000, (ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static struct str first_question(const struct exam *exam)
{
	return str_of(exam->questions[0]);
}

/* ---- one after the other */

static void check_start(struct exam *exam)
{
	exam_expect_silence(exam, START_MS, "before any question");
	exam->is_over |= exam->has_complaint && exam->candidate.has_ended;
}

static void check_answers(struct exam *exam)
{
	struct str answer;

	for (unsigned i = 0; exam->questions[i]; i++) {
		if (!exam_ask(exam, str_of(exam->questions[i]), &answer)) {
			exam->is_over = true; /* it would only be said again and again */
			return;
		}
		if (i == 0)
			exam_expect_silence(exam, QUIET_MS,
			                    "after its answer to the first question: it answers "
			                    "twice");
		exam->is_over = exam->is_over || exam->candidate.has_ended;
	}
	exam_expect_silence(exam, QUIET_MS, "after it had answered all");
}

static void check_odd_bytes(struct exam *exam)
{
	struct str answer;

	for (unsigned i = 0; i < HELPER_KIND_SAMPLES && exam->kind->hostile[i]; i++) {
		struct str question = str_of(exam->kind->hostile[i]);

		if (!exam_ask(exam, question, &answer)) {
			printf("                        asked: %s\n", exam_shown(question));
			return;
		}
	}
	exam_expect_silence(exam, QUIET_MS, "after it had answered all");
}

static bool ask_long(struct exam *exam, size_t size)
{
	const struct helper_kind *kind = exam->kind;
	struct str begin = str_of(kind->long_begin), end = str_of(kind->long_end), answer;
	struct buf question;
	bool is_good;

	buf_init(&question, CANDIDATE_MAX_LINE_BYTES);
	buf_add_str(&question, begin);
	for (size_t n = begin.len + end.len; n < size; n++)
		buf_add_char(&question, 'x');
	buf_add_str(&question, end);
	is_good = exam_ask(exam, buf_str(&question), &answer);
	if (!is_good)
		printf("                        asked: %zu bytes, %s...\n", size,
		       exam_shown(begin));
	buf_fini(&question);
	return is_good;
}

static void check_long_lines(struct exam *exam)
{
	struct str answer;

	if (ask_long(exam, LONG_BYTES) && exam_ask(exam, first_question(exam), &answer))
		exam_expect_silence(exam, QUIET_MS,
		                    "after a long question: it takes it for several");
}

/* As long as a client can make it. Squid's own programs stop at 8 KB. */
static void check_longest_line(struct exam *exam)
{
	struct str answer;

	exam->is_lenient = true;
	if (exam->kind->max_bytes > LONG_BYTES + 64 &&
	    ask_long(exam, exam->kind->max_bytes - 64) &&
	    exam_ask(exam, first_question(exam), &answer))
		exam_expect_silence(exam, QUIET_MS,
		                    "after the longest question that a client can ask: it takes it "
		                    "for several");
	exam->is_lenient = false;
}

/* Squid never sends one, but an operator who tries a helper by hand does. It may be answered or
 * not. */
static void check_empty_line(struct exam *exam)
{
	struct buf lines;
	struct str answer;
	uint64_t id, got = 0;

	buf_init(&lines, CANDIDATE_MAX_LINE_BYTES);
	exam_question(exam, 0, STR(""), &lines);
	id = exam_question(exam, 0, first_question(exam), &lines);
	exam->is_lenient = true;
	if (exam_send(exam, buf_str(&lines)) && exam_answer(exam, &got, &answer) && got != id)
		exam_answer(exam, &got, &answer);
	exam->is_lenient = false;
	buf_fini(&lines);
}

/* ---- bytes in time */

static void check_split(struct exam *exam)
{
	struct buf line;
	struct str answer;
	uint64_t id;
	size_t n = 0;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	exam_question(exam, 0, first_question(exam), &line);
	for (; n + 1 < line.len && n < MAX_PIECES; n++) {
		if (!exam_send(exam, (struct str){line.at + n, 1}))
			break;
		pause_ms(PIECE_MS);
	}
	exam_expect_silence(exam, QUIET_MS, "at half a question: it must wait for the LF");
	if (!exam->has_complaint && exam_send(exam, str_from(buf_str(&line), n)) &&
	    exam_answer(exam, &id, &answer))
		exam_expect_silence(exam, QUIET_MS,
		                    "after it had answered a question that came in pieces");
	buf_fini(&line);
}

/* The proxy is busy elsewhere for a while. */
static void check_slow_reader(struct exam *exam)
{
	struct buf line;
	struct str answer;
	uint64_t id;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	exam_question(exam, 0, first_question(exam), &line);
	if (exam_send(exam, buf_str(&line))) {
		pause_ms(PAUSE_MS);
		if (exam_answer(exam, &id, &answer) &&
		    exam_ask(exam, first_question(exam), &answer))
			exam_expect_silence(exam, QUIET_MS, "after slow reads");
	}
	buf_fini(&line);
}

/* ---- ids */

/* As many questions as it may have at a time, in one write, with ids in no order; each gets one
 * answer, in whatever order. */
static void check_ids(struct exam *exam)
{
	unsigned n = exam->concurrency < MAX_AT_ONCE ? exam->concurrency : MAX_AT_ONCE;
	uint64_t ids[MAX_AT_ONCE], id;
	struct buf lines;
	struct str answer;
	unsigned at = 0;

	buf_init(&lines, CANDIDATE_MAX_LINE_BYTES);
	for (unsigned i = 0; i < n; i++) {
		ids[i] = i % 2 ? 4000000007U + i : (uint64_t)i * i + 3;
		exam_question(exam, ids[i], str_of(exam->questions[at++]), &lines);
		at = exam->questions[at] ? at : 0;
	}
	if (!exam_send(exam, buf_str(&lines)))
		n = 0;
	for (unsigned left = n; left > 0; left--) {
		unsigned found = 0;

		if (!exam_answer(exam, &id, &answer)) {
			printf("                        %u of %u questions at a time were answered\n",
			       n - left, n);
			break;
		}
		while (found < n && ids[found] != id)
			found++;
		if (found == n) {
			exam_wrong(exam,
			           "an answer bears the id of its question (up to 19 digits), once",
			           "it answers on channel %llu, which is not open: never asked, or "
			           "answered before",
			           (unsigned long long)id);
			break;
		}
		ids[found] = 0;
	}
	buf_fini(&lines);
	if (!exam->has_complaint)
		exam_expect_silence(exam, QUIET_MS, "after it had answered on all channels");
}

/* Without ids answers can only be told apart by their order: asked together, questions get the
 * answers that they get alone. */
static void check_order(struct exam *exam)
{
	char *alone[HELPER_KIND_SAMPLES] = {NULL};
	struct buf lines;
	struct str answer;
	uint64_t id;
	unsigned n = 0;

	buf_init(&lines, CANDIDATE_MAX_LINE_BYTES);
	while (n < HELPER_KIND_SAMPLES && exam->questions[n] &&
	       exam_ask(exam, str_of(exam->questions[n]), &answer)) {
		exam_question(exam, 0, str_of(exam->questions[n]), &lines);
		alone[n++] = str_dup(answer);
	}
	if (!exam->has_complaint)
		exam_send(exam, buf_str(&lines));
	for (unsigned i = 0; i < n && !exam->has_complaint; i++)
		if (!exam_answer(exam, &id, &answer))
			printf("                        (questions that came in one write)\n");
		else if (!str_eq(answer, str_of(alone[i])))
			exam_odd(exam,
			         "without concurrency= the order of the answers is all that tells "
			         "whose they are (or: the same question, another answer)",
			         "asked alone it answers %s, asked with others %s",
			         exam_shown(str_of(alone[i])), exam_shown(answer));
	for (unsigned i = 0; i < n; i++)
		mem_free(alone[i]);
	buf_fini(&lines);
}

/* ---- the end */

static void say_exit(struct exam *exam)
{
	struct err_text how = {""};

	candidate_describe_end(&exam->candidate, &how);
	if (!WIFEXITED(exam->candidate.status) || WEXITSTATUS(exam->candidate.status) != 0)
		exam_odd(exam, "the end of its input is the usual way to end", "it %s", how.at);
}

static void expect_end(struct exam *exam)
{
	candidate_close_input(&exam->candidate);
	if (candidate_wait(&exam->candidate, exam->timeout_ms))
		say_exit(exam);
	else
		exam_wrong(exam,
		           "a reload, a rotation and a stop close its input: it must end then, or it is "
		           "killed",
		           "it still runs %lld ms after the end of its input",
		           (long long)exam->timeout_ms);
}

static void check_end(struct exam *exam)
{
	struct str answer;

	if (exam_ask(exam, first_question(exam), &answer))
		expect_end(exam);
}

static void check_half_line(struct exam *exam)
{
	struct buf line;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	exam_question(exam, 0, first_question(exam), &line);
	if (exam_send(exam, str_first(buf_str(&line), line.len / 2)))
		expect_end(exam);
	buf_fini(&line);
}

/* ---- conversations */

static void check_again(struct exam *exam)
{
	struct str answer;

	for (unsigned i = 0; i < 3; i++)
		if (!exam_ask(exam, first_question(exam), &answer)) {
			printf("                        each YR begins anew\n");
			return;
		}
}

/* ---- figures */

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void check_speed(struct exam *exam)
{
	int64_t times[NSPEED], deadline = clock_mono_ms() + SPEED_MS;
	unsigned n = 0, at = 0;
	struct str answer;

	while (n < NSPEED && clock_mono_ms() < deadline) {
		int64_t began = now_us();

		if (!exam_ask(exam, str_of(exam->questions[at++]), &answer))
			return;
		times[n++] = now_us() - began;
		at = exam->questions[at] ? at : 0;
		if (exam->has_complaint)
			return; /* said before */
	}
	qsort(times, n, sizeof(times[0]), compare_times);
	printf("      speed           %u questions, one at a time: median %lld us, 99 %% within %lld "
	       "us\n",
	       n, (long long)times[n / 2], (long long)times[n * 99 / 100]);
}

/* ---- log daemons */

static bool send_commands(struct exam *exam, unsigned nlines, const char *more)
{
	struct buf line;
	bool is_sent = true;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	for (unsigned i = 0; i < nlines && is_sent; i++) {
		buf_clear(&line);
		buf_printf(&line, "%s %u\n", exam->questions[0], i);
		is_sent = exam_send(exam, buf_str(&line));
	}
	is_sent = is_sent && exam_send(exam, str_of(more));
	buf_fini(&line);
	return is_sent;
}

static void check_log_commands(struct exam *exam)
{
	if (exam_send(exam, STR("r3\nb0\n")) && send_commands(exam, NLOG_LINES, "F\n") &&
	    exam_send(exam, STR("R\nO\nb1\n")) &&
	    send_commands(exam, 1, "F\nL\xe9\xff %s \\n\nL\n"))
		exam_expect_silence(exam, QUIET_MS, "though nobody reads its output");
}

static void check_log_long(struct exam *exam)
{
	struct buf line;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	buf_add_char(&line, 'L');
	while (line.len < exam->kind->max_bytes)
		buf_add_char(&line, 'x');
	buf_add_str(&line, STR("\nF\n"));
	if (exam_send(exam, buf_str(&line)))
		exam_expect_silence(exam, QUIET_MS, "at a long line");
	buf_fini(&line);
}

static long count_lines(const char *path)
{
	FILE *file = fopen(path, "r");
	long n = 0;

	if (!file)
		return -1;
	for (int c = getc(file); c != EOF; c = getc(file))
		n += c == '\n';
	fclose(file);
	return n;
}

/* Whether it writes to the file it is told is its own affair; what is there must be complete. */
static void check_log_end(struct exam *exam)
{
	long before = count_lines(exam->log_path), after;

	if (!send_commands(exam, NLOG_LINES, ""))
		return;
	expect_end(exam);
	after = count_lines(exam->log_path);
	before = before < 0 ? 0 : before;
	if (!exam->has_complaint && after >= 0 && after - before < NLOG_LINES)
		exam_wrong(exam, "what it has been sent must be written when its input ends",
		           "of %d lines that it got before the end, %ld are in %s", NLOG_LINES,
		           after - before, exam->log_path);
}

/* ---- the table */

#define ANSWERS (1U << HELPER_ANSWERS)
#define CONVERSES (1U << HELPER_CONVERSES)
#define LISTENS (1U << HELPER_LISTENS)

static const struct exam_check checks[] = {
	{"start", "starts, and says nothing before it is asked", ANSWERS | CONVERSES | LISTENS,
	 FOR_ALL, check_start},
	{"answers", "one line for each question, which the proxy understands", ANSWERS | CONVERSES,
	 FOR_ALL, check_answers},
	{"channel ids", "many questions in one write: each id once, in any order", ANSWERS, WITH_IDS,
	 check_ids},
	{"order", "questions in one write: their answers in their order", ANSWERS, WITHOUT_IDS,
	 check_order},
	{"begins anew", "a YR in the middle of a conversation begins another one", CONVERSES,
	 FOR_ALL, check_again},
	{"odd bytes", "escapes, quotes, bytes above 127: answered like any", ANSWERS | CONVERSES,
	 FOR_ALL, check_odd_bytes},
	{"long lines", "a question of many kilobytes is one question", ANSWERS | CONVERSES, FOR_ALL,
	 check_long_lines},
	{"longest line", NULL, ANSWERS | CONVERSES, FOR_ALL, check_longest_line},
	{"empty line", "survives it", ANSWERS | CONVERSES, FOR_ALL, check_empty_line},
	{"split writes", "a question that comes byte by byte is answered when it is whole",
	 ANSWERS | CONVERSES, FOR_ALL, check_split},
	{"slow reader", "an answer waits until it is read", ANSWERS | CONVERSES, FOR_ALL,
	 check_slow_reader},
	{"commands", "takes L, R, T, O, F, r and b, and prints nothing", LISTENS, FOR_ALL,
	 check_log_commands},
	{"long lines", "takes a line of many kilobytes", LISTENS, FOR_ALL, check_log_long},
	{"end of input", "ends, and loses nothing", LISTENS, FOR_ALL, check_log_end},
	{"end of input", "ends when its input does", ANSWERS | CONVERSES, FOR_ALL, check_end},
	{"half a line", "ends when its input does, in the middle of a question", ANSWERS | CONVERSES,
	 FOR_ALL, check_half_line},
	{"speed", NULL, ANSWERS, FOR_ALL, check_speed},
	{NULL, NULL, 0, FOR_ALL, NULL},
};

const struct exam_check *exam_checks(void)
{
	return checks;
}
