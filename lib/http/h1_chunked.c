/* SPDX-License-Identifier: BSD-2-Clause */
/* The framing of chunked bodies is read byte by byte by one table (STATE, CLASS OF BYTE -> STATE);
 * data is skipped in runs. A pair that the table does not name is an error. */
#include "lib/http/h1.h"

#include "lib/base/buf.h"

#include "lib/http/scan_internal.h"

enum state {
	SIZE_START = 0, /* before the first digit */
	SIZE,
	EXTENSION, /* behind ';': before a name */
	EXTENSION_NAME,
	EXTENSION_EQUALS, /* behind '=': before a value */
	EXTENSION_VALUE,
	EXTENSION_QUOTED,
	EXTENSION_ESCAPED, /* behind '\' in quotes */
	EXTENSION_END,     /* behind the closing quote */
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* at the start of a line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	END,
	STATES
};

enum byte_class {
	CLASS_HEX,
	CLASS_TOKEN, /* other than hex digits */
	CLASS_SEMICOLON,
	CLASS_EQUALS,
	CLASS_QUOTE,
	CLASS_BACKSLASH,
	CLASS_COLON,
	CLASS_BLANK,
	CLASS_CR,
	CLASS_LF,
	CLASS_OTHER, /* not a control byte */
	CLASS_CONTROL,
	CLASSES
};

/* clang-format off */
#define ON_TOKEN(next) [CLASS_HEX] = (next), [CLASS_TOKEN] = (next)
#define ON_TEXT(next) ON_TOKEN(next), [CLASS_SEMICOLON] = (next), [CLASS_EQUALS] = (next), \
	[CLASS_COLON] = (next), [CLASS_BLANK] = (next), [CLASS_OTHER] = (next)
/* What is not named gives SIZE_START, to which nothing else leads: an error. (DATA_LF leads to
 * DATA, and enter() goes on from there.) */
static const uint8_t next_state[STATES][CLASSES] = {
	[SIZE_START] = {[CLASS_HEX] = SIZE},
	[SIZE] = {[CLASS_HEX] = SIZE, [CLASS_SEMICOLON] = EXTENSION, [CLASS_CR] = SIZE_LF},
	[EXTENSION] = {ON_TOKEN(EXTENSION_NAME), [CLASS_BLANK] = EXTENSION},
	[EXTENSION_NAME] = {ON_TOKEN(EXTENSION_NAME), [CLASS_EQUALS] = EXTENSION_EQUALS,
			    [CLASS_SEMICOLON] = EXTENSION, [CLASS_CR] = SIZE_LF},
	[EXTENSION_EQUALS] = {ON_TOKEN(EXTENSION_VALUE), [CLASS_BLANK] = EXTENSION_EQUALS,
			      [CLASS_QUOTE] = EXTENSION_QUOTED},
	[EXTENSION_VALUE] = {ON_TOKEN(EXTENSION_VALUE), [CLASS_SEMICOLON] = EXTENSION,
			     [CLASS_CR] = SIZE_LF},
	[EXTENSION_QUOTED] = {ON_TEXT(EXTENSION_QUOTED), [CLASS_BACKSLASH] = EXTENSION_ESCAPED,
			      [CLASS_QUOTE] = EXTENSION_END},
	[EXTENSION_ESCAPED] = {ON_TEXT(EXTENSION_QUOTED), [CLASS_BACKSLASH] = EXTENSION_QUOTED,
			       [CLASS_QUOTE] = EXTENSION_QUOTED},
	[EXTENSION_END] = {[CLASS_SEMICOLON] = EXTENSION, [CLASS_CR] = SIZE_LF},
	[SIZE_LF] = {[CLASS_LF] = DATA},
	[DATA_CR] = {[CLASS_CR] = DATA_LF},
	[DATA_LF] = {[CLASS_LF] = DATA},
	[TRAILER] = {ON_TOKEN(TRAILER_NAME), [CLASS_CR] = END_LF},
	[TRAILER_NAME] = {ON_TOKEN(TRAILER_NAME), [CLASS_COLON] = TRAILER_VALUE},
	[TRAILER_VALUE] = {ON_TEXT(TRAILER_VALUE), [CLASS_QUOTE] = TRAILER_VALUE,
			   [CLASS_BACKSLASH] = TRAILER_VALUE, [CLASS_CR] = TRAILER_LF},
	[TRAILER_LF] = {[CLASS_LF] = TRAILER},
	[END_LF] = {[CLASS_LF] = END},
};
/* clang-format on */

