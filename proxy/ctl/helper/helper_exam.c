/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/helper/helper_exam.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/hash.h"
#include "lib/base/heap.h"
#include "proxy/ctl/ctl.h"

enum {
	SHOWN_BYTES = 100,
	WHAT_BYTES = 1500, /* of a complaint */
	NOTES_BYTES = 2048, /* of stderr in the report */
	SILENCE_AT_END_MS = 2000,
};

/* ---- complaints */

/* The reason is given once, and once in a check is enough for complaints with the same. */
static bool is_said_again(struct exam *exam, const char *why, bool *was_explained)
{
	uint64_t hash = hash_str(str_of(why ? why : ""), 1);
	unsigned i = 0;

	while (i < exam->nreasons && exam->reasons[i].hash != hash)
		i++;
	*was_explained = i < exam->nreasons;
	if (*was_explained && exam->reasons[i].check == exam->check && why)
		return true;
	if (i < EXAM_MAX_REASONS) {
		exam->reasons[i].hash = hash;
		exam->reasons[i].check = exam->check;
		exam->nreasons += !*was_explained;
	}
	return false;
}

static void complain(struct exam *exam, bool is_wrong, const char *why, const char *what)
{
	bool was_explained;

	exam->has_complaint = true;
	exam->nodd += !is_wrong;
	if (is_said_again(exam, why, &was_explained))
		return;
	exam->nwrong += is_wrong;
	printf("%-5s %-14s  %s\n", is_wrong ? "WRONG" : "odd", exam->check, what);
	if (why && !was_explained)
		printf("                        %s\n", why);
}

