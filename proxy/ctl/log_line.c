/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/ctl/log_line.h"

#include "lib/base/check.h"

/* ---- JSON: one object, whose values are strings, numbers and words; what is nested is no line of
 * ours */

static const struct {
	const char *name;
	enum log_line_field field;
} names[] = {
	{"timestamp", LOG_LINE_TIME},    {"duration_ms", LOG_LINE_DURATION},
	{"client", LOG_LINE_CLIENT},     {"result", LOG_LINE_RESULT},
	{"status", LOG_LINE_STATUS},     {"bytes_out", LOG_LINE_BYTES},
	{"method", LOG_LINE_METHOD},     {"url", LOG_LINE_URL},
	{"user", LOG_LINE_USER},         {"hierarchy", LOG_LINE_HIERARCHY},
	{"server", LOG_LINE_SERVER},
};

static bool take(struct str *rest, char c)
{
	*rest = str_trim(*rest);
	if (rest->len == 0 || *rest->at != c)
		return false;
	*rest = str_from(*rest, 1);
	return true;
}

/* Behind its first quote. Where it lies in scratch is told by an offset, as that may move. */
static bool take_string(struct str *rest, struct buf *scratch, size_t *from, size_t *len)
{
	*from = scratch->len;
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->at[i];

		if (c == '"') {
			*rest = str_from(*rest, i + 1);
			*len = scratch->len - *from;
			return !scratch->is_full;
		}
		if (c == '\\' && ++i == rest->len)
			return false;
		if (c == '\\' && rest->at[i] != '"' && rest->at[i] != '\\' && rest->at[i] != '/')
			buf_add_char(scratch, '\\');
		buf_add_char(scratch, rest->at[i]);
	}
	return false;
}

static bool take_word(struct str *rest, struct str *word)
{
	size_t n = 0;

	*rest = str_trim(*rest);
	while (n < rest->len && rest->at[n] != ',' && rest->at[n] != '}')
		n++;
	*word = str_trim(str_first(*rest, n));
	*rest = str_from(*rest, n);
	return word->len > 0 && *word->at != '{' && *word->at != '[';
}

static void set(struct log_line *out, struct str name, struct str value)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (str_eq(name, str_of(names[i].name)))
			out->at[names[i].field] = str_eq(value, STR("null")) ? STR_NONE : value;
}

static bool take_pair(struct str *rest, struct buf *scratch, struct log_line *out)
{
	size_t name, name_len, value, value_len;
	struct str word;

	if (!take(rest, '"') || !take_string(rest, scratch, &name, &name_len) || !take(rest, ':'))
		return false;
	if (take(rest, '"')) {
		if (!take_string(rest, scratch, &value, &value_len))
			return false;
		word = (struct str){scratch->at + value, value_len};
	} else if (!take_word(rest, &word)) {
		return false;
	}
	set(out, (struct str){scratch->at + name, name_len}, word);
	return true;
}

static bool read_json(struct str rest, struct buf *scratch, struct log_line *out)
{
	/* So that it does not move. */
	if (!buf_reserve(scratch, rest.len + 1) || !take(&rest, '{'))
		return false;
	do {
		if (!take_pair(&rest, scratch, out))
			return false;
	} while (take(&rest, ','));
	return take(&rest, '}') && out->at[LOG_LINE_TIME].len > 0;
}

/* ---- Squid's */

static bool is_time(struct str word)
{
	for (size_t i = 0; i < word.len; i++)
		if ((word.at[i] < '0' || word.at[i] > '9') && word.at[i] != '.')
			return false;
	return word.len > 0;
}

static struct str known(struct str word)
{
	return str_eq(word, STR("-")) ? STR_NONE : word;
}

/* "A/B" as two fields. */
static void set_both(struct log_line *out, enum log_line_field first, struct str word)
{
	size_t slash = str_find_char(word, '/');

	out->at[first] = known(str_first(word, slash));
	out->at[first + 1] = known(str_from(word, slash + 1));
}

static bool read_native(struct str rest, struct log_line *out)
{
	static const enum log_line_field order[] = {
		LOG_LINE_TIME,   LOG_LINE_DURATION, LOG_LINE_CLIENT, LOG_LINE_RESULT,
		LOG_LINE_BYTES,  LOG_LINE_METHOD,   LOG_LINE_URL,    LOG_LINE_USER,
		LOG_LINE_HIERARCHY,
	};
	struct str word;

	for (size_t i = 0; i < COUNT(order); i++) {
		if (!str_word(&rest, &word))
			return false;
		if (order[i] == LOG_LINE_RESULT || order[i] == LOG_LINE_HIERARCHY)
			set_both(out, order[i], word);
		else
			out->at[order[i]] = known(word);
	}
	return is_time(out->at[LOG_LINE_TIME]) && is_time(out->at[LOG_LINE_DURATION]);
}

bool log_line_read(struct str text, struct buf *scratch, struct log_line *out)
{
	*out = (struct log_line){0};
	buf_clear(scratch);
	return text.len > 0 && *text.at == '{' ? read_json(text, scratch, out)
					       : read_native(text, out);
}
