/* SPDX-License-Identifier: BSD-2-Clause */
/* One buffer each way. Input is read when the buffer holds no whole line, and output is written
 * before that. */
#include "helpers/bundled/common/helper_line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, OUT_BYTES = 16 << 20, FLUSH_BYTES = 64 << 10, ID_DIGITS = 20 };

void helper_lines_init(struct helper_lines *lines, int in, enum helper_channels channels)
{
	*lines = (struct helper_lines){.fd_ = in, .channels = channels};
	buf_init(&lines->in_, HELPER_LINE_BYTES + READ_BYTES + 1);
	buf_init(&lines->out_, OUT_BYTES);
}

void helper_lines_fini(struct helper_lines *lines)
{
	buf_fini(&lines->in_);
	buf_fini(&lines->out_);
}

/* Writes what there is; ends the program when nobody reads it any more. */
static void flush(struct helper_lines *lines)
{
	size_t done = 0;

	while (done < lines->out_.len) {
		ssize_t n = write(STDOUT_FILENO, lines->out_.at + done, lines->out_.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			exit(1);
		done += (size_t)n;
	}
	buf_clear(&lines->out_);
}

void helper_answer(struct helper_lines *lines, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int len;

	va_start(arguments, format);
	len = vasprintf(&text, format, arguments);
	va_end(arguments);
	buf_add_str(&lines->out_, str_of(lines->channel_));
	if (len >= 0)
		buf_add(&lines->out_, text, (size_t)len);
	buf_add_char(&lines->out_, '\n');
	free(text);
	if (lines->out_.len >= FLUSH_BYTES)
		flush(lines);
}

void helper_answer_broken(struct helper_lines *lines, const char *why)
{
	struct buf pair;

	buf_init(&pair, HELPER_LINE_BYTES);
	helper_add_pair(&pair, "message", str_of(why));
	helper_answer(lines, "BH%.*s", STR_ARG(buf_str(&pair)));
	buf_fini(&pair);
}

/* False at the end of input. */
static bool read_more(struct helper_lines *lines)
{
	char *room;
	ssize_t n;

	flush(lines);
	buf_consume(&lines->in_, lines->at_);
	lines->at_ = 0;
	room = buf_reserve(&lines->in_, READ_BYTES);
	do
		n = read(lines->fd_, room, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	lines->in_.len += (size_t)n;
	return true;
}

/* Moves digits and blanks from the front of text into the channel; what follows them. */
static char *take_channel(struct helper_lines *lines, char *text)
{
	size_t digits = strspn(text, "0123456789");

	lines->channel_[0] = '\0';
	if (lines->channels == HELPER_CHANNEL_NEVER || digits == 0 || digits > ID_DIGITS ||
	    text[digits] != ' ')
		return text;
	str_copy((struct str){text, digits + 1}, lines->channel_, sizeof(lines->channel_));
	return text + digits + strspn(text + digits, " ");
}

/* The question in a line of len bytes with a NUL behind; NULL: it has been answered. */
static char *question_of(struct helper_lines *lines, char *line, size_t len, bool is_whole)
{
	bool has_nul = strlen(line) != len;
	char *text;

	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
	text = take_channel(lines, line);
	if (!is_whole)
		helper_answer(lines, "BH message=\"Line too long\"");
	else if (has_nul)
		helper_answer(lines, "BH message=\"NUL byte in the line\"");
	else if (lines->channels == HELPER_CHANNEL_ALWAYS && lines->channel_[0] == '\0')
		helper_answer(lines, "BH message=\"No channel id: concurrency= is missing\"");
	else
		return text;
	return NULL;
}

/* The buffer holds no end of a line: gives up the line if it is too long, and reads on. A line that
 * the end of input cuts short is *line, with a NUL behind. */
static bool wait_for_line(struct helper_lines *lines, char **line, size_t *len)
{
	*line = NULL;
	*len = lines->in_.len - lines->at_;
	if (lines->in_.at && (*len > HELPER_LINE_BYTES || lines->is_skipping_)) {
		if (!lines->is_skipping_) {
			lines->in_.at[lines->at_ + HELPER_LINE_BYTES] = '\0';
			question_of(lines, lines->in_.at + lines->at_, HELPER_LINE_BYTES, false);
		}
		lines->is_skipping_ = true;
		lines->at_ = lines->in_.len;
	}
	if (read_more(lines))
		return true;
	lines->is_over_ = true;
	if (lines->in_.len == 0)
		return false;
	*len = lines->in_.len;
	buf_add_char(&lines->in_, '\0');
	*line = lines->in_.at;
	return true;
}

char *helper_lines_next(struct helper_lines *lines)
{
	while (!lines->is_over_) {
		char *line = lines->in_.at ? lines->in_.at + lines->at_ : NULL, *end = NULL;
		size_t len = lines->in_.len - lines->at_;
		bool is_rest = lines->is_skipping_;

		if (line && len > 0)
			end = memchr(line, '\n', len);
		if (end) {
			len = (size_t)(end - line);
			*end = '\0';
			lines->at_ += len + 1;
			lines->is_skipping_ = false;
		} else if (!wait_for_line(lines, &line, &len)) {
			break;
		}
		if (line && !is_rest && (end || lines->is_over_)) {
			char *text = question_of(lines, line, len, len <= HELPER_LINE_BYTES);

			if (text)
				return text;
		}
	}
	flush(lines);
	return NULL;
}

void helper_unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high = *text == '%' ? ascii_hex(text[1]) : -1;
		int low = high >= 0 ? ascii_hex(text[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*out++ = (char)(high << 4 | low);
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

char *helper_word(char **rest)
{
	char *word = *rest + strspn(*rest, " ");

	if (*word == '\0')
		return NULL;
	*rest = word + strcspn(word, " ");
	if (**rest)
		*(*rest)++ = '\0';
	helper_unescape(word);
	return word;
}

void helper_add_pair(struct buf *out, const char *key, struct str value)
{
	buf_printf(out, " %s=\"", key);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (c == '"' || c == '\\' || c == '\n' || c == '\r')
			buf_add_char(out, '\\');
		buf_add_char(out, (char)(c == '\n' ? 'n' : c == '\r' ? 'r' : c));
	}
	buf_add_char(out, '"');
}