void exam_wrong(struct exam *exam, const char *why, const char *format, ...)
{
	char what[WHAT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	complain(exam, !exam->is_lenient, why, what);
}

void exam_odd(struct exam *exam, const char *why, const char *format, ...)
{
	char what[WHAT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	complain(exam, false, why, what);
}

const char *exam_shown(struct str text)
{
	static char texts[2][4 * SHOWN_BYTES + 8];
	static unsigned turn;
	char *out = texts[turn++ % 2], *at = out;
	struct str part = str_first(text, SHOWN_BYTES);

	*at++ = '\'';
	for (size_t i = 0; i < part.len; i++) {
		unsigned char c = (unsigned char)part.at[i];

		if (c >= 0x20 && c < 0x7f)
			*at++ = (char)c;
		else
			at += snprintf(at, 5, "\\x%02x", c);
	}
	*at++ = '\'';
	memcpy(at, part.len < text.len ? "..." : "", part.len < text.len ? 4 : 1);
	return out;
}

/* ---- its processes */

bool exam_begin(struct exam *exam)
{
	struct err_text why = {""};

	exam_end(exam);
	if (!candidate_start(&exam->candidate, exam->argv, &why)) {
		exam_wrong(exam, "the file must be there and executable, and its first line (#!) "
		                 "must name an interpreter that is there",
		           "%s", why.at);
		exam->is_over = true;
		return false;
	}
	exam->is_running = true;
	exam->last_id = 0;
	return true;
}

void exam_end(struct exam *exam)
{
	struct candidate *candidate = &exam->candidate;
	size_t room = NOTES_BYTES - exam->notes.len;

	if (!exam->is_running)
		return;
	exam->is_running = false;
	exam->nnote_bytes += candidate->nnote_bytes;
	buf_add_str(&exam->notes, str_first(buf_str(&candidate->notes), room));
	candidate_stop(candidate);
}

/* It closed its output: how, as a complaint. */
static void say_ended(struct exam *exam, struct str half)
{
	struct err_text how = {"closed its output and still runs"};

	if (candidate_wait(&exam->candidate, SILENCE_AT_END_MS))
		candidate_describe_end(&exam->candidate, &how);
	exam_wrong(exam,
	           half.len > 0 ? "half a line at the end is no answer: the LF is missing"
	                        : "a helper lives until its input ends: it is started again, with "
	                          "growing delays, and what it was asked is asked another one once",
	           "it %s when it should have answered%s%s", how.at, half.len > 0 ? ", after " : "",
	           half.len > 0 ? exam_shown(half) : "");
}

/* No answer came. Does one come when the input ends? Then it lay in a buffer. */
static void say_silent(struct exam *exam)
{
	struct str line;

	candidate_close_input(&exam->candidate);
	if (candidate_line(&exam->candidate, SILENCE_AT_END_MS, &line) == CANDIDATE_LINE)
		exam_wrong(exam,
		           "its output is buffered: flush after each answer (python: flush=True, perl: "
		           "$|=1, C: fflush or setvbuf, or input is read to its end before the first "
		           "answer)",
		           "no answer in %lld ms, but %s when its input ended",
		           (long long)exam->timeout_ms, exam_shown(line));
	else if (exam->candidate.in.len > 0)
		exam_wrong(exam, "each answer ends with a LF", "half a line in %lld ms: %s",
		           (long long)exam->timeout_ms, exam_shown(buf_str(&exam->candidate.in)));
	else
		exam_wrong(exam,
		           "it hangs: each line gets an answer, also when there is nothing to say "
		           "(ERR)",
		           "no answer in %lld ms", (long long)exam->timeout_ms);
}

/* ---- questions */

bool exam_send(struct exam *exam, struct str bytes)
{
	if (candidate_send(&exam->candidate, bytes, exam->timeout_ms))
		return true;
	exam_wrong(exam, "the proxy keeps what a helper does not read, for a while only",
	           "it does not read its input");
	return false;
}

uint64_t exam_question(struct exam *exam, uint64_t id, struct str question, struct buf *line)
{
	if (exam->concurrency > 0) {
		id = id ? id : ++exam->last_id;
		buf_add_u64(line, id);
		buf_add_char(line, ' ');
	}
	buf_add_str(line, question);
	buf_add_char(line, '\n');
	return exam->concurrency > 0 ? id : 0;
}

/* The text of an answer, by the rules of all kinds, then of its own. */
static void judge(struct exam *exam, struct str text)
{
	struct err_text why = {""};
	struct helper_reply reply;
	char *copy = str_dup(text);
	enum helper_fault fault;

	helper_reply_parse(copy, text.len, &reply);
	fault = exam->kind->judge(&reply, &why);
	if (fault == HELPER_FAULT_WRONG)
		exam_wrong(exam, why.at, "%s makes no sense as an answer", exam_shown(text));
	else if (fault == HELPER_FAULT_ODD)
		exam_odd(exam, why.at, "%s", exam_shown(text));
	else if (reply.code == HELPER_OK && reply.rest.len > 0)
		exam_odd(exam, "pairs (key=value, key=\"a \\\"b\\\"\") end at the first word that is "
		               "none: what follows is not read",
		         "%s: %s is no pair", exam_shown(text), exam_shown(reply.rest));
	else if (reply.code == HELPER_BH)
		exam_odd(exam, "BH means that the helper itself has trouble: the question is sent twice "
		               "more",
		         "%s", exam_shown(text));
	mem_free(copy);
}

static bool is_line_fine(struct exam *exam, struct str *line)
{
	if (memchr(line->at, '\0', line->len)) {
		exam_wrong(exam, "an answer is a line of text", "an answer with a NUL byte: %s",
		           exam_shown(*line));
		return false;
	}
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--; /* the proxy takes it off too */
	return true;
}

/* "7 OK" to who sent no id. */
static bool has_stray_id(struct str line)
{
	uint64_t id;

	return helper_line_take_id(&line, &id) &&
	       (line.len == 0 || str_starts_with(line, STR("OK")) ||
	        str_starts_with(line, STR("ERR")) || str_starts_with(line, STR("BH")));
}

static bool take_id(struct exam *exam, struct str *line, uint64_t *id)
{
	*id = 0;
	if (exam->concurrency == 0 && has_stray_id(*line)) {
		exam_wrong(exam,
		           "it takes the first word for a channel id: set concurrency=, and test with "
		           "--concurrency",
		           "it answers with a channel id, but none was sent: %s", exam_shown(*line));
		exam->is_over = true;
		return false;
	}
	if (exam->concurrency == 0 || helper_line_take_id(line, id))
		return true;
	exam_wrong(exam,
	           "with concurrency= each question begins with a number and a blank, and so does its "
	           "answer",
	           "it answers without the channel id: %s", exam_shown(*line));
	exam->is_over = true;
	return false;
}

bool exam_answer(struct exam *exam, uint64_t *id, struct str *answer)
{
	switch (candidate_line(&exam->candidate, exam->timeout_ms, answer)) {
	case CANDIDATE_LINE:
		break;
	case CANDIDATE_SILENT:
		say_silent(exam);
		return false;
	case CANDIDATE_ENDED:
		say_ended(exam, *answer);
		return false;
	case CANDIDATE_FLOODS:
		exam_wrong(exam, "the proxy ends who sends such lines",
		           "it floods: more than %d bytes without a LF", CANDIDATE_MAX_LINE_BYTES);
		return false;
	}
	if (!is_line_fine(exam, answer) || !take_id(exam, answer, id))
		return false;
	judge(exam, *answer);
	return true;
}

bool exam_ask(struct exam *exam, struct str question, struct str *answer)
{
	uint64_t id, got;
	struct buf line;
	bool is_sent;

	buf_init(&line, CANDIDATE_MAX_LINE_BYTES);
	id = exam_question(exam, 0, question, &line);
	is_sent = exam_send(exam, buf_str(&line));
	buf_fini(&line);
	if (!is_sent || !exam_answer(exam, &got, answer))
		return false;
	if (got == id)
		return true;
	exam_wrong(exam, "an answer bears the id of its question, digit for digit",
	           "asked on channel %llu, it answers on channel %llu", (unsigned long long)id,
	           (unsigned long long)got);
	return false;
}

void exam_expect_silence(struct exam *exam, int64_t ms, const char *when)
{
	struct str line;

	switch (candidate_line(&exam->candidate, ms, &line)) {
	case CANDIDATE_LINE:
		exam_wrong(exam,
		           "a helper prints one line for each question and nothing else: what was not "
		           "asked counts as broken, and it is replaced (messages go to stderr)",
		           "it printed %s %s", exam_shown(line), when);
		break;
	case CANDIDATE_FLOODS:
		exam_wrong(exam, NULL, "it floods its output %s", when);
		break;
	case CANDIDATE_ENDED:
		say_ended(exam, line);
		break;
	case CANDIDATE_SILENT:
		if (exam->candidate.in.len > 0)
			exam_wrong(exam, "a helper prints one line for each question and nothing else",
			           "it printed %s %s", exam_shown(buf_str(&exam->candidate.in)),
			           when);
		break;
	}
}
