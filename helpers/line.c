/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads from left to right over the line's own bytes: RESULT by a table, then pairs as long as
 * words are pairs. A value shrinks when it is decoded, so it is written over itself. */
#include "helpers/line.h"

#include "lib/base/check.h"

static const struct {
	struct str word;
	enum helper_code code;
} results[] = {
	{{"OK", 2}, HELPER_OK}, {{"ERR", 3}, HELPER_ERR}, {{"BH", 2}, HELPER_BH},
	{{"TT", 2}, HELPER_TT}, {{"AF", 2}, HELPER_AF},   {{"NA", 2}, HELPER_NA},
};

const char *helper_code_name(enum helper_code code)
{
	static const char *const names[HELPER_CODE_COUNT] = {
		[HELPER_UNKNOWN] = "Unknown", [HELPER_OK] = "OK",           [HELPER_ERR] = "ERR",
		[HELPER_BH] = "BH",           [HELPER_TT] = "TT",           [HELPER_AF] = "AF",
		[HELPER_NA] = "NA",           [HELPER_TIMEOUT] = "Timeout", [HELPER_GONE] = "Gone",
		[HELPER_BUSY] = "Busy",
	};

	check(code < HELPER_CODE_COUNT);
	return names[code];
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct str skip_blanks(struct str s)
{
	while (s.len > 0 && is_blank(*s.at))
		s = str_from(s, 1);
	return s;
}

static size_t word_len(struct str s)
{
	size_t n = 0;

	while (n < s.len && !is_blank(s.at[n]))
		n++;
	return n;
}

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

bool helper_line_take_id(struct str *line, uint64_t *id)
{
	struct str digits = str_first(*line, word_len(*line));
	uint64_t value;

	if (!str_to_u64(digits, &value) || value > INT64_MAX)
		return false;
	if (digits.len > 1 && digits.at[0] == '0')
		return false;
	*id = value;
	*line = skip_blanks(str_from(*line, digits.len));
	return true;
}

/* %XX in place; what is no such escape, and %00, stays. Returns the new length. */
static size_t decode_percent(char *at, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		int high = i + 2 < len && at[i] == '%' ? ascii_hex(at[i + 1]) : -1;
		int low = high >= 0 ? ascii_hex(at[i + 2]) : -1;

		if (low >= 0 && high + low > 0) {
			at[out++] = (char)(high << 4 | low);
			i += 2;
		} else {
			at[out++] = at[i];
		}
	}
	return out;
}

/* Where the text from at (behind its opening quote) has its closing one; len if it has none. */
static size_t closing_quote(const char *at, size_t len)
{
	size_t i = 0;

	while (i < len && at[i] != '"')
		i += at[i] == '\\' ? 2 : 1;
	return i < len ? i : len;
}

static size_t decode_quoted(char *at, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		char c = at[i];

		if (c == '\\' && i + 1 < len) {
			c = at[++i];
			c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
		}
		at[out++] = c;
	}
	return out;
}

/* A value at the front of at[0..len): how many bytes it takes there, 0 with *ok false if none. */
static size_t take_value(char *at, size_t len, struct str *value, bool *ok)
{
	size_t end;

	*ok = true;
	if (len == 0 || *at != '"') {
		end = word_len((struct str){at, len});
		*value = (struct str){at, decode_percent(at, end)};
		return end;
	}
	end = 1 + closing_quote(at + 1, len - 1);
	if (end >= len || (end + 1 < len && !is_blank(at[end + 1]))) {
		*ok = false;
		return 0;
	}
	*value = (struct str){at + 1, decode_quoted(at + 1, end - 1)};
	return end + 1;
}

static void keep_pair(struct helper_reply *out, struct str key, struct str value)
{
	if (key.len > 0 && out->npairs < HELPER_MAX_PAIRS)
		out->pairs[out->npairs++] = (struct helper_pair){key, value};
}

/* Takes one pair off the front of at[0..len); 0 when there is none. `key= x` is none. */
static size_t take_pair(char *at, size_t len, struct helper_reply *out)
{
	size_t nkey = 0, nvalue;
	struct str value;
	bool ok;

	while (nkey < len && is_key_char(at[nkey]))
		nkey++;
	if (nkey == len || at[nkey] != '=')
		return 0;
	if (nkey + 1 < len && is_blank(at[nkey + 1]))
		return 0;
	nvalue = take_value(at + nkey + 1, len - nkey - 1, &value, &ok);
	if (!ok)
		return 0;
	keep_pair(out, (struct str){at, nkey}, value);
	return nkey + 1 + nvalue;
}

static struct str take_pairs(char *at, size_t len, struct helper_reply *out)
{
	size_t used;

	while ((used = take_pair(at, len, out)) > 0) {
		at += used;
		len -= used;
		while (len > 0 && is_blank(*at)) {
			at++;
			len--;
		}
	}
	return (struct str){at, len};
}

/* Takes RESULT off the front of *line; a word that only begins like one is none. */
static enum helper_code take_result(struct str *line)
{
	struct str word = str_first(*line, word_len(*line));

	for (size_t i = 0; i < COUNT(results); i++) {
		if (str_eq(word, results[i].word)) {
			*line = skip_blanks(str_from(*line, word.len));
			return results[i].code;
		}
	}
	return HELPER_UNKNOWN;
}

static void name_free_text(struct helper_reply *out, const char *key)
{
	struct str text = str_trim(out->rest);

	if (text.len > 0 && helper_reply_value(out, str_of(key)).at == NULL)
		keep_pair(out, str_of(key), text);
}

/* "AF token user" and "AF user" as pairs. */
static void name_user(struct helper_reply *out)
{
	struct str rest = out->rest, first, second;

	if (!str_word(&rest, &first))
		return;
	if (!str_word(&rest, &second)) {
		keep_pair(out, STR("user"), first);
		return;
	}
	keep_pair(out, STR("token"), first);
	keep_pair(out, STR("user"), second);
}

static void name_token(struct helper_reply *out)
{
	struct str rest = out->rest, token;

	if (str_word(&rest, &token))
		keep_pair(out, STR("token"), token);
}

/* A token in base64, whose padding is no "key=value"; or a word without "=". */
static bool begins_with_token(struct str line)
{
	struct str word = str_first(line, word_len(line));

	for (size_t i = str_find_char(word, '='); i < word.len; i++)
		if (word.at[i] != '=')
			return false;
	return true;
}

void helper_reply_parse(char *text, size_t len, struct helper_reply *out)
{
	struct str line = skip_blanks((struct str){text, len});

	out->npairs = 0;
	out->code = line.len == 0 ? HELPER_ERR : take_result(&line);
	out->rest = line;
	if ((out->code != HELPER_TT && out->code != HELPER_AF) || !begins_with_token(line))
		out->rest = take_pairs(text + (len - line.len), line.len, out);
	if (out->code == HELPER_BH || out->code == HELPER_NA)
		name_free_text(out, "message");
	else if (out->code == HELPER_AF)
		name_user(out);
	else if (out->code == HELPER_TT)
		name_token(out);
}

void helper_reply_set(struct helper_reply *out, enum helper_code code)
{
	out->code = code;
	out->npairs = 0;
	out->rest = STR("");
}

struct str helper_reply_value(const struct helper_reply *reply, struct str key)
{
	for (unsigned i = 0; i < reply->npairs; i++)
		if (str_eq(reply->pairs[i].key, key))
			return reply->pairs[i].value;
	return STR_NONE;
}

bool helper_value_is_clean(struct str value)
{
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)value.at[i] < 0x20 || value.at[i] == 0x7f)
			return false;
	return true;
}
