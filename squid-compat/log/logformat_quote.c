/* SPDX-License-Identifier: BSD-2-Clause */
/* Encodings of values in log lines and helper requests: one table of what each byte needs. */
#include "lib/base/check.h"
#include "lib/base/json.h"
#include "squid-compat/log/logformat_internal.h"

static void add_hex(struct buf *out, const char *before, unsigned char c, const char *digits)
{
	buf_add_str(out, str_of(before));
	buf_add_char(out, digits[c >> 4]);
	buf_add_char(out, digits[c & 15]);
}

static bool is_control_or_8bit(unsigned char c)
{
	return c < 32 || c >= 127;
}

/* CR, LF and the like as \r, \n; 0: it has no such form. */
static char short_escape(unsigned char c)
{
	return c == '\r' ? 'r' : c == '\n' ? 'n' : 0;
}

static void add_escape(struct buf *out, char c)
{
	buf_add_char(out, '\\');
	buf_add_char(out, c);
}

static void encode_block(struct buf *out, unsigned char c)
{
	if (short_escape(c))
		add_escape(out, short_escape(c));
	else if (c == '\\')
		add_escape(out, '\\');
	else if (is_control_or_8bit(c) || c == '%' || c == '[' || c == ']')
		add_hex(out, "%", c, "0123456789abcdef");
	else
		buf_add_char(out, (char)c);
}

/* 8-bit bytes stay; controls never do, so that no value writes to the reader's terminal. */
static void encode_quoted(struct buf *out, unsigned char c)
{
	if (short_escape(c))
		add_escape(out, short_escape(c));
	else if (c == '\t')
		add_escape(out, 't');
	else if (c == '"' || c == '\\')
		add_escape(out, (char)c);
	else if (c < 32 || c == 127)
		add_hex(out, "\\x", c, "0123456789abcdef");
	else
		buf_add_char(out, (char)c);
}

static bool is_unsafe_in_url(unsigned char c)
{
	return is_control_or_8bit(c) || strchr(" \"<>#{}|\\^~[]'`", c);
}

static void encode_url_keep(struct buf *out, unsigned char c)
{
	if (is_unsafe_in_url(c))
		add_hex(out, "%", c, "0123456789ABCDEF");
	else
		buf_add_char(out, (char)c);
}

static void encode_url(struct buf *out, unsigned char c)
{
	if (c == '%')
		add_hex(out, "%", c, "0123456789ABCDEF");
	else
		encode_url_keep(out, c);
}

static void encode_shell(struct buf *out, unsigned char c)
{
	if (short_escape(c))
		add_escape(out, short_escape(c));
	else if (c == '"' || c == '\\')
		add_escape(out, (char)c);
	else
		buf_add_char(out, (char)c);
}

static void encode_blanks(struct buf *out, unsigned char c)
{
	if (c <= ' ' || c == 0x7f)
		add_hex(out, "%", c, "0123456789ABCDEF");
	else
		buf_add_char(out, (char)c);
}

static void (*const encoders[LOG_ENCODINGS])(struct buf *out, unsigned char c) = {
	[LOG_ENCODE_BLOCK] = encode_block,       [LOG_ENCODE_QUOTED] = encode_quoted,
	[LOG_ENCODE_URL] = encode_url,           [LOG_ENCODE_URL_KEEP] = encode_url_keep,
	[LOG_ENCODE_SHELL] = encode_shell,       [LOG_ENCODE_BLANKS] = encode_blanks,
};

/* Bytes that mean nothing in any of the encodings, which most values are made of. */
static const bool is_plain[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['-' ... ':'] = true, ['_'] = true,
	['='] = true,         ['&'] = true,         ['?'] = true,
};

void log_encode(struct buf *out, enum log_encoding encoding, struct str value)
{
	bool adds_quotes = encoding == LOG_ENCODE_SHELL &&
			   (str_find_char(value, ' ') < value.len ||
			    str_find_char(value, '\t') < value.len);

	check((unsigned)encoding < LOG_ENCODINGS);
	if (encoding == LOG_ENCODE_JSON) {
		json_add_str(out, value);
		return;
	}
	if (!encoders[encoding]) {
		buf_add_str(out, value);
		return;
	}
	if (adds_quotes)
		buf_add_char(out, '"');
	for (size_t i = 0; i < value.len;) {
		size_t from = i;

		while (i < value.len && is_plain[(unsigned char)value.at[i]])
			i++;
		buf_add(out, value.at + from, i - from);
		if (i < value.len)
			encoders[encoding](out, (unsigned char)value.at[i++]);
	}
	if (adds_quotes)
		buf_add_char(out, '"');
}

void log_quote_url(struct buf *out, struct str value, bool escapes_percent)
{
	log_encode(out, escapes_percent ? LOG_ENCODE_URL : LOG_ENCODE_URL_KEEP, value);
}

void log_quote_shell(struct buf *out, struct str value)
{
	log_encode(out, LOG_ENCODE_SHELL, value);
}