static enum byte_class class_of(char c)
{
	switch (c) {
	case ';':
		return CLASS_SEMICOLON;
	case '=':
		return CLASS_EQUALS;
	case '"':
		return CLASS_QUOTE;
	case '\\':
		return CLASS_BACKSLASH;
	case ':':
		return CLASS_COLON;
	case ' ':
	case '\t':
		return CLASS_BLANK;
	case '\r':
		return CLASS_CR;
	case '\n':
		return CLASS_LF;
	default:
		return byte_is(c, BYTE_HEX)       ? CLASS_HEX
		       : byte_is(c, BYTE_TOKEN)   ? CLASS_TOKEN
		       : byte_is(c, BYTE_CONTROL) ? CLASS_CONTROL
		                                  : CLASS_OTHER;
	}
}

/* A digit of the size: at most 16, and the sum of all chunks stays below 2^63. */
static enum h1_error add_digit(struct h1_chunks *chunks, char c)
{
	chunks->left = chunks->left << 4 | hex_value(c);
	if (++chunks->ndigits_ > 16 || chunks->left > INT64_MAX - chunks->received)
		return H1_BAD_CHUNK;
	return H1_OK;
}

/* A whole size line: is there data, or is this the last chunk? */
static enum h1_error begin_chunk(struct h1_chunks *chunks)
{
	chunks->state_ = chunks->left > 0 ? DATA : TRAILER;
	return chunks->overhead > H1_FREE_OVERHEAD + H1_OVERHEAD_PER_BYTE * chunks->received
	               ? H1_CHUNK_OVERHEAD
	               : H1_OK;
}

static enum h1_error enter(struct h1_chunks *chunks, enum state from, char c)
{
	switch (chunks->state_) {
	case SIZE:
		return add_digit(chunks, c);
	case DATA:
		if (from == SIZE_LF)
			return begin_chunk(chunks);
		chunks->state_ = SIZE_START;
		chunks->ndigits_ = 0;
		return H1_OK;
	default:
		return H1_OK;
	}
}

/* One byte of framing. */
static enum h1_error step(struct h1_chunks *chunks, char c)
{
	enum state from = chunks->state_;

	chunks->state_ = next_state[from][class_of(c)];
	chunks->overhead++;
	if (chunks->state_ == SIZE_START)
		return H1_BAD_CHUNK;
	if (from >= EXTENSION && from <= EXTENSION_END &&
	    ++chunks->extension_bytes > H1_MAX_EXTENSION_BYTES)
		return H1_BAD_CHUNK;
	if (from >= TRAILER && from <= TRAILER_LF && ++chunks->trailer_bytes > H1_MAX_TRAILER_BYTES)
		return H1_TRAILERS_TOO_LARGE;
	if (from >= TRAILER && from <= TRAILER_LF && chunks->trailers)
		buf_add_char(chunks->trailers, c);
	return enter(chunks, from, c);
}

static size_t take_data(struct h1_chunks *chunks, const char *in, size_t len, struct str *data)
{
	size_t n = len < chunks->left ? len : (size_t)chunks->left;

	*data = (struct str){in, n};
	chunks->left -= n;
	chunks->received += n;
	if (chunks->left == 0)
		chunks->state_ = DATA_CR;
	return n;
}

enum h1_verdict h1_decode_chunks(struct h1_chunks *chunks, const char *in, size_t len, size_t *used,
                                 struct str *data)
{
	size_t at = 0;

	*data = (struct str){in, 0};
	while (at < len && chunks->state_ != END && chunks->error == H1_OK) {
		if (chunks->state_ != DATA)
			chunks->error = step(chunks, in[at++]);
		else if (data->len == 0)
			at += take_data(chunks, in + at, len - at, data);
		else
			break; /* data must be one piece */
	}
	*used = at;
	if (chunks->error != H1_OK)
		return H1_ERROR;
	return chunks->state_ == END ? H1_DONE : H1_MORE;
}

size_t h1_encode_chunk_head(uint64_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 0;
	size_t n = 0;

	while (shift < 60 && len >> (shift + 4) > 0)
		shift += 4;
	for (; shift >= 0; shift -= 4)
		out[n++] = digits[len >> shift & 15];
	out[n++] = '\r';
	out[n++] = '\n';
	return n;
}
