/* SPDX-License-Identifier: BSD-2-Clause */
/* helpers/bundled/common/helper_line.h: the conversation of a helper program: questions from
 * standard input, a line each, and answers to standard output. question = [ID SP] TEXT LF answer =
 * [ID SP] RESULT [SP KEY=VALUE]* LF What no program could use is answered here with BH: lines that
 * are longer than HELPER_LINE_BYTES, lines with a NUL, and lines without the id that the program
 * needs. Answers are written when no further question is there yet, so that a burst costs one
 * write.
 *
 * Threads: one. */
#ifndef BUNDLED_COMMON_HELPER_LINE_H
#define BUNDLED_COMMON_HELPER_LINE_H
#include <stdbool.h>

#include "lib/base/buf.h"

enum { HELPER_LINE_BYTES = 256 << 10 };

enum helper_channels {
	HELPER_CHANNEL_NEVER, /* a number in front is part of the question */
	HELPER_CHANNEL_MAYBE, /* digits and a blank in front are an id */
	HELPER_CHANNEL_ALWAYS,
};

struct helper_lines {
	enum helper_channels channels;
	int fd_;
	struct buf in_; /* lines that were read, from at_ on */
	size_t at_;
	bool is_over_, is_skipping_;
	struct buf out_;
	char channel_[24]; /* digits and a blank, or nothing */
};

/* in: a descriptor, which stays the caller's. */
void helper_lines_init(struct helper_lines *lines, int in, enum helper_channels channels);
void helper_lines_fini(struct helper_lines *lines);

/* The next question without its id and its end, or NULL at the end of input. It may be written
 * into, and is gone with the next call. Each one wants one answer. */
char *helper_lines_next(struct helper_lines *lines);

/* Answers what helper_lines_next gave; format makes a line without id and end. */
void helper_answer(struct helper_lines *lines, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* BH, with why as its message. */
void helper_answer_broken(struct helper_lines *lines, const char *why);

/* Decodes %XX in place. What is no such thing, and %00, stays as it is. */
void helper_unescape(char *text);

/* Cuts the next word, as blanks part them, off *rest, and decodes it; NULL: there is none. */
char *helper_word(char **rest);

/* Adds ` KEY="VALUE"` with the quoting that replies have. */
void helper_add_pair(struct buf *out, const char *key, struct str value);

#endif
